/*
 * [dataset "NAME"]: one section for each database of another program that is
 * replicated.  One table lists the keys; what only all sections together can
 * show to be wrong is checked once everything was read.
 */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "daemon/config_secrets.h"
#include "daemon/settings_internal.h"

#define SECTION "dataset"
#define SEND_TO_ALL "*"
/* inih cuts the name of a section after 49 bytes. */
#define NAME_MAX_LEN 39

/* The built-in datasets. */
static const char *const taken[] = { "config", "admins" };

static int
read_capture(const struct key *key, const char *value, void *field,
    struct err *e)
{
    static const struct word words[] = { { "compare", CAPTURE_COMPARE },
        { "triggers", CAPTURE_TRIGGERS }, { NULL, 0 } };
    int mode = 0;

    if (setting_read_word(key, words, value, &mode, e) != 0)
        return -1;
    *(enum capture_mode *)field = (enum capture_mode)mode;
    return 0;
}

static int
read_drift_capture(const struct key *key, const char *value, void *field,
    struct err *e)
{
    static const struct word words[] = { { "scrub", CAPTURE_COMPARE },
        { "triggers", CAPTURE_TRIGGERS }, { NULL, 0 } };
    int mode = 0;

    if (setting_read_word(key, words, value, &mode, e) != 0)
        return -1;
    *(enum capture_mode *)field = (enum capture_mode)mode;
    return 0;
}

/* "TABLE.COLUMN, TABLE.COLUMN, ..." or "*", kept as it is. */
static int
read_columns(const struct key *key, const char *value, void *field,
    struct err *e)
{
    const char *p = value;

    if (strcmp(value, CONFIG_SECRETS_ALL) == 0)
        p = "";
    while (*p != '\0') {
        size_t len, dot;

        p += strspn(p, ", ");
        len = strcspn(p, ",");
        dot = strcspn(p, ".,");
        if (len > 0 && (dot == 0 || p[dot] != '.' || dot + 1 >= len))
            return err_set(e, ERR_INVALID,
                "\"%s\" wants TABLE.COLUMN, separated by commas, not \"%.*s\"",
                key->name, (int)len, p);
        p += len;
    }
    free(*(char **)field);
    *(char **)field = alloc_string(value);
    return 0;
}

/* The next name of a list at *LIST, which is moved behind it; its length, or 0
 * at the end. */
static size_t
next_name(const char **list, const char **name)
{
    size_t len;

    *list += strspn(*list, ", ");
    *name = *list;
    len = strcspn(*list, ", ");
    *list += len;
    return len;
}

/* "NAME, NAME, ..."; lines add up. */
static int
read_names(const struct key *key, const char *value, void *field, struct err *e)
{
    char **names = field;
    const char *rest = value, *name;
    size_t len;
    char *all;

    while ((len = next_name(&rest, &name)) > 0) {
        char *one = alloc_format("%.*s", (int)len, name);
        bool good = settings_name_ok(one) || strcmp(one, SEND_TO_ALL) == 0;

        free(one);
        if (!good)
            return err_set(e, ERR_INVALID,
                "\"%s\" wants names of servers or \"%s\", separated by commas, "
                "not \"%.*s\"",
                key->name, SEND_TO_ALL, (int)len, name);
    }
    all = alloc_format("%s,%s", *names != NULL ? *names : "", value);
    free(*names);
    *names = all;
    return 0;
}

/* Lines add up: a line holds 199 bytes at most. */
static int
read_protect(const struct key *key, const char *value, void *field,
    struct err *e)
{
    (void)key;
    return selection_add_columns(field, value, e);
}

static int
read_protect_rows(const struct key *key, const char *value, void *field,
    struct err *e)
{
    (void)key;
    return selection_add_rows(field, value, e);
}

static int
read_exclude(const struct key *key, const char *value, void *field,
    struct err *e)
{
    (void)key;
    return selection_add_tables(field, value, e);
}

#define FIELD(member) offsetof(struct dataset_settings, member)

/* Every key of a dataset; "path" has no default and must be there. */
const struct key settings_dataset_keys[] = {
    { NULL, "path", setting_read_path, FIELD(path), 0, 0, NULL, "FILE" },
    { NULL, "capture", read_capture, FIELD(capture), 0, 0, "compare",
        "compare|triggers" },
    { NULL, "drift_capture", read_drift_capture, FIELD(drift_capture), 0, 0,
        "triggers", "triggers|scrub" },
    { NULL, "secrets", read_columns, FIELD(secrets), 0, 0, "",
        "TABLE.COLUMN, ...|*" },
    { NULL, "send_to", read_names, FIELD(send_to), 0, 0, "", "*|SERVER, ..." },
    { NULL, "protect", read_protect, FIELD(selection), 0, 0, "",
        "TABLE.COLUMN, ..." },
    { NULL, "protect_rows", read_protect_rows, FIELD(selection), 0, 0, "",
        "TABLE WHERE EXPRESSION" },
    { NULL, "exclude", read_exclude, FIELD(selection), 0, 0, "", "TABLE, ..." },
};

#define KEY_COUNT \
    (sizeof(settings_dataset_keys) / sizeof(settings_dataset_keys[0]))

const size_t settings_dataset_key_count = KEY_COUNT;

bool
settings_is_dataset(const char *section)
{
    return strncmp(section, SECTION, strlen(SECTION)) == 0;
}

static int
bad_name(const char *section, struct err *e)
{
    err_set(e, ERR_INVALID, "[%s] names no dataset", section);
    err_hint(e,
        "Write [dataset \"NAME\"] with 1 to %d letters, digits, dots, "
        "hyphens or underscores.",
        NAME_MAX_LEN);
    return -1;
}

/* The name between the quotes, to be freed; NULL with E. */
static char *
section_name(const char *section, struct err *e)
{
    static const char before[] = SECTION " \"";
    size_t len = strlen(section);
    char *name;
    size_t i;

    if (len < sizeof(before) || section[len - 1] != '"' ||
        strncmp(section, before, sizeof(before) - 1) != 0) {
        bad_name(section, e);
        return NULL;
    }
    name = alloc_string(section + sizeof(before) - 1);
    name[strlen(name) - 1] = '\0';
    if (!settings_name_ok(name) || strlen(name) > NAME_MAX_LEN) {
        bad_name(section, e);
        goto fail;
    }
    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(name, taken[i]) == 0) {
            err_set(e, ERR_INVALID, "\"%s\" is a dataset of Lockstep's own",
                name);
            err_hint(e, "Give this one another name.");
            goto fail;
        }
    }
    return name;
fail:
    free(name);
    return NULL;
}

const struct dataset_settings *
settings_find_dataset(const struct settings *s, const char *name)
{
    size_t i;

    for (i = 0; i < s->dataset_count; i++) {
        if (strcmp(s->datasets[i].name, name) == 0)
            return &s->datasets[i];
    }
    return NULL;
}

/* Takes NAME over. */
static struct dataset_settings *
add_dataset(struct settings *s, char *name, const char *place, struct err *e)
{
    struct dataset_settings *ds;
    size_t i;

    if (s->dataset_count == SETTINGS_DATASETS_MAX) {
        err_set(e, ERR_INVALID, "there are more than %d datasets",
            SETTINGS_DATASETS_MAX);
        free(name);
        return NULL;
    }
    s->datasets =
        alloc_resize(s->datasets, s->dataset_count + 1, sizeof(*s->datasets));
    ds = &s->datasets[s->dataset_count++];
    *ds =
        (struct dataset_settings){ .name = name, .place = alloc_string(place) };
    for (i = 0; i < KEY_COUNT; i++) {
        if (settings_dataset_keys[i].standard != NULL &&
            settings_dataset_keys[i].read(&settings_dataset_keys[i],
                settings_dataset_keys[i].standard,
                (char *)ds + settings_dataset_keys[i].offset, e) != 0)
            abort();
    }
    return ds;
}

int
settings_dataset_value(struct settings *s, const char *section,
    const char *name, const char *value, const char *place, struct err *e)
{
    char *dataset = section_name(section, e);
    struct dataset_settings *ds;
    size_t i;

    if (dataset == NULL)
        return -1;
    ds = (struct dataset_settings *)settings_find_dataset(s, dataset);
    if (ds == NULL)
        ds = add_dataset(s, dataset, place, e);
    else
        free(dataset);
    if (ds == NULL)
        return -1;
    for (i = 0; i < KEY_COUNT; i++) {
        if (strcmp(name, settings_dataset_keys[i].name) == 0)
            return settings_dataset_keys[i].read(&settings_dataset_keys[i],
                value, (char *)ds + settings_dataset_keys[i].offset, e);
    }
    return err_set(e, ERR_INVALID, "unknown key \"%s\" in section [%s]", name,
        section);
}

bool
settings_all_secret(const struct settings *s, const char *dataset)
{
    const struct dataset_settings *ds = settings_find_dataset(s, dataset);

    return ds != NULL && strcmp(ds->secrets, CONFIG_SECRETS_ALL) == 0;
}

bool
settings_sends_to(const struct settings *s, const char *dataset,
    const char *server)
{
    const struct dataset_settings *ds = settings_find_dataset(s, dataset);
    const char *rest, *name;
    size_t len, count = 0;

    if (ds == NULL)
        return true;
    rest = ds->send_to;
    while ((len = next_name(&rest, &name)) > 0) {
        count++;
        if ((len == strlen(SEND_TO_ALL) &&
                strncmp(name, SEND_TO_ALL, len) == 0) ||
            (len == strlen(server) && strncmp(name, server, len) == 0))
            return true;
    }
    return count == 0 && !settings_all_secret(s, dataset);
}

/* Where PATH leads, to be freed: the folder's links are followed when there is
 * no such file yet. */
static char *
resolve(const char *path)
{
    char *real = realpath(path, NULL);
    char *copy;
    char *folder;

    if (real != NULL)
        return real;
    copy = alloc_string(path);
    folder = realpath(dirname(copy), NULL);
    free(copy);
    if (folder == NULL)
        return alloc_string(path);
    copy = alloc_string(path);
    real = alloc_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder,
        basename(copy));
    free(copy);
    free(folder);
    return real;
}

static bool
is_inside(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 &&
           (path[len] == '/' || path[len] == '\0');
}

/* One file, by whatever names. */
static bool
is_same_file(const char *a, const char *b)
{
    struct stat sa;
    struct stat sb;

    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static int
check_path(const struct settings *s, size_t index, struct err *e)
{
    const struct dataset_settings *ds = &s->datasets[index];
    char *path = resolve(ds->path);
    char *state_dir = resolve(s->state_dir);
    int r = 0;
    size_t i;

    if (is_inside(path, state_dir)) {
        r = err_set(e, ERR_INVALID,
            "\"%s\" is inside the state directory \"%s\", which is Lockstep's "
            "own",
            ds->path, s->state_dir);
        err_hint(e, "Name the file that the other program uses.");
    }
    for (i = 0; r == 0 && i < sizeof(taken) / sizeof(taken[0]); i++) {
        char *own = alloc_format("%s/%s.db", s->state_dir, taken[i]);

        if (is_same_file(path, own))
            r = err_set(e, ERR_INVALID, "\"%s\" is the file of dataset \"%s\"",
                ds->path, taken[i]);
        free(own);
    }
    for (i = 0; r == 0 && i < index; i++) {
        char *other = resolve(s->datasets[i].path);

        if (is_same_file(path, other))
            r = err_set(e, ERR_INVALID,
                "\"%s\" is the file of dataset \"%s\" already", ds->path,
                s->datasets[i].name);
        free(other);
    }
    free(state_dir);
    free(path);
    return r;
}

int
settings_check_datasets(const struct settings *s, struct err *e)
{
    size_t i;

    for (i = 0; i < s->dataset_count; i++) {
        const struct dataset_settings *ds = &s->datasets[i];

        if (ds->path == NULL) {
            err_set(e, ERR_INVALID, "dataset \"%s\" has no path", ds->name);
            err_hint(e, "Add \"path = FILE\" to its section.");
            return err_wrap(e, "%s", ds->place);
        }
    }
    for (i = 0; i < s->dataset_count; i++) {
        if (check_path(s, i, e) != 0)
            return err_wrap(e, "%s", s->datasets[i].place);
    }
    return 0;
}

void
settings_datasets_release(struct settings *s)
{
    size_t i;

    for (i = 0; i < s->dataset_count; i++) {
        free(s->datasets[i].name);
        free(s->datasets[i].path);
        free(s->datasets[i].secrets);
        free(s->datasets[i].send_to);
        selection_release(&s->datasets[i].selection);
        free(s->datasets[i].place);
    }
    free(s->datasets);
}

/*
 * Reads the options: tables say what there is, what it is by default and what
 * it may be.
 */
#include "contrib/accounts/policy.h"

#include <ini.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

#define FILE_MAX (64 * 1024)
#define ROOTS_MAX 64

static const struct policy_option options[] = {
    POLICY_OPTION(struct policy, database, POLICY_PATH, true,
        "/var/lib/lockstep/config.db"),
    POLICY_OPTION(struct policy, passwd, POLICY_PATH, true, "/etc/passwd"),
    POLICY_OPTION(struct policy, group, POLICY_PATH, true, "/etc/group"),
    POLICY_OPTION(struct policy, marker_group, POLICY_WORD, false,
        "lockstep-sftp"),
    POLICY_OPTION(struct policy, marker_gid, POLICY_NUMBER, false, "14983"),
    POLICY_OPTION(struct policy, id_min, POLICY_NUMBER, false, "1000"),
    POLICY_OPTION(struct policy, id_max, POLICY_NUMBER, false, "4294967293"),
    POLICY_OPTION(struct policy, home_roots, POLICY_ROOTS, true, "/srv/sftp"),
    POLICY_OPTION(struct policy, folder, POLICY_WORD, false, "files"),
    POLICY_OPTION(struct policy, shell, POLICY_PATH, false,
        "/usr/sbin/nologin"),
    POLICY_OPTION(struct policy, end_sessions, POLICY_YES, false, "yes"),
    { .name = NULL },
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]) - 1)

static void *
field(struct policy *p, const struct policy_option *o)
{
    return (char *)p + o->offset;
}

static void
free_roots(char **roots)
{
    for (size_t i = 0; roots != NULL && roots[i] != NULL; i++)
        free(roots[i]);
    free(roots);
}

static void
release_field(struct policy *p, const struct policy_option *o)
{
    if (o->kind == POLICY_ROOTS)
        free_roots(*(char ***)field(p, o));
    else if (o->kind != POLICY_NUMBER && o->kind != POLICY_YES)
        free(*(char **)field(p, o));
}

/* From the root, without a way up, and nothing that a line of passwd cannot
 * hold. */
static bool
path_is_plain(const char *s)
{
    size_t len = strlen(s);

    if (s[0] != '/' || len > 1000 || (len > 1 && s[len - 1] == '/') ||
        strstr(s, "//") != NULL || strstr(s, "/../") != NULL ||
        strstr(s, "/./") != NULL || strchr(s, ':') != NULL)
        return false;
    return len < 3 ||
           (strcmp(s + len - 3, "/..") != 0 && strcmp(s + len - 2, "/.") != 0);
}

static bool
word_is_plain(const char *s)
{
    return strlen(s) <= 32 && s[0] != '-' && s[0] != '.' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789_.-")] == '\0';
}

static int
take_roots(char ***roots, const char *value, struct err *e)
{
    char **list = alloc_zeroed(ROOTS_MAX + 1, sizeof(*list));
    size_t count = 0;
    char *text = alloc_string(value), *save = NULL;
    int r = 0;

    for (char *s = strtok_r(text, ", \t", &save); s != NULL;
         s = strtok_r(NULL, ", \t", &save)) {
        if (!path_is_plain(s) || strcmp(s, "/") == 0 || count == ROOTS_MAX) {
            r = err_set(e, ERR_INVALID, "no folder for homes: \"%s\"", s);
            break;
        }
        list[count++] = alloc_string(s);
    }
    free(text);
    if (r != 0) {
        free_roots(list);
        return -1;
    }
    free_roots(*roots);
    *roots = list;
    return 0;
}

static int
take_number(uint32_t *number, const char *value, struct err *e)
{
    char *end;
    unsigned long long n = strtoull(value, &end, 10);

    if (value[0] < '0' || value[0] > '9' || *end != '\0' || n == 0 ||
        n > 4294967293ULL)
        return err_set(e, ERR_INVALID, "no number in range: \"%s\"", value);
    *number = (uint32_t)n;
    return 0;
}

static int
take_yes(uint32_t *yes, const char *value, struct err *e)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return err_set(e, ERR_INVALID, "neither yes nor no: \"%s\"", value);
    *yes = value[0] == 'y';
    return 0;
}

static int
take_text(char **text, const char *value, bool good, struct err *e)
{
    if (!good)
        return err_set(e, ERR_INVALID, "not a plain name or path: \"%s\"",
            value);
    free(*text);
    *text = alloc_string(value);
    return 0;
}

static int
take(struct policy *p, const struct policy_option *o, const char *value,
    struct err *e)
{
    switch (o->kind) {
    case POLICY_ROOTS:
        return take_roots(field(p, o), value, e);
    case POLICY_NUMBER:
        return take_number(field(p, o), value, e);
    case POLICY_YES:
        return take_yes(field(p, o), value, e);
    case POLICY_WORD:
        return take_text(field(p, o), value, word_is_plain(value), e);
    case POLICY_PATH_OR_NONE:
        return take_text(field(p, o), value,
            value[0] == '\0' || path_is_plain(value), e);
    case POLICY_PATH:
        break;
    }
    return take_text(field(p, o), value, path_is_plain(value), e);
}

/* The options one by one, P's and then the program's own: begins with NULL, and
 * NULL ends. */
static const struct policy_option *
next_option(const struct policy *p, const struct policy_option *o)
{
    o = o == NULL ? options : o + 1;
    if (o->name == NULL && o == &options[OPTION_COUNT])
        o = p->more;
    return o->name != NULL ? o : NULL;
}

void
policy_init(struct policy *p, const char *file,
    const struct policy_option *more)
{
    const struct policy_option *o = NULL;
    struct err e = ERR_INIT;

    memset(p, 0, sizeof(*p));
    p->file = file;
    p->more = more;
    while ((o = next_option(p, o)) != NULL) {
        memset(field(p, o), 0,
            o->kind == POLICY_NUMBER || o->kind == POLICY_YES ? sizeof(uint32_t)
                                                              : sizeof(char *));
        if (take(p, o, o->standard, &e) != 0)
            abort();
    }
}

void
policy_release(struct policy *p)
{
    const struct policy_option *o = NULL;

    while ((o = next_option(p, o)) != NULL)
        release_field(p, o);
}

struct parse {
    struct policy *policy;
    struct err *e;
};

static int
take_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct parse *parse = ctx;
    const struct policy_option *o = NULL;

    if (parse->e->code != ERR_NONE)
        return 0;
    while (section[0] == '\0' && (o = next_option(parse->policy, o)) != NULL)
        if (strcmp(o->name, name) == 0)
            return take(parse->policy, o, value, parse->e) == 0;
    err_set(parse->e, ERR_INVALID, "unknown option \"%s\"", name);
    return 0;
}

static int
read_policy(struct policy *p, const char *file, struct err *e)
{
    struct buf text = BUF_INIT;
    struct parse parse = { p, e };
    int line;

    err_clear(e);
    if (file_read(file, FILE_MAX, &text, e) != 0) {
        buf_release(&text);
        return -1;
    }
    buf_put_u8(&text, 0);
    line = ini_parse_string((const char *)text.data, take_line, &parse);
    buf_release(&text);
    if (line == 0 && p->id_min <= p->id_max)
        return 0;
    if (line == 0)
        return err_set(e, ERR_INVALID, "%s: id_min is above id_max", file);
    if (e->code == ERR_NONE)
        err_set(e, ERR_INVALID, "expected \"name = value\"");
    return err_wrap(e, "%s:%d", file, line);
}

static void
move_path(char **path, const char *root)
{
    char *moved;

    if ((*path)[0] == '\0')
        return;
    moved = alloc_format("%s%s", root, *path);
    free(*path);
    *path = moved;
}

static void
move_policy(struct policy *p, const char *root)
{
    const struct policy_option *o = NULL;

    while ((o = next_option(p, o)) != NULL) {
        char **roots;

        if (!o->moves)
            continue;
        if (o->kind != POLICY_ROOTS) {
            move_path(field(p, o), root);
            continue;
        }
        roots = *(char ***)field(p, o);
        for (size_t j = 0; roots[j] != NULL; j++)
            move_path(&roots[j], root);
    }
}

int
policy_load(struct policy *p, const char *file, const char *root, struct err *e)
{
    char *standard = alloc_format("%s%s", root != NULL ? root : "", p->file);
    int r = 0;

    if (file != NULL || file_exists(standard))
        r = read_policy(p, file != NULL ? file : standard, e);
    if (r == 0 && root != NULL)
        move_policy(p, root);
    free(standard);
    return r;
}

void
policy_take_environment(struct policy *p)
{
    const char *path = getenv("LOCKSTEP_DATABASE");

    if (path == NULL || path[0] == '\0')
        return;
    free(p->database);
    p->database = alloc_string(path);
}

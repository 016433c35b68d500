/*
 * Writes passwd, group and shadow.  group goes first and passwd last: somebody
 * new is there only with his groups and password.
 */
#include "contrib/openssh/nss_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

#define FILE_MAX (512 * 1024 * 1024)
#define SECONDS_A_DAY 86400

static const char header[] =
    "# Made by lockstep-openssh from dataset \"config\"; changes are lost.\n";

static const char *const file_names[] = { "passwd", "group", "shadow" };

/* Reads FOLDER/NAME, of ours or empty. */
static int
read_ours(const char *folder, const char *name, struct buf *text, struct err *e)
{
    char *path = file_join(folder, name);
    int r = 0;

    buf_clear(text);
    if (file_read(path, FILE_MAX, text, e) != 0) {
        r = e->code == ERR_NOT_FOUND ? 0 : -1;
        if (r == 0)
            err_clear(e);
    } else if (text->len > 0 &&
               (text->len < strlen(header) ||
                   memcmp(text->data, header, strlen(header)) != 0)) {
        r = err_set(e, ERR_EXISTS, "\"%s\" is not of Lockstep's making", path);
        err_hint(e, "Move its entries into dataset \"config\" or to /etc, "
                    "then remove the file.");
    }
    free(path);
    return r;
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
split_lines(struct nss_before *b)
{
    size_t room = 1;
    char *rest;

    for (size_t i = 0; i < b->text.len; i++)
        room += b->text.data[i] == '\n';
    b->lines = alloc_zeroed(room, sizeof(*b->lines));
    buf_put_u8(&b->text, 0);
    rest = (char *)b->text.data;
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");

        if (line[0] != '\0' && line[0] != '#')
            b->lines[b->count++] = line;
    }
    qsort(b->lines, b->count, sizeof(*b->lines), compare_lines);
}

int
nss_before_read(struct nss_before *b, const char *folder, struct err *e)
{
    memset(b, 0, sizeof(*b));
    for (size_t i = sizeof(file_names) / sizeof(file_names[0]); i-- > 0;)
        if (read_ours(folder, file_names[i], &b->text, e) != 0) {
            nss_before_release(b);
            return -1;
        }
    split_lines(b);
    return 0;
}

void
nss_before_release(struct nss_before *b)
{
    free(b->lines);
    buf_release(&b->text);
    memset(b, 0, sizeof(*b));
}

static int
compare_name(const void *key, const void *line)
{
    const char *name = key;

    return strncmp(name, *(char *const *)line, strlen(name));
}

bool
nss_before_has_user(const struct nss_before *b, const char *name)
{
    char *start = alloc_format("%s:", name);
    bool has = bsearch(start, b->lines, b->count, sizeof(*b->lines),
                   compare_name) != NULL;

    free(start);
    return has;
}

/* TEXT and what ends its field.  buf_printf costs ten times as much, for as
 * many lines as there are users. */
static void
put_field(struct buf *out, const char *text, char end)
{
    buf_put(out, text, strlen(text));
    buf_put_u8(out, (uint8_t)end);
}

static void
put_id(struct buf *out, uint32_t id)
{
    char text[16], *start = text + sizeof(text) - 1;

    *start = '\0';
    do
        *--start = (char)('0' + id % 10);
    while ((id /= 10) != 0);
    put_field(out, start, ':');
}

static void
put_passwd_line(struct buf *out, const struct account *a,
    const struct policy *policy)
{
    put_field(out, a->name, ':');
    put_field(out, "x", ':');
    put_id(out, a->uid);
    put_id(out, a->gid);
    put_field(out, a->comment, ':');
    put_field(out, a->home, ':');
    put_field(out, policy->shell, '\n');
}

bool
nss_before_is_same(const struct nss_before *b, const struct account *a,
    const struct policy *policy)
{
    struct buf line = BUF_INIT;
    const char *text;
    bool same;

    put_passwd_line(&line, a, policy);
    line.data[line.len - 1] = '\0';
    text = (const char *)line.data;
    same = bsearch(&text, b->lines, b->count, sizeof(*b->lines),
               compare_lines) != NULL;
    buf_release(&line);
    return same;
}

/* shadow counts days: the day after the last on which A may log in.  The second
 * itself is kept by whoever runs us then, and by the keys. */
static void
put_shadow_line(struct buf *out, const struct account *a)
{
    int64_t day = (a->expires_s + SECONDS_A_DAY - 1) / SECONDS_A_DAY;

    put_field(out, a->name, ':');
    put_field(out, a->hash != NULL ? a->hash : "*", ':');
    put_field(out, "19000:0:99999:7:", ':');
    if (a->expires_s > 0)
        buf_printf(out, "%lld", (long long)day);
    buf_put(out, ":\n", 2);
}

static void
put_marker_group(struct buf *out, const struct people *p,
    const struct policy *policy)
{
    buf_printf(out, "%s:x:%lu:", policy->marker_group,
        (unsigned long)policy->marker_gid);
    for (size_t i = 0; i < p->count; i++)
        put_field(out, p->accounts[i].name, i + 1 < p->count ? ',' : '\n');
    if (p->count == 0)
        buf_put(out, "\n", 1);
}

static int
write_changed(const char *folder, const char *name, const struct buf *wanted,
    mode_t mode, struct err *e)
{
    char *path = file_join(folder, name);
    struct buf found = BUF_INIT;
    int r = read_ours(folder, name, &found, e);

    if (r == 0 && (found.len != wanted->len ||
                      memcmp(found.data, wanted->data, wanted->len) != 0))
        r = file_write_atomic(path, wanted->data, wanted->len, mode, e);
    if (found.data != NULL)
        explicit_bzero(found.data, found.len);
    buf_release(&found);
    free(path);
    return r;
}

int
nss_files_write(const struct people *p, const struct policy *policy,
    const char *folder, struct err *e)
{
    struct buf passwd = BUF_INIT, group = BUF_INIT, shadow = BUF_INIT;
    int r = -1;

    buf_put(&passwd, header, strlen(header));
    buf_put(&shadow, header, strlen(header));
    buf_put(&group, header, strlen(header));
    for (size_t i = 0; i < p->count; i++) {
        put_passwd_line(&passwd, &p->accounts[i], policy);
        put_shadow_line(&shadow, &p->accounts[i]);
    }
    put_marker_group(&group, p, policy);
    buf_put(&group, p->groups.data, p->groups.len);
    if (write_changed(folder, "group", &group, 0644, e) == 0 &&
        write_changed(folder, "shadow", &shadow, 0600, e) == 0 &&
        write_changed(folder, "passwd", &passwd, 0644, e) == 0)
        r = 0;
    explicit_bzero(shadow.data, shadow.len);
    buf_release(&passwd);
    buf_release(&group);
    buf_release(&shadow);
    return r;
}

/*
 * Reads passwd and group themselves, not NSS, which would give us our own users
 * back.  Of a line only the name and the third field are looked at.
 */
#include "contrib/accounts/locals.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

#define FILE_MAX (64 * 1024 * 1024)

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
release_set(struct local_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->names[i]);
    free(set->names);
    free(set->ids);
    memset(set, 0, sizeof(*set));
}

/* Takes one line, "NAME:PASSWORD:ID:..."; the room was made. */
static void
take_line(struct local_set *set, char *line)
{
    char *name = strsep(&line, ":");

    strsep(&line, ":");
    if (name[0] == '\0' || line == NULL)
        return;
    set->names[set->count] = alloc_string(name);
    set->ids[set->count++] = (uint32_t)strtoul(line, NULL, 10);
}

static size_t
count_lines(const struct buf *text)
{
    size_t count = 1;

    for (size_t i = 0; i < text->len; i++)
        count += text->data[i] == '\n';
    return count;
}

static int
read_set(struct local_set *set, const char *path, struct err *e)
{
    struct buf text = BUF_INIT;
    size_t lines;
    char *rest;
    int r = -1;

    if (file_read(path, FILE_MAX, &text, e) != 0)
        goto out;
    buf_put_u8(&text, 0);
    lines = count_lines(&text);
    set->names = alloc_zeroed(lines, sizeof(*set->names));
    set->ids = alloc_zeroed(lines, sizeof(*set->ids));
    rest = (char *)text.data;
    while (rest != NULL)
        take_line(set, strsep(&rest, "\n"));
    qsort(set->names, set->count, sizeof(*set->names), compare_names);
    qsort(set->ids, set->count, sizeof(*set->ids), compare_ids);
    r = 0;
out:
    buf_release(&text);
    return r;
}

int
locals_read(struct locals *l, const char *passwd, const char *group,
    struct err *e)
{
    memset(l, 0, sizeof(*l));
    if (read_set(&l->users, passwd, e) == 0 &&
        read_set(&l->groups, group, e) == 0)
        return 0;
    locals_release(l);
    return -1;
}

void
locals_release(struct locals *l)
{
    release_set(&l->users);
    release_set(&l->groups);
}

static bool
holds_name(const struct local_set *set, const char *name)
{
    return bsearch(&name, set->names, set->count, sizeof(*set->names),
               compare_names) != NULL;
}

static bool
holds_id(const struct local_set *set, uint32_t id)
{
    return bsearch(&id, set->ids, set->count, sizeof(*set->ids), compare_ids) !=
           NULL;
}

bool
locals_have_user(const struct locals *l, const char *name)
{
    return holds_name(&l->users, name);
}

bool
locals_have_uid(const struct locals *l, uint32_t uid)
{
    return holds_id(&l->users, uid);
}

bool
locals_have_group(const struct locals *l, const char *name)
{
    return holds_name(&l->groups, name);
}

bool
locals_have_gid(const struct locals *l, uint32_t gid)
{
    return holds_id(&l->groups, gid);
}

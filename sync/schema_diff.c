/*
 * How to get from one schema to another by DDL alone, where that is possible.
 * Whoever runs the result verifies it by the schema hash, so a guess that is
 * wrong here costs an overwrite and never a difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/schema.h"
#include "sync/sqltext.h"

struct ddl {
    struct buf text; /* counted statements */
    uint64_t count;
    char *why;
    size_t why_size;
};

static void
add_statement(struct ddl *d, const char *sql, size_t len)
{
    buf_put_varint(&d->text, len);
    buf_put(&d->text, sql, len);
    d->count++;
}

static int
refuse(struct ddl *d, const char *what, const char *name)
{
    snprintf(d->why, d->why_size, "table \"%s\" %s", name, what);
    return 1;
}

static const struct schema_object *
find_object(const struct schema *s, const struct schema_object *like)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (strcmp(s->objects[i].type, like->type) == 0 &&
            strcmp(s->objects[i].name, like->name) == 0)
            return &s->objects[i];
    return NULL;
}

static bool
same_object(const struct schema_object *a, const struct schema_object *b)
{
    return a != NULL && b != NULL && strcmp(a->sql, b->sql) == 0 &&
           strcmp(a->table, b->table) == 0;
}

static bool
is_table(const struct schema_object *o)
{
    return strcmp(o->type, "table") == 0;
}

/* Triggers, views and indexes that are gone or differ go first, the newest
 * first, because a later one may stand on an earlier one. */
static void
drop_objects(struct ddl *d, const struct schema *old, const struct schema *new)
{
    for (size_t i = old->object_count; i > 0; i--) {
        const struct schema_object *o = &old->objects[i - 1];
        struct buf sql = BUF_INIT;
        char *name;

        if (is_table(o) || same_object(o, find_object(new, o)))
            continue;
        name = sql_quote_name(o->name);
        buf_printf(&sql, "DROP %s %s", o->type, name);
        add_statement(d, (const char *)sql.data, sql.len);
        free(name);
        buf_release(&sql);
    }
}

static void
add_columns(struct ddl *d, const char *table, struct sql_slice definitions)
{
    char *name = sql_quote_name(table);
    struct sql_slice part;

    while (sql_next_part(&definitions, &part)) {
        struct buf sql = BUF_INIT;

        part = sql_trim(part);
        buf_printf(&sql, "ALTER TABLE %s ADD COLUMN %.*s", name, (int)part.len,
            part.text);
        add_statement(d, (const char *)sql.data, sql.len);
        buf_release(&sql);
    }
    free(name);
}

static int
count_parts(struct sql_slice s)
{
    struct sql_slice part;
    int n = 0;

    while (sql_next_part(&s, &part))
        n++;
    return n;
}

/* ADD COLUMN puts ", definition" into the stored text; finds that piece, taking
 * the last place at which both texts allow it. */
static int
find_added_columns(const char *old, const char *new, int added,
    struct sql_slice *definitions)
{
    size_t old_len = strlen(old), new_len = strlen(new);
    size_t same = 0, grown;

    if (new_len < old_len + 3)
        return -1;
    grown = new_len - old_len;
    while (same < old_len && old[same] == new[same])
        same++;
    for (size_t at = same + 1; at > 0; at--) {
        size_t i = at - 1;

        if (strncmp(&new[i], ", ", 2) != 0 ||
            strcmp(&new[i + grown], &old[i]) != 0)
            continue;
        definitions->text = &new[i + 2];
        definitions->len = grown - 2;
        if (count_parts(*definitions) == added)
            return 0;
    }
    return -1;
}

static int
change_table(struct ddl *d, const struct schema *old, const struct schema *new,
    const struct schema_object *from, const struct schema_object *to)
{
    const struct table *a = schema_find_table(old, from->name);
    const struct table *b = schema_find_table(new, to->name);
    struct sql_slice definitions;
    int added;

    if (a == NULL || b == NULL || a->unsupported != NULL ||
        b->unsupported != NULL)
        return refuse(d, "changed", to->name);
    added = b->column_count - a->column_count;
    if (added < 0)
        return refuse(d, "lost a column", to->name);
    for (int i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0)
            return refuse(d, "changed its columns", to->name);
    /* Generated columns may be added too; their number is not known here. */
    for (int n = added; n <= added + 8; n++) {
        if (n > 0 &&
            find_added_columns(from->sql, to->sql, n, &definitions) == 0) {
            add_columns(d, to->name, definitions);
            return 0;
        }
    }
    return refuse(d, "was rebuilt", to->name);
}

static int
change_tables(struct ddl *d, const struct schema *old, const struct schema *new)
{
    for (size_t i = 0; i < old->object_count; i++) {
        const struct schema_object *o = &old->objects[i];

        if (is_table(o) && find_object(new, o) == NULL)
            return refuse(d, "was dropped", o->name);
    }
    for (size_t i = 0; i < new->object_count; i++) {
        const struct schema_object *to = &new->objects[i];
        const struct schema_object *from = find_object(old, to);

        if (is_table(to) && from != NULL && strcmp(from->sql, to->sql) != 0 &&
            change_table(d, old, new, from, to) != 0)
            return 1;
    }
    return 0;
}

static int
create_objects(struct ddl *d, const struct schema *old,
    const struct schema *new, bool tables)
{
    for (size_t i = 0; i < new->object_count; i++) {
        const struct schema_object *o = &new->objects[i];
        const struct schema_object *was = find_object(old, o);
        const struct table *t;

        if (is_table(o) != tables || (tables && was != NULL) ||
            same_object(was, o))
            continue;
        t = tables ? schema_find_table(new, o->name) : NULL;
        if (t != NULL && t->unsupported != NULL)
            return refuse(d, "cannot be sent row by row", o->name);
        add_statement(d, o->sql, strlen(o->sql));
    }
    return 0;
}

int
schema_diff(const struct schema *old, const struct schema *new, struct buf *ddl,
    char *why, size_t why_size)
{
    struct ddl d = { .text = BUF_INIT, .why = why, .why_size = why_size };
    int r;

    drop_objects(&d, old, new);
    r = change_tables(&d, old, new);
    if (r == 0)
        r = create_objects(&d, old, new, true);
    if (r == 0)
        r = create_objects(&d, old, new, false);
    if (r == 0) {
        buf_put_varint(ddl, d.count);
        buf_put(ddl, d.text.data, d.text.len);
    }
    buf_release(&d.text);
    return r;
}

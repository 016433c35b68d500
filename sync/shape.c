/*
 * Names of tables and columns, from a schema and as history stores them.
 */
#include "sync/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct shape *
add_shape(struct shapes *s, char *table)
{
    struct shape *shape;

    s->items = alloc_resize(s->items, s->count + 1, sizeof(*s->items));
    shape = &s->items[s->count++];
    *shape = (struct shape){ .table = table };
    return shape;
}

static void
add_name(char ***names, size_t *count, char *name)
{
    *names = alloc_resize(*names, *count + 1, sizeof(**names));
    (*names)[(*count)++] = name;
}

void
shapes_of_schema(struct shapes *s, const struct schema *schema)
{
    for (size_t i = 0; i < schema->table_count; i++) {
        const struct table *t = &schema->tables[i];
        struct shape *shape;

        if (t->unsupported != NULL)
            continue;
        shape = add_shape(s, alloc_string(t->name));
        for (int k = 0; k < t->key_count; k++)
            add_name(&shape->keys, &shape->key_count,
                alloc_string(t->without_rowid
                                 ? t->columns[t->key_columns[k]].name
                                 : t->rowid_name));
        for (int c = 0; c < t->column_count; c++)
            add_name(&shape->columns, &shape->column_count,
                alloc_string(t->columns[c].name));
    }
}

const struct shape *
shapes_find(const struct shapes *s, const char *table)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].table, table) == 0)
            return &s->items[i];
    return NULL;
}

static void
put_name(struct buf *out, const char *name)
{
    buf_put_varint(out, strlen(name));
    buf_put(out, name, strlen(name));
}

static void
put_names(struct buf *out, char *const *names, size_t count)
{
    buf_put_varint(out, count);
    for (size_t i = 0; i < count; i++)
        put_name(out, names[i]);
}

void
shapes_encode(const struct shapes *s, struct buf *out)
{
    buf_put_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        put_name(out, s->items[i].table);
        put_names(out, s->items[i].keys, s->items[i].key_count);
        put_names(out, s->items[i].columns, s->items[i].column_count);
    }
}

/* A fresh string; NULL when malformed. */
static char *
take_name(struct reader *r)
{
    uint64_t len = reader_varint(r);

    if (r->failed || len > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    return alloc_copy(reader_take(r, (size_t)len), (size_t)len);
}

static void
take_names(struct reader *r, char ***names, size_t *count)
{
    uint64_t wanted = reader_varint(r);

    for (uint64_t i = 0; i < wanted && !r->failed; i++) {
        char *name = take_name(r);

        if (name != NULL)
            add_name(names, count, name);
    }
}

int
shapes_decode(struct shapes *s, const void *data, size_t len, struct err *e)
{
    struct reader r = reader_over(data, len);
    uint64_t count = reader_varint(&r);

    for (uint64_t i = 0; i < count && !r.failed; i++) {
        char *table = take_name(&r);
        struct shape *shape;

        if (table == NULL)
            break;
        shape = add_shape(s, table);
        take_names(&r, &shape->keys, &shape->key_count);
        take_names(&r, &shape->columns, &shape->column_count);
    }
    if (!reader_done(&r))
        return err_set(e, ERR_CORRUPT, "malformed names of columns");
    return 0;
}

static void
free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

void
shapes_release(struct shapes *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].table);
        free_names(s->items[i].keys, s->items[i].key_count);
        free_names(s->items[i].columns, s->items[i].column_count);
    }
    free(s->items);
    *s = (struct shapes)SHAPES_INIT;
}

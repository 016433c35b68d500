/*
 * The SQL with which rows are read, and the reading itself.
 */
#include <stdlib.h>
#include <string.h>

#include "sync/schema.h"
#include "sync/value.h"

char *
sql_quote_name(const char *name)
{
    struct buf b = BUF_INIT;
    size_t len;

    buf_put_u8(&b, '"');
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '"')
            buf_put_u8(&b, '"');
        buf_put_u8(&b, (uint8_t)*p);
    }
    buf_put_u8(&b, '"');
    return (char *)buf_steal(&b, &len);
}

void
sql_put_name(struct buf *b, const char *name)
{
    char *quoted = sql_quote_name(name);

    buf_printf(b, "%s", quoted);
    free(quoted);
}

/* Key part number RANK; with the primary key's collation where that is not the
 * column's own, so that the key's index is used and means the same. */
static void
put_key_part(struct buf *b, const struct table *t, int rank, bool collate)
{
    const struct table_column *c;

    if (!t->without_rowid) {
        sql_put_name(b, t->rowid_name);
        return;
    }
    c = &t->columns[t->key_columns[rank]];
    sql_put_name(b, c->name);
    if (collate && strcasecmp(c->collation, t->key_collations[rank]) != 0) {
        buf_printf(b, " COLLATE ");
        sql_put_name(b, t->key_collations[rank]);
    }
}

static void
put_select(struct buf *b, const struct table *t)
{
    const char *separator = "";

    buf_printf(b, "SELECT ");
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, "%s", separator);
        put_key_part(b, t, i, false);
        separator = ",";
    }
    for (int i = 0; i < t->column_count; i++) {
        buf_printf(b, "%s", separator);
        sql_put_name(b, t->columns[i].name);
        separator = ",";
    }
    buf_printf(b, " FROM main.");
    sql_put_name(b, t->name);
}

void
table_put_filter(struct buf *b, const struct table *t, const char *before)
{
    if (t->filter == NULL)
        return;
    buf_printf(b, "%sNOT coalesce((", before);
    buf_put(b, t->filter, strlen(t->filter));
    buf_printf(b, "),0)");
}

void
table_put_fillers(struct buf *b, const struct table *t, bool values)
{
    for (int i = 0; i < t->kept_count; i++) {
        if (t->kept[i].filler == NULL)
            continue;
        buf_printf(b, ",");
        if (values)
            buf_printf(b, "%s", t->kept[i].filler);
        else
            sql_put_name(b, t->kept[i].name);
    }
}

static void
put_key_condition(struct buf *b, const struct table *t)
{
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, i == 0 ? " WHERE " : " AND ");
        put_key_part(b, t, i, true);
        buf_printf(b, " = ?%d", i + 1);
    }
}

char *
table_select_by_key_sql(const struct table *t)
{
    struct buf b = BUF_INIT;
    size_t len;

    put_select(&b, t);
    put_key_condition(&b, t);
    table_put_filter(&b, t, " AND ");
    return (char *)buf_steal(&b, &len);
}

char *
table_find_sql(const struct table *t)
{
    struct buf b = BUF_INIT;
    size_t len;

    buf_printf(&b, "SELECT 1 FROM main.");
    sql_put_name(&b, t->name);
    put_key_condition(&b, t);
    table_put_filter(&b, t, " AND ");
    return (char *)buf_steal(&b, &len);
}

static void
put_order(struct buf *b, const struct table *t)
{
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(b, i == 0 ? " ORDER BY " : ",");
        put_key_part(b, t, i, true);
    }
}

char *
table_select_all_sql(const struct table *t)
{
    struct buf b = BUF_INIT;
    size_t len;

    put_select(&b, t);
    table_put_filter(&b, t, " WHERE ");
    put_order(&b, t);
    return (char *)buf_steal(&b, &len);
}

char *
table_select_keys_sql(const struct table *t)
{
    struct buf b = BUF_INIT;
    size_t len;

    for (int i = 0; i < t->key_count; i++) {
        buf_printf(&b, i == 0 ? "SELECT " : ",");
        put_key_part(&b, t, i, false);
    }
    buf_printf(&b, " FROM main.");
    sql_put_name(&b, t->name);
    table_put_filter(&b, t, " WHERE ");
    put_order(&b, t);
    return (char *)buf_steal(&b, &len);
}

char *
table_select_after_sql(const struct table *t)
{
    struct buf b = BUF_INIT;
    size_t len;

    put_select(&b, t);
    /* The first part alone makes SQLite search, with any collation. */
    buf_printf(&b, " WHERE ");
    put_key_part(&b, t, 0, true);
    buf_printf(&b, ">=?1 AND ");
    for (int i = 0; i < t->key_count; i++) {
        buf_printf(&b, i == 0 ? "(" : ",");
        put_key_part(&b, t, i, true);
    }
    for (int i = 0; i < t->key_count; i++)
        buf_printf(&b, "%s?%d", i == 0 ? ") > (" : ",", i + 1);
    buf_printf(&b, ")");
    table_put_filter(&b, t, " AND ");
    put_order(&b, t);
    return (char *)buf_steal(&b, &len);
}

void
table_read_row(const struct table *t, sqlite3_stmt *stmt, struct buf *key,
    struct buf *row)
{
    for (int i = 0; i < t->key_count; i++)
        value_put_column(key, stmt, i);
    for (int i = 0; i < t->column_count; i++)
        value_put_column(row, stmt, t->key_count + i);
}

bool
table_same_shape(const struct table *a, const struct table *b)
{
    if (a->without_rowid != b->without_rowid ||
        a->rowid_is_column != b->rowid_is_column ||
        a->key_count != b->key_count || a->column_count != b->column_count)
        return false;
    for (int i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
            a->columns[i].key_rank != b->columns[i].key_rank)
            return false;
    for (int i = 0; a->without_rowid && i < a->key_count; i++)
        if (strcasecmp(a->key_collations[i], b->key_collations[i]) != 0)
            return false;
    return strcmp(a->filter != NULL ? a->filter : "",
               b->filter != NULL ? b->filter : "") == 0;
}

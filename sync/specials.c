/*
 * The specials: user_version, application_id, sqlite_sequence, sqlite_stat1.
 * digest.h describes their form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/digest.h"
#include "sync/open.h"
#include "sync/value.h"

/* The two tables. */
static const struct special_table {
    const char *name;
    int columns;
    const char *about; /* the column that names what a row is about */
    bool filtered;     /* says nothing of tables with protected rows */
    const char *select;
    const char *erase;
    const char *insert;
    const char *create; /* makes the table exist */
} special_tables[] = {
    {
        .name = "sqlite_sequence",
        .columns = 2,
        .about = "name",
        .filtered = true,
        .select = KEPT "SELECT name,seq FROM main.sqlite_sequence"
                       " WHERE (name IS NULL OR name NOT LIKE"
                       " '\\_lockstep\\_%' ESCAPE '\\')",
        .erase = "DELETE FROM main.sqlite_sequence"
                 " WHERE (name IS NULL OR name NOT LIKE"
                 " '\\_lockstep\\_%' ESCAPE '\\')",
        .insert = "INSERT INTO main.sqlite_sequence VALUES(?1,?2)",
        .create = "CREATE TABLE main._lockstep_sequence"
                  "(id INTEGER PRIMARY KEY AUTOINCREMENT);"
                  "DROP TABLE main._lockstep_sequence",
    },
    {
        .name = "sqlite_stat1",
        .columns = 3,
        .about = "tbl",
        .select = KEPT "SELECT tbl,idx,stat FROM main.sqlite_stat1"
                       " WHERE (tbl IS NULL OR tbl NOT LIKE"
                       " '\\_lockstep\\_%' ESCAPE '\\')",
        .erase = "DELETE FROM main.sqlite_stat1"
                 " WHERE (tbl IS NULL OR tbl NOT LIKE"
                 " '\\_lockstep\\_%' ESCAPE '\\')",
        .insert = "INSERT INTO main.sqlite_stat1 VALUES(?1,?2,?3)",
        .create = "ANALYZE main.sqlite_schema",
    },
};

#define SPECIAL_TABLES (sizeof(special_tables) / sizeof(special_tables[0]))

static int
table_exists(sqlite3 *db, const char *name, bool *exists, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_take(db, KEPT "SELECT 1 FROM main.sqlite_schema WHERE name=?1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    *exists = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        database_error(db, e, "could not read the schema");
        database_give(stmt);
        return -1;
    }
    database_give(stmt);
    return 0;
}

/* Whether what T says of that table is the node's own affair. */
static bool
is_local(const struct special_table *t, const struct selection *selection,
    const char *table)
{
    const struct selection_table *of = selection_find(selection, table);

    return of != NULL && (of->excluded || (t->filtered && of->filter != NULL));
}

struct tuple {
    uint8_t *data;
    size_t len;
};

static int
compare_tuples(const void *a, const void *b)
{
    const struct tuple *x = a, *y = b;
    size_t shorter = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->data, y->data, shorter);

    if (order != 0)
        return order;
    return x->len < y->len ? -1 : x->len > y->len;
}

static int
put_table(sqlite3 *db, const struct special_table *t,
    const struct selection *selection, struct buf *out, struct err *e)
{
    struct tuple *rows = NULL;
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    bool exists;
    int rc, r = -1;

    if (table_exists(db, t->name, &exists, e) != 0)
        return -1;
    if (!exists) {
        buf_put_varint(out, 0);
        return 0;
    }
    if (database_take(db, t->select, &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct buf row = BUF_INIT;

        /* Asked for its text, a value of another type would become one. */
        if (selection->count > 0 &&
            sqlite3_column_type(stmt, 0) == SQLITE_TEXT &&
            is_local(t, selection, (const char *)sqlite3_column_text(stmt, 0)))
            continue;
        for (int i = 0; i < t->columns; i++)
            value_put_column(&row, stmt, i);
        rows = alloc_resize(rows, count + 1, sizeof(*rows));
        rows[count].data = buf_steal(&row, &rows[count].len);
        count++;
    }
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not read the specials");
        goto out;
    }
    if (count > 0)
        qsort(rows, count, sizeof(*rows), compare_tuples);
    buf_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        buf_put_varint(out, rows[i].len);
        buf_put(out, rows[i].data, rows[i].len);
    }
    r = 0;
out:
    for (size_t i = 0; i < count; i++)
        free(rows[i].data);
    free(rows);
    database_give(stmt);
    return r;
}

static int
put_pragma(sqlite3 *db, const char *sql, struct buf *out, struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_take(db, sql, &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        buf_put_u32(out, (uint32_t)sqlite3_column_int(stmt, 0));
    else
        r = database_error(db, e, "could not read the specials");
    database_give(stmt);
    return r;
}

int
specials_read(sqlite3 *db, const struct selection *selection, struct buf *out,
    struct err *e)
{
    if (put_pragma(db, KEPT "PRAGMA main.user_version", out, e) != 0 ||
        put_pragma(db, KEPT "PRAGMA main.application_id", out, e) != 0)
        return -1;
    for (size_t i = 0; i < SPECIAL_TABLES; i++)
        if (put_table(db, &special_tables[i], selection, out, e) != 0)
            return -1;
    return 0;
}

/* Takes the next counted tuple of COLUMNS values. */
static int
take_tuple(struct reader *r, int columns, struct reader *tuple, struct err *e)
{
    uint64_t len = reader_varint(r);
    const uint8_t *data;
    struct reader check;

    if (!r->failed && len <= reader_left(r)) {
        data = reader_take(r, (size_t)len);
        *tuple = check = reader_over(data, (size_t)len);
        if (value_skip(&check, columns) == 0 && reader_done(&check))
            return 0;
    }
    return err_set(e, ERR_CORRUPT, "malformed specials");
}

static void
add_row(struct hasher *h, const char *table, const void *row, size_t len,
    struct digest *d)
{
    uint8_t hash[HASH_SIZE];

    digest_row_hash(h, table, NULL, 0, row, len, hash);
    digest_add_hash(d, hash);
}

static void
add_number(struct hasher *h, const char *table, uint32_t number,
    struct digest *d)
{
    struct buf row = BUF_INIT;

    value_put_integer(&row, (int32_t)number);
    add_row(h, table, row.data, row.len, d);
    buf_release(&row);
}

int
specials_digest(const void *specials, size_t len, struct digest *d,
    struct err *e)
{
    struct reader r = reader_over(specials, len), tuple;
    struct hasher *h = hasher_new();
    int result = -1;

    add_number(h, "user_version", reader_u32(&r), d);
    add_number(h, "application_id", reader_u32(&r), d);
    for (size_t i = 0; i < SPECIAL_TABLES; i++) {
        uint64_t count = reader_varint(&r);

        for (uint64_t n = 0; n < count; n++) {
            if (take_tuple(&r, special_tables[i].columns, &tuple, e) != 0)
                goto out;
            add_row(h, special_tables[i].name, tuple.p, reader_left(&tuple), d);
        }
    }
    if (!reader_done(&r)) {
        err_set(e, ERR_CORRUPT, "malformed specials");
        goto out;
    }
    result = 0;
out:
    hasher_free(h);
    return result;
}

static int
write_rows(sqlite3 *db, const struct special_table *t, struct reader *r,
    uint64_t count, struct err *e)
{
    sqlite3_stmt *stmt;
    struct reader tuple;
    int result = -1;

    if (database_prepare(db, t->insert, &stmt, e) != 0)
        return -1;
    for (uint64_t n = 0; n < count; n++) {
        if (take_tuple(r, t->columns, &tuple, e) != 0)
            goto out;
        for (int i = 1; i <= t->columns; i++)
            if (value_bind(&tuple, stmt, i, e) != 0)
                goto out;
        if (sqlite3_step(stmt) != SQLITE_DONE) {
            database_error(db, e, "could not write the specials");
            goto out;
        }
        sqlite3_reset(stmt);
    }
    result = 0;
out:
    sqlite3_finalize(stmt);
    return result;
}

/* Removes the rows that are to be written, and no local ones. */
static int
erase_rows(sqlite3 *db, const struct special_table *t,
    const struct selection *selection, struct err *e)
{
    struct buf sql = BUF_INIT;
    int r;

    buf_printf(&sql, "%s", t->erase);
    for (size_t i = 0; i < selection->count; i++) {
        char *test;

        if (!is_local(t, selection, selection->tables[i].name))
            continue;
        test = sqlite3_mprintf(" AND lower(%s) IS NOT %Q", t->about,
            selection->tables[i].name);
        buf_printf(&sql, "%s", test);
        sqlite3_free(test);
    }
    buf_put_u8(&sql, 0);
    r = database_exec(db, (const char *)sql.data, e);
    buf_release(&sql);
    return r;
}

static int
write_table(sqlite3 *db, const struct special_table *t,
    const struct selection *selection, struct reader *r, struct err *e)
{
    uint64_t count = reader_varint(r);
    bool exists;

    if (r->failed || count > reader_left(r))
        return err_set(e, ERR_CORRUPT, "malformed specials");
    if (table_exists(db, t->name, &exists, e) != 0)
        return -1;
    if (!exists && count == 0)
        return 0;
    if ((!exists && database_exec(db, t->create, e) != 0) ||
        (exists && erase_rows(db, t, selection, e) != 0))
        return -1;
    return write_rows(db, t, r, count, e);
}

static int
write_pragma(sqlite3 *db, const char *name, uint32_t value, struct err *e)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA main.%s=%d", name, (int)value);
    return database_exec(db, sql, e);
}

int
specials_write(sqlite3 *db, const struct selection *selection,
    const void *specials, size_t len, struct err *e)
{
    struct reader r = reader_over(specials, len);
    uint32_t user_version = reader_u32(&r);
    uint32_t application_id = reader_u32(&r);

    if (r.failed)
        return err_set(e, ERR_CORRUPT, "malformed specials");
    if (write_pragma(db, "user_version", user_version, e) != 0 ||
        write_pragma(db, "application_id", application_id, e) != 0)
        return -1;
    for (size_t i = 0; i < SPECIAL_TABLES; i++)
        if (write_table(db, &special_tables[i], selection, &r, e) != 0)
            return -1;
    if (!reader_done(&r))
        return err_set(e, ERR_CORRUPT, "malformed specials");
    return 0;
}

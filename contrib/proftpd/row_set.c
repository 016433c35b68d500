/* Sorts, merges and writes rows; what they mean is not known here. */
#include "contrib/proftpd/row_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"

#define ALL_COLUMNS UINT32_MAX

struct row_cell
row_text(const char *text)
{
    return (struct row_cell){ text, (int64_t)strlen(text) };
}

struct row_cell
row_number(int64_t number)
{
    return (struct row_cell){ NULL, number };
}

/* Room for one more of COUNT items. */
static void *
grow(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room == 0 ? 64 : 2 * *room;
    return alloc_resize(items, *room, size);
}

struct row_cell *
row_set_add(struct row_set *s)
{
    s->cells = grow(s->cells, s->count, &s->room,
        s->table->columns * sizeof(*s->cells));
    return row_set_at(s, s->count++);
}

struct row_cell *
row_set_at(const struct row_set *s, size_t i)
{
    return s->cells + i * s->table->columns;
}

/* As SQLite has text in order: by bytes, the shorter first. */
static int
order_text(const void *a, int64_t a_len, const void *b, int64_t b_len)
{
    int order = memcmp(a, b, (size_t)(a_len < b_len ? a_len : b_len));

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int
order_rows(const void *a, const void *b, void *ctx)
{
    const struct row_cell *x = a, *y = b;
    const struct row_table *table = ctx;
    int order = 0;

    for (unsigned int i = 0; order == 0 && i < table->key; i++)
        order = order_text(x[i].text, x[i].number, y[i].text, y[i].number);
    return order;
}

void
row_set_sort(struct row_set *s)
{
    struct row_table table = *s->table;
    size_t size = table.columns * sizeof(*s->cells), kept = 0;

    if (s->count == 0)
        return;
    qsort_r(s->cells, s->count, size, order_rows, &table);
    for (size_t i = 1; i < s->count; i++)
        if (order_rows(row_set_at(s, kept), row_set_at(s, i), &table) != 0 &&
            ++kept != i)
            memcpy(row_set_at(s, kept), row_set_at(s, i), size);
    s->count = kept + 1;
}

void
row_set_filter(struct row_set *s,
    bool (*keep)(const void *ctx, const char *name), const void *ctx)
{
    size_t size = s->table->columns * sizeof(*s->cells), kept = 0;

    for (size_t i = 0; i < s->count; i++)
        if (keep(ctx, row_set_at(s, i)[0].text) && kept++ != i)
            memcpy(row_set_at(s, kept - 1), row_set_at(s, i), size);
    s->count = kept;
}

/* The order of ROW and the row of STMT.  What is no text, though the schema
 * says that it is, comes after all text. */
static int
order_stored(const struct row_set *s, size_t row, sqlite3_stmt *stmt)
{
    const struct row_cell *cells = row_set_at(s, row);
    int order = 0;

    for (int i = 0; order == 0 && i < (int)s->table->key; i++) {
        if (sqlite3_column_type(stmt, i) != SQLITE_TEXT)
            return -1;
        order = order_text(cells[i].text, cells[i].number,
            sqlite3_column_text(stmt, i), sqlite3_column_bytes(stmt, i));
    }
    return order;
}

/* The columns in which ROW is another than the row of STMT. */
static uint32_t
differing(const struct row_set *s, size_t row, sqlite3_stmt *stmt)
{
    const struct row_cell *cells = row_set_at(s, row);
    uint32_t differs = 0;

    for (unsigned int i = s->table->key; i < s->table->columns; i++) {
        int type = cells[i].text != NULL ? SQLITE_TEXT : SQLITE_INTEGER;
        bool same = sqlite3_column_type(stmt, (int)i) == type;

        if (same && type == SQLITE_INTEGER)
            same = sqlite3_column_int64(stmt, (int)i) == cells[i].number;
        else if (same)
            same = order_text(cells[i].text, cells[i].number,
                       sqlite3_column_text(stmt, (int)i),
                       sqlite3_column_bytes(stmt, (int)i)) == 0;
        if (!same)
            differs |= 1U << i;
    }
    return differs;
}

static void
note_missing(struct row_set *s, size_t row, uint32_t differs)
{
    s->missing = grow(s->missing, s->missing_count, &s->missing_room,
        sizeof(*s->missing));
    s->missing[s->missing_count++] = (struct row_missing){ row, differs };
}

static int
note_gone(struct row_set *s, sqlite3_stmt *stmt, struct err *e)
{
    s->gone = grow(s->gone, s->gone_count, &s->gone_room,
        s->table->key * sizeof(sqlite3_value *));
    for (unsigned int i = 0; i < s->table->key; i++) {
        sqlite3_value *value =
            sqlite3_value_dup(sqlite3_column_value(stmt, (int)i));

        if (value == NULL) {
            while (i-- > 0)
                sqlite3_value_free(s->gone[s->gone_count * s->table->key + i]);
            return err_set(e, ERR_INTERNAL, "no memory");
        }
        s->gone[s->gone_count * s->table->key + i] = value;
    }
    s->gone_count++;
    return 0;
}

static void
forget_found(struct row_set *s)
{
    for (size_t i = 0; s->gone_count > 0 && i < s->gone_count * s->table->key;
         i++)
        sqlite3_value_free(s->gone[i]);
    s->gone_count = 0;
    s->missing_count = 0;
}

/* Takes the row of STMT; *AT is the first that has none yet. */
static int
take_stored(struct row_set *s, sqlite3_stmt *stmt, size_t *at, struct err *e)
{
    int order = 1;
    uint32_t differs;

    while (*at < s->count && (order = order_stored(s, *at, stmt)) < 0)
        note_missing(s, (*at)++, ALL_COLUMNS);
    if (*at == s->count || order > 0)
        return note_gone(s, stmt, e);
    differs = differing(s, *at, stmt);
    if (differs != 0) {
        note_missing(s, *at, differs);
        if (note_gone(s, stmt, e) != 0)
            return -1;
    }
    (*at)++;
    return 0;
}

int
row_set_compare(struct row_set *s, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    size_t at = 0;
    int rc, r = -1;

    forget_found(s);
    if (database_prepare(db, s->table->select, &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        if (take_stored(s, stmt, &at, e) != 0)
            goto out;
    if (rc != SQLITE_DONE) {
        database_error(db, e, "could not read the users of ProFTPD");
        goto out;
    }
    while (at < s->count)
        note_missing(s, at++, ALL_COLUMNS);
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

/* Runs STMT, which gives no rows, and makes it ready for the next. */
static int
run(sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_DONE)
        database_error(sqlite3_db_handle(stmt), e,
            "could not write the users of ProFTPD");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int
insert_row(const struct row_set *s, size_t row, sqlite3_stmt *stmt,
    struct err *e)
{
    const struct row_cell *cells = row_set_at(s, row);

    for (int i = 0; i < (int)s->table->columns; i++) {
        if (cells[i].text == NULL)
            sqlite3_bind_int64(stmt, i + 1, cells[i].number);
        else
            sqlite3_bind_text(stmt, i + 1, cells[i].text, (int)cells[i].number,
                SQLITE_STATIC);
    }
    return run(stmt, e);
}

int
row_set_write(const struct row_set *s, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *remove = NULL, *insert = NULL;
    unsigned int key = s->table->key;
    int r = -1;

    if (s->gone_count + s->missing_count == 0)
        return 0;
    if (database_prepare(db, s->table->remove, &remove, e) != 0 ||
        database_prepare(db, s->table->insert, &insert, e) != 0)
        goto out;
    for (size_t i = 0; i < s->gone_count; i++) {
        for (unsigned int j = 0; j < key; j++)
            sqlite3_bind_value(remove, (int)j + 1, s->gone[i * key + j]);
        if (run(remove, e) != 0)
            goto out;
    }
    for (size_t i = 0; i < s->missing_count; i++)
        if (insert_row(s, s->missing[i].row, insert, e) != 0)
            goto out;
    r = 0;
out:
    sqlite3_finalize(remove);
    sqlite3_finalize(insert);
    return r;
}

void
row_set_release(struct row_set *s)
{
    forget_found(s);
    free(s->gone);
    free(s->missing);
    free(s->cells);
    memset(s, 0, sizeof(*s));
}

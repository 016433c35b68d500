/*
 * Reading and trimming the journal, and the nonce by which a file that was put
 * in place of another is recognised.
 */
#include "sync/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/value.h"

int
capture_read_nonce(sqlite3 *db, uint8_t nonce[ID_SIZE], bool *present,
    struct err *e)
{
    struct err missing = ERR_INIT;
    sqlite3_stmt *stmt;
    int rc;

    *present = false;
    memset(nonce, 0, ID_SIZE);
    if (database_take(db,
            KEPT "SELECT value FROM main._lockstep_meta WHERE name='nonce'",
            &stmt, &missing) != 0)
        return sqlite3_errcode(db) == SQLITE_ERROR /* no such table */
                   ? 0
                   : database_error(db, e, "could not read the nonce");
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_BLOB &&
        sqlite3_column_bytes(stmt, 0) == ID_SIZE) {
        memcpy(nonce, sqlite3_column_blob(stmt, 0), ID_SIZE);
        *present = true;
    }
    if (rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_ERROR)
        rc = SQLITE_OK;
    else
        database_error(db, e, "could not read the nonce");
    database_give(stmt);
    return rc == SQLITE_OK ? 0 : -1;
}

int
capture_write_nonce(sqlite3 *db, const uint8_t nonce[ID_SIZE], struct err *e)
{
    sqlite3_stmt *stmt;
    int r = 0;

    if (database_prepare(db,
            "INSERT OR REPLACE INTO main._lockstep_meta VALUES('nonce',?1)",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_blob(stmt, 1, nonce, ID_SIZE, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not write the nonce");
    sqlite3_finalize(stmt);
    return r;
}

/* The journals by the number of key parts; rarely more than two. */
struct arities {
    int *items;
    size_t count;
};

static int
load_arities(struct arities *a, sqlite3 *db, struct err *e)
{
    static const char prefix[] = "_lockstep_journal";
    sqlite3_stmt *stmt;
    int rc;

    memset(a, 0, sizeof(*a));
    if (database_take(db,
            KEPT "SELECT name FROM main.sqlite_schema WHERE type='table'"
                 " AND name LIKE '\\_lockstep\\_journal%' ESCAPE '\\'",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        int arity = atoi(name + sizeof(prefix) - 1);

        if (arity <= 0)
            continue;
        a->items = alloc_resize(a->items, a->count + 1, sizeof(int));
        a->items[a->count++] = arity;
    }
    database_give(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    free(a->items);
    memset(a, 0, sizeof(*a));
    return database_error(db, e, "could not read the schema");
}

/* Which table an id stands for. */
struct id_map {
    const struct table **items; /* by id */
    size_t count;
};

#define TABLE_ID_MAX 1000000

static int
load_ids(struct id_map *m, sqlite3 *db, const struct schema *s, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    memset(m, 0, sizeof(*m));
    if (database_take(db, KEPT "SELECT id,name FROM main._lockstep_tables",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        const char *name = (const char *)sqlite3_column_text(stmt, 1);

        if (id < 1 || id > TABLE_ID_MAX || name == NULL)
            continue;
        if ((size_t)id >= m->count) {
            m->items =
                alloc_resize(m->items, (size_t)id + 1, sizeof(*m->items));
            memset(m->items + m->count, 0,
                ((size_t)id + 1 - m->count) * sizeof(*m->items));
            m->count = (size_t)id + 1;
        }
        m->items[id] = schema_find_table(s, name);
    }
    database_give(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    free(m->items);
    memset(m, 0, sizeof(*m));
    return database_error(db, e, "could not read the table ids");
}

static void
add_key(struct capture_keys *keys, size_t *capacity, const struct table *t,
    sqlite3_stmt *stmt, int arity)
{
    struct buf key = BUF_INIT;
    struct capture_key *k;

    for (int i = 0; i < arity; i++)
        value_put_column(&key, stmt, i + 1);
    if (keys->count == *capacity) {
        *capacity = *capacity == 0 ? 16 : *capacity * 2;
        keys->items =
            alloc_resize(keys->items, *capacity, sizeof(*keys->items));
    }
    k = &keys->items[keys->count++];
    k->table = t;
    k->table_id = sqlite3_column_int64(stmt, 0);
    k->counter = sqlite3_column_int64(stmt, arity + 1);
    k->key = buf_steal(&key, &k->key_len);
}

/* The rows that STMT gives, at most MAX of them. */
static int
read_keys(sqlite3 *db, sqlite3_stmt *stmt, const struct id_map *m, int arity,
    size_t max, struct capture_keys *keys, size_t *capacity, struct err *e)
{
    int rc = SQLITE_DONE;

    while (keys->count < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        const struct table *t =
            id > 0 && (uint64_t)id < m->count ? m->items[id] : NULL;

        if (sqlite3_data_count(stmt) != arity + 2)
            return err_set(e, ERR_CORRUPT, "a journal table was altered");
        if (t != NULL && t->key_count == arity)
            add_key(keys, capacity, t, stmt, arity);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return database_error(db, e, "could not read the journal");
    return 0;
}

static int
read_journal(sqlite3 *db, const struct id_map *m, int arity,
    struct capture_keys *keys, size_t *capacity, struct err *e)
{
    char *sql =
        alloc_format(KEPT "SELECT * FROM main._lockstep_journal%d", arity);
    sqlite3_stmt *stmt = NULL;
    int r = database_take(db, sql, &stmt, e);

    free(sql);
    if (r == 0)
        r = read_keys(db, stmt, m, arity, CAPTURE_KEYS_MAX + 1, keys, capacity,
            e);
    database_give(stmt);
    return r;
}

int
capture_read(sqlite3 *db, const struct schema *s, struct capture_keys *keys,
    struct err *e)
{
    struct arities a;
    struct id_map m;
    size_t capacity = 0;
    bool too_many;
    int r = 0;

    memset(keys, 0, sizeof(*keys));
    if (load_arities(&a, db, e) != 0)
        return -1;
    if (load_ids(&m, db, s, e) != 0) {
        free(a.items);
        return -1;
    }
    for (size_t i = 0; r == 0 && i < a.count; i++)
        r = read_journal(db, &m, a.items[i], keys, &capacity, e);
    too_many = r == 0 && keys->count > CAPTURE_KEYS_MAX;
    if (r != 0 || too_many)
        capture_keys_release(keys);
    keys->too_many = too_many;
    free(a.items);
    free(m.items);
    return r;
}

void
capture_keys_release(struct capture_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->items[i].key);
    free(keys->items);
    memset(keys, 0, sizeof(*keys));
}

int
capture_pending(sqlite3 *db, bool *pending, struct err *e)
{
    struct arities a;
    int r = 0;

    *pending = false;
    if (load_arities(&a, db, e) != 0)
        return -1;
    for (size_t i = 0; r == 0 && !*pending && i < a.count; i++) {
        sqlite3_stmt *stmt = NULL;
        char *sql =
            alloc_format("SELECT 1 FROM main._lockstep_journal%d LIMIT 1",
                a.items[i]);
        int rc;

        r = database_prepare(db, sql, &stmt, e);
        rc = r == 0 ? sqlite3_step(stmt) : SQLITE_DONE;
        *pending = rc == SQLITE_ROW;
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            r = database_error(db, e, "could not read the journal");
        sqlite3_finalize(stmt);
        free(sql);
    }
    free(a.items);
    return r;
}

/* VERB, then the journal's row of a key given from parameter 3 on. */
static int
prepare_key(sqlite3 *db, int arity, const char *verb, const char *condition,
    sqlite3_stmt **stmt, struct err *e)
{
    struct buf sql = BUF_INIT;
    int r;

    /* Without the + the id's affinity would be applied to T, and every row of
     * the journal read for each key. */
    buf_printf(&sql,
        "%s FROM main._lockstep_journal%d WHERE t=(SELECT +id"
        " FROM main._lockstep_tables WHERE name=?1)%s",
        verb, arity, condition);
    for (int i = 0; i < arity; i++)
        buf_printf(&sql, " AND k%d=?%d", i, i + 3);
    buf_put_u8(&sql, 0);
    r = database_prepare(db, (const char *)sql.data, stmt, e);
    buf_release(&sql);
    return r;
}

static int
trim_key(sqlite3 *db, sqlite3_stmt *stmt, const struct capture_key *k,
    struct err *e)
{
    struct reader r = reader_over(k->key, k->key_len);

    sqlite3_bind_text(stmt, 1, k->table->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, k->counter);
    for (int i = 0; i < k->table->key_count; i++)
        if (value_bind(&r, stmt, i + 3, e) != 0)
            return -1;
    sqlite3_step(stmt);
    if (sqlite3_reset(stmt) != SQLITE_OK)
        return database_error(db, e, "could not trim the journal");
    return 0;
}

int
capture_trim(sqlite3 *db, const struct capture_keys *keys, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int arity = 0, r = 0;

    for (size_t i = 0; r == 0 && i < keys->count; i++) {
        const struct capture_key *k = &keys->items[i];

        if (k->table->key_count != arity) {
            sqlite3_finalize(stmt);
            stmt = NULL;
            arity = k->table->key_count;
            r = prepare_key(db, arity, "DELETE", " AND n=?2", &stmt, e);
        }
        if (r == 0)
            r = trim_key(db, stmt, k, e);
    }
    sqlite3_finalize(stmt);
    return r;
}

int
capture_notes(sqlite3 *db, const struct table *t, const void *key,
    size_t key_len, bool *notes, struct err *e)
{
    struct reader r = reader_over(key, key_len);
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_DONE;
    int result = prepare_key(db, t->key_count, "SELECT 1", "", &stmt, e);

    if (result == 0)
        sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
    for (int i = 0; result == 0 && i < t->key_count; i++)
        result = value_bind(&r, stmt, i + 3, e);
    if (result == 0)
        rc = sqlite3_step(stmt);
    *notes = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        result = database_error(db, e, "could not read the journal");
    sqlite3_finalize(stmt);
    return result;
}

int
capture_clear(sqlite3 *db, struct err *e)
{
    struct arities a;
    int r = load_arities(&a, db, e);

    for (size_t i = 0; r == 0 && i < a.count; i++) {
        char sql[60];

        snprintf(sql, sizeof(sql), "DELETE FROM main._lockstep_journal%d",
            a.items[i]);
        r = database_exec(db, sql, e);
    }
    if (r == 0)
        free(a.items);
    return r;
}

/* The journal table with the fewest key parts above KEY_COUNT; 0: none. */
static int
next_arity(sqlite3 *db, int key_count, int *next, struct err *e)
{
    struct arities a;

    *next = 0;
    if (load_arities(&a, db, e) != 0)
        return -1;
    for (size_t i = 0; i < a.count; i++)
        if (a.items[i] > key_count && (*next == 0 || a.items[i] < *next))
            *next = a.items[i];
    free(a.items);
    return 0;
}

/* The rows behind where the slice stopped. */
static int
prepare_slice(sqlite3 *db, const struct capture_slice *slice,
    sqlite3_stmt **stmt, struct err *e)
{
    struct reader r = reader_over(slice->key.data, slice->key.len);
    struct buf sql = BUF_INIT;
    bool begun = slice->key.len > 0;
    int result;

    buf_printf(&sql, "SELECT * FROM main._lockstep_journal%d WHERE %s(t",
        slice->key_count, begun ? "t>=?1 AND " : "?1 IS NULL OR ");
    for (int i = 0; i < slice->key_count; i++)
        buf_printf(&sql, ",k%d", i);
    buf_printf(&sql, ")>(?1");
    for (int i = 0; i < slice->key_count; i++)
        buf_printf(&sql, ",?%d", i + 2);
    buf_printf(&sql, ") ORDER BY t");
    for (int i = 0; i < slice->key_count; i++)
        buf_printf(&sql, ",k%d", i);
    buf_put_u8(&sql, 0);
    result = database_prepare(db, (const char *)sql.data, stmt, e);
    buf_release(&sql);
    if (result == 0 && begun)
        sqlite3_bind_int64(*stmt, 1, slice->table_id);
    for (int i = 0; result == 0 && begun && i < slice->key_count; i++)
        result = value_bind(&r, *stmt, i + 2, e);
    return result;
}

static int
read_slice(sqlite3 *db, const struct schema *s,
    const struct capture_slice *slice, size_t max, struct capture_keys *keys,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct id_map m;
    size_t capacity = 0;
    int r;

    memset(keys, 0, sizeof(*keys));
    if (load_ids(&m, db, s, e) != 0)
        return -1;
    r = prepare_slice(db, slice, &stmt, e);
    if (r == 0)
        r = read_keys(db, stmt, &m, slice->key_count, max, keys, &capacity, e);
    sqlite3_finalize(stmt);
    free(m.items);
    return r;
}

/* Leaves the settled ones in KEYS; the others are freed. */
static int
keep_settled(const struct capture_slice *slice, struct capture_keys *keys,
    struct err *e)
{
    size_t kept = 0;
    int r = 0;

    for (size_t i = 0; i < keys->count; i++) {
        struct capture_key k = keys->items[i];
        int settled = r == 0 ? slice->settled(slice->ctx, &k, e) : 0;

        if (settled < 0)
            r = -1;
        if (settled == 1)
            keys->items[kept++] = k;
        else
            free(k.key);
    }
    keys->count = kept;
    return r;
}

int
capture_trim_slice(sqlite3 *db, const struct schema *s,
    struct capture_slice *slice, size_t max, struct err *e)
{
    struct capture_keys keys = { 0 };
    int r = -1;

    if (slice->key_count == 0 && next_arity(db, 0, &slice->key_count, e) != 0)
        return -1;
    slice->done = slice->key_count == 0;
    if (slice->done)
        return 0;
    if (read_slice(db, s, slice, max, &keys, e) != 0)
        goto out;
    buf_clear(&slice->key);
    if (keys.count == 0 || keys.count < max) {
        r = next_arity(db, slice->key_count, &slice->key_count, e);
        slice->done = slice->key_count == 0;
    } else {
        const struct capture_key *last = &keys.items[keys.count - 1];

        slice->table_id = last->table_id;
        buf_put(&slice->key, last->key, last->key_len);
        r = 0;
    }
    if (r == 0)
        r = keep_settled(slice, &keys, e);
    if (r == 0)
        r = capture_trim(db, &keys, e);
out:
    capture_keys_release(&keys);
    return r;
}

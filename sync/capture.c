/*
 * Installing, checking and removing the objects with which changes are noted.
 * What is wanted is written down whole first, then compared letter by letter
 * with what the file has, so that a tampered trigger is found.
 */
#include "sync/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/capture_sql.h"
#include "sync/open.h"

#define META_SQL \
    "CREATE TABLE _lockstep_meta(name TEXT PRIMARY KEY,value) WITHOUT ROWID"
#define TABLES_SQL                                          \
    "CREATE TABLE _lockstep_tables(id INTEGER PRIMARY KEY," \
    "name TEXT NOT NULL UNIQUE,refused BLOB)"

/* An object of ours: wanted, or found in the file. */
struct object {
    char *name;
    char *sql;
    bool trigger;
};

struct objects {
    struct object *items;
    size_t count;
};

static void
objects_add(struct objects *o, const char *name, const char *sql, bool trigger)
{
    o->items = alloc_resize(o->items, o->count + 1, sizeof(*o->items));
    o->items[o->count++] = (struct object){
        .name = alloc_string(name),
        .sql = alloc_string(sql),
        .trigger = trigger,
    };
}

static void
objects_release(struct objects *o)
{
    for (size_t i = 0; i < o->count; i++) {
        free(o->items[i].name);
        free(o->items[i].sql);
    }
    free(o->items);
    memset(o, 0, sizeof(*o));
}

static const struct object *
objects_find(const struct objects *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->items[i].name, name) == 0)
            return &o->items[i];
    return NULL;
}

/* Ours in the file, but for the state row's table. */
static int
objects_load(struct objects *o, sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_prepare(db,
            "SELECT name,sql,type='trigger' FROM main.sqlite_schema"
            " WHERE name LIKE '\\_lockstep\\_%' ESCAPE '\\'"
            " AND name<>'_lockstep_state' AND type IN ('table','trigger')"
            " ORDER BY type DESC",
            &stmt, e) != 0)
        return -1;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        objects_add(o, (const char *)sqlite3_column_text(stmt, 0),
            (const char *)sqlite3_column_text(stmt, 1),
            sqlite3_column_int(stmt, 2) != 0);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return database_error(db, e, "could not read the schema");
    return 0;
}

/* Everything that should be there. */
struct plan {
    struct objects wanted;
    struct buf *needs_compare;
    uint64_t compared;
};

static void
plan_compare(struct plan *p, const char *table)
{
    size_t len = strlen(table);

    p->compared++;
    if (p->needs_compare == NULL)
        return;
    buf_put_varint(p->needs_compare, len);
    buf_put(p->needs_compare, table, len);
}

/* A table's numeric id, and the hash of the triggers that failed there (empty
 * if none did).  *ID is 0 when it has none yet. */
static int
table_id(sqlite3 *db, const char *name, int64_t *id, struct buf *refused,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *id = 0;
    if (database_prepare(db,
            "SELECT id,refused FROM main._lockstep_tables WHERE name=?1", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(stmt, 0);
        buf_put(refused, sqlite3_column_blob(stmt, 1),
            (size_t)sqlite3_column_bytes(stmt, 1));
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        database_error(db, e, "could not read the table ids");
        sqlite3_finalize(stmt);
        return -1;
    }
    sqlite3_finalize(stmt);
    return 0;
}

static void
hash_triggers(char *const sql[CAPTURE_TRIGGERS], uint8_t out[HASH_SIZE])
{
    struct hasher *h = hasher_new();

    for (int i = 0; i < CAPTURE_TRIGGERS; i++)
        if (sql[i] != NULL)
            hasher_update(h, sql[i], strlen(sql[i]) + 1);
    hasher_finish(h, out);
    hasher_free(h);
}

static void
plan_journal(struct plan *p, int key_count)
{
    char name[64], *sql;

    snprintf(name, sizeof(name), "_lockstep_journal%d", key_count);
    if (objects_find(&p->wanted, name) != NULL)
        return;
    sql = capture_journal_sql(key_count);
    objects_add(&p->wanted, name, sql, false);
    free(sql);
}

/* Adds what table T wants; *KNOWN is false when it has no id yet. */
static int
plan_table(struct plan *p, sqlite3 *db, const struct schema *s,
    const struct table *t, bool *known, struct err *e)
{
    char *sql[CAPTURE_TRIGGERS] = { NULL }, name[64];
    uint8_t hash[HASH_SIZE];
    const char *why;
    struct buf refused = BUF_INIT;
    int64_t id;
    int r = -1;

    if (table_id(db, t->name, &id, &refused, e) != 0 ||
        capture_trigger_sql(db, s, t, id, sql, &why, e) != 0)
        goto out;
    r = 0;
    hash_triggers(sql, hash);
    if (why != NULL || (refused.len == HASH_SIZE &&
                           memcmp(refused.data, hash, HASH_SIZE) == 0)) {
        plan_compare(p, t->name);
        goto out;
    }
    *known = id != 0;
    plan_journal(p, t->key_count);
    for (int i = 0; i < CAPTURE_TRIGGERS; i++) {
        snprintf(name, sizeof(name), "_lockstep_%lld_%s", (long long)id,
            capture_suffixes[i]);
        if (sql[i] != NULL)
            objects_add(&p->wanted, name, sql[i], true);
    }
out:
    for (int i = 0; i < CAPTURE_TRIGGERS; i++)
        free(sql[i]);
    buf_release(&refused);
    return r;
}

static void
plan_release(struct plan *p)
{
    objects_release(&p->wanted);
}

/* What is there against what is wanted; *SAME only if letter by letter. */
static int
check(sqlite3 *db, const struct schema *s, struct plan *p, bool *same,
    struct err *e)
{
    struct objects found = { NULL, 0 };
    const struct object *tables;
    bool known = true;
    int r = -1;

    *same = false;
    if (objects_load(&found, db, e) != 0)
        goto out;
    r = 0;
    tables = objects_find(&found, "_lockstep_tables");
    if (tables == NULL || strcmp(tables->sql, TABLES_SQL) != 0)
        goto out;
    objects_add(&p->wanted, "_lockstep_meta", META_SQL, false);
    objects_add(&p->wanted, "_lockstep_tables", TABLES_SQL, false);
    for (size_t i = 0; r == 0 && known && i < s->table_count; i++)
        r = plan_table(p, db, s, &s->tables[i], &known, e);
    if (r != 0 || !known)
        goto out;
    *same = true;
    for (size_t i = 0; i < p->wanted.count; i++) {
        const struct object *o = objects_find(&found, p->wanted.items[i].name);

        if (o == NULL || strcmp(o->sql, p->wanted.items[i].sql) != 0)
            *same = false;
    }
    for (size_t i = 0; i < found.count; i++)
        if (found.items[i].trigger &&
            objects_find(&p->wanted, found.items[i].name) == NULL)
            *same = false;
out:
    objects_release(&found);
    return r;
}

int
capture_intact(sqlite3 *db, const struct schema *s, bool *intact, struct err *e)
{
    struct plan p = { { NULL, 0 }, NULL, 0 };
    int r = check(db, s, &p, intact, e);

    plan_release(&p);
    return r;
}

static int
drop(sqlite3 *db, const struct object *o, struct err *e)
{
    char *name = sql_quote_name(o->name);
    char *sql = alloc_format("DROP %s IF EXISTS main.%s",
        o->trigger ? "TRIGGER" : "TABLE", name);
    int r = database_exec(db, sql, e);

    free(sql);
    free(name);
    return r;
}

/* Makes WANTED be there as it should; *MADE is set when it was not. */
static int
ensure(sqlite3 *db, const struct objects *found, const char *name,
    const char *sql, bool *made, struct err *e)
{
    const struct object *o = objects_find(found, name);

    if (o != NULL && strcmp(o->sql, sql) == 0)
        return 0;
    *made = true;
    if (o != NULL && drop(db, o, e) != 0)
        return -1;
    return database_exec(db, sql, e);
}

/* Gives every table an id, and forgets tables that are gone. */
static int
assign_ids(sqlite3 *db, const struct schema *s, const struct objects *found,
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int r = -1;

    if (database_exec(db,
            "CREATE TEMP TABLE IF NOT EXISTS lockstep_now(name TEXT);"
            "DELETE FROM temp.lockstep_now",
            e) != 0 ||
        database_prepare(db, "INSERT INTO temp.lockstep_now VALUES(?1)", &stmt,
            e) != 0)
        return -1;
    for (size_t i = 0; i < s->table_count; i++) {
        sqlite3_bind_text(stmt, 1, s->tables[i].name, -1, SQLITE_STATIC);
        sqlite3_step(stmt);
        if (sqlite3_reset(stmt) != SQLITE_OK) {
            database_error(db, e, "could not assign table ids");
            goto out;
        }
    }
    if (database_exec(db,
            "DELETE FROM main._lockstep_tables WHERE name NOT IN"
            " (SELECT name FROM temp.lockstep_now);"
            "INSERT INTO main._lockstep_tables(name)"
            " SELECT name FROM temp.lockstep_now WHERE name NOT IN"
            " (SELECT name FROM main._lockstep_tables)",
            e) != 0)
        goto out;
    for (size_t i = 0; i < found->count; i++) {
        char sql[256];

        if (strncmp(found->items[i].name, "_lockstep_journal", 17) != 0)
            continue;
        snprintf(sql, sizeof(sql),
            "DELETE FROM main.%.100s WHERE t NOT IN"
            " (SELECT id FROM main._lockstep_tables)",
            found->items[i].name);
        if (database_exec(db, sql, e) != 0)
            goto out;
    }
    r = 0;
out:
    sqlite3_finalize(stmt);
    return r;
}

/* Whether the statements that fire triggers compile; the message if not. */
static char *
compile_failure(sqlite3 *db, const struct table *t)
{
    char *table = sql_quote_name(t->name);
    char *column =
        t->column_count > 0 ? sql_quote_name(t->columns[0].name) : NULL;
    char *sql[3] = {
        alloc_format("INSERT INTO main.%s DEFAULT VALUES", table),
        alloc_format("DELETE FROM main.%s", table),
        column == NULL
            ? NULL
            : alloc_format("UPDATE main.%s SET %s=%s", table, column, column),
    };
    char *failure = NULL;

    for (int i = 0; i < 3; i++) {
        sqlite3_stmt *stmt = NULL;

        if (failure == NULL && sql[i] != NULL &&
            sqlite3_prepare_v2(db, sql[i], -1, &stmt, NULL) != SQLITE_OK)
            failure = alloc_string(sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
        free(sql[i]);
    }
    free(table);
    free(column);
    return failure;
}

static int
refuse_table(sqlite3 *db, int64_t id, char *const sql[CAPTURE_TRIGGERS],
    struct err *e)
{
    uint8_t hash[HASH_SIZE];
    sqlite3_stmt *stmt;
    int r = 0;

    hash_triggers(sql, hash);
    if (database_prepare(db,
            "UPDATE main._lockstep_tables SET refused=?1 WHERE id=?2", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_blob(stmt, 1, hash, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, id);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not note a refused table");
    sqlite3_finalize(stmt);
    return r;
}

/* Makes the triggers of one table; takes them away again when statements of the
 * application's that worked would no longer compile. */
static int
install_triggers(sqlite3 *db, const struct table *t, int64_t id,
    char *const sql[CAPTURE_TRIGGERS], const struct objects *found,
    struct plan *p, bool *installed, struct err *e)
{
    char name[64], *before = NULL, *after = NULL;
    bool made = false;
    int r = -1;

    for (int i = 0; i < CAPTURE_TRIGGERS; i++) {
        const struct object *o;

        snprintf(name, sizeof(name), "_lockstep_%lld_%s", (long long)id,
            capture_suffixes[i]);
        o = objects_find(found, name);
        if ((o == NULL) != (sql[i] == NULL) ||
            (o != NULL && strcmp(o->sql, sql[i]) != 0))
            made = true;
        if (sql[i] != NULL)
            objects_add(&p->wanted, name, sql[i], true);
    }
    if (!made)
        return 0;
    *installed = true;
    for (int i = 0; i < CAPTURE_TRIGGERS; i++) {
        snprintf(name, sizeof(name), "_lockstep_%lld_%s", (long long)id,
            capture_suffixes[i]);
        if (objects_find(found, name) != NULL &&
            drop(db, objects_find(found, name), e) != 0)
            goto out;
    }
    before = compile_failure(db, t);
    if (database_exec(db, "SAVEPOINT triggers", e) != 0)
        goto out;
    for (int i = 0; i < CAPTURE_TRIGGERS; i++)
        if (sql[i] != NULL && database_exec(db, sql[i], e) != 0)
            after = alloc_string(e->message);
    if (after == NULL)
        after = compile_failure(db, t);
    if (after != NULL && (before == NULL || strcmp(before, after) != 0)) {
        plan_compare(p, t->name);
        if (database_exec(db, "ROLLBACK TO triggers", e) != 0 ||
            refuse_table(db, id, sql, e) != 0)
            goto out;
    }
    r = database_exec(db, "RELEASE triggers", e);
out:
    free(before);
    free(after);
    return r;
}

static int
install_table(sqlite3 *db, const struct schema *s, const struct table *t,
    const struct objects *found, struct plan *p, bool *installed, struct err *e)
{
    char *sql[CAPTURE_TRIGGERS] = { NULL }, *journal, name[64];
    uint8_t hash[HASH_SIZE];
    struct buf refused = BUF_INIT;
    const char *why;
    int64_t id;
    int r = -1;

    if (table_id(db, t->name, &id, &refused, e) != 0 ||
        capture_trigger_sql(db, s, t, id, sql, &why, e) != 0)
        goto out;
    hash_triggers(sql, hash);
    if (why != NULL || (refused.len == HASH_SIZE &&
                           memcmp(refused.data, hash, HASH_SIZE) == 0)) {
        plan_compare(p, t->name);
        r = 0;
        goto out;
    }
    snprintf(name, sizeof(name), "_lockstep_journal%d", t->key_count);
    if (objects_find(&p->wanted, name) == NULL) {
        journal = capture_journal_sql(t->key_count);
        objects_add(&p->wanted, name, journal, false);
        r = ensure(db, found, name, journal, installed, e);
        free(journal);
        if (r != 0)
            goto out;
    }
    r = install_triggers(db, t, id, sql, found, p, installed, e);
out:
    for (int i = 0; i < CAPTURE_TRIGGERS; i++)
        free(sql[i]);
    buf_release(&refused);
    return r;
}

static int
drop_unwanted(sqlite3 *db, const struct objects *found, const struct plan *p,
    struct err *e)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i].trigger &&
            objects_find(&p->wanted, found->items[i].name) == NULL &&
            drop(db, &found->items[i], e) != 0)
            return -1;
    return 0;
}

static int
install(sqlite3 *db, const struct schema *s, struct plan *p, bool *installed,
    struct err *e)
{
    struct objects found = { NULL, 0 };
    int r = -1;

    if (objects_load(&found, db, e) != 0 ||
        ensure(db, &found, "_lockstep_meta", META_SQL, installed, e) != 0 ||
        ensure(db, &found, "_lockstep_tables", TABLES_SQL, installed, e) != 0 ||
        assign_ids(db, s, &found, e) != 0)
        goto out;
    for (size_t i = 0; i < s->table_count; i++)
        if (install_table(db, s, &s->tables[i], &found, p, installed, e) != 0)
            goto out;
    r = drop_unwanted(db, &found, p, e);
out:
    objects_release(&found);
    return r;
}

int
capture_install(sqlite3 *db, const struct schema *s, bool *installed,
    struct buf *needs_compare, struct err *e)
{
    size_t start = needs_compare->len;
    struct plan p = { { NULL, 0 }, needs_compare, 0 };
    bool own = sqlite3_get_autocommit(db) != 0;
    bool same;
    int r = -1;

    *installed = false;
    if (check(db, s, &p, &same, e) != 0)
        goto out;
    if (same) { /* no write lock is needed */
        r = 0;
        goto out;
    }
    plan_release(&p);
    needs_compare->len = start;
    if (own && database_exec(db, "BEGIN IMMEDIATE", e) != 0)
        goto out;
    r = install(db, s, &p, installed, e);
    if (r == 0 && own)
        r = database_exec(db, "COMMIT", e);
    if (own)
        database_rollback(db);
out:
    plan_release(&p);
    return r;
}

int
capture_present(sqlite3 *db, bool *present, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *present = false;
    if (database_prepare(db,
            "SELECT 1 FROM main.sqlite_schema"
            " WHERE name LIKE '\\_lockstep\\_%' ESCAPE '\\'"
            " AND tbl_name<>'_lockstep_state' LIMIT 1",
            &stmt, e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    *present = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? 0
               : database_error(db, e, "could not read the schema");
}

int
capture_remove(sqlite3 *db, struct err *e)
{
    struct objects found = { NULL, 0 };
    bool own = sqlite3_get_autocommit(db) != 0;
    int r = -1;

    if (own && database_exec(db, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if (objects_load(&found, db, e) != 0)
        goto out;
    for (size_t i = 0; i < found.count; i++) /* triggers come first */
        if (drop(db, &found.items[i], e) != 0)
            goto out;
    r = own ? database_exec(db, "COMMIT", e) : 0;
out:
    if (own)
        database_rollback(db);
    objects_release(&found);
    return r;
}

int
capture_remove_triggers(sqlite3 *db, struct err *e)
{
    struct objects found = { NULL, 0 };
    int r = objects_load(&found, db, e);

    for (size_t i = 0; r == 0 && i < found.count; i++)
        if (found.items[i].trigger)
            r = drop(db, &found.items[i], e);
    objects_release(&found);
    return r;
}

/*
 * The state row: one row in table _lockstep_state.
 */
#include "sync/state.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"

static const char create_sql[] =
    "CREATE TABLE main._lockstep_state("
    "id INTEGER PRIMARY KEY CHECK(id=1), cluster BLOB, epoch INTEGER,"
    " writer BLOB, revision INTEGER, schema_hash BLOB, digest BLOB,"
    " rows INTEGER, changed_ms INTEGER, verified_ms INTEGER, nonce BLOB,"
    " nonce_next BLOB)";
static const char write_sql[] = KEPT
    "INSERT INTO main._lockstep_state"
    "(id,cluster,epoch,writer,revision,schema_hash,digest,rows,changed_ms,"
    "verified_ms,nonce,nonce_next) VALUES(1,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"
    "?11) ON CONFLICT(id) DO UPDATE SET cluster=?1,epoch=?2,writer=?3,"
    "revision=?4,schema_hash=?5,digest=?6,rows=?7,changed_ms=?8,"
    "verified_ms=?9,nonce=?10,nonce_next=?11";
static const char read_sql[] =
    "SELECT cluster,epoch,writer,revision,"
    "schema_hash,digest,rows,changed_ms,verified_ms,nonce,nonce_next"
    " FROM main._lockstep_state WHERE id=1";

static bool
read_bytes(sqlite3_stmt *stmt, int column, void *out, size_t size)
{
    const void *data = sqlite3_column_blob(stmt, column);

    if (data == NULL || (size_t)sqlite3_column_bytes(stmt, column) != size)
        return false;
    memcpy(out, data, size);
    return true;
}

static int
read_row(sqlite3_stmt *stmt, struct dataset_state *s)
{
    memset(s, 0, sizeof(*s));
    if (!read_bytes(stmt, 0, s->cluster, ID_SIZE) ||
        !read_bytes(stmt, 2, s->writer, ID_SIZE) ||
        !read_bytes(stmt, 4, s->schema_hash, HASH_SIZE) ||
        !read_bytes(stmt, 5, s->digest.sum, HASH_SIZE) ||
        !read_bytes(stmt, 9, s->nonce, ID_SIZE) ||
        !read_bytes(stmt, 10, s->nonce_next, ID_SIZE))
        return -1;
    s->epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
    s->revision = (uint64_t)sqlite3_column_int64(stmt, 3);
    s->rows = (uint64_t)sqlite3_column_int64(stmt, 6);
    s->changed_ms = sqlite3_column_int64(stmt, 7);
    s->verified_ms = sqlite3_column_int64(stmt, 8);
    return 0;
}

/* Asked of the file, not of the connection's idea of its schema: the file may
 * have been replaced under it. */
static int
has_table(sqlite3 *db, bool *has, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (database_take(db,
            KEPT
            "SELECT 1 FROM main.sqlite_schema WHERE name='_lockstep_state'",
            &stmt, e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    *has = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        database_error(db, e, "could not read the state row");
        database_give(stmt);
        return -1;
    }
    database_give(stmt);
    return 0;
}

int
state_read(sqlite3 *db, struct dataset_state *s, struct err *e)
{
    sqlite3_stmt *stmt;
    bool has;
    int rc, r = -1;

    memset(s, 0, sizeof(*s));
    if (has_table(db, &has, e) != 0)
        return -1;
    if (!has)
        return err_set(e, ERR_NOT_FOUND, "no state row");
    if (database_prepare(db, read_sql, &stmt, e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE)
        err_set(e, ERR_NOT_FOUND, "no state row");
    else if (rc != SQLITE_ROW)
        database_error(db, e, "could not read the state row");
    else if (read_row(stmt, s) != 0)
        err_set(e, ERR_CORRUPT, "damaged state row");
    else
        r = 0;
    sqlite3_finalize(stmt);
    return r;
}

static void
bind_row(sqlite3_stmt *stmt, const struct dataset_state *s)
{
    sqlite3_bind_blob(stmt, 1, s->cluster, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)s->epoch);
    sqlite3_bind_blob(stmt, 3, s->writer, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)s->revision);
    sqlite3_bind_blob(stmt, 5, s->schema_hash, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 6, s->digest.sum, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 7, (int64_t)s->rows);
    sqlite3_bind_int64(stmt, 8, s->changed_ms);
    sqlite3_bind_int64(stmt, 9, s->verified_ms);
    sqlite3_bind_blob(stmt, 10, s->nonce, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 11, s->nonce_next, ID_SIZE, SQLITE_STATIC);
}

int
state_write(sqlite3 *db, const struct dataset_state *s, struct err *e)
{
    sqlite3_stmt *stmt;
    bool has;
    int r = 0;

    if (has_table(db, &has, e) != 0 ||
        (!has && database_exec(db, create_sql, e) != 0) ||
        database_take(db, write_sql, &stmt, e) != 0)
        return -1;
    bind_row(stmt, s);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not write the state row");
    database_give(stmt);
    return r;
}

/* Only a file with a selection has the column: most have none, and older files
 * need no change. */
static int
has_selection(sqlite3 *db, bool *has, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    *has = false;
    if (database_take(db,
            KEPT "SELECT 1 FROM main.sqlite_schema WHERE name='_lockstep_state'"
                 " AND instr(sql,'selection')",
            &stmt, e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    *has = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        database_error(db, e, "could not read the state row");
    database_give(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

int
state_read_selection(sqlite3 *db, char **text, struct err *e)
{
    sqlite3_stmt *stmt;
    const char *found;
    bool has;
    int rc, r = 0;

    *text = NULL;
    if (has_selection(db, &has, e) != 0)
        return -1;
    if (!has) {
        *text = alloc_string("");
        return 0;
    }
    if (database_prepare(db,
            "SELECT selection FROM main._lockstep_state WHERE id=1", &stmt,
            e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "";
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        *text = alloc_string(found != NULL ? found : "");
    else
        r = database_error(db, e, "could not read the state row");
    sqlite3_finalize(stmt);
    return r;
}

int
state_write_selection(sqlite3 *db, const char *text, struct err *e)
{
    sqlite3_stmt *stmt;
    bool has;
    int r = 0;

    if (has_selection(db, &has, e) != 0)
        return -1;
    if (!has && text[0] == '\0')
        return 0;
    if ((!has &&
            database_exec(db,
                "ALTER TABLE main._lockstep_state ADD COLUMN selection TEXT",
                e) != 0) ||
        database_prepare(db,
            "UPDATE main._lockstep_state SET selection=?1 WHERE id=1", &stmt,
            e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        r = database_error(db, e, "could not write the state row");
    sqlite3_finalize(stmt);
    return r;
}

int
state_remove(sqlite3 *db, struct err *e)
{
    return database_exec(db, "DROP TABLE IF EXISTS main._lockstep_state", e);
}

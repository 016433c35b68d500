/*
 * The staging file proved: structure, schema, every row, and that this server
 * can write its tables; then completed by what a secondary adds.  Nobody else
 * has the file open and a crash discards it, so it needs no journal.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sync/open.h"
#include "sync/overwrite.h"

#define STAGING_WAIT_MS 5000

/* The file is read twice from end to end; mapped, that copies nothing. */
static int
map_file(sqlite3 *db, uint64_t size, struct err *e)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA mmap_size=%llu",
        (unsigned long long)size);
    return database_exec(db, sql, e);
}

/* quick_check, on a thread of its own. */
struct structure_check {
    const char *path;
    uint64_t size;
    int result;
    struct err err;
};

static int
read_verdict(sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt;
    const char *text = NULL;
    int r = -1;

    if (database_prepare(db, "PRAGMA quick_check(1)", &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(stmt, 0);
    if (text == NULL)
        database_error(db, e, "could not check the staged database");
    else if (strcmp(text, "ok") != 0)
        err_set(e, ERR_CORRUPT, "the staged database is damaged: %.200s", text);
    else
        r = 0;
    sqlite3_finalize(stmt);
    return r;
}

static void *
check_structure(void *arg)
{
    struct structure_check *c = arg;
    sqlite3 *db = NULL;

    c->result = -1;
    if (database_open(&db, c->path, OPEN_READ, STAGING_WAIT_MS, &c->err) == 0 &&
        map_file(db, c->size, &c->err) == 0 &&
        /* Whether rows pass CHECK is the primary's business. */
        database_exec(db, "PRAGMA ignore_check_constraints=ON", &c->err) == 0)
        c->result = read_verdict(db, &c->err);
    database_close(db);
    return NULL;
}

static int
check_rows(struct staging *s, const struct bundle_header *h, struct err *e)
{
    struct digest digest;
    uint64_t rows;

    if (digest_scan(s->db, s->schema, &digest, &rows, e) != 0)
        return -1;
    if (!digest_equal(&digest, &h->digest_after) || rows != h->rows_after)
        return err_set(e, ERR_DIGEST,
            "the staged database differs from revision %llu",
            (unsigned long long)h->to_revision);
    return 0;
}

static int
check_state(struct staging *s, const struct bundle_header *h, struct err *e)
{
    struct dataset_state *state = &s->state;

    if (state_read(s->db, state, e) != 0)
        return err_wrap(e, "staged database");
    if (state->revision != h->to_revision ||
        !digest_equal(&state->digest, &h->digest_after) ||
        memcmp(state->schema_hash, h->schema_after, HASH_SIZE) != 0)
        return err_set(e, ERR_CORRUPT,
            "the staged database holds another revision than its header says");
    memcpy(state->cluster, h->cluster, ID_SIZE);
    state->epoch = h->epoch;
    memcpy(state->writer, h->writer, ID_SIZE);
    state->rows = h->rows_after;
    state->changed_ms = h->changed_ms;
    state->verified_ms = clock_utc_ms();
    random_bytes(state->nonce, ID_SIZE);
    memset(state->nonce_next, 0, ID_SIZE);
    return 0;
}

static int
load_staging(struct staging *s, const struct overwrite *o, struct err *e)
{
    if (database_open(&s->db, o->staging_path, OPEN_WRITE, STAGING_WAIT_MS,
            e) != 0 ||
        database_exec(s->db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
            e) != 0 ||
        map_file(s->db, o->header.raw_length, e) != 0 ||
        schema_load(&s->schema, s->db, e) != 0)
        return -1;
    if (memcmp(s->schema->hash, o->header.schema_after, HASH_SIZE) != 0)
        return err_set(e, ERR_SCHEMA,
            "the staged database has another schema than its header says");
    return 0;
}

/* The live file's encoding cannot change while others have it open. */
static int
check_encoding(const struct replica *r, struct err *e)
{
    sqlite3_stmt *stmt;
    const char *name = NULL;
    int result = 0;

    if (r->db == NULL)
        return 0;
    if (database_prepare(r->db, "PRAGMA encoding", &stmt, e) != 0)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        name = (const char *)sqlite3_column_text(stmt, 0);
    if (name != NULL && strcmp(name, "UTF-8") != 0)
        result = err_set(e, ERR_UNSUPPORTED,
            "the live database of dataset \"%s\" is encoded in %s", r->name,
            name);
    sqlite3_finalize(stmt);
    return result;
}

int
staging_open(struct staging *s, const struct replica *r,
    const struct overwrite *o, struct err *e)
{
    struct structure_check check = {
        .path = o->staging_path,
        .size = o->header.raw_length,
    };
    pthread_t thread;
    int result;

    memset(s, 0, sizeof(*s));
    if (check_encoding(r, e) != 0 || load_staging(s, o, e) != 0 ||
        row_tables_check(s->db, s->schema, e) != 0 ||
        check_state(s, &o->header, e) != 0)
        return -1;
    if (pthread_create(&thread, NULL, check_structure, &check) != 0)
        return err_set(e, ERR_INTERNAL, "could not start a thread");
    result = check_rows(s, &o->header, e);
    pthread_join(thread, NULL);
    if (check.result != 0) {
        /* Damage explains a wrong digest, not the other way round. */
        *e = check.err;
        return -1;
    }
    return result;
}

int
staging_complete(struct staging *s, struct err *e)
{
    struct buf needs_compare = BUF_INIT;
    bool installed;
    int r;

    r = capture_install(s->db, s->schema, &installed, &needs_compare, e);
    buf_release(&needs_compare);
    if (r != 0 || database_exec(s->db, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if (capture_write_nonce(s->db, s->state.nonce, e) == 0 &&
        state_write(s->db, &s->state, e) == 0)
        return database_exec(s->db, "COMMIT", e);
    database_rollback(s->db);
    return -1;
}

void
staging_close(struct staging *s)
{
    schema_free(s->schema);
    s->schema = NULL;
    database_close(s->db);
    s->db = NULL;
}

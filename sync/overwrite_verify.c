/*
 * The staging file proved: structure, schema, every row, and that this server
 * can write its tables; then completed by what a secondary adds.  Nobody else
 * has the file open and a crash discards it, so it needs no journal.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sync/open.h"
#include "sync/sound.h"
#include "sync/overwrite.h"

#define STAGING_WAIT_MS 5000
#define MAPPED_MAX ((uint64_t)64 << 20)

/* The file is read twice from end to end; mapped, that copies nothing.  Of a
 * large one the pages would count as memory of this process. */
static int
map_file(sqlite3 *db, uint64_t size, struct err *e)
{
    char sql[64];

    if (size > MAPPED_MAX)
        return 0;
    snprintf(sql, sizeof(sql), "PRAGMA mmap_size=%llu",
        (unsigned long long)size);
    return database_exec(db, sql, e);
}

/* The proof of a staging file, shared by two workers: the first that is free
 * takes the next table. */
struct proof {
    const char *path;
    uint64_t size;
    const struct schema *schema;
    const struct table **order; /* the largest first */
    atomic_size_t next;
};

struct prover {
    struct proof *proof;
    sqlite3 *db;
    struct digest digest;
    uint64_t rows;
    bool damaged; /* found by quick_check */
    int result;
    struct err err;
};

/* Whether rows pass CHECK is the primary's business. */
static int
check_structure(sqlite3 *db, struct err *e)
{
    if (database_suspend_rules(db, e) == 0 && database_sound(db, e) == 0)
        return 0;
    return err_wrap(e, "the staged database");
}

static void
prove_tables(struct prover *w)
{
    struct proof *p = w->proof;
    size_t i;

    while (w->result == 0 &&
           (i = atomic_fetch_add(&p->next, 1)) < p->schema->table_count)
        w->result = digest_scan_table(w->db, p->order[i], &w->digest, &w->rows,
            &w->err);
}

/* The second worker: the file's structure, then tables. */
static void *
prove_beside(void *arg)
{
    struct prover *w = arg;

    w->result = -1;
    if (database_open(&w->db, w->proof->path, OPEN_READ, STAGING_WAIT_MS,
            &w->err) == 0 &&
        map_file(w->db, w->proof->size, &w->err) == 0) {
        w->result = check_structure(w->db, &w->err);
        w->damaged = w->result != 0;
        prove_tables(w);
    }
    database_close(w->db);
    return NULL;
}

/* About how much there is to read; 0 where that is not known at once. */
static int64_t
table_weight(sqlite3 *db, const struct table *t)
{
    sqlite3_stmt *stmt = NULL;
    char *sql;
    int64_t weight = 0;

    if (t->without_rowid)
        return 0;
    sql = sqlite3_mprintf("SELECT max(\"%w\") FROM main.\"%w\"", t->rowid_name,
        t->name);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        weight = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return weight > INT64_MAX / (t->column_count + 1)
               ? INT64_MAX
               : weight * (t->column_count + 1);
}

static const struct table **
order_tables(sqlite3 *db, const struct schema *s)
{
    const struct table **order =
        alloc_zeroed(s->table_count + 1, sizeof(*order));
    int64_t *weights = alloc_zeroed(s->table_count + 1, sizeof(*weights));

    for (size_t i = 0; i < s->table_count; i++) {
        int64_t weight = table_weight(db, &s->tables[i]);
        size_t at = i;

        for (; at > 0 && weights[at - 1] < weight; at--) {
            weights[at] = weights[at - 1];
            order[at] = order[at - 1];
        }
        weights[at] = weight;
        order[at] = &s->tables[i];
    }
    free(weights);
    return order;
}

static int
add_specials(struct prover *w)
{
    struct buf specials = BUF_INIT;
    int r = -1;

    if (specials_read(w->db, &w->proof->schema->selection, &specials,
            &w->err) == 0)
        r = specials_digest(specials.data, specials.len, &w->digest, &w->err);
    buf_release(&specials);
    return r;
}

/* Both workers' sums against what was promised. */
static int
check_sum(struct prover *a, const struct prover *b,
    const struct bundle_header *h, struct err *e)
{
    /* Damage explains the rest. */
    const struct prover *failed = b->damaged || a->result == 0 ? b : a;

    if (failed->result != 0) {
        *e = failed->err;
        return -1;
    }
    digest_add_hash(&a->digest, b->digest.sum);
    if (digest_equal(&a->digest, &h->digest_after) &&
        a->rows + b->rows == h->rows_after)
        return 0;
    return err_set(e, ERR_DIGEST,
        "the staged database differs from revision %llu",
        (unsigned long long)h->to_revision);
}

int
staging_prove(struct staging *s, const struct overwrite *o, struct err *e)
{
    struct proof proof = {
        .path = o->staging_path,
        .size = o->header.raw_length,
        .schema = s->schema,
        .order = order_tables(s->db, s->schema),
    };
    struct prover mine = { .proof = &proof, .db = s->db };
    struct prover other = { .proof = &proof };
    pthread_t thread;
    int r = -1;

    if (pthread_create(&thread, NULL, prove_beside, &other) != 0) {
        err_set(e, ERR_INTERNAL, "could not start a thread");
        goto out;
    }
    mine.result = add_specials(&mine);
    prove_tables(&mine);
    pthread_join(thread, NULL);
    r = check_sum(&mine, &other, &o->header, e);
out:
    free(proof.order);
    return r;
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

int
staging_reopen(struct staging *s, const char *path, struct err *e)
{
    if (database_open(&s->db, path, OPEN_WRITE, STAGING_WAIT_MS, e) != 0)
        return -1;
    return database_exec(s->db,
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", e);
}

static int
load_staging(struct staging *s, const struct overwrite *o, struct err *e)
{
    if (staging_reopen(s, o->staging_path, e) != 0 ||
        database_suspend_rules(s->db, e) != 0 ||
        map_file(s->db, o->header.raw_length, e) != 0 ||
        schema_load(&s->schema, s->db, e) != 0)
        return -1;
    if (memcmp(s->schema->hash, o->header.schema_after, HASH_SIZE) != 0)
        return err_set(e, ERR_SCHEMA,
            "the staged database has another schema than its header says");
    if (s->schema->conflict != NULL)
        return err_set(e, ERR_UNSUPPORTED, "%s", s->schema->conflict);
    database_allow_shadows(s->db, s->schema->has_shadows);
    /* As where it will be written: no trigger of its own runs here, which may
     * write what an untrusted schema must not. */
    if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) !=
        SQLITE_OK)
        return database_error(s->db, e, "could not switch triggers off");
    return 0;
}

int
staging_open(struct staging *s, const struct replica *r,
    const struct overwrite *o, struct err *e)
{
    memset(s, 0, sizeof(*s));
    /* The live file's encoding cannot change while others have it open. */
    if ((r->db != NULL && schema_check_encoding(r->db, e) != 0) ||
        load_staging(s, o, e) != 0 ||
        row_tables_check(s->db, s->schema, e) != 0)
        return -1;
    return check_state(s, &o->header, e);
}

int
staging_complete(struct staging *s, const struct replica *r, struct err *e)
{
    bool changed;

    if (replica_settle_traces(r, s->db, s->schema, &changed, e) != 0 ||
        database_exec(s->db, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if ((r->drift_capture != CAPTURE_TRIGGERS ||
            capture_write_nonce(s->db, s->state.nonce, e) == 0) &&
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

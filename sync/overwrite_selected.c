/*
 * The change of content where not all of the file is the primary's: in one
 * transaction of the live file, whose lock keeps what is this server's own from
 * changing meanwhile, everything that is replicated is dropped and made again
 * from the staging file, row by row.  Tables that are left out stay as they
 * are.  The rows are proved again as they came to lie.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/stop.h"
#include "sync/open.h"
#include "sync/overwrite.h"
#include "sync/rowcopy.h"

/* How far AUTOINCREMENT had come in tables with rows of this server's own. */
struct sequence {
    const char *table; /* the schema's */
    int64_t reached;
};

static int
drop_type(sqlite3 *db, const struct schema *s, const char *type, struct err *e)
{
    for (size_t i = s->object_count; i > 0; i--) {
        const struct schema_object *o = &s->objects[i - 1];
        char *name, *sql;
        int r;

        if (strcmp(o->type, type) != 0 || o->is_shadow)
            continue;
        name = sql_quote_name(o->name);
        sql = alloc_format("DROP %s IF EXISTS main.%s", type, name);
        r = database_exec(db, sql, e);
        free(sql);
        free(name);
        if (r != 0)
            return err_wrap(e, "%s \"%s\"", type, o->name);
    }
    return 0;
}

/* Indexes go with their tables. */
static int
drop_content(sqlite3 *db, const struct schema *s, struct err *e)
{
    return drop_type(db, s, "trigger", e) != 0 ||
                   drop_type(db, s, "view", e) != 0 ||
                   drop_type(db, s, "table", e) != 0
               ? -1
               : 0;
}

static int
read_sequences(sqlite3 *db, const struct schema *s, struct sequence *found,
    struct err *e)
{
    for (size_t i = 0; i < s->table_count; i++) {
        const struct table *t = &s->tables[i];
        sqlite3_stmt *stmt;

        if (t->filter == NULL || !t->autoincrement)
            continue;
        if (database_prepare(db,
                "SELECT max(seq) FROM main.sqlite_sequence WHERE name=?1",
                &stmt, e) != 0)
            return -1;
        sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
        found[i].table = t->name;
        if (sqlite3_step(stmt) == SQLITE_ROW)
            found[i].reached = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
    }
    return 0;
}

static int
write_sequences(sqlite3 *db, const struct sequence *found, size_t count,
    struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        char *sql;
        int r;

        if (found[i].table == NULL)
            continue;
        sql =
            sqlite3_mprintf("UPDATE main.sqlite_sequence SET seq=max(seq,%lld)"
                            " WHERE name=%Q",
                (long long)found[i].reached, found[i].table);
        r = database_exec(db, sql, e);
        sqlite3_free(sql);
        if (r != 0)
            return -1;
    }
    return 0;
}

static int
fill(sqlite3 *db, struct staging *s, struct err *e)
{
    struct buf specials = BUF_INIT;
    int r = -1;

    database_allow_shadows(db, s->schema->has_shadows);
    if (rowcopy_tables(db, s->schema, e) != 0)
        goto out;
    for (size_t i = 0; i < s->schema->table_count; i++)
        if (rowcopy_rows(db, s->db, &s->schema->tables[i], ROWCOPY_ALL, e) != 0)
            goto out;
    if (rowcopy_dependants(db, s->schema, e) != 0 ||
        specials_read(s->db, &s->schema->selection, &specials, e) != 0 ||
        specials_write(db, &s->schema->selection, specials.data, specials.len,
            e) != 0)
        goto out;
    r = 0;
out:
    buf_release(&specials);
    return r;
}

/* What a secondary adds, and the proof of the rest. */
static int
complete(struct replica *r, struct staging *s, struct err *e)
{
    struct schema *made = NULL;
    struct digest digest;
    uint64_t rows;
    bool changed;
    int result = -1;

    if (schema_load_selected(&made, r->db, s->schema->selection_text, e) != 0 ||
        digest_scan(r->db, made, &digest, &rows, e) != 0)
        goto out;
    if (memcmp(made->hash, s->schema->hash, HASH_SIZE) != 0 ||
        !digest_equal(&digest, &s->state.digest) || rows != s->state.rows) {
        err_set(e, ERR_DIGEST,
            "the live database would differ from revision %llu",
            (unsigned long long)s->state.revision);
        goto out;
    }
    if (replica_settle_traces(r, r->db, made, &changed, e) != 0 ||
        (r->drift_capture == CAPTURE_TRIGGERS &&
            capture_write_nonce(r->db, s->state.nonce, e) != 0) ||
        state_write(r->db, &s->state, e) != 0)
        goto out;
    result = state_write_selection(r->db, s->schema->selection_text, e);
out:
    schema_free(made);
    return result;
}

/* Between BEGIN and COMMIT. */
static int
replace(struct replica *r, struct staging *s, struct err *e)
{
    struct sequence *sequences = NULL;
    struct schema *live = NULL;
    int result = -1;

    if (schema_load_selected(&live, r->db, s->schema->selection_text, e) != 0)
        return -1;
    sequences = alloc_zeroed(live->table_count + 1, sizeof(*sequences));
    if (staging_keep_local(s, r, live, e) == 0 &&
        read_sequences(r->db, live, sequences, e) == 0 &&
        capture_remove(r->db, e) == 0 && state_remove(r->db, e) == 0 &&
        drop_content(r->db, live, e) == 0 && fill(r->db, s, e) == 0 &&
        write_sequences(r->db, sequences, live->table_count, e) == 0)
        result = complete(r, s, e);
    free(sequences);
    schema_free(live);
    return result;
}

static int
replace_once(struct replica *r, struct staging *s, struct err *e)
{
    if (live_begin(r, e) != 0)
        return -1;
    if (replace(r, s, e) == 0 && live_commit(r, e) == 0)
        return 0;
    database_rollback(r->db);
    return -1;
}

static void
note_installed(struct replica *r, struct err *e)
{
    r->suspect = true;
    r->wal_frames_installed = r->wal_frames;
    live_note_stat(r);
    if (database_data_version(r->db, &r->data_version, e) == 0)
        r->suspect = false;
}

int
install_selected(struct replica *r, struct staging *s, struct err *e)
{
    struct err ignored = ERR_INIT;

    row_tables_free(r->tables, r->table_count);
    r->tables = NULL;
    r->table_count = 0;
    for (int n = 0; n < REPLICA_TRIES; n++) {
        err_clear(e);
        if (replace_once(r, s, e) == 0) {
            r->blocker[0] = '\0';
            note_installed(r, &ignored);
            return 0;
        }
        if (e->code != ERR_BUSY || stop_is_requested())
            break;
        blocker_find(r->live_path, r->blocker, sizeof(r->blocker));
        usleep(REPLICA_PAUSE_US);
    }
    r->suspect = true; /* the schema in memory may be one rolled back */
    live_load_schema(r, &ignored);
    if (e->code == ERR_BUSY)
        err_set(e, ERR_BUSY, "dataset \"%s\" is locked by %s", r->name,
            r->blocker[0] != '\0' ? r->blocker : "another process");
    return -1;
}

/*
 * The published copy made anew: a copy of the live file (source_copy.c) without
 * our objects, put in place by rename.  Costs the whole size, so it is done
 * only first, after damage, and for a schema change that DDL cannot carry.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "sync/open.h"
#include "sync/sound.h"

static int
note_log_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct source *)ctx)->published_log_pages = pages;
    return SQLITE_OK;
}

static int
configure(struct source *s, sqlite3 *db, struct err *e)
{
    if (database_suspend_rules(db, e) != 0)
        return -1;
    sqlite3_wal_hook(db, note_log_pages, s);
    return 0;
}

void
source_close_published(struct source *s)
{
    source_live_end(s);
    if (s->schema != NULL) {
        source_statements_reset(s);
        free(s->statements);
        s->statements = NULL;
    }
    capture_keys_release(&s->journal);
    schema_free(s->schema);
    s->schema = NULL;
    buf_clear(&s->specials);
    database_close(s->published);
    s->published = NULL;
}

/* Schema and specials of the copy just opened. */
static int
load_published(struct source *s, struct err *e)
{
    buf_clear(&s->specials);
    if (schema_load(&s->schema, s->published, e) != 0 ||
        specials_read(s->published, &s->schema->selection, &s->specials, e) !=
            0)
        return -1;
    source_statements_reset(s);
    database_allow_shadows(s->published, s->schema->has_shadows);
    /* Only now: what read the whole file needed no room for it. */
    return database_exec(s->published, "PRAGMA cache_size=-32768", e);
}

int
source_open_published(struct source *s, bool *usable, struct err *e)
{
    const struct dataset_state before = s->state;
    struct err why = ERR_INIT;
    bool sound = false;

    *usable = false;
    if (!file_exists(s->published_path))
        return 0;
    if (database_open(&s->published, s->published_path, OPEN_WRITE,
            SOURCE_READ_WAIT_MS, &why) == 0 &&
        configure(s, s->published, &why) == 0 &&
        (sound = database_sound(s->published, &why) == 0) &&
        state_read(s->published, &s->state, &why) == 0 &&
        load_published(s, &why) == 0) {
        *usable = true;
        return 0;
    }
    source_close_published(s);
    s->state = before;
    if (why.code != ERR_CANCELLED &&
        (!sound || why.code == ERR_CORRUPT || why.code == ERR_NOT_FOUND ||
            why.code == ERR_INTERNAL))
        return 0; /* damaged: made anew from the live file */
    *e = why;
    return -1;
}

/* The new copy's digest, rows and state, in its file. */
static int
complete(struct source *s, sqlite3 *db, struct dataset_state *state,
    struct err *e)
{
    struct schema *schema = NULL;
    int r = -1;

    if (database_exec(db, "BEGIN IMMEDIATE", e) != 0 ||
        capture_remove(db, e) != 0 ||
        schema_load_selected(&schema, db, s->config.selection, e) != 0 ||
        digest_scan(db, schema, &state->digest, &state->rows, e) != 0)
        goto out;
    memcpy(state->schema_hash, schema->hash, HASH_SIZE);
    state->verified_ms = clock_utc_ms();
    if (state_remove(db, e) != 0 || state_write(db, state, e) != 0 ||
        state_write_selection(db, s->config.selection, e) != 0)
        goto out;
    r = database_exec(db, "COMMIT", e);
out:
    database_rollback(db);
    schema_free(schema);
    return r;
}

/* The checkpoint syncs the whole file, the pages copied before it too. */
static int
make_copy(struct source *s, const char *path, struct dataset_state *state,
    struct err *e)
{
    sqlite3 *db = NULL;
    bool whole = false;
    int r = -1;

    if (source_copy_live(s, path, e) != 0 ||
        database_open(&db, path, OPEN_CREATE, SOURCE_READ_WAIT_MS, e) != 0 ||
        configure(s, db, e) != 0 || complete(s, db, state, e) != 0 ||
        database_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, &whole, e) != 0)
        goto out;
    if (!whole) {
        err_set(e, ERR_IO, "could not write the published copy out");
        goto out;
    }
    r = 0;
out:
    database_close(db);
    return r;
}

/* The log and its index, which belong to one file and must not meet another. */
static int
remove_side_files(const char *path, struct err *e)
{
    static const char *const suffixes[] = { "-wal", "-shm" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < 2; i++) {
        char *name = alloc_format("%s%s", path, suffixes[i]);

        r = file_remove(name, e);
        free(name);
    }
    return r;
}

/* Puts the finished copy in place.  The old one's log goes first: it must never
 * meet another file.  A crash in between leaves a published copy that is
 * missing, which is made anew. */
static int
put_in_place(struct source *s, const char *path, struct err *e)
{
    bool complete_log;
    int r = 0;

    if (s->published != NULL)
        r = database_checkpoint(s->published, SQLITE_CHECKPOINT_TRUNCATE,
            &complete_log, e);
    source_close_published(s);
    if (r == 0)
        r = remove_side_files(s->published_path, e);
    return r == 0 ? file_rename(path, s->published_path, e) : -1;
}

int
source_rebuild(struct source *s, const struct dataset_state *next,
    const char *why, struct err *e)
{
    struct dataset_state state = *next;
    struct history_entry h = { .revision = next->revision,
        .compared = true,
        .reason = next->revision > 1 ? why : "the first revision" };
    char *path = file_join(s->config.work_dir, "published.new.db");
    struct selection selection = SELECTION_INIT;
    struct buf specials = BUF_INIT;
    bool usable;
    int r = -1;

    database_drop_pages(s->published);
    database_drop_pages(s->live);
    memory_give_back();
    if (file_remove(path, e) != 0 || remove_side_files(path, e) != 0)
        goto out;
    if (selection_read(&selection, s->config.selection, e) != 0 ||
        specials_read(s->live, &selection, &specials, e) != 0 ||
        make_copy(s, path, &state, e) != 0 ||
        source_older_check(s, &state.digest, state.schema_hash, e) != 0)
        goto out;
    h.made_ms = state.changed_ms;
    h.rows = h.total = state.rows;
    h.specials = &specials;
    h.digest_before = s->state.digest;
    h.digest_after = state.digest;
    memcpy(h.schema_before, s->state.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, state.schema_hash, HASH_SIZE);
    if (history_discard_above(s, state.revision - 1, e) != 0 ||
        history_add(s, &h, e) != 0 || put_in_place(s, path, e) != 0)
        goto out;
    if (source_open_published(s, &usable, e) != 0)
        goto out;
    if (!usable) {
        err_set(e, ERR_IO, "the new published copy cannot be read");
        goto out;
    }
    if (history_name_schema(s, e) != 0)
        goto out;
    if (state.revision > 1)
        source_notice(s, "overwrite-needed", why);
    r = 0;
out:
    if (r != 0)
        err_wrap(e, "could not rebuild the published copy");
    selection_release(&selection);
    buf_release(&specials);
    free(path);
    return r;
}

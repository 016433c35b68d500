/*
 * The live file is written by anybody, replaced by anybody.  Before each
 * publish this file asks: is it still the file that we know, and is it as new
 * as what was published?
 *
 * Only stat() looks at it besides SQLite: an open() and close() of ours would
 * drop SQLite's locks.
 */
#include "sync/source_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sync/open.h"
#include "sync/sound.h"

void
source_hold(struct source *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (s->held != NULL && strcmp(s->held, text) == 0)
        return;
    free(s->held);
    s->held = alloc_string(text);
    source_verdict_drop(s);
}

int
source_held_error(const struct source *s, struct err *e)
{
    err_set(e, ERR_HELD, "dataset \"%s\": %s", s->config.name,
        s->held != NULL ? s->held : "held");
    err_hint(e,
        "Put the right file back, or publish what is there with "
        "\"lockstep dataset accept %s\".",
        s->config.name);
    return -1;
}

bool
source_same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Reads the mark; a file that is missing or empty is held if something was
 * published, else an error. */
int
source_live_mark(struct source *s, struct file_mark *mark, struct err *e)
{
    struct stat st;

    if (stat(s->config.live_path, &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return err_set_errno(e, ERR_IO, errno, "could not look at \"%s\"",
                s->config.live_path);
        if (s->state.revision == 0)
            return err_set(e, ERR_NOT_FOUND, "no database at \"%s\"",
                s->config.live_path);
        source_hold(s, "the live database is missing");
        return source_held_error(s, e);
    }
    *mark = (struct file_mark){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = st.st_size,
        .modified = st.st_mtim,
        .changed = st.st_ctim,
    };
    return 0;
}

bool
source_live_moved(const struct source *s)
{
    return database_has_moved(s->live) ||
           (s->shm_inode != 0 &&
               database_shm_inode(s->config.live_path) != s->shm_inode);
}

void
source_live_close(struct source *s)
{
    for (size_t i = 0; s->schema != NULL && i < s->schema->table_count; i++) {
        sqlite3_finalize(s->statements[i].live_select);
        s->statements[i].live_select = NULL;
    }
    /* With files that are gone, SQLite would write their content over what is
     * there now. */
    if (s->live != NULL && source_live_moved(s))
        database_abandon(s->live);
    else
        database_close(s->live);
    s->live = NULL;
    s->shm_inode = s->log_inode = 0;
    s->live_known = s->at_rest = s->verdict.connected = false;
    s->maybe_older = s->replaced = true;
}

int
source_live_open(struct source *s, struct err *e)
{
    if (s->live != NULL)
        return 0;
    if (database_open(&s->live, s->config.live_path,
            source_leaves_no_trace(s) ? OPEN_READ : OPEN_WRITE,
            SOURCE_READ_WAIT_MS, e) != 0)
        return -1;
    if (database_suspend_rules(s->live, e) == 0)
        return 0;
    source_live_close(s);
    return -1;
}

/* What a program left half done when it died, only a connection that may write
 * can take back; as the next program to open the file would. */
static int
recover(struct source *s, struct err *e)
{
    sqlite3 *db = NULL;
    uint32_t ignored;
    int r = database_open(&db, s->config.live_path, OPEN_WRITE,
        SOURCE_READ_WAIT_MS, e);

    if (r == 0)
        r = database_schema_cookie(db, &ignored, e);
    database_close(db);
    return r;
}

int
source_live_read(struct source *s, struct err *e)
{
    struct err first = ERR_INIT;
    int rc;

    memset(&s->pinned, 0, sizeof(s->pinned));
    if (database_exec(s->live, "BEGIN", e) != 0)
        return -1;
    s->locked_us = clock_mono_us();
    if (database_data_version(s->live, &s->seen_version, &first) == 0)
        return 0;
    rc = sqlite3_errcode(s->live) & 0xff;
    database_rollback(s->live);
    if (!source_leaves_no_trace(s) ||
        (rc != SQLITE_READONLY && rc != SQLITE_CANTOPEN)) {
        *e = first;
        return -1;
    }
    if (recover(s, e) != 0 || database_exec(s->live, "BEGIN", e) != 0 ||
        database_data_version(s->live, &s->seen_version, e) != 0) {
        err_hint(e, "lockstepd only reads this file, but its folder must let "
                    "it keep SQLite's \"-wal\", \"-shm\" and \"-journal\" "
                    "beside it.");
        return -1;
    }
    return 0;
}

/* A file that cannot be read as a database is held, if we know better. */
static int
unreadable(struct source *s, struct err *e)
{
    if (e->code != ERR_CORRUPT || s->state.revision == 0)
        return -1;
    source_hold(s, "the live database is damaged: %s", e->message);
    source_held_error(s, e);
    err_hint(e,
        "Put a sound file back: what was last published is "
        "\"/datasets/%s/snapshot.db\" on the admin port.",
        s->config.name);
    return -1;
}

static int
begin(struct source *s, struct err *e)
{
    database_rollback(s->live);
    if (source_live_read(s, e) != 0)
        return -1;
    if (s->shm_inode == 0)
        s->shm_inode = database_shm_inode(s->config.live_path);
    if (s->log_inode == 0)
        s->log_inode = database_log_inode(s->config.live_path);
    return 0;
}

/* Beginnings at most, until nobody commits beside one. */
#define PIN_TRIES 20

/* Begins anew, reading every page anew.  The log's mark from before is not
 * newer than the transaction; if it is the same afterwards, it is the
 * transaction's own. */
static int
begin_pinned(struct source *s, struct err *e)
{
    for (int i = 0; i < PIN_TRIES; i++) {
        struct log_mark before, after;

        log_mark_read(s->live, &before);
        if (source_leaves_no_trace(s))
            s->seen_log = before;
        database_rollback(s->live);
        sqlite3_db_release_memory(s->live);
        if (begin(s, e) != 0)
            return -1;
        log_mark_read(s->live, &after);
        if (log_mark_same(&before, &after))
            s->pinned = after;
        if (!log_mark_is_set(&after) || log_mark_is_set(&s->pinned))
            break;
    }
    return 0;
}

/* A foreign write below SQLite (cp) shows only in pages read anew. */
static int
check_damage(struct source *s, struct err *e)
{
    if (s->check_file && database_sound(s->live, e) == 0)
        s->check_file = false;
    return s->check_file ? -1 : 0;
}

void
source_live_blame(struct source *s, struct err *e)
{
    struct err own = ERR_INIT;

    if (e->code != ERR_CORRUPT || s->live == NULL)
        return;
    s->check_file = true;
    if (check_damage(s, &own) == 0)
        return; /* it was the other side */
    *e = own;
    unreadable(s, e);
}

void
source_live_end(struct source *s)
{
    memset(&s->pinned, 0, sizeof(s->pinned));
    database_rollback(s->live);
}

/* Whether the log and its index are those of the open connection, and nothing
 * was committed to them since the publish. */
static bool
log_is_published(struct source *s)
{
    struct err ignored = ERR_INIT;
    uint32_t version;

    return s->log_inode != 0 && s->shm_inode != 0 &&
           database_log_inode(s->config.live_path) == s->log_inode &&
           database_shm_inode(s->config.live_path) == s->shm_inode &&
           database_data_version(s->live, &version, &ignored) == 0 &&
           version == s->data_version;
}

/* A file moved over the live one is read together with the log that was left
 * beside it, and looks as new as the old one was.  What is in that log is
 * published, and belongs to the file that went: it is written there. */
static void
empty_left_log(struct source *s)
{
    struct err ignored = ERR_INIT;
    struct stat st;
    bool complete;

    if (source_leaves_no_trace(s) || !s->live_known ||
        !database_has_moved(s->live) || stat(s->config.live_path, &st) != 0 ||
        source_log_is_empty(s))
        return;
    database_rollback(s->live);
    database_set_wait(s->live, 0);
    /* Written back, the log has newer changes only, of this file or that. */
    s->left_log = s->unwritten &&
                  (!log_is_published(s) ||
                      database_checkpoint(s->live, SQLITE_CHECKPOINT_TRUNCATE,
                          &complete, &ignored) != 0 ||
                      !complete);
}

static void
let_go(struct source *s)
{
    empty_left_log(s);
    source_live_close(s);
    s->must_compare = "the live file was replaced";
    s->check_file = !source_leaves_no_trace(s);
}

void
source_drop_moved(struct source *source)
{
    if (source->live != NULL && source_live_moved(source))
        let_go(source);
}

/* Another inode under the same name: reopened, and compared. */
static int
reopen_if_moved(struct source *s, const struct file_mark *mark, struct err *e)
{
    bool moved = s->live_known && (s->mark.inode != mark->inode ||
                                      s->mark.device != mark->device);

    if (moved || (s->live != NULL && source_live_moved(s)))
        let_go(s);
    return source_live_open(s, e);
}

static int
check_tables(struct source *s, struct err *e)
{
    sqlite3_stmt *stmt;
    int rc, r = 0;

    if (s->schema == NULL || s->schema->table_count == 0)
        return 0;
    if (database_prepare(s->live,
            "SELECT 1 FROM main.sqlite_schema WHERE type='table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " AND name NOT LIKE '\\_lockstep\\_%' ESCAPE '\\' LIMIT 1",
            &stmt, e) != 0)
        return -1;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) {
        source_hold(s, "the live database is empty");
        r = source_held_error(s, e);
    } else if (rc != SQLITE_ROW) {
        r = database_error(s->live, e, "could not read the schema");
    }
    sqlite3_finalize(stmt);
    return r;
}

static int
check_nonce(struct source *s, struct err *e)
{
    uint8_t nonce[ID_SIZE];
    bool present;

    s->nonce_before = false;
    if (s->state.revision == 0)
        return 0;
    if (capture_read_nonce(s->live, nonce, &present, e) != 0)
        return -1;
    if (present && memcmp(nonce, s->state.nonce_next, ID_SIZE) == 0)
        return 0;
    s->nonce_before = true;
    if (present && memcmp(nonce, s->state.nonce, ID_SIZE) == 0)
        return 0;
    /* Until now the dataset was compared, and the file had none. */
    if (!present && !source_nonce_is_set(s->state.nonce))
        return 0;
    source_hold(s, "the live database was replaced by an older or foreign "
                   "copy");
    return source_held_error(s, e);
}

static int
check_log(struct source *s, struct err *e)
{
    if (!s->left_log || source_log_is_empty(s)) {
        s->left_log = false;
        return 0;
    }
    source_hold(s, "the live database was replaced while its log held newer "
                   "changes");
    return source_held_error(s, e);
}

/* Is the file as new as what was published, as far as it shows at once? */
static int
check_age(struct source *s, const struct file_mark *mark, struct err *e)
{
    if (check_tables(s, e) != 0)
        return -1;
    if (source_leaves_no_trace(s))
        return 0;
    if (check_nonce(s, e) != 0 || source_base_check(s, mark, e) != 0)
        return -1;
    return check_log(s, e);
}

static int
begin_checked(struct source *s, const struct file_mark *mark, bool accept,
    enum live_look *look, struct err *e)
{
    bool moved = !s->live_known || !source_same_mark(mark, &s->mark);

    if (source_live_open(s, e) != 0)
        return -1;
    if (moved)
        sqlite3_db_release_memory(s->live);
    if (begin(s, e) != 0)
        return -1;
    if (source_leaves_no_trace(s))
        source_live_wake(s);
    *look = LIVE_SAME;
    if (!moved && s->seen_version == s->data_version &&
        s->must_compare == NULL && !accept && !(s->auditing && s->unaudited))
        return 0;
    *look = LIVE_CHANGED;
    if ((!moved || source_leaves_no_trace(s) || s->must_compare != NULL) &&
        begin_pinned(s, e) != 0)
        return -1;
    if (check_damage(s, e) != 0)
        return -1;
    if (source_leaves_no_trace(s))
        source_older_look(s, moved);
    if (accept) {
        s->nonce_before = s->maybe_older = s->replaced = false;
        s->left_log = false;
        s->base_revision = 0;
        memset(&s->base_mark, 0, sizeof(s->base_mark));
        return 0;
    }
    return check_age(s, mark, e);
}

enum live_look
source_live_begin(struct source *s, bool accept, struct err *e)
{
    struct file_mark mark;
    enum live_look look = LIVE_ERROR;

    if (source_live_mark(s, &mark, e) != 0) {
        if (s->live != NULL)
            source_live_close(s);
        return LIVE_ERROR;
    }
    if (mark.size == 0 && !accept && s->state.revision > 0 &&
        s->schema->table_count > 0) {
        if (s->live != NULL)
            source_live_close(s);
        source_hold(s, "the live database is empty");
        source_held_error(s, e);
        return LIVE_ERROR;
    }
    if (reopen_if_moved(s, &mark, e) != 0 ||
        begin_checked(s, &mark, accept, &look, e) != 0) {
        database_rollback(s->live);
        unreadable(s, e);
        return LIVE_ERROR;
    }
    s->seen_mark = mark;
    return look;
}

/*
 * A live file that is only compared has no nonce that an older copy would
 * betray.  What betrays it there: the file was replaced, surely (another inode,
 * a change counter that went back, content that moved although no program
 * committed), or perhaps (while nobody looked, before the start); and its rows
 * are those of an older revision, or those of the newest one undone.
 *
 * Without such a sign equal rows prove nothing: a program may set a value back.
 */
#include "sync/source_internal.h"

#include "sync/open.h"

/* SQLite's file change counter, https://www.sqlite.org/fileformat.html section
 * 1.3.9; read through SQLite's own descriptor.  In WAL it may stand still, but
 * it never goes back. */
static bool
read_change_counter(sqlite3 *db, uint32_t *counter)
{
    sqlite3_file *file = NULL;
    uint8_t b[4];

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
            SQLITE_OK ||
        file == NULL || file->pMethods == NULL ||
        file->pMethods->xRead(file, b, sizeof(b), 24) != SQLITE_OK)
        return false;
    *counter = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
               (uint32_t)b[2] << 8 | b[3];
    return true;
}

void
source_older_look(struct source *s, bool moved)
{
    if (!read_change_counter(s->live, &s->seen_change))
        s->seen_change = s->file_change;
    if (s->seen_change < s->file_change ||
        (s->live_known && moved && s->seen_version == s->data_version))
        s->maybe_older = s->replaced = true;
    s->nonce_before = s->replaced && s->state.revision > 0;
}

void
source_older_settled(struct source *s)
{
    s->file_change = s->seen_change;
    s->log = s->seen_log;
    s->settled_at_ms = s->looked_at_ms;
    s->maybe_older = s->replaced = s->nonce_before = false;
}

int
source_hold_older(struct source *s, const char *when, uint64_t revision,
    struct err *e)
{
    bool compared = source_leaves_no_trace(s);

    source_hold(s, "the live database is as it was %s revision %llu%s", when,
        (unsigned long long)revision,
        compared ? ": an older copy was put in its place, or programs that "
                   "closed it set their changes back, which look alike"
                 : "");
    source_held_error(s, e);
    if (compared)
        err_hint(e,
            "If programs did it, publish it with \"lockstep dataset accept "
            "%s\"; else put the right file back. With capture = triggers the "
            "two are told apart.",
            s->config.name);
    return -1;
}

int
source_older_check(struct source *s, const struct digest *digest,
    const uint8_t schema_hash[HASH_SIZE], struct err *e)
{
    sqlite3_stmt *stmt;
    int rc;

    if (!source_leaves_no_trace(s) || !s->maybe_older)
        return 0;
    if (database_prepare(s->history,
            "SELECT revision FROM history WHERE revision<?1"
            " AND digest_after=?2 AND schema_after=?3"
            " ORDER BY revision DESC LIMIT 1",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_int64(stmt, 1, (int64_t)s->state.revision);
    sqlite3_bind_blob(stmt, 2, digest->sum, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 3, schema_hash, HASH_SIZE, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        source_hold_older(s, "at", (uint64_t)sqlite3_column_int64(stmt, 0), e);
    } else if (rc != SQLITE_DONE) {
        database_error(s->history, e, "could not read the history");
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

/*
 * What is ours in the live file: triggers, journal and nonce put there, or, in
 * a file of another application's that is only compared, nothing at all.
 */
#include "sync/source_internal.h"

#include <string.h>

#include "sync/detach.h"
#include "sync/open.h"

/* Notes durably which nonce the live file is to have next. */
static int
note_nonce(struct source *s, const uint8_t nonce[ID_SIZE], struct err *e)
{
    struct dataset_state next = s->state;
    int r = -1;

    memset(next.nonce, 0, ID_SIZE);
    memcpy(next.nonce_next, nonce, ID_SIZE);
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) == 0 &&
        state_write(s->published, &next, e) == 0)
        r = database_exec(s->published, "COMMIT", e);
    database_rollback(s->published);
    if (r == 0)
        s->state = next;
    return r;
}

/* The nonce that the live file is to have: what was agreed, or a new one. */
static int
choose_nonce(struct source *s, uint8_t nonce[ID_SIZE], struct err *e)
{
    if (s->state.revision > 0 && source_nonce_is_set(s->state.nonce_next)) {
        memcpy(nonce, s->state.nonce_next, ID_SIZE);
        return 0;
    }
    source_new_nonce(s->state.revision, nonce);
    /* Compared so far: the file must not have it before we know of it. */
    return s->state.revision > 0 && s->published != NULL
               ? note_nonce(s, nonce, e)
               : 0;
}

/* The first nonce of a file that has none, or that is ACCEPTed with another. */
static int
write_first_nonce(struct source *s, bool accept, struct err *e)
{
    uint8_t nonce[ID_SIZE];
    bool present;

    if (capture_read_nonce(s->live, nonce, &present, e) != 0)
        return -1;
    if (present && s->state.revision > 0 && !accept)
        return 0;
    if (choose_nonce(s, nonce, e) != 0 ||
        database_exec(s->live, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    if (capture_write_nonce(s->live, nonce, e) == 0)
        database_exec(s->live, "COMMIT", e);
    database_rollback(s->live);
    return e->code == ERR_NONE ? 0 : -1;
}

/* Also the state row, which the file of a server has that was a secondary. */
static int
any_traces(sqlite3 *db, bool *present, struct err *e)
{
    struct dataset_state ignored;

    if (capture_present(db, present, e) != 0)
        return -1;
    if (*present)
        return 0;
    *present = state_read(db, &ignored, e) == 0 || e->code == ERR_CORRUPT;
    if (!*present && e->code != ERR_NOT_FOUND)
        return -1;
    err_clear(e);
    return 0;
}

/* The nonce is forgotten first: a file without one is then as it should be. */
static int
leave_no_trace(struct source *s, struct err *e)
{
    static const uint8_t none[ID_SIZE];
    bool present;

    if (s->published != NULL &&
        (source_nonce_is_set(s->state.nonce) ||
            source_nonce_is_set(s->state.nonce_next)) &&
        note_nonce(s, none, e) != 0)
        return -1;
    if (any_traces(s->live, &present, e) != 0)
        return -1;
    return present ? database_detach(s->config.live_path, e) : 0;
}

int
source_live_install(struct source *s, const struct schema *live_schema,
    bool accept, bool *installed, struct err *e)
{
    struct err own = ERR_INIT;

    *installed = false;
    buf_clear(&s->needs_compare);
    if (source_leaves_no_trace(s))
        return leave_no_trace(s, e);
    if (capture_install(s->live, live_schema, installed, &s->needs_compare,
            &own) != 0 ||
        write_first_nonce(s, accept, &own) != 0) {
        *e = own;
        return err_wrap(e, "could not prepare the live database");
    }
    return 0;
}

/*
 * Capture switched off around a migration that our triggers would disturb: the
 * live file has nothing of ours, nothing is published, what was published goes
 * on being served.  Opening the source without CONFIG.OFF ends that: the audit
 * of each start finds what changed.
 */
#include "sync/source_internal.h"

#include <string.h>

#include "sync/detach.h"
#include "sync/open.h"

int
source_stand_off(struct source *s, struct err *e)
{
    struct dataset_state next = s->state;

    source_hold(s, "capture is off, so nothing is published");
    if (s->published == NULL)
        return err_set(e, ERR_NOT_FOUND, "nothing is published yet");
    if (database_detach(s->config.live_path, e) != 0)
        return -1;
    /* From now on the right file is one without a nonce. */
    memset(next.nonce, 0, ID_SIZE);
    memset(next.nonce_next, 0, ID_SIZE);
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0 ||
        state_write(s->published, &next, e) != 0 ||
        database_exec(s->published, "COMMIT", e) != 0) {
        database_rollback(s->published);
        return -1;
    }
    s->state = next;
    return 0;
}

int
source_refuse_off(const struct source *s, struct err *e)
{
    err_set(e, ERR_HELD, "dataset \"%s\": %s", s->config.name, s->held);
    err_hint(e, "\"lockstep dataset capture %s on\" resumes.", s->config.name);
    return -1;
}

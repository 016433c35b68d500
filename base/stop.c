/*
 * One atomic: when the process was asked to end.
 */
#include "base/stop.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"

static _Atomic int64_t requested_ms; /* on the monotonic clock; 0: not */

void
stop_request(void)
{
    int64_t never = 0;
    int64_t now = clock_mono_ms();

    atomic_compare_exchange_strong(&requested_ms, &never, now > 0 ? now : 1);
}

bool
stop_is_requested(void)
{
    return requested_ms != 0;
}

bool
stop_is_overdue(void)
{
    int64_t since = requested_ms;

    return since != 0 && clock_mono_ms() - since >= STOP_GRACE_MS;
}

int
stop_check(struct err *e)
{
    if (!stop_is_requested())
        return 0;
    return err_set(e, ERR_CANCELLED, "lockstepd is stopping");
}

void
stop_forget(void)
{
    requested_ms = 0;
}

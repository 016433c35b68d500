/*
 * "hook wait": calls that are answered when hooks have ended, so that a primary
 * knows at once and asks only once.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/hooks_internal.h"

struct hook_wait {
    struct hook_wait *next;
    struct hooks *hooks;
    struct control_call *call;
    uv_timer_t limit;
};

static void
free_wait(uv_handle_t *handle)
{
    free(handle->data);
}

static void
finish(struct hook_wait *wait)
{
    struct hook_wait **at = &wait->hooks->waits;

    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    uv_close((uv_handle_t *)&wait->limit, free_wait);
    control_finish(wait->call, hooks_state_json(wait->hooks));
}

static void
on_limit(uv_timer_t *limit)
{
    finish(limit->data);
}

void
hooks_waits_check(struct hooks *h)
{
    struct hook_wait *wait = hooks_are_busy(h) ? NULL : h->waits;

    while (wait != NULL) {
        struct hook_wait *next = wait->next;

        finish(wait);
        wait = next;
    }
}

void
hooks_wait(struct hooks *h, struct control_call *call, int64_t timeout_ms)
{
    struct hook_wait *wait;

    if (!hooks_are_busy(h)) {
        control_finish(call, hooks_state_json(h));
        return;
    }
    wait = alloc_zeroed(1, sizeof(*wait));
    wait->hooks = h;
    wait->call = call;
    uv_timer_init(h->engine->loop, &wait->limit);
    wait->limit.data = wait;
    uv_timer_start(&wait->limit, on_limit, (uint64_t)timeout_ms, 0);
    wait->next = h->waits;
    h->waits = wait;
}

void
hooks_waits_close(struct hooks *h)
{
    while (h->waits != NULL)
        finish(h->waits);
}

/*
 * The processes behind outbound SSH, a pusher and a connector started when
 * first needed and again after a crash, and the table of links by number.
 */
#include "daemon/outbound_link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

/* A link's number is its slot and how often the slot was used before, so that
 * a message that is late for a closed link finds no other one. */
#define SLOT_BITS 20
#define SLOT_MASK ((1u << SLOT_BITS) - 1)
#define FIRST_SLOTS 64

struct slot {
    struct link *link; /* NULL: free */
    uint32_t uses;
    uint32_t next_free;
};

/* What a child's callbacks get: it may outlive the outbound. */
struct helper {
    struct outbound *out;
    struct child *child;
    enum child_part part;
};

struct outbound {
    uv_loop_t *loop;
    struct helper *pusher; /* NULL: not running */
    struct helper *connector;
    struct slot *slots;
    uint32_t slot_count;
    uint32_t first_free; /* slot_count: none */
    size_t in_flight;
    uv_timer_t deferred;
    void (*crashed)(void *ctx, const char *process, const char *how);
    void *crashed_ctx;
};

static void
add_slots(struct outbound *out)
{
    uint32_t count = out->slot_count > 0 ? out->slot_count * 2 : FIRST_SLOTS;

    out->slots = alloc_resize(out->slots, count, sizeof(*out->slots));
    for (uint32_t i = out->slot_count; i < count; i++)
        out->slots[i] = (struct slot){ NULL, 0, i + 1 };
    out->first_free = out->slot_count;
    out->slot_count = count;
}

void
outbound_list_link(struct outbound *out, struct link *link)
{
    struct slot *s;

    if (out->first_free == out->slot_count)
        add_slots(out);
    s = &out->slots[out->first_free];
    link->number = s->uses << SLOT_BITS | out->first_free;
    out->first_free = s->next_free;
    s->link = link;
}

void
outbound_unlist_link(struct link *link)
{
    struct outbound *out = link->out;
    struct slot *s = &out->slots[link->number & SLOT_MASK];

    s->link = NULL;
    s->uses = (s->uses + 1) & (UINT32_MAX >> SLOT_BITS);
    s->next_free = out->first_free;
    out->first_free = link->number & SLOT_MASK;
}

static struct link *
find_link(const struct outbound *out, uint32_t number)
{
    uint32_t slot = number & SLOT_MASK;
    struct link *link = slot < out->slot_count ? out->slots[slot].link : NULL;

    return link != NULL && link->number == number ? link : NULL;
}

static struct helper **
helper_of(struct outbound *out, enum child_part part)
{
    return part == CHILD_PUSHER ? &out->pusher : &out->connector;
}

static bool
on_message(void *ctx, struct ipc_message *m)
{
    struct helper *h = ctx;
    struct link *link = h->out != NULL ? find_link(h->out, m->tag) : NULL;
    bool ok = true;

    if (link != NULL && !link->failed)
        ok = link_take_message(link, m);
    if (!ok && h->out != NULL) {
        log_warning("malformed message %u from the %s", (unsigned)m->type,
            h->part == CHILD_PUSHER ? "pusher" : "connector");
        child_stop(h->child);
    }
    if (m->fd >= 0)
        close(m->fd);
    return h->out != NULL && ok;
}

/* Links that were in the hands of a process that ended. */
static void
fail_links_of(struct outbound *out, enum child_part part, const char *how)
{
    enum link_stage stage = part == CHILD_PUSHER ? LINK_GIVEN : LINK_CONNECTING;
    struct err e = ERR_INIT;

    err_set(&e, ERR_UNREACHABLE, "the %s process ended: %s",
        part == CHILD_PUSHER ? "pusher" : "connector", how);
    err_hint(&e, "It is started again; the log of lockstepd says more.");
    for (uint32_t i = 0; i < out->slot_count; i++) {
        struct link *link = out->slots[i].link;

        if (link == NULL || link->stage != stage || link->failed)
            continue;
        link->failed = true;
        link->error = e;
    }
    outbound_defer(out);
}

static void
on_ended(void *ctx, bool crashed, const char *how)
{
    struct helper *h = ctx;
    struct outbound *out = h->out;

    if (out != NULL) {
        *helper_of(out, h->part) = NULL;
        if (crashed && out->crashed != NULL)
            out->crashed(out->crashed_ctx,
                h->part == CHILD_PUSHER ? "pusher" : "connector", how);
        fail_links_of(out, h->part, how);
    }
    free(h);
}

static const struct child_callbacks child_callbacks = { on_message, on_ended };

static int
start_helper(struct outbound *out, enum child_part part, struct err *e)
{
    struct helper *h = alloc_zeroed(1, sizeof(*h));

    h->out = out;
    h->part = part;
    if (child_start(&h->child, out->loop, part, -1, &child_callbacks, h, e) !=
        0) {
        free(h);
        return -1;
    }
    *helper_of(out, part) = h;
    return 0;
}

int
outbound_send(struct outbound *out, enum child_part part, uint8_t type,
    uint32_t number, const struct buf *body, int fd, struct err *e)
{
    struct helper **h = helper_of(out, part);

    if (*h == NULL && start_helper(out, part, e) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    child_send((*h)->child, type, number, body, fd);
    return 0;
}

void
outbound_tell(struct outbound *out, enum child_part part, uint8_t type,
    uint32_t number, const struct buf *body)
{
    const struct helper *h = *helper_of(out, part);

    if (h != NULL)
        child_send(h->child, type, number, body, -1);
}

static void
on_deferred(uv_timer_t *timer)
{
    struct outbound *out = timer->data;

    for (uint32_t i = 0; i < out->slot_count; i++) {
        struct link *link = out->slots[i].link;
        struct err e;

        if (link == NULL || !link->failed)
            continue;
        e = link->error;
        link_fail(link, &e);
        /* The owner may have freed everything: then the timer is closing. */
        if (uv_is_closing((uv_handle_t *)timer))
            return;
    }
}

void
outbound_defer(struct outbound *out)
{
    if (!uv_is_closing((uv_handle_t *)&out->deferred))
        uv_timer_start(&out->deferred, on_deferred, 0, 0);
}

int
outbound_new(struct outbound **out, uv_loop_t *loop, struct err *e)
{
    struct outbound *o = alloc_zeroed(1, sizeof(*o));

    (void)e;
    o->loop = loop;
    uv_timer_init(loop, &o->deferred);
    o->deferred.data = o;
    *out = o;
    return 0;
}

void
outbound_watch(struct outbound *out,
    void (*crashed)(void *ctx, const char *process, const char *how), void *ctx)
{
    out->crashed = crashed;
    out->crashed_ctx = ctx;
}

static void
stop_helper(struct helper *h)
{
    if (h == NULL)
        return;
    h->out = NULL;
    child_stop(h->child);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    struct outbound *out = handle->data;

    free(out->slots);
    free(out);
}

void
outbound_free(struct outbound *out)
{
    if (out == NULL)
        return;
    for (uint32_t i = 0; i < out->slot_count; i++)
        link_free(out->slots[i].link);
    stop_helper(out->pusher);
    stop_helper(out->connector);
    out->pusher = NULL;
    out->connector = NULL;
    uv_close((uv_handle_t *)&out->deferred, on_timer_closed);
}

void
outbound_add_in_flight(struct outbound *out, size_t bytes)
{
    out->in_flight += bytes;
}

void
outbound_drop_in_flight(struct outbound *out, size_t bytes)
{
    out->in_flight -= bytes;
}

size_t
outbound_in_flight(const struct outbound *out)
{
    return out->in_flight;
}

/* Push frames and heartbeats: see the header for the bytes. */
#include "admin-proto/push_frame.h"

#include <assert.h>
#include <string.h>

enum { FLAG_LAST = 1, FLAG_ORDERED = 2 };

static const uint8_t magic[2] = { 'L', 'S' };

void
push_frame_encode(const struct push_frame *f, struct buf *out)
{
    unsigned flags;

    assert(f->payload_len <= PUSH_FRAME_PAYLOAD_MAX);
    buf_put(out, magic, sizeof(magic));
    buf_put_u8(out, PUSH_PROTOCOL_VERSION);
    buf_put_u8(out, (uint8_t)f->kind);
    buf_put_u64(out, f->bundle_id);
    buf_put_u32(out, f->index);
    /* A heartbeat is always the last, and only, frame of its own. */
    flags = f->last || f->kind == PUSH_HEARTBEAT ? FLAG_LAST : 0;
    flags |= f->ordered ? FLAG_ORDERED : 0;
    buf_put_u8(out, (uint8_t)flags);
    buf_put(out, f->payload, f->payload_len);
}

int
push_frame_decode(struct push_frame *f, const void *data, size_t len,
    struct err *e)
{
    struct reader r = reader_over(data, len);
    const uint8_t *begin = reader_take(&r, sizeof(magic));
    unsigned version;
    unsigned kind;
    unsigned flags;

    memset(f, 0, sizeof(*f));
    if (begin == NULL || memcmp(begin, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_PROTOCOL, "not a push frame");
    version = reader_u8(&r);
    if (!r.failed && version != PUSH_PROTOCOL_VERSION) {
        err_set(e, ERR_VERSION, "push protocol %u, not %u", version,
            PUSH_PROTOCOL_VERSION);
        err_hint(e, "Bring primary and secondary to the same version.");
        return -1;
    }
    kind = reader_u8(&r);
    f->bundle_id = reader_u64(&r);
    f->index = reader_u32(&r);
    flags = reader_u8(&r);
    if (r.failed)
        return err_set(e, ERR_PROTOCOL, "push frame cut short");
    if (kind != PUSH_BUNDLE && kind != PUSH_HEARTBEAT)
        return err_set(e, ERR_PROTOCOL, "push frame of unknown kind %u", kind);
    if (flags > (FLAG_LAST | FLAG_ORDERED))
        return err_set(e, ERR_PROTOCOL, "push frame with flags %u", flags);
    f->payload_len = reader_left(&r);
    if (f->payload_len > PUSH_FRAME_PAYLOAD_MAX)
        return err_set(e, ERR_PROTOCOL, "push frame of %zu bytes refused", len);
    if (kind == PUSH_HEARTBEAT && (f->index != 0 || flags != FLAG_LAST))
        return err_set(e, ERR_PROTOCOL, "heartbeat in more than one frame");
    f->kind = (enum push_kind)kind;
    f->last = (flags & FLAG_LAST) != 0;
    f->ordered = (flags & FLAG_ORDERED) != 0;
    f->payload = reader_take(&r, f->payload_len);
    return 0;
}

void
push_heartbeat_encode(const struct push_heartbeat *h, struct buf *out)
{
    const struct push_heartbeat_entry *entry;

    assert(h->count <= PUSH_HEARTBEAT_MAX);
    buf_put(out, h->cluster, sizeof(h->cluster));
    buf_put_u64(out, h->epoch);
    buf_put(out, h->writer, sizeof(h->writer));
    buf_put_u8(out, (uint8_t)h->count);
    for (entry = h->entries; entry < h->entries + h->count; entry++) {
        size_t len = strnlen(entry->dataset, sizeof(entry->dataset));

        assert(len > 0 && len < sizeof(entry->dataset));
        buf_put_u8(out, (uint8_t)len);
        buf_put(out, entry->dataset, len);
        buf_put_u64(out, entry->revision);
        buf_put(out, entry->digest, sizeof(entry->digest));
    }
}

static void
read_entry(struct push_heartbeat_entry *entry, struct reader *r)
{
    size_t len = reader_u8(r);
    const uint8_t *name = reader_take(r, len);

    if (name == NULL || len == 0 || len >= sizeof(entry->dataset) ||
        memchr(name, '\0', len) != NULL) {
        r->failed = true;
        return;
    }
    memcpy(entry->dataset, name, len);
    entry->revision = reader_u64(r);
    reader_copy(r, entry->digest, sizeof(entry->digest));
}

int
push_heartbeat_decode(struct push_heartbeat *h, const void *data, size_t len,
    struct err *e)
{
    struct reader r = reader_over(data, len);
    unsigned i;

    memset(h, 0, sizeof(*h));
    reader_copy(&r, h->cluster, sizeof(h->cluster));
    h->epoch = reader_u64(&r);
    reader_copy(&r, h->writer, sizeof(h->writer));
    h->count = reader_u8(&r);
    if (h->count > PUSH_HEARTBEAT_MAX) {
        h->count = 0;
        return err_set(e, ERR_PROTOCOL, "heartbeat of too many datasets");
    }
    for (i = 0; i < h->count && !r.failed; i++)
        read_entry(&h->entries[i], &r);
    if (!reader_done(&r)) {
        h->count = 0;
        return err_set(e, ERR_PROTOCOL, "malformed heartbeat");
    }
    return 0;
}

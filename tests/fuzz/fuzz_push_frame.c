/*
 * Push frames and heartbeats from any bytes: what is accepted must be encoded
 * to the same bytes again.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "admin-proto/push_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_heartbeat(const struct push_frame *f)
{
    static struct push_heartbeat h;
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;

    if (push_heartbeat_decode(&h, f->payload, f->payload_len, &e) == 0) {
        push_heartbeat_encode(&h, &b);
        assert(b.len == f->payload_len);
        assert(memcmp(b.data, f->payload, b.len) == 0);
    } else {
        assert(h.count == 0 && e.code == ERR_PROTOCOL);
    }
    buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct push_frame f;
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;

    if (push_frame_decode(&f, data, size, &e) == 0) {
        push_frame_encode(&f, &b);
        assert(b.len == size && memcmp(b.data, data, size) == 0);
        check_heartbeat(&f);
    } else {
        assert(e.code == ERR_PROTOCOL || e.code == ERR_VERSION);
    }
    buf_release(&b);
    return 0;
}

/* Push frames and heartbeats are read as written; anything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin-proto/push_frame.h"

static void
a_frame_is_read_as_written(void **state)
{
    const struct push_frame f = { .kind = PUSH_BUNDLE,
        .bundle_id = 0x0102030405060708,
        .index = 9,
        .last = true,
        .payload = (const uint8_t *)"payload",
        .payload_len = 7 };
    static const uint8_t header[PUSH_FRAME_HEADER] = { 'L', 'S', 1, 1, 1, 2, 3,
        4, 5, 6, 7, 8, 0, 0, 0, 9, 1 };
    struct buf b = BUF_INIT;
    struct push_frame g;
    struct err e = ERR_INIT;

    (void)state;
    push_frame_encode(&f, &b);
    assert_int_equal(b.len, PUSH_FRAME_HEADER + 7);
    assert_memory_equal(b.data, header, sizeof(header));
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), 0);
    assert_int_equal(g.kind, PUSH_BUNDLE);
    assert_true(g.bundle_id == f.bundle_id);
    assert_int_equal(g.index, 9);
    assert_true(g.last);
    assert_int_equal(g.payload_len, 7);
    assert_memory_equal(g.payload, "payload", 7);
    buf_release(&b);
}

static void
a_short_or_odd_frame_is_refused(void **state)
{
    const struct push_frame f = { .kind = PUSH_BUNDLE };
    struct buf b = BUF_INIT;
    struct push_frame g;
    struct err e = ERR_INIT;
    size_t len;

    (void)state;
    push_frame_encode(&f, &b);
    for (len = 0; len < PUSH_FRAME_HEADER; len++) {
        assert_int_equal(push_frame_decode(&g, b.data, len, &e), -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
    }
    b.data[2] = 2;
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), -1);
    assert_int_equal(e.code, ERR_VERSION);
    b.data[2] = 1;
    b.data[3] = 3; /* kind */
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    b.data[3] = PUSH_BUNDLE;
    b.data[16] = 4; /* flags */
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), -1);
    b.data[16] = 0;
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), 0);
    buf_release(&b);
}

static void
a_frame_beyond_its_bound_is_refused(void **state)
{
    const struct push_frame f = { .kind = PUSH_BUNDLE };
    struct buf b = BUF_INIT;
    struct push_frame g;
    struct err e = ERR_INIT;

    (void)state;
    push_frame_encode(&f, &b);
    memset(buf_reserve(&b, PUSH_FRAME_PAYLOAD_MAX + 1), 0,
        PUSH_FRAME_PAYLOAD_MAX + 1);
    b.len += PUSH_FRAME_PAYLOAD_MAX;
    assert_int_equal(push_frame_decode(&g, b.data, b.len, &e), 0);
    assert_int_equal(push_frame_decode(&g, b.data, b.len + 1, &e), -1);
    buf_release(&b);
}

static void
make_heartbeat(struct push_heartbeat *h)
{
    memset(h, 0, sizeof(*h));
    memset(h->cluster, 1, sizeof(h->cluster));
    h->epoch = 5;
    memset(h->writer, 2, sizeof(h->writer));
    h->count = 2;
    strcpy(h->entries[0].dataset, "config");
    h->entries[0].revision = 77;
    memset(h->entries[0].digest, 3, 32);
    strcpy(h->entries[1].dataset, "admins");
}

static void
a_heartbeat_is_read_as_written(void **state)
{
    struct push_heartbeat h;
    struct push_heartbeat g;
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    make_heartbeat(&h);
    push_heartbeat_encode(&h, &b);
    assert_int_equal(push_heartbeat_decode(&g, b.data, b.len, &e), 0);
    assert_memory_equal(&g, &h, sizeof(h));
    buf_release(&b);
}

static void
a_malformed_heartbeat_is_refused(void **state)
{
    struct push_heartbeat h;
    struct push_heartbeat g;
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    size_t len;

    (void)state;
    make_heartbeat(&h);
    push_heartbeat_encode(&h, &b);
    for (len = 0; len < b.len; len++)
        assert_int_equal(push_heartbeat_decode(&g, b.data, len, &e), -1);
    buf_put_u8(&b, 0);
    assert_int_equal(push_heartbeat_decode(&g, b.data, b.len, &e), -1);
    b.len--;
    b.data[42] = '\0'; /* the first letter of "config" */
    assert_int_equal(push_heartbeat_decode(&g, b.data, b.len, &e), -1);
    b.data[42] = 'c';
    assert_int_equal(push_heartbeat_decode(&g, b.data, b.len, &e), 0);
    b.data[40] = PUSH_HEARTBEAT_MAX + 1; /* count */
    assert_int_equal(push_heartbeat_decode(&g, b.data, b.len, &e), -1);
    assert_int_equal(g.count, 0);
    buf_release(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read_as_written),
        cmocka_unit_test(a_short_or_odd_frame_is_refused),
        cmocka_unit_test(a_frame_beyond_its_bound_is_refused),
        cmocka_unit_test(a_heartbeat_is_read_as_written),
        cmocka_unit_test(a_malformed_heartbeat_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

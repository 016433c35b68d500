/*
 * Promises of base/buf.h: what is put is read back, and a reader over hostile
 * bytes never leaves them.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void
integers_are_big_endian(void **state)
{
    static const uint8_t expected[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        13, 14, 15 };
    struct buf b = BUF_INIT;
    struct reader r;

    (void)state;
    buf_put_u8(&b, 0x01);
    buf_put_u16(&b, 0x0203);
    buf_put_u32(&b, 0x04050607);
    buf_put_u64(&b, 0x08090a0b0c0d0e0f);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    r = reader_over(b.data, b.len);
    assert_int_equal(reader_u8(&r), 0x01);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(reader_done(&r));
    buf_release(&b);
}

static void
varint_comes_back_at_every_length(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t around[] = { (UINT64_C(1) << bit) - 1, UINT64_C(1) << bit,
            UINT64_MAX >> bit };

        for (size_t i = 0; i < 3; i++) {
            struct buf b = BUF_INIT;
            struct reader r;

            buf_put_varint(&b, around[i]);
            assert_in_range(b.len, 1, 10);
            r = reader_over(b.data, b.len);
            assert_true(reader_varint(&r) == around[i]);
            assert_true(reader_done(&r));
            buf_release(&b);
        }
    }
}

static void
varint_refuses_what_is_not_the_shortest_spelling(void **state)
{
    static const struct {
        size_t len;
        uint8_t bytes[12];
    } bad[] = {
        { 0, { 0 } },
        { 1, { 0x80 } },
        { 2, { 0x80, 0x00 } },
        { 3, { 0xff, 0x80, 0x00 } },
        { 10, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 } },
        { 10, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81 } },
        { 11, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct reader r = reader_over(bad[i].bytes, bad[i].len);

        assert_true(reader_varint(&r) == 0);
        assert_true(r.failed);
        assert_false(reader_done(&r));
    }
}

/* Every reading function, so that each is tried at every short length. */
static void
read_everything(struct reader *r)
{
    char *text;
    uint8_t raw[3];
    size_t len;

    (void)reader_u8(r);
    (void)reader_u16(r);
    (void)reader_u32(r);
    (void)reader_u64(r);
    (void)reader_varint(r);
    (void)reader_bytes(r, 16, &len);
    text = reader_string(r, 16);
    free(text);
    reader_copy(r, raw, sizeof(raw));
    (void)reader_take(r, 1);
}

/* The copy has exactly LEN bytes, so the sanitizer sees one byte too many. */
static void
every_truncation_fails_and_stays_inside(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_put_u8(&b, 1);
    buf_put_u16(&b, 2);
    buf_put_u32(&b, 3);
    buf_put_u64(&b, 4);
    buf_put_varint(&b, 300);
    buf_put_bytes(&b, "bytes", 5);
    buf_put_string(&b, "text");
    buf_put(&b, "raw", 3);
    buf_put_u8(&b, 9);
    for (size_t len = 0; len <= b.len; len++) {
        uint8_t *exact = malloc(len > 0 ? len : 1);
        struct reader r;

        assert_non_null(exact);
        memcpy(exact, b.data, len);
        r = reader_over(exact, len);
        read_everything(&r);
        assert_int_equal(reader_done(&r), len == b.len);
        assert_int_equal(r.failed, len != b.len);
        free(exact);
    }
    buf_release(&b);
}

static void
trailing_bytes_are_not_done(void **state)
{
    struct reader r = reader_over("\x01\x02", 2);

    (void)state;
    assert_int_equal(reader_u8(&r), 1);
    assert_false(reader_done(&r));
    assert_int_equal(reader_left(&r), 1);
}

static void
a_failed_reader_stays_failed(void **state)
{
    struct reader r = reader_over("\x01\x02\x03", 3);
    uint8_t out[2] = { 7, 7 };
    size_t len = 99;

    (void)state;
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_null(reader_take(&r, 0));
    assert_null(reader_bytes(&r, 10, &len));
    assert_int_equal(len, 0);
    reader_copy(&r, out, sizeof(out));
    assert_int_equal(out[0] | out[1], 0);
    assert_false(reader_done(&r));
}

static void
a_length_from_outside_is_bounded(void **state)
{
    static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 'a' };
    static const uint8_t five[] = { 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o' };
    struct reader r = reader_over(huge, sizeof(huge));
    size_t len;
    char *text;

    (void)state;
    assert_null(reader_bytes(&r, SIZE_MAX, &len));
    assert_true(r.failed);
    r = reader_over(five, sizeof(five));
    assert_null(reader_string(&r, 4));
    assert_true(r.failed);
    r = reader_over(five, sizeof(five));
    text = reader_string(&r, 5);
    assert_string_equal(text, "hello");
    assert_true(reader_done(&r));
    free(text);
}

static void
a_text_with_nul_inside_is_refused(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 0, 3, 'a', 0, 'b' };
    struct reader r = reader_over(bytes, sizeof(bytes));

    (void)state;
    assert_null(reader_string(&r, 10));
    assert_true(r.failed);
}

static void
empty_is_not_failed(void **state)
{
    struct reader r = reader_over(NULL, 0);
    struct buf b = BUF_INIT;
    size_t len;
    char *text;

    (void)state;
    assert_true(reader_done(&r));
    assert_non_null(reader_take(&r, 0));
    buf_put(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    buf_put_bytes(&b, NULL, 0);
    buf_put_string(&b, "");
    r = reader_over(b.data, b.len);
    assert_non_null(reader_bytes(&r, 0, &len));
    assert_int_equal(len, 0);
    text = reader_string(&r, 0);
    assert_string_equal(text, "");
    assert_true(reader_done(&r));
    free(text);
    buf_release(&b);
}

static void
growth_keeps_what_was_there(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (uint32_t i = 0; i < 100000; i++)
        buf_put_u32(&b, i);
    for (uint32_t i = 0; i < 100000; i++) {
        struct reader r = reader_over(b.data + 4 * i, 4);

        assert_int_equal(reader_u32(&r), i);
    }
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    buf_release(&b);
    assert_null(b.data);
}

static void
printf_appends_texts_of_any_length(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_printf(&b, "%d,", 7);
    buf_printf(&b, "%0500d", 1);
    assert_int_equal(b.len, 502);
    assert_memory_equal(b.data, "7,000", 5);
    assert_int_equal(b.data[501], '1');
    buf_release(&b);
}

static void
consume_moves_the_rest_down(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_put(&b, "abcdef", 6);
    buf_consume(&b, 2);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "cdef", 4);
    buf_consume(&b, 0);
    assert_int_equal(b.len, 4);
    buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
    buf_release(&b);
    buf_consume(&b, 0);
}

static void
set_u32_overwrites_in_place(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_put_u32(&b, 0);
    buf_put(&b, "x", 1);
    buf_set_u32(&b, 0, 0x01020304);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "\x01\x02\x03\x04x", 5);
    buf_release(&b);
}

static void
steal_hands_over_a_terminated_copy(void **state)
{
    struct buf b = BUF_INIT;
    size_t len = 99;
    uint8_t *data;

    (void)state;
    data = buf_steal(&b, &len);
    assert_string_equal((char *)data, "");
    assert_int_equal(len, 0);
    free(data);
    for (int i = 0; i < 64; i++) /* exactly full */
        buf_put_u8(&b, 'x');
    data = buf_steal(&b, &len);
    assert_int_equal(len, 64);
    assert_int_equal(strlen((char *)data), 64);
    assert_null(b.data);
    free(data);
}

static void
alloc_copies_are_terminated(void **state)
{
    char *copy = alloc_copy("ab\0c", 4);
    char *text = alloc_format("%s-%d", "n", 3);

    (void)state;
    assert_memory_equal(copy, "ab\0c\0", 5);
    assert_string_equal(text, "n-3");
    assert_null(alloc_string(NULL));
    free(copy);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(varint_comes_back_at_every_length),
        cmocka_unit_test(varint_refuses_what_is_not_the_shortest_spelling),
        cmocka_unit_test(every_truncation_fails_and_stays_inside),
        cmocka_unit_test(trailing_bytes_are_not_done),
        cmocka_unit_test(a_failed_reader_stays_failed),
        cmocka_unit_test(a_length_from_outside_is_bounded),
        cmocka_unit_test(a_text_with_nul_inside_is_refused),
        cmocka_unit_test(empty_is_not_failed),
        cmocka_unit_test(growth_keeps_what_was_there),
        cmocka_unit_test(printf_appends_texts_of_any_length),
        cmocka_unit_test(consume_moves_the_rest_down),
        cmocka_unit_test(set_u32_overwrites_in_place),
        cmocka_unit_test(steal_hands_over_a_terminated_copy),
        cmocka_unit_test(alloc_copies_are_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

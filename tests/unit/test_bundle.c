/*
 * Promises of sync/bundle.h: what is opened is what was sealed, and nothing
 * else is opened.
 */
#include "sync/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX 100000

static const uint8_t seed[ED25519_SEED_SIZE] = { 1, 2, 3 };

static int
sign_with_seed(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    return ed25519_sign(ctx, hash, HASH_SIZE, signature, e);
}

static int
refuse_to_sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    (void)hash;
    (void)signature;
    return err_set(e, ERR_IO, "the key is lost");
}

static struct bundle_header
example_header(void)
{
    struct bundle_header h = {
        .kind = BUNDLE_CHANGES,
        .dataset = "config",
        .epoch = 3,
        .from_revision = 41,
        .to_revision = 42,
        .rows_after = 1000,
        .changed_ms = 1700000000123,
    };

    for (int i = 0; i < HASH_SIZE; i++) {
        h.schema_before[i] = (uint8_t)(i + 1);
        h.schema_after[i] = (uint8_t)(i + 2);
        h.digest_before.sum[i] = (uint8_t)(i + 3);
        h.digest_after.sum[i] = (uint8_t)(i + 4);
    }
    for (int i = 0; i < ID_SIZE; i++) {
        h.cluster[i] = (uint8_t)(i + 5);
        h.writer[i] = (uint8_t)(i + 6);
    }
    return h;
}

static void
seal_text(const char *text, struct bundle_header *h, struct buf *out)
{
    struct bundle_signer signer = { sign_with_seed, (void *)seed };
    struct err e = ERR_INIT;

    *h = example_header();
    assert_int_equal(bundle_seal(h, text, strlen(text), &signer, out, &e), 0);
}

static int
open_bytes(const void *data, size_t len, size_t max, struct bundle_header *h,
    struct buf *body, struct err *e)
{
    uint8_t key[ED25519_PUBLIC_SIZE];

    assert_int_equal(ed25519_public(seed, key, e), 0);
    return bundle_open(data, len, key, max, h, body, e);
}

static const char long_text[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void
bundle_opens_as_it_was_sealed(void **state)
{
    static const char *const texts[] = { "", "x", "short body", long_text };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bundle_header sealed, opened;
        struct buf bytes = BUF_INIT, body = BUF_INIT;
        struct err e = ERR_INIT;

        seal_text(texts[i], &sealed, &bytes);
        assert_int_equal(open_bytes(bytes.data, bytes.len, BODY_MAX, &opened,
                             &body, &e),
            0);
        assert_int_equal(body.len, strlen(texts[i]));
        if (body.len > 0)
            assert_memory_equal(body.data, texts[i], body.len);
        assert_memory_equal(&sealed, &opened, sizeof(sealed));
        buf_release(&bytes);
        buf_release(&body);
    }
}

static void
body_is_compressed_only_where_that_saves(void **state)
{
    struct bundle_header h;
    struct buf bytes = BUF_INIT;

    (void)state;
    seal_text("x", &h, &bytes);
    assert_int_equal(h.compression, 0);
    buf_clear(&bytes);
    seal_text(long_text, &h, &bytes);
    assert_int_equal(h.compression, 1);
    buf_release(&bytes);
}

static void
every_truncation_is_refused(void **state)
{
    struct bundle_header h;
    struct buf bytes = BUF_INIT, body = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    seal_text(long_text, &h, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        /* A copy of that size, so that a sanitizer sees reads past it. */
        uint8_t *copy = malloc(len + 1);

        memcpy(copy, bytes.data, len);
        assert_int_equal(open_bytes(copy, len, BODY_MAX, &h, &body, &e), -1);
        assert_int_equal(e.code, ERR_CORRUPT);
        free(copy);
    }
    assert_int_equal(body.len, 0);
    buf_release(&bytes);
    buf_release(&body);
}

static void
every_flipped_bit_is_refused(void **state)
{
    struct bundle_header h;
    struct buf bytes = BUF_INIT, body = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    seal_text(long_text, &h, &bytes);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(open_bytes(bytes.data, bytes.len, BODY_MAX, &h, &body,
                             &e),
            -1);
        assert_true(e.code == ERR_CORRUPT || e.code == ERR_SIGNATURE);
        bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(body.len, 0);
    buf_release(&bytes);
    buf_release(&body);
}

static void
another_key_is_refused(void **state)
{
    static const uint8_t other_seed[ED25519_SEED_SIZE] = { 9 };
    uint8_t key[ED25519_PUBLIC_SIZE];
    struct bundle_header h;
    struct buf bytes = BUF_INIT, body = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    seal_text("body", &h, &bytes);
    assert_int_equal(ed25519_public(other_seed, key, &e), 0);
    assert_int_equal(bundle_open(bytes.data, bytes.len, key, BODY_MAX, &h,
                         &body, &e),
        -1);
    assert_int_equal(e.code, ERR_SIGNATURE);
    buf_release(&bytes);
    buf_release(&body);
}

static void
body_beyond_the_bound_is_refused(void **state)
{
    struct bundle_header h;
    struct buf bytes = BUF_INIT, body = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    seal_text(long_text, &h, &bytes);
    assert_int_equal(open_bytes(bytes.data, bytes.len, sizeof(long_text) - 1,
                         &h, &body, &e),
        0);
    assert_int_equal(open_bytes(bytes.data, bytes.len, sizeof(long_text) - 2,
                         &h, &body, &e),
        -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    buf_release(&bytes);
    buf_release(&body);
}

static void
malformed_header_is_refused(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } wrong[] = { { 0, 'X' }, { 4, 0 }, { 4, 4 }, { 5, 2 }, { 6, 0 }, { 6, 64 },
        { 7, '/' }, { 7, ' ' }, { 7, 0 }, { 7, 0x1b }, { 7, 0xff } };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct bundle_header h = example_header();
        struct buf bytes = BUF_INIT;
        struct reader r;
        struct err e = ERR_INIT;

        bundle_header_encode(&h, &bytes);
        assert_true(bytes.len <= BUNDLE_HEADER_MAX);
        bytes.data[wrong[i].offset] = wrong[i].value;
        r = reader_over(bytes.data, bytes.len);
        assert_int_equal(bundle_header_decode(&h, &r, &e), -1);
        assert_int_equal(e.code, ERR_CORRUPT);
        buf_release(&bytes);
    }
}

static void
a_signer_that_fails_leaves_nothing(void **state)
{
    struct bundle_signer signer = { refuse_to_sign, NULL };
    struct bundle_header h = example_header();
    struct buf bytes = BUF_INIT;
    struct err e = ERR_INIT;

    (void)state;
    buf_put_u8(&bytes, 7);
    assert_int_equal(bundle_seal(&h, "body", 4, &signer, &bytes, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(bytes.len, 1);
    buf_release(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundle_opens_as_it_was_sealed),
        cmocka_unit_test(body_is_compressed_only_where_that_saves),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(body_beyond_the_bound_is_refused),
        cmocka_unit_test(malformed_header_is_refused),
        cmocka_unit_test(a_signer_that_fails_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

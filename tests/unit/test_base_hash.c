/*
 * Promises of base/hash.h: the published test vectors, signatures that only
 * the key can make, and encodings with one spelling for each value.
 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 8032, section 7.1, test 3. */
static const char seed_hex[] =
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
static const char public_hex[] =
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
static const char signature_hex[] =
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
static const uint8_t signed_bytes[] = { 0xaf, 0x82 };

static void
assert_hash(const uint8_t hash[HASH_SIZE], const char *hex)
{
    char text[2 * HASH_SIZE + 1];

    hex_encode(hash, HASH_SIZE, text);
    assert_string_equal(text, hex);
}

static void
sha256_of_the_published_examples(void **state)
{
    uint8_t hash[HASH_SIZE];

    (void)state;
    hash_bytes("abc", 3, hash);
    assert_hash(hash,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_bytes(NULL, 0, hash);
    assert_hash(hash,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void
a_hasher_in_pieces_equals_one_piece(void **state)
{
    struct hasher *h = hasher_new();
    uint8_t data[300], whole[HASH_SIZE], pieces[HASH_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    /* One hasher all along: finishing starts anew. */
    for (size_t len = 0; len <= sizeof(data); len++) {
        hash_bytes(data, len, whole);
        hasher_update(h, data, len / 3);
        hasher_update(h, data + len / 3, 0);
        hasher_update(h, data + len / 3, len - len / 3);
        hasher_finish(h, pieces);
        assert_memory_equal(pieces, whole, HASH_SIZE);
    }
    hasher_free(h);
    hasher_free(NULL);
}

static void
ed25519_matches_rfc_8032(void **state)
{
    struct err e = ERR_INIT;
    uint8_t seed[ED25519_SEED_SIZE], public_key[ED25519_PUBLIC_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    char text[2 * ED25519_SIGNATURE_SIZE + 1];

    (void)state;
    assert_true(hex_decode(seed_hex, seed, sizeof(seed)));
    assert_int_equal(ed25519_public(seed, public_key, &e), 0);
    hex_encode(public_key, sizeof(public_key), text);
    assert_string_equal(text, public_hex);
    assert_int_equal(ed25519_sign(seed, signed_bytes, sizeof(signed_bytes),
                         signature, &e),
        0);
    hex_encode(signature, sizeof(signature), text);
    assert_string_equal(text, signature_hex);
    assert_true(ed25519_verify(public_key, signed_bytes, sizeof(signed_bytes),
        signature));
}

static void
ed25519_refuses_every_flipped_bit(void **state)
{
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    uint8_t data[sizeof(signed_bytes)];

    (void)state;
    assert_true(hex_decode(public_hex, public_key, sizeof(public_key)));
    assert_true(hex_decode(signature_hex, signature, sizeof(signature)));
    memcpy(data, signed_bytes, sizeof(data));
    for (size_t bit = 0; bit < 8 * sizeof(signature); bit++) {
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ed25519_verify(public_key, data, sizeof(data), signature));
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(public_key); bit++) {
        public_key[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ed25519_verify(public_key, data, sizeof(data), signature));
        public_key[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ed25519_verify(public_key, data, sizeof(data), signature));
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_false(ed25519_verify(public_key, data, 1, signature));
    assert_false(ed25519_verify(public_key, NULL, 0, signature));
    assert_true(ed25519_verify(public_key, data, sizeof(data), signature));
}

static void
random_bytes_do_not_repeat(void **state)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };

    (void)state;
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    random_bytes(NULL, 0);
    assert_true(bytes_equal_secret(a, a, sizeof(a)));
    assert_false(bytes_equal_secret(a, b, sizeof(a)));
    assert_true(bytes_equal_secret(a, b, 0));
}

static void
hex_is_read_strictly(void **state)
{
    static const char *const bad[] = { "", "0", "00", "000", "0000000", "00 00",
        "0g0000", "00000g", "0x0000", "00000000", "-10000" };
    uint8_t out[3];

    (void)state;
    assert_true(hex_decode("00fFa9", out, 3));
    assert_memory_equal(out, "\x00\xff\xa9", 3);
    assert_true(hex_decode("", out, 0));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hex_decode(bad[i], out, 3));
}

static void
base64_matches_rfc_4648(void **state)
{
    static const struct {
        const char *plain, *padded, *bare;
    } cases[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t want = strlen(cases[i].plain), len;
        char *padded = base64_encode(cases[i].plain, want, true);
        char *bare = base64_encode(cases[i].plain, want, false);
        uint8_t *back;

        assert_string_equal(padded, cases[i].padded);
        assert_string_equal(bare, cases[i].bare);
        back = base64_decode(padded, &len);
        assert_non_null(back);
        assert_int_equal(len, want);
        assert_memory_equal(back, cases[i].plain, want);
        free(back);
        back = base64_decode(bare, &len);
        assert_non_null(back);
        assert_int_equal(len, want);
        free(back);
        free(padded);
        free(bare);
    }
}

static void
base64_of_every_byte_comes_back(void **state)
{
    uint8_t all[256], *back;
    char *text;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    text = base64_encode(all, sizeof(all), true);
    back = base64_decode(text, &len);
    assert_non_null(back);
    assert_int_equal(len, sizeof(all));
    assert_memory_equal(back, all, sizeof(all));
    free(text);
    free(back);
}

static void
base64_is_read_strictly(void **state)
{
    static const char *const bad[] = { "Z",
        "Zg=", "Zg===", "Zm8==", "Zm9v=", "=", "====", "Z===", "Zm9vY",
        "Zg==Zg==", "Zm=v", " Zm9v", "Zm9v\n", "Zm9 v", "Zm9-", "Zm9_",
        "Zm9\x80", "Zh==", "Zm9=", "Zh" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = 99;

        assert_null(base64_decode(bad[i], &len));
        assert_int_equal(len, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_the_published_examples),
        cmocka_unit_test(a_hasher_in_pieces_equals_one_piece),
        cmocka_unit_test(ed25519_matches_rfc_8032),
        cmocka_unit_test(ed25519_refuses_every_flipped_bit),
        cmocka_unit_test(random_bytes_do_not_repeat),
        cmocka_unit_test(hex_is_read_strictly),
        cmocka_unit_test(base64_matches_rfc_4648),
        cmocka_unit_test(base64_of_every_byte_comes_back),
        cmocka_unit_test(base64_is_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

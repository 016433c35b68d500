/*
 * Promises of public keys as users and administrators bring them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/key_choice.h"
#include "daemon/public_key.h"

static const char ed25519_line[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6"
    "wY08rD8c ann smith@laptop\n";

static void
public_key_keeps_type_and_comment(void **state)
{
    struct public_key key;
    struct err e = ERR_INIT;
    char again[64];

    (void)state;
    assert_int_equal(public_key_parse(&key, ed25519_line, &e), 0);
    assert_string_equal(key.type, "ssh-ed25519");
    assert_string_equal(key.comment, "ann smith@laptop");
    assert_int_equal(strncmp(key.fingerprint, "SHA256:", 7), 0);
    public_key_fingerprint(key.base64, again);
    assert_string_equal(again, key.fingerprint);
    public_key_release(&key);
}

static void
public_key_refuses_what_is_not_one(void **state)
{
    static const char *const lines[] = {
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 !!!!",
        /* a type that is not the blob's */
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHWCmN6"
        "wY08rD8c",
        /* cut by one group */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08",
        /* a byte too many */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08rD8cAA==",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAO",
        /* options would be honoured by a server that reads the line */
        "command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXX"
        "fMOoPy7ZQ6JKdHWCmN6wY08rD8c",
        /* 1024 bits: e 65537, then an mpint of 129 bytes that is not there */
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDh",
        /* two lines */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPV1nGBvVkTRkTXXfMOoPy7ZQ6JKdHW"
        "CmN6wY08rD8c a\nssh-ed25519 AAAA b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct public_key key;
        struct err e = ERR_INIT;

        if (public_key_parse(&key, lines[i], &e) == 0)
            fail_msg("accepted: %s", lines[i]);
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static void
key_is_chosen_by_id_fingerprint_or_comment(void **state)
{
    json_t *keys = json_pack("[{s:i,s:s,s:s},{s:i,s:s,s:s},{s:i,s:s,s:s}]",
        "id", 7, "fingerprint", "SHA256:a", "comment", "x", "id", 8,
        "fingerprint", "SHA256:b", "comment", "same", "id", 9, "fingerprint",
        "SHA256:c", "comment", "same");
    struct err e = ERR_INIT;
    int64_t id = 0;

    (void)state;
    assert_int_equal(key_choose(keys, "8", &id, &e), 0);
    assert_int_equal(id, 8);
    assert_int_equal(key_choose(keys, "SHA256:c", &id, &e), 0);
    assert_int_equal(id, 9);
    assert_int_equal(key_choose(keys, "x", &id, &e), 0);
    assert_int_equal(id, 7);
    assert_int_equal(key_choose(keys, "same", &id, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(key_choose(keys, "08", &id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    json_decref(keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_key_keeps_type_and_comment),
        cmocka_unit_test(public_key_refuses_what_is_not_one),
        cmocka_unit_test(key_is_chosen_by_id_fingerprint_or_comment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

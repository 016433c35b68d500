/* HOST:PORT as people write it, fingerprints, roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin-proto/role.h"
#include "admin-proto/ssh_client.h"
#include "base/hash.h"

static void
addresses_are_taken_apart_and_put_together(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *formatted;
    } cases[] = {
        { "edge-1", "edge-1", 14983, "edge-1:14983" },
        { "edge-1.example.org:22", "edge-1.example.org", 22,
            "edge-1.example.org:22" },
        { "127.0.0.1:65535", "127.0.0.1", 65535, "127.0.0.1:65535" },
        { "::1", "::1", 14983, "[::1]:14983" },
        { "2001:db8::1", "2001:db8::1", 14983, "[2001:db8::1]:14983" },
        { "[2001:db8::1]", "2001:db8::1", 14983, "[2001:db8::1]:14983" },
        { "[2001:db8::1]:1", "2001:db8::1", 1, "[2001:db8::1]:1" },
        { "fe80::1%eth0", "fe80::1%eth0", 14983, "[fe80::1%eth0]:14983" },
    };
    struct err e = ERR_INIT;
    char out[128];
    uint16_t port;
    char *host;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(admin_address_parse(cases[i].text, &host, &port, &e),
            0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
        admin_address_format(host, port, out, sizeof(out));
        assert_string_equal(out, cases[i].formatted);
        free(host);
    }
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = { "", ":22", "a:", "a:0", "a:65536",
        "a:-1", "a:22x", "a: 22", "a b", "-oProxyCommand=x", "[::1", "[::1]x",
        "[::1]:", "[a]:22", "[]:22", "a/b", "user@a", "a\nb", "a;b" };
    struct err e;
    uint16_t port;
    char *host;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err_clear(&e);
        assert_int_equal(admin_address_parse(cases[i], &host, &port, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_null(host);
    }
}

static void
a_fingerprint_is_the_one_of_openssh(void **state)
{
    /* A public key and what ssh-keygen -l says about it. */
    static const char key[] = "AAAAC3NzaC1lZDI1NTE5AAAAINn+BDbLkeHSC6DMXBbkT5nJ"
                              "oQ9lD1dfHqK6mZQUfvZT";
    static const char shown[] =
        "SHA256:OOvTzxrdALBLUb6aZhGRq1slnzpf5BlJB7hLCET+/1s";
    char out[64];
    uint8_t *blob;
    size_t len;

    (void)state;
    blob = base64_decode(key, &len);
    assert_non_null(blob);
    admin_fingerprint(blob, len, out);
    assert_string_equal(out, shown);
    free(blob);
}

static void
roles_have_names(void **state)
{
    enum role role;
    struct err e = ERR_INIT;

    (void)state;
    for (int i = ROLE_NONE; i <= ROLE_ADMIN; i++) {
        assert_int_equal(role_parse(role_name((enum role)i), &role, &e), 0);
        assert_int_equal(role, i);
    }
    assert_int_equal(role_parse("root", &role, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(role_name((enum role)77), "none");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart_and_put_together),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_fingerprint_is_the_one_of_openssh),
        cmocka_unit_test(roles_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

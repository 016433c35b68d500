/* The IP filter: what counts as a range, and that the first rule decides. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipfilter/ruleset.h"

static struct ip_address
address(const char *text)
{
    struct ip_address a;
    struct err e = ERR_INIT;

    assert_int_equal(ip_address_parse(text, &a, &e), 0);
    return a;
}

static void
addresses_are_written_as_they_are_read(void **state)
{
    static const char *const cases[][2] = {
        { "10.1.2.3", "10.1.2.3" },
        { "::ffff:10.1.2.3", "10.1.2.3" },
        { "::ffff:a01:203", "10.1.2.3" },
        { "2001:DB8:0:0::1", "2001:db8::1" },
        { "::1", "::1" },
        { "::", "::" },
        { "0.0.0.0", "0.0.0.0" },
    };
    struct ip_address a;
    char text[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        a = address(cases[i][0]);
        ip_address_format(&a, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = { "", "10.1.2", "10.1.2.256", "1",
        "10.1.2.3 ", "host", "::g", "1::2::3", "fe80::1%eth0", "0x7f.0.0.1",
        "010.0.0.01" };
    struct ip_address a;
    struct err e;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err_clear(&e);
        assert_int_equal(ip_address_parse(cases[i], &a, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static void
sockets_give_the_same_address_in_both_families(void **state)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    struct sockaddr other = { .sa_family = AF_UNIX };
    struct ip_address a;
    struct ip_address b;

    (void)state;
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    assert_true(ip_address_from_socket((struct sockaddr *)&v4, &a));
    assert_true(ip_address_from_socket((struct sockaddr *)&v6, &b));
    assert_memory_equal(&a, &b, sizeof(a));
    assert_false(ip_address_from_socket(&other, &a));
}

static void
loopback_is_known(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = { { "127.0.0.1", true }, { "127.255.0.9", true },
        { "::1", true }, { "::ffff:127.0.0.1", true }, { "128.0.0.1", false },
        { "::2", false }, { "::", false }, { "::7f00:1", false } };
    struct ip_address a;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        a = address(cases[i].text);
        assert_int_equal(ip_address_is_loopback(&a), cases[i].loopback);
    }
}

static void
ranges_have_ends_and_a_shortest_form(void **state)
{
    static const struct {
        const char *text;
        const char *first;
        const char *last;
        const char *shortest;
    } cases[] = {
        { "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1" },
        { "10.0.0.1/32", "10.0.0.1", "10.0.0.1", "10.0.0.1" },
        { "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "10.0.0.0/8" },
        { "10.0.0.0-10.0.0.255", "10.0.0.0", "10.0.0.255", "10.0.0.0/24" },
        { "10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", "10.0.0.1-10.0.0.9" },
        { "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
        { "172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.16.0.0/12" },
        { "::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255", "10.0.0.0/8" },
        { "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
        { "2001:db8::/33", "2001:db8::",
            "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/33" },
        { "2001:db8::1-2001:db8::2", "2001:db8::1", "2001:db8::2",
            "2001:db8::1-2001:db8::2" },
    };
    struct ip_range r;
    struct ip_address a;
    struct err e = ERR_INIT;
    char text[128];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ip_range_parse(cases[i].text, &r, &e), 0);
        a = address(cases[i].first);
        assert_memory_equal(&r.first, &a, sizeof(a));
        a = address(cases[i].last);
        assert_memory_equal(&r.last, &a, sizeof(a));
        ip_range_format(&r, text);
        assert_string_equal(text, cases[i].shortest);
    }
}

static void
what_is_no_range_is_refused(void **state)
{
    static const char *const cases[] = { "", "/8", "10.0.0.1/8", "10.0.0.0/33",
        "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.9-10.0.0.1",
        "10.0.0.1-", "-10.0.0.1", "10.0.0.1-2001:db8::1", "::1-10.0.0.1",
        "2001:db8::1/64", "2001:db8::/129", "::ffff:10.0.0.0/8",
        "::ffff:0:0/64", "10.0.0.0/8/8", "10.0.0.1-10.0.0.2-10.0.0.3",
        "10.0.0.0/0008",
        "11111111111111111111111111111111111111111111111111111111111111111" };
    struct ip_range r;
    struct err e;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err_clear(&e);
        assert_int_equal(ip_range_parse(cases[i], &r, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static void
add(struct ruleset *r, enum ipfilter_action action, const char *range,
    enum ipfilter_scope scope, int64_t expires_ms, int64_t id)
{
    struct ipfilter_rule rule = { action, { { { 0 } }, { { 0 } } }, scope,
        expires_ms, id };
    struct err e = ERR_INIT;

    assert_int_equal(ip_range_parse(range, &rule.range, &e), 0);
    ruleset_add(r, &rule);
}

static void
assert_verdict(const struct ruleset *r, const char *text,
    enum ipfilter_scope scope, int64_t now_ms, enum ipfilter_action action,
    int64_t id)
{
    struct ip_address a = address(text);
    int64_t rule = -2;

    assert_int_equal(ruleset_match(r, &a, scope, now_ms, &rule), action);
    assert_int_equal(rule, id);
}

static void
the_first_match_decides_then_the_default(void **state)
{
    struct ruleset *r = ruleset_new(IPFILTER_DENY);

    (void)state;
    add(r, IPFILTER_DENY, "10.0.0.5", IPFILTER_BOTH, 0, 1);
    add(r, IPFILTER_ALLOW, "10.0.0.0/24", IPFILTER_BOTH, 0, 2);
    add(r, IPFILTER_DENY, "10.0.0.6", IPFILTER_BOTH, 0, 3);
    assert_verdict(r, "10.0.0.5", IPFILTER_ADMIN, 0, IPFILTER_DENY, 1);
    assert_verdict(r, "10.0.0.6", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    assert_verdict(r, "::ffff:10.0.0.6", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    assert_verdict(r, "10.0.0.0", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    assert_verdict(r, "10.0.0.255", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    assert_verdict(r, "9.255.255.255", IPFILTER_ADMIN, 0, IPFILTER_DENY, -1);
    assert_verdict(r, "10.0.1.0", IPFILTER_ADMIN, 0, IPFILTER_DENY, -1);
    ruleset_free(r);
}

static void
scope_and_expiry_are_kept(void **state)
{
    struct ruleset *r = ruleset_new(IPFILTER_ALLOW);

    (void)state;
    add(r, IPFILTER_DENY, "10.0.0.1", IPFILTER_SERVICE, 0, 1);
    add(r, IPFILTER_DENY, "10.0.0.2", IPFILTER_BOTH, 1000, 2);
    assert_verdict(r, "10.0.0.1", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, -1);
    assert_verdict(r, "10.0.0.1", IPFILTER_SERVICE, 0, IPFILTER_DENY, 1);
    assert_verdict(r, "10.0.0.2", IPFILTER_ADMIN, 999, IPFILTER_DENY, 2);
    assert_verdict(r, "10.0.0.2", IPFILTER_ADMIN, 1000, IPFILTER_ALLOW, -1);
    ruleset_free(r);
}

static void
all_of_ipv6_is_not_ipv4(void **state)
{
    struct ruleset *r = ruleset_new(IPFILTER_DENY);

    (void)state;
    add(r, IPFILTER_ALLOW, "::/0", IPFILTER_BOTH, 0, 1);
    assert_verdict(r, "2001:db8::1", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 1);
    assert_verdict(r, "192.0.2.1", IPFILTER_ADMIN, 0, IPFILTER_DENY, -1);
    ruleset_free(r);
}

static void
the_defaults_are_loopback_and_private(void **state)
{
    static const struct {
        const char *text;
        bool allowed;
    } cases[] = {
        { "127.0.0.1", true },
        { "::1", true },
        { "10.255.255.255", true },
        { "172.16.0.0", true },
        { "172.31.255.255", true },
        { "172.32.0.0", false },
        { "172.15.255.255", false },
        { "192.168.9.9", true },
        { "192.169.0.0", false },
        { "169.254.1.1", true },
        { "fc00::1", true },
        { "fdff:ffff::1", true },
        { "fe00::1", false },
        { "fe80::1", true },
        { "febf::1", true },
        { "fec0::1", false },
        { "::ffff:192.168.1.1", true },
        { "::ffff:8.8.8.8", false },
        { "8.8.8.8", false },
        { "2001:db8::1", false },
        { "::2", false },
        { "0.0.0.0", false },
        { "255.255.255.255", false },
    };
    struct ruleset *r = ruleset_new(IPFILTER_DENY);
    struct ip_address a;
    int64_t rule;
    size_t i;

    (void)state;
    ruleset_add_defaults(r);
    assert_int_equal(ruleset_count(r), 8);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        a = address(cases[i].text);
        assert_int_equal(ruleset_match(r, &a, IPFILTER_ADMIN, 0, &rule),
            cases[i].allowed ? IPFILTER_ALLOW : IPFILTER_DENY);
    }
    ruleset_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written_as_they_are_read),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(sockets_give_the_same_address_in_both_families),
        cmocka_unit_test(loopback_is_known),
        cmocka_unit_test(ranges_have_ends_and_a_shortest_form),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(the_first_match_decides_then_the_default),
        cmocka_unit_test(scope_and_expiry_are_kept),
        cmocka_unit_test(all_of_ipv6_is_not_ipv4),
        cmocka_unit_test(the_defaults_are_loopback_and_private),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The IP filter: what counts as a range, and that the first rule decides. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipfilter/ruleset.h"
#include "ipfilter/spans.h"

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

/* A plain matcher of the test's own: the definition, one rule after another,
 * byte by byte. */
static bool
plain_match(const struct ipfilter_rule *rules, size_t count,
    const struct ip_address *a, enum ipfilter_scope scope, int64_t now_ms,
    int64_t *id)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    size_t i;

    for (i = 0; i < count; i++) {
        const struct ipfilter_rule *p = &rules[i];
        bool v4 = memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
        bool rule_v4 =
            memcmp(p->range.first.bytes, mapped, sizeof(mapped)) == 0;

        if (v4 == rule_v4 && (p->scope & scope) != 0 &&
            (p->expires_ms == 0 || now_ms < p->expires_ms) &&
            memcmp(p->range.first.bytes, a->bytes, 16) <= 0 &&
            memcmp(a->bytes, p->range.last.bytes, 16) <= 0) {
            *id = p->id;
            return p->action == IPFILTER_ALLOW;
        }
    }
    *id = -1;
    return false;
}

static unsigned seed = 1;

static unsigned
random_below(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return seed / 65536u % n;
}

/* Few values for each byte, so that ranges meet, nest and touch. */
static struct ip_address
random_address(bool v4)
{
    static const uint8_t values[] = { 0, 1, 2, 127, 128, 254, 255 };
    struct ip_address a = { { 0 } };
    size_t i;

    if (v4)
        a.bytes[10] = a.bytes[11] = 0xff;
    for (i = v4 ? 12 : 0; i < 16; i += v4 || random_below(2) ? 1 : 5)
        a.bytes[i] = values[random_below(sizeof(values))];
    /* In IPv6 often next to the block of IPv4. */
    if (!v4 && random_below(4) == 0) {
        memset(a.bytes, 0, 10);
        a.bytes[9] = random_below(4) == 0;
        a.bytes[10] = a.bytes[11] = 0xff;
        a.bytes[11] = (uint8_t)(a.bytes[11] - (a.bytes[9] == 0));
    }
    return a;
}

static struct ipfilter_rule
random_rule(int64_t id)
{
    bool v4 = random_below(2) == 0;
    struct ip_address one = random_address(v4);
    struct ip_address other = random_address(v4);
    bool ordered = memcmp(&one, &other, sizeof(one)) <= 0;
    struct ipfilter_rule rule = {
        .action = random_below(2) == 0 ? IPFILTER_ALLOW : IPFILTER_DENY,
        .scope = (enum ipfilter_scope)(1 + random_below(3)),
        .expires_ms = random_below(4) == 0 ? 1 + random_below(100) : 0,
        .id = id,
    };

    rule.range.first = ordered || random_below(3) == 0 ? one : other;
    rule.range.last = ordered ? other : one;
    if (memcmp(&rule.range.first, &rule.range.last, 16) > 0)
        rule.range.last = rule.range.first;
    if (!v4 && random_below(8) == 0) {
        memset(&rule.range.first, 0, 16);
        memset(&rule.range.last, 0xff, 16);
    }
    return rule;
}

static void
assert_as_plain(const struct ruleset *r, const struct ipfilter_rule *rules,
    size_t count, const struct ip_address *a)
{
    enum ipfilter_scope scope =
        random_below(2) == 0 ? IPFILTER_ADMIN : IPFILTER_SERVICE;
    int64_t now_ms = random_below(120), wanted, found;
    bool allowed = plain_match(rules, count, a, scope, now_ms, &wanted);

    assert_int_equal(ruleset_match(r, a, scope, now_ms, &found),
        allowed ? IPFILTER_ALLOW : IPFILTER_DENY);
    assert_int_equal(found, wanted);
}

/* 100,000 questions to 1,000 random sets, compiled, and every fifth not. */
static void
random_sets_match_as_a_plain_matcher_does(void **state)
{
    struct ipfilter_rule rules[60];
    struct ip_address a;

    (void)state;
    for (int set = 0; set < 1000; set++) {
        struct ruleset *r = ruleset_new(IPFILTER_DENY);
        size_t count = random_below(60);

        for (size_t i = 0; i < count; i++) {
            rules[i] = random_rule((int64_t)i);
            ruleset_add(r, &rules[i]);
        }
        if (set % 5 != 0)
            ruleset_compile(r, IPFILTER_BOTH);
        for (int i = 0; i < 100; i++) {
            a = random_address(random_below(2) == 0);
            if (count > 0 && random_below(3) == 0)
                a = rules[random_below((unsigned)count)].range.last;
            assert_as_plain(r, rules, count, &a);
        }
        ruleset_free(r);
    }
}

/* A span names the very rule, so that a question ends where it began. */
static void
spans_name_the_first_rule(void **state)
{
    struct ipfilter_rule rules[60];

    (void)state;
    for (int set = 0; set < 300; set++) {
        size_t count = random_below(60);
        struct spans *spans;

        for (size_t i = 0; i < count; i++) {
            rules[i] = random_rule((int64_t)i);
            rules[i].expires_ms = 0;
        }
        spans = spans_build(rules, count, IPFILTER_SERVICE);
        for (int i = 0; i < 100; i++) {
            struct ip_address a = random_address(random_below(2) == 0);
            int64_t wanted;

            plain_match(rules, count, &a, IPFILTER_SERVICE, 0, &wanted);
            assert_int_equal(spans_find(spans, &a),
                wanted >= 0 ? (uint32_t)wanted : SPANS_NO_RULE);
        }
        spans_free(spans);
    }
}

static void
a_rule_added_after_compiling_counts(void **state)
{
    struct ruleset *r = ruleset_new(IPFILTER_DENY);

    (void)state;
    add(r, IPFILTER_DENY, "192.0.2.0/24", IPFILTER_BOTH, 0, 1);
    ruleset_compile(r, IPFILTER_BOTH);
    add(r, IPFILTER_ALLOW, "198.51.100.0/24", IPFILTER_BOTH, 0, 2);
    assert_verdict(r, "198.51.100.9", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    ruleset_compile(r, IPFILTER_BOTH);
    assert_verdict(r, "198.51.100.9", IPFILTER_ADMIN, 0, IPFILTER_ALLOW, 2);
    assert_verdict(r, "192.0.2.9", IPFILTER_SERVICE, 0, IPFILTER_DENY, 1);
    ruleset_free(r);
}

/* The rules of an office, as somebody would write them, ... */
static const struct {
    enum ipfilter_action action;
    const char *range;
    enum ipfilter_scope scope;
    int64_t expires_ms;
} office_rules[] = {
    /* 1 */ { IPFILTER_DENY, "10.0.0.66", IPFILTER_BOTH, 0 },
    /* 2 */ { IPFILTER_ALLOW, "10.0.0.0/24", IPFILTER_ADMIN, 0 },
    /* 3 */ { IPFILTER_DENY, "10.0.0.0/8", IPFILTER_ADMIN, 0 },
    /* 4 */ { IPFILTER_ALLOW, "192.0.2.10-192.0.2.20", IPFILTER_BOTH, 0 },
    /* 5 */ { IPFILTER_ALLOW, "192.0.2.0/24", IPFILTER_SERVICE, 500 },
    /* 6 */ { IPFILTER_DENY, "2001:db8::bad", IPFILTER_BOTH, 0 },
    /* 7 */ { IPFILTER_ALLOW, "2001:db8::/64", IPFILTER_BOTH, 0 },
    /* 8 */ { IPFILTER_DENY, "2001:db8::/32", IPFILTER_ADMIN, 0 },
    /* 9 */ { IPFILTER_ALLOW, "::/0", IPFILTER_SERVICE, 0 },
    /* 10 */ { IPFILTER_ALLOW, "255.255.255.255", IPFILTER_ADMIN, 0 },
    /* 11 */ { IPFILTER_ALLOW, "0.0.0.0", IPFILTER_ADMIN, 0 },
    /* 12 */
    { IPFILTER_ALLOW, "::ffff:198.51.100.0/120", IPFILTER_BOTH, 0 },
    /* 13 */ { IPFILTER_DENY, "0.0.0.0/0", IPFILTER_ADMIN, 0 },
};

enum { A = IPFILTER_ADMIN, S = IPFILTER_SERVICE };

/* ... and what they say. */
static const struct {
    const char *address;
    int scope;
    int64_t now_ms;
    bool allowed;
    int64_t rule;
} office_cases[] = {
    { "10.0.0.66", A, 0, false, 1 },
    { "10.0.0.66", S, 0, false, 1 },
    { "::ffff:10.0.0.66", A, 0, false, 1 },
    { "10.0.0.65", A, 0, true, 2 },
    { "10.0.0.67", A, 0, true, 2 },
    { "10.0.0.65", S, 0, false, -1 },
    { "10.0.0.0", A, 0, true, 2 },
    { "10.0.0.255", A, 0, true, 2 },
    { "10.0.1.0", A, 0, false, 3 },
    { "10.255.255.255", A, 0, false, 3 },
    { "10.0.1.0", S, 0, false, -1 },
    { "11.0.0.0", A, 0, false, 13 },
    { "9.255.255.255", A, 0, false, 13 },
    { "192.0.2.9", A, 0, false, 13 },
    { "192.0.2.10", A, 0, true, 4 },
    { "192.0.2.15", A, 0, true, 4 },
    { "192.0.2.20", A, 0, true, 4 },
    { "192.0.2.21", A, 0, false, 13 },
    { "192.0.2.9", S, 0, true, 5 },
    { "192.0.2.10", S, 0, true, 4 },
    { "192.0.2.21", S, 0, true, 5 },
    { "192.0.2.21", S, 499, true, 5 },
    { "192.0.2.21", S, 500, false, -1 },
    { "192.0.2.21", S, 501, false, -1 },
    { "192.0.2.15", S, 501, true, 4 },
    { "192.0.2.0", S, 0, true, 5 },
    { "192.0.2.255", S, 0, true, 5 },
    { "192.0.3.0", S, 0, false, -1 },
    { "192.0.1.255", S, 0, false, -1 },
    { "2001:db8::bad", A, 0, false, 6 },
    { "2001:db8::bad", S, 0, false, 6 },
    { "2001:db8::bac", A, 0, true, 7 },
    { "2001:db8::bae", S, 0, true, 7 },
    { "2001:db8::", A, 0, true, 7 },
    { "2001:db8::ffff:ffff:ffff:ffff", A, 0, true, 7 },
    { "2001:db8:0:1::", A, 0, false, 8 },
    { "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", A, 0, false, 8 },
    { "2001:db8:0:1::", S, 0, true, 9 },
    { "2001:db9::", A, 0, false, -1 },
    { "2001:db9::", S, 0, true, 9 },
    { "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", A, 0, false, -1 },
    { "::", A, 0, false, -1 },
    { "::", S, 0, true, 9 },
    { "::1", S, 0, true, 9 },
    { "::fffe:ffff:ffff", S, 0, true, 9 },
    { "::ffff:0.0.0.0", S, 0, false, -1 },
    { "::ffff:255.255.255.255", S, 0, false, -1 },
    { "::1:0:0:0", S, 0, true, 9 },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", S, 0, true, 9 },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", A, 0, false, -1 },
    { "255.255.255.255", A, 0, true, 10 },
    { "255.255.255.254", A, 0, false, 13 },
    { "255.255.255.255", S, 0, false, -1 },
    { "0.0.0.0", A, 0, true, 11 },
    { "0.0.0.1", A, 0, false, 13 },
    { "0.0.0.0", S, 0, false, -1 },
    { "198.51.100.0", A, 0, true, 12 },
    { "198.51.100.255", S, 0, true, 12 },
    { "::ffff:198.51.100.7", A, 0, true, 12 },
    { "198.51.101.0", A, 0, false, 13 },
    { "198.51.99.255", A, 0, false, 13 },
    { "8.8.8.8", A, 0, false, 13 },
    { "8.8.8.8", S, 0, false, -1 },
    { "127.0.0.1", A, 0, false, 13 },
};

static void
a_written_matrix_of_verdicts(void **state)
{
    struct ruleset *r = ruleset_new(IPFILTER_DENY);

    (void)state;
    for (size_t i = 0; i < sizeof(office_rules) / sizeof(office_rules[0]); i++)
        add(r, office_rules[i].action, office_rules[i].range,
            office_rules[i].scope, office_rules[i].expires_ms, (int64_t)i + 1);
    for (int compiled = 0; compiled < 2; compiled++) {
        for (size_t i = 0; i < sizeof(office_cases) / sizeof(office_cases[0]);
             i++)
            assert_verdict(r, office_cases[i].address,
                (enum ipfilter_scope)office_cases[i].scope,
                office_cases[i].now_ms,
                office_cases[i].allowed ? IPFILTER_ALLOW : IPFILTER_DENY,
                office_cases[i].rule);
        ruleset_compile(r, IPFILTER_BOTH);
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
        cmocka_unit_test(random_sets_match_as_a_plain_matcher_does),
        cmocka_unit_test(spans_name_the_first_rule),
        cmocka_unit_test(a_rule_added_after_compiling_counts),
        cmocka_unit_test(a_written_matrix_of_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

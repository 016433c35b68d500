/* Sources, bans and the admission of connections: what is remembered of whom,
 * for how long, and when somebody is kept out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ipfilter/admission.h"
#include "ipfilter/bans.h"
#include "ipfilter/sources.h"

#define SECOND ((int64_t)1000)
#define HOUR (3600 * SECOND)
#define START ((int64_t)1700000000000)

static const struct ban_policy policy = { .logins = 10,
    .window_ms = 300 * SECOND,
    .first_ms = HOUR,
    .longest_ms = 24 * HOUR };

static const struct admission_policy limits = { .source_rate = 10,
    .rate = 50,
    .source_most = 8,
    .begin = 10,
    .begin_percent = 30,
    .full = 100 };

static struct ip_address
address(const char *text)
{
    struct ip_address a;
    struct err e = ERR_INIT;

    assert_int_equal(ip_address_parse(text, &a, &e), 0);
    return a;
}

static struct ip_address
numbered(unsigned n)
{
    char text[32];

    snprintf(text, sizeof(text), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255,
        n & 255);
    return address(text);
}

/* COUNT offences, STEP_MS apart from FROM_MS on; the number of bans. */
static int
offend(struct bans *bans, const char *from, enum offence offence, int count,
    int64_t from_ms, int64_t step_ms)
{
    struct ip_address a = address(from);
    struct ban ban;
    int made = 0;

    for (int i = 0; i < count; i++)
        made += bans_offence(bans, &a, offence, from_ms + i * step_ms, &ban);
    return made;
}

static int64_t
until(struct bans *bans, const char *text, int64_t now_ms)
{
    struct ip_address a = address(text);

    return bans_until(bans, &a, now_ms);
}

static void
ten_refused_logins_in_the_window_ban_for_an_hour(void **state)
{
    struct bans *bans = bans_new(&policy);
    int64_t last = START + 9 * 30 * SECOND;

    (void)state;
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_LOGIN, 9, START, 30000),
        0);
    assert_int_equal(until(bans, "192.0.2.1", last), 0);
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_LOGIN, 1, last, 0), 1);
    assert_int_equal(until(bans, "192.0.2.1", last), last + HOUR);
    assert_int_equal(until(bans, "192.0.2.1", last + HOUR - 1), last + HOUR);
    assert_int_equal(until(bans, "192.0.2.1", last + HOUR), 0);
    assert_int_equal(until(bans, "192.0.2.2", last), 0);
    bans_free(bans);
}

static void
offences_that_are_long_ago_do_not_count(void **state)
{
    struct bans *bans = bans_new(&policy);

    (void)state;
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_LOGIN, 100, START,
                         40 * SECOND),
        0);
    bans_free(bans);
}

static void
each_offence_has_its_weight(void **state)
{
    static const struct {
        enum offence offence;
        int least;
    } cases[] = { { OFFENCE_LEFT, 100 }, { OFFENCE_LOGIN, 10 },
        { OFFENCE_TIME, 10 }, { OFFENCE_PROTOCOL, 5 }, { OFFENCE_CRASH, 2 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bans *bans = bans_new(&policy);

        assert_int_equal(offend(bans, "192.0.2.1", cases[i].offence,
                             cases[i].least - 1, START, 1),
            0);
        assert_int_equal(offend(bans, "192.0.2.1", cases[i].offence, 1,
                             START + 200, 1),
            1);
        bans_free(bans);
    }
}

static void
bans_grow_to_a_day_and_are_forgotten(void **state)
{
    static const int hours[] = { 1, 2, 4, 8, 16, 24, 24 };
    struct bans *bans = bans_new(&policy);
    int64_t now = START;

    (void)state;
    for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
        assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_LOGIN, 10, now, 1),
            1);
        assert_int_equal(until(bans, "192.0.2.1", now + 9),
            now + 9 + hours[i] * HOUR);
        now += hours[i] * HOUR + SECOND;
    }
    now += 25 * HOUR;
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_LOGIN, 10, now, 1), 1);
    assert_int_equal(until(bans, "192.0.2.1", now + 9), now + 9 + HOUR);
    bans_free(bans);
}

static void
a_source_of_ipv6_is_its_64(void **state)
{
    struct bans *bans = bans_new(&policy);

    (void)state;
    for (int i = 0; i < 10; i++) {
        char text[64];

        snprintf(text, sizeof(text), "2001:db8:0:1::%x", (unsigned)i + 1);
        offend(bans, text, OFFENCE_LOGIN, 1, START, 0);
    }
    assert_true(until(bans, "2001:db8:0:1:ffff::", START) > 0);
    assert_int_equal(until(bans, "2001:db8:0:2::1", START), 0);
    assert_int_equal(offend(bans, "::ffff:192.0.2.1", OFFENCE_LOGIN, 10, START,
                         0),
        1);
    assert_true(until(bans, "192.0.2.1", START) > 0);
    bans_free(bans);
}

static void
a_ban_is_lifted_listed_and_restored(void **state)
{
    struct bans *bans = bans_new(&policy);
    struct bans *later = bans_new(&policy);
    struct ip_address a = address("192.0.2.1");
    struct ban list[4];

    (void)state;
    offend(bans, "192.0.2.1", OFFENCE_CRASH, 2, START, 0);
    offend(bans, "2001:db8::1", OFFENCE_CRASH, 2, START + 1, 0);
    assert_int_equal(bans_list(bans, START + 2, list, 4), 2);
    assert_int_equal(list[0].since_ms, START + 1);
    assert_int_equal(bans_list(bans, START + 2, list, 1), 1);
    bans_restore(later, &list[0]);
    assert_int_equal(until(later, "2001:db8::ffff", START + 2),
        START + 1 + HOUR);
    assert_true(bans_lift(bans, &a, START + 2));
    assert_false(bans_lift(bans, &a, START + 2));
    assert_int_equal(until(bans, "192.0.2.1", START + 2), 0);
    bans_free(bans);
    bans_free(later);
}

static void
a_clock_that_is_put_back_bans_nobody_for_years(void **state)
{
    struct bans *bans = bans_new(&policy);

    (void)state;
    offend(bans, "192.0.2.1", OFFENCE_CRASH, 2, START, 0);
    assert_int_equal(until(bans, "192.0.2.1", START - 365 * 24 * HOUR), 0);
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_CRASH, 2,
                         START - 365 * 24 * HOUR, 0),
        1);
    bans_free(bans);
}

static void
without_a_threshold_nobody_is_banned(void **state)
{
    struct ban_policy never = policy;
    struct bans *bans;

    (void)state;
    never.logins = 0;
    bans = bans_new(&never);
    assert_int_equal(offend(bans, "192.0.2.1", OFFENCE_CRASH, 1000, START, 0),
        0);
    bans_free(bans);
}

/* Memory is bounded, and a flood from elsewhere does not lift a ban soon. */
static void
a_flood_of_sources_is_forgotten_before_bans(void **state)
{
    struct bans *bans = bans_new(&policy);
    struct ban ban;

    (void)state;
    offend(bans, "192.0.2.1", OFFENCE_CRASH, 2, START, 0);
    for (unsigned n = 0; n < 2 * BANS_MAX; n++) {
        struct ip_address a = numbered(n);

        bans_offence(bans, &a, OFFENCE_LEFT, START, &ban);
    }
    assert_true(until(bans, "192.0.2.1", START) > 0);
    bans_free(bans);
}

static void
sources_are_the_newest_that_were_asked_for(void **state)
{
    struct sources *sources = sources_new(sizeof(struct source), 3, NULL, NULL);
    struct ip_address a = address("10.0.0.1");
    struct ip_address b = address("10.0.0.2");
    struct ip_address c = address("10.0.0.3");
    struct ip_address d = address("10.0.0.4");
    void *first;

    (void)state;
    first = sources_get(sources, &a);
    sources_get(sources, &b);
    sources_get(sources, &c);
    assert_ptr_equal(sources_get(sources, &a), first);
    sources_get(sources, &d);
    assert_int_equal(sources_count(sources), 3);
    assert_null(sources_find(sources, &b));
    assert_ptr_equal(sources_find(sources, &a), first);
    assert_ptr_equal(sources_next(sources, NULL), sources_find(sources, &d));
    assert_ptr_equal(sources_next(sources, sources_find(sources, &d)), first);
    sources_drop(sources, first);
    assert_int_equal(sources_count(sources), 2);
    sources_free(sources);
}

static int
ask(struct admission *a, const char *from, int64_t now_ms, uint32_t random)
{
    struct ip_address from_address = address(from);

    return (int)admission_ask(a, &from_address, now_ms, random);
}

static void
release(struct admission *a, const char *from)
{
    struct ip_address from_address = address(from);

    admission_release(a, &from_address);
}

static void
a_source_gets_so_many_a_second(void **state)
{
    struct admission *a = admission_new(&limits);

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ask(a, "192.0.2.1", 5000, 0), ADMITTED);
        release(a, "192.0.2.1");
    }
    assert_int_equal(ask(a, "192.0.2.1", 5000, 0), ADMITTED_SOURCE_RATE);
    assert_int_equal(ask(a, "192.0.2.1", 5099, 0), ADMITTED_SOURCE_RATE);
    assert_int_equal(ask(a, "192.0.2.2", 5099, 0), ADMITTED);
    assert_int_equal(ask(a, "192.0.2.1", 5100, 0), ADMITTED);
    assert_int_equal(ask(a, "192.0.2.1", 5100, 0), ADMITTED_SOURCE_RATE);
    admission_free(a);
}

static void
all_sources_together_get_so_many_a_second(void **state)
{
    struct admission *a = admission_new(&limits);
    int admitted = 0;
    int other = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct ip_address from = numbered(i);
        enum admitted verdict = admission_ask(a, &from, 5000, 0);

        if (verdict == ADMITTED) {
            admitted++;
            admission_release(a, &from);
        } else {
            assert_int_equal(verdict, ADMITTED_RATE);
            other++;
        }
    }
    assert_int_equal(admitted, 50);
    assert_int_equal(other, 150);
    assert_int_equal(admission_count(a), 0);
    admission_free(a);
}

static void
a_source_may_wait_so_often(void **state)
{
    struct admission *a = admission_new(&limits);

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(ask(a, "192.0.2.1", 5000, UINT32_MAX), ADMITTED);
    assert_int_equal(ask(a, "192.0.2.1", 5000, UINT32_MAX),
        ADMITTED_SOURCE_FULL);
    release(a, "192.0.2.1");
    assert_int_equal(ask(a, "192.0.2.1", 5000, UINT32_MAX), ADMITTED);
    admission_free(a);
}

/* 30 % are refused from ten on, all from a hundred on. */
static void
a_crowd_is_thinned_at_random(void **state)
{
    static const uint32_t below = (uint32_t)(0.29 * UINT32_MAX);
    static const uint32_t above = (uint32_t)(0.31 * UINT32_MAX);
    struct admission *a = admission_new(&limits);
    int64_t now = 5000;
    unsigned n = 0;

    (void)state;
    for (; n < 10; n++) {
        struct ip_address from = numbered(n);

        assert_int_equal(admission_ask(a, &from, now, 0), ADMITTED);
    }
    assert_int_equal(ask(a, "192.0.2.1", now, below), ADMITTED_FULL);
    assert_int_equal(ask(a, "192.0.2.2", now, above), ADMITTED);
    for (; n < 99; n++) {
        struct ip_address from = numbered(n);

        now += 1000;
        assert_int_equal(admission_ask(a, &from, now, UINT32_MAX), ADMITTED);
    }
    assert_int_equal(admission_count(a), 100);
    assert_int_equal(ask(a, "192.0.2.3", now, UINT32_MAX), ADMITTED_FULL);
    admission_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_refused_logins_in_the_window_ban_for_an_hour),
        cmocka_unit_test(offences_that_are_long_ago_do_not_count),
        cmocka_unit_test(each_offence_has_its_weight),
        cmocka_unit_test(bans_grow_to_a_day_and_are_forgotten),
        cmocka_unit_test(a_source_of_ipv6_is_its_64),
        cmocka_unit_test(a_ban_is_lifted_listed_and_restored),
        cmocka_unit_test(a_clock_that_is_put_back_bans_nobody_for_years),
        cmocka_unit_test(without_a_threshold_nobody_is_banned),
        cmocka_unit_test(a_flood_of_sources_is_forgotten_before_bans),
        cmocka_unit_test(sources_are_the_newest_that_were_asked_for),
        cmocka_unit_test(a_source_gets_so_many_a_second),
        cmocka_unit_test(all_sources_together_get_so_many_a_second),
        cmocka_unit_test(a_source_may_wait_so_often),
        cmocka_unit_test(a_crowd_is_thinned_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

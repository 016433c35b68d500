/*
 * Promises of base/clock.h: frozen clocks stand still, times and durations are
 * read strictly and written as RFC 3339.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)

static void
frozen_clocks_move_only_when_told(void **state)
{
    int64_t mono_us;

    (void)state;
    clock_freeze(1000);
    mono_us = clock_mono_us();
    assert_true(clock_utc_ms() == 1000);
    assert_true(clock_mono_us() == mono_us);
    clock_advance(250);
    assert_true(clock_utc_ms() == 1250);
    assert_true(clock_mono_us() == mono_us + 250000);
    assert_true(clock_mono_ms() == (mono_us + 250000) / 1000);
    clock_freeze(5);
    assert_true(clock_utc_ms() == 5);
    assert_true(clock_mono_us() == mono_us + 250000);
    clock_thaw();
    assert_true(clock_utc_ms() > INT64_C(1600000000000));
}

static void
times_are_written_as_rfc_3339(void **state)
{
    static const struct {
        int64_t utc_ms;
        const char *text;
    } cases[] = {
        { 0, "" },
        { 1, "1970-01-01T00:00:00.001Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { INT64_C(1767323045678), "2026-01-02T03:04:05.678Z" },
        { INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
        { INT64_MIN, "0000-01-01T00:00:00.000Z" },
    };
    char text[CLOCK_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        clock_format(cases[i].utc_ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
every_written_time_is_read_back(void **state)
{
    struct err e = ERR_INIT;
    char text[CLOCK_TEXT_SIZE];
    int64_t back;

    (void)state;
    for (int64_t t = 1; t < INT64_C(253402300799999); t = t * 3 + 7) {
        clock_format(t, text);
        assert_int_equal(clock_parse(text, &back, &e), 0);
        assert_true(back == t);
    }
}

static void
times_with_offsets_and_dates_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t utc_ms;
    } cases[] = {
        { "1970-01-01", 0 },
        { "1970-01-02", DAY_MS },
        { "2026-01-02T03:04:05Z", INT64_C(1767323045000) },
        { "2026-01-02t03:04:05z", INT64_C(1767323045000) },
        { "2026-01-02 03:04:05Z", INT64_C(1767323045000) },
        { "2026-01-02T03:04:05.5Z", INT64_C(1767323045500) },
        { "2026-01-02T03:04:05.123456789Z", INT64_C(1767323045123) },
        { "2026-01-02T04:34:05+01:30", INT64_C(1767323045000) },
        { "2026-01-01T22:04:05-05:00", INT64_C(1767323045000) },
        { "2026-01-02T03:04:05-00:00", INT64_C(1767323045000) },
        { "2024-02-29", INT64_C(1709164800000) },
        { "1990-12-31T23:59:60Z", INT64_C(662688000000) },
    };
    struct err e = ERR_INIT;
    int64_t t;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(clock_parse(cases[i].text, &t, &e), 0);
        assert_true(t == cases[i].utc_ms);
    }
}

static void
malformed_times_are_refused(void **state)
{
    static const char *const bad[] = { "", " ", "now", "2026", "2026-1-02",
        "2026-13-01", "2026-00-01", "2026-01-00", "2026-01-32", "2026-02-29",
        "1900-02-29", "2026-01-02T", "2026-01-02T03", "2026-01-02T03:04Z",
        "2026-01-02T03:04:05", "2026-01-02T24:00:00Z", "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05+01",
        "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05ZZ", "2026-01-02x", "-026-01-02", "+2026-01-02",
        "2026-01-02T-3:04:05Z" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = ERR_INIT;
        int64_t t = 42;

        assert_int_equal(clock_parse(bad[i], &t, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_string_not_equal(e.hint, "");
        assert_true(t == 42);
    }
}

static void
durations_are_read_with_their_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "0", 0 },
        { "60", 60000 },
        { "60s", 60000 },
        { "250ms", 250 },
        { "5m", 300000 },
        { "2h", 7200000 },
        { "1d", DAY_MS },
        { "36525d", 36525 * DAY_MS },
        { "3155760000000ms", 36525 * DAY_MS },
        { "007s", 7000 },
    };
    struct err e = ERR_INIT;
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(clock_parse_duration(cases[i].text, &ms, &e), 0);
        assert_true(ms == cases[i].ms);
    }
}

static void
malformed_durations_are_refused(void **state)
{
    static const char *const bad[] = { "", "s", "-1s", "+1s", " 1s", "1 s",
        "1S", "1.5h", "1w", "1sec", "0x10", "36526d", "3155760000001ms",
        "9223372036854775807", "9223372036854775808ms",
        "99999999999999999999999999s", "1m30s" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = ERR_INIT;
        int64_t ms = 42;

        assert_int_equal(clock_parse_duration(bad[i], &ms, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_true(ms == 42);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_clocks_move_only_when_told),
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(every_written_time_is_read_back),
        cmocka_unit_test(times_with_offsets_and_dates_are_read),
        cmocka_unit_test(malformed_times_are_refused),
        cmocka_unit_test(durations_are_read_with_their_units),
        cmocka_unit_test(malformed_durations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

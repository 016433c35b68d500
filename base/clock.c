/*
 * The clocks, which tests can freeze, and the texts of times and durations.
 */
#include "base/clock.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)
#define DURATION_MAX_MS (36525 * MS_PER_DAY) /* 100 years */
/* 0000-01-01 and the end of 9999-12-31: what four digits can show. */
#define UTC_MIN_MS INT64_C(-62167219200000)
#define UTC_MAX_MS INT64_C(253402300799999)

/* Atomic, because worker threads read the time too. */
static atomic_bool frozen;
static _Atomic int64_t frozen_utc_ms;
static _Atomic int64_t frozen_mono_us;

static int64_t
read_clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_utc_ms(void)
{
    return frozen ? frozen_utc_ms : read_clock_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_mono_us(void)
{
    return frozen ? frozen_mono_us : read_clock_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

void
clock_freeze(int64_t utc_ms)
{
    frozen_mono_us = clock_mono_us();
    frozen_utc_ms = utc_ms;
    frozen = true;
}

void
clock_advance(int64_t delta_ms)
{
    frozen_utc_ms += delta_ms;
    frozen_mono_us += delta_ms * 1000;
}

void
clock_thaw(void)
{
    frozen = false;
}

void
clock_format(int64_t utc_ms, char out[CLOCK_TEXT_SIZE])
{
    struct tm tm;
    time_t seconds;
    int64_t ms;
    size_t n;

    out[0] = '\0';
    if (utc_ms == 0)
        return;
    if (utc_ms < UTC_MIN_MS)
        utc_ms = UTC_MIN_MS;
    if (utc_ms > UTC_MAX_MS)
        utc_ms = UTC_MAX_MS;
    ms = ((utc_ms % 1000) + 1000) % 1000;
    seconds = (time_t)((utc_ms - ms) / 1000);
    gmtime_r(&seconds, &tm);
    n = strftime(out, CLOCK_TEXT_SIZE, "-%m-%dT%H:%M:%S", &tm);
    memmove(out + 4, out, n + 1);
    /* %Y would not pad the year to four digits everywhere. */
    for (int i = 3, year = tm.tm_year + 1900; i >= 0; i--, year /= 10)
        out[i] = (char)('0' + year % 10);
    snprintf(out + 4 + n, CLOCK_TEXT_SIZE - 4 - n, ".%03dZ", (int)ms);
}

/* Reads exactly COUNT digits; false if there are fewer. */
static bool
take_digits(const char **text, int count, int *out)
{
    int v = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*text)[i]))
            return false;
        v = v * 10 + ((*text)[i] - '0');
    }
    *text += count;
    *out = v;
    return true;
}

static bool
take_char(const char **text, const char *allowed)
{
    if (**text == '\0' || strchr(allowed, **text) == NULL)
        return false;
    ++*text;
    return true;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
        31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool
take_date(const char **text, struct tm *tm)
{
    int year, month, day;

    if (!take_digits(text, 4, &year) || !take_char(text, "-") ||
        !take_digits(text, 2, &month) || !take_char(text, "-") ||
        !take_digits(text, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

/* Milliseconds of ".678"; digits beyond the third are dropped. */
static bool
take_fraction(const char **text, int *ms)
{
    int scale = 100;

    *ms = 0;
    if (!take_char(text, "."))
        return true;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); ++*text, scale /= 10)
        *ms += (**text - '0') * scale;
    return true;
}

static bool
take_time(const char **text, struct tm *tm, int *ms)
{
    /* Second 60 is a leap second (RFC 3339, section 5.6). */
    return take_digits(text, 2, &tm->tm_hour) && take_char(text, ":") &&
           take_digits(text, 2, &tm->tm_min) && take_char(text, ":") &&
           take_digits(text, 2, &tm->tm_sec) && take_fraction(text, ms) &&
           tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

static bool
take_offset(const char **text, int *minutes)
{
    int hour, minute;
    int sign = **text == '-' ? -1 : 1;

    *minutes = 0;
    if (take_char(text, "Zz"))
        return true;
    if (!take_char(text, "+-") || !take_digits(text, 2, &hour) ||
        !take_char(text, ":") || !take_digits(text, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

int
clock_parse(const char *text, int64_t *utc_ms, struct err *e)
{
    const char *p = text;
    struct tm tm = { .tm_mday = 1 };
    int ms = 0, offset = 0;
    bool ok = take_date(&p, &tm);

    if (ok && *p != '\0')
        ok = take_char(&p, "Tt ") && take_time(&p, &tm, &ms) &&
             take_offset(&p, &offset) && *p == '\0';
    if (!ok) {
        err_set(e, ERR_INVALID, "invalid time \"%.64s\"", text);
        err_hint(e, "Write it as 2026-01-02T03:04:05Z or 2026-01-02.");
        return -1;
    }
    *utc_ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + ms;
    return 0;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    { "", 1000 },
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60000 },
    { "h", 3600000 },
    { "d", MS_PER_DAY },
};

int
clock_parse_duration(const char *text, int64_t *ms, struct err *e)
{
    const char *p = text;
    int64_t v = 0;

    for (; isdigit((unsigned char)*p) && v <= DURATION_MAX_MS; p++)
        v = v * 10 + (*p - '0');
    if (p == text || v > DURATION_MAX_MS)
        goto invalid;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (v > DURATION_MAX_MS / units[i].ms)
            goto invalid;
        *ms = v * units[i].ms;
        return 0;
    }
invalid:
    err_set(e, ERR_INVALID, "invalid duration \"%.64s\"", text);
    err_hint(e, "Write a number and ms, s, m, h or d, as in 60s or 1d.");
    return -1;
}

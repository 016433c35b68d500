/*
 * Time: stamps from UTC, durations from the monotonic clock.  Tests freeze
 * both, so nothing else in Lockstep may ask the system for the time.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"

#define CLOCK_TEXT_SIZE 32

int64_t clock_utc_ms(void);  /* milliseconds since 1970-01-01T00:00:00Z */
int64_t clock_mono_ms(void); /* monotonic; only differences mean anything */
int64_t clock_mono_us(void);
/* Freezes both clocks until clock_thaw; clock_advance moves them. */
void clock_freeze(int64_t utc_ms);
void clock_advance(int64_t delta_ms);
void clock_thaw(void);

/* "2026-01-02T03:04:05.678Z" (RFC 3339) into OUT; "" for a UTC_MS of 0. */
void clock_format(int64_t utc_ms, char out[CLOCK_TEXT_SIZE]);
/* Reads RFC 3339 with any offset, or a bare date. */
int clock_parse(const char *text, int64_t *utc_ms, struct err *e);
/* Reads a duration: "60s", "5m", "2h", "1d", "250ms"; a bare number is
 * seconds.  Result in milliseconds, 0 to 100 years. */
int clock_parse_duration(const char *text, int64_t *ms, struct err *e);

#endif

/*
 * A fixed table: many subjects push each other out of it, which costs an event
 * too many, never memory.
 */
#include "daemon/limiter.h"

#include <string.h>

#include "base/clock.h"

void
limiter_init(struct limiter *l, int64_t interval_ms)
{
    memset(l, 0, sizeof(*l));
    l->interval_ms = interval_ms;
}

/* FNV-1a */
static uint64_t
hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash | 1;
}

bool
limiter_allows(struct limiter *l, const char *subject, unsigned *missed)
{
    uint64_t hash = hash_text(subject);
    size_t place = (size_t)((hash >> 1) % LIMITER_SUBJECTS);
    int64_t now_ms = clock_mono_ms();

    *missed = 0;
    if (l->subjects[place].hash != 0 &&
        now_ms - l->subjects[place].said_ms < l->interval_ms) {
        l->subjects[place].silent++;
        return false;
    }
    if (l->subjects[place].hash == hash)
        *missed = l->subjects[place].silent;
    l->subjects[place].hash = hash;
    l->subjects[place].said_ms = now_ms;
    l->subjects[place].silent = 0;
    return true;
}

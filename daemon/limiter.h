/*
 * Says something at most once in a while per subject, so that whoever knocks a
 * thousand times a second fills no disk with events.
 */
#ifndef DAEMON_LIMITER_H
#define DAEMON_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITER_SUBJECTS 256

struct limiter {
    int64_t interval_ms;
    struct {
        uint64_t hash; /* of the subject; 0: free */
        int64_t said_ms;
        unsigned silent; /* times asked since */
    } subjects[LIMITER_SUBJECTS];
};

void limiter_init(struct limiter *l, int64_t interval_ms);
/* True when SUBJECT may be spoken of now; *MISSED is how often it was not since
 * the last time.  Subjects that share a place share its silence. */
bool limiter_allows(struct limiter *l, const char *subject, unsigned *missed);

#endif

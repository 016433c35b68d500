/*
 * Which revision of each dataset hooks have put into effect: STATE_DIR/
 * in-effect.json, {"DATASET": "ROLE EPOCH REVISION DIGEST"}.  It stays out of
 * backups: what a restored node has beside its databases nobody knows.
 */
#ifndef DAEMON_HOOK_MARKS_H
#define DAEMON_HOOK_MARKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/node.h"
#include "sync/digest.h"

/* What a hook was, or is to be, called for; revision 0 is nothing. */
struct hook_mark {
    enum node_role role;
    uint64_t epoch;
    uint64_t revision;
    struct digest digest;
};

bool hook_mark_equal(const struct hook_mark *a, const struct hook_mark *b);

/* The file as an object, empty when there is none or it cannot be read: hooks
 * are called once more then.  The caller owns it. */
json_t *hook_marks_read(const char *state_dir);
/* Durable when it returns. */
int hook_marks_write(const char *state_dir, const json_t *marks, struct err *e);
void hook_marks_put(json_t *marks, const char *dataset,
    const struct hook_mark *mark);
/* All zero when nothing is known of DATASET. */
void hook_marks_get(const json_t *marks, const char *dataset,
    struct hook_mark *mark);

#endif

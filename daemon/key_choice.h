/*
 * Which key of a list an administrator means: by id, by fingerprint or by
 * comment.
 */
#ifndef DAEMON_KEY_CHOICE_H
#define DAEMON_KEY_CHOICE_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* KEYS is an array of {id, fingerprint, comment}.  ERR_NOT_FOUND when none
 * fits, ERR_INVALID when a comment fits several. */
int key_choose(const json_t *keys, const char *wanted, int64_t *id,
    struct err *e);

#endif

/*
 * One Ed25519 key of the node in a file of its own, 0600: an OpenSSH private
 * key, or (the bundle key, which no SSH program has a use for) a hex seed.
 */
#ifndef DAEMON_KEY_FILE_H
#define DAEMON_KEY_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

enum key_form { KEY_FORM_OPENSSH, KEY_FORM_HEX };

/* The key in PATH; ERR_NOT_FOUND when there is none, ERR_INVALID when it is
 * not of that form.  The caller wipes SEED. */
int key_file_read(const char *path, enum key_form form,
    uint8_t seed[ED25519_SEED_SIZE], struct err *e);
/* A new key, durable in PATH when this returns.  The caller wipes SEED. */
int key_file_make(const char *path, enum key_form form,
    uint8_t seed[ED25519_SEED_SIZE], struct err *e);

#endif

/*
 * What libssh signs and verifies with keys passes here: this program defines
 * the two OpenSSL functions that libssh 0.10 calls for it, and the linker finds
 * ours first (docs/decisions/0018-keys-stay-in-the-engine.md).  A process that
 * sets no hook gets OpenSSL's own answer, as the engine does.
 *
 *     signing_hook_load();              // before the sandbox closes
 *     signing_hook_set(&hooks);
 */
#ifndef DAEMON_SIGNING_HOOK_H
#define DAEMON_SIGNING_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct signing_hooks {
    /* Instead of signing LEN bytes with whatever key libssh has; false
     * refuses.  NULL: OpenSSL signs. */
    bool (*sign)(const uint8_t *data, size_t len,
        uint8_t signature[ED25519_SIGNATURE_SIZE]);
    /* Sees a signature and decides about it.  NULL: OpenSSL decides; so may
     * the hook, by VALID(), which verifies with the key libssh has. */
    bool (*verify)(const uint8_t *signature, size_t signature_len,
        const uint8_t *data, size_t len, bool (*valid)(void *ctx), void *ctx);
};

/* Finds OpenSSL's own functions; aborts when there are none. */
void signing_hook_load(void);
/* HOOKS must stay; NULL for none. */
void signing_hook_set(const struct signing_hooks *hooks);

#endif

/*
 * The secret of a join file, and what both sides prove by it (daemon/join.h).
 */
#ifndef BASE_JOIN_SECRET_H
#define BASE_JOIN_SECRET_H

#include <stdint.h>

#define JOIN_FILE_VERSION 1
#define JOIN_SECRET_SIZE 32
#define JOIN_PROOF_SIZE 65 /* hex and a zero */

enum join_side { JOIN_PRIMARY, JOIN_NODE };

/* That SIDE knows the secret and means the host key with that fingerprint. */
void join_secret_prove(const uint8_t secret[JOIN_SECRET_SIZE],
    enum join_side side, const char *fingerprint, char proof[JOIN_PROOF_SIZE]);

#endif

/*
 * The addresses that are denied as a table of nftables, which refuses new
 * connections to one TCP port and touches nothing else.
 */
#ifndef CONTRIB_OPENSSH_FILTER_TEXT_H
#define CONTRIB_OPENSSH_FILTER_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "contrib/accounts/denied.h"

#define FILTER_TABLE "lockstep_service"
#define FILTER_MARK_SIZE (2 * HASH_SIZE + 1)

/* Puts a script for nft(8) into TEXT that replaces the table in one step, and
 * into MARK what only a table made by that script has as its comment. */
void filter_text(const struct denied *denied, uint32_t port, struct buf *text,
    char mark[FILTER_MARK_SIZE]);
/* Puts the script that takes the table away. */
void filter_text_none(struct buf *text);

#endif

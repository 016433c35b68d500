/*
 * What a server says it holds of one dataset: the JSON document that a READ of
 * /datasets/NAME/push answers (docs/protocol.md), read into plain values.
 * Nothing in it is trusted; whether it fits this cluster, the lane decides.
 *
 *     struct fleet_facts facts;
 *     fleet_facts_read(&facts, text, len, &e);
 *     fleet_facts_release(&facts);              // in any case
 */
#ifndef DAEMON_FLEET_FACTS_H
#define DAEMON_FLEET_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "sync/digest.h"
#include "sync/state.h"

/* Drifted rows that are named in events; further ones are not kept. */
#define FLEET_FACTS_ROWS_MAX 10

/* For people: longer text is cut. */
struct fleet_facts_row {
    char table[128];
    char key[256];
};

struct fleet_facts {
    char role[16];
    bool has_cluster;
    uint8_t cluster[ID_SIZE];
    uint64_t epoch;
    uint64_t revision; /* 0: nothing is held */
    struct digest digest;
    bool drifted;
    bool needs_overwrite;
    bool tells_effect; /* else IN_EFFECT says nothing: an older version */
    bool in_effect;
    struct buf drift_keys; /* as source_repair takes them; empty: not known */
    int64_t verified_ms;   /* UTC; 0: never */
    int64_t time_ms;       /* UTC, by its clock; 0: it did not say */
    char version[64];
    char seen_address[64];
    char reason[256];
    struct fleet_facts_row rows[FLEET_FACTS_ROWS_MAX];
    size_t row_count;
};

/* ERR_VERSION when it speaks another protocol than ours (nothing else is read
 * then); ERR_INVALID or ERR_PROTOCOL when the document is malformed. */
int fleet_facts_read(struct fleet_facts *facts, const void *text, size_t len,
    struct err *e);
void fleet_facts_release(struct fleet_facts *facts);

#endif

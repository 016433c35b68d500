/*
 * What a primary writes to /datasets/NAME/push: each WRITE is one whole frame.
 *
 *     "LS" | u8 protocol version 1 | u8 kind | u64 bundle id | u32 index |
 *     u8 flags (1: last of its bundle; 2: ordered by an administrator) |
 *     payload to the end
 *
 * BUNDLE frames carry the slices of a bundle in order, index 0, 1, ...; the
 * last one commits and its STATUS says durable and equal.  A HEARTBEAT is one
 * frame, index 0 and last, with this payload:
 *     cluster 16 | u64 epoch | writer 16 | u8 count |
 *     count times: u8 name length, name | u64 revision | digest 32
 */
#ifndef ADMIN_PROTO_PUSH_FRAME_H
#define ADMIN_PROTO_PUSH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define PUSH_PROTOCOL_VERSION 1
#define PUSH_FRAME_HEADER 17
#define PUSH_FRAME_PAYLOAD_MAX (240 * 1024)
#define PUSH_HEARTBEAT_MAX 64 /* datasets in one heartbeat */
/* An OK's text is the number of the secondary's newest event and perhaps, after
 * a blank each, these, in this order: what it holds is not in effect there; the
 * primary has yet to pin its next host key. */
#define PUSH_NOTICE_EFFECT "EFFECT"
#define PUSH_NOTICE_KEYS "KEYS"
#define PUSH_NOTICE_MAX 64

enum push_kind { PUSH_BUNDLE = 1, PUSH_HEARTBEAT = 2 };

struct push_frame {
    enum push_kind kind;
    uint64_t bundle_id;
    uint32_t index;
    bool last;
    bool ordered;           /* an administrator asked for this very overwrite */
    const uint8_t *payload; /* borrowed */
    size_t payload_len;
};

/* Appends the whole frame. */
void push_frame_encode(const struct push_frame *f, struct buf *out);
/* ERR_VERSION for another protocol version, ERR_PROTOCOL else. */
int push_frame_decode(struct push_frame *f, const void *data, size_t len,
    struct err *e);

struct push_heartbeat_entry {
    char dataset[64];
    uint64_t revision;
    uint8_t digest[32];
};
struct push_heartbeat {
    uint8_t cluster[16];
    uint64_t epoch;
    uint8_t writer[16];
    unsigned count;
    struct push_heartbeat_entry entries[PUSH_HEARTBEAT_MAX];
};
/* A heartbeat's payload alone, without the frame around it. */
void push_heartbeat_encode(const struct push_heartbeat *h, struct buf *out);
int push_heartbeat_decode(struct push_heartbeat *h, const void *data,
    size_t len, struct err *e);

#endif

/*
 * Inside /datasets/NAME/push:
 *
 *   vfs_push.c            the handle: frames in order, what poisons it
 *   vfs_push_bundle.c     bundles that are gathered whole, then applied
 *   vfs_push_overwrite.c  overwrites, streamed to the dataset's strand
 *   vfs_push_heartbeat.c  heartbeats
 *   vfs_push_facts.c      what READ at 0 answers
 *
 * Jobs hold a reference to their file, so that what is being applied finishes
 * without its session.
 */
#ifndef DAEMON_VFS_PUSH_H
#define DAEMON_VFS_PUSH_H

#include "admin-proto/push_frame.h"
#include "daemon/datasets.h"
#include "daemon/vfs_internal.h"

enum push_mode { PUSH_IDLE, PUSH_GATHERING, PUSH_OVERWRITING };

struct push_chunk; /* vfs_push_overwrite.c */

struct push_file {
    struct vfs_file file;
    struct dataset *ds;
    struct buf facts;

    /* Frames are refused once one was, until READ at 0 begins a new
     * generation.  Jobs carry theirs, and the strand keeps the last one in
     * which it refused: nothing behind a refused bundle is applied. */
    unsigned generation;
    bool poisoned;
    unsigned refused_on_strand;

    /* the bundle that is arriving */
    enum push_mode mode;
    uint64_t bundle_id;
    uint32_t next_index;
    struct buf gathered;

    /* overwrite frames for the strand */
    struct push_chunk *first;
    struct push_chunk **end;
    size_t queued_bytes;
    bool streaming; /* a job runs */
    bool begun;     /* an overwrite ever began on this handle */
};

/* Answers a frame with an error; the handle is poisoned when that frame belongs
 * to the present generation. */
void push_refuse(struct push_file *f, uint32_t tag, unsigned generation,
    const struct err *e);
/* Answers with OK, and notes that the primary was heard. */
void push_accept(struct push_file *f, uint32_t tag);
/* On the strand: false, with E set, when this generation is over. */
bool push_may_run(const struct push_file *f, unsigned generation,
    struct err *e);

void push_bundle_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame);
void push_overwrite_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame);
/* Drops an overwrite that is not complete. */
void push_overwrite_drop(struct push_file *f);
/* On the strand: whatever overwrite is under way gives way. */
void push_overwrite_give_way(struct dataset *ds);
void push_heartbeat_frame(struct push_file *f, uint32_t tag,
    const struct push_frame *frame);
void push_read_facts(struct push_file *f, uint32_t tag, uint32_t length);

#endif

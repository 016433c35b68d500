/* What the files of a publish share. */
#ifndef SYNC_SOURCE_PUBLISH_H
#define SYNC_SOURCE_PUBLISH_H

#include "sync/source_internal.h"

/* One publish under way. */
struct publish {
    struct source *s;
    bool accept;
    struct schema *live_schema; /* NULL: as before */
    uint32_t cookie;
    struct dataset_state next;
    struct collection c;
    struct ddl_attempt ddl;
    bool has_ddl;
    struct publish_result *result;
};

/* Applies what was collected; *REBUILD is set when the published copy cannot
 * take it. */
int publish_apply(struct publish *p, bool *rebuild_it, struct err *e);

#endif

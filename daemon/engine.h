/*
 * The engine: every database and every secret of a node, one libuv loop.  This
 * header only ties the modules together; each member is described in the header
 * of its module.
 */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include <uv.h>

#include "base/err.h"
#include "base/version.h"
#include "daemon/keys.h"
#include "daemon/node.h"
#include "daemon/settings.h"

struct engine {
    uv_loop_t *loop;
    struct settings settings;
    const char *config_path; /* --config, or NULL */
    struct keys keys;
    struct node node;
    struct events *events;     /* daemon/events.h */
    struct accounts *accounts; /* daemon/accounts.h */
    struct datasets *datasets; /* daemon/datasets.h */
    struct filter *filter;     /* daemon/filter.h */
    struct filter_confirm *filter_confirm;
    struct gate *gate;         /* daemon/gate.h */
    struct listener *listener; /* daemon/listener.h */
    struct inbounds *inbounds; /* daemon/inbound.h: sessions */
    struct hooks *hooks;       /* daemon/hooks.h */
    struct health *health;     /* daemon/health.h, or NULL */
    struct fleet *fleet;       /* daemon/fleet.h: servers, pushes */
    struct vfs *vfs;           /* daemon/vfs.h: the file tree */
    bool stopping;
    bool started;       /* reported as ready */
    bool role_changing; /* daemon/node_role.h */
    int lock_fd;        /* STATE_DIR/lock */
    /* as the files said at the start, before the command line's options */
    struct settings configured;
    uv_timer_t *heard_timer; /* saves node.primary_heard_ms */
    int64_t heard_saved_ms;
};

/* Start in the order that the members depend on each other; stop in reverse.
 * engine_start installs nothing global but signal watchers. */
int engine_start(struct engine *engine, struct err *e);
/* Everything stands, and the log is where it will stay: the first event. */
void engine_report_start(struct engine *engine);
void engine_stop(struct engine *engine);
/* STATE_DIR/local.json, for the local command line: where this node listens,
 * which host keys it may show, and where it comes from towards its servers. */
int engine_write_local(struct engine *engine, struct err *e);
/* SIGHUP: reads the configuration again; a bad one changes nothing. */
int engine_reload(struct engine *engine, struct err *e);

#endif

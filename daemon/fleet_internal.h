/*
 * What the files of the fleet share: fleet.c (timer, rounds), fleet_datasets.c
 * (following their list), fleet_publish.c (publishing, bundles for all),
 * fleet_watch.c (instant), fleet_server.c (links), fleet_lane.c (one dataset on
 * one server), fleet_facts.c (what it says it holds), fleet_send.c (bytes of a
 * bundle), fleet_overwrite.c (streams), fleet_wait.c (calls that wait),
 * fleet_tell.c (commands to all), fleet_effect.c (hooks there),
 * fleet_keys.c (keys of both sides),
 * fleet_json.c, fleet_diff.c, fleet_commands.c, fleet_remove.c, fleet_sync.c,
 * fleet_register.c, fleet_add.c, fleet_rules.c.
 *
 * The life of a change: a round begins (interval, request, commit); every
 * dataset is published on its strand; then each server that the round concerns
 * is pumped: lanes whose server is not equal get a bundle, the others a
 * heartbeat.  What cannot go on is kept as the server's error until the next
 * round.
 */
#ifndef DAEMON_FLEET_INTERNAL_H
#define DAEMON_FLEET_INTERNAL_H

#include <uv.h>

#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "daemon/control.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/filter.h"
#include "daemon/fleet.h"
#include "daemon/outbound.h"
#include "daemon/store.h"
#include "sync/peer.h"

#define FLEET_CONNECT_TIMEOUT_MS 20000
#define FLEET_LANE_TRIES 5
#define FLEET_BACKOFF_LIMIT_MS 60000

/* Bytes that several sends share. */
struct shared_bytes {
    unsigned references;
    struct buf bytes;
};

enum lane_state {
    LANE_CLOSED, /* no handle yet */
    LANE_OPENING,
    LANE_ASKING,   /* reading what the server holds */
    LANE_DECIDING, /* a job looks what to send */
    LANE_SENDING,  /* a bundle is on its way */
    LANE_OVERWRITING,
    LANE_IDLE
};

/* One dataset on one server. */
struct lane {
    struct server *server;
    struct dataset *ds;
    enum lane_state state;
    uint64_t generation; /* grows when the link falls: old jobs are ignored */
    uint8_t handle[SFTP_HANDLE_MAX];
    size_t handle_len;

    bool known;  /* the following is what the server holds, or says it does */
    bool proved; /* it looked at its file on this connection and confirmed */
    uint64_t revision;
    struct digest digest;
    bool drifted;
    bool needs_overwrite;
    struct buf drift_keys;
    bool drift_told;      /* with these keys */
    int64_t confirmed_us; /* monotonic: sent when it was confirmed equal */
    int64_t confirmed_ms; /* the same in UTC */
    uint64_t confirmed_revision;
    int64_t verified_ms;

    bool force_overwrite; /* an administrator asked */
    bool held;            /* sending would lose something on the server */
    bool refused;         /* the server will not have this dataset */
    struct err error;     /* the last one; code ERR_NONE: none */
    bool stuck;           /* nothing more in this round */
    unsigned tries;       /* in this round */
    struct send *send;
    struct overwrite *overwrite;
};

/* fleet_keys.c's, of one server. */
struct server_key_work {
    struct server_keys stored;
    struct link_control *exchange; /* telling it our keys, or NULL */
    uint8_t sent[HASH_SIZE];       /* what that one tells */
    bool notice;                   /* it has something to tell */
    bool stuck;                    /* not again in this round */
    bool unable;                   /* nor on this link */
    bool relink;                   /* connect anew as soon as it is quiet */
    bool try_next;                 /* expect the successor of its host key */
    bool tried_both;
    struct err error; /* of the last try */
};

/* fleet_effect.c's, of one server and one link. */
struct server_effect {
    bool known; /* it told of it: no older version */
    bool in_effect;
    struct err error;            /* its failing hook's, or ERR_NONE */
    struct link_control *asking; /* under way, or NULL */
};

struct server {
    struct fleet *fleet;
    unsigned references; /* jobs and the fleet's list */
    bool removed;
    struct server_record record;
    struct link *link;
    bool ready;
    struct lane **lanes; /* one per publication, in their order */
    size_t lane_count;

    bool key_changed; /* its host key, or ours there: nothing is sent */
    bool refused;
    bool unreachable;
    bool drifted;     /* seen, and not yet mended and confirmed */
    struct err error; /* code ERR_NONE: none */
    int64_t error_us; /* monotonic: what it came of began before that */

    struct backoff backoff;
    int64_t retry_ms;   /* monotonic: next attempt to connect */
    int64_t connect_us; /* monotonic: when the last attempt began */
    bool hurried;       /* somebody asked since: no backoff after it */
    int64_t due_ms;     /* monotonic: next round */
    bool wanted;        /* a round concerns it and is not confirmed yet */
    int64_t wanted_us;  /* monotonic: when that round began */
    struct heartbeat *heartbeat; /* under way, or NULL */
    bool overwrote;              /* in this round: counted as one overwrite */
    int64_t last_attempt_ms;     /* UTC: to connect, or a round over the link */
    uint64_t round_trip_us;
    char rule_refused[FILTER_REASON_SIZE]; /* "", or a rule it spares us from */
    bool skew_known;
    int64_t skew_ms;       /* its clock against ours: positive is ahead */
    uint64_t bytes_before; /* sent over earlier links */
    int64_t saved_mono_ms;
    struct removal *removal; /* under way, or NULL */
    /* fleet_events.c: numbers of its events */
    uint64_t events_told;            /* the newest there */
    uint64_t events_kept;            /* the newest here */
    bool events_known;               /* what is kept was looked up */
    unsigned batches;                /* asked for since it told */
    struct link_control *collecting; /* under way, or NULL */
    struct server_key_work keys;
    struct server_effect effect;
};

/* Publishing of one dataset. */
struct publication {
    struct fleet *fleet;
    struct dataset *ds;
    bool running;
    bool again;
    bool untrimmed;   /* published since the last trim */
    bool unwritten;   /* the same of the logs: since they were written back */
    unsigned put_off; /* how often that was, for what is published */
    bool audit;       /* the next run compares, if that is due */
    int64_t audit_due_ms; /* monotonic */
    struct err error;     /* of the last attempt */
    int64_t begun_us;     /* monotonic: when the last run that ended began */
    int64_t begun_ms;     /* the same in UTC */
    uint64_t bundle_from; /* what the shared bundle carries */
    struct dataset_state bundle_to;
    struct shared_bytes *bundle;
    uv_fs_event_t watch;
    bool watching;
    uint64_t published_rows; /* of the last revision */
};

struct fleet {
    struct engine *engine;
    unsigned references; /* the engine's, and one per job under way */
    struct outbound *out;
    struct server **servers;
    size_t server_count;
    struct publication **publications; /* only grows: jobs point to them */
    size_t publication_count;
    uv_timer_t timer;
    unsigned looks;    /* instant: since the last touch */
    uv_timer_t settle; /* instant: the moment between a commit and publishing */
    uv_timer_t tidy;   /* from a publish to what is done after it */
    int64_t publish_due_ms; /* monotonic */
    uint64_t next_bundle_id;
    struct waiter *waiters;
    struct registration *registrations;
    struct ticket_list *cancelled; /* fleet_cancel.c; NULL: none yet */
    struct tell *tells;
    bool bundle_key_rotated; /* since the start */
    bool closing;
};

/* fleet.c */
void fleet_hold(struct fleet *fleet);
void fleet_release(struct fleet *fleet);
void fleet_schedule(struct fleet *fleet);
struct server *fleet_find(struct fleet *fleet, const char *name);
struct server *fleet_add_record(struct fleet *fleet,
    const struct server_record *record);
void fleet_drop(struct fleet *fleet, struct server *server);
int64_t fleet_interval_ms(const struct server *server);
/* Begins a round for one server or (NULL) all that are not paused. */
void fleet_begin_round(struct fleet *fleet, struct server *only);
/* Marks one server as wanting a round, without publishing. */
void fleet_want(struct server *server);
/* The same for somebody who asks: he does not wait for the backoff. */
void fleet_ask(struct server *server);

/* fleet_datasets.c */
/* A publication for each dataset that has none. */
void fleet_publications_update(struct fleet *fleet);
void fleet_publications_close(struct fleet *fleet);
struct publication *fleet_publication(struct fleet *fleet,
    const struct dataset *ds);
/* A lane for each publication that has none. */
void server_update_lanes(struct server *server);

/* fleet_publish.c */
/* Publishes every dataset, or only DS; the servers that want it are pumped when
 * nothing is being published any more. */
void fleet_publish(struct fleet *fleet, struct dataset *ds);
/* The same for every dataset, once an interval: looks for what triggers did not
 * see as well, a twentieth of the time at most. */
void fleet_publish_audited(struct fleet *fleet);
/* Whether every dataset was published by a run that began after SINCE_US. */
bool fleet_published_since(const struct fleet *fleet, int64_t since_us);
/* The bundles for all are no longer to be sent. */
void fleet_forget_bundles(struct fleet *fleet);

/* fleet.c: for outbound_watch; CTX is the events. */
void fleet_process_crashed(void *ctx, const char *process, const char *how);

/* fleet_watch.c: pushes on commit. */
void fleet_watch_update(struct fleet *fleet);
void fleet_watch_stop(struct fleet *fleet);

/* fleet_server.c */
void server_hold(struct server *server); /* one more reference */
void server_release(struct server *server);
void server_connect(struct server *server);
void server_disconnect(struct server *server);
void server_pump(struct server *server);
void server_failed(struct server *server, const struct err *e);
/* The same for what concerns one dataset: others go on. */
void server_lane_failed(struct lane *lane, const struct err *e);
/* After a lane changed: heartbeat, end of the round. */
void server_progressed(struct server *server);
enum peer_state server_state(const struct server *server);
bool server_equal(const struct server *server);
bool server_paused(const struct server *server);
uint64_t server_behind(const struct server *server, bool *known);
void server_save(struct server *server, bool now);
uint64_t server_bytes_sent(const struct server *server);

/* fleet_lane.c */
void lane_init(struct lane *lane, struct server *server, struct dataset *ds);
void lane_reset(struct lane *lane); /* the link fell */
void lane_release(struct lane *lane);
void lane_pump(struct lane *lane);
bool lane_equal(const struct lane *lane);
/* Whether its dataset is in use, and meant for this server. */
bool lane_is_wanted(const struct lane *lane);
/* Whether there is anything to send besides: it is open here. */
bool lane_is_alive(const struct lane *lane);
void lane_failed(struct lane *lane, const struct err *e);
void lane_confirmed(struct lane *lane, uint64_t revision,
    const struct digest *digest, int64_t sent_us);
/* As far as a bundle led that is not the last one: nothing is confirmed yet. */
void lane_reached(struct lane *lane, uint64_t revision,
    const struct digest *digest);

/* fleet_send.c: a bundle in memory as frames. */
struct shared_bytes *shared_bytes_new(void);
struct shared_bytes *shared_bytes_share(struct shared_bytes *s);
void shared_bytes_release(struct shared_bytes *s);
/* CONFIRMS is false when the bundle leads to an older revision, from which the
 * lane goes on with another. */
void lane_send(struct lane *lane, struct shared_bytes *bundle,
    uint64_t to_revision, const struct digest *to_digest, bool confirms);
void send_free(struct send *send);

/* fleet_overwrite.c */
void lane_overwrite(struct lane *lane);
void overwrite_abandon(struct lane *lane);
bool server_overwriting(const struct server *server);

/* fleet_wait.c */
/* The call ends when all the given servers settled after now, or at the
 * deadline: FINISH ends the call and frees ARG (malloc'd or NULL).  A single
 * server's failure is the call's failure; FINISH is not called then. */
struct waiter;
typedef void (*waiter_finish_fn)(const struct waiter *w, struct fleet *fleet,
    struct control_call *call, void *arg);
/* Whether that server confirmed what was published for the call. */
bool waiter_has(const struct waiter *w, const struct server *server);
void fleet_wait(struct fleet *fleet, struct control_call *call,
    struct server **servers, size_t count, int64_t timeout_ms, bool single,
    waiter_finish_fn finish, void *arg);
void fleet_waiters_check(struct fleet *fleet);
void fleet_waiters_close(struct fleet *fleet);
void fleet_waiters_progress(struct server *server, const char *step,
    const char *text, uint64_t done, uint64_t total);

/* fleet_tell.c */
void fleet_tells_close(struct fleet *fleet);

/* fleet_keys.c */
void server_keys_load(struct server *server);
/* It was enrolled with our keys of now. */
void server_keys_enrolled(struct server *server);
/* The host key to expect; the caller frees. */
void server_keys_pinned(const struct server *server, uint8_t **blob,
    size_t *len);
/* After another key was shown: whether to connect again at once, expecting the
 * other of the two that count. */
bool server_keys_try_other(struct server *server);
/* Connected, with the key that was expected. */
void server_keys_connected(struct server *server);
/* An administrator accepted another key. */
void server_keys_trust(struct server *server);
/* Tells what there is to tell. */
void server_keys_pump(struct server *server);
/* A bundle now would be signed by a key that it was not told of. */
bool server_keys_come_first(const struct server *server);
/* What a refused login has to do with keys, as a hint. */
void server_keys_explain(const struct server *server, struct err *e);
/* Whether its link is to be made anew, now. */
bool server_keys_wants_link(const struct server *server);
void server_keys_link_down(struct server *server);
void server_keys_round(struct server *server); /* a new one begins */
/* Looks whether it has something to tell. */
void server_keys_noticed(struct server *server, const struct link_reply *reply);

/* fleet_effect.c */
struct fleet_facts;
void server_effect_facts(struct server *server,
    const struct fleet_facts *facts);
/* An OK came. */
void server_effect_heard(struct server *server, const struct link_reply *reply);
void server_effect_link_down(struct server *server);
/* Whether the newest revisions are in effect there; null: not known. */
json_t *server_effect_json(const struct server *server);

/* fleet_commands.c */
/* The server that argument "name" names; fails the call and returns NULL
 * else. */
struct server *command_server(struct control_call *call);

/* fleet_remove.c */
struct removal;
void command_server_remove(struct control_call *call);
/* The server's link is up, or gone (replies to come never will). */
void removal_link_ready(struct removal *r);
void removal_link_lost(struct removal *r, const struct err *e);

/* fleet_sync.c */
void command_sync_now(struct control_call *call);
void command_sync_status(struct control_call *call);
void command_sync_config(struct control_call *call);

/* fleet_diff.c */
void command_sync_preview(struct control_call *call);

/* fleet_rules.c */
/* After the address changed under which the server sees us. */
void server_check_rules(struct server *server);

/* fleet_list.c: a part of "server list", as ARGS says; NULL is an error. */
json_t *fleet_list_json(struct fleet *fleet, const json_t *args, struct err *e);

/* fleet_json.c; the primary's own entry */
json_t *fleet_primary_json(struct fleet *fleet);
json_t *server_json(const struct server *server);

/* fleet_register.c */
/* Records cluster and epoch in every dataset (harmless when they are there). */
void fleet_set_cluster(struct fleet *fleet);
void fleet_registrations_close(struct fleet *fleet);
void command_server_probe(struct control_call *call);
void command_server_facts(struct control_call *call);
void command_server_add(struct control_call *call);
void command_server_trust(struct control_call *call);
void command_server_cancel(struct control_call *call);

#endif

/*
 * The life of a session process: one start message from the engine, one SSH
 * connection, its deadlines, the end.  It opens no file and holds no key.
 */
#include "daemon/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/child_parts.h"
#include "daemon/ipc_messages.h"

#define START_WAIT_MS 10000
#define LINGER_MS 5000      /* for the client to leave once it has all */
#define LINGER_TOLD_MS 1000 /* the same when the engine ends the session */
#define SILENCES 3 /* keepalives without an answer until the peer is gone */
/* A primary beats by itself, each interval, and an idle link is to cost next to
 * nothing: one that is gone shows this late, or when its next link comes. */
#define PUSH_KEEPALIVE_MS (5 * 60 * 1000)

static struct session session;

static bool
take_start(void *ctx, struct ipc_message *m)
{
    struct session *s = ctx;
    struct reader r = reader_over(m->body, m->body_len);
    const uint8_t *host_key;
    size_t host_key_len;
    char *peer;
    uint32_t grace_ms;

    if (m->fd >= 0)
        close(m->fd);
    s->ending = true; /* unless the message is what it has to be */
    if (m->type != IPC_SESSION_START || s->start_ms != 0)
        return false;
    host_key = reader_bytes(&r, sizeof(s->host_key), &host_key_len);
    peer = reader_string(&r, sizeof(s->peer) - 1);
    grace_ms = reader_u32(&r);
    s->keepalive_ms = reader_u32(&r);
    s->version = reader_string(&r, 200);
    if (reader_done(&r) && host_key_len == sizeof(s->host_key)) {
        memcpy(s->host_key, host_key, host_key_len);
        memcpy(s->peer, peer, strlen(peer));
        s->start_ms = clock_mono_ms();
        s->login_deadline_ms = s->start_ms + grace_ms;
        s->ending = false;
    }
    free(peer);
    return !s->ending;
}

static int
wait_for_start(struct session *s)
{
    struct pollfd p = { .fd = CHILD_CHANNEL_FD, .events = POLLIN };
    struct err ignored = ERR_INIT;

    while (s->start_ms == 0 && !s->ending) {
        if (poll(&p, 1, START_WAIT_MS) <= 0 ||
            ipc_receive(s->engine, take_start, s, &ignored) != 0)
            return -1;
    }
    return s->ending ? -1 : 0;
}

struct silence {
    uint64_t bytes; /* received when last looked */
    int64_t since_ms;
    int64_t asked_ms; /* when a keepalive was sent last */
};

static uint32_t
keepalive_of(const struct session *s)
{
    if (s->role == ROLE_PUSH && s->keepalive_ms > 0 &&
        s->keepalive_ms < PUSH_KEEPALIVE_MS)
        return PUSH_KEEPALIVE_MS;
    return s->keepalive_ms;
}

/* Asks a silent peer to say something; true once it has been silent for too
 * long.  What counts is its last byte, of whatever kind. */
static bool
is_silent(struct session *s, struct silence *silence, int64_t now)
{
    if (s->bytes.in_bytes != silence->bytes ||
        (s->sftp != NULL && session_stream_is_full(s))) {
        silence->bytes = s->bytes.in_bytes;
        silence->since_ms = now;
        silence->asked_ms = now;
    }
    if (s->keepalive_ms == 0)
        return false;
    if (now - silence->since_ms >= (int64_t)keepalive_of(s) * SILENCES)
        return true;
    if (now - silence->asked_ms >= keepalive_of(s)) {
        silence->asked_ms = now;
        /* The first call takes the answer to the one before, if any. */
        (void)ssh_send_keepalive(s->ssh);
        (void)ssh_send_keepalive(s->ssh);
    }
    return false;
}

/* What is the matter when a deadline has passed; NULL while none has. */
static const char *
find_overdue(struct session *s, struct silence *silence, int64_t now)
{
    if (s->role == ROLE_NONE)
        return now >= s->login_deadline_ms ? "no login in time" : NULL;
    if (s->sftp == NULL)
        return now >= s->subsystem_deadline_ms
                   ? "logged in and asked for nothing"
                   : NULL;
    return is_silent(s, silence, now) ? "the client is silent" : NULL;
}

static int
poll_timeout(const struct session *s, const struct silence *silence,
    int64_t now)
{
    int64_t until;

    if (s->linger_ms != 0)
        until = s->linger_ms;
    else if (s->role == ROLE_NONE)
        until = s->login_deadline_ms;
    else if (s->sftp == NULL)
        until = s->subsystem_deadline_ms;
    else if (s->keepalive_ms == 0)
        return -1;
    else
        until = silence->asked_ms + keepalive_of(s);
    return until > now ? (int)(until - now) : 0;
}

/* Which of the client's events matter now. */
static short
client_events(struct session *s)
{
    short events = POLLIN;

    /* A full session listens only for room to send. */
    if (s->sftp != NULL && session_stream_is_full(s) &&
        fxp_server_output(s->sftp)->len == s->output_sent)
        events = 0;
    if ((ssh_get_status(s->ssh) & SSH_WRITE_PENDING) != 0)
        events |= POLLOUT;
    return events;
}

/* The channel ends first and the connection later: a client that finds it gone
 * while it says goodbye itself takes that for a failure. */
static void
see_to_end(struct session *s, int64_t now)
{
    bool over = s->input_ended && session_stream_is_drained(s);

    if (s->linger_ms != 0) {
        s->ending = now >= s->linger_ms;
    } else if (s->told_to_end ? session_stream_is_sent(s) : over) {
        session_ssh_close_channel(s);
        s->linger_ms = now + (s->told_to_end ? LINGER_TOLD_MS : LINGER_MS);
    }
}

static int
turn(struct session *s, struct silence *silence, struct err *e)
{
    struct pollfd polls[2] = {
        { .fd = CHILD_EXTRA_FD, .events = client_events(s) },
        { .fd = CHILD_CHANNEL_FD, .events = POLLIN },
    };
    int64_t now = clock_mono_ms();
    const char *overdue;

    if (ipc_wants_write(s->engine))
        polls[1].events |= POLLOUT;
    (void)poll(polls, 2, poll_timeout(s, silence, now));
    if ((polls[1].revents & POLLOUT) != 0 && ipc_flush(s->engine, e) != 0)
        return -1;
    if ((polls[1].revents & ~POLLOUT) != 0 &&
        ipc_receive(s->engine, session_take_message, s, e) != 0) {
        s->status = e->code == ERR_CLOSED ? 0 : 1;
        return -1;
    }
    if (session_ssh_turn(s, e) != 0)
        return -1;
    now = clock_mono_ms();
    overdue = s->linger_ms == 0 ? find_overdue(s, silence, now) : NULL;
    if (overdue != NULL)
        return err_set(e, ERR_TIMEOUT, "%s", overdue);
    if (s->sftp != NULL)
        see_to_end(s, now);
    return 0;
}

/* Whether the client is still there: one that left broke no protocol. */
static bool
client_stays(void)
{
    char byte;
    ssize_t n = recv(CHILD_EXTRA_FD, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void
report_offence(struct session *s)
{
    struct err ignored = ERR_INIT;

    ipc_send(s->engine, IPC_SESSION_OFFENCE, 0, NULL, 0, -1);
    (void)ipc_flush(s->engine, &ignored);
}

static void
serve(struct session *s)
{
    struct silence silence = { 0, s->start_ms, s->start_ms };
    struct err e = ERR_INIT;

    if (session_ssh_open(s, CHILD_EXTRA_FD, &e) != 0) {
        child_note("%s: %s", s->peer, e.message);
        s->status = 1;
        return;
    }
    /* Our banner goes out before the client's comes. */
    if (session_ssh_turn(s, &e) == 0)
        while (!s->ending && turn(s, &silence, &e) == 0)
            ;
    if (e.code == ERR_PROTOCOL && s->role == ROLE_NONE && client_stays())
        report_offence(s);
    /* That a client leaves is no news. */
    if (e.code != ERR_NONE && e.code != ERR_CLOSED)
        child_note("%s: %s", s->peer, e.message);
}

int
session_main(void)
{
    struct session *s = &session;

    s->engine = ipc_channel_new(CHILD_CHANNEL_FD);
    if (wait_for_start(s) == 0)
        serve(s);
    session_ssh_close(s);
    free(s->version);
    ipc_channel_free(s->engine);
    return s->status;
}

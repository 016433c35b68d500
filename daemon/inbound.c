/*
 * Sessions: the caps, one child each, its logins and its requests.  Nothing
 * that a child says is believed further than its framing: the role comes
 * from accounts, and every request is checked against it by the file tree.
 */
#include "daemon/inbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/accounts.h"
#include "daemon/child.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/gate.h"
#include "daemon/ipc_messages.h"
#include "daemon/limiter.h"
#include "daemon/proof.h"
#include "daemon/vfs.h"
#include "ipfilter/ruleset.h"

#define KEEPALIVE_MS 15000
#define BANNER "Lockstep" /* the version is for who has logged in */
#define USER_MAX 255
#define PASSWORD_MAX 1024
#define KEY_BLOB_MAX 8192
/* Answers that a session does not take away; an honest one asks for less. */
#define QUEUE_MAX ((size_t)64 * 1024 * 1024)
#define LOGIN_EVENT_MS (60 * 1000)
/* A session ends by itself when its time for a login is over; one that does not
 * is in other hands, or turns in circles. */
#define LOGIN_MARGIN_MS 3000

struct inbound {
    struct inbounds *in;
    struct inbound *next;
    struct inbound **previous;
    struct child *child;
    struct vfs_session *files;          /* once logged in */
    const struct ed25519_key *host_key; /* as it began: it may be rotated */
    struct ip_address address;
    bool loopback;
    char from[64];
    /* The first exchange hash that the host key signed here: what a client of
     * this session has to have signed, whatever the session says. */
    uint8_t session_id[EXCHANGE_HASH_SIZE];
    bool has_session_id;
    char *user;
    uint8_t *key; /* that he proved, as a blob; NULL: a password */
    size_t key_len;
    enum role role;
    int64_t failures;
    int64_t started_ms;
    bool counted;  /* by the gate, until the login */
    bool tried;    /* to log in */
    bool offended; /* reported to the gate for what it did */
    bool ended;
    bool stopped;    /* is to end: answered no more */
    unsigned checks; /* logins being verified; keep the memory */
};

struct inbounds {
    struct engine *engine;
    struct inbound *first;
    size_t count;
    bool closing;
    struct limiter refused;
};

struct inbounds *
inbounds_new(struct engine *engine)
{
    struct inbounds *in = alloc_zeroed(1, sizeof(*in));

    in->engine = engine;
    limiter_init(&in->refused, LOGIN_EVENT_MS);
    return in;
}

static void
inbounds_release(struct inbounds *in)
{
    if (in->closing && in->first == NULL)
        free(in);
}

void
inbounds_free(struct inbounds *in)
{
    struct inbound *s;

    if (in == NULL)
        return;
    in->closing = true;
    for (s = in->first; s != NULL; s = s->next) {
        /* No answer may come after this: the rest of the engine goes too. */
        vfs_session_close(s->files);
        s->files = NULL;
        if (!s->ended)
            child_stop(s->child);
    }
    inbounds_release(in);
}

size_t
inbounds_count(const struct inbounds *in)
{
    return in->count;
}

/* Frees once the child is gone and no verification refers to it. */
static void
inbound_release(struct inbound *s)
{
    struct inbounds *in = s->in;

    if (!s->ended || s->checks > 0)
        return;
    *s->previous = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    free(s->user);
    free(s->key);
    free(s);
    inbounds_release(in);
}

static void
leave_gate(struct inbound *s)
{
    if (s->counted)
        gate_leave(s->in->engine->gate, &s->address);
    s->counted = false;
}

static void
offend(struct inbound *s, enum offence offence)
{
    s->offended = true;
    gate_offence(s->in->engine->gate, &s->address, offence);
}

/* What the gate has to know of a session that is over. */
static void
judge_end(struct inbound *s, bool crashed)
{
    int64_t grace_ms = s->in->engine->settings.login_grace_ms;

    leave_gate(s);
    if (s->offended || s->stopped)
        return;
    if (crashed)
        offend(s, OFFENCE_CRASH);
    else if (s->user == NULL && clock_mono_ms() - s->started_ms >= grace_ms)
        offend(s, OFFENCE_TIME);
    else if (s->user == NULL && !s->tried)
        offend(s, OFFENCE_LEFT);
}

static void
on_ended(void *ctx, bool crashed, const char *how)
{
    struct inbound *s = ctx;

    s->ended = true;
    s->in->count--;
    vfs_session_close(s->files);
    s->files = NULL;
    if (!s->in->closing)
        judge_end(s, crashed);
    if (crashed && !s->in->closing && !s->stopped)
        events_add(s->in->engine->events, "warning", "session-crashed", NULL,
            NULL, "the session of %s ended: %s", s->from, how);
    inbound_release(s);
}

static void
send_reply(void *ctx, uint8_t type, uint32_t tag, const struct buf *body)
{
    struct inbound *s = ctx;

    if (s->ended || s->stopped)
        return;
    if (child_queued(s->child) > QUEUE_MAX) {
        log_warning("the session of %s takes no answers: ended", s->from);
        child_stop(s->child);
        return;
    }
    child_send(s->child, type, tag, body, -1);
}

/* A login that is being verified. */
struct login {
    struct inbound *session;
    uint32_t tag;
    char *user;
    const char *method;
    uint8_t *key; /* NULL: a password */
    size_t key_len;
    bool probe; /* only asks whether a key would do */
};

static void
report_refused(struct inbound *s, const struct login *login, const char *why)
{
    char subject[512];
    unsigned missed;

    snprintf(subject, sizeof(subject), "%s from %s", login->user, s->from);
    if (limiter_allows(&s->in->refused, subject, &missed))
        events_add_deed(s->in->engine->events, "warning", "login-refused",
            subject, "LOGIN",
            "login of \"%s\" from %s by %s was refused%s%s (%u more since the "
            "last such event)",
            login->user, s->from, login->method, why != NULL ? ": " : "",
            why != NULL ? why : "", missed);
}

static void
grant(struct inbound *s, struct login *login, enum role role)
{
    const char *user = login->user;
    char who[512];

    if (s->files != NULL)
        return;
    s->role = role;
    s->user = alloc_string(user);
    s->key = login->key;
    s->key_len = login->key_len;
    login->key = NULL;
    child_set_deadline(s->child, 0);
    leave_gate(s);
    snprintf(who, sizeof(who), "%s from %s", user, s->from);
    events_add_deed(s->in->engine->events, "info", "login", who, "ok",
        "%s logged in as %s", who, role_name(role));
    s->files =
        vfs_session_open(s->in->engine->vfs, role, who, s->from, send_reply, s);
}

static void
send_result(struct inbound *s, uint32_t tag, enum role role)
{
    struct buf body = BUF_INIT;

    buf_put_u8(&body, role != ROLE_NONE);
    buf_put_u8(&body, (uint8_t)role);
    child_send(s->child, IPC_LOGIN_RESULT, tag, &body, -1);
    buf_release(&body);
}

static void
on_verified(void *ctx, enum role role)
{
    struct login *login = ctx;
    struct inbound *s = login->session;

    s->checks--;
    if (s->ended || s->stopped || s->in->closing)
        goto out;
    if (role != ROLE_NONE && !login->probe) {
        grant(s, login, role);
    } else if (role == ROLE_NONE && !login->probe) {
        /* A client offers all its keys: only what it proved, or a password,
         * counts. */
        s->failures++;
        report_refused(s, login, NULL);
        offend(s, OFFENCE_LOGIN);
    }
    send_result(s, login->tag, role);
out:
    free(login->user);
    free(login->key);
    free(login);
    inbound_release(s);
}

static struct login *
new_login(struct inbound *s, uint32_t tag, char *user, const char *method)
{
    struct login *login = alloc_zeroed(1, sizeof(*login));

    login->session = s;
    login->tag = tag;
    login->user = user;
    login->method = method;
    s->checks++;
    return login;
}

/* Nothing is looked up, so that nothing can be learnt by asking. */
static void
refuse_password(struct inbound *s, uint32_t tag, char *user, const char *why)
{
    struct login login = { .user = user, .method = "password" };

    s->failures++;
    report_refused(s, &login, why);
    send_result(s, tag, ROLE_NONE);
}

/* The session ends by itself after so many; one that does not learns nothing
 * more. */
static bool
has_attempts_left(const struct inbound *s)
{
    return s->failures + (int64_t)s->checks <
           s->in->engine->settings.login_attempts;
}

static bool
take_password(struct inbound *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    char *user = reader_string(&r, USER_MAX);
    char *password = reader_string(&r, PASSWORD_MAX);
    bool ok = user != NULL && password != NULL && reader_done(&r);
    const char *why = gate_refuses_passwords(s->in->engine->gate, &s->address);

    if (why == NULL && accounts_are_busy(s->in->engine->accounts))
        why = "too many passwords are being verified";
    s->tried = true;
    if (ok && !has_attempts_left(s)) {
        send_result(s, m->tag, ROLE_NONE);
    } else if (ok && why != NULL) {
        refuse_password(s, m->tag, user, why);
    } else if (ok) {
        struct login *login = new_login(s, m->tag, user, "password");

        user = NULL;
        accounts_check_password(s->in->engine->accounts, login->user, password,
            on_verified, login);
    }
    if (password != NULL)
        explicit_bzero(password, strlen(password));
    free(password);
    free(user);
    return ok;
}

static bool
take_key(struct inbound *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    size_t len = 0;
    char *user = reader_string(&r, USER_MAX);
    const uint8_t *blob = reader_bytes(&r, KEY_BLOB_MAX, &len);
    size_t signature_len = 0;
    const uint8_t *signature =
        reader_bytes(&r, ED25519_SIGNATURE_SIZE, &signature_len);
    bool probe = signature_len == 0;
    struct login *login;

    if (user == NULL || blob == NULL || !reader_done(&r) ||
        (!probe && signature_len != ED25519_SIGNATURE_SIZE)) {
        free(user);
        return false;
    }
    if (!has_attempts_left(s)) {
        free(user);
        send_result(s, m->tag, ROLE_NONE);
        return true;
    }
    s->tried = true;
    login = new_login(s, m->tag, user, "key");
    login->probe = probe;
    login->key = alloc_copy(blob, len);
    login->key_len = len;
    if (!probe &&
        !(s->has_session_id && proof_login_is_valid(s->session_id, login->user,
                                   blob, len, signature)))
        on_verified(login, ROLE_NONE);
    else
        accounts_check_key(s->in->engine->accounts, login->user, blob, len,
            s->loopback, on_verified, login);
    return true;
}

/* A session that was taken over before a login gets one signature and no more:
 * the login has to be over what that one was for. */
static bool
take_host_sign(struct inbound *s, const struct ipc_message *m)
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;

    if (m->body_len != EXCHANGE_HASH_SIZE ||
        (s->has_session_id && s->files == NULL))
        return false;
    if (!s->has_session_id)
        memcpy(s->session_id, m->body, sizeof(s->session_id));
    s->has_session_id = true;
    if (ed25519_key_sign(s->host_key, m->body, m->body_len, signature, &e) == 0)
        buf_put(&body, signature, sizeof(signature));
    else
        log_error("could not sign for the session of %s: %s", s->from,
            e.message);
    child_send(s->child, IPC_HOST_SIGNED, m->tag, &body, -1);
    buf_release(&body);
    return true;
}

static bool
on_message(void *ctx, struct ipc_message *m)
{
    struct inbound *s = ctx;
    bool ok;

    if (m->fd != -1) {
        close(m->fd);
        ok = false;
    } else if (s->in->closing) {
        return false;
    } else if (m->type == IPC_HOST_SIGN) {
        ok = take_host_sign(s, m);
    } else if (s->stopped) {
        return true;
    } else if (s->files != NULL) {
        ok = vfs_session_request(s->files, m);
    } else if (m->type == IPC_LOGIN_PASSWORD) {
        ok = take_password(s, m);
    } else if (m->type == IPC_LOGIN_KEY) {
        ok = take_key(s, m);
    } else if (m->type == IPC_SESSION_OFFENCE) {
        offend(s, OFFENCE_PROTOCOL);
        ok = true;
    } else {
        ok = false;
    }
    if (!ok) {
        events_add(s->in->engine->events, "warning", "session-protocol", NULL,
            NULL, "the session of %s broke the protocol (message %u): ended",
            s->from, (unsigned)m->type);
        offend(s, OFFENCE_PROTOCOL);
        child_stop(s->child);
    }
    return ok;
}

static void
send_start(struct inbound *s)
{
    const struct engine *engine = s->in->engine;
    struct buf body = BUF_INIT;

    s->host_key = engine->keys.host_private;
    buf_put_bytes(&body, engine->keys.host_blob, engine->keys.host_blob_len);
    buf_put_string(&body, s->from);
    buf_put_u32(&body, (uint32_t)engine->settings.login_grace_ms);
    buf_put_u32(&body, KEEPALIVE_MS);
    buf_put_string(&body, BANNER);
    child_send(s->child, IPC_SESSION_START, 0, &body, -1);
    child_set_deadline(s->child,
        engine->settings.login_grace_ms + LOGIN_MARGIN_MS);
    buf_release(&body);
}

/* Why one more session from there is refused, or NULL. */
static const char *
over_limit(const struct inbounds *in, const struct ip_address *address,
    bool loopback)
{
    const struct settings *settings = &in->engine->settings;
    const struct inbound *s;
    int64_t same = 0;

    if ((int64_t)in->count >= settings->max_sessions)
        return "max_sessions is reached";
    if (loopback)
        return NULL;
    for (s = in->first; s != NULL; s = s->next) {
        if (!s->ended && !s->stopped &&
            memcmp(&s->address, address, sizeof(*address)) == 0)
            same++;
    }
    if (same >= settings->max_sessions_per_source)
        return "max_sessions_per_source is reached";
    return NULL;
}

/* Whom a limit must not keep out takes the place of the oldest session that has
 * not logged in: others may come from the same address, or from this host. */
static bool
make_room(struct inbounds *in, const struct ip_address *address,
    const char *limit)
{
    struct inbound *oldest = NULL;
    bool everywhere = (int64_t)in->count >= in->engine->settings.max_sessions;

    for (struct inbound *s = in->first; s != NULL; s = s->next)
        if (!s->ended && !s->stopped && s->files == NULL &&
            (everywhere || memcmp(&s->address, address, sizeof(*address)) == 0))
            oldest = s;
    if (oldest == NULL)
        return false;
    gate_note_limit(in->engine->gate, &oldest->address, limit);
    oldest->stopped = true;
    child_stop(oldest->child);
    return true;
}

bool
inbounds_accept(struct inbounds *in, int fd,
    const struct sockaddr_storage *peer)
{
    static const struct child_callbacks callbacks = { .message = on_message,
        .ended = on_ended };
    struct inbound *s = alloc_zeroed(1, sizeof(*s));
    struct err e = ERR_INIT;
    const char *limit;

    s->in = in;
    if (!ip_address_from_socket((const struct sockaddr *)peer, &s->address))
        goto refuse;
    ip_address_format(&s->address, s->from);
    s->loopback = ip_address_is_loopback(&s->address);
    limit = over_limit(in, &s->address, s->loopback);
    if (limit != NULL && !(gate_knows(in->engine->gate, &s->address) &&
                             make_room(in, &s->address, limit))) {
        gate_note_limit(in->engine->gate, &s->address, limit);
        goto refuse;
    }
    if (!gate_enter(in->engine->gate, &s->address, &s->counted))
        goto refuse;
    if (child_start(&s->child, in->engine->loop, CHILD_SESSION, fd, &callbacks,
            s, &e) != 0) {
        log_warning("could not start a session for %s: %s", s->from, e.message);
        leave_gate(s);
        free(s);
        return true; /* it was tried */
    }
    s->started_ms = clock_mono_ms();
    s->next = in->first;
    s->previous = &in->first;
    if (s->next != NULL)
        s->next->previous = &s->next;
    in->first = s;
    in->count++;
    send_start(s);
    return true;
refuse:
    close(fd);
    free(s);
    return false;
}

static void
take_role(void *ctx, enum role role)
{
    *(enum role *)ctx = role;
}

/* The role that this login would get now. */
static enum role
role_now(const struct inbound *s)
{
    struct accounts *accounts = s->in->engine->accounts;
    enum role role = ROLE_NONE;

    if (s->key == NULL)
        return accounts_role(accounts, s->user);
    accounts_check_key(accounts, s->user, s->key, s->key_len, s->loopback,
        take_role, &role); /* answers at once */
    return role;
}

void
inbounds_check_logins(struct inbounds *in)
{
    struct inbound *s;

    /* The end of a change of role asks again, after its own answer. */
    if (in->engine->role_changing)
        return;
    for (s = in->first; s != NULL; s = s->next) {
        if (s->ended || s->stopped || s->files == NULL)
            continue;
        if (role_now(s) == s->role)
            continue;
        log_info("the session of \"%s\" from %s ends: no longer allowed",
            s->user, s->from);
        /* What was answered already still leaves: the answer that this node is
         * released is one of those. */
        s->stopped = true;
        child_send(s->child, IPC_SESSION_END, 0, NULL, -1);
        child_expect_end(s->child);
    }
}

/*
 * From a connected socket to a ready link, one stage after another, none of
 * them waiting.  The host key is compared before anything of ours is sent that
 * could tell who we are.
 */
#include "daemon/pusher.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

/* What a stage's step found out. */
enum step { STEP_FAILED, STEP_WAIT, STEP_DONE };

static void
forget_secret(struct push_link *l)
{
    if (l->secret != NULL)
        explicit_bzero(l->secret, strlen(l->secret));
    free(l->secret);
    l->secret = NULL;
    ssh_key_free(l->key);
    l->key = NULL;
}

static int
start_ssh(struct push_link *l, struct err *e)
{
    l->ssh = ssh_new();
    if (l->ssh == NULL)
        return err_set(e, ERR_INTERNAL, "out of memory");
    if (admin_ssh_options(l->ssh, e) != 0)
        return -1;
    l->copy = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    if (l->copy < 0) {
        err_set(e, ERR_BUSY, "too many open connections");
        err_hint(e, "Raise the limit of open files of lockstepd.");
        return -1;
    }
    if (ssh_options_set(l->ssh, SSH_OPTIONS_FD, &l->copy) != 0)
        return err_set(e, ERR_INTERNAL, "libssh refuses a descriptor");
    /* Never NULL: libssh would look our own name up. */
    if (ssh_options_set(l->ssh, SSH_OPTIONS_USER,
            l->user[0] != '\0' ? l->user : "none") != 0)
        return err_set(e, ERR_INTERNAL, "libssh refuses an option");
    ssh_set_counters(l->ssh, &l->bytes, NULL);
    ssh_set_blocking(l->ssh, 0);
    return 0;
}

/* libssh makes the socket blocking while it connects; a stopped peer would then
 * stop every link. */
static void
unblock(const struct push_link *l)
{
    int flags = fcntl(l->fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        (void)fcntl(l->fd, F_SETFL, flags | O_NONBLOCK);
}

static uint8_t *
shown_key(const struct push_link *l, size_t *len)
{
    ssh_key key = NULL;
    char *text = NULL;
    uint8_t *blob = NULL;

    if (ssh_get_server_publickey(l->ssh, &key) != SSH_OK)
        return NULL;
    if (ssh_pki_export_pubkey_base64(key, &text) == SSH_OK)
        blob = base64_decode(text, len);
    ssh_string_free_char(text);
    ssh_key_free(key);
    return blob;
}

/* Tells the engine what was shown, and compares it with what has to be. */
static int
check_host_key(struct push_link *l, struct err *e)
{
    struct buf body = BUF_INIT;
    size_t len = 0;
    uint8_t *blob = shown_key(l, &len);
    int r = 0;

    if (blob == NULL)
        return err_set(e, ERR_PROTOCOL, "the server showed no host key");
    buf_put_bytes(&body, blob, len);
    push_send(l, IPC_LINK_HOST_KEY, &body);
    buf_release(&body);
    if (l->pinned != NULL &&
        (len != l->pinned_len || memcmp(blob, l->pinned, len) != 0))
        r = push_fail_key(l, blob, len, e);
    else if (l->pinned == NULL && l->mode == LINK_KEY)
        r = err_set(e, ERR_INTERNAL, "no host key is pinned");
    free(blob);
    return r;
}

static enum step
step_kex(struct push_link *l, struct err *e)
{
    int r;

    if (l->ssh == NULL && start_ssh(l, e) != 0)
        return STEP_FAILED;
    r = ssh_connect(l->ssh);
    unblock(l);
    if (r == SSH_AGAIN)
        return STEP_WAIT;
    if (r != SSH_OK) {
        push_fail_connection(l, e);
        return STEP_FAILED;
    }
    if (check_host_key(l, e) != 0)
        return STEP_FAILED;
    if (l->mode == LINK_KEY)
        l->stage = STAGE_WAIT; /* passed at once, by STEP_DONE */
    return STEP_DONE;
}

/* Probes stay here until they are stopped; passwords until the engine, which
 * may ask a person, lets them go on.  That time is nobody's delay. */
static enum step
step_wait(struct push_link *l, struct err *e)
{
    (void)e;
    if (l->deadline_ms != 0) {
        l->time_left_ms = l->deadline_ms - clock_mono_ms();
        l->deadline_ms = 0;
    }
    return STEP_WAIT;
}

static enum step
step_login(struct push_link *l, struct err *e)
{
    int r;

    if (l->mode == LINK_KEY && l->key == NULL &&
        ssh_pki_import_privkey_base64(l->secret, NULL, NULL, NULL, &l->key) !=
            SSH_OK) {
        err_set(e, ERR_CORRUPT, "cannot read our own login key");
        return STEP_FAILED;
    }
    if (l->mode == LINK_KEY)
        r = ssh_userauth_publickey(l->ssh, NULL, l->key);
    else
        r = ssh_userauth_password(l->ssh, NULL, l->secret);
    if (r == SSH_AUTH_AGAIN)
        return STEP_WAIT;
    forget_secret(l);
    if (r == SSH_AUTH_SUCCESS)
        return STEP_DONE;
    if (r == SSH_AUTH_ERROR)
        push_fail_connection(l, e);
    else
        push_fail_login(l, e);
    return STEP_FAILED;
}

static enum step
step_channel(struct push_link *l, struct err *e)
{
    int r;

    if (l->channel == NULL && (l->channel = ssh_channel_new(l->ssh)) == NULL) {
        err_set(e, ERR_INTERNAL, "out of memory");
        return STEP_FAILED;
    }
    r = ssh_channel_open_session(l->channel);
    if (r == SSH_AGAIN)
        return STEP_WAIT;
    if (r == SSH_OK)
        return STEP_DONE;
    push_fail_subsystem(l, e);
    return STEP_FAILED;
}

static enum step
step_subsystem(struct push_link *l, struct err *e)
{
    int r = ssh_channel_request_sftp(l->channel);

    if (r == SSH_AGAIN)
        return STEP_WAIT;
    if (r == SSH_OK) {
        l->sftp = fxp_client_new();
        l->asked_us = clock_mono_us();
        return STEP_DONE;
    }
    push_fail_subsystem(l, e);
    return STEP_FAILED;
}

static enum step
step_version(struct push_link *l, struct err *e)
{
    struct buf body = BUF_INIT;

    if (push_stream(l, e) != 0)
        return STEP_FAILED;
    if (!fxp_client_ready(l->sftp))
        return STEP_WAIT;
    l->deadline_ms = 0;
    push_tell_bytes(l, true);
    buf_put_u32(&body, (uint32_t)(clock_mono_us() - l->asked_us));
    push_send(l, IPC_LINK_READY, &body);
    buf_release(&body);
    return STEP_DONE;
}

static enum step (*const steps[])(struct push_link *l, struct err *e) = {
    [STAGE_KEX] = step_kex,
    [STAGE_WAIT] = step_wait,
    [STAGE_LOGIN] = step_login,
    [STAGE_CHANNEL] = step_channel,
    [STAGE_SUBSYSTEM] = step_subsystem,
    [STAGE_VERSION] = step_version,
};

int
push_handshake(struct push_link *l, struct err *e)
{
    while (l->stage != STAGE_READY) {
        switch (steps[l->stage](l, e)) {
        case STEP_FAILED:
            forget_secret(l);
            return -1;
        case STEP_WAIT:
            return 0;
        case STEP_DONE:
            l->stage++;
            break;
        }
    }
    return 0;
}

void
push_proceed(struct push_link *l)
{
    if (l->stage != STAGE_WAIT || l->mode != LINK_PASSWORD)
        return;
    l->deadline_ms = clock_mono_ms() + l->time_left_ms;
    l->stage = STAGE_LOGIN;
}

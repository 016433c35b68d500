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
#include "daemon/signing_hook.h"

/* What a stage's step found out. */
enum step { STEP_FAILED, STEP_WAIT, STEP_DONE };

static void
forget_password(struct push_link *l)
{
    if (l->password != NULL)
        explicit_bzero(l->password, strlen(l->password));
    free(l->password);
    l->password = NULL;
    ssh_key_free(l->key);
    l->key = NULL;
}

/* The link whose first key exchange, or whose login, libssh is busy with. */
static struct push_link *in_hand;

static bool
sign_by_engine(const uint8_t *data, size_t len,
    uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    (void)data;
    (void)len;
    if (in_hand == NULL || in_hand->stage != STAGE_LOGIN)
        return false;
    memcpy(signature, in_hand->proof, sizeof(in_hand->proof));
    return true;
}

/* Servers' signatures are verified here too; the first one goes to the
 * engine. */
static bool
note_host_proof(const uint8_t *signature, size_t signature_len,
    const uint8_t *data, size_t len, bool (*valid)(void *ctx), void *ctx)
{
    struct push_link *l = in_hand;

    if (!valid(ctx))
        return false;
    if (l == NULL || l->stage != STAGE_KEX || l->host_proved)
        return true;
    if (signature_len != sizeof(l->host_proof) ||
        len != sizeof(l->exchange_hash))
        return false;
    memcpy(l->host_proof, signature, signature_len);
    memcpy(l->exchange_hash, data, len);
    l->host_proved = true;
    return true;
}

void
push_set_hooks(void)
{
    static const struct signing_hooks hooks = { .sign = sign_by_engine,
        .verify = note_host_proof };

    signing_hook_set(&hooks);
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

    if (blob == NULL || !l->host_proved) {
        free(blob);
        return err_set(e, ERR_PROTOCOL, "the server showed no host key");
    }
    buf_put_bytes(&body, blob, len);
    buf_put(&body, l->exchange_hash, sizeof(l->exchange_hash));
    buf_put(&body, l->host_proof, sizeof(l->host_proof));
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
    return STEP_DONE;
}

/* Probes stay here until they are stopped; passwords until the engine, which
 * may ask a person, lets them go on.  That time is nobody's delay. */
static enum step
step_wait(struct push_link *l, struct err *e)
{
    (void)e;
    if (l->mode != LINK_KEY && l->deadline_ms != 0) {
        l->time_left_ms = l->deadline_ms - clock_mono_ms();
        l->deadline_ms = 0;
    }
    return STEP_WAIT;
}

static int
import_login_key(struct push_link *l, struct err *e)
{
    char *text = proof_stand_in(l->login, l->login_len);
    int r = 0;

    if (text == NULL || ssh_pki_import_privkey_base64(text, NULL, NULL, NULL,
                            &l->key) != SSH_OK)
        r = err_set(e, ERR_CORRUPT, "cannot use our own login key");
    free(text);
    return r;
}

static enum step
step_login(struct push_link *l, struct err *e)
{
    int r;

    if (l->mode == LINK_KEY && l->key == NULL && import_login_key(l, e) != 0)
        return STEP_FAILED;
    if (l->mode == LINK_KEY)
        r = ssh_userauth_publickey(l->ssh, NULL, l->key);
    else
        r = ssh_userauth_password(l->ssh, NULL, l->password);
    if (r == SSH_AUTH_AGAIN)
        return STEP_WAIT;
    forget_password(l);
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
        enum step step;

        in_hand = l;
        step = steps[l->stage](l, e);
        in_hand = NULL;
        switch (step) {
        case STEP_FAILED:
            forget_password(l);
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

bool
push_proceed(struct push_link *l, const uint8_t *proof, size_t proof_len)
{
    if (l->stage != STAGE_WAIT || l->mode == LINK_PROBE)
        return true;
    if (l->mode == LINK_KEY) {
        if (proof_len != sizeof(l->proof))
            return false;
        memcpy(l->proof, proof, proof_len);
    } else {
        l->deadline_ms = clock_mono_ms() + l->time_left_ms;
    }
    l->stage = STAGE_LOGIN;
    return true;
}

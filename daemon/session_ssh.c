/*
 * The libssh server of one connection: what it offers, who may log in (the
 * engine says), and that nothing but one "sftp" subsystem is to be had.
 * Requests without a callback here are refused by libssh itself.
 */
#include "daemon/session.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/clock.h"
#include "base/hash.h"
#include "daemon/child_parts.h"
#include "daemon/ipc_messages.h"
#include "daemon/proof.h"
#include "daemon/signing_hook.h"

#define USER_MAX 255
#define PASSWORD_MAX 1024
#define FAILURES_MAX 3
#define PROBES_MAX 20         /* an agent may hold many keys */
#define SUBSYSTEM_MS 5000     /* from login to the sftp subsystem */
#define FLUSH_MS 500          /* for our last words */
#define USER_TIMEOUT_MS 60000 /* unacknowledged bytes */
#define REKEY_BYTES (1ULL << 30)

/* libssh's callbacks have a context; what is signed and verified has none. */
static struct session *session_of_hooks;

/* The exchange hash, for the key that the engine has. */
static bool
sign_by_engine(const uint8_t *data, size_t len,
    uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    struct session *s = session_of_hooks;
    struct buf question = BUF_INIT;
    bool signed_;

    buf_put(&question, data, len);
    signed_ = len == EXCHANGE_HASH_SIZE &&
              session_ask(s, IPC_HOST_SIGN, &question) && s->has_signature;
    buf_release(&question);
    if (signed_)
        memcpy(signature, s->signature, sizeof(s->signature));
    s->has_signature = false;
    return signed_;
}

/* A client's signature: kept for the engine, which knows what it has to be
 * over.  Nothing is decided here, so a lie here gains nothing. */
static bool
keep_for_engine(const uint8_t *signature, size_t signature_len,
    const uint8_t *data, size_t len, bool (*valid)(void *ctx), void *ctx)
{
    struct session *s = session_of_hooks;

    (void)data;
    (void)len;
    (void)valid;
    (void)ctx;
    s->has_signature = signature_len == sizeof(s->signature);
    if (s->has_signature)
        memcpy(s->signature, signature, signature_len);
    return s->has_signature;
}

static const struct signing_hooks hooks = { .sign = sign_by_engine,
    .verify = keep_for_engine };

static int
login_decided(struct session *s, enum role role)
{
    if (role == ROLE_NONE) {
        s->failures++;
        if (s->failures >= FAILURES_MAX)
            s->ending = true;
        return SSH_AUTH_DENIED;
    }
    s->role = role;
    s->subsystem_deadline_ms = clock_mono_ms() + SUBSYSTEM_MS;
    return SSH_AUTH_SUCCESS;
}

static int
login_probed(struct session *s)
{
    s->probes++;
    if (s->probes >= PROBES_MAX)
        s->ending = true;
    return SSH_AUTH_DENIED;
}

static int
on_none(ssh_session ssh, const char *user, void *ctx)
{
    (void)ssh;
    (void)user;
    return login_probed(ctx);
}

static int
on_password(ssh_session ssh, const char *user, const char *password, void *ctx)
{
    struct session *s = ctx;
    struct buf question = BUF_INIT;
    enum role role = ROLE_NONE;

    (void)ssh;
    if (s->ending)
        return SSH_AUTH_DENIED;
    if (strlen(user) <= USER_MAX && strlen(password) <= PASSWORD_MAX) {
        /* Whole at once: growing would leave a copy behind. */
        buf_reserve(&question, USER_MAX + PASSWORD_MAX + 16);
        buf_put_string(&question, user);
        buf_put_string(&question, password);
        if (session_ask(s, IPC_LOGIN_PASSWORD, &question))
            role = s->login_role;
        explicit_bzero(question.data, question.cap);
        buf_release(&question);
    }
    return login_decided(s, role);
}

/* The key as RFC 4253 has it; fresh memory or NULL. */
static uint8_t *
key_blob(ssh_key key, size_t *len)
{
    char *text = NULL;
    uint8_t *blob;

    if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return NULL;
    blob = base64_decode(text, len);
    ssh_string_free_char(text);
    return blob;
}

/* STATE is NONE when the client only asks whether the key would do, and VALID
 * when there is a signature, which the engine has yet to verify. */
static int
on_key(ssh_session ssh, const char *user, struct ssh_key_struct *key,
    char state, void *ctx)
{
    struct session *s = ctx;
    bool proved = state == SSH_PUBLICKEY_STATE_VALID && s->has_signature;
    struct buf question = BUF_INIT;
    enum role role = ROLE_NONE;
    uint8_t *blob = NULL;
    size_t len;

    (void)ssh;
    if (s->ending)
        return SSH_AUTH_DENIED;
    if (!proved && state != SSH_PUBLICKEY_STATE_NONE)
        return login_decided(s, ROLE_NONE);
    if (strlen(user) <= USER_MAX && ssh_key_type(key) == SSH_KEYTYPE_ED25519 &&
        (blob = key_blob(key, &len)) != NULL) {
        buf_put_string(&question, user);
        buf_put_bytes(&question, blob, len);
        buf_put_bytes(&question, s->signature,
            proved ? sizeof(s->signature) : 0);
        if (session_ask(s, IPC_LOGIN_KEY, &question))
            role = s->login_role;
        buf_release(&question);
    }
    free(blob);
    if (proved)
        return login_decided(s, role);
    return role == ROLE_NONE ? login_probed(s) : SSH_AUTH_SUCCESS;
}

/* libssh would run Kerberos for anybody who asks, enabled or not. */
static ssh_string
on_gssapi(ssh_session ssh, const char *user, int count, ssh_string *oids,
    void *ctx)
{
    (void)ssh;
    (void)user;
    (void)count;
    (void)oids;
    (void)login_probed(ctx);
    return NULL;
}

static int
on_subsystem(ssh_session ssh, ssh_channel channel, const char *name, void *ctx)
{
    struct session *s = ctx;

    (void)ssh;
    if (channel != s->channel || s->sftp != NULL || strcmp(name, "sftp") != 0)
        return SSH_ERROR;
    s->sftp = fxp_server_start(&session_backend, s);
    return SSH_OK;
}

static ssh_channel
on_channel(ssh_session ssh, void *ctx)
{
    struct session *s = ctx;

    if (s->role == ROLE_NONE || s->channel != NULL)
        return NULL;
    s->channel = ssh_channel_new(ssh);
    if (s->channel == NULL)
        return NULL;
    s->channel_callbacks.userdata = s;
    s->channel_callbacks.channel_subsystem_request_function = on_subsystem;
    ssh_callbacks_init(&s->channel_callbacks);
    if (ssh_set_channel_callbacks(s->channel, &s->channel_callbacks) !=
        SSH_OK) {
        ssh_channel_free(s->channel);
        s->channel = NULL;
    }
    return s->channel;
}

static const struct {
    enum ssh_bind_options_e option;
    const char *value;
} lists[] = {
    { SSH_BIND_OPTIONS_KEY_EXCHANGE, ADMIN_SSH_KEX },
    { SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, ADMIN_SSH_KEY_TYPES },
    { SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, ADMIN_SSH_KEY_TYPES },
    { SSH_BIND_OPTIONS_CIPHERS_C_S, ADMIN_SSH_CIPHERS },
    { SSH_BIND_OPTIONS_CIPHERS_S_C, ADMIN_SSH_CIPHERS },
    { SSH_BIND_OPTIONS_HMAC_C_S, ADMIN_SSH_MACS },
    { SSH_BIND_OPTIONS_HMAC_S_C, ADMIN_SSH_MACS },
};

static int
set_bind_options(struct session *s, struct err *e)
{
    bool no = false;
    ssh_key key = NULL;
    char *text;
    int r;

    /* Else accepting reads a configuration file of the whole system. */
    r = ssh_bind_options_set(s->bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
    for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(lists[0]); i++)
        r = ssh_bind_options_set(s->bind, lists[i].option, lists[i].value);
    if (r == 0 && s->version[0] != '\0')
        r = ssh_bind_options_set(s->bind, SSH_BIND_OPTIONS_BANNER, s->version);
    if (r != 0)
        return err_set(e, ERR_INTERNAL, "libssh refuses our options");
    text = proof_stand_in(s->host_key, sizeof(s->host_key));
    if (text == NULL ||
        ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key) != SSH_OK) {
        free(text);
        return err_set(e, ERR_CORRUPT, "cannot use the host key");
    }
    free(text);
    if (ssh_bind_options_set(s->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != 0) {
        ssh_key_free(key);
        return err_set(e, ERR_INTERNAL, "libssh refuses the host key");
    }
    return 0;
}

static void
set_socket_options(int fd)
{
    int on = 1;
    unsigned timeout_ms = USER_TIMEOUT_MS;
    int flags = fcntl(fd, F_GETFL);

    /* A blocking descriptor would stop us wherever the client stops reading. */
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
        sizeof(timeout_ms));
}

static void
set_server_callbacks(struct session *s)
{
    struct ssh_server_callbacks_struct *cb = &s->server_callbacks;

    cb->userdata = s;
    cb->auth_none_function = on_none;
    cb->auth_password_function = on_password;
    cb->auth_pubkey_function = on_key;
    cb->channel_open_request_session_function = on_channel;
    cb->gssapi_select_oid_function = on_gssapi;
    ssh_callbacks_init(cb);
    ssh_set_server_callbacks(s->ssh, cb);
    ssh_set_auth_methods(s->ssh,
        SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD);
}

int
session_ssh_open(struct session *s, int fd, struct err *e)
{
    uint64_t rekey = REKEY_BYTES;
    int copy;

    session_of_hooks = s;
    signing_hook_set(&hooks);
    s->bind = ssh_bind_new();
    s->ssh = ssh_new();
    s->event = ssh_event_new();
    if (s->bind == NULL || s->ssh == NULL || s->event == NULL)
        return err_set(e, ERR_INTERNAL, "out of memory");
    if (set_bind_options(s, e) != 0)
        return -1;
    if (ssh_options_set(s->ssh, SSH_OPTIONS_COMPRESSION, "none") != 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_REKEY_DATA, &rekey) != 0)
        return err_set(e, ERR_INTERNAL, "libssh refuses our options");
    set_socket_options(fd);
    /* libssh closes what it is given; the loop polls the other one. */
    copy = dup(fd);
    if (copy < 0 || ssh_bind_accept_fd(s->bind, s->ssh, copy) != SSH_OK)
        return err_set(e, ERR_INTERNAL, "libssh refuses the connection");
    ssh_bind_free(s->bind);
    s->bind = NULL;
    set_server_callbacks(s);
    ssh_set_counters(s->ssh, &s->bytes, NULL);
    ssh_set_blocking(s->ssh, 0);
    return 0;
}

void
session_ssh_close_channel(struct session *s)
{
    if (s->channel == NULL || !ssh_channel_is_open(s->channel))
        return;
    (void)ssh_channel_request_send_exit_status(s->channel, 0);
    (void)ssh_channel_send_eof(s->channel);
    (void)ssh_channel_close(s->channel);
}

void
session_ssh_close(struct session *s)
{
    if (s->ssh != NULL && ssh_is_connected(s->ssh)) {
        session_ssh_close_channel(s);
        (void)ssh_blocking_flush(s->ssh, FLUSH_MS);
        ssh_disconnect(s->ssh);
    }
    fxp_server_end(s->sftp);
    if (s->event != NULL && s->key_exchanged)
        (void)ssh_event_remove_session(s->event, s->ssh);
    ssh_free(s->ssh); /* and with it the channel */
    ssh_bind_free(s->bind);
    ssh_event_free(s->event);
}

static int
exchange_keys(struct session *s, struct err *e)
{
    int r = ssh_handle_key_exchange(s->ssh);

    if (r == SSH_AGAIN)
        return 0;
    if (r != SSH_OK && s->bytes.in_bytes == 0)
        return err_set(e, ERR_CLOSED, "closed before it said anything");
    if (r != SSH_OK)
        return err_set(e, ERR_PROTOCOL, "key exchange failed: %s",
            ssh_get_error(s->ssh));
    s->key_exchanged = true;
    if (ssh_event_add_session(s->event, s->ssh) != SSH_OK)
        return err_set(e, ERR_INTERNAL, "libssh lost the connection");
    return 0;
}

int
session_ssh_turn(struct session *s, struct err *e)
{
    uint64_t before;

    do {
        before = s->bytes.in_bytes;
        if (!s->key_exchanged) {
            if (exchange_keys(s, e) != 0)
                return -1;
        } else if (s->linger_ms != 0) {
            (void)ssh_event_dopoll(s->event, 0);
        } else if (s->sftp != NULL && !session_stream_is_full(s)) {
            if (session_stream(s, e) != 0)
                return -1;
        } else {
            (void)ssh_event_dopoll(s->event, 0);
            if (s->sftp != NULL && session_stream(s, e) != 0)
                return -1;
        }
        if (!ssh_is_connected(s->ssh))
            return err_set(e, ERR_CLOSED, "the client is gone");
    } while (s->bytes.in_bytes != before && !s->ending);
    return 0;
}

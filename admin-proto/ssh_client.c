/*
 * Connecting: TCP, SSH, the host key, and only then the login and the SFTP
 * subsystem.  Every step is non-blocking inside, against one deadline.
 */
#include "admin-proto/ssh_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-proto/connect_error.h"
#include "admin-proto/ssh_client_wire.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/hash.h"

#define DEFAULT_TIMEOUT_MS 15000
#define KEY_FILE_MAX 16384

static void
read_local_address(struct admin_client *c)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    if (getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
        getnameinfo((struct sockaddr *)&ss, len, c->local_address,
            sizeof(c->local_address), NULL, 0, NI_NUMERICHOST);
}

/* "CONTEXT: what libssh says", made safe to show. */
static int
fail_ssh(struct admin_client *c, enum err_code code, const char *context,
    struct err *e)
{
    const char *text = ssh_get_error(c->session);
    char shown[256];

    escape_text(text, strlen(text), shown, sizeof(shown));
    return err_set(e, code, "%s: %s: %s", c->where, context,
        shown[0] != '\0' ? shown : "no reason given");
}

static int
fail_closed(struct admin_client *c, struct err *e)
{
    return connect_error_closed(e, c->where, c->local_address);
}

static int
open_socket(struct admin_client *c, const struct admin_client_options *o,
    struct err *e)
{
    if (admin_tcp_connect(o->host, o->port, o->source_address, c->timeout_ms,
            &c->lent_fd, c->peer_address, sizeof(c->peer_address), e) != 0)
        return -1;
    c->fd = fcntl(c->lent_fd, F_DUPFD_CLOEXEC, 3);
    if (c->fd < 0) {
        err_set_errno(e, ERR_IO, errno, "could not duplicate a descriptor");
        close(c->lent_fd);
        return -1;
    }
    read_local_address(c);
    c->session = ssh_new();
    if (c->session == NULL)
        return err_set(e, ERR_INTERNAL, "libssh cannot make a session");
    if (admin_ssh_options(c->session, e) != 0)
        return -1;
    if (ssh_options_set(c->session, SSH_OPTIONS_USER, o->user) != 0 ||
        ssh_options_set(c->session, SSH_OPTIONS_FD, &c->lent_fd) != 0)
        return fail_ssh(c, ERR_INTERNAL, "option refused", e);
    ssh_set_blocking(c->session, 0);
    return 0;
}

/* Whether the peer has sent anything at all: 1 yes, 0 not yet, -1 closed. */
static int
first_byte(const struct admin_client *c)
{
    uint8_t byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0)
        return 1;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return -1;
}

static int
fail_silent(struct admin_client *c, struct err *e)
{
    err_set(e, ERR_NO_ANSWER, "%s accepts connections but sends nothing",
        c->where);
    err_hint(e, "Check that lockstepd is what listens there and that it is "
                "not stopped.");
    return -1;
}

static int
shake_hands(struct admin_client *c, int64_t deadline_ms, struct err *e)
{
    bool spoken = false;
    int n;
    int r;

    for (;;) {
        r = ssh_connect(c->session);
        /* Our own banner is out: now judge what comes back, before libssh
         * turns a closed connection into words of its own. */
        while (r == SSH_AGAIN && !spoken) {
            n = first_byte(c);
            if (n < 0)
                return fail_closed(c, e);
            if (n > 0)
                spoken = true;
            else if (wire_wait(c, deadline_ms, e) != 0)
                return fail_silent(c, e);
        }
        /* libssh makes the socket blocking while it connects. */
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        if (r == SSH_OK)
            return 0;
        if (r != SSH_AGAIN)
            break;
        if (wire_wait(c, deadline_ms, e) != 0)
            return err_wrap(e, "ssh handshake");
    }
    if (!spoken)
        return fail_closed(c, e);
    fail_ssh(c, ERR_PROTOCOL, "ssh handshake failed", e);
    err_hint(e, "Check that lockstepd is what listens on this port.");
    return -1;
}

static int
read_host_key(struct admin_client *c, struct err *e)
{
    ssh_key key = NULL;
    char *text = NULL;
    uint8_t *blob = NULL;
    size_t len = 0;
    int r = -1;

    if (ssh_get_server_publickey(c->session, &key) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) {
        fail_ssh(c, ERR_PROTOCOL, "no host key", e);
        goto out;
    }
    blob = base64_decode(text, &len);
    if (blob == NULL) {
        err_set(e, ERR_PROTOCOL, "%s: unreadable host key", c->where);
        goto out;
    }
    admin_fingerprint(blob, len, c->fingerprint);
    r = 0;
out:
    free(blob);
    ssh_string_free_char(text);
    ssh_key_free(key);
    return r;
}

/* Nothing secret may leave before this has agreed. */
static int
check_host_key(struct admin_client *c, const struct admin_client_options *o,
    struct err *e)
{
    bool agreed;

    if (o->fingerprint != NULL) {
        if (strcmp(o->fingerprint, c->fingerprint) == 0)
            return 0;
        err_set(e, ERR_KEY_CHANGED, "%s shows the host key %s, not %s",
            c->where, c->fingerprint, o->fingerprint);
        err_hint(e, "Find out why before you accept it: another machine may "
                    "be answering in its place.");
        return -1;
    }
    agreed =
        o->accept != NULL ? o->accept(o->ctx, c->fingerprint) : o->stop_at_key;
    if (agreed)
        return 0;
    err_set(e, ERR_KEY_CHANGED, "the host key %s of %s was not accepted",
        c->fingerprint, c->where);
    err_hint(e, "Compare it with what that node shows, then give it with "
                "--fingerprint.");
    return -1;
}

static int
read_key_file(const char *path, ssh_key *key, struct err *e)
{
    struct buf text = BUF_INIT;
    int r = -1;

    *key = NULL;
    if (file_read(path, KEY_FILE_MAX, &text, e) != 0)
        goto out;
    buf_put_u8(&text, '\0');
    if (ssh_pki_import_privkey_base64((const char *)text.data, NULL, NULL, NULL,
            key) != SSH_OK ||
        ssh_key_type(*key) != SSH_KEYTYPE_ED25519) {
        ssh_key_free(*key);
        *key = NULL;
        err_set(e, ERR_INVALID,
            "\"%s\" is not an Ed25519 private key without a passphrase", path);
        goto out;
    }
    r = 0;
out:
    if (text.cap > 0)
        explicit_bzero(text.data, text.cap);
    buf_release(&text);
    return r;
}

static int
judge_login(struct admin_client *c, const struct admin_client_options *o,
    int result, struct err *e)
{
    if (result == SSH_AUTH_SUCCESS)
        return 0;
    if (result == SSH_AUTH_DENIED || result == SSH_AUTH_PARTIAL) {
        err_set(e, ERR_LOGIN, "%s refused the login of \"%s\"", c->where,
            o->user);
        err_hint(e,
            o->password != NULL
                ? "Check the user name and the password."
                : "Check that this key is among that user's on the node.");
        return -1;
    }
    if (!ssh_is_connected(c->session)) {
        err_set(e, ERR_LOGIN, "%s ended the connection during the login",
            c->where);
        err_hint(e, "Wait a minute: too many failed logins close the door "
                    "for a while.");
        return -1;
    }
    return fail_ssh(c, ERR_LOGIN, "login failed", e);
}

static int
log_in(struct admin_client *c, const struct admin_client_options *o,
    int64_t deadline_ms, struct err *e)
{
    ssh_key key = NULL;
    int result;
    int r = -1;

    if (o->password == NULL && o->key_path == NULL)
        return err_set(e, ERR_USAGE, "neither password nor key to log in");
    if (o->password == NULL && read_key_file(o->key_path, &key, e) != 0)
        return -1;
    for (;;) {
        result = o->password != NULL
                     ? ssh_userauth_password(c->session, NULL, o->password)
                     : ssh_userauth_publickey(c->session, NULL, key);
        if (result != SSH_AUTH_AGAIN)
            break;
        if (wire_wait(c, deadline_ms, e) != 0) {
            err_wrap(e, "login");
            goto out;
        }
    }
    r = judge_login(c, o, result, e);
out:
    ssh_key_free(key);
    return r;
}

static int
request_session(ssh_channel channel)
{
    return ssh_channel_open_session(channel);
}

static int
request_sftp(ssh_channel channel)
{
    return ssh_channel_request_subsystem(channel, "sftp");
}

static int
until_done(struct admin_client *c, int (*step)(ssh_channel channel),
    int64_t deadline_ms, struct err *e)
{
    int r;

    while ((r = step(c->channel)) == SSH_AGAIN)
        if (wire_wait(c, deadline_ms, e) != 0)
            return err_wrap(e, "opening sftp");
    if (r == SSH_OK)
        return 0;
    fail_ssh(c, ERR_PROTOCOL, "it offers no sftp", e);
    err_hint(e, "Check that lockstepd is what listens on this port.");
    return -1;
}

static int
start_sftp(struct admin_client *c, int64_t deadline_ms, struct err *e)
{
    struct wire_reply reply = { .done = false };

    c->channel = ssh_channel_new(c->session);
    if (c->channel == NULL)
        return fail_ssh(c, ERR_INTERNAL, "no channel", e);
    if (until_done(c, request_session, deadline_ms, e) != 0 ||
        until_done(c, request_sftp, deadline_ms, e) != 0)
        return -1;
    c->sftp = fxp_client_new();
    c->input = alloc_bytes(WIRE_INPUT_SIZE);
    /* The version's answer comes before the one to the root's STAT. */
    fxp_client_stat(c->sftp, "/", wire_note_reply, &reply);
    return wire_await(c, &reply, c->timeout_ms, e);
}

int
admin_client_connect(struct admin_client **client,
    const struct admin_client_options *options, struct err *e)
{
    struct admin_client *c = alloc_zeroed(1, sizeof(*c));
    int64_t deadline_ms;
    int r = -1;

    *client = NULL;
    c->fd = -1;
    c->lent_fd = -1;
    c->timeout_ms =
        options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    admin_address_format(options->host, options->port, c->where,
        sizeof(c->where));
    if (open_socket(c, options, e) != 0)
        goto out;
    deadline_ms = clock_mono_ms() + c->timeout_ms;
    if (shake_hands(c, deadline_ms, e) != 0 || read_host_key(c, e) != 0 ||
        check_host_key(c, options, e) != 0)
        goto out;
    if (options->stop_at_key) {
        ssh_disconnect(c->session);
        c->broken = true;
    } else {
        /* A person may have taken a while to accept the key. */
        deadline_ms = clock_mono_ms() + c->timeout_ms;
        if (log_in(c, options, deadline_ms, e) != 0 ||
            start_sftp(c, deadline_ms, e) != 0)
            goto out;
    }
    *client = c;
    c = NULL;
    r = 0;
out:
    admin_client_close(c);
    return r;
}

void
admin_client_close(struct admin_client *client)
{
    if (client == NULL)
        return;
    fxp_client_free(client->sftp);
    admin_ssh_release(client->session, client->lent_fd, client->fd);
    if (client->fd >= 0)
        close(client->fd);
    free(client->input);
    free(client);
}

bool
admin_client_is_broken(const struct admin_client *client)
{
    return client->broken;
}

const char *
admin_client_fingerprint(const struct admin_client *client)
{
    return client->fingerprint;
}

const char *
admin_client_peer_address(const struct admin_client *client)
{
    return client->peer_address;
}

const char *
admin_client_local_address(const struct admin_client *client)
{
    return client->local_address;
}

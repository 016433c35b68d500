/*
 * The smallest engine that real session processes can talk to: it listens on
 * 127.0.0.1, knows one user, and serves three files.
 *
 *     /sink    takes any write, remembers how much and a checksum
 *     /source  SOURCE_SIZE bytes, each the low byte of its offset
 *     /refuse  a write is answered GAP, with a hint
 *     /silent  a write is never answered
 *
 * For the tests and measurements of the processes; they include this file
 * once each.
 */
#ifndef TESTS_UNIT_TINY_ENGINE_H
#define TESTS_UNIT_TINY_ENGINE_H

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "admin-proto/role.h"
#include "admin-proto/sftp_codec.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "daemon/child.h"
#include "daemon/ipc_messages.h"
#include "daemon/keys_openssh.h"
#include "daemon/proof.h"

#define TINY_USER "admin"
#define TINY_PASSWORD "correct horse"
#define SOURCE_SIZE (64u * 1024 * 1024)

enum tiny_file { TINY_SINK = 1, TINY_SOURCE, TINY_REFUSE, TINY_SILENT };

static const char *const tiny_names[] = { NULL, "sink", "source", "refuse",
    "silent" };

struct tiny_key {
    struct ed25519_key *key;
    char *private_text;
    uint8_t *blob;
    size_t blob_len;
};

struct tiny_engine {
    uv_loop_t *loop;
    int listen_fd;
    uv_poll_t listen_poll;
    uint16_t port;
    struct tiny_key host;
    struct tiny_key user;
    uint32_t grace_ms;
    uint32_t keepalive_ms;

    unsigned sessions; /* running */
    unsigned started;
    unsigned crashes;
    unsigned password_logins; /* asked, whatever the answer */
    unsigned key_logins;      /* with a signature, whatever the answer */
    unsigned signatures;      /* by the host key: key exchanges */
    struct child *last;
    uint64_t written;
    uint64_t write_sum;
    uint32_t opened_flags;
};

struct tiny_session {
    struct tiny_engine *engine;
    uint8_t session_id[EXCHANGE_HASH_SIZE];
    bool has_session_id;
    struct child *child;
};

static void
tiny_key_make(struct tiny_key *k)
{
    uint8_t seed[ED25519_SEED_SIZE];
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    struct buf blob = BUF_INIT;
    struct err e = ERR_INIT;

    random_bytes(seed, sizeof(seed));
    if (ed25519_public(seed, public_key, &e) != 0 ||
        (k->key = ed25519_key_new(seed, &e)) == NULL)
        abort();
    k->private_text = openssh_private_text(seed, public_key, "tiny");
    openssh_public_blob(public_key, &blob);
    k->blob = buf_steal(&blob, &k->blob_len);
}

static void
tiny_key_free(struct tiny_key *k)
{
    ed25519_key_free(k->key);
    free(k->private_text);
    free(k->blob);
}

static void
tiny_answer(struct tiny_session *s, uint8_t type, uint32_t tag,
    struct buf *body)
{
    child_send(s->child, type, tag, body, -1);
    buf_release(body);
}

static void
tiny_status(struct tiny_session *s, uint32_t tag, uint32_t status,
    const char *text)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, status);
    buf_put_string(&body, text);
    tiny_answer(s, IPC_STATUS, tag, &body);
}

static void
tiny_login(struct tiny_session *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    char *user = reader_string(&r, 255);
    struct buf body = BUF_INIT;
    bool ok = false;

    if (m->type == IPC_LOGIN_PASSWORD) {
        char *password = reader_string(&r, 4096);

        s->engine->password_logins++;
        ok = strcmp(password, TINY_PASSWORD) == 0;
        free(password);
    } else {
        size_t len, signature_len;
        const uint8_t *blob = reader_bytes(&r, 4096, &len);
        const uint8_t *signature = reader_bytes(&r, 64, &signature_len);

        ok = len == s->engine->user.blob_len &&
             memcmp(blob, s->engine->user.blob, len) == 0;
        if (signature_len > 0) {
            ok = ok && proof_login_is_valid(s->session_id, user, blob, len,
                           signature);
            s->engine->key_logins++;
        }
    }
    ok = ok && strcmp(user, TINY_USER) == 0;
    free(user);
    buf_put_u8(&body, ok);
    buf_put_u8(&body, ok ? ROLE_ADMIN : ROLE_NONE);
    tiny_answer(s, IPC_LOGIN_RESULT, m->tag, &body);
}

static void
tiny_sign(struct tiny_session *s, const struct ipc_message *m)
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;

    assert(m->body_len == EXCHANGE_HASH_SIZE);
    if (!s->has_session_id)
        memcpy(s->session_id, m->body, m->body_len);
    s->has_session_id = true;
    s->engine->signatures++;
    if (ed25519_key_sign(s->engine->host.key, m->body, m->body_len, signature,
            &e) != 0)
        abort();
    buf_put(&body, signature, sizeof(signature));
    tiny_answer(s, IPC_HOST_SIGNED, m->tag, &body);
}

static uint32_t
tiny_find(const char *path)
{
    for (uint32_t i = TINY_SINK; i <= TINY_SILENT; i++)
        if (strcmp(path + 1, tiny_names[i]) == 0)
            return i;
    return 0;
}

static void
tiny_put_attrs(struct buf *body, uint32_t file)
{
    buf_put_u64(body, file == TINY_SOURCE ? SOURCE_SIZE : 0);
    buf_put_u32(body, file == 0 ? S_IFDIR | 0755 : S_IFREG | 0644);
    buf_put_u32(body, 1700000000);
}

static void
tiny_read(struct tiny_session *s, uint32_t tag, struct reader *r)
{
    static uint8_t pattern[SFTP_DATA_MAX + 256];
    uint32_t file = reader_u32(r);
    uint64_t offset = reader_u64(r);
    uint32_t length = reader_u32(r);
    struct buf body = BUF_INIT;

    if (pattern[1] == 0)
        for (size_t i = 0; i < sizeof(pattern); i++)
            pattern[i] = (uint8_t)i;
    if (file != TINY_SOURCE || offset >= SOURCE_SIZE) {
        tiny_status(s, tag, SFTP_EOF, "end of file");
        return;
    }
    if (length > SFTP_DATA_MAX)
        length = SFTP_DATA_MAX;
    if (length > SOURCE_SIZE - offset)
        length = (uint32_t)(SOURCE_SIZE - offset);
    buf_put(&body, pattern + offset % 256, length);
    tiny_answer(s, IPC_DATA, tag, &body);
}

static void
tiny_write(struct tiny_session *s, uint32_t tag, struct reader *r)
{
    uint32_t file = reader_u32(r);
    const uint8_t *data;
    size_t len;

    (void)reader_u64(r);
    len = reader_left(r);
    data = reader_take(r, len);
    if (file == TINY_REFUSE)
        tiny_status(s, tag, SFTP_FAILURE,
            "GAP: revision 7 is not mine\nSend from revision 5.");
    if (file != TINY_SINK)
        return;
    s->engine->written += len;
    for (size_t i = 0; i < len; i += 1024)
        s->engine->write_sum += data[i];
    tiny_status(s, tag, SFTP_OK, "");
}

static void
tiny_list(struct tiny_session *s, uint32_t tag)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, TINY_SILENT);
    for (uint32_t i = TINY_SINK; i <= TINY_SILENT; i++) {
        buf_put_string(&body, tiny_names[i]);
        tiny_put_attrs(&body, i);
    }
    tiny_answer(s, IPC_LIST, tag, &body);
}

static void
tiny_path_request(struct tiny_session *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    char *path = reader_string(&r, SFTP_PATH_MAX);
    uint32_t file = tiny_find(path);
    bool root = strcmp(path, "/") == 0;
    struct buf body = BUF_INIT;

    free(path);
    if (m->type == IPC_OPEN)
        s->engine->opened_flags = reader_u32(&r);
    if (file == 0 && !root) {
        tiny_status(s, m->tag, SFTP_NO_SUCH_FILE, "no such file");
        return;
    }
    switch (m->type) {
    case IPC_OPEN:
        buf_put_u32(&body, file);
        tiny_answer(s, IPC_HANDLE, m->tag, &body);
        break;
    case IPC_STAT:
        tiny_put_attrs(&body, file);
        tiny_answer(s, IPC_ATTRS, m->tag, &body);
        break;
    case IPC_READ_FOLDER:
        tiny_list(s, m->tag);
        break;
    default:
        tiny_status(s, m->tag, SFTP_OK, "");
        break;
    }
}

static void
tiny_handle_request(struct tiny_session *s, const struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    struct buf body = BUF_INIT;

    switch (m->type) {
    case IPC_READ:
        tiny_read(s, m->tag, &r);
        break;
    case IPC_WRITE:
        tiny_write(s, m->tag, &r);
        break;
    case IPC_FSTAT:
        tiny_put_attrs(&body, reader_u32(&r));
        tiny_answer(s, IPC_ATTRS, m->tag, &body);
        break;
    default:
        tiny_status(s, m->tag, SFTP_OK, "");
        break;
    }
}

static bool
tiny_message(void *ctx, struct ipc_message *m)
{
    switch (m->type) {
    case IPC_LOGIN_PASSWORD:
    case IPC_LOGIN_KEY:
        tiny_login(ctx, m);
        break;
    case IPC_HOST_SIGN:
        tiny_sign(ctx, m);
        break;
    case IPC_OPEN:
    case IPC_STAT:
    case IPC_READ_FOLDER:
    case IPC_SETSTAT:
        tiny_path_request(ctx, m);
        break;
    default:
        tiny_handle_request(ctx, m);
        break;
    }
    return true;
}

static void
tiny_ended(void *ctx, bool crashed, const char *how)
{
    struct tiny_session *s = ctx;

    (void)how;
    s->engine->sessions--;
    s->engine->crashes += crashed;
    if (s->engine->last == s->child)
        s->engine->last = NULL;
    free(s);
}

static void
tiny_accept(uv_poll_t *poll, int status, int events)
{
    static const struct child_callbacks callbacks = { tiny_message,
        tiny_ended };
    struct tiny_engine *t = poll->data;
    struct tiny_session *s;
    struct buf start = BUF_INIT;
    struct err e = ERR_INIT;
    int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    (void)status;
    (void)events;
    if (fd < 0)
        return;
    s = alloc_zeroed(1, sizeof(*s));
    s->engine = t;
    if (child_start(&s->child, t->loop, CHILD_SESSION, fd, &callbacks, s, &e) !=
        0) {
        fprintf(stderr, "%s\n", e.message);
        abort();
    }
    t->sessions++;
    t->started++;
    t->last = s->child;
    buf_put_bytes(&start, t->host.blob, t->host.blob_len);
    buf_put_string(&start, "127.0.0.1");
    buf_put_u32(&start, t->grace_ms);
    buf_put_u32(&start, t->keepalive_ms);
    buf_put_string(&start, "Lockstep_test");
    child_send(s->child, IPC_SESSION_START, 0, &start, -1);
    buf_release(&start);
}

static void
tiny_engine_start(struct tiny_engine *t, uv_loop_t *loop)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);

    memset(t, 0, sizeof(*t));
    t->loop = loop;
    t->grace_ms = 20000;
    t->keepalive_ms = 15000;
    tiny_key_make(&t->host);
    tiny_key_make(&t->user);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    t->listen_fd =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(t->listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        listen(t->listen_fd, 1024) != 0 ||
        getsockname(t->listen_fd, (struct sockaddr *)&a, &len) != 0)
        abort();
    t->port = ntohs(a.sin_port);
    uv_poll_init(loop, &t->listen_poll, t->listen_fd);
    t->listen_poll.data = t;
    uv_poll_start(&t->listen_poll, UV_READABLE, tiny_accept);
}

/* All sessions must have ended. */
static void
tiny_engine_stop(struct tiny_engine *t)
{
    uv_close((uv_handle_t *)&t->listen_poll, NULL);
    uv_run(t->loop, UV_RUN_NOWAIT);
    close(t->listen_fd);
    tiny_key_free(&t->host);
    tiny_key_free(&t->user);
}

#endif

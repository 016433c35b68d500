/*
 * SFTP requests as messages to the engine, and its answers back to the SFTP
 * server.  The tag of a message is the SFTP server's own tag.
 */
#include "daemon/session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/ipc_messages.h"

#define TEXT_MAX 2048        /* a STATUS text */
#define LIST_MAX 4096        /* entries of a folder */
#define ANSWER_WAIT_MS 20000 /* of the engine, to a client that is logged in */

static void
send_request(struct session *s, uint8_t type, uint32_t tag, struct buf *body)
{
    ipc_send(s->engine, type, tag, body->data, body->len, -1);
    buf_release(body);
}

static void
ask_path(struct session *s, uint8_t type, uint32_t tag, const char *path)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, path);
    send_request(s, type, tag, &body);
}

static void
ask_handle(struct session *s, uint8_t type, uint32_t tag, uint32_t handle)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, handle);
    send_request(s, type, tag, &body);
}

static void
backend_open(void *ctx, uint32_t tag, const char *path, uint32_t flags)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, path);
    buf_put_u32(&body, flags);
    send_request(ctx, IPC_OPEN, tag, &body);
}

static void
backend_close(void *ctx, uint32_t tag, uint32_t handle)
{
    ask_handle(ctx, IPC_CLOSE, tag, handle);
}

static void
backend_read(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    uint32_t length)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, handle);
    buf_put_u64(&body, offset);
    buf_put_u32(&body, length);
    send_request(ctx, IPC_READ, tag, &body);
}

static void
backend_write(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    const void *data, size_t len)
{
    struct buf body = BUF_INIT;

    buf_reserve(&body, 12 + len);
    buf_put_u32(&body, handle);
    buf_put_u64(&body, offset);
    buf_put(&body, data, len);
    send_request(ctx, IPC_WRITE, tag, &body);
}

static void
backend_stat(void *ctx, uint32_t tag, const char *path)
{
    ask_path(ctx, IPC_STAT, tag, path);
}

static void
backend_fstat(void *ctx, uint32_t tag, uint32_t handle)
{
    ask_handle(ctx, IPC_FSTAT, tag, handle);
}

static void
backend_list(void *ctx, uint32_t tag, const char *path)
{
    ask_path(ctx, IPC_READ_FOLDER, tag, path);
}

static void
backend_setstat(void *ctx, uint32_t tag, const char *path)
{
    ask_path(ctx, IPC_SETSTAT, tag, path);
}

static void
backend_sync(void *ctx, uint32_t tag, uint32_t handle)
{
    ask_handle(ctx, IPC_SYNC, tag, handle);
}

const struct fxp_backend session_backend = {
    .open = backend_open,
    .close = backend_close,
    .read = backend_read,
    .write = backend_write,
    .stat = backend_stat,
    .fstat = backend_fstat,
    .list = backend_list,
    .setstat = backend_setstat,
    .sync = backend_sync,
};

static bool
take_status(struct session *s, uint32_t tag, struct reader *r)
{
    uint32_t status = reader_u32(r);
    char *text = reader_string(r, TEXT_MAX);
    bool ok = reader_done(r);

    if (ok)
        fxp_server_reply_status(s->sftp, tag, (enum fxp_status)status, text);
    free(text);
    return ok;
}

static bool
take_handle(struct session *s, uint32_t tag, struct reader *r)
{
    uint32_t handle = reader_u32(r);

    if (reader_done(r))
        fxp_server_reply_handle(s->sftp, tag, handle);
    return reader_done(r);
}

static bool
take_data(struct session *s, uint32_t tag, struct reader *r)
{
    size_t len = reader_left(r);

    if (len > SFTP_DATA_MAX)
        return false;
    fxp_server_reply_data(s->sftp, tag, reader_take(r, len), len);
    return true;
}

static struct fxp_attrs
read_attrs(struct reader *r)
{
    struct fxp_attrs a;

    a.size = reader_u64(r);
    a.mode = reader_u32(r);
    a.mtime_s = reader_u32(r);
    return a;
}

static bool
take_attrs(struct session *s, uint32_t tag, struct reader *r)
{
    struct fxp_attrs a = read_attrs(r);

    if (reader_done(r))
        fxp_server_reply_attrs(s->sftp, tag, &a);
    return reader_done(r);
}

static bool
take_list(struct session *s, uint32_t tag, struct reader *r)
{
    uint32_t count = reader_u32(r);
    struct fxp_entry *entries;
    char **names;
    bool ok;

    if (count > LIST_MAX)
        return false;
    entries = alloc_zeroed(count + 1, sizeof(*entries));
    names = alloc_zeroed(count + 1, sizeof(*names));
    for (uint32_t i = 0; i < count; i++) {
        names[i] = reader_string(r, SFTP_PATH_MAX);
        entries[i].name = names[i];
        entries[i].attrs = read_attrs(r);
    }
    ok = reader_done(r);
    if (ok)
        fxp_server_reply_list(s->sftp, tag, entries, count);
    for (uint32_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    free(entries);
    return ok;
}

static bool
take_login_result(struct session *s, uint32_t tag, struct reader *r)
{
    bool granted = reader_u8(r) != 0;
    uint8_t role = reader_u8(r);

    (void)tag;
    if (!reader_done(r) || role > ROLE_ADMIN)
        return false;
    s->answered = true;
    s->login_role = granted ? (enum role)role : ROLE_NONE;
    return true;
}

static bool
take_signature(struct session *s, uint32_t tag, struct reader *r)
{
    (void)tag;
    s->answered = true;
    s->has_signature = reader_left(r) == sizeof(s->signature);
    if (s->has_signature)
        reader_copy(r, s->signature, sizeof(s->signature));
    return reader_done(r);
}

static bool
take_end(struct session *s, uint32_t tag, struct reader *r)
{
    (void)tag;
    s->told_to_end = true;
    if (s->sftp == NULL)
        s->ending = true;
    return reader_done(r);
}

static const struct {
    uint8_t type;
    bool before_sftp; /* may come before the subsystem is there */
    bool (*take)(struct session *s, uint32_t tag, struct reader *r);
} answers[] = {
    { IPC_LOGIN_RESULT, true, take_login_result },
    { IPC_HOST_SIGNED, true, take_signature },
    { IPC_SESSION_END, true, take_end },
    { IPC_STATUS, false, take_status },
    { IPC_HANDLE, false, take_handle },
    { IPC_DATA, false, take_data },
    { IPC_ATTRS, false, take_attrs },
    { IPC_LIST, false, take_list },
};

bool
session_take_message(void *ctx, struct ipc_message *m)
{
    struct session *s = ctx;
    struct reader r = reader_over(m->body, m->body_len);

    if (m->fd >= 0)
        close(m->fd);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].type != m->type)
            continue;
        if (!answers[i].before_sftp && s->sftp == NULL)
            break;
        if (answers[i].take(s, m->tag, &r))
            return true;
        break;
    }
    s->ending = true; /* the engine never says such a thing */
    s->status = 1;
    return false;
}

bool
session_ask(struct session *s, uint8_t type, const struct buf *question)
{
    int64_t until = s->role == ROLE_NONE ? s->login_deadline_ms
                                         : clock_mono_ms() + ANSWER_WAIT_MS;
    struct err ignored = ERR_INIT;

    s->answered = false;
    s->login_role = ROLE_NONE;
    s->has_signature = false;
    ipc_send(s->engine, type, 0, question->data, question->len, -1);
    while (!s->answered && !s->ending) {
        struct pollfd p = { .fd = ipc_channel_fd(s->engine), .events = POLLIN };
        int64_t left = until - clock_mono_ms();

        if (ipc_wants_write(s->engine))
            p.events |= POLLOUT;
        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            s->ending = true;
            break;
        }
        if ((p.revents & POLLOUT) != 0)
            (void)ipc_flush(s->engine, &ignored);
        if ((p.revents & ~POLLOUT) != 0 &&
            ipc_receive(s->engine, session_take_message, s, &ignored) != 0)
            s->ending = true;
    }
    return s->answered;
}

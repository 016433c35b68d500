/*
 * Answers to the requests of sessions.
 */
#include <stdio.h>

#include "daemon/ipc_messages.h"
#include "daemon/vfs_internal.h"

static void
send(struct vfs_session *s, uint8_t type, uint32_t tag, struct buf *body)
{
    if (!s->closed)
        s->reply(s->ctx, type, tag, body);
    buf_release(body);
}

void
vfs_reply_status(struct vfs_session *s, uint32_t tag, enum fxp_status status,
    const char *text)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, status);
    buf_put_string(&body, text);
    send(s, IPC_STATUS, tag, &body);
}

void
vfs_reply_ok(struct vfs_session *s, uint32_t tag)
{
    vfs_reply_status(s, tag, SFTP_OK, "");
}

void
vfs_reply_error(struct vfs_session *s, uint32_t tag, const struct err *e)
{
    char text[1024];

    err_format(e, text, sizeof(text));
    vfs_reply_status(s, tag,
        e->code == ERR_PERMISSION  ? SFTP_PERMISSION_DENIED
        : e->code == ERR_NOT_FOUND ? SFTP_NO_SUCH_FILE
                                   : SFTP_FAILURE,
        text);
}

void
vfs_reply_data(struct vfs_session *s, uint32_t tag, const void *data,
    size_t len)
{
    struct buf body = BUF_INIT;

    buf_put(&body, data, len);
    send(s, IPC_DATA, tag, &body);
}

void
vfs_reply_slice(struct vfs_session *s, uint32_t tag, const struct buf *text,
    uint64_t offset, uint32_t length)
{
    size_t len;

    if (offset >= text->len) {
        vfs_reply_status(s, tag, SFTP_EOF, "");
        return;
    }
    len = text->len - (size_t)offset;
    if (len > length)
        len = length;
    vfs_reply_data(s, tag, text->data + offset, len);
}

void
vfs_reply_attrs(struct vfs_session *s, uint32_t tag,
    const struct fxp_attrs *attrs)
{
    struct buf body = BUF_INIT;

    buf_put_u64(&body, attrs->size);
    buf_put_u32(&body, attrs->mode);
    buf_put_u32(&body, attrs->mtime_s);
    send(s, IPC_ATTRS, tag, &body);
}

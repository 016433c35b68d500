/*
 * A session on the file tree of a whole engine, asked as a session process
 * would ask.
 */
#ifndef TESTS_UNIT_VFS_FIXTURE_H
#define TESTS_UNIT_VFS_FIXTURE_H

#include "admin-proto/sftp_codec.h"
#include "base/buf.h"
#include "daemon/ipc_messages.h"
#include "daemon/vfs.h"
#include "tests/unit/engine_fixture.h"

/* The last answer of a session. */
struct peer {
    struct engine *engine;
    struct vfs_session *session;
    uint32_t tag;
    bool came;
    uint8_t type;
    struct buf body;
};

static inline void
take_answer(void *ctx, uint8_t type, uint32_t tag, const struct buf *body)
{
    struct peer *p = ctx;

    if (tag != p->tag)
        return; /* one that nobody waits for any more */
    assert_false(p->came);
    p->came = true;
    p->type = type;
    buf_clear(&p->body);
    buf_put(&p->body, body->data, body->len);
}

static inline void
login(struct peer *p, struct engine *engine, enum role role)
{
    memset(p, 0, sizeof(*p));
    p->engine = engine;
    p->session = vfs_session_open(engine->vfs, role, "me from 192.0.2.9",
        "192.0.2.9", take_answer, p);
}

static inline void
logout(struct peer *p)
{
    vfs_session_close(p->session);
    buf_release(&p->body);
}

static inline void
post(struct peer *p, uint8_t type, const struct buf *body)
{
    struct ipc_message m = { .type = type,
        .tag = ++p->tag,
        .body = body->data,
        .body_len = body->len,
        .fd = -1 };

    p->came = false;
    assert_true(vfs_session_request(p->session, &m));
}

static inline uint8_t
ask(struct peer *p, uint8_t type, struct buf *body)
{
    post(p, type, body);
    fixture_wait(p->engine, &p->came);
    buf_release(body);
    return p->type;
}

static inline uint8_t
ask_path(struct peer *p, uint8_t type, const char *path, int flags)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, path);
    if (type == IPC_OPEN)
        buf_put_u32(&body, (uint32_t)flags);
    return ask(p, type, &body);
}

static inline uint32_t
open_file(struct peer *p, const char *path, int flags)
{
    struct reader r;

    assert_int_equal(ask_path(p, IPC_OPEN, path, flags), IPC_HANDLE);
    r = reader_over(p->body.data, p->body.len);
    return reader_u32(&r);
}

/* The status of an answer that must be one; its text in *TEXT. */
static inline uint32_t
status_of(struct peer *p, char text[1024])
{
    struct reader r = reader_over(p->body.data, p->body.len);
    uint32_t status;
    char *s;

    assert_int_equal(p->type, IPC_STATUS);
    status = reader_u32(&r);
    s = reader_string(&r, 1023);
    assert_true(reader_done(&r));
    if (text != NULL)
        snprintf(text, 1024, "%s", s);
    free(s);
    return status;
}

static inline uint8_t
ask_handle(struct peer *p, uint8_t type, uint32_t handle)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, handle);
    return ask(p, type, &body);
}

static inline uint8_t
read_at(struct peer *p, uint32_t handle, uint64_t offset)
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, handle);
    buf_put_u64(&body, offset);
    buf_put_u32(&body, 200000);
    return ask(p, IPC_READ, &body);
}

static inline uint32_t
write_at(struct peer *p, uint32_t handle, uint64_t offset, const void *data,
    size_t len, char text[1024])
{
    struct buf body = BUF_INIT;

    buf_put_u32(&body, handle);
    buf_put_u64(&body, offset);
    buf_put(&body, data, len);
    ask(p, IPC_WRITE, &body);
    return status_of(p, text);
}

static inline uint64_t
size_of(struct peer *p)
{
    struct reader r = reader_over(p->body.data, p->body.len);

    assert_int_equal(p->type, IPC_ATTRS);
    return reader_u64(&r);
}

static inline void
start(struct engine *engine, char **folder)
{
    *folder = fixture_folder();
    fixture_start(engine, *folder);
}

static inline void
stop(struct engine *engine, char *folder)
{
    fixture_stop(engine);
    fixture_remove(folder);
}

#endif

/*
 * Both halves of SFTP against any bytes.  The first byte chooses the half and
 * how the rest is cut into pieces.  The server has a small backend in memory
 * that keeps every third answer back; what it puts out must be whole packets,
 * and it must owe few answers however much comes.  The client has requests of
 * every kind under way and must deliver each reply at most once.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "admin-proto/sftp_client.h"
#include "admin-proto/sftp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_SIZE 3000
#define HELD_MAX 64
#define REPLIES 16

/* The server's half ------------------------------------------------------ */

struct memory {
    struct fxp_server *server;
    uint8_t file[FILE_SIZE];
    bool open[SFTP_MAX_HANDLES];
    unsigned requests;
    uint32_t held[HELD_MAX];
    size_t held_count;
};

static void
answer_status(struct memory *m, uint32_t tag)
{
    fxp_server_reply_status(m->server, tag, SFTP_FAILURE, "IO: as asked");
}

/* True when the answer is kept back. */
static bool
hold(struct memory *m, uint32_t tag)
{
    if (++m->requests % 3 != 0)
        return false;
    assert(m->held_count < HELD_MAX);
    m->held[m->held_count++] = tag;
    return true;
}

static void
check_handle(const struct memory *m, uint32_t handle)
{
    assert(handle < SFTP_MAX_HANDLES && m->open[handle]);
}

static void
check_path(const char *path)
{
    assert(path[0] == '/' && strlen(path) < SFTP_PATH_MAX);
    assert(strstr(path, "//") == NULL && strstr(path, "/../") == NULL);
}

static void
memory_open(void *ctx, uint32_t tag, const char *path, uint32_t flags)
{
    struct memory *m = ctx;
    uint32_t handle = 0;

    (void)flags;
    check_path(path);
    if (hold(m, tag))
        return;
    while (m->open[handle])
        handle++;
    assert(handle < SFTP_MAX_HANDLES);
    m->open[handle] = true;
    fxp_server_reply_handle(m->server, tag, handle);
}

static void
memory_close(void *ctx, uint32_t tag, uint32_t handle)
{
    struct memory *m = ctx;

    check_handle(m, handle);
    m->open[handle] = false;
    if (!hold(m, tag))
        fxp_server_reply_status(m->server, tag, SFTP_OK, "");
}

static void
memory_read(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    uint32_t length)
{
    struct memory *m = ctx;
    size_t n = 0;

    check_handle(m, handle);
    assert(length <= SFTP_DATA_MAX);
    if (hold(m, tag))
        return;
    if (offset < FILE_SIZE)
        n = FILE_SIZE - (size_t)offset;
    if (n > length)
        n = length;
    fxp_server_reply_data(m->server, tag, m->file + offset % FILE_SIZE, n);
}

static void
memory_write(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    const void *data, size_t len)
{
    struct memory *m = ctx;

    check_handle(m, handle);
    assert(len <= SFTP_DATA_MAX);
    if (offset < FILE_SIZE && len <= FILE_SIZE - offset && len > 0)
        memcpy(m->file + offset, data, len);
    if (!hold(m, tag))
        answer_status(m, tag);
}

static void
memory_stat(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_attrs attrs = { FILE_SIZE, S_IFREG | 0444, 1 };
    struct memory *m = ctx;

    check_path(path);
    if (!hold(m, tag))
        fxp_server_reply_attrs(m->server, tag, &attrs);
}

static void
memory_fstat(void *ctx, uint32_t tag, uint32_t handle)
{
    check_handle(ctx, handle);
    memory_stat(ctx, tag, "/");
}

static void
memory_list(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_entry entries[] = { { "a", { 1, S_IFREG, 2 } },
        { ".", { 1, S_IFDIR, 2 } } };
    struct memory *m = ctx;

    check_path(path);
    if (!hold(m, tag))
        fxp_server_reply_list(m->server, tag, entries, 2);
}

static void
memory_setstat(void *ctx, uint32_t tag, const char *path)
{
    struct memory *m = ctx;

    check_path(path);
    if (!hold(m, tag))
        fxp_server_reply_status(m->server, tag, SFTP_OK, "");
}

static void
memory_sync(void *ctx, uint32_t tag, uint32_t handle)
{
    check_handle(ctx, handle);
    memory_setstat(ctx, tag, "/");
}

static const struct fxp_backend backend = {
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .write = memory_write,
    .stat = memory_stat,
    .fstat = memory_fstat,
    .list = memory_list,
    .setstat = memory_setstat,
    .sync = memory_sync,
};

/* What the server puts out must be whole packets that decode. */
static void
drain(struct memory *m)
{
    struct buf *out;
    struct fxp_packet p;
    struct err e = ERR_INIT;
    size_t size;
    int r;

    while ((out = fxp_server_output(m->server))->len > 0) {
        r = fxp_packet_size(out->data, out->len, &size, &e);
        assert(r == 0 && size > 0);
        r = fxp_packet_decode(&p, out->data, size, &e);
        assert(r == 0);
        buf_consume(out, size);
    }
}

static void
release_held(struct memory *m)
{
    while (m->held_count > 0)
        answer_status(m, m->held[--m->held_count]);
}

static void
fuzz_server(const uint8_t *data, size_t size, size_t piece)
{
    struct memory m = { .requests = 0 };
    struct err e = ERR_INIT;
    size_t n;

    m.server = fxp_server_start(&backend, &m);
    for (; size > 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        if (fxp_server_feed(m.server, data, n, &e) != 0)
            break;
        assert(fxp_server_pending(m.server) <= HELD_MAX);
        drain(&m);
        if (fxp_server_pending(m.server) > HELD_MAX / 2)
            release_held(&m);
    }
    drain(&m);
    release_held(&m);
    fxp_server_end(m.server);
}

/* The client's half ------------------------------------------------------ */

static void
note_reply(void *ctx, const struct fxp_packet *p)
{
    bool *came = ctx;
    struct err e = ERR_INIT;

    assert(!*came);
    *came = true;
    if (fxp_status_error(p, &e) != 0)
        assert(e.code != ERR_NONE && e.message[0] != '\0');
    if (p->type == SFTP_DATA)
        assert(p->data_len <= 100);
}

static void
fuzz_client(const uint8_t *data, size_t size, size_t piece)
{
    struct fxp_client *c = fxp_client_new();
    bool came[REPLIES] = { false };
    struct err e = ERR_INIT;
    size_t n;

    for (n = 0; n + 4 <= REPLIES; n += 4) {
        fxp_client_open(c, "/a", SFTP_OPEN_READ, note_reply, &came[n]);
        fxp_client_read(c, "h", 1, n, 100, note_reply, &came[n + 1]);
        fxp_client_stat(c, "/a", note_reply, &came[n + 2]);
        fxp_client_write(c, "h", 1, n, "x", 1, note_reply, &came[n + 3]);
    }
    for (; size > 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        if (fxp_client_feed(c, data, n, &e) != 0)
            break;
    }
    for (n = 0, size = fxp_client_pending(c); n < REPLIES; n++)
        size += came[n];
    assert(size == REPLIES);
    fxp_client_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece;

    if (size == 0)
        return 0;
    piece = (size_t)(data[0] >> 1) * 8 + 1;
    if (data[0] & 1)
        fuzz_client(data + 1, size - 1, piece);
    else
        fuzz_server(data + 1, size - 1, piece);
    return 0;
}

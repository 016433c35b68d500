/*
 * The server's half of SFTP against the client's half, in memory, with a small
 * backend: one file "/file", whose reads may be held back; and against bytes
 * that no honest client sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "admin-proto/sftp_client.h"
#include "admin-proto/sftp_server.h"

#define TAGS 128
static const char content[] = "what the file holds";

struct fixture {
    struct fxp_server *server;
    struct fxp_client *client;
    bool hold; /* reads are not answered, their tags kept */
    uint32_t held[TAGS];
    size_t held_count;
    unsigned opened, closed, synced;
    /* The last reply. */
    unsigned replies;
    uint8_t type;
    uint32_t status;
    char text[256];
    uint8_t handle[SFTP_HANDLE_MAX];
    size_t handle_len;
    char data[256];
    size_t data_len;
    struct fxp_attrs attrs;
};

static void
backend_open(void *ctx, uint32_t tag, const char *path, uint32_t flags)
{
    struct fixture *f = ctx;

    (void)flags;
    if (strcmp(path, "/file") == 0)
        fxp_server_reply_handle(f->server, tag, 1000 + f->opened++);
    else
        fxp_server_reply_status(f->server, tag, SFTP_NO_SUCH_FILE,
            "NOT_FOUND: no such file");
}

static void
backend_close(void *ctx, uint32_t tag, uint32_t handle)
{
    struct fixture *f = ctx;

    assert_in_range(handle, 1000, 2000);
    f->closed++;
    fxp_server_reply_status(f->server, tag, SFTP_OK, "");
}

static void
backend_read(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    uint32_t length)
{
    struct fixture *f = ctx;
    size_t n = 0;

    (void)handle;
    assert_true(length <= SFTP_DATA_MAX);
    if (f->hold) {
        assert_true(f->held_count < TAGS);
        f->held[f->held_count++] = tag;
        return;
    }
    if (offset < sizeof(content) - 1)
        n = sizeof(content) - 1 - (size_t)offset;
    if (n > length)
        n = length;
    fxp_server_reply_data(f->server, tag, content + offset, n);
}

static void
backend_write(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    const void *data, size_t len)
{
    struct fixture *f = ctx;

    (void)handle;
    (void)offset;
    (void)data;
    (void)len;
    fxp_server_reply_status(f->server, tag, SFTP_PERMISSION_DENIED,
        "PERMISSION: read only");
}

static void
backend_stat(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_attrs attrs = { sizeof(content) - 1, S_IFREG | 0444, 9 };
    struct fixture *f = ctx;

    if (strcmp(path, "/file") == 0)
        fxp_server_reply_attrs(f->server, tag, &attrs);
    else
        fxp_server_reply_status(f->server, tag, SFTP_NO_SUCH_FILE, "");
}

static void
backend_fstat(void *ctx, uint32_t tag, uint32_t handle)
{
    (void)handle;
    backend_stat(ctx, tag, "/file");
}

static void
backend_list(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_entry entries[] = {
        { "file", { 3, S_IFREG | 0444, 9 } },
    };
    struct fixture *f = ctx;

    assert_string_equal(path, "/");
    fxp_server_reply_list(f->server, tag, entries, 1);
}

static void
backend_setstat(void *ctx, uint32_t tag, const char *path)
{
    struct fixture *f = ctx;

    (void)path;
    fxp_server_reply_status(f->server, tag, SFTP_OK, "");
}

static void
backend_sync(void *ctx, uint32_t tag, uint32_t handle)
{
    struct fixture *f = ctx;

    (void)handle;
    f->synced++;
    fxp_server_reply_status(f->server, tag, SFTP_OK, "");
}

static const struct fxp_backend backend = {
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

static void
note_reply(void *ctx, const struct fxp_packet *p)
{
    struct fixture *f = ctx;

    f->replies++;
    f->type = p->type;
    f->status = p->status;
    snprintf(f->text, sizeof(f->text), "%.*s", (int)p->text_len,
        p->text != NULL ? p->text : "");
    if (p->type == SFTP_HANDLE) {
        memcpy(f->handle, p->handle, p->handle_len);
        f->handle_len = p->handle_len;
    }
    f->data_len = p->data_len;
    if (p->type == SFTP_DATA && p->data_len <= sizeof(f->data))
        memcpy(f->data, p->data, p->data_len);
    f->attrs = p->attrs;
}

/* Carries bytes both ways until nothing moves. */
static void
pump(struct fixture *f)
{
    struct err e = ERR_INIT;
    struct buf *b;
    bool moved = true;

    while (moved) {
        moved = false;
        b = fxp_client_output(f->client);
        if (b->len > 0) {
            assert_int_equal(fxp_server_feed(f->server, b->data, b->len, &e),
                0);
            buf_clear(b);
            moved = true;
        }
        b = fxp_server_output(f->server);
        if (b->len > 0) {
            assert_int_equal(fxp_client_feed(f->client, b->data, b->len, &e),
                0);
            buf_clear(b);
            moved = true;
        }
    }
}

static int
set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fixture.server = fxp_server_start(&backend, &fixture);
    fixture.client = fxp_client_new();
    pump(&fixture);
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    fxp_server_end(f->server);
    fxp_client_free(f->client);
    return 0;
}

static void
open_file(struct fixture *f)
{
    fxp_client_open(f->client, "/file", SFTP_OPEN_READ, note_reply, f);
    pump(f);
    assert_int_equal(f->type, SFTP_HANDLE);
}

/* Sends RAW bytes and reads the one packet that answers them into P. */
static void
exchange(struct fixture *f, struct buf *raw, struct fxp_packet *p)
{
    struct err e = ERR_INIT;
    struct buf *out;
    static uint8_t copy[4096];
    size_t len;

    assert_int_equal(fxp_server_feed(f->server, raw->data, raw->len, &e), 0);
    out = fxp_server_output(f->server);
    assert_in_range(out->len, 9, sizeof(copy));
    memcpy(copy, out->data, out->len);
    len = out->len;
    buf_clear(out);
    buf_clear(raw);
    assert_int_equal(fxp_packet_decode(p, copy, len, &e), 0);
}

static void
a_file_is_opened_read_and_closed(void **state)
{
    struct fixture *f = *state;

    assert_true(fxp_client_ready(f->client));
    open_file(f);
    fxp_client_read(f->client, f->handle, f->handle_len, 5, 8, note_reply, f);
    pump(f);
    assert_int_equal(f->data_len, 8);
    assert_memory_equal(f->data, "the file", 8);
    fxp_client_read(f->client, f->handle, f->handle_len, 100, 8, note_reply, f);
    pump(f);
    assert_int_equal(f->status, SFTP_EOF);
    fxp_client_fstat(f->client, f->handle, f->handle_len, note_reply, f);
    pump(f);
    assert_int_equal(f->attrs.size, sizeof(content) - 1);
    fxp_client_close(f->client, f->handle, f->handle_len, note_reply, f);
    pump(f);
    assert_int_equal(f->status, SFTP_OK);
    assert_int_equal(f->closed, 1);
}

static void
a_handle_ends_with_its_close(void **state)
{
    struct fixture *f = *state;

    open_file(f);
    fxp_client_close(f->client, f->handle, f->handle_len, note_reply, f);
    fxp_client_close(f->client, f->handle, f->handle_len, note_reply, f);
    pump(f);
    assert_int_equal(f->status, SFTP_FAILURE);
    assert_string_equal(f->text, "invalid handle");
    fxp_client_read(f->client, f->handle, f->handle_len, 0, 8, note_reply, f);
    pump(f);
    assert_int_equal(f->status, SFTP_FAILURE);
    /* Its number does not name the next file that takes its place. */
    fxp_client_open(f->client, "/file", SFTP_OPEN_READ, note_reply, f);
    {
        uint8_t old[SFTP_HANDLE_MAX];

        memcpy(old, f->handle, f->handle_len);
        pump(f);
        assert_memory_not_equal(old, f->handle, f->handle_len);
        fxp_client_fstat(f->client, old, f->handle_len, note_reply, f);
        pump(f);
        assert_int_equal(f->status, SFTP_FAILURE);
    }
    assert_int_equal(f->closed, 1);
}

static void
handles_are_bounded(void **state)
{
    struct fixture *f = *state;
    int i;

    for (i = 0; i < SFTP_MAX_HANDLES; i++)
        open_file(f);
    fxp_client_open(f->client, "/file", SFTP_OPEN_READ, note_reply, f);
    pump(f);
    assert_int_equal(f->type, SFTP_STATUS);
    assert_int_equal(f->status, SFTP_FAILURE);
    assert_int_equal(f->opened, SFTP_MAX_HANDLES);
    fxp_client_close(f->client, f->handle, f->handle_len, note_reply, f);
    pump(f);
    open_file(f);
}

static void
a_refused_open_takes_no_handle(void **state)
{
    struct fixture *f = *state;
    int i;

    for (i = 0; i < 2 * SFTP_MAX_HANDLES; i++) {
        fxp_client_open(f->client, "/none", SFTP_OPEN_READ, note_reply, f);
        pump(f);
        assert_int_equal(f->status, SFTP_NO_SUCH_FILE);
    }
    open_file(f);
}

static void
a_waiting_read_blocks_nothing_else(void **state)
{
    struct fixture *f = *state;

    open_file(f);
    f->hold = true;
    fxp_client_read(f->client, f->handle, f->handle_len, 0, 4, note_reply, f);
    fxp_client_stat(f->client, "/file", note_reply, f);
    pump(f);
    assert_int_equal(f->type, SFTP_ATTRS);
    assert_int_equal(fxp_server_pending(f->server), 1);
    assert_int_equal(fxp_client_pending(f->client), 1);
    fxp_server_reply_data(f->server, f->held[0], "late", 4);
    pump(f);
    assert_int_equal(f->type, SFTP_DATA);
    assert_memory_equal(f->data, "late", 4);
    assert_int_equal(fxp_server_pending(f->server), 0);
}

static void
unanswered_requests_are_bounded(void **state)
{
    struct fixture *f = *state;
    unsigned before;
    size_t i;

    open_file(f);
    f->hold = true;
    before = f->replies;
    for (i = 0; i < 100; i++)
        fxp_client_read(f->client, f->handle, f->handle_len, 0, 4, note_reply,
            f);
    pump(f);
    assert_int_equal(fxp_server_pending(f->server), 64);
    assert_int_equal(f->held_count, 64);
    f->hold = false;
    for (i = 64; i > 0; i--) /* in any order */
        fxp_server_reply_data(f->server, f->held[i - 1], "x", 1);
    pump(f);
    assert_int_equal(f->replies - before, 100);
    assert_int_equal(fxp_server_pending(f->server), 0);
}

static void
output_is_bounded(void **state)
{
    static char block[SFTP_DATA_MAX];
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    struct buf *out;
    size_t answered = 0;
    size_t i;

    open_file(f);
    f->hold = true;
    for (i = 0; i < 100; i++)
        fxp_client_read(f->client, f->handle, f->handle_len, 0, SFTP_DATA_MAX,
            note_reply, f);
    out = fxp_client_output(f->client);
    assert_int_equal(fxp_server_feed(f->server, out->data, out->len, &e), 0);
    buf_clear(out);
    assert_int_equal(f->held_count, 64);
    while (answered < 64)
        fxp_server_reply_data(f->server, f->held[answered++], block,
            sizeof(block));
    /* 16 MiB wait to be sent: no further request is taken before they are. */
    out = fxp_server_output(f->server);
    assert_int_equal(f->held_count, 64);
    buf_clear(out);
    fxp_server_output(f->server);
    assert_int_equal(f->held_count, 100);
    while (answered < 100)
        fxp_server_reply_data(f->server, f->held[answered++], block, 1);
}

static void
a_long_read_is_cut_to_the_packet(void **state)
{
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;

    open_file(f);
    fxp_put_read(&raw, 500, f->handle, f->handle_len, 0, UINT32_MAX);
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_DATA);
    assert_int_equal(p.data_len, sizeof(content) - 1);
    buf_release(&raw);
}

static void
a_folder_is_listed_once(void **state)
{
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;
    uint8_t handle[SFTP_HANDLE_SIZE];

    fxp_put_path_request(&raw, SFTP_OPENDIR, 500, ".");
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_HANDLE);
    memcpy(handle, p.handle, sizeof(handle));
    fxp_put_handle_request(&raw, SFTP_READDIR, 501, handle, sizeof(handle));
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_NAME);
    assert_int_equal(p.name_count, 3);
    assert_memory_equal(p.path, ".", 1);
    fxp_put_handle_request(&raw, SFTP_READDIR, 502, handle, sizeof(handle));
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_EOF);
    fxp_put_handle_request(&raw, SFTP_FSTAT, 503, handle, sizeof(handle));
    exchange(f, &raw, &p);
    assert_true(S_ISDIR(p.attrs.mode));
    fxp_put_read(&raw, 504, handle, sizeof(handle), 0, 10);
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_FAILURE);
    fxp_put_handle_request(&raw, SFTP_CLOSE, 505, handle, sizeof(handle));
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_OK);
    buf_release(&raw);
}

static void
extensions_are_served(void **state)
{
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;
    struct reader r;

    buf_put_u32(&raw, 1 + 4 + 4 + 18);
    buf_put_u8(&raw, SFTP_EXTENDED);
    buf_put_u32(&raw, 500);
    buf_put_string(&raw, "limits@openssh.com");
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_EXTENDED_REPLY);
    r = reader_over(p.data, p.data_len);
    assert_in_range(reader_u64(&r), 32768, SFTP_PACKET_MAX);
    assert_in_range(reader_u64(&r), 32768, SFTP_DATA_MAX);
    assert_in_range(reader_u64(&r), 32768, SFTP_DATA_MAX);
    assert_int_equal(reader_u64(&r), SFTP_MAX_HANDLES);
    assert_true(reader_done(&r));
    open_file(f);
    buf_put_u32(&raw, 1 + 4 + 4 + 17 + 4 + 4);
    buf_put_u8(&raw, SFTP_EXTENDED);
    buf_put_u32(&raw, 501);
    buf_put_string(&raw, "fsync@openssh.com");
    buf_put_bytes(&raw, f->handle, f->handle_len);
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_OK);
    assert_int_equal(f->synced, 1);
    buf_put_u32(&raw, 1 + 4 + 4 + 1);
    buf_put_u8(&raw, SFTP_EXTENDED);
    buf_put_u32(&raw, 502);
    buf_put_string(&raw, "x");
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_OP_UNSUPPORTED);
    buf_release(&raw);
}

static void
bytes_may_come_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    struct buf *b;
    size_t i;

    fxp_client_open(f->client, "/file", SFTP_OPEN_READ, note_reply, f);
    fxp_client_stat(f->client, "/file", note_reply, f);
    b = fxp_client_output(f->client);
    for (i = 0; i < b->len; i++)
        assert_int_equal(fxp_server_feed(f->server, b->data + i, 1, &e), 0);
    buf_clear(b);
    b = fxp_server_output(f->server);
    for (i = 0; i < b->len; i++)
        assert_int_equal(fxp_client_feed(f->client, b->data + i, 1, &e), 0);
    buf_clear(b);
    assert_int_equal(f->replies, 2);
    assert_int_equal(f->type, SFTP_ATTRS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_opened_read_and_closed),
        TEST(a_handle_ends_with_its_close),
        TEST(handles_are_bounded),
        TEST(a_refused_open_takes_no_handle),
        TEST(a_waiting_read_blocks_nothing_else),
        TEST(unanswered_requests_are_bounded),
        TEST(output_is_bounded),
        TEST(a_long_read_is_cut_to_the_packet),
        TEST(a_folder_is_listed_once),
        TEST(extensions_are_served),
        TEST(bytes_may_come_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

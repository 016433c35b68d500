/*
 * What the server's half of SFTP refuses: changes of the tree, paths that lead
 * out of it, packets that no honest client sends.  The backend knows one file,
 * "/file".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "admin-proto/sftp_server.h"

struct fixture {
    struct fxp_server *server;
};

static void
backend_stat(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_attrs attrs = { 3, S_IFREG | 0444, 9 };
    struct fixture *f = ctx;

    if (strcmp(path, "/file") == 0)
        fxp_server_reply_attrs(f->server, tag, &attrs);
    else
        fxp_server_reply_status(f->server, tag, SFTP_NO_SUCH_FILE, "");
}

static void
backend_setstat(void *ctx, uint32_t tag, const char *path)
{
    struct fixture *f = ctx;

    assert_string_equal(path, "/file");
    fxp_server_reply_status(f->server, tag, SFTP_OK, "");
}

/* Nothing is ever opened, so the rest is never called. */
static const struct fxp_backend backend = {
    .stat = backend_stat,
    .setstat = backend_setstat,
};

static int
set_up(void **state)
{
    static struct fixture fixture;
    struct buf init = BUF_INIT;
    struct err e = ERR_INIT;

    fixture.server = fxp_server_start(&backend, &fixture);
    fxp_put_init(&init);
    assert_int_equal(fxp_server_feed(fixture.server, init.data, init.len, &e),
        0);
    buf_clear(fxp_server_output(fixture.server));
    buf_release(&init);
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    fxp_server_end(f->server);
    return 0;
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
the_tree_cannot_be_changed(void **state)
{
    static const struct {
        uint8_t type;
        uint32_t status;
    } cases[] = {
        { SFTP_REMOVE, SFTP_PERMISSION_DENIED },
        { SFTP_RENAME, SFTP_PERMISSION_DENIED },
        { SFTP_MKDIR, SFTP_PERMISSION_DENIED },
        { SFTP_RMDIR, SFTP_PERMISSION_DENIED },
        { SFTP_SYMLINK, SFTP_PERMISSION_DENIED },
        { SFTP_READLINK, SFTP_NO_SUCH_FILE },
        { SFTP_SETSTAT, SFTP_OK },
    };
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fxp_put_path_request(&raw, (enum fxp_type)cases[i].type, 500, "/file");
        exchange(f, &raw, &p);
        assert_int_equal(p.type, SFTP_STATUS);
        assert_int_equal(p.status, cases[i].status);
    }
    buf_release(&raw);
}

static void
realpath_is_clamped_and_escapes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;

    fxp_put_path_request(&raw, SFTP_REALPATH, 500, "../../datasets/.");
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_NAME);
    assert_int_equal(p.path_len, 9);
    assert_memory_equal(p.path, "/datasets", 9);
    fxp_put_path_request(&raw, SFTP_STAT, 501, "/../file");
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_NO_SUCH_FILE);
    fxp_put_path_request(&raw, SFTP_STAT, 502, "/x/../file");
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_ATTRS);
    buf_put_u32(&raw, 1 + 4 + 4 + 6);
    buf_put_u8(&raw, SFTP_STAT);
    buf_put_u32(&raw, 503);
    buf_put_bytes(&raw, "/file\0", 6);
    exchange(f, &raw, &p);
    assert_int_equal(p.status, SFTP_NO_SUCH_FILE);
    buf_release(&raw);
}

static void
odd_packets_are_answered_and_the_session_goes_on(void **state)
{
    struct fixture *f = *state;
    struct buf raw = BUF_INIT;
    struct fxp_packet p;

    buf_put_u32(&raw, 5);
    buf_put_u8(&raw, 150);
    buf_put_u32(&raw, 42);
    exchange(f, &raw, &p);
    assert_int_equal(p.id, 42);
    assert_int_equal(p.status, SFTP_OP_UNSUPPORTED);
    buf_put_u32(&raw, 5 + 4);
    buf_put_u8(&raw, SFTP_OPEN);
    buf_put_u32(&raw, 43);
    buf_put_u32(&raw, 256 * 1024 * 1024); /* a path that is not there */
    exchange(f, &raw, &p);
    assert_int_equal(p.id, 43);
    assert_int_equal(p.status, SFTP_BAD_MESSAGE);
    fxp_put_path_request(&raw, SFTP_STAT, 44, "/file");
    exchange(f, &raw, &p);
    assert_int_equal(p.type, SFTP_ATTRS);
    buf_release(&raw);
}

static void
breaches_end_the_session(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[9];
        size_t len;
        bool started;
    } cases[] = {
        { "no version first", { 0, 0, 0, 5, SFTP_STAT, 0, 0, 0, 1 }, 9, false },
        { "second version", { 0, 0, 0, 5, SFTP_INIT, 0, 0, 0, 3 }, 9, true },
        { "old version", { 0, 0, 0, 5, SFTP_INIT, 0, 0, 0, 2 }, 9, false },
        { "no id", { 0, 0, 0, 2, SFTP_STAT, 0 }, 6, true },
        { "empty packet", { 0, 0, 0, 0 }, 4, true },
        { "huge packet", { 0x10, 0, 0, 0, SFTP_INIT }, 5, false },
    };
    struct fxp_server *server;
    struct err e;
    struct buf init = BUF_INIT;
    size_t i;

    (void)state;
    fxp_put_init(&init);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err_clear(&e);
        server = fxp_server_start(&backend, *state);
        if (cases[i].started)
            assert_int_equal(fxp_server_feed(server, init.data, init.len, &e),
                0);
        assert_int_equal(fxp_server_feed(server, cases[i].bytes, cases[i].len,
                             &e),
            -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
        err_clear(&e);
        assert_int_equal(fxp_server_feed(server, NULL, 0, &e), -1);
        fxp_server_end(server);
    }
    buf_release(&init);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_tree_cannot_be_changed),
        TEST(realpath_is_clamped_and_escapes_are_refused),
        TEST(odd_packets_are_answered_and_the_session_goes_on),
        TEST(breaches_end_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The client's half of SFTP against a server that breaks the rules, and the
 * errors that a status stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin-proto/sftp_client.h"

static void
count_reply(void *ctx, const struct fxp_packet *p)
{
    unsigned *count = ctx;

    (void)p;
    (*count)++;
}

static struct fxp_client *
ready_client(void)
{
    struct fxp_client *c = fxp_client_new();
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;

    fxp_put_version(&b);
    assert_false(fxp_client_ready(c));
    assert_int_equal(fxp_client_feed(c, b.data, b.len, &e), 0);
    assert_true(fxp_client_ready(c));
    buf_release(&b);
    return c;
}

/* The id of the last request that C has put out. */
static uint32_t
sent_id(struct fxp_client *c)
{
    struct buf *out = fxp_client_output(c);
    struct fxp_packet p = { .id = 0 };
    struct err e = ERR_INIT;
    size_t size;

    while (out->len > 0) {
        assert_int_equal(fxp_packet_size(out->data, out->len, &size, &e), 0);
        assert_int_equal(fxp_packet_decode(&p, out->data, size, &e), 0);
        buf_consume(out, size);
    }
    return p.id;
}

static void
assert_refused(struct fxp_client *c, struct buf *b)
{
    struct err e = ERR_INIT;

    assert_int_equal(fxp_client_feed(c, b->data, b->len, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    /* And it stays so. */
    err_clear(&e);
    assert_int_equal(fxp_client_feed(c, NULL, 0, &e), -1);
    buf_release(b);
    fxp_client_free(c);
}

static void
a_reply_to_no_request_is_refused(void **state)
{
    struct fxp_client *c = ready_client();
    struct buf b = BUF_INIT;
    unsigned count = 0;

    (void)state;
    fxp_client_stat(c, "/", count_reply, &count);
    fxp_put_status(&b, sent_id(c) + 1, SFTP_FAILURE, "");
    assert_refused(c, &b);
    assert_int_equal(count, 0);
}

static void
a_second_reply_is_refused(void **state)
{
    struct fxp_client *c = ready_client();
    struct buf b = BUF_INIT;
    unsigned count = 0;
    uint32_t id;

    (void)state;
    fxp_client_stat(c, "/", count_reply, &count);
    id = sent_id(c);
    fxp_put_status(&b, id, SFTP_FAILURE, "");
    fxp_put_status(&b, id, SFTP_FAILURE, "");
    assert_refused(c, &b);
    assert_int_equal(count, 1);
}

static void
a_reply_of_another_kind_is_refused(void **state)
{
    struct fxp_client *c = ready_client();
    struct buf b = BUF_INIT;
    unsigned count = 0;

    (void)state;
    fxp_client_stat(c, "/", count_reply, &count);
    fxp_put_data(&b, sent_id(c), "x", 1);
    assert_refused(c, &b);
    c = ready_client();
    fxp_client_open(c, "/", SFTP_OPEN_READ, count_reply, &count);
    fxp_put_status(&b, sent_id(c), SFTP_OK, "");
    assert_refused(c, &b);
    assert_int_equal(count, 0);
}

static void
more_data_than_asked_for_is_refused(void **state)
{
    struct fxp_client *c = ready_client();
    struct buf b = BUF_INIT;
    unsigned count = 0;

    (void)state;
    fxp_client_read(c, "h", 1, 0, 3, count_reply, &count);
    fxp_put_data(&b, sent_id(c), "1234", 4);
    assert_refused(c, &b);
    assert_int_equal(count, 0);
}

static void
another_version_is_refused(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_put_u32(&b, 5);
    buf_put_u8(&b, SFTP_VERSION_REPLY);
    buf_put_u32(&b, 4);
    assert_refused(fxp_client_new(), &b);
    fxp_put_version(&b);
    assert_refused(ready_client(), &b);
}

static void
replies_may_come_in_any_order(void **state)
{
    enum { REQUESTS = 1000 };
    struct fxp_client *c = ready_client();
    static uint32_t ids[REQUESTS];
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    unsigned count = 0;
    size_t i;

    (void)state;
    for (i = 0; i < REQUESTS; i++) {
        fxp_client_write(c, "h", 1, i, "x", 1, count_reply, &count);
        ids[i] = sent_id(c);
    }
    assert_int_equal(fxp_client_pending(c), REQUESTS);
    for (i = 0; i < REQUESTS; i++) /* 7 is coprime to 1000 */
        fxp_put_status(&b, ids[i * 7 % REQUESTS], SFTP_OK, "");
    assert_int_equal(fxp_client_feed(c, b.data, b.len, &e), 0);
    assert_int_equal(count, REQUESTS);
    assert_int_equal(fxp_client_pending(c), 0);
    buf_release(&b);
    fxp_client_free(c);
}

static void
an_old_request_does_not_block_new_ones(void **state)
{
    struct fxp_client *c = ready_client();
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    unsigned count = 0;
    unsigned waited = 0;
    uint32_t old;
    int i;

    (void)state;
    fxp_client_read(c, "h", 1, 0, 10, count_reply, &waited);
    old = sent_id(c);
    for (i = 0; i < 1000; i++) {
        fxp_client_stat(c, "/", count_reply, &count);
        buf_clear(&b);
        fxp_put_status(&b, sent_id(c), SFTP_FAILURE, "");
        assert_int_equal(fxp_client_feed(c, b.data, b.len, &e), 0);
    }
    assert_int_equal(count, 1000);
    assert_int_equal(waited, 0);
    buf_clear(&b);
    fxp_put_data(&b, old, "late", 4);
    assert_int_equal(fxp_client_feed(c, b.data, b.len, &e), 0);
    assert_int_equal(waited, 1);
    buf_release(&b);
    fxp_client_free(c);
}

static void
a_status_becomes_the_error_it_names(void **state)
{
    static const struct {
        uint32_t status;
        const char *text;
        enum err_code code;
        const char *message;
        const char *hint;
    } cases[] = {
        { SFTP_FAILURE, "GAP: revision 5 is not mine", ERR_GAP,
            "revision 5 is not mine", "" },
        { SFTP_PERMISSION_DENIED, "ROLE: not here\nAsk the primary.", ERR_ROLE,
            "not here", "Ask the primary." },
        { SFTP_NO_SUCH_FILE, "No such file", ERR_NOT_FOUND, "No such file",
            "" },
        { SFTP_PERMISSION_DENIED, "", ERR_PERMISSION, "permission denied", "" },
        { SFTP_FAILURE, "NOTACODE: x", ERR_IO, "NOTACODE: x", "" },
        { SFTP_FAILURE, "a\033[2Jb", ERR_IO, "a\\x1b[2Jb", "" },
        { 99, "GAP: x", ERR_PROTOCOL, "unknown sftp status 99", "" },
    };
    struct fxp_packet p = { .type = SFTP_STATUS };
    struct err e = ERR_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p.status = cases[i].status;
        p.text = cases[i].text;
        p.text_len = strlen(cases[i].text);
        assert_int_equal(fxp_status_error(&p, &e), -1);
        assert_int_equal(e.code, cases[i].code);
        assert_string_equal(e.message, cases[i].message);
        assert_string_equal(e.hint, cases[i].hint);
    }
    p.status = SFTP_OK;
    assert_int_equal(fxp_status_error(&p, &e), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_to_no_request_is_refused),
        cmocka_unit_test(a_second_reply_is_refused),
        cmocka_unit_test(a_reply_of_another_kind_is_refused),
        cmocka_unit_test(more_data_than_asked_for_is_refused),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(replies_may_come_in_any_order),
        cmocka_unit_test(an_old_request_does_not_block_new_ones),
        cmocka_unit_test(a_status_becomes_the_error_it_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

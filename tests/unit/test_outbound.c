/*
 * Links to other nodes and sessions from them, through real processes: this
 * program is their engine, and is also what they execute.  What goes wrong is
 * in test_outbound_failures.c.
 */
#include "tests/unit/outbound_fixture.h"

#define BULK (64u * 1024 * 1024)

static void
probe_shows_the_host_key_and_never_logs_in(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_PROBE);

    p.login_key = NULL;
    p.login_blob_len = 0;
    p.user = NULL;
    open_link(f, &c, &p);
    while (c.keys == 0 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_true(c.key_right);
    assert_string_equal(link_peer_address(c.link), "127.0.0.1");
    assert_string_equal(link_local_address(c.link), "127.0.0.1");
    link_close(c.link);
    await_no_sessions(f);
    assert_int_equal(f->engine.password_logins + f->engine.key_logins, 0);
    assert_int_equal(f->engine.crashes, 0);
}

static void
another_host_key_than_the_pinned_gets_no_login(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.pinned_key = f->engine.user.blob;
    p.pinned_key_len = f->engine.user.blob_len;
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_KEY_CHANGED);
    assert_int_equal(c.keys, 0);
    assert_string_not_equal(c.error.hint, "");
    await_no_sessions(f);
    assert_int_equal(f->engine.key_logins, 0);
}

static void
key_mode_without_a_pinned_key_gets_no_login(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.pinned_key = NULL;
    p.pinned_key_len = 0;
    open_link(f, &c, &p);
    await_closed(f, &c);
    await_no_sessions(f);
    assert_int_equal(f->engine.key_logins, 0);
}

static void
password_stays_here_until_the_key_is_accepted(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_PASSWORD);

    open_link(f, &c, &p);
    while (c.keys == 0 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->engine.password_logins, 0);
    link_proceed(c.link);
    await_ready(f, &c);
    assert_int_equal(f->engine.password_logins, 1);
    link_close(c.link);
}

static void
wrong_password_is_a_login_error(void **state)
{
    struct fixture *f = *state;
    struct client c = { .proceed = true };
    struct link_params p = params(f, LINK_PASSWORD);

    p.password = "wrong";
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_LOGIN);
    assert_int_equal(f->engine.password_logins, 1);
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
}

static void
unknown_key_is_a_login_error(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.login_key = f->engine.host.key;
    p.login_blob = f->engine.host.blob;
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_LOGIN);
}

static void
stat_read_and_close_come_back(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };

    open_ready(f, &c);
    open_file(f, &c, "/source");
    link_read(c.link, c.handle, c.handle_len, SOURCE_SIZE, 100, on_reply, &c);
    while (c.replies < 2 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c.last.type, SFTP_STATUS);
    assert_int_equal(c.last.status, SFTP_EOF);
    link_close_file(c.link, c.handle, c.handle_len, on_reply, &c);
    while (c.replies < 3 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c.last.status, SFTP_OK);
    assert_int_equal(c.last.error.code, ERR_NONE);
    link_open_file(c.link, "/absent", SFTP_OPEN_READ, on_reply, &c);
    while (c.replies < 4 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c.last.error.code, ERR_NOT_FOUND);
    link_close(c.link);
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
}

static void
refusal_arrives_with_code_message_and_hint(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };

    open_ready(f, &c);
    open_file(f, &c, "/refuse");
    link_write(c.link, c.handle, c.handle_len, 0, "x", 1, on_reply, &c);
    while (c.replies < 2 && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c.last.error.code, ERR_GAP);
    assert_string_equal(c.last.error.message, "revision 7 is not mine");
    assert_string_equal(c.last.error.hint, "Send from revision 5.");
    link_close(c.link);
}

static uint8_t piece[PIECE];

static void pump_writes(struct client *c);

static void
on_written(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    assert_int_equal(reply->status, SFTP_OK);
    c->moved += PIECE;
    pump_writes(c);
}

static void
pump_writes(struct client *c)
{
    while (c->sent < BULK && link_in_flight(c->link) < LINK_WINDOW) {
        link_write(c->link, c->handle, c->handle_len, c->sent, piece, PIECE,
            on_written, c);
        c->sent += PIECE;
        for (size_t i = 0; i < PIECE; i += 1024)
            c->sum += piece[i];
    }
}

static void
bulk_writes_arrive_whole_and_are_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };

    for (size_t i = 0; i < PIECE; i++)
        piece[i] = (uint8_t)(i * 7 + i / 1024);
    open_ready(f, &c);
    open_file(f, &c, "/sink");
    pump_writes(&c);
    while (c.moved < c.sent && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->engine.written, c.sent);
    assert_int_equal(f->engine.write_sum, c.sum);
    assert_int_equal(link_in_flight(c.link), 0);
    assert_int_equal(outbound_in_flight(f->out), 0);
    assert_true(link_bytes_received(c.link) > 0);
    link_close(c.link);
}

#define READ_PIECE (128u * 1024)

static void
on_read(void *ctx, const struct link_reply *reply)
{
    struct client *c = ctx;

    assert_int_equal(reply->type, SFTP_DATA);
    assert_int_equal(reply->data_len, READ_PIECE);
    for (size_t i = 0; i < reply->data_len; i++)
        if (reply->data[i] != (uint8_t)i)
            fail_msg("wrong byte at %zu", i);
    c->moved += reply->data_len;
    if (c->sent < SOURCE_SIZE) {
        link_read(c->link, c->handle, c->handle_len, c->sent, READ_PIECE,
            on_read, c);
        c->sent += READ_PIECE;
    }
}

static void
bulk_reads_arrive_whole(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };

    open_ready(f, &c);
    open_file(f, &c, "/source");
    for (int i = 0; i < 16; i++) {
        link_read(c.link, c.handle, c.handle_len, c.sent, READ_PIECE, on_read,
            &c);
        c.sent += READ_PIECE;
    }
    while (c.moved < SOURCE_SIZE && !c.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(c.moved, SOURCE_SIZE);
    link_close(c.link);
}

static void
a_link_that_waits_does_not_delay_another(void **state)
{
    struct fixture *f = *state;
    struct client slow = { 0 }, quick = { 0 };

    open_ready(f, &slow);
    open_ready(f, &quick);
    open_file(f, &slow, "/silent");
    open_file(f, &quick, "/source");
    for (int i = 0; i < 40; i++)
        link_write(slow.link, slow.handle, slow.handle_len, 0, piece, PIECE,
            on_reply, &slow);
    link_read(quick.link, quick.handle, quick.handle_len, 0, 10, on_reply,
        &quick);
    while (quick.replies < 2 && !quick.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(quick.last.type, SFTP_DATA);
    assert_int_equal(slow.replies, 1);
    assert_int_equal(link_in_flight(slow.link), 40 * PIECE);
    link_close(slow.link);
    link_close(quick.link);
    assert_int_equal(outbound_in_flight(f->out), 0);
}

static void
closing_a_link_at_any_moment_calls_nothing_more(void **state)
{
    struct fixture *f = *state;
    struct client c[8] = { { 0 } };
    struct link_params p = params(f, LINK_KEY);

    for (size_t i = 0; i < 8; i++) {
        open_link(f, &c[i], &p);
        for (size_t turn = 0; turn < i * 2; turn++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        link_close(c[i].link);
    }
    open_ready(f, &c[0]); /* the processes live on */
    for (size_t i = 1; i < 8; i++)
        assert_false(c[i].closed);
    link_close(c[0].link);
}

int
main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(probe_shows_the_host_key_and_never_logs_in),
        CASE(another_host_key_than_the_pinned_gets_no_login),
        CASE(key_mode_without_a_pinned_key_gets_no_login),
        CASE(password_stays_here_until_the_key_is_accepted),
        CASE(wrong_password_is_a_login_error),
        CASE(unknown_key_is_a_login_error),
        CASE(stat_read_and_close_come_back),
        CASE(refusal_arrives_with_code_message_and_hint),
        CASE(bulk_writes_arrive_whole_and_are_acknowledged),
        CASE(bulk_reads_arrive_whole),
        CASE(a_link_that_waits_does_not_delay_another),
        CASE(closing_a_link_at_any_moment_calls_nothing_more),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("outbound", tests, NULL, NULL);
}

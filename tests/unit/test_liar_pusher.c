/*
 * A pusher that was taken over claims to have seen the pinned host key, so as
 * to have our login signed for a connection of its own.  The pusher of these
 * tests is such a one; the server that it is given never says a word.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/child_parts.h"
#include "daemon/keys_openssh.h"
#include "daemon/outbound.h"
#include "daemon/proof.h"

#define HANG_S 120
#define FIELD_MAX 4096

/* --- the pusher --- */

static struct ipc_channel *engine;

/* What it does with a link, named by the user that it is to log in as. */
static const char *
claim(struct reader *r, struct buf *body)
{
    static char user[FIELD_MAX];
    const uint8_t *pinned;
    size_t len;
    char *text;

    (void)reader_u8(r);
    text = reader_string(r, sizeof(user) - 1);
    memcpy(user, text, strlen(text) + 1);
    free(text);
    (void)reader_bytes(r, FIELD_MAX, &len); /* password */
    (void)reader_bytes(r, FIELD_MAX, &len); /* login key */
    pinned = reader_bytes(r, FIELD_MAX, &len);
    buf_put_bytes(body, pinned, len);
    for (size_t i = 0; i < EXCHANGE_HASH_SIZE + ED25519_SIGNATURE_SIZE; i++)
        buf_put_u8(body, 1);
    return user;
}

static bool
lie(void *ctx, struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);
    struct buf body = BUF_INIT, round_trip = BUF_INIT;

    (void)ctx;
    buf_put_u32(&round_trip, 1);
    /* "ready": without a key; "key": with a made-up proof, and then, should the
     * engine sign a login for that, ready too. */
    if (m->type == IPC_LINK_PROCEED ||
        (m->type == IPC_LINK_START && strcmp(claim(&r, &body), "ready") == 0))
        ipc_send(engine, IPC_LINK_READY, m->tag, round_trip.data,
            round_trip.len, -1);
    else if (m->type == IPC_LINK_START)
        ipc_send(engine, IPC_LINK_HOST_KEY, m->tag, body.data, body.len, -1);
    buf_release(&body);
    buf_release(&round_trip);
    return true;
}

static int
lie_for_ever(void)
{
    struct pollfd p = { .fd = CHILD_CHANNEL_FD, .events = POLLIN };
    struct err e = ERR_INIT;

    engine = ipc_channel_new(CHILD_CHANNEL_FD);
    while (poll(&p, 1, -1) > 0 && ipc_receive(engine, lie, NULL, &e) == 0)
        ;
    return 0;
}

/* --- the engine --- */

struct heard {
    bool key;
    bool ready;
    bool closed;
    struct err error;
};

static void
on_host_key(void *ctx, const void *blob, size_t len)
{
    (void)blob;
    (void)len;
    ((struct heard *)ctx)->key = true;
}

static void
on_ready(void *ctx)
{
    ((struct heard *)ctx)->ready = true;
}

static void
on_closed(void *ctx, const struct err *e)
{
    struct heard *heard = ctx;

    heard->closed = true;
    heard->error = *e;
}

static int
listen_silently(uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

/* What is heard of a link whose pusher lies so. */
static struct heard
be_lied_to(const char *how, enum link_mode mode)
{
    static const struct link_callbacks callbacks = { on_host_key, on_ready,
        on_closed };
    uint8_t seed[ED25519_SEED_SIZE], public_key[ED25519_PUBLIC_SIZE];
    struct heard heard = { .key = false };
    struct buf blob = BUF_INIT;
    struct err e = ERR_INIT;
    struct outbound *out;
    struct link *link;
    struct link_params params = { .host = "127.0.0.1",
        .mode = mode,
        .user = how,
        .timeout_ms = 60000 };
    uv_loop_t loop;
    int fd = listen_silently(&params.port);

    alarm(HANG_S);
    log_init("test", LOG_LEVEL_INFO);
    random_bytes(seed, sizeof(seed));
    assert_int_equal(ed25519_public(seed, public_key, &e), 0);
    openssh_public_blob(public_key, &blob);
    params.login_key = ed25519_key_new(seed, &e);
    params.login_blob = params.pinned_key = blob.data;
    params.login_blob_len = params.pinned_key_len = blob.len;
    uv_loop_init(&loop);
    assert_int_equal(child_setup(&loop, &e), 0);
    assert_int_equal(outbound_new(&out, &loop, &e), 0);
    link_open(out, &params, &callbacks, &heard, &link);
    while (!heard.closed && !heard.ready)
        uv_run(&loop, UV_RUN_ONCE);
    outbound_free(out);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    ed25519_key_free((struct ed25519_key *)params.login_key);
    buf_release(&blob);
    close(fd);
    return heard;
}

static void
nothing_is_signed_for_a_key_that_signed_nothing(void **state)
{
    struct heard heard = be_lied_to("key", LINK_KEY);

    (void)state;
    assert_false(heard.ready);
    assert_false(heard.key);
    assert_int_equal(heard.error.code, ERR_UNREACHABLE);
}

static void
no_fingerprint_is_shown_that_signed_nothing(void **state)
{
    struct heard heard = be_lied_to("key", LINK_PASSWORD);

    (void)state;
    assert_false(heard.key);
    assert_true(heard.closed);
}

static void
no_link_is_ready_without_a_host_key(void **state)
{
    struct heard heard = be_lied_to("ready", LINK_KEY);

    (void)state;
    assert_false(heard.ready);
    assert_true(heard.closed);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_signed_for_a_key_that_signed_nothing),
        cmocka_unit_test(no_fingerprint_is_shown_that_signed_nothing),
        cmocka_unit_test(no_link_is_ready_without_a_host_key),
    };

    if (child_is_requested(argc, argv))
        return child_run_instead(argc, argv,
            strcmp(argv[2], child_part_name(CHILD_PUSHER)) == 0 ? lie_for_ever
                                                                : NULL);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("liar_pusher", tests, NULL, NULL);
}

/*
 * A session that was taken over says to the engine whatever it likes, and gets
 * nothing.  The session process of these tests does no SSH: it passes messages
 * on between the engine and the test, which so speaks as the session.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "admin-proto/role.h"
#include "admin-proto/sftp_codec.h"
#include "base/clock.h"
#include "daemon/child_parts.h"
#include "daemon/inbound.h"
#include "daemon/ipc_messages.h"
#include "daemon/keys_openssh.h"
#include "daemon/listener.h"
#include "daemon/proof.h"
#include "tests/unit/engine_fixture.h"

#define HANG_S 120
#define KEY_FILE_MAX 16384
#define SHORT_GRACE_MS 100

/* --- the session --- */

static bool
pass_on(int from, int to)
{
    uint8_t bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    return n > 0 && write(to, bytes, (size_t)n) == n;
}

static int
speak_for_the_test(void)
{
    struct pollfd p[2] = { { .fd = CHILD_CHANNEL_FD, .events = POLLIN },
        { .fd = CHILD_EXTRA_FD, .events = POLLIN } };

    while (poll(p, 2, -1) > 0) {
        if (p[0].revents != 0 && !pass_on(CHILD_CHANNEL_FD, CHILD_EXTRA_FD))
            break;
        if (p[1].revents != 0 && !pass_on(CHILD_EXTRA_FD, CHILD_CHANNEL_FD))
            break;
    }
    return 0;
}

/* --- the test --- */

struct liar {
    char *folder;
    struct engine engine;
    struct ipc_channel *channel;
    uv_poll_t readable;
    uint8_t type; /* of the last message; 0: none yet */
    struct buf body;
    bool over;
    /* The local administrator's key, which a session never sees. */
    uint8_t *blob;
    size_t blob_len;
    struct ed25519_key *key;
};

static bool
take_message(void *ctx, struct ipc_message *m)
{
    struct liar *l = ctx;

    l->type = m->type;
    buf_release(&l->body);
    buf_put(&l->body, m->body, m->body_len);
    return true;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct liar *l = poll->data;
    struct err e = ERR_INIT;

    (void)status;
    (void)events;
    if (ipc_receive(l->channel, take_message, l, &e) != 0) {
        l->over = true;
        uv_poll_stop(poll);
    }
}

static void
load_key(struct liar *l)
{
    uint8_t seed[ED25519_SEED_SIZE], public_key[ED25519_PUBLIC_SIZE];
    char *path = file_join(l->folder, "local-admin-key");
    struct buf text = BUF_INIT, blob = BUF_INIT;
    struct err e = ERR_INIT;

    assert_int_equal(file_read(path, KEY_FILE_MAX, &text, &e), 0);
    buf_put_u8(&text, 0);
    assert_int_equal(openssh_private_parse((char *)text.data, seed, &e), 0);
    assert_int_equal(ed25519_public(seed, public_key, &e), 0);
    l->key = ed25519_key_new(seed, &e);
    openssh_public_blob(public_key, &blob);
    l->blob = buf_steal(&blob, &l->blob_len);
    buf_release(&text);
    free(path);
}

/* Waits for one message of the engine, or for the end. */
static uint8_t
hear(struct liar *l)
{
    while (l->type == 0 && !l->over)
        uv_run(l->engine.loop, UV_RUN_ONCE);
    return l->type;
}

static int
start(void **state, int64_t grace_ms)
{
    struct liar *l = alloc_zeroed(1, sizeof(*l));
    struct sockaddr_in a = { .sin_family = AF_INET };
    const char *port;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    alarm(HANG_S);
    l->folder = fixture_folder();
    fixture_start(&l->engine, l->folder);
    if (grace_ms > 0)
        l->engine.settings.login_grace_ms = grace_ms;
    load_key(l);
    port = strrchr(listener_address(l->engine.listener), ':') + 1;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)atoi(port));
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    l->channel = ipc_channel_new(fd);
    uv_poll_init(l->engine.loop, &l->readable, fd);
    l->readable.data = l;
    uv_poll_start(&l->readable, UV_READABLE, on_readable);
    assert_int_equal(hear(l), IPC_SESSION_START);
    *state = l;
    return 0;
}

static int
set_up(void **state)
{
    return start(state, 0);
}

static int
set_up_short(void **state)
{
    return start(state, SHORT_GRACE_MS);
}

static int
tear_down(void **state)
{
    struct liar *l = *state;

    uv_close((uv_handle_t *)&l->readable, NULL);
    ipc_channel_free(l->channel);
    fixture_stop(&l->engine);
    fixture_remove(l->folder);
    ed25519_key_free(l->key);
    buf_release(&l->body);
    free(l->blob);
    free(l);
    return 0;
}

/* Says one thing; what came back, 0 when the session was ended for it. */
static uint8_t
say(struct liar *l, uint8_t type, struct buf *body)
{
    l->type = 0;
    ipc_send(l->channel, type, 1, body->data, body->len, -1);
    buf_release(body);
    return hear(l);
}

static uint8_t
say_sign(struct liar *l, const uint8_t *hash, size_t len)
{
    struct buf body = BUF_INIT;

    buf_put(&body, hash, len);
    return say(l, IPC_HOST_SIGN, &body);
}

/* A login with the local administrator's key; true when it is granted. */
static bool
log_in(struct liar *l, const char *user, const uint8_t *signature)
{
    struct buf body = BUF_INIT;

    buf_put_string(&body, user);
    buf_put_bytes(&body, l->blob, l->blob_len);
    buf_put_bytes(&body, signature, ED25519_SIGNATURE_SIZE);
    assert_int_equal(say(l, IPC_LOGIN_KEY, &body), IPC_LOGIN_RESULT);
    assert_int_equal(l->body.len, 2);
    return l->body.data[0] != 0;
}

static void
make_login(struct liar *l, uint8_t fill, const char *user,
    uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    uint8_t session_id[EXCHANGE_HASH_SIZE];
    struct err e = ERR_INIT;

    memset(session_id, fill, sizeof(session_id));
    assert_int_equal(proof_login_make(l->key, l->blob, l->blob_len, session_id,
                         user, signature, &e),
        0);
}

static void
host_signs(struct liar *l, uint8_t fill)
{
    uint8_t hash[EXCHANGE_HASH_SIZE];

    memset(hash, fill, sizeof(hash));
    assert_int_equal(say_sign(l, hash, sizeof(hash)), IPC_HOST_SIGNED);
    assert_int_equal(l->body.len, ED25519_SIGNATURE_SIZE);
    assert_true(proof_host_is_valid(l->engine.keys.host_blob,
        l->engine.keys.host_blob_len, hash, l->body.data));
}

static void
only_the_key_over_this_session_logs_in(void **state)
{
    struct liar *l = *state;
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    host_signs(l, 7);
    memset(signature, 1, sizeof(signature));
    assert_false(log_in(l, "local", signature)); /* made up */
    make_login(l, 8, "local", signature);
    assert_false(log_in(l, "local", signature)); /* of another session */
    make_login(l, 7, "local", signature);
    assert_true(log_in(l, "local", signature));
}

static void
a_signature_is_for_the_user_it_names(void **state)
{
    struct liar *l = *state;
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    host_signs(l, 7);
    make_login(l, 7, "nobody", signature);
    assert_false(log_in(l, "local", signature));
}

static void
no_login_without_a_session_id(void **state)
{
    struct liar *l = *state;
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    make_login(l, 0, "local", signature);
    assert_false(log_in(l, "local", signature));
}

static void
a_probe_logs_nobody_in(void **state)
{
    struct liar *l = *state;
    struct buf body = BUF_INIT;

    host_signs(l, 7);
    buf_put_string(&body, "local");
    buf_put_bytes(&body, l->blob, l->blob_len);
    buf_put_bytes(&body, NULL, 0);
    assert_int_equal(say(l, IPC_LOGIN_KEY, &body), IPC_LOGIN_RESULT);
    assert_int_equal(l->body.data[0], 1); /* the key would do, no more */
    buf_put_string(&body, "/status.json");
    buf_put_u32(&body, SFTP_OPEN_READ);
    assert_int_equal(say(l, IPC_OPEN, &body), 0);
}

static void
the_host_key_signs_once_before_a_login(void **state)
{
    struct liar *l = *state;
    uint8_t hash[EXCHANGE_HASH_SIZE] = { 9 };

    host_signs(l, 7);
    assert_int_equal(say_sign(l, hash, sizeof(hash)), 0);
    assert_true(l->over);
}

static void
the_host_key_signs_again_after_a_login(void **state)
{
    struct liar *l = *state;
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    host_signs(l, 7);
    make_login(l, 7, "local", signature);
    assert_true(log_in(l, "local", signature));
    host_signs(l, 8);
    host_signs(l, 9);
}

/* Its client exchanges keys anew with the host key that it knows. */
static void
a_session_keeps_the_host_key_that_it_began_with(void **state)
{
    struct liar *l = *state;
    struct keys *keys = &l->engine.keys;
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    uint8_t hash[EXCHANGE_HASH_SIZE] = { 9 };
    uint8_t before[ED25519_BLOB_SIZE];
    struct err e = ERR_INIT;

    host_signs(l, 7);
    make_login(l, 7, "local", signature);
    assert_true(log_in(l, "local", signature));
    memcpy(before, keys->host_blob, sizeof(before));
    assert_int_equal(keys_make_next(keys, l->folder, KEY_HOST, &e), 0);
    assert_int_equal(keys_use_next(keys, l->folder, KEY_HOST, &e), 0);
    assert_memory_not_equal(before, keys->host_blob, sizeof(before));
    assert_int_equal(say_sign(l, hash, sizeof(hash)), IPC_HOST_SIGNED);
    assert_true(
        proof_host_is_valid(before, sizeof(before), hash, l->body.data));
}

/* It does not look at the clock, as an honest one does. */
static void
a_session_that_outstays_its_time_is_ended(void **state)
{
    struct liar *l = *state;

    l->type = 0;
    assert_int_equal(hear(l), 0);
    assert_true(l->over);
}

static bool
wait_until(struct liar *l, int64_t until_ms)
{
    while (!l->over && clock_mono_ms() < until_ms)
        uv_run(l->engine.loop, UV_RUN_NOWAIT);
    return !l->over;
}

static void
a_session_that_has_logged_in_stays(void **state)
{
    struct liar *l = *state;
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct buf body = BUF_INIT;

    host_signs(l, 7);
    make_login(l, 7, "local", signature);
    assert_true(log_in(l, "local", signature));
    assert_true(wait_until(l, clock_mono_ms() + SHORT_GRACE_MS + 4000));
    buf_put_string(&body, "/status.json");
    assert_int_equal(say(l, IPC_STAT, &body), IPC_ATTRS);
}

static void
the_host_key_signs_exchange_hashes_only(void **state)
{
    struct liar *l = *state;
    uint8_t data[100] = "a login as somebody somewhere else";

    assert_int_equal(say_sign(l, data, sizeof(data)), 0);
    assert_true(l->over);
}

static void
nothing_is_served_before_a_login(void **state)
{
    struct liar *l = *state;
    struct buf body = BUF_INIT;

    buf_put_string(&body, "/datasets/config/snapshot.db");
    buf_put_u32(&body, SFTP_OPEN_READ);
    assert_int_equal(say(l, IPC_OPEN, &body), 0);
    assert_true(l->over);
}

int
main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SHORT_CASE(name) \
    cmocka_unit_test_setup_teardown(name, set_up_short, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(only_the_key_over_this_session_logs_in),
        CASE(a_signature_is_for_the_user_it_names),
        CASE(no_login_without_a_session_id),
        CASE(a_probe_logs_nobody_in),
        CASE(the_host_key_signs_once_before_a_login),
        CASE(the_host_key_signs_again_after_a_login),
        CASE(a_session_keeps_the_host_key_that_it_began_with),
        CASE(the_host_key_signs_exchange_hashes_only),
        CASE(nothing_is_served_before_a_login),
        SHORT_CASE(a_session_that_outstays_its_time_is_ended),
        SHORT_CASE(a_session_that_has_logged_in_stays),
    };

    if (child_is_requested(argc, argv))
        return child_run_instead(argc, argv, speak_for_the_test);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("liar", tests, NULL, NULL);
}

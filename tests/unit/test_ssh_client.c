/*
 * The blocking client against a libssh server in a thread of the same process:
 * what it sends before the host key is accepted, logins, files with short
 * reads, and conversations on /control.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "admin-proto/sftp_server.h"
#include "admin-proto/ssh_client.h"
#include "base/hash.h"

#define USER "admin"
#define PASSWORD "canary-password"
#define FILE_SIZE (5 * 1024 * 1024 + 17)
#define SHORT_READ 100000

/* One server, one connection at a time. */
struct fixture {
    int listener;
    uint16_t port;
    pthread_t thread;
    ssh_key host_key;
    ssh_key user_key;
    char fingerprint[64];
    char key_path[64];
    uint8_t *file;
    const char *answer; /* what /control says to any request */
    /* Written by the server's thread, read after it ended. */
    unsigned logins, controls; /* times that /control was opened */
    char request[512];
    /* The thread's own. */
    struct fxp_server *sftp;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct channel_calls;
    bool ready;
};

enum { HANDLE_FILE, HANDLE_CONTROL };

static void
backend_open(void *ctx, uint32_t tag, const char *path, uint32_t flags)
{
    struct fixture *f = ctx;

    (void)flags;
    if (strcmp(path, "/file") == 0)
        fxp_server_reply_handle(f->sftp, tag, HANDLE_FILE);
    else if (strcmp(path, "/control") == 0)
        fxp_server_reply_handle(f->sftp, tag, HANDLE_CONTROL);
    else
        fxp_server_reply_status(f->sftp, tag, SFTP_PERMISSION_DENIED,
            "PERMISSION: not for you\nAsk an administrator.");
    f->controls += strcmp(path, "/control") == 0;
}

static void
backend_close(void *ctx, uint32_t tag, uint32_t handle)
{
    struct fixture *f = ctx;

    (void)handle;
    fxp_server_reply_status(f->sftp, tag, SFTP_OK, "");
}

static void
backend_read(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    uint32_t length)
{
    struct fixture *f = ctx;
    const uint8_t *from = f->file;
    size_t size = FILE_SIZE;
    size_t n = 0;

    if (handle == HANDLE_CONTROL) {
        from = (const uint8_t *)f->answer;
        size = strlen(f->answer);
    }
    if (offset < size)
        n = size - (size_t)offset;
    if (n > length)
        n = length;
    /* A server may give less than was asked for. */
    if (n > SHORT_READ)
        n = SHORT_READ;
    if (handle == HANDLE_CONTROL && n > 7)
        n = 7;
    fxp_server_reply_data(f->sftp, tag, n > 0 ? from + offset : from, n);
}

static void
backend_write(void *ctx, uint32_t tag, uint32_t handle, uint64_t offset,
    const void *data, size_t len)
{
    struct fixture *f = ctx;

    (void)handle;
    if (offset == 0 && len < sizeof(f->request)) {
        memcpy(f->request, data, len);
        f->request[len] = '\0';
    }
    fxp_server_reply_status(f->sftp, tag, SFTP_OK, "");
}

static void
backend_stat(void *ctx, uint32_t tag, const char *path)
{
    const struct fxp_attrs file = { FILE_SIZE, S_IFREG | 0444, 1 };
    struct fixture *f = ctx;

    (void)path;
    fxp_server_reply_attrs(f->sftp, tag, &file);
}

static const struct fxp_backend backend = {
    .open = backend_open,
    .close = backend_close,
    .read = backend_read,
    .write = backend_write,
    .stat = backend_stat,
};

static int
judge_password(ssh_session session, const char *user, const char *password,
    void *ctx)
{
    struct fixture *f = ctx;

    (void)session;
    f->logins++;
    return strcmp(user, USER) == 0 && strcmp(password, PASSWORD) == 0
               ? SSH_AUTH_SUCCESS
               : SSH_AUTH_DENIED;
}

static int
judge_key(ssh_session session, const char *user, ssh_key key, char state,
    void *ctx)
{
    struct fixture *f = ctx;

    (void)session;
    f->logins++;
    /* NONE is a question only: it has no signature. */
    return strcmp(user, USER) == 0 &&
                   ssh_key_cmp(key, f->user_key, SSH_KEY_CMP_PUBLIC) == 0 &&
                   (state == SSH_PUBLICKEY_STATE_VALID ||
                       state == SSH_PUBLICKEY_STATE_NONE)
               ? SSH_AUTH_SUCCESS
               : SSH_AUTH_DENIED;
}

static int
take_subsystem(ssh_session session, ssh_channel channel, const char *name,
    void *ctx)
{
    struct fixture *f = ctx;

    (void)session;
    (void)channel;
    f->ready = strcmp(name, "sftp") == 0;
    return f->ready ? 0 : 1;
}

static ssh_channel
take_channel(ssh_session session, void *ctx)
{
    struct fixture *f = ctx;

    f->channel = ssh_channel_new(session);
    f->channel_calls.userdata = f;
    f->channel_calls.channel_subsystem_request_function = take_subsystem;
    ssh_callbacks_init(&f->channel_calls);
    ssh_set_channel_callbacks(f->channel, &f->channel_calls);
    return f->channel;
}

/* Serves logins until sftp is asked for; false when the client left. */
static bool
greet(struct fixture *f, ssh_session session)
{
    struct ssh_server_callbacks_struct calls = { .userdata = f,
        .auth_password_function = judge_password,
        .auth_pubkey_function = judge_key,
        .channel_open_request_session_function = take_channel };
    ssh_event event = ssh_event_new();

    ssh_callbacks_init(&calls);
    ssh_set_server_callbacks(session, &calls);
    ssh_set_auth_methods(session,
        SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY);
    if (ssh_handle_key_exchange(session) == SSH_OK) {
        ssh_event_add_session(event, session);
        while (!f->ready && ssh_is_connected(session))
            if (ssh_event_dopoll(event, 20) == SSH_ERROR)
                break;
        ssh_event_remove_session(event, session);
    }
    ssh_event_free(event);
    return f->ready;
}

static void
serve(struct fixture *f)
{
    static uint8_t bytes[65536];
    struct err e = ERR_INIT;
    struct buf *out;
    int n;

    f->sftp = fxp_server_start(&backend, f);
    while ((n = ssh_channel_read(f->channel, bytes, sizeof(bytes), 0)) > 0) {
        if (fxp_server_feed(f->sftp, bytes, (size_t)n, &e) != 0)
            break;
        while ((out = fxp_server_output(f->sftp))->len > 0) {
            n = ssh_channel_write(f->channel, out->data, (uint32_t)out->len);
            if (n <= 0)
                goto out;
            buf_consume(out, (size_t)n);
        }
    }
out:
    fxp_server_end(f->sftp);
}

static void *
server_thread(void *ctx)
{
    static const bool off = false;
    struct fixture *f = ctx;
    ssh_bind bind = ssh_bind_new();
    ssh_session session = ssh_new();
    ssh_key key = ssh_key_dup(f->host_key);
    int fd = accept(f->listener, NULL, NULL);

    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off);
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key);
    if (ssh_bind_accept_fd(bind, session, fd) == SSH_OK && greet(f, session))
        serve(f);
    ssh_disconnect(session);
    ssh_free(session);
    ssh_bind_free(bind);
    return NULL;
}

static void
listen_on_loopback(struct fixture *f)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->listener >= 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(f->listener, 5), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
    f->port = ntohs(a.sin_port);
}

static int
set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    char *text;
    uint8_t *blob;
    size_t i;
    int fd;

    memset(f, 0, sizeof(*f));
    listen_on_loopback(f);
    ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &f->host_key);
    ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &f->user_key);
    ssh_pki_export_pubkey_base64(f->host_key, &text);
    blob = base64_decode(text, &i);
    admin_fingerprint(blob, i, f->fingerprint);
    free(blob);
    ssh_string_free_char(text);
    strcpy(f->key_path, "/tmp/lockstep-test-key-XXXXXX");
    fd = mkstemp(f->key_path);
    close(fd);
    ssh_pki_export_privkey_file(f->user_key, NULL, NULL, NULL, f->key_path);
    f->file = malloc(FILE_SIZE);
    for (i = 0; i < FILE_SIZE; i++)
        f->file[i] = (uint8_t)(i * 31 + i / 4096);
    f->answer = "";
    pthread_create(&f->thread, NULL, server_thread, f);
    *state = f;
    return 0;
}

/* Waits for the server to have seen the end of its connection. */
static void
join(struct fixture *f)
{
    if (f->thread != 0)
        pthread_join(f->thread, NULL);
    f->thread = 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    join(f);
    close(f->listener);
    unlink(f->key_path);
    ssh_key_free(f->host_key);
    ssh_key_free(f->user_key);
    free(f->file);
    return 0;
}

static struct admin_client_options
options_of(const struct fixture *f)
{
    return (struct admin_client_options){ .host = "127.0.0.1",
        .port = f->port,
        .user = USER,
        .password = PASSWORD,
        .fingerprint = f->fingerprint };
}

static struct admin_client *
connect_client(struct fixture *f)
{
    struct admin_client_options o = options_of(f);
    struct admin_client *c;
    struct err e = ERR_INIT;

    if (admin_client_connect(&c, &o, &e) != 0)
        fail_msg("%s", e.message);
    return c;
}

static void
assert_refused(const struct admin_client_options *o, enum err_code code)
{
    struct admin_client *c;
    struct err e = ERR_INIT;

    assert_int_equal(admin_client_connect(&c, o, &e), -1);
    assert_string_equal(err_code_name(e.code), err_code_name(code));
    assert_string_not_equal(e.hint, "");
    assert_null(c);
}

static void
another_key_is_refused_before_any_login(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    o.fingerprint = "SHA256:0000000000000000000000000000000000000000000";
    assert_refused(&o, ERR_KEY_CHANGED);
    join(f);
    assert_int_equal(f->logins, 0);
}

static bool
answer_no(void *ctx, const char *fingerprint)
{
    snprintf(ctx, 64, "%s", fingerprint);
    return false;
}

static void
a_key_that_is_not_accepted_is_refused_before_any_login(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);
    char shown[64] = "";

    o.fingerprint = NULL;
    o.accept = answer_no;
    o.ctx = shown;
    assert_refused(&o, ERR_KEY_CHANGED);
    assert_string_equal(shown, f->fingerprint);
    join(f);
    assert_int_equal(f->logins, 0);
}

static void
without_fingerprint_or_question_nothing_is_sent(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    o.fingerprint = NULL;
    assert_refused(&o, ERR_KEY_CHANGED);
    join(f);
    assert_int_equal(f->logins, 0);
}

static void
a_probe_shows_the_key_without_login(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);
    struct admin_client *c;
    struct err e = ERR_INIT;
    uint64_t size;

    o.fingerprint = NULL;
    o.stop_at_key = true;
    assert_int_equal(admin_client_connect(&c, &o, &e), 0);
    assert_string_equal(admin_client_fingerprint(c), f->fingerprint);
    assert_string_equal(admin_client_peer_address(c), "127.0.0.1");
    assert_string_equal(admin_client_local_address(c), "127.0.0.1");
    assert_int_equal(admin_client_stat(c, "/file", &size, &e), -1);
    admin_client_close(c);
    join(f);
    assert_int_equal(f->logins, 0);
}

static void
a_wrong_password_is_a_refused_login(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    o.password = "another";
    assert_refused(&o, ERR_LOGIN);
}

static void
a_key_logs_in(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);
    struct admin_client *c;
    struct err e = ERR_INIT;
    uint64_t size;

    o.password = NULL;
    o.key_path = f->key_path;
    assert_int_equal(admin_client_connect(&c, &o, &e), 0);
    assert_int_equal(admin_client_stat(c, "/file", &size, &e), 0);
    assert_int_equal(size, FILE_SIZE);
    admin_client_close(c);
}

static void
a_file_comes_whole_in_spite_of_short_reads(void **state)
{
    struct fixture *f = *state;
    struct admin_client *c = connect_client(f);
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;

    assert_int_equal(admin_client_fetch(c, "/file", FILE_SIZE, &out, &e), 0);
    assert_int_equal(out.len, FILE_SIZE);
    assert_memory_equal(out.data, f->file, FILE_SIZE);
    assert_int_equal(admin_client_fetch(c, "/file", FILE_SIZE - 1, &out, &e),
        -1);
    assert_int_equal(e.code, ERR_INVALID);
    /* The connection is as good as before. */
    assert_int_equal(admin_client_fetch(c, "/file", FILE_SIZE, &out, &e), 0);
    buf_release(&out);
    admin_client_close(c);
}

static void
a_refusal_arrives_as_the_nodes_own_error(void **state)
{
    struct fixture *f = *state;
    struct admin_client *c = connect_client(f);
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;

    assert_int_equal(admin_client_fetch(c, "/secret", 100, &out, &e), -1);
    assert_int_equal(e.code, ERR_PERMISSION);
    assert_non_null(strstr(e.message, "not for you"));
    assert_string_equal(e.hint, "Ask an administrator.");
    buf_release(&out);
    admin_client_close(c);
}

static void
note_progress(void *ctx, json_t *line)
{
    int64_t *sum = ctx;

    *sum += json_integer_value(json_object_get(line, "done"));
}

static void
control_gives_progress_and_a_result(void **state)
{
    struct fixture *f = *state;
    struct admin_client *c;
    struct err e = ERR_INIT;
    json_t *args = json_pack("{s:s}", "name", "x");
    json_t *result = NULL;
    int64_t sum = 0;

    f->answer = "{\"progress\":{\"done\":5}}\n{\"progress\":{\"done\":6}}\n\n"
                "{\"result\":{\"rows\":[1,2,3]}}\n";
    c = connect_client(f);
    assert_int_equal(admin_client_control(c, "status", args, note_progress,
                         &sum, 0, &result, &e),
        0);
    assert_int_equal(sum, 11);
    assert_int_equal(json_array_size(json_object_get(result, "rows")), 3);
    json_decref(result);
    /* The last line may lack its line break. */
    f->answer = "{\"result\":null}";
    assert_int_equal(admin_client_control(c, "status", NULL, NULL, NULL, 0,
                         &result, &e),
        0);
    assert_true(json_is_null(result));
    admin_client_close(c);
    json_decref(args);
    join(f);
    assert_string_equal(f->request, "{\"command\":\"status\"}");
    assert_int_equal(f->controls, 3); /* the last of them ahead */
}

static void
control_gives_the_nodes_own_error(void **state)
{
    struct fixture *f = *state;
    struct admin_client *c;
    struct err e = ERR_INIT;
    json_t *result = NULL;

    f->answer = "{\"error\":{\"code\":\"HELD\",\"message\":\"it waits\","
                "\"hint\":\"Accept it.\"}}\n";
    c = connect_client(f);
    assert_int_equal(admin_client_control(c, "sync", NULL, NULL, NULL, 0,
                         &result, &e),
        -1);
    assert_int_equal(e.code, ERR_HELD);
    assert_string_equal(e.message, "it waits");
    assert_string_equal(e.hint, "Accept it.");
    assert_null(result);
    admin_client_close(c);
}

static void
control_refuses_answers_that_are_none(void **state)
{
    static const char *const answers[] = { "", "\n", "nonsense\n", "{}\n",
        "{\"progress\":{}}\n", "[1]\n", "{\"result\":1" };
    struct fixture *f = *state;
    struct admin_client *c = connect_client(f);
    json_t *result = NULL;
    struct err e;
    size_t i;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        err_clear(&e);
        f->answer = answers[i];
        assert_int_equal(admin_client_control(c, "x", NULL, NULL, NULL, 0,
                             &result, &e),
            -1);
        assert_string_equal(err_code_name(e.code), "PROTOCOL");
        assert_null(result);
    }
    admin_client_close(c);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(another_key_is_refused_before_any_login),
        TEST(a_key_that_is_not_accepted_is_refused_before_any_login),
        TEST(without_fingerprint_or_question_nothing_is_sent),
        TEST(a_probe_shows_the_key_without_login),
        TEST(a_wrong_password_is_a_refused_login),
        TEST(a_key_logs_in),
        TEST(a_file_comes_whole_in_spite_of_short_reads),
        TEST(a_refusal_arrives_as_the_nodes_own_error),
        TEST(control_gives_progress_and_a_result),
        TEST(control_gives_the_nodes_own_error),
        TEST(control_refuses_answers_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

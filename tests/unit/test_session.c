/*
 * A session against clients that are not ours: OpenSSH's sftp and ssh, and raw
 * sockets that misbehave.  What OpenSSH is needed for is skipped without it.
 */
#include "tests/unit/outbound_fixture.h"

#include <libssh/libssh.h>

#include "base/file.h"

#define OUTPUT_MAX (1024 * 1024)

struct run {
    char folder[32];
    char key_option[96];
    char port_option[32];
    char batch[64];
    char output[64];
    char copy[64];
    uv_process_t process;
    bool ended;
    int64_t status;
};

static void
run_prepare(struct run *r, const struct fixture *f)
{
    struct err e = ERR_INIT;
    char key[64];

    memset(r, 0, sizeof(*r));
    snprintf(r->folder, sizeof(r->folder), "/tmp/test_session.XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(key, sizeof(key), "%s/key", r->folder);
    snprintf(r->batch, sizeof(r->batch), "%s/batch", r->folder);
    snprintf(r->output, sizeof(r->output), "%s/output", r->folder);
    snprintf(r->copy, sizeof(r->copy), "%s/copy", r->folder);
    snprintf(r->key_option, sizeof(r->key_option), "-oIdentityFile=%s", key);
    snprintf(r->port_option, sizeof(r->port_option), "-oPort=%u",
        (unsigned)f->engine.port);
    assert_int_equal(file_write_atomic(key, f->engine.user.private_text,
                         strlen(f->engine.user.private_text), 0600, &e),
        0);
}

static void
run_release(struct run *r)
{
    static const char *const names[] = { "key", "batch", "output", "copy" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%s", r->folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(r->folder), 0);
}

static void
on_exit_of_client(uv_process_t *process, int64_t status, int signal_number)
{
    struct run *r = process->data;

    r->ended = true;
    r->status = signal_number != 0 ? -signal_number : status;
    uv_close((uv_handle_t *)process, NULL);
}

/* Runs PROGRAM with the common options, then LAST (NULL: none) and the target
 * and COMMAND; its words go to r->output. */
static void
run_client(struct fixture *f, struct run *r, const char *program,
    const char *extra, const char *command)
{
    char target[] = TINY_USER "@127.0.0.1";
    char *args[20];
    uv_stdio_container_t stdio[3];
    uv_process_options_t options = { 0 };
    int n = 0, out;

    args[n++] = (char *)program;
    args[n++] = "-F/dev/null";
    args[n++] = "-oStrictHostKeyChecking=no";
    args[n++] = "-oUserKnownHostsFile=/dev/null";
    args[n++] = "-oBatchMode=yes";
    args[n++] = "-oIdentitiesOnly=yes";
    args[n++] = "-oIdentityAgent=none";
    args[n++] = r->key_option;
    args[n++] = r->port_option;
    if (extra != NULL)
        args[n++] = (char *)extra;
    if (command == NULL) {
        args[n++] = "-b";
        args[n++] = r->batch;
    }
    args[n++] = target;
    if (command != NULL)
        args[n++] = (char *)command;
    args[n] = NULL;
    out = open(r->output, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(out >= 0);
    stdio[0].flags = UV_IGNORE;
    stdio[1].flags = UV_INHERIT_FD;
    stdio[1].data.fd = out;
    stdio[2] = stdio[1];
    options.file = program;
    options.args = args;
    options.stdio = stdio;
    options.stdio_count = 3;
    options.exit_cb = on_exit_of_client;
    r->process.data = r;
    if (uv_spawn(&f->loop, &r->process, &options) != 0)
        skip();
    close(out);
    while (!r->ended)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void
run_sftp(struct fixture *f, struct run *r, const char *extra, const char *batch)
{
    struct err e = ERR_INIT;

    assert_int_equal(file_write_atomic(r->batch, batch, strlen(batch), 0600,
                         &e),
        0);
    run_client(f, r, "/usr/bin/sftp", extra, NULL);
}

static bool
output_has(const struct run *r, const char *text)
{
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    bool found;

    assert_int_equal(file_read(r->output, OUTPUT_MAX, &b, &e), 0);
    buf_put_u8(&b, 0);
    found = strstr((char *)b.data, text) != NULL;
    buf_release(&b);
    return found;
}

static void
fxp_lists_puts_and_gets(void **state)
{
    struct fixture *f = *state;
    struct run r;
    char batch[256];

    run_prepare(&r, f);
    snprintf(batch, sizeof(batch), "ls -l /\nput %s/key /sink\n", r.folder);
    run_sftp(f, &r, NULL, batch);
    assert_int_equal(r.status, 0);
    assert_true(output_has(&r, "source"));
    assert_true(output_has(&r, "67108864"));
    assert_int_equal(f->engine.written, strlen(f->engine.user.private_text));
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
    run_release(&r);
}

/* The keys are exchanged anew every megabyte, in the middle of everything. */
static void
a_large_file_survives_many_key_exchanges(void **state)
{
    struct fixture *f = *state;
    struct run r;
    char batch[256];
    struct stat st;
    uint8_t block[4096];
    FILE *copy;
    uint64_t at = 0;
    size_t n;

    run_prepare(&r, f);
    snprintf(batch, sizeof(batch), "get /source %s\nput %s /sink\n", r.copy,
        r.copy);
    run_sftp(f, &r, "-oRekeyLimit=1M", batch);
    assert_int_equal(r.status, 0);
    assert_int_equal(stat(r.copy, &st), 0);
    assert_int_equal(st.st_size, SOURCE_SIZE);
    assert_int_equal(f->engine.written, SOURCE_SIZE);
    copy = fopen(r.copy, "r");
    assert_non_null(copy);
    while ((n = fread(block, 1, sizeof(block), copy)) > 0)
        for (size_t i = 0; i < n; i++, at++)
            if (block[i] != (uint8_t)at)
                fail_msg("wrong byte at %llu", (unsigned long long)at);
    fclose(copy);
    /* Each one signed by the engine, which holds the key. */
    assert_true(f->engine.signatures > 100);
    run_release(&r);
}

static void
nothing_but_sftp_is_to_be_had(void **state)
{
    static const char *const extras[] = { NULL, "-tt", "-oForwardAgent=yes",
        "-oRemoteForward=127.0.0.1:1 127.0.0.1:1" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        struct run r;

        run_prepare(&r, f);
        run_client(f, &r, "/usr/bin/ssh", extras[i], "echo done $((6 * 7))");
        assert_int_not_equal(r.status, 0);
        assert_false(output_has(&r, "done 42"));
        run_release(&r);
    }
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
}

static void
weak_algorithms_are_not_offered(void **state)
{
    static const char *const extras[] = { "-oCiphers=aes256-gcm@openssh.com",
        "-oKexAlgorithms=diffie-hellman-group14-sha256",
        "-oHostKeyAlgorithms=rsa-sha2-512" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        bool told = false;

        /* Either side may find it first; a server that hangs up can reset the
         * connection before the client has read what it offers. */
        for (int tries = 0; !told && tries < 10; tries++) {
            struct run r;

            run_prepare(&r, f);
            run_sftp(f, &r, extras[i], "ls\n");
            assert_int_not_equal(r.status, 0);
            told = output_has(&r, "no matching");
            run_release(&r);
        }
        assert_true(told);
    }
    assert_int_equal(f->engine.key_logins, 0);
}

static void
every_cipher_of_the_list_works(void **state)
{
    static const char *const extras[] = {
        "-oCiphers=chacha20-poly1305@openssh.com", "-oCiphers=aes256-ctr",
        "-oCiphers=aes192-ctr", "-oCiphers=aes128-ctr"
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        struct run r;

        run_prepare(&r, f);
        run_sftp(f, &r, extras[i], "ls\n");
        assert_int_equal(r.status, 0);
        run_release(&r);
    }
}

static int
connect_raw(const struct fixture *f)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(f->engine.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void
await_session_begun_and_ended(struct fixture *f, unsigned count)
{
    while (f->engine.started < count)
        uv_run(&f->loop, UV_RUN_ONCE);
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
}

static void
a_silent_client_is_dropped_after_the_grace_time(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->engine.grace_ms = 200;
    fd = connect_raw(f);
    await_session_begun_and_ended(f, 1);
    close(fd);
}

static void
a_client_that_stops_inside_the_handshake_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->engine.grace_ms = 200;
    fd = connect_raw(f);
    assert_int_equal(write(fd, "SSH-2.0-x\r\n\0\0", 13), 13);
    await_session_begun_and_ended(f, 1);
    close(fd);
}

static void
garbage_ends_the_session_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    static uint8_t garbage[4096];
    struct client c = { 0 };

    memset(garbage, 0xff, sizeof(garbage));
    for (unsigned i = 0; i < 4; i++) {
        int fd = connect_raw(f);

        if (i > 0)
            assert_int_equal(write(fd, "SSH-2.0-x\r\n", 11), 11);
        if (i > 1)
            memset(garbage, 0, 3); /* a packet length that is plausible */
        assert_true(write(fd, garbage, sizeof(garbage)) > 0);
        await_session_begun_and_ended(f, i + 1);
        close(fd);
    }
    open_ready(f, &c);
    link_close(c.link);
}

static void
a_client_that_goes_away_at_once_is_no_crash(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 5; i++)
        close(connect_raw(f));
    await_session_begun_and_ended(f, 5);
}

/* A thread of this process is a client that libssh lets block. */
struct guesser {
    uint16_t port;
    const char *method; /* "password", "none" */
    unsigned asked;     /* until the server hung up */
    bool done;
};

static void
guess(void *ctx)
{
    struct guesser *g = ctx;
    ssh_session ssh = ssh_new();
    unsigned port = g->port;
    bool no = false;

    ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(ssh, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(ssh, SSH_OPTIONS_PORT, &port);
    ssh_options_set(ssh, SSH_OPTIONS_USER, TINY_USER);
    ssh_options_set(ssh, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    if (ssh_connect(ssh) == SSH_OK)
        for (; g->asked < 100; g->asked++) {
            int r = strcmp(g->method, "none") == 0
                        ? ssh_userauth_none(ssh, NULL)
                        : ssh_userauth_password(ssh, NULL, "guess");

            if (r != SSH_AUTH_DENIED)
                break;
        }
    ssh_disconnect(ssh);
    ssh_free(ssh);
}

static void
on_guessed(uv_work_t *work, int status)
{
    struct guesser *g = work->data;

    (void)status;
    g->done = true;
}

static void
on_thread(uv_work_t *work)
{
    guess(work->data);
}

static unsigned
guesses_allowed(struct fixture *f, const char *method)
{
    struct guesser g = { .port = f->engine.port, .method = method };
    uv_work_t work = { .data = &g };

    assert_int_equal(uv_queue_work(&f->loop, &work, on_thread, on_guessed), 0);
    while (!g.done)
        uv_run(&f->loop, UV_RUN_ONCE);
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 0);
    return g.asked;
}

static void
three_wrong_passwords_end_a_connection(void **state)
{
    struct fixture *f = *state;

    assert_true(guesses_allowed(f, "password") <= 3);
    assert_int_equal(f->engine.password_logins, 3);
}

static void
requests_without_a_method_are_counted(void **state)
{
    assert_true(guesses_allowed(*state, "none") <= 20);
}

int
main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(fxp_lists_puts_and_gets),
        CASE(a_large_file_survives_many_key_exchanges),
        CASE(nothing_but_sftp_is_to_be_had),
        CASE(weak_algorithms_are_not_offered),
        CASE(every_cipher_of_the_list_works),
        CASE(a_silent_client_is_dropped_after_the_grace_time),
        CASE(a_client_that_stops_inside_the_handshake_is_dropped),
        CASE(garbage_ends_the_session_and_nothing_else),
        CASE(a_client_that_goes_away_at_once_is_no_crash),
        CASE(three_wrong_passwords_end_a_connection),
        CASE(requests_without_a_method_are_counted),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}

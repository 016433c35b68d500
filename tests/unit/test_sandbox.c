/*
 * What a session, the pusher and the connector can do once they are in other
 * hands.  The processes of these tests give everything up as they are shipped
 * to, and then try one thing, which their other descriptor names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "daemon/child_parts.h"
#include "daemon/events.h"
#include "daemon/inbound.h"
#include "daemon/listener.h"
#include "daemon/sandbox.h"
#include "tests/unit/engine_fixture.h"

#define HANG_S 120
#define SUCCEEDED 9 /* exit status of a process that could do it */

/* --- the process that is in other hands --- */

static bool
open_for_reading(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC) >= 0;
}

static bool
read_configuration(void)
{
    return open_for_reading("/etc/hosts");
}

static bool
read_other_files(void)
{
    return open_for_reading("/root") || open_for_reading("/home") ||
           open_for_reading("/tmp");
}

static bool
write_file(void)
{
    return open("/tmp/lockstep-test-sandbox", O_WRONLY | O_CREAT | O_CLOEXEC,
               0600) >= 0;
}

static bool
connect_somewhere(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ||
                          errno == ECONNREFUSED);
}

static bool
listen_somewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && listen(fd, 1) == 0;
}

static bool
fork_itself(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool
execute(void)
{
    char path[] = "/bin/true";
    char *argv[] = { path, NULL };
    char *environment[] = { NULL };

    return execve(path, argv, environment) == 0;
}

static bool
execute_its_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
trace_the_engine(void)
{
    return ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0;
}

static bool
signal_the_engine(void)
{
    return syscall(SYS_kill, -1, 0) == 0;
}

static bool
lift_a_limit(void)
{
    struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };

    return setrlimit(RLIMIT_CORE, &more) == 0;
}

static bool
call_what_nobody_knows(void)
{
    return syscall(SYS_acct, NULL) == 0;
}

static bool
give_up(void)
{
    abort();
}

enum act {
    READ_CONFIGURATION,
    READ_OTHER_FILES,
    WRITE_FILE,
    CONNECT,
    LISTEN,
    FORK,
    EXECUTE,
    EXECUTE_MEMORY,
    TRACE,
    SIGNAL,
    LIFT_LIMIT,
    UNKNOWN,
    ABORT,
};

static bool (*const acts[])(void) = {
    [READ_CONFIGURATION] = read_configuration,
    [READ_OTHER_FILES] = read_other_files,
    [WRITE_FILE] = write_file,
    [CONNECT] = connect_somewhere,
    [LISTEN] = listen_somewhere,
    [FORK] = fork_itself,
    [EXECUTE] = execute,
    [EXECUTE_MEMORY] = execute_its_memory,
    [TRACE] = trace_the_engine,
    [SIGNAL] = signal_the_engine,
    [LIFT_LIMIT] = lift_a_limit,
    [UNKNOWN] = call_what_nobody_knows,
    [ABORT] = give_up,
};

static int
misbehave(void)
{
    uint8_t act;

    if (read(CHILD_EXTRA_FD, &act, 1) != 1)
        return 1;
    _exit(acts[act]() ? SUCCEEDED : 0);
}

/* --- the tests --- */

struct end {
    bool over;
    bool crashed;
    char how[128];
};

static bool
on_message(void *ctx, struct ipc_message *m)
{
    (void)ctx;
    (void)m;
    return true;
}

static void
on_ended(void *ctx, bool crashed, const char *how)
{
    struct end *end = ctx;

    end->over = true;
    end->crashed = crashed;
    snprintf(end->how, sizeof(end->how), "%s", how);
}

/* Has a process of PART try ACT; how it ended. */
static struct end
attempt(enum child_part part, enum act act)
{
    static const struct child_callbacks callbacks = { on_message, on_ended };
    const uint8_t byte = (uint8_t)act;
    struct end end = { .over = false };
    struct child *child;
    struct err e = ERR_INIT;
    uv_loop_t loop;
    int pair[2];

    alarm(HANG_S);
    log_init("test", LOG_LEVEL_INFO);
    uv_loop_init(&loop);
    assert_int_equal(child_setup(&loop, &e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
        0);
    assert_int_equal(write(pair[0], &byte, 1), 1);
    assert_int_equal(child_start(&child, &loop, part, pair[1], &callbacks, &end,
                         &e),
        0);
    while (!end.over)
        uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(pair[0]);
    return end;
}

#define REFUSED "exit status 0"
#define DONE "exit status 9"
#define KILLED(call) "killed for a forbidden system call (" call ")"

#define TEXT(number) #number
#define UNNAMED(call) \
    "killed for a forbidden system call (number " TEXT(call) ")"

/* What is expected; with sanitizers, where their own needs open something. */
struct expected {
    enum act act;
    const char *how;
    const char *how_sanitized; /* NULL: the same */
};

static void
check_all(enum child_part part, const struct expected *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *how = list[i].how;
        struct end end = attempt(part, list[i].act);

        if (SANITIZED && list[i].how_sanitized != NULL)
            how = list[i].how_sanitized;
        if (strcmp(end.how, how) != 0)
            fail_msg("act %d: %s, not %s", (int)list[i].act, end.how, how);
        assert_int_equal(end.crashed, strcmp(how, REFUSED) != 0);
    }
}

static void
a_session_in_other_hands_is_ended(void **state)
{
    static const struct expected expected[] = {
        { READ_CONFIGURATION, KILLED("openat"), DONE },
        { READ_OTHER_FILES, KILLED("openat"), DONE },
        { WRITE_FILE, KILLED("openat"), NULL },
        { CONNECT, KILLED("socket"), NULL },
        { LISTEN, KILLED("socket"), NULL },
        { FORK, KILLED("clone"), NULL },
        { EXECUTE, KILLED("execve"), NULL },
        { EXECUTE_MEMORY, KILLED("mmap"), DONE },
        { TRACE, KILLED("ptrace"), REFUSED },
        { SIGNAL, KILLED("kill"), NULL },
        { LIFT_LIMIT, KILLED("prlimit64"), REFUSED },
        { UNKNOWN, UNNAMED(SYS_acct), NULL },
        { ABORT, "killed by signal 6 (Aborted)", NULL },
    };

    (void)state;
    check_all(CHILD_SESSION, expected, sizeof(expected) / sizeof(expected[0]));
}

static void
the_pusher_in_other_hands_is_ended(void **state)
{
    static const struct expected expected[] = {
        { READ_CONFIGURATION, REFUSED, DONE },
        { READ_OTHER_FILES, REFUSED, DONE },
        { WRITE_FILE, REFUSED, NULL },
        { CONNECT, KILLED("socket"), NULL },
        { LISTEN, KILLED("socket"), NULL },
        { FORK, KILLED("clone"), NULL },
        { EXECUTE, KILLED("execve"), NULL },
        { EXECUTE_MEMORY, KILLED("mmap"), DONE },
        { TRACE, KILLED("ptrace"), REFUSED },
        { SIGNAL, KILLED("kill"), NULL },
        { LIFT_LIMIT, KILLED("prlimit64"), REFUSED },
        { ABORT, "killed by signal 6 (Aborted)", NULL },
    };

    (void)state;
    check_all(CHILD_PUSHER, expected, sizeof(expected) / sizeof(expected[0]));
}

static void
the_connector_in_other_hands_is_ended(void **state)
{
    static const struct expected expected[] = {
        { READ_CONFIGURATION, DONE, NULL },
        { WRITE_FILE, KILLED("openat"), NULL },
        { CONNECT, DONE, NULL },
        { LISTEN, KILLED("listen"), NULL },
        { FORK, KILLED("clone"), NULL },
        { EXECUTE, KILLED("execve"), NULL },
        { EXECUTE_MEMORY, KILLED("mmap"), DONE },
        { TRACE, KILLED("ptrace"), REFUSED },
        { SIGNAL, KILLED("kill"), NULL },
        { LIFT_LIMIT, KILLED("prlimit64"), REFUSED },
        { ABORT, "killed by signal 6 (Aborted)", NULL },
    };

    (void)state;
    check_all(CHILD_CONNECTOR, expected,
        sizeof(expected) / sizeof(expected[0]));
}

static void
the_connector_reads_nothing_but_the_system_s_configuration(void **state)
{
    const bool has_landlock =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1u) >= 1;

    (void)state;
    assert_string_equal(attempt(CHILD_CONNECTOR, READ_OTHER_FILES).how,
        has_landlock && !SANITIZED ? REFUSED : DONE);
}

static void
on_any(uv_poll_t *poll, int status, int events)
{
    bool *over = poll->data;

    (void)status;
    (void)events;
    *over = true;
}

/* As a client that found a flaw would have it. */
static void
the_event_names_what_a_session_tried(void **state)
{
    const uint8_t act = CONNECT;
    char *folder = fixture_folder();
    struct sockaddr_in a = { .sin_family = AF_INET };
    struct engine engine;
    uv_poll_t closed;
    bool over = false;
    char *text;
    json_t *list;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    alarm(HANG_S);
    fixture_start(&engine, folder);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(
        (uint16_t)atoi(strrchr(listener_address(engine.listener), ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(write(fd, &act, 1), 1);
    uv_poll_init(engine.loop, &closed, fd);
    closed.data = &over;
    uv_poll_start(&closed, UV_READABLE, on_any);
    while (!over || inbounds_count(engine.inbounds) > 0)
        uv_run(engine.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&closed, NULL);
    list = events_list(engine.events, 0, 100);
    text = json_dumps(list, JSON_COMPACT);
    assert_non_null(strstr(text, "\"session-crashed\""));
    assert_non_null(
        strstr(text, "the session of 127.0.0.1 ended: " KILLED("socket")));
    free(text);
    json_decref(list);
    close(fd);
    fixture_stop(&engine);
    fixture_remove(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_in_other_hands_is_ended),
        cmocka_unit_test(the_pusher_in_other_hands_is_ended),
        cmocka_unit_test(the_connector_in_other_hands_is_ended),
        cmocka_unit_test(
            the_connector_reads_nothing_but_the_system_s_configuration),
        cmocka_unit_test(the_event_names_what_a_session_tried),
    };

    if (child_is_requested(argc, argv))
        return child_run_instead(argc, argv, misbehave);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}

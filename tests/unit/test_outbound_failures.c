/*
 * Links that fail, and that each way of failing is told apart.
 */
#include "tests/unit/outbound_fixture.h"

#include <dirent.h>

#define SHORT_MS 400

static void
a_killed_peer_is_unreachable(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };

    open_ready(f, &c);
    assert_int_equal(kill(child_pid(f->engine.last), SIGKILL), 0);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_UNREACHABLE);
    await_no_sessions(f);
    assert_int_equal(f->engine.crashes, 1);
}

/* A child of ours by the name it gave itself. */
static int
find_child(const char *name)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int found = -1;

    while ((entry = readdir(proc)) != NULL) {
        char path[300], comm[64];
        int pid, parent;
        FILE *stat_file;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        if (atoi(entry->d_name) == 0 || (stat_file = fopen(path, "r")) == NULL)
            continue;
        if (fscanf(stat_file, "%d (%63[^)]) %*c %d", &pid, comm, &parent) ==
                3 &&
            parent == getpid() && strcmp(comm, name) == 0)
            found = pid;
        fclose(stat_file);
    }
    closedir(proc);
    return found;
}

static void
a_crash_of_the_pusher_closes_its_links_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct client a = { 0 }, b = { 0 }, again = { 0 };
    int pid;

    open_ready(f, &a);
    open_ready(f, &b);
    pid = find_child("lockstep-pusher");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    await_closed(f, &a);
    await_closed(f, &b);
    assert_int_equal(a.error.code, ERR_UNREACHABLE);
    open_ready(f, &again);
    link_close(again.link);
}

/* A port where something other than lockstepd is. */
struct odd_server {
    int fd;
    uint16_t port;
    const char *greeting; /* NULL: none */
    bool closes;
    uv_poll_t poll;
    int accepted;
};

static void
odd_accept(uv_poll_t *poll, int status, int events)
{
    struct odd_server *s = poll->data;
    int fd = accept(s->fd, NULL, NULL);

    (void)status;
    (void)events;
    if (s->greeting != NULL)
        assert_true(write(fd, s->greeting, strlen(s->greeting)) > 0);
    if (s->closes)
        close(fd);
    else
        s->accepted = fd;
}

static void
odd_server_bind(struct odd_server *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->accepted = -1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

static void
odd_server_start(struct fixture *f, struct odd_server *s)
{
    odd_server_bind(s);
    assert_int_equal(listen(s->fd, 8), 0);
    uv_poll_init(&f->loop, &s->poll, s->fd);
    s->poll.data = s;
    uv_poll_start(&s->poll, UV_READABLE, odd_accept);
}

static void
odd_server_stop(struct fixture *f, struct odd_server *s)
{
    uv_close((uv_handle_t *)&s->poll, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    close(s->fd);
    if (s->accepted >= 0)
        close(s->accepted);
}

static void
link_to_odd_server(struct fixture *f, struct odd_server *s, uint32_t timeout,
    enum err_code expected)
{
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    odd_server_start(f, s);
    p.port = s->port;
    p.timeout_ms = timeout;
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_string_equal(err_code_name(c.error.code), err_code_name(expected));
    assert_string_not_equal(c.error.hint, "");
    odd_server_stop(f, s);
}

static void
a_close_without_a_word_is_told_apart(void **state)
{
    struct odd_server s = { .closes = true };

    link_to_odd_server(*state, &s, LONG_MS, ERR_CLOSED);
}

static void
a_server_that_says_nothing_is_given_up(void **state)
{
    struct odd_server s = { .closes = false };

    link_to_odd_server(*state, &s, SHORT_MS, ERR_NO_ANSWER);
}

static void
another_protocol_is_told_apart(void **state)
{
    struct odd_server s = { .greeting = "HTTP/1.1 400 Bad Request\r\n\r\n",
        .closes = true };

    link_to_odd_server(*state, &s, LONG_MS, ERR_PROTOCOL);
}

static void
a_closed_port_is_refused(void **state)
{
    struct fixture *f = *state;
    struct odd_server s = { 0 };
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    odd_server_bind(&s); /* nobody else can have that port */
    p.port = s.port;
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_CONNECTION_REFUSED);
    close(s.fd);
}

static void
a_last_address_works_without_the_name(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.host = "no-such-host.invalid";
    p.last_address = "127.0.0.1";
    open_link(f, &c, &p);
    await_ready(f, &c);
    link_close(c.link);
}

static void
an_unknown_name_is_a_resolve_error(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.host = "no-such-host.invalid";
    open_link(f, &c, &p);
    await_closed(f, &c);
    assert_int_equal(c.error.code, ERR_RESOLVE);
}

static void
the_source_address_is_used(void **state)
{
    struct fixture *f = *state;
    struct client c = { 0 };
    struct link_params p = params(f, LINK_KEY);

    p.source_address = "127.0.0.77";
    open_link(f, &c, &p);
    await_ready(f, &c);
    assert_string_equal(link_local_address(c.link), "127.0.0.77");
    link_close(c.link);
}

int
main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_killed_peer_is_unreachable),
        CASE(a_crash_of_the_pusher_closes_its_links_and_no_more),
        CASE(a_close_without_a_word_is_told_apart),
        CASE(a_server_that_says_nothing_is_given_up),
        CASE(another_protocol_is_told_apart),
        CASE(a_closed_port_is_refused),
        CASE(a_last_address_works_without_the_name),
        CASE(an_unknown_name_is_a_resolve_error),
        CASE(the_source_address_is_used),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("outbound_failures", tests, NULL, NULL);
}

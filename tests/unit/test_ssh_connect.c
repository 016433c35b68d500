/*
 * The blocking client against sockets that are no server: each failure names
 * its layer, and has a hint.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin-proto/ssh_client.h"

struct fixture {
    int listener;
    uint16_t port;
    pthread_t thread;
};

static void
bind_to_loopback(struct fixture *f)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t len = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->listener >= 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
    f->port = ntohs(a.sin_port);
}

static struct admin_client_options
options_of(const struct fixture *f)
{
    return (struct admin_client_options){ .host = "127.0.0.1",
        .port = f->port,
        .user = "admin",
        .password = "canary-password",
        .fingerprint = "SHA256:0" };
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

static int
set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    bind_to_loopback(&fixture);
    assert_int_equal(listen(fixture.listener, 5), 0);
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->thread != 0)
        pthread_join(f->thread, NULL);
    if (f->listener >= 0)
        close(f->listener);
    return 0;
}

static void
a_closed_port_is_a_refused_connection(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o;

    close(f->listener);
    bind_to_loopback(f); /* nobody else can have that port */
    o = options_of(f);
    assert_refused(&o, ERR_CONNECTION_REFUSED);
}

static void *
close_at_once(void *ctx)
{
    struct fixture *f = ctx;

    close(accept(f->listener, NULL, NULL));
    return NULL;
}

static void
an_end_without_a_byte_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    pthread_create(&f->thread, NULL, close_at_once, f);
    assert_refused(&o, ERR_CLOSED);
}

static void
silence_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    o.timeout_ms = 50; /* nobody accepts: the kernel does, and no byte comes */
    assert_refused(&o, ERR_NO_ANSWER);
}

static void *
greet_in_http(void *ctx)
{
    static const char words[] = "HTTP/1.0 400 Bad Request\r\n\r\n";
    struct fixture *f = ctx;
    char byte;
    int fd = accept(f->listener, NULL, NULL);

    /* After the client's first byte, so that ours finds it waiting. */
    if (read(fd, &byte, 1) == 1 && write(fd, words, sizeof(words) - 1) > 0)
        shutdown(fd, SHUT_WR);
    while (read(fd, &byte, 1) == 1)
        ;
    close(fd);
    return NULL;
}

static void
another_protocol_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    pthread_create(&f->thread, NULL, greet_in_http, f);
    assert_refused(&o, ERR_PROTOCOL);
}

static void
an_unknown_name_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct admin_client_options o = options_of(f);

    o.host = "no such name";
    assert_refused(&o, ERR_RESOLVE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_port_is_a_refused_connection),
        TEST(an_end_without_a_byte_is_told_apart),
        TEST(silence_is_told_apart),
        TEST(another_protocol_is_told_apart),
        TEST(an_unknown_name_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

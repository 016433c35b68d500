/*
 * The channel between processes: order, sizes, descriptors, and what a broken
 * or malicious other end can do.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "daemon/ipc.h"

struct pair {
    struct ipc_channel *a;
    struct ipc_channel *b;
};

/* What was received. */
struct heard {
    unsigned count;
    uint8_t type;
    uint32_t tag;
    uint8_t *body;
    size_t body_len;
    int fd;
    bool in_order; /* tags grew by one */
};

static int
set_up(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    p->a = ipc_channel_new(fds[0]);
    p->b = ipc_channel_new(fds[1]);
    *state = p;
    return 0;
}

static int
tear_down(void **state)
{
    struct pair *p = *state;

    ipc_channel_free(p->a);
    ipc_channel_free(p->b);
    free(p);
    return 0;
}

static bool
hear(void *ctx, struct ipc_message *m)
{
    struct heard *h = ctx;

    h->in_order = h->count == 0 || (h->in_order && m->tag == h->tag + 1);
    h->count++;
    h->type = m->type;
    h->tag = m->tag;
    free(h->body);
    h->body = alloc_copy(m->body, m->body_len);
    h->body_len = m->body_len;
    h->fd = m->fd;
    return true;
}

/* Lets both ends work until COUNT messages came. */
static void
pump(struct pair *p, struct heard *h, unsigned count)
{
    struct err e = ERR_INIT;

    while (h->count < count) {
        assert_int_equal(ipc_flush(p->a, &e), 0);
        assert_int_equal(ipc_receive(p->b, hear, h, &e), 0);
    }
}

static void
a_message_arrives_as_it_was_sent(void **state)
{
    struct pair *p = *state;
    struct heard h = { 0 };

    ipc_send(p->a, 7, 0xfffffffe, "hello", 5, -1);
    pump(p, &h, 1);
    assert_int_equal(h.type, 7);
    assert_int_equal(h.tag, 0xfffffffe);
    assert_int_equal(h.body_len, 5);
    assert_memory_equal(h.body, "hello", 5);
    assert_int_equal(h.fd, -1);
    ipc_send(p->a, 8, 1, NULL, 0, -1);
    pump(p, &h, 2);
    assert_int_equal(h.body_len, 0);
    free(h.body);
}

static void
what_the_kernel_does_not_take_is_queued_in_order(void **state)
{
    struct pair *p = *state;
    struct heard h = { 0 };
    uint8_t *body = alloc_zeroed(IPC_BODY_MAX, 1);

    for (uint32_t i = 0; i < 20; i++) {
        body[IPC_BODY_MAX - 1] = (uint8_t)i;
        ipc_send(p->a, 1, i, body, i % 2 ? IPC_BODY_MAX : 3, -1);
    }
    assert_true(ipc_wants_write(p->a));
    assert_true(ipc_queued(p->a) > IPC_BODY_MAX);
    pump(p, &h, 20);
    assert_true(h.in_order);
    assert_int_equal(h.body_len, IPC_BODY_MAX);
    assert_int_equal(h.body[IPC_BODY_MAX - 1], 19);
    assert_false(ipc_wants_write(p->a));
    assert_int_equal(ipc_queued(p->a), 0);
    free(h.body);
    free(body);
}

/* The number of the pipe whose write end FD is, by what comes out of it. */
static bool
is_pipe(int fd, int read_end, char mark)
{
    char c = 0;

    return write(fd, &mark, 1) == 1 && read(read_end, &c, 1) == 1 && c == mark;
}

struct pipes {
    int ends[8][2];
    unsigned next;
    unsigned others;
};

static bool
check_descriptor(void *ctx, struct ipc_message *m)
{
    struct pipes *pipes = ctx;

    if (m->type != 2) {
        assert_int_equal(m->fd, -1);
        pipes->others++;
        return true;
    }
    assert_int_equal(m->tag, pipes->next);
    assert_true(m->fd >= 0);
    assert_true(
        is_pipe(m->fd, pipes->ends[pipes->next][0], (char)('a' + pipes->next)));
    close(m->fd);
    pipes->next++;
    return true;
}

static void
descriptors_arrive_with_their_own_messages(void **state)
{
    struct pair *p = *state;
    struct pipes pipes = { .next = 0 };
    struct err e = ERR_INIT;
    uint8_t *body = alloc_zeroed(300000, 1);

    /* Queued between bulk, so that a descriptor waits for its turn; and some
     * right behind one another. */
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(pipe2(pipes.ends[i], O_CLOEXEC), 0);
        if (i % 3 != 1)
            ipc_send(p->a, 1, i, body, 300000, -1);
        ipc_send(p->a, 2, i, body, i, pipes.ends[i][1]);
    }
    while (pipes.next < 8) {
        assert_int_equal(ipc_flush(p->a, &e), 0);
        assert_int_equal(ipc_receive(p->b, check_descriptor, &pipes, &e), 0);
    }
    assert_int_equal(pipes.others, 5);
    for (int i = 0; i < 8; i++)
        close(pipes.ends[i][0]);
    free(body);
}

static void
the_senders_copy_of_a_descriptor_is_closed(void **state)
{
    struct pair *p = *state;
    struct heard h = { 0 };
    int ends[2];
    char c;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    ipc_send(p->a, 1, 0, NULL, 0, ends[1]);
    pump(p, &h, 1);
    assert_true(h.fd >= 0);
    assert_int_equal(fcntl(h.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(h.fd);
    /* No other copy is left: the pipe ends. */
    assert_int_equal(read(ends[0], &c, 1), 0);
    close(ends[0]);
    free(h.body);
}

static void
descriptors_not_sent_are_closed_with_the_channel(void **state)
{
    struct pair *p = *state;
    uint8_t *body = alloc_zeroed(IPC_BODY_MAX, 1);
    int ends[2];
    char c;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    ipc_send(p->a, 1, 0, body, IPC_BODY_MAX, -1);
    ipc_send(p->a, 1, 0, NULL, 0, ends[1]);
    ipc_channel_free(p->a);
    p->a = NULL;
    assert_int_equal(read(ends[0], &c, 1), 0);
    close(ends[0]);
    free(body);
}

static void
the_end_of_the_other_side_is_closed(void **state)
{
    struct pair *p = *state;
    struct heard h = { 0 };
    struct err e = ERR_INIT;

    ipc_send(p->a, 1, 5, "last", 4, -1);
    ipc_channel_free(p->a);
    p->a = NULL;
    assert_int_equal(ipc_receive(p->b, hear, &h, &e), 0);
    assert_int_equal(h.tag, 5);
    assert_int_equal(ipc_receive(p->b, hear, &h, &e), -1);
    assert_int_equal(e.code, ERR_CLOSED);
    free(h.body);
}

static void
sending_to_nobody_says_closed_and_keeps_nothing(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    ipc_channel_free(p->b);
    p->b = NULL;
    ipc_send(p->a, 1, 0, "x", 1, -1);
    assert_int_equal(ipc_flush(p->a, &e), -1);
    assert_int_equal(e.code, ERR_CLOSED);
    assert_false(ipc_wants_write(p->a));
}

static void
a_length_out_of_bounds_is_refused(void **state)
{
    static const struct {
        uint8_t length[4];
    } bad[] = {
        { { 0, 0, 0, 4 } },    /* shorter than type and tag */
        { { 0, 0x10, 0, 6 } }, /* one beyond IPC_BODY_MAX */
        { { 0x7f, 0xff, 0xff, 0xff } },
        { { 0xff, 0xff, 0xff, 0xff } },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct heard h = { 0 };
        struct err e = ERR_INIT;
        struct ipc_channel *c;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        c = ipc_channel_new(fds[0]);
        assert_int_equal(write(fds[1], bad[i].length, 4), 4);
        assert_int_equal(ipc_receive(c, hear, &h, &e), -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
        assert_int_equal(h.count, 0);
        ipc_channel_free(c);
        close(fds[1]);
    }
}

static void
a_message_may_come_byte_by_byte(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 0, 7, 9, 0, 0, 0, 3, 'h', 'i' };
    struct heard h = { 0 };
    struct err e = ERR_INIT;
    struct ipc_channel *c;
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    c = ipc_channel_new(fds[0]);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(h.count, 0);
        assert_int_equal(write(fds[1], &bytes[i], 1), 1);
        assert_int_equal(ipc_receive(c, hear, &h, &e), 0);
    }
    assert_int_equal(h.count, 1);
    assert_int_equal(h.type, 9);
    assert_memory_equal(h.body, "hi", 2);
    free(h.body);
    ipc_channel_free(c);
    close(fds[1]);
}

static bool
free_on_message(void *ctx, struct ipc_message *m)
{
    struct pair *p = ctx;

    (void)m;
    ipc_channel_free(p->b);
    p->b = NULL;
    return false;
}

static void
a_handler_may_free_the_channel(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    ipc_send(p->a, 1, 0, "x", 1, -1);
    ipc_send(p->a, 1, 1, "y", 1, -1);
    assert_int_equal(ipc_receive(p->b, free_on_message, p, &e), 0);
    assert_null(p->b);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_message_arrives_as_it_was_sent),
        CASE(what_the_kernel_does_not_take_is_queued_in_order),
        CASE(descriptors_arrive_with_their_own_messages),
        CASE(the_senders_copy_of_a_descriptor_is_closed),
        CASE(descriptors_not_sent_are_closed_with_the_channel),
        CASE(the_end_of_the_other_side_is_closed),
        CASE(sending_to_nobody_says_closed_and_keeps_nothing),
        CASE(a_length_out_of_bounds_is_refused),
        CASE(a_message_may_come_byte_by_byte),
        CASE(a_handler_may_free_the_channel),
    };

    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}

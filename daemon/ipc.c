/*
 * The channel between the engine and a child: whole messages out, whole
 * messages in, never blocking.  What a message means is its users' matter.
 *
 * On the wire the highest bit of a length says that a descriptor travels with
 * the message.  The kernel hands descriptors over in the order of the bytes
 * they were sent with, so the first one waiting belongs to the first message
 * that is so marked.
 */
#include "daemon/ipc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"

#define PREFIX_SIZE 9          /* length, type, tag */
#define HAS_FD 0x80000000u     /* in the length */
#define FDS_WAITING_MAX 64     /* received, their messages not yet complete */
#define READ_SMALL (16 * 1024) /* first read; more while it comes in bulk */
#define READ_LARGE (256 * 1024)
#define RECEIVE_TURN (1024 * 1024) /* then the loop's other work has a turn */
#define KEPT_CAPACITY (64 * 1024)  /* memory kept by an idle channel */
/* Passwords are in messages up to this; what is larger carries rows. */
#define WIPED_MAX (80 * 1024)

/* A descriptor to be sent with the byte at OFFSET of the queue. */
struct outgoing_fd {
    struct outgoing_fd *next;
    size_t offset;
    int fd;
};

struct ipc_channel {
    int fd;
    bool broken; /* the other end is gone */
    struct buf out;
    size_t out_sent; /* bytes at the front of OUT that are sent */
    struct outgoing_fd *out_fds;
    struct outgoing_fd **out_fds_end;
    struct buf in;
    int in_fds[FDS_WAITING_MAX];
    size_t in_fd_count;
};

struct ipc_channel *
ipc_channel_new(int fd)
{
    struct ipc_channel *c = alloc_zeroed(1, sizeof(*c));
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    c->fd = fd;
    c->out_fds_end = &c->out_fds;
    return c;
}

static void
drop_first_outgoing_fd(struct ipc_channel *c)
{
    struct outgoing_fd *first = c->out_fds;

    c->out_fds = first->next;
    if (c->out_fds == NULL)
        c->out_fds_end = &c->out_fds;
    close(first->fd);
    free(first);
}

void
ipc_channel_free(struct ipc_channel *c)
{
    if (c == NULL)
        return;
    while (c->out_fds != NULL)
        drop_first_outgoing_fd(c);
    for (size_t i = 0; i < c->in_fd_count; i++)
        close(c->in_fds[i]);
    /* Logins pass here. */
    if (c->in.data != NULL)
        explicit_bzero(c->in.data, c->in.cap);
    if (c->out.data != NULL)
        explicit_bzero(c->out.data, c->out.cap);
    buf_release(&c->in);
    buf_release(&c->out);
    close(c->fd);
    free(c);
}

int
ipc_channel_fd(const struct ipc_channel *c)
{
    return c->fd;
}

bool
ipc_wants_write(const struct ipc_channel *c)
{
    return !c->broken && c->out.len > c->out_sent;
}

size_t
ipc_queued(const struct ipc_channel *c)
{
    return c->out.len - c->out_sent;
}

/* One sendmsg; -1 with errno. */
static ssize_t
send_pieces(struct ipc_channel *c, struct iovec *pieces, size_t count, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = { .msg_iov = pieces, .msg_iovlen = count };
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *header;

        memset(&control, 0, sizeof(control));
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        header = CMSG_FIRSTHDR(&m);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
    }
    do
        n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Moves the unsent bytes to the front once the sent ones are the larger part,
 * so that draining a long queue costs its length and no more. */
static void
compact_queue(struct ipc_channel *c)
{
    if (c->out_sent < c->out.len && c->out_sent < c->out.len / 2)
        return;
    for (struct outgoing_fd *f = c->out_fds; f != NULL; f = f->next)
        f->offset -= c->out_sent;
    buf_consume(&c->out, c->out_sent);
    c->out_sent = 0;
    if (c->out.len == 0 && c->out.cap > KEPT_CAPACITY)
        buf_release(&c->out);
}

int
ipc_flush(struct ipc_channel *c, struct err *e)
{
    while (ipc_wants_write(c)) {
        struct iovec piece = { c->out.data + c->out_sent, ipc_queued(c) };
        int fd = -1;
        ssize_t n;

        const struct outgoing_fd *stop = c->out_fds;

        if (stop != NULL && stop->offset == c->out_sent) {
            fd = stop->fd;
            stop = stop->next;
        }
        /* Each descriptor goes with the first byte of its message. */
        if (stop != NULL)
            piece.iov_len = stop->offset - c->out_sent;
        n = send_pieces(c, &piece, 1, fd);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            c->broken = true;
            return err_set_errno(e, ERR_CLOSED, errno,
                "the channel to another process broke");
        }
        if (fd >= 0)
            drop_first_outgoing_fd(c);
        c->out_sent += (size_t)n;
    }
    compact_queue(c);
    return c->broken
               ? err_set(e, ERR_CLOSED, "the channel to another process broke")
               : 0;
}

/* Sends what the kernel takes of a message while nothing is queued, without
 * copying it first.  Returns how many bytes of prefix and body went out. */
static size_t
send_at_once(struct ipc_channel *c, const uint8_t *prefix, const void *body,
    size_t len, int fd)
{
    struct iovec pieces[2] = {
        { (void *)prefix, PREFIX_SIZE },
        { (void *)body, len },
    };
    ssize_t n;

    if (ipc_queued(c) > 0)
        return 0;
    n = send_pieces(c, pieces, len > 0 ? 2 : 1, fd);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        c->broken = true;
    return n < 0 ? 0 : (size_t)n;
}

static void
queue_fd(struct ipc_channel *c, int fd)
{
    struct outgoing_fd *f = alloc_zeroed(1, sizeof(*f));

    f->fd = fd;
    f->offset = c->out.len;
    *c->out_fds_end = f;
    c->out_fds_end = &f->next;
}

void
ipc_send(struct ipc_channel *c, uint8_t type, uint32_t tag, const void *body,
    size_t len, int fd)
{
    struct buf prefix = BUF_INIT;
    uint8_t bytes[PREFIX_SIZE];
    struct err ignored = ERR_INIT;
    size_t sent = 0;

    assert(len <= IPC_BODY_MAX);
    prefix.data = bytes;
    prefix.cap = sizeof(bytes);
    buf_put_u32(&prefix,
        (uint32_t)(PREFIX_SIZE - 4 + len) | (fd >= 0 ? HAS_FD : 0));
    buf_put_u8(&prefix, type);
    buf_put_u32(&prefix, tag);
    if (!c->broken)
        sent = send_at_once(c, bytes, body, len, fd);
    if (c->broken || sent == PREFIX_SIZE + len) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (fd >= 0 && sent == 0)
        queue_fd(c, fd);
    else if (fd >= 0)
        close(fd);
    if (sent < PREFIX_SIZE)
        buf_put(&c->out, bytes + sent, PREFIX_SIZE - sent);
    sent = sent > PREFIX_SIZE ? sent - PREFIX_SIZE : 0;
    buf_put(&c->out, (const uint8_t *)body + sent, len - sent);
    (void)ipc_flush(c, &ignored);
}

/* Keeps the descriptors that came with a read.  The kernel installs as many
 * as fit the control space; more than we have room for are closed. */
static void
take_fds(struct ipc_channel *c, struct msghdr *m)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL;
         h = CMSG_NXTHDR(m, h)) {
        size_t count;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (c->in_fd_count < FDS_WAITING_MAX)
                c->in_fds[c->in_fd_count++] = fd;
            else
                close(fd);
        }
    }
}

static int
pop_fd(struct ipc_channel *c)
{
    int fd;

    if (c->in_fd_count == 0)
        return -1;
    fd = c->in_fds[0];
    c->in_fd_count--;
    memmove(c->in_fds, c->in_fds + 1, c->in_fd_count * sizeof(int));
    return fd;
}

/* Reads once, at most SPACE bytes, into the input. */
static ssize_t
read_some(struct ipc_channel *c, size_t space)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 4)];
    } control;
    struct iovec piece = { buf_reserve(&c->in, space), space };
    struct msghdr m = { .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    ssize_t n;

    do
        n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        take_fds(c, &m);
    if (n > 0)
        c->in.len += (size_t)n;
    return n;
}

/* The length of the first message with its prefix, 0 while that is not known,
 * -1 when it is beyond what is allowed. */
static ssize_t
first_message_size(const struct ipc_channel *c, size_t at)
{
    struct reader r = reader_over(c->in.data + at, c->in.len - at);
    uint32_t length;

    if (c->in.len - at < 4)
        return 0;
    length = reader_u32(&r) & ~HAS_FD;
    if (length < PREFIX_SIZE - 4 || length > PREFIX_SIZE - 4 + IPC_BODY_MAX)
        return -1;
    return (ssize_t)length + 4;
}

/* Hands out the whole messages of the input.  1: go on, 0: FN said stop and C
 * may be gone, -1: malformed. */
static int
dispatch(struct ipc_channel *c, bool (*fn)(void *ctx, struct ipc_message *m),
    void *ctx, struct err *e)
{
    size_t at = 0;

    for (;;) {
        ssize_t size = first_message_size(c, at);
        struct ipc_message m = { .fd = -1 };
        struct reader r;

        if (size < 0)
            return err_set(e, ERR_PROTOCOL,
                "malformed message from another process");
        if (size == 0 || c->in.len - at < (size_t)size)
            break;
        r = reader_over(c->in.data + at, (size_t)size);
        if ((reader_u32(&r) & HAS_FD) != 0)
            m.fd = pop_fd(c);
        m.type = reader_u8(&r);
        m.tag = reader_u32(&r);
        m.body_len = reader_left(&r);
        m.body = reader_take(&r, m.body_len);
        if (!fn(ctx, &m))
            return 0;
        if (size <= WIPED_MAX)
            explicit_bzero(c->in.data + at, (size_t)size);
        at += (size_t)size;
    }
    buf_consume(&c->in, at);
    return 1;
}

/* How much to ask of the kernel next. */
static size_t
read_size(const struct ipc_channel *c, bool bulk)
{
    ssize_t size = first_message_size(c, 0);
    size_t missing = size > 0 ? (size_t)size - c->in.len : 0;
    size_t usual = bulk ? READ_LARGE : READ_SMALL;

    return missing > usual ? missing : usual;
}

int
ipc_receive(struct ipc_channel *c, bool (*fn)(void *ctx, struct ipc_message *m),
    void *ctx, struct err *e)
{
    size_t taken = 0;
    bool bulk = false;

    while (taken < RECEIVE_TURN) {
        size_t space = read_size(c, bulk);
        ssize_t n = read_some(c, space);
        int r;

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return err_set_errno(e, ERR_CLOSED, errno,
                "the channel to another process broke");
        if (n == 0)
            return err_set(e, ERR_CLOSED, "another process ended");
        r = dispatch(c, fn, ctx, e);
        if (r <= 0)
            return r;
        taken += (size_t)n;
        /* A short read took all there was (or stopped at a descriptor, in
         * which case the poll that comes next says so). */
        if ((size_t)n < space)
            break;
        bulk = true;
    }
    /* The bulk is over: its memory is not needed until the next one. */
    if (taken < READ_SMALL && c->in.len == 0 && c->in.cap > KEPT_CAPACITY)
        buf_release(&c->in);
    return 0;
}

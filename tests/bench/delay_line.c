/*
 * A delay line between two network namespaces, for kernels without netem: each
 * gets a TUN device "lag0" (10.99.0.1 in the first, 10.99.0.2 in the second),
 * and what one sends reaches the other a fixed time later.
 *
 *     delay_line NAMESPACE_A NAMESPACE_B DELAY_US
 *
 * Prints "ready" once packets flow, and runs until it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 65536
#define PACKETS_AT_ONCE 64

struct packet {
    struct packet *next;
    int64_t due_ns;
    size_t len;
    char data[];
};

/* One direction: what was read from one device and is due at the other. */
struct lane {
    int from;
    int to;
    struct packet *first;
    struct packet **last;
};

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int
open_device(const char *namespace, const char *address, const char *peer)
{
    char text[512];
    struct ifreq request;
    int fd;

    snprintf(text, sizeof text, "/var/run/netns/%s", namespace);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        fail(text);
    close(fd);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        fail("/dev/net/tun");
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "lag0");
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        fail("TUNSETIFF");
    snprintf(text, sizeof text,
        "ip addr add %s peer %s dev lag0 &&"
        " ip link set lag0 mtu 9000 txqueuelen 20000 up &&"
        " ip link set lo up",
        address, peer);
    if (system(text) != 0)
        fail("ip");
    return fd;
}

static void
lane_take(struct lane *lane, int64_t delay_ns)
{
    static char data[PACKET_MAX];
    int i;

    for (i = 0; i < PACKETS_AT_ONCE; i++) {
        ssize_t n = read(lane->from, data, sizeof data);
        struct packet *p;

        if (n <= 0)
            return;
        p = malloc(sizeof *p + (size_t)n);
        if (p == NULL)
            fail("malloc");
        p->next = NULL;
        p->due_ns = now_ns() + delay_ns;
        p->len = (size_t)n;
        memcpy(p->data, data, (size_t)n);
        *lane->last = p;
        lane->last = &p->next;
    }
}

static void
lane_deliver(struct lane *lane)
{
    int64_t now = now_ns();

    while (lane->first != NULL && lane->first->due_ns <= now) {
        struct packet *p = lane->first;

        /* A full queue drops, as a real line would. */
        if (write(lane->to, p->data, p->len) < 0 && errno != EAGAIN &&
            errno != ENOBUFS && errno != EIO)
            fail("write");
        lane->first = p->next;
        if (lane->first == NULL)
            lane->last = &lane->first;
        free(p);
    }
}

static void
set_timer(int timer, const struct lane lanes[2])
{
    struct itimerspec when;
    int64_t first = 0;
    int i;

    for (i = 0; i < 2; i++) {
        const struct packet *p = lanes[i].first;

        if (p != NULL && (first == 0 || p->due_ns < first))
            first = p->due_ns;
    }
    memset(&when, 0, sizeof when);
    when.it_value.tv_sec = first / 1000000000;
    when.it_value.tv_nsec = first % 1000000000;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int
main(int argc, char **argv)
{
    struct lane lanes[2];
    int64_t delay_ns;
    int home;
    int timer;

    if (argc != 4) {
        fprintf(stderr, "usage: delay_line NAMESPACE NAMESPACE DELAY_US\n");
        return 2;
    }
    delay_ns = atoll(argv[3]) * 1000;
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    lanes[0].from = open_device(argv[1], "10.99.0.1", "10.99.0.2");
    if (setns(home, CLONE_NEWNET) != 0)
        fail("setns");
    lanes[1].from = open_device(argv[2], "10.99.0.2", "10.99.0.1");
    lanes[0].to = lanes[1].from;
    lanes[1].to = lanes[0].from;
    lanes[0].first = lanes[1].first = NULL;
    lanes[0].last = &lanes[0].first;
    lanes[1].last = &lanes[1].first;
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd p[3] = { { lanes[0].from, POLLIN, 0 },
            { lanes[1].from, POLLIN, 0 }, { timer, POLLIN, 0 } };
        uint64_t expirations;
        int i;

        set_timer(timer, lanes);
        poll(p, 3, -1);
        if (p[2].revents != 0 &&
            read(timer, &expirations, sizeof expirations) < 0 &&
            errno != EAGAIN)
            fail("timer");
        for (i = 0; i < 2; i++)
            lane_take(&lanes[i], delay_ns);
        for (i = 0; i < 2; i++)
            lane_deliver(&lanes[i]);
    }
}

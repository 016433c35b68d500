/*
 * sd_notify(3) in a few lines: docs/decisions/0022-notify-without-libsystemd.md
 * says why not the library's.
 */
#include "daemon/service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

struct service_manager {
    uv_timer_t watchdog;
    struct sockaddr_un address;
    socklen_t address_len;
    int fd;
};

static void
tell(const struct service_manager *s, const char *text)
{
    /* Never waits: a manager that does not read must not stop the loop. */
    if (sendto(s->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
            (const struct sockaddr *)&s->address, s->address_len) < 0)
        log_warning("could not tell the service manager: %s", strerror(errno));
}

/* An absolute path, or "@" and a name in the abstract namespace. */
static int
take_address(struct service_manager *s, const char *name)
{
    size_t len = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || len < 2 ||
        len >= sizeof(s->address.sun_path))
        return -1;
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, name, len);
    if (name[0] == '@')
        s->address.sun_path[0] = '\0';
    s->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return 0;
}

/* Milliseconds between two messages, 0 for none: half of what is allowed. */
static uint64_t
watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    unsigned long long ms;

    if (usec == NULL ||
        (pid != NULL && strtoul(pid, NULL, 10) != (unsigned long)getpid()))
        return 0;
    ms = strtoull(usec, NULL, 10) / 1000 / 2;
    return ms > 0 && ms < UINT32_MAX ? ms : 0;
}

static void
on_watchdog(uv_timer_t *timer)
{
    tell(timer->data, "WATCHDOG=1");
}

static void
on_closed(uv_handle_t *handle)
{
    struct service_manager *s = handle->data;

    close(s->fd);
    free(s);
}

struct service_manager *
service_manager_ready(uv_loop_t *loop, const char *status)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct service_manager *s;
    uint64_t every_ms;
    char text[512];

    if (name == NULL || name[0] == '\0')
        return NULL;
    s = alloc_zeroed(1, sizeof(*s));
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || take_address(s, name) != 0) {
        log_warning("NOTIFY_SOCKET is no socket: nobody is told that we are "
                    "ready");
        if (s->fd >= 0)
            close(s->fd);
        free(s);
        return NULL;
    }
    uv_timer_init(loop, &s->watchdog);
    uv_unref((uv_handle_t *)&s->watchdog);
    s->watchdog.data = s;
    every_ms = watchdog_ms();
    if (every_ms > 0)
        uv_timer_start(&s->watchdog, on_watchdog, every_ms, every_ms);
    snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
    tell(s, text);
    return s;
}

void
service_manager_stopping(struct service_manager *s)
{
    if (s == NULL)
        return;
    tell(s, "STOPPING=1");
    uv_close((uv_handle_t *)&s->watchdog, on_closed);
}

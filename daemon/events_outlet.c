/*
 * One datagram per event and outlet.
 */
#include "daemon/events_outlet.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/buf.h"

#define FACILITY_DAEMON 3
/* The number that RFC 5612 keeps for examples and private use. */
#define SD_ID "lockstep@32473"

struct target {
    int fd; /* -1: none */
    struct sockaddr_storage address;
    socklen_t len;
};

struct events_outlet {
    struct target syslog;
    struct target journal;
};

static int
unix_target(const char *path, struct target *t, struct err *e)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&t->address;
    size_t len = strlen(path);

    if (len >= sizeof(un->sun_path))
        return err_set(e, ERR_INVALID, "\"%s\" is too long for a socket", path);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    t->len = sizeof(*un);
    return 0;
}

static int
network_target(const char *text, struct target *t, struct err *e)
{
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char *host = NULL, service[8];
    uint16_t port = 0;
    int r = -1;

    if (strrchr(text, ':') == NULL ||
        admin_address_parse(text, &host, &port, e) != 0)
        goto out;
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    /* A name would be a question to the DNS, which the engine never asks. */
    if (getaddrinfo(host, service, &hints, &found) != 0)
        goto out;
    memcpy(&t->address, found->ai_addr, found->ai_addrlen);
    t->len = found->ai_addrlen;
    r = 0;
out:
    if (found != NULL)
        freeaddrinfo(found);
    free(host);
    if (r == 0)
        return 0;
    err_set(e, ERR_INVALID, "\"%s\" is no place for syslog", text);
    err_hint(e, "Give the path of a socket, such as /dev/log, or an address "
                "and a port, as in \"192.0.2.9:514\".");
    return -1;
}

static int
find_target(const char *text, struct target *t, struct err *e)
{
    memset(t, 0, sizeof(*t));
    t->fd = -1;
    if (text[0] == '\0')
        return 0;
    return text[0] == '/' ? unix_target(text, t, e)
                          : network_target(text, t, e);
}

int
events_outlet_check(const char *text, struct err *e)
{
    struct target ignored;

    return find_target(text, &ignored, e);
}

static int
open_target(const char *text, struct target *t, struct err *e)
{
    if (find_target(text, t, e) != 0)
        return -1;
    if (text[0] == '\0')
        return 0;
    t->fd = socket(t->address.ss_family,
        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return err_set_errno(e, ERR_IO, errno, "could not send events to %s",
            text);
    return 0;
}

int
events_outlet_open(struct events_outlet **outletp, const char *syslog,
    const char *journal, struct err *e)
{
    struct events_outlet *outlet = alloc_zeroed(1, sizeof(*outlet));

    outlet->syslog.fd = outlet->journal.fd = -1;
    *outletp = NULL;
    if (open_target(syslog, &outlet->syslog, e) != 0 ||
        open_target(journal, &outlet->journal, e) != 0) {
        events_outlet_close(outlet);
        return -1;
    }
    *outletp = outlet;
    return 0;
}

void
events_outlet_close(struct events_outlet *outlet)
{
    if (outlet == NULL)
        return;
    if (outlet->syslog.fd >= 0)
        close(outlet->syslog.fd);
    if (outlet->journal.fd >= 0)
        close(outlet->journal.fd);
    free(outlet);
}

static const char *
text_of(const json_t *event, const char *member)
{
    const char *text = json_string_value(json_object_get(event, member));

    return text != NULL ? text : "";
}

static int
severity(const json_t *event)
{
    const char *level = text_of(event, "level");

    return strcmp(level, "error") == 0     ? 3
           : strcmp(level, "warning") == 0 ? 4
                                           : 6;
}

/* RFC 5424, section 6: printable US-ASCII without blanks, "-" for nothing. */
static void
put_word(struct buf *out, const char *text, size_t most)
{
    size_t before = out->len;

    for (; *text != '\0' && out->len - before < most; text++)
        buf_put_u8(out, *text > ' ' && *text < 127 ? (uint8_t)*text : '_');
    if (out->len == before)
        buf_put_u8(out, '-');
}

/* A parameter of structured data, section 6.3.3. */
static void
put_parameter(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " %s=\"", name);
    for (; *value != '\0'; value++) {
        if (strchr("\"\\]", *value) != NULL)
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)*value);
    }
    buf_put_u8(out, '"');
}

static void
put_text(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_put_u8(out, (uint8_t)*text < ' ' ? ' ' : (uint8_t)*text);
}

static const char *const parameters[] = { "server", "dataset", "who", "from",
    "result" };

static void
format_syslog(const json_t *event, struct buf *out)
{
    buf_printf(out, "<%d>1 ", FACILITY_DAEMON * 8 + severity(event));
    put_word(out, text_of(event, "time"), 32);
    buf_put_u8(out, ' ');
    put_word(out, text_of(event, "node"), 255);
    buf_printf(out, " lockstepd %ld ", (long)getpid());
    put_word(out, text_of(event, "kind"), 32);
    buf_printf(out, " [" SD_ID " seq=\"%lld\"",
        (long long)json_integer_value(json_object_get(event, "seq")));
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
        if (text_of(event, parameters[i])[0] != '\0')
            put_parameter(out, parameters[i], text_of(event, parameters[i]));
    buf_printf(out, "] \xef\xbb\xbf");
    put_text(out, text_of(event, "text"));
}

/* systemd's "Native Journal Protocol": a line is FIELD=value. */
static void
put_field(struct buf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    buf_printf(out, "%s=", name);
    put_text(out, value);
    buf_put_u8(out, '\n');
}

static void
format_journal(const json_t *event, struct buf *out)
{
    put_field(out, "MESSAGE", text_of(event, "text"));
    buf_printf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=lockstepd\n",
        severity(event));
    buf_printf(out, "LOCKSTEP_SEQ=%lld\n",
        (long long)json_integer_value(json_object_get(event, "seq")));
    put_field(out, "LOCKSTEP_NODE", text_of(event, "node"));
    put_field(out, "LOCKSTEP_KIND", text_of(event, "kind"));
    put_field(out, "LOCKSTEP_SERVER", text_of(event, "server"));
    put_field(out, "LOCKSTEP_DATASET", text_of(event, "dataset"));
    put_field(out, "LOCKSTEP_WHO", text_of(event, "who"));
    put_field(out, "LOCKSTEP_FROM", text_of(event, "from"));
    put_field(out, "LOCKSTEP_RESULT", text_of(event, "result"));
}

static void
send_to(const struct target *t, const json_t *event,
    void (*format)(const json_t *event, struct buf *out))
{
    struct buf out = BUF_INIT;

    if (t->fd < 0)
        return;
    format(event, &out);
    (void)sendto(t->fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL,
        (const struct sockaddr *)&t->address, t->len);
    buf_release(&out);
}

void
events_outlet_send(const struct events_outlet *outlet, const json_t *event)
{
    if (outlet == NULL)
        return;
    send_to(&outlet->syslog, event, format_syslog);
    send_to(&outlet->journal, event, format_journal);
}

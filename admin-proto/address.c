/* HOST:PORT as people write it, with brackets where IPv6 needs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"

#define HOST_MAX 255 /* RFC 1035; an address with a zone is shorter */

static int
refuse(const char *text, struct err *e)
{
    err_set(e, ERR_INVALID, "invalid address \"%.300s\"", text);
    err_hint(e, "Write HOST, HOST:PORT, or [ADDRESS]:PORT for IPv6.");
    return -1;
}

static bool
host_ok(const char *host, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";

    /* A leading hyphen is never a name. */
    return len > 0 && len <= HOST_MAX && host[0] != '-' &&
           strspn(host, allowed) >= len;
}

static bool
parse_port(const char *text, uint16_t *port)
{
    size_t len = strlen(text);
    unsigned long value;

    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    value = strtoul(text, NULL, 10);
    if (value == 0 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

int
admin_address_parse(const char *text, char **host, uint16_t *port,
    struct err *e)
{
    const char *begin = text;
    const char *end;
    const char *colon = strchr(text, ':');

    *host = NULL;
    *port = ADMIN_PORT;
    if (text[0] == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (end == NULL || memchr(begin, ':', (size_t)(end - begin)) == NULL)
            return refuse(text, e);
        colon = end + 1;
        if (*colon != '\0' && *colon != ':')
            return refuse(text, e);
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        /* Two colons: an IPv6 address without a port. */
        end = text + strlen(text);
        colon = end;
    } else {
        end = text + strcspn(text, ":");
        colon = end;
    }
    if (!host_ok(begin, (size_t)(end - begin)))
        return refuse(text, e);
    if (*colon == ':' && !parse_port(colon + 1, port))
        return refuse(text, e);
    *host = alloc_copy(begin, (size_t)(end - begin));
    return 0;
}

void
admin_address_format(const char *host, uint16_t port, char *out, size_t size)
{
    if (strchr(host, ':') != NULL)
        snprintf(out, size, "[%s]:%u", host, (unsigned)port);
    else
        snprintf(out, size, "%s:%u", host, (unsigned)port);
}

/* Addresses as text and from sockets; IPv4 lives at ::ffff:0:0/96. */
#include "ipfilter/ruleset.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "ipfilter/ip_family.h"

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
    0xff };

bool
ip_address_is_v4(const struct ip_address *a)
{
    return memcmp(a->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

static void
from_v4(struct ip_address *a, const void *bytes)
{
    memcpy(a->bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(a->bytes + sizeof(v4_prefix), bytes, 4);
}

int
ip_address_parse(const char *text, struct ip_address *a, struct err *e)
{
    uint8_t bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1) {
        from_v4(a, bytes);
        return 0;
    }
    if (inet_pton(AF_INET6, text, a->bytes) == 1)
        return 0;
    memset(a, 0, sizeof(*a));
    err_set(e, ERR_INVALID, "invalid address \"%.64s\"", text);
    err_hint(e, "Write an IPv4 or IPv6 address in numbers.");
    return -1;
}

void
ip_address_format(const struct ip_address *a, char out[64])
{
    if (ip_address_is_v4(a))
        inet_ntop(AF_INET, a->bytes + sizeof(v4_prefix), out, 64);
    else
        inet_ntop(AF_INET6, a->bytes, out, 64);
}

bool
ip_address_from_socket(const struct sockaddr *sa, struct ip_address *a)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof(v4));
        from_v4(a, &v4.sin_addr);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        memcpy(&v6, sa, sizeof(v6));
        memcpy(a->bytes, &v6.sin6_addr, sizeof(a->bytes));
        return true;
    }
    return false;
}

bool
ip_address_is_loopback(const struct ip_address *a)
{
    static const struct ip_address v6_loopback = { .bytes = { [15] = 1 } };

    if (ip_address_is_v4(a))
        return a->bytes[12] == 127;
    return memcmp(a, &v6_loopback, sizeof(*a)) == 0;
}

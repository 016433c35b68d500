/* Ranges of addresses: one address, a prefix, or first-last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipfilter/ip_family.h"
#include "ipfilter/ruleset.h"

/* Long enough for an IPv6 address with IPv4 at its end. */
#define ADDRESS_TEXT 64
#define ALL_BITS 128
#define V4_FIRST_BIT 96

static int
refuse(const char *text, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "invalid address range \"%.128s\": %s", text, why);
    err_hint(e, "Write an address, ADDRESS/BITS or FIRST-LAST.");
    return -1;
}

/* The address of which only the first BITS (of 128) are kept, the others
 * becoming FILL. */
static struct ip_address
mask(const struct ip_address *a, unsigned bits, uint8_t fill)
{
    struct ip_address m = *a;
    unsigned i;

    for (i = 0; i < sizeof(m.bytes); i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        uint8_t below = (uint8_t)(kept >= 8 ? 0 : 0xff >> kept);

        m.bytes[i] = (uint8_t)((m.bytes[i] & ~below) | (fill & below));
    }
    return m;
}

static bool
equal(const struct ip_address *a, const struct ip_address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static int
parse_prefix(const char *text, const char *bits_text, struct ip_range *r,
    struct err *e)
{
    bool v4 = ip_address_is_v4(&r->first);
    /* "::ffff:a.b.c.d/N" counts its bits as IPv6 does. */
    bool written_v4 = v4 && strchr(text, ':') == NULL;
    size_t len = strlen(bits_text);
    unsigned bits;

    if (len == 0 || len > 3 || strspn(bits_text, "0123456789") != len)
        return refuse(text, "bits after \"/\" are missing", e);
    bits = (unsigned)strtoul(bits_text, NULL, 10);
    if (bits > (written_v4 ? ALL_BITS - V4_FIRST_BIT : ALL_BITS))
        return refuse(text, "too many bits", e);
    if (written_v4)
        bits += V4_FIRST_BIT;
    else if (v4 && bits < V4_FIRST_BIT)
        return refuse(text, "it spans IPv4 and IPv6", e);
    r->last = mask(&r->first, bits, 0xff);
    r->first = mask(&r->last, bits, 0);
    return 0;
}

/* Copies LEN bytes as text for ip_address_parse. */
static int
parse_part(const char *text, size_t len, struct ip_address *a, struct err *e)
{
    char part[ADDRESS_TEXT];

    if (len >= sizeof(part))
        return err_set(e, ERR_INVALID, "address too long");
    memcpy(part, text, len);
    part[len] = '\0';
    return ip_address_parse(part, a, e);
}

int
ip_range_parse(const char *text, struct ip_range *r, struct err *e)
{
    size_t len = strcspn(text, "/-");
    struct ip_address given;

    memset(r, 0, sizeof(*r));
    if (parse_part(text, len, &r->first, e) != 0)
        return -1;
    given = r->first;
    if (text[len] == '\0') {
        r->last = r->first;
        return 0;
    }
    if (text[len] == '/') {
        if (parse_prefix(text, text + len + 1, r, e) != 0)
            return -1;
        if (!equal(&given, &r->first))
            return refuse(text, "bits below the prefix are set", e);
        return 0;
    }
    if (parse_part(text + len + 1, strlen(text + len + 1), &r->last, e) != 0)
        return -1;
    if (ip_address_is_v4(&r->first) != ip_address_is_v4(&r->last))
        return refuse(text, "IPv4 and IPv6 in one", e);
    if (memcmp(&r->first, &r->last, sizeof(r->first)) > 0)
        return refuse(text, "the first address is above the last", e);
    return 0;
}

/* The length of the prefix that the range is, of 128; -1 if it is none. */
static int
prefix_bits(const struct ip_range *r)
{
    unsigned bits;

    for (bits = 0; bits <= ALL_BITS; bits++) {
        struct ip_address first = mask(&r->first, bits, 0);
        struct ip_address last = mask(&r->first, bits, 0xff);

        if (equal(&first, &r->first) && equal(&last, &r->last))
            return (int)bits;
    }
    return -1;
}

void
ip_range_format(const struct ip_range *r, char out[128])
{
    char first[64];
    char last[64];
    int bits = prefix_bits(r);

    ip_address_format(&r->first, first);
    ip_address_format(&r->last, last);
    if (bits >= 0 && ip_address_is_v4(&r->first))
        bits -= V4_FIRST_BIT;
    if (equal(&r->first, &r->last))
        snprintf(out, 128, "%s", first);
    else if (bits >= 0)
        snprintf(out, 128, "%s/%d", first, bits);
    else
        snprintf(out, 128, "%s-%s", first, last);
}

bool
ip_range_holds(const struct ip_range *r, const struct ip_address *a)
{
    return memcmp(a, &r->first, sizeof(*a)) >= 0 &&
           memcmp(a, &r->last, sizeof(*a)) <= 0 &&
           ip_address_is_v4(a) == ip_address_is_v4(&r->first);
}

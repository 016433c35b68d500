/*
 * The formats, one function each.
 */
#include "manager-tui/firewall_rules.h"

#include <arpa/inet.h>
#include <string.h>

static void
nftables(const struct firewall_door *d, bool v6, struct buf *out)
{
    /* Declared first, so that deleting it is never an error. */
    buf_printf(out,
        "table inet lockstep\n"
        "delete table inet lockstep\n"
        "table inet lockstep {\n"
        "    chain input {\n"
        "        type filter hook input priority -10; policy accept;\n"
        "        iifname \"lo\" tcp dport %u accept\n"
        "        %s saddr %s tcp dport %u accept\n"
        "        tcp dport %u drop\n"
        "    }\n"
        "}\n",
        d->port, v6 ? "ip6" : "ip", d->from, d->port, d->port);
}

static void
iptables(const struct firewall_door *d, bool v6, struct buf *out)
{
    static const char *const programs[] = { "iptables", "ip6tables" };

    for (int six = 0; six < 2; six++) {
        const char *program = programs[six];
        int at = 1;

        buf_printf(out, "%s -I INPUT %d -i lo -p tcp --dport %u -j ACCEPT\n",
            program, at++, d->port);
        if (six == v6)
            buf_printf(out,
                "%s -I INPUT %d -p tcp -s %s --dport %u -j ACCEPT\n", program,
                at++, d->from, d->port);
        buf_printf(out, "%s -I INPUT %d -p tcp --dport %u -j DROP\n", program,
            at, d->port);
    }
}

/* ufw lets the host itself in by itself. */
static void
ufw(const struct firewall_door *d, bool v6, struct buf *out)
{
    (void)v6;
    buf_printf(out,
        "ufw allow proto tcp from %s to any port %u comment 'lockstep "
        "primary'\n"
        "ufw deny proto tcp to any port %u comment 'lockstep'\n",
        d->from, d->port, d->port);
}

/* A zone closes what no rule of it opens, and lets the host itself in. */
static void
firewalld(const struct firewall_door *d, bool v6, struct buf *out)
{
    buf_printf(out,
        "firewall-cmd --permanent --add-rich-rule='rule family=\"%s\" source "
        "address=\"%s\" port port=\"%u\" protocol=\"tcp\" accept'\n"
        "firewall-cmd --permanent --remove-port=%u/tcp\n"
        "firewall-cmd --reload\n",
        v6 ? "ipv6" : "ipv4", d->from, d->port, d->port);
}

static const struct {
    const char *name;
    void (*write)(const struct firewall_door *d, bool v6, struct buf *out);
} formats[] = {
    { "nftables", nftables },
    { "iptables", iptables },
    { "ufw", ufw },
    { "firewalld", firewalld },
};

int
firewall_rules(const char *format, const struct firewall_door *door,
    struct buf *out, struct err *e)
{
    unsigned char bytes[16];
    bool v6 = strchr(door->from, ':') != NULL;

    if (inet_pton(v6 ? AF_INET6 : AF_INET, door->from, bytes) != 1)
        return err_set(e, ERR_INVALID, "\"%s\" is no address", door->from);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, format) == 0) {
            formats[i].write(door, v6, out);
            return 0;
        }
    }
    err_set(e, ERR_USAGE, "there is no format \"%s\"", format);
    err_hint(e, "Use nftables, iptables, ufw or firewalld; text, csv or json "
                "for the matrix.");
    return -1;
}

/*
 * Rules for a secondary's firewall, as text for its administrator to read and
 * apply; nothing here applies any.
 */
#ifndef MANAGER_TUI_FIREWALL_RULES_H
#define MANAGER_TUI_FIREWALL_RULES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* What one secondary's rules let in, beside the host itself. */
struct firewall_door {
    const char *from; /* an address in numbers */
    uint16_t port;
};

/* Appends rules in FORMAT to OUT; ERR_USAGE names the formats there are,
 * ERR_INVALID a FROM that is no address. */
int firewall_rules(const char *format, const struct firewall_door *door,
    struct buf *out, struct err *e);

#endif

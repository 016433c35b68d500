/* What the files of ipfilter/ share about addresses. */
#ifndef IPFILTER_IP_FAMILY_H
#define IPFILTER_IP_FAMILY_H

#include "ipfilter/ruleset.h"

/* True for ::ffff:a.b.c.d, which is how IPv4 is kept. */
bool ip_address_is_v4(const struct ip_address *a);

#endif

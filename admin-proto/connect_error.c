/*
 * Failures to connect: the table of their words.
 */
#include "admin-proto/connect_error.h"

#include <errno.h>
#include <string.h>

/* From what errno says to what we say; later entries say more about the
 * server, and so win over the errors of its other addresses. */
static const struct {
    int errnum;
    enum err_code code;
    const char *words;
    const char *hint;
} meanings[] = {
    { EAFNOSUPPORT, ERR_NO_ROUTE, "this host cannot use such an address",
        "Try the server's address of the other IP version." },
    { EADDRNOTAVAIL, ERR_NO_ROUTE, "no local address can reach it",
        "Check this host's addresses and the configured source address." },
    { ENETDOWN, ERR_NO_ROUTE, "the network is down",
        "Check this host's network interfaces." },
    { EACCES, ERR_NO_ROUTE, "a local rule forbids it",
        "Check this host's own firewall." },
    { EPERM, ERR_NO_ROUTE, "a local rule forbids it",
        "Check this host's own firewall." },
    { ENETUNREACH, ERR_NO_ROUTE, "no route to its network",
        "Check this host's routes and the server's address." },
    { EHOSTUNREACH, ERR_NO_ROUTE, "no route to host",
        "Check that the server is up and that routes lead to it." },
    { ETIMEDOUT, ERR_NO_ANSWER, "no answer",
        "Check that the server is up and that a firewall lets the port "
        "through." },
    { ECONNREFUSED, ERR_CONNECTION_REFUSED, "connection refused",
        "Check that lockstepd runs there and listens on this port." },
};

int
connect_error_rank(int errnum)
{
    int i;

    for (i = (int)(sizeof(meanings) / sizeof(meanings[0])) - 1; i >= 0; i--)
        if (meanings[i].errnum == errnum)
            break;
    return i;
}

int
connect_error_set(struct err *e, const char *where, int errnum)
{
    int rank = connect_error_rank(errnum);

    if (rank < 0)
        return err_set_errno(e, ERR_UNREACHABLE, errnum,
            "could not connect to %s", where);
    err_set(e, meanings[rank].code, "could not connect to %s: %s", where,
        meanings[rank].words);
    err_hint(e, "%s", meanings[rank].hint);
    return -1;
}

int
connect_error_closed(struct err *e, const char *where, const char *own)
{
    /* No filter knows the interface that "fe80::1%eth0" names. */
    int len = (int)strcspn(own, "%");
    const char *address = len > 0 ? own : "ADDRESS";

    if (len == 0)
        len = (int)strlen(address);
    err_set(e, ERR_CLOSED,
        "%s closed the connection without a byte: its filter, a ban or a "
        "limit refuses our address %.*s",
        where, len, address);
    err_hint(e,
        "Type there: lockstep ipfilter test %.*s, which says why; then "
        "lockstep ipfilter add allow %.*s --position 1, or lockstep ipfilter "
        "unban %.*s.",
        len, address, len, address, len, address);
    return -1;
}

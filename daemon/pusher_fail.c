/*
 * Why a link failed, so that an administrator knows which layer to look at.
 * libssh's own words are used only where it, and not the network, found fault:
 * it calls a plain end of the connection "Out of memory".
 */
#include "daemon/pusher.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "admin-proto/ssh_client.h"

/* What the peer was last known to be doing. */
static const char *const doing[] = {
    [STAGE_KEX] = "during the key exchange",
    [STAGE_WAIT] = "after it showed its host key",
    [STAGE_LOGIN] = "during the login",
    [STAGE_CHANNEL] = "after the login",
    [STAGE_SUBSYSTEM] = "while sftp was asked for",
    [STAGE_VERSION] = "while sftp started",
    [STAGE_READY] = "in the middle of the session",
};

static int
socket_error(const struct push_link *l)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        return 0;
    return errnum;
}

/* True when the peer closed its side and everything it sent was read. */
static bool
peer_has_closed(const struct push_link *l)
{
    char byte;
    ssize_t n = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

static int
fail_by_errno(const struct push_link *l, int errnum, struct err *e)
{
    if (errnum == ETIMEDOUT) {
        err_set(e, ERR_NO_ANSWER, "the server stopped answering %s",
            doing[l->stage]);
        err_hint(e, "Check that the server is up and the network between.");
        return -1;
    }
    err_set_errno(e, ERR_UNREACHABLE, errnum, "the connection was lost %s",
        doing[l->stage]);
    err_hint(e, "Check the server's log.");
    return -1;
}

int
push_fail_connection(struct push_link *l, struct err *e)
{
    int errnum = socket_error(l);

    if (l->bytes.in_bytes == 0 && errnum != ETIMEDOUT) {
        err_set(e, ERR_CLOSED,
            "the server closed the connection without a word");
        err_hint(e, "Its IP filter may deny this host's address, or it has "
                    "too many connections.");
        return -1;
    }
    if (errnum != ETIMEDOUT && l->stage == STAGE_KEX &&
        ssh_get_serverbanner(l->ssh) == NULL) {
        err_set(e, ERR_PROTOCOL, "no SSH server answers there");
        err_hint(e, "Check the port: the admin port of a node is %d.",
            ADMIN_PORT);
        return -1;
    }
    if (errnum != 0)
        return fail_by_errno(l, errnum, e);
    if (peer_has_closed(l)) {
        err_set(e, ERR_UNREACHABLE, "the server closed the connection %s",
            doing[l->stage]);
        err_hint(e, "Check the server's log.");
        return -1;
    }
    err_set(e, ERR_PROTOCOL, "SSH failed %s: %s", doing[l->stage],
        ssh_get_error(l->ssh));
    err_hint(e, "Check that a supported version of lockstepd runs there.");
    return -1;
}

int
push_fail_login(const struct push_link *l, struct err *e)
{
    if (l->mode == LINK_PASSWORD) {
        err_set(e, ERR_LOGIN, "the server refused the password of \"%s\"",
            l->user);
        err_hint(e, "Check user and password; the first password of a node "
                    "is in its initial-admin-password.");
        return -1;
    }
    err_set(e, ERR_LOGIN, "the server refused the key of \"%s\"", l->user);
    err_hint(e, "The server may have been detached or reset: remove it and "
                "add it again.");
    return -1;
}

int
push_fail_key(const struct push_link *l, const void *shown, size_t len,
    struct err *e)
{
    char is[64], was[64];

    admin_fingerprint(shown, len, is);
    admin_fingerprint(l->pinned, l->pinned_len, was);
    err_set(e, ERR_KEY_CHANGED, "the host key is %s and not %s", is, was);
    err_hint(e, "If the server was installed anew, accept its key with "
                "\"lockstep server trust\"; else somebody is in between.");
    return -1;
}

int
push_fail_timeout(const struct push_link *l, struct err *e)
{
    if (l->bytes.in_bytes == 0)
        err_set(e, ERR_NO_ANSWER, "the server accepts but says nothing");
    else
        err_set(e, ERR_TIMEOUT, "the server took too long %s", doing[l->stage]);
    err_hint(e, "Check that the server is not overloaded or stopped.");
    return -1;
}

int
push_fail_subsystem(struct push_link *l, struct err *e)
{
    if (!ssh_is_connected(l->ssh) || peer_has_closed(l))
        return push_fail_connection(l, e);
    err_set(e, ERR_PROTOCOL, "the server refused the sftp subsystem");
    err_hint(e, "Check that lockstepd, and no other SSH server, listens on "
                "this port.");
    return -1;
}

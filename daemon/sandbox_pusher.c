/*
 * What the pusher may do: read and write the sockets that it is given.  libssh
 * looks for files of known hosts whatever it is told: it finds none.
 */
#include "daemon/sandbox_calls.h"

static const struct sandbox_rule rules[] = {
    CALLS_OF_ALL,
    CALLS_OF_EPOLL,
    ALLOW(dup),
    ALLOW_IF(fcntl, 1, F_DUPFD_CLOEXEC),
    ALLOW_IF(newfstatat, 3, AT_EMPTY_PATH), /* fstat(2) */
    ALLOW_IF_2(setsockopt, 1, SOL_SOCKET, 2, SO_KEEPALIVE),
    ALLOW_IF_2(setsockopt, 1, IPPROTO_TCP, 2, TCP_KEEPIDLE),
    ALLOW_IF_2(setsockopt, 1, IPPROTO_TCP, 2, TCP_KEEPINTVL),
    REFUSE(openat, ENOENT),
};

const struct sandbox pusher_sandbox = {
    .rules = rules,
    .rule_count = sizeof(rules) / sizeof(rules[0]),
};

/*
 * What a session may do: read and write its two sockets, wait, and have memory.
 * It opens, connects, starts and ends nothing.
 */
#include "daemon/sandbox_calls.h"

static const struct sandbox_rule rules[] = {
    CALLS_OF_ALL,
    ALLOW(dup), /* libssh closes the descriptor that it is given */
};

const struct sandbox session_sandbox = {
    .rules = rules,
    .rule_count = sizeof(rules) / sizeof(rules[0]),
};

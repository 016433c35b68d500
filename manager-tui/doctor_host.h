/*
 * "doctor HOST": a node looked at from outside, layer by layer.
 */
#ifndef MANAGER_TUI_DOCTOR_HOST_H
#define MANAGER_TUI_DOCTOR_HOST_H

#include <jansson.h>

#include "base/err.h"
#include "manager-tui/cli.h"

/* Looks at TARGET ("[USER@]HOST[:PORT]"): name, connection, key and, where a
 * password may be sent, login, role, version, clock, and what the node says of
 * itself.  Stops at the first layer that fails; that one's exit code is
 * CLI's.  RESULT {checks, host, error} is the caller's.  -1 only for a TARGET
 * that is none. */
int doctor_examine_host(struct cli *cli, const char *target, json_t **result,
    struct err *e);

#endif

/*
 * What a child may still ask of the kernel once it has given up the rest.  Each
 * part has a table of its own (sandbox_session.c and so on); a system call that
 * is not in it ends the process with SIGSYS, after one line on standard error
 * that names it.
 *
 *     sandbox_close_files(&session_sandbox);   // while still root
 *     ... change of user, PR_SET_NO_NEW_PRIVS ...
 *     sandbox_enter(&session_sandbox);
 *
 * seccomp(2), landlock(7).
 */
#ifndef DAEMON_SANDBOX_H
#define DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The leak checker and the reports of sanitizers need more than we do: there is
 * a table of that too, and only their builds have it. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define SANDBOX_CHECKS_MAX 2

/* (argument & mask) == value, of its low 32 bits. */
struct sandbox_check {
    uint32_t mask; /* 0: no check */
    uint32_t value;
    uint8_t argument; /* 0 to 5 */
};

/* Several rules for one call are alternatives. */
struct sandbox_rule {
    int call;    /* SYS_... */
    int refusal; /* 0: allowed; else it fails with this errno, harmlessly */
    struct sandbox_check checks[SANDBOX_CHECKS_MAX];
};

struct sandbox {
    const struct sandbox_rule *rules;
    size_t rule_count;
    /* Folders and files that may be read, up to NULL; NULL: none at all. */
    const char *const *readable;
    bool may_connect; /* by TCP, where the kernel can forbid it */
};

extern const struct sandbox session_sandbox;
extern const struct sandbox pusher_sandbox;
extern const struct sandbox connector_sandbox;
/* What sanitizers need beside it; empty in a usual build. */
extern const struct sandbox sanitizer_sandbox;

/* Begins the line of a process that is about to be ended for a call; the number
 * follows. */
#define SANDBOX_FORBIDDEN "forbidden system call "

/* As root: makes an empty, deleted folder the root of one that may read
 * nothing.  What that lacks, sandbox_enter has too. */
void sandbox_close_files(const struct sandbox *s);
/* Closes files (Landlock, where the kernel has it) and system calls.  Needs
 * PR_SET_NO_NEW_PRIVS.  -1 when the system calls stay open. */
int sandbox_enter(const struct sandbox *s, struct err *e);

/* "openat", or NULL for one that has no business here. */
const char *sandbox_call_name(long call);

#endif

/*
 * What an administrator says about how users of dataset "config" become users
 * of this host: which ids and homes are allowed, where files are.  Each program
 * has options of its own beside these, in the same file.  Every path can be
 * moved below a root folder, for tests.
 *
 *     struct mine {
 *         struct policy accounts;      comes first
 *         char *program;
 *     } m;
 *     static const struct policy_option options[] = {
 *         POLICY_OPTION(struct mine, program, POLICY_PATH, true, "/bin/x"),
 *         { .name = NULL },
 *     };
 *     policy_init(&m.accounts, "/etc/lockstep/mine.conf", options);
 *     if (policy_load(&m.accounts, NULL, NULL, &e) != 0) ...
 *     policy_release(&m.accounts);
 */
#ifndef CONTRIB_ACCOUNTS_POLICY_H
#define CONTRIB_ACCOUNTS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum policy_kind {
    POLICY_PATH,
    POLICY_PATH_OR_NONE,
    POLICY_WORD,
    POLICY_NUMBER, /* from 1 on; uint32_t */
    POLICY_YES,    /* yes or no; uint32_t */
    POLICY_ROOTS   /* folders, with commas; char **, NULL at the end */
};

struct policy_option {
    const char *name;
    size_t offset;
    enum policy_kind kind;
    bool moves; /* with the root folder */
    const char *standard;
};

#define POLICY_OPTION(type, field, kind, moves, standard)    \
    {                                                        \
#field, offsetof(type, field), kind, moves, standard \
    }

struct policy {
    const char *file;                 /* that is read */
    const struct policy_option *more; /* the program's own, NULL name ends */
    char *database;                   /* config.db of this node */
    char *passwd;                     /* this host's own users and groups */
    char *group;
    char *marker_group; /* the group that every user from us is in */
    uint32_t marker_gid;
    uint32_t id_min; /* no uid and no gid below, nor above */
    uint32_t id_max;
    char **home_roots; /* NULL at the end; homes are below one of them */
    char *folder;      /* within a home, the user's own; "" for none */
    char *shell;       /* of everybody */
    uint32_t end_sessions;
};

/* Every option with its default.  FILE and MORE, whose offsets are within the
 * struct that P is the first member of, are kept. */
void policy_init(struct policy *p, const char *file,
    const struct policy_option *more);
void policy_release(struct policy *p);
/* Takes what FILE says; NULL is that of policy_init, which need not exist.
 * Then puts ROOT, unless it is NULL, before every path but those that are
 * written, not used.  ERR_INVALID names the line that is wrong. */
int policy_load(struct policy *p, const char *file, const char *root,
    struct err *e);
/* As hooks are told by lockstepd (docs/hooks.md): where the database is. */
void policy_take_environment(struct policy *p);

#endif

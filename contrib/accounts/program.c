/* Reads the command line, runs, and tells how it went. */
#include "contrib/accounts/program.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What a hook is given: dataset, epoch, revision. */
#define HOOK_ARGUMENTS 3

struct call {
    const char *file;
    const char *root;
    bool all;
    bool is_hook;
    const char *dataset;
};

static int
usage(const char *name)
{
    fprintf(stderr,
        "usage: %s [--config FILE] [--root DIR] [--all]\n"
        "       [DATASET EPOCH REVISION]\n",
        name);
    return -1;
}

static int
read_call(struct call *call, const char *name, int argc, char **argv)
{
    static const struct option options[] = { { "config", 1, NULL, 'c' },
        { "root", 1, NULL, 'r' }, { "all", 0, NULL, 'a' },
        { NULL, 0, NULL, 0 } };
    int c;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c == 'c')
            call->file = optarg;
        else if (c == 'r')
            call->root = optarg;
        else if (c == 'a')
            call->all = true;
        else
            return usage(name);
    }
    if (argc != optind && argc - optind != HOOK_ARGUMENTS)
        return usage(name);
    call->is_hook = argc != optind;
    call->dataset = argv[optind];
    return 0;
}

int
program_run(const char *name, struct policy *policy, program_apply *apply,
    int argc, char **argv)
{
    struct call call = { .all = false };
    struct err e = ERR_INIT;
    int status = 1;

    if (read_call(&call, name, argc, argv) != 0) {
        status = 2;
        goto out;
    }
    if (call.is_hook && strcmp(call.dataset, "config") != 0) {
        status = 0;
        goto out;
    }
    /* A folder on the way to a home is right from its first moment on. */
    umask(022);
    if (policy_load(policy, call.file, call.root, &e) == 0) {
        if (call.is_hook)
            policy_take_environment(policy);
        status = apply(policy, call.all, &e) == 0 ? 0 : 1;
    }
    if (status != 0)
        fprintf(stderr, "%s: %s\n%s%s", name, e.message, e.hint,
            e.hint[0] != '\0' ? "\n" : "");
out:
    policy_release(policy);
    return status;
}

void
program_tell_ended(size_t sessions)
{
    if (sessions > 0)
        printf("ended %zu session%s\n", sessions, sessions == 1 ? "" : "s");
}

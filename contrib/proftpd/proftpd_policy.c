/* The options that only ProFTPD's program has. */
#include "contrib/proftpd/proftpd_policy.h"

static const struct policy_option options[] = {
    POLICY_OPTION(struct proftpd_policy, users, POLICY_PATH, true,
        "/var/lib/lockstep-proftpd/users.db"),
    POLICY_OPTION(struct proftpd_policy, rules, POLICY_PATH_OR_NONE, true,
        "/var/lib/lockstep-proftpd/rules.conf"),
    POLICY_OPTION(struct proftpd_policy, proftpd, POLICY_PATH, true,
        "/usr/sbin/proftpd"),
    POLICY_OPTION(struct proftpd_policy, config, POLICY_PATH, true,
        "/etc/proftpd/proftpd.conf"),
    POLICY_OPTION(struct proftpd_policy, pid_file, POLICY_PATH, true,
        "/run/proftpd.pid"),
    { .name = NULL },
};

void
proftpd_policy_init(struct proftpd_policy *p)
{
    policy_init(&p->accounts, "/etc/lockstep/proftpd.conf", options);
}

/* The options that only OpenSSH's programs have. */
#include "contrib/openssh/openssh_policy.h"

static const struct policy_option options[] = {
    POLICY_OPTION(struct openssh_policy, extrausers, POLICY_PATH, true,
        "/var/lib/extrausers"),
    POLICY_OPTION(struct openssh_policy, sshd, POLICY_PATH, true,
        "/usr/sbin/sshd"),
    POLICY_OPTION(struct openssh_policy, filter, POLICY_YES, false, "no"),
    POLICY_OPTION(struct openssh_policy, filter_port, POLICY_NUMBER, false,
        "22"),
    POLICY_OPTION(struct openssh_policy, filter_file, POLICY_PATH, true,
        "/var/lib/lockstep/service.nft"),
    POLICY_OPTION(struct openssh_policy, nft, POLICY_PATH, false,
        "/usr/sbin/nft"),
    { .name = NULL },
};

void
openssh_policy_init(struct openssh_policy *p)
{
    policy_init(&p->accounts, OPENSSH_POLICY_FILE, options);
}

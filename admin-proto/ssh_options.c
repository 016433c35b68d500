/* What every SSH session of a client is set to before it connects. */
#include <stdbool.h>
#include <stddef.h>

#include <libssh/libssh.h>

#include "admin-proto/ssh_client.h"

/* Paths that cannot exist: libssh would open the user's files otherwise. */
#define NO_FOLDER "/nonexistent"
#define NO_FILE "/nonexistent/known_hosts"

static const struct {
    enum ssh_options_e option;
    const char *value;
} texts[] = {
    { SSH_OPTIONS_SSH_DIR, NO_FOLDER },
    { SSH_OPTIONS_KNOWNHOSTS, NO_FILE },
    { SSH_OPTIONS_GLOBAL_KNOWNHOSTS, NO_FILE },
    { SSH_OPTIONS_IDENTITY_AGENT, NO_FILE },
    { SSH_OPTIONS_KEY_EXCHANGE, ADMIN_SSH_KEX },
    { SSH_OPTIONS_HOSTKEYS, ADMIN_SSH_KEY_TYPES },
    { SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, ADMIN_SSH_KEY_TYPES },
    { SSH_OPTIONS_CIPHERS_C_S, ADMIN_SSH_CIPHERS },
    { SSH_OPTIONS_CIPHERS_S_C, ADMIN_SSH_CIPHERS },
    { SSH_OPTIONS_HMAC_C_S, ADMIN_SSH_MACS },
    { SSH_OPTIONS_HMAC_S_C, ADMIN_SSH_MACS },
    /* "no" would still offer zlib. */
    { SSH_OPTIONS_COMPRESSION, "none" },
};

static const enum ssh_options_e switched_off[] = {
    SSH_OPTIONS_GSSAPI_AUTH,
    SSH_OPTIONS_KBDINT_AUTH,
};

int
admin_ssh_options(struct ssh_session_struct *session, struct err *e)
{
    const bool read_config = false;
    const int off = 0;
    const int on = 1;
    size_t i;
    int r;

    r = ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &read_config);
    for (i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
        r = ssh_options_set(session, texts[i].option, texts[i].value);
    for (i = 0; r == 0 && i < sizeof(switched_off) / sizeof(switched_off[0]);
         i++)
        r = ssh_options_set(session, switched_off[i], &off);
    if (r == 0)
        r = ssh_options_set(session, SSH_OPTIONS_NODELAY, &on);
    if (r != 0)
        return err_set(e, ERR_INTERNAL, "libssh refuses an option: %s",
            ssh_get_error(session));
    return 0;
}

/*
 * libssh and OpenSSL, ready for a process that can open nothing any more: no
 * configuration file is read, and the random generator has its seed.
 */
#include <libssh/libssh.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/child_parts.h"
#include "daemon/signing_hook.h"

void
child_prepare_ssh(void)
{
    unsigned char byte;

    signing_hook_load();
    tzset(); /* gmtime(3) reads the system's zone once, whatever for */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
        ssh_init() != SSH_OK || RAND_bytes(&byte, 1) != 1)
        abort();
}

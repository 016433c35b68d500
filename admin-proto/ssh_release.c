/* The end of an SSH session that was lent a descriptor. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libssh/libssh.h>

#include "admin-proto/ssh_client.h"

static bool
is_same_socket(int a, int b)
{
    struct stat sa;
    struct stat sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

void
admin_ssh_release(struct ssh_session_struct *session, int lent_fd, int own_fd)
{
    if (session != NULL) {
        if (ssh_is_connected(session))
            ssh_disconnect(session);
        ssh_free(session);
    }
    if (is_same_socket(lent_fd, own_fd))
        close(lent_fd);
}

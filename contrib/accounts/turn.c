/* The turn is a lock of the folder itself, which leaves no file behind. */
#include "contrib/accounts/turn.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

int
turn_take(const char *folder, mode_t mode, struct err *e)
{
    int fd;

    if (file_make_folder(folder, mode, e) != 0)
        return -1;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return err_set(e, ERR_IO, "could not lock folder \"%s\"", folder);
}

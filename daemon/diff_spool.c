/*
 * A file without a name, written to its end and then read.
 */
#include "daemon/diff_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

#define PENDING_MAX 65536

int
diff_spool_open(struct diff_spool *spool, const char *folder, struct err *e)
{
    *spool = (struct diff_spool){ .pending = BUF_INIT };
    spool->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        spool->fd = memfd_create("lockstep-diff", MFD_CLOEXEC);
    if (spool->fd < 0)
        return err_set(e, ERR_IO, "could not make a file in \"%s\": %s", folder,
            strerror(errno));
    return 0;
}

int
diff_spool_flush(struct diff_spool *spool, struct err *e)
{
    if (file_write_all(spool->fd, spool->pending.data, spool->pending.len, e) !=
        0)
        return -1;
    spool->written += spool->pending.len;
    buf_clear(&spool->pending);
    return 0;
}

int
diff_spool_put(struct diff_spool *spool, const void *data, size_t len,
    struct err *e)
{
    buf_put(&spool->pending, data, len);
    return spool->pending.len < PENDING_MAX ? 0 : diff_spool_flush(spool, e);
}

int
diff_spool_take(struct diff_spool *spool, void *data, size_t size, size_t *got,
    struct err *e)
{
    ssize_t n;

    do
        n = pread(spool->fd, data, size, (off_t)spool->taken);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(e, ERR_IO, "could not read what was worked out: %s",
            strerror(errno));
    *got = (size_t)n;
    spool->taken += *got;
    return 0;
}

void
diff_spool_close(struct diff_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    buf_release(&spool->pending);
}

/*
 * A file for each block: made without a name, given all of its room, mapped,
 * and closed.  It ends with its mapping, also when the process is killed.
 */
#include "base/spill.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *folder; /* under LOCK */

void
spill_to(const char *path)
{
    pthread_mutex_lock(&lock);
    free(folder);
    folder = alloc_string(path);
    pthread_mutex_unlock(&lock);
}

static int
open_nameless(void)
{
    int fd = -1;

    pthread_mutex_lock(&lock);
    if (folder != NULL)
        fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    pthread_mutex_unlock(&lock);
    return fd;
}

static int
has_room(int fd, size_t size)
{
    struct statvfs fs;

    return fstatvfs(fd, &fs) == 0 && fs.f_frsize > 0 &&
           fs.f_bavail / 2 >= size / fs.f_frsize + 1;
}

void *
spill_alloc(size_t size)
{
    int fd = open_nameless();
    void *p = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (size > 0 && size <= INT64_MAX && has_room(fd, size) &&
        fallocate(fd, 0, 0, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

void
spill_free(void *p, size_t size)
{
    if (p != NULL)
        munmap(p, size);
}

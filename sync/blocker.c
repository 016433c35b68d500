/*
 * Who holds the lock that a commit waits for.  The kernel lists all locks by
 * inode; the database is looked at with stat() only, because closing it would
 * drop the locks that SQLite holds for this process.
 */
#include "sync/blocker.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"

struct lock_line {
    char access[8]; /* READ or WRITE */
    long pid;
    unsigned long inode;
};

/* "1: POSIX  ADVISORY  READ 1234 08:01:5678 128 128"; a waiting lock has "->"
 * and is nobody's blocker. */
static bool
parse_lock(const char *line, struct lock_line *lock)
{
    return sscanf(line, "%*[^ ] %*[A-Z] %*[A-Z] %7[A-Z] %ld %*x:%*x:%lu",
               lock->access, &lock->pid, &lock->inode) == 3;
}

static void
describe(long pid, char *out, size_t size)
{
    char path[64], name[64] = "", shown[128] = "a process";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    f = fopen(path, "re");
    if (f != NULL) {
        if (fgets(name, sizeof(name), f) != NULL) {
            name[strcspn(name, "\n")] = '\0';
            escape_text(name, strlen(name), shown, sizeof(shown));
        }
        fclose(f);
    }
    snprintf(out, size, "%.90s (pid %ld)", shown, pid);
}

/* The first foreign lock on INODE; WRITES_ONLY skips read locks. */
static bool
find_holder(unsigned long inode, bool writes_only, long *pid)
{
    FILE *f = fopen("/proc/locks", "re");
    char line[256];
    bool found = false;

    if (f == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        struct lock_line lock;

        if (!parse_lock(line, &lock) || lock.inode != inode ||
            lock.pid == (long)getpid() || lock.pid <= 0)
            continue;
        if (writes_only && strcmp(lock.access, "WRITE") != 0)
            continue;
        *pid = lock.pid;
        found = true;
    }
    fclose(f);
    return found;
}

void
blocker_find(const char *path, char *out, size_t size)
{
    char shm[4096];
    struct stat st;
    long pid = 0;
    bool wal;

    out[0] = '\0';
    snprintf(shm, sizeof(shm), "%s-shm", path);
    /* With a WAL every connection holds a read lock on the main file, and a
     * writer a write lock on the shared memory. */
    wal = stat(shm, &st) == 0;
    if (!wal && stat(path, &st) != 0)
        return;
    if (find_holder(st.st_ino, wal, &pid))
        describe(pid, out, size);
}

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
     * writer a write lock on the shared memory; one in exclusive mode has no
     * shared memory, what is there was left by another. */
    wal = stat(shm, &st) == 0;
    if (!wal && stat(path, &st) != 0)
        return;
    if (find_holder(st.st_ino, wal, &pid) ||
        (wal && stat(path, &st) == 0 && find_holder(st.st_ino, true, &pid)))
        describe(pid, out, size);
}

int
blocker_explain(const char *path, struct err *e)
{
    char blocker[128];

    blocker_find(path, blocker, sizeof(blocker));
    err_set(e, ERR_BUSY, "\"%s\" is locked by %s", path,
        blocker[0] != '\0' ? blocker : "another process");
    err_hint(e, "It is tried again.  If it stays, end that program's "
                "transaction, or its PRAGMA locking_mode = EXCLUSIVE, which "
                "lets nobody else in.");
    return -1;
}

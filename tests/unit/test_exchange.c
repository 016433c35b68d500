/*
 * Promises of an overwrite where nobody has the live file open: the new file
 * takes the old one's place, which stays as the backup.  And where somebody
 * has: the file stays, and its content changes.
 */
#include "tests/unit/model_pair.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "sync/sound.h"

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c"
    " WHERE i<500) INSERT INTO users SELECT i,'user'||i,1 FROM c;";

static int
setup(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));

    pair_init(p, tables_sql);
    pair_overwrite(p);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    pair_release(*state);
    free(*state);
    return 0;
}

static struct stat
live_stat(const struct pair *p)
{
    struct stat st;

    assert_int_equal(stat(p->live, &st), 0);
    return st;
}

/* The newest backup, to be freed. */
static char *
last_backup(const struct pair *p)
{
    char *folder = file_join(p->dir, "backups");
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, alphasort);
    char *last = n > 2 ? file_join(folder, names[n - 1]->d_name) : NULL;

    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    free(folder);
    return last;
}

static void
next_revision(struct pair *p)
{
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    clock_advance(1000);
}

static bool
companion_exists(const struct pair *p, const char *suffix)
{
    char *path = alloc_format("%s%s", p->live, suffix);
    bool there = file_exists(path);

    free(path);
    return there;
}

static void
the_old_file_becomes_the_backup(void **state)
{
    struct pair *p = *state;
    static const mode_t modes[] = { 0640, 0600 };

    for (int i = 0; i < 2; i++) {
        struct stat before, after, kept;
        struct digest old = pair_live_digest(p);
        char *live = p->live, *backup;

        if (i == 1)
            pair_leave_wal(p);
        assert_int_equal(chmod(p->live, modes[i]), 0);
        before = live_stat(p);
        next_revision(p);
        pair_overwrite(p);
        assert_in_sync(p);
        after = live_stat(p);
        backup = last_backup(p);
        assert_non_null(backup);
        assert_int_equal(stat(backup, &kept), 0);
        assert_int_not_equal(after.st_ino, before.st_ino);
        assert_int_equal(kept.st_ino, before.st_ino);
        assert_int_equal(after.st_mode & 07777, modes[i]);
        assert_int_equal(kept.st_mode & 07777, 0600);
        assert_int_equal(kept.st_nlink, 1);
        p->live = backup;
        assert_memory_equal(pair_live_digest(p).sum, old.sum, HASH_SIZE);
        assert_false(companion_exists(p, "-wal"));
        p->live = live;
        free(backup);
        run_sql(p->primary.db, "UPDATE users SET n=n+1 WHERE id=3");
        pair_push(p);
        pair_reopen(p);
        assert_in_sync(p);
    }
}

static void
drift_after_it_is_known(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    next_revision(p);
    pair_overwrite(p);
    by_hand(p, "UPDATE users SET n=7 WHERE id=5");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
}

/* Each has the file open, or is a reason not to make another. */
static int
open_to_read(struct pair *p)
{
    return open(p->live, O_RDONLY | O_CLOEXEC);
}

static int
open_to_write(struct pair *p)
{
    return open(p->live, O_RDWR | O_CLOEXEC);
}

static int
link_it(struct pair *p)
{
    char *path = file_join(p->dir, "second-name");

    assert_int_equal(link(p->live, path), 0);
    free(path);
    return -1;
}

static int
give_it_an_attribute(struct pair *p)
{
    if (setxattr(p->live, "user.lockstep", "1", 1, 0) != 0)
        return link_it(p);
    return -1;
}

/* In another process, because closing it in ours would drop SQLite's locks. */
static pid_t
hold(struct pair *p, int (*open_it)(struct pair *))
{
    int ready[2];
    char byte;
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_it(p);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void
the_file_stays_where_it_may_not_be_replaced(void **state)
{
    static int (*const reasons[])(struct pair *) = { open_to_read,
        open_to_write, give_it_an_attribute, link_it };
    struct pair *p = *state;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        pid_t child = hold(p, reasons[i]);
        ino_t before = live_stat(p).st_ino;
        struct digest old = pair_live_digest(p);
        char *live = p->live, *backup;

        next_revision(p);
        pair_overwrite(p);
        assert_int_equal(live_stat(p).st_ino, before);
        assert_in_sync(p);
        backup = last_backup(p);
        p->live = backup;
        assert_memory_equal(pair_live_digest(p).sum, old.sum, HASH_SIZE);
        p->live = live;
        free(backup);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
}

/* A process that has never used SQLite, as forking requires. */
struct writer {
    pid_t pid;
    int told[2]; /* the path, then a byte to end it */
    int tell[2]; /* a byte when it committed; in the end how often */
};

/* Comes and goes. */
static void
write_until_told(const struct writer *w)
{
    struct pollfd p = { .fd = w->told[0], .events = POLLIN };
    char path[128] = "";
    uint32_t commits = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(w->told[0], path, sizeof(path) - 1) <= 0)
        _exit(1);
    while (poll(&p, 1, (int)(random() % 20)) == 0) {
        sqlite3 *db = NULL;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) ==
            SQLITE_OK) {
            sqlite3_busy_timeout(db, 2000);
            if (sqlite3_exec(db, "UPDATE users SET n=n+1 WHERE id=9", NULL,
                    NULL, NULL) == SQLITE_OK) {
                if (commits++ == 0 && write(w->tell[1], "c", 1) != 1)
                    _exit(1);
            } else if (sqlite3_errcode(db) == SQLITE_CORRUPT)
                _exit(2);
        }
        sqlite3_close(db);
    }
    if (write(w->tell[1], &commits, sizeof(commits)) != sizeof(commits))
        _exit(1);
    _exit(0);
}

static int
setup_writer(void **state)
{
    static struct writer w;

    assert_int_equal(pipe(w.told), 0);
    assert_int_equal(pipe(w.tell), 0);
    w.pid = fork();
    assert_true(w.pid >= 0);
    if (w.pid == 0)
        write_until_told(&w);
    *state = &w;
    return 0;
}

static void
assert_sound(const char *path)
{
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;

    CHECK(database_open(&db, path, OPEN_READ, 1000, &e));
    CHECK(database_sound(db, &e));
    database_close(db);
}

/* A program that opens the file again and again writes to the old or to the new
 * one, and what it wrote to the new one is not taken for the primary's. */
static void
a_writer_that_comes_and_goes_harms_nothing(void **state)
{
    struct writer *w = *state;
    struct pair p;
    uint32_t commits = 0;
    unsigned exchanged = 0;
    char byte;
    int status;

    pair_init(&p, tables_sql);
    pair_overwrite(&p);
    assert_int_equal(write(w->told[1], p.live, strlen(p.live)), strlen(p.live));
    assert_int_equal(read(w->tell[0], &byte, 1), 1);
    for (int i = 0; i < 60; i++) {
        ino_t before = live_stat(&p).st_ino;
        struct err e = ERR_INIT;

        next_revision(&p);
        if (pair_try_overwrite(&p, &e) != 0) {
            assert_int_equal(e.code, ERR_BUSY);
            continue;
        }
        exchanged += live_stat(&p).st_ino != before;
        if (pair_heartbeat(&p, &e) != 0)
            assert_true(e.code == ERR_DRIFTED || e.code == ERR_BUSY);
    }
    assert_int_equal(write(w->told[1], "x", 1), 1);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(w->tell[0], &commits, sizeof(commits)),
        sizeof(commits));
    assert_true(commits > 0);
    print_message("%u commits, %u of 60 exchanged\n", commits, exchanged);
    assert_sound(p.live);
    pair_overwrite(&p);
    assert_in_sync(&p);
    pair_release(&p);
    for (int i = 0; i < 2; i++) {
        close(w->told[i]);
        close(w->tell[i]);
    }
}

static void
what_a_crash_left_aside_becomes_a_backup(void **state)
{
    struct pair *p = *state;
    char *aside = file_join(p->dir, "replaced.db");
    char *backup;

    struct err e = ERR_INIT;

    CHECK(replica_copy(p->replica, aside, &e));
    pair_reopen(p);
    assert_false(file_exists(aside));
    backup = last_backup(p);
    assert_non_null(backup);
    assert_sound(backup);
    assert_in_sync(p);
    free(backup);
    free(aside);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        /* The first, because it forks. */
        cmocka_unit_test_setup(a_writer_that_comes_and_goes_harms_nothing,
            setup_writer),
        TEST(the_old_file_becomes_the_backup),
        TEST(drift_after_it_is_known),
        TEST(the_file_stays_where_it_may_not_be_replaced),
        TEST(what_a_crash_left_aside_becomes_a_backup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Promises of sync/replica.h to programs that read the live file: they delay
 * no push for long, and see the old content or the new one.
 */
#include "tests/unit/model_pair.h"

#include <poll.h>

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c"
    " WHERE i<500) INSERT INTO users SELECT i,'user'||i,1 FROM c;";

static int
setup(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));

    pair_init(p, tables_sql);
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

/* Holds a read transaction on the live file in another process until told. */
static pid_t
start_reader(const char *path, int *hold)
{
    int ready[2], stop[2];
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stop), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db;

        close(stop[1]);
        if (sqlite3_open(path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN; SELECT count(*) FROM users", NULL, NULL,
                NULL) != SQLITE_OK ||
            write(ready[1], "r", 1) != 1)
            _exit(1);
        if (read(stop[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(stop[0]);
    *hold = stop[1];
    return pid;
}

static void
endless_reader_is_named_and_costs_only_a_retry(void **state)
{
    struct pair *p = *state;
    struct replica_status status;
    struct err e = ERR_INIT;
    char pid_text[32];
    int hold = -1;
    pid_t pid;

    pair_overwrite(p);
    pair_leave_wal(p);
    pid = start_reader(p->live, &hold);
    snprintf(pid_text, sizeof(pid_text), "(pid %ld)", (long)pid);
    run_sql(p->primary.db, "UPDATE users SET n=5");
    assert_refused(pair_try_push(p, &e), ERR_BUSY, e);
    replica_status(p->replica, &status);
    assert_non_null(strstr(status.blocker, pid_text));
    assert_non_null(strstr(e.message, pid_text));
    close(hold);
    CHECK(pair_apply(p, &e));
    assert_in_sync(p);
    replica_status(p->replica, &status);
    assert_string_equal(status.blocker, "");
}

static void
reader_of_a_wal_database_delays_nothing(void **state)
{
    struct pair *p = *state;
    int hold = -1;

    pair_overwrite(p);
    start_reader(p->live, &hold);
    for (int i = 0; i < 3; i++) {
        run_sql(p->primary.db, "UPDATE users SET n=n+5");
        pair_push(p);
        assert_in_sync(p);
    }
    close(hold);
}

/* Reads over and over until told to stop: every row of users must have the
 * same n at any moment.  Exits 0 if that held. */
static void
read_for_ever(const char *path, int stop, int ready)
{
    struct pollfd fd = { .fd = stop, .events = POLLIN };
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    bool told = false;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        _exit(2);
    sqlite3_busy_timeout(db, 10000);
    while (poll(&fd, 1, 0) == 0) {
        if (stmt == NULL &&
            sqlite3_prepare_v2(db, "SELECT count(*), min(n)=max(n) FROM users",
                -1, &stmt, NULL) != SQLITE_OK)
            _exit(3);
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int(stmt, 0) != 500 ||
            sqlite3_column_int(stmt, 1) != 1)
            _exit(4);
        sqlite3_reset(stmt);
        if (!told && write(ready, "r", 1) != 1)
            _exit(5);
        told = true;
    }
    _exit(0);
}

static void
overwrite_beside_a_reader(struct pair *p)
{
    int stop[2], ready[2], status = 0;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(stop), 0);
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(stop[1]);
        read_for_ever(p->live, stop[0], ready[1]);
    }
    close(stop[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    for (int i = 0; i < 10; i++) {
        run_sql(p->primary.db, "UPDATE users SET n=n+1");
        primary_publish(&p->primary);
        pair_overwrite(p);
        assert_equal_rows(p);
    }
    close(stop[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_in_sync(p);
}

static void
reader_of_a_wal_database_sees_old_or_new(void **state)
{
    struct pair *p = *state;

    pair_overwrite(p);
    overwrite_beside_a_reader(p);
}

static void
reader_of_a_delete_database_sees_old_or_new(void **state)
{
    struct pair *p = *state;

    pair_overwrite(p);
    pair_leave_wal(p);
    overwrite_beside_a_reader(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(endless_reader_is_named_and_costs_only_a_retry),
        TEST(reader_of_a_wal_database_delays_nothing),
        TEST(reader_of_a_wal_database_sees_old_or_new),
        TEST(reader_of_a_delete_database_sees_old_or_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

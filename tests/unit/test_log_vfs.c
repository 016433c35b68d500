/*
 * Promises of sync/log_vfs.h: what is committed is in the log, for other
 * connections and after a crash; what is not, is not; few writes make it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "sync/log_vfs.h"
#include "sync/open.h"

#define ROWS 2000
/* About five rows a page. */
#define TABLE                                                            \
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n, filler);"                 \
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE" \
    " i<2000) INSERT INTO t SELECT i,0,zeroblob(700) FROM c;"

struct world {
    char folder[64];
    char path[96];
    sqlite3 *db;
};

static void
run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int64_t
number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t n;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct err e = ERR_INIT;

    snprintf(w->folder, sizeof(w->folder), "/tmp/lockstep-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof(w->path), "%s/a.db", w->folder);
    if (database_open(&w->db, w->path, OPEN_CREATE, 1000, &e) != 0)
        fail_msg("%s", e.message);
    run(w->db, "PRAGMA wal_autocheckpoint=0");
    run(w->db, TABLE);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    database_close(w->db);
    assert_int_equal(file_remove_tree(w->folder), 0);
    free(w);
    return 0;
}

/* The files as a crash would leave them now, opened by the system's VFS. */
static sqlite3 *
crashed(const struct world *w)
{
    static const char *const suffixes[] = { "", "-wal" };
    char command[256], path[160];
    sqlite3 *db;

    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "cp '%s%s' '%s/copy%s'", w->path,
            suffixes[i], w->folder, suffixes[i]);
        assert_int_equal(system(command), 0);
    }
    snprintf(path, sizeof(path), "%s/copy", w->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static int64_t
writes_done(void)
{
    FILE *f = fopen("/proc/self/io", "r");
    char line[80];
    long long n = -1;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "syscw: %lld", &n) == 1)
            break;
    fclose(f);
    assert_true(n >= 0);
    return n;
}

/* Without a sync, whose turn would be a chance to write late. */
static void
a_commit_is_in_the_log_at_once(void **state)
{
    struct world *w = *state;
    sqlite3 *other;

    assert_int_equal(sqlite3_open(w->path, &other), SQLITE_OK);
    run(w->db, "PRAGMA synchronous=OFF");
    for (int n = 1; n <= 20; n++) {
        char sql[96];
        sqlite3 *after;

        /* From one page to all of them. */
        snprintf(sql, sizeof(sql), "UPDATE t SET n=%d WHERE id<=%d", n,
            n == 20 ? ROWS : n * n);
        run(w->db, sql);
        assert_int_equal(number(other, "SELECT max(n) FROM t"), n);
        after = crashed(w);
        assert_int_equal(number(after, "SELECT max(n) FROM t"), n);
        assert_int_equal(number(after, "SELECT sum(n) FROM t"),
            number(w->db, "SELECT sum(n) FROM t"));
        sqlite3_close(after);
    }
    sqlite3_close(other);
}

static void
a_commit_takes_few_writes(void **state)
{
    struct world *w = *state;
    int64_t before = writes_done();

    run(w->db, "UPDATE t SET n=n+1");
    /* 400 pages and more, 31 of them in one write. */
    assert_true(writes_done() - before < 40);
}

static int64_t
log_size(const struct world *w)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s-wal", w->path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Also where the log began anew, and when another connection shortened it. */
static void
small_commits_do_not_make_the_log_longer(void **state)
{
    struct world *w = *state;
    sqlite3 *other;

    assert_int_equal(sqlite3_open(w->path, &other), SQLITE_OK);
    for (int turn = 0; turn < 3; turn++) {
        int64_t size;

        if (turn > 0)
            run(turn == 1 ? w->db : other, "PRAGMA wal_checkpoint(TRUNCATE)");
        run(w->db, "UPDATE t SET n=n+1 WHERE id=1");
        size = log_size(w);
        for (int i = 0; i < 20; i++)
            run(w->db, "UPDATE t SET n=n+1 WHERE id=1");
        assert_int_equal(log_size(w), size);
        assert_int_equal(number(other, "SELECT n FROM t WHERE id=1"),
            21 * (turn + 1));
    }
    sqlite3_close(other);
}

/* Pages that do not fit memory go to the log before their commit, are read
 * back from it and written over. */
static void
what_spills_is_read_back(void **state)
{
    struct world *w = *state;
    sqlite3 *after;

    run(w->db, "PRAGMA synchronous=OFF;PRAGMA cache_size=20;"
               "PRAGMA cache_spill=20;BEGIN");
    for (int i = 0; i < 3; i++) {
        run(w->db, "UPDATE t SET n=n+1");
        assert_int_equal(number(w->db, "SELECT sum(n) FROM t"), ROWS * (i + 1));
    }
    after = crashed(w);
    assert_int_equal(number(after, "SELECT sum(n) FROM t"), 0);
    sqlite3_close(after);
    run(w->db, "COMMIT");
    after = crashed(w);
    assert_int_equal(number(after, "SELECT sum(n) FROM t"), ROWS * 3);
    sqlite3_close(after);
}

static void
what_is_rolled_back_is_gone(void **state)
{
    struct world *w = *state;
    sqlite3 *after;

    run(w->db, "PRAGMA cache_size=20;PRAGMA cache_spill=20;BEGIN;"
               "UPDATE t SET n=7;ROLLBACK");
    assert_int_equal(number(w->db, "SELECT sum(n) FROM t"), 0);
    run(w->db, "UPDATE t SET n=1 WHERE id=1000");
    after = crashed(w);
    assert_int_equal(number(after, "SELECT sum(n) FROM t"), 1);
    sqlite3_close(after);
    run(w->db, "PRAGMA wal_checkpoint(TRUNCATE);UPDATE t SET n=2");
    after = crashed(w);
    assert_int_equal(number(after, "SELECT sum(n) FROM t"), ROWS * 2);
    sqlite3_close(after);
}

/* Frames that were gathered and not committed must never be written where
 * another writer's frames are by then. */
static void
what_is_rolled_back_spoils_no_others_commit(void **state)
{
    struct world *w = *state;
    sqlite3 *other, *after;

    assert_int_equal(sqlite3_open(w->path, &other), SQLITE_OK);
    run(w->db, "PRAGMA cache_size=20;PRAGMA cache_spill=20");
    /* However much of it is left unwritten at the end. */
    for (int rows = 200; rows <= 400; rows++) {
        char sql[96];

        snprintf(sql, sizeof(sql), "BEGIN;UPDATE t SET n=-1 WHERE id<=%d",
            rows);
        run(w->db, sql);
        run(w->db, "ROLLBACK");
        snprintf(sql, sizeof(sql), "UPDATE t SET n=%d", rows);
        run(other, sql);
        assert_int_equal(number(w->db, "SELECT sum(n) FROM t"), ROWS * rows);
        run(w->db, "UPDATE t SET filler=zeroblob(701) WHERE id=1");
        after = crashed(w);
        assert_int_equal(number(after, "SELECT sum(n) FROM t"), ROWS * rows);
        assert_int_equal(number(after,
                             "SELECT count(*) FROM pragma_integrity_check"
                             " WHERE integrity_check='ok'"),
            1);
        sqlite3_close(after);
        run(w->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    sqlite3_close(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_is_in_the_log_at_once, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_commit_takes_few_writes, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            small_commits_do_not_make_the_log_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(what_spills_is_read_back, setup,
            teardown),
        cmocka_unit_test_setup_teardown(what_is_rolled_back_is_gone, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            what_is_rolled_back_spoils_no_others_commit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

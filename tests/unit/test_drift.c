/*
 * Promises of sync/replica.h about drift: a file that somebody else touched is
 * never called equal, and what is repaired is kept.
 */
#include "tests/unit/model_pair.h"

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
    "CREATE TABLE plain(a, b);"
    "CREATE TABLE keys(k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID;"
    "INSERT INTO users VALUES(1,'ann',1),(2,'bob',2),(3,'cid',3);"
    "INSERT INTO plain VALUES(1,'one'),(2,'two'),(3,'three');"
    "DELETE FROM plain WHERE a=2;"
    "INSERT INTO keys VALUES('alpha',1),('beta',2);";

static int
setup(void **state)
{
    struct pair *p = alloc_zeroed(1, sizeof(*p));
    struct err e = ERR_INIT;

    pair_init(p, tables_sql);
    pair_overwrite(p);
    CHECK(pair_heartbeat(p, &e));
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

/* How many lines the drift file has that hold TEXT. */
static unsigned
drift_lines(struct pair *p, const char *text)
{
    struct err e = ERR_INIT;
    struct buf file = BUF_INIT;
    char *path = file_join(p->dir, "drift.jsonl");
    unsigned count = 0;
    char *line, *rest;

    if (file_read(path, 10 << 20, &file, &e) == 0) {
        buf_put_u8(&file, 0);
        for (rest = (char *)file.data; (line = strsep(&rest, "\n")) != NULL;)
            if (line[0] != '\0' && strstr(line, text) != NULL)
                count++;
    }
    buf_release(&file);
    free(path);
    return count;
}

static void
drifted_rows_are_known_kept_and_repaired(void **state)
{
    static const struct {
        const char *sql;
        const char *reason;
        uint64_t rows;
    } cases[] = {
        { "UPDATE users SET n=99 WHERE id=2", "table users key 2", 1 },
        { "INSERT INTO users VALUES(17,'eve',0)", "table users key 17", 1 },
        { "DELETE FROM users WHERE id=1", "table users key 1", 1 },
        { "UPDATE users SET id=40 WHERE id=3", "table users key", 2 },
        { "UPDATE keys SET k='ALPHA' WHERE k='alpha'", "table keys key", 1 },
        { "INSERT OR REPLACE INTO users VALUES(50,'ann',0)", "table users key",
            2 },
        { "UPDATE plain SET b=x'00'", "table plain key", 2 },
        { "DELETE FROM users; DELETE FROM plain; DELETE FROM keys",
            "table keys key", 7 },
        { "UPDATE users SET name='?'||id; UPDATE users SET name='ann'"
          " WHERE id=2; UPDATE users SET name='bob' WHERE id=1",
            "table users key", 3 },
    };
    struct pair *p = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica_status status;
        struct err e = ERR_INIT;

        by_hand(p, cases[i].sql);
        p->notices = 0;
        assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
        assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
        assert_int_equal(p->notices, 1);
        assert_non_null(strstr(p->last_notice, cases[i].reason));
        replica_status(p->replica, &status);
        assert_true(status.drifted);
        assert_false(status.needs_overwrite);
        assert_true(status.drift_rows >= cases[i].rows);
        assert_non_null(strstr(status.reason, cases[i].reason));
        assert_refused(pair_try_push(p, &e), ERR_DRIFTED, e);
        /* The push made a revision that this secondary lacks: undo that. */
        p->primary.state.revision--;
        primary_publish(&p->primary);
        p->primary.state.revision--;
        CHECK(pair_repair(p, &e));
        assert_in_sync(p);
    }
    assert_true(drift_lines(p, "") >= 18);
}

static void
drift_file_holds_found_and_expected(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    char *path = file_join(p->dir, "drift.jsonl");
    struct stat st;

    by_hand(p, "UPDATE users SET n='by hand' WHERE id=2;"
               "INSERT INTO users VALUES(17,'eve',0);"
               "DELETE FROM users WHERE id=1;");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    assert_int_equal(drift_lines(p, ""), 0);
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, ""), 3);
    assert_int_equal(drift_lines(p, "\"found\":\"2, 'bob', 'by hand'\","
                                    "\"expected\":\"2, 'bob', 2\""),
        1);
    assert_int_equal(drift_lines(p, "\"found\":\"17, 'eve', 0\","
                                    "\"expected\":null"),
        1);
    assert_int_equal(drift_lines(p, "\"found\":null,"
                                    "\"expected\":\"1, 'ann', 1\""),
        1);
    assert_int_equal(drift_lines(p, "\"dataset\":\"config\""), 3);
    assert_int_equal(drift_lines(p, "\"table\":\"users\",\"key\":\"17\""), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
}

static void
write_that_changed_nothing_is_no_drift(void **state)
{
    struct pair *p = *state;

    by_hand(p, "UPDATE users SET n=n");
    assert_in_sync(p);
    by_hand(p, "UPDATE users SET n=n+1; UPDATE users SET n=n-1");
    assert_in_sync(p);
    run_sql(p->primary.db, "UPDATE users SET n=8");
    by_hand(p, "UPDATE users SET n=n+1; UPDATE users SET n=n-1");
    pair_push(p);
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, ""), 0);
}

static void
large_drift_is_repaired_piece_by_piece(void **state)
{
    struct pair *p = *state;
    struct replica_status status;
    struct err e = ERR_INIT;
    int rounds = 0;

    by_hand(p, "WITH RECURSIVE c(i) AS (SELECT 100 UNION ALL SELECT i+1 FROM c"
               " WHERE i<2600) INSERT INTO users SELECT i,'u'||i,0 FROM c");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    replica_status(p->replica, &status);
    assert_int_equal(status.drift_rows, 2501);
    while (pair_repair(p, &e) != 0) {
        assert_int_equal(e.code, ERR_DRIFTED);
        assert_true(++rounds < 10);
    }
    assert_int_equal(rounds, 2);
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, ""), 2501);
}

/* What the triggers cannot tell is found by the digest, and needs all rows. */
static void
tampering_past_the_triggers_needs_an_overwrite(void **state)
{
    static const char *const statements[] = {
        "DROP TABLE plain",
        "CREATE TABLE other(x)",
        "PRAGMA user_version=9",
        "ALTER TABLE users ADD COLUMN extra",
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET"
        " sql='CREATE TABLE plain(a, c)' WHERE name='plain'",
        "UPDATE _lockstep_state SET revision=99",
        "DELETE FROM _lockstep_state",
        "DROP TABLE _lockstep_state",
    };
    struct pair *p = *state;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        struct replica_status status;
        struct err e = ERR_INIT;

        by_hand(p, statements[i]);
        assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
        assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
        replica_status(p->replica, &status);
        assert_true(status.needs_overwrite);
        assert_true(status.drifted);
        assert_int_not_equal(status.reason[0], '\0');
        assert_int_equal(pair_apply(p, &e), -1);
        pair_overwrite(p);
        assert_in_sync(p);
    }
}

static void
vacuum_that_renumbers_rows_is_drift(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    by_hand(p, "VACUUM");
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    assert_true(drift_lines(p, "\"table\":\"plain\"") >= 1);
}

static void
triggers_dropped_then_written(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt;
    struct buf drops = BUF_INIT;

    CHECK(database_open(&db, p->live, OPEN_WRITE, 1000, &e));
    CHECK(database_prepare(db,
        "SELECT name FROM sqlite_schema WHERE"
        " type='trigger'",
        &stmt, &e));
    while (sqlite3_step(stmt) == SQLITE_ROW)
        buf_printf(&drops, "DROP TRIGGER \"%s\";",
            sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    database_close(db);
    assert_true(drops.len > 0);
    buf_put_u8(&drops, 0);
    by_hand(p, (const char *)drops.data);
    by_hand(p, "UPDATE users SET n=99 WHERE id=2");
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, "\"key\":\"2\""), 1);
    /* Dropped only: they are made again, and nothing has drifted. */
    by_hand(p, (const char *)drops.data);
    assert_in_sync(p);
    by_hand(p, "UPDATE users SET n=98 WHERE id=2");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
    buf_release(&drops);
}

static void
writer_with_triggers_off_is_found(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;

    CHECK(database_open(&db, p->live, OPEN_WRITE, 1000, &e));
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    run_sql(db, "UPDATE users SET n=99 WHERE id=2");
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    /* Beside a write that the triggers saw. */
    run_sql(db, "UPDATE users SET n=99 WHERE id=2");
    by_hand(p, "UPDATE users SET n=99 WHERE id=3");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    assert_refused(pair_repair(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    database_close(db);
}

static void
copy_file(const char *from, const char *to)
{
    struct buf bytes = BUF_INIT;
    struct err e = ERR_INIT;
    FILE *f;

    CHECK(file_read(from, 100 << 20, &bytes, &e));
    f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    fclose(f);
    buf_release(&bytes);
}

/* An older revision of the file at dir/old.db, and two pushes on top. */
static char *
keep_old_file(struct pair *p)
{
    char *old = file_join(p->dir, "old.db");
    struct err e = ERR_INIT;

    CHECK(replica_copy(p->replica, old, &e));
    run_sql(p->primary.db, "UPDATE users SET n=n+100 WHERE id=2");
    pair_push(p);
    run_sql(p->primary.db, "INSERT INTO plain VALUES(7,7)");
    pair_push(p);
    /* Else the log beside the file would bring the older one up to date. */
    by_hand(p, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_in_sync(p);
    return old;
}

static void
older_file_by_mv_is_found(void **state)
{
    struct pair *p = *state;
    char *old = keep_old_file(p);
    struct err e = ERR_INIT;

    assert_int_equal(rename(old, p->live), 0);
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, "\"key\":\"2\""), 1);
    free(old);
}

static void
older_file_by_cp_is_found(void **state)
{
    struct pair *p = *state;
    char *old = keep_old_file(p);
    struct err e = ERR_INIT;
    pid_t pid = fork();

    /* By another process, as cp is one: closing drops locks. */
    if (pid == 0) {
        copy_file(old, p->live);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    free(old);
}

static void
older_file_by_cp_is_found_without_wal(void **state)
{
    struct pair *p = *state;
    char *old = keep_old_file(p);
    struct err e = ERR_INIT;
    pid_t pid;

    pair_leave_wal(p);
    assert_in_sync(p);
    pid = fork();
    if (pid == 0) {
        copy_file(old, p->live);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    free(old);
}

static void
older_file_found_at_start_is_only_behind(void **state)
{
    struct pair *p = *state;
    char *old = keep_old_file(p);
    struct err e = ERR_INIT;

    replica_close(p->replica);
    p->replica = NULL;
    assert_int_equal(rename(old, p->live), 0);
    pair_reopen(p);
    assert_refused(pair_heartbeat(p, &e), ERR_GAP, e);
    free(old);
}

static void
drift_while_we_were_away_is_found(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    replica_close(p->replica);
    p->replica = NULL;
    by_hand(p, "UPDATE users SET n=99 WHERE id=2");
    pair_reopen(p);
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
}

static void
flipped_byte_is_found_by_a_scrub(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    struct replica_status status;
    struct buf file = BUF_INIT;
    uint8_t *at;
    FILE *f;

    replica_close(p->replica);
    p->replica = NULL;
    CHECK(file_read(p->live, 1 << 20, &file, &e));
    at = memmem(file.data, file.len, "three", 5);
    assert_non_null(at);
    *at = 'T';
    f = fopen(p->live, "wb");
    assert_int_equal(fwrite(file.data, 1, file.len, f), file.len);
    fclose(f);
    buf_release(&file);
    pair_reopen(p);
    CHECK(replica_scrub(p->replica, &e));
    replica_status(p->replica, &status);
    assert_true(status.drifted);
    assert_true(status.needs_overwrite);
    assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
    pair_overwrite(p);
    assert_in_sync(p);
    assert_int_equal(drift_lines(p, "'Three'"), 1);
}

static void
repair_of_another_revision_is_refused(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    by_hand(p, "UPDATE users SET n=99 WHERE id=2");
    p->primary.state.revision++;
    assert_refused(pair_repair(p, &e), ERR_GAP, e);
    p->primary.state.revision--;
    p->primary.state.digest.sum[0] ^= 1;
    assert_refused(pair_repair(p, &e), ERR_DIVERGED, e);
    p->primary.state.digest.sum[0] ^= 1;
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
}

/* Names of what is ours in the live file. */
static void
expect_traces(struct pair *p, bool triggers)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_open(p->live, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
            "SELECT count(*), count(*) FILTER (WHERE type='trigger')"
            " FROM sqlite_schema WHERE name LIKE '%lockstep%'",
            -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    if (triggers)
        assert_true(sqlite3_column_int(stmt, 1) > 0);
    else
        assert_int_equal(sqlite3_column_int(stmt, 0), 1); /* the state row */
    sqlite3_finalize(stmt);
    database_close(db);
}

static void
drift_is_found_without_triggers(void **state)
{
    static const char *const cases[] = {
        "UPDATE users SET n=99 WHERE id=2",
        "DELETE FROM users WHERE id=1",
        "UPDATE keys SET k='ALPHA' WHERE k='alpha'",
        "UPDATE plain SET b=x'00'",
    };
    struct pair *p = *state;
    struct err e = ERR_INIT;

    p->drift_capture = CAPTURE_COMPARE;
    pair_reopen(p);
    assert_in_sync(p);
    expect_traces(p, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica_status status;

        by_hand(p, "UPDATE users SET n=n+1; UPDATE users SET n=n-1");
        assert_in_sync(p);
        run_sql(p->primary.db, "UPDATE users SET n=n+1 WHERE id=3");
        pair_push(p);
        by_hand(p, cases[i]);
        assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
        assert_refused(pair_heartbeat(p, &e), ERR_NEEDS_OVERWRITE, e);
        assert_refused(pair_try_push(p, &e), ERR_NEEDS_OVERWRITE, e);
        replica_status(p->replica, &status);
        assert_true(status.drifted);
        assert_string_equal(status.reason, "rows were changed on this server");
        pair_overwrite(p);
        assert_in_sync(p);
        expect_traces(p, false);
    }
    assert_int_equal(drift_lines(p, "\"found\":\"2, 'bob', 99\""), 1);
    assert_int_equal(drift_lines(p, ""), 5);
}

static void
triggers_may_be_taken_out_and_put_back(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    for (int i = 0; i < 2; i++) {
        p->drift_capture = CAPTURE_COMPARE;
        pair_reopen(p);
        assert_in_sync(p);
        expect_traces(p, false);
        p->drift_capture = CAPTURE_TRIGGERS;
        pair_reopen(p);
        assert_in_sync(p);
        expect_traces(p, true);
        by_hand(p, "UPDATE users SET n=99 WHERE id=2");
        assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
        CHECK(pair_repair(p, &e));
        assert_in_sync(p);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(drifted_rows_are_known_kept_and_repaired),
        TEST(drift_file_holds_found_and_expected),
        TEST(write_that_changed_nothing_is_no_drift),
        TEST(large_drift_is_repaired_piece_by_piece),
        TEST(tampering_past_the_triggers_needs_an_overwrite),
        TEST(vacuum_that_renumbers_rows_is_drift),
        TEST(triggers_dropped_then_written),
        TEST(writer_with_triggers_off_is_found),
        TEST(older_file_by_mv_is_found),
        TEST(older_file_by_cp_is_found),
        TEST(older_file_by_cp_is_found_without_wal),
        TEST(older_file_found_at_start_is_only_behind),
        TEST(drift_while_we_were_away_is_found),
        TEST(flipped_byte_is_found_by_a_scrub),
        TEST(repair_of_another_revision_is_refused),
        TEST(drift_is_found_without_triggers),
        TEST(triggers_may_be_taken_out_and_put_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

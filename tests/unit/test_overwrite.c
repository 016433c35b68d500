/*
 * Promises of sync/replica.h about overwrites: whatever the live file is, it
 * ends as the primary's content or stays as it was.  Who has it open meanwhile:
 * test_readers.c.
 */
#include "tests/unit/model_pair.h"

#include <fcntl.h>

static const char tables_sql[] =
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
    "CREATE TABLE plain(a, b);"
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

static void
write_bytes(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static bool
exists_in(struct pair *p, const char *name)
{
    char *path = file_join(p->dir, name);
    bool there = file_exists(path);

    free(path);
    return there;
}

static unsigned
count_backups(struct pair *p, char *last, size_t size)
{
    char *folder = file_join(p->dir, "backups");
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, alphasort);
    unsigned count = 0;

    for (int i = 0; i < n; i++) {
        size_t len = strlen(names[i]->d_name);

        if (len > 3 && strcmp(names[i]->d_name + len - 3, ".db") == 0) {
            snprintf(last, size, "%s/%s", folder, names[i]->d_name);
            count++;
        }
        free(names[i]);
    }
    free(names);
    free(folder);
    return count;
}

/* What may be found where the live file should be. */
static void
make_nothing(struct pair *p)
{
    (void)p;
}

static void
make_empty_file(struct pair *p)
{
    write_bytes(p->live, "", 0);
}

static void
make_foreign_wal(struct pair *p)
{
    by_hand(p, "PRAGMA journal_mode=WAL; CREATE TABLE users(x);"
               "INSERT INTO users VALUES(zeroblob(100000))");
}

static void
make_foreign_delete(struct pair *p)
{
    by_hand(p, "CREATE TABLE other(x); INSERT INTO other VALUES(1)");
}

static void
make_other_page_size_wal(struct pair *p)
{
    by_hand(p, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL;"
               "CREATE TABLE users(x); INSERT INTO users VALUES(1)");
}

static void
make_other_page_size_delete(struct pair *p)
{
    by_hand(p, "PRAGMA page_size=16384; CREATE TABLE users(x)");
}

static void
make_garbage(struct pair *p)
{
    static const char text[] = "this was a database once, until somebody "
                               "wrote another file over it...............";
    char *wal = alloc_format("%s-wal", p->live);

    write_bytes(p->live, text, sizeof(text));
    write_bytes(wal, text, sizeof(text));
    free(wal);
}

static void
make_torn(struct pair *p)
{
    struct buf bytes = BUF_INIT;
    struct err e = ERR_INIT;

    make_foreign_delete(p);
    by_hand(p, "INSERT INTO other VALUES(zeroblob(50000))");
    CHECK(file_read(p->live, 1 << 20, &bytes, &e));
    memset(bytes.data + 4096, 0x5a, 8192);
    write_bytes(p->live, bytes.data, 20000);
    buf_release(&bytes);
}

static void
every_kind_of_live_file_is_overwritten(void **state)
{
    static void (*const kinds[])(struct pair *) = { make_nothing,
        make_empty_file, make_foreign_wal, make_foreign_delete,
        make_other_page_size_wal, make_other_page_size_delete, make_garbage,
        make_torn };
    struct pair *p = *state;
    char last[300];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct replica_status status;
        static const char *const suffixes[] = { "", "-wal", "-shm",
            "-journal" };

        replica_close(p->replica);
        p->replica = NULL;
        for (int k = 0; k < 4; k++) {
            char *path = alloc_format("%s%s", p->live, suffixes[k]);

            unlink(path);
            free(path);
        }
        kinds[i](p);
        pair_reopen(p);
        replica_status(p->replica, &status);
        assert_true(status.needs_overwrite);
        assert_int_equal(status.state.revision, 0);
        pair_overwrite(p);
        assert_in_sync(p);
        run_sql(p->primary.db, "UPDATE users SET n=n+1 WHERE id=3");
        pair_push(p);
        assert_in_sync(p);
        pair_reopen(p);
        assert_in_sync(p);
        assert_false(exists_in(p, "staging.db"));
    }
    assert_int_equal(count_backups(p, last, sizeof(last)), 3);
}

static void
programs_keep_their_journal_mode(void **state)
{
    struct pair *p = *state;
    sqlite3_stmt *stmt;
    struct err e = ERR_INIT;
    static const char *const modes[] = { "wal", "delete" };

    pair_overwrite(p);
    for (int i = 0; i < 2; i++) {
        sqlite3 *db = NULL;

        if (i == 1)
            pair_leave_wal(p);
        pair_overwrite(p);
        CHECK(database_open(&db, p->live, OPEN_READ, 1000, &e));
        CHECK(database_prepare(db, "PRAGMA journal_mode", &stmt, &e));
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_string_equal(sqlite3_column_text(stmt, 0), modes[i]);
        sqlite3_finalize(stmt);
        database_close(db);
        assert_in_sync(p);
    }
}

static void
drift_is_noted_after_an_overwrite(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    pair_overwrite(p);
    assert_in_sync(p);
    by_hand(p, "UPDATE users SET n=7 WHERE id=5");
    assert_refused(pair_heartbeat(p, &e), ERR_DRIFTED, e);
    CHECK(pair_repair(p, &e));
    assert_in_sync(p);
}

static void
pieces_may_be_of_any_size(void **state)
{
    static const size_t pieces[] = { 1, 2, 7, 215, 216, 217, 100000, 10000000 };
    struct pair *p = *state;
    struct err e = ERR_INIT;

    primary_overwrite(&p->primary,
        primary_header(&p->primary, BUNDLE_OVERWRITE), &p->bundle);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        CHECK(pair_feed_overwrite(p, pieces[i], &e));
        assert_in_sync(p);
    }
}

static void
damaged_stream_is_refused_and_changes_nothing(void **state)
{
    struct pair *p = *state;
    struct digest before, after;
    struct err e = ERR_INIT;
    struct buf whole = BUF_INIT;

    pair_overwrite(p);
    before = pair_live_digest(p);
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    primary_overwrite(&p->primary,
        primary_header(&p->primary, BUNDLE_OVERWRITE), &whole);
    buf_clear(&p->bundle);
    buf_put(&p->bundle, whole.data, whole.len);
    for (size_t len = 0; len < whole.len; len += 1 + len / 50) {
        p->bundle.len = len;
        err_clear(&e);
        assert_int_equal(pair_feed_overwrite(p, 4096, &e), -1);
    }
    p->bundle.len = whole.len;
    for (size_t bit = 0; bit < whole.len * 8; bit += 1 + bit / 60) {
        p->bundle.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        err_clear(&e);
        assert_int_equal(pair_feed_overwrite(p, 4096, &e), -1);
        p->bundle.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buf_put_u8(&p->bundle, 0);
    assert_refused(pair_feed_overwrite(p, 4096, &e), ERR_CORRUPT, e);
    after = pair_live_digest(p);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_false(exists_in(p, "staging.db"));
    p->bundle.len--;
    CHECK(pair_feed_overwrite(p, 4096, &e));
    assert_in_sync(p);
    buf_release(&whole);
}

/* Headers that are refused before anything is written. */
static void
set_epoch(struct bundle_header *h)
{
    h->epoch = 4;
}

static void
set_cluster(struct bundle_header *h)
{
    h->cluster[0] ^= 1;
}

static void
set_dataset(struct bundle_header *h)
{
    strcpy(h->dataset, "admins");
}

static void
set_kind(struct bundle_header *h)
{
    h->kind = BUNDLE_CHANGES;
}

static void
foreign_overwrites_are_refused_at_the_header(void **state)
{
    static const struct {
        void (*set)(struct bundle_header *);
        enum err_code code;
    } cases[] = {
        { set_epoch, ERR_STALE_EPOCH },
        { set_cluster, ERR_OTHER_CLUSTER },
        { set_dataset, ERR_INVALID },
        { set_kind, ERR_INVALID },
    };
    struct pair *p = *state;

    pair_overwrite(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bundle_header h = primary_header(&p->primary, BUNDLE_OVERWRITE);
        struct err e = ERR_INIT;

        cases[i].set(&h);
        buf_clear(&p->bundle);
        primary_overwrite(&p->primary, h, &p->bundle);
        assert_int_equal(replica_overwrite_begin(p->replica, &e), 0);
        assert_refused(replica_overwrite_write(p->replica, p->bundle.data, 300,
                           &e),
            cases[i].code, e);
        assert_false(exists_in(p, "staging.db"));
        assert_refused(replica_overwrite_finish(p->replica, &e), cases[i].code,
            e);
        assert_in_sync(p);
    }
}

static void
what_does_not_fit_is_refused_before_its_first_byte(void **state)
{
    struct pair *p = *state;
    struct bundle_header h = primary_header(&p->primary, BUNDLE_OVERWRITE);
    static const uint64_t sizes[] = { (uint64_t)1 << 50, UINT64_MAX,
        UINT64_MAX / 3 + 1 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct err e = ERR_INIT;

        h.raw_length = sizes[i];
        buf_clear(&p->bundle);
        bundle_header_encode(&h, &p->bundle);
        assert_int_equal(replica_overwrite_begin(p->replica, &e), 0);
        assert_refused(replica_overwrite_write(p->replica, p->bundle.data,
                           p->bundle.len, &e),
            ERR_NO_SPACE, e);
        replica_overwrite_abort(p->replica);
        assert_false(exists_in(p, "staging.db"));
    }
}

static void
another_writer_must_know_what_it_replaces(void **state)
{
    struct pair *p = *state;
    struct bundle_header h;
    struct dataset_state held;
    struct err e = ERR_INIT;

    pair_overwrite(p);
    held = p->primary.state;
    /* Another primary of the same epoch, with rows of its own. */
    memset(p->primary.state.writer, 77, ID_SIZE);
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    assert_refused(pair_try_overwrite(p, &e), ERR_OTHER_WRITER, e);
    assert_memory_equal(pair_live_digest(p).sum, held.digest.sum, HASH_SIZE);
    /* It names what it replaces: an administrator told it to. */
    h = primary_header(&p->primary, BUNDLE_OVERWRITE);
    h.from_revision = held.revision;
    h.digest_before = held.digest;
    h.digest_before.sum[5] ^= 1;
    buf_clear(&p->bundle);
    primary_overwrite_as(&p->primary, h, &p->bundle);
    assert_refused(pair_feed_overwrite(p, 5000, &e), ERR_OTHER_WRITER, e);
    h.digest_before.sum[5] ^= 1;
    buf_clear(&p->bundle);
    primary_overwrite_as(&p->primary, h, &p->bundle);
    CHECK(pair_feed_overwrite(p, 5000, &e));
    assert_in_sync(p);
    /* A new writer with the very rows that are held needs to name nothing. */
    memset(p->primary.state.writer, 78, ID_SIZE);
    CHECK(pair_try_overwrite(p, &e));
    assert_in_sync(p);
    /* A promoted primary writes on. */
    memset(p->primary.state.writer, 79, ID_SIZE);
    p->primary.state.epoch++;
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    CHECK(pair_try_overwrite(p, &e));
    assert_in_sync(p);
}

static void
utf16_is_refused(void **state)
{
    struct pair *p = *state;
    struct primary other = p->primary;
    struct err e = ERR_INIT;
    char *dir = file_join(p->dir, "other");

    assert_int_equal(mkdir(dir, 0700), 0);
    primary_open(&other, dir, "CREATE TABLE users(id INTEGER PRIMARY KEY)");
    database_close(other.db);
    CHECK(file_remove(other.path, &e));
    CHECK(database_open(&other.db, other.path, OPEN_CREATE, 1000, &e));
    run_sql(other.db, "PRAGMA encoding='UTF-16le';"
                      "CREATE TABLE users(id INTEGER PRIMARY KEY)");
    primary_overwrite(&other, primary_header(&other, BUNDLE_OVERWRITE),
        &p->bundle);
    assert_refused(pair_feed_overwrite(p, 5000, &e), ERR_UNSUPPORTED, e);
    primary_close(&other);
    free(dir);
    by_hand(p, "PRAGMA encoding='UTF-16be'; CREATE TABLE x(y)");
    pair_reopen(p);
    assert_refused(pair_try_overwrite(p, &e), ERR_UNSUPPORTED, e);
}

static void
return_argument(sqlite3_context *ctx, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_value(ctx, values[0]);
}

static void
tables_that_cannot_be_written_here_are_refused(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;

    pair_overwrite(p);
    sqlite3_create_function(p->primary.db, "known_there", 1,
        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
        return_argument, NULL, NULL);
    run_sql(p->primary.db, "CREATE INDEX odd ON users(known_there(name))");
    primary_publish(&p->primary);
    assert_refused(pair_try_overwrite(p, &e), ERR_UNSUPPORTED, e);
    assert_non_null(strstr(e.message, "known_there"));
}

static void
an_image_that_is_not_what_its_header_says_is_refused(void **state)
{
    struct pair *p = *state;
    struct bundle_header h;
    struct err e = ERR_INIT;

    pair_overwrite(p);
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    h = primary_header(&p->primary, BUNDLE_OVERWRITE);
    h.digest_after.sum[0] ^= 1;
    buf_clear(&p->bundle);
    primary_overwrite_as(&p->primary, h, &p->bundle);
    assert_refused(pair_feed_overwrite(p, 5000, &e), ERR_CORRUPT, e);
    /* The state row lies as well. */
    p->primary.state.digest.sum[0] ^= 1;
    CHECK(state_write(p->primary.db, &p->primary.state, &e));
    assert_refused(pair_try_overwrite(p, &e), ERR_DIGEST, e);
    p->primary.state.digest.sum[0] ^= 1;
    p->primary.state.rows++;
    CHECK(state_write(p->primary.db, &p->primary.state, &e));
    assert_refused(pair_try_overwrite(p, &e), ERR_DIGEST, e);
}

static void
old_content_is_kept_three_times(void **state)
{
    struct pair *p = *state;
    char last[300];

    for (int i = 0; i < 6; i++) {
        struct digest old;
        char *live = p->live;

        run_sql(p->primary.db, "UPDATE users SET n=n+1");
        primary_publish(&p->primary);
        if (i == 0) {
            pair_overwrite(p);
            assert_int_equal(count_backups(p, last, sizeof(last)), 0);
            continue;
        }
        clock_advance(1000);
        old = pair_live_digest(p);
        pair_overwrite(p);
        assert_int_equal(count_backups(p, last, sizeof(last)), i < 3 ? i : 3);
        p->live = last;
        assert_memory_equal(pair_live_digest(p).sum, old.sum, HASH_SIZE);
        p->live = live;
    }
}

/* A reader keeps the log from being written back: the file alone is older. */
static void
old_content_is_kept_while_its_log_is_read(void **state)
{
    struct pair *p = *state;
    sqlite3 *reader = NULL;
    struct err e = ERR_INIT;
    struct digest old;
    char last[300];
    char *live = p->live;

    pair_overwrite(p);
    CHECK(database_open(&reader, p->live, OPEN_READ, 1000, &e));
    run_sql(reader, "BEGIN; SELECT count(*) FROM users");
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    pair_push(p);
    old = pair_live_digest(p);
    run_sql(p->primary.db, "UPDATE users SET n=n+1");
    primary_publish(&p->primary);
    pair_overwrite(p);
    assert_int_equal(count_backups(p, last, sizeof(last)), 1);
    p->live = last;
    assert_memory_equal(pair_live_digest(p).sum, old.sum, HASH_SIZE);
    p->live = live;
    database_close(reader);
}

static void
leftovers_are_removed_at_start(void **state)
{
    struct pair *p = *state;
    struct err e = ERR_INIT;
    char *path = file_join(p->dir, "staging.db");

    pair_overwrite(p);
    CHECK(replica_overwrite_begin(p->replica, &e));
    CHECK(replica_overwrite_write(p->replica, p->bundle.data, 2000, &e));
    assert_true(file_exists(path));
    replica_overwrite_abort(p->replica);
    assert_false(file_exists(path));
    write_bytes(path, "left", 4);
    pair_reopen(p);
    assert_false(file_exists(path));
    assert_in_sync(p);
    free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_live_file_is_overwritten),
        TEST(programs_keep_their_journal_mode),
        TEST(drift_is_noted_after_an_overwrite),
        TEST(pieces_may_be_of_any_size),
        TEST(damaged_stream_is_refused_and_changes_nothing),
        TEST(foreign_overwrites_are_refused_at_the_header),
        TEST(what_does_not_fit_is_refused_before_its_first_byte),
        TEST(another_writer_must_know_what_it_replaces),
        TEST(utf16_is_refused),
        TEST(tables_that_cannot_be_written_here_are_refused),
        TEST(an_image_that_is_not_what_its_header_says_is_refused),
        TEST(old_content_is_kept_three_times),
        TEST(old_content_is_kept_while_its_log_is_read),
        TEST(leftovers_are_removed_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

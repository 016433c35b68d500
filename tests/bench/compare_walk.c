/*
 * What comparing costs, for compare_rows.py.  Prints microseconds.
 *
 *     compare_walk publish LIVE WORK ROUNDS  median of publishes of ten rows
 *     compare_walk session OLD NEW           SQLite's session diff of both
 *     compare_walk wait LIVE WORK ROUNDS     longest wait of a writer meanwhile
 *
 * LIVE is a database of fleet_data.py; ROUNDS times ten rows of "fleet_users"
 * change by another connection, and are published by a source that only
 * compares.
 */
#define SQLITE_ENABLE_SESSION 1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "sync/source.h"

#define ROUNDS_MAX 1000
/* A writer comes by this often, and asks for its lock in such steps. */
#define WRITE_EVERY_US 50000
#define WRITER_STEP_US 500

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
die(const char *what)
{
    fprintf(stderr, "compare_walk: %s\n", what);
    exit(1);
}

static int
step_busy(void *ctx, int count)
{
    (void)ctx;
    (void)count;
    usleep(WRITER_STEP_US);
    return 1;
}

static sqlite3 *
open_database(const char *path)
{
    sqlite3 *db;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
    sqlite3_busy_handler(db, step_busy, NULL);
    return db;
}

static void
run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        die(message);
}

static int64_t
count_users(sqlite3 *db)
{
    sqlite3_stmt *stmt;
    int64_t users;

    if (sqlite3_prepare_v2(db, "SELECT max(id) FROM fleet_users", -1, &stmt,
            NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        die(sqlite3_errmsg(db));
    users = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return users;
}

static struct source *
open_source(const char *live, const char *work)
{
    static const uint8_t writer[ID_SIZE] = { 1 };
    struct dataset_config config = {
        .name = "bench",
        .live_path = live,
        .work_dir = work,
        .capture = CAPTURE_COMPARE,
    };
    struct source *source;
    struct err e = ERR_INIT;

    if (source_open(&source, &config, writer, &e) != 0)
        die(e.message);
    return source;
}

static int
compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void
change_ten_rows(sqlite3 *db, int64_t users, int round)
{
    char sql[256];

    snprintf(sql, sizeof(sql),
        "UPDATE fleet_users SET quota=quota+1, updated_at=updated_at+1"
        " WHERE id %% %lld = %d",
        (long long)(users / 10), round % 100 + 1);
    run(db, sql);
}

static int64_t
publish(struct source *source)
{
    struct publish_result result;
    struct err e = ERR_INIT;
    int64_t began = now_us();

    if (source_publish(source, &result, &e) != 0)
        die(e.message);
    if (!result.published || result.changed_rows != 10)
        die("other rows than the ten were published");
    return now_us() - began;
}

static void
measure_publish(char **args)
{
    struct source *source = open_source(args[0], args[1]);
    sqlite3 *db = open_database(args[0]);
    int64_t users = count_users(db), times[ROUNDS_MAX] = { 0 };
    int rounds = atoi(args[2]);

    if (rounds < 1 || rounds > ROUNDS_MAX)
        die("so many rounds are not measured");
    for (int i = 0; i < rounds; i++) {
        change_ten_rows(db, users, i);
        times[i] = publish(source);
    }
    qsort(times, (size_t)rounds, sizeof(times[0]), compare_times);
    printf("%lld\n", (long long)times[rounds / 2]);
    sqlite3_close(db);
    source_close(source);
}

static void
measure_session(char **args)
{
    static const char *const tables[] = { "fleet_settings", "fleet_users",
        "fleet_keys", "fleet_folders", "fleet_rules" };
    sqlite3 *db = open_database(args[1]);
    sqlite3_session *session = NULL;
    char *sql = sqlite3_mprintf("ATTACH %Q AS old", args[0]);
    char *message = NULL;
    int64_t began;

    run(db, sql);
    sqlite3_free(sql);
    if (sqlite3session_create(db, "main", &session) != SQLITE_OK)
        die("no session");
    sqlite3session_attach(session, NULL);
    began = now_us();
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (sqlite3session_diff(session, "old", tables[i], &message) !=
            SQLITE_OK)
            die(message);
    printf("%lld\n", (long long)(now_us() - began));
    sqlite3session_delete(session);
    sqlite3_close(db);
}

/* Another program that writes a row now and then. */
struct writer {
    const char *path;
    atomic_bool stop;
    int64_t longest_us;
    atomic_int writes;
};

static void *
write_on(void *arg)
{
    struct writer *w = arg;
    sqlite3 *db = open_database(w->path);

    run(db, "PRAGMA synchronous=OFF");
    while (!atomic_load(&w->stop)) {
        int64_t began = now_us(), took;

        run(db, "UPDATE fleet_settings SET value=value||'x' WHERE"
                " name='setting_001'");
        took = now_us() - began;
        if (took > w->longest_us)
            w->longest_us = took;
        atomic_fetch_add(&w->writes, 1);
        usleep(WRITE_EVERY_US);
    }
    sqlite3_close(db);
    return NULL;
}

static void
measure_wait(char **args)
{
    struct source *source = open_source(args[0], args[1]);
    struct writer w = { .path = args[0] };
    int rounds = atoi(args[2]), published = 0;
    pthread_t thread;

    if (pthread_create(&thread, NULL, write_on, &w) != 0)
        die("no thread");
    for (int i = 0; i < rounds; i++) {
        struct publish_result result;
        struct err e = ERR_INIT;
        int before = atomic_load(&w.writes);

        while (atomic_load(&w.writes) == before)
            usleep(WRITER_STEP_US);
        if (source_publish(source, &result, &e) != 0 && e.code != ERR_BUSY)
            die(e.message);
        published += result.published;
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    fprintf(stderr, "%d writes, %d of %d publishes\n", atomic_load(&w.writes),
        published, rounds);
    printf("%lld\n", (long long)w.longest_us);
    source_close(source);
}

static const struct {
    const char *name;
    int args;
    void (*run)(char **args);
} modes[] = {
    { "publish", 3, measure_publish },
    { "session", 2, measure_session },
    { "wait", 3, measure_wait },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, argv[1]) != 0 || argc != modes[i].args + 2)
            continue;
        modes[i].run(argv + 2);
        return 0;
    }
    die("see the comment in compare_walk.c");
}

/*
 * Events are on disk soon, and before the node ends; however many there are, a
 * second has one sync.  What the disk was asked for is what this program's own
 * fdatasync saw: a power cut leaves that, and may take the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "daemon/events.h"
#include "tests/unit/engine_fixture.h"

#define FILES 8
#define WAIT_S 60

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t synced = PTHREAD_COND_INITIALIZER;
static int syncs, broken;
static struct {
    ino_t file;
    uint64_t size;
} durable[FILES];

/* In libc's place, for the whole program. */
int
fdatasync(int fd)
{
    struct stat st;
    int r;

    pthread_mutex_lock(&lock);
    syncs++;
    r = broken;
    pthread_mutex_unlock(&lock);
    if (r != 0) {
        errno = EIO;
        return -1;
    }
    if (fstat(fd, &st) != 0 || syscall(SYS_fdatasync, fd) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < FILES; i++)
        if (durable[i].file == st.st_ino || durable[i].file == 0) {
            durable[i].file = st.st_ino;
            durable[i].size = (uint64_t)st.st_size;
            break;
        }
    pthread_cond_broadcast(&synced);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* With the lock. */
static uint64_t
durable_size(ino_t file)
{
    for (size_t i = 0; i < FILES; i++)
        if (durable[i].file == file)
            return durable[i].size;
    return 0;
}

static ino_t
file_of(const char *folder, const char *name, uint64_t *size)
{
    char *path = file_join(folder, name);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    *size = (uint64_t)st.st_size;
    free(path);
    return st.st_ino;
}

static bool
is_durable(const char *folder, const char *name)
{
    uint64_t size;
    ino_t file = file_of(folder, name, &size);
    bool whole;

    pthread_mutex_lock(&lock);
    whole = durable_size(file) == size;
    pthread_mutex_unlock(&lock);
    return whole;
}

static void
wait_until_durable(const char *folder)
{
    uint64_t size;
    ino_t file = file_of(folder, "events.jsonl", &size);
    struct timespec end;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    pthread_mutex_lock(&lock);
    while (durable_size(file) < size && r == 0)
        r = pthread_cond_timedwait(&synced, &lock, &end);
    pthread_mutex_unlock(&lock);
    assert_int_equal(r, 0);
}

static struct events *
open_events(const char *folder)
{
    struct err e = ERR_INIT;
    struct events *ev;

    log_init("test", LOG_LEVEL_ERROR + 1);
    memset(durable, 0, sizeof(durable));
    syncs = 0;
    assert_int_equal(events_open(&ev, folder, "n1", &e), 0);
    return ev;
}

static void
an_event_is_on_disk_soon(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);

    (void)state;
    events_add(ev, "warning", "login-refused", NULL, NULL, "first");
    wait_until_durable(folder);
    events_add(ev, "warning", "banned", NULL, NULL, "second");
    wait_until_durable(folder);
    events_close(ev);
    fixture_remove(folder);
}

static void
closing_brings_the_last_one_to_disk(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);

    (void)state;
    events_add(ev, "info", "one", NULL, NULL, "first");
    wait_until_durable(folder);
    events_add(ev, "info", "stopped", NULL, NULL, "within the same second");
    events_close(ev);
    assert_true(is_durable(folder, "events.jsonl"));
    fixture_remove(folder);
}

static void
a_flood_of_events_costs_one_sync_a_second(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    int64_t began_ms = clock_mono_ms();
    int64_t seconds;

    (void)state;
    for (int i = 0; i < 20000; i++)
        events_add(ev, "warning", "login-refused", NULL, NULL, "number %d", i);
    wait_until_durable(folder);
    seconds = (clock_mono_ms() - began_ms) / 1000;
    assert_in_range(syncs, 1, seconds + 2);
    events_close(ev);
    fixture_remove(folder);
}

static void
a_full_file_is_on_disk_too(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    char text[2000];
    uint64_t size = 0;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int turn = 0; turn < 3; turn++) {
        while (events_size(ev) >= size) {
            size = events_size(ev);
            events_add(ev, "info", "fill", NULL, NULL, "%s", text);
        }
        size = 0;
    }
    events_close(ev);
    assert_true(is_durable(folder, "events.jsonl"));
    assert_true(is_durable(folder, "events.jsonl.1"));
    fixture_remove(folder);
}

static void
a_disk_that_fails_stops_nothing(void **state)
{
    char *folder = fixture_folder();
    struct events *ev = open_events(folder);
    json_t *list;

    (void)state;
    broken = 1;
    events_add(ev, "info", "one", NULL, NULL, "first");
    while (pthread_mutex_lock(&lock) == 0 && syncs == 0)
        pthread_mutex_unlock(&lock);
    broken = 0;
    pthread_mutex_unlock(&lock);
    events_add(ev, "info", "two", NULL, NULL, "second");
    wait_until_durable(folder);
    list = events_list(ev, 0, 10);
    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    events_close(ev);
    fixture_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_on_disk_soon),
        cmocka_unit_test(closing_brings_the_last_one_to_disk),
        cmocka_unit_test(a_flood_of_events_costs_one_sync_a_second),
        cmocka_unit_test(a_full_file_is_on_disk_too),
        cmocka_unit_test(a_disk_that_fails_stops_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Promises of base/file.h: a file is replaced whole or not at all, read whole
 * within bounds, and locked by one process.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The folder of one test, and a path in it. */
struct place {
    char *folder;
    char *path;
};

static int
enter_folder(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    const char *tmp = getenv("TMPDIR");

    assert_non_null(place);
    if (asprintf(&place->folder, "%s/lockstep-file-XXXXXX",
            tmp != NULL ? tmp : "/tmp") < 0 ||
        mkdtemp(place->folder) == NULL)
        return -1;
    place->path = file_join(place->folder, "file");
    *state = place;
    return 0;
}

static int
leave_folder(void **state)
{
    struct place *place = *state;
    char *command;
    int r;

    if (asprintf(&command, "rm -rf '%s'", place->folder) < 0)
        return -1;
    r = system(command);
    free(command);
    free(place->path);
    free(place->folder);
    free(place);
    return r;
}

static size_t
count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        n +=
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void
assert_content(const char *path, const char *expected)
{
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT;

    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    assert_int_equal(b.len, strlen(expected));
    assert_memory_equal(b.data, expected, b.len);
    buf_release(&b);
}

static void
write_replaces_content_and_mode(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    struct stat st;

    assert_int_equal(file_write_atomic(place->path, "old", 3, 0644, &e), 0);
    assert_content(place->path, "old");
    assert_int_equal(file_write_atomic(place->path, "new!", 4, 0600, &e), 0);
    assert_content(place->path, "new!");
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(file_write_atomic(place->path, NULL, 0, 0600, &e), 0);
    assert_content(place->path, "");
    assert_int_equal(count_entries(place->folder), 1);
}

/* Who opened the old file goes on reading the old file. */
static void
write_does_not_touch_the_old_file(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    char text[4] = "";
    int fd;

    assert_int_equal(file_write_atomic(place->path, "old", 3, 0600, &e), 0);
    fd = open(place->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_write_atomic(place->path, "new", 3, 0600, &e), 0);
    assert_int_equal(read(fd, text, 3), 3);
    assert_string_equal(text, "old");
    close(fd);
}

static void
a_failed_write_leaves_the_old_file(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    struct rlimit old, small = { 16, 16 };
    char big[64];
    int r;

    memset(big, 'x', sizeof(big));
    assert_int_equal(file_write_atomic(place->path, "old", 3, 0600, &e), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    r = file_write_atomic(place->path, big, sizeof(big), 0600, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(r, -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.message, place->path));
    assert_content(place->path, "old");
    assert_int_equal(count_entries(place->folder), 1);
}

static void
a_write_that_cannot_be_renamed_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    char *below = file_join(place->path, "deeper");

    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(file_write_atomic(place->path, "x", 1, 0600, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(count_entries(place->folder), 1);
    free(below);
    below = file_join(place->folder, "missing/file");
    assert_int_equal(file_write_atomic(below, "x", 1, 0600, &e), -1);
    assert_int_equal(count_entries(place->folder), 1);
    free(below);
}

static void
a_full_device_is_told_apart(void **state)
{
    struct err e = ERR_INIT;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "x", 1, &e), -1);
    assert_int_equal(e.code, ERR_NO_SPACE);
    close(fd);
}

static void
write_all_waits_for_a_slow_reader(void **state)
{
    struct err e = ERR_INIT;
    static char data[300000];
    int ends[2];
    pid_t child;
    size_t got = 0;
    int status;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        /* Full pipes answer EAGAIN from here on. */
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        _exit(file_write_all(ends[1], data, sizeof(data), &e) == 0 ? 0 : 1);
    }
    close(ends[1]);
    for (;;) {
        char part[4096];
        ssize_t n = read(ends[0], part, sizeof(part));

        assert_true(n >= 0);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(got, sizeof(data));
}

static void
read_is_bounded_to_the_byte(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT;
    static char data[200000];

    memset(data, 'x', sizeof(data));
    assert_int_equal(file_write_atomic(place->path, data, sizeof(data), 0600,
                         &e),
        0);
    buf_put(&b, "left over", 9);
    assert_int_equal(file_read(place->path, sizeof(data), &b, &e), 0);
    assert_int_equal(b.len, sizeof(data));
    assert_memory_equal(b.data, data, sizeof(data));
    assert_int_equal(file_read(place->path, sizeof(data) - 1, &b, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(b.len, 0);
    assert_int_equal(file_read(place->path, 0, &b, &e), -1);
    assert_int_equal(file_read("/dev/zero", 1000, &b, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    buf_release(&b);
}

static void
read_tells_missing_from_unreadable(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT;

    assert_int_equal(file_read(place->path, 10, &b, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(file_read(place->folder, 10, &b, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    buf_release(&b);
}

static void
remove_and_rename_know_absence(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    char *other = file_join(place->folder, "other");

    assert_int_equal(file_remove(place->path, &e), 0);
    assert_int_equal(file_rename(place->path, other, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(file_write_atomic(place->path, "x", 1, 0600, &e), 0);
    assert_true(file_exists(place->path));
    assert_int_equal(file_rename(place->path, other, &e), 0);
    assert_false(file_exists(place->path));
    assert_content(other, "x");
    assert_int_equal(file_remove(other, &e), 0);
    assert_false(file_exists(other));
    assert_int_equal(file_remove(place->folder, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    free(other);
}

static void
make_folder_makes_parents_and_keeps_its_own_private(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    char *deep = file_join(place->folder, "a//b/c/");
    char *middle = file_join(place->folder, "a/b");
    struct stat st;

    assert_int_equal(file_make_folder(deep, 0700, &e), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(middle, &st), 0);
    assert_int_equal(st.st_mode & 0111, 0111);
    assert_int_equal(file_make_folder(deep, 0700, &e), 0);
    assert_int_equal(file_make_folder("/", 0700, &e), 0);
    free(deep);
    free(middle);
    assert_int_equal(file_write_atomic(place->path, "x", 1, 0600, &e), 0);
    assert_int_equal(file_make_folder(place->path, 0700, &e), -1);
    deep = file_join(place->path, "below");
    assert_int_equal(file_make_folder(deep, 0700, &e), -1);
    free(deep);
}

static void
a_lock_is_held_by_one_and_ends_with_it(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    int ready[2], fd, status;
    char byte;
    pid_t child;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        int lock;

        if (file_lock(place->path, &lock, &e) != 0 ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(file_lock(place->path, &fd, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(fd, -1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(file_lock(place->path, &fd, &e), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void
free_bytes_are_known(void **state)
{
    struct place *place = *state;
    struct err e = ERR_INIT;
    uint64_t bytes = 0;

    assert_int_equal(file_free_bytes(place->folder, &bytes, &e), 0);
    assert_true(bytes > 0);
    assert_int_equal(file_free_bytes("/nowhere/at/all", &bytes, &e), -1);
}

static void
join_puts_one_slash(void **state)
{
    static const struct {
        const char *dir, *name, *path;
    } cases[] = {
        { "/a", "b", "/a/b" },
        { "/a/", "b", "/a/b" },
        { "/", "b", "/b" },
        { ".", "b", "./b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = file_join(cases[i].dir, cases[i].name);

        assert_string_equal(path, cases[i].path);
        free(path);
    }
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(write_replaces_content_and_mode),
        IN_FOLDER(write_does_not_touch_the_old_file),
        IN_FOLDER(a_failed_write_leaves_the_old_file),
        IN_FOLDER(a_write_that_cannot_be_renamed_leaves_nothing),
        cmocka_unit_test(a_full_device_is_told_apart),
        cmocka_unit_test(write_all_waits_for_a_slow_reader),
        IN_FOLDER(read_is_bounded_to_the_byte),
        IN_FOLDER(read_tells_missing_from_unreadable),
        IN_FOLDER(remove_and_rename_know_absence),
        IN_FOLDER(make_folder_makes_parents_and_keeps_its_own_private),
        IN_FOLDER(a_lock_is_held_by_one_and_ends_with_it),
        IN_FOLDER(free_bytes_are_known),
        cmocka_unit_test(join_puts_one_slash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Large blocks lie in files without a name, SQLite's too, and nobody who uses
 * them can tell.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/spill.h"
#include "sync/database_memory.h"

#define LARGE ((size_t)DATABASE_SPILL_FROM)

static char folder[] = "/tmp/lockstep-test-XXXXXX";

/* Whether a file of FOLDER is mapped where P is. */
static bool
is_in_file(const void *p)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    uintptr_t begin, end;
    char line[4096];
    bool found = false;

    assert_non_null(maps);
    while (!found && fgets(line, sizeof(line), maps) != NULL)
        found = sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2 &&
                (uintptr_t)p >= begin && (uintptr_t)p < end &&
                strstr(line, folder) != NULL;
    fclose(maps);
    return found;
}

static void
without_a_folder_there_are_none(void **state)
{
    (void)state;
    assert_null(spill_alloc(LARGE));
}

static void
a_block_is_a_file(void **state)
{
    uint8_t *p;

    (void)state;
    spill_to(folder);
    p = spill_alloc(LARGE + 1);
    assert_non_null(p);
    assert_true(is_in_file(p));
    assert_int_equal(p[0], 0);
    assert_int_equal(p[LARGE], 0);
    memset(p, 7, LARGE + 1);
    spill_free(p, LARGE + 1);
    assert_false(is_in_file(p));
    /* Nothing was ever there under a name. */
    assert_int_equal(rmdir(folder), 0);
    assert_null(spill_alloc(LARGE));
    assert_non_null(mkdtemp(strcpy(folder, "/tmp/lockstep-test-XXXXXX")));
    spill_to(folder);
}

static void
no_block_takes_what_others_need(void **state)
{
    (void)state;
    assert_null(spill_alloc(SIZE_MAX));
    assert_null(spill_alloc((size_t)1 << 56));
    assert_null(spill_alloc(0));
}

static void
sqlite_keeps_large_blocks_there(void **state)
{
    char *p = sqlite3_malloc(100);

    (void)state;
    memcpy(p, "content", sizeof("content"));
    assert_false(is_in_file(p));
    for (int size = 1000; size < 4 * (int)LARGE; size *= 3) {
        p = sqlite3_realloc(p, size);
        assert_string_equal(p, "content");
        assert_true(sqlite3_msize(p) >= (sqlite3_uint64)size);
        assert_int_equal(is_in_file(p), size >= (int)LARGE);
        p[size - 1] = 1;
    }
    p = sqlite3_realloc(p, 100);
    assert_string_equal(p, "content");
    assert_false(is_in_file(p));
    sqlite3_free(p);
}

/* As on a disk that is full. */
static void
without_room_they_are_in_the_heap(void **state)
{
    char *p;

    (void)state;
    spill_to("/proc");
    p = sqlite3_malloc((int)LARGE);
    assert_non_null(p);
    memset(p, 1, LARGE);
    spill_to(folder);
    /* Each block knows where it is. */
    p = sqlite3_realloc(p, 2 * (int)LARGE);
    assert_true(is_in_file(p));
    assert_int_equal(p[LARGE - 1], 1);
    sqlite3_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_folder_there_are_none),
        cmocka_unit_test(a_block_is_a_file),
        cmocka_unit_test(no_block_takes_what_others_need),
        cmocka_unit_test(sqlite_keeps_large_blocks_there),
        cmocka_unit_test(without_room_they_are_in_the_heap),
    };
    int failed;

    database_bound_memory();
    if (mkdtemp(folder) == NULL)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}

/*
 * Database files from somebody hostile, compared with a sound one by the bytes
 * of their rows (sync/pages.h, sync/cells.h).  The input is laid over a sound
 * file, in pieces: two bytes of offset, one of length, the bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/compare.h"
#include "sync/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX 65536

static char dir[] = "/tmp/fuzz-pages-XXXXXX";
static char *old_path, *new_path;
static sqlite3 *old;
static struct schema *schema;
static uint8_t sound[FILE_MAX];
static size_t sound_len;

static void
clean_up(void)
{
    database_close(old);
    schema_free(schema);
    unlink(old_path);
    unlink(new_path);
    rmdir(dir);
    free(old_path);
    free(new_path);
}

static void
must(bool good)
{
    if (!good)
        abort();
}

static void
set_up(void)
{
    struct err e = ERR_INIT;
    FILE *file;

    must(mkdtemp(dir) != NULL);
    old_path = alloc_format("%s/old.db", dir);
    new_path = alloc_format("%s/new.db", dir);
    atexit(clean_up);
    must(sqlite3_open(old_path, &old) == SQLITE_OK);
    must(sqlite3_exec(old,
             "PRAGMA page_size=512; CREATE TABLE t(a, b); WITH RECURSIVE n(i)"
             " AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300)"
             " INSERT INTO t SELECT i, zeroblob(i%40*(i%50=0)*60) FROM n",
             NULL, NULL, NULL) == SQLITE_OK);
    /* Not while it is open: that would drop SQLite's locks. */
    database_close(old);
    file = fopen(old_path, "rb");
    must(file != NULL);
    sound_len = fread(sound, 1, sizeof(sound), file);
    must(fclose(file) == 0 && sound_len > 0 && sound_len < sizeof(sound));
    must(sqlite3_open(old_path, &old) == SQLITE_OK &&
         schema_load(&schema, old, &e) == 0);
}

static void
write_new(const uint8_t *data, size_t size)
{
    uint8_t copy[FILE_MAX];
    FILE *file;

    memcpy(copy, sound, sound_len);
    while (size > 3) {
        size_t at = (size_t)(data[0] << 8 | data[1]) % sound_len;
        size_t len = data[2];

        data += 3;
        size -= 3;
        len = len > size ? size : len;
        len = len > sound_len - at ? sound_len - at : len;
        memcpy(copy + at, data, len);
        data += len;
        size -= len;
    }
    file = fopen(new_path, "wb");
    must(file != NULL && fwrite(copy, 1, sound_len, file) == sound_len &&
         fclose(file) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_mark none = { .written_back = 0 };
    struct compare_how how = { .max_bytes = 1 << 20,
        .old_log = &none,
        .new_log = &none };
    struct change_set set;
    struct err e = ERR_INIT;
    uint32_t ignored;
    sqlite3 *new;

    if (old == NULL)
        set_up();
    write_new(data, size);
    change_set_init(&set);
    if (sqlite3_open(new_path, &new) == SQLITE_OK &&
        database_exec(old, "BEGIN", &e) == 0 &&
        database_schema_cookie(old, &ignored, &e) == 0 &&
        database_exec(new, "BEGIN", &e) == 0 &&
        database_schema_cookie(new, &ignored, &e) == 0)
        compare_databases_how(old, schema, new, schema, &set, &how, &e);
    change_set_release(&set);
    database_rollback(old);
    database_close(new);
    return 0;
}

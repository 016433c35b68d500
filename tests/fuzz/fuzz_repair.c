/*
 * Keys that a secondary says have drifted, from any bytes.  The first byte
 * picks the revision that it holds, the rest is the list.  Whatever it names, a
 * bundle comes out that the secondary can open, or a reason of ours, and the
 * published copy stands as it was.
 */
#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"
#include "sync/source_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Published one after another. */
static const char *const revisions[] = {
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
    "CREATE TABLE keys(k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID;"
    "CREATE TABLE two(a, b, v, PRIMARY KEY(b, a)) WITHOUT ROWID;"
    "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v);"
    "INSERT INTO users VALUES(1,'ann',1),(2,'bob',2),(3,'eve',3);"
    "INSERT INTO keys VALUES('a',1),('b',2);"
    "INSERT INTO two VALUES(1,2,3),(1.0,x'00',NULL);",
    "UPDATE users SET name='Ann' WHERE id=1; DELETE FROM users WHERE id=2;"
    "INSERT INTO counted(v) VALUES(1)",
    "UPDATE keys SET k='A' WHERE k='a'; INSERT INTO users VALUES(2,'ann',4)",
    "DELETE FROM two; UPDATE users SET id=id+1 WHERE id=3;"
    "INSERT INTO counted(v) VALUES(2); PRAGMA user_version=7",
};
#define REVISIONS (sizeof(revisions) / sizeof(revisions[0]))

static const uint8_t seed[ED25519_SEED_SIZE] = { 4, 5, 7 };
static const uint8_t writer[ID_SIZE] = { 8 };
static uint8_t key[ED25519_PUBLIC_SIZE];
static struct source *source;
static struct dataset_state states[REVISIONS];
static char dir[] = "/tmp/fuzz-repair-XXXXXX";

static int
sign_with_seed(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(seed, hash, HASH_SIZE, signature, e);
}

static int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void
remove_all(void)
{
    source_close(source);
    source = NULL;
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
publish_revisions(const char *path, const char *work)
{
    const struct dataset_config config = {
        .name = "config",
        .live_path = path,
        .work_dir = work,
        .history_bytes = 1 << 20,
        .history_age_ms = (int64_t)1 << 40,
    };
    struct publish_result result;
    struct err e = ERR_INIT;
    sqlite3 *db = NULL;

    if (database_open(&db, path, OPEN_CREATE, 1000, &e) != 0)
        abort();
    for (size_t i = 0; i < REVISIONS; i++) {
        if (database_exec(db, revisions[i], &e) != 0 ||
            (i == 0 ? source_open(&source, &config, writer, &e)
                    : source_publish(source, &result, &e)) != 0)
            abort();
        source_state(source, &states[i]);
        assert(states[i].revision == i + 1);
    }
    database_close(db);
}

static void
prepare(void)
{
    struct err e = ERR_INIT;
    char *path, *work;

    if (source != NULL)
        return;
    if (mkdtemp(dir) == NULL || atexit(remove_all) != 0 ||
        ed25519_public(seed, key, &e) != 0)
        abort();
    path = file_join(dir, "live.db");
    work = file_join(dir, "work");
    if (mkdir(work, 0700) != 0)
        abort();
    publish_revisions(path, work);
    free(path);
    free(work);
}

static void
check_bundle(const struct buf *bundle, const struct dataset_state *of)
{
    struct bundle_header h;
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;

    assert(bundle_open(bundle->data, bundle->len, key, (size_t)64 << 20, &h,
               &body, &e) == 0);
    assert(h.kind == BUNDLE_REPAIR && h.rows_after == of->rows);
    assert(h.from_revision == of->revision && h.to_revision == of->revision);
    assert(digest_equal(&h.digest_before, &of->digest));
    assert(digest_equal(&h.digest_after, &of->digest));
    buf_release(&body);
}

static void
check_published(void)
{
    static unsigned runs;
    struct err e = ERR_INIT;
    bool equal;

    assert(sqlite3_get_autocommit(source->published));
    if (++runs % 256 == 0)
        assert(source_verify(source, &equal, &e) == 0 && equal);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bundle_signer signer = { sign_with_seed, NULL };
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;
    const struct dataset_state *of;

    prepare();
    if (size == 0)
        return 0;
    of = &states[data[0] % REVISIONS];
    if (source_repair(source, of->revision, data + 1, size - 1, &signer,
            &bundle, &e) == 0)
        check_bundle(&bundle, of);
    else
        assert(e.code == ERR_CORRUPT || e.code == ERR_NEEDS_OVERWRITE);
    check_published();
    buf_release(&bundle);
    return 0;
}

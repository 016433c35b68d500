/*
 * Bundles from somebody hostile.  The first byte of the input picks what the
 * rest is: bytes off the wire, a header, the body of a bundle that the primary
 * signed, an overwrite as it arrives, or the image in one that it signed.  The
 * rows must stand unless a bundle proves the digest that it promises.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"
#include "sync/replica.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t seed[ED25519_SEED_SIZE] = { 4, 5, 7 };
static uint8_t key[ED25519_PUBLIC_SIZE];
static struct replica *replica;
static struct dataset_state held;
static char dir[] = "/tmp/fuzz-bundle-XXXXXX";

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
    replica_close(replica);
    replica = NULL;
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The live file of a secondary at revision 1. */
static void
make_live(const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    struct schema *schema = NULL;

    if (database_open(&db, path, OPEN_CREATE, 1000, e) != 0 ||
        database_exec(db,
            "PRAGMA synchronous=OFF;"
            "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n);"
            "CREATE TABLE keys(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
            "INSERT INTO users VALUES(1,'ann',1),(2,'bob',2);"
            "INSERT INTO keys VALUES('a',1)",
            e) != 0 ||
        schema_load(&schema, db, e) != 0 ||
        digest_scan(db, schema, &held.digest, &held.rows, e) != 0)
        abort();
    memcpy(held.schema_hash, schema->hash, HASH_SIZE);
    memset(held.cluster, 7, ID_SIZE);
    memset(held.writer, 8, ID_SIZE);
    held.epoch = 5;
    held.revision = 1;
    if (state_write(db, &held, e) != 0)
        abort();
    schema_free(schema);
    database_close(db);
}

static void
begin(void)
{
    struct err e = ERR_INIT;
    struct dataset_config config = { .name = "config", .work_dir = dir };
    char *live;

    if (mkdtemp(dir) == NULL)
        abort();
    atexit(remove_all);
    live = file_join(dir, "live.db");
    config.live_path = live;
    make_live(live, &e);
    if (replica_open(&replica, &config, &e) != 0 ||
        ed25519_public(seed, key, &e) != 0)
        abort();
    replica_trust(replica, held.cluster, held.epoch, key);
    free(live);
}

static void
try_header(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    struct bundle_header h;
    struct err e = ERR_INIT;
    struct buf again = BUF_INIT;

    if (bundle_header_decode(&h, &r, &e) == 0) {
        bundle_header_encode(&h, &again);
        if (again.len > size || memcmp(again.data, data, again.len) != 0)
            abort();
    }
    buf_release(&again);
}

static void
try_wire(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;

    if (replica_apply(replica, data, size, &e) == 0)
        abort();
}

/* Seals DATA as the body of a bundle that says it leads to revision 2. */
static void
seal(enum bundle_kind kind, const uint8_t *data, size_t size,
    struct buf *bundle)
{
    struct bundle_signer signer = { sign_with_seed, NULL };
    struct bundle_header h = {
        .kind = kind,
        .dataset = "config",
        .epoch = held.epoch,
        .from_revision = held.revision,
        .to_revision = held.revision + 1,
        .digest_before = held.digest,
        .rows_after = 3,
    };
    struct err e = ERR_INIT;

    memcpy(h.cluster, held.cluster, ID_SIZE);
    memcpy(h.writer, held.writer, ID_SIZE);
    memcpy(h.schema_before, held.schema_hash, HASH_SIZE);
    memcpy(h.schema_after, held.schema_hash, HASH_SIZE);
    if (bundle_seal(&h, data, size, &signer, bundle, &e) != 0)
        abort();
}

static void
try_body(const uint8_t *data, size_t size)
{
    struct buf bundle = BUF_INIT;
    struct err e = ERR_INIT;

    seal(BUNDLE_CHANGES, data, size, &bundle);
    /* No rows sum to zero. */
    if (replica_apply(replica, bundle.data, bundle.len, &e) == 0)
        abort();
    buf_release(&bundle);
}

static void
try_overwrite(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    size_t half = size / 2;

    if (replica_overwrite_begin(replica, &e) != 0)
        abort();
    if (replica_overwrite_write(replica, data, half, &e) == 0 &&
        replica_overwrite_write(replica, data + half, size - half, &e) == 0 &&
        replica_overwrite_finish(replica, &e) == 0)
        abort();
    replica_overwrite_abort(replica);
}

static void
try_image(const uint8_t *data, size_t size)
{
    struct buf bundle = BUF_INIT;

    seal(BUNDLE_OVERWRITE, data, size, &bundle);
    try_overwrite(bundle.data, bundle.len);
    buf_release(&bundle);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const uint8_t *, size_t) = { try_wire,
        try_header, try_body, try_overwrite, try_image };
    struct replica_status status;

    if (replica == NULL)
        begin();
    if (size == 0)
        return 0;
    tries[data[0] % 5](data + 1, size - 1);
    replica_status(replica, &status);
    if (status.needs_overwrite || status.drifted ||
        status.state.revision != held.revision)
        abort();
    return 0;
}

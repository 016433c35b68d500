/*
 * The stream of an OVERWRITE bundle, in any pieces, into a staging file that
 * SQLite has not seen yet.  The header is judged before anything is written;
 * hash and signature at the end, before anything is believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/open.h"
#include "sync/overwrite.h"

/* Room that must be left beside staging file, backup and installation. */
#define SPACE_MARGIN ((uint64_t)4 << 20)
/* A frame may not ask for a larger window: 8 MiB. */
#define ZSTD_WINDOW_LOG_MAX 23
#define WRITE_SIZE ((size_t)256 << 10)
/* So much at a time is given to the disk while the rest arrives. */
#define FLUSH_SIZE ((uint64_t)4 << 20)
/* Header bytes besides the name: seven before it. */
#define HEADER_BEFORE_NAME 7
#define HEADER_FIXED (HEADER_BEFORE_NAME + 2 * ID_SIZE + 6 * 8 + 4 * HASH_SIZE)

static char *
staging_path(const struct replica *r, const char *suffix)
{
    return alloc_format("%s/staging.db%s", r->work_dir, suffix);
}

void
overwrite_remove_staging(const struct replica *r)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char *path = staging_path(r, suffixes[i]);

        unlink(path);
        free(path);
    }
}

void
overwrite_free(struct replica *r)
{
    struct overwrite *o = r->overwrite;

    if (o == NULL)
        return;
    r->overwrite = NULL;
    if (o->fd >= 0)
        close(o->fd);
    ZSTD_freeDCtx(o->zstd);
    hasher_free(o->hasher);
    buf_release(&o->head);
    buf_release(&o->trailer);
    free(o->out);
    free(o->staging_path);
    free(o);
    overwrite_remove_staging(r);
}

int
replica_overwrite_begin(struct replica *r, struct err *e)
{
    struct overwrite *o;

    if (!r->trusted)
        return err_set(e, ERR_ROLE, "this server is not a secondary");
    overwrite_free(r);
    exchange_forget_replaced(r, false);
    o = alloc_zeroed(1, sizeof(*o));
    o->fd = -1;
    o->hasher = hasher_new();
    o->staging_path = staging_path(r, "");
    r->overwrite = o;
    return 0;
}

void
replica_overwrite_abort(struct replica *r)
{
    overwrite_free(r);
}

/* A writer that did not make the held revision must show that it knows it: by
 * carrying it, or by naming it as what it replaces. */
int
overwrite_check_writer(const struct replica *r, const struct bundle_header *h,
    struct err *e)
{
    const struct dataset_state *held = &r->state;

    if (held->revision == 0 || h->epoch > held->epoch ||
        memcmp(h->writer, held->writer, ID_SIZE) == 0 ||
        memcmp(h->writer, r->replaced_writer, ID_SIZE) == 0)
        return 0;
    if ((h->to_revision == held->revision &&
            digest_equal(&h->digest_after, &held->digest)) ||
        (h->from_revision == held->revision &&
            digest_equal(&h->digest_before, &held->digest)))
        return 0;
    err_set(e, ERR_OTHER_WRITER,
        "revision %llu of dataset \"%s\" was written by another primary",
        (unsigned long long)held->revision, r->name);
    err_hint(e,
        "If this overwrite is meant, order it for this server by name.");
    return -1;
}

static uint64_t
live_size(const struct replica *r)
{
    struct stat st;

    return stat(r->live_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int
check_space(const struct replica *r, const struct bundle_header *h,
    struct err *e)
{
    uint64_t free_bytes;
    /* Staging, the log of the installation, the grown file; the backup. */
    uint64_t need = 3 * h->raw_length + live_size(r) + SPACE_MARGIN;

    if (file_free_bytes(r->work_dir, &free_bytes, e) != 0)
        return -1;
    if (h->raw_length > UINT64_MAX / 8 || free_bytes < need) {
        err_set(e, ERR_NO_SPACE,
            "dataset \"%s\" needs %llu bytes to be overwritten, %llu are free",
            r->name, (unsigned long long)need, (unsigned long long)free_bytes);
        err_hint(e, "Make room on the file system of the state directory.");
        return -1;
    }
    return 0;
}

static int
judge_header(struct replica *r, struct overwrite *o, struct err *e)
{
    const struct bundle_header *h = &o->header;

    if (h->kind != BUNDLE_OVERWRITE)
        return err_set(e, ERR_INVALID, "changes are not sent as an overwrite");
    if (replica_check_sender(r, h->dataset, h->cluster, h->epoch, e) != 0 ||
        overwrite_check_writer(r, h, e) != 0 || check_space(r, h, e) != 0)
        return -1;
    if (h->raw_length < SQLITE_HEADER_SIZE)
        return err_set(e, ERR_CORRUPT, "overwrite without a database");
    overwrite_remove_staging(r);
    o->fd = open(o->staging_path,
        O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o->fd < 0)
        return err_set_errno(e, ERR_IO, errno, "could not create \"%s\"",
            o->staging_path);
    o->out = alloc_bytes(WRITE_SIZE);
    o->zstd = ZSTD_createDCtx();
    if (o->zstd == NULL)
        return err_set(e, ERR_INTERNAL, "could not start decompression");
    ZSTD_DCtx_setParameter(o->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    return 0;
}

/* Takes bytes until the header is whole; the rest stays in DATA. */
static int
take_header(struct replica *r, struct overwrite *o, struct reader *data,
    struct err *e)
{
    while (!o->have_header && reader_left(data) > 0) {
        size_t want =
            o->head.len < HEADER_BEFORE_NAME
                ? HEADER_BEFORE_NAME
                : (size_t)HEADER_FIXED + o->head.data[HEADER_BEFORE_NAME - 1];
        size_t n = want - o->head.len;
        struct reader header;

        if (n > reader_left(data))
            n = reader_left(data);
        buf_put(&o->head, reader_take(data, n), n);
        if (want == HEADER_BEFORE_NAME || o->head.len < want)
            continue;
        header = reader_over(o->head.data, o->head.len);
        if (bundle_header_decode(&o->header, &header, e) != 0 ||
            judge_header(r, o, e) != 0)
            return -1;
        hasher_update(o->hasher, o->head.data, o->head.len);
        o->have_header = true;
    }
    return 0;
}

static uint32_t
get_u32(const uint8_t *p)
{
    struct reader r = reader_over(p, 4);

    return reader_u32(&r);
}

/* What may be known of a database from its first bytes (SQLite file format,
 * "The Database Header"). */
static int
judge_image(const struct overwrite *o, struct err *e)
{
    const uint8_t *p = o->image_head;
    uint32_t page_size = (uint32_t)p[16] << 8 | p[17];
    uint32_t encoding = get_u32(p + 56);

    if (memcmp(p, "SQLite format 3", 16) != 0)
        return err_set(e, ERR_CORRUPT, "overwrite is not a SQLite database");
    if (page_size == 1)
        page_size = 65536;
    if (page_size < 512 || (page_size & (page_size - 1)) != 0 ||
        (uint64_t)get_u32(p + 28) * page_size != o->header.raw_length)
        return err_set(e, ERR_CORRUPT,
            "overwrite has another length than its database");
    if (encoding > 1)
        return err_set(e, ERR_UNSUPPORTED,
            "databases encoded in UTF-16 are not replicated");
    return 0;
}

/* Writes raw bytes of the image; DATA may be changed. */
static int
write_image(struct overwrite *o, uint8_t *data, size_t len, struct err *e)
{
    if (len > o->header.raw_length - o->raw_done)
        return err_set(e, ERR_CORRUPT,
            "overwrite is longer than its header says");
    if (o->raw_done < SQLITE_HEADER_SIZE && len > 0) {
        size_t n = SQLITE_HEADER_SIZE - (size_t)o->raw_done;

        if (n > len)
            n = len;
        memcpy(o->image_head + o->raw_done, data, n);
        if (o->raw_done + n == SQLITE_HEADER_SIZE && judge_image(o, e) != 0)
            return -1;
        /* Format versions of a database without WAL: the staging file is
         * scratch, and gets its final mode when it is installed. */
        for (size_t i = 0; i < n; i++)
            if (o->raw_done + i == 18 || o->raw_done + i == 19)
                data[i] = 1;
    }
    if (file_write_all(o->fd, data, len, e) != 0)
        return err_wrap(e, "could not write \"%s\"", o->staging_path);
    o->raw_done += len;
    if (o->raw_done - o->flushed >= FLUSH_SIZE) {
        /* Begins it only; whether it worked is told by the sync at the end. */
        sync_file_range(o->fd, (off_t)o->flushed,
            (off_t)(o->raw_done - o->flushed), SYNC_FILE_RANGE_WRITE);
        o->flushed = o->raw_done;
    }
    return 0;
}

static int
take_plain(struct overwrite *o, struct reader *data, struct err *e)
{
    while (!o->body_complete && reader_left(data) > 0) {
        uint64_t left = o->header.raw_length - o->raw_done;
        size_t n =
            reader_left(data) < WRITE_SIZE ? reader_left(data) : WRITE_SIZE;

        if (n > left)
            n = (size_t)left;
        memcpy(o->out, reader_take(data, n), n);
        hasher_update(o->hasher, o->out, n);
        if (write_image(o, o->out, n, e) != 0)
            return -1;
        o->body_complete = o->raw_done == o->header.raw_length;
    }
    return 0;
}

static int
take_zstd(struct overwrite *o, struct reader *data, struct err *e)
{
    bool more = false; /* output left over, though all input is taken */

    while (!o->body_complete && (reader_left(data) > 0 || more)) {
        ZSTD_inBuffer in = { data->p, reader_left(data), 0 };
        ZSTD_outBuffer out = { o->out, WRITE_SIZE, 0 };
        size_t left = ZSTD_decompressStream(o->zstd, &out, &in);

        if (ZSTD_isError(left))
            return err_set(e, ERR_CORRUPT, "overwrite does not decompress: %s",
                ZSTD_getErrorName(left));
        hasher_update(o->hasher, data->p, in.pos);
        reader_take(data, in.pos);
        if (write_image(o, o->out, out.pos, e) != 0)
            return -1;
        more = out.pos == WRITE_SIZE;
        o->body_complete = left == 0 && o->raw_done == o->header.raw_length;
    }
    return 0;
}

static int
take_trailer(struct overwrite *o, struct reader *data, struct err *e)
{
    size_t n = reader_left(data);

    if (!o->body_complete || n == 0)
        return 0;
    if (n > BUNDLE_TRAILER_SIZE - o->trailer.len)
        return err_set(e, ERR_CORRUPT, "overwrite goes on after its end");
    buf_put(&o->trailer, reader_take(data, n), n);
    return 0;
}

int
replica_overwrite_write(struct replica *r, const void *bytes, size_t len,
    struct err *e)
{
    struct overwrite *o = r->overwrite;
    struct reader data = reader_over(bytes, len);

    if (o == NULL)
        return err_set(e, ERR_INVALID, "no overwrite was begun");
    if (o->failed) {
        *e = o->first_error;
        return -1;
    }
    if (take_header(r, o, &data, e) == 0 &&
        (!o->have_header ||
            ((o->header.compression != 0 ? take_zstd(o, &data, e)
                                         : take_plain(o, &data, e)) == 0 &&
                take_trailer(o, &data, e) == 0)))
        return 0;
    o->failed = true;
    o->first_error = *e;
    return -1;
}

int
overwrite_check_trailer(const struct replica *r, struct overwrite *o,
    struct err *e)
{
    uint8_t content[HASH_SIZE];
    uint8_t signed_hash[HASH_SIZE];

    if (!o->body_complete || o->trailer.len != BUNDLE_TRAILER_SIZE)
        return err_set(e, ERR_CORRUPT, "overwrite is cut short");
    hasher_finish(o->hasher, content);
    if (memcmp(content, o->trailer.data, HASH_SIZE) != 0)
        return err_set(e, ERR_CORRUPT,
            "overwrite is damaged: its hash does not match its bytes");
    bundle_signed_hash(content, signed_hash);
    if (!ed25519_verify(r->bundle_key, signed_hash, HASH_SIZE,
            o->trailer.data + HASH_SIZE) &&
        !(r->has_next_bundle_key &&
            ed25519_verify(r->next_bundle_key, signed_hash, HASH_SIZE,
                o->trailer.data + HASH_SIZE)))
        return err_set(e, ERR_SIGNATURE,
            "overwrite is not signed by the primary of this cluster");
    return 0;
}

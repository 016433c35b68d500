/*
 * Pages through the descriptors of an open connection: from the log where the
 * transaction sees them there, else from the main file, a few at a time while
 * they are asked for in order.
 */
#include "sync/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define INDEX_REGION 32768
#define FIRST_FRAMES 4062 /* in the index's first region, which has a head */
#define OTHER_FRAMES 4096
#define HEAD_SIZE 136
#define LOG_HEAD 32
#define FRAME_HEAD 24
/* Read at once from the main file, and how near the next page must be. */
#define AHEAD_BYTES 65536
/* Beyond this a log is not worth its table of frames. */
#define FRAMES_MAX (1u << 20)

/* The newest frame of a page; open addressing, FRAME 0 is free. */
struct frame_of {
    uint32_t page, frame;
};

struct pages {
    sqlite3_file *main, *log;
    uint32_t size, usable, encoding, count;
    struct frame_of *frames;
    uint32_t frame_slots; /* a power of two, or 0 */
    uint8_t *ahead;
    uint32_t ahead_first, ahead_count, last;
};

static sqlite3_file *
file_of(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL)
        return NULL;
    return file;
}

static bool
read_bytes(sqlite3_file *file, void *data, uint32_t len, uint64_t offset)
{
    return file->pMethods->xRead(file, data, (int)len, (sqlite3_int64)offset) ==
           SQLITE_OK;
}

/* Region REGION of the log's index; NULL when there is none. */
static const uint8_t *
index_region(sqlite3_file *file, uint32_t region)
{
    volatile void *p = NULL;

    if (file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, (int)region, INDEX_REGION, 0, &p) !=
            SQLITE_OK)
        return NULL;
    return (const uint8_t *)(uintptr_t)p;
}

bool
database_has_log(sqlite3 *db)
{
    sqlite3_file *file = file_of(db, SQLITE_FCNTL_FILE_POINTER);
    uint8_t version;

    return file != NULL && read_bytes(file, &version, 1, 19) && version == 2;
}

/* Both copies of the head stand at the beginning of the index; a writer changes
 * the second one first.  Whoever begins the log anew changes the head before it
 * says that nothing is written back: that is read first. */
void
log_mark_read(sqlite3 *db, struct log_mark *mark)
{
    sqlite3_file *file = file_of(db, SQLITE_FCNTL_FILE_POINTER);
    const uint8_t *index;
    uint8_t second[sizeof(mark->head)];

    memset(mark, 0, sizeof(*mark));
    if (!database_has_log(db) || (index = index_region(file, 0)) == NULL)
        return;
    memcpy(&mark->written_back, index + 2 * sizeof(second),
        sizeof(mark->written_back));
    file->pMethods->xShmBarrier(file);
    memcpy(mark->head, index, sizeof(mark->head));
    file->pMethods->xShmBarrier(file);
    memcpy(second, index + sizeof(second), sizeof(second));
    if (memcmp(second, mark->head, sizeof(second)) != 0)
        memset(mark, 0, sizeof(*mark));
}

bool
log_mark_is_set(const struct log_mark *mark)
{
    static const struct log_mark none;

    return memcmp(mark->head, none.head, sizeof(none.head)) != 0;
}

uint32_t
log_mark_frames(const struct log_mark *mark)
{
    uint32_t frames;

    memcpy(&frames, mark->head + 16, sizeof(frames));
    return frames;
}

bool
log_mark_same(const struct log_mark *a, const struct log_mark *b)
{
    return log_mark_is_set(a) && memcmp(a->head, b->head, sizeof(a->head)) == 0;
}

static void
put_frame(struct pages *p, uint32_t page, uint32_t frame)
{
    uint32_t slot = (page * 2654435761u) & (p->frame_slots - 1);

    while (p->frames[slot].frame != 0 && p->frames[slot].page != page)
        slot = (slot + 1) & (p->frame_slots - 1);
    p->frames[slot] = (struct frame_of){ page, frame };
}

static uint32_t
find_frame(const struct pages *p, uint32_t page)
{
    uint32_t slot;

    if (p->frame_slots == 0)
        return 0;
    slot = (page * 2654435761u) & (p->frame_slots - 1);
    while (p->frames[slot].frame != 0 && p->frames[slot].page != page)
        slot = (slot + 1) & (p->frame_slots - 1);
    return p->frames[slot].frame;
}

/* Which pages the transaction sees in the log.  Where all of it is in the file
 * already it may see none there, and a writer may begin the log anew; else its
 * lock keeps the log, and the pages that are not in it, as they are. */
static bool
map_log(struct pages *p, sqlite3 *db, const struct log_mark *mark)
{
    uint32_t count = log_mark_frames(mark), frame = 0;

    if (count == mark->written_back)
        return true;
    p->log = file_of(db, SQLITE_FCNTL_JOURNAL_POINTER);
    if (p->log == NULL || count > FRAMES_MAX)
        return false;
    for (p->frame_slots = 64; p->frame_slots < 2 * (uint64_t)count;)
        p->frame_slots *= 2;
    p->frames = alloc_zeroed(p->frame_slots, sizeof(*p->frames));
    for (uint32_t region = 0; frame < count; region++) {
        const uint8_t *index = index_region(p->main, region);
        uint32_t here = region == 0 ? FIRST_FRAMES : OTHER_FRAMES, page;

        if (index == NULL)
            return false;
        for (uint32_t i = 0; i < here && frame < count; i++) {
            memcpy(&page, index + (region == 0 ? HEAD_SIZE : 0) + 4 * i, 4);
            put_frame(p, page, ++frame);
        }
    }
    return true;
}

/* Whether pages seem to be asked for in order: then some more are read. */
static bool
read_ahead(struct pages *p, uint32_t number)
{
    uint32_t many = AHEAD_BYTES / p->size;

    p->ahead_count = 0;
    if (number <= p->last || number > p->last + many ||
        !read_bytes(p->main, p->ahead, many * p->size,
            (uint64_t)(number - 1) * p->size))
        return false;
    p->ahead_first = number;
    p->ahead_count = many;
    return true;
}

bool
pages_read(struct pages *p, uint32_t number, uint8_t *data)
{
    uint32_t frame = find_frame(p, number);

    if (number == 0)
        return false;
    if (frame != 0)
        return read_bytes(p->log, data, p->size,
            LOG_HEAD + (uint64_t)(frame - 1) * (FRAME_HEAD + p->size) +
                FRAME_HEAD);
    if ((number < p->ahead_first ||
            number >= p->ahead_first + p->ahead_count) &&
        !read_ahead(p, number)) {
        p->last = number;
        return read_bytes(p->main, data, p->size,
            (uint64_t)(number - 1) * p->size);
    }
    p->last = number;
    memcpy(data, p->ahead + (size_t)(number - p->ahead_first) * p->size,
        p->size);
    return true;
}

void
pages_close(struct pages *p)
{
    if (p == NULL)
        return;
    free(p->frames);
    free(p->ahead);
    free(p);
}

static uint32_t
get_u32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
           b[3];
}

/* The size never differs between file and log. */
static bool
read_size(struct pages *p, bool *log)
{
    uint8_t h[20];

    if (!read_bytes(p->main, h, sizeof(h), 0) ||
        memcmp(h, "SQLite format 3", 16) != 0)
        return false;
    p->size = (uint32_t)h[16] << 8 | h[17];
    if (p->size == 1)
        p->size = 65536;
    *log = h[19] == 2;
    return p->size >= 512 && (p->size & (p->size - 1)) == 0;
}

/* The rest of the header, as the transaction sees it. */
static bool
read_header(struct pages *p)
{
    uint8_t *h = alloc_bytes(p->size);
    bool good = pages_read(p, 1, h);

    if (good) {
        p->usable = p->size - h[20];
        p->count = get_u32(h + 28);
        p->encoding = get_u32(h + 56);
    }
    free(h);
    return good && p->usable >= 480;
}

struct pages *
pages_open(sqlite3 *db, const struct log_mark *mark)
{
    struct pages *p;
    bool log;

    if (sqlite3_txn_state(db, "main") != SQLITE_TXN_READ)
        return NULL;
    p = alloc_zeroed(1, sizeof(*p));
    p->ahead = alloc_bytes(AHEAD_BYTES);
    p->main = file_of(db, SQLITE_FCNTL_FILE_POINTER);
    if (p->main == NULL || !read_size(p, &log) ||
        (log && (!log_mark_is_set(mark) || !map_log(p, db, mark))) ||
        !read_header(p)) {
        pages_close(p);
        return NULL;
    }
    return p;
}

uint32_t
pages_size(const struct pages *p)
{
    return p->size;
}

uint32_t
pages_usable(const struct pages *p)
{
    return p->usable;
}

uint32_t
pages_encoding(const struct pages *p)
{
    return p->encoding;
}

uint32_t
pages_count(const struct pages *p)
{
    return p->count;
}

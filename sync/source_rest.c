/*
 * Between two looks nothing of ours holds a log (-wal) of another
 * application's: the connection is closed, and the head of the log's index
 * tells at the next look whether anybody committed.  It is what SQLite makes
 * data_version of, and its salts and checksums differ after each commit.
 */
#include "sync/source_internal.h"

#include <string.h>

#include "base/clock.h"
#include "sync/open.h"

/* Both copies stand at the beginning of the index; a writer changes the second
 * one first. */
static bool
read_index_head(sqlite3_file *file, struct log_mark *mark)
{
    volatile void *index = NULL;
    uint8_t second[sizeof(mark->head)];

    if (file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, 32768, 0, &index) != SQLITE_OK ||
        index == NULL)
        return false;
    memcpy(mark->head, (const void *)(uintptr_t)index, sizeof(mark->head));
    file->pMethods->xShmBarrier(file);
    memcpy(second, (const uint8_t *)(uintptr_t)index + sizeof(second),
        sizeof(second));
    return memcmp(second, mark->head, sizeof(second)) == 0;
}

/* All zero without a log, and when it cannot be told. */
static void
read_log_mark(const struct source *s, struct log_mark *mark)
{
    sqlite3_file *file = NULL;
    uint8_t read_version;

    memset(mark, 0, sizeof(*mark));
    if (sqlite3_file_control(s->live, "main", SQLITE_FCNTL_FILE_POINTER,
            &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL ||
        file->pMethods->xRead(file, &read_version, 1, 19) != SQLITE_OK ||
        read_version != 2)
        return;
    if (!read_index_head(file, mark))
        memset(mark, 0, sizeof(*mark));
}

static bool
has_log(const struct log_mark *mark)
{
    static const struct log_mark none;

    return memcmp(mark, &none, sizeof(none)) != 0;
}

/* Any log without frames looks like any other: a program may have come, written
 * the file and gone.  Then the file's times must say that it did not, and they
 * do if the last look was later than their grain. */
static bool
tells_apart(const struct source *s, const struct log_mark *mark)
{
    uint32_t frames;

    memcpy(&frames, mark->head + 16, sizeof(frames));
    return frames > 0 ||
           (s->mark.changed.tv_sec + 3) * INT64_C(1000) <= s->settled_at_ms;
}

static bool
same_log(const struct source *s, const struct log_mark *mark)
{
    return has_log(mark) && memcmp(mark, &s->log, sizeof(*mark)) == 0 &&
           tells_apart(s, mark);
}

void
source_live_rest(struct source *s)
{
    bool known = s->live_known, older = s->maybe_older, replaced = s->replaced;

    source_live_end(s);
    if (!source_leaves_no_trace(s) || s->live == NULL ||
        !has_log(&s->seen_log) || source_live_moved(s))
        return;
    source_live_close(s);
    s->live_known = known;
    s->maybe_older = older;
    s->replaced = replaced;
    s->at_rest = known;
}

void
source_live_wake(struct source *s)
{
    read_log_mark(s, &s->seen_log);
    s->looked_at_ms = clock_utc_ms();
    if (s->at_rest)
        s->data_version =
            same_log(s, &s->seen_log) ? s->seen_version : s->seen_version - 1;
    s->at_rest = false;
}

bool
source_live_stirred(struct source *s)
{
    struct err ignored = ERR_INIT;
    struct log_mark now;
    bool stirred = true;

    if (source_live_open(s, &ignored) == 0 &&
        source_live_read(s, &ignored) == 0) {
        read_log_mark(s, &now);
        stirred = !same_log(s, &now);
    }
    source_live_rest(s);
    return stirred;
}

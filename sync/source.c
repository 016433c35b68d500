/*
 * A source's life, and the small questions about it.
 */
#include "sync/source_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "sync/open.h"

#define DEFAULT_HISTORY_BYTES ((uint64_t)256 << 20)
#define DEFAULT_HISTORY_AGE_MS ((int64_t)30 * 24 * 3600 * 1000)

static struct source *
source_new(const struct dataset_config *config, const uint8_t writer[ID_SIZE])
{
    struct source *s = alloc_zeroed(1, sizeof(*s));

    s->config = *config;
    s->config.name = alloc_string(config->name);
    s->config.live_path = alloc_string(config->live_path);
    s->config.work_dir = alloc_string(config->work_dir);
    s->config.selection =
        alloc_string(config->selection != NULL ? config->selection : "");
    if (s->config.history_bytes == 0)
        s->config.history_bytes = DEFAULT_HISTORY_BYTES;
    if (s->config.history_age_ms == 0)
        s->config.history_age_ms = DEFAULT_HISTORY_AGE_MS;
    s->published_path = file_join(config->work_dir, "published.db");
    s->history_path = file_join(config->work_dir, "history.db");
    memcpy(s->writer, writer, ID_SIZE);
    s->authors = authors_new();
    s->must_compare = "start";
    s->maybe_older = true;
    return s;
}

void
source_close(struct source *s)
{
    if (s == NULL)
        return;
    source_newest_release(s);
    source_live_close(s);
    source_close_published(s);
    sqlite3_finalize(s->history_insert);
    database_close(s->history);
    buf_release(&s->specials);
    buf_release(&s->needs_compare);
    authors_free(s->authors);
    free(s->held);
    free(s->published_path);
    free(s->history_path);
    free((char *)s->config.name);
    free((char *)s->config.live_path);
    free((char *)s->config.work_dir);
    free((char *)s->config.selection);
    free(s->missing);
    free(s);
}

/* The first publish is the audit.  A dataset that is held or busy opens all the
 * same: every later publish tries again. */
static int
audit(struct source *s, struct err *e)
{
    struct publish_result result;

    if (source_publish_now(s, false, &result, e) == 0)
        return 0;
    if (e->code != ERR_HELD && (e->code != ERR_BUSY || s->published == NULL))
        return -1;
    err_clear(e);
    return 0;
}

int
source_open(struct source **source, const struct dataset_config *config,
    const uint8_t writer[ID_SIZE], struct err *e)
{
    struct source *s = source_new(config, writer);
    bool existed = file_exists(s->published_path), usable;

    *source = NULL;
    if (source_open_published(s, &usable, e) != 0 || history_open(s, e) != 0)
        goto fail;
    if (usable && (history_discard_above(s, s->state.revision, e) != 0 ||
                      history_name_schema(s, e) != 0))
        goto fail;
    if (existed && !usable)
        source_notice(s, "overwrite-needed",
            "the published copy was damaged and is made anew");
    if ((s->config.off ? source_stand_off(s, e) : audit(s, e)) != 0)
        goto fail;
    *source = s;
    return 0;
fail:
    err_wrap(e, "could not open dataset \"%s\"", config->name);
    source_close(s);
    return -1;
}

int
source_publish(struct source *source, struct publish_result *result,
    struct err *e)
{
    return source_publish_now(source, false, result, e);
}

int
source_publish_audited(struct source *s, struct publish_result *result,
    struct err *e)
{
    int r;

    s->auditing = !source_leaves_no_trace(s);
    r = source_publish(s, result, e);
    if (s->auditing && r != 0 && e->code == ERR_BUSY) {
        /* Its writers came first: the journal can be read between them. */
        s->auditing = false;
        err_clear(e);
        r = source_publish(s, result, e);
    }
    s->auditing = false;
    return r;
}

int
source_accept(struct source *source, struct publish_result *result,
    struct err *e)
{
    /* Opened anew: nothing remembered of the file before is of use. */
    source_live_close(source);
    source->must_compare = "accepted by an administrator";
    return source_publish_now(source, true, result, e);
}

const char *
source_held(const struct source *source)
{
    return source->held;
}

void
source_state(const struct source *source, struct dataset_state *state)
{
    *state = source->state;
}

uint64_t
source_bytes(struct source *source)
{
    struct stat st;

    return stat(source->published_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int
source_unpublished(struct source *source, bool *unpublished, struct err *e)
{
    struct source *s = source;
    struct err ignored = ERR_INIT;
    struct stat st;
    uint32_t version;

    (void)e;
    *unpublished = true;
    if (s->held != NULL || (s->live == NULL && !s->at_rest) || !s->live_known ||
        s->must_compare != NULL)
        return 0;
    if (stat(s->config.live_path, &st) != 0 || st.st_ino != s->mark.inode ||
        st.st_dev != s->mark.device)
        return 0;
    if (s->at_rest) {
        *unpublished = source_live_stirred(s);
        return 0;
    }
    database_set_wait(s->live, 0);
    /* A file that is locked now is being written. */
    if (database_data_version(s->live, &version, &ignored) == 0 &&
        version == s->data_version)
        *unpublished = false;
    database_set_wait(s->live, SOURCE_READ_WAIT_MS);
    return 0;
}

int
source_verify(struct source *source, bool *equal, struct err *e)
{
    struct source *s = source;
    struct digest digest;
    uint64_t rows;
    int r = -1;

    *equal = false;
    if (s->published == NULL)
        return err_set(e, ERR_NOT_FOUND, "nothing is published yet");
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0 ||
        digest_scan(s->published, s->schema, &digest, &rows, e) != 0)
        goto out;
    *equal = digest_equal(&digest, &s->state.digest) && rows == s->state.rows;
    if (*equal) {
        s->state.verified_ms = clock_utc_ms();
        if (state_write(s->published, &s->state, e) != 0 ||
            database_exec(s->published, "COMMIT", e) != 0)
            goto out;
    }
    r = 0;
out:
    database_rollback(s->published);
    return r;
}

int
source_set_cluster(struct source *source, const uint8_t cluster[ID_SIZE],
    uint64_t epoch, struct err *e)
{
    struct source *s = source;
    struct dataset_state next = s->state;

    if (s->published == NULL)
        return err_set(e, ERR_NOT_FOUND, "nothing is published yet");
    memcpy(next.cluster, cluster, ID_SIZE);
    next.epoch = epoch;
    if (memcmp(&next, &s->state, sizeof(next)) == 0)
        return 0;
    if (database_exec(s->published, "BEGIN IMMEDIATE", e) != 0 ||
        state_write(s->published, &next, e) != 0 ||
        database_exec(s->published, "COMMIT", e) != 0) {
        database_rollback(s->published);
        return -1;
    }
    s->state = next;
    return 0;
}

void
source_note_author(struct source *source, const char *who,
    const struct author_marks *before, const struct author_marks *after)
{
    authors_note(source->authors, who, before, after);
}

/* A folder's entries on their way to READDIR, in packets that fit. */
#include "admin-proto/sftp_listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

/* OpenSSH's client drops a packet beyond 256 KiB; stay well below. */
#define PACKET_FULL (64 * 1024)
/* ls shows the year instead of the time for what is older than this. */
#define RECENT_S (183 * 86400)

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static void
format_mode(uint32_t mode, char out[11])
{
    static const char letters[] = "rwxrwxrwx";
    int i;

    out[0] = S_ISDIR(mode) ? 'd' : '-';
    for (i = 0; i < 9; i++)
        out[1 + i] = mode & (0400U >> i) ? letters[i] : '-';
    out[10] = '\0';
}

static void
format_time(uint32_t mtime_s, char *out, size_t size)
{
    int64_t now_s = clock_utc_ms() / 1000;
    time_t t = (time_t)mtime_s;
    struct tm tm;

    gmtime_r(&t, &tm);
    if (now_s - mtime_s > RECENT_S || mtime_s > now_s + 3600)
        snprintf(out, size, "%s %2d  %d", months[tm.tm_mon], tm.tm_mday,
            tm.tm_year + 1900);
    else
        snprintf(out, size, "%s %2d %02d:%02d", months[tm.tm_mon], tm.tm_mday,
            tm.tm_hour, tm.tm_min);
}

void
fxp_long_name(const char *name, const struct fxp_attrs *a,
    char out[SFTP_LONG_NAME_SIZE])
{
    char mode[11];
    char when[32];

    format_mode(a->mode, mode);
    format_time(a->mtime_s, when, sizeof(when));
    snprintf(out, SFTP_LONG_NAME_SIZE,
        "%s    1 lockstep lockstep %10" PRIu64 " %s %s", mode, a->size, when,
        name);
}

void
fxp_listing_init(struct fxp_listing *l, const struct fxp_entry *entries,
    size_t count)
{
    struct fxp_entry *to;
    size_t i;

    *l = (struct fxp_listing){ .self.mode = S_IFDIR | 0555 };
    l->entries = alloc_zeroed(count + 2, sizeof(*l->entries));
    for (i = 0; i < count; i++)
        if (entries[i].attrs.mtime_s > l->self.mtime_s)
            l->self.mtime_s = entries[i].attrs.mtime_s;
    for (i = 0; i < count; i++)
        if (strcmp(entries[i].name, ".") == 0)
            l->self = entries[i].attrs;
    l->entries[0] = (struct fxp_entry){ alloc_string("."), l->self };
    l->entries[1] = (struct fxp_entry){ alloc_string(".."), l->self };
    l->count = 2;
    for (i = 0; i < count; i++) {
        if (strcmp(entries[i].name, ".") == 0 ||
            strcmp(entries[i].name, "..") == 0 ||
            strlen(entries[i].name) >= SFTP_PATH_MAX)
            continue;
        to = &l->entries[l->count++];
        to->name = alloc_string(entries[i].name);
        to->attrs = entries[i].attrs;
    }
}

void
fxp_listing_release(struct fxp_listing *l)
{
    size_t i;

    for (i = 0; i < l->count; i++)
        free((char *)l->entries[i].name);
    free(l->entries);
    *l = (struct fxp_listing){ .count = 0 };
}

bool
fxp_listing_next(struct fxp_listing *l, struct buf *out, uint32_t id)
{
    char long_name[SFTP_LONG_NAME_SIZE];
    uint32_t count = 0;
    size_t begin;

    if (l->next == l->count)
        return false;
    begin = fxp_begin_names(out, id);
    while (l->next < l->count && out->len - begin < PACKET_FULL) {
        const struct fxp_entry *entry = &l->entries[l->next++];

        fxp_long_name(entry->name, &entry->attrs, long_name);
        fxp_put_name(out, entry->name, long_name, &entry->attrs);
        count++;
    }
    fxp_end_names(out, begin, count);
    return true;
}

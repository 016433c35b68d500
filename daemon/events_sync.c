/*
 * The thread, and what it was told.
 */
#include "daemon/events_sync.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define GAP_MS 1000

struct events_sync {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t told;
    pthread_cond_t closed; /* the retired one is */
    pthread_t thread;
    char *path;
    int noted;   /* what to sync next, -1 for nothing */
    int retired; /* what to sync and close, -1 for nothing */
    bool named;  /* the folder knows the file for good */
    bool failed; /* and it was said */
    bool stopping;
};

/* Without the lock: a disk may take its time. */
static void
sync_file(struct events_sync *s, int fd, bool named)
{
    struct err e = ERR_INIT;

    if ((named || file_sync_parent(s->path, &e) == 0) && fdatasync(fd) != 0)
        err_set_errno(&e, ERR_IO, errno, "could not sync \"%s\"", s->path);
    if (e.code != ERR_NONE && !s->failed)
        log_error("events may be lost with the power: %s", e.message);
    s->failed = e.code != ERR_NONE;
}

static void
sync_told(struct events_sync *s)
{
    int noted = s->noted, retired = s->retired;
    bool named = s->named;

    s->noted = -1;
    s->named = named || noted != -1;
    pthread_mutex_unlock(&s->lock);
    if (noted != -1)
        sync_file(s, noted, named);
    if (retired != -1) {
        sync_file(s, retired, true);
        close(retired);
    }
    pthread_mutex_lock(&s->lock);
    if (retired != -1) {
        s->retired = -1;
        pthread_cond_signal(&s->closed);
    }
}

/* Until somebody wants to stop, a second at most. */
static void
let_some_gather(struct events_sync *s)
{
    const int64_t until_ms = clock_mono_ms() + GAP_MS;
    const struct timespec until = { .tv_sec = until_ms / 1000,
        .tv_nsec = until_ms % 1000 * 1000000 };

    while (!s->stopping && s->retired == -1 &&
           pthread_cond_timedwait(&s->told, &s->lock, &until) == 0)
        continue;
}

static void *
sync_thread(void *arg)
{
    struct events_sync *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping || s->noted != -1 || s->retired != -1) {
        if (s->noted == -1 && s->retired == -1) {
            pthread_cond_wait(&s->told, &s->lock);
            continue;
        }
        sync_told(s);
        let_some_gather(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void
release(struct events_sync *s)
{
    pthread_cond_destroy(&s->closed);
    pthread_cond_destroy(&s->told);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}

int
events_sync_start(struct events_sync **syncp, const char *path, struct err *e)
{
    struct events_sync *s = alloc_zeroed(1, sizeof(*s));
    pthread_condattr_t monotonic;
    int error;

    *syncp = NULL;
    s->noted = s->retired = -1;
    s->path = alloc_string(path);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&s->closed, NULL);
    error = pthread_create(&s->thread, NULL, sync_thread, s);
    if (error != 0) {
        release(s);
        return err_set_errno(e, ERR_IO, error, "could not start a thread");
    }
    *syncp = s;
    return 0;
}

void
events_sync_note(struct events_sync *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    s->noted = fd;
    pthread_cond_signal(&s->told);
    pthread_mutex_unlock(&s->lock);
}

void
events_sync_retire(struct events_sync *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    /* Another file filled up meanwhile: rare, and worth a wait. */
    while (s->retired != -1)
        pthread_cond_wait(&s->closed, &s->lock);
    s->retired = fd;
    if (s->noted == fd)
        s->noted = -1;
    s->named = false;
    pthread_cond_signal(&s->told);
    pthread_mutex_unlock(&s->lock);
}

void
events_sync_stop(struct events_sync *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->told);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    release(s);
}

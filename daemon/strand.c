/*
 * Jobs one at a time on libuv's thread pool.  A job's memory outlives the
 * strand when the strand is freed while libuv still has to report its end.
 */
#include "daemon/strand.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/memory.h"

/* A job that took so long may have needed much memory. */
#define LONG_MS 250

struct strand_job {
    uv_work_t request;
    struct strand *strand; /* NULL once the strand is gone */
    struct strand_job *next;
    void (*work)(void *arg);
    void (*done)(void *arg, bool cancelled);
    void *arg;
    pthread_mutex_t lock; /* guards FINISHED */
    pthread_cond_t changed;
    bool finished;
};

struct strand {
    uv_loop_t *loop;
    struct strand_job *running; /* given to libuv */
    struct strand_job *first;   /* waiting */
    struct strand_job **end;
    size_t count; /* running and waiting */
    bool *freed;  /* told when done() frees the strand */
};

struct strand *
strand_new(uv_loop_t *loop)
{
    struct strand *s = alloc_zeroed(1, sizeof(*s));

    s->loop = loop;
    s->end = &s->first;
    return s;
}

static void
job_free(struct strand_job *job)
{
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static void
job_on_thread(uv_work_t *request)
{
    struct strand_job *job = request->data;
    int64_t began_ms = clock_mono_ms();

    job->work(job->arg);
    if (clock_mono_ms() - began_ms >= LONG_MS)
        memory_give_back();
    pthread_mutex_lock(&job->lock);
    job->finished = true;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static void start_next(struct strand *s);

static void
job_on_loop(uv_work_t *request, int status)
{
    struct strand_job *job = request->data;
    struct strand *s = job->strand;
    bool freed = false;

    if (s == NULL) { /* strand_free has called done() already */
        job_free(job);
        return;
    }
    s->running = NULL;
    s->count--;
    s->freed = &freed;
    job->done(job->arg, status == UV_ECANCELED);
    job_free(job);
    if (freed)
        return;
    s->freed = NULL;
    start_next(s);
}

static void
start_next(struct strand *s)
{
    struct strand_job *job = s->first;
    int r;

    if (job == NULL || s->running != NULL)
        return;
    s->first = job->next;
    if (s->first == NULL)
        s->end = &s->first;
    s->running = job;
    r = uv_queue_work(s->loop, &job->request, job_on_thread, job_on_loop);
    assert(r == 0);
    (void)r;
}

void
strand_run(struct strand *s, void (*work)(void *arg),
    void (*done)(void *arg, bool cancelled), void *arg)
{
    struct strand_job *job = alloc_zeroed(1, sizeof(*job));

    job->strand = s;
    job->request.data = job;
    job->work = work;
    job->done = done;
    job->arg = arg;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    *s->end = job;
    s->end = &job->next;
    s->count++;
    start_next(s);
}

size_t
strand_queued(const struct strand *s)
{
    return s->count;
}

/* True if the job given to libuv ran; false if it never will. */
static bool
wait_for(struct strand_job *job)
{
    /* Only a job that no thread has begun can be cancelled. */
    if (uv_cancel((uv_req_t *)&job->request) == 0)
        return false;
    pthread_mutex_lock(&job->lock);
    while (!job->finished)
        pthread_cond_wait(&job->changed, &job->lock);
    pthread_mutex_unlock(&job->lock);
    return true;
}

void
strand_free(struct strand *s)
{
    struct strand_job *job;

    if (s == NULL)
        return;
    job = s->running;
    if (job != NULL) {
        bool ran = wait_for(job);

        job->strand = NULL;
        job->done(job->arg, !ran);
    }
    while ((job = s->first) != NULL) {
        s->first = job->next;
        job->done(job->arg, true);
        job_free(job);
    }
    if (s->freed != NULL)
        *s->freed = true;
    free(s);
}

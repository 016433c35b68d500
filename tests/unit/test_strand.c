/* Jobs one at a time, in order, and what becomes of them when a strand ends. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "daemon/strand.h"

struct job {
    struct strand *strand;
    struct job *before; /* must be done with when this one runs */
    sem_t *gate;        /* waited for by the work */
    sem_t *begun;
    struct job *chain; /* queued by done() */
    bool frees;        /* done() frees the strand */
    pthread_t thread;
    atomic_bool ran;
    unsigned done;
    bool cancelled;
};

static atomic_int at_once;

static void
work(void *arg)
{
    struct job *j = arg;

    assert_int_equal(atomic_fetch_add(&at_once, 1), 0);
    if (j->before != NULL)
        assert_int_equal(j->before->done, 1);
    if (j->begun != NULL)
        sem_post(j->begun);
    if (j->gate != NULL)
        sem_wait(j->gate);
    j->thread = pthread_self();
    j->ran = true;
    atomic_fetch_sub(&at_once, 1);
}

static void
done(void *arg, bool cancelled)
{
    struct job *j = arg;

    j->done++;
    j->cancelled = cancelled;
    if (j->chain != NULL)
        strand_run(j->strand, work, done, j->chain);
    if (j->frees)
        strand_free(j->strand);
}

static void
jobs_run_on_a_thread_one_by_one_in_order(void **state)
{
    struct job jobs[50] = { { 0 } };
    struct strand *s = strand_new(uv_default_loop());

    (void)state;
    for (int i = 0; i < 50; i++) {
        jobs[i].before = i > 0 ? &jobs[i - 1] : NULL;
        strand_run(s, work, done, &jobs[i]);
    }
    assert_int_equal(strand_queued(s), 50);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert_int_equal(strand_queued(s), 0);
    for (int i = 0; i < 50; i++) {
        assert_true(jobs[i].ran);
        assert_int_equal(jobs[i].done, 1);
        assert_false(jobs[i].cancelled);
        assert_false(pthread_equal(jobs[i].thread, pthread_self()));
    }
    strand_free(s);
}

static void
freeing_waits_for_the_running_job_and_cancels_the_others(void **state)
{
    struct job jobs[3] = { { 0 } };
    struct strand *s = strand_new(uv_default_loop());
    sem_t gate, begun;

    (void)state;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    jobs[0].gate = &gate;
    jobs[0].begun = &begun;
    for (int i = 0; i < 3; i++)
        strand_run(s, work, done, &jobs[i]);
    sem_wait(&begun);
    sem_post(&gate);
    strand_free(s);
    assert_true(jobs[0].ran);
    assert_int_equal(jobs[0].done, 1);
    assert_false(jobs[0].cancelled);
    for (int i = 1; i < 3; i++) {
        assert_false(jobs[i].ran);
        assert_int_equal(jobs[i].done, 1);
        assert_true(jobs[i].cancelled);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert_int_equal(jobs[0].done, 1);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

/* All of libuv's threads are held, so the job has not begun. */
static void
a_job_that_waits_for_a_thread_is_cancelled(void **state)
{
    struct strand *holders[4], *s = strand_new(uv_default_loop());
    struct job held[4] = { { 0 } }, job = { 0 };
    sem_t gate, begun;

    (void)state;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    for (int i = 0; i < 4; i++) {
        holders[i] = strand_new(uv_default_loop());
        held[i].begun = &begun;
        held[i].gate = &gate;
    }
    /* "One at a time" is per strand: only the first looks. */
    atomic_store(&at_once, 0);
    for (int i = 0; i < 4; i++) {
        strand_run(holders[i], work, done, &held[i]);
        sem_wait(&begun);
        atomic_store(&at_once, 0);
    }
    strand_run(s, work, done, &job);
    strand_free(s);
    assert_false(job.ran);
    assert_int_equal(job.done, 1);
    assert_true(job.cancelled);
    for (int i = 0; i < 4; i++)
        sem_post(&gate);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert_int_equal(job.done, 1);
    for (int i = 0; i < 4; i++)
        strand_free(holders[i]);
    atomic_store(&at_once, 0);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

static void
done_may_queue_another_job(void **state)
{
    struct strand *s = strand_new(uv_default_loop());
    struct job second = { .strand = s };
    struct job first = { .strand = s, .chain = &second };

    (void)state;
    second.before = &first;
    strand_run(s, work, done, &first);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert_true(second.ran);
    assert_int_equal(second.done, 1);
    strand_free(s);
}

static void
done_may_free_the_strand(void **state)
{
    struct strand *s = strand_new(uv_default_loop());
    struct job first = { .strand = s, .frees = true }, second = { 0 };

    (void)state;
    strand_run(s, work, done, &first);
    strand_run(s, work, done, &second);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert_true(first.ran);
    assert_false(second.ran);
    assert_true(second.cancelled);
    assert_int_equal(second.done, 1);
}

static int
close_loop(void **state)
{
    (void)state;
    return uv_loop_close(uv_default_loop());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_on_a_thread_one_by_one_in_order),
        cmocka_unit_test(
            freeing_waits_for_the_running_job_and_cancels_the_others),
        cmocka_unit_test(a_job_that_waits_for_a_thread_is_cancelled),
        cmocka_unit_test(done_may_queue_another_job),
        cmocka_unit_test(done_may_free_the_strand),
    };

    return cmocka_run_group_tests_name("strand", tests, NULL, close_loop);
}

/*
 * The thread that talks to a node.
 */
#include "manager-tui/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "manager-tui/secret.h"

/* How long an end waits for an answer that is about to come. */
#define PARTING_MS 200
/* Acts that follow each other faster need no look at the connection. */
#define IDLE_MS 200

struct worker {
    struct cli *cli;
    struct admin_client *client; /* the thread's */
    int64_t used_ms;             /* when its last call ended, monotonic */
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct call *calls, **calls_end;
    struct answer *answers, **answers_end;
    bool ending;
    bool ended;
};

struct call *
call_new(const char *command, json_t *args, uint64_t owner, unsigned tag)
{
    struct call *call = alloc_zeroed(1, sizeof(*call));

    call->command = alloc_string(command);
    call->args = args;
    call->owner = owner;
    call->tag = tag;
    return call;
}

static void
call_free(struct call *call)
{
    secret_wipe_members(call->args);
    json_decref(call->args);
    free(call->command);
    free(call);
}

void
answer_free(struct answer *answer)
{
    if (answer == NULL)
        return;
    json_decref(answer->value);
    free(answer);
}

static void
give(struct worker *w, struct answer *answer)
{
    static const uint64_t one = 1;
    ssize_t ignored;

    answer->utc_ms = clock_utc_ms();
    pthread_mutex_lock(&w->lock);
    *w->answers_end = answer;
    w->answers_end = &answer->next;
    pthread_mutex_unlock(&w->lock);
    ignored = write(w->wake_fd, &one, sizeof(one));
    (void)ignored;
}

static struct answer *
answer_to(const struct call *call)
{
    struct answer *answer = alloc_zeroed(1, sizeof(*answer));

    answer->owner = call->owner;
    answer->tag = call->tag;
    return answer;
}

struct running {
    struct worker *w;
    const struct call *call;
};

static void
on_progress(void *ctx, json_t *line)
{
    struct running *r = ctx;
    struct answer *answer = answer_to(r->call);

    answer->progress = true;
    /* The line is the client's; a copy may cross to the other thread. */
    answer->value = json_deep_copy(line);
    give(r->w, answer);
}

/* Closes a connection that the node ended while it was idle, before an act: one
 * that found out by itself could not be repeated, it might be done twice. */
static void
drop_dead(struct worker *w, const struct call *call)
{
    struct err ignored = ERR_INIT;
    uint64_t size;

    if (w->client == NULL || !call->urgent ||
        clock_mono_ms() - w->used_ms < IDLE_MS)
        return;
    admin_client_stat(w->client, "/README.txt", &size, &ignored);
    if (!admin_client_is_broken(w->client))
        return;
    admin_client_close(w->client);
    w->client = NULL;
}

/* True when the call is to be tried again: the node only closed what had been
 * idle, and nothing was asked that could be done twice. */
static bool
call_once(struct worker *w, struct call *call, struct answer *answer)
{
    struct running running = { .w = w, .call = call };
    bool was_connected;

    drop_dead(w, call);
    was_connected = w->client != NULL;
    if (!was_connected &&
        cli_connect(w->cli, &w->client, &answer->error) != 0) {
        answer->lost = true;
        return false;
    }
    admin_client_control(w->client, call->command, call->args, on_progress,
        &running, call->wait_ms, &answer->value, &answer->error);
    w->used_ms = clock_mono_ms();
    if (!admin_client_is_broken(w->client))
        return false;
    answer->lost = answer->error.code != ERR_NONE;
    admin_client_close(w->client);
    w->client = NULL;
    return answer->lost && was_connected && !call->urgent &&
           answer->error.code != ERR_TIMEOUT;
}

static void
run_call(struct worker *w, struct call *call)
{
    struct answer *answer = answer_to(call);

    if (call_once(w, call, answer)) {
        answer->lost = false;
        err_clear(&answer->error);
        call_once(w, call, answer);
    }
    give(w, answer);
}

static void *
run_thread(void *argument)
{
    struct worker *w = argument;

    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        struct call *call = w->calls;

        if (call == NULL) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->calls = call->next;
        if (w->calls == NULL)
            w->calls_end = &w->calls;
        pthread_mutex_unlock(&w->lock);
        run_call(w, call);
        call_free(call);
        pthread_mutex_lock(&w->lock);
    }
    w->ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct worker *
worker_new(struct cli *cli, struct admin_client *client, int wake_fd)
{
    struct worker *w = alloc_zeroed(1, sizeof(*w));
    sigset_t all, before;

    w->cli = cli;
    w->client = client;
    w->wake_fd = wake_fd;
    w->calls_end = &w->calls;
    w->answers_end = &w->answers;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    /* Signals are the screen's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&w->thread, NULL, run_thread, w) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w;
}

void
worker_call(struct worker *w, struct call *call)
{
    struct call **at;

    pthread_mutex_lock(&w->lock);
    at = w->calls_end;
    if (call->urgent)
        for (at = &w->calls; *at != NULL && (*at)->urgent; at = &(*at)->next)
            ;
    call->next = *at;
    *at = call;
    if (call->next == NULL)
        w->calls_end = &call->next;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

struct answer *
worker_take(struct worker *w)
{
    struct answer *answer;

    pthread_mutex_lock(&w->lock);
    answer = w->answers;
    if (answer != NULL) {
        w->answers = answer->next;
        if (w->answers == NULL)
            w->answers_end = &w->answers;
        answer->next = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return answer;
}

/* Waits for the thread, but not for a node. */
static bool
worker_end(struct worker *w)
{
    struct timespec until;
    bool ended;

    timespec_get(&until, TIME_UTC);
    until.tv_nsec += (long)PARTING_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->changed);
    while (
        !w->ended && pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0)
        ;
    ended = w->ended;
    pthread_mutex_unlock(&w->lock);
    return ended;
}

bool
worker_free(struct worker *w)
{
    struct answer *answer;
    struct call *call;

    if (w == NULL)
        return true;
    if (!worker_end(w))
        return false;
    pthread_join(w->thread, NULL);
    while ((answer = worker_take(w)) != NULL)
        answer_free(answer);
    while ((call = w->calls) != NULL) {
        w->calls = call->next;
        call_free(call);
    }
    admin_client_close(w->client);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return true;
}

/*
 * The resolver's threads.  A name that never answers holds one thread, and
 * other names go on; numeric addresses never come here.
 */
#include "daemon/connector.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

#define THREADS_MAX 128
#define STACK_SIZE (256 * 1024)

struct job {
    struct job *next;
    char *host;
    char service[8];
    struct resolver_answer answer;
};

struct queue {
    struct job *first;
    struct job **end;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct queue questions;
    struct queue answers;
    unsigned threads;
    unsigned idle;
    int wake_fd;
} resolver = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .asked = PTHREAD_COND_INITIALIZER,
    .wake_fd = -1,
};

static void
queue_add(struct queue *q, struct job *job)
{
    job->next = NULL;
    *q->end = job;
    q->end = &job->next;
}

static struct job *
queue_take(struct queue *q)
{
    struct job *job = q->first;

    if (job == NULL)
        return NULL;
    q->first = job->next;
    if (q->first == NULL)
        q->end = &q->first;
    return job;
}

static int
look_up(const char *host, const char *service, int flags,
    struct addrinfo **list)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | flags };

    *list = NULL;
    return getaddrinfo(host, service, &hints, list);
}

static void *
resolve_for_ever(void *ctx)
{
    const uint64_t one = 1;

    (void)ctx;
    pthread_mutex_lock(&resolver.lock);
    for (;;) {
        struct job *job;

        while ((job = queue_take(&resolver.questions)) == NULL) {
            resolver.idle++;
            pthread_cond_wait(&resolver.asked, &resolver.lock);
            resolver.idle--;
        }
        pthread_mutex_unlock(&resolver.lock);
        job->answer.failure =
            look_up(job->host, job->service, 0, &job->answer.list);
        job->answer.failure_errno = errno;
        pthread_mutex_lock(&resolver.lock);
        queue_add(&resolver.answers, job);
        while (write(resolver.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    return NULL;
}

int
resolver_start(void)
{
    resolver.questions.end = &resolver.questions.first;
    resolver.answers.end = &resolver.answers.first;
    resolver.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return resolver.wake_fd;
}

static void
add_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, resolve_for_ever, NULL) == 0)
        resolver.threads++;
    pthread_attr_destroy(&attributes);
}

void
resolver_ask(uint64_t serial, const char *host, uint16_t port)
{
    struct job *job = alloc_zeroed(1, sizeof(*job));
    size_t waiting = 0;

    job->host = alloc_string(host);
    job->answer.serial = serial;
    snprintf(job->service, sizeof(job->service), "%u", (unsigned)port);
    pthread_mutex_lock(&resolver.lock);
    queue_add(&resolver.questions, job);
    for (const struct job *j = resolver.questions.first; j != NULL; j = j->next)
        waiting++;
    if (waiting > resolver.idle && resolver.threads < THREADS_MAX)
        add_thread();
    pthread_cond_signal(&resolver.asked);
    pthread_mutex_unlock(&resolver.lock);
}

struct addrinfo *
resolver_numeric(const char *host, uint16_t port)
{
    struct addrinfo *list;
    char service[8];

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    return look_up(host, service, AI_NUMERICHOST, &list) == 0 ? list : NULL;
}

int
resolver_take(struct resolver_answer *answer)
{
    struct job *job;
    uint64_t count;

    (void)!read(resolver.wake_fd, &count, sizeof(count));
    pthread_mutex_lock(&resolver.lock);
    job = queue_take(&resolver.answers);
    pthread_mutex_unlock(&resolver.lock);
    if (job == NULL)
        return 0;
    *answer = job->answer;
    free(job->host);
    free(job);
    return 1;
}

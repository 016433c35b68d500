/*
 * The list of calls that a stop interrupts.
 */
#include "sync/interrupt.h"

#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct interruptible *running;

void
interruptible_begin(struct interruptible *call, sqlite3 *db)
{
    call->db = db;
    pthread_mutex_lock(&lock);
    call->next = running;
    running = call;
    pthread_mutex_unlock(&lock);
}

void
interruptible_end(struct interruptible *call)
{
    struct interruptible **p;

    pthread_mutex_lock(&lock);
    for (p = &running; *p != call; p = &(*p)->next)
        ;
    *p = call->next;
    pthread_mutex_unlock(&lock);
}

void
interruptible_stop_all(void)
{
    pthread_mutex_lock(&lock);
    for (const struct interruptible *c = running; c != NULL; c = c->next)
        sqlite3_interrupt(c->db);
    pthread_mutex_unlock(&lock);
}

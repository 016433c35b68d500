/*
 * Inside the connector process.  Only connector_*.c include this.
 *
 *     connector_main.c     the loop, the engine's messages, time
 *     connector_attempt.c  one request: its addresses, its answer
 *     connector_resolve.c  names to addresses, on threads
 */
#ifndef DAEMON_CONNECTOR_H
#define DAEMON_CONNECTOR_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ipc.h"

#define CONNECTOR_ADDRESS_MAX 128 /* as text */
#define ADDRESSES_MAX 16          /* of one name */

struct attempt {
    struct request *request; /* NULL: slot unused */
    int fd;
};

struct request {
    struct request *next; /* of all */
    uint64_t serial;      /* of the resolver's answer */
    uint32_t tag;
    char *host;
    char *source;
    uint16_t port;
    int64_t deadline_ms;
    int64_t next_try_ms; /* when the next address has its turn */
    bool resolving;
    bool over;
    struct addrinfo *addresses; /* resolved */
    struct addrinfo *last_good;
    const struct addrinfo *to_try[ADDRESSES_MAX];
    size_t try_count;
    size_t tried;
    size_t under_way;
    struct attempt attempts[ADDRESSES_MAX];
    int worst_errno;     /* of the failed attempts, what says most */
    int resolve_failure; /* EAI_... */
    int resolve_errno;
};

/* The channel to the engine, and what the loop waits on. */
extern struct ipc_channel *connector_engine;
extern int connector_epoll;

/* More addresses to try, none of them twice. */
void request_add_addresses(struct request *q, const struct addrinfo *list);
/* Starts the next addresses that are due; fails the request when there is
 * nothing left to hope for. */
void request_go_on(struct request *q, int64_t now_ms);
/* The loop says that an attempt is connected or has failed. */
void request_take_attempt(struct attempt *attempt);
/* The deadline has passed. */
void request_expire(struct request *q);
/* Closes all attempts.  Its memory stays until the loop's turn ends: events may
 * point to it. */
void request_finish(struct request *q);

/* Readable when resolver_take has something. */
int resolver_start(void);
/* Asks for the addresses of HOST; the answer carries SERIAL.  NUMERIC answers
 * at once and never looks a name up. */
void resolver_ask(uint64_t serial, const char *host, uint16_t port);
struct addrinfo *resolver_numeric(const char *host, uint16_t port);

struct resolver_answer {
    uint64_t serial;
    struct addrinfo *list; /* the taker's, freeaddrinfo; NULL on failure */
    int failure;           /* EAI_..., 0 */
    int failure_errno;     /* for EAI_SYSTEM */
};
/* 0 when nothing (more) is there. */
int resolver_take(struct resolver_answer *answer);

#endif

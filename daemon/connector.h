/*
 * Inside the connector process: names to addresses, on threads, because the
 * system's resolver only waits.  Only connector_*.c include this.
 */
#ifndef DAEMON_CONNECTOR_H
#define DAEMON_CONNECTOR_H

#include <netdb.h>
#include <stdint.h>

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

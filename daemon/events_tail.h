/*
 * Reading a file of JSON lines from its end.
 */
#ifndef DAEMON_EVENTS_TAIL_H
#define DAEMON_EVENTS_TAIL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t events_tail_size(int fd);
/* How much of the first SIZE bytes are whole lines. */
uint64_t events_tail_whole(int fd, uint64_t size);
/* Calls FN for each line of the first SIZE bytes, the last one first, until it
 * returns false; lines that are no JSON objects are passed over.  True when the
 * beginning was reached. */
bool events_tail_walk(int fd, uint64_t size,
    bool (*fn)(void *ctx, json_t *event), void *ctx);

#endif

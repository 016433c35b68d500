/*
 * Reading a file of events forward from one of them, whose place is found by
 * halving: numbers grow from line to line.
 */
#ifndef DAEMON_EVENTS_AFTER_H
#define DAEMON_EVENTS_AFTER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Appends to LIST the events of the first SIZE bytes whose "seq" is above
 * AFTER, in order, until the list has MAX. */
void events_file_after(int fd, uint64_t size, uint64_t after, size_t max,
    json_t *list);

#endif

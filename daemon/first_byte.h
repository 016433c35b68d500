/*
 * Where a new connection waits for its peer's first byte, or 250 ms: a session
 * process is not worth starting for a health check that only connects, or for
 * a handshake that was cut.  One session is started in a turn of the loop, so
 * that a crowd at the door never keeps a push waiting: starting one stops the
 * loop until its program runs, which takes long on a busy machine.
 */
#ifndef DAEMON_FIRST_BYTE_H
#define DAEMON_FIRST_BYTE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

#define FIRST_BYTE_MS 250
/* So many wait; for one more, whoever has been silent longest is closed. */
#define FIRST_BYTE_MAX 1024

struct first_bytes;

/* Takes a descriptor over; whether that was work (a session was started, not
 * refused). */
typedef bool (
    *first_byte_fn)(void *ctx, int fd, const struct sockaddr_storage *peer);

/* READY gets those whose peer spoke or whose time is over; SHED hears of those
 * that were closed to make room. */
struct first_bytes *first_bytes_new(uv_loop_t *loop, first_byte_fn ready,
    void (*shed)(void *ctx, const struct sockaddr_storage *peer), void *ctx);
/* Closes what waits. */
void first_bytes_free(struct first_bytes *waiting);
/* Takes FD over.  A peer that leaves without a word is closed, no more. */
void first_bytes_wait(struct first_bytes *waiting, int fd,
    const struct sockaddr_storage *peer);

#endif

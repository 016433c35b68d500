/*
 * Where a new connection waits for its peer's first byte, or 250 ms: a session
 * process is not worth starting for a health check that only connects, or for a
 * handshake that was cut.
 */
#ifndef DAEMON_FIRST_BYTE_H
#define DAEMON_FIRST_BYTE_H

#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

#define FIRST_BYTE_MS 250
/* So many wait; of more, the one that has waited longest goes on. */
#define FIRST_BYTE_MAX 1024

struct first_bytes;

/* READY takes a descriptor over when its peer spoke or the time was over. */
struct first_bytes *first_bytes_new(uv_loop_t *loop,
    void (*ready)(void *ctx, int fd, const struct sockaddr_storage *peer),
    void *ctx);
/* Closes what waits. */
void first_bytes_free(struct first_bytes *waiting);
/* Takes FD over.  A peer that leaves without a word is closed, no more. */
void first_bytes_wait(struct first_bytes *waiting, int fd,
    const struct sockaddr_storage *peer);

#endif

/*
 * SFTP version 3 packets (draft-ietf-secsh-filexfer-02), bounded: a packet is
 * at most SFTP_PACKET_MAX bytes, a path at most SFTP_PATH_MAX without NUL.
 * Both sides use this: the server decodes requests and encodes responses, the
 * client the reverse.  Decoding never allocates for lengths from outside.
 *
 * Names begin with fxp_, the draft's word for its packets (SSH_FXP_OPEN): sftp_
 * is libssh's.
 */
#ifndef ADMIN_PROTO_SFTP_CODEC_H
#define ADMIN_PROTO_SFTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SFTP_VERSION 3
#define SFTP_DATA_MAX (256 * 1024)
#define SFTP_PACKET_MAX (SFTP_DATA_MAX + 1024)
#define SFTP_PATH_MAX 1024
#define SFTP_HANDLE_SIZE 4 /* our server's handles; a client takes up to 256 */
#define SFTP_HANDLE_MAX 256
#define SFTP_MAX_HANDLES 64
/* What limits@openssh.com announces for one READ or WRITE: OpenSSH's client
 * takes no packet beyond 256 KiB, headers included. */
#define SFTP_LIMIT_READ (SFTP_DATA_MAX - 1024)
#define SFTP_EXT_LIMITS "limits@openssh.com"
#define SFTP_EXT_FSYNC "fsync@openssh.com"

enum fxp_type {
    SFTP_INIT = 1,
    SFTP_VERSION_REPLY = 2,
    SFTP_OPEN = 3,
    SFTP_CLOSE = 4,
    SFTP_READ = 5,
    SFTP_WRITE = 6,
    SFTP_LSTAT = 7,
    SFTP_FSTAT = 8,
    SFTP_SETSTAT = 9,
    SFTP_FSETSTAT = 10,
    SFTP_OPENDIR = 11,
    SFTP_READDIR = 12,
    SFTP_REMOVE = 13,
    SFTP_MKDIR = 14,
    SFTP_RMDIR = 15,
    SFTP_REALPATH = 16,
    SFTP_STAT = 17,
    SFTP_RENAME = 18,
    SFTP_READLINK = 19,
    SFTP_SYMLINK = 20,
    SFTP_STATUS = 101,
    SFTP_HANDLE = 102,
    SFTP_DATA = 103,
    SFTP_NAME = 104,
    SFTP_ATTRS = 105,
    SFTP_EXTENDED = 200,
    SFTP_EXTENDED_REPLY = 201
};

enum fxp_status {
    SFTP_OK = 0,
    SFTP_EOF = 1,
    SFTP_NO_SUCH_FILE = 2,
    SFTP_PERMISSION_DENIED = 3,
    SFTP_FAILURE = 4,
    SFTP_BAD_MESSAGE = 5,
    SFTP_NO_CONNECTION = 6,
    SFTP_CONNECTION_LOST = 7,
    SFTP_OP_UNSUPPORTED = 8
};

enum {
    SFTP_OPEN_READ = 1,
    SFTP_OPEN_WRITE = 2,
    SFTP_OPEN_APPEND = 4,
    SFTP_OPEN_CREATE = 8,
    SFTP_OPEN_TRUNCATE = 16,
    SFTP_OPEN_EXCLUSIVE = 32
};

struct fxp_attrs {
    uint64_t size;    /* bytes */
    uint32_t mode;    /* with S_IFREG or S_IFDIR */
    uint32_t mtime_s; /* UTC */
};

/* One packet, its slices borrowed from the bytes it was read from. */
struct fxp_packet {
    uint8_t type;     /* enum fxp_type or anything */
    uint32_t id;      /* absent in INIT and VERSION */
    uint32_t version; /* INIT, VERSION */
    const char *path; /* not terminated */
    size_t path_len;
    const uint8_t *handle;
    size_t handle_len;
    uint64_t offset;
    uint32_t length; /* READ: bytes wanted */
    uint32_t open_flags;
    const uint8_t *data; /* WRITE, DATA; what follows an EXTENDED
                                 request's name; EXTENDED_REPLY's bytes */
    size_t data_len;
    uint32_t status;  /* STATUS */
    const char *text; /* STATUS message; EXTENDED request's name */
    size_t text_len;
    uint32_t name_count;    /* NAME: first name only is decoded into path */
    struct fxp_attrs attrs; /* ATTRS and the first NAME */
    bool attrs_has_size;
};

/* *SIZE is how many bytes the first packet of DATA occupies with its length
 * prefix, 0 when more bytes are needed to tell or to complete it; ERR_PROTOCOL
 * when its length is 0 or beyond SFTP_PACKET_MAX. */
int fxp_packet_size(const void *data, size_t len, size_t *size, struct err *e);
/* Decodes a whole packet (with its prefix).  ERR_PROTOCOL when fields are cut
 * or too long; id is set whenever it could be read.  Unknown types decode to
 * type and id alone. */
int fxp_packet_decode(struct fxp_packet *p, const void *data, size_t len,
    struct err *e);

/* Requests; each appends one packet. */
void fxp_put_init(struct buf *b);
void fxp_put_open(struct buf *b, uint32_t id, const char *path, uint32_t flags);
void fxp_put_handle_request(struct buf *b, enum fxp_type type, uint32_t id,
    const void *handle, size_t handle_len); /* CLOSE, FSTAT, READDIR */
void fxp_put_read(struct buf *b, uint32_t id, const void *handle,
    size_t handle_len, uint64_t offset, uint32_t length);
void fxp_put_write(struct buf *b, uint32_t id, const void *handle,
    size_t handle_len, uint64_t offset, const void *data, size_t len);
void fxp_put_path_request(struct buf *b, enum fxp_type type, uint32_t id,
    const char *path); /* STAT, LSTAT, REALPATH, OPENDIR */

/* Responses. */
void fxp_put_version(struct buf *b); /* with limits@ and fsync@openssh.com */
void fxp_put_status(struct buf *b, uint32_t id, enum fxp_status status,
    const char *text);
void fxp_put_handle(struct buf *b, uint32_t id, const void *handle,
    size_t handle_len);
void fxp_put_data(struct buf *b, uint32_t id, const void *data, size_t len);
void fxp_put_attrs(struct buf *b, uint32_t id, const struct fxp_attrs *a);
/* The answer to limits@openssh.com. */
void fxp_put_limits(struct buf *b, uint32_t id);
/* NAME: begin, any number of entries (attributes may be NULL), end. */
size_t fxp_begin_names(struct buf *b, uint32_t id);
void fxp_put_name(struct buf *b, const char *name, const char *long_name,
    const struct fxp_attrs *a);
void fxp_end_names(struct buf *b, size_t begin, uint32_t count);

/* Lexical REALPATH, clamped at "/": "", ".", "..", "//" resolved into OUT.
 * False when too long or with NUL. */
bool fxp_clean_path(const char *path, size_t len, char out[SFTP_PATH_MAX]);
/* True when ".." would climb above "/" on the way. */
bool fxp_path_escapes(const char *path, size_t len);

#endif

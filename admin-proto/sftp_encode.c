/*
 * Writing SFTP version 3 packets: requests and responses, each appended whole
 * to a buffer.
 */
#include "admin-proto/sftp_codec.h"

/* Offsets inside a packet: u32 length, u8 type, u32 id, u32 count of names. */
enum { NAME_COUNT_OFFSET = 9 };

/* SSH_FILEXFER_ATTR_SIZE, UIDGID, PERMISSIONS and ACMODTIME. */
#define ATTRS_SENT 0x0FU

static size_t
packet_begin(struct buf *b, enum fxp_type type)
{
    size_t begin = b->len;

    buf_put_u32(b, 0);
    buf_put_u8(b, (uint8_t)type);
    return begin;
}

static void
packet_end(struct buf *b, size_t begin)
{
    buf_set_u32(b, begin, (uint32_t)(b->len - begin - 4));
}

static void
put_attrs(struct buf *b, const struct fxp_attrs *a)
{
    if (a == NULL) {
        buf_put_u32(b, 0);
        return;
    }
    buf_put_u32(b, ATTRS_SENT);
    buf_put_u64(b, a->size);
    buf_put_u32(b, 0); /* uid */
    buf_put_u32(b, 0); /* gid */
    buf_put_u32(b, a->mode);
    buf_put_u32(b, a->mtime_s); /* atime */
    buf_put_u32(b, a->mtime_s);
}

void
fxp_put_init(struct buf *b)
{
    size_t begin = packet_begin(b, SFTP_INIT);

    buf_put_u32(b, SFTP_VERSION);
    packet_end(b, begin);
}

void
fxp_put_open(struct buf *b, uint32_t id, const char *path, uint32_t flags)
{
    size_t begin = packet_begin(b, SFTP_OPEN);

    buf_put_u32(b, id);
    buf_put_string(b, path);
    buf_put_u32(b, flags);
    buf_put_u32(b, 0); /* no attributes */
    packet_end(b, begin);
}

void
fxp_put_handle_request(struct buf *b, enum fxp_type type, uint32_t id,
    const void *handle, size_t handle_len)
{
    size_t begin = packet_begin(b, type);

    buf_put_u32(b, id);
    buf_put_bytes(b, handle, handle_len);
    packet_end(b, begin);
}

void
fxp_put_read(struct buf *b, uint32_t id, const void *handle, size_t handle_len,
    uint64_t offset, uint32_t length)
{
    size_t begin = packet_begin(b, SFTP_READ);

    buf_put_u32(b, id);
    buf_put_bytes(b, handle, handle_len);
    buf_put_u64(b, offset);
    buf_put_u32(b, length);
    packet_end(b, begin);
}

void
fxp_put_write(struct buf *b, uint32_t id, const void *handle, size_t handle_len,
    uint64_t offset, const void *data, size_t len)
{
    size_t begin = packet_begin(b, SFTP_WRITE);

    buf_put_u32(b, id);
    buf_put_bytes(b, handle, handle_len);
    buf_put_u64(b, offset);
    buf_put_bytes(b, data, len);
    packet_end(b, begin);
}

void
fxp_put_path_request(struct buf *b, enum fxp_type type, uint32_t id,
    const char *path)
{
    size_t begin = packet_begin(b, type);

    buf_put_u32(b, id);
    buf_put_string(b, path);
    packet_end(b, begin);
}

void
fxp_put_version(struct buf *b)
{
    size_t begin = packet_begin(b, SFTP_VERSION_REPLY);

    buf_put_u32(b, SFTP_VERSION);
    buf_put_string(b, SFTP_EXT_LIMITS);
    buf_put_string(b, "1");
    buf_put_string(b, SFTP_EXT_FSYNC);
    buf_put_string(b, "1");
    packet_end(b, begin);
}

void
fxp_put_status(struct buf *b, uint32_t id, enum fxp_status status,
    const char *text)
{
    size_t begin = packet_begin(b, SFTP_STATUS);

    buf_put_u32(b, id);
    buf_put_u32(b, (uint32_t)status);
    buf_put_string(b, text);
    buf_put_string(b, ""); /* language */
    packet_end(b, begin);
}

void
fxp_put_handle(struct buf *b, uint32_t id, const void *handle,
    size_t handle_len)
{
    fxp_put_handle_request(b, SFTP_HANDLE, id, handle, handle_len);
}

void
fxp_put_data(struct buf *b, uint32_t id, const void *data, size_t len)
{
    fxp_put_handle_request(b, SFTP_DATA, id, data, len);
}

void
fxp_put_attrs(struct buf *b, uint32_t id, const struct fxp_attrs *a)
{
    size_t begin = packet_begin(b, SFTP_ATTRS);

    buf_put_u32(b, id);
    put_attrs(b, a);
    packet_end(b, begin);
}

void
fxp_put_limits(struct buf *b, uint32_t id)
{
    size_t begin = packet_begin(b, SFTP_EXTENDED_REPLY);

    buf_put_u32(b, id);
    buf_put_u64(b, SFTP_DATA_MAX);
    buf_put_u64(b, SFTP_LIMIT_READ);
    buf_put_u64(b, SFTP_LIMIT_READ);
    buf_put_u64(b, SFTP_MAX_HANDLES);
    packet_end(b, begin);
}

size_t
fxp_begin_names(struct buf *b, uint32_t id)
{
    size_t begin = packet_begin(b, SFTP_NAME);

    buf_put_u32(b, id);
    buf_put_u32(b, 0);
    return begin;
}

void
fxp_put_name(struct buf *b, const char *name, const char *long_name,
    const struct fxp_attrs *a)
{
    buf_put_string(b, name);
    buf_put_string(b, long_name);
    put_attrs(b, a);
}

void
fxp_end_names(struct buf *b, size_t begin, uint32_t count)
{
    buf_set_u32(b, begin + NAME_COUNT_OFFSET, count);
    packet_end(b, begin);
}

/*
 * Reading SFTP version 3 packets: a table says which fields each type has, in
 * order; one small reader per kind of field.  Nothing is copied or allocated.
 * Attributes that a client sends along (OPEN, MKDIR, SETSTAT) have no meaning
 * here and are left unread.
 */
#include "admin-proto/sftp_codec.h"

#include <string.h>

#define STATUS_TEXT_MAX 4096
#define EXTENSION_NAME_MAX 128
#define LONG_NAME_MAX 4096

enum { ATTR_SIZE = 1, ATTR_UIDGID = 2, ATTR_PERMISSIONS = 4, ATTR_TIMES = 8 };
#define ATTR_EXTENDED 0x80000000U

typedef void field_fn(struct fxp_packet *p, struct reader *r);

static void
read_version(struct fxp_packet *p, struct reader *r)
{
    p->version = reader_u32(r);
}

static void
read_path(struct fxp_packet *p, struct reader *r)
{
    p->path = (const char *)reader_bytes(r, SFTP_PATH_MAX, &p->path_len);
}

static void
read_handle(struct fxp_packet *p, struct reader *r)
{
    p->handle = reader_bytes(r, SFTP_HANDLE_MAX, &p->handle_len);
}

static void
read_offset(struct fxp_packet *p, struct reader *r)
{
    p->offset = reader_u64(r);
}

static void
read_length(struct fxp_packet *p, struct reader *r)
{
    p->length = reader_u32(r);
}

static void
read_open_flags(struct fxp_packet *p, struct reader *r)
{
    p->open_flags = reader_u32(r);
}

static void
read_data(struct fxp_packet *p, struct reader *r)
{
    p->data = reader_bytes(r, SFTP_DATA_MAX, &p->data_len);
}

static void
read_rest(struct fxp_packet *p, struct reader *r)
{
    p->data_len = reader_left(r);
    p->data = reader_take(r, p->data_len);
}

static void
read_status(struct fxp_packet *p, struct reader *r)
{
    p->status = reader_u32(r);
    /* Servers of older drafts send the number alone. */
    if (reader_left(r) > 0)
        p->text = (const char *)reader_bytes(r, STATUS_TEXT_MAX, &p->text_len);
}

static void
read_extension(struct fxp_packet *p, struct reader *r)
{
    p->text = (const char *)reader_bytes(r, EXTENSION_NAME_MAX, &p->text_len);
}

static void
read_attrs(struct fxp_packet *p, struct reader *r)
{
    uint32_t flags = reader_u32(r);
    uint32_t pairs;
    size_t len;

    if (flags & ATTR_SIZE) {
        p->attrs.size = reader_u64(r);
        p->attrs_has_size = true;
    }
    if (flags & ATTR_UIDGID) {
        reader_u32(r);
        reader_u32(r);
    }
    if (flags & ATTR_PERMISSIONS)
        p->attrs.mode = reader_u32(r);
    if (flags & ATTR_TIMES) {
        reader_u32(r);
        p->attrs.mtime_s = reader_u32(r);
    }
    if (!(flags & ATTR_EXTENDED))
        return;
    /* Each pair takes eight bytes at least, so a huge count ends early. */
    for (pairs = reader_u32(r); pairs > 0 && !r->failed; pairs--) {
        reader_bytes(r, SFTP_PACKET_MAX, &len);
        reader_bytes(r, SFTP_PACKET_MAX, &len);
    }
}

static void
read_names(struct fxp_packet *p, struct reader *r)
{
    size_t len;

    p->name_count = reader_u32(r);
    if (p->name_count == 0)
        return;
    read_path(p, r);
    reader_bytes(r, LONG_NAME_MAX, &len);
    read_attrs(p, r);
}

#define FIELDS_MAX 3

/* Indexed by type; a type that is not here has no fields that matter. */
static field_fn *const fields[][FIELDS_MAX] = {
    [SFTP_INIT] = { read_version },
    [SFTP_VERSION_REPLY] = { read_version },
    [SFTP_OPEN] = { read_path, read_open_flags },
    [SFTP_CLOSE] = { read_handle },
    [SFTP_READ] = { read_handle, read_offset, read_length },
    [SFTP_WRITE] = { read_handle, read_offset, read_data },
    [SFTP_LSTAT] = { read_path },
    [SFTP_FSTAT] = { read_handle },
    [SFTP_SETSTAT] = { read_path },
    [SFTP_FSETSTAT] = { read_handle },
    [SFTP_OPENDIR] = { read_path },
    [SFTP_READDIR] = { read_handle },
    [SFTP_REMOVE] = { read_path },
    [SFTP_MKDIR] = { read_path },
    [SFTP_RMDIR] = { read_path },
    [SFTP_REALPATH] = { read_path },
    [SFTP_STAT] = { read_path },
    [SFTP_RENAME] = { read_path },
    [SFTP_READLINK] = { read_path },
    [SFTP_SYMLINK] = { read_path },
    [SFTP_STATUS] = { read_status },
    [SFTP_HANDLE] = { read_handle },
    [SFTP_DATA] = { read_data },
    [SFTP_NAME] = { read_names },
    [SFTP_ATTRS] = { read_attrs },
    [SFTP_EXTENDED] = { read_extension, read_rest },
    [SFTP_EXTENDED_REPLY] = { read_rest },
};

int
fxp_packet_size(const void *data, size_t len, size_t *size, struct err *e)
{
    struct reader r = reader_over(data, len);
    uint32_t body;

    *size = 0;
    if (len < 4)
        return 0;
    body = reader_u32(&r);
    if (body == 0 || body > SFTP_PACKET_MAX)
        return err_set(e, ERR_PROTOCOL, "sftp packet of %u bytes refused",
            body);
    if (reader_left(&r) >= body)
        *size = (size_t)body + 4;
    return 0;
}

int
fxp_packet_decode(struct fxp_packet *p, const void *data, size_t len,
    struct err *e)
{
    struct reader r = reader_over(data, len);
    uint32_t body;
    size_t i;

    memset(p, 0, sizeof(*p));
    body = reader_u32(&r);
    if (body != reader_left(&r))
        return err_set(e, ERR_PROTOCOL, "sftp packet cut short");
    p->type = reader_u8(&r);
    if (p->type != SFTP_INIT && p->type != SFTP_VERSION_REPLY)
        p->id = reader_u32(&r);
    if (p->type < sizeof(fields) / sizeof(fields[0]))
        for (i = 0; i < FIELDS_MAX && fields[p->type][i] != NULL; i++)
            fields[p->type][i](p, &r);
    if (r.failed)
        return err_set(e, ERR_PROTOCOL, "malformed sftp packet of type %u",
            (unsigned)p->type);
    return 0;
}

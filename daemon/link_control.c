/*
 * One request on another node's /control: open, write, read lines until the
 * last one.  Progress lines are read over.
 */
#include "daemon/link_control.h"

#include <stdlib.h>
#include <string.h>

#include "admin-proto/sftp_codec.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

#define REPLY_MAX (1024 * 1024)

struct link_control {
    struct link *link;
    char *request;
    uint8_t handle[SFTP_HANDLE_MAX];
    size_t handle_len;
    struct buf reply;
    uint64_t offset; /* of the next READ */
    link_control_fn fn;
    void *ctx;
};

static void
control_free(struct link_control *c)
{
    if (c == NULL)
        return;
    explicit_bzero(c->request, strlen(c->request));
    free(c->request);
    buf_release(&c->reply);
    free(c);
}

static void
control_done(struct link_control *c, const json_t *result, const struct err *e)
{
    link_control_fn fn = c->fn;
    void *ctx = c->ctx;

    if (c->handle_len > 0)
        link_close_file(c->link, c->handle, c->handle_len, NULL, NULL);
    control_free(c);
    fn(ctx, result, e);
}

static void
control_failed(struct link_control *c, enum err_code code, const char *text)
{
    struct err e = ERR_INIT;

    err_set(&e, code, "%s", text);
    control_done(c, NULL, &e);
}

/* Looks for the final line among whole lines; true when the call ended. */
static bool
control_take_line(struct link_control *c)
{
    struct err e = ERR_INIT;

    for (;;) {
        const uint8_t *end = c->reply.len == 0
                                 ? NULL
                                 : memchr(c->reply.data, '\n', c->reply.len);
        json_t *line = NULL;

        if (end == NULL)
            return false;
        size_t len = (size_t)(end - c->reply.data);
        if (json_read_object((const char *)c->reply.data, len, &line, &e) !=
            0) {
            err_wrap(&e, "the answer of the other node cannot be read");
            control_done(c, NULL, &e);
            return true;
        }
        buf_consume(&c->reply, len + 1);
        const json_t *result = json_object_get(line, "result");
        const json_t *error = json_object_get(line, "error");
        if (result != NULL || error != NULL) {
            if (error != NULL)
                json_error_read(error, &e);
            control_done(c, result, &e);
            json_decref(line);
            return true;
        }
        json_decref(line);
    }
}

static void control_have_data(void *ctx, const struct link_reply *reply);

static void
control_read(struct link_control *c)
{
    link_read(c->link, c->handle, c->handle_len, c->offset, 64 * 1024,
        control_have_data, c);
}

static void
control_have_data(void *ctx, const struct link_reply *reply)
{
    struct link_control *c = ctx;

    if (reply->type != SFTP_DATA) {
        if (reply->type == SFTP_STATUS && reply->status != SFTP_EOF)
            control_done(c, NULL, &reply->error);
        else
            control_failed(c, ERR_PROTOCOL,
                "the other node ended its answer early");
        return;
    }
    buf_put(&c->reply, reply->data, reply->data_len);
    c->offset += reply->data_len;
    if (control_take_line(c))
        return;
    if (c->reply.len > REPLY_MAX) {
        control_failed(c, ERR_PROTOCOL, "the answer is too long");
        return;
    }
    control_read(c);
}

static void
control_written(void *ctx, const struct link_reply *reply)
{
    struct link_control *c = ctx;

    if (reply->status != SFTP_OK) {
        control_done(c, NULL, &reply->error);
        return;
    }
    control_read(c);
}

static void
control_opened(void *ctx, const struct link_reply *reply)
{
    struct link_control *c = ctx;

    if (reply->type != SFTP_HANDLE || reply->data_len > sizeof(c->handle)) {
        if (reply->type == SFTP_STATUS)
            control_done(c, NULL, &reply->error);
        else
            control_failed(c, ERR_PROTOCOL, "unexpected answer to OPEN");
        return;
    }
    memcpy(c->handle, reply->data, reply->data_len);
    c->handle_len = reply->data_len;
    link_write(c->link, c->handle, c->handle_len, 0, c->request,
        strlen(c->request), control_written, c);
}

struct link_control *
link_control_run(struct link *link, const char *command, json_t *args,
    link_control_fn fn, void *ctx)
{
    struct link_control *c = alloc_zeroed(1, sizeof(*c));
    json_t *request =
        json_pack("{s:s, s:O*}", "command", command, "args", args);

    c->link = link;
    c->request = json_write(request);
    c->fn = fn;
    c->ctx = ctx;
    json_decref(request);
    link_open_file(link, "/control", SFTP_OPEN_READ | SFTP_OPEN_WRITE,
        control_opened, c);
    return c;
}

void
link_control_cancel(struct link_control *c)
{
    control_free(c);
}

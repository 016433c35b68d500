/*
 * One request on /control: written whole, answered by JSON lines; progress any
 * number of times, then a result or an error.  The first READ follows the WRITE
 * at once, and nobody waits for the CLOSE: two round trips in all.  Who asks a
 * second time will ask again: from then on /control is opened ahead, and one
 * round trip is enough.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client_wire.h"
#include "base/json.h"

#define REQUEST_MAX (64 * 1024)
#define LINE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define READ_SIZE (128 * 1024)

struct conversation {
    struct admin_client *client;
    struct wire_reply handle;
    struct wire_reply written;
    void (*progress)(void *ctx, json_t *line);
    void *ctx;
    int wait_ms;
    struct buf text; /* what came and is no whole line yet */
    size_t searched; /* of it, without a line break */
    uint64_t offset;
    bool answered;
    json_t *result;
};

#define CONTROL_PATH "/control"
#define CONTROL_FLAGS (SFTP_OPEN_READ | SFTP_OPEN_WRITE)

static int
open_control(struct conversation *v, struct err *e)
{
    struct admin_client *c = v->client;
    struct err ignored = ERR_INIT;

    if (c->opened_ahead) {
        c->opened_ahead = false;
        if (wire_await(c, &c->next, c->timeout_ms, &ignored) == 0) {
            v->handle = c->next;
            return 0;
        }
    }
    return wire_open(c, CONTROL_PATH, CONTROL_FLAGS, &v->handle, e);
}

static void
open_ahead(struct admin_client *c)
{
    if (c->asked) {
        wire_open_later(c, CONTROL_PATH, CONTROL_FLAGS, &c->next);
        c->opened_ahead = true;
    }
    c->asked = true;
}

static int
send_request(struct conversation *v, const char *command, json_t *args,
    struct err *e)
{
    json_t *request = json_object();
    char *text = NULL;
    int r = 0;

    json_object_set_new(request, "command", json_string(command));
    if (args != NULL)
        json_object_set(request, "args", args);
    text = json_write(request);
    if (strlen(text) > REQUEST_MAX) {
        r = err_set(e, ERR_INVALID, "request of %zu bytes is too long",
            strlen(text));
    } else {
        fxp_client_write(v->client->sftp, v->handle.handle,
            v->handle.handle_len, 0, text, strlen(text), wire_note_reply,
            &v->written);
    }
    /* It may hold a password. */
    explicit_bzero(text, strlen(text));
    free(text);
    json_decref(request);
    return r;
}

/* One line: 0 go on, -1 refused or malformed; answered is set by the last. */
static int
take_line(struct conversation *v, const char *line, size_t len, struct err *e)
{
    json_t *object = NULL;
    json_t *value;
    int r = -1;

    if (json_read_object(line, len, &object, e) != 0) {
        e->code = ERR_PROTOCOL;
        return err_wrap(e, "unreadable answer");
    }
    if ((value = json_object_get(object, "progress")) != NULL) {
        if (v->progress != NULL)
            v->progress(v->ctx, value);
        r = 0;
    } else if ((value = json_object_get(object, "error")) != NULL) {
        json_error_read(value, e);
        v->answered = true;
    } else if ((value = json_object_get(object, "result")) != NULL) {
        v->result = json_incref(value);
        v->answered = true;
        r = 0;
    } else {
        err_set(e, ERR_PROTOCOL, "answer without result or error");
    }
    json_decref(object);
    return r;
}

static bool
is_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r") >= len;
}

/* Takes the whole lines of what came. */
static int
take_lines(struct conversation *v, struct err *e)
{
    const char *begin;
    const char *end;
    size_t len;
    int r = 0;

    while (r == 0 && !v->answered && v->text.len > v->searched) {
        begin = (const char *)v->text.data;
        end = memchr(begin + v->searched, '\n', v->text.len - v->searched);
        if (end == NULL) {
            v->searched = v->text.len;
            break;
        }
        len = (size_t)(end - begin);
        if (!is_blank(begin, len))
            r = take_line(v, begin, len, e);
        buf_consume(&v->text, len + 1);
        v->searched = 0;
    }
    if (r == 0 && v->text.len > LINE_MAX_BYTES)
        r = err_set(e, ERR_PROTOCOL, "answer beyond %zu bytes", LINE_MAX_BYTES);
    return r;
}

static int
read_answer(struct conversation *v, struct err *e)
{
    struct wire_reply reply;

    while (!v->answered) {
        reply = (struct wire_reply){ .data = &v->text };
        fxp_client_read(v->client->sftp, v->handle.handle, v->handle.handle_len,
            v->offset, READ_SIZE, wire_note_reply, &reply);
        if (wire_run(v->client, &reply.done, v->wait_ms, e) != 0)
            return -1;
        if (reply.eof) {
            buf_put_u8(&v->text, '\n');
        } else if (reply.result != 0) {
            *e = reply.error;
            return -1;
        }
        v->offset += reply.data_len;
        if (take_lines(v, e) != 0)
            return -1;
        if (reply.eof && !v->answered)
            return err_set(e, ERR_PROTOCOL, "no result came");
    }
    return 0;
}

/* A request that was refused says why; what the READ then said does not. */
static int
finish_writing(struct conversation *v, struct err *e)
{
    struct err own = ERR_INIT;

    if (wire_await(v->client, &v->written, v->wait_ms, &own) == 0)
        return 0;
    *e = own;
    return -1;
}

int
admin_client_control(struct admin_client *client, const char *command,
    json_t *args, void (*progress)(void *ctx, json_t *line), void *ctx,
    int wait_ms, json_t **result, struct err *e)
{
    struct conversation v = { .client = client,
        .progress = progress,
        .ctx = ctx,
        .wait_ms = wait_ms > 0 ? wait_ms : client->timeout_ms };
    int r;

    *result = NULL;
    if (open_control(&v, e) != 0)
        return -1;
    r = send_request(&v, command, args, e);
    if (r == 0) {
        r = read_answer(&v, e);
        if (!client->broken && finish_writing(&v, e) != 0)
            r = -1;
    }
    if (!client->broken) {
        wire_close_later(client, &v.handle);
        open_ahead(client);
    }
    if (v.text.cap > 0)
        explicit_bzero(v.text.data, v.text.cap);
    buf_release(&v.text);
    *result = v.result;
    return r;
}

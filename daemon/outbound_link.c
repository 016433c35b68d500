/*
 * The life of one link as the engine sees it: connected by the connector, given
 * to the pusher, ready, closed.
 */
#include "daemon/outbound_link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin-proto/connect_error.h"
#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "daemon/proof.h"

#define TEXT_MAX 1024
#define KEY_MAX 4096

static void
forget_password(struct link *link)
{
    if (link->password != NULL)
        explicit_bzero(link->password, strlen(link->password));
    free(link->password);
    link->password = NULL;
}

void
link_free(struct link *link)
{
    if (link == NULL)
        return;
    outbound_unlist_link(link);
    link_drop_requests(link);
    forget_password(link);
    free(link->host);
    free(link->user);
    free(link->pinned);
    free(link->peer_address);
    free(link->local_address);
    free(link);
}

void
link_fail(struct link *link, const struct err *e)
{
    link->callbacks.closed(link->ctx, e);
    link_free(link);
}

/* Told from the loop, so that an owner never hears of a link before it has
 * it. */
static void
fail_later(struct link *link, const struct err *e)
{
    link->failed = true;
    link->error = *e;
    outbound_defer(link->out);
}

void
link_open(struct outbound *out, const struct link_params *params,
    const struct link_callbacks *callbacks, void *ctx, struct link **linkp)
{
    struct link *link = alloc_zeroed(1, sizeof(*link));
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;

    link->out = out;
    link->callbacks = *callbacks;
    link->ctx = ctx;
    link->requests_end = &link->requests;
    link->host = alloc_string(params->host);
    link->port = params->port;
    link->mode = params->mode;
    link->user = alloc_string(params->user != NULL ? params->user : "");
    link->password =
        alloc_string(params->password != NULL ? params->password : "");
    link->login_key = params->login_key;
    link->login_blob = params->login_blob;
    link->login_blob_len = params->login_blob_len;
    if (params->pinned_key != NULL) {
        link->pinned = alloc_copy(params->pinned_key, params->pinned_key_len);
        link->pinned_len = params->pinned_key_len;
    }
    link->deadline_ms = clock_mono_ms() + params->timeout_ms;
    outbound_list_link(out, link);
    *linkp = link;
    buf_put_string(&body, link->host);
    buf_put_u16(&body, link->port);
    buf_put_string(&body,
        params->last_address != NULL ? params->last_address : "");
    buf_put_string(&body,
        params->source_address != NULL ? params->source_address : "");
    buf_put_u32(&body, params->timeout_ms);
    if (outbound_send(out, CHILD_CONNECTOR, IPC_CONNECT, link->number, &body,
            -1, &e) != 0)
        fail_later(link, &e);
    buf_release(&body);
}

void
link_proceed(struct link *link)
{
    if (!link->failed)
        outbound_tell(link->out, CHILD_PUSHER, IPC_LINK_PROCEED, link->number,
            NULL);
}

void
link_close(struct link *link)
{
    if (link == NULL)
        return;
    if (!link->failed && link->stage == LINK_CONNECTING)
        outbound_tell(link->out, CHILD_CONNECTOR, IPC_CANCEL, link->number,
            NULL);
    else if (!link->failed)
        outbound_tell(link->out, CHILD_PUSHER, IPC_LINK_STOP, link->number,
            NULL);
    link_free(link);
}

static bool
take_connected(struct link *link, struct ipc_message *m, struct reader *r)
{
    int64_t left_ms = link->deadline_ms - clock_mono_ms();
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;
    int fd = m->fd;

    link->peer_address = reader_string(r, TEXT_MAX);
    link->local_address = reader_string(r, TEXT_MAX);
    if (!reader_done(r) || fd < 0 || link->stage != LINK_CONNECTING)
        return false;
    m->fd = -1;
    buf_reserve(&body, strlen(link->password) + 1024 + link->pinned_len);
    buf_put_u8(&body, (uint8_t)link->mode);
    buf_put_string(&body, link->user);
    buf_put_string(&body, link->password);
    buf_put_bytes(&body, link->login_blob,
        link->mode == LINK_KEY ? link->login_blob_len : 0);
    buf_put_bytes(&body, link->pinned, link->pinned_len);
    buf_put_u32(&body, left_ms > 0 ? (uint32_t)left_ms : 1);
    link->stage = LINK_GIVEN;
    if (outbound_send(link->out, CHILD_PUSHER, IPC_LINK_START, link->number,
            &body, fd, &e) != 0)
        fail_later(link, &e);
    explicit_bzero(body.data, body.len);
    buf_release(&body);
    forget_password(link);
    return true;
}

/* Only here is it known which address of ours was refused. */
static void
explain_closed(const struct link *link, struct err *e)
{
    char where[320];

    admin_address_format(link->host, link->port, where, sizeof(where));
    connect_error_closed(e, where, link_local_address(link));
}

/* FAILED of the connector, CLOSED of the pusher. */
static bool
take_closed(struct link *link, struct ipc_message *m, struct reader *r)
{
    char *code = reader_string(r, TEXT_MAX);
    char *message = reader_string(r, TEXT_MAX);
    char *hint = reader_string(r, TEXT_MAX);
    struct err e = ERR_INIT;
    bool ok = reader_done(r);

    (void)m;
    if (ok) {
        enum err_code parsed = err_code_parse(code);

        err_set(&e, parsed != ERR_NONE ? parsed : ERR_INTERNAL, "%s", message);
        err_hint(&e, "%s", hint);
        if (parsed == ERR_CLOSED)
            explain_closed(link, &e);
        link_fail(link, &e);
    }
    free(code);
    free(message);
    free(hint);
    return ok;
}

/* Signs our login for the connection that the pinned key was proved for. */
static void
prove_login(struct link *link, const uint8_t session_id[EXCHANGE_HASH_SIZE])
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct buf body = BUF_INIT;
    struct err e = ERR_INIT;

    if (link->login_key == NULL || link->pinned == NULL ||
        proof_login_make(link->login_key, link->login_blob,
            link->login_blob_len, session_id, link->user, signature, &e) != 0) {
        err_set(&e, ERR_INTERNAL, "cannot sign a login");
        fail_later(link, &e);
        return;
    }
    buf_put(&body, signature, sizeof(signature));
    outbound_tell(link->out, CHILD_PUSHER, IPC_LINK_PROCEED, link->number,
        &body);
    buf_release(&body);
}

/* What the pusher says of a host key counts only with that key's signature,
 * once a connection. */
static bool
take_host_key(struct link *link, struct ipc_message *m, struct reader *r)
{
    uint8_t exchange_hash[EXCHANGE_HASH_SIZE];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    size_t len;
    const uint8_t *blob = reader_bytes(r, KEY_MAX, &len);

    (void)m;
    reader_copy(r, exchange_hash, sizeof(exchange_hash));
    reader_copy(r, signature, sizeof(signature));
    if (!reader_done(r) || link->host_known || blob == NULL ||
        !proof_host_is_valid(blob, len, exchange_hash, signature))
        return false;
    link->host_known = true;
    /* Another key than the pinned one comes as KEY_CHANGED, and next. */
    if (link->pinned != NULL &&
        (len != link->pinned_len || memcmp(blob, link->pinned, len) != 0))
        return true;
    if (link->mode == LINK_KEY)
        prove_login(link, exchange_hash);
    if (link->callbacks.host_key != NULL)
        link->callbacks.host_key(link->ctx, blob, len);
    return true;
}

static bool
take_ready(struct link *link, struct ipc_message *m, struct reader *r)
{
    (void)m;
    (void)reader_u32(r); /* the round trip; replies have their own */
    if (!reader_done(r) || !link->host_known)
        return false;
    if (link->callbacks.ready != NULL)
        link->callbacks.ready(link->ctx);
    return true;
}

static bool
take_bytes(struct link *link, struct ipc_message *m, struct reader *r)
{
    (void)m;
    link->bytes_sent = reader_u64(r);
    link->bytes_received = reader_u64(r);
    return reader_done(r);
}

static bool
take_reply(struct link *link, struct ipc_message *m, struct reader *r)
{
    (void)m;
    return link_take_reply(link, r);
}

static const struct {
    uint8_t type;
    bool (*take)(struct link *link, struct ipc_message *m, struct reader *r);
} messages[] = {
    { IPC_LINK_REPLY, take_reply },
    { IPC_LINK_BYTES, take_bytes },
    { IPC_LINK_HOST_KEY, take_host_key },
    { IPC_LINK_READY, take_ready },
    { IPC_LINK_CLOSED, take_closed },
    { IPC_CONNECTED, take_connected },
    { IPC_FAILED, take_closed },
};

bool
link_take_message(struct link *link, struct ipc_message *m)
{
    struct reader r = reader_over(m->body, m->body_len);

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (messages[i].type == m->type)
            return messages[i].take(link, m, &r);
    return false;
}

const char *
link_peer_address(const struct link *link)
{
    return link->peer_address != NULL ? link->peer_address : "";
}

const char *
link_local_address(const struct link *link)
{
    return link->local_address != NULL ? link->local_address : "";
}

uint64_t
link_bytes_sent(const struct link *link)
{
    return link->bytes_sent;
}

uint64_t
link_bytes_received(const struct link *link)
{
    return link->bytes_received;
}

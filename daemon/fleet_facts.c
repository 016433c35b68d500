/*
 * Reading what a server says it holds.
 */
#include "daemon/fleet_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-proto/push_frame.h"
#include "base/clock.h"
#include "base/json.h"

static int
read_text(const json_t *object, const char *name, bool required, char *out,
    size_t size, struct err *e)
{
    const char *text = "";

    if (json_member_string(object, name, required, &text, e) != 0)
        return -1;
    snprintf(out, size, "%s", text);
    return 0;
}

static int
read_count(const json_t *object, const char *name, uint64_t *out, struct err *e)
{
    int64_t value = 0;

    if (json_member_int(object, name, false, &value, e) != 0)
        return -1;
    if (value < 0)
        return err_set(e, ERR_PROTOCOL, "its %s is negative", name);
    *out = (uint64_t)value;
    return 0;
}

/* *FOUND tells whether the member is there, as LEN bytes in hex. */
static int
read_hex(const json_t *object, const char *name, void *out, size_t len,
    bool *found, struct err *e)
{
    const char *text = NULL;

    if (json_member_string(object, name, false, &text, e) != 0)
        return -1;
    *found = text != NULL;
    if (text != NULL && !hex_decode(text, out, len))
        return err_set(e, ERR_PROTOCOL, "its %s is malformed", name);
    return 0;
}

static int
read_keys(struct fleet_facts *facts, const json_t *object, struct err *e)
{
    const char *text = NULL;
    uint8_t *bytes;
    size_t len;

    if (json_member_string(object, "drift_keys", false, &text, e) != 0)
        return -1;
    if (text == NULL)
        return 0;
    bytes = base64_decode(text, &len);
    if (bytes == NULL)
        return err_set(e, ERR_PROTOCOL, "its drift keys are malformed");
    buf_put(&facts->drift_keys, bytes, len);
    free(bytes);
    return 0;
}

static int
read_time(const json_t *object, const char *name, int64_t *out, struct err *e)
{
    const char *text = NULL;

    if (json_member_string(object, name, false, &text, e) != 0)
        return -1;
    return text == NULL ? 0 : clock_parse(text, out, e);
}

static int
read_rows(struct fleet_facts *facts, const json_t *object, struct err *e)
{
    const json_t *row;
    size_t i;

    json_array_foreach (json_member(object, "drift"), i, row) {
        struct fleet_facts_row *to = &facts->rows[facts->row_count];

        if (facts->row_count == FLEET_FACTS_ROWS_MAX)
            break;
        if (read_text(row, "table", false, to->table, sizeof(to->table), e) !=
                0 ||
            read_text(row, "key", false, to->key, sizeof(to->key), e) != 0)
            return -1;
        facts->row_count++;
    }
    return 0;
}

static int
read_node(struct fleet_facts *facts, const json_t *object, struct err *e)
{
    int64_t protocol = 0;

    if (json_member_int(object, "protocol", true, &protocol, e) != 0)
        return -1;
    if (protocol != PUSH_PROTOCOL_VERSION) {
        err_set(e, ERR_VERSION, "it speaks protocol %lld, we speak %d",
            (long long)protocol, PUSH_PROTOCOL_VERSION);
        err_hint(e, "Upgrade lockstepd %s.",
            protocol < PUSH_PROTOCOL_VERSION ? "there" : "here");
        return -1;
    }
    if (read_text(object, "role", true, facts->role, sizeof(facts->role), e) !=
            0 ||
        read_text(object, "version", false, facts->version,
            sizeof(facts->version), e) != 0 ||
        read_text(object, "peer_address", false, facts->seen_address,
            sizeof(facts->seen_address), e) != 0 ||
        read_count(object, "epoch", &facts->epoch, e) != 0)
        return -1;
    return read_hex(object, "cluster", facts->cluster, ID_SIZE,
        &facts->has_cluster, e);
}

static int
read_held(struct fleet_facts *facts, const json_t *object, struct err *e)
{
    bool found;

    if (read_count(object, "revision", &facts->revision, e) != 0 ||
        read_hex(object, "digest", facts->digest.sum, HASH_SIZE, &found, e) !=
            0 ||
        read_time(object, "verified", &facts->verified_ms, e) != 0 ||
        read_time(object, "time", &facts->time_ms, e) != 0 ||
        json_member_bool(object, "in_effect", false, &facts->in_effect, e) !=
            0 ||
        json_member_bool(object, "drifted", false, &facts->drifted, e) != 0 ||
        json_member_bool(object, "needs_overwrite", false,
            &facts->needs_overwrite, e) != 0 ||
        read_text(object, "reason", false, facts->reason, sizeof(facts->reason),
            e) != 0 ||
        read_keys(facts, object, e) != 0)
        return -1;
    facts->tells_effect = json_member(object, "in_effect") != NULL;
    return read_rows(facts, object, e);
}

int
fleet_facts_read(struct fleet_facts *facts, const void *text, size_t len,
    struct err *e)
{
    json_t *object = NULL;
    int r = -1;

    memset(facts, 0, sizeof(*facts));
    if (json_read_object(text, len, &object, e) == 0 &&
        read_node(facts, object, e) == 0 && read_held(facts, object, e) == 0)
        r = 0;
    json_decref(object);
    return r;
}

void
fleet_facts_release(struct fleet_facts *facts)
{
    buf_release(&facts->drift_keys);
}

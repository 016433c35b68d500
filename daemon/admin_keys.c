/*
 * Commands "admin key ...": the Ed25519 keys by which administrators log in.
 * Kept as "ssh-ed25519 BASE64", the comment in a column of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/json.h"
#include "daemon/admins.h"
#include "daemon/config_row.h"
#include "daemon/key_choice.h"
#include "daemon/keys.h"
#include "daemon/public_key.h"

static const struct row_field key_shown[] = {
    { "id", NULL, ROW_INT },
    { "key", NULL, ROW_TEXT },
    { "comment", NULL, ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

static int
keys_json(sqlite3 *db, int64_t admin_id, json_t **keys, struct err *e)
{
    sqlite3_stmt *stmt = NULL;

    if (row_query(db,
            "SELECT id, key, comment FROM admin_keys WHERE admin_id = ?1"
            " ORDER BY id",
            admin_id, &stmt, e) != 0 ||
        row_json_all(db, stmt, key_shown, keys, e) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(*keys); i++) {
        json_t *key = json_array_get(*keys, i);
        const char *line = json_string_value(json_object_get(key, "key"));
        const char *space = strchr(line, ' ');
        char fingerprint[64];

        public_key_fingerprint(space != NULL ? space + 1 : line, fingerprint);
        json_object_set_new(key, "fingerprint", json_text(fingerprint));
        json_object_set_new(key, "type", json_string("ssh-ed25519"));
    }
    return 0;
}

static int
add(struct config_job *job, struct err *e)
{
    struct row row = ROW_INIT;
    const char *name, *line = NULL;
    char *comment = NULL, *base64 = NULL, *stored = NULL;
    uint8_t *blob = NULL;
    char fingerprint[64];
    size_t len = 0;
    int64_t admin_id, id = 0;
    int r = -1;

    if (admin_find(job, &name, &admin_id, e) != 0 ||
        json_member_string(job->args, "key", true, &line, e) != 0 ||
        keys_parse_line(line, &blob, &len, &comment, e) != 0)
        goto out;
    admin_fingerprint(blob, len, fingerprint);
    base64 = base64_encode(blob, len, true);
    stored = alloc_format("ssh-ed25519 %s", base64);
    row_put_int(&row, "admin_id", admin_id);
    row_put_text(&row, "key", stored);
    row_put_text(&row, "comment",
        comment != NULL && comment[0] != '\0' ? comment : NULL);
    if (row_insert(job->db, "admin_keys", &row, &id, e) != 0) {
        err_wrap(e, "could not add a key to administrator \"%s\"", name);
        goto out;
    }
    config_note(job, "key %s added to administrator \"%s\"", fingerprint, name);
    job->result = json_pack("{s:{s:I,s:s,s:o}}", "key", "id", (json_int_t)id,
        "fingerprint", fingerprint, "comment", json_text(comment));
    r = 0;
out:
    free(blob);
    free(comment);
    free(base64);
    free(stored);
    return r;
}

static int
list(struct config_job *job, struct err *e)
{
    json_t *keys = NULL;
    const char *name;
    int64_t admin_id;

    if (admin_find(job, &name, &admin_id, e) != 0 ||
        keys_json(job->db, admin_id, &keys, e) != 0)
        return -1;
    job->result = json_pack("{s:o}", "keys", keys);
    return 0;
}

static int
remove_key(struct config_job *job, struct err *e)
{
    json_t *keys = NULL;
    const char *name, *wanted = NULL;
    int64_t admin_id, id = 0;
    int r;

    if (admin_find(job, &name, &admin_id, e) != 0 ||
        json_member_string(job->args, "key", true, &wanted, e) != 0 ||
        keys_json(job->db, admin_id, &keys, e) != 0)
        return -1;
    r = key_choose(keys, wanted, &id, e);
    json_decref(keys);
    if (r != 0 || row_delete(job->db, "admin_keys", id, "the key", e) != 0)
        return err_wrap(e, "could not remove a key of administrator \"%s\"",
            name);
    config_note(job, "key \"%s\" of administrator \"%s\" removed", wanted,
        name);
    job->result = json_pack("{s:s}", "removed", wanted);
    return 0;
}

void
admin_key_add(struct control_call *call)
{
    admins_write(call, add);
}

void
admin_key_list(struct control_call *call)
{
    admins_read(call, list);
}

void
admin_key_remove(struct control_call *call)
{
    admins_write(call, remove_key);
}

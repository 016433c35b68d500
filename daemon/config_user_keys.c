/*
 * Commands "user key ...": the SSH public keys of users.
 */
#include "base/json.h"
#include "daemon/config_row.h"
#include "daemon/config_users.h"
#include "daemon/key_choice.h"
#include "daemon/public_key.h"

static const struct row_field key_shown[] = {
    { "id", NULL, ROW_INT },
    { "type", NULL, ROW_TEXT },
    { "key", NULL, ROW_TEXT },
    { "comment", NULL, ROW_TEXT },
    { NULL, NULL, ROW_TEXT },
};

int
user_keys_json(sqlite3 *db, int64_t user_id, json_t **keys, struct err *e)
{
    sqlite3_stmt *stmt = NULL;

    if (row_query(db,
            "SELECT id, type, key, comment FROM user_keys WHERE user_id = ?1"
            " ORDER BY id",
            user_id, &stmt, e) != 0 ||
        row_json_all(db, stmt, key_shown, keys, e) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(*keys); i++) {
        json_t *key = json_array_get(*keys, i);
        char fingerprint[64];

        public_key_fingerprint(json_string_value(json_object_get(key, "key")),
            fingerprint);
        json_object_set_new(key, "fingerprint", json_text(fingerprint));
    }
    return 0;
}

static int
add(struct config_job *job, struct err *e)
{
    struct public_key key;
    struct row row = ROW_INIT;
    const char *name, *line = NULL;
    int64_t user_id, id = 0;
    int r = -1;

    if (user_find(job, &name, &user_id, e) != 0 ||
        json_member_string(job->args, "key", true, &line, e) != 0 ||
        public_key_parse(&key, line, e) != 0)
        return -1;
    row_put_int(&row, "user_id", user_id);
    row_put_text(&row, "type", key.type);
    row_put_text(&row, "key", key.base64);
    row_put_text(&row, "comment", key.comment);
    if (row_insert(job->db, "user_keys", &row, &id, e) != 0) {
        err_wrap(e, "could not add a key to user \"%s\"", name);
        goto out;
    }
    config_note(job, "key %s added to user \"%s\"", key.fingerprint, name);
    job->result = json_pack("{s:{s:I,s:s,s:s,s:o}}", "key", "id",
        (json_int_t)id, "type", key.type, "fingerprint", key.fingerprint,
        "comment", json_text(key.comment));
    r = 0;
out:
    public_key_release(&key);
    return r;
}

static int
list(struct config_job *job, struct err *e)
{
    json_t *keys = NULL;
    const char *name;
    int64_t user_id;

    if (user_find(job, &name, &user_id, e) != 0 ||
        user_keys_json(job->db, user_id, &keys, e) != 0)
        return -1;
    job->result = json_pack("{s:o}", "keys", keys);
    return 0;
}

static int
remove_key(struct config_job *job, struct err *e)
{
    json_t *keys = NULL;
    const char *name, *wanted = NULL;
    int64_t user_id, id = 0;
    int r;

    if (user_find(job, &name, &user_id, e) != 0 ||
        json_member_string(job->args, "key", true, &wanted, e) != 0 ||
        user_keys_json(job->db, user_id, &keys, e) != 0)
        return -1;
    r = key_choose(keys, wanted, &id, e);
    json_decref(keys);
    if (r != 0 || row_delete(job->db, "user_keys", id, "the key", e) != 0)
        return err_wrap(e, "could not remove a key of user \"%s\"", name);
    config_note(job, "key \"%s\" of user \"%s\" removed", wanted, name);
    job->result = json_pack("{s:s}", "removed", wanted);
    return 0;
}

void
user_key_add(struct control_call *call)
{
    config_write(call, add);
}

void
user_key_list(struct control_call *call)
{
    config_read(call, list);
}

void
user_key_remove(struct control_call *call)
{
    config_write(call, remove_key);
}

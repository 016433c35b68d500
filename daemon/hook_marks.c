/*
 * One line of text for each dataset, written whole.
 */
#include "daemon/hook_marks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"

#define FILE_NAME "in-effect.json"
#define FILE_MAX (64 * 1024)

bool
hook_mark_equal(const struct hook_mark *a, const struct hook_mark *b)
{
    return a->role == b->role && a->epoch == b->epoch &&
           a->revision == b->revision && digest_equal(&a->digest, &b->digest);
}

json_t *
hook_marks_read(const char *state_dir)
{
    char *path = file_join(state_dir, FILE_NAME);
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    json_t *marks = NULL;

    if ((file_read(path, FILE_MAX, &text, &e) != 0 ||
            json_read_object((const char *)text.data, text.len, &marks, &e) !=
                0) &&
        e.code != ERR_NOT_FOUND)
        log_warning("%s; hooks are called again", e.message);
    buf_release(&text);
    free(path);
    return marks != NULL ? marks : json_object();
}

int
hook_marks_write(const char *state_dir, const json_t *marks, struct err *e)
{
    char *path = file_join(state_dir, FILE_NAME);
    char *text = json_write(marks);
    int r = file_write_atomic(path, text, strlen(text), 0600, e);

    free(text);
    free(path);
    return r;
}

void
hook_marks_put(json_t *marks, const char *dataset, const struct hook_mark *mark)
{
    char digest[2 * HASH_SIZE + 1], text[sizeof(digest) + 64];

    hex_encode(mark->digest.sum, HASH_SIZE, digest);
    snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64 " %s",
        node_role_name(mark->role), mark->epoch, mark->revision, digest);
    json_object_set_new(marks, dataset, json_text(text));
}

static bool
parse_role(const char *name, enum node_role *role)
{
    static const enum node_role roles[] = { NODE_STANDALONE, NODE_PRIMARY,
        NODE_SECONDARY };

    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(node_role_name(roles[i]), name) == 0) {
            *role = roles[i];
            return true;
        }
    return false;
}

void
hook_marks_get(const json_t *marks, const char *dataset, struct hook_mark *mark)
{
    const char *text = json_string_value(json_object_get(marks, dataset));
    char role[16], digest[2 * HASH_SIZE + 1];

    memset(mark, 0, sizeof(*mark));
    if (text == NULL)
        return;
    if (sscanf(text, "%15s %" SCNu64 " %" SCNu64 " %64s", role, &mark->epoch,
            &mark->revision, digest) != 4 ||
        !parse_role(role, &mark->role) ||
        !hex_decode(digest, mark->digest.sum, HASH_SIZE))
        memset(mark, 0, sizeof(*mark));
}

/*
 * What is in effect, for readers.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/hooks_internal.h"

bool
hooks_in_effect(const struct hooks *h, const struct dataset *ds)
{
    const struct hook_state *s;
    struct hook_mark mark = hooks_mark_of(ds);

    if (h == NULL || mark.revision == 0)
        return true;
    s = hooks_find_state(h, ds->name);
    return s != NULL && !s->again && s->failures == 0 && h->round.state != s &&
           hook_mark_equal(&s->done, &mark);
}

bool
hooks_all_in_effect(const struct hooks *h)
{
    const struct datasets *all;

    if (h == NULL)
        return true;
    all = h->engine->datasets;
    for (size_t i = 0; i < datasets_count(all); i++)
        if (!hooks_in_effect(h, datasets_at(all, i)))
            return false;
    return true;
}

const struct err *
hooks_error(const struct hooks *h)
{
    const struct datasets *all;

    if (h == NULL)
        return NULL;
    all = h->engine->datasets;
    for (size_t i = 0; i < datasets_count(all); i++) {
        const struct hook_state *s =
            hooks_find_state(h, datasets_at(all, i)->name);

        if (s != NULL && s->failures > 0)
            return &s->error;
    }
    return NULL;
}

static json_t *
error_or_null(const struct err *e)
{
    return e != NULL && e->code != ERR_NONE ? json_error(e) : json_null();
}

json_t *
hooks_state_json(const struct hooks *h)
{
    return json_pack("{s:b, s:o, s:b}", "in_effect", hooks_all_in_effect(h),
        "effect_error", error_or_null(hooks_error(h)), "busy",
        hooks_are_busy(h));
}

static json_t *
programs_json(const char *folder)
{
    struct hook_names names;
    struct err e = ERR_INIT;
    json_t *list = json_array();

    if (hook_names_read(&names, folder, &e) != 0)
        json_array_append_new(list,
            json_pack("{s:s, s:o}", "name", folder, "error", json_error(&e)));
    for (size_t i = 0; e.code == ERR_NONE && i < names.count; i++) {
        struct err why = ERR_INIT;
        char *path = NULL;

        (void)hook_check(folder, names.names[i], &path, &why);
        free(path);
        json_array_append_new(list,
            json_pack("{s:s, s:o}", "name", names.names[i], "error",
                error_or_null(&why)));
    }
    return list;
}

static json_t *
dataset_state_json(const struct hooks *h, const struct dataset *ds)
{
    const struct hook_state *s = hooks_find_state(h, ds->name);
    bool fails = s != NULL && s->failures > 0;

    return json_pack("{s:s, s:I, s:b, s:i, s:o, s:o}", "name", ds->name,
        "revision", (json_int_t)(s != NULL ? s->done.revision : 0), "in_effect",
        hooks_in_effect(h, ds), "attempts", fails ? (int)s->failures : 0,
        "next_attempt",
        fails ? json_time(clock_utc_ms() + s->retry_ms - clock_mono_ms())
              : json_null(),
        "error", error_or_null(fails ? &s->error : NULL));
}

json_t *
hooks_json(const struct hooks *h)
{
    const struct datasets *all = h->engine->datasets;
    const char *folder = h->engine->settings.hooks_folder;
    json_t *list = json_array();

    for (size_t i = 0; i < datasets_count(all); i++)
        json_array_append_new(list, dataset_state_json(h, datasets_at(all, i)));
    return json_pack("{s:s, s:o, s:o}", "folder", folder, "hooks",
        programs_json(folder), "datasets", list);
}

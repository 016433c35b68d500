/*
 * Doctor: what this node finds wrong with itself and with its servers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "manager-tui/details.h"
#include "manager-tui/view.h"
#include "manager-tui/views.h"

static const char *
text_of(const json_t *check, const char *member)
{
    const char *text = json_string_value(json_object_get(check, member));

    return text != NULL ? text : "";
}

/* What is wrong comes first, with what to do about it. */
static void
add_checks(struct details *d, const json_t *checks, bool ok)
{
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        json_t *command;
        size_t k;
        char *label;

        if (json_is_true(json_object_get(check, "ok")) != ok)
            continue;
        label = alloc_format("%s %s", ok ? "+" : "!", text_of(check, "name"));
        details_line(d, label, text_of(check, "text"));
        free(label);
        if (text_of(check, "hint")[0] != '\0')
            details_line(d, "", text_of(check, "hint"));
        json_array_foreach (json_object_get(check, "type"), k, command)
            details_line(d, "", json_string_value(command));
    }
}

static void
arrange(struct screen *s, struct details *d)
{
    const json_t *checks = json_object_get(d->answers[0], "checks");

    (void)s;
    add_checks(d, checks, false);
    add_checks(d, checks, true);
}

static const struct details_spec spec = {
    .title = "Doctor: what this node finds",
    .asks = { { "doctor", false, NULL } },
    .arrange = arrange,
};

const struct screen_view view_doctor = {
    .name = "doctor",
    .title = "Doctor",
    DETAILS_VIEW(spec),
};

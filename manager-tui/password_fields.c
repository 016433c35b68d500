/*
 * Passwords that are typed twice.
 */
#include "manager-tui/password_fields.h"

#include <string.h>

int
password_fields_check(struct form *f, json_t *args, struct err *e)
{
    json_t *again = json_object_get(args, "again");

    if (json_is_string(again))
        explicit_bzero((char *)json_string_value(again),
            json_string_length(again));
    json_object_del(args, "again");
    if (strcmp(form_typed(f, "password"), form_typed(f, "again")) == 0)
        return 0;
    return err_set(e, ERR_USAGE, "the passwords are not the same");
}

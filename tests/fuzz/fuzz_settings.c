/*
 * lockstepd.conf from any bytes: what is accepted is within its ranges and is
 * accepted again; what is refused is refused with a line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_ranges(const struct settings *s)
{
    assert(settings_name_ok(s->name));
    assert(strlen(s->listen) >= 1 && strlen(s->listen) < 200);
    assert(s->state_dir[0] == '/');
    assert(s->history_bytes >= 1 << 20);
    assert(s->history_age_ms >= 60 * 1000);
    assert(s->delete_guard_percent >= 0 && s->delete_guard_percent <= 100);
    assert(s->scrub_interval_ms >= 0);
    assert(s->max_sessions >= 1 && s->max_sessions <= 100000);
    assert(s->max_sessions_per_source >= 1);
    assert(s->login_grace_ms >= 1000 && s->login_grace_ms <= 3600 * 1000);
    assert(s->login_attempts >= 1 && s->login_attempts <= 20);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    struct err e = ERR_INIT;
    const char *text = (const char *)data;

    settings_init(&s);
    if (settings_parse(&s, text, size, "x.conf", &e) == 0) {
        assert(settings_parse(&s, text, size, "x.conf", &e) == 0);
    } else {
        assert(e.code == ERR_INVALID);
        assert(strncmp(e.message, "x.conf:", 7) == 0);
        assert(strtol(e.message + 7, NULL, 10) >= 1);
    }
    check_ranges(&s);
    settings_release(&s);
    return 0;
}

/*
 * lockstepd.conf: the table of its keys, and the reading of one value of each
 * type.  Finding the files is settings_files.c's matter.
 */
#include "daemon/settings.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin-proto/ssh_client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/events_outlet.h"
#include "daemon/settings_internal.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define TIB (1024 * 1024 * MIB)
#define DAY ((int64_t)24 * 3600 * 1000)

bool
settings_name_ok(const char *text)
{
    size_t len = strlen(text);
    size_t i;

    if (len == 0 || len > 63)
        return false;
    for (i = 0; i < len; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9');
        bool inner = i > 0 && i + 1 < len;

        if (!letter && !(inner && strchr("-_.", c) != NULL))
            return false;
    }
    return true;
}

static void
set_text(void *field, const char *value)
{
    char **text = field;

    free(*text);
    *text = alloc_string(value);
}

static int
read_name(const struct key *key, const char *value, void *field, struct err *e)
{
    (void)key;
    if (!settings_name_ok(value)) {
        err_set(e, ERR_INVALID, "invalid node name \"%s\"", value);
        err_hint(e, "Use 1 to 63 letters, digits, dots, hyphens.");
        return -1;
    }
    set_text(field, value);
    return 0;
}

static int
read_text(const struct key *key, const char *value, void *field, struct err *e)
{
    if (value[0] == '\0' || strlen(value) >= 200)
        return err_set(e, ERR_INVALID, "\"%s\" needs 1 to 199 characters",
            key->name);
    set_text(field, value);
    return 0;
}

int
setting_read_path(const struct key *key, const char *value, void *field,
    struct err *e)
{
    if (value[0] != '/')
        return err_set(e, ERR_INVALID,
            "\"%s\" needs an absolute path, not "
            "\"%s\"",
            key->name, value);
    return read_text(key, value, field, e);
}

static int
check_range(const struct key *key, int64_t v, const char *value, struct err *e)
{
    if (v >= key->least && v <= key->most)
        return 0;
    return err_set(e, ERR_INVALID, "\"%s\" is out of range: %s", key->name,
        value);
}

/* A number with K, M, G or T for powers of 1024 where UNITS. */
static int
read_number(const struct key *key, const char *value, bool units,
    int64_t *field, struct err *e)
{
    static const char suffixes[] = "KMGT";
    const char *suffix;
    char *end;
    long long v;

    errno = 0;
    v = strtoll(value, &end, 10);
    if (end == value || errno != 0)
        goto bad;
    if (units && *end != '\0') {
        suffix = strchr(suffixes, *end);
        if (suffix == NULL || end[1] != '\0')
            goto bad;
        for (ptrdiff_t power = suffix - suffixes; power >= 0; power--)
            if (__builtin_mul_overflow(v, 1024, &v))
                goto bad;
    } else if (*end != '\0') {
        goto bad;
    }
    if (check_range(key, v, value, e) != 0)
        return -1;
    *field = v;
    return 0;
bad:
    return err_set(e, ERR_INVALID, "\"%s\" needs a number%s, not \"%s\"",
        key->name, units ? " (perhaps with K, M, G or T)" : "", value);
}

static int
read_integer(const struct key *key, const char *value, void *field,
    struct err *e)
{
    return read_number(key, value, false, field, e);
}

static int
read_size(const struct key *key, const char *value, void *field, struct err *e)
{
    return read_number(key, value, true, field, e);
}

static int
read_duration(const struct key *key, const char *value, void *field,
    struct err *e)
{
    int64_t ms;

    if (clock_parse_duration(value, &ms, e) != 0)
        return err_wrap(e, "\"%s\"", key->name);
    if (check_range(key, ms, value, e) != 0)
        return -1;
    *(int64_t *)field = ms;
    return 0;
}

int
setting_read_word(const struct key *key, const struct word *words,
    const char *value, int *out, struct err *e)
{
    for (; words->text != NULL; words++) {
        if (strcasecmp(words->text, value) == 0) {
            *out = words->value;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "\"%s\" cannot be \"%s\"", key->name, value);
}

static int
read_level(const struct key *key, const char *value, void *field, struct err *e)
{
    static const struct word words[] = { { "debug", LOG_LEVEL_DEBUG },
        { "info", LOG_LEVEL_INFO }, { "warning", LOG_LEVEL_WARNING },
        { "error", LOG_LEVEL_ERROR }, { NULL, 0 } };

    return setting_read_word(key, words, value, field, e);
}

static int
read_drift(const struct key *key, const char *value, void *field, struct err *e)
{
    static const struct word words[] = { { "repair", 0 }, { "hold", 1 },
        { NULL, 0 } };
    int hold = 0;

    if (setting_read_word(key, words, value, &hold, e) != 0)
        return -1;
    *(bool *)field = hold != 0;
    return 0;
}

static int
read_password_logins(const struct key *key, const char *value, void *field,
    struct err *e)
{
    static const struct word words[] = { { "loopback", 0 }, { "anywhere", 1 },
        { NULL, 0 } };
    int anywhere = 0;

    if (setting_read_word(key, words, value, &anywhere, e) != 0)
        return -1;
    *(bool *)field = anywhere != 0;
    return 0;
}

/* An address in numbers, or nothing. */
static int
read_address(const struct key *key, const char *value, void *field,
    struct err *e)
{
    struct ip_address a;

    if (value[0] != '\0' && ip_address_parse(value, &a, e) != 0)
        return err_wrap(e, "\"%s\"", key->name);
    set_text(field, value);
    return 0;
}

/* An address and a port, both in numbers, or nothing. */
static int
read_endpoint(const struct key *key, const char *value, void *field,
    struct err *e)
{
    struct ip_address a;
    uint16_t port;
    char *host = NULL;
    int r = -1;

    if (value[0] == '\0') {
        set_text(field, value);
        return 0;
    }
    if (admin_address_parse(value, &host, &port, e) == 0 &&
        ip_address_parse(host, &a, e) == 0) {
        set_text(field, value);
        r = 0;
    }
    free(host);
    return r == 0 ? 0 : err_wrap(e, "\"%s\"", key->name);
}

/* Replaces the list, also by an empty one. */
static int
read_ranges(const struct key *key, const char *value, void *field,
    struct err *e)
{
    static const char blanks[] = " \t,";
    struct address_list *list = field;
    struct address_list read = { NULL, 0 };
    char *copy = alloc_string(value), *word, *rest = NULL;
    int r = 0;

    for (word = strtok_r(copy, blanks, &rest); word != NULL && r == 0;
         word = strtok_r(NULL, blanks, &rest)) {
        read.ranges =
            alloc_resize(read.ranges, read.count + 1, sizeof(*read.ranges));
        r = ip_range_parse(word, &read.ranges[read.count++], e);
    }
    free(copy);
    if (r != 0) {
        free(read.ranges);
        return err_wrap(e, "\"%s\"", key->name);
    }
    free(list->ranges);
    *list = read;
    return 0;
}

static int
read_syslog(const struct key *key, const char *value, void *field,
    struct err *e)
{
    if (events_outlet_check(value, e) != 0)
        return err_wrap(e, "\"%s\"", key->name);
    set_text(field, value);
    return 0;
}

static int
read_journal(const struct key *key, const char *value, void *field,
    struct err *e)
{
    if (value[0] == '\0' || strcasecmp(value, "no") == 0) {
        set_text(field, "");
        return 0;
    }
    if (strcasecmp(value, "yes") == 0)
        value = JOURNAL_SOCKET;
    return setting_read_path(key, value, field, e);
}

#define FIELD(member) offsetof(struct settings, member)

const struct key settings_keys[] = {
    { "node", "name", read_name, FIELD(name), 0, 0, NULL, "NAME" },
    { "node", "listen", read_text, FIELD(listen), 0, 0, "[::]:14983",
        "ADDRESS:PORT" },
    { "node", "state_dir", setting_read_path, FIELD(state_dir), 0, 0,
        "/var/lib/lockstep", "DIR" },
    { "node", "source_address", read_address, FIELD(source_address), 0, 0, "",
        "ADDRESS" },
    { "node", "log_level", read_level, FIELD(log_level), 0, 0, "info",
        "debug|info|warning|error" },
    { "log", "syslog", read_syslog, FIELD(syslog), 0, 0, "",
        "PATH|ADDRESS:PORT" },
    { "log", "journal", read_journal, FIELD(journal), 0, 0, "", "yes|no|PATH" },
    { "history", "max_bytes", read_size, FIELD(history_bytes), MIB, TIB, "256M",
        "SIZE" },
    { "history", "max_age", read_duration, FIELD(history_age_ms), 60 * 1000,
        36500 * DAY, "30d", "DURATION" },
    { "guard", "delete_percent", read_integer, FIELD(delete_guard_percent), 0,
        100, "20", "PERCENT" },
    { "replica", "drift", read_drift, FIELD(drift_hold), 0, 0, "repair",
        "repair|hold" },
    { "replica", "scrub_interval", read_duration, FIELD(scrub_interval_ms), 0,
        3650 * DAY, "1d", "DURATION" },
    { "hooks", "folder", setting_read_path, FIELD(hooks_folder), 0, 0,
        "/etc/lockstep/hooks.d", "DIR" },
    { "hooks", "timeout", read_duration, FIELD(hooks_timeout_ms), 100,
        3600 * 1000, "30s", "DURATION" },
    { "health", "listen", read_endpoint, FIELD(health_listen), 0, 0, "",
        "ADDRESS:PORT" },
    { "health", "service", read_endpoint, FIELD(health_service), 0, 0,
        "127.0.0.1:22", "ADDRESS:PORT" },
    { "health", "stale", read_duration, FIELD(health_stale_ms), 1000, 30 * DAY,
        "5m", "DURATION" },
    { "limits", "max_sessions", read_integer, FIELD(max_sessions), 1, 100000,
        "1000", "N" },
    { "limits", "max_sessions_per_source", read_integer,
        FIELD(max_sessions_per_source), 1, 100000, "100", "N" },
    { "limits", "login_grace", read_duration, FIELD(login_grace_ms), 1000,
        3600 * 1000, "20s", "DURATION" },
    { "limits", "login_attempts", read_integer, FIELD(login_attempts), 1, 20,
        "3", "N" },
    { "limits", "session_rate", read_integer, FIELD(session_rate), 1, 10000,
        "50", "N" },
    { "limits", "session_rate_per_source", read_integer,
        FIELD(session_rate_per_source), 1, 10000, "10", "N" },
    { "limits", "max_unauthenticated", read_integer, FIELD(max_unauthenticated),
        1, 10000, "100", "N" },
    { "limits", "max_unauthenticated_per_source", read_integer,
        FIELD(max_unauthenticated_per_source), 1, 10000, "10", "N" },
    { "limits", "ban_after", read_integer, FIELD(ban_after), 0, 1000, "10",
        "N" },
    { "limits", "ban_window", read_duration, FIELD(ban_window_ms), 1000, DAY,
        "300s", "DURATION" },
    { "limits", "ban_time", read_duration, FIELD(ban_time_ms), 1000, DAY, "1h",
        "DURATION" },
    { "limits", "password_logins", read_password_logins,
        FIELD(passwords_anywhere), 0, 0, "loopback", "loopback|anywhere" },
    { "limits", "monitors", read_ranges, FIELD(monitors), 0, 0, "",
        "ADDRESS, ..." },
};

#define KEY_COUNT (sizeof(settings_keys) / sizeof(settings_keys[0]))

const size_t settings_key_count = KEY_COUNT;

/* One text being read. */
struct source_text {
    struct settings *settings;
    const char *origin;
    const char *next;
    const char *end;
    int line;      /* of what inih was given last */
    int bad_line;  /* 0: none */
    struct err *e; /* of bad_line */
};

static int
fail_here(struct source_text *t)
{
    t->bad_line = t->line;
    return 0;
}

static int
take_dataset(struct source_text *t, const char *section, const char *name,
    const char *value)
{
    char *place = alloc_format("%s:%d", t->origin, t->line);
    int r =
        settings_dataset_value(t->settings, section, name, value, place, t->e);

    free(place);
    return r == 0 ? 1 : fail_here(t);
}

static int
handle_value(void *ctx, const char *section, const char *name,
    const char *value)
{
    struct source_text *t = ctx;
    size_t i;

    if (t->bad_line != 0)
        return 1;
    if (settings_is_dataset(section))
        return take_dataset(t, section, name, value);
    for (i = 0; i < KEY_COUNT; i++) {
        const struct key *key = &settings_keys[i];

        if (strcmp(section, key->section) != 0 || strcmp(name, key->name) != 0)
            continue;
        if (key->read(key, value, (char *)t->settings + key->offset, t->e) != 0)
            return fail_here(t);
        return 1;
    }
    err_set(t->e, ERR_INVALID, "unknown key \"%s\" in section [%s]", name,
        section);
    return fail_here(t);
}

/* fgets() over memory, as inih wants it. */
static char *
next_line(char *line, int size, void *ctx)
{
    struct source_text *t = ctx;
    const char *newline;
    size_t len;

    if (t->next == t->end || size < 2)
        return NULL;
    t->line++;
    newline = memchr(t->next, '\n', (size_t)(t->end - t->next));
    len = (size_t)((newline != NULL ? newline + 1 : t->end) - t->next);
    if (len > (size_t)size - 1 || memchr(t->next, '\0', len) != NULL) {
        if (t->bad_line == 0) {
            err_set(t->e, ERR_INVALID, "the line is too long or not text");
            fail_here(t);
        }
        return NULL;
    }
    memcpy(line, t->next, len);
    line[len] = '\0';
    t->next += len;
    return line;
}

int
settings_parse(struct settings *s, const char *text, size_t len,
    const char *origin, struct err *e)
{
    struct source_text t = { .settings = s,
        .origin = origin,
        .next = text,
        .end = text + len,
        .e = e };
    int line;

    line = ini_parse_stream(next_line, &t, handle_value, &t);
    if (line > 0 && (t.bad_line == 0 || line < t.bad_line)) {
        err_set(e, ERR_INVALID, "expected \"name = value\" or \"[section]\"");
        t.bad_line = line;
    }
    if (t.bad_line == 0)
        return 0;
    return err_wrap(e, "%s:%d", origin, t.bad_line);
}

void
settings_init(struct settings *s)
{
    struct err e = ERR_INIT;
    char host[256] = "";
    size_t i;

    memset(s, 0, sizeof(*s));
    if (gethostname(host, sizeof(host) - 1) != 0 || !settings_name_ok(host))
        strcpy(host, "localhost");
    for (i = 0; i < KEY_COUNT; i++) {
        const char *standard = settings_keys[i].standard;

        if (settings_keys[i].read(&settings_keys[i],
                standard != NULL ? standard : host,
                (char *)s + settings_keys[i].offset, &e) != 0)
            abort();
    }
}

void
settings_release(struct settings *s)
{
    free(s->name);
    free(s->listen);
    free(s->state_dir);
    free(s->source_address);
    free(s->syslog);
    free(s->journal);
    free(s->hooks_folder);
    free(s->health_listen);
    free(s->health_service);
    free(s->monitors.ranges);
    settings_datasets_release(s);
    memset(s, 0, sizeof(*s));
}

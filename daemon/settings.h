/*
 * lockstepd.conf: INI read by libinih; unknown keys and bad values are refused
 * with file and line.  One table lists every key with its type, default and
 * range.  --config FILE replaces /etc/lockstep/lockstepd.conf; FILE.d/ files of
 * lockstepd.conf.d/*.conf beside it are read after it, in order of name.
 *
 * [node]    name, listen (ADDR:PORT), state_dir, log_level
 * [sync]    grace and window sizes; interval, enabled, instant are NOT here: they
 *           live in the node store and are set by "sync config"
 * [history] max_bytes, max_age
 * [guard]   delete_percent (0-100)
 * [replica] drift (repair|hold), scrub_interval (duration), backups
 * [limits]  max_sessions, max_sessions_per_source, login_grace, login_attempts
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct settings {
    char *name;
    char *listen;            /* as given */
    char *state_dir;
    int log_level;
    int64_t history_bytes;
    int64_t history_age_ms;
    int64_t delete_guard_percent;
    bool drift_hold;
    int64_t scrub_interval_ms; /* 0: never by itself; default 1 day */
    int64_t backups;
    int64_t max_sessions;
    int64_t max_sessions_per_source;
    int64_t login_grace_ms;
    int64_t login_attempts;
};

#define SETTINGS_DEFAULT_PATH "/etc/lockstep/lockstepd.conf"

/* Defaults, then files.  PATH NULL: the default path, whose absence is fine;
 * given: must exist. */
int settings_load(struct settings *s, const char *path, struct err *e);
void settings_release(struct settings *s);

#endif

/*
 * lockstepd.conf: INI read by libinih; unknown keys and bad values are refused
 * with file and line.  One table lists every key with its type, default and
 * range.  --config FILE replaces /etc/lockstep/lockstepd.conf; every file in
 * FILE.d whose name ends in ".conf" is read after it, in order of name.
 *
 * [node]    name, listen (ADDR:PORT), state_dir, source_address, log_level
 * [log]     syslog (PATH or ADDRESS:PORT), journal (yes|no|PATH)
 * [history] max_bytes, max_age
 * [guard]   delete_percent (0-100)
 * [hooks]   folder, timeout
 * [health]  listen (ADDR:PORT or nothing), service (ADDR:PORT), stale
 * [replica] drift (repair|hold), scrub_interval (duration)
 * [limits]  max_sessions, max_sessions_per_source, login_grace, login_attempts,
 *           session_rate, session_rate_per_source, max_unauthenticated,
 *           max_unauthenticated_per_source, ban_after, ban_window, ban_time,
 *           password_logins (loopback|anywhere), monitors
 * [dataset "NAME"]  path (absolute), capture (compare|triggers),
 *           drift_capture (triggers|scrub), secrets, protect, protect_rows,
 *           exclude: a database of another program
 *
 * interval, enabled and instant are not here: they live in the node store and
 * are set by "sync config".
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipfilter/ruleset.h"
#include "sync/selection.h"
#include "sync/source.h"

/* Each has a handle in every push connection, and those are 64. */
#define SETTINGS_DATASETS_MAX 60

struct dataset_settings {
    char *name;
    char *path; /* of the live database */
    enum capture_mode capture;
    enum capture_mode drift_capture;
    struct selection selection; /* what is replicated of it */
    char *secrets; /* "TABLE.COLUMN, ...", "*": never shown in differences */
    char *send_to; /* names of servers, with commas, or "*" */
    char *place;   /* "FILE:LINE" where it is first spoken of */
};

/* Addresses, prefixes and ranges. */
struct address_list {
    struct ip_range *ranges;
    size_t count;
};

struct settings {
    char *name;
    char *listen; /* as given */
    char *state_dir;
    char *source_address; /* of connections to servers; "": as routed */
    int log_level;
    char *syslog;  /* where events go too: a socket, "ADDRESS:PORT", or "" */
    char *journal; /* the journal's socket, or "" */
    int64_t history_bytes;
    int64_t history_age_ms;
    int64_t delete_guard_percent;
    bool drift_hold;
    char *hooks_folder;   /* absolute */
    char *health_listen;  /* the agent-check, or "" */
    char *health_service; /* the SFTP service that it looks at */
    int64_t health_stale_ms;
    int64_t hooks_timeout_ms;  /* of one call of one hook */
    int64_t scrub_interval_ms; /* 0: never by itself; default 1 day */
    int64_t max_sessions;
    int64_t max_sessions_per_source;
    int64_t login_grace_ms;
    int64_t login_attempts;
    int64_t session_rate; /* new sessions a second, in all */
    int64_t session_rate_per_source;
    int64_t max_unauthenticated; /* sessions before their login, in all */
    int64_t max_unauthenticated_per_source;
    int64_t ban_after; /* refused logins; 0: never */
    int64_t ban_window_ms;
    int64_t ban_time_ms;          /* the first; later ones twice as long each */
    bool passwords_anywhere;      /* on a secondary; else from loopback only */
    struct address_list monitors; /* whose bare connections say nothing */
    struct dataset_settings *datasets; /* in the order of the files */
    size_t dataset_count;
};

#define SETTINGS_DEFAULT_PATH "/etc/lockstep/lockstepd.conf"

/* Defaults, then files.  PATH NULL: the default path, whose absence is fine;
 * given: must exist. */
int settings_load(struct settings *s, const char *path, struct err *e);
/* The defaults alone. */
void settings_init(struct settings *s);
/* Reads TEXT over what S holds; ORIGIN names it in errors. */
int settings_parse(struct settings *s, const char *text, size_t len,
    const char *origin, struct err *e);
/* What is wrong between datasets, or with their paths: no path, one file twice,
 * a file of Lockstep's own.  After everything was read and the state directory
 * is known. */
int settings_check_datasets(const struct settings *s, struct err *e);
/* NULL when there is none of that name. */
const struct dataset_settings *settings_find_dataset(const struct settings *s,
    const char *name);
/* Whether all of it is a secret, which nobody reads but those it is sent to. */
bool settings_all_secret(const struct settings *s, const char *dataset);
/* Whether a primary sends the dataset to that server: unless names are given to
 * all of them, and what is a secret to none. */
bool settings_sends_to(const struct settings *s, const char *dataset,
    const char *server);
/* Whether TEXT may be a node's or a dataset's name: 1 to 63 letters, digits,
 * "-", "_", "." that begin and end with a letter or digit. */
bool settings_name_ok(const char *text);
void settings_release(struct settings *s);

#endif

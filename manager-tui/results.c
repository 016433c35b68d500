/*
 * Views of results that more than one command shows.
 */
#include "manager-tui/results.h"

#include <stddef.h>

static const struct column node_columns[] = {
    { "node", "node.name", COLUMN_TEXT, false },
    { "role", "node.role", COLUMN_TEXT, false },
    { "healthy", "healthy", COLUMN_YES_NO, false },
    { "problem", "problem", COLUMN_TEXT, false },
    { "fingerprint", "node.fingerprint", COLUMN_TEXT, false },
    { "version", "node.version", COLUMN_TEXT, false },
    { "up for", "node.uptime_s", COLUMN_SECONDS, false },
    { "cluster", "cluster.name", COLUMN_TEXT, false },
    { "epoch", "cluster.epoch", COLUMN_TEXT, false },
    { "primary", "cluster.primary.name", COLUMN_TEXT, false },
    { "at", "cluster.primary.address", COLUMN_TEXT, false },
    { "last heard", "cluster.primary.last_heard", COLUMN_AGE, false },
    { "equal since", "cluster.primary.equal_since", COLUMN_AGE, false },
    { "interval", "sync.interval_ms", COLUMN_MS, false },
    { "sync", "sync.enabled", COLUMN_YES_NO, false },
    { "instant", "sync.instant", COLUMN_YES_NO, false },
    COLUMNS_END,
};

static const struct column dataset_columns[] = {
    { "DATASET", "name", COLUMN_TEXT, false },
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "ROWS", "rows", COLUMN_TEXT, false },
    { "SIZE", "bytes", COLUMN_BYTES, false },
    { "LAST CHANGE", "last_change", COLUMN_AGE, false },
    { "UNPUBLISHED", "unpublished", COLUMN_YES_NO, false },
    { "HELD", "held", COLUMN_TEXT, true },
    COLUMNS_END,
};

const struct view status_views[] = {
    { "", false, node_columns, NULL },
    { "datasets", true, dataset_columns, NULL },
    VIEWS_END,
};

static const struct column server_list_columns[] = {
    { "NAME", "name", COLUMN_TEXT, true },
    { "ADDRESS", "address", COLUMN_TEXT, true },
    { "STATE", "state", COLUMN_TEXT, false },
    { "LAST SYNCHRONIZED", "last_synchronized", COLUMN_AGE, false },
    { "IN EFFECT", "in_effect", COLUMN_YES_NO, false },
    { "BEHIND", "behind", COLUMN_TEXT, false },
    { "NEXT", "next_attempt", COLUMN_AGE, false },
    { "ERROR", "error.message", COLUMN_TEXT, true },
    COLUMNS_END,
};

const struct view server_list_views[] = {
    { "servers", true, server_list_columns,
        "No servers: this node is not a primary." },
    VIEWS_END,
};

static const struct column server_columns[] = {
    { "name", "name", COLUMN_TEXT, false },
    { "address", "address", COLUMN_TEXT, false },
    { "port", "port", COLUMN_TEXT, false },
    { "state", "state", COLUMN_TEXT, false },
    { "error", "error.message", COLUMN_TEXT, false },
    { "what to do", "error.hint", COLUMN_TEXT, false },
    { "rule not applied", "rule_refused", COLUMN_TEXT, false },
    { "sees us from", "seen_from", COLUMN_TEXT, false },
    { "last synchronized", "last_synchronized", COLUMN_AGE, false },
    { "in effect", "in_effect", COLUMN_YES_NO, false },
    { "last verified", "last_verified", COLUMN_AGE, false },
    { "last attempt", "last_attempt", COLUMN_AGE, false },
    { "next attempt", "next_attempt", COLUMN_AGE, false },
    { "last change", "last_change", COLUMN_AGE, false },
    { "behind", "behind", COLUMN_TEXT, false },
    { "interval", "interval_s", COLUMN_SECONDS, false },
    { "round trip (ms)", "round_trip_ms", COLUMN_TEXT, false },
    { "overwrites", "overwrites", COLUMN_TEXT, false },
    { "pushes", "pushes", COLUMN_TEXT, false },
    { "sent", "bytes_sent", COLUMN_BYTES, false },
    { "fingerprint", "fingerprint", COLUMN_TEXT, false },
    { "version", "version", COLUMN_TEXT, false },
    COLUMNS_END,
};

static const struct column server_dataset_columns[] = {
    { "DATASET", "name", COLUMN_TEXT, false },
    { "REVISION", "revision", COLUMN_TEXT, false },
    { "BEHIND", "behind", COLUMN_TEXT, false },
    { "DIGEST", "digest", COLUMN_TEXT, true },
    COLUMNS_END,
};

/* "server show" gives the entry as a member, the others as the result. */
const struct view server_views[] = {
    { "", false, server_columns, NULL },
    { "server", false, server_columns, NULL },
    { "datasets", true, server_dataset_columns, NULL },
    VIEWS_END,
};

static const struct column sync_columns[] = {
    { "sync", "enabled", COLUMN_YES_NO, false },
    { "interval", "interval_ms", COLUMN_MS, false },
    { "instant", "instant", COLUMN_YES_NO, false },
    { "next push", "next_push", COLUMN_AGE, false },
    COLUMNS_END,
};

static const struct column sync_server_columns[] = {
    { "NAME", "name", COLUMN_TEXT, true },
    { "STATE", "state", COLUMN_TEXT, false },
    { "INTERVAL", "interval_ms", COLUMN_MS, false },
    { "NEXT", "next_attempt", COLUMN_AGE, false },
    COLUMNS_END,
};

const struct view sync_views[] = {
    { "", false, sync_columns, NULL },
    { "servers", true, sync_server_columns, NULL },
    VIEWS_END,
};

static const struct column removed_columns[] = {
    { "removed", "removed", COLUMN_TEXT, false },
    { "released", "released", COLUMN_YES_NO, false },
    COLUMNS_END,
};

const struct view removed_views[] = {
    { "", false, removed_columns, NULL },
    VIEWS_END,
};

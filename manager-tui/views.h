/*
 * Every view of the manager, each in view_NAME.c; those with a tab are listed
 * in screens.c.
 */
#ifndef MANAGER_TUI_VIEWS_H
#define MANAGER_TUI_VIEWS_H

#include "manager-tui/screen.h"

extern const struct screen_view view_overview;
extern const struct screen_view view_servers;
extern const struct screen_view view_events;
extern const struct screen_view view_server; /* one, by its name */
extern const struct screen_view view_users;
extern const struct screen_view view_user; /* one, by its name */
extern const struct screen_view view_groups;
extern const struct screen_view view_filter;
extern const struct screen_view view_bans;
extern const struct screen_view view_changes;
extern const struct screen_view view_history; /* of a dataset */
extern const struct screen_view view_settings;
extern const struct screen_view view_doctor;

#endif

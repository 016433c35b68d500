/*
 * Views of results that more than one command shows.
 */
#ifndef MANAGER_TUI_RESULTS_H
#define MANAGER_TUI_RESULTS_H

#include "manager-tui/view.h"

#define COLUMNS_END                    \
    {                                  \
        NULL, NULL, COLUMN_TEXT, false \
    }
#define VIEWS_END               \
    {                           \
        NULL, false, NULL, NULL \
    }

extern const struct view status_views[];
extern const struct view server_list_views[]; /* {"servers": [...]} */
extern const struct view server_views[];      /* one entry */
extern const struct view sync_views[];
extern const struct view removed_views[]; /* {"removed": text} */

#endif

/*
 * What the manager does with the rules of the IP filter: its forms.  RULE is
 * the node's entry of one, borrowed.
 */
#ifndef MANAGER_TUI_FILTER_ACTS_H
#define MANAGER_TUI_FILTER_ACTS_H

#include <jansson.h>

#include "manager-tui/screen.h"

void filter_add_rule(struct screen *s);
void filter_move_rule(struct screen *s, const json_t *rule);
void filter_remove_rule(struct screen *s, const json_t *rule);
void filter_test_address(struct screen *s);

#endif

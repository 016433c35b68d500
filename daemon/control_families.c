/*
 * Every family of commands.  Alone here, so that a test may have others.
 */
#include <stddef.h>

#include "daemon/control.h"

const struct control_command *const control_families[] = {
    control_node_commands,
    control_fleet_commands,
    control_dataset_commands,
    control_diff_commands,
    control_dataset_use_commands,
    control_user_commands,
    control_group_commands,
    control_folder_commands,
    control_setting_commands,
    control_admin_commands,
    control_filter_commands,
    control_gate_commands,
    control_firewall_commands,
    control_key_commands,
    control_hook_commands,
    control_backup_commands,
    NULL,
};

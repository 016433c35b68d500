/*
 * What enforces the rules of scope "service" on this node.  Lockstep does not
 * serve those who log in by SFTP, so whoever does says so by a file of one line
 * in STATE_DIR/service-rules/ (contrib/accounts/enforced.h).
 */
#ifndef DAEMON_SERVICE_RULES_H
#define DAEMON_SERVICE_RULES_H

#include <jansson.h>

/* An array of texts, empty when nothing does. */
json_t *service_rules_json(const char *state_dir);

#endif

/* What store.c and store_servers.c share. */
#ifndef DAEMON_STORE_INTERNAL_H
#define DAEMON_STORE_INTERNAL_H

#include <sqlite3.h>

struct store {
    sqlite3 *db;
};

#endif

/*
 * Giving a live database back as it would be without us.
 */
#ifndef SYNC_DETACH_H
#define SYNC_DETACH_H

#include "base/err.h"

/* Removes every trigger and table of ours from the database at PATH, in one
 * transaction, through a connection of its own; one that has none is only read.
 * A file that is missing is fine; ERR_BUSY when it is locked for longer than
 * some seconds, ERR_CORRUPT when it is no database. */
int database_detach(const char *path, struct err *e);

#endif

/*
 * Whether a database file is damaged.
 */
#ifndef SYNC_SOUND_H
#define SYNC_SOUND_H

#include <sqlite3.h>

#include "base/err.h"

/* PRAGMA quick_check of the main database: 0 when its structure is sound,
 * ERR_CORRUPT with the first finding when not, ERR_CANCELLED when a stop was
 * requested meanwhile, another error when it could not be read.  A value that
 * breaks NOT NULL, CHECK or its column's type is not damage: an application may
 * have stored it with the checks off, and it can be read, replicated and shown
 * as it is.  Source: sqlite.org/pragma.html#quick_check. */
int database_sound(sqlite3 *db, struct err *e);

#endif

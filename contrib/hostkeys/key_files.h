/*
 * The keys as files that sshd and ProFTPD read, and telling both.
 */
#ifndef CONTRIB_HOSTKEYS_KEY_FILES_H
#define CONTRIB_HOSTKEYS_KEY_FILES_H

#include <sqlite3.h>

#include "base/err.h"

/* Makes the files of FOLDER, which is root's alone, hold the keys of DB.  When
 * any changed, every server that runs checks its configuration and is told.  If
 * one refuses, the files are as before. */
int key_files_write(sqlite3 *db, const char *folder, struct err *e);

#endif

/*
 * What a daemon that was killed leaves in its state directory: copies of
 * databases that it was making, with secrets in them, which no other would ever
 * remove.
 */
#ifndef DAEMON_LEFTOVERS_H
#define DAEMON_LEFTOVERS_H

/* Before anything is opened, under the lock of the directory.  What cannot be
 * removed is logged. */
void leftovers_remove(const char *state_dir);

#endif

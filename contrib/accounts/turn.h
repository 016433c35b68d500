/*
 * One run at a time: two at once would each undo the other's.
 */
#ifndef CONTRIB_ACCOUNTS_TURN_H
#define CONTRIB_ACCOUNTS_TURN_H

#include <sys/types.h>

#include "base/err.h"

/* Makes FOLDER with MODE if there is none, and waits for the turn of whoever
 * writes in it.  A descriptor, with which the turn ends; -1. */
int turn_take(const char *folder, mode_t mode, struct err *e);

#endif

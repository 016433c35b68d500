/*
 * Passwords on their way in: from a file, from stdin or typed without echo;
 * never from the command line or the environment.
 */
#ifndef MANAGER_TUI_SECRET_H
#define MANAGER_TUI_SECRET_H

#include <jansson.h>

#include "base/err.h"

#define SECRET_SIZE 512

/* The first line of FILE ("-" is stdin, line by line). */
int secret_read_file(const char *path, char secret[SECRET_SIZE], struct err *e);
/* Asks on the terminal; ERR_USAGE when there is none. */
int secret_ask(const char *prompt, char secret[SECRET_SIZE], struct err *e);
/* Asks twice, until both are the same. */
int secret_ask_new(const char *what, char secret[SECRET_SIZE], struct err *e);
/* Overwrites the members of an object that hold secrets: "password",
 * "password_hash", and "again", what was typed twice. */
void secret_wipe_members(json_t *object);

#endif

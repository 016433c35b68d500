/*
 * What the files of "doctor" share: one entry per check, and the checks of the
 * door (doctor_door.c), of files (doctor_files.c) and of the fleet
 * (doctor_fleet.c).
 */
#ifndef DAEMON_DOCTOR_CHECK_H
#define DAEMON_DOCTOR_CHECK_H

#include <jansson.h>
#include <stdbool.h>

struct engine;

/* Appends {name, ok, text, hint, type}; HINT may be NULL. */
void doctor_add(json_t *checks, const char *name, bool ok, const char *text,
    const char *hint);
/* Appends a command, without "lockstep", to what the last check advises to
 * type. */
void doctor_advise(json_t *checks, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Filter, bans, limits, and who was refused; CALLER is who asks. */
void doctor_check_door(const struct engine *engine, const char *caller,
    json_t *checks);
/* State directory, secrets, datasets' files, disks. */
void doctor_check_files(const struct engine *engine, json_t *checks);
/* Each server of a primary, with its last error. */
void doctor_check_fleet(const struct engine *engine, json_t *checks);

#endif

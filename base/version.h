/*
 * The version of this source tree, as both programs print it and as nodes tell
 * it to each other.  Protocol versions are numbers of their own.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define LOCKSTEP_VERSION "0.1.0"

#endif

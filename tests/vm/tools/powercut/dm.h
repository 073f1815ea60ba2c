/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device-mapper's ioctls, for programs that run in a guest: no udev, nodes are made here.
 * Functions return 0 or -errno.
 */
#ifndef POWERCUT_DM_H
#define POWERCUT_DM_H

#include <stdbool.h>
#include <stddef.h>

#define DM_PATH		"/dev/mapper/"
#define DM_TEXT		65536

/* Table lines without start and length of the whole device: "<start> <length> <target> <args>". */
int dm_make(const char *name);				/* a device without a table */
int dm_load(const char *name, const char *table);	/* for its next resume */
int dm_resume(const char *name);
int dm_create(const char *name, const char *table);	/* loaded and resumed; nothing is left if it fails */
int dm_reload(const char *name, const char *table);	/* live */
int dm_remove(const char *name);
int dm_status(const char *name, char *text);		/* the target's part; text has DM_TEXT bytes */
int dm_table(const char *name, char *text);		/* "<start> <length> <target> <args>" */
/* The number behind a key of the status line; -ENOENT: there is no such key. */
int dm_counter(const char *name, const char *key, unsigned long long *value);

/* The answer, if any, is in *answer (DM_TEXT bytes) unless that is NULL. */
__attribute__((format(printf, 3, 4)))
int dm_message(const char *name, char *answer, const char *format, ...);
/* `remap` of [sector, end): a message works for a second at most, then says where to go on. */
int dm_remap(const char *name, unsigned long long sector, unsigned long long end);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* Device-mapper's ioctls; see dm.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "dm.h"

#define ROOM (sizeof(struct dm_ioctl) + DM_TEXT)

static int control = -1;

static struct dm_ioctl *request(const char *name, unsigned int flags)
{
	struct dm_ioctl *io = calloc(1, ROOM);

	if (!io)
		abort();
	io->version[0] = DM_VERSION_MAJOR;
	io->data_size = ROOM;
	io->data_start = sizeof(*io);
	io->flags = flags;
	snprintf(io->name, sizeof(io->name), "%s", name);
	return io;
}

static int call(unsigned long command, struct dm_ioctl *io)
{
	if (control < 0)
		control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return control < 0 || ioctl(control, command, io) ? -errno : 0;
}

static int simple(unsigned long command, const char *name, unsigned int flags)
{
	struct dm_ioctl *io = request(name, flags);
	int r = call(command, io);

	free(io);
	return r;
}

int dm_load(const char *name, const char *table)
{
	struct dm_ioctl *io = request(name, 0);
	struct dm_target_spec *spec = (void *)((char *)io + io->data_start);
	int used = 0, r = -EINVAL;

	if (sscanf(table, "%llu %llu %15s %n", (unsigned long long *)&spec->sector_start,
		   (unsigned long long *)&spec->length, spec->target_type, &used) >= 3) {
		io->target_count = 1;
		spec->next = sizeof(*spec) + strlen(table + used) + 1;
		strcpy((char *)(spec + 1), table + used);
		r = call(DM_TABLE_LOAD, io);
	}
	free(io);
	return r;
}

static int make_node(const char *name, unsigned long long dev)
{
	unsigned int major = (dev >> 8) & 0xfff, minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
	char path[160];

	snprintf(path, sizeof(path), DM_PATH "%s", name);
	unlink(path);
	return mknod(path, S_IFBLK | 0600, makedev(major, minor)) ? -errno : 0;
}

int dm_make(const char *name)
{
	struct dm_ioctl *io = request(name, 0);
	int r = call(DM_DEV_CREATE, io);

	if (!r) {
		r = make_node(name, io->dev);
		if (r)
			dm_remove(name);
	}
	free(io);
	return r;
}

int dm_resume(const char *name)
{
	return simple(DM_DEV_SUSPEND, name, 0);
}

int dm_create(const char *name, const char *table)
{
	int r = dm_make(name);

	if (r)
		return r;
	r = dm_load(name, table);
	if (!r)
		r = dm_resume(name);
	if (r)
		dm_remove(name);
	return r;
}

int dm_reload(const char *name, const char *table)
{
	int r = dm_load(name, table);

	if (!r)
		r = simple(DM_DEV_SUSPEND, name, DM_SUSPEND_FLAG);
	if (!r)
		r = dm_resume(name);
	return r;
}

int dm_remove(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), DM_PATH "%s", name);
	unlink(path);
	return simple(DM_DEV_REMOVE, name, 0);
}

static int status(const char *name, unsigned int flags, char *text)
{
	struct dm_ioctl *io = request(name, flags);
	const struct dm_target_spec *spec;
	int r = call(DM_TABLE_STATUS, io);

	*text = '\0';
	if (!r && io->target_count) {
		spec = (void *)((char *)io + io->data_start);
		if (flags & DM_STATUS_TABLE_FLAG)
			snprintf(text, DM_TEXT, "%llu %llu %s %s", (unsigned long long)spec->sector_start,
				 (unsigned long long)spec->length, spec->target_type, (char *)(spec + 1));
		else
			snprintf(text, DM_TEXT, "%s", (char *)(spec + 1));
	}
	free(io);
	return r;
}

int dm_status(const char *name, char *text)
{
	return status(name, DM_NOFLUSH_FLAG, text);
}

int dm_counter(const char *name, const char *key, unsigned long long *value)
{
	static char text[DM_TEXT];
	char words[64];
	const char *at;
	int r = dm_status(name, text);

	if (r)
		return r;
	snprintf(words, sizeof(words), " %s ", key);
	at = strstr(text, words);
	if (!at)
		return -ENOENT;
	*value = strtoull(at + strlen(words), NULL, 10);
	return 0;
}

int dm_table(const char *name, char *text)
{
	return status(name, DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG, text);
}

int dm_message(const char *name, char *answer, const char *format, ...)
{
	struct dm_ioctl *io = request(name, 0);
	struct dm_target_msg *message = (void *)((char *)io + io->data_start);
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(message->message, DM_TEXT - sizeof(*message), format, args);
	va_end(args);
	r = call(DM_TARGET_MSG, io);
	if (answer) {
		*answer = '\0';
		if (!r && io->flags & DM_DATA_OUT_FLAG)
			snprintf(answer, DM_TEXT, "%s", (char *)io + io->data_start);
	}
	free(io);
	return r;
}

int dm_remap(const char *name, unsigned long long sector, unsigned long long end)
{
	static char answer[DM_TEXT];
	const char *next;
	int r;

	while (sector < end) {
		r = dm_message(name, answer, "remap %llu %llu", sector, end - sector);
		if (r)
			return r;
		next = strstr(answer, "next ");
		sector = next ? strtoull(next + 5, NULL, 10) : end;
	}
	return 0;
}

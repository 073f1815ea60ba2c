// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file system on the pair: files are written and synced until the power fails. After the journal has been replayed
 * each file that fsync acknowledged is there, with its content, and the file system's own checker is content.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "powercut.h"

#define FILES	48u		/* of each writer */
#define WRITERS	3u
#define MOST	64u		/* sectors of a file */
#define LIFE	20u		/* cuts of a file system */

struct file {
	uint32_t version;	/* the one that fsync acknowledged; 0: none */
	uint32_t sectors;
	bool open;		/* a newer one was under way, which may be there, in part or not at all */
};

static struct file file[WRITERS][FILES];
static uint32_t newest;
static const char *type;
static char directory[32], device[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static unsigned int acknowledged, running;

static void path_of(char *path, size_t room, unsigned int writer, unsigned int number)
{
	snprintf(path, room, "%s/%u-%u", directory, writer, number);
}

static uint64_t where_of(unsigned int writer, unsigned int number, unsigned int sector)
{
	return ((uint64_t)writer << 40) + ((uint64_t)number << 20) + sector;
}

static bool sync_directory(void)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY);
	bool ok = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A new file or a new content for an old one; every fourth is replaced by a rename, others in place. */
static bool write_file(uint64_t *random, unsigned int writer, char *buffer)
{
	unsigned int number = below(random, FILES), sectors = 1 + below(random, MOST), i;
	struct file *f = &file[writer][number];
	bool replace = !below(random, 4), ok;
	char path[64], other[80];
	uint32_t version;
	int fd;

	pthread_mutex_lock(&lock);
	version = ++newest;
	pthread_mutex_unlock(&lock);
	for (i = 0; i < sectors; i++)
		stamp(buffer + i * SECTOR, where_of(writer, number, i), version);
	path_of(path, sizeof(path), writer, number);
	snprintf(other, sizeof(other), "%s-new", path);
	/* Replaced as a whole: the old content is there until the new one is. */
	f->open = !replace;
	fd = open(replace ? other : path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ok = fd >= 0 && write(fd, buffer, sectors * SECTOR) == (ssize_t)(sectors * SECTOR) && !fsync(fd);
	if (ok && replace) {
		f->open = true;
		ok = !rename(other, path);
	}
	/* xfs has shut down and its directory's fsync says nothing of it; the file's does. */
	ok = ok && sync_directory() && !fsync(fd);
	if (fd >= 0)
		close(fd);
	if (ok)
		*f = (struct file){ .version = version, .sectors = sectors };
	return ok;
}

static void *writer(void *arg)
{
	unsigned int me = *(unsigned int *)arg;
	char *buffer = malloc(MOST * SECTOR);
	uint64_t random = seed * 1000 + crash_points * 10 + me;
	int budget = 60;

	while (buffer && budget-- && write_file(&random, me, buffer)) {
		pthread_mutex_lock(&lock);
		acknowledged++;
		happened.synced++;
		pthread_cond_broadcast(&progress);
		pthread_mutex_unlock(&lock);
	}
	free(buffer);
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_broadcast(&progress);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* --- after the cut ---------------------------------------------------------------------------- */

static void check_file(unsigned int w, unsigned int number, char *buffer)
{
	struct file *f = &file[w][number];
	char path[64];
	unsigned int i;
	ssize_t n;
	int fd;

	path_of(path, sizeof(path), w, number);
	if (f->open || !f->version) {
		/* Nothing was promised of what is there now; from here on it counts as never written. */
		unlink(path);
		*f = (struct file){ 0 };
		return;
	}
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buffer, MOST * SECTOR);
	if (n != (ssize_t)(f->sectors * SECTOR))
		violation("%s: file %s of %u sectors, version %u, has %zd bytes, version %lld: %s", type, path, f->sectors,
			  f->version, n, n < SECTOR ? -1LL : (long long)stamped(buffer, where_of(w, number, 0)),
			  n < 0 ? strerror(errno) : "");
	for (i = 0; i < f->sectors && n == (ssize_t)(f->sectors * SECTOR); i++) {
		int64_t version = stamped(buffer + i * SECTOR, where_of(w, number, i));

		if (version != f->version)
			violation("%s: file %s has version %lld in sector %u, wanted %u", type, path,
				  (long long)version, i, f->version);
	}
	if (fd >= 0)
		close(fd);
}

static void check_files(void)
{
	char *buffer = malloc(MOST * SECTOR);
	unsigned int w, n;

	for (w = 0; buffer && w < WRITERS; w++)
		for (n = 0; n < FILES; n++)
			check_file(w, n, buffer);
	free(buffer);
}

static bool command(const char *format)
{
	char line[256];

	snprintf(line, sizeof(line), format, device);
	return !system(line);
}

static bool xfs(void)
{
	return !strcmp(type, "xfs");
}

static void attach(void)
{
	if (mount(device, directory, type, 0, xfs() ? "nouuid" : ""))
		die("%s cannot be mounted: %s", type, strerror(errno));
}

static void begin_life(uint64_t *random)
{
	pair_remove();
	power_restore();
	spare_blank();
	if (pair_load())
		die("the pair is not formatted");
	pair_remember();
	memset(file, 0, sizeof(file));
	/* A disk that has bad places everywhere, so that the journal and all else meet some. */
	dm_message(M, NULL, "bad_random 2048 0 %u 8 %u write", 400, below(random, 100000));
	if (!command(xfs() ? "mkfs.xfs -q -f -K --unsupported -l size=8m %s >/dev/null 2>&1" :
		     "mkfs.ext4 -q -F -E nodiscard -J size=4 %s >/dev/null 2>&1"))
		die("no mkfs.%s", type);
}

static void files_round(uint64_t *random)
{
	static const struct { const char *disk, *ops; unsigned int most; } at[] = {
		{ M, "write", 150 }, { M, "flush", 60 }, { S, "write", 60 }, { S, "flush", 30 }, { S, "fua", 30 },
	};
	static struct map map;
	const struct reload how = { .again = 20, .damage = 10, .twice = 20 };
	unsigned int i, until = ~0u, number[WRITERS];
	pthread_t thread[WRITERS];

	attach();
	dm_message(M, NULL, "bad_random 2048 0 200 8 %u write", below(random, 100000));
	i = below(random, 8);
	if (i < sizeof(at) / sizeof(*at))
		power_at(random, at[i].disk, at[i].ops, 1 + below(random, at[i].most));
	else
		until = 1 + below(random, 40);
	acknowledged = 0;
	running = WRITERS;
	for (i = 0; i < WRITERS; i++) {
		number[i] = i;
		if (pthread_create(&thread[i], NULL, writer, &number[i]))
			die("no thread");
	}
	pthread_mutex_lock(&lock);
	while (running && acknowledged < until)
		pthread_cond_wait(&progress, &lock);
	pthread_mutex_unlock(&lock);
	power_cut(random);
	for (i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	if (umount(directory))
		die("%s cannot be unmounted: %s", type, strerror(errno));
	pair_remove();
	if (!pair_reload(random, &how, &map))
		die("the pair does not load");
	attach();
	check_files();
	if (umount(directory))
		die("%s cannot be unmounted: %s", type, strerror(errno));
	if (!command(xfs() ? "xfs_repair -n %s >/dev/null 2>&1" : "e2fsck -fn %s >/dev/null 2>&1"))
		violation("%s: the checker finds something", type);
}

void run_files(const char *name, unsigned int points)
{
	uint64_t random = seed;
	unsigned int rounds = 0;

	type = name;
	snprintf(directory, sizeof(directory), "/tmp/%s", R);
	snprintf(device, sizeof(device), DM_PATH "%s", R);
	mkdir(directory, 0700);
	while (crash_points < points && !violations) {
		if (rounds++ % LIFE == 0)
			begin_life(&random);
		files_round(&random);
	}
	pair_remove();
	if (!happened.synced || !happened.slots)
		violation("%s: nothing was synced, or nothing relocated", type);
}

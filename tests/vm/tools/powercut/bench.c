// SPDX-License-Identifier: GPL-2.0-or-later
/* The pair on two faulty disks with one power switch. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "powercut.h"

uint64_t main_sectors, spare_sectors;
char pair_table[DM_TEXT];
char M[16] = "m", S[16] = "s", R[16] = "r";

static char main_path[128], spare_path[128], power[16] = "p";
static int main_fd = -1, spare_fd = -1;

static int open_below(const char *path, uint64_t *sectors)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	uint64_t bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		die("%s: %s", path, strerror(errno));
	*sectors = bytes / SECTOR;
	return fd;
}

static void faulty_table(char *table, size_t room, const char *path, uint64_t sectors)
{
	snprintf(table, room, "0 %llu remap-faulty %s 0 3 cache power %s", (unsigned long long)sectors, path, power);
}

void bench_name(unsigned int number)
{
	snprintf(M, sizeof(M), "m%u", number);
	snprintf(S, sizeof(S), "s%u", number);
	snprintf(R, sizeof(R), "r%u", number);
	snprintf(power, sizeof(power), "p%u", number);
}

void bench_open(const char *main_disk, const char *spare_disk)
{
	char table[256];
	int r;

	snprintf(main_path, sizeof(main_path), "%s", main_disk);
	snprintf(spare_path, sizeof(spare_path), "%s", spare_disk);
	main_fd = open_below(main_path, &main_sectors);
	spare_fd = open_below(spare_path, &spare_sectors);
	faulty_table(table, sizeof(table), main_path, main_sectors);
	r = dm_create(M, table);
	faulty_table(table, sizeof(table), spare_path, spare_sectors);
	if (!r)
		r = dm_create(S, table);
	if (r)
		die("no remap-faulty: %s", strerror(-r));
	snprintf(pair_table, sizeof(pair_table), "0 %llu dm-remap-v4 " DM_PATH "%s " DM_PATH "%s",
		 (unsigned long long)main_sectors, M, S);
}

void bench_close(void)
{
	dm_remove(R);
	dm_remove(S);
	dm_remove(M);
	close(main_fd);
	close(spare_fd);
}

int main_below(void)
{
	return main_fd;
}

int spare_below(void)
{
	return spare_fd;
}

void spare_blank(void)
{
	static char *zeroes;
	uint64_t at;

	dm_message(S, NULL, "sync");
	if (!zeroes && posix_memalign((void **)&zeroes, 4096, SEGMENT * SECTOR))
		abort();
	memset(zeroes, 0, SEGMENT * SECTOR);
	for (at = 0; at < spare_sectors; at += SEGMENT)
		if (pwrite(spare_fd, zeroes, SEGMENT * SECTOR, at * SECTOR) < 0)
			die("the spare cannot be blanked: %s", strerror(errno));
	snprintf(pair_table, sizeof(pair_table), "0 %llu dm-remap-v4 " DM_PATH "%s " DM_PATH "%s",
		 (unsigned long long)main_sectors, M, S);
}

void spare_grow(uint64_t sectors)
{
	char table[256];
	int r;

	spare_sectors = sectors;
	faulty_table(table, sizeof(table), spare_path, sectors);
	r = dm_reload(S, table);
	if (r)
		die("the spare does not grow: %s", strerror(-r));
}

int pair_load(void)
{
	return dm_create(R, pair_table);
}

void pair_remember(void)
{
	if (dm_table(R, pair_table) || !strstr(pair_table, "uuid"))
		die("no table line with a uuid: %s", pair_table);
}

void pair_remove(void)
{
	int r = dm_remove(R);

	if (r && r != -ENXIO)
		die("r cannot be removed: %s", strerror(-r));
}

int pair_open(int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DM_PATH "%s", R);
	fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("r cannot be opened: %s", strerror(errno));
	return fd;
}

/* --- power ----------------------------------------------------------------------------------- */

bool power_is_off(void)
{
	static __thread char text[DM_TEXT];

	return !dm_status(M, text) && !strncmp(text, "off ", 4);
}

/* Mostly a random subset of the writes, or of their sectors; sometimes nothing. */
static void cut_mode(uint64_t *random, char *text, size_t room)
{
	unsigned int dice = below(random, 10);

	if (dice < 2)
		snprintf(text, room, "none");
	else
		snprintf(text, room, "%s %u", dice < 7 ? "random" : "torn", below(random, 1000000));
}

bool power_at(uint64_t *random, const char *disk, const char *ops, unsigned int n)
{
	char mode[64];

	cut_mode(random, mode, sizeof(mode));
	return !dm_message(disk, NULL, "cut_mode %s fail_after %s %u ioerr then cut", mode, ops, n);
}

void power_cut(uint64_t *random)
{
	char mode[64];

	cut_mode(random, mode, sizeof(mode));
	if (dm_message(M, NULL, "cut %s", mode))
		die("no power cut");
}

void power_restore(void)
{
	if (dm_message(M, NULL, "restore") || dm_message(M, NULL, "fail_never good 0 0 slow 0 0 all 0") ||
	    dm_message(S, NULL, "fail_never good 0 0 slow 0 0 all 0"))
		die("the power does not come back");
}

/* --- map ------------------------------------------------------------------------------------- */

static bool list_line(struct map *map, const char *line, uint64_t *next)
{
	struct run *run = &map->run[map->count];
	unsigned long long sector, count, spare;
	char kind[16];

	if (sscanf(line, "next %llu", &sector) == 1) {
		*next = sector;
		return true;
	}
	spare = 0;
	if (sscanf(line, "%llu %llu %15s %llu", &sector, &count, kind, &spare) < 3)
		return false;
	if (map->count == sizeof(map->run) / sizeof(*map->run))
		die("the list is too long");
	*run = (struct run){ sector, count, spare, kind[0] };
	map->count++;
	return true;
}

void map_read(struct map *map)
{
	static char text[DM_TEXT];
	uint64_t from, next = 0;
	char *line, *rest;

	map->count = 0;
	do {
		from = next;
		if (dm_message(R, text, "list %llu", (unsigned long long)from))
			die("r does not list");
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			if (!list_line(map, line, &next))
				violation("a line of the list is '%s'", line);
	} while (next > from);
}

bool map_same(const struct map *a, const struct map *b)
{
	unsigned int i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (a->run[i].sector != b->run[i].sector || a->run[i].count != b->run[i].count ||
		    a->run[i].spare != b->run[i].spare || a->run[i].kind != b->run[i].kind)
			return false;
	return a->count == b->count;
}

char map_kind(const struct map *map, uint64_t sector)
{
	unsigned int low = 0, high = map->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (map->run[mid].sector + map->run[mid].count <= sector)
			low = mid + 1;
		else
			high = mid;
	}
	return low < map->count && map->run[low].sector <= sector ? map->run[low].kind : 'm';
}

static void most(unsigned int *seen, unsigned int now)
{
	if (*seen < now)
		*seen = now;
}

/* Runs go up and do not overlap, no sector of the spare serves twice, all are slots', and the status says the same. */
void map_validate(const struct map *map)
{
	static char text[DM_TEXT];
	uint8_t *taken = calloc(spare_sectors, 1);
	unsigned long long owned = 0, pending = 0, status_owned, status_pending;
	unsigned int slots, bad;
	uint64_t end = 0, at;
	unsigned int i;

	if (!taken)
		abort();
	for (i = 0; i < map->count; i++) {
		const struct run *run = &map->run[i];

		if (run->sector < end || run->sector + run->count > main_sectors)
			violation("the run at %llu lies wrong", (unsigned long long)run->sector);
		end = run->sector + run->count;
		owned += run->kind == 'o' ? run->count : 0;
		pending += run->kind != 'o' ? run->count : 0;
		for (at = run->spare; at < run->spare + run->count; at++) {
			uint64_t block = at < FIRST_SEGMENT ? 0 : (at - FIRST_SEGMENT) % SEGMENT / 8;

			if (at >= spare_sectors || block < FIRST_SLOT || block >= FIRST_SLOT + SLOTS || taken[at]++)
				violation("sector %llu has sector %llu of the spare, which is no slot's or another's",
					  (unsigned long long)(run->sector + at - run->spare), (unsigned long long)at);
		}
	}
	free(taken);
	if (dm_status(R, text) ||
	    sscanf(text, "%*s %u/%*u %llu %llu %u", &slots, &status_owned, &status_pending, &bad) != 4)
		die("r has no status");
	most(&happened.slots, slots);
	most(&happened.bad_slots, bad);
	most(&happened.pending, status_pending);
	/* A sector that is owned and pending is listed as pending. */
	if (status_owned < owned || status_owned > owned + pending || status_pending != pending)
		violation("the list has %llu owned and %llu pending sectors, the status '%s'", owned, pending, text);
}

/* --- after a cut ----------------------------------------------------------------------------- */

static uint64_t spare_writes(void)
{
	unsigned long long writes = 0;

	dm_counter(S, "writes", &writes);
	return writes;
}

/* Up to twice the power fails again while the pair is loaded and repaired. */
static int load_with_cuts(uint64_t *random, unsigned int percent)
{
	static const char *const ops[] = { "write", "fua", "read" };
	unsigned int i;
	int r = -1;

	for (i = 0; i < 2 && below(random, 100) < percent; i++) {
		power_at(random, S, ops[below(random, 3)], 1 + below(random, 4));
		r = pair_load();
		if (!r && !power_is_off()) {
			dm_message(S, NULL, "fail_never");
			return 0;
		}
		if (!r)
			pair_remove();
		crash_points++;
		power_restore();
	}
	return pair_load();
}

static int load_damaged(uint64_t *random)
{
	unsigned int at = below(random, spare_sectors - 1024);

	dm_message(S, NULL, "bad %u 1024 read heal", at);
	return pair_load();
}

/* Nothing is left to repair, and the map is the same. */
static bool load_twice(const struct map *map)
{
	static struct map again;
	uint64_t writes;
	int r;

	pair_remove();
	writes = spare_writes();
	r = pair_load();
	if (r) {
		violation("the pair does not load a second time: %s", strerror(-r));
		return false;
	}
	map_read(&again);
	if (!map_same(map, &again))
		violation("a second load gives another map: %u runs, not %u", again.count, map->count);
	if (spare_writes() != writes)
		violation("a second load writes to the spare");
	return true;
}

bool pair_reload(uint64_t *random, const struct reload *how, struct map *map)
{
	bool damage = below(random, 100) < how->damage;
	int r;

	crash_points++;
	power_restore();
	r = damage ? load_damaged(random) : load_with_cuts(random, how->again);
	if (r && damage) {
		/* A write that was cut off in one copy, and no other copy to read: that is for the user to decide. */
		refused++;
		power_restore();
		r = pair_load();
	}
	power_restore();
	if (r) {
		violation("the pair does not load: %s", strerror(-r));
		return false;
	}
	map_read(map);
	map_validate(map);
	return below(random, 100) >= how->twice || load_twice(map);
}

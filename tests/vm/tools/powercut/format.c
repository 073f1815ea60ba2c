// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Formatting that is cut off, and metadata writes of which only the first or the last sectors land: whatever is
 * there afterwards loads as the old or the new map.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "powercut.h"

static const struct reload plain = { .twice = 100 };

/* A blank spare whose formatting the power cuts off, once or twice, is formatted in the end, and empty. */
void run_format(const char *name, unsigned int points)
{
	static const char *const ops[] = { "write", "flush", "read" };
	static struct map map;
	uint64_t random = seed;

	(void)name;
	while (crash_points < points && !violations) {
		unsigned int cuts = 1 + below(&random, 2);

		spare_blank();
		while (cuts--) {
			power_at(&random, S, ops[below(&random, 3)], 1 + below(&random, 12));
			if (!pair_load() && !power_is_off())
				power_cut(&random);
			pair_remove();
			crash_points += cuts > 0;
			if (cuts)
				power_restore();
		}
		if (!pair_reload(&random, &plain, &map))
			continue;
		if (map.count)
			violation("a formatted spare has a map");
		pair_remove();
	}
}

/* --- torn metadata ---------------------------------------------------------------------------- */

#define AT	4096u		/* the unit that changes: main's sectors, from here on 8 */

struct step {
	const char *name;
	const char *before;		/* sectors that are the spare's, to their end */
	const char *now;		/* a message; NULL: a write that main fails */
	const char *slot;		/* the slot that fails it, too */
};

static const struct step steps[] = {
	{ .name = "a relocation" },
	{ .name = "remap", .now = "remap 4096 8" },
	{ .name = "unremap", .before = "4096 4104", .now = "unremap 4096 8" },
	{ .name = "a move", .before = "4096 4104", .slot = "bad 8200 8 write" },
	{ .name = "a new segment", .before = "0 2016", .now = "remap 4096 8" },
	{ .name = "grow", .now = "grow" },
};

static bool write_unit(uint32_t version)
{
	static char *buffer;
	unsigned int i;
	int fd = pair_open(O_RDWR | O_DIRECT);
	bool ok;

	if (!buffer && posix_memalign((void **)&buffer, 4096, 4096))
		abort();
	for (i = 0; i < 8; i++)
		stamp(buffer + i * SECTOR, AT + i, version);
	ok = pwrite(fd, buffer, 4096, AT * SECTOR) == 4096 && !fdatasync(fd);
	close(fd);
	return ok;
}

static void check_unit(const struct step *step, uint32_t least, uint32_t most)
{
	static char *buffer;
	int fd = pair_open(O_RDONLY | O_DIRECT);
	unsigned int i;

	if (!buffer && posix_memalign((void **)&buffer, 4096, 4096))
		abort();
	if (pread(fd, buffer, 4096, AT * SECTOR) != 4096)
		violation("%s: the unit does not read", step->name);
	for (i = 0; i < 8; i++) {
		int64_t version = stamped(buffer + i * SECTOR, AT + i);

		if (version < least || version > most)
			violation("%s: sector %u has version %lld, wanted %u or %u", step->name, AT + i,
				  (long long)version, least, most);
	}
	close(fd);
}

/* A message works for a second at most, then says where to go on. "FIRST END": sectors. */
static void remap_all(const char *range)
{
	static char text[DM_TEXT];
	unsigned long long at, end;
	const char *next;

	if (sscanf(range, "%llu %llu", &at, &end) != 2)
		die("no range: %s", range);
	while (at < end) {
		if (dm_message(R, text, "remap %llu %llu", at, end - at))
			die("remap of %llu is refused", at);
		next = strstr(text, "next ");
		at = next ? strtoull(next + 5, NULL, 10) : end;
	}
}

/* The map before the step, from a fresh pair with version 1 everywhere. */
static void torn_begin(const struct step *step, uint64_t full, struct map *old)
{
	static struct map none;

	pair_remove();
	power_restore();
	spare_grow(step->now && !strcmp(step->now, "grow") ? full - SEGMENT : full);
	spare_blank();
	if (pair_load())
		die("the pair is not formatted");
	pair_remember();
	if (step->before)
		remap_all(step->before);
	if (!write_unit(1))
		die("the unit cannot be written");
	map_read(old ? old : &none);
	if (spare_sectors != full)
		spare_grow(full);
}

/* The breaker waits for a write that succeeds beside the one that fails. */
static void *beside(void *arg)
{
	int fd = pair_open(O_RDWR | O_DIRECT);
	void *buffer;

	if (posix_memalign(&buffer, 4096, SECTOR))
		abort();
	memset(buffer, 0, SECTOR);
	while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE) &&
	       pwrite(fd, buffer, SECTOR, (main_sectors - 1) * SECTOR) == SECTOR)
		usleep(2000);
	free(buffer);
	close(fd);
	return NULL;
}

static bool torn_act(const struct step *step)
{
	bool stop = false, ok;
	pthread_t thread;

	if (step->slot)
		dm_message(S, NULL, "%s", step->slot);
	if (step->now)
		return !dm_message(R, NULL, "%s", step->now);
	dm_message(M, NULL, "bad %u 8 write", AT);
	if (pthread_create(&thread, NULL, beside, &stop))
		die("no thread");
	ok = write_unit(2);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return ok;
}

static uint64_t slots_of_pair(void)
{
	static char text[DM_TEXT];
	unsigned long long used, all;

	if (dm_status(R, text) || sscanf(text, "%*s %llu/%llu", &used, &all) != 2)
		die("r has no status");
	return all;
}

/* The n-th metadata write of the step lands in part; false: the step has no n-th. */
static bool torn_point(const struct step *step, unsigned int n, const char *part, unsigned int sectors, uint64_t full,
		       const struct map *new, uint64_t new_slots)
{
	static struct map old, map;
	uint64_t random = seed, old_slots;
	bool ok, data = !step->now;

	torn_begin(step, full, &old);
	old_slots = slots_of_pair();
	dm_message(S, NULL, "cut_mode %s %u fail_after fua %u ioerr then cut", part, sectors, n);
	ok = torn_act(step);
	if (!power_is_off())
		return false;
	pair_remove();
	if (!pair_reload(&random, &plain, &map))
		return true;
	/* It can succeed: two of four superblock copies are enough. */
	if (!map_same(&map, new) && (ok || !map_same(&map, &old)))
		violation("%s, write %u, %s %u: the map is neither the old nor the new one", step->name, n, part, sectors);
	if (slots_of_pair() != old_slots && slots_of_pair() != new_slots)
		violation("%s, write %u, %s %u: neither the old nor the new number of slots", step->name, n, part, sectors);
	check_unit(step, data && ok ? 2 : 1, data ? 2 : 1);
	return true;
}

void run_torn(const char *name, unsigned int points)
{
	static struct map new;
	uint64_t full = spare_sectors, new_slots;
	unsigned int i, n, sectors;
	bool more;

	(void)name;
	(void)points;
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		torn_begin(&steps[i], full, NULL);
		if (!torn_act(&steps[i]))
			die("%s fails", steps[i].name);
		map_read(&new);
		new_slots = slots_of_pair();
		more = true;
		for (n = 1; more; n++)
			for (sectors = 1; more && sectors < 8; sectors++)
				more = torn_point(&steps[i], n, "prefix", sectors, full, &new, new_slots) &&
				       torn_point(&steps[i], n, "suffix", sectors, full, &new, new_slots);
		printf("# %s: %u metadata writes, each torn 14 times\n", steps[i].name, n - 2);
	}
	pair_remove();
}

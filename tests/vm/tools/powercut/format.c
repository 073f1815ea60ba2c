// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Formatting that is cut off, and metadata writes of which only the first or the last sectors land: whatever is
 * there afterwards loads as the old or the new map.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/*
 * The writes are named by their places: superblocks S0 to S3, table copies A and B of a segment. A step that begins
 * elsewhere, or writes something else, would tear what nobody looked at, or nothing.
 */
struct step {
	const char *name;
	const char *writes;		/* its metadata writes, in order; each is torn */
	const char *before;		/* sectors that are the spare's, to their end */
	const char *now;		/* a message; NULL: a write that main fails */
	const char *slot;		/* the slot that fails it, too */
	bool anew;			/* the pair has just been loaded, and has written nothing yet */
};

static const struct step steps[] = {
	{ .name = "a relocation", .writes = "A0 B0" },
	{ .name = "remap", .writes = "A0 B0", .now = "remap 4096 8" },
	{ .name = "unremap", .writes = "A0 B0", .before = "4096 4104", .now = "unremap 4096 8" },
	{ .name = "the first commit of a session", .writes = "S1 S2 S3 S0 A0 B0", .anew = true, .now = "remap 4096 8" },
	{ .name = "a move", .writes = "A0 B0 A0 B0", .before = "4096 4104", .slot = "bad 8208 8 write" },
	{ .name = "a new segment", .writes = "A1 B1 S1 S2 S3 S0", .before = "0 2016", .now = "remap 4096 8" },
	{ .name = "grow", .writes = "S1 S2 S3 S0", .now = "grow" },
};

#define WRITES		16u		/* more than any step has */

/* Where the metadata writes since log_clear went, and how many they were. */
static unsigned int writes_of_spare(char place[WRITES][8])
{
	static const char *const table[] = { [0] = "A", [1] = "P", [254] = "Q", [255] = "B" };
	static char text[DM_TEXT];
	unsigned long long sector;
	char op[16], flags[64], *line, *rest;
	unsigned int n = 0, block;

	if (dm_message(S, text, "log"))
		die("s has no log");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%*s %*s %15s %llu %*s %63s", op, &sector, flags) != 3)
			die("a line of the log of s is '%s'", line);
		if (strcmp(op, "write") || !strstr(flags, "fua"))
			continue;
		if (n == WRITES)
			die("more than %u metadata writes", WRITES);
		block = sector < FIRST_SEGMENT ? 0 : (sector - FIRST_SEGMENT) % SEGMENT / 8;
		if (sector < FIRST_SEGMENT)
			snprintf(place[n++], sizeof(*place), "S%u", (unsigned int)(sector / SEGMENT));
		else
			snprintf(place[n++], sizeof(*place), "%s%u", block < FIRST_SLOT || block >= FIRST_SLOT + SLOTS ? table[block] : "data",
				 (unsigned int)((sector - FIRST_SEGMENT) / SEGMENT));
	}
	return n;
}

/* The first `n` writes went where they should; `all`: and there were no more. */
static bool writes_are(const struct step *step, unsigned int n, bool all)
{
	char place[WRITES][8], got[256] = "", wanted[256];
	unsigned int seen = writes_of_spare(place), i;
	size_t length = 0, end;

	for (i = 0; i < seen && (all || i < n); i++)
		length += snprintf(got + length, sizeof(got) - length, "%s%s", i ? " " : "", place[i]);
	for (end = 0, i = 0; step->writes[end] && (step->writes[end] != ' ' || ++i < n); end++)
		;
	snprintf(wanted, sizeof(wanted), "%.*s", (int)end, step->writes);
	if (!strcmp(got, wanted))
		return true;
	violation("%s, write %u: the metadata writes are '%s', not '%s'", step->name, n, got, wanted);
	return false;
}

static unsigned int writes_wanted(const struct step *step)
{
	unsigned int n = 1;
	const char *at;

	for (at = step->writes; *at; at++)
		n += *at == ' ';
	return n;
}

static uint64_t kept_of_spare(void)
{
	unsigned long long kept;

	if (dm_counter(S, "kept", &kept))
		die("s has no status");
	return kept;
}

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

static void remap_all(const char *range)		/* "FIRST END": sectors */
{
	unsigned long long first, end;

	if (sscanf(range, "%llu %llu", &first, &end) != 2)
		die("no range: %s", range);
	if (dm_remap(R, first, end))
		die("remap of %s is refused", range);
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
	if (step->anew) {
		pair_remove();
		if (pair_load())
			die("the pair does not load");
	}
	if (spare_sectors != full)
		spare_grow(full);
	if (dm_message(S, NULL, "stats_clear") || dm_message(S, NULL, "log_clear"))
		die("s does not forget");
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

/* The n-th metadata write of the step lands in part; false: it is not what it should be. */
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
	if (!power_is_off()) {
		violation("%s has no write %u", step->name, n);
		return false;
	}
	if (!writes_are(step, n, false))
		return false;
	/* The power is off before that has landed. */
	if (dm_message(S, NULL, "wait kept %u 10000", sectors) || kept_of_spare() != sectors)
		violation("%s, write %u, %s %u: %llu sectors landed", step->name, n, part, sectors,
			  (unsigned long long)kept_of_spare());
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

	(void)name;
	(void)points;
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		unsigned int writes = writes_wanted(&steps[i]), torn = 0;

		torn_begin(&steps[i], full, NULL);
		if (!torn_act(&steps[i]))
			die("%s fails", steps[i].name);
		if (!writes_are(&steps[i], writes, true))
			continue;
		map_read(&new);
		new_slots = slots_of_pair();
		for (n = 1; n <= writes; n++)
			for (sectors = 1; sectors < 8; sectors++)
				torn += torn_point(&steps[i], n, "prefix", sectors, full, &new, new_slots) +
					torn_point(&steps[i], n, "suffix", sectors, full, &new, new_slots);
		printf("# %s: %s: %u writes torn\n", steps[i].name, steps[i].writes, torn);
		if (torn != 14 * writes)
			violation("%s: %u writes were torn, not %u", steps[i].name, torn, 14 * writes);
	}
	pair_remove();
}

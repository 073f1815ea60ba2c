// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a lookup in the map costs on this processor: nanoseconds, the best of several rounds.
 * chained: the next sector asked for depends on the last answer; independent: it does not.
 * warm: the same 64 remaps; all: other remaps each time, in random order.
 */
#include <time.h>

#include "map.h"

/* Short rounds, of which the best has met no interruption. */
#define ROUNDS		200u
#define LOOKUPS		16384u
#define WARM		64u
#define GAP_UNITS	1000u	/* from one remap to the next */

static u64 mix(u64 v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *need(void *ptr)
{
	if (!ptr) {
		fprintf(stderr, "core-map: no memory\n");
		exit(1);
	}
	return ptr;
}

static u64 remap_unit(u64 i)
{
	return i * GAP_UNITS + mix(i) % (GAP_UNITS / 2);
}

static struct dmr_map *isolated_remaps(u64 count)
{
	struct dmr_map *map = need(dmr_map_create(count * GAP_UNITS * DMR_UNIT_SECTORS));
	u64 i;

	for (i = 0; i < count; i++) {
		struct dmr_unit unit = { .unit = remap_unit(i), .slot = i, .owned = 0xff };

		need(dmr_map_load(map, &unit) ? map : NULL);
	}
	return map;
}

/* Sectors to ask for: `shift` sectors after the start of a mapped unit. */
static u64 *questions(u64 remaps, u64 number, u64 shift)
{
	u64 *sector = need(malloc(number * sizeof(*sector)));
	u64 i;

	for (i = 0; i < number; i++)
		sector[i] = remap_unit(mix(i + 1) % remaps) * DMR_UNIT_SECTORS + shift;
	return sector;
}

static u64 sink;

static double find_once(const struct dmr_map *map, const u64 *sector, u64 mask, u64 chain, u64 first)
{
	double start = now();
	struct dmr_run run;
	u64 i, last = 0;

	for (i = first; i < first + LOOKUPS; i++) {
		/* last & chain is 0, but the processor has to wait for it. */
		run = dmr_map_find(map, sector[i & mask] + (last & chain), 8);
		last = run.spare_sector;
		sink += run.kind;
	}
	return (now() - start) / LOOKUPS;
}

static double best_find(const struct dmr_map *map, const u64 *sector, u64 mask, u64 chain)
{
	double best = 1e9, t;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		t = find_once(map, sector, mask, chain, i * LOOKUPS);
		best = t < best ? t : best;
	}
	return best;
}

static double best_miss(const struct dmr_map *map, const u64 *sector, u64 mask)
{
	const struct dmr_filter *filter = dmr_map_filter(map);
	double best = 1e9, start, t;
	unsigned int round;
	u64 i;

	for (round = 0; round < ROUNDS; round++) {
		start = now();
		for (i = 0; i < LOOKUPS; i++)
			sink += dmr_filter_hit(filter, sector[i & mask], 8);
		t = (now() - start) / LOOKUPS;
		best = t < best ? t : best;
	}
	return best;
}

static u64 power_of_two_to(u64 n)
{
	u64 p = WARM;

	while (p < n)
		p *= 2;
	return p;
}

static void row(u64 remaps)
{
	/* No spare is that long: a spare's sector masked by it is 0. */
	const u64 never = 1ull << 62;
	struct dmr_map *map = isolated_remaps(remaps);
	u64 all = power_of_two_to(remaps);
	u64 *hit = questions(remaps, all, 0);
	u64 *beside = questions(remaps, all, DMR_UNIT_SECTORS);
	struct dmr_map_stats stats;

	dmr_map_stats(map, &stats);
	printf("%10llu %9.1f %9.1f %9.1f %9.1f %9.1f %9.2f %9.1f\n", (unsigned long long)remaps,
	       best_find(map, hit, WARM - 1, never), best_find(map, hit, WARM - 1, 0),
	       best_find(map, hit, all - 1, never), best_find(map, hit, all - 1, 0),
	       best_find(map, beside, WARM - 1, never), best_miss(map, beside, WARM - 1),
	       (double)stats.bytes / remaps);
	free(hit);
	free(beside);
	dmr_map_destroy(map);
}

/* A filter without a bit set. */
static void healthy_row(void)
{
	u64 sectors = 1ull << 35, i, *sector = need(malloc(WARM * sizeof(*sector)));
	struct dmr_map *map = need(dmr_map_create(sectors));

	for (i = 0; i < WARM; i++)
		sector[i] = mix(i) % (sectors - 8);
	printf("filter, nothing mapped: %.2f ns; ", best_miss(map, sector, WARM - 1));
	printf("dmr_map_find() there: %.1f ns\n", best_find(map, sector, WARM - 1, 0));
	free(sector);
	dmr_map_destroy(map);
}

int main(void)
{
	u64 remaps;

	if (!dmr_map_init())
		need(NULL);
	printf("ns a lookup of 4 KiB; isolated remaps, one in each %u units\n", GAP_UNITS);
	printf("%10s %9s %9s %9s %9s %9s %9s %9s\n", "", "warm", "warm", "all", "all", "unmapped",
	       "filter", "bytes");
	printf("%10s %9s %9s %9s %9s %9s %9s %9s\n", "remaps", "chained", "indep.", "chained",
	       "indep.", "beside", "test", "a remap");
	for (remaps = 1000; remaps <= 1000000; remaps *= 10)
		row(remaps);
	healthy_row();
	dmr_map_exit();
	return sink == 1;
}

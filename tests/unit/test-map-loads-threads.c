// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A writer that publishes a change between any two loads of a reader: what the reader is told was true of each sector
 * before the change or is true after it, and is about one sector at least. (One thread; liburcu keeps for the reader
 * what the writer retires.)
 */
#include "map-model.h"

#include <stdio.h>

#define CHANGES		3u

struct scene {
	const char *name;
	u64 sectors;		/* of the map */
	u32 before_count;
	struct dmr_unit before[CHANGES];
	u32 change_count;
	struct dmr_unit change[CHANGES];
	u64 sector;		/* what is looked up */
	u32 count;
};

static struct {
	struct dmr_map *map;
	const struct scene *scene;
	u32 loads;		/* until the change */
	bool done;
} meanwhile;

static void publish(struct dmr_map *map, const struct dmr_unit *units, u32 count)
{
	struct dmr_map_change *change = dmr_map_prepare(map, units, count);

	assert_non_null(change);
	dmr_map_publish(map, change);
}

static void come_between(void)
{
	if (meanwhile.loads--)
		return;
	dmr_env_before_load = NULL;
	meanwhile.done = true;
	publish(meanwhile.map, meanwhile.scene->change, meanwhile.scene->change_count);
}

/* The unit as the last of these says, or none. */
static struct dmr_unit unit_in(const struct dmr_unit *units, u32 count, u64 unit)
{
	struct dmr_unit found = { .unit = unit };
	u32 i;

	for (i = 0; i < count; i++)
		if (units[i].unit == unit)
			found = units[i];
	return found;
}

static bool says(const struct dmr_unit *unit, u64 sector, u64 first, const struct dmr_run *run)
{
	unsigned int bit = sector % DMR_UNIT_SECTORS;
	bool owned = unit->owned >> bit & 1, pending = unit->pending >> bit & 1;
	enum dmr_kind kind = owned ? DMR_OWNED : pending ? DMR_PENDING : DMR_MAIN;

	return run->kind == kind &&
	       (kind != DMR_OWNED || run->spare_sector + (sector - first) == dmr_slot_sector(unit->slot) + bit);
}

static void check_run(const struct scene *scene, u32 loads, u64 sector, u64 end, const struct dmr_run *run)
{
	u64 at;

	if (!run->count || run->count > end - sector)
		fail_msg("%s, after %u loads: a run of %u sectors of %llu", scene->name, loads, run->count,
			 (unsigned long long)(end - sector));
	for (at = sector; at < sector + run->count; at++) {
		u64 number = at / DMR_UNIT_SECTORS;
		struct dmr_unit was = unit_in(scene->before, scene->before_count, number);
		struct dmr_unit is = unit_in(scene->change, scene->change_count, number);

		if (!unit_in(scene->change, scene->change_count, number).slot && !is.owned && !is.pending)
			is = was;
		if (!says(&was, at, sector, run) && !says(&is, at, sector, run))
			fail_msg("%s, after %u loads: sector %llu is said to be of kind %d", scene->name, loads,
				 (unsigned long long)at, run->kind);
	}
}

static void look_up(const struct scene *scene, u32 loads)
{
	struct dmr_run run;

	dmr_rcu_read_lock();
	dmr_env_before_load = come_between;
	run = dmr_map_find(meanwhile.map, scene->sector, scene->count);
	dmr_env_before_load = NULL;
	dmr_rcu_read_unlock();
	check_run(scene, loads, scene->sector, scene->sector + scene->count, &run);
}

/* What is mapped before and after is found, and nothing that never was. */
static void look_for_next(const struct scene *scene, u32 loads)
{
	u64 sector = scene->sector, end = scene->sector + scene->count, at;
	struct dmr_run run = { .kind = DMR_MAIN, .count = 1 };
	bool found;

	dmr_rcu_read_lock();
	dmr_env_before_load = come_between;
	found = dmr_map_next(meanwhile.map, &sector, end, &run);
	dmr_env_before_load = NULL;
	dmr_rcu_read_unlock();
	if (found)
		check_run(scene, loads, sector, end, &run);
	run.kind = DMR_MAIN;
	run.count = 1;
	for (at = scene->sector; at < (found ? sector : end); at++)
		check_run(scene, loads, at, end, &run);
}

static void with_a_change_at_each_load(const struct scene *scene, void (*reads)(const struct scene *, u32))
{
	u32 loads = 0;

	do {
		meanwhile.map = dmr_map_create(scene->sectors);
		meanwhile.scene = scene;
		meanwhile.loads = loads;
		meanwhile.done = false;
		assert_non_null(meanwhile.map);
		if (scene->before_count)
			publish(meanwhile.map, scene->before, scene->before_count);
		reads(scene, loads++);
		dmr_rcu_barrier();
		dmr_map_destroy(meanwhile.map);
	} while (meanwhile.done);
	assert_true(loads > 3);
}

#define GIB	(1ull << 21)
#define OWNED(n, s)	{ .unit = n, .slot = s, .owned = 0xff }
#define NONE(n, s)	{ .unit = n, .slot = s }

/* Regions of the filter: of a unit up to 1 GiB, of a group from 64 GiB on, of 16 in a TiB. */
static const struct scene scenes[] = {
	{ "a unit comes where nothing was", GIB, 0, { }, 1, { OWNED(100, 7) }, 803, 5 },
	{ "a unit comes before the one that is looked up", GIB, 1, { OWNED(102, 5) }, 1, { OWNED(100, 7) }, 803, 21 },
	{ "a unit comes into a region, beside one of the next", 256 * GIB, 1, { OWNED(256, 5) }, 1, { OWNED(200, 7) },
	  1700, 400 },
	{ "the same, in a region of many groups", 1024 * GIB, 1, { OWNED(1024, 5) }, 1, { OWNED(900, 7) }, 8000, 200 },
	{ "the same, at the first sector that is looked up", 1024 * GIB, 1, { OWNED(1024, 5) }, 1, { OWNED(1000, 7) },
	  8000, 200 },
	{ "two units come at once", 64 * GIB, 1, { OWNED(130, 5) }, 2, { OWNED(126, 7), OWNED(127, 8) }, 1009, 60 },
	{ "a unit goes", 64 * GIB, 2, { OWNED(127, 5), OWNED(128, 6) }, 1, { NONE(127, 5) }, 1016, 16 },
	{ "a unit moves to another slot", 64 * GIB, 2, { OWNED(127, 5), OWNED(128, 6) }, 1, { OWNED(128, 9) }, 1017, 15 },
	{ "some of a unit's sectors come", 64 * GIB, 1, { { .unit = 100, .slot = 5, .pending = 0x0f } }, 1,
	  { { .unit = 100, .slot = 5, .pending = 0x0c, .owned = 0x33 } }, 800, 16 },
	{ "a unit comes beside another of its group", 64 * GIB, 1, { OWNED(101, 5) }, 1, { OWNED(100, 7) }, 800, 16 },
};

static void a_change_between_the_loads_of_a_lookup(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		with_a_change_at_each_load(&scenes[i], look_up);
}

static void a_change_between_the_loads_of_a_search(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		with_a_change_at_each_load(&scenes[i], look_for_next);
}

static int tear_down(void **state)
{
	dmr_rcu_barrier();
	rcu_unregister_thread();
	return map_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_between_the_loads_of_a_lookup),
		cmocka_unit_test(a_change_between_the_loads_of_a_search),
	};

	rcu_register_thread();
	return cmocka_run_group_tests(tests, map_set_up, tear_down);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the map costs, and what it does when there is no memory: every allocation fails once. */
#include "map-model.h"

#define GROUPS(n)	((u64)(n) * DMR_GROUP_SECTORS)
#define RESERVE		128u

static struct dmr_map *map_of(u64 sectors)
{
	struct dmr_map *map = dmr_map_create(sectors);

	assert_non_null(map);
	return map;
}

static u64 bytes(struct dmr_map *map)
{
	struct dmr_map_stats stats;

	dmr_map_stats(map, &stats);
	return stats.bytes;
}

/* So many units, one in each group. */
static struct dmr_unit *isolated(u32 count)
{
	struct dmr_unit *units = calloc(count, sizeof(*units));
	u32 i;

	assert_non_null(units);
	for (i = 0; i < count; i++)
		units[i] = (struct dmr_unit) { .unit = i * 64ull, .slot = i, .owned = 0xff };
	return units;
}

static void publish(struct dmr_map *map, const struct dmr_unit *units, u32 count)
{
	struct dmr_map_change *change = dmr_map_prepare(map, units, count);

	assert_non_null(change);
	dmr_map_publish(map, change);
}

/* Whichever way units came in: what the map says of itself is what was allocated. */
static void check_cost(struct dmr_map *map, long empty, u64 units, u64 limit)
{
	u64 cost = dmr_env_bytes - empty;

	assert_int_equal(bytes(map), cost + DMR_MAP_MIN_BUCKETS * sizeof(void *));
	if (bytes(map) > units * limit)
		fail_msg("%llu bytes for %llu units", (unsigned long long)bytes(map),
			 (unsigned long long)units);
}

static void dense_damage_costs_at_most_9_bytes_a_unit(void **state)
{
	struct dmr_map *map = map_of(GROUPS(5000));
	long empty = dmr_env_bytes;
	u64 unit;

	(void)state;
	for (unit = 0; unit < 5000 * 64; unit++) {
		assert_true(dmr_map_load(map, &(struct dmr_unit) { .unit = unit, .slot = unit * 3,
			.owned = 0xff }));
		/* Below 32 groups the smallest table counts for more than its share. */
		if (unit % 64 == 63 && unit >= 32 * 64)
			check_cost(map, empty, unit + 1, 9);
	}
	dmr_map_destroy(map);
}

static void dense_damage_costs_no_more_after_growing_unit_by_unit_or_shrinking(void **state)
{
	struct dmr_map *map = map_of(GROUPS(1000));
	long empty = dmr_env_bytes;
	struct dmr_unit unit = { .owned = 0xff };

	(void)state;
	for (unit.unit = 0; unit.unit < 1000 * 64; unit.unit++) {
		publish(map, &unit, 1);
		dmr_map_resize(map);
	}
	check_cost(map, empty, unit.unit, 9);
	unit.owned = 0;
	while (unit.unit-- > 40 * 64) {
		publish(map, &unit, 1);
		dmr_map_resize(map);
		if (unit.unit % 64 == 0)
			check_cost(map, empty, unit.unit, 9);
	}
	dmr_map_destroy(map);
}

static void an_isolated_remap_costs_at_most_128_bytes(void **state)
{
	struct dmr_map *map = map_of(GROUPS(5000));
	struct dmr_unit *units = isolated(5000);
	long empty = dmr_env_bytes;
	u32 i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		publish(map, &units[i], 1);
		dmr_map_resize(map);
		if (i >= 32)
			check_cost(map, empty, i + 1, 128);
	}
	for (; i > 32; i--) {
		units[i - 1].owned = 0;
		publish(map, &units[i - 1], 1);
		dmr_map_resize(map);
		if (i > 33)
			check_cost(map, empty, i - 1, 128);
	}
	dmr_map_destroy(map);
	free(units);
}

static void init_and_create_fail_cleanly_at_every_allocation(void **state)
{
	struct dmr_map *map = NULL;
	long start = dmr_env_bytes, n;

	(void)state;
	dmr_map_exit();
	for (n = 0; !map; n++) {
		dmr_env_fail_after = n;
		map = dmr_map_init() ? dmr_map_create(GROUPS(10)) : NULL;
		dmr_env_fail_after = -1;
		if (!map) {
			dmr_map_exit();
			assert_null(dmr_map_create(GROUPS(10)));
			assert_int_equal(dmr_env_bytes + 5 * sizeof(dmr_cache), start);
		}
	}
	assert_true(n > RESERVE);
	dmr_map_destroy(map);
	assert_int_equal(dmr_env_bytes, start);
}

static void load_fails_cleanly_and_can_be_tried_again(void **state)
{
	struct model model = model_create(GROUPS(200));
	struct dmr_map *map = map_of(model.sectors);
	struct random random = random_start(3);
	u32 failed = 0, i;

	(void)state;
	for (i = 0; i < 4000; i++) {
		struct dmr_unit unit = { .unit = random_below(&random, model.units), .slot = i,
					 .owned = 0xff };

		if (model_mapped(&model.unit[unit.unit]))
			continue;
		dmr_env_fail_after = 0;
		if (!dmr_map_load(map, &unit)) {
			failed++;
			model_check_unit(&model, map, unit.unit);
			dmr_env_fail_after = -1;
			assert_true(dmr_map_load(map, &unit));
		}
		dmr_env_fail_after = -1;
		model.unit[unit.unit] = unit;
	}
	assert_true(failed > 200);
	model_check_all(&model, map);
	dmr_map_destroy(map);
	free(model.unit);
}

static void C19_a_change_comes_from_the_reserve_when_memory_is_short(void **state)
{
	struct dmr_unit *units = isolated(RESERVE + 1);
	struct dmr_map *map = map_of(GROUPS(RESERVE + 1));
	struct dmr_map_change *change;
	struct dmr_unit got;
	u32 i;

	(void)state;
	dmr_env_fail_nowait_after = 0;
	assert_null(dmr_map_prepare(map, units, RESERVE + 1));
	assert_false(dmr_map_wants_work(map));
	change = dmr_map_prepare(map, units, RESERVE);
	assert_non_null(change);
	assert_true(dmr_map_wants_work(map));
	dmr_map_cancel(map, change);
	assert_false(dmr_map_wants_work(map));
	publish(map, units, RESERVE);
	for (i = 0; i < RESERVE; i++)
		assert_true(dmr_map_get(map, units[i].unit, &got));
	assert_false(dmr_map_get(map, units[i].unit, &got));

	/* Removing needs memory too; there is none, and nothing changes. */
	units[0].owned = 0;
	assert_null(dmr_map_prepare(map, units, 1));
	assert_true(dmr_map_get(map, 0, &got));
	assert_true(dmr_map_refill(map));
	publish(map, units, 1);
	assert_false(dmr_map_get(map, 0, &got));
	dmr_env_fail_nowait_after = -1;
	dmr_map_destroy(map);
	free(units);
}

static void C19_prepare_never_waits_and_changes_nothing_when_it_fails(void **state)
{
	struct dmr_unit *units = isolated(300);
	struct model model = model_create(GROUPS(300));
	struct dmr_map *map = map_of(model.sectors);
	struct dmr_map_change *change = NULL;
	u32 n, failed = 0;

	(void)state;
	for (n = 0; n < 300; n += 2) {
		model.unit[units[n].unit] = units[n];
		assert_true(dmr_map_load(map, &units[n]));
		units[n].slot += 1000;
	}
	for (n = 0; !change; n++) {
		dmr_env_fail_nowait_after = n;
		change = dmr_map_prepare(map, units, 300);
		failed += !change;
		if (!change)
			model_check_all(&model, map);
	}
	dmr_env_fail_nowait_after = -1;
	/* 300 groups, of which the reserve supplies 128. */
	assert_int_equal(failed, 300 - RESERVE);
	dmr_map_publish(map, change);
	for (n = 0; n < 300; n++)
		model.unit[units[n].unit] = units[n];
	model_check_all(&model, map);
	dmr_map_destroy(map);
	free(model.unit);
	free(units);
}

static void refill_and_resize_without_memory_leave_the_map_working(void **state)
{
	struct dmr_unit *units = isolated(500);
	struct model model = model_create(GROUPS(500));
	struct dmr_map *map = map_of(model.sectors);
	struct dmr_map_stats stats;
	u32 i;

	(void)state;
	for (i = 0; i < 500; i++)
		model.unit[units[i].unit] = units[i];
	publish(map, units, 500);
	dmr_env_fail_after = 0;
	publish(map, units, 10);
	assert_false(dmr_map_refill(map));
	dmr_map_resize(map);
	assert_true(dmr_map_wants_work(map));
	model_check_all(&model, map);
	dmr_map_stats(map, &stats);
	assert_int_equal(stats.buckets, 64);
	dmr_env_fail_after = -1;
	assert_true(dmr_map_refill(map));
	assert_true(dmr_map_wants_work(map));
	dmr_map_resize(map);
	assert_false(dmr_map_wants_work(map));
	model_check_all(&model, map);
	dmr_map_stats(map, &stats);
	assert_int_equal(stats.buckets, 512);
	dmr_map_destroy(map);
	free(model.unit);
	free(units);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dense_damage_costs_at_most_9_bytes_a_unit),
		cmocka_unit_test(dense_damage_costs_no_more_after_growing_unit_by_unit_or_shrinking),
		cmocka_unit_test(an_isolated_remap_costs_at_most_128_bytes),
		cmocka_unit_test(init_and_create_fail_cleanly_at_every_allocation),
		cmocka_unit_test(load_fails_cleanly_and_can_be_tried_again),
		cmocka_unit_test(C19_a_change_comes_from_the_reserve_when_memory_is_short),
		cmocka_unit_test(C19_prepare_never_waits_and_changes_nothing_when_it_fails),
		cmocka_unit_test(refill_and_resize_without_memory_leave_the_map_working),
	};

	return cmocka_run_group_tests(tests, map_set_up, map_tear_down);
}

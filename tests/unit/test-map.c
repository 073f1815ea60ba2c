// SPDX-License-Identifier: GPL-2.0-or-later
/* What the map promises its callers, one behaviour a test. */
#include "map-model.h"

#define GROUPS(n)	((u64)(n) * DMR_GROUP_SECTORS)

static struct dmr_map *map_of(u64 sectors)
{
	struct dmr_map *map = dmr_map_create(sectors);

	assert_non_null(map);
	return map;
}

static void publish(struct dmr_map *map, const struct dmr_unit *units, u32 count)
{
	struct dmr_map_change *change = dmr_map_prepare(map, units, count);

	assert_non_null(change);
	dmr_map_publish(map, change);
}

static void own(struct dmr_map *map, u64 unit, u32 slot)
{
	publish(map, &(struct dmr_unit) { .unit = unit, .slot = slot, .owned = 0xff }, 1);
}

static void forget(struct dmr_map *map, u64 unit)
{
	publish(map, &(struct dmr_unit) { .unit = unit }, 1);
}

static void assert_run(struct dmr_map *map, u64 sector, u32 ask, enum dmr_kind kind, u32 count,
		       u64 spare)
{
	struct dmr_run want = { .kind = kind, .count = count, .spare_sector = spare }, got;

	got = dmr_map_find(map, sector, ask);
	model_check_run(&got, &want, sector);
}

static u64 buckets(struct dmr_map *map)
{
	struct dmr_map_stats stats;

	dmr_map_stats(map, &stats);
	return stats.buckets;
}

static void C1_filter_hits_where_a_unit_is_and_nowhere_else(void **state)
{
	u64 sectors = GROUPS(4 << 18), at;
	struct dmr_map *map = map_of(sectors);
	const struct dmr_filter *filter = dmr_map_filter(map);
	u64 region = 1ull << filter->region_shift;

	(void)state;
	assert_int_equal(region, 4 * DMR_GROUP_SECTORS);
	for (at = 0; at < sectors; at += region)
		assert_false(dmr_filter_hit(filter, at, region));
	own(map, (1000 * region + 808) / 8, 5);
	for (at = 0; at < sectors; at += region)
		assert_int_equal(dmr_filter_hit(filter, at, region), at == 1000 * region);
	assert_false(dmr_filter_hit(filter, 1000 * region - 8, 8));
	assert_true(dmr_filter_hit(filter, 1000 * region - 8, 9));
	assert_true(dmr_filter_hit(filter, 1001 * region - 1, 100));
	assert_false(dmr_filter_hit(filter, 1001 * region, 100));
	assert_true(dmr_filter_hit(filter, 999 * region, 3 * region));
	dmr_map_destroy(map);
}

static void C1_filter_of_a_small_main_tells_units_apart(void **state)
{
	struct dmr_map *map = map_of(1 << 21);
	const struct dmr_filter *filter = dmr_map_filter(map);
	u64 unit;

	(void)state;
	own(map, 1000, 5);
	own(map, 1002, 6);
	for (unit = 0; unit < 1 << 18; unit++)
		assert_int_equal(dmr_filter_hit(filter, unit * 8, 8), unit == 1000 || unit == 1002);
	assert_false(dmr_filter_hit(filter, 0, 8000));
	assert_true(dmr_filter_hit(filter, 0, 8001));
	assert_true(dmr_filter_hit(filter, 7999, 2048));
	assert_false(dmr_filter_hit(filter, 8024, (1 << 21) - 8024));
	dmr_map_destroy(map);
}

static void C1_filter_takes_at_most_32_KiB_and_less_for_a_small_main(void **state)
{
	static const u64 sizes[] = { 0, 1, 512, 513, GROUPS(1 << 18), GROUPS(1 << 18) + 1,
				     1ull << 36, (1ull << 36) + 1, 1ull << 51 };
	long empty = dmr_env_bytes, tiny = 0;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct dmr_map *map = map_of(sizes[i]);
		const struct dmr_filter *filter = dmr_map_filter(map);

		assert_true(filter->region_shift >= 3);
		assert_true(!sizes[i] || (sizes[i] - 1) >> filter->region_shift < 1 << 18);
		if (!i)
			tiny = dmr_env_bytes - empty;
		assert_true(dmr_env_bytes - empty <= tiny + 32768);
		if (sizes[i]) {
			/* The last unit's bit is within the filter. */
			own(map, (sizes[i] - 1) / 8, 0);
			assert_true(dmr_filter_hit(filter, sizes[i] - 1, 1));
		}
		dmr_map_destroy(map);
	}
}

static void each_state_of_a_sector_has_its_kind(void **state)
{
	static const enum dmr_kind kind[2][2] = { { DMR_MAIN, DMR_PENDING },
						  { DMR_OWNED, DMR_OWNED_PENDING } };
	struct dmr_map *map = map_of(GROUPS(2));
	unsigned int bits;

	(void)state;
	for (bits = 1; bits < 16; bits++) {
		bool owned = bits & 1, pending = bits & 2, doubt = bits & 4, lost = bits & 8;
		enum dmr_kind want = doubt ? DMR_DOUBT : owned && pending && lost ? DMR_LOST :
				     kind[owned][pending];
		u64 spare = want == DMR_MAIN ? 0 : dmr_slot_sector(3) + 5;

		publish(map, &(struct dmr_unit) { .unit = 1, .slot = 3, .owned = owned << 5,
			.pending = pending << 5, .doubt = doubt << 5, .lost = lost }, 1);
		assert_run(map, 13, 1, want, 1, spare);
		if (want == DMR_MAIN)
			continue;
		assert_run(map, 13, 100, want, 1, spare);
		assert_run(map, 0, 100, DMR_MAIN, 13, 0);
		assert_run(map, 14, 100, DMR_MAIN, 100, 0);
	}
	dmr_map_destroy(map);
}

static void C2_runs_end_exactly_at_the_edges_of_owned_sectors(void **state)
{
	struct dmr_map *map = map_of(GROUPS(4));
	unsigned int first, last;

	(void)state;
	for (first = 0; first < 8; first++) {
		for (last = first; last < 8; last++) {
			unsigned int len = last - first + 1;

			publish(map, &(struct dmr_unit) { .unit = 64, .slot = 7,
				.owned = ((1u << len) - 1) << first }, 1);
			assert_run(map, 0, 2048, DMR_MAIN, 512 + first, 0);
			assert_run(map, 512 + first, 2048 - 512 - first, DMR_OWNED, len,
				   dmr_slot_sector(7) + first);
			assert_run(map, 512 + last, 1, DMR_OWNED, 1, dmr_slot_sector(7) + last);
			assert_run(map, 513 + last, 2048 - 513 - last, DMR_MAIN,
				   2048 - 513 - last, 0);
		}
	}
	dmr_map_destroy(map);
}

static void C2_neighbours_with_consecutive_slots_stay_one_run(void **state)
{
	struct dmr_map *map = map_of(GROUPS(8));
	u64 unit;

	(void)state;
	for (unit = 60; unit < 200; unit++)
		own(map, unit, unit + 20);
	/* Across units and over the edges of two groups, from any sector on. */
	assert_run(map, 480, 3000, DMR_OWNED, 140 * 8, dmr_slot_sector(80));
	assert_run(map, 483, 3000, DMR_OWNED, 140 * 8 - 3, dmr_slot_sector(80) + 3);
	assert_run(map, 483, 600, DMR_OWNED, 600, dmr_slot_sector(80) + 3);
	assert_run(map, 0, 3000, DMR_MAIN, 480, 0);
	dmr_map_destroy(map);
}

static void C2_runs_end_where_the_spare_is_not_consecutive(void **state)
{
	struct dmr_map *map = map_of(GROUPS(8));

	(void)state;
	/* Slots 251 and 252 are neighbours by number only: tables lie between them. */
	own(map, 63, 250);
	own(map, 64, 251);
	own(map, 65, 252);
	own(map, 66, 254);
	own(map, 67, 253);
	assert_run(map, 63 * 8, 500, DMR_OWNED, 16, dmr_slot_sector(250));
	assert_run(map, 65 * 8, 500, DMR_OWNED, 8, dmr_slot_sector(252));
	assert_run(map, 66 * 8, 500, DMR_OWNED, 8, dmr_slot_sector(254));
	assert_run(map, 67 * 8, 500, DMR_OWNED, 8, dmr_slot_sector(253));
	dmr_map_destroy(map);
}

static void C2_runs_of_different_kinds_do_not_merge(void **state)
{
	const struct dmr_unit units[] = {
		{ .unit = 10, .slot = 10, .owned = 0xff },
		{ .unit = 11, .slot = 11, .owned = 0xff, .pending = 0xff },
		{ .unit = 12, .slot = 12, .owned = 0xff, .pending = 0xff, .lost = 1 },
		{ .unit = 13, .slot = 13, .pending = 0xff },
		{ .unit = 14, .slot = 14, .owned = 0xff, .doubt = 0xff },
	};
	static const enum dmr_kind kind[] = { DMR_OWNED, DMR_OWNED_PENDING, DMR_LOST, DMR_PENDING,
					      DMR_DOUBT };
	struct dmr_map *map = map_of(GROUPS(1));
	size_t i;

	(void)state;
	publish(map, units, ARRAY_SIZE(units));
	for (i = 0; i < ARRAY_SIZE(units); i++)
		assert_run(map, 80 + i * 8, 100, kind[i], 8, dmr_slot_sector(10 + i));
	dmr_map_destroy(map);
}

static void find_and_next_cross_the_largest_main(void **state)
{
	u64 sectors = 1ull << 51, at = 0;
	struct dmr_map *map = map_of(sectors);
	struct dmr_run run;

	(void)state;
	assert_run(map, 0, 0xffffffff, DMR_MAIN, 0xffffffff, 0);
	assert_false(dmr_map_next(map, &at, ~0ull, &run));
	assert_int_equal(at, 0);
	own(map, sectors / 8 - 1, DMR_NO_SLOT - 1);
	assert_true(dmr_map_next(map, &at, ~0ull, &run));
	assert_int_equal(at, sectors - 8);
	assert_int_equal(run.count, 8);
	assert_int_equal(run.spare_sector, dmr_slot_sector(DMR_NO_SLOT - 1));
	at = 0;
	assert_false(dmr_map_next(map, &at, sectors - 8, &run));
	assert_true(dmr_map_next(map, &at, sectors - 7, &run));
	assert_int_equal(run.count, 1);
	dmr_map_destroy(map);
}

static void a_change_is_seen_when_published_and_not_before(void **state)
{
	const struct dmr_unit units[] = { { .unit = 5, .slot = 1, .owned = 0xff },
					  { .unit = 500, .slot = 2, .owned = 0xff } };
	struct dmr_map *map = map_of(GROUPS(16));
	struct dmr_map_change *change;
	struct dmr_unit got;

	(void)state;
	change = dmr_map_prepare(map, units, 2);
	assert_non_null(change);
	assert_false(dmr_map_get(map, 5, &got));
	dmr_map_cancel(map, change);
	assert_false(dmr_map_get(map, 5, &got));
	assert_false(dmr_filter_hit(dmr_map_filter(map), 0, GROUPS(16)));
	publish(map, units, 2);
	assert_true(dmr_map_get(map, 5, &got));
	assert_true(dmr_map_get(map, 500, &got));
	assert_int_equal(got.slot, 2);
	dmr_map_destroy(map);
}

static void removing_the_last_unit_frees_the_group(void **state)
{
	struct dmr_map *map = map_of(GROUPS(16));
	struct dmr_map_stats before, after;

	(void)state;
	dmr_map_stats(map, &before);
	own(map, 70, 1);
	own(map, 71, 2);
	forget(map, 70);
	assert_run(map, 0, 2000, DMR_MAIN, 71 * 8, 0);
	forget(map, 71);
	forget(map, 71);
	assert_run(map, 0, 2000, DMR_MAIN, 2000, 0);
	dmr_map_stats(map, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	dmr_map_destroy(map);
}

static void units_beyond_the_end_of_main_are_refused(void **state)
{
	const struct dmr_unit units[] = { { .unit = 5, .slot = 1, .owned = 0xff },
					  { .unit = 65, .slot = 2, .owned = 0xff } };
	struct dmr_map *map = map_of(GROUPS(1) + 1);
	struct dmr_unit got;

	(void)state;
	assert_null(dmr_map_prepare(map, units, 2));
	assert_false(dmr_map_load(map, &units[1]));
	assert_false(dmr_map_get(map, 5, &got));
	own(map, 64, 1);
	dmr_map_destroy(map);
}

static void table_doubles_above_three_groups_in_two_buckets(void **state)
{
	struct dmr_map *map = map_of(GROUPS(400));
	u64 group;

	(void)state;
	assert_int_equal(buckets(map), 64);
	for (group = 0; group < 96; group++)
		own(map, group * 64, group);
	assert_false(dmr_map_wants_work(map));
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 64);
	own(map, 96 * 64, 96);
	assert_true(dmr_map_wants_work(map));
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 128);
	assert_false(dmr_map_wants_work(map));
	dmr_map_destroy(map);
}

static void table_halves_below_one_group_in_two_buckets_down_to_64(void **state)
{
	struct dmr_map *map = map_of(GROUPS(400));
	u64 group;

	(void)state;
	for (group = 0; group < 97; group++)
		own(map, group * 64, group);
	dmr_map_resize(map);
	for (group = 96; group >= 64; group--)
		forget(map, group * 64);
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 128);
	forget(map, 0);
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 64);
	for (group = 1; group < 64; group++)
		forget(map, group * 64);
	assert_false(dmr_map_wants_work(map));
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 64);
	dmr_map_destroy(map);
}

static void loading_resizes_by_itself(void **state)
{
	struct dmr_map *map = map_of(GROUPS(100000));
	u64 i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		/* 7 and 100,000 have no common factor: every group once. */
		struct dmr_unit unit = { .unit = i * 7 % 100000 * 64 + i % 64, .slot = i,
					 .owned = 0xff };

		assert_true(dmr_map_load(map, &unit));
	}
	assert_int_equal(buckets(map), 131072);
	assert_false(dmr_map_wants_work(map));
	dmr_map_destroy(map);
}

/* Units of 14,000 groups, one each, and a resize from 8,192 to 16,384 buckets that has begun. */
static struct dmr_map *half_resized(struct model *model)
{
	struct dmr_map *map;
	u64 group;

	*model = model_create(GROUPS(16000));
	map = map_of(model->sectors);
	for (group = 0; group < 14000; group++) {
		struct dmr_unit unit = { .unit = group * 64 + group % 64, .slot = group,
					 .owned = 0xff };

		model->unit[unit.unit] = unit;
		if (group < 12000)
			assert_true(dmr_map_load(map, &unit));
		else
			publish(map, &unit, 1);
	}
	assert_int_equal(buckets(map), 8192);
	assert_true(dmr_map_resize_step(map));
	assert_int_equal(buckets(map), 8192);
	assert_true(dmr_map_wants_work(map));
	return map;
}

static void changes_between_the_steps_of_a_resize_are_in_both_tables(void **state)
{
	struct model model;
	struct dmr_map *map = half_resized(&model);
	u64 group;

	(void)state;
	/* New groups, changed groups and groups taken out, in every bucket, moved or not yet moved. */
	for (group = 0; group < 16000; group++) {
		struct dmr_unit unit = { .unit = group * 64 + group % 64, .slot = 20000 + group };

		unit.owned = group % 8 ? 0xff : 0;
		publish(map, &unit, 1);
		model.unit[unit.unit] = unit;
	}
	model_check_all(&model, map);
	dmr_map_resize(map);
	assert_int_equal(buckets(map), 16384);
	model_check_all(&model, map);
	dmr_map_destroy(map);
	free(model.unit);
}

static void a_map_can_be_destroyed_in_the_middle_of_a_resize(void **state)
{
	struct model model;
	struct dmr_map *map = half_resized(&model);
	struct dmr_unit got;

	(void)state;
	assert_true(dmr_map_get(map, 64 * 100 + 36, &got));
	assert_true(dmr_map_wants_work(map));
	dmr_map_destroy(map);
	free(model.unit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(C1_filter_hits_where_a_unit_is_and_nowhere_else),
		cmocka_unit_test(C1_filter_of_a_small_main_tells_units_apart),
		cmocka_unit_test(C1_filter_takes_at_most_32_KiB_and_less_for_a_small_main),
		cmocka_unit_test(each_state_of_a_sector_has_its_kind),
		cmocka_unit_test(C2_runs_end_exactly_at_the_edges_of_owned_sectors),
		cmocka_unit_test(C2_neighbours_with_consecutive_slots_stay_one_run),
		cmocka_unit_test(C2_runs_end_where_the_spare_is_not_consecutive),
		cmocka_unit_test(C2_runs_of_different_kinds_do_not_merge),
		cmocka_unit_test(find_and_next_cross_the_largest_main),
		cmocka_unit_test(a_change_is_seen_when_published_and_not_before),
		cmocka_unit_test(removing_the_last_unit_frees_the_group),
		cmocka_unit_test(units_beyond_the_end_of_main_are_refused),
		cmocka_unit_test(table_doubles_above_three_groups_in_two_buckets),
		cmocka_unit_test(table_halves_below_one_group_in_two_buckets_down_to_64),
		cmocka_unit_test(loading_resizes_by_itself),
		cmocka_unit_test(changes_between_the_steps_of_a_resize_are_in_both_tables),
		cmocka_unit_test(a_map_can_be_destroyed_in_the_middle_of_a_resize),
	};

	return cmocka_run_group_tests(tests, map_set_up, map_tear_down);
}

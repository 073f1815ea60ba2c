// SPDX-License-Identifier: GPL-2.0-or-later
/* C15, C16: a map follows a main that became longer, with all that was in it. */
#include "map-model.h"

#define GROUPS(n)	((u64)(n) * DMR_GROUP_SECTORS)

static struct dmr_map *map_with(u64 sectors, const u64 *units, u32 count)
{
	struct dmr_map *map = dmr_map_create(sectors);
	u32 i;

	assert_non_null(map);
	for (i = 0; i < count; i++)
		assert_true(dmr_map_load(map, &(struct dmr_unit) { .unit = units[i], .slot = i, .owned = 0xff }));
	return map;
}

static void check_units(struct dmr_map *map, const u64 *units, u32 count)
{
	const struct dmr_filter *filter = dmr_map_filter(map);
	struct dmr_unit unit;
	struct dmr_run run;
	u64 at = 0;
	u32 i;

	for (i = 0; i < count; i++, at += 8) {
		assert_true(dmr_filter_hit(filter, units[i] * 8, 8));
		assert_true(dmr_map_get(map, units[i], &unit));
		assert_int_equal(unit.slot, i);
		assert_true(dmr_map_next(map, &at, 1ull << 51, &run));
		assert_int_equal(at, units[i] * 8);
	}
	assert_false(dmr_map_next(map, &at, 1ull << 51, &run));
}

static void units_stay_where_they_are_at_every_growth(void **state)
{
	/* From regions of one group to regions of two, of sixteen, of two thousand. */
	static const u64 sizes[] = { GROUPS(3), GROUPS(1000), GROUPS(1 << 18), GROUPS(1 << 18) + 1,
				     GROUPS(1 << 22), 1ull << 39, 1ull << 51 };
	static const u64 units[] = { 0, 63, 64, 191 };
	struct dmr_map *map = map_with(sizes[0], units, ARRAY_SIZE(units));
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(dmr_map_extend(map, sizes[i]));
		assert_int_equal(dmr_map_filter(map)->sectors, sizes[i]);
		check_units(map, units, ARRAY_SIZE(units));
	}
	dmr_map_destroy(map);
}

static void every_region_keeps_its_bit_and_no_other_gets_one(void **state)
{
	u64 was = GROUPS(1 << 18), is = 8 * was, group;
	struct dmr_map *map = map_with(was, NULL, 0);
	const struct dmr_filter *filter;

	(void)state;
	for (group = 0; group < 1 << 18; group += 1 + group % 977)
		assert_true(dmr_map_load(map, &(struct dmr_unit) { .unit = group * 64 + 1, .slot = 1, .owned = 1 }));
	assert_true(dmr_map_extend(map, is));
	filter = dmr_map_filter(map);
	for (group = 0; group < 8 << 18; group += 8) {
		bool used = false, hit = dmr_filter_hit(filter, GROUPS(group), 1);
		struct dmr_unit unit;
		unsigned int k;

		for (k = 0; k < 8 && !used; k++)
			used = dmr_map_get(map, (group + k) * 64 + 1, &unit);
		assert_int_equal(hit, used);
	}
	dmr_map_destroy(map);
}

static void beyond_the_old_end_there_is_room(void **state)
{
	const struct dmr_unit beyond = { .unit = 64 * 5, .slot = 9, .owned = 0xff };
	struct dmr_map *map = map_with(GROUPS(5), NULL, 0);
	struct dmr_map_change *change;
	struct dmr_run run;

	(void)state;
	assert_null(dmr_map_prepare(map, &beyond, 1));
	assert_true(dmr_map_extend(map, GROUPS(5) + 8));
	change = dmr_map_prepare(map, &beyond, 1);
	assert_non_null(change);
	dmr_map_publish(map, change);
	run = dmr_map_find(map, GROUPS(5), 8);
	assert_int_equal(run.kind, DMR_OWNED);
	dmr_map_destroy(map);
}

static void a_shorter_main_changes_nothing(void **state)
{
	static const u64 units[] = { 64 * 9 };
	struct dmr_map *map = map_with(GROUPS(10), units, 1);
	const struct dmr_filter *filter = dmr_map_filter(map);

	(void)state;
	assert_true(dmr_map_extend(map, GROUPS(1)));
	assert_ptr_equal(dmr_map_filter(map), filter);
	check_units(map, units, 1);
	dmr_map_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_stay_where_they_are_at_every_growth),
		cmocka_unit_test(every_region_keeps_its_bit_and_no_other_gets_one),
		cmocka_unit_test(beyond_the_old_end_there_is_room),
		cmocka_unit_test(a_shorter_main_changes_nothing),
	};

	return cmocka_run_group_tests(tests, map_set_up, map_tear_down);
}

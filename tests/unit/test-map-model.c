// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random changes, loads and resizes of the map, with everything it answers compared with a plain
 * model after each.
 */
#include "map-model.h"

#define BATCH	400u

struct shape {
	const char *what;
	u64 sectors;
	u32 rounds;
	u32 spread;		/* units between the changed ones: 1 is dense */
	u32 removals;		/* of 100 */
	u64 seed;
};

static u8 random_mask(struct random *random)
{
	static const u8 usual[] = { 0, 0, 0xff, 0xff, 0xff, 0x0f, 0xf0, 0x01, 0x80, 0x7e };
	u64 v = random_below(random, ARRAY_SIZE(usual) + 2);

	return v < ARRAY_SIZE(usual) ? usual[v] : random_u64(random);
}

/* Often wholly owned with the slot after its neighbour's, so that long runs come about. */
static void random_unit(struct random *random, const struct shape *shape, struct dmr_unit *unit,
			u64 number)
{
	*unit = (struct dmr_unit) { .unit = number };
	if (random_below(random, 100) < shape->removals)
		return;
	unit->slot = random_below(random, 4) ? number + 100 : random_below(random, 1000);
	unit->owned = 0xff;
	if (random_below(random, 2))
		return;
	unit->owned = random_mask(random);
	unit->pending = random_mask(random);
	unit->doubt = random_below(random, 4) ? 0 : random_mask(random);
	unit->lost = random_below(random, 2);
}

static u32 random_batch(struct random *random, const struct shape *shape, u64 units,
			struct dmr_unit *batch)
{
	u32 want = 1 + random_below(random, random_below(random, 2) ? 8 : BATCH), count;
	u64 at = random_below(random, units);

	for (count = 0; count < want && at < units; count++) {
		random_unit(random, shape, &batch[count], at);
		at += 1 + random_below(random, shape->spread);
	}
	return count;
}

static void check_near(struct random *random, const struct model *model, const struct dmr_map *map,
		       const struct dmr_unit *batch, u32 count)
{
	u32 i;

	for (i = 0; i < count + 20; i++) {
		u64 at = i < count ? batch[i].unit * 8 + random_below(random, 12) :
				     random_below(random, model->sectors);
		u32 span = 1 + random_below(random, random_below(random, 2) ? 2048 : 16);

		if (at >= model->sectors)
			continue;
		if (span > model->sectors - at)
			span = model->sectors - at;
		model_check_find(model, map, at, span);
	}
}

static void change(struct random *random, const struct shape *shape, struct model *model,
		   struct dmr_map *map)
{
	struct dmr_unit batch[BATCH];
	u32 count = random_batch(random, shape, model->units, batch), i;
	struct dmr_map_change *change = dmr_map_prepare(map, batch, count);

	assert_non_null(change);
	check_near(random, model, map, batch, count);
	if (!random_below(random, 4))
		dmr_map_resize_step(map);
	if (!random_below(random, 4)) {
		dmr_map_cancel(map, change);
	} else {
		dmr_map_publish(map, change);
		for (i = 0; i < count; i++)
			model->unit[batch[i].unit] = batch[i];
	}
	check_near(random, model, map, batch, count);
}

static void load(struct random *random, const struct shape *shape, struct model *model,
		 struct dmr_map *map)
{
	u64 i, at;

	for (i = 0; i < model->units / 2; i++) {
		at = random_below(random, model->units);
		if (model_mapped(&model->unit[at]))
			continue;
		random_unit(random, shape, &model->unit[at], at);
		assert_true(dmr_map_load(map, &model->unit[at]));
	}
	model_check_all(model, map);
}

static void run_shape(const struct shape *shape)
{
	struct random random = random_start(shape->seed);
	struct model model = model_create(shape->sectors);
	struct dmr_map *map = dmr_map_create(shape->sectors);
	u32 round;

	assert_non_null(map);
	if (shape->seed & 1)
		load(&random, shape, &model, map);
	for (round = 0; round < shape->rounds; round++) {
		change(&random, shape, &model, map);
		if (!random_below(&random, 8))
			dmr_map_resize_step(map);
		if (!random_below(&random, 8))
			assert_true(dmr_map_refill(map));
		if (round % 64 == 0)
			model_check_all(&model, map);
	}
	model_check_all(&model, map);
	dmr_map_destroy(map);
	free(model.unit);
}

static void map_agrees_with_model(void **state)
{
	const struct shape *shape = *state;
	long bytes = dmr_env_bytes;

	run_shape(shape);
	assert_int_equal(dmr_env_bytes, bytes);
}

static struct shape shapes[] = {
	{ "one short unit", 3, 200, 1, 40, 1 },
	{ "dense, one group and a bit", 519, 2000, 1, 20, 2 },
	{ "dense, forty groups, loaded", 40 * 512 + 5, 1500, 1, 20, 3 },
	{ "half full", 40 * 512, 1500, 4, 50, 4 },
	{ "few to a group, loaded", 500 * 512, 300, 90, 30, 5 },
	{ "isolated, table grows", 3000 * 512 + 1, 400, 400, 2, 6 },
	{ "mostly removals, loaded, table shrinks", 1000 * 512, 500, 30, 97, 7 },
};

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(shapes)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		tests[i] = (struct CMUnitTest) { shapes[i].what, map_agrees_with_model, NULL, NULL,
						 &shapes[i] };
	return cmocka_run_group_tests(tests, map_set_up, map_tear_down);
}

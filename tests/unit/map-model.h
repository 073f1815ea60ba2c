/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the map should say, kept in the plainest way: one element a sector. Everything the map
 * answers is compared with it.
 */
#ifndef MAP_MODEL_H
#define MAP_MODEL_H

#include "unit.h"
#include "map.h"

/* For a group of tests: the map's caches are there, and at the end nothing is left of what was allocated. */
static inline int map_set_up(void **state)
{
	(void)state;
	return dmr_map_init() ? 0 : -1;
}

static inline int map_tear_down(void **state)
{
	(void)state;
	dmr_map_exit();
	return dmr_env_bytes ? -1 : 0;
}

struct model {
	u64 sectors, units;
	struct dmr_unit *unit;		/* all zero masks: not mapped */
};

static inline struct model model_create(u64 sectors)
{
	struct model model = { .sectors = sectors, .units = (sectors + 7) / 8 };

	model.unit = calloc(model.units, sizeof(*model.unit));
	assert_non_null(model.unit);
	return model;
}

static inline bool model_mapped(const struct dmr_unit *unit)
{
	return unit->owned || unit->pending || unit->doubt;
}

static inline enum dmr_kind model_kind(const struct model *model, u64 sector)
{
	const struct dmr_unit *unit = &model->unit[sector / 8];
	bool owned = unit->owned >> sector % 8 & 1;
	bool pending = unit->pending >> sector % 8 & 1;

	if (unit->doubt >> sector % 8 & 1)
		return DMR_DOUBT;
	if (owned && pending)
		return unit->lost ? DMR_LOST : DMR_OWNED_PENDING;
	if (owned)
		return DMR_OWNED;
	return pending ? DMR_PENDING : DMR_MAIN;
}

static inline u64 model_spare(const struct model *model, u64 sector)
{
	if (model_kind(model, sector) == DMR_MAIN)
		return 0;
	return dmr_slot_sector(model->unit[sector / 8].slot) + sector % 8;
}

static inline struct dmr_run model_find(const struct model *model, u64 sector, u32 count)
{
	struct dmr_run run = { .kind = model_kind(model, sector), .count = 1,
			       .spare_sector = model_spare(model, sector) };

	for (; run.count < count; run.count++) {
		u64 at = sector + run.count;

		if (model_kind(model, at) != run.kind)
			break;
		if (run.kind != DMR_MAIN && model_spare(model, at) != run.spare_sector + run.count)
			break;
	}
	return run;
}

static inline void model_check_run(const struct dmr_run *got, const struct dmr_run *want, u64 sector)
{
	if (got->kind == want->kind && got->count == want->count &&
	    got->spare_sector == want->spare_sector)
		return;
	fail_msg("sector %llu: kind %d count %u spare %llu, should be kind %d count %u spare %llu",
		 (unsigned long long)sector, got->kind, got->count,
		 (unsigned long long)got->spare_sector, want->kind, want->count,
		 (unsigned long long)want->spare_sector);
}

static inline void model_check_find(const struct model *model, const struct dmr_map *map,
				    u64 sector, u32 count)
{
	struct dmr_run want = model_find(model, sector, count), got;

	got = dmr_map_find(map, sector, count);
	model_check_run(&got, &want, sector);
	if (want.kind != DMR_MAIN || want.count < count)
		assert_true(dmr_filter_hit(dmr_map_filter(map), sector, count));
}

static inline void model_check_unit(const struct model *model, const struct dmr_map *map, u64 unit)
{
	const struct dmr_unit *want = &model->unit[unit];
	struct dmr_unit got;

	if (!model_mapped(want)) {
		assert_false(dmr_map_get(map, unit, &got));
		return;
	}
	assert_true(dmr_map_get(map, unit, &got));
	assert_int_equal(got.unit, unit);
	assert_int_equal(got.slot, want->slot);
	assert_int_equal(got.owned, want->owned);
	assert_int_equal(got.pending, want->pending);
	assert_int_equal(got.doubt, want->doubt);
	assert_int_equal(got.lost, want->lost);
}

static inline void model_check_stats(const struct model *model, const struct dmr_map *map)
{
	struct dmr_map_stats want = { 0 }, got;
	u64 i, last = ~0ull;

	for (i = 0; i < model->units; i++) {
		const struct dmr_unit *unit = &model->unit[i];

		if (!model_mapped(unit))
			continue;
		want.units++;
		want.owned += dmr_hweight8(unit->owned);
		want.pending += dmr_hweight8(unit->pending);
		want.lost += unit->lost ? dmr_hweight8(unit->owned & unit->pending) : 0;
		want.entries += i / 64 != last;
		last = i / 64;
	}
	dmr_map_stats(map, &got);
	assert_int_equal(got.units, want.units);
	assert_int_equal(got.owned, want.owned);
	assert_int_equal(got.pending, want.pending);
	assert_int_equal(got.lost, want.lost);
	assert_int_equal(got.entries, want.entries);
}

/* Walks all of main by dmr_map_next() and by dmr_map_find(), and asks for every unit. */
static inline void model_check_all(const struct model *model, const struct dmr_map *map)
{
	struct dmr_run got, want;
	u64 at, next = 0, unit;

	for (at = 0; at < model->sectors; at += want.count) {
		want = model_find(model, at, model->sectors - at);
		got = dmr_map_find(map, at, model->sectors - at);
		model_check_run(&got, &want, at);
		if (want.kind == DMR_MAIN)
			continue;
		assert_true(dmr_map_next(map, &next, ~0ull, &got));
		assert_int_equal(next, at);
		model_check_run(&got, &want, at);
		next += got.count;
	}
	assert_false(dmr_map_next(map, &next, ~0ull, &got));
	for (unit = 0; unit < model->units; unit++)
		model_check_unit(model, map, unit);
	model_check_stats(model, map);
}

#endif

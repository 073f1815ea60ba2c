/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to a spare while power or writes fail. */
#ifndef CRASH_SCENES_H
#define CRASH_SCENES_H

#include "crash-model.h"

#define OPS	4u

struct scene {
	const char *name;
	struct base base;
	struct op op[OPS];		/* ended by one without steps */
};

#define MAP(u, o, p, at)	{ .verb = DO_MAP, .unit = u, .owned = o, .pending = p, .hint = at }
#define MOVE(u, o, p, at)	{ .verb = DO_MOVE, .unit = u, .owned = o, .pending = p, .hint = at }
#define EVICT(u, o, p)		{ .verb = DO_EVICT, .unit = u, .owned = o, .pending = p }
#define MARK(u, o, p)		{ .verb = DO_MARK, .unit = u, .owned = o, .pending = p }
#define FREE(u)			{ .verb = DO_FREE, .unit = u }
#define BAD(slot)		{ .verb = DO_BAD, .unit = slot }
#define GROW(segments)		{ .verb = DO_GROW, .unit = segments }
#define MAIN(id)		{ .verb = DO_MAIN, .unit = id }

#define ANY	DMR_NO_SLOT
#define SECOND	DMR_SEGMENT_SLOTS		/* slot 0 of segments 1 and 2 */
#define THIRD	(2 * DMR_SEGMENT_SLOTS)

#define ONE_SEGMENT	{ .room = 3, .segments = 3, .in_use = 1, .fill = { 20 } }
#define ALL_SEGMENTS	{ .room = 3, .segments = 3, .in_use = 3, .fill = { 20, 20, 20 } }
#define ONE_SLOT_LEFT	{ .room = 3, .segments = 3, .in_use = 1, .fill = { 251 } }
#define NO_SLOT_LEFT	{ .room = 3, .segments = 1, .in_use = 1, .fill = { 252 } }
#define RELOCATED \
	{ .room = 3, .segments = 3, .in_use = 1, .fill = { 20 }, .place = { DMR_PLACE_ALT1, DMR_PLACE_B } }

/* Those with most in them come first, for tests that have no time for all. */
static const struct scene scenes[] = {
	{ "a unit moves", ONE_SEGMENT, {
		{ { MOVE(5, 0x81, 0, ANY) } },
		{ { MOVE(5, 0xc1, 0, ANY) } },
		{ { FREE(5) } } } },
	{ "units move to another table", ALL_SEGMENTS, {
		{ { MOVE(0, 0xff, 0, SECOND + 30), MOVE(30, 0x11, 0, 40),
		    MAP(260, 0xff, 0, THIRD + 30) } },
		{ { MOVE(0, 0xff, 0, THIRD + 50) } } } },
	{ "a relocated table", RELOCATED, {
		{ { MAP(260, 0xff, 0, ANY) } },
		{ { MOVE(6, 0xff, 0, ANY) } } } },
	{ "a segment comes into use", ONE_SLOT_LEFT, {
		{ { MAP(260, 0xff, 0, ANY), MAP(261, 0xff, 0, ANY), MAP(262, 0, 1, ANY) } },
		{ { MAP(263, 0xff, 0, ANY) } } } },
	{ "two commits", ONE_SEGMENT, {
		{ { MAP(260, 0xff, 0, ANY) } },
		{ { MAP(261, 0x0f, 0xf0, ANY), MAP(262, 0, 0x01, ANY) } } } },
	{ "one commit that maps, changes and frees", ONE_SEGMENT, {
		{ { MAP(260, 0x3c, 0, ANY), MARK(1, 0x3f, 0), FREE(10),
		    MARK(11, 0x01, 0x01) } },
		{ { MAP(263, 0xff, 0, ANY) } } } },
	{ "a commit all over a table", ONE_SEGMENT, {
		{ { MAP(260, 0xff, 0, 24), MAP(261, 0xff, 0, 40), MAP(262, 0xff, 0, 70),
		    MAP(263, 0xff, 0, 100), MAP(264, 0xff, 0, 130), MAP(265, 0xff, 0, 160),
		    MAP(266, 0xff, 0, 200), MAP(267, 0xff, 0, 240) } } } },
	{ "a commit in three tables", ALL_SEGMENTS, {
		{ { MAP(260, 0xff, 0, THIRD + 30), MAP(261, 0xff, 0, 30),
		    MAP(262, 0xff, 0, SECOND + 30), MAP(263, 0x01, 0, SECOND + 100) } },
		{ { FREE(260), FREE(261), MARK(262, 0x0f, 0xf0) } } } },
	{ "a unit moves into a new segment", ONE_SLOT_LEFT, {
		{ { MAP(260, 0xff, 0, ANY) } },
		{ { MOVE(1, 0x0f, 0x30, ANY) } } } },
	{ "freed slots are taken again", ONE_SEGMENT, {
		{ { FREE(7), FREE(2) } },
		{ { MAP(260, 0xff, 0, 8), MAP(7, 0x10, 0, 2) } },
		{ { FREE(260) } },
		{ { MAP(2, 0xff, 0, 8) } } } },
	{ "a slot is taken over", NO_SLOT_LEFT, {
		{ { EVICT(260, 0xff, 0) } },
		{ { FREE(260) } },
		{ { MAP(3, 0xff, 0, ANY) } } } },
	{ "free slots go bad", ALL_SEGMENTS, {
		{ { BAD(30) } },
		{ { BAD(SECOND + 30) } },
		{ { MAP(260, 0xff, 0, ANY) } } } },
	{ "the spare grows", NO_SLOT_LEFT, {
		{ { GROW(3) } },
		{ { MAP(260, 0xff, 0, ANY) } },
		{ { FREE(0) } } } },
	{ "a spare with tables grows", NO_SLOT_LEFT, {
		{ { FREE(9) } },
		{ { GROW(2) } },
		{ { GROW(3) } } } },
	{ "another main", ONE_SEGMENT, {
		{ { MAIN(7) } },
		{ { MAP(260, 0xff, 0, ANY) } },
		{ { MAIN(8) } } } },
};

static inline u32 scenes_first(u32 some)
{
	return crash_thorough() ? ARRAY_SIZE(scenes) : some;
}

/* Loads the scene's spare, which is clean, and leaves it in *meta; what is written from here on counts. */
static inline void scene_begin(const struct scene *scene, struct disk *disk, struct run *run,
			       struct dmr_metadata *meta)
{
	char why[DMR_WHY_SIZE];
	struct state state;

	base_build(&scene->base, disk, &state);
	now_insert(disk);
	crash_check(!spare_load(meta, base_sectors(&scene->base), why), "%s", why);
	crash_check(!meta->blank && !spare_activate(meta) && !now.writes, "a clean spare was written");
	run_begin(run, &state);
	state_of(meta, &state);
	crash_check(state_same(&state, &run->memory), "what was built is not what was loaded");
	now_restart();
}

static inline void scene_run(const struct scene *scene, struct run *run, struct dmr_metadata *meta)
{
	u32 i;

	for (i = 0; i < OPS && scene->op[i].step[0].verb != DO_NOTHING; i++)
		run_op(run, meta, &scene->op[i]);
}

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading, changing and repairing a spare where something is refused, runs out or cannot be allocated. */
#define DISK_SEGMENTS	452u
#include "crash-scenes.h"

static struct run run;

static const struct base small = { .room = 3, .segments = 3, .in_use = 1, .fill = { 20 } };

static void build(const struct base *base, struct disk *disk, struct state *state)
{
	pool_start();
	base_build(base, disk, state);
	now_insert(disk);
}

/* Changes a superblock or table of `now` in place; the block is sealed again. */
static void change_super(u32 copy, void (*change)(struct dmr_super *super))
{
	static struct dmr_super super;
	struct content block;

	assert_true(disk_super(&now.disk, copy, &super));
	change(&super);
	dmr_super_encode(block.byte, &super, copy);
	now.disk.block[copy] = pool_number(block.byte);
}

static void change_table(u32 segment, u32 index, const struct dmr_entry *entry, u64 generation)
{
	static const u8 place[] = { DMR_PLACE_A, DMR_PLACE_B };
	struct content block;
	u32 i;

	for (i = 0; i < 2; i++) {
		block = pool[now.disk.block[disk_table(segment, place[i])]];
		if (entry)
			dmr_table_put(block.byte, index, entry);
		dmr_table_seal(block.byte, crash_uuid, segment, place[i], generation);
		now.disk.block[disk_table(segment, place[i])] = pool_number(block.byte);
	}
}

static void refuses(u64 sectors, const char *text)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];

	assert_int_equal(spare_load(&meta, sectors, why), -EINVAL);
	dmr_metadata_exit(&meta);
	if (!strstr(why, text))
		fail_msg("\"%s\" does not say \"%s\"", why, text);
}

static void other_pair(struct dmr_super *super)
{
	super->uuid[0] ^= 1;
}

static void longer(struct dmr_super *super)
{
	super->covered += DMR_UNIT_SECTORS;
}

static void next_version(struct dmr_super *super)
{
	super->incompat = 1;
}

/* One that a failed commit left behind, of the generation that was committed since. */
static void of_one_generation_the_most_count(void **state)
{
	u64 sectors = base_sectors(&small);
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u64 covered;
	u32 copy;

	(void)state;
	build(&small, &disk, &built);
	assert_int_equal(spare_load(&meta, sectors, why), 0);
	covered = meta.super->covered;
	dmr_metadata_exit(&meta);
	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		now_insert(&disk);
		change_super(copy, longer);
		assert_int_equal(spare_load(&meta, sectors, why), 0);
		assert_int_equal(meta.super->covered, covered);
		assert_int_equal(meta.super_good, DMR_ALL_SUPERS & ~(1u << copy));
		assert_true(dmr_needs_repair(&meta));
		dmr_metadata_exit(&meta);
	}
}

static void what_is_not_sure_is_refused(void **state)
{
	static const struct dmr_entry twice = { .unit = 0, .moves = 1, .owned = 1, .state = DMR_SLOT_USED };
	static const struct dmr_entry beyond = { .unit = UNITS, .owned = 1, .state = DMR_SLOT_USED };
	u64 sectors = base_sectors(&small);
	struct content garbage;
	struct state built;
	struct disk disk;
	u32 i;

	(void)state;
	build(&small, &disk, &built);
	memset(garbage.byte, 0x5a, sizeof(garbage.byte));
	refuses(DMR_MIN_SPARE - 8, "it must have at least");
	refuses(DMR_MIN_SPARE, "is truncated");
	change_super(0, other_pair);
	change_super(1, other_pair);
	refuses(sectors, "superblocks of two pairs");
	now_insert(&disk);
	change_super(0, longer);
	change_super(1, longer);
	refuses(sectors, "superblocks of one generation that differ");
	now_insert(&disk);
	change_super(3, next_version);
	refuses(sectors, "another version of dm-remap is needed");
	now_insert(&disk);
	change_table(0, 30, &twice, (1ull << 32) + 2);
	refuses(sectors, "both claim unit 0");
	now_insert(&disk);
	change_table(0, 30, &beyond, (1ull << 32) + 2);
	refuses(sectors, "beyond the");
	now_insert(&disk);
	change_table(0, 0, NULL, (2ull << 32) + 1);
	refuses(sectors, "the superblock is older");
	now_insert(&disk);
	for (i = 0; i < DMR_SUPER_COPIES; i++)
		now.disk.block[i] = pool_number(garbage.byte);
	refuses(sectors, "neither blank nor a dm-remap spare");
	memset(&disk, 0, sizeof(disk));
	now_insert(&disk);
	now.unreadable[2] = true;
	refuses(sectors, "cannot be read at sector");
}

/* C14: three superblocks of one pair outvote one of another. */
static void majority_of_superblocks_is_right(void **state)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;

	(void)state;
	build(&small, &disk, &built);
	change_super(0, other_pair);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	assert_memory_equal(meta.super->uuid, crash_uuid, 16);
	assert_int_equal(spare_activate(&meta), 0);
	dmr_metadata_exit(&meta);
	disk = now.disk;
	load_again(&disk, base_sectors(&small), &built);
}

/* The newer copy cannot be read at load and can be at the repair: refused, with a line that says what to do. */
static void repair_says_why_it_refuses(void **state)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE], *said = NULL;
	FILE *quiet = dmr_env_log_to;
	struct state built;
	struct disk disk;
	size_t size;

	(void)state;
	build(&small, &disk, &built);
	{
		static const struct dmr_entry new = { .unit = 300, .owned = 1, .state = DMR_SLOT_USED };
		u32 b = now.disk.block[disk_table(0, DMR_PLACE_B)];

		change_table(0, 30, &new, (1ull << 32) + 9);
		now.disk.block[disk_table(0, DMR_PLACE_B)] = b;
	}
	now.unreadable[disk_table(0, DMR_PLACE_A)] = true;
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	now.unreadable[disk_table(0, DMR_PLACE_A)] = false;
	dmr_env_log_to = open_memstream(&said, &size);
	assert_int_equal(dmr_repair(&meta), -EUCLEAN);
	fclose(dmr_env_log_to);
	dmr_env_log_to = quiet;
	assert_non_null(strstr(said, "remove the device and load it again"));
	free(said);
	assert_int_equal(dmr_repair(&meta), -EUCLEAN);
	dmr_metadata_exit(&meta);
	/* Loaded again it is the newer map, and repaired. */
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	assert_int_equal(dmr_repair(&meta), 0);
	assert_int_equal(dmr_spare_get(meta.slots, 30), DMR_SLOT_USED);
	dmr_metadata_exit(&meta);
}

/* As many relocations as the superblock holds; the next table that needs one freezes the map, and nothing is lost. */
static void relocations_run_out(void **state)
{
	static struct base base = { .room = 452, .segments = 452, .in_use = 452 };
	static const struct op map = { { MAP(260, 0xff, 0, 448 * DMR_SEGMENT_SLOTS + 7) } };
	static struct dmr_super super;
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct allowed allowed;
	struct content block;
	struct state built;
	struct disk disk;
	u32 i, k;

	(void)state;
	seen_start();
	build(&base, &disk, &built);
	assert_true(disk_super(&disk, 0, &super));
	for (i = 0; i < DMR_MAX_RELOCATIONS; i++) {
		assert_true(dmr_super_relocate(&super, i, 0, DMR_PLACE_ALT1));
		block = pool[disk.block[disk_table(i, DMR_PLACE_A)]];
		dmr_table_seal(block.byte, crash_uuid, i, DMR_PLACE_ALT1, (1ull << 32) + i + 1);
		disk.block[disk_table(i, DMR_PLACE_ALT1)] = pool_number(block.byte);
	}
	for (k = 0; k < DMR_SUPER_COPIES; k++) {
		dmr_super_encode(block.byte, &super, k);
		disk.block[k] = pool_number(block.byte);
	}
	now_insert(&disk);
	assert_int_equal(spare_load(&meta, base_sectors(&base), why), 0);
	assert_int_equal(spare_activate(&meta), 0);
	run_begin(&run, &built);
	now_restart();
	now.unwritable[disk_table(448, DMR_PLACE_A)] = true;
	now.landed = DISK_DESTROYED;
	run_op(&run, &meta, &map);
	assert_int_equal(meta.frozen, -ENOSPC);
	dmr_metadata_exit(&meta);
	disk = now.disk;
	allowed = (struct allowed){ .state = run.chain, .count = run.states };
	explore(&disk, base_sectors(&base), &allowed, 0);
}

/* A session number that cannot rise any more: nothing is written, and the map is frozen. */
static void last_session(struct dmr_super *super)
{
	super->session = 0xffffffff;
}

static void sessions_run_out(void **state)
{
	static const struct op map = { { MAP(260, 0xff, 0, ANY) } };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 i;

	(void)state;
	build(&small, &disk, &built);
	for (i = 0; i < DMR_SUPER_COPIES; i++)
		change_super(i, last_session);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	run_begin(&run, &built);
	now_restart();
	run_op(&run, &meta, &map);
	assert_int_equal(meta.frozen, -EOVERFLOW);
	assert_int_equal(now.writes, 0);
	dmr_metadata_exit(&meta);
}

/* Commits are counted in a session; before they run out, the next session begins. */
static void long_sessions_are_followed_by_others(void **state)
{
	static const struct op map = { { MAP(260, 0xff, 0, ANY) } };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;

	(void)state;
	build(&small, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	run_begin(&run, &built);
	assert_int_equal(dmr_session_begin(&meta), 0);
	meta.commits = 0xffffffffu / 2;
	run_op(&run, &meta, &map);
	assert_false(meta.frozen);
	assert_int_equal(meta.super->session, 3);
	dmr_metadata_exit(&meta);
	disk = now.disk;
	load_again(&disk, base_sectors(&small), &run.memory);
}

/* Slots of the next segment were all found bad: its table is entered, and the one after it is used. */
static void segment_of_bad_slots_is_passed(void **state)
{
	static const struct base edge = { .room = 3, .segments = 3, .in_use = 1, .fill = { 252 } };
	static const struct op map = { { MAP(260, 0xff, 0, ANY) } };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 i, slot;

	(void)state;
	build(&edge, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&edge), why), 0);
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		assert_int_equal(dmr_spare_take(meta.slots, 1, DMR_NO_SLOT, &slot), 1);
		assert_int_equal(slot, SECOND + i);
		dmr_slot_bad(&meta, slot);
		built.slot[slot] = DMR_SLOT_BAD;
	}
	run_begin(&run, &built);
	run_op(&run, &meta, &map);
	assert_false(meta.frozen);
	assert_int_equal(meta.super->in_use, 3);
	dmr_metadata_exit(&meta);
	disk = now.disk;
	load_again(&disk, base_sectors(&edge), &run.memory);
}

/* Two entries for most units, and a table to repair: each allocation of load and repair fails in turn. */
static void without_memory_nothing_is_loaded(void **state)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	long fail, bytes = dmr_env_bytes;
	u32 i;
	int r = -1;

	(void)state;
	build(&(struct base){ .room = 3, .segments = 3, .in_use = 1, .fill = { 120 } }, &disk, &built);
	for (i = 0; i < 100; i++) {
		struct dmr_entry entry = { .unit = i, .moves = 2, .owned = 3, .state = DMR_SLOT_USED };

		change_table(0, 130 + i, &entry, (1ull << 32) + 7);
	}
	now.disk.block[disk_table(0, DMR_PLACE_B)] = pool_tear(0, 0, DISK_DESTROYED);
	for (fail = 0; r; fail++) {
		dmr_env_fail_after = fail;
		memset(&meta, 0, sizeof(meta));
		meta.io = &now_io;
		meta.sectors = base_sectors(&small);
		r = dmr_metadata_init(&meta) ? dmr_load(&meta, MAIN_SECTORS, crash_uuid, why) : -ENOMEM;
		dmr_env_fail_after = -1;
		assert_true(!r || r == -ENOMEM);
		if (!r)
			assert_int_equal(meta.retire_count, 100);
		dmr_metadata_exit(&meta);
		assert_int_equal(dmr_env_bytes, bytes);
	}
	assert_true(fail > 20);
}

static void ready(struct dmr_metadata *meta, struct dmr_change *change, u64 unit, u8 owned)
{
	dmr_change_begin(meta, change, unit);
	if (change->is.slot == DMR_NO_SLOT)
		assert_true(dmr_take_free_slot(meta, change));
	change->will.owned = owned;
	change->fate = DMR_READY;
}

/*
 * C19: commits go on from the reserve. C11: when it is empty, nothing is written. C12: without memory to
 * record that a commit failed all I/O fails, for the map could return stale data.
 */
static void commits_without_memory(void **state)
{
	struct dmr_change change;
	struct dmr_metadata meta;
	struct dmr_unit room[2];
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 i;

	(void)state;
	build(&small, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	dmr_env_fail_after = 0;
	for (i = 0; !meta.full; i++) {
		ready(&meta, &change, 5, 1 + i % 2);
		now_restart();
		dmr_commit(&meta, &change, 1, room);
		assert_int_equal(change.fate, meta.full ? DMR_FAILED : DMR_KEPT);
	}
	assert_true(i > 100);
	assert_int_equal(now.writes, 0);
	assert_false(meta.frozen);
	/* The slot that a new unit took is free again; it is memory that is missing. */
	ready(&meta, &change, 310, 1);
	dmr_commit(&meta, &change, 1, room);
	assert_int_equal(change.fate, DMR_FAILED);
	assert_true(meta.full);

	ready(&meta, &change, 310, 1);
	dmr_env_fail_after = 1;
	now.fails = ~0ull;
	dmr_commit(&meta, &change, 1, room);
	dmr_env_fail_after = -1;
	assert_int_equal(change.fate, DMR_IN_DOUBT);
	assert_true(meta.frozen && meta.broken);
	assert_true(dmr_filter_hit(dmr_map_filter(meta.map), MAIN_SECTORS - 1, 1));
	dmr_metadata_exit(&meta);
}

/* C11: what the reserve is enough for is kept, the rest is not, and nothing of it is on disk. */
static void a_batch_is_kept_as_far_as_there_is_memory(void **state)
{
	struct dmr_change change[4];
	struct dmr_metadata meta;
	struct dmr_unit room[8];
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 i, left, kept;

	(void)state;
	for (left = 0; left < 4; left++) {
		build(&small, &disk, &built);
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		dmr_env_fail_after = 0;
		for (i = 0; i < 128 - left; i++) {
			ready(&meta, change, 5, 1 + i % 2);
			now_restart();
			dmr_commit(&meta, change, 1, room);
			assert_int_equal(change[0].fate, DMR_KEPT);
		}
		for (i = 0; i < 4; i++)
			ready(&meta, &change[i], 60 + 64 * i, 0xff);
		dmr_commit(&meta, change, 4, room);
		dmr_env_fail_after = -1;
		for (i = 0, kept = 0; i < 4; i++)
			kept += change[i].fate == DMR_KEPT;
		/* All in one, or the first half, or the half of that, and so on. */
		assert_int_equal(kept, left);
		assert_true(meta.full && !meta.frozen);
		dmr_metadata_exit(&meta);
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		for (i = 0; i < 4; i++) {
			struct dmr_unit unit;

			assert_int_equal(dmr_map_get(meta.map, 60 + 64 * i, &unit) && unit.owned == 0xff, i < kept);
		}
		dmr_metadata_exit(&meta);
	}
}

static void commit_pending(struct dmr_metadata *meta, u64 unit, u8 owned, u8 pending)
{
	struct dmr_change change;
	struct dmr_unit room[2];

	ready(meta, &change, unit, owned);
	change.will.pending = pending;
	dmr_commit(meta, &change, 1, room);
	assert_int_equal(change.fate, DMR_KEPT);
}

/* The unit whose slot goes to `unit`, which owns it then; DMR_NO_UNIT: there is none. */
static u64 takes_over(struct dmr_metadata *meta, u64 unit, u64 also)
{
	struct dmr_change change[2];
	struct dmr_unit room[4];
	u64 victim;

	dmr_change_begin(meta, &change[0], also);
	dmr_change_begin(meta, &change[1], unit);
	if (!dmr_take_slots(meta, change, 2, 1, 1, DMR_NO_SLOT))
		return DMR_NO_UNIT;
	victim = change[1].evict;
	change[1].will.owned = 0xff;
	change[1].fate = DMR_READY;
	dmr_commit(meta, &change[1], 1, room);
	assert_int_equal(change[1].fate, DMR_KEPT);
	return victim;
}

/* C11: each unit of a full spare that is only pending gives its slot away once, wherever it lies. */
static void full_spare_takes_from_pending(void **state)
{
	static const struct base one = { .room = 3, .segments = 1, .in_use = 1, .fill = { 246 } };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;

	(void)state;
	build(&one, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&one), why), 0);
	commit_pending(&meta, 301, 0, 0xff);
	commit_pending(&meta, 303, 0, 1);
	commit_pending(&meta, 305, 1, 2);
	commit_pending(&meta, 307, 0, 0x80);
	commit_pending(&meta, 310, 0xff, 0);
	commit_pending(&meta, 309, 0xff, 0);
	assert_int_equal(takes_over(&meta, 269, 301), 3);
	assert_int_equal(takes_over(&meta, 270, 301), 303);
	/* The search goes on behind 303, and ends in front of it. */
	assert_int_equal(takes_over(&meta, 271, 301), 307);
	assert_int_equal(takes_over(&meta, 272, 301), DMR_NO_UNIT);
	/* 301 was only left alone for being in the same batch. */
	assert_int_equal(takes_over(&meta, 272, 305), 301);
	assert_int_equal(takes_over(&meta, 273, 305), DMR_NO_UNIT);
	assert_int_equal(takes_over(&meta, 273, 305), DMR_NO_UNIT);
	/* Nothing is remembered of a search in vain when units have changed. */
	commit_pending(&meta, 270, 0, 1);
	assert_int_equal(takes_over(&meta, 273, 305), 270);
	dmr_metadata_exit(&meta);
}

/* C11: a slot that was left alone comes after those of pending units, and before none at all. */
static void left_alone_comes_last(void **state)
{
	static const struct base one = { .room = 3, .segments = 1, .in_use = 1, .fill = { 248 } };
	struct dmr_change failed[2];
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct dmr_unit unit;
	struct state built;
	struct disk disk;
	u32 i;

	(void)state;
	build(&one, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&one), why), 0);
	for (i = 0; i < 2; i++) {
		dmr_change_begin(&meta, &failed[i], 400 + i);
		assert_true(dmr_take_free_slot(&meta, &failed[i]));
		dmr_spare_leave(meta.slots, failed[i].will.slot);
	}
	commit_pending(&meta, 303, 0xff, 0);
	commit_pending(&meta, 305, 0xff, 0);
	assert_int_equal(dmr_spare_free(meta.slots), 0);
	assert_int_equal(takes_over(&meta, 269, 305), 3);
	assert_true(meta.full);
	assert_int_equal(takes_over(&meta, 270, 305), DMR_NO_UNIT);
	assert_true(dmr_map_get(meta.map, 270, &unit));
	assert_true(unit.slot == failed[0].will.slot || unit.slot == failed[1].will.slot);
	assert_int_equal(dmr_spare_free(meta.slots), 1);
	assert_false(meta.full);
	/* The other one: moves and reserves take it, too. */
	dmr_change_begin(&meta, &failed[0], 271);
	assert_true(dmr_take_free_slot(&meta, &failed[0]));
	dmr_spare_leave(meta.slots, failed[0].will.slot);
	dmr_change_begin(&meta, &failed[0], 272);
	assert_true(dmr_take_free_slot(&meta, &failed[0]));
	assert_false(dmr_take_free_slot(&meta, &failed[0]));
	assert_true(meta.full);
	dmr_metadata_exit(&meta);
}

static void growing_without_memory_changes_nothing(void **state)
{
	static const struct base one = { .room = 3, .segments = 1, .in_use = 1, .fill = { 20 } };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;

	(void)state;
	build(&one, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&one), why), 0);
	now_restart();
	dmr_env_fail_after = 0;
	assert_int_equal(dmr_grow(&meta, 3), -ENOMEM);
	dmr_env_fail_after = -1;
	assert_int_equal(now.writes, 0);
	assert_false(meta.frozen);
	assert_int_equal(dmr_spare_segments(meta.slots), 1);
	dmr_metadata_exit(&meta);
}

/* A table that does not hold what the map says is not changed. */
/* C12: of a segment that is not in use no load reads anything: what was to go there has failed, and is not in doubt. */
static void segment_that_takes_no_table_leaves_no_doubt(void **state)
{
	static const struct base edge = { .room = 3, .segments = 3, .in_use = 1, .fill = { 252 } };
	struct dmr_change change;
	struct dmr_metadata meta;
	struct dmr_unit room[2], unit;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 place, dead;

	(void)state;
	for (dead = 0; dead < 1u << DMR_TABLE_PLACES; dead++) {
		bool enough = dmr_hweight8((u8)dead) <= 2;

		build(&edge, &disk, &built);
		assert_int_equal(spare_load(&meta, base_sectors(&edge), why), 0);
		for (place = 0; place < DMR_TABLE_PLACES; place++)
			now.unwritable[disk_table(1, place)] = dead >> place & 1;
		ready(&meta, &change, 260, 0xff);
		dmr_commit(&meta, &change, 1, room);
		assert_int_equal(change.fate, enough ? DMR_KEPT : DMR_FAILED);
		assert_int_equal(!meta.frozen, enough);
		assert_int_equal(dmr_map_get(meta.map, 260, &unit), enough);
		dmr_metadata_exit(&meta);
		assert_int_equal(spare_load(&meta, base_sectors(&edge), why), 0);
		assert_int_equal(dmr_map_get(meta.map, 260, &unit), enough);
		dmr_metadata_exit(&meta);
	}
}

/* A write that was reported done is not there, and then the other copy cannot be read: memory knows better than the disk. */
static void an_older_table_is_not_built_on(void **state)
{
	struct dmr_change change;
	struct dmr_metadata meta;
	struct dmr_unit room[2], unit;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 lost;

	(void)state;
	for (lost = DMR_PLACE_A; lost <= DMR_PLACE_B; lost += DMR_PLACE_B) {
		u32 other = disk_table(0, DMR_PLACE_B - lost), was;

		build(&small, &disk, &built);
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		was = now.disk.block[disk_table(0, lost)];
		ready(&meta, &change, 300, 0xff);
		dmr_commit(&meta, &change, 1, room);
		assert_int_equal(change.fate, DMR_KEPT);
		now.disk.block[disk_table(0, lost)] = was;
		now.unreadable[other] = true;
		ready(&meta, &change, 310, 0xff);
		dmr_commit(&meta, &change, 1, room);
		assert_int_equal(change.fate, DMR_FAILED);
		assert_int_equal(meta.frozen, -EUCLEAN);
		assert_true(dmr_map_get(meta.map, 300, &unit));
		dmr_metadata_exit(&meta);
		now.unreadable[other] = false;
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		assert_true(dmr_map_get(meta.map, 300, &unit));
		assert_false(dmr_map_get(meta.map, 310, &unit));
		assert_int_equal(dmr_repair(&meta), 0);
		dmr_metadata_exit(&meta);
	}
}

/* A repair was cut off between two copies, which say the same: whichever can be read at load, the repair goes on. */
static void one_map_in_two_generations_is_repaired(void **state)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 first;

	(void)state;
	for (first = 0; first < 2; first++) {
		u32 copy = disk_table(0, first ? DMR_PLACE_A : DMR_PLACE_B);
		u32 older = disk_table(0, first ? DMR_PLACE_B : DMR_PLACE_A), was;

		build(&small, &disk, &built);
		was = now.disk.block[older];
		change_table(0, 0, NULL, (1ull << 32) + 9);
		now.disk.block[older] = was;
		now.unreadable[copy] = true;
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		now.unreadable[copy] = false;
		assert_int_equal(dmr_repair(&meta), 0);
		dmr_metadata_exit(&meta);
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		assert_false(dmr_needs_repair(&meta));
		dmr_metadata_exit(&meta);
	}
}

static void table_changed_by_others_is_not_built_on(void **state)
{
	static const struct dmr_entry other = { .unit = 300, .owned = 1, .state = DMR_SLOT_USED };
	static const struct dmr_entry none;
	struct dmr_change change;
	struct dmr_metadata meta;
	struct dmr_unit room[2];
	char why[DMR_WHY_SIZE];
	struct state built;
	struct disk disk;
	u32 how;

	(void)state;
	for (how = 0; how < 3; how++) {
		build(&small, &disk, &built);
		assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
		dmr_change_begin(&meta, &change, how ? 6 : 310);
		if (how != 1)
			assert_true(dmr_take_free_slot(&meta, &change));
		change.will.owned = 2;
		change.fate = DMR_READY;
		change_table(0, how ? 7 : 20, how ? &none : &other, (1ull << 32) + 9);
		dmr_commit(&meta, &change, 1, room);
		assert_int_equal(change.fate, DMR_FAILED);
		assert_int_equal(meta.frozen, -EUCLEAN);
		dmr_metadata_exit(&meta);
	}
}

static void one_later(struct dmr_super *super)
{
	super->generation++;
}

static void one_earlier(struct dmr_super *super)
{
	super->generation--;
}

/* C23: after a hibernation the superblocks say whether the map in memory is still that of the disk. */
static void what_others_changed_is_seen(void **state)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct content garbage;
	struct disk disk, blank;
	struct state built;
	u32 copy;

	(void)state;
	memset(garbage.byte, 0x5a, sizeof(garbage.byte));
	build(&small, &disk, &built);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	assert_int_equal(spare_activate(&meta), 0);
	disk = now.disk;
	assert_int_equal(meta.super_good, 0xf);
	assert_int_equal(dmr_recheck(&meta), 0);
	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		change_super(copy, one_later);
		assert_int_equal(dmr_recheck(&meta), -ESTALE);
		now.disk = disk;
		change_super(copy, other_pair);
		assert_int_equal(dmr_recheck(&meta), -ESTALE);
		now.disk = disk;
		change_super(copy, next_version);
		assert_int_equal(dmr_recheck(&meta), -ESTALE);
		/* Set back, unless it is a copy that could not be written. */
		now.disk = disk;
		change_super(copy, one_earlier);
		assert_int_equal(dmr_recheck(&meta), -ESTALE);
		meta.super_good &= ~(1u << copy);
		assert_int_equal(dmr_recheck(&meta), 0);
		meta.super_good = 0xf;
		/* One that tells nothing is one too few, with another. */
		now.disk = disk;
		now.disk.block[copy] = pool_number(garbage.byte);
		assert_int_equal(dmr_recheck(&meta), 0);
		now.unreadable[(copy + 1) % DMR_SUPER_COPIES] = true;
		assert_int_equal(dmr_recheck(&meta), -EIO);
		now.unreadable[(copy + 1) % DMR_SUPER_COPIES] = false;
		now.disk = disk;
	}
	meta.super_good = 1;
	assert_int_equal(dmr_recheck(&meta), -EIO);
	dmr_metadata_exit(&meta);

	memset(&blank, 0, sizeof(blank));
	now_insert(&blank);
	assert_int_equal(spare_load(&meta, base_sectors(&small), why), 0);
	assert_true(meta.blank);
	assert_int_equal(dmr_recheck(&meta), 0);
	now.disk.block[2] = disk.block[2];
	assert_int_equal(dmr_recheck(&meta), -ESTALE);
	dmr_metadata_exit(&meta);
}

/* A session that one memory did not come to begin is another's: it has the same number. */
static void what_others_began_is_seen(void **unused)
{
	struct dmr_metadata asleep, awake;
	char why[DMR_WHY_SIZE];
	struct state state;
	struct disk disk;
	u32 fails;

	(void)unused;
	pool_start();
	base_build(&small, &disk, &state);
	/* The writes of its four superblocks. */
	for (fails = 0; fails < 16; fails++) {
		now_insert(&disk);
		assert_int_equal(spare_load(&asleep, base_sectors(&small), why), 0);
		now.fails = fails;
		if (!dmr_session_begin(&asleep)) {
			dmr_metadata_exit(&asleep);
			continue;
		}
		now.fails = 0;
		assert_int_equal(spare_load(&awake, base_sectors(&small), why), 0);
		assert_int_equal(dmr_session_begin(&awake), 0);
		assert_true(dmr_recheck(&asleep) < 0);
		dmr_metadata_exit(&awake);
		/* As the kernel does that writes the image, in which this memory is. */
		now_insert(&disk);
		awake = asleep;
		awake.super = malloc(sizeof(*awake.super));
		assert_non_null(awake.super);
		*awake.super = *asleep.super;
		assert_int_equal(dmr_session_begin(&awake), 0);
		assert_true(dmr_recheck(&asleep) < 0);
		free(awake.super);
		dmr_metadata_exit(&asleep);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_generation_the_most_count),
		cmocka_unit_test(what_is_not_sure_is_refused),
		cmocka_unit_test(majority_of_superblocks_is_right),
		cmocka_unit_test(repair_says_why_it_refuses),
		cmocka_unit_test(relocations_run_out),
		cmocka_unit_test(sessions_run_out),
		cmocka_unit_test(long_sessions_are_followed_by_others),
		cmocka_unit_test(segment_of_bad_slots_is_passed),
		cmocka_unit_test(without_memory_nothing_is_loaded),
		cmocka_unit_test(commits_without_memory),
		cmocka_unit_test(a_batch_is_kept_as_far_as_there_is_memory),
		cmocka_unit_test(full_spare_takes_from_pending),
		cmocka_unit_test(left_alone_comes_last),
		cmocka_unit_test(growing_without_memory_changes_nothing),
		cmocka_unit_test(segment_that_takes_no_table_leaves_no_doubt),
		cmocka_unit_test(an_older_table_is_not_built_on),
		cmocka_unit_test(one_map_in_two_generations_is_repaired),
		cmocka_unit_test(table_changed_by_others_is_not_built_on),
		cmocka_unit_test(what_others_changed_is_seen),
		cmocka_unit_test(what_others_began_is_seen),
	};

	return cmocka_run_group_tests_name("metadata", tests, crash_set_up, crash_tear_down);
}

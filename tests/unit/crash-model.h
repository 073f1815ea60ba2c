/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a spare should say, apart from the core: states, changes of them, and which states a disk may hold
 * after power failed. explore() recovers a disk as an activation does, and cuts that off as well.
 */
#ifndef CRASH_MODEL_H
#define CRASH_MODEL_H

#include "crash-disk.h"
#include "commit.h"

#define UNITS		320u
#define SLOTS		(DISK_SEGMENTS * DMR_SEGMENT_SLOTS)
#define MAIN_SECTORS	(UNITS * DMR_UNIT_SECTORS)
#define CHANGES		8u
#define STATES		64u

static const u8 crash_uuid[16] = { 0x6b, 0x1d, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* For messages of failures: what is being done. */
static char crash_doing[256];
/* Disks that were recovered and compared; those met again. Cuts and failures that led to them. */
static u64 crash_points, crash_known, crash_runs;

#define crash_fail(format, ...) \
	fail_msg("%s: " format, crash_doing, ##__VA_ARGS__)

#define crash_check(what, format, ...) do { \
	if (!(what)) \
		crash_fail(format, ##__VA_ARGS__); \
} while (0)

/* States */

struct state {
	struct dmr_unit unit[UNITS];	/* all zero: not mapped */
	u8 slot[SLOTS];
	u8 main;
	u64 covered;
	u32 segments;
};

static inline u64 state_hash(const struct state *state)
{
	u64 hash = hash_words(state->unit, sizeof(state->unit), state->main);

	hash = hash_words(state->slot, sizeof(state->slot) & ~7u, hash ^ state->segments);
	return hash ^ state->covered;
}

static inline bool state_same(const struct state *a, const struct state *b)
{
	return !memcmp(a->unit, b->unit, sizeof(a->unit)) &&
	       !memcmp(a->slot, b->slot, sizeof(a->slot)) && a->main == b->main &&
	       a->covered == b->covered && a->segments == b->segments;
}

/* What is in memory. */
static inline void state_of(const struct dmr_metadata *meta, struct state *state)
{
	u32 i, slots = meta->super->segments * DMR_SEGMENT_SLOTS;
	struct dmr_unit unit;

	memset(state, 0, sizeof(*state));
	for (i = 0; i < UNITS; i++)
		if (dmr_map_get(meta->map, i, &unit))
			state->unit[i] = unit;
	for (i = 0; i < slots && i < SLOTS; i++)
		state->slot[i] = dmr_spare_get(meta->slots, i);
	state->main = meta->super->main.id[0];
	state->covered = meta->super->covered;
	state->segments = meta->super->segments;
}

/* Each taken slot is some unit's, and of one only. */
static inline void state_audit(const struct state *state)
{
	u32 i, users[SLOTS] = { 0 };

	for (i = 0; i < UNITS; i++) {
		const struct dmr_unit *unit = &state->unit[i];

		if (!(unit->owned | unit->pending))
			continue;
		crash_check(unit->slot < SLOTS && !users[unit->slot]++,
			    "slot %u is used twice", unit->slot);
		crash_check(state->slot[unit->slot] == DMR_SLOT_USED,
			    "slot %u of unit %u is not taken", unit->slot, i);
	}
	for (i = 0; i < SLOTS; i++)
		crash_check(state->slot[i] != DMR_SLOT_USED || users[i], "slot %u is leaked", i);
}

/* Spares to begin with */

struct base {
	u32 room, segments, in_use;	/* in segments: the device, the superblock, those with tables */
	u32 fill[DISK_SEGMENTS];	/* slots that hold something */
	u8 place[2];			/* of segment 0; 0 0: as usual */
};

static inline u64 base_sectors(const struct base *base)
{
	return DMR_SEGMENT_BASE + (u64)base->room * DMR_SEGMENT_SECTORS;
}

/* Slot 0: moved once; 1: owned and pending; 2: lost; 3: pending; 4: bad; all others owned. */
static inline struct dmr_entry base_entry(u32 slot, u64 unit)
{
	static const struct dmr_entry some[] = {
		{ .moves = 1, .owned = 0xff, .state = DMR_SLOT_USED },
		{ .owned = 0x0f, .pending = 0x38, .state = DMR_SLOT_USED },
		{ .owned = 0xc1, .pending = 0x81, .state = DMR_SLOT_LOST },
		{ .pending = 0x04, .state = DMR_SLOT_USED },
		{ .state = DMR_SLOT_BAD },
		{ .owned = 0x01, .state = DMR_SLOT_USED },
	};
	struct dmr_entry entry = some[slot < 5 ? slot : 5];

	if (entry.state != DMR_SLOT_BAD)
		entry.unit = unit;
	return entry;
}

static inline void base_table(const struct base *base, u32 segment, const u8 place[2],
			      struct disk *disk, struct state *state, u32 *unit)
{
	struct content block;
	u32 i, slot;

	dmr_table_init(block.byte);
	for (i = 0; i < base->fill[segment]; i++) {
		struct dmr_entry entry;

		slot = segment * DMR_SEGMENT_SLOTS + i;
		entry = base_entry(slot, *unit);
		dmr_table_put(block.byte, i, &entry);
		state->slot[slot] = entry.state == DMR_SLOT_BAD ? DMR_SLOT_BAD : DMR_SLOT_USED;
		if (entry.state == DMR_SLOT_BAD)
			continue;
		state->unit[*unit] = (struct dmr_unit){
			.unit = *unit, .slot = slot, .owned = entry.owned,
			.pending = entry.pending, .lost = entry.state == DMR_SLOT_LOST,
		};
		(*unit)++;
	}
	for (i = 0; i < 2; i++) {
		dmr_table_seal(block.byte, crash_uuid, segment, place[i], (1ull << 32) + segment + 1);
		disk->block[disk_table(segment, place[i])] = pool_number(block.byte);
	}
}

static inline void base_build(const struct base *base, struct disk *disk, struct state *state)
{
	struct dmr_super super = {
		.generation = (1ull << 32) + 10, .segments = base->segments, .session = 1,
		.in_use = base->in_use, .covered = MAIN_SECTORS,
		.main = { .kind = DMR_ID_NAA, .size = 1, .id = { 1 } },
	};
	u32 segment, copy, unit = 0;
	struct content block;
	u8 place[2];

	memset(disk, 0, sizeof(*disk));
	memset(state, 0, sizeof(*state));
	memcpy(super.uuid, crash_uuid, sizeof(super.uuid));
	if (base->place[0] != base->place[1]) {
		super.relocations = 1;
		memcpy(super.relocation[0].place, base->place, 2);
	}
	for (segment = 0; segment < base->in_use; segment++) {
		dmr_super_places(&super, segment, place);
		base_table(base, segment, place, disk, state, &unit);
	}
	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		dmr_super_encode(block.byte, &super, copy);
		disk->block[copy] = pool_number(block.byte);
	}
	state->main = 1;
	state->covered = MAIN_SECTORS;
	state->segments = base->segments;
}

/* The machine's side */

static inline void spare_open(struct dmr_metadata *meta, u64 sectors)
{
	memset(meta, 0, sizeof(*meta));
	meta->io = &now_io;
	meta->sectors = sectors;
	strcpy(meta->name, "spare");
	crash_check(dmr_metadata_init(meta), "no memory");
}

static inline int spare_load(struct dmr_metadata *meta, u64 sectors, char why[DMR_WHY_SIZE])
{
	spare_open(meta, sectors);
	return dmr_load(meta, MAIN_SECTORS, crash_uuid, why);
}

/* As the first resume does (kernel/pair.c). */
static inline int spare_activate(struct dmr_metadata *meta)
{
	if (!meta->blank)
		return dmr_repair(meta);
	meta->super->main = (struct dmr_main_id){ .kind = DMR_ID_NAA, .size = 1, .id = { 1 } };
	return dmr_format(meta);
}

/* Changes */

enum verb { DO_NOTHING, DO_MAP, DO_FREE, DO_MOVE, DO_EVICT, DO_MARK, DO_BAD, DO_GROW, DO_MAIN };

struct step {
	enum verb verb;
	u32 unit;		/* BAD: the slot; GROW: segments; MAIN: its new id */
	u8 owned, pending;
	u32 hint;		/* where to look for a slot */
};

/* What goes into one commit, ended by DO_NOTHING. */
struct op {
	struct step step[CHANGES];
};

/*
 * A sequence of operations and what they may leave: states in the order in which the disk goes through
 * them, and for each write the range of them that may be found when power fails during it.
 */
struct run {
	struct state chain[STATES];
	u32 states;
	u32 low, high;		/* what the disk may hold now */
	struct state memory;	/* what memory should hold, unless frozen */
	bool frozen;
	u32 cut_low[DISK_LOG], cut_high[DISK_LOG];
	struct disk kept[STATES];	/* after operations that were acknowledged */
	u32 kept_state[STATES], kepts;
};

static inline void run_push(struct run *run, const struct state *state)
{
	assert_true(run->states < STATES);
	run->chain[run->states++] = *state;
}

static inline void run_begin(struct run *run, const struct state *state)
{
	memset(run, 0, sizeof(*run));
	run_push(run, state);
	run->memory = *state;
}

static inline bool change_moves(const struct dmr_change *c)
{
	return c->is.slot != DMR_NO_SLOT && c->is.slot != c->will.slot;
}

static inline void state_apply(struct state *state, const struct dmr_change *c)
{
	static const struct dmr_unit none;

	if (c->evict != DMR_NO_UNIT)
		state->unit[c->evict] = none;
	if (!c->will.owned && !c->will.pending) {
		state->unit[c->is.unit] = none;
		state->slot[c->is.slot] = DMR_SLOT_FREE;
		return;
	}
	state->unit[c->is.unit] = c->will;
	state->slot[c->will.slot] = DMR_SLOT_USED;
	if (change_moves(c))
		state->slot[c->is.slot] = DMR_SLOT_BAD;
}

static inline void step_prepare(struct dmr_metadata *meta, const struct step *step,
				struct dmr_change *change, u32 count, u32 index)
{
	struct dmr_change *c = &change[index];

	switch (step->verb) {
	case DO_MAP:
		if (c->is.slot == DMR_NO_SLOT)
			crash_check(dmr_take_slots(meta, change, count, index, 1, step->hint) == 1 &&
				    c->evict == DMR_NO_UNIT, "no slot for unit %u", step->unit);
		break;
	case DO_EVICT:
		crash_check(dmr_take_slots(meta, change, count, index, 1, DMR_NO_SLOT) == 1 &&
			    c->evict != DMR_NO_UNIT, "no slot to take over");
		break;
	case DO_MOVE:
		crash_check(dmr_take_slots(meta, change, count, index, 1, step->hint) == 1,
			    "no slot to move unit %u to", step->unit);
		break;
	default:
		break;
	}
	c->will.owned = step->owned;
	c->will.pending = step->pending;
	c->will.lost = 0;
	c->fate = DMR_READY;
}

static inline int by_slot(const void *a, const void *b)
{
	const struct dmr_change *x = a, *y = b;

	return x->will.slot < y->will.slot ? -1 : x->will.slot > y->will.slot;
}

/* Sectors that would have another owner or state. */
static inline u8 change_touches(const struct dmr_change *c)
{
	u8 owned = c->is.owned | c->will.owned;

	return (c->is.owned ^ c->will.owned) | (c->is.pending ^ c->will.pending) |
	       (change_moves(c) ? owned : 0);
}

/* One unit in memory after a commit with this fate. */
static inline void change_check(const struct dmr_metadata *meta, const struct dmr_change *c)
{
	bool frees = !c->will.owned && !c->will.pending;
	struct dmr_unit unit = { 0 };
	bool mapped = dmr_map_get(meta->map, c->is.unit, &unit);

	if (c->fate == DMR_IN_DOUBT) {
		crash_check(mapped && (unit.doubt & change_touches(c)) == change_touches(c),
			    "unit %llu is not in doubt", (unsigned long long)c->is.unit);
		crash_check(dmr_spare_get(meta->slots, c->will.slot) != DMR_SLOT_FREE,
			    "slot %u, in doubt, is free", c->will.slot);
	} else if (c->fate == DMR_KEPT && frees) {
		crash_check(!mapped, "unit %llu is not free", (unsigned long long)c->is.unit);
	} else if (c->fate == DMR_KEPT) {
		crash_check(mapped && !memcmp(&unit, &c->will, sizeof(unit)),
			    "unit %llu is not what was kept", (unsigned long long)c->is.unit);
	} else {
		crash_check(c->fate == DMR_FAILED, "fate %u", c->fate);
		crash_check(mapped == (c->is.slot != DMR_NO_SLOT), "a failed change did something");
		crash_check(!mapped || !memcmp(&unit, &c->is, sizeof(unit)),
			    "a failed change did something");
		crash_check(!c->fresh || dmr_spare_get(meta->slots, c->will.slot) == DMR_SLOT_FREE,
			    "slot %u of a failed change is leaked", c->will.slot);
	}
}

/* Table block after table block: kept ones, then one in doubt at the most, then none. */
static inline void run_fates(struct run *run, const struct dmr_metadata *meta,
			     const struct dmr_change *change, u32 count, u32 first)
{
	u32 i, low = run->low, high = first - 1, state = first - 1;
	u32 segment = DMR_NO_SLOT, fate = DMR_KEPT;

	for (i = 0; i < count; i++) {
		const struct dmr_change *c = &change[i];

		change_check(meta, c);
		if (c->will.slot / DMR_SEGMENT_SLOTS == segment) {
			crash_check(c->fate == fate, "one block, two fates");
			continue;
		}
		crash_check(c->fate == fate || fate == DMR_KEPT || c->fate == DMR_FAILED,
			    "a change was tried after one that failed");
		crash_check(c->fate != DMR_IN_DOUBT || fate == DMR_KEPT, "two blocks in doubt");
		segment = c->will.slot / DMR_SEGMENT_SLOTS;
		fate = c->fate;
		state++;
		if (fate == DMR_KEPT)
			low = high = state;
		else if (fate == DMR_IN_DOUBT)
			high = state;
	}
	crash_check(fate == DMR_KEPT || meta->frozen, "a failed commit, and the map is not frozen");
	run->low = low;
	run->high = high;
	if (fate == DMR_KEPT)
		for (i = 0; i < count; i++)
			state_apply(&run->memory, &change[i]);
}

/* A frozen map takes no change, writes nothing, and gives back what was taken. */
static inline void run_frozen(struct dmr_metadata *meta, const struct op *op)
{
	u64 used = dmr_spare_used(meta->slots);
	struct dmr_change change;
	struct dmr_unit room[2];
	u32 writes = now.writes;

	dmr_change_begin(meta, &change, op->step[0].unit);
	if (change.is.slot == DMR_NO_SLOT && !dmr_take_free_slot(meta, &change))
		return;
	change.will.owned = 0xff;
	change.will.pending = 0;
	change.fate = DMR_READY;
	dmr_commit(meta, &change, 1, room);
	crash_check(change.fate == DMR_FAILED, "a frozen map was changed");
	crash_check(now.writes == writes, "a frozen map was written");
	crash_check(dmr_spare_used(meta->slots) == used, "a slot is leaked");
	change_check(meta, &change);
}

static inline void run_commit(struct run *run, struct dmr_metadata *meta, const struct op *op)
{
	struct dmr_change change[CHANGES], sorted[CHANGES];
	struct dmr_unit room[2 * CHANGES];
	u32 i, count = 0, first = run->states;
	struct state state = run->memory;

	while (count < CHANGES && op->step[count].verb != DO_NOTHING) {
		dmr_change_begin(meta, &change[count], op->step[count].unit);
		count++;
	}
	for (i = 0; i < count; i++)
		step_prepare(meta, &op->step[i], change, count, i);
	memcpy(sorted, change, sizeof(sorted));
	qsort(sorted, count, sizeof(sorted[0]), by_slot);
	for (i = 0; i < count; i++) {
		state_apply(&state, &sorted[i]);
		if (i + 1 == count || sorted[i].will.slot / DMR_SEGMENT_SLOTS !=
				      sorted[i + 1].will.slot / DMR_SEGMENT_SLOTS)
			run_push(run, &state);
	}
	dmr_commit(meta, change, count, room);
	run_fates(run, meta, change, count, first);
}

/* Those that are one change of the superblock, or of one slot. */
static inline void run_single(struct run *run, struct dmr_metadata *meta, const struct step *step)
{
	struct dmr_main_id main = { .kind = DMR_ID_NAA, .size = 1, .id = { step->unit } };
	struct state state = run->memory;
	int r = 0;

	if (step->verb == DO_BAD) {
		state.slot[step->unit] = DMR_SLOT_BAD;
		run_push(run, &state);
		dmr_slot_bad(meta, step->unit);
		r = meta->frozen;
	} else if (step->verb == DO_GROW) {
		state.segments = step->unit;
		run_push(run, &state);
		r = dmr_grow(meta, step->unit);
		crash_check(!r || meta->frozen, "grow failed, and the map is not frozen");
	} else {
		state.main = step->unit;
		run_push(run, &state);
		r = dmr_remember_main(meta, MAIN_SECTORS, &main);
		if (r) {
			/* It may have landed, and is not what memory says. */
			run->high = run->states - 1;
			crash_check(meta->super->main.id[0] == run->memory.main, "main has changed");
			run_push(run, &run->memory);
			run->high = run->states - 1;
			return;
		}
	}
	run->memory = state;
	run->high = run->states - 1;
	if (!r)
		run->low = run->high;
}

static inline void run_op(struct run *run, struct dmr_metadata *meta, const struct op *op)
{
	u32 i, first = now.writes, low = run->low;
	bool single = op->step[0].verb >= DO_BAD;
	struct state state;

	if (run->frozen) {
		if (!single)
			run_frozen(meta, op);
		return;
	}
	if (single)
		run_single(run, meta, &op->step[0]);
	else
		run_commit(run, meta, op);
	for (i = first; i < now.writes; i++) {
		run->cut_low[i] = low;
		run->cut_high[i] = run->states - 1;
	}
	run->frozen = meta->frozen;
	if (run->frozen)
		return;
	state_of(meta, &state);
	crash_check(state_same(&state, &run->memory), "memory is not what was done");
	if (run->low == run->high) {
		run->kept_state[run->kepts] = run->low;
		run->kept[run->kepts++] = now.disk;
	}
}

/* Recovery */

/* Disks that were explored, each with what was allowed on it. */
#define SEEN	(1u << 20)
static u64 *seen;
static u32 seen_count;

static inline void seen_start(void)
{
	if (!seen)
		seen = malloc(SEEN * sizeof(*seen));
	assert_non_null(seen);
	memset(seen, 0, SEEN * sizeof(*seen));
	seen_count = 0;
}

static inline bool seen_before(u64 key)
{
	u64 at;

	for (at = key | 1; seen[at % SEEN]; at++)
		if (seen[at % SEEN] == (key | 1))
			return true;
	assert_true(++seen_count < SEEN / 2);
	seen[at % SEEN] = key | 1;
	return false;
}

struct newest {
	u64 super, table[DISK_SEGMENTS];
};

static inline bool disk_super(const struct disk *disk, unsigned int copy, struct dmr_super *super)
{
	return dmr_super_decode(pool[disk->block[copy]].byte, copy, super) == DMR_GOOD;
}

static inline bool disk_copy(const struct disk *disk, u32 segment, unsigned int place, u64 *generation)
{
	return dmr_table_check(pool[disk->block[disk_table(segment, place)]].byte, NULL, segment, place,
			       generation) == DMR_GOOD;
}

/* After a repair nothing is left to be repaired, and no generation went down. */
static inline void disk_audit(const struct disk *disk, const struct dmr_metadata *meta,
			      const bool unwritable[DISK_BLOCKS])
{
	static struct dmr_super super;
	u32 segment, copy, good = 0;
	u64 generation[2];
	u8 place[2];

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		if (unwritable[copy])
			continue;
		crash_check(disk_super(disk, copy, &super), "superblock %u is not repaired", copy);
		crash_check(super.generation == meta->super->generation &&
			    super.in_use == meta->super->in_use &&
			    super.segments == meta->super->segments &&
			    super.session == meta->super->session &&
			    super.relocations == meta->super->relocations &&
			    !memcmp(super.relocation, meta->super->relocation,
				    sizeof(super.relocation)),
			    "superblock %u is not what memory holds", copy);
		good++;
	}
	crash_check(good >= 2, "%u superblocks are good", good);
	for (segment = 0; segment < meta->super->in_use; segment++) {
		dmr_super_places(meta->super, segment, place);
		crash_check(disk_copy(disk, segment, place[0], &generation[0]) &&
			    disk_copy(disk, segment, place[1], &generation[1]) &&
			    generation[0] == generation[1] &&
			    !memcmp(pool[disk->block[disk_table(segment, place[0])]].byte + 64,
				    pool[disk->block[disk_table(segment, place[1])]].byte + 64,
				    DMR_BLOCK_SIZE - 64),
			    "table %u is not repaired", segment);
	}
}

static inline void disk_newest(const struct disk *disk, const struct dmr_metadata *meta,
			       struct newest *newest)
{
	static struct dmr_super super;
	u32 segment, i;
	u64 generation;
	u8 place[2];

	memset(newest, 0, sizeof(*newest));
	for (i = 0; i < DMR_SUPER_COPIES; i++)
		if (disk_super(disk, i, &super) && super.generation > newest->super)
			newest->super = super.generation;
	for (segment = 0; segment < meta->super->in_use; segment++) {
		dmr_super_places(meta->super, segment, place);
		for (i = 0; i < 2; i++)
			if (disk_copy(disk, segment, place[i], &generation) &&
			    generation > newest->table[segment])
				newest->table[segment] = generation;
	}
}

static inline void newest_check(const struct newest *was, const struct newest *is)
{
	u32 segment;

	crash_check(is->super >= was->super, "the superblock's generation went down");
	for (segment = 0; segment < DISK_SEGMENTS; segment++)
		crash_check(is->table[segment] >= was->table[segment],
			    "the generation of table %u went down", segment);
}

static bool recovered_blank;

struct allowed {
	const struct state *state;
	u32 count;
	bool blank;		/* nothing at all may be there: it is formatted, to the first state */
};

static inline u32 allowed_find(const struct allowed *allowed, const struct state *state)
{
	u32 i;

	for (i = 0; i < allowed->count; i++)
		if (state_same(&allowed->state[i], state))
			return i;
	crash_fail("what was loaded is none of the %u states that may be there", allowed->count);
	return 0;
}

static inline u64 allowed_key(const struct allowed *allowed, u64 key)
{
	u32 i;

	for (i = 0; i < allowed->count; i++)
		key = key * 0xd6e8feb86659fd93ull + state_hash(&allowed->state[i]);
	return key ^ allowed->blank;
}

/* The second load: it says what memory said, and finds nothing to do. */
static inline void load_again(const struct disk *disk, u64 sectors, const struct state *should)
{
	static struct state state;
	char why[DMR_WHY_SIZE];
	struct dmr_metadata meta;

	now_insert(disk);
	crash_check(!spare_load(&meta, sectors, why), "the second load: %s", why);
	state_of(&meta, &state);
	crash_check(!meta.blank && state_same(&state, should), "the second load gives another map");
	crash_check(!dmr_needs_repair(&meta) && !spare_activate(&meta) && !now.writes,
		    "a repair left something to repair");
	dmr_metadata_exit(&meta);
}

/* Load and repair, or format; what was written stays in now.log. Which of the states was there. */
static inline u32 recover(const struct disk *disk, u64 sectors, const struct allowed *allowed)
{
	static struct state loaded, state;
	struct newest was = { 0 }, is;
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct disk repaired;
	u32 which = 0;
	int r;

	now_insert(disk);
	crash_check(!spare_load(&meta, sectors, why), "load: %s", why);
	recovered_blank = meta.blank;
	if (meta.blank) {
		crash_check(allowed->blank, "the spare is blank");
	} else {
		state_of(&meta, &loaded);
		state_audit(&loaded);
		which = allowed_find(allowed, &loaded);
		disk_newest(disk, &meta, &was);
	}
	now_restart();
	r = spare_activate(&meta);
	crash_check(!r, "repair: %d", r);
	state_of(&meta, &state);
	crash_check(state_same(&state, meta.blank ? allowed->state : &loaded),
		    "the repair changed the map");
	repaired = now.disk;
	disk_newest(&repaired, &meta, &is);
	newest_check(&was, &is);
	disk_audit(&repaired, &meta, now.unwritable);
	dmr_metadata_exit(&meta);
	return which;
}

/* How often a recovery is cut off, and the next one. DMR_CRASH_DEPTH of 2 or more: and nothing is left out. */
static inline u32 crash_depth(u32 usual)
{
	const char *text = getenv("DMR_CRASH_DEPTH");

	return text ? (u32)atoi(text) : usual;
}

static inline bool crash_thorough(void)
{
	return crash_depth(0) > 1;
}

static inline void explore(const struct disk *disk, u64 sectors, const struct allowed *allowed,
			   u32 depth)
{
	u64 key = hash_words(disk->block, sizeof(disk->block), depth ^ sectors << 8);
	struct disk_write log[DISK_LOG];
	struct cuts cuts = { 0 };
	struct allowed still = *allowed;
	struct state state;
	struct disk cut;
	size_t doing;

	crash_runs++;
	if (seen_before(allowed_key(allowed, key))) {
		crash_known++;
		return;
	}
	crash_points++;
	still.state = allowed->state + recover(disk, sectors, allowed);
	still.count = 1;
	still.blank = recovered_blank;
	cuts.from = *disk;
	cuts.log = log;
	cuts.left = now.writes;
	cuts.destroys = !still.blank;
	cuts.few = !still.blank && !crash_thorough();
	memcpy(log, now.log, now.writes * sizeof(log[0]));
	state = still.state[0];
	still.state = &state;
	cut = now.disk;
	load_again(&cut, sectors, &state);
	if (!depth)
		return;
	doing = strlen(crash_doing);
	while (cuts_next(&cuts, &cut)) {
		snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
			 "; recovery cut at write %u with sectors %#x", cuts.write, cuts.subset);
		explore(&cut, sectors, &still, depth - 1);
		crash_doing[doing] = '\0';
	}
}

/* The same states are allowed whichever of the writes was cut off. */
static inline void explore_log(const struct disk *from, u64 sectors, const struct allowed *allowed,
			       const struct disk_write *log, u32 writes)
{
	struct cuts cuts = { .from = *from, .log = log, .left = writes, .few = !crash_thorough(),
			     .destroys = !allowed->blank };
	size_t doing = strlen(crash_doing);
	struct disk cut;

	while (cuts_next(&cuts, &cut)) {
		snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
			 "; cut at write %u (block %u) with sectors %#x", cuts.write,
			 log[cuts.write].block, cuts.subset);
		explore(&cut, sectors, allowed, 0);
	}
	crash_doing[doing] = '\0';
}

/* What a run wrote, cut off at each write; and what it left. `few`: not torn in every way. */
static inline void explore_run(const struct run *run, const struct disk *base, u64 sectors, u32 depth,
			       bool few)
{
	struct disk_write log[DISK_LOG];
	struct cuts cuts = {
		.from = *base, .log = log, .left = now.writes, .few = few && !crash_thorough(),
		.destroys = true,
	};
	struct disk cut, end = now.disk;
	struct allowed allowed = { 0 };
	size_t doing = strlen(crash_doing);
	bool deep;

	memcpy(log, now.log, now.writes * sizeof(log[0]));
	while (cuts_next(&cuts, &cut)) {
		snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
			 "; cut at write %u (block %u) with sectors %#x", cuts.write,
			 log[cuts.write].block, cuts.subset);
		allowed.state = run->chain + run->cut_low[cuts.write];
		allowed.count = run->cut_high[cuts.write] - run->cut_low[cuts.write] + 1;
		/* One torn block is like the other to what comes later. */
		deep = cuts.subset <= 1 || cuts.subset >= DISK_ALL || crash_thorough();
		explore(&cut, sectors, &allowed, deep ? depth : 0);
	}
	snprintf(crash_doing + doing, sizeof(crash_doing) - doing, "; at its end");
	allowed.state = run->chain + run->low;
	allowed.count = run->high - run->low + 1;
	explore(&end, sectors, &allowed, depth);
	crash_doing[doing] = '\0';
}

/* What was acknowledged is there though any one block is damaged. */
static inline void explore_damage(const struct run *run, u64 sectors)
{
	size_t doing = strlen(crash_doing);
	struct allowed allowed = { .count = 1 };
	struct disk disk;
	u32 i, block;

	for (i = 0; i < run->kepts; i++)
		for (block = 0; block < DISK_BLOCKS; block++) {
			if (!run->kept[i].block[block])
				continue;
			snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
				 "; after operation %u, block %u destroyed", i, block);
			disk = run->kept[i];
			disk.block[block] = pool_tear(0, 0, DISK_DESTROYED);
			allowed.state = &run->chain[run->kept_state[i]];
			explore(&disk, sectors, &allowed, 0);
		}
	crash_doing[doing] = '\0';
}

/* Millions of small allocations, none of which is used after it was freed: less is kept of them. */
const char *__asan_default_options(void)
{
	return "malloc_context_size=2:quarantine_size_mb=4";
}

static inline int crash_set_up(void **state)
{
	(void)state;
	dmr_env_log_to = fopen("/dev/null", "w");
	return dmr_map_init() && dmr_env_log_to ? 0 : -1;
}

static inline int crash_tear_down(void **state)
{
	(void)state;
	dmr_map_exit();
	pool_end();
	free(seen);
	seen = NULL;
	fclose(dmr_env_log_to);
	printf("# %llu crash points, met %llu times\n", (unsigned long long)crash_points,
	       (unsigned long long)crash_runs);
	return dmr_env_bytes ? -1 : 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Writing the spare's metadata. Each copy is durable before the next is begun, the only newest copy
 * is never overwritten, and a copy that cannot be written moves to an alternate place
 * which the superblock records before the other copy is touched. A copy that was not good before is read
 * back: a bad place may take what it does not give back.
 */
#include "metadata.h"

/* Far from 2^32, for one call of dmr_session_begin() covers many commits. */
#define DMR_SESSION_COMMITS	(0xffffffffu / 2)

/* Superblock 0 is written last: a formatting that was cut off leaves a blank first place. */
static const u8 dmr_super_order[DMR_SUPER_COPIES] = { 1, 2, 3, 0 };

bool dmr_metadata_init(struct dmr_metadata *meta)
{
	unsigned int i;

	meta->super = dmr_big_alloc(sizeof(*meta->super));
	for (i = 0; i < ARRAY_SIZE(meta->block); i++)
		meta->block[i] = dmr_buffer_alloc(DMR_BLOCK_SIZE);
	return meta->super && meta->block[0] && meta->block[1];
}

void dmr_metadata_exit(struct dmr_metadata *meta)
{
	unsigned int i;

	if (meta->map)
		dmr_map_destroy(meta->map);
	if (meta->slots)
		dmr_spare_destroy(meta->slots);
	for (i = 0; i < ARRAY_SIZE(meta->block); i++)
		dmr_buffer_free(meta->block[i], DMR_BLOCK_SIZE);
	dmr_big_free(meta->retire);
	dmr_big_free(meta->repair);
	dmr_big_free(meta->super);
}

static int dmr_metadata_write(struct dmr_metadata *meta, u64 sector, void *block)
{
	int r = meta->io->write(meta, sector, block);

	if (r) {
		dmr_count_error(meta);
		dmr_log_error("%s: writing the metadata block at sector %llu failed (%d)",
			      meta->name, sector, r);
	}
	return r;
}

static int dmr_not_given_back(struct dmr_metadata *meta, u64 sector, int r)
{
	dmr_count_error(meta);
	dmr_log_error("%s: the metadata block at sector %llu does not give back what was written to it (%d)",
		      meta->name, sector, r);
	return -EIO;
}

static u64 dmr_next_generation(struct dmr_metadata *meta)
{
	return (u64)meta->super->session << 32 | ++meta->commits;
}

/* Through meta->block[1], which the superblock is encoded in. */
static int dmr_super_write(struct dmr_metadata *meta, unsigned int copy)
{
	u64 generation = 0, sector = dmr_super_sector(copy);
	void *block = meta->block[1];
	u8 uuid[16];
	int r;

	dmr_super_encode(block, meta->super, copy);
	r = dmr_metadata_write(meta, sector, block);
	if (r || (meta->super_good & (1u << copy)))
		return r;
	r = meta->io->read(meta, sector, block, DMR_BLOCK_SIZE);
	if (!r && dmr_super_peek(block, copy, uuid, &generation) == DMR_GOOD &&
	    generation == meta->super->generation &&
	    !memcmp(uuid, meta->super->uuid, sizeof(uuid)))
		return 0;
	return dmr_not_given_back(meta, sector, r);
}

/*
 * One superblock after the other; those that are not the newest first. After a failure nobody knows which
 * one a load will find, so no table is written before another session has begun with what is in memory.
 */
int dmr_super_commit(struct dmr_metadata *meta)
{
	unsigned int pass, i, copy, good = meta->super_good, written = 0;

	meta->super->generation = dmr_next_generation(meta);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < DMR_SUPER_COPIES; i++) {
			copy = dmr_super_order[i];
			if (!!(meta->super_good & (1u << copy)) != !!pass)
				continue;
			if (!written && good == (1u << copy))
				break;
			if (!dmr_super_write(meta, copy))
				written |= 1u << copy;
			/* Either way it is not the newest of before any more. */
			good &= ~(1u << copy);
		}
	}
	meta->super_good = written | good;
	if (dmr_hweight8(written) >= 2)
		return 0;
	meta->session_open = false;
	return -EIO;
}

/*
 * Nothing else changes with the session: a copy of this superblock that landed in an attempt that failed, and
 * could not be read since then, has the same generation as the next attempt's, and says the same. So the
 * next attempt, by this memory or another, takes the same session. Only where this memory holds what a commit could
 * not make durable (a relocation) it says something else: dmr_super_choose() goes by the majority then.
 */
int dmr_session_begin(struct dmr_metadata *meta)
{
	int r;

	/* Generations must not wrap: a long session is followed by another. */
	if (meta->session_open && meta->commits < DMR_SESSION_COMMITS)
		return 0;
	if (meta->super->session == 0xffffffffu)
		return -EOVERFLOW;
	meta->super->session++;
	meta->commits = 0;
	r = dmr_super_commit(meta);
	meta->session_open = !r;
	if (r)
		meta->super->session--;
	return r;
}

/* Reads one copy; true if it is valid. */
static bool dmr_table_read_copy(struct dmr_metadata *meta, u32 segment, u8 place, void *block,
				u64 *generation)
{
	enum dmr_verdict verdict = DMR_GOOD;
	int r = meta->io->read(meta, dmr_table_sector(segment, place), block, DMR_BLOCK_SIZE);

	if (!r) {
		verdict = dmr_table_check(block, meta->super->uuid, segment, place, generation);
		if (verdict == DMR_GOOD)
			return true;
	}
	/* What is being repaired was counted and said when it was loaded. */
	if (meta->repair && dmr_test_bit(segment, meta->repair))
		return false;
	dmr_count_error(meta);
	dmr_log_warning("%s: table of segment %u at sector %llu: %s",
			meta->name, segment, dmr_table_sector(segment, place),
			r ? "unreadable" : dmr_verdict_text(verdict));
	return false;
}

/*
 * Making both copies equal to another map than the one in memory would lose what has been written since, and what is
 * written from now on.
 */
static int dmr_table_differs(const struct dmr_metadata *meta, u32 segment, bool older)
{
	if (older)
		dmr_log_error("%s: of the table of segment %u only an older copy can be read: copy what is on the device elsewhere before it is removed",
			      meta->name, segment);
	else
		dmr_log_error("%s: another copy of the table of segment %u can be read than when it was loaded: remove the device and load it again",
			      meta->name, segment);
	return -EUCLEAN;
}

int dmr_table_read(struct dmr_metadata *meta, u32 segment)
{
	u64 known = dmr_spare_generation(meta->slots, segment);
	u64 generation[2] = { 0, 0 }, found;
	bool valid[2];
	u8 place[2];
	int i;

	dmr_super_places(meta->super, segment, place);
	for (i = 0; i < 2; i++)
		valid[i] = dmr_table_read_copy(meta, segment, place[i], meta->block[i],
					       &generation[i]);

	meta->table_good = 0;
	if (!valid[0] && !valid[1])
		return -EIO;
	if (!valid[0] || (valid[1] && generation[1] > generation[0])) {
		void *other = meta->block[0];

		meta->block[0] = meta->block[1];
		meta->block[1] = other;
		meta->table_good = 1u << 1;
	} else {
		meta->table_good = 1u << 0;
		if (valid[1] && generation[1] == generation[0])
			meta->table_good |= 1u << 1;
	}
	found = generation[meta->table_good == 1u << 1];
	if (known && known != found)
		return dmr_table_differs(meta, segment, found < known);
	return 0;
}

/* `good`: the place has just been read, as it should be. What others are given is read back, into meta->block[1]. */
static int dmr_table_write(struct dmr_metadata *meta, u32 segment, u8 place, u64 generation,
			   bool good)
{
	u64 found = 0, sector = dmr_table_sector(segment, place);
	int r;

	dmr_table_seal(meta->block[0], meta->super->uuid, segment, place, generation);
	r = dmr_metadata_write(meta, sector, meta->block[0]);
	if (r || good)
		return r;
	r = meta->io->read(meta, sector, meta->block[1], DMR_BLOCK_SIZE);
	if (!r && dmr_table_check(meta->block[1], meta->super->uuid, segment, place,
				  &found) == DMR_GOOD && found == generation)
		return 0;
	return dmr_not_given_back(meta, sector, r);
}

/* A copy that cannot be written goes to an alternate; the superblock says so before the other is written. */
static int dmr_table_relocate(struct dmr_metadata *meta, u32 segment, unsigned int which,
			      u64 generation)
{
	u8 place[2], to;
	unsigned int i;

	dmr_super_places(meta->super, segment, place);
	for (i = 0; i < DMR_TABLE_PLACES; i++) {
		/* The nearest first, so that the copies stay far from each other. */
		to = which ? DMR_TABLE_PLACES - 1 - i : i;
		if (to == place[0] || to == place[1])
			continue;
		if (dmr_table_write(meta, segment, to, generation, false))
			continue;
		if (!dmr_super_relocate(meta->super, segment, which, to))
			return -ENOSPC;
		dmr_log_warning("%s: a table copy of segment %u moved to sector %llu",
				meta->name, segment, dmr_table_sector(segment, to));
		return dmr_super_commit(meta);
	}
	return -EIO;
}

int dmr_table_commit(struct dmr_metadata *meta, u32 segment, bool *touched)
{
	u64 generation = dmr_next_generation(meta);
	/* The copy that is not the newest goes first, normally none is and A does. */
	unsigned int which = meta->table_good == 1u << 0 ? 1 : 0;
	unsigned int i;
	u8 place[2];
	int r;

	*touched = true;
	/* If this fails nobody knows which one is read next. */
	dmr_spare_set_generation(meta->slots, segment, 0);
	for (i = 0; i < 2; i++, which = !which) {
		dmr_super_places(meta->super, segment, place);
		r = dmr_table_write(meta, segment, place[which], generation,
				    meta->table_good & (1u << which));
		if (r)
			r = dmr_table_relocate(meta, segment, which, generation);
		if (r)
			return r;
	}
	dmr_spare_set_generation(meta->slots, segment, generation);
	return 0;
}

/*
 * The tables, then the superblocks. A table copy that cannot be written moves only then, like one of a
 * spare in use: without relocations a superblock is one sector, which power cannot tear.
 */
int dmr_format(struct dmr_metadata *meta)
{
	u8 place[2], good = 0;
	u64 generation;
	bool touched;
	unsigned int i;
	int r;

	meta->super->session = 1;
	generation = dmr_next_generation(meta);
	dmr_table_init(meta->block[0]);
	dmr_super_places(meta->super, 0, place);
	for (i = 0; i < 2; i++)
		if (!dmr_table_write(meta, 0, place[i], generation, false))
			good |= 1u << i;
	dmr_spare_set_generation(meta->slots, 0, generation);
	r = good ? dmr_super_commit(meta) : -EIO;
	if (!r && good != 3) {
		meta->table_good = good;
		r = dmr_table_commit(meta, 0, &touched);
	}
	meta->session_open = !r;
	if (r)
		dmr_log_error("%s: formatting the spare failed (%d)", meta->name, r);
	else
		dmr_log_info("%s: spare formatted, %llu slots",
			     meta->name, dmr_spare_slots(meta->slots));
	return r;
}

static bool dmr_is_to_retire(const struct dmr_metadata *meta, u32 slot)
{
	u32 i;

	for (i = 0; i < meta->retire_count; i++)
		if (meta->retire[i] == slot)
			return true;
	return false;
}

static bool dmr_entry_was_loaded(struct dmr_metadata *meta, u32 slot, const struct dmr_entry *entry)
{
	enum dmr_slot_state state = dmr_spare_get(meta->slots, slot);
	struct dmr_unit unit;

	if (entry->state == DMR_SLOT_FREE || entry->state == DMR_SLOT_BAD)
		return state == entry->state;
	if (!dmr_map_get(meta->map, entry->unit, &unit))
		return false;
	/* Another slot's entry for the unit has won. Of a slot that was bad on the disk this is an older table. */
	if (state == DMR_SLOT_BAD)
		return dmr_is_to_retire(meta, slot);
	return unit.slot == slot &&
	       unit.owned == entry->owned && unit.pending == entry->pending &&
	       unit.lost == (entry->state == DMR_SLOT_LOST);
}

/* The newest copy that can be read now need not be the one that could be read at load. */
static int dmr_table_read_loaded(struct dmr_metadata *meta, u32 segment)
{
	struct dmr_entry entry;
	u32 i;
	int r;

	/* Here the content counts: a repair that was cut off has left one map in two generations. */
	dmr_spare_set_generation(meta->slots, segment, 0);
	r = dmr_table_read(meta, segment);
	for (i = 0; !r && i < DMR_SEGMENT_SLOTS; i++) {
		dmr_table_get(meta->block[0], i, &entry);
		if (!dmr_entry_was_loaded(meta, segment * DMR_SEGMENT_SLOTS + i, &entry))
			r = dmr_table_differs(meta, segment, false);
	}
	return r;
}

/* An entry that lost against another for the same unit: its slot went bad when the unit moved. */
static int dmr_retire_slot(struct dmr_metadata *meta, u32 slot)
{
	const struct dmr_entry bad = { .state = DMR_SLOT_BAD };
	u32 segment = slot / DMR_SEGMENT_SLOTS;
	bool touched;
	int r = dmr_table_read_loaded(meta, segment);

	if (r)
		return r;
	dmr_table_put(meta->block[0], slot % DMR_SEGMENT_SLOTS, &bad);
	return dmr_table_commit(meta, segment, &touched);
}

bool dmr_needs_repair(const struct dmr_metadata *meta)
{
	return meta->repair || meta->retire_count || meta->super_good != DMR_ALL_SUPERS;
}

int dmr_repair(struct dmr_metadata *meta)
{
	u32 segment, count = 0;
	bool touched;
	int r;

	if (!dmr_needs_repair(meta))
		return 0;
	/* Opening a session rewrites every copy of the superblock. */
	r = dmr_session_begin(meta);
	for (segment = 0; !r && meta->repair && segment < meta->super->in_use; segment++) {
		if (!dmr_test_bit(segment, meta->repair))
			continue;
		r = dmr_table_read_loaded(meta, segment);
		if (!r)
			r = dmr_table_commit(meta, segment, &touched);
		count++;
	}
	while (!r && meta->retire_count) {
		r = dmr_retire_slot(meta, meta->retire[meta->retire_count - 1]);
		meta->retire_count -= !r;
	}
	if (r) {
		dmr_log_error("%s: repairing the spare's metadata failed (%d)", meta->name, r);
		return r;
	}
	dmr_log_warning("%s: metadata repaired: %u tables rewritten, superblock copies good: %u of %u",
			meta->name, count, dmr_hweight8(meta->super_good), DMR_SUPER_COPIES);
	dmr_big_free(meta->repair);
	meta->repair = NULL;
	return 0;
}

int dmr_grow(struct dmr_metadata *meta, u32 segments)
{
	u32 was = meta->super->segments;
	int r;

	if (!dmr_spare_grow(meta->slots, segments))
		return -ENOMEM;
	/* What this does not get now is got later; the slots are there already, so the superblock has to follow. */
	dmr_spare_refill(meta->slots);
	r = dmr_session_begin(meta);
	if (!r) {
		meta->super->segments = segments;
		r = dmr_super_commit(meta);
	}
	if (r) {
		/* The longer length may be on disk or not; slots there are not used before that is known. */
		WRITE_ONCE(meta->frozen, r);
		return -EIO;
	}
	WRITE_ONCE(meta->full, false);
	dmr_log_info("%s: grown from %u to %u segments", meta->name, was, segments);
	return 0;
}

int dmr_remember_main(struct dmr_metadata *meta, u64 covered, const struct dmr_main_id *main)
{
	struct dmr_main_id main_was = meta->super->main;
	u64 covered_was = meta->super->covered;
	int r;

	/* What memory holds may not be what the disk does: no new session is to say so. */
	if (meta->frozen) {
		dmr_log_error("%s: the map is frozen: neither another main nor a longer one can be remembered",
			      meta->name);
		return meta->frozen;
	}
	r = dmr_session_begin(meta);
	if (r)
		return r;
	meta->super->covered = covered;
	meta->super->main = *main;
	r = dmr_super_commit(meta);
	if (r) {
		meta->super->main = main_was;
		meta->super->covered = covered_was;
	}
	return r;
}

// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Reading a spare (C14): finds the newest valid superblock, loads the whole map, and notes what
 * the first resume has to repair. Writes nothing. Whatever cannot be read for sure is
 * refused: a shorter map would return stale data.
 */
#include "metadata.h"

#define DMR_BLANK_SECTORS	2048u		/* 1 MiB at either end */
#define DMR_BLANK_CHUNK		32768u		/* bytes a read */

/* Entries with moves, of which one unit can have two. */
struct dmr_moved {
	u64 unit;
	u32 moves, slot;
};

struct dmr_loader {
	struct dmr_metadata *meta;
	char *why;
	u8 *buffer;		/* two blocks: B of one segment, A of the next */
	u8 *first;		/* A of the current segment */
	bool first_read;	/* it could be read */
	struct dmr_moved *moved;
	u32 moved_count, moved_room;
};

__printf(2, 3)
static int dmr_refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, DMR_WHY_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

static bool dmr_super_of_pair(const struct dmr_super *a, const struct dmr_super *b)
{
	return !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

/* The first of those in `among` that most others are like: *best. false: of two kinds there are equally many. */
static bool dmr_super_majority(const struct dmr_super copy[DMR_SUPER_COPIES], unsigned int among,
			       bool (*alike)(const struct dmr_super *a, const struct dmr_super *b),
			       unsigned int *best)
{
	unsigned int i, k, votes, best_votes = 0;
	bool tie = false;

	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		if (!(among & (1u << i)))
			continue;
		for (votes = 0, k = 0; k < DMR_SUPER_COPIES; k++)
			votes += (among & (1u << k)) && alike(&copy[i], &copy[k]);
		if (votes > best_votes) {
			*best = i;
			best_votes = votes;
			tie = false;
		} else if (!alike(&copy[i], &copy[*best])) {
			tie |= votes == best_votes;
		}
	}
	return !tie;
}

/*
 * By pair first. Then the newest; of one generation, one that no other is like was left behind by a commit that failed, and
 * was not read by who has written that generation since.
 */
const char *dmr_super_choose(const struct dmr_super copy[DMR_SUPER_COPIES], unsigned int valid,
			     unsigned int *best)
{
	bool one_pair = dmr_super_majority(copy, valid, dmr_super_of_pair, best);
	const struct dmr_super *pair = &copy[*best];
	unsigned int i, newest = 0;
	u64 generation = 0;

	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		if (!(valid & (1u << i)) || !dmr_super_of_pair(&copy[i], pair) ||
		    copy[i].generation < generation)
			continue;
		newest = (copy[i].generation > generation ? 0 : newest) | 1u << i;
		generation = copy[i].generation;
	}
	if (!dmr_super_majority(copy, newest, dmr_super_same, best) && one_pair)
		return "superblocks of one generation that differ";
	return one_pair ? NULL : "superblocks of two pairs";
}

static int dmr_take_super(struct dmr_metadata *meta, const struct dmr_super *copy,
			  unsigned int valid, char *why)
{
	unsigned int i, best = 0;
	const char *unsure = dmr_super_choose(copy, valid, &best);

	if (unsure)
		return dmr_refuse(why, "spare %s carries %s", meta->name, unsure);
	*meta->super = copy[best];
	meta->super_good = 0;
	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		if ((valid & (1u << i)) && dmr_super_same(&copy[i], meta->super)) {
			meta->super_good |= 1u << i;
			continue;
		}
		dmr_count_error(meta);
		dmr_log_warning("%s: superblock copy %u is unreadable, damaged or old: to be repaired",
				meta->name, i);
	}
	return 0;
}

/* 1: found; 0: none of the copies is ours; else an error. */
static int dmr_load_super(struct dmr_metadata *meta, char *why)
{
	struct dmr_super *copy = dmr_big_alloc(sizeof(*copy) * DMR_SUPER_COPIES);
	enum dmr_verdict verdict, newer = DMR_GOOD;
	unsigned int i, valid = 0;
	int r;

	if (!copy)
		return -ENOMEM;
	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		if (meta->io->read(meta, dmr_super_sector(i), meta->block[0], DMR_BLOCK_SIZE))
			continue;
		verdict = dmr_super_decode(meta->block[0], i, &copy[i]);
		if (verdict == DMR_GOOD)
			valid |= 1u << i;
		else if (verdict == DMR_BAD_VERSION || verdict == DMR_BAD_FEATURES)
			newer = verdict;
	}
	if (newer != DMR_GOOD)
		r = dmr_refuse(why, "spare %s: superblock: %s: another version of dm-remap is needed",
			       meta->name, dmr_verdict_text(newer));
	else if (!valid)
		r = 0;
	else
		r = dmr_take_super(meta, copy, valid, why) ?: 1;
	dmr_big_free(copy);
	return r;
}

/* Whoever changes a spare writes two superblocks first: among three that were read is one of those. */
#define DMR_SUPER_QUORUM	(DMR_SUPER_COPIES - 1)

/* One copy as this memory knows it: 1; changed by others: -ESTALE; nothing to go by: 0. */
static int dmr_recheck_copy(struct dmr_metadata *meta, unsigned int copy)
{
	enum dmr_verdict verdict;
	u64 generation;
	u8 uuid[16];

	if (meta->io->read(meta, dmr_super_sector(copy), meta->block[0], DMR_BLOCK_SIZE))
		return 0;
	if (meta->blank)
		return dmr_block_is_blank(meta->block[0], DMR_BLOCK_SIZE) ? 1 : -ESTALE;
	verdict = dmr_super_peek(meta->block[0], copy, uuid, &generation);
	if (verdict == DMR_BAD_VERSION || verdict == DMR_BAD_FEATURES)
		return -ESTALE;
	if (verdict != DMR_GOOD)
		return 0;
	if (memcmp(uuid, meta->super->uuid, sizeof(uuid)) || generation > meta->super->generation)
		return -ESTALE;
	/* An older one may be where ours could not be written; else the spare was set back. */
	if (generation < meta->super->generation && (meta->super_good & (1u << copy)))
		return -ESTALE;
	return 1;
}

int dmr_recheck(struct dmr_metadata *meta)
{
	unsigned int copy, known = 0;
	int r;

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		r = dmr_recheck_copy(meta, copy);
		if (r < 0)
			return r;
		known += r;
	}
	/* If our own superblock may not have landed, another could have been given its generation. */
	if (known < DMR_SUPER_QUORUM || (!meta->blank && dmr_hweight8(meta->super_good) < 2))
		return -EIO;
	return 0;
}

/* An all-free table of ours is what a formatting that was cut off leaves. */
static bool dmr_unfinished_table(const void *block, u64 sector)
{
	struct dmr_entry entry;
	unsigned int place, i;

	for (place = 0; place < DMR_TABLE_PLACES; place++)
		if (sector == dmr_table_sector(0, place))
			break;
	if (place == DMR_TABLE_PLACES || dmr_table_check(block, NULL, 0, place, NULL) != DMR_GOOD)
		return false;
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		dmr_table_get(block, i, &entry);
		if (entry.state != DMR_SLOT_FREE)
			return false;
	}
	return true;
}

static int dmr_check_blank(struct dmr_metadata *meta, u8 *buffer, u64 sector, u64 count,
			   char *why)
{
	u64 end = sector + count;
	u32 bytes, at;

	for (; sector < end; sector += bytes / DMR_SECTOR_SIZE) {
		bytes = DMR_BLANK_CHUNK;
		if (end - sector < bytes / DMR_SECTOR_SIZE)
			bytes = (end - sector) * DMR_SECTOR_SIZE;
		if (meta->io->read(meta, sector, buffer, bytes))
			return dmr_refuse(why, "spare %s cannot be read at sector %llu",
					  meta->name, sector);
		for (at = 0; at < bytes; at += DMR_SECTOR_SIZE) {
			if (dmr_block_is_blank(buffer + at, DMR_SECTOR_SIZE))
				continue;
			if (at + DMR_BLOCK_SIZE <= bytes &&
			    dmr_unfinished_table(buffer + at, sector + (at / DMR_SECTOR_SIZE))) {
				at += DMR_BLOCK_SIZE - DMR_SECTOR_SIZE;
				continue;
			}
			return dmr_refuse(why, "spare %s is neither blank nor a dm-remap spare (data at sector %llu): if it may be erased, zero its first 4 MiB and its last 1 MiB",
					  meta->name, sector + (at / DMR_SECTOR_SIZE));
		}
	}
	return 0;
}

/* C14: first and last MiB and all four superblock places read as zeroes. */
static int dmr_load_blank(struct dmr_metadata *meta, char *why)
{
	u64 last = (meta->sectors - DMR_BLANK_SECTORS) & ~(u64)(DMR_BLOCK_SECTORS - 1);
	u8 *buffer = dmr_buffer_alloc(DMR_BLANK_CHUNK);
	unsigned int i;
	int r;

	if (!buffer)
		return -ENOMEM;
	r = dmr_check_blank(meta, buffer, 0, DMR_BLANK_SECTORS, why);
	for (i = 0; !r && i < DMR_SUPER_COPIES; i++)
		r = dmr_check_blank(meta, buffer, dmr_super_sector(i), DMR_BLOCK_SECTORS, why);
	if (!r)
		r = dmr_check_blank(meta, buffer, last, meta->sectors - last, why);
	dmr_buffer_free(buffer, DMR_BLANK_CHUNK);
	return r;
}

static bool dmr_read_blocks(struct dmr_metadata *meta, u64 sector, void *buffer,
			    unsigned int blocks)
{
	return !meta->io->read(meta, sector, buffer, blocks * DMR_BLOCK_SIZE);
}

/* An array of `count` items with room for one more: as it is, or a larger one instead. NULL: no memory. */
static void *dmr_one_more(void *items, size_t size, u32 count, u32 *room)
{
	u32 wanted = count ? 2 * count : 64;
	void *more;

	if (count < *room)
		return items;
	more = dmr_big_alloc(size * wanted);
	if (!more)
		return NULL;
	if (count)
		memcpy(more, items, size * count);
	dmr_big_free(items);
	*room = wanted;
	return more;
}

static bool dmr_remember_moves(struct dmr_loader *l, const struct dmr_entry *entry, u32 slot)
{
	struct dmr_moved *moved;

	if (!entry->moves)
		return true;
	moved = dmr_one_more(l->moved, sizeof(*moved), l->moved_count, &l->moved_room);
	if (!moved)
		return false;
	l->moved = moved;
	l->moved[l->moved_count++] = (struct dmr_moved){ entry->unit, entry->moves, slot };
	return true;
}

static u32 dmr_moves_of(const struct dmr_loader *l, u32 slot)
{
	u32 low = 0, high = l->moved_count, middle;

	/* They were met in the order of their slots. */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (l->moved[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->moved_count && l->moved[low].slot == slot ? l->moved[low].moves : 0;
}

static int dmr_retire_later(struct dmr_metadata *meta, u32 slot)
{
	u32 *retire = dmr_one_more(meta->retire, sizeof(*retire), meta->retire_count,
				   &meta->retire_room);

	if (!retire)
		return -ENOMEM;
	meta->retire = retire;
	meta->retire[meta->retire_count++] = slot;
	dmr_spare_set(meta->slots, slot, DMR_SLOT_BAD);
	return 0;
}

/* Two entries for one unit are a move that was cut off: the one with more moves is the newer. */
static int dmr_load_second(struct dmr_loader *l, const struct dmr_unit *was,
			   const struct dmr_unit *unit, u32 moves)
{
	struct dmr_metadata *meta = l->meta;
	struct dmr_map_change *change;
	u32 moves_was = dmr_moves_of(l, was->slot);

	if (moves == moves_was)
		return dmr_refuse(l->why,   "spare %s: slots %u and %u both claim unit %llu",
				  meta->name, was->slot, unit->slot, unit->unit);
	if (moves < moves_was)
		return dmr_retire_later(meta, unit->slot);
	change = dmr_map_prepare(meta->map, unit, 1);
	if (!change)
		return -ENOMEM;
	dmr_map_publish(meta->map, change);
	return dmr_retire_later(meta, was->slot);
}

static int dmr_load_entry(struct dmr_loader *l, u32 slot, const struct dmr_entry *entry)
{
	struct dmr_metadata *meta = l->meta;
	struct dmr_unit was, unit = {
		.unit = entry->unit,
		.slot = slot,
		.owned = entry->owned,
		.pending = entry->pending,
		.lost = entry->state == DMR_SLOT_LOST,
	};

	if (entry->state == DMR_SLOT_FREE)
		return 0;
	if (entry->state == DMR_SLOT_BAD) {
		dmr_spare_set(meta->slots, slot, DMR_SLOT_BAD);
		return 0;
	}
	if (entry->unit >= (meta->super->covered + DMR_UNIT_SECTORS - 1) / DMR_UNIT_SECTORS)
		return dmr_refuse(l->why,   "spare %s: slot %u is for unit %llu, beyond the %llu sectors covered",
				  meta->name, slot, entry->unit, meta->super->covered);
	dmr_spare_set(meta->slots, slot, DMR_SLOT_USED);
	if (!dmr_remember_moves(l, entry, slot))
		return -ENOMEM;
	if (dmr_map_get(meta->map, unit.unit, &was))
		return dmr_load_second(l, &was, &unit, entry->moves);
	return dmr_map_load(meta->map, &unit) ? 0 : -ENOMEM;
}

static int dmr_note_repair(struct dmr_metadata *meta, u32 segment)
{
	if (!meta->repair) {
		meta->repair = dmr_big_alloc((meta->super->in_use / 64 + 1) * sizeof(u64));
		if (!meta->repair)
			return -ENOMEM;
	}
	dmr_set_bit(segment, meta->repair);
	dmr_count_error(meta);
	return 0;
}

/* `copy[i]`: a block that was read, or NULL. */
static int dmr_load_table(struct dmr_loader *l, u32 segment, void *copy[2], const u8 place[2])
{
	struct dmr_metadata *meta = l->meta;
	u64 generation[2] = { 0, 0 };
	struct dmr_entry entry;
	unsigned int i, best;
	bool valid[2];
	int r;

	for (i = 0; i < 2; i++)
		valid[i] = copy[i] && dmr_table_check(copy[i], meta->super->uuid, segment, place[i],
						      &generation[i]) == DMR_GOOD;
	if (!valid[0] && !valid[1])
		return dmr_refuse(l->why, "spare %s: both copies of the table of segment %u are unreadable or damaged",
				  meta->name, segment);
	best = !valid[0] || (valid[1] && generation[1] > generation[0]);
	/* A session is in the superblock before any table carries it. */
	if (generation[best] >> 32 > meta->super->session)
		return dmr_refuse(l->why, "spare %s: the superblock is older than the table of segment %u",
				  meta->name, segment);
	if (!valid[!best] || generation[0] != generation[1]) {
		dmr_log_warning("%s: a table copy of segment %u is damaged or old: to be repaired",
				meta->name, segment);
		r = dmr_note_repair(meta, segment);
		if (r)
			return r;
	}
	dmr_spare_set_generation(meta->slots, segment, generation[best]);
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		dmr_table_get(copy[best], i, &entry);
		r = dmr_load_entry(l, segment * DMR_SEGMENT_SLOTS + i, &entry);
		if (r)
			return r;
	}
	return 0;
}

/* B of this segment and A of the next lie side by side: one read for both, or two where that fails. */
static int dmr_load_segment(struct dmr_loader *l, u32 segment)
{
	struct dmr_metadata *meta = l->meta;
	bool more = segment + 1 < meta->super->in_use;
	u64 sector = dmr_table_sector(segment, DMR_PLACE_B);
	u8 *next = l->buffer + DMR_BLOCK_SIZE;
	void *copy[2] = { NULL, NULL };
	bool b_read, next_read = false;
	unsigned int i;
	u8 place[2];
	int r;

	b_read = dmr_read_blocks(meta, sector, l->buffer, more ? 2 : 1);
	if (b_read) {
		next_read = more;
	} else if (more) {
		b_read = dmr_read_blocks(meta, sector, l->buffer, 1);
		next_read = dmr_read_blocks(meta, sector + DMR_BLOCK_SECTORS, next, 1);
	}
	dmr_super_places(meta->super, segment, place);
	for (i = 0; i < 2; i++) {
		if (place[i] == DMR_PLACE_A)
			copy[i] = l->first_read ? l->first : NULL;
		else if (place[i] == DMR_PLACE_B)
			copy[i] = b_read ? l->buffer : NULL;
		else if (dmr_read_blocks(meta, dmr_table_sector(segment, place[i]), meta->block[i],
					 1))
			copy[i] = meta->block[i];
	}
	r = dmr_load_table(l, segment, copy, place);
	if (next_read)
		memcpy(l->first, next, DMR_BLOCK_SIZE);
	l->first_read = next_read;
	return r;
}

static int dmr_load_tables(struct dmr_metadata *meta, char *why)
{
	struct dmr_loader l = { .meta = meta, .why = why };
	u32 segment;
	int r = -ENOMEM;

	l.buffer = dmr_buffer_alloc(2 * DMR_BLOCK_SIZE);
	l.first = dmr_buffer_alloc(DMR_BLOCK_SIZE);
	if (!l.buffer || !l.first)
		goto out;
	l.first_read = dmr_read_blocks(meta, dmr_table_sector(0, DMR_PLACE_A), l.first, 1);
	for (segment = 0, r = 0; !r && segment < meta->super->in_use; segment++)
		r = dmr_load_segment(&l, segment);
out:
	dmr_buffer_free(l.buffer, 2 * DMR_BLOCK_SIZE);
	dmr_buffer_free(l.first, DMR_BLOCK_SIZE);
	dmr_big_free(l.moved);
	return r;
}

int dmr_load(struct dmr_metadata *meta, u64 main_sectors, const u8 uuid[16],
	     char why[DMR_WHY_SIZE])
{
	struct dmr_super *super = meta->super;
	u32 room = dmr_segments_for(meta->sectors);
	int found, r;

	scnprintf(why, DMR_WHY_SIZE, "no memory for the map");
	if (!room)
		return dmr_refuse(why, "spare %s is %llu sectors long: it must have at least %u (5 MiB)",
				  meta->name, meta->sectors, DMR_MIN_SPARE);
	found = dmr_load_super(meta, why);
	if (found < 0)
		return found;
	if (!found) {
		r = dmr_load_blank(meta, why);
		if (r)
			return r;
		meta->blank = true;
		super->segments = room;
		super->in_use = 1;
		super->covered = main_sectors;
		memcpy(super->uuid, uuid, sizeof(super->uuid));
	} else if (super->segments > room) {
		return dmr_refuse(why, "spare %s is truncated: %llu sectors long, its superblock needs %llu",
				  meta->name, meta->sectors,
				  DMR_SEGMENT_BASE + (u64)super->segments * DMR_SEGMENT_SECTORS);
	}
	meta->map = dmr_map_create(main_sectors > super->covered ? main_sectors : super->covered);
	meta->slots = dmr_spare_create(super->segments, super->in_use);
	if (!meta->map || !meta->slots)
		return -ENOMEM;
	if (found) {
		r = dmr_load_tables(meta, why);
		if (r)
			return r;
	}
	if (!dmr_map_refill(meta->map) || !dmr_spare_refill(meta->slots))
		return -ENOMEM;
	dmr_map_resize(meta->map);
	return 0;
}

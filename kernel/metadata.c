// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing the spare's metadata. Each copy is durable before the next is begun, the only newest copy
 * is never overwritten, and a copy that cannot be written moves to an alternate place
 * which the superblock records before the other copy is touched.
 */
#include "dmr.h"

/* Far from 2^32, for one call of dmr_session_begin() covers many commits. */
#define DMR_SESSION_COMMITS	(U32_MAX / 2)

/* Superblock 0 is written last: a formatting that was cut off leaves a blank first place. */
static const u8 dmr_super_order[DMR_SUPER_COPIES] = { 1, 2, 3, 0 };

#define DMR_METADATA_WRITE	(REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA)

blk_status_t dmr_bdev_io(struct block_device *bdev, struct bio_set *bios, blk_opf_t opf, u64 sector,
			 void *data, unsigned int bytes)
{
	struct bio *bio = dmr_bio_alloc(bdev, 1, opf, bios);

	bio->bi_iter.bi_sector = sector;
	if (bytes)
		__bio_add_page(bio, virt_to_page(data), bytes, offset_in_page(data));
	return dmr_submit_wait(bio);
}

int dmr_pair_io(struct dmr_pair *pair, blk_opf_t opf, u64 sector, void *data, unsigned int bytes)
{
	return blk_status_to_errno(dmr_bdev_io(pair->bdev, &pair->bios, opf, sector, data, bytes));
}

void dmr_spare_flushed(struct dmr_pair *pair, u64 mark)
{
	s64 flushed = atomic64_read(&pair->spare_flushed);

	/* Flushes overlap; the one that covers most counts. */
	while (flushed < (s64)mark && !atomic64_try_cmpxchg(&pair->spare_flushed, &flushed, mark))
		;
}

/* Our flush failed, and may have lost what others wrote before it: their next flush has to say so (C8). */
static void dmr_owe_flush(struct dmr_pair *pair)
{
	if (atomic64_read(&pair->spare_written) != atomic64_read(&pair->spare_flushed))
		atomic_set(&pair->flush_owed, 1);
}

int dmr_spare_flush(struct dmr_pair *pair)
{
	u64 mark = atomic64_read(&pair->spare_written);
	int r = dmr_pair_io(pair, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH, 0, NULL, 0);

	if (r)
		dmr_owe_flush(pair);
	else
		dmr_spare_flushed(pair, mark);
	return r;
}

static int dmr_metadata_write(struct dmr_pair *pair, u64 sector, void *block)
{
	int r = dmr_pair_io(pair, DMR_METADATA_WRITE, sector, block, DMR_BLOCK_SIZE);

	if (r) {
		atomic64_inc(&pair->metadata_errors);
		/* Where FUA is a write and a flush, it may have been the flush. */
		if (dmr_bdev_write_cache(pair->bdev) && !dmr_bdev_fua(pair->bdev))
			dmr_owe_flush(pair);
		DMERR_LIMIT("%pg: writing the metadata block at sector %llu failed (%d)",
			    pair->bdev, sector, r);
	}
	return r;
}

static u64 dmr_next_generation(struct dmr_pair *pair)
{
	return (u64)pair->super->session << 32 | ++pair->commits;
}

/* One superblock after the other; those that are not the newest first. */
int dmr_super_commit(struct dmr_pair *pair)
{
	unsigned int pass, i, copy, good = pair->super_good, written = 0;

	pair->super->generation = dmr_next_generation(pair);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < DMR_SUPER_COPIES; i++) {
			copy = dmr_super_order[i];
			if (!!(pair->super_good & BIT(copy)) != !!pass)
				continue;
			if (!written && good == BIT(copy))
				return -EIO;
			dmr_super_encode(pair->block[1], pair->super, copy);
			if (!dmr_metadata_write(pair, dmr_super_sector(copy), pair->block[1]))
				written |= BIT(copy);
			/* Either way it is not the newest of before any more. */
			good &= ~BIT(copy);
		}
	}
	pair->super_good = written;
	return hweight32(written) >= 2 ? 0 : -EIO;
}

int dmr_session_begin(struct dmr_pair *pair)
{
	int r;

	/* Generations must not wrap: a long session is followed by another. */
	if (pair->session_open && pair->commits < DMR_SESSION_COMMITS)
		return 0;
	if (pair->super->session == U32_MAX)
		return -EOVERFLOW;
	pair->super->session++;
	pair->commits = 0;
	r = dmr_super_commit(pair);
	pair->session_open = !r;
	return r;
}

/* Reads one copy; true if it is valid. */
static bool dmr_table_read_copy(struct dmr_pair *pair, u32 segment, u8 place, void *block,
				u64 *generation)
{
	enum dmr_verdict verdict;
	int r = dmr_pair_io(pair, REQ_OP_READ | REQ_META, dmr_table_sector(segment, place), block,
			    DMR_BLOCK_SIZE);

	if (!r) {
		verdict = dmr_table_check(block, pair->super->uuid, segment, place, generation);
		if (verdict == DMR_GOOD)
			return true;
	}
	atomic64_inc(&pair->metadata_errors);
	DMWARN_LIMIT("%pg: table of segment %u at sector %llu: %s", pair->bdev, segment,
		     dmr_table_sector(segment, place),
		     r ? "unreadable" : dmr_verdict_text(verdict));
	return false;
}

int dmr_table_read(struct dmr_pair *pair, u32 segment)
{
	u64 generation[2] = { 0, 0 };
	bool valid[2];
	u8 place[2];
	int i;

	dmr_super_places(pair->super, segment, place);
	for (i = 0; i < 2; i++)
		valid[i] = dmr_table_read_copy(pair, segment, place[i], pair->block[i],
					       &generation[i]);

	pair->table_good = 0;
	if (!valid[0] && !valid[1])
		return -EIO;
	if (!valid[0] || (valid[1] && generation[1] > generation[0])) {
		swap(pair->block[0], pair->block[1]);
		pair->table_good = BIT(1);
	} else {
		pair->table_good = BIT(0);
		if (valid[1] && generation[1] == generation[0])
			pair->table_good |= BIT(1);
	}
	return 0;
}

static int dmr_table_write(struct dmr_pair *pair, u32 segment, u8 place, u64 generation)
{
	dmr_table_seal(pair->block[0], pair->super->uuid, segment, place, generation);
	return dmr_metadata_write(pair, dmr_table_sector(segment, place), pair->block[0]);
}

/* A copy that cannot be written goes to an alternate; the superblock says so before the other is written. */
static int dmr_table_relocate(struct dmr_pair *pair, u32 segment, unsigned int which,
			      u64 generation)
{
	u8 place[2], to;

	dmr_super_places(pair->super, segment, place);
	for (to = 0; to < DMR_TABLE_PLACES; to++) {
		if (to == place[0] || to == place[1])
			continue;
		if (dmr_table_write(pair, segment, to, generation))
			continue;
		if (!dmr_super_relocate(pair->super, segment, which, to))
			return -ENOSPC;
		DMWARN("%pg: a table copy of segment %u moved to sector %llu", pair->bdev, segment,
		       dmr_table_sector(segment, to));
		return dmr_super_commit(pair);
	}
	return -EIO;
}

int dmr_table_commit(struct dmr_pair *pair, u32 segment, bool *touched)
{
	u64 generation = dmr_next_generation(pair);
	/* The copy that is not the newest goes first, normally none is and A does. */
	unsigned int which = pair->table_good == BIT(0) ? 1 : 0;
	unsigned int i;
	u8 place[2];
	int r;

	*touched = true;
	for (i = 0; i < 2; i++, which = !which) {
		dmr_super_places(pair->super, segment, place);
		r = dmr_table_write(pair, segment, place[which], generation);
		if (r)
			r = dmr_table_relocate(pair, segment, which, generation);
		if (r)
			return r;
	}
	return 0;
}

int dmr_format(struct dmr_pair *pair)
{
	bool touched;
	int r;

	pair->super->session = 1;
	pair->session_open = true;
	pair->commits = 0;
	pair->super_good = 0;
	pair->table_good = 0;
	dmr_table_init(pair->block[0]);
	r = dmr_table_commit(pair, 0, &touched);
	if (!r)
		r = dmr_super_commit(pair);
	if (r)
		DMERR("%pg: formatting the spare failed (%d)", pair->bdev, r);
	else
		DMINFO("%pg: spare formatted, %llu slots", pair->bdev,
		       dmr_spare_slots(pair->slots));
	return r;
}

/* An entry that lost against another for the same unit: its slot went bad when the unit moved. */
static int dmr_retire_slot(struct dmr_pair *pair, u32 slot)
{
	const struct dmr_entry bad = { .state = DMR_SLOT_BAD };
	u32 segment = slot / DMR_SEGMENT_SLOTS;
	bool touched;
	int r = dmr_table_read(pair, segment);

	if (r)
		return r;
	dmr_table_put(pair->block[0], slot % DMR_SEGMENT_SLOTS, &bad);
	return dmr_table_commit(pair, segment, &touched);
}

int dmr_repair(struct dmr_pair *pair)
{
	struct dmr_retired *retired, *next;
	u32 segment, count = 0;
	bool touched;
	int r;

	if (!pair->repair && list_empty(&pair->retire) && pair->super_good == DMR_ALL_SUPERS)
		return 0;
	/* Opening a session rewrites every copy of the superblock. */
	r = dmr_session_begin(pair);
	for (segment = 0; !r && pair->repair && segment < pair->super->in_use; segment++) {
		if (!test_bit(segment, pair->repair))
			continue;
		r = dmr_table_read(pair, segment);
		if (!r)
			r = dmr_table_commit(pair, segment, &touched);
		count++;
	}
	list_for_each_entry_safe(retired, next, &pair->retire, link) {
		if (r)
			break;
		r = dmr_retire_slot(pair, retired->slot);
		list_del(&retired->link);
		kfree(retired);
	}
	if (r) {
		DMERR("%pg: repairing the spare's metadata failed (%d)", pair->bdev, r);
		return r;
	}
	DMWARN("%pg: metadata repaired: %u tables rewritten, superblock copies good: %u of %u",
	       pair->bdev, count, hweight32(pair->super_good), DMR_SUPER_COPIES);
	dmr_big_free(pair->repair);
	pair->repair = NULL;
	return 0;
}

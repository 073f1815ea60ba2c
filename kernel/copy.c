// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving data by hand: units between main and slots, and from a slot that fails to another (C7).
 */
#include "batch.h"
#include "copy.h"

bool dmr_mask_run(u8 mask, unsigned int from, unsigned int *first, unsigned int *count)
{
	unsigned int end;

	while (from < DMR_UNIT_SECTORS && !(mask & BIT(from)))
		from++;
	for (end = from; end < DMR_UNIT_SECTORS && (mask & BIT(end)); end++)
		;
	*first = from;
	*count = end - from;
	return end > from;
}

/* Some of a unit's sectors, alone: merged with others they would share their fate. */
static blk_status_t dmr_sectors_io(struct dmr_target *t, struct block_device *bdev, blk_opf_t opf,
				   u64 sector, void *data, u32 count)
{
	return dmr_bdev_io(bdev, &t->bios, opf | REQ_SYNC | REQ_NOMERGE, sector, data,
			   count << SECTOR_SHIFT);
}

blk_status_t dmr_cargo_read(struct dmr_target *t, struct block_device *bdev, u64 sector, u8 mask,
			    u32 step, struct dmr_cargo *cargo)
{
	blk_status_t status, failed = BLK_STS_OK, other = BLK_STS_OK;
	unsigned int first, count, at;
	bool late = false;

	cargo->mask = 0;
	cargo->asked = 0;
	for (at = 0; !late && dmr_mask_run(mask, at, &first, &count); at = first + count) {
again:
		/* Asked whole once: each failure of a dying disk takes seconds. */
		if (failed)
			count = min(count, step - first % step);
		late = failed && time_after(jiffies, cargo->until);
		status = dmr_sectors_io(t, bdev, REQ_OP_READ, sector + first,
					cargo->page + (first << SECTOR_SHIFT), count);
		if (status && !dmr_suspect(status))
			other = status;
		if (status && !failed && count > step) {
			failed = status;
			goto again;
		}
		cargo->asked |= dmr_mask(first, count);
		if (status) {
			failed = status;
		} else {
			cargo->mask |= dmr_mask(first, count);
			late = false;
		}
	}
	/* A whole read that failed and whose parts all read is no failure. */
	if (cargo->mask == mask)
		return BLK_STS_OK;
	return other ?: cargo->asked == mask ? failed : BLK_STS_AGAIN;
}

blk_status_t dmr_cargo_read_rest(struct dmr_target *t, struct block_device *bdev, u64 sector,
				 u8 mask, u32 step, struct dmr_cargo *cargo)
{
	u8 have = cargo->mask, asked = cargo->asked;
	blk_status_t status = dmr_cargo_read(t, bdev, sector, mask & ~have, step, cargo);

	cargo->mask |= have;
	cargo->asked |= asked;
	return status;
}

blk_status_t dmr_cargo_write(struct dmr_target *t, struct block_device *bdev, u64 sector, u8 mask,
			     const struct dmr_cargo *cargo)
{
	unsigned int first, count, at;
	blk_status_t status;

	for (at = 0; dmr_mask_run(mask, at, &first, &count); at = first + count) {
		status = dmr_sectors_io(t, bdev, REQ_OP_WRITE, sector + first,
					cargo->page + (first << SECTOR_SHIFT), count);
		if (status)
			return status;
	}
	return BLK_STS_OK;
}

/*
 * What of the unit's other sectors the old slot still gives. Lost ones hold nothing to give. An error that says
 * nothing about the sectors (C10) is returned: nothing may be lost for it.
 */
static blk_status_t dmr_try_rescue(struct dmr_target *t, struct dmr_change *c, u8 written,
				   struct dmr_cargo *cargo)
{
	struct dmr_pair *pair = t->pair;
	u8 wanted = c->is.owned & ~written;
	/* What does not read here is lost for good: down to the smallest step, whatever a physical block is said to be. */
	u32 step = bdev_logical_block_size(pair->bdev) >> SECTOR_SHIFT;
	blk_status_t status;

	if (c->is.lost)
		wanted &= ~c->is.pending;
	status = dmr_cargo_read_rest(t, pair->bdev, dmr_slot_sector(c->is.slot), wanted, step,
				     cargo);
	c->will.owned = c->is.owned | written;
	c->will.pending = c->is.pending & ~written & ~cargo->mask;
	c->will.pending |= c->is.owned & ~written & ~cargo->mask;
	c->will.lost = (c->will.owned & c->will.pending) != 0;
	return status;
}

/* false: nothing is known, and so nothing may be lost. A dead spare makes nothing lost, nor does one that was away for a moment. */
static bool dmr_rescue(struct dmr_target *t, struct dmr_change *c, u8 written,
		       struct dmr_cargo *cargo)
{
	blk_status_t status = dmr_try_rescue(t, c, written, cargo);

	if (dmr_suspect(status) && dmr_spare_answers(t->pair))
		status = dmr_try_rescue(t, c, written, cargo);
	return (!status || dmr_suspect(status)) && dmr_spare_answers(t->pair);
}

static blk_status_t dmr_write_goods(struct dmr_target *t, u64 sector, const struct dmr_goods *g)
{
	struct block_device *bdev = t->pair->bdev;
	blk_status_t status = BLK_STS_OK;
	struct bio *part;

	if (g->cargo)
		status = dmr_cargo_write(t, bdev, sector, g->cargo->mask, g->cargo);
	if (!status && g->bio) {
		part = dmr_part(t, g->bio, g->offset, g->count, bdev, sector + g->first);
		/* A flush follows before the commit; one in here would be tried again when it failed (C8). */
		part->bi_opf &= ~REQ_FUA;
		status = dmr_submit_wait(part);
	}
	if (status)
		atomic64_inc(&t->pair->spare_errors);
	return status;
}

/* Slots that have failed a change, until it is known whether another takes it. */
struct dmr_set_aside {
	u32 count;
	u32 slot[DMR_SLOT_TRIES];
	u64 evict[DMR_SLOT_TRIES];	/* whose slot it is; DMR_NO_UNIT: nobody's */
};

/* The change's slot failed. false: the unit's own sectors are there. */
static bool dmr_set_aside(struct dmr_target *t, struct dmr_change *c, struct dmr_set_aside *aside)
{
	if (c->evict == DMR_NO_UNIT && !c->fresh)
		return false;
	/* The next search is for another. */
	if (c->evict != DMR_NO_UNIT)
		t->pair->meta.victim_from = (c->evict + 1) * DMR_UNIT_SECTORS;
	aside->slot[aside->count] = c->will.slot;
	aside->evict[aside->count++] = c->evict;
	c->will.slot = DMR_NO_SLOT;
	c->evict = DMR_NO_UNIT;
	c->fresh = false;
	return true;
}

/*
 * Another slot took it: these are bad, and never used again. With a slot goes the entry of the pending unit that it
 * was to be taken from, which loses nothing by it.
 */
static void dmr_condemn(struct dmr_target *t, const struct dmr_set_aside *aside)
{
	struct dmr_metadata *meta = &t->pair->meta;
	u32 i;

	for (i = 0; i < aside->count; i++) {
		const struct dmr_unit none = { .unit = aside->evict[i] };
		struct dmr_map_change *forget = NULL;

		if (aside->evict[i] != DMR_NO_UNIT) {
			forget = dmr_map_prepare(meta->map, &none, 1);
			if (!forget)
				continue;
		}
		dmr_slot_bad(meta, aside->slot[i]);
		if (forget)
			dmr_map_publish(meta->map, forget);
	}
}

/* No other took it. What was to be taken from a pending unit is still that unit's. */
static void dmr_leave_alone(struct dmr_target *t, const struct dmr_set_aside *aside)
{
	u32 i;

	for (i = 0; i < aside->count; i++)
		if (aside->evict[i] == DMR_NO_UNIT)
			dmr_spare_leave(t->pair->meta.slots, aside->slot[i]);
}

/* Only a user's write may take a pending unit's slot (C11). */
static bool dmr_take_slot(struct dmr_target *t, struct dmr_change *change, u32 count, u32 index,
			  const struct dmr_goods *goods)
{
	if (!goods->bio)
		return dmr_take_free_slot(&t->pair->meta, &change[index]);
	return dmr_take_slots(&t->pair->meta, change, count, index, 1, DMR_NO_SLOT);
}

/* A pending unit's may come by again. */
static bool dmr_take_another(struct dmr_target *t, struct dmr_change *change, u32 count, u32 index,
			     const struct dmr_goods *goods, const struct dmr_set_aside *aside)
{
	struct dmr_change *c = &change[index];
	u32 i;

	if (!dmr_take_slot(t, change, count, index, goods))
		return false;
	for (i = 0; i < aside->count; i++) {
		if (c->will.slot != aside->slot[i])
			continue;
		c->will.slot = DMR_NO_SLOT;
		c->evict = DMR_NO_UNIT;
		return false;
	}
	return true;
}

blk_status_t dmr_store(struct dmr_target *t, struct dmr_change *change, u32 count, u32 index,
		       const struct dmr_goods *goods)
{
	struct dmr_change *c = &change[index];
	struct dmr_set_aside aside = { 0 };
	blk_status_t status = BLK_STS_NOSPC;

	for (;;) {
		if (c->will.slot == DMR_NO_SLOT &&
		    !dmr_take_another(t, change, count, index, goods, &aside))
			break;
		status = dmr_write_goods(t, dmr_slot_sector(c->will.slot), goods);
		if (!dmr_suspect(status) || time_after(jiffies, goods->until))
			break;
		/* It may have been away for a moment: a slot is judged while the spare answers. */
		if (dmr_spare_answers(t->pair))
			status = dmr_write_goods(t, dmr_slot_sector(c->will.slot), goods);
		/* A dead spare condemns nothing. */
		if (!dmr_suspect(status) || !dmr_spare_answers(t->pair) ||
		    aside.count == goods->others || !dmr_set_aside(t, c, &aside))
			break;
	}
	/* A spare that takes nothing at all (out of room below, write-protected) has no bad slots. */
	if (status)
		dmr_leave_alone(t, &aside);
	else
		dmr_condemn(t, &aside);
	return status;
}

/* To another slot. 0: it is durable there. */
static int dmr_store_move(struct dmr_target *t, struct dmr_change *c, const struct dmr_goods *goods)
{
	int begun = dmr_own_data_begin(t->pair);
	bool stored = !dmr_store(t, c, 1, 0, goods);
	int r = dmr_own_data_end(t->pair, begun, stored);

	return stored ? r : -EIO;
}

static bool dmr_move_locked(struct dmr_target *t, u64 unit, struct dmr_goods *goods)
{
	struct dmr_cargo cargo = { .page = t->copy[0], .until = goods->until };
	struct dmr_pair *pair = t->pair;
	struct dmr_unit room[2];
	struct dmr_change c;
	unsigned int tries = 0;
	int r;

	if (pair->meta.frozen || pair->meta.broken)
		return false;
	dmr_change_begin(&pair->meta, &c, unit);
	if (c.is.slot == DMR_NO_SLOT || c.is.doubt)
		return false;
	if (!dmr_rescue(t, &c, dmr_mask(goods->first, goods->count), &cargo))
		return false;
	goods->cargo = &cargo;
	c.will.slot = DMR_NO_SLOT;
	c.fate = DMR_FAILED;
	do {
		r = dmr_store_move(t, &c, goods);
		/* What another's flush may have lost is written once more. */
	} while (r == -EAGAIN && dmr_once_more(tries++, goods->until));
	if (!r)
		c.fate = DMR_READY;
	dmr_commit(&pair->meta, &c, 1, room);
	if (c.fate != DMR_KEPT)
		return false;
	DMWARN_LIMIT("%s: unit at sector %llu moved to spare sector %llu, %u of its sectors are lost",
		     t->name, unit * DMR_UNIT_SECTORS, dmr_slot_sector(c.will.slot),
		     dmr_hweight8(c.will.owned & c.will.pending));
	return true;
}

bool dmr_move_write(struct dmr_target *t, struct bio *bio, u32 offset, u32 count)
{
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));
	u64 sector = io->iter.bi_sector + offset;
	u64 unit = sector / DMR_UNIT_SECTORS;
	struct dmr_goods goods = {
		.bio = bio,
		.offset = offset,
		.count = count,
		.first = sector % DMR_UNIT_SECTORS,
		.until = dmr_spare_patient_until(t, bio),
		.others = DMR_SLOT_TRIES,
	};
	unsigned long begun = jiffies;
	bool moved;

	if (time_after(begun, goods.until) || !dmr_spare_answers(t->pair))
		return false;
	dmr_fence_add(t, unit * DMR_UNIT_SECTORS, (unit + 1) * DMR_UNIT_SECTORS);
	/* A good slot may be free, and what is waited for may be main's: that is not the spare's time. */
	if (!dmr_fence_up(t, begun + DMR_ONE_IO))
		return false;
	goods.until += jiffies - begun;
	mutex_lock(&t->pair->lock);
	moved = dmr_move_locked(t, unit, &goods);
	dmr_unlock(t);
	dmr_fence_down(t);
	return moved;
}

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
	blk_status_t status, failed = BLK_STS_OK;
	unsigned int first, count, at;

	cargo->mask = 0;
	for (at = 0; dmr_mask_run(mask, at, &first, &count); at = first + count) {
again:
		/* Asked whole once: each failure of a dying disk takes seconds. */
		if (failed)
			count = min(count, step - first % step);
		status = dmr_sectors_io(t, bdev, REQ_OP_READ, sector + first,
					cargo->page + (first << SECTOR_SHIFT), count);
		if (!status) {
			cargo->mask |= dmr_mask(first, count);
		} else if (!failed && count > step) {
			failed = status;
			goto again;
		} else {
			failed = status;
		}
	}
	/* A whole read that failed and whose parts all read is no failure. */
	return cargo->mask == mask ? BLK_STS_OK : failed;
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

/* What of the unit's other sectors the old slot still gives. Lost ones hold nothing to give. */
static void dmr_rescue(struct dmr_target *t, struct dmr_change *c, u8 written,
		       struct dmr_cargo *cargo)
{
	struct dmr_pair *pair = t->pair;
	u8 wanted = c->is.owned & ~written;
	u32 step = bdev_logical_block_size(pair->bdev) >> SECTOR_SHIFT;

	if (c->is.lost)
		wanted &= ~c->is.pending;
	cargo->mask = 0;
	if (wanted)
		dmr_cargo_read(t, pair->bdev, dmr_slot_sector(c->is.slot), wanted, step, cargo);

	c->will.owned = c->is.owned | written;
	c->will.pending = c->is.pending & ~written & ~cargo->mask;
	c->will.pending |= c->is.owned & ~written & ~cargo->mask;
	c->will.lost = (c->will.owned & c->will.pending) != 0;
}

/* The rescued sectors and the bio's part into the new slot, durable. */
static blk_status_t dmr_fill_slot(struct dmr_target *t, const struct dmr_change *c, struct bio *bio,
				  u32 offset, u32 first, u32 count, const struct dmr_cargo *cargo)
{
	struct dmr_pair *pair = t->pair;
	u64 sector = dmr_slot_sector(c->will.slot);
	blk_status_t status = dmr_cargo_write(t, pair->bdev, sector, cargo->mask, cargo);

	if (!status) {
		bio = dmr_part(t, bio, offset, count, pair->bdev, sector + first);
		status = dmr_submit_wait(bio);
	}
	if (!status && dmr_spare_flush(pair))
		status = BLK_STS_IOERR;
	return status;
}

static blk_status_t dmr_move_locked(struct dmr_target *t, struct bio *bio, u32 offset, u32 first,
				    u32 count, u64 unit)
{
	struct dmr_cargo cargo = { .page = t->copy[0] };
	struct dmr_pair *pair = t->pair;
	struct dmr_unit room[2];
	struct dmr_change c;
	unsigned int tries;
	blk_status_t status = BLK_STS_IOERR;

	if (pair->meta.frozen || pair->meta.broken)
		return status;
	dmr_change_begin(&pair->meta, &c, unit);
	if (c.is.slot == DMR_NO_SLOT || c.is.doubt)
		return status;
	dmr_rescue(t, &c, dmr_mask(first, count), &cargo);
	/* A dead spare condemns nothing; it looked alive before the old slot was read. */
	if (!dmr_spare_answers(pair))
		return status;
	for (tries = 0; tries < DMR_SLOT_TRIES; tries++) {
		if (!dmr_take_slots(&t->pair->meta, &c, 1, 0, 1, DMR_NO_SLOT))
			return status;
		status = dmr_fill_slot(t, &c, bio, offset, first, count, &cargo);
		if (!status)
			break;
		if (!dmr_suspect(status) || !dmr_spare_answers(pair)) {
			dmr_spare_release(pair->meta.slots, c.will.slot);
			return status;
		}
		dmr_slot_bad(&t->pair->meta, c.will.slot);
	}
	if (status)
		return status;
	c.fate = DMR_READY;
	dmr_commit(&t->pair->meta, &c, 1, room);
	if (c.fate != DMR_KEPT)
		return BLK_STS_IOERR;
	DMWARN_LIMIT("%s: unit at sector %llu moved to spare sector %llu, %u of its sectors are lost",
		     t->name, unit * DMR_UNIT_SECTORS, dmr_slot_sector(c.will.slot),
		     dmr_hweight8(c.will.owned & c.will.pending));
	return BLK_STS_OK;
}

blk_status_t dmr_move_write(struct dmr_target *t, struct bio *bio, u32 offset, u32 count)
{
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));
	u64 sector = io->iter.bi_sector + offset;
	u64 unit = sector / DMR_UNIT_SECTORS;
	blk_status_t status;

	if (!dmr_spare_answers(t->pair))
		return BLK_STS_IOERR;
	dmr_fence_add(t, unit * DMR_UNIT_SECTORS, (unit + 1) * DMR_UNIT_SECTORS);
	dmr_fence_up(t);
	mutex_lock(&t->pair->lock);
	status = dmr_move_locked(t, bio, offset, sector % DMR_UNIT_SECTORS, count, unit);
	dmr_unlock(t);
	dmr_fence_down(t);
	return status;
}

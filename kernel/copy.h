/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The worker's own copies between main and slots (C18), a unit at a time. The unit is fenced, so nobody else
 * touches it. Process context, under pair->lock.
 */
#ifndef DMR_COPY_H
#define DMR_COPY_H

#include "dmr.h"

/* Sectors of one unit in memory: what is there, and which of them. */
struct dmr_cargo {
	void *page;	/* DMR_BLOCK_SIZE bytes */
	u8 mask;	/* sectors that were read */
	u8 asked;	/* those, and others that failed */
	unsigned long until;	/* jiffies: who fails an I/O that is sent after it is asked no more (C20) */
};

#define DMR_CARGO(memory)	{ .page = (memory), .until = jiffies + dmr_patience() }

/*
 * Reads the sectors of `mask`, all at once where that works, else in steps of `step` sectors.
 * The unit's first sector is `sector` of `bdev`. What cannot be read is missing in cargo->mask, what was not asked
 * for, for lack of patience, also in cargo->asked.
 * 0, or the status of the last read that failed, one that is no suspect (C10) before all others, of which out of
 * patience is the last: BLK_STS_AGAIN.
 */
blk_status_t dmr_cargo_read(struct dmr_target *t, struct block_device *bdev, u64 sector, u8 mask,
			    u32 step, struct dmr_cargo *cargo);
/* The same for those that cargo->mask does not have yet; the others stay as they are, in cargo->asked too. */
blk_status_t dmr_cargo_read_rest(struct dmr_target *t, struct block_device *bdev, u64 sector,
				 u8 mask, u32 step, struct dmr_cargo *cargo);
/* Writes the sectors of `mask`, run by run. */
blk_status_t dmr_cargo_write(struct dmr_target *t, struct block_device *bdev, u64 sector, u8 mask,
			     const struct dmr_cargo *cargo);

/* What goes into a slot: sectors in memory, a part of a user's bio, or both. */
struct dmr_goods {
	const struct dmr_cargo *cargo;	/* or NULL */
	struct bio *bio;		/* or NULL */
	u32 offset, count;		/* of the part, in sectors, from the bio's first */
	u8 first;			/* its first sector within the unit */
	unsigned long until;		/* jiffies: no other slot is tried after it (C20) */
	u32 others;			/* how many other slots may be tried; up to DMR_SLOT_TRIES */
};

#define DMR_SLOT_TRIES	3u

/*
 * Writes goods to the slot of change[index], taking one if it has none. A slot that fails and held nothing is
 * replaced, a few times, and marked bad when another has taken them. Not flushed. BLK_STS_NOSPC: there was no slot.
 * After a failure will.slot may be DMR_NO_SLOT, and dmr_commit() gives back what was taken for a FAILED change.
 */
blk_status_t dmr_store(struct dmr_target *t, struct dmr_change *change, u32 count, u32 index,
		       const struct dmr_goods *goods);

/* Finds the first run of set bits at or above `from`; false if there is none. */
bool dmr_mask_run(u8 mask, unsigned int from, unsigned int *first, unsigned int *count);

/*
 * A write to a slot that fails it (C7): the whole unit moves to a new slot, with this part of the
 * bio as its new data; takes and releases pair->lock and fences the unit itself. false: it could not. The worker only.
 */
bool dmr_move_write(struct dmr_target *t, struct bio *bio, u32 offset, u32 count);

#endif

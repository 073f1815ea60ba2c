/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A batch: the pieces of failed writes that are relocated together, with one flush of the spare
 * and one commit for each table block they touch. Belongs to the recovery worker alone.
 */
#ifndef DMR_BATCH_H
#define DMR_BATCH_H

#include "dmr.h"

#define DMR_BATCH_PIECES	1024u	/* 4 MiB of main */

/* Half of the map's reserve: the other half is for units that lose their slots (C11). */
#define DMR_BATCH_GROUPS	64u

struct dmr_batch;

/* A part of one bio within one unit. */
struct dmr_piece {
	struct dmr_batch *batch;
	struct bio *bio;
	u64 unit;
	u32 offset;		/* in sectors, from the bio's first */
	u8 first, count;	/* sectors within the unit */
	bool suspect;		/* it is here because main failed it */
	bool moves;		/* its unit's slot failed: the unit has to move */
	bool kept;		/* its data and its entry are durable */
	blk_status_t status;	/* of its data's write to the slot */
};

struct dmr_batch {
	unsigned int count;
	bool suspects;		/* some piece is one */
	bool slots_fail;	/* one piece has found no slot that takes it */
	bool main_dead;		/* so suspects come to nothing (C10) */
	u64 group;		/* of the last piece */
	u32 groups;		/* how many the pieces are in, at most */
	unsigned long deadline;	/* jiffies: no waiting for evidence after it */
	struct bio *current_bio;	/* judged in part: the batch had no room for the rest */
	u32 narrow_until;		/* of current_bio: zeroing a stretch before here has failed */
	unsigned long turn;		/* of current_bio: since when (jiffies) it has been at it */
	bool turn_over;			/* and others wait */
	struct bio_list judged;	/* to be ended after the commit */
	atomic_t in_flight;
	struct completion landed;
	struct dmr_piece piece[DMR_BATCH_PIECES];
	struct dmr_change change[DMR_BATCH_PIECES];	/* one for each piece */
	struct dmr_unit unit[2 * DMR_BATCH_PIECES];
};

/* A bio of ours with a part of a parked one's data, for `sector` of `bdev`; zeroes for write-zeroes. */
struct bio *dmr_part(struct dmr_target *t, struct bio *bio, u32 offset, u32 count,
		     struct block_device *bdev, u64 sector);

/* C20: until when (jiffies) one more I/O may be spent on telling this parked bio's good places from bad ones. */
static inline unsigned long dmr_patient_until(struct bio *bio)
{
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));

	return io->parked_at + dmr_patience();
}

/*
 * The same for the spare, asked when it has failed. What main has used up is not its fault: a budget of its own begins
 * at its first failure, one for all bios that are parked before that is spent. The worker only.
 */
unsigned long dmr_spare_patient_until(struct dmr_target *t, struct bio *bio);

/* true if a piece of this unit is in the batch. */
bool dmr_batch_has(const struct dmr_batch *b, u64 unit);
/* Moves all pieces to the spare, as far as that goes; piece->kept says which. */
void dmr_batch_commit(struct dmr_target *t, struct dmr_batch *b);
/* Gives the pieces' bios their results and empties the batch. */
void dmr_batch_finish(struct dmr_batch *b);

#endif

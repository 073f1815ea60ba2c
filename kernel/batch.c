// SPDX-License-Identifier: GPL-2.0-only
/*
 * Relocating a batch (C3): data to the slots, durable; then one commit (commit.c); only then are
 * the bios ended.
 */
#include "batch.h"
#include "copy.h"

bool dmr_batch_has(const struct dmr_batch *b, u64 unit)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		if (b->piece[i].unit == unit)
			return true;
	return false;
}

/* What the map will say of each piece's unit, its slot still to be found. */
static void dmr_plan(struct dmr_pair *pair, struct dmr_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		const struct dmr_piece *piece = &b->piece[i];
		struct dmr_change *c = &b->change[i];
		u8 mask = dmr_mask(piece->first, piece->count);

		dmr_change_begin(&pair->meta, c, piece->unit);
		c->owner = i;
		c->will.owned |= mask;
		c->will.pending &= ~mask;
		if (!(c->will.owned & c->will.pending))
			c->will.lost = 0;
		/* Whoever wrote there would be believed; nobody may be (C12). */
		c->fate = c->is.doubt || (b->main_dead && piece->suspect) ? DMR_FAILED : DMR_OPEN;
	}
}

static bool dmr_wants_slot(const struct dmr_change *c)
{
	return c->fate == DMR_OPEN && c->will.slot == DMR_NO_SLOT;
}

/* Gives a slot to each unit that has none; units in a row get slots in a row. */
static void dmr_find_slots(struct dmr_target *t, struct dmr_batch *b)
{
	u32 hint = DMR_NO_SLOT, i, got = 1, want;
	bool none = false;

	for (i = 0; i < b->count; i += got) {
		got = 1;
		if (!dmr_wants_slot(&b->change[i]))
			continue;
		for (want = 1; i + want < b->count && dmr_wants_slot(&b->change[i + want]) &&
		     b->piece[i + want].unit == b->piece[i].unit + want; want++)
			;
		/* None comes free meanwhile, and a search that was in vain may have been long. */
		got = none ? 0 : dmr_take_slots(&t->pair->meta, b->change, b->count, i, want, hint);
		none = !got;
		if (got) {
			hint = b->change[i + got - 1].will.slot + 1;
		} else {
			b->change[i].fate = DMR_FAILED;
			got = 1;
		}
	}
}

static void dmr_batch_landed(struct dmr_batch *b)
{
	if (atomic_dec_and_test(&b->in_flight))
		complete(&b->landed);
}

static void dmr_stored(struct bio *bio)
{
	struct dmr_piece *piece = bio->bi_private;
	struct dmr_batch *b = piece->batch;

	piece->status = bio->bi_status;
	bio_put(bio);
	dmr_batch_landed(b);
}

/* All data at once: the spare's queue sorts and merges better than we do. */
static void dmr_send_data(struct dmr_target *t, struct dmr_batch *b)
{
	struct blk_plug plug;
	struct bio *bio;
	unsigned int i;

	reinit_completion(&b->landed);
	atomic_set(&b->in_flight, 1);
	blk_start_plug(&plug);
	for (i = 0; i < b->count; i++) {
		struct dmr_piece *piece = &b->piece[i];
		const struct dmr_change *c = &b->change[i];

		if (c->fate != DMR_OPEN)
			continue;
		bio = dmr_part(t, piece->bio, piece->offset, piece->count, t->pair->bdev,
			       dmr_slot_sector(c->will.slot) + piece->first);
		bio->bi_opf &= ~(REQ_NOMERGE | REQ_FUA);
		bio->bi_private = piece;
		bio->bi_end_io = dmr_stored;
		atomic_inc(&b->in_flight);
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
	dmr_batch_landed(b);
	wait_for_completion(&b->landed);
}

/* A merged write that failed may have taken healthy slots with it: alone, and if need be elsewhere (C7). */
static void dmr_store_again(struct dmr_target *t, struct dmr_batch *b, u32 i)
{
	struct dmr_piece *piece = &b->piece[i];
	const struct dmr_goods goods = {
		.bio = piece->bio,
		.offset = piece->offset,
		.count = piece->count,
		.first = piece->first,
		.until = dmr_spare_patient_until(t, piece->bio),
		.others = b->slots_fail ? 0 : DMR_SLOT_TRIES,
	};

	atomic64_inc(&t->pair->spare_errors);
	if (!time_after(jiffies, goods.until))
		piece->status = dmr_store(t, b->change, b->count, i, &goods);
	if (!piece->status)
		return;
	/* Where so many fail in a row, the rest of the batch finds none better. */
	if (dmr_suspect(piece->status) && b->change[i].is.slot == DMR_NO_SLOT)
		b->slots_fail = true;
	/* The unit may have other sectors there: copy.c moves it as a whole. */
	piece->moves = dmr_suspect(piece->status) && b->change[i].is.slot != DMR_NO_SLOT &&
		       !t->options.no_auto;
	b->change[i].fate = DMR_FAILED;
}

/* All that was stored gets another fate. */
static void dmr_batch_stored(struct dmr_batch *b, u8 fate)
{
	u32 i;

	for (i = 0; i < b->count; i++)
		if (b->change[i].fate == DMR_READY)
			b->change[i].fate = fate;
}

/* 0: it is durable. */
static int dmr_store_once(struct dmr_target *t, struct dmr_batch *b)
{
	int begun = dmr_own_data_begin(t->pair);
	bool any = false;
	u32 i;

	dmr_send_data(t, b);
	for (i = 0; i < b->count; i++) {
		if (b->change[i].fate != DMR_OPEN)
			continue;
		if (b->piece[i].status)
			dmr_store_again(t, b, i);
		if (b->change[i].fate == DMR_OPEN) {
			b->change[i].fate = DMR_READY;
			any = true;
		}
	}
	return dmr_own_data_end(t->pair, begun, any);
}

static void dmr_store_data(struct dmr_target *t, struct dmr_batch *b)
{
	unsigned long until = jiffies + dmr_patience();
	unsigned int tries = 0;
	int r = dmr_store_once(t, b);

	/* What another's flush may have lost is written once more. */
	while (r == -EAGAIN && dmr_once_more(tries++, until)) {
		dmr_batch_stored(b, DMR_OPEN);
		r = dmr_store_once(t, b);
	}
	if (r)
		dmr_batch_stored(b, DMR_FAILED);
}

static void dmr_log_batch(struct dmr_target *t, struct dmr_batch *b)
{
	const struct dmr_change *first = NULL;
	unsigned int i, kept = 0;

	for (i = 0; i < b->count; i++) {
		if (b->change[i].fate != DMR_KEPT)
			continue;
		if (!first)
			first = &b->change[i];
		kept += b->piece[b->change[i].owner].count;
	}
	if (!first)
		return;
	dmr_health_note(t->pair, DMR_EVENT_RELOCATED, first->will.unit * DMR_UNIT_SECTORS, kept);
	DMWARN_LIMIT("%s: %u sectors of main %s relocated to spare %s, the first in unit at %llu, to %llu",
		     t->name, kept, t->main->name, t->spare->name,
		     first->will.unit * DMR_UNIT_SECTORS, dmr_slot_sector(first->will.slot));
}

void dmr_batch_commit(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	unsigned int i;

	mutex_lock(&pair->lock);
	if (!pair->meta.frozen && !pair->meta.broken) {
		dmr_plan(pair, b);
		dmr_find_slots(t, b);
		dmr_store_data(t, b);
		dmr_commit(&pair->meta, b->change, b->count, b->unit);
		for (i = 0; i < b->count; i++)
			b->piece[b->change[i].owner].kept = b->change[i].fate == DMR_KEPT;
		dmr_log_batch(t, b);
	}
	dmr_unlock(t);
	for (i = 0; i < b->count; i++)
		if (b->piece[i].moves)
			b->piece[i].kept = dmr_move_write(t, b->piece[i].bio, b->piece[i].offset,
							  b->piece[i].count);
}

void dmr_batch_finish(struct dmr_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		const struct dmr_piece *piece = &b->piece[i];
		struct dmr_io *io = dm_per_bio_data(piece->bio, sizeof(*io));

		if (!piece->kept && !io->result)
			io->result = io->error ?: piece->status ?: BLK_STS_IOERR;
	}
	b->count = 0;
	b->groups = 0;
	b->group = DMR_NO_UNIT;
	b->suspects = false;
	b->slots_fail = false;
}

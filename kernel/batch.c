// SPDX-License-Identifier: GPL-2.0-only
/*
 * Relocating a batch (C3): data to the slots, durable; table blocks, durable in both copies; the
 * map published; only then are the bios ended. What fails at any step leaves the map in memory
 * and on disk at the old state, or its sectors in doubt (C12), never in between.
 */
#include <linux/sort.h>

#include "batch.h"

bool dmr_batch_has(const struct dmr_batch *b, u64 unit)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		if (b->piece[i].unit == unit)
			return true;
	return false;
}

/* The fate of every piece that has got as far as `from`. */
static void dmr_batch_decide(struct dmr_batch *b, enum dmr_fate from, enum dmr_fate to)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		if (b->piece[i].fate == from)
			b->piece[i].fate = to;
}

static bool dmr_batch_any(const struct dmr_batch *b, enum dmr_fate fate)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		if (b->piece[i].fate == fate)
			return true;
	return false;
}

/* How many pieces from `index` on are of consecutive units that have no slot yet. */
static u32 dmr_run_without_slot(struct dmr_pair *pair, struct dmr_batch *b, unsigned int index)
{
	struct dmr_unit known;
	unsigned int i;

	for (i = index; i < b->count; i++) {
		if (i > index && b->piece[i].unit != b->piece[i - 1].unit + 1)
			break;
		if (dmr_map_get(pair->map, b->piece[i].unit, &known))
			break;
	}
	return i - index;
}

/* Gives each piece its unit's slot, or a new one; units in a row get slots in a row. */
static void dmr_take_slots(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	u32 hint = DMR_NO_SLOT, first, want, got, k;
	struct dmr_unit known;
	unsigned int i = 0;

	while (i < b->count) {
		struct dmr_piece *piece = &b->piece[i];

		if (dmr_map_get(pair->map, piece->unit, &known)) {
			piece->slot = known.slot;
			piece->owned = known.owned;
			piece->pending = known.pending;
			/* Whoever could write there would be believed; nobody may (C12). */
			if (known.doubt)
				piece->fate = DMR_PIECE_FAILED;
			i++;
			continue;
		}
		want = dmr_run_without_slot(pair, b, i);
		got = dmr_spare_take(pair->slots, want, hint, &first);
		for (k = 0; k < got; k++) {
			b->piece[i + k].slot = first + k;
			b->piece[i + k].fresh = true;
		}
		if (!got) {
			piece->fate = DMR_PIECE_FAILED;
			dmr_set_full(t, true);
			got = 1;
		} else {
			hint = first + got;
		}
		i += got;
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
static void dmr_store_data(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	struct dmr_piece *piece;
	struct blk_plug plug;
	struct bio *bio;
	unsigned int i;

	reinit_completion(&b->landed);
	atomic_set(&b->in_flight, 1);
	blk_start_plug(&plug);
	for (i = 0; i < b->count; i++) {
		piece = &b->piece[i];
		if (piece->fate != DMR_PIECE_OPEN)
			continue;
		bio = dmr_part(t, piece->bio, piece->offset, piece->count, pair->bdev,
			       dmr_slot_sector(piece->slot) + piece->first);
		bio->bi_opf &= ~(REQ_NOMERGE | REQ_FUA);
		bio->bi_private = piece;
		bio->bi_end_io = dmr_stored;
		atomic_inc(&b->in_flight);
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
	dmr_batch_landed(b);
	wait_for_completion(&b->landed);

	for (i = 0; i < b->count; i++) {
		piece = &b->piece[i];
		if (piece->fate != DMR_PIECE_OPEN)
			continue;
		if (piece->status)
			atomic64_inc(&pair->spare_errors);
		piece->fate = piece->status ? DMR_PIECE_FAILED : DMR_PIECE_STORED;
	}
	if (dmr_batch_any(b, DMR_PIECE_STORED) && dmr_spare_flush(pair))
		dmr_batch_decide(b, DMR_PIECE_STORED, DMR_PIECE_FAILED);
}

static int dmr_by_unit(const void *a, const void *b)
{
	const struct dmr_unit *x = a, *y = b;

	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static int dmr_by_slot(const void *a, const void *b)
{
	const struct dmr_piece *x = a, *y = b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* The map's change for the pieces that are stored, kept or in doubt. *none: there are none. */
static struct dmr_map_change *dmr_prepare_change(struct dmr_pair *pair, struct dmr_batch *b, bool *none)
{
	unsigned int i, count = 0;

	for (i = 0; i < b->count; i++) {
		const struct dmr_piece *piece = &b->piece[i];
		struct dmr_unit *unit = &b->unit[count];
		u8 mask = dmr_piece_mask(piece);

		if (piece->fate != DMR_PIECE_STORED && piece->fate != DMR_PIECE_KEPT &&
		    piece->fate != DMR_PIECE_DOUBT)
			continue;
		memset(unit, 0, sizeof(*unit));
		unit->unit = piece->unit;
		unit->slot = piece->slot;
		unit->owned = piece->owned;
		unit->pending = piece->pending;
		if (piece->fate == DMR_PIECE_DOUBT) {
			unit->doubt = mask;
		} else {
			unit->owned |= mask;
			unit->pending &= ~mask;
		}
		count++;
	}
	*none = !count;
	if (!count)
		return NULL;
	sort(b->unit, count, sizeof(b->unit[0]), dmr_by_unit, NULL);
	return dmr_map_prepare(pair->map, b->unit, count);
}

/* Puts one piece into its table block; false if the block does not hold what the map says. */
static bool dmr_enter_piece(struct dmr_pair *pair, const struct dmr_piece *piece)
{
	unsigned int index = piece->slot % DMR_SEGMENT_SLOTS;
	struct dmr_entry entry;

	dmr_table_get(pair->block[0], index, &entry);
	if (piece->fresh) {
		if (entry.state != DMR_SLOT_FREE)
			return false;
		memset(&entry, 0, sizeof(entry));
	} else if (entry.state != DMR_SLOT_USED || entry.unit != piece->unit) {
		return false;
	}
	entry.unit = piece->unit;
	entry.state = DMR_SLOT_USED;
	entry.owned = piece->owned | dmr_piece_mask(piece);
	entry.pending = piece->pending & ~dmr_piece_mask(piece);
	dmr_table_put(pair->block[0], index, &entry);
	return true;
}

/*
 * Segments before `segment` that were entered, but of whose slots none has kept anything: as soon as
 * a later one counts as in use they do, too, and then they need tables.
 */
static int dmr_skip_segments(struct dmr_pair *pair, u32 segment)
{
	bool touched;
	u32 empty;
	int r = 0;

	for (empty = pair->super->in_use; !r && empty < segment; empty++) {
		dmr_table_init(pair->block[0]);
		pair->table_good = 0;
		r = dmr_table_commit(pair, empty, &touched);
	}
	return r;
}

/*
 * One table block with all its pieces, [from, to). A segment that comes into use starts empty, and
 * the superblock follows its tables.
 */
static int dmr_commit_segment(struct dmr_pair *pair, struct dmr_batch *b, unsigned int from,
			      unsigned int to, bool *touched)
{
	u32 segment = b->piece[from].slot / DMR_SEGMENT_SLOTS;
	unsigned int i;
	int r;

	if (segment >= pair->super->in_use) {
		r = dmr_skip_segments(pair, segment);
		dmr_table_init(pair->block[0]);
		pair->table_good = 0;
	} else {
		r = dmr_table_read(pair, segment);
	}
	if (r)
		return r;
	for (i = from; i < to; i++) {
		if (b->piece[i].fate == DMR_PIECE_STORED && !dmr_enter_piece(pair, &b->piece[i])) {
			DMERR("%pg: table of segment %u does not hold what the map says", pair->bdev, segment);
			return -EUCLEAN;
		}
	}
	r = dmr_table_commit(pair, segment, touched);
	if (r || segment < pair->super->in_use)
		return r;
	pair->super->in_use = segment + 1;
	return dmr_super_commit(pair);
}

/* Table block after table block; after the first that fails nothing more is mapped (C12). */
static void dmr_commit_tables(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	unsigned int from, to, i;
	bool touched = false;
	int r;

	r = dmr_session_begin(pair);
	sort(b->piece, b->count, sizeof(b->piece[0]), dmr_by_slot, NULL);
	for (from = 0; !r && from < b->count; from = to) {
		u32 segment = b->piece[from].slot / DMR_SEGMENT_SLOTS;
		bool stored = false;

		for (to = from; to < b->count && b->piece[to].slot / DMR_SEGMENT_SLOTS == segment; to++)
			stored |= b->piece[to].fate == DMR_PIECE_STORED;
		if (!stored)
			continue;
		touched = false;
		r = dmr_commit_segment(pair, b, from, to, &touched);
		for (i = from; i < to; i++)
			if (b->piece[i].fate == DMR_PIECE_STORED)
				b->piece[i].fate = !r ? DMR_PIECE_KEPT :
						   touched ? DMR_PIECE_DOUBT : DMR_PIECE_FAILED;
	}
	if (r) {
		dmr_batch_decide(b, DMR_PIECE_STORED, DMR_PIECE_FAILED);
		dmr_freeze(t, r);
	}
}

/* After a failed commit: what was kept is published, what is in doubt is fenced off for good. */
static void dmr_publish_rest(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	struct dmr_map_change *change;
	bool none;

	change = dmr_prepare_change(pair, b, &none);
	if (!change && !none && dmr_map_refill(pair->map))
		change = dmr_prepare_change(pair, b, &none);
	if (change) {
		dmr_map_publish(pair->map, change);
	} else if (!none) {
		/* Serving on without these entries could return stale data from main. */
		DMERR("%s: no memory to record a failed commit: all I/O fails from now on", t->name);
		WRITE_ONCE(pair->broken, true);
		dmr_batch_decide(b, DMR_PIECE_KEPT, DMR_PIECE_DOUBT);
	}
}

/* Slots of pieces that came to nothing go back; those in doubt may be referred to on disk, so they do not. */
static void dmr_release_slots(struct dmr_pair *pair, struct dmr_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		struct dmr_piece *piece = &b->piece[i];

		if (piece->fate != DMR_PIECE_FAILED || !piece->fresh)
			continue;
		if (piece->status)
			dmr_spare_retire(pair->slots, piece->slot);
		else
			dmr_spare_release(pair->slots, piece->slot);
	}
}

static void dmr_log_batch(struct dmr_target *t, struct dmr_batch *b)
{
	const struct dmr_piece *first = NULL;
	unsigned int i, kept = 0;

	for (i = 0; i < b->count; i++) {
		if (b->piece[i].fate != DMR_PIECE_KEPT)
			continue;
		if (!first)
			first = &b->piece[i];
		kept += b->piece[i].count;
	}
	if (!first)
		return;
	DMWARN_LIMIT("%s: %u sectors of main %s relocated to spare %s, the first: %llu to %llu",
		     t->name, kept, t->main->name, t->spare->name,
		     first->unit * DMR_UNIT_SECTORS + first->first,
		     dmr_slot_sector(first->slot) + first->first);
	dmr_event(t);
}

void dmr_batch_commit(struct dmr_target *t, struct dmr_batch *b)
{
	struct dmr_pair *pair = t->pair;
	struct dmr_map_change *change;
	bool none;

	mutex_lock(&pair->lock);
	if (pair->frozen || pair->broken) {
		dmr_batch_decide(b, DMR_PIECE_OPEN, DMR_PIECE_FAILED);
		goto out;
	}
	dmr_take_slots(t, b);
	dmr_store_data(t, b);
	change = dmr_prepare_change(pair, b, &none);
	if (!change) {
		if (!none)
			dmr_set_full(t, true);
		dmr_batch_decide(b, DMR_PIECE_STORED, DMR_PIECE_FAILED);
		dmr_release_slots(pair, b);
		goto out;
	}
	dmr_commit_tables(t, b);
	if (!pair->frozen) {
		dmr_map_publish(pair->map, change);
	} else {
		dmr_map_cancel(pair->map, change);
		dmr_publish_rest(t, b);
	}
	dmr_release_slots(pair, b);
out:
	mutex_unlock(&pair->lock);
	dmr_log_batch(t, b);
	dmr_upkeep(t);
}

void dmr_batch_finish(struct dmr_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		const struct dmr_piece *piece = &b->piece[i];
		struct dmr_io *io = dm_per_bio_data(piece->bio, sizeof(*io));

		if (piece->fate == DMR_PIECE_KEPT || io->result)
			continue;
		io->result = io->error ?: piece->status ?: BLK_STS_IOERR;
	}
	b->count = 0;
	b->suspects = false;
}

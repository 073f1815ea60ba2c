// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recovery worker: one for each target. It looks again at every parked bio sector by sector,
 * retries what main failed unit by unit, and hands what stays bad to the batch (batch.c).
 * A parked bio is ended exactly once, by this worker, with everything it acknowledges durable.
 */
#include "batch.h"
#include "copy.h"

/* Flags of the user's bio that its parts keep; merging would take healthy neighbours down with a bad unit. */
#define DMR_KEPT_FLAGS	(REQ_SYNC | REQ_META | REQ_PRIO)

static struct dmr_io *dmr_io_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct dmr_io));
}

void dmr_park(struct dmr_target *t, struct bio *bio, u8 epoch)
{
	unsigned long flags;

	dmr_io_of(bio)->begun = false;
	spin_lock_irqsave(&t->parked_lock, flags);
	bio_list_add(&t->parked, bio);
	/* Whoever sees it counted comes behind it. */
	if (dmr_io_of(bio)->suspected)
		atomic_inc(&t->pair->suspected);
	spin_unlock_irqrestore(&t->parked_lock, flags);
	queue_work(t->wq, &t->recovery);
	wake_up(&t->evidence);
	/* Last, for nothing else keeps the target from being destroyed once the worker has ended the bio. */
	dmr_epoch_leave(t, epoch);
}

static struct bio *dmr_next_parked(struct dmr_target *t)
{
	struct bio *bio = NULL;

	spin_lock_irq(&t->parked_lock);
	if (!READ_ONCE(t->pair->asleep))
		bio = bio_list_pop(&t->parked);
	spin_unlock_irq(&t->parked_lock);
	return bio;
}

/* Behind what was parked meanwhile. */
static void dmr_put_last(struct dmr_target *t, struct bio *bio)
{
	spin_lock_irq(&t->parked_lock);
	bio_list_add(&t->parked, bio);
	spin_unlock_irq(&t->parked_lock);
}

static bool dmr_any_parked(struct dmr_target *t)
{
	bool any;

	spin_lock_irq(&t->parked_lock);
	any = !bio_list_empty(&t->parked) && !READ_ONCE(t->pair->asleep);
	spin_unlock_irq(&t->parked_lock);
	return any;
}

static bool dmr_out_of_patience(struct bio *bio)
{
	return time_after_eq(jiffies, dmr_patient_until(bio));
}

/* For what nobody has tried yet: a failure that came at once is no reason not to. */
static bool dmr_main_used_up(const struct dmr_target *t, struct bio *bio)
{
	return t->main_spent >= dmr_patience() && dmr_out_of_patience(bio);
}

unsigned long dmr_spare_patient_until(struct dmr_target *t, struct bio *bio)
{
	unsigned long until = dmr_patient_until(bio);

	/* Those that were parked while the spare was at it already get no budget each. */
	if (!t->spare_failing || time_after(dmr_io_of(bio)->parked_at, t->spare_until)) {
		t->spare_failing = true;
		t->spare_until = jiffies + dmr_patience();
	}
	return time_after(t->spare_until, until) ? t->spare_until : until;
}

static bool dmr_spare_out_of_patience(struct dmr_target *t, struct bio *bio)
{
	return time_after(jiffies, dmr_spare_patient_until(t, bio));
}

blk_status_t dmr_submit_wait(struct bio *bio)
{
	blk_status_t status;

	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

static struct bio *dmr_zero_part(struct dmr_target *t, blk_opf_t opf, u32 count,
				 struct block_device *bdev)
{
	unsigned int left = count << SECTOR_SHIFT;
	struct bio *bio = dmr_bio_alloc(bdev, DIV_ROUND_UP(left, PAGE_SIZE), opf, &t->bios);

	while (left) {
		unsigned int bytes = min_t(unsigned int, left, PAGE_SIZE);

		__bio_add_page(bio, ZERO_PAGE(0), bytes, 0);
		left -= bytes;
	}
	return bio;
}

/* What the caller's bio asks for, as far as the worker does it himself. */
static blk_opf_t dmr_part_op(struct bio *source)
{
	switch (bio_op(source)) {
	case REQ_OP_READ:
		return REQ_OP_READ;
	case REQ_OP_DISCARD:
		return REQ_OP_DISCARD;
	default:
		return REQ_OP_WRITE;
	}
}

struct bio *dmr_part(struct dmr_target *t, struct bio *source, u32 offset, u32 count,
		     struct block_device *bdev, u64 sector)
{
	struct dmr_io *io = dmr_io_of(source);
	blk_opf_t opf = dmr_part_op(source) | REQ_NOMERGE | (source->bi_opf & DMR_KEPT_FLAGS);
	struct bio *bio;

	if (io->special == DMR_FUA)
		opf |= REQ_FUA;
	if (bio_op(source) == REQ_OP_WRITE_ZEROES) {
		bio = dmr_zero_part(t, opf, count, bdev);
	} else if (bio_op(source) == REQ_OP_DISCARD) {
		bio = dmr_bio_alloc(bdev, 0, opf, &t->bios);
		bio->bi_iter.bi_size = count << SECTOR_SHIFT;
	} else {
		bio = dmr_bio_clone(bdev, source, opf, &t->bios);
		bio->bi_iter = io->iter;
		bio_advance(bio, offset << SECTOR_SHIFT);
		bio->bi_iter.bi_size = count << SECTOR_SHIFT;
	}
	bio->bi_iter.bi_sector = sector;
	return bio;
}

/* A FUA write that may be made of a write and a flush: one flush for all parts follows, and does not blame any. */
static blk_status_t dmr_write_part(struct dmr_target *t, struct bio *bio, u32 offset, u32 count,
				   struct block_device *bdev, u64 sector)
{
	struct bio *part = dmr_part(t, bio, offset, count, bdev, sector);
	bool unsettled = (part->bi_opf & REQ_FUA) && dmr_fua_may_flush(bdev);
	blk_status_t status;

	if (unsettled)
		part->bi_opf &= ~REQ_FUA;
	status = dmr_submit_wait(part);
	/* What failed goes elsewhere. */
	if (unsettled && !status)
		dmr_io_of(bio)->unsettled |= bdev == t->main_bdev ? DMR_UNSETTLED_MAIN :
								    DMR_UNSETTLED_SPARE;
	return status;
}

/* Has no other flush failed since the worker began with this bio, which may have lost a part of it? */
static bool dmr_lost_none(struct dmr_target *t, enum dmr_half half)
{
	return dmr_flushes_lost(dmr_cache_of(t, half)) == t->lost[half];
}

/* After the last part of a bio. BLK_STS_AGAIN: another flush has failed meanwhile, and may have lost some of it. */
static blk_status_t dmr_settle_parts(struct dmr_target *t, struct bio *bio)
{
	struct dmr_io *io = dmr_io_of(bio);
	bool ok = true, kept = true;

	/* Nothing of it was seen to be bad, and nobody hears of it: a flush may have failed that others needed (C8). */
	if (io->suspected && !io->bad && !io->result)
		dmr_owe(t->pair, dmr_at_spare(io) ? DMR_FLUSH_SPARE : DMR_FLUSH_MAIN);
	if (io->unsettled & DMR_UNSETTLED_MAIN) {
		ok = !dmr_main_flush(t);
		kept = dmr_lost_none(t, DMR_FLUSH_MAIN);
	}
	if (io->unsettled & DMR_UNSETTLED_SPARE) {
		ok &= !dmr_spare_flush(t->pair);
		kept &= dmr_lost_none(t, DMR_FLUSH_SPARE);
	}
	if (!ok)
		return BLK_STS_IOERR;
	return kept ? BLK_STS_OK : BLK_STS_AGAIN;
}

static blk_status_t dmr_write_main(struct dmr_target *t, struct bio *bio, u32 offset, u32 count)
{
	u64 sector = dmr_io_of(bio)->iter.bi_sector + offset;
	unsigned long begun = jiffies;
	blk_status_t status = dmr_write_part(t, bio, offset, count, t->main_bdev, sector);

	if (!status)
		dmr_breaker_succeeded(t, READ_ONCE(t->breaker.round));
	else
		t->main_spent += jiffies - begun;
	return status;
}

static blk_status_t dmr_try_spare(struct dmr_target *t, struct bio *bio, u32 offset, u32 count,
				  u64 sector)
{
	struct dmr_pair *pair = t->pair;
	blk_status_t status;

	/* As a write that goes there from map(). */
	atomic_inc(&pair->spare_writing);
	status = dmr_write_part(t, bio, offset, count, pair->bdev, sector);
	atomic64_inc(&pair->spare_written);
	atomic_dec_return_release(&pair->spare_writing);
	this_cpu_inc(pair->hits->writes);
	if (status)
		atomic64_inc(&pair->spare_errors);
	return status;
}

/* C21: the spare owns it by now, whoever failed it. */
static blk_status_t dmr_write_spare(struct dmr_target *t, struct bio *bio, u32 offset, u32 count,
				    u64 sector)
{
	struct dmr_io *io = dmr_io_of(bio);
	blk_status_t status;

	/* C20, for a spare that is dying, too. */
	if (io->spare_failed && dmr_spare_out_of_patience(t, bio))
		return io->error ?: BLK_STS_IOERR;
	status = dmr_try_spare(t, bio, offset, count, sector);
	if (!dmr_suspect(status))
		return status;
	io->bad |= io->where == DMR_AT_SPARE;
	io->spare_failed = true;
	if (t->options.no_auto || dmr_spare_out_of_patience(t, bio) || !dmr_spare_answers(t->pair))
		return status;
	/* It may have been away for a moment: a slot is judged while the spare answers. */
	status = dmr_try_spare(t, bio, offset, count, sector);
	if (dmr_suspect(status) && dmr_move_write(t, bio, offset, count))
		return BLK_STS_OK;
	return status;
}

/* A read that would ask for what has failed, after others have. */
static bool dmr_in_vain(struct dmr_target *t, struct bio *bio, const struct dmr_run *run)
{
	switch (run->kind) {
	case DMR_MAIN:
		return dmr_main_used_up(t, bio);
	case DMR_PENDING:
		return t->options.fail_pending || dmr_out_of_patience(bio);
	case DMR_OWNED_PENDING:
		return dmr_out_of_patience(bio);
	case DMR_OWNED:
		return t->spare_failing && dmr_spare_out_of_patience(t, bio);
	default:
		return false;
	}
}

/* Reads and discards that met a fence: each run where it belongs. */
static blk_status_t dmr_pass(struct dmr_target *t, struct bio *bio, u32 offset,
			     const struct dmr_run *run)
{
	u64 sector = dmr_io_of(bio)->iter.bi_sector + offset;
	bool discard = bio_op(bio) == REQ_OP_DISCARD;
	struct block_device *bdev = t->main_bdev;
	unsigned long begun;
	blk_status_t status;
	u64 at = sector;

	if (run->kind == DMR_LOST || run->kind == DMR_DOUBT)
		return discard ? BLK_STS_OK : BLK_STS_IOERR;
	/* C20: many may have waited for one fence. */
	if (!discard && dmr_in_vain(t, bio, run))
		return BLK_STS_MEDIUM;
	if (run->kind == DMR_OWNED || run->kind == DMR_OWNED_PENDING) {
		bdev = t->pair->bdev;
		at = run->spare_sector;
	}
	if (discard && !dmr_bdev_discards(bdev))
		return BLK_STS_OK;
	begun = jiffies;
	status = dmr_submit_wait(dmr_part(t, bio, offset, run->count, bdev, at));
	if (bdev != t->main_bdev && dmr_spare_cannot_discard(t->pair, bio_op(bio), status))
		return BLK_STS_OK;
	if (discard || !dmr_suspect(status))
		return status;
	if (bdev != t->main_bdev)
		dmr_spare_patient_until(t, bio);
	else if (run->kind == DMR_MAIN)
		t->main_spent += jiffies - begun;
	if (!t->options.no_auto && !(bio->bi_opf & REQ_RAHEAD))
		dmr_note_read(t, sector, run->count, false);
	return status;
}

static u64 dmr_group_of(u64 unit)
{
	return unit / DMR_GROUP_UNITS;
}

/* The map's reserve is enough for so many groups even if no memory is to be had. */
static bool dmr_batch_full(const struct dmr_batch *b, u64 unit)
{
	return b->count == DMR_BATCH_PIECES ||
	       (b->groups == DMR_BATCH_GROUPS && b->group != dmr_group_of(unit));
}

static void dmr_add_piece(struct dmr_batch *b, struct bio *bio, u32 offset, u32 count, bool suspect)
{
	u64 sector = dmr_io_of(bio)->iter.bi_sector + offset;
	struct dmr_piece *piece = &b->piece[b->count++];
	unsigned long patient_until;

	memset(piece, 0, sizeof(*piece));
	piece->batch = b;
	piece->bio = bio;
	piece->unit = sector / DMR_UNIT_SECTORS;
	piece->offset = offset;
	piece->first = sector % DMR_UNIT_SECTORS;
	piece->count = count;
	piece->suspect = suspect;
	if (b->group != dmr_group_of(piece->unit)) {
		b->group = dmr_group_of(piece->unit);
		b->groups++;
	}
	if (suspect && !b->suspects) {
		b->suspects = true;
		b->deadline = jiffies + DMR_BREAKER_HOLD;
	}
	/* C20: waiting for evidence is part of the patience with the bio that has waited longest. */
	patient_until = dmr_io_of(bio)->parked_at + dmr_patience();
	if (suspect && time_before(patient_until, b->deadline))
		b->deadline = patient_until;
}

/* Write-zeroes can be huge: healthy stretches are zeroed a MiB at a time. How many sectors that took. */
static u32 dmr_zero_stretch(struct dmr_target *t, struct bio *bio, u32 offset, u32 left)
{
	u64 sector = dmr_io_of(bio)->iter.bi_sector + offset;
	u32 count = min(left, BIO_MAX_VECS * PAGE_SECTORS);
	struct dmr_run run;

	if (READ_ONCE(t->breaker.tripped))
		return 0;
	run = dmr_map_find(t->pair->meta.map, sector, count);
	if (run.kind != DMR_MAIN || run.count <= DMR_UNIT_SECTORS)
		return 0;
	if (!dmr_write_main(t, bio, offset, run.count))
		return run.count;
	t->batch->narrow_until = offset + (dmr_out_of_patience(bio) ? left : run.count);
	return 0;
}

/* What main failed once is tried again alone; what fails again is the batch's. */
static blk_status_t dmr_retry(struct dmr_target *t, struct dmr_batch *b, struct bio *bio,
			      u32 offset, u32 count)
{
	blk_status_t status, error = dmr_io_of(bio)->error;
	/* What is written once more main has just taken. */
	bool ask = error ? dmr_io_of(bio)->again || !dmr_out_of_patience(bio) :
			   !dmr_main_used_up(t, bio);

	/* An error that is no suspect was only looked at because another part of the bio has moved. */
	if (error && (READ_ONCE(t->breaker.tripped) || !dmr_suspect(error)))
		return error;
	/*
	 * C20: a dying disk takes seconds for each answer; after a while the rest is moved unasked. So is what only waited
	 * here, once something of it has failed, or others have used up that time meanwhile.
	 */
	status = error ?: BLK_STS_IOERR;
	if (ask) {
		status = dmr_write_main(t, bio, offset, count);
		if (!dmr_suspect(status))
			return status;
		if (!error)
			dmr_io_of(bio)->error = status;
		dmr_io_of(bio)->bad |= dmr_io_of(bio)->where == DMR_AT_MAIN;
	}
	if (ask || error)
		dmr_breaker_failed(t, dmr_io_of(bio)->iter.bi_sector + offset);
	if (t->options.no_auto || READ_ONCE(t->breaker.tripped))
		return status;
	dmr_add_piece(b, bio, offset, count, true);
	return BLK_STS_OK;
}

/* One run of a write, within a unit: to whoever owns it, or into the batch. */
static blk_status_t dmr_rewrite(struct dmr_target *t, struct dmr_batch *b, struct bio *bio,
				const struct dmr_run *run)
{
	u32 offset = dmr_io_of(bio)->done;

	switch (run->kind) {
	case DMR_MAIN:
		return dmr_retry(t, b, bio, offset, run->count);
	case DMR_OWNED:
		return dmr_write_spare(t, bio, offset, run->count, run->spare_sector);
	case DMR_PENDING:
	case DMR_OWNED_PENDING:
	case DMR_LOST:
		/* The commit that makes them owned also clears what was pending (C5, C7). */
		dmr_add_piece(b, bio, offset, run->count, false);
		return BLK_STS_OK;
	case DMR_DOUBT:
		break;
	}
	return BLK_STS_IOERR;
}

/* What is written from now on. */
static void dmr_watch_flushes(struct dmr_target *t)
{
	t->lost[DMR_FLUSH_MAIN] = dmr_flushes_lost(t->main_cache);
	t->lost[DMR_FLUSH_SPARE] = dmr_flushes_lost(t->pair->cache);
}

/* All of a parked bio, from its beginning. */
static void dmr_begin_judging(struct dmr_target *t, struct dmr_io *io)
{
	dmr_watch_flushes(t);
	io->done = 0;
	io->unsettled = 0;
}

/* Is there anything to commit, or to end? */
static bool dmr_batch_any(const struct dmr_batch *b)
{
	return b->count || !bio_list_empty(&b->judged);
}

/* Do others wait who have waited long enough? What is unsettled is to be settled before they come. */
static bool dmr_turn_over(struct dmr_target *t, const struct dmr_batch *b, const struct dmr_io *io)
{
	return !io->unsettled && time_after(jiffies, b->turn + HZ) &&
	       (dmr_batch_any(b) || dmr_any_parked(t));
}

/* The rest of a parked bio, run by run. false: as dmr_judge(), or its turn is over. */
static bool dmr_judge_runs(struct dmr_target *t, struct dmr_batch *b, struct bio *bio)
{
	struct dmr_io *io = dmr_io_of(bio);
	u32 total = io->iter.bi_size >> SECTOR_SHIFT;
	bool write = op_is_write(bio_op(bio)) && bio_op(bio) != REQ_OP_DISCARD;
	blk_status_t status;

	/* It has been waiting here while the map was lost: where its sectors are nobody knows. */
	if (READ_ONCE(t->pair->meta.broken)) {
		io->result = BLK_STS_IOERR;
		return true;
	}
	while (io->done < total) {
		u64 sector = io->iter.bi_sector + io->done;
		u32 count = total - io->done;
		struct dmr_run run;

		/* A discard may be as long as the disk, and is nothing in pieces. */
		if (bio_op(bio) != REQ_OP_DISCARD)
			count = min_t(u32, count, DMR_UNIT_SECTORS - sector % DMR_UNIT_SECTORS);
		if (bio_op(bio) == REQ_OP_WRITE_ZEROES && io->done >= b->narrow_until) {
			u32 zeroed = dmr_zero_stretch(t, bio, io->done, total - io->done);

			if (zeroed) {
				io->done += zeroed;
				b->turn_over = dmr_turn_over(t, b, io);
				if (b->turn_over)
					return false;
				continue;
			}
		}
		if (write && (dmr_batch_full(b, sector / DMR_UNIT_SECTORS) ||
			      dmr_batch_has(b, sector / DMR_UNIT_SECTORS)))
			return false;
		run = dmr_map_find(t->pair->meta.map, sector, count);
		status = write ? dmr_rewrite(t, b, bio, &run) : dmr_pass(t, bio, io->done, &run);
		if (status && !io->result)
			io->result = status;
		/* Nobody wants the rest of a read that fails, and a dying disk takes its time for each part. */
		if (status && bio_op(bio) == REQ_OP_READ)
			return true;
		io->done += run.count;
	}
	return true;
}

/*
 * Looks at the rest of one parked bio. false: the batch must be committed first, for it is full or
 * holds the same unit from another bio.
 */
static bool dmr_judge(struct dmr_target *t, struct dmr_batch *b, struct bio *bio)
{
	struct dmr_io *io = dmr_io_of(bio);
	blk_status_t status;

	while (dmr_judge_runs(t, b, bio)) {
		status = dmr_settle_parts(t, bio);
		if (status == BLK_STS_AGAIN && !io->result &&
		    dmr_once_more(io->again, dmr_patient_until(bio))) {
			/* What may be lost is written once more. */
			io->again++;
			dmr_begin_judging(t, io);
			continue;
		}
		if (status && !io->result)
			io->result = BLK_STS_IOERR;
		return true;
	}
	return false;
}

/* All that is owed for it is owed by now. */
static void dmr_acquit(struct dmr_target *t, struct dmr_io *io)
{
	if (!io->suspected)
		return;
	io->suspected = false;
	atomic_dec_return_release(&t->pair->suspected);
}

static void dmr_begin_parked(struct dmr_target *t, struct dmr_io *io)
{
	t->batch->narrow_until = 0;
	t->batch->turn = jiffies;
	t->batch->turn_over = false;
	if (io->begun) {
		dmr_watch_flushes(t);
		return;
	}
	dmr_begin_judging(t, io);
	io->result = BLK_STS_OK;
	io->again = 0;
	io->bad = false;
	io->spare_failed = io->error && dmr_at_spare(io);
}

/* Takes in as much as there is; false if there is nothing at all to do. */
static bool dmr_collect(struct dmr_target *t, struct dmr_batch *b)
{
	for (;;) {
		if (!b->current_bio) {
			struct bio *bio = dmr_next_parked(t);

			if (!bio)
				break;
			if (dmr_io_of(bio)->special == DMR_EMPTY_FLUSH) {
				if (dmr_flush_parked(t, bio))
					bio_list_add(&b->judged, bio);
				else
					dmr_put_last(t, bio);
				continue;
			}
			b->current_bio = bio;
			dmr_begin_parked(t, dmr_io_of(bio));
			/* What came before its next turn does not wait for the end of that. */
			if (dmr_io_of(bio)->begun && dmr_batch_any(b))
				break;
		}
		if (!dmr_judge(t, b, b->current_bio)) {
			if (!b->turn_over || dmr_batch_any(b))
				break;
			dmr_io_of(b->current_bio)->begun = true;
			dmr_put_last(t, b->current_bio);
			b->current_bio = NULL;
			continue;
		}
		dmr_acquit(t, dmr_io_of(b->current_bio));
		bio_list_add(&b->judged, b->current_bio);
		b->current_bio = NULL;
	}
	return dmr_batch_any(b);
}

/* More can be said when a write to main succeeds, when more fail, or when time is up. */
static void dmr_wait_for_evidence(struct dmr_target *t, struct dmr_batch *b)
{
	long left = (long)(b->deadline - jiffies);

	if (left > 0)
		wait_event_timeout(t->evidence, !READ_ONCE(t->breaker.armed) ||
				   (!b->current_bio && dmr_any_parked(t)), left);
}

static void dmr_end_judged(struct dmr_target *t, struct dmr_batch *b)
{
	struct bio *bio;

	while ((bio = bio_list_pop(&b->judged))) {
		struct dmr_io *io = dmr_io_of(bio);

		bio->bi_status = io->result;
		io->where = DMR_AT_END;
		bio_endio(bio);
	}
}

static void dmr_handle_parked(struct dmr_target *t)
{
	struct dmr_batch *b = t->batch;

	t->spare_failing = false;
	t->main_spent = 0;
	while (dmr_collect(t, b)) {
		enum dmr_opinion opinion = DMR_DISK_ALIVE;

		if (b->suspects)
			opinion = dmr_breaker_judge(t, time_after_eq(jiffies, b->deadline));
		if (opinion == DMR_DISK_UNSURE) {
			dmr_wait_for_evidence(t, b);
			continue;
		}
		b->main_dead = opinion == DMR_DISK_DEAD;
		if (b->count)
			dmr_batch_commit(t, b);
		dmr_batch_finish(b);
		dmr_end_judged(t, b);
	}
}

static bool dmr_next_note(struct dmr_target *t, struct dmr_note *note)
{
	bool any;

	spin_lock_irq(&t->parked_lock);
	any = t->notes && !READ_ONCE(t->pair->asleep);
	if (any) {
		*note = t->note[0];
		t->notes--;
		memmove(t->note, t->note + 1, t->notes * sizeof(*note));
	}
	spin_unlock_irq(&t->parked_lock);
	return any;
}

static struct dmr_request *dmr_next_request(struct dmr_target *t)
{
	struct dmr_request *request = NULL;

	spin_lock_irq(&t->parked_lock);
	if (!READ_ONCE(t->pair->asleep))
		swap(request, t->request);
	spin_unlock_irq(&t->parked_lock);
	return request;
}

/* Writes that somebody waits for come before everything else. */
static void dmr_work(struct dmr_target *t)
{
	struct dmr_request *request;
	struct dmr_note note;
	bool more;

	do {
		dmr_handle_parked(t);
		request = dmr_next_request(t);
		if (request) {
			dmr_request_begin(t, request);
			while (dmr_request_run(t, request))
				dmr_handle_parked(t);
		}
		more = dmr_next_note(t, &note);
		while (more && dmr_look_into(t, &note))
			dmr_handle_parked(t);
	} while (request || more || dmr_any_parked(t));
}

static void dmr_recover(struct work_struct *work)
{
	struct dmr_target *t = container_of(work, struct dmr_target, recovery);

	/* First this, then the question: who wants it asleep says so before he waits for the end. */
	WRITE_ONCE(t->busy, true);
	smp_mb(); /* with the one in dmr_fall_asleep() */
	if (dmr_awake(t))
		dmr_work(t);
	/* With dmr_doze(). */
	smp_store_release(&t->busy, false);
	wake_up(&t->evidence);
}

void dmr_recovery_flush(struct dmr_target *t)
{
	flush_work(&t->recovery);
}

void dmr_upkeep(struct dmr_target *t)
{
	queue_delayed_work(system_unbound_wq, &t->upkeep, 0);
}

/* While there is no memory to be had. */
#define DMR_REFILL_INTERVAL	HZ

/* Memory for later failures is fetched here, where waiting for it holds nobody up. */
static void dmr_upkeep_fn(struct work_struct *work)
{
	struct dmr_target *t = container_of(to_delayed_work(work), struct dmr_target, upkeep);
	struct dmr_pair *pair = t->pair;
	bool filled;

	mutex_lock(&pair->lock);
	filled = dmr_map_refill(pair->meta.map);
	dmr_map_resize(pair->meta.map);
	filled &= dmr_spare_refill(pair->meta.slots);
	if (filled && dmr_spare_free(pair->meta.slots))
		WRITE_ONCE(pair->meta.full, false);
	if (!filled)
		queue_delayed_work(system_unbound_wq, &t->upkeep, DMR_REFILL_INTERVAL);
	dmr_unlock(t);
}

static void dmr_event_fn(struct work_struct *work)
{
	struct dmr_target *t = container_of(to_delayed_work(work), struct dmr_target, event);

	dm_table_event(t->ti->table);
}

static void dmr_free_pages(struct dmr_target *t)
{
	free_page((unsigned long)t->scratch);
	free_page((unsigned long)t->copy[0]);
	free_page((unsigned long)t->copy[1]);
}

int dmr_recovery_init(struct dmr_target *t)
{
	int r;

	spin_lock_init(&t->parked_lock);
	bio_list_init(&t->parked);
	mutex_init(&t->request_lock);
	init_waitqueue_head(&t->evidence);
	INIT_WORK(&t->recovery, dmr_recover);
	INIT_DELAYED_WORK(&t->upkeep, dmr_upkeep_fn);
	INIT_DELAYED_WORK(&t->cool_down, dmr_cool_down_fn);
	INIT_DELAYED_WORK(&t->event, dmr_event_fn);

	r = bioset_init(&t->bios, 64, 0, BIOSET_NEED_BVECS);
	if (r)
		return r;
	r = -ENOMEM;
	t->scratch = (void *)__get_free_page(GFP_KERNEL);
	t->copy[0] = (void *)__get_free_page(GFP_KERNEL);
	t->copy[1] = (void *)__get_free_page(GFP_KERNEL);
	if (!t->scratch || !t->copy[0] || !t->copy[1])
		goto no_pages;
	t->batch = kvzalloc(sizeof(*t->batch), GFP_KERNEL);
	if (!t->batch)
		goto no_pages;
	t->batch->group = DMR_NO_UNIT;
	bio_list_init(&t->batch->judged);
	init_completion(&t->batch->landed);
	t->wq = alloc_workqueue("dm-remap", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (t->wq)
		return 0;
	kvfree(t->batch);
no_pages:
	dmr_free_pages(t);
	bioset_exit(&t->bios);
	return r;
}

void dmr_recovery_exit(struct dmr_target *t)
{
	cancel_delayed_work_sync(&t->cool_down);
	cancel_delayed_work_sync(&t->upkeep);
	/* Last, for the others raise events. */
	cancel_delayed_work_sync(&t->event);
	destroy_workqueue(t->wq);
	kvfree(t->batch);
	dmr_free_pages(t);
	bioset_exit(&t->bios);
}

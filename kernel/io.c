// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of every bio: map() and end_io(). An I/O that touches nothing mapped takes no lock,
 * allocates nothing and writes to no cache line that CPUs share (C1).
 * Whatever needs a decision that takes time is parked for the recovery worker.
 */
#include "dmr.h"

/* The device is set once, when it is known: that also looks up the cgroup, which takes its time. */
static int dmr_to_main(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	bio_set_dev(bio, t->main_bdev);
	bio->bi_iter.bi_sector = io->iter.bi_sector;
	return DM_MAPIO_REMAPPED;
}

/* Ends a bio from map(): it went nowhere. */
static int dmr_end_here(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
			blk_status_t status)
{
	dmr_epoch_leave(t, io->epoch);
	io->where = DMR_AT_END;
	bio->bi_status = status;
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

/*
 * Is it for its submitter to wait? Not if it polls: that never tries again; nor if it is a kernel thread, to which
 * the bio came from elsewhere. An io_uring thread tries again, but before 6.5 with the same flags, for ever.
 */
static bool dmr_may_refuse(const struct bio *bio)
{
	return (bio->bi_opf & REQ_NOWAIT) && !(bio->bi_opf & REQ_POLLED) &&
	       !(current->flags & (PF_IO_WORKER | PF_WQ_WORKER));
}

static int dmr_park_here(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	if (dmr_may_refuse(bio))
		return dmr_end_here(t, bio, io, BLK_STS_AGAIN);
	io->where = DMR_AT_WORKER;
	io->error = BLK_STS_OK;
	io->suspected = false;
	io->parked_at = jiffies;
	dmr_park(t, bio, io->epoch);
	return DM_MAPIO_SUBMITTED;
}

/*
 * The rest of the bio comes again. False for one that may not wait: it is not cut, as the block layer does not cut
 * such. Were only a part of it told to wait, here or by a disk that has no room for so many parts, its submitter
 * would hear that from another context, where io_uring does not try again but fails.
 */
static bool dmr_take_part(struct bio *bio, struct dmr_io *io, u32 sectors)
{
	if (bio->bi_opf & REQ_NOWAIT)
		return false;
	dm_accept_partial_bio(bio, sectors);
	io->iter.bi_size = bio->bi_iter.bi_size;
	return true;
}

static inline int dmr_to_spare(struct dmr_pair *pair, struct bio *bio, struct dmr_io *io,
			       u64 sector)
{
	bio_set_dev(bio, pair->bdev);
	bio->bi_iter.bi_sector = sector;
	io->where = DMR_AT_SPARE;
	return DM_MAPIO_REMAPPED;
}

/* Has something been owed while this flush was under way, or before, and nobody has been told? */
static bool dmr_owed(struct dmr_pair *pair, enum dmr_half half, u32 told)
{
	struct dmr_owed *owed = dmr_owed_for(pair, half);
	u32 failed = atomic_read(&owed->failed);

	if (likely(failed == told))
		return false;
	atomic_set(&owed->told, failed);
	return true;
}

/*
 * Flushes come in twos, one for each device. The spare is left out of it unless it has completed
 * a write since its last good flush, so that a slow or dead spare without data does no harm (C8).
 */
static int dmr_map_flush(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	enum dmr_half half = dm_bio_get_target_bio_nr(bio);
	struct dmr_pair *pair = t->pair;
	u64 written;

	io->special = DMR_EMPTY_FLUSH;
	io->flushed = false;
	io->told = atomic_read(&dmr_owed_for(pair, half)->told);
	/* Where its table line begins means nothing to main. */
	io->iter.bi_sector = 0;
	if (unlikely(READ_ONCE(pair->meta.broken)))
		return dmr_end_here(t, bio, io, BLK_STS_IOERR);
	/* Behind a write whose flush may have failed: what comes of that is known when it is its turn. */
	if (unlikely(READ_ONCE(t->dozing) || dmr_any_suspected(pair)))
		return dmr_park_here(t, bio, io);
	if (half == DMR_FLUSH_MAIN) {
		io->where = DMR_AT_MAIN_FLUSH;
		return dmr_to_main(t, bio, io);
	}

	if (dmr_owed(pair, half, io->told)) {
		atomic_inc(&pair->device->failed_flushes);
		return dmr_end_here(t, bio, io, BLK_STS_IOERR);
	}
	written = atomic64_read(&pair->spare_written);
	if (written == atomic64_read(&pair->spare_flushed))
		return dmr_end_here(t, bio, io, BLK_STS_OK);
	io->flush_mark = written;
	return dmr_to_spare(pair, bio, io, 0);
}

static blk_status_t dmr_flush_half(struct dmr_target *t, enum dmr_half half)
{
	struct dmr_pair *pair = t->pair;
	blk_status_t status = BLK_STS_OK;
	u64 written;

	if (half == DMR_FLUSH_MAIN) {
		status = dmr_bdev_io(t->main_bdev, &t->bios, DMR_FLUSH, 0, NULL, 0);
	} else {
		written = atomic64_read(&pair->spare_written);
		if (written != atomic64_read(&pair->spare_flushed))
			status = dmr_bdev_io(pair->bdev, &pair->bios, DMR_FLUSH, 0, NULL, 0);
		if (!status)
			dmr_spare_flushed(pair, written);
	}
	if (status)
		dmr_flush_lost(dmr_cache_of(t, half));
	return status;
}

/*
 * It succeeds, then what was suspected before is judged, then it is known what is owed: whose flush failed before
 * this one was sent is parked by now, and later ones do not concern it.
 */
bool dmr_flush_parked(struct dmr_target *t, struct bio *bio)
{
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));
	enum dmr_half half = dm_bio_get_target_bio_nr(bio);
	struct dmr_pair *pair = t->pair;

	io->result = BLK_STS_OK;
	if (READ_ONCE(pair->meta.broken))
		io->result = BLK_STS_IOERR;
	else if (!io->flushed)
		io->result = dmr_flush_half(t, half);
	if (!io->result && !io->flushed && dmr_any_suspected(pair)) {
		io->flushed = true;
		return false;
	}
	if (!io->result && dmr_owed(pair, half, io->told))
		io->result = BLK_STS_IOERR;
	if (io->result)
		atomic_inc(&pair->device->failed_flushes);
	return true;
}

/* A run of sectors for which there is more to it than reading or writing their slots. */
static noinline int dmr_map_other(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
				  struct dmr_run run)
{
	struct dmr_pair *pair = t->pair;
	blk_opf_t op = bio_op(bio);
	bool write = op == REQ_OP_WRITE || op == REQ_OP_WRITE_ZEROES;

	switch (run.kind) {
	case DMR_MAIN:
		break;
	case DMR_OWNED:
		if (op == REQ_OP_WRITE_ZEROES)
			return dmr_park_here(t, bio, io);
		if (op == REQ_OP_DISCARD && !dmr_bdev_discards(pair->bdev))
			return dmr_end_here(t, bio, io, BLK_STS_OK);
		return dmr_to_spare(pair, bio, io, run.spare_sector);
	case DMR_PENDING:
		if (write)
			return dmr_park_here(t, bio, io);
		if (op == REQ_OP_READ) {
			if (t->options.fail_pending)
				return dmr_end_here(t, bio, io, BLK_STS_MEDIUM);
			io->where = DMR_AT_MAIN_PENDING;
		}
		break;
	case DMR_OWNED_PENDING:
		if (write)
			return dmr_park_here(t, bio, io);
		if (op != REQ_OP_READ)
			return dmr_end_here(t, bio, io, BLK_STS_OK);
		dmr_to_spare(pair, bio, io, run.spare_sector);
		io->where = DMR_AT_SPARE_PENDING;
		return DM_MAPIO_REMAPPED;
	case DMR_LOST:
		if (write)
			return dmr_park_here(t, bio, io);
		fallthrough;
	case DMR_DOUBT:
		return dmr_end_here(t, bio, io, op == REQ_OP_DISCARD ? BLK_STS_OK : BLK_STS_IOERR);
	}
	return dmr_to_main(t, bio, io);
}

/* The bio, or `count` of its first sectors: only as far as all of it goes the same way. */
static int dmr_map_run(struct dmr_target *t, struct bio *bio, struct dmr_io *io, u32 count)
{
	struct dmr_pair *pair = t->pair;
	blk_opf_t op = bio_op(bio);
	struct dmr_run run;

	/* After the fence, for it goes when this is set: see dmr_sleep_end(). */
	if (unlikely(READ_ONCE(pair->meta.broken)))
		return dmr_end_here(t, bio, io, BLK_STS_IOERR);
	run = dmr_map_find(pair->meta.map, io->iter.bi_sector, count);
	if (unlikely(run.count < bio_sectors(bio)) && !dmr_take_part(bio, io, run.count))
		return dmr_park_here(t, bio, io);
	if (run.kind != DMR_OWNED || (op != REQ_OP_READ && op != REQ_OP_WRITE))
		return dmr_map_other(t, bio, io, run);
	if (op == REQ_OP_WRITE)
		atomic_inc(&pair->spare_writing);
	return dmr_to_spare(pair, bio, io, run.spare_sector);
}

/* C18: what of the bio waits for the worker, or what of it does not. */
static noinline int dmr_map_fenced(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	u32 count = bio_sectors(bio);
	const struct dmr_fence *fence;
	bool wait = false;

	rcu_read_lock();
	fence = rcu_dereference(t->fence);
	/* It may have changed since the caller looked: again, who finds another or none finds the new map. */
	smp_rmb();
	if (fence)
		count = dmr_fence_check(fence, io->iter.bi_sector, count, &wait);
	rcu_read_unlock();
	if (!wait)
		return dmr_map_run(t, bio, io, count);
	if (count < bio_sectors(bio))
		dmr_take_part(bio, io, count);
	return dmr_park_here(t, bio, io);
}

/* A bio that touches a region with something mapped. */
static int dmr_map_marked(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	/* Pairs with dmr_fence_down(). */
	if (unlikely(smp_load_acquire(&t->fence)))
		return dmr_map_fenced(t, bio, io);
	return dmr_map_run(t, bio, io, bio_sectors(bio));
}

/* Flushes, FUA, and a device that nobody may believe any more. */
static noinline int dmr_map_special(struct dmr_target *t, struct bio *bio, struct dmr_io *io)
{
	struct dmr_device *device = t->pair->device;

	if (!bio_sectors(bio))
		return dmr_map_flush(t, bio, io);
	if (bio->bi_opf & REQ_FUA)
		io->special = DMR_FUA;
	/* device-mapper drops the error of a preflush; the FUA write that follows it bears it (C8). */
	if (unlikely(atomic_read(&device->failed_flushes)) &&
	    atomic_dec_if_positive(&device->failed_flushes) >= 0)
		return dmr_end_here(t, bio, io, BLK_STS_IOERR);
	if (!dmr_filter_hit(t->filter, io->iter.bi_sector, bio_sectors(bio)))
		return dmr_to_main(t, bio, io);
	return dmr_map_marked(t, bio, io);
}

int dmr_io_map(struct dm_target *ti, struct bio *bio)
{
	struct dmr_target *t = ti->private;
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));

	io->epoch = dmr_epoch_enter(t);
	io->round = READ_ONCE(t->breaker.round);
	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	io->iter = bio->bi_iter;
	io->where = DMR_AT_MAIN;
	io->special = DMR_PLAIN;
	if (unlikely(bio->bi_opf & (REQ_PREFLUSH | REQ_FUA)))
		return dmr_map_special(t, bio, io);
	if (likely(!dmr_filter_hit(t->filter, io->iter.bi_sector, bio_sectors(bio)))) {
		bio_set_dev(bio, t->main_bdev);
		return DM_MAPIO_REMAPPED;
	}
	return dmr_map_marked(t, bio, io);
}

static void dmr_flushed(struct dmr_target *t, struct dmr_io *io, blk_status_t *error)
{
	enum dmr_half half = dmr_at_spare(io) ? DMR_FLUSH_SPARE : DMR_FLUSH_MAIN;

	if (*error)
		dmr_flush_lost(dmr_cache_of(t, half));
	/* The worker's may have failed while this one was on its way, and left it nothing to flush. */
	if (!*error && dmr_owed(t->pair, half, io->told))
		*error = BLK_STS_IOERR;
	if (*error)
		atomic_inc(&t->pair->device->failed_flushes);
	else if (half == DMR_FLUSH_SPARE)
		dmr_spare_flushed(t->pair, io->flush_mark);
}

/* The worker finishes it: a failed write is not reported before everything has been tried. */
static int dmr_end_later(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
			 blk_status_t status)
{
	struct block_device *bdev = dmr_at_spare(io) ? t->pair->bdev : t->main_bdev;

	/* It would have had to wait: here it does. */
	io->error = status == BLK_STS_AGAIN ? BLK_STS_OK : status;
	io->parked_at = jiffies;
	dmr_bio_leave_queue(bio, bdev);
	io->suspected = io->special == DMR_FUA && status != BLK_STS_AGAIN && dmr_fua_flushes(bdev);
	dmr_park(t, bio, io->epoch);
	return DM_ENDIO_INCOMPLETE;
}

/* C4, C7: the caller gets the error at once; which sectors are bad is the worker's to find out. */
static void dmr_read_ended(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
			   blk_status_t status)
{
	u32 count = io->iter.bi_size >> SECTOR_SHIFT;

	if (!status)
		dmr_note_read(t, io->iter.bi_sector, count, true);
	else if (dmr_suspect(status) && !t->options.no_auto && !(bio->bi_opf & REQ_RAHEAD))
		dmr_note_read(t, io->iter.bi_sector, count, false);
}

static inline void dmr_count_hit(struct dmr_pair *pair, blk_opf_t op)
{
	if (op == REQ_OP_READ) {
		this_cpu_inc(pair->hits->reads);
	} else if (op == REQ_OP_WRITE) {
		this_cpu_inc(pair->hits->writes);
		/* Also when it failed: part of it may be in the spare's cache. */
		atomic64_inc(&pair->spare_written);
		/* With dmr_unflushed(): who does not find it here finds it there. */
		atomic_dec_return_release(&pair->spare_writing);
	}
}

/* C9: has the spare only now found out that it cannot discard? Then this one is as good as done. */
bool dmr_spare_cannot_discard(struct dmr_pair *pair, blk_opf_t op, blk_status_t status)
{
	if (op != REQ_OP_DISCARD || !status)
		return false;
	return status == BLK_STS_NOTSUPP || !dmr_bdev_discards(pair->bdev);
}

/* A failed FUA write: it may have been the flush in it. */
static void dmr_fua_failed(struct dmr_disk_cache *cache, struct block_device *bdev,
			   const struct dmr_io *io)
{
	if (io->special == DMR_FUA && dmr_fua_may_flush(bdev))
		dmr_flush_lost(cache);
}

static int dmr_end_at_spare(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
			    blk_status_t status)
{
	struct dmr_pair *pair = t->pair;
	blk_opf_t op = bio_op(bio);

	dmr_count_hit(pair, op);
	/* Who may not wait has not been refused by the disk. */
	if (status && status != BLK_STS_AGAIN) {
		atomic64_inc(&pair->spare_errors);
		dmr_health_note(pair, DMR_EVENT_SPARE_ERROR, io->iter.bi_sector,
				io->iter.bi_size >> SECTOR_SHIFT);
		dmr_fua_failed(pair->cache, pair->bdev, io);
	}
	if (op == REQ_OP_WRITE && dmr_suspect(status) && !t->options.no_auto)
		return dmr_end_later(t, bio, io, status);
	if (op == REQ_OP_READ && (status || io->where == DMR_AT_SPARE_PENDING))
		dmr_read_ended(t, bio, io, status);
	dmr_epoch_leave(t, io->epoch);
	return DM_ENDIO_DONE;
}

/* C21: has any sector got another owner than main since the bio was mapped? */
static bool dmr_owner_changed(struct dmr_target *t, const struct dmr_io *io)
{
	u32 count = io->iter.bi_size >> SECTOR_SHIFT;
	struct dmr_run run;

	if (!dmr_filter_hit(t->filter, io->iter.bi_sector, count))
		return false;
	run = dmr_map_find(t->pair->meta.map, io->iter.bi_sector, count);
	return run.count < count || (run.kind != DMR_MAIN && run.kind != DMR_PENDING);
}

/* Is main's error one that the worker has to look at before the caller may hear of it? */
static bool dmr_wants_worker(struct dmr_target *t, struct bio *bio, const struct dmr_io *io,
			     blk_status_t status)
{
	blk_opf_t op = bio_op(bio);
	bool suspect = dmr_suspect(status);

	/* A disk that has just found out that it has no such command; callers then write zeroes. */
	if (op == REQ_OP_WRITE_ZEROES && !bdev_write_zeroes_sectors(t->main_bdev))
		return false;
	if (op != REQ_OP_READ && op != REQ_OP_WRITE && op != REQ_OP_WRITE_ZEROES)
		return false;
	if (suspect) {
		atomic64_inc(op == REQ_OP_READ ? &t->pair->read_errors : &t->pair->write_errors);
		dmr_health_note(t->pair,
				op == REQ_OP_READ ? DMR_EVENT_READ_ERROR : DMR_EVENT_WRITE_ERROR,
				io->iter.bi_sector, io->iter.bi_size >> SECTOR_SHIFT);
	}
	return (suspect && op != REQ_OP_READ && !t->options.no_auto) || dmr_owner_changed(t, io);
}

static int dmr_end_at_main(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
			   blk_status_t status)
{
	if (status && status != BLK_STS_AGAIN)
		dmr_fua_failed(t->main_cache, t->main_bdev, io);
	if (status && dmr_wants_worker(t, bio, io, status))
		return dmr_end_later(t, bio, io, status);
	if (bio_op(bio) == REQ_OP_READ && (status || io->where == DMR_AT_MAIN_PENDING))
		dmr_read_ended(t, bio, io, status);
	/* Somebody may be waiting to hear that main still takes writes (C10). */
	if (!status && bio_op(bio) == REQ_OP_WRITE)
		dmr_breaker_succeeded(t, io->round);
	dmr_epoch_leave(t, io->epoch);
	return DM_ENDIO_DONE;
}

static noinline int dmr_end_slowly(struct dmr_target *t, struct bio *bio, struct dmr_io *io,
				   blk_status_t *error)
{
	if (io->where == DMR_AT_END)
		return DM_ENDIO_DONE;
	if (io->special == DMR_EMPTY_FLUSH) {
		/* As one that is sent now. */
		if (!*error && dmr_any_suspected(t->pair))
			return dmr_end_later(t, bio, io, BLK_STS_OK);
		dmr_flushed(t, io, error);
		dmr_epoch_leave(t, io->epoch);
		return DM_ENDIO_DONE;
	}
	if (dmr_at_spare(io)) {
		if (dmr_spare_cannot_discard(t->pair, bio_op(bio), *error))
			*error = BLK_STS_OK;
		return dmr_end_at_spare(t, bio, io, *error);
	}
	return dmr_end_at_main(t, bio, io, *error);
}

int dmr_io_end(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct dmr_target *t = ti->private;
	struct dmr_io *io = dm_per_bio_data(bio, sizeof(*io));

	if (likely(!*error && io->where == DMR_AT_MAIN && !READ_ONCE(t->breaker.armed))) {
		dmr_epoch_leave(t, io->epoch);
		return DM_ENDIO_DONE;
	}
	if (likely(!*error && io->where == DMR_AT_SPARE && io->special != DMR_EMPTY_FLUSH)) {
		dmr_count_hit(t->pair, bio_op(bio));
		dmr_epoch_leave(t, io->epoch);
		return DM_ENDIO_DONE;
	}
	return dmr_end_slowly(t, bio, io, error);
}

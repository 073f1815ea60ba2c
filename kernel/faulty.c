// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap-faulty: a device-mapper target that plays a disk which fails, waits and loses its cache.
 *
 *   <start> <length> remap-faulty <device> <offset> [<#args> <arg>...]
 *
 * Words of the table line and of messages are the same: faulty-words.c has them, docs/development/FAULTY.md
 * explains them. A bio goes through the stages of enum dmrf_stage, each of which may park it.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/mm.h>
#include "faulty.h"

void dmrf_count(struct dmrf *d, enum dmrf_counter c, s64 n)
{
	atomic64_add(n, &d->counters[c]);
	if (wq_has_sleeper(&d->waitq))
		wake_up_all(&d->waitq);
}

/* --- log ------------------------------------------------------------------------------------- */

static void dmrf_log_in(struct dmrf_io *io, blk_opf_t opf)
{
	struct dmrf *d = io->d;
	struct dmrf_log_entry *e;
	unsigned long flags;

	spin_lock_irqsave(&d->log_lock, flags);
	io->log = d->log_next++;
	e = &d->log[io->log % DMRF_LOG_SIZE];
	e->in = ++d->log_clock;
	e->out = 0;
	e->sector = io->sector;
	e->sectors = io->sectors;
	e->opf = opf;
	e->ops = io->ops;
	e->status = BLK_STS_OK;
	spin_unlock_irqrestore(&d->log_lock, flags);
}

static void dmrf_log_out(struct dmrf_io *io, blk_status_t status)
{
	struct dmrf *d = io->d;
	struct dmrf_log_entry *e;
	unsigned long flags;

	spin_lock_irqsave(&d->log_lock, flags);
	if (d->log_next - io->log <= DMRF_LOG_SIZE) {
		e = &d->log[io->log % DMRF_LOG_SIZE];
		e->out = ++d->log_clock;
		e->status = status;
	}
	spin_unlock_irqrestore(&d->log_lock, flags);
}

/* --- parking --------------------------------------------------------------------------------- */

/* Under park_lock. The one place that arms the worker: an earlier time never gives way to a later one. */
static void dmrf_kick(struct dmrf *d)
{
	struct dmrf_io *first;
	unsigned long delay = 0;

	if (list_empty(&d->ready)) {
		if (list_empty(&d->delayed))
			return;
		first = list_first_entry(&d->delayed, struct dmrf_io, list);
		if (time_after(first->expires, jiffies))
			delay = first->expires - jiffies;
	}
	mod_delayed_work(d->wq, &d->work, delay);
}

void dmrf_retry(struct dmrf_io *io)
{
	struct dmrf *d = io->d;
	unsigned long flags;

	spin_lock_irqsave(&d->park_lock, flags);
	list_add_tail(&io->list, &d->ready);
	dmrf_kick(d);
	spin_unlock_irqrestore(&d->park_lock, flags);
}

/* Under park_lock. Who parks when the power has gone would never be failed by the cut: fail here. */
static bool dmrf_too_late(struct dmrf_io *io)
{
	if (!dmrf_is_off(io->d))
		return false;
	io->stage = DMRF_FAIL;
	io->status = BLK_STS_IOERR;
	list_add_tail(&io->list, &io->d->ready);
	dmrf_kick(io->d);
	return true;
}

static void dmrf_hold(struct dmrf_io *io)
{
	struct dmrf *d = io->d;
	unsigned long flags;
	bool held;

	io->stage = DMRF_GATED;
	spin_lock_irqsave(&d->park_lock, flags);
	held = !dmrf_too_late(io);
	if (held)
		list_add_tail(&io->list, &d->held);
	spin_unlock_irqrestore(&d->park_lock, flags);
	if (held)
		dmrf_count(d, DMRF_WAITING, 1);
}

/* Under park_lock. The list is ordered by expiry; most come at its end. */
static void dmrf_delay_add(struct dmrf_io *io)
{
	struct dmrf *d = io->d;
	struct dmrf_io *pos;

	list_for_each_entry_reverse(pos, &d->delayed, list)
		if (!time_after(pos->expires, io->expires))
			break;
	list_add(&io->list, &pos->list);
	dmrf_kick(d);
}

/* The stage that follows is the caller's to set. */
static void dmrf_delay(struct dmrf_io *io, u32 ms)
{
	struct dmrf *d = io->d;
	unsigned long flags;
	bool delayed;

	io->expires = jiffies + msecs_to_jiffies(ms);
	spin_lock_irqsave(&d->park_lock, flags);
	delayed = !dmrf_too_late(io);
	if (delayed)
		dmrf_delay_add(io);
	spin_unlock_irqrestore(&d->park_lock, flags);
	if (delayed)
		dmrf_count(d, DMRF_DELAYED, 1);
}

unsigned int dmrf_release(struct dmrf *d, u64 max, blk_status_t status)
{
	struct dmrf_io *io;
	unsigned long flags;
	unsigned int n = 0;

	spin_lock_irqsave(&d->park_lock, flags);
	while (n < max && !list_empty(&d->held)) {
		io = list_first_entry(&d->held, struct dmrf_io, list);
		if (status) {
			io->stage = DMRF_FAIL;
			io->status = status;
		}
		list_move_tail(&io->list, &d->ready);
		n++;
	}
	dmrf_kick(d);
	spin_unlock_irqrestore(&d->park_lock, flags);
	dmrf_count(d, DMRF_WAITING, -(s64)n);
	return n;
}

/* End all delays now. A bio keeps its stage: one that was to fail still fails. */
static void dmrf_hurry(struct dmrf *d, blk_status_t status)
{
	struct dmrf_io *io;
	unsigned long flags;
	unsigned int n = 0;

	spin_lock_irqsave(&d->park_lock, flags);
	list_for_each_entry(io, &d->delayed, list) {
		if (status) {
			io->stage = DMRF_FAIL;
			io->status = status;
		}
		n++;
	}
	list_splice_tail_init(&d->delayed, &d->ready);
	dmrf_kick(d);
	spin_unlock_irqrestore(&d->park_lock, flags);
	dmrf_count(d, DMRF_DELAYED, -(s64)n);
}

void dmrf_fail_parked(struct dmrf *d, blk_status_t status)
{
	dmrf_release(d, U64_MAX, status);
	dmrf_hurry(d, status);
}

/* --- the life of a bio ----------------------------------------------------------------------- */

void dmrf_end(struct dmrf_io *io, blk_status_t status)
{
	struct bio *bio = dmrf_bio(io);

	bio->bi_status = status;
	bio_endio(bio);
}

void dmrf_below_get(struct dmrf_io *io)
{
	io->below = true;
	atomic_inc(&io->d->below);
}

void dmrf_send(struct dmrf_io *io)
{
	dmrf_below_get(io);
	/* It has waited here: who sent it would not hear in time that it may not wait below. */
	dmrf_bio(io)->bi_opf &= ~REQ_NOWAIT;
	submit_bio_noacct(dmrf_bio(io));
}

static bool dmrf_matches(const struct dmrf_io *io, unsigned int ops, sector_t start, sector_t end)
{
	if (!(io->ops & ops))
		return false;
	if (io->ops & DMRF_FLUSH)
		return true;
	return io->sector < end && io->sector + io->sectors > start;
}

void dmrf_rearm(struct dmrf *d)
{
	unsigned int i;
	bool armed = d->state != DMRF_ONLINE || d->slow_flush ||
		     !list_empty(&d->gates) || !list_empty(&d->triggers);

	for (i = 0; i < DMRF_SIDES; i++)
		armed |= d->bad[i].count || d->slow[i].count;
	WRITE_ONCE(d->armed, armed);
}

/* Under d->lock. The gate that holds this bio, or NULL. */
static struct dmrf_gate *dmrf_find_gate(struct dmrf *d, struct dmrf_io *io)
{
	struct dmrf_gate *g;

	if (d->passing)
		return NULL;
	list_for_each_entry(g, &d->gates, list)
		if (dmrf_matches(io, g->ops, g->start, g->end))
			return g;
	return NULL;
}

static bool dmrf_gate(struct dmrf *d, struct dmrf_io *io)
{
	struct dmrf_gate *g;

	mutex_lock(&d->lock);
	g = dmrf_find_gate(d, io);
	if (g && g->times && !--g->times) {
		list_del(&g->list);
		kfree(g);
		dmrf_rearm(d);
	}
	if (g)
		dmrf_hold(io);	/* under the lock: "release" after this sees it */
	mutex_unlock(&d->lock);
	return g;
}

static int dmrf_side(const struct dmrf_io *io)
{
	if (io->ops & DMRF_READ)
		return DMRF_SIDE_READ;
	if (io->ops & (DMRF_WRITE | DMRF_ZEROES))
		return DMRF_SIDE_WRITE;
	return io->ops & DMRF_DISCARD ? DMRF_SIDE_DISCARD : -1;
}

static bool dmrf_slow(struct dmrf *d, struct dmrf_io *io)
{
	struct dmrf_range *r;
	int side = dmrf_side(io);
	u32 ms = 0;

	mutex_lock(&d->lock);
	if (io->ops & DMRF_FLUSH) {
		ms = d->slow_flush;
	} else if (side >= 0) {
		r = dmrf_set_first(&d->slow[side], io->sector, io->sector + io->sectors);
		ms = r ? r->fault.delay : 0;
	}
	if (d->passing)
		ms = 0;
	if (ms) {
		io->stage = DMRF_SLOWED;
		dmrf_delay(io, ms);
	}
	mutex_unlock(&d->lock);
	return ms;
}

/* Under d->lock. A trigger that fires may take the whole disk with it. */
static bool dmrf_judge_triggers(struct dmrf *d, struct dmrf_io *io, struct dmrf_fault *fault)
{
	struct dmrf_trigger *t, *next;
	bool fires = false;

	list_for_each_entry_safe(t, next, &d->triggers, list) {
		if (!dmrf_matches(io, t->ops, t->start, t->end))
			continue;
		if (t->after > 1) {
			t->after--;
			continue;
		}
		if (fires)
			continue;
		fires = true;
		*fault = t->fault;
		if (t->then == DMRF_THEN_OFFLINE) {
			d->state = DMRF_OFFLINE;
		} else if (t->then == DMRF_THEN_READONLY) {
			d->state = DMRF_READONLY;
		} else if (t->then == DMRF_THEN_CUT) {
			dmrf_cache_catch(d, io);
			dmrf_power_trip(d, d->cut_mode, d->cut_seed);
		}
		if (t->times && !--t->times) {
			list_del(&t->list);
			kfree(t);
		}
	}
	if (fires)
		dmrf_rearm(d);
	return fires;
}

/* Under d->lock. A physical block that cannot be read cannot be written in part either. */
static struct dmrf_range *dmrf_judge_partial(struct dmrf *d, struct dmrf_io *io)
{
	sector_t end = io->sector + io->sectors;
	sector_t first = round_down(io->sector, (sector_t)d->phys);
	sector_t last = round_down(end, (sector_t)d->phys);
	struct dmrf_range *r = NULL;

	if (io->sector != first)
		r = dmrf_set_first(&d->bad[DMRF_SIDE_READ], first, first + d->phys);
	if (!r && end != last && end < d->len)
		r = dmrf_set_first(&d->bad[DMRF_SIDE_READ], last, last + d->phys);
	return r;
}

/* Under d->lock. */
static bool dmrf_judge_ranges(struct dmrf *d, struct dmrf_io *io, struct dmrf_fault *fault)
{
	sector_t end = io->sector + io->sectors;
	int side = dmrf_side(io);
	struct dmrf_range *r;

	if (side < 0)
		return false;
	r = dmrf_set_first(&d->bad[side], io->sector, end);
	if (!r && side == DMRF_SIDE_WRITE)
		r = dmrf_judge_partial(d, io);
	if (r) {
		*fault = r->fault;
		if (side != DMRF_SIDE_READ)
			dmrf_set_heal(&d->bad[side], round_down(io->sector, (sector_t)d->phys),
				      round_up(end, (sector_t)d->phys));
		dmrf_rearm(d);
		return true;
	}
	if (side == DMRF_SIDE_WRITE)
		io->heals = dmrf_set_heals(&d->bad[DMRF_SIDE_READ], io->sector, end);
	return false;
}

static bool dmrf_judge_state(struct dmrf *d, struct dmrf_io *io, struct dmrf_fault *fault)
{
	if (d->state == DMRF_OFFLINE)
		*fault = (struct dmrf_fault){ .status = BLK_STS_IOERR };
	else if (d->state == DMRF_READONLY && (io->ops & DMRF_MODIFIES))
		*fault = (struct dmrf_fault){ .status = BLK_STS_TARGET };
	else
		return false;
	return true;
}

/* Does this bio fail? Then it has ended, or will after the range's delay. */
static bool dmrf_judge(struct dmrf *d, struct dmrf_io *io)
{
	struct dmrf_fault fault = { .status = BLK_STS_OK };
	bool parked = false;

	mutex_lock(&d->lock);
	if (!dmrf_judge_state(d, io, &fault) && !dmrf_judge_triggers(d, io, &fault))
		dmrf_judge_ranges(d, io, &fault);
	if (fault.status && fault.delay && !d->passing) {
		io->stage = DMRF_FAIL;
		io->status = fault.status;
		dmrf_delay(io, fault.delay);
		parked = true;
	}
	mutex_unlock(&d->lock);
	if (fault.status && !parked)
		dmrf_end(io, fault.status);
	return fault.status;
}

/* A write that went well: what it covers reads again. */
static void dmrf_heal(struct dmrf *d, struct dmrf_io *io)
{
	mutex_lock(&d->lock);
	dmrf_set_heal(&d->bad[DMRF_SIDE_READ], io->sector, io->sector + io->sectors);
	dmrf_rearm(d);
	mutex_unlock(&d->lock);
	io->heals = false;
	dmrf_end(io, BLK_STS_OK);
}

/*
 * Take a bio as far as it goes now; true: the caller sends it below. Each stage is the one that
 * has been passed, so a parked bio continues where it stopped.
 */
static bool dmrf_run(struct dmrf *d, struct dmrf_io *io, bool in_worker)
{
	if (io->stage == DMRF_FAIL) {
		dmrf_end(io, io->status);
		return false;
	}
	if (dmrf_is_off(d)) {
		dmrf_end(io, BLK_STS_IOERR);
		return false;
	}
	if (io->stage == DMRF_HEAL) {
		dmrf_heal(d, io);
		return false;
	}
	if (io->stage < DMRF_JUDGED && READ_ONCE(d->armed)) {
		if (io->stage < DMRF_GATED && dmrf_gate(d, io))
			return false;
		if (io->stage < DMRF_SLOWED && dmrf_slow(d, io))
			return false;
		if (dmrf_judge(d, io))
			return false;
	}
	io->stage = DMRF_JUDGED;
	return !d->cache || dmrf_cache_dispatch(d, io, in_worker) == DMRF_SEND;
}

static void dmrf_work(struct work_struct *work)
{
	struct dmrf *d = container_of(to_delayed_work(work), struct dmrf, work);
	struct dmrf_io *io, *next;
	LIST_HEAD(todo);
	unsigned int expired = 0;

	spin_lock_irq(&d->park_lock);
	list_splice_init(&d->ready, &todo);
	list_for_each_entry_safe(io, next, &d->delayed, list) {
		if (time_after(io->expires, jiffies))
			break;
		list_move_tail(&io->list, &todo);
		expired++;
	}
	dmrf_kick(d);
	spin_unlock_irq(&d->park_lock);
	dmrf_count(d, DMRF_DELAYED, -(s64)expired);

	list_for_each_entry_safe(io, next, &todo, list) {
		list_del(&io->list);
		if (dmrf_run(d, io, true))
			dmrf_send(io);
		cond_resched();
	}
}

static unsigned int dmrf_ops(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return DMRF_READ;
	case REQ_OP_WRITE:
		if (!bio_sectors(bio))
			return DMRF_FLUSH;
		return bio->bi_opf & REQ_FUA ? DMRF_WRITE | DMRF_FUA : DMRF_WRITE;
	case REQ_OP_FLUSH:
		return DMRF_FLUSH;
	case REQ_OP_DISCARD:
		return DMRF_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return DMRF_ZEROES;
	default:
		return 0;
	}
}

static void dmrf_count_in(struct dmrf *d, struct dmrf_io *io)
{
	if (io->ops & DMRF_READ)
		dmrf_count(d, DMRF_READS, 1);
	if (io->ops & DMRF_WRITE)
		dmrf_count(d, DMRF_WRITES, 1);
	if (io->ops & DMRF_FUA)
		dmrf_count(d, DMRF_FUAS, 1);
	if (io->ops & DMRF_ZEROES)
		dmrf_count(d, DMRF_WRITE_ZEROES, 1);
	if (io->ops & DMRF_DISCARD)
		dmrf_count(d, DMRF_DISCARDS, 1);
	if (io->ops & DMRF_FLUSH)
		dmrf_count(d, DMRF_FLUSHES, 1);
}

static void dmrf_count_out(struct dmrf *d, struct dmrf_io *io, blk_status_t error)
{
	if (io->ops & DMRF_READ)
		dmrf_count(d, error ? DMRF_FAILED_READS : DMRF_SECTORS_READ,
			   error ? 1 : io->sectors);
	else if (io->ops & (DMRF_WRITE | DMRF_ZEROES))
		dmrf_count(d, error ? DMRF_FAILED_WRITES : DMRF_SECTORS_WRITTEN,
			   error ? 1 : io->sectors);
	else if (error && (io->ops & DMRF_FLUSH))
		dmrf_count(d, DMRF_FAILED_FLUSHES, 1);
	else if (error && (io->ops & DMRF_DISCARD))
		dmrf_count(d, DMRF_FAILED_DISCARDS, 1);
}

static void dmrf_inflight(struct dmrf *d, int n)
{
	unsigned long flags;

	spin_lock_irqsave(&d->park_lock, flags);
	d->inflight += n;
	if (!d->inflight)
		wake_up_all(&d->waitq);
	spin_unlock_irqrestore(&d->park_lock, flags);
}

static int dmrf_map(struct dm_target *ti, struct bio *bio)
{
	struct dmrf *d = ti->private;
	struct dmrf_io *io = dm_per_bio_data(bio, sizeof(*io));

	memset(io, 0, sizeof(*io));
	io->d = d;
	io->ops = dmrf_ops(bio);
	io->sectors = bio_sectors(bio);
	io->sector = io->sectors ? dm_target_offset(ti, bio->bi_iter.bi_sector) : 0;
	bio_set_dev(bio, d->dev->bdev);
	if (io->sectors)
		bio->bi_iter.bi_sector = d->offset + io->sector;
	dmrf_inflight(d, 1);
	dmrf_log_in(io, bio->bi_opf);
	dmrf_count_in(d, io);

	if (!dmrf_run(d, io, false))
		return DM_MAPIO_SUBMITTED;
	dmrf_below_get(io);
	return DM_MAPIO_REMAPPED;
}

static int dmrf_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct dmrf *d = ti->private;
	struct dmrf_io *io = dm_per_bio_data(bio, sizeof(*io));

	if (dmrf_is_off(d) && !*error)
		*error = BLK_STS_IOERR;
	if (io->below) {
		io->below = false;
		if (atomic_dec_and_test(&d->below))
			wake_up_all(&d->waitq);
	}
	if (io->heals && !*error) {
		io->stage = DMRF_HEAL;
		dmrf_retry(io);
		return DM_ENDIO_INCOMPLETE;
	}
	dmrf_log_out(io, *error);
	dmrf_count_out(d, io, *error);
	dmrf_inflight(d, -1);
	return DM_ENDIO_DONE;
}

/* --- the target ------------------------------------------------------------------------------ */

static struct dmrf *dmrf_alloc(struct dm_target *ti)
{
	struct dmrf *d = kzalloc(sizeof(*d), GFP_KERNEL);
	unsigned int i;

	if (!d)
		return NULL;
	d->ti = ti;
	d->len = ti->len;
	d->phys = DMRF_BLOCK_SECTORS;
	d->cache_mib = 64;
	mutex_init(&d->lock);
	spin_lock_init(&d->park_lock);
	spin_lock_init(&d->log_lock);
	INIT_LIST_HEAD(&d->gates);
	INIT_LIST_HEAD(&d->triggers);
	INIT_LIST_HEAD(&d->held);
	INIT_LIST_HEAD(&d->delayed);
	INIT_LIST_HEAD(&d->ready);
	init_waitqueue_head(&d->waitq);
	INIT_DELAYED_WORK(&d->work, dmrf_work);
	for (i = 0; i < DMRF_SIDES; i++) {
		d->bad[i].root = RB_ROOT;
		d->slow[i].root = RB_ROOT;
	}
	return d;
}

static void dmrf_free_lists(struct dmrf *d)
{
	struct dmrf_gate *g, *next_g;
	struct dmrf_trigger *t, *next_t;
	unsigned int i;

	list_for_each_entry_safe(g, next_g, &d->gates, list)
		kfree(g);
	list_for_each_entry_safe(t, next_t, &d->triggers, list)
		kfree(t);
	for (i = 0; i < DMRF_SIDES; i++) {
		dmrf_set_free(&d->bad[i]);
		dmrf_set_free(&d->slow[i]);
	}
}

static bool dmrf_idle(struct dmrf *d)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&d->park_lock, flags);
	idle = !d->inflight;
	spin_unlock_irqrestore(&d->park_lock, flags);
	return idle;
}

/* Nothing waits any more, and all that is under way comes to its end. */
static void dmrf_drain(struct dmrf *d)
{
	mutex_lock(&d->lock);
	d->passing = true;
	mutex_unlock(&d->lock);
	dmrf_release(d, U64_MAX, BLK_STS_OK);
	dmrf_hurry(d, BLK_STS_OK);
	wait_event(d->waitq, dmrf_idle(d));
}

static void dmrf_free(struct dmrf *d)
{
	if (d->wq)
		dmrf_drain(d);
	dmrf_power_leave(d);
	if (d->wq) {
		cancel_delayed_work_sync(&d->work);
		dmrf_cache_destroy(d);
		destroy_workqueue(d->wq);
	}
	if (d->dev)
		dm_put_device(d->ti, d->dev);
	dmrf_free_lists(d);
	kvfree(d->log);
	mutex_destroy(&d->lock);
	kfree(d);
}

static int dmrf_open(struct dmrf *d, const char *path, const char *offset, char **error)
{
	unsigned long long sector;
	int ret;

	if (kstrtoull(offset, 10, &sector) || sector != (sector_t)sector) {
		*error = "Invalid offset";
		return -EINVAL;
	}
	d->offset = sector;
	ret = dm_get_device(d->ti, path, dm_table_get_mode(d->ti->table), &d->dev);
	if (ret)
		*error = "Device lookup failed";
	for (; *path; path++)
		d->salt = d->salt * 31 + *path;
	return ret;
}

static int dmrf_start(struct dmrf *d, char **error)
{
	int ret;

	*error = "Out of memory";
	d->log = kvcalloc(DMRF_LOG_SIZE, sizeof(*d->log), GFP_KERNEL);
	d->wq = alloc_workqueue("remap_faulty", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!d->log || !d->wq)
		return -ENOMEM;
	if (d->want_cache) {
		ret = dmrf_cache_create(d);
		if (ret)
			return ret;
	}
	return dmrf_power_join(d);
}

static int dmrf_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dmrf *d;
	int ret;

	if (argc < 2) {
		ti->error = "Usage: <device> <offset> [<#args> <arg>...]";
		return -EINVAL;
	}
	d = dmrf_alloc(ti);
	if (!d) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	ret = dmrf_open(d, argv[0], argv[1], &ti->error);
	if (!ret)
		ret = dmrf_parse_table(d, argc - 2, argv + 2, &ti->error);
	if (!ret)
		ret = dmrf_start(d, &ti->error);
	if (ret) {
		dmrf_free(d);
		return ret;
	}
	ti->private = d;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->flush_supported = !d->no_wc;
	ti->per_io_data_size = sizeof(struct dmrf_io);
	return 0;
}

static void dmrf_dtr(struct dm_target *ti)
{
	dmrf_free(ti->private);
}

/* Device-mapper waits for all bios before postsuspend: nothing may be held up from here on. */
static void dmrf_presuspend(struct dm_target *ti)
{
	struct dmrf *d = ti->private;

	mutex_lock(&d->lock);
	d->passing = true;
	mutex_unlock(&d->lock);
	dmrf_release(d, U64_MAX, BLK_STS_OK);
	dmrf_hurry(d, BLK_STS_OK);
}

static void dmrf_unpass(struct dm_target *ti)
{
	struct dmrf *d = ti->private;

	mutex_lock(&d->lock);
	d->passing = false;
	mutex_unlock(&d->lock);
}

/* A disk keeps its power while its table changes: the cache goes out, nothing is lost. */
static void dmrf_postsuspend(struct dm_target *ti)
{
	struct dmrf *d = ti->private;

	dmrf_drain(d);
	dmrf_power_settle(d);
	if (d->cache && !dmrf_is_off(d) && dmrf_cache_sync(d))
		DMERR("%s: the cache could not be written out", d->dev->name);
}

static void dmrf_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			char *result, unsigned int maxlen)
{
	struct dmrf *d = ti->private;

	switch (type) {
	case STATUSTYPE_INFO:
		dmrf_print_status(d, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		dmrf_print_table(d, result, maxlen);
		break;
	default:
		*result = '\0';
	}
}

static int dmrf_target_message(struct dm_target *ti, unsigned int argc, char **argv,
			       char *result, unsigned int maxlen)
{
	return dmrf_message(ti->private, argc, argv, result, maxlen);
}

static int dmrf_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct dmrf *d = ti->private;

	return fn(ti, d->dev, d->offset, ti->len, data);
}

static void dmrf_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct dmrf *d = ti->private;
	unsigned int phys = d->phys << SECTOR_SHIFT;

	limits->logical_block_size = max_t(unsigned int, limits->logical_block_size, d->logical);
	phys = max_t(unsigned int, phys, limits->logical_block_size);
	limits->physical_block_size = max_t(unsigned int, limits->physical_block_size, phys);
	limits->io_min = max_t(unsigned int, limits->io_min, limits->physical_block_size);
}

static struct target_type dmrf_target = {
	.name = "remap-faulty",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_NOWAIT,	/* so that a pair on it gets such bios */
	.module = THIS_MODULE,
	.ctr = dmrf_ctr,
	.dtr = dmrf_dtr,
	.map = dmrf_map,
	.end_io = dmrf_end_io,
	.presuspend = dmrf_presuspend,
	.presuspend_undo = dmrf_unpass,
	.postsuspend = dmrf_postsuspend,
	.resume = dmrf_unpass,
	.status = dmrf_status,
	.message = dmrf_target_message,
	.iterate_devices = dmrf_iterate_devices,
	.io_hints = dmrf_io_hints,
};

static int __init dmrf_init(void)
{
	int ret = dmrf_power_init();

	if (ret)
		return ret;
	ret = dm_register_target(&dmrf_target);
	if (ret)
		dmrf_power_exit();
	return ret;
}

static void __exit dmrf_exit(void)
{
	dm_unregister_target(&dmrf_target);
	dmrf_power_exit();
}

module_init(dmrf_init);
module_exit(dmrf_exit);

MODULE_DESCRIPTION("device-mapper target for tests: a disk that fails and loses its cache");
MODULE_LICENSE("GPL");

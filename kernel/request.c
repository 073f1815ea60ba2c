// SPDX-License-Identifier: GPL-2.0-only
/*
 * What messages ask of the worker: remap, unremap, retest. The message waits; the worker fences some
 * units at a time, copies, commits, publishes, lets the bios go that have met the fence, and goes on for
 * at most a second, then says where to continue.
 */
#include "copy.h"

#define DMR_REQUEST_UNITS	64u	/* behind one fence */

struct dmr_request {
	const struct dmr_message *m;
	struct completion done;
	unsigned long deadline;	/* jiffies */
	u64 next, end;		/* sectors: to go on from, and to stop at */
	u64 sectors;		/* done as asked */
	u64 pending;		/* sectors that could not be read */
	unsigned int again;	/* so often this step was done once more */
	bool unfinished;	/* of the last unit some is left: time was up */
	int error;
	const char *why;
	struct dmr_change change[DMR_REQUEST_UNITS];
	struct dmr_unit unit[2 * DMR_REQUEST_UNITS];
};

typedef void (*dmr_step_fn)(struct dmr_target *t, struct dmr_request *q, struct dmr_change *c,
			    u8 mask);

static void dmr_request_fail(struct dmr_request *q, struct dmr_change *c, int error,
			     const char *why)
{
	c->fate = DMR_FAILED;
	if (q->error)
		return;
	q->error = error;
	q->why = why;
	q->next = c->is.unit * DMR_UNIT_SECTORS;
}

/* A read of main's sectors that failed: is it they that do not read (C10)? */
static bool dmr_main_judged(struct dmr_target *t, blk_status_t status)
{
	return (dmr_suspect(status) || status == BLK_STS_AGAIN) && dmr_main_answers(t);
}

/* What main gives of a unit's sectors, those in cargo->mask excepted. false: nothing can be said of what it does not give. */
static bool dmr_read_main(struct dmr_target *t, u64 unit, u8 mask, struct dmr_cargo *cargo)
{
	u64 sector = unit * DMR_UNIT_SECTORS;
	u32 step = dmr_read_step(t->main_bdev);
	blk_status_t status = dmr_cargo_read_rest(t, t->main_bdev, sector, mask, step, cargo);
	u8 asked = cargo->asked;

	if (!status)
		return true;
	if (!dmr_main_judged(t, status))
		return false;
	/* It may have been away for a moment, so it is asked again; for one that takes its time it is one I/O more, if it gave nothing. */
	if (time_after(jiffies, cargo->until)) {
		if (cargo->mask)
			return true;
		step = DMR_UNIT_SECTORS;
	}
	status = dmr_cargo_read_rest(t, t->main_bdev, sector, mask, step, cargo);
	cargo->asked = asked | cargo->mask;
	return !status || dmr_main_judged(t, status);
}

/*
 * Main's sectors to the slot; unreadable ones become pending (C18). Those that are not known to be come first: where
 * each error takes seconds, each call gets on, and what it had no time for is for the next.
 */
static void dmr_remap_unit(struct dmr_target *t, struct dmr_request *q, struct dmr_change *c,
			   u8 mask)
{
	struct dmr_cargo cargo = DMR_CARGO(t->copy[0]);
	struct dmr_goods goods = { .cargo = &cargo, .others = DMR_SLOT_TRIES };
	blk_status_t status;
	u8 unknown, known;

	mask &= ~c->is.owned;
	if (!mask)
		return;
	unknown = mask & ~c->is.pending;
	known = mask & c->is.pending;
	if (!dmr_read_main(t, c->is.unit, unknown, &cargo) ||
	    (!time_after(jiffies, cargo.until) &&
	     !dmr_read_main(t, c->is.unit, cargo.mask | known, &cargo))) {
		dmr_request_fail(q, c, -EIO, "main does not answer");
		return;
	}
	q->unfinished = unknown & ~cargo.asked;
	/* What main has used up is not the spare's fault. */
	goods.until = jiffies + dmr_patience();
	status = dmr_store(t, c, 1, 0, &goods);
	if (status) {
		dmr_request_fail(q, c, -EIO,
				 status == BLK_STS_NOSPC ? "no free slot" : "the spare fails writes");
		return;
	}
	c->will.owned |= cargo.mask;
	c->will.pending = (c->will.pending & ~cargo.mask) | (unknown & cargo.asked & ~cargo.mask);
	c->fate = DMR_READY;
	if (!q->unfinished)
		q->pending += dmr_hweight8(mask & ~cargo.mask);
}

/* The slot's sectors back to main; main is flushed and compared before the commit (C22). */
static void dmr_unremap_unit(struct dmr_target *t, struct dmr_request *q, struct dmr_change *c,
			     u8 mask)
{
	struct dmr_cargo cargo = DMR_CARGO(t->copy[0]);

	if (c->is.pending & mask) {
		dmr_request_fail(q, c, -EINVAL, "pending or lost sectors cannot go back: rewrite them first");
		return;
	}
	mask &= c->is.owned;
	if (!mask)
		return;
	if (dmr_cargo_read(t, t->pair->bdev, dmr_slot_sector(c->is.slot), mask, DMR_UNIT_SECTORS,
			   &cargo))
		dmr_request_fail(q, c, -EIO, "the spare cannot be read");
	else if (dmr_cargo_write(t, t->main_bdev, c->is.unit * DMR_UNIT_SECTORS, mask, &cargo))
		dmr_request_fail(q, c, -EIO, "main fails writes there");
	else
		c->will.owned &= ~mask;
	if (c->will.owned != c->is.owned)
		c->fate = DMR_READY;
}

/* Pending sectors are read again where their data belongs. */
static void dmr_retest_unit(struct dmr_target *t, struct dmr_request *q, struct dmr_change *c,
			    u8 mask)
{
	struct dmr_cargo cargo = DMR_CARGO(t->copy[0]);
	u8 on_main = mask & c->is.pending & ~c->is.owned;
	u8 on_spare = c->is.lost ? 0 : mask & c->is.pending & c->is.owned;

	if (on_main) {
		dmr_cargo_read(t, t->main_bdev, c->is.unit * DMR_UNIT_SECTORS, on_main,
			       dmr_read_step(t->main_bdev), &cargo);
		c->will.pending &= ~cargo.mask;
	}
	if (on_spare) {
		dmr_cargo_read(t, t->pair->bdev, dmr_slot_sector(c->is.slot), on_spare,
			       dmr_read_step(t->pair->bdev), &cargo);
		c->will.pending &= ~cargo.mask;
	}
	q->pending += dmr_hweight8(mask & c->will.pending);
	if (c->will.pending != c->is.pending)
		c->fate = DMR_READY;
}

/* C22: what main gives back must be what the slot holds. */
static bool dmr_main_has(struct dmr_target *t, const struct dmr_change *c)
{
	struct dmr_cargo slot = DMR_CARGO(t->copy[0]), main = DMR_CARGO(t->copy[1]);
	u8 mask = c->is.owned & ~c->will.owned;
	unsigned int first, count, at;

	if (dmr_cargo_read(t, t->pair->bdev, dmr_slot_sector(c->is.slot), mask, DMR_UNIT_SECTORS,
			   &slot) ||
	    dmr_cargo_read(t, t->main_bdev, c->is.unit * DMR_UNIT_SECTORS, mask, DMR_UNIT_SECTORS,
			   &main))
		return false;
	for (at = 0; dmr_mask_run(mask, at, &first, &count); at = first + count)
		if (memcmp(slot.page + (first << SECTOR_SHIFT), main.page + (first << SECTOR_SHIFT),
			   count << SECTOR_SHIFT))
			return false;
	return true;
}

/*
 * Before the commit everything it refers to is durable: slots after remap, main after unremap. 0, or that failed;
 * -EAGAIN: another flush has, and may have lost some of it.
 */
static int dmr_make_durable(struct dmr_target *t, const struct dmr_request *q, int begun)
{
	if (q->m->verb == DMR_VERB_REMAP)
		return dmr_own_data_end(t->pair, begun, true);
	if (q->m->verb != DMR_VERB_UNREMAP)
		return 0;
	return dmr_main_flush(t) ? -EIO : dmr_flushes_lost(t->main_cache) == begun ? 0 : -EAGAIN;
}

static void dmr_settle(struct dmr_target *t, struct dmr_request *q, u32 units, bool ok)
{
	u32 i;

	for (i = 0; i < units; i++) {
		struct dmr_change *c = &q->change[i];

		if (c->fate != DMR_READY)
			continue;
		if (!ok || (q->m->verb == DMR_VERB_UNREMAP && !dmr_main_has(t, c)))
			dmr_request_fail(q, c, -EIO,
					 ok ? "main does not hold what was written to it"
					    : "a flush failed");
	}
}

static u64 dmr_sectors_changed(const struct dmr_request *q, const struct dmr_change *c)
{
	if (c->fate != DMR_KEPT)
		return 0;
	switch (q->m->verb) {
	case DMR_VERB_REMAP:
		return dmr_hweight8(c->will.owned & ~c->is.owned);
	case DMR_VERB_UNREMAP:
		return dmr_hweight8(c->is.owned & ~c->will.owned);
	default:
		return dmr_hweight8(c->is.pending & ~c->will.pending);
	}
}

static const dmr_step_fn dmr_steps[DMR_VERBS] = {
	[DMR_VERB_REMAP] = dmr_remap_unit,
	[DMR_VERB_UNREMAP] = dmr_unremap_unit,
	[DMR_VERB_RETEST] = dmr_retest_unit,
};

/* The units of [q->next, end) that are fenced; stops early when time is up. Returns how many were looked at. */
static u32 dmr_request_units(struct dmr_target *t, struct dmr_request *q, u64 stop)
{
	u64 sector = q->next;
	u32 units = 0;

	q->unfinished = false;
	while (sector < stop && units < DMR_REQUEST_UNITS && !q->error) {
		u32 first = sector % DMR_UNIT_SECTORS;
		u32 count = min_t(u64, stop - sector, DMR_UNIT_SECTORS - first);
		struct dmr_change *c = &q->change[units];

		if (units && time_after(jiffies, q->deadline))
			break;
		dmr_change_begin(&t->pair->meta, c, sector / DMR_UNIT_SECTORS);
		if (c->is.doubt)
			dmr_request_fail(q, c, -EIO, "sectors in doubt after a failed commit");
		else
			dmr_steps[q->m->verb](t, q, c, dmr_mask(first, count));
		units++;
		if (q->unfinished)
			break;
		sector += count;
	}
	if (!q->error)
		q->next = sector;
	return units;
}

/* What another's flush may have lost is done once more: nothing of it is committed, the slots are free again. */
static void dmr_request_undo(struct dmr_target *t, struct dmr_request *q, u32 units)
{
	u32 i;

	for (i = 0; i < units; i++)
		if (q->change[i].fate == DMR_READY)
			q->change[i].fate = DMR_FAILED;
	dmr_commit(&t->pair->meta, q->change, units, q->unit);
}

static void dmr_request_step(struct dmr_target *t, struct dmr_request *q, u64 stop)
{
	int r, begun = q->m->verb == DMR_VERB_REMAP ? dmr_own_data_begin(t->pair) :
						      dmr_flushes_lost(t->main_cache);
	u64 from = q->next, pending = q->pending;
	u32 units, i;

	units = dmr_request_units(t, q, stop);
	r = dmr_make_durable(t, q, begun);
	if (r == -EAGAIN && !q->error && q->again < DMR_LOST_TRIES) {
		dmr_request_undo(t, q, units);
		q->next = from;
		q->pending = pending;
		q->again++;
		return;
	}
	q->again = 0;
	dmr_settle(t, q, units, !r);
	dmr_commit(&t->pair->meta, q->change, units, q->unit);
	for (i = 0; i < units; i++) {
		struct dmr_change *c = &q->change[i];

		q->sectors += dmr_sectors_changed(q, c);
		if (c->fate == DMR_IN_DOUBT || c->fate == DMR_FAILED)
			dmr_request_fail(q, c, -EIO, "the commit failed");
	}
}

/*
 * On to the next sector that there is something to do about; false: none. What is not mapped concerns `remap`
 * alone: a fence there would send later I/O past the filter for nothing.
 */
static bool dmr_request_seek(struct dmr_target *t, struct dmr_request *q)
{
	struct dmr_run run;

	if (q->m->verb == DMR_VERB_REMAP)
		return q->next < q->end;
	while (dmr_map_next(t->pair->meta.map, &q->next, q->end, &run)) {
		if (q->m->verb == DMR_VERB_UNREMAP || run.kind != DMR_OWNED)
			return true;
		q->next += run.count;
	}
	q->next = q->end;
	return false;
}

void dmr_request_begin(struct dmr_target *t, struct dmr_request *q)
{
	struct dmr_pair *pair = t->pair;

	if (READ_ONCE(pair->meta.frozen) || READ_ONCE(pair->meta.broken))
		q->why = "the map is frozen";
	else if (!dmr_spare_answers(pair))
		q->why = "the spare does not answer";
	if (q->why)
		q->error = -EIO;
	/* A spare that was slow to answer has not used it up: each call gets some of it done. */
	q->deadline = jiffies + HZ * 9 / 10;
}

bool dmr_request_run(struct dmr_target *t, struct dmr_request *q)
{
	u64 stop;

	/* A call that has to do its step once more has done nothing yet. */
	if (q->error || (!q->again && time_after_eq(jiffies, q->deadline)) ||
	    !dmr_request_seek(t, q)) {
		complete(&q->done);
		return false;
	}
	stop = min_t(u64, q->end,
		     round_down(q->next, DMR_UNIT_SECTORS) + DMR_REQUEST_UNITS * DMR_UNIT_SECTORS);
	dmr_fence_add(t, round_down(q->next, DMR_UNIT_SECTORS), round_up(stop, DMR_UNIT_SECTORS));
	if (!dmr_fence_up(t, jiffies + dmr_patience() / 2)) {
		q->error = -EIO;
		q->why = "I/O that was sent before does not end";
		complete(&q->done);
		return false;
	}
	mutex_lock(&t->pair->lock);
	dmr_request_step(t, q, stop);
	dmr_unlock(t);
	dmr_fence_down(t);
	return true;
}

static void dmr_request_answer(const struct dmr_request *q, char *result, unsigned int maxlen)
{
	static const char * const did[DMR_VERBS] = {
		[DMR_VERB_REMAP] = "remapped",
		[DMR_VERB_UNREMAP] = "back on main",
		[DMR_VERB_RETEST] = "readable again",
	};
	unsigned int n;

	n = scnprintf(result, maxlen, "%llu sectors %s", q->sectors, did[q->m->verb]);
	if (q->m->verb != DMR_VERB_UNREMAP)
		n += scnprintf(result + n, maxlen - n, ", %llu pending", q->pending);
	n += scnprintf(result + n, maxlen - n, "\n");
	if (q->next < q->end)
		scnprintf(result + n, maxlen - n, DMR_LIST_NEXT " %llu\n",
			  max(q->next, q->m->sector));
}

int dmr_request(struct dmr_target *t, const struct dmr_message *m, char *result,
		unsigned int maxlen)
{
	/* Device-mapper may wait for this message to end, and reclaim for device-mapper. */
	struct dmr_request *q = dmr_big_alloc(sizeof(*q));
	u32 block = bdev_logical_block_size(t->main_bdev) >> SECTOR_SHIFT;
	int r = -EBUSY;

	if (!q)
		return -ENOMEM;
	q->m = m;
	/* A part of a block can neither be read nor have another owner than the rest. */
	q->next = round_down(m->sector, block);
	q->end = round_up(m->sector + m->count, block);
	init_completion(&q->done);
	mutex_lock(&t->request_lock);
	if (t->resumed) {
		spin_lock_irq(&t->parked_lock);
		t->request = q;
		spin_unlock_irq(&t->parked_lock);
		queue_work(t->wq, &t->recovery);
		wait_for_completion(&q->done);
		r = q->error ?: 1;
	} else {
		q->why = "the device is suspended";
	}
	mutex_unlock(&t->request_lock);
	if (r == 1)
		dmr_request_answer(q, result, maxlen);
	else
		DMWARN("%s: message refused at sector %llu: %s", t->name, q->next, q->why);
	dmr_big_free(q);
	return r;
}

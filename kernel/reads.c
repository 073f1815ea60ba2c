// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads that failed (C4, C7): the caller has his error; here the worker finds out which sectors are bad
 * and makes them pending. Only what the worker itself cannot read behind a fence is marked, for
 * meanwhile somebody may have rewritten it. A dead disk marks nothing.
 */
#include "batch.h"
#include "copy.h"

void dmr_note_read(struct dmr_target *t, u64 sector, u32 count, bool good)
{
	struct dmr_note *note;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&t->parked_lock, flags);
	for (i = 0; i < t->notes; i++) {
		note = &t->note[i];
		if (note->sector == sector && note->count == count && note->good == good) {
			/* What failed is looked into within so long of the first failure. */
			if (good)
				note->when = jiffies;
			goto out;
		}
	}
	if (t->notes < DMR_NOTES) {
		note = &t->note[t->notes++];
		note->sector = sector;
		note->count = count;
		note->good = good;
		note->when = jiffies;
	}
out:
	spin_unlock_irqrestore(&t->parked_lock, flags);
	queue_work(t->wq, &t->recovery);
}

u32 dmr_read_step(struct block_device *bdev)
{
	u32 physical = bdev_physical_block_size(bdev) >> SECTOR_SHIFT;

	return clamp_t(u32, physical, bdev_logical_block_size(bdev) >> SECTOR_SHIFT,
		       DMR_UNIT_SECTORS);
}

/* Where a run's valid copy is read; NULL where nothing may be read. */
static struct block_device *dmr_reader(struct dmr_target *t, const struct dmr_run *run, u64 sector,
				       u64 *from)
{
	switch (run->kind) {
	case DMR_MAIN:
	case DMR_PENDING:
		*from = sector;
		return t->main_bdev;
	case DMR_OWNED:
	case DMR_OWNED_PENDING:
		*from = run->spare_sector;
		return t->pair->bdev;
	default:
		return NULL;
	}
}

/* Reads one run of at most a unit where it belongs; true if it is a suspect failure. */
static bool dmr_run_fails(struct dmr_target *t, const struct dmr_run *run, u64 sector)
{
	struct block_device *bdev;
	blk_status_t status;
	u64 from;

	bdev = dmr_reader(t, run, sector, &from);
	if (!bdev)
		return false;
	status = dmr_bdev_io(bdev, &t->bios, REQ_OP_READ | REQ_NOMERGE, from, t->copy[0],
			     run->count << SECTOR_SHIFT);
	return dmr_suspect(status);
}

/* The sectors of a step that the map sees alike. */
static struct dmr_run dmr_step_run(struct dmr_target *t, u64 sector, u64 end)
{
	u32 step = dmr_read_step(t->main_bdev);
	u32 count = min_t(u64, end - sector, step - (sector & (step - 1)));

	return dmr_map_find(t->pair->meta.map, sector, count);
}

static bool dmr_out_of_patience(const struct dmr_note *note, unsigned long patience)
{
	return time_after(jiffies, note->when + patience);
}

/* Units of the note in which something does not read, without a fence. How many; the note advances. */
static u32 dmr_find_suspects(struct dmr_target *t, struct dmr_note *note,
			     u64 unit[DMR_FENCE_RANGES])
{
	u64 sector = round_down(note->sector, dmr_read_step(t->main_bdev));
	u64 end = note->sector + note->count;
	struct dmr_run run;
	u32 found = 0;

	while (sector < end && found < DMR_FENCE_RANGES &&
	       !dmr_out_of_patience(note, dmr_patience() / 2)) {
		run = dmr_step_run(t, sector, max(end, sector + 1));
		if ((run.kind == DMR_MAIN || run.kind == DMR_OWNED) &&
		    dmr_run_fails(t, &run, sector)) {
			unit[found++] = sector / DMR_UNIT_SECTORS;
			/* The rest of the unit is looked at behind the fence. */
			run.count = DMR_UNIT_SECTORS - sector % DMR_UNIT_SECTORS;
		}
		sector += run.count;
	}
	note->count = sector < end ? end - sector : 0;
	note->sector = sector;
	return found;
}

/* Behind the fence: which of the unit's valid sectors really do not read. */
static u8 dmr_confirm(struct dmr_target *t, const struct dmr_note *note, u64 unit)
{
	u64 sector = unit * DMR_UNIT_SECTORS;
	u64 end = min_t(u64, sector + DMR_UNIT_SECTORS, t->ti->len);
	struct dmr_run run;
	u8 bad = 0;

	for (; sector < end && !dmr_out_of_patience(note, dmr_patience()); sector += run.count) {
		run = dmr_step_run(t, sector, end);
		if ((run.kind == DMR_MAIN || run.kind == DMR_OWNED) &&
		    dmr_run_fails(t, &run, sector))
			bad |= dmr_mask(sector % DMR_UNIT_SECTORS, run.count);
	}
	return bad;
}

/*
 * One that was away for a moment has no bad sectors: asked before they are looked at, and after.
 * The spare in any case, for it has to keep the marks.
 */
static bool dmr_disks_answer(struct dmr_target *t, bool ask_main)
{
	if (ask_main && !dmr_main_answers(t)) {
		dmr_trip(t, false);
		return false;
	}
	return dmr_spare_answers(t->pair);
}

static bool dmr_any_on_main(struct dmr_pair *pair, const u64 *unit, u32 count)
{
	struct dmr_unit is;
	u32 i;

	for (i = 0; i < count; i++)
		if (!dmr_map_get(pair->meta.map, unit[i], &is) || is.owned != 0xff)
			return true;
	return false;
}

static void dmr_health_pending(struct dmr_pair *pair, const struct dmr_change *change, u32 count)
{
	const struct dmr_change *c;

	for (c = change; c < change + count; c++)
		if (c->fate == DMR_KEPT)
			dmr_health_note(pair, DMR_EVENT_PENDING, c->will.unit * DMR_UNIT_SECTORS,
					dmr_hweight8(c->will.pending & ~c->is.pending));
}

static void dmr_make_pending(struct dmr_target *t, const struct dmr_note *note, const u64 *unit,
			     u32 count)
{
	struct dmr_change change[DMR_FENCE_RANGES];
	struct dmr_unit room[2 * DMR_FENCE_RANGES];
	struct dmr_pair *pair = t->pair;
	bool ready = false;
	u8 bad, on_main = 0;
	u32 i;

	/* Again, for the drain may have taken its time. */
	if (!dmr_disks_answer(t, dmr_any_on_main(pair, unit, count)))
		return;
	for (i = 0; i < count; i++) {
		struct dmr_change *c = &change[i];

		dmr_change_begin(&pair->meta, c, unit[i]);
		bad = dmr_confirm(t, note, unit[i]);
		/* Of a unit with lost sectors all that is owned and pending is lost: what is read again is not. */
		if (c->is.lost)
			bad &= ~c->is.owned;
		if (!bad || c->is.doubt)
			continue;
		c->will.pending |= bad;
		c->fate = DMR_READY;
		ready = true;
		on_main |= bad & ~c->is.owned;
		/* A reserve for later writes; a slot of another pending unit is no gain. */
		if (c->is.slot == DMR_NO_SLOT && !dmr_take_free_slot(&pair->meta, c))
			c->fate = DMR_FAILED;
	}
	if (ready && !dmr_disks_answer(t, on_main))
		for (i = 0; i < count; i++)
			change[i].fate = DMR_FAILED;
	else if (ready)
		DMWARN_LIMIT("%s: main %s: unreadable sectors in %u units, the first at %llu: pending until rewritten",
			     t->name, t->main->name, count, unit[0] * DMR_UNIT_SECTORS);
	dmr_commit(&pair->meta, change, count, room);
	dmr_health_pending(pair, change, count);
}

/* So many units are cleared by one commit, then whoever waits for the worker is served. */
#define DMR_CLEARED_UNITS	64u

/*
 * Pending sectors that a reader got after all: they are as good as any. The batch is empty while a note is looked into,
 * and lends its room. The note advances.
 */
static void dmr_clear_pending(struct dmr_target *t, struct dmr_note *note)
{
	u64 end = note->sector + note->count;
	struct dmr_batch *room = t->batch;
	struct dmr_pair *pair = t->pair;
	u32 count, units = 0;

	for (; note->sector < end && units < DMR_CLEARED_UNITS; note->sector += count) {
		struct dmr_change *c = &room->change[units];
		u32 first = note->sector % DMR_UNIT_SECTORS;

		count = min_t(u64, end - note->sector, DMR_UNIT_SECTORS - first);
		dmr_change_begin(&pair->meta, c, note->sector / DMR_UNIT_SECTORS);
		if (c->is.lost || c->is.doubt || !(c->is.pending & dmr_mask(first, count)))
			continue;
		c->will.pending &= ~dmr_mask(first, count);
		c->fate = DMR_READY;
		units++;
	}
	note->count = end - note->sector;
	/* A commit that fails would freeze the map; the next read brings the note again. */
	if (units && !dmr_spare_answers(pair))
		note->count = 0;
	else if (units)
		dmr_commit(&pair->meta, room->change, units, room->unit);
}

bool dmr_look_into(struct dmr_target *t, struct dmr_note *note)
{
	struct dmr_pair *pair = t->pair;
	u64 unit[DMR_FENCE_RANGES];
	u32 count, i;

	if (READ_ONCE(pair->meta.frozen) || READ_ONCE(pair->meta.broken))
		return false;
	if (note->good) {
		/* As with failures: the next read brings it again. */
		if (dmr_out_of_patience(note, dmr_patience()))
			return false;
		mutex_lock(&pair->lock);
		dmr_clear_pending(t, note);
		dmr_unlock(t);
		return note->count;
	}
	if (READ_ONCE(t->breaker.tripped) || dmr_out_of_patience(note, dmr_patience() / 2))
		return false;
	count = dmr_find_suspects(t, note, unit);
	/* Asked before the fence, for one that takes its time to answer is to hold up nobody. */
	if (!count || !dmr_disks_answer(t, dmr_any_on_main(pair, unit, count)))
		return note->count;
	for (i = 0; i < count; i++)
		dmr_fence_add(t, unit[i] * DMR_UNIT_SECTORS, (unit[i] + 1) * DMR_UNIT_SECTORS);
	/* The next read that fails brings the note again. */
	if (!dmr_fence_up(t, note->when + dmr_patience()))
		return false;
	mutex_lock(&pair->lock);
	dmr_make_pending(t, note, unit, count);
	dmr_unlock(t);
	dmr_fence_down(t);
	return note->count;
}

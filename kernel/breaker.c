// SPDX-License-Identifier: GPL-2.0-only
/*
 * The breaker (C10): tells a bad unit from a dead disk, so that a dead disk consumes no slot.
 * Dead is a disk that no canary can be read from, or one that fails writes in many separate
 * places and takes none in between (write-protected ones still read).
 */
#include "dmr.h"

void dmr_breaker_init(struct dmr_breaker *b)
{
	spin_lock_init(&b->lock);
}

/* Linux reports most write failures of SAS and SATA disks as IOERR or TARGET, and an unplugged disk too. */
bool dmr_suspect(blk_status_t status)
{
	return status == BLK_STS_MEDIUM || status == BLK_STS_IOERR || status == BLK_STS_TARGET;
}

static bool dmr_runs_touch(const struct dmr_region_run *a, const struct dmr_region_run *b)
{
	return a->first <= b->last + 1 && b->first <= a->last + 1;
}

/* A run of neighbouring regions counts once: one scratch is one fault. Under b->lock. */
static void dmr_breaker_count(struct dmr_breaker *b, u64 region)
{
	struct dmr_region_run new = { region, region };
	unsigned int i = 0;

	/* Those that the new one touches become one with it. */
	while (i < b->runs) {
		struct dmr_region_run *run = &b->run[i];

		if (dmr_runs_touch(run, &new)) {
			new.first = min(new.first, run->first);
			new.last = max(new.last, run->last);
			*run = b->run[--b->runs];
		} else {
			i++;
		}
	}
	if (b->runs < DMR_BREAKER_REGIONS)
		b->run[b->runs++] = new;
}

void dmr_breaker_failed(struct dmr_target *t, u64 sector)
{
	struct dmr_breaker *b = &t->breaker;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	dmr_breaker_count(b, sector / DMR_BREAKER_REGION_SECTORS);
	if (!b->armed) {
		WRITE_ONCE(b->round, b->round + 1);
		b->late = false;
	}
	WRITE_ONCE(b->armed, true);
	spin_unlock_irqrestore(&b->lock, flags);
}

/* A write that was on its way when the disk died may come back well after others have failed: it proves nothing, but is worth a wait. */
void dmr_breaker_succeeded(struct dmr_target *t, u8 round)
{
	struct dmr_breaker *b = &t->breaker;
	bool proves = false;
	unsigned long flags;

	if (!READ_ONCE(b->armed))
		return;
	spin_lock_irqsave(&b->lock, flags);
	if (round != b->round && !b->tripped)
		b->late = true;
	if (b->armed && round == b->round) {
		b->runs = 0;
		b->proven = true;
		b->proven_at = get_jiffies_64();
		WRITE_ONCE(b->armed, false);
		proves = true;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	if (proves)
		wake_up(&t->evidence);
}

static bool dmr_canary_reads(struct dmr_target *t, u64 sector)
{
	unsigned int bytes = bdev_logical_block_size(t->main_bdev);

	sector = round_down(sector, bytes / DMR_SECTOR_SIZE);
	return !dmr_bdev_io(t->main_bdev, &t->bios, REQ_OP_READ, sector, t->scratch, bytes);
}

/* Is there any place that main still reads? Places differ from each other, not from call to call. */
bool dmr_main_answers(struct dmr_target *t)
{
	u64 block = bdev_logical_block_size(t->main_bdev) / DMR_SECTOR_SIZE;
	u64 last = t->ti->len - block;
	u8 *canary = &t->breaker.canary, first = READ_ONCE(*canary);
	unsigned int i, place;

	/* The one that read last comes first: a disk that dies slowly takes seconds for each that does not. */
	for (i = 0; i < DMR_CANARIES; i++) {
		place = (first + i) % DMR_CANARIES;
		if (dmr_canary_reads(t, div_u64(last, DMR_CANARIES - 1) * place)) {
			WRITE_ONCE(*canary, place);
			return true;
		}
	}
	return false;
}

/* The same for the spare: a dead one condemns no slot (C7). */
bool dmr_spare_answers(struct dmr_pair *pair)
{
	unsigned int i, copy, first = READ_ONCE(pair->probed);

	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		copy = (first + i) % DMR_SUPER_COPIES;
		if (!dmr_pair_io(pair, REQ_OP_READ, dmr_super_sector(copy), pair->probe,
				 DMR_BLOCK_SIZE)) {
			WRITE_ONCE(pair->probed, copy);
			return true;
		}
	}
	return false;
}

void dmr_trip(struct dmr_target *t, bool write_dead)
{
	struct dmr_breaker *b = &t->breaker;

	if (READ_ONCE(b->tripped))
		return;
	spin_lock_irq(&b->lock);
	b->write_dead = write_dead;
	WRITE_ONCE(b->tripped, true);
	/* What is on its way was sent before. */
	WRITE_ONCE(b->round, b->round + 1);
	b->late = false;
	spin_unlock_irq(&b->lock);
	dmr_health_note(t->pair, DMR_EVENT_TRIP, 0, 0);
	DMWARN("%s: main %s %s; nothing is relocated until it recovers", t->name, t->main->name,
	       write_dead ? "takes no writes any more" : "does not answer");
	queue_delayed_work(system_unbound_wq, &t->cool_down, DMR_BREAKER_COOL_DOWN);
	dmr_event(t);
}

enum dmr_opinion dmr_breaker_judge(struct dmr_target *t, bool last_chance)
{
	struct dmr_breaker *b = &t->breaker;
	enum dmr_opinion opinion;
	bool write_dead, held;

	if (READ_ONCE(b->tripped))
		return DMR_DISK_DEAD;

	spin_lock_irq(&b->lock);
	write_dead = b->runs >= DMR_BREAKER_REGIONS;
	held = write_dead && b->late && !last_chance;
	write_dead &= !held;
	if (!held && (!b->armed || last_chance ||
		      (b->proven &&
		       time_before64(get_jiffies_64(), b->proven_at + DMR_BREAKER_HOLD))))
		opinion = DMR_DISK_ALIVE;
	else
		opinion = DMR_DISK_UNSURE;
	spin_unlock_irq(&b->lock);

	if (write_dead || (opinion == DMR_DISK_ALIVE && !dmr_main_answers(t))) {
		dmr_trip(t, write_dead);
		return DMR_DISK_DEAD;
	}
	return opinion;
}

void dmr_breaker_reset(struct dmr_target *t)
{
	struct dmr_breaker *b = &t->breaker;

	spin_lock_irq(&b->lock);
	b->runs = 0;
	b->proven = false;
	WRITE_ONCE(b->armed, false);
	WRITE_ONCE(b->tripped, false);
	spin_unlock_irq(&b->lock);
}

void dmr_breaker_inherit(struct dmr_target *t, const struct dmr_target *from)
{
	const struct dmr_breaker *was = &from->breaker;
	struct dmr_breaker *b = &t->breaker;

	spin_lock_irq(&b->lock);
	b->write_dead = was->write_dead;
	b->runs = was->runs;
	memcpy(b->run, was->run, sizeof(b->run));
	b->proven = was->proven;
	b->proven_at = was->proven_at;
	WRITE_ONCE(b->armed, was->armed);
	WRITE_ONCE(b->tripped, was->tripped);
	spin_unlock_irq(&b->lock);
}

/*
 * After the cool-down a disk that reads is tried again. One that took no writes trips at the next
 * failure unless it has taken one before, so that trying costs no slots.
 */
void dmr_cool_down_fn(struct work_struct *work)
{
	struct dmr_target *t = container_of(to_delayed_work(work), struct dmr_target, cool_down);
	struct dmr_breaker *b = &t->breaker;

	if (!READ_ONCE(b->tripped))
		return;
	if (!dmr_main_answers(t)) {
		queue_delayed_work(system_unbound_wq, &t->cool_down, DMR_BREAKER_COOL_DOWN);
		return;
	}
	spin_lock_irq(&b->lock);
	if (!b->write_dead) {
		b->runs = 0;
		WRITE_ONCE(b->armed, false);
	}
	WRITE_ONCE(b->tripped, false);
	spin_unlock_irq(&b->lock);
	DMWARN("%s: main %s answers again", t->name, t->main->name);
	dmr_event(t);
}

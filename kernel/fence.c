// SPDX-License-Identifier: GPL-2.0-only
/*
 * Epochs: every bio counts in the epoch it was mapped in, until its first end_io or until it is
 * parked. A drain starts a new epoch and waits for the old one to empty, so it waits
 * for all bios mapped before it and for none that come later.
 * Fences keep new bios off the units that the worker copies (C18). They are found behind the filter bit.
 */
#include "dmr.h"

int dmr_epochs_init(struct dmr_target *t)
{
	mutex_init(&t->drain_lock);
	init_completion(&t->left);
	t->in_flight = alloc_percpu(struct dmr_in_flight);
	return t->in_flight ? 0 : -ENOMEM;
}

void dmr_epochs_exit(struct dmr_target *t)
{
	/* The last to leave may still be on its way out of dmr_epoch_leave(). */
	synchronize_rcu();
	free_percpu(t->in_flight);
}

/* Nobody enters the epoch any more, so what is read is never less than what is there. */
static bool dmr_epoch_empty(struct dmr_target *t, unsigned int epoch)
{
	long bios = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		bios += READ_ONCE(per_cpu_ptr(t->in_flight, cpu)->bios[epoch]);
	/* What they wrote is read after this: see dmr_epoch_leave(). */
	smp_rmb();
	return !bios;
}

/* By the clock: a wait that finds somebody gone already takes none of its time. */
static bool dmr_epoch_drains(struct dmr_target *t, unsigned int epoch, unsigned long begun,
			     unsigned long timeout)
{
	unsigned long spent, left = timeout;

	while (!dmr_epoch_empty(t, epoch)) {
		spent = jiffies - begun;
		if (timeout != MAX_SCHEDULE_TIMEOUT) {
			if (spent >= timeout)
				return false;
			left = timeout - spent;
		}
		wait_for_completion_timeout(&t->left, left);
	}
	return true;
}

bool dmr_drain_within(struct dmr_target *t, unsigned long timeout)
{
	unsigned long begun = jiffies;
	bool drained = false;
	unsigned int old;

	mutex_lock(&t->drain_lock);
	reinit_completion(&t->left);
	old = t->epoch;
	/* What an earlier drain gave up on is still in the epoch that is to be the next. */
	if (!dmr_epoch_empty(t, !old)) {
		WRITE_ONCE(t->draining[!old], true);
		synchronize_rcu();
		if (!dmr_epoch_drains(t, !old, begun, timeout))
			goto out;
		WRITE_ONCE(t->draining[!old], false);
	}
	WRITE_ONCE(t->draining[old], true);
	/* After a fence that was put up for this drain. */
	smp_store_release(&t->epoch, !old);
	/*
	 * A map() that read the old epoch has counted itself when this returns, and who left without
	 * being asked to report has taken himself off.
	 */
	synchronize_rcu();
	drained = dmr_epoch_drains(t, old, begun, timeout);
out:
	WRITE_ONCE(t->draining[0], false);
	WRITE_ONCE(t->draining[1], false);
	mutex_unlock(&t->drain_lock);
	return drained;
}

void dmr_drain(struct dmr_target *t)
{
	dmr_drain_within(t, MAX_SCHEDULE_TIMEOUT);
}

/*
 * Two fences take turns: while one is filled, a map() may still be reading the other, and the drain
 * of the one in between has waited for that.
 */
void dmr_fence_add(struct dmr_target *t, u64 first, u64 end)
{
	struct dmr_fence *fence = &t->fences[t->fence_turn];
	u64 sector;

	fence->range[fence->ranges].first = first;
	fence->range[fence->ranges].end = end;
	fence->ranges++;
	for (sector = first; sector < end; sector += DMR_UNIT_SECTORS)
		dmr_filter_mark(t->filter, sector);
}

void dmr_fence_down(struct dmr_target *t)
{
	/* After what was published behind it: who finds no fence finds the new map. */
	smp_store_release(&t->fence, NULL);
	t->fence_turn = !t->fence_turn;
	t->fences[t->fence_turn].ranges = 0;
}

bool dmr_fence_up(struct dmr_target *t, unsigned long until)
{
	unsigned long now = jiffies;

	rcu_assign_pointer(t->fence, &t->fences[t->fence_turn]);
	/* The drain publishes the next epoch after the fence: who takes it sees the fence. */
	if (dmr_drain_within(t, time_before(now, until) ? until - now : 0))
		return true;
	dmr_fence_down(t);
	return false;
}

u32 dmr_fence_check(const struct dmr_fence *fence, u64 sector, u32 count, bool *wait)
{
	u64 end = sector + count;
	u32 i;

	*wait = false;
	for (i = 0; i < fence->ranges; i++) {
		u64 first = fence->range[i].first, last = fence->range[i].end;

		if (first >= end || last <= sector)
			continue;
		if (first <= sector) {
			*wait = true;
			return min(end, last) - sector;
		}
		end = first;
	}
	return end - sector;
}

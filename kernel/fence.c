// SPDX-License-Identifier: GPL-2.0-only
/*
 * Epochs: every bio holds a reference on the epoch it was mapped in, until its first end_io or
 * until it is parked. A drain starts a new epoch and waits for the old one to empty, so it waits
 * for all bios mapped before it and for none that come later.
 * Fences keep new bios off the units that the worker copies (C18). They are found behind the filter bit.
 */
#include "dmr.h"

static void dmr_epoch0_release(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct dmr_target, epochs[0])->drained[0]);
}

static void dmr_epoch1_release(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct dmr_target, epochs[1])->drained[1]);
}

int dmr_epochs_init(struct dmr_target *t)
{
	int r;

	mutex_init(&t->drain_lock);
	init_completion(&t->drained[0]);
	init_completion(&t->drained[1]);
	r = percpu_ref_init(&t->epochs[0], dmr_epoch0_release, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (r)
		return r;
	r = percpu_ref_init(&t->epochs[1], dmr_epoch1_release, PERCPU_REF_INIT_DEAD, GFP_KERNEL);
	if (r) {
		percpu_ref_exit(&t->epochs[0]);
		return r;
	}
	rcu_assign_pointer(t->epoch, &t->epochs[0]);
	return 0;
}

void dmr_epochs_exit(struct dmr_target *t)
{
	percpu_ref_exit(&t->epochs[1]);
	percpu_ref_exit(&t->epochs[0]);
}

void dmr_drain(struct dmr_target *t)
{
	struct percpu_ref *old;
	int next;

	mutex_lock(&t->drain_lock);
	old = rcu_dereference_protected(t->epoch, lockdep_is_held(&t->drain_lock));
	next = old == &t->epochs[0];
	percpu_ref_reinit(&t->epochs[next]);
	reinit_completion(&t->drained[!next]);
	rcu_assign_pointer(t->epoch, &t->epochs[next]);
	/* A map() that read the old epoch has taken its reference when this returns. */
	synchronize_rcu();
	percpu_ref_kill(old);
	wait_for_completion(&t->drained[!next]);
	mutex_unlock(&t->drain_lock);
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

void dmr_fence_up(struct dmr_target *t)
{
	rcu_assign_pointer(t->fence, &t->fences[t->fence_turn]);
	/* The drain publishes the next epoch after the fence: who takes it sees the fence. */
	dmr_drain(t);
}

void dmr_fence_down(struct dmr_target *t)
{
	rcu_assign_pointer(t->fence, NULL);
	t->fence_turn = !t->fence_turn;
	t->fences[t->fence_turn].ranges = 0;
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

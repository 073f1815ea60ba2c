// SPDX-License-Identifier: GPL-2.0-only
/*
 * Epochs: every bio holds a reference on the epoch it was mapped in, until its first end_io or
 * until it is parked. A drain starts a new epoch and waits for the old one to empty, so it waits
 * for all bios mapped before it and for none that come later.
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

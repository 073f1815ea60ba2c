// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap-faulty: power switches. All devices on a switch are off from one store on: no bio of any of
 * them ends well after it. What each one's cache loses is worked out afterwards, one by one.
 */
#include <linux/slab.h>
#include "faulty.h"

static LIST_HEAD(dmrf_powers);
static DEFINE_MUTEX(dmrf_powers_lock);
static struct workqueue_struct *dmrf_power_wq;

/* Process context: end what waits, let what the device below has come to rest, then lose the cache. */
static void dmrf_power_lose(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed)
{
	dmrf_fail_parked(d, BLK_STS_IOERR);
	wait_event(d->waitq, !atomic_read(&d->below));
	dmrf_cache_cut(d, mode, seed);
}

static void dmrf_power_work(struct work_struct *work)
{
	struct dmrf_power *p = container_of(work, struct dmrf_power, work);
	struct dmrf *d;

	mutex_lock(&p->members_lock);
	list_for_each_entry(d, &p->members, power_member)
		dmrf_power_lose(d, p->mode, p->seed);
	mutex_unlock(&p->members_lock);
}

static struct dmrf_power *dmrf_power_find(const char *name)
{
	struct dmrf_power *p;

	if (!*name)
		return NULL;
	list_for_each_entry(p, &dmrf_powers, list)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static struct dmrf_power *dmrf_power_new(const char *name, bool off)
{
	struct dmrf_power *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	strscpy(p->name, name, sizeof(p->name));
	p->off = off;
	spin_lock_init(&p->lock);
	mutex_init(&p->members_lock);
	INIT_LIST_HEAD(&p->members);
	INIT_WORK(&p->work, dmrf_power_work);
	list_add(&p->list, &dmrf_powers);
	return p;
}

int dmrf_power_join(struct dmrf *d)
{
	struct dmrf_power *p;

	mutex_lock(&dmrf_powers_lock);
	p = dmrf_power_find(d->power_name);
	if (!p)
		p = dmrf_power_new(d->power_name, d->start_off);
	if (p) {
		p->users++;
		mutex_lock(&p->members_lock);
		list_add_tail(&d->power_member, &p->members);
		mutex_unlock(&p->members_lock);
		d->power = p;
	}
	mutex_unlock(&dmrf_powers_lock);
	return p ? 0 : -ENOMEM;
}

void dmrf_power_leave(struct dmrf *d)
{
	struct dmrf_power *p = d->power;
	bool last;

	if (!p)
		return;
	mutex_lock(&dmrf_powers_lock);
	mutex_lock(&p->members_lock);
	list_del(&d->power_member);
	mutex_unlock(&p->members_lock);
	last = !--p->users;
	if (last)
		list_del(&p->list);
	mutex_unlock(&dmrf_powers_lock);
	if (!last)
		return;
	cancel_work_sync(&p->work);
	mutex_destroy(&p->members_lock);
	kfree(p);
}

void dmrf_power_trip(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed)
{
	struct dmrf_power *p = d->power;

	spin_lock(&p->lock);
	if (!p->off) {
		p->mode = mode;
		p->seed = seed;
		WRITE_ONCE(p->off, true);
		queue_work(dmrf_power_wq, &p->work);
	}
	spin_unlock(&p->lock);
}

void dmrf_power_settle(struct dmrf *d)
{
	flush_work(&d->power->work);
}

void dmrf_power_restore(struct dmrf *d)
{
	struct dmrf_power *p = d->power;

	dmrf_power_settle(d);
	spin_lock(&p->lock);
	WRITE_ONCE(p->off, false);
	spin_unlock(&p->lock);
}

int dmrf_power_init(void)
{
	dmrf_power_wq = alloc_workqueue("remap_faulty", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return dmrf_power_wq ? 0 : -ENOMEM;
}

void dmrf_power_exit(void)
{
	destroy_workqueue(dmrf_power_wq);
}

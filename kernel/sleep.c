// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hibernation (C23). The kernel that takes an image goes on and writes it, perhaps through us; another one is booted
 * to read it; either may change a pair that the image's memory believes to know. So before an image is taken
 * every pair falls asleep: its worker rests, new I/O is parked, none is on its way, and its session ends.
 * Who goes on without the image wakes up at once; who wakes up in it reads the superblocks first.
 */
#include <linux/platform_device.h>
#include <linux/suspend.h>

#include "dmr.h"

/* As long as the kernel waits for tasks to freeze. */
#define DMR_SLEEP_PATIENCE	(20 * HZ)

/* Every sector is filtered out and behind a fence: nothing that bios read on their way is added for this. */
static unsigned long dmr_all_bits = ~0UL;

static const struct dmr_filter dmr_everything = {
	.bits = &dmr_all_bits,
	.region_shift = 63,
	.sectors = ~0ULL,
};

static struct dmr_fence dmr_everywhere = {
	.ranges = 1,
	.range[0].end = ~0ULL,
};

/* Written by the power management's one task, with user space frozen. */
static bool dmr_hibernates;
static bool dmr_restored;

static void dmr_tell_stale(struct dmr_target *t, int why)
{
	DMERR("%s: %s spare %s while this system was hibernated (%d): all I/O fails, the map in memory is not that of the disk",
	      t->name, why == -ESTALE ? "something has changed" : "it cannot be told who used",
	      t->spare->name, why);
	dmr_event(t);
}

void dmr_sleep_recheck(struct dmr_target *t)
{
	struct dmr_pair *pair = t->pair;
	int r;

	if (!pair->unchecked)
		return;
	r = dmr_recheck(&pair->meta);
	if (r) {
		WRITE_ONCE(pair->meta.broken, true);
		rcu_read_lock();
		dmr_filter_mark_all(dmr_map_filter(pair->meta.map));
		rcu_read_unlock();
		dmr_tell_stale(t, r);
	}
	/* With dmr_holds(), which looks at `broken` next. */
	smp_store_release(&pair->unchecked, false);
}

void dmr_sleep_end(struct dmr_target *t)
{
	if (!t->dozing)
		return;
	rcu_read_lock();
	/* After the filter of a broken map was marked. */
	smp_store_release(&t->filter, dmr_map_filter(t->pair->meta.map));
	rcu_read_unlock();
	/* With dmr_map_run(), which looks at `broken` when it has found no fence. */
	smp_store_release(&t->fence, NULL);
	WRITE_ONCE(t->dozing, false);
}

bool dmr_awake(struct dmr_target *t)
{
	if (READ_ONCE(t->pair->asleep))
		return false;
	if (!READ_ONCE(t->dozing))
		return true;
	mutex_lock(&t->pair->lock);
	dmr_sleep_recheck(t);
	dmr_sleep_end(t);
	dmr_unlock(t);
	return true;
}

/* Nothing of ours is to be on its way when the image is taken: it would be written a second time, much later. */
static bool dmr_doze(struct dmr_target *t)
{
	if (!wait_event_timeout(t->evidence, !READ_ONCE(t->busy), DMR_SLEEP_PATIENCE)) {
		DMERR("%s: no hibernation: recovery is not done", t->name);
		return false;
	}
	WRITE_ONCE(t->dozing, true);
	/* All three are seen by who enters the epoch that the drain begins. */
	WRITE_ONCE(t->filter, &dmr_everything);
	rcu_assign_pointer(t->fence, &dmr_everywhere);
	if (!dmr_drain_within(t, DMR_SLEEP_PATIENCE)) {
		DMERR("%s: no hibernation: I/O to %s or %s does not end", t->name, t->main->name,
		      t->spare->name);
		return false;
	}
	return true;
}

static bool dmr_fall_asleep(struct dmr_pair *pair)
{
	struct dmr_target *t;

	WRITE_ONCE(pair->asleep, true);
	smp_mb(); /* with the one in dmr_recover() */
	list_for_each_entry(t, &pair->targets, link)
		if (!dmr_doze(t))
			return false;
	mutex_lock(&pair->lock);
	dmr_session_end(&pair->meta);
	mutex_unlock(&pair->lock);
	return true;
}

static bool dmr_wake_up(struct dmr_pair *pair)
{
	struct dmr_target *t;

	if (!pair->asleep)
		return true;
	mutex_lock(&pair->lock);
	if (dmr_restored)
		WRITE_ONCE(pair->unchecked, true);
	mutex_unlock(&pair->lock);
	WRITE_ONCE(pair->asleep, false);
	/* Reading may take long, and must not keep user space from helping. A suspended pair is read at its resume. */
	list_for_each_entry(t, &pair->targets, link)
		if (READ_ONCE(t->resumed))
			queue_work(t->wq, &t->recovery);
	return true;
}

/* User space is frozen, all disks still work; a suspend to memory needs nothing of this. */
static int dmr_pm_prepare(struct device *dev)
{
	dmr_restored = false;
	if (!dmr_hibernates || dmr_pairs_each(dmr_fall_asleep))
		return 0;
	dmr_pairs_each(dmr_wake_up);
	return -EBUSY;
}

/* Called in a memory that comes from an image, and there only. */
static int dmr_pm_restore(struct device *dev)
{
	dmr_restored = true;
	return 0;
}

/* All disks work again. */
static void dmr_pm_complete(struct device *dev)
{
	dmr_pairs_each(dmr_wake_up);
}

static const struct dev_pm_ops dmr_pm_ops = {
	.prepare = dmr_pm_prepare,
	.restore = dmr_pm_restore,
	.complete = dmr_pm_complete,
};

static struct platform_driver dmr_pm_driver = {
	.driver = {
		.name = "dm-remap",
		.pm = &dmr_pm_ops,
	},
};

static struct platform_device *dmr_pm_device;

/* prepare() is not told what for. */
static int dmr_pm_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event == PM_HIBERNATION_PREPARE || event == PM_RESTORE_PREPARE)
		dmr_hibernates = true;
	else if (event == PM_POST_HIBERNATION || event == PM_POST_RESTORE)
		dmr_hibernates = false;
	return NOTIFY_DONE;
}

static struct notifier_block dmr_pm_notifier = { .notifier_call = dmr_pm_notify };

int dmr_sleep_init(void)
{
	int r = platform_driver_register(&dmr_pm_driver);

	if (r)
		return r;
	dmr_pm_device = platform_device_register_simple("dm-remap", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(dmr_pm_device)) {
		r = PTR_ERR(dmr_pm_device);
		goto bad_driver;
	}
	r = register_pm_notifier(&dmr_pm_notifier);
	if (r)
		goto bad_device;
	return 0;

bad_device:
	platform_device_unregister(dmr_pm_device);
bad_driver:
	platform_driver_unregister(&dmr_pm_driver);
	return r;
}

void dmr_sleep_exit(void)
{
	unregister_pm_notifier(&dmr_pm_notifier);
	platform_device_unregister(dmr_pm_device);
	platform_driver_unregister(&dmr_pm_driver);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the optional history of errors (health.c) hangs on to pairs. A pair that has one keeps the
 * history's module until it is freed, so it never goes away under anybody.
 */
#include <linux/module.h>

#include "dmr.h"

static DEFINE_MUTEX(dmr_health_lock);
static const struct dmr_health_ops *dmr_health_ops;	/* under the lock; NULL: not loaded */

void dmr_health_register(const struct dmr_health_ops *ops)
{
	mutex_lock(&dmr_health_lock);
	dmr_health_ops = ops;
	mutex_unlock(&dmr_health_lock);
}

void dmr_health_attach(struct dmr_pair *pair)
{
	mutex_lock(&dmr_health_lock);
	if (dmr_health_ops && try_module_get(dmr_health_ops->owner)) {
		pair->health = dmr_health_ops->create();
		pair->health_ops = dmr_health_ops;
		if (!pair->health)
			module_put(dmr_health_ops->owner);
	}
	mutex_unlock(&dmr_health_lock);
}

void dmr_health_detach(struct dmr_pair *pair)
{
	if (!pair->health)
		return;
	pair->health_ops->destroy(pair->health);
	module_put(pair->health_ops->owner);
}

void dmr_health_note(struct dmr_pair *pair, enum dmr_event event, u64 sector, u32 count)
{
	if (pair->health)
		pair->health_ops->note(pair->health, event, sector, count);
}

bool dmr_health_report(const struct dmr_target *t, char *result, unsigned int maxlen)
{
	const struct dmr_pair *pair = t->pair;

	if (!pair->health)
		return false;
	pair->health_ops->report(pair->health, t, result, maxlen);
	return true;
}

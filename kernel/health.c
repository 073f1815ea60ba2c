// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of a pair's errors (core/history.c), and what `message health` prints: state and
 * breaker, then the history. It decides nothing.
 */
#include <linux/module.h>
#include <linux/timekeeping.h>

#include "dmr.h"

struct dmr_health {
	spinlock_t lock;		/* irq-safe */
	struct dmr_history history;	/* by the seconds since boot */
};

static u32 dmr_health_now(void)
{
	return ktime_get_boottime_seconds();
}

static struct dmr_health *dmr_health_create(void)
{
	struct dmr_health *health = kvzalloc(sizeof(*health), GFP_KERNEL);

	if (health) {
		spin_lock_init(&health->lock);
		dmr_history_init(&health->history, dmr_health_now());
	}
	return health;
}

static void dmr_health_destroy(struct dmr_health *health)
{
	kvfree(health);
}

static void dmr_health_take(struct dmr_health *health, enum dmr_event event, u64 sector, u32 count)
{
	unsigned long flags;

	spin_lock_irqsave(&health->lock, flags);
	dmr_history_add(&health->history, dmr_health_now(), event, sector, count);
	spin_unlock_irqrestore(&health->lock, flags);
}

static unsigned int dmr_health_print_state(const struct dmr_target *t, char *result,
					   unsigned int maxlen)
{
	const struct dmr_breaker *b = &t->breaker;
	struct dmr_status status;

	dmr_target_status(t, &status);
	return scnprintf(result, maxlen,
			 "state %s\nbreaker %s\nfailing_regions %u\nfree_slots %llu\nowned_sectors %llu\npending_sectors %llu\nbad_slots %llu\nwrite_errors %llu\nread_errors %llu\nspare_errors %llu\nmetadata_errors %llu\n",
			 dmr_state_word(status.state),
			 !READ_ONCE(b->tripped)	    ? "closed"
			 : READ_ONCE(b->write_dead) ? "no_writes"
						    : "no_answer",
			 READ_ONCE(b->runs), dmr_spare_free(t->pair->meta.slots), status.owned,
			 status.pending, status.bad_slots, status.counters.write_errors,
			 status.counters.read_errors, status.counters.spare_errors,
			 status.counters.metadata_errors);
}

static void dmr_health_tell(struct dmr_health *health, const struct dmr_target *t, char *result,
			    unsigned int maxlen)
{
	unsigned int n = dmr_health_print_state(t, result, maxlen);

	spin_lock_irq(&health->lock);
	dmr_history_format(&health->history, dmr_health_now(), result + n, maxlen - n);
	spin_unlock_irq(&health->lock);
}

static const struct dmr_health_ops dmr_health_history = {
	.owner = THIS_MODULE,
	.create = dmr_health_create,
	.destroy = dmr_health_destroy,
	.note = dmr_health_take,
	.report = dmr_health_tell,
};

void dmr_health_init(void)
{
	dmr_health_register(&dmr_health_history);
}

void dmr_health_exit(void)
{
	dmr_health_register(NULL);
}

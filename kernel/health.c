// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of a pair's errors, and what `message health` prints: state, breaker, how much has
 * failed and moved within the last hour, day and week, and the last errors. It decides nothing.
 */
#include <linux/module.h>
#include <linux/timekeeping.h>

#include "dmr.h"

#define DMR_HEALTH_STEP		600u			/* seconds: the windows are right to ten minutes */
#define DMR_HEALTH_STEPS	(7u * 24 * 6)		/* a week of them */
#define DMR_HEALTH_LAST		16u			/* errors that are told one by one */

struct dmr_health_error {
	time64_t when;			/* seconds since boot */
	u64 sector;
	u32 count;
	enum dmr_health_event event;
};

struct dmr_health {
	spinlock_t lock;		/* irq-safe; guards all of it */
	u64 step;			/* since boot: the newest of the ring */
	u32 ring[DMR_HEALTH_STEPS][DMR_HEALTH_EVENTS];
	struct dmr_health_error last[DMR_HEALTH_LAST];
	u64 errors;			/* in all; the newest is last[(errors - 1) % DMR_HEALTH_LAST] */
};

static const char *const dmr_health_words[DMR_HEALTH_EVENTS] = {
	[DMR_HEALTH_READ_ERROR] = "read_errors",
	[DMR_HEALTH_WRITE_ERROR] = "write_errors",
	[DMR_HEALTH_SPARE_ERROR] = "spare_errors",
	[DMR_HEALTH_RELOCATED] = "relocated_sectors",
	[DMR_HEALTH_PENDING] = "new_pending_sectors",
	[DMR_HEALTH_TRIP] = "trips",
};

static const char *const dmr_health_error_words[DMR_HEALTH_EVENTS] = {
	[DMR_HEALTH_READ_ERROR] = "read",
	[DMR_HEALTH_WRITE_ERROR] = "write",
	[DMR_HEALTH_SPARE_ERROR] = "spare",
};

static const struct {
	const char *word;
	u32 steps;
} dmr_health_windows[] = {
	{ "1h", 6 },
	{ "24h", 24 * 6 },
	{ "7d", DMR_HEALTH_STEPS },
};

static struct dmr_health *dmr_health_create(void)
{
	struct dmr_health *health = kvzalloc(sizeof(*health), GFP_KERNEL);

	if (health) {
		spin_lock_init(&health->lock);
		health->step = div_u64(ktime_get_boottime_seconds(), DMR_HEALTH_STEP);
	}
	return health;
}

static void dmr_health_destroy(struct dmr_health *health)
{
	kvfree(health);
}

/* Empties the steps between the last event and now. Under the lock. */
static u32 *dmr_health_now(struct dmr_health *health, time64_t now)
{
	u64 step = div_u64(now, DMR_HEALTH_STEP);
	u32 at;

	if (step - health->step > DMR_HEALTH_STEPS)
		health->step = step - DMR_HEALTH_STEPS;
	do {
		div_u64_rem(health->step, DMR_HEALTH_STEPS, &at);
		if (health->step == step)
			break;
		health->step++;
		div_u64_rem(health->step, DMR_HEALTH_STEPS, &at);
		memset(health->ring[at], 0, sizeof(health->ring[at]));
	} while (health->step < step);
	return health->ring[at];
}

static void dmr_health_take(struct dmr_health *health, enum dmr_health_event event, u64 sector,
			    u32 count)
{
	time64_t now = ktime_get_boottime_seconds();
	bool sectors = event == DMR_HEALTH_RELOCATED || event == DMR_HEALTH_PENDING;
	unsigned long flags;

	spin_lock_irqsave(&health->lock, flags);
	dmr_health_now(health, now)[event] += sectors ? count : 1;
	if (dmr_health_error_words[event])
		health->last[health->errors++ % DMR_HEALTH_LAST] =
			(struct dmr_health_error){ now, sector, count, event };
	spin_unlock_irqrestore(&health->lock, flags);
}

/* How much of it in the newest `steps` steps. Under the lock. */
static u64 dmr_health_sum(const struct dmr_health *health, enum dmr_health_event event, u32 steps)
{
	u64 sum = 0;
	u32 at, i;

	div_u64_rem(health->step, DMR_HEALTH_STEPS, &at);
	for (i = 0; i < steps; i++) {
		sum += health->ring[at][event];
		at = (at ?: DMR_HEALTH_STEPS) - 1;
	}
	return sum;
}

static unsigned int dmr_health_print_windows(struct dmr_health *health, char *result,
					     unsigned int maxlen)
{
	unsigned int event, w, n = 0;

	dmr_health_now(health, ktime_get_boottime_seconds());
	for (event = 0; event < DMR_HEALTH_EVENTS; event++)
		for (w = 0; w < ARRAY_SIZE(dmr_health_windows); w++)
			n += scnprintf(result + n, maxlen - n, "%s_%s %llu\n",
				       dmr_health_words[event], dmr_health_windows[w].word,
				       dmr_health_sum(health, event, dmr_health_windows[w].steps));
	return n;
}

/* The newest first. */
static unsigned int dmr_health_print_last(const struct dmr_health *health, char *result,
					  unsigned int maxlen)
{
	time64_t now = ktime_get_boottime_seconds();
	u64 left = min_t(u64, health->errors, DMR_HEALTH_LAST), i;
	unsigned int n = 0;

	for (i = 1; i <= left; i++) {
		const struct dmr_health_error *error =
			&health->last[(health->errors - i) % DMR_HEALTH_LAST];

		n += scnprintf(result + n, maxlen - n, "error %lld %s %llu %u\n",
			       now - error->when, dmr_health_error_words[error->event],
			       error->sector, error->count);
	}
	return n;
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
			 status.state != DMR_TRIPPED	   ? "closed"
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
	n += dmr_health_print_windows(health, result + n, maxlen - n);
	dmr_health_print_last(health, result + n, maxlen - n);
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

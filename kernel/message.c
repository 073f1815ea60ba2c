// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages (`dmsetup message`): one function for each verb. Device-mapper passes no text with an
 * error, so the reason goes to the kernel log. An answer never fills its buffer, for
 * device-mapper would then ask again with a larger one.
 */
#include "dmr.h"

#define DMR_LINE_ROOM	96u	/* the longest line of a list, and its "next" */

typedef int (*dmr_message_fn)(struct dmr_target *t, const struct dmr_message *m, char *result,
			      unsigned int maxlen);

static int dmr_message_no(struct dmr_target *t, int error, const char *why)
{
	DMWARN("%s: message refused: %s", t->name, why);
	return error;
}

static int dmr_msg_help(struct dmr_target *t, const struct dmr_message *m, char *result,
			unsigned int maxlen)
{
	scnprintf(result, maxlen, "%s", dmr_message_help());
	return 1;
}

static const char *dmr_list_word(enum dmr_kind kind)
{
	switch (kind) {
	case DMR_OWNED:
		return DMR_LIST_OWNED;
	case DMR_LOST:
	case DMR_DOUBT:	/* no I/O until the next activation finds out */
		return DMR_LIST_LOST;
	default:
		return DMR_LIST_PENDING;
	}
}

static int dmr_msg_list(struct dmr_target *t, const struct dmr_message *m, char *result,
			unsigned int maxlen)
{
	unsigned long deadline = jiffies + HZ;
	u64 sector = m->sector, end = t->ti->len;
	struct dmr_run run;
	unsigned int n = 0;
	bool found;

	result[0] = '\0';
	for (;;) {
		found = dmr_map_next(t->pair->meta.map, &sector, end, &run);
		if (!found)
			break;
		if (n + DMR_LINE_ROOM >= maxlen || time_after(jiffies, deadline)) {
			scnprintf(result + n, maxlen - n, DMR_LIST_NEXT " %llu\n", sector);
			break;
		}
		n += scnprintf(result + n, maxlen - n, "%llu %u %s %llu\n", sector, run.count,
			       dmr_list_word(run.kind), run.spare_sector);
		sector += run.count;
		cond_resched();
	}
	return 1;
}

static int dmr_msg_stats(struct dmr_target *t, const struct dmr_message *m, char *result,
			 unsigned int maxlen)
{
	struct dmr_status status;

	dmr_target_status(t, &status);
	dmr_stats_format(&status, result, maxlen);
	return 1;
}

static int dmr_msg_stats_clear(struct dmr_target *t, const struct dmr_message *m, char *result,
			       unsigned int maxlen)
{
	struct dmr_pair *pair = t->pair;
	int cpu;

	atomic64_set(&pair->read_errors, 0);
	atomic64_set(&pair->write_errors, 0);
	atomic64_set(&pair->spare_errors, 0);
	WRITE_ONCE(pair->meta.errors, 0);
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(pair->hits, cpu), 0, sizeof(struct dmr_hits));
	scnprintf(result, maxlen, "counters cleared\n");
	return 1;
}

/* Under both locks. */
static int dmr_grow_locked(struct dmr_target *t)
{
	struct dmr_pair *pair = t->pair;
	u32 segments = dmr_segments_for(dmr_bdev_sectors(pair->bdev));

	/* C15: before anything is read. */
	if (!t->resumed)
		return dmr_message_no(t, -EBUSY, "grow: the device is suspended");
	dmr_sleep_recheck(t);
	if (pair->meta.frozen || pair->meta.broken)
		return dmr_message_no(t, -EIO, "grow: the map is frozen");
	if (segments < pair->meta.super->segments)
		return dmr_message_no(t, -EINVAL, "grow: the spare is shorter than its superblock says");
	return segments > pair->meta.super->segments ? dmr_grow(&pair->meta, segments) : 0;
}

static int dmr_msg_grow(struct dmr_target *t, const struct dmr_message *m, char *result,
			unsigned int maxlen)
{
	struct dmr_pair *pair = t->pair;
	int r;

	mutex_lock(&t->request_lock);
	mutex_lock(&pair->lock);
	r = dmr_grow_locked(t);
	if (!r)
		scnprintf(result, maxlen, "%llu slots\n", dmr_spare_slots(pair->meta.slots));
	dmr_unlock(t);
	mutex_unlock(&t->request_lock);
	return r ?: 1;
}

static int dmr_msg_resume_auto(struct dmr_target *t, const struct dmr_message *m, char *result,
			       unsigned int maxlen)
{
	bool tripped = READ_ONCE(t->breaker.tripped);

	cancel_delayed_work(&t->cool_down);
	dmr_breaker_reset(t);
	if (tripped)
		dmr_event(t);
	scnprintf(result, maxlen, "%s\n", tripped ? "relocating again" : "was not tripped");
	return 1;
}

static int dmr_msg_request(struct dmr_target *t, const struct dmr_message *m, char *result,
			   unsigned int maxlen)
{
	return dmr_request(t, m, result, maxlen);
}

static int dmr_msg_health(struct dmr_target *t, const struct dmr_message *m, char *result,
			  unsigned int maxlen)
{
	if (!dmr_health_report(t, result, maxlen))
		return dmr_message_no(t, -EINVAL,
				      "health: the module dm-remap-health was not loaded when the device was created");
	return 1;
}

static const dmr_message_fn dmr_message_fns[DMR_VERBS] = {
	[DMR_VERB_HELP] = dmr_msg_help,
	[DMR_VERB_REMAP] = dmr_msg_request,
	[DMR_VERB_UNREMAP] = dmr_msg_request,
	[DMR_VERB_RETEST] = dmr_msg_request,
	[DMR_VERB_HEALTH] = dmr_msg_health,
	[DMR_VERB_LIST] = dmr_msg_list,
	[DMR_VERB_STATS] = dmr_msg_stats,
	[DMR_VERB_STATS_CLEAR] = dmr_msg_stats_clear,
	[DMR_VERB_GROW] = dmr_msg_grow,
	[DMR_VERB_RESUME_AUTO] = dmr_msg_resume_auto,
};

int dmr_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		unsigned int maxlen)
{
	struct dmr_target *t = ti->private;
	char error[DMR_ERROR_SIZE];
	struct dmr_message m;

	if (!dmr_message_parse(argc, argv, ti->len, &m, error))
		return dmr_message_no(t, -EINVAL, error);
	return dmr_message_fns[m.verb](t, &m, result, maxlen);
}

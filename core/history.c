// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * The history of errors: a ring of ten-minute steps with a count for each kind of event, and a ring of
 * the last errors.
 */
#include "history.h"

static const struct {
	const char *word;	/* of the counts */
	const char *error;	/* of the single error; NULL: it is none */
	bool sectors;		/* counted in sectors */
} dmr_events[DMR_EVENTS] = {
	[DMR_EVENT_READ_ERROR] = { "read_errors", "read", false },
	[DMR_EVENT_WRITE_ERROR] = { "write_errors", "write", false },
	[DMR_EVENT_SPARE_ERROR] = { "spare_errors", "spare", false },
	[DMR_EVENT_RELOCATED] = { "relocated_sectors", NULL, true },
	[DMR_EVENT_PENDING] = { "new_pending_sectors", NULL, true },
	[DMR_EVENT_TRIP] = { "trips", NULL, false },
};

static const struct {
	const char *word;
	u32 steps;
} dmr_windows[] = {
	{ "1h", 6 },
	{ "24h", 24 * 6 },
	{ "7d", DMR_HISTORY_STEPS },
};

void dmr_history_init(struct dmr_history *history, u32 now)
{
	history->step = now / DMR_HISTORY_STEP;
}

/* Empties the steps between the last event and now. */
static u32 *dmr_history_now(struct dmr_history *history, u32 now)
{
	u32 step = now / DMR_HISTORY_STEP;

	if (step > history->step && step - history->step > DMR_HISTORY_STEPS)
		history->step = step - DMR_HISTORY_STEPS;
	while (history->step < step) {
		history->step++;
		memset(history->ring[history->step % DMR_HISTORY_STEPS], 0,
		       sizeof(history->ring[0]));
	}
	return history->ring[history->step % DMR_HISTORY_STEPS];
}

void dmr_history_add(struct dmr_history *history, u32 now, enum dmr_event event, u64 sector,
		     u32 count)
{
	dmr_history_now(history, now)[event] += dmr_events[event].sectors ? count : 1;
	if (dmr_events[event].error)
		history->last[history->errors++ % DMR_HISTORY_LAST] =
			(struct dmr_history_error){ now, sector, count, event };
}

/* The newest `steps` steps. */
static u64 dmr_history_sum(const struct dmr_history *history, unsigned int event, u32 steps)
{
	u32 at = history->step % DMR_HISTORY_STEPS, i;
	u64 sum = 0;

	for (i = 0; i < steps; i++) {
		sum += history->ring[at][event];
		at = (at ? at : DMR_HISTORY_STEPS) - 1;
	}
	return sum;
}

static unsigned int dmr_history_format_last(const struct dmr_history *history, u32 now, char *text,
					    size_t size)
{
	u32 left = history->errors < DMR_HISTORY_LAST ? history->errors : DMR_HISTORY_LAST, i;
	unsigned int n = 0;

	for (i = 1; i <= left; i++) {
		const struct dmr_history_error *error =
			&history->last[(history->errors - i) % DMR_HISTORY_LAST];

		n += scnprintf(text + n, size - n, "error %u %s %llu %u\n", now - error->when,
			       dmr_events[error->event].error, error->sector, error->count);
	}
	return n;
}

unsigned int dmr_history_format(struct dmr_history *history, u32 now, char *text, size_t size)
{
	unsigned int event, w, n = 0;

	dmr_history_now(history, now);
	for (event = 0; event < DMR_EVENTS; event++)
		for (w = 0; w < ARRAY_SIZE(dmr_windows); w++)
			n += scnprintf(text + n, size - n, "%s_%s %llu\n", dmr_events[event].word,
				       dmr_windows[w].word,
				       dmr_history_sum(history, event, dmr_windows[w].steps));
	return n + dmr_history_format_last(history, now, text + n, size - n);
}

/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The history of a pair's errors: how many of each kind within the last hour, day and week, and the
 * last ones with their places. It decides nothing. One user at a time, who supplies the time: seconds of
 * any clock that does not go back.
 */
#ifndef DMR_CORE_HISTORY_H
#define DMR_CORE_HISTORY_H

#include "dmr_env.h"

enum dmr_event {
	DMR_EVENT_READ_ERROR,		/* main failed a read */
	DMR_EVENT_WRITE_ERROR,		/* main failed a write */
	DMR_EVENT_SPARE_ERROR,		/* the spare failed a slot's read or write */
	DMR_EVENT_RELOCATED,		/* sectors that moved to the spare */
	DMR_EVENT_PENDING,		/* sectors that became unreadable */
	DMR_EVENT_TRIP,			/* the breaker has tripped */
	DMR_EVENTS
};

#define DMR_HISTORY_STEP	600u		/* seconds: windows are right to ten minutes */
#define DMR_HISTORY_STEPS	(7u * 24 * 6)	/* a week of them */
#define DMR_HISTORY_LAST	16u		/* errors that are told one by one */

struct dmr_history_error {
	u32 when;
	u64 sector;		/* main's, in sectors of 512 bytes; so is count */
	u32 count;
	u8 event;		/* enum dmr_event */
};

struct dmr_history {
	u32 step;			/* the newest of the ring: seconds / DMR_HISTORY_STEP */
	u32 ring[DMR_HISTORY_STEPS][DMR_EVENTS];
	struct dmr_history_error last[DMR_HISTORY_LAST];
	u32 errors;			/* in all; the newest is last[(errors - 1) % DMR_HISTORY_LAST] */
};

/* *history is zeroed. */
void dmr_history_init(struct dmr_history *history, u32 now);
/* Sectors count for what is counted in them (relocated, pending), else one event. */
void dmr_history_add(struct dmr_history *history, u32 now, enum dmr_event event, u64 sector,
		     u32 count);
/*
 * A line for each kind and window, `<kind>_<1h|24h|7d> <count>`, then the last errors, the newest first:
 * `error <seconds ago> <read|write|spare> <sector> <count>`. How many characters; what has no room is left out.
 */
unsigned int dmr_history_format(struct dmr_history *history, u32 now, char *text, size_t size);

#endif

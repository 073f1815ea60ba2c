/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * A commit: changes of the map made durable on the spare and then published, all that go into
 * one table block by one write of it (to each copy). One user at a time, who may wait for I/O.
 */
#ifndef DMR_CORE_COMMIT_H
#define DMR_CORE_COMMIT_H

#include "metadata.h"

#define DMR_NO_UNIT	(~0ULL)

enum dmr_fate {
	DMR_OPEN,	/* not tried */
	DMR_READY,	/* to be committed */
	DMR_KEPT,	/* durable and published */
	DMR_IN_DOUBT,	/* its entry may have been written: its sectors fail (C12) */
	DMR_FAILED,	/* nothing has changed */
};

/*
 * What becomes of one unit. `will` without owned and pending sectors frees the entry; another slot
 * in `will` than in `is` moves the unit, whose old slot goes bad afterwards.
 */
struct dmr_change {
	struct dmr_unit is;	/* as the map has it; slot DMR_NO_SLOT: it has none */
	struct dmr_unit will;
	bool fresh;		/* will.slot was taken for this */
	u64 evict;		/* the pending unit whose slot this is taken from, or DMR_NO_UNIT */
	u32 moves;		/* of the entry, when it moves */
	u32 owner;		/* the caller's: which of its things this is */
	u8 fate;		/* enum dmr_fate */
};

static inline u8 dmr_mask(unsigned int first, unsigned int count)
{
	return ((1u << count) - 1) << first;
}

/* Fills `is` from the map and makes `will` the same. */
void dmr_change_begin(struct dmr_metadata *meta, struct dmr_change *change, u64 unit);

/*
 * Commits and publishes every change that is READY; their fates say what came of it. Units are
 * distinct. The order of `change` is lost. `unit` is room for 2 * count units.
 * After a failure the map is frozen, and slots taken for FAILED changes are given back.
 */
void dmr_commit(struct dmr_metadata *meta, struct dmr_change *change, u32 count,
		struct dmr_unit *unit);

/*
 * Takes up to `want` consecutive slots for change[index] and those after it, from `hint` on if
 * possible; with none free, takes over the slot of one unit that is only pending and not among the
 * `count` changes (C11); else what was left alone. How many: 0 is "full".
 */
u32 dmr_take_slots(struct dmr_metadata *meta, struct dmr_change *change, u32 count, u32 index,
		   u32 want, u32 hint);

/* Takes one slot for the change, nobody's: a free one, else one that was left alone; false: there is none. */
bool dmr_take_free_slot(struct dmr_metadata *meta, struct dmr_change *change);

/* A slot that failed: never to be used again, and its table says so if that can be written. */
void dmr_slot_bad(struct dmr_metadata *meta, u32 slot);

#endif

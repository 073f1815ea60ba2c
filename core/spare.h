/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The slot allocator: which slots of the spare are free, taken or bad.
 * It covers the segments in use; taking a slot of the next segment is up to the caller, who
 * must make that segment's tables durable first. One user at a time: the caller's lock.
 */
#ifndef DMR_CORE_SPARE_H
#define DMR_CORE_SPARE_H

#include "dmr_env.h"
#include <dm-remap/format.h>

struct dmr_spare;

/* All slots of `in_use` of `segments` segments free. May wait. NULL: no memory. */
struct dmr_spare *dmr_spare_create(u32 segments, u32 in_use);
void dmr_spare_destroy(struct dmr_spare *spare);

/* The next five are for anybody, any context. */
u64 dmr_spare_slots(const struct dmr_spare *spare);	/* all, of all segments */
u64 dmr_spare_used(const struct dmr_spare *spare);	/* taken */
u64 dmr_spare_bad(const struct dmr_spare *spare);
u64 dmr_spare_free(const struct dmr_spare *spare);	/* of all segments: slots - used - bad */
u32 dmr_spare_segments(const struct dmr_spare *spare);
u32 dmr_spare_in_use(const struct dmr_spare *spare);

/* Loading and repair: records a slot's state (free, used, bad). The slot's segment must be in use. */
void dmr_spare_set(struct dmr_spare *spare, u32 slot, enum dmr_slot_state state);
enum dmr_slot_state dmr_spare_get(const struct dmr_spare *spare, u32 slot);

/* The generation of a segment's table that this memory agrees with: of the newest copy that was loaded or written. 0: none. */
u64 dmr_spare_generation(const struct dmr_spare *spare, u32 segment);
void dmr_spare_set_generation(struct dmr_spare *spare, u32 segment, u64 generation);

/*
 * Takes up to `want` consecutive free slots (never across a segment), from `hint` on if that is
 * free (DMR_NO_SLOT: no wish). Prefers a run of all that are wanted, and segments in use before a
 * new one; a new one is entered at its first slot and counted in dmr_spare_in_use() at once.
 * Does not wait, does not allocate (see refill). Returns how many, 0: no slot or no memory ready.
 */
u32 dmr_spare_take(struct dmr_spare *spare, u32 want, u32 hint, u32 *first);
/* Gives slots back that no reader and no table refers to any more. */
void dmr_spare_release(struct dmr_spare *spare, u32 slot);
/*
 * A slot that failed its write, or whose segment's tables could not be made durable: it is not taken
 * again and counts as bad for this activation. The rest of its segment stays; the caller enters
 * segments on disk in order, also one of which no slot came to be used.
 */
void dmr_spare_retire(struct dmr_spare *spare, u32 slot);
/* A taken slot that failed where no other was seen to do better: it is not to be had before the next comes back. */
void dmr_spare_leave(struct dmr_spare *spare, u32 slot);
/* When no other is left: frees all that were left alone. false: there was none. */
bool dmr_spare_come_back(struct dmr_spare *spare);

/* Outside the I/O path, may wait: has memory ready for the next 256 segments. false: no memory. */
bool dmr_spare_refill(struct dmr_spare *spare);
/* A longer spare; may wait. false: no memory, nothing changed. */
bool dmr_spare_grow(struct dmr_spare *spare, u32 segments);

#endif

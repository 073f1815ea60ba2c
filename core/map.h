/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The map in memory: which sectors of main have their data on the spare.
 * Readers are lock-free under RCU and never miss a published unit, also during a resize.
 * Functions marked "reader" take RCU themselves, but for those that hand out the filter.
 * There is one writer at a time: every function not marked "reader" needs the caller's lock
 * (the kernel's pair->lock). Sectors are 512 bytes, counted from main's start.
 */
#ifndef DMR_CORE_MAP_H
#define DMR_CORE_MAP_H

#include "dmr_env.h"
#include <dm-remap/format.h>

#define DMR_GROUP_UNITS		64u
#define DMR_GROUP_SECTORS	(DMR_GROUP_UNITS * DMR_UNIT_SECTORS)	/* 256 KiB of main */
#define DMR_MAP_MIN_BUCKETS	64u

/* One mapped unit. Masks: bit n is sector n of the unit. */
struct dmr_unit {
	u64 unit;	/* number: sector / 8 */
	u32 slot;	/* its slot on the spare */
	u8 owned;	/* valid data (or, where pending too, a failed copy) is in the slot */
	u8 pending;	/* unreadable where it is */
	u8 doubt;	/* a commit that changed these sectors failed: neither place may be used */
	u8 lost;	/* 1: the owned and pending sectors have no valid copy anywhere */
};

/* What a run of sectors has in common; dmr_map_find() never merges different kinds. */
enum dmr_kind {
	DMR_MAIN,		/* 0 0: on main */
	DMR_PENDING,		/* 0 1: main failed it; writes go to the slot */
	DMR_OWNED,		/* 1 0: in the slot */
	DMR_OWNED_PENDING,	/* 1 1: in the slot, which failed it */
	DMR_LOST,		/* 1 1 and lost */
	DMR_DOUBT,		/* fail all I/O */
};

struct dmr_run {
	enum dmr_kind kind;
	u32 count;		/* sectors from the one asked for, at least 1 */
	u64 spare_sector;	/* of the first sector's slot copy; 0 where kind is DMR_MAIN */
};

struct dmr_map_stats {
	u64 units;
	u64 owned, pending;	/* sectors: "1 0" and "1 1"; "0 1" and "1 1" */
	u64 lost;		/* sectors that are "1 1" and lost */
	u64 buckets, entries;			/* of the hash table (entries: groups) */
	u64 bytes;				/* memory in use, filter and reserve excluded */
};

struct dmr_map;		/* opaque outside map.c but for the filter test below */

/*
 * The filter: a bit for each region of main, set before a unit in it is published.
 * Public so that the test is inlined where every bio passes.
 */
struct dmr_filter {
	unsigned long *bits;
	unsigned int region_shift;	/* log2 of sectors in a region, a unit at least */
	u64 sectors;			/* that it covers: those of main */
};

/* Once, before the first map and after the last: the caches of map objects. false: no memory. */
bool dmr_map_init(void);
void dmr_map_exit(void);

/* Makes a map for so many sectors of main. May wait. NULL: no memory. */
struct dmr_map *dmr_map_create(u64 sectors);
/* Frees all; no reader may be left. May wait (for readers' grace periods). */
void dmr_map_destroy(struct dmr_map *map);
/* reader: the filter, valid until the map is extended or destroyed. */
const struct dmr_filter *dmr_map_filter(const struct dmr_map *map);
/*
 * Makes room for a main that became longer (never for a shorter one). May wait, also for readers, and replaces
 * the filter: who has kept it must ask for it again. false: no memory, nothing changed.
 */
bool dmr_map_extend(struct dmr_map *map, u64 sectors);

/* reader, any context: is any bit of regions [first, last] set? */
bool dmr_filter_hit_any(const struct dmr_filter *filter, u64 first, u64 last);

/* reader, any context: false means that no sector of [sector, sector + count) is mapped. count > 0. */
static inline bool dmr_filter_hit(const struct dmr_filter *filter, u64 sector, u32 count)
{
	u64 region = sector >> filter->region_shift;
	u64 last = (sector + count - 1) >> filter->region_shift;

	if (likely(region == last))
		return dmr_test_bit(region, filter->bits);
	return dmr_filter_hit_any(filter, region, last);
}

/* Any context: makes the filter hit for this sector from now on, as fences need it. */
static inline void dmr_filter_mark(const struct dmr_filter *filter, u64 sector)
{
	dmr_set_bit(sector >> filter->region_shift, filter->bits);
}

/* Any context: the same for all of main. */
static inline void dmr_filter_mark_all(const struct dmr_filter *filter)
{
	u64 sector;

	for (sector = 0; sector < filter->sectors; sector += 1ULL << filter->region_shift)
		dmr_filter_mark(filter, sector);
}

/*
 * reader, any context: what the run of like sectors that starts at `sector` is, up to `count` long
 * (count > 0). Neighbours merge when the kind is the same and, but for DMR_MAIN, their copies
 * are consecutive on the spare. O(1) on average for each group touched.
 */
struct dmr_run dmr_map_find(const struct dmr_map *map, u64 sector, u32 count);
/* reader, any context: the unit's entry; false if it has none. */
bool dmr_map_get(const struct dmr_map *map, u64 unit, struct dmr_unit *out);
/*
 * reader, any context: the first run of any kind but DMR_MAIN at or after *sector and before `end`.
 * Moves *sector to its first sector; false if there is none. Skips clear filter regions quickly.
 */
bool dmr_map_next(const struct dmr_map *map, u64 *sector, u64 end, struct dmr_run *run);

/*
 * A change in two steps, so that publishing after a durable commit cannot fail.
 * prepare: allocates all that the change needs, without waiting (falls back on the reserve);
 *   units sorted by number, each once; an entry with owned == pending == doubt == 0 removes the unit.
 *   NULL: no memory even in the reserve (or a unit beyond main's end), nothing changed.
 * publish: readers see the new units, each group at once; cannot fail; frees the change.
 * cancel: forgets it. Exactly one of both follows each prepare, before the next prepare.
 */
struct dmr_map_change;
struct dmr_map_change *dmr_map_prepare(struct dmr_map *map, const struct dmr_unit *units,
				       u32 count);
void dmr_map_publish(struct dmr_map *map, struct dmr_map_change *change);
void dmr_map_cancel(struct dmr_map *map, struct dmr_map_change *change);

/*
 * Loading: adds one unit not yet in the map, before the map has any reader; may wait.
 * Units may come in any order. false: no memory, or beyond main's end.
 */
bool dmr_map_load(struct dmr_map *map, const struct dmr_unit *unit);

/* Outside the I/O path, may wait: refills the reserve; true if it is full now. */
bool dmr_map_refill(struct dmr_map *map);
/*
 * Outside the I/O path, may wait for memory: grows or shrinks the hash table if it is due. Readers
 * go on meanwhile. One step moves 4096 buckets; true: there is more to do, and the lock
 * may be dropped before the next step, for changes may come between. dmr_map_resize() does all steps.
 */
bool dmr_map_resize_step(struct dmr_map *map);
void dmr_map_resize(struct dmr_map *map);
/*
 * reader, any context: true if dmr_map_refill() or dmr_map_resize() has something to do. It stays
 * true while there is no memory for it: ask again later, not in a loop.
 */
bool dmr_map_wants_work(const struct dmr_map *map);

/*
 * reader, any context: a snapshot. Its numbers are taken one after another, and while a change is published what it
 * touches may be counted twice.
 */
void dmr_map_stats(const struct dmr_map *map, struct dmr_map_stats *stats);

#endif

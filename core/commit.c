// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Commits (C3, C7, C12): table blocks durable in both copies first, then the map. What fails leaves
 * map and disk at the old state, or the changed sectors in doubt, never in between.
 */
#include "commit.h"

void dmr_change_begin(struct dmr_metadata *meta, struct dmr_change *change, u64 unit)
{
	memset(change, 0, sizeof(*change));
	change->evict = DMR_NO_UNIT;
	if (!dmr_map_get(meta->map, unit, &change->is)) {
		change->is.unit = unit;
		change->is.slot = DMR_NO_SLOT;
	}
	change->will = change->is;
}

static bool dmr_change_moves(const struct dmr_change *c)
{
	return c->is.slot != DMR_NO_SLOT && c->will.slot != c->is.slot;
}

static bool dmr_change_frees(const struct dmr_change *c)
{
	return !c->will.owned && !c->will.pending;
}

static bool dmr_in_changes(const struct dmr_change *change, u32 count, u64 unit)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (change[i].is.unit == unit || change[i].evict == unit)
			return true;
	return false;
}

/* dmr_find_pending() in [sector, end); *skipped: there is one, but among these changes. */
static bool dmr_find_pending_in(struct dmr_metadata *meta, const struct dmr_change *change,
				u32 count, u64 sector, u64 end, struct dmr_unit *victim,
				bool *skipped)
{
	struct dmr_run run;

	for (; dmr_map_next(meta->map, &sector, end, &run); sector += run.count) {
		dmr_cond_resched();
		if (run.kind != DMR_PENDING)
			continue;
		if (run.count > DMR_UNIT_SECTORS - sector % DMR_UNIT_SECTORS)
			run.count = DMR_UNIT_SECTORS - sector % DMR_UNIT_SECTORS;
		if (!dmr_map_get(meta->map, sector / DMR_UNIT_SECTORS, victim) || victim->owned ||
		    victim->doubt)
			continue;
		if (!dmr_in_changes(change, count, victim->unit))
			return true;
		*skipped = true;
	}
	return false;
}

/*
 * A unit that is only pending and not among these changes: nothing is lost when its slot is wanted for data.
 * A full spare has many units that own sectors: the search goes on where the last one ended, and none is
 * made where nothing has changed since one in vain.
 */
static bool dmr_find_pending(struct dmr_metadata *meta, const struct dmr_change *change, u32 count,
			     struct dmr_unit *victim)
{
	struct dmr_map_stats stats;
	bool skipped = false;

	dmr_map_stats(meta->map, &stats);
	if (!stats.pending || (meta->no_victim && meta->no_victim_at == meta->tried))
		return false;
	if (dmr_find_pending_in(meta, change, count, meta->victim_from, ~0ULL, victim, &skipped) ||
	    dmr_find_pending_in(meta, change, count, 0, meta->victim_from, victim, &skipped)) {
		meta->victim_from = victim->unit * DMR_UNIT_SECTORS;
		return true;
	}
	meta->no_victim = !skipped;
	meta->no_victim_at = meta->tried;
	return false;
}

/* Free slots for change[0] and those after it: how many. */
static u32 dmr_take_free(struct dmr_metadata *meta, struct dmr_change *change, u32 want, u32 hint)
{
	u32 first, got, k;

	got = dmr_spare_take(meta->slots, want, hint, &first);
	for (k = 0; k < got; k++) {
		change[k].will.slot = first + k;
		change[k].fresh = true;
	}
	WRITE_ONCE(meta->full, !got);
	return got;
}

bool dmr_take_free_slot(struct dmr_metadata *meta, struct dmr_change *change)
{
	return dmr_take_free(meta, change, 1, DMR_NO_SLOT) ||
	       (dmr_spare_come_back(meta->slots) && dmr_take_free(meta, change, 1, DMR_NO_SLOT));
}

u32 dmr_take_slots(struct dmr_metadata *meta, struct dmr_change *change, u32 count, u32 index,
		   u32 want, u32 hint)
{
	struct dmr_change *c = &change[index];
	struct dmr_unit victim;
	u32 got;

	got = dmr_take_free(meta, c, want, hint);
	if (got)
		return got;
	/* A unit that moves copies first, so it needs a slot that holds nothing yet. */
	if (c->is.slot == DMR_NO_SLOT && dmr_find_pending(meta, change, count, &victim)) {
		c->evict = victim.unit;
		c->will.slot = victim.slot;
		return 1;
	}
	return dmr_spare_come_back(meta->slots) ? dmr_take_free(meta, c, want, hint) : 0;
}

static int dmr_by_unit(const void *a, const void *b)
{
	const struct dmr_unit *x = a, *y = b;

	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static int dmr_by_slot(const void *a, const void *b)
{
	const struct dmr_change *x = a, *y = b;

	return x->will.slot < y->will.slot ? -1 : x->will.slot > y->will.slot;
}

/* After a commit that may or may not have landed: which sectors nobody may believe. */
static u8 dmr_change_doubt(const struct dmr_change *c)
{
	if (dmr_change_moves(c))
		return c->is.owned | c->is.pending | c->will.owned | c->will.pending;
	return (c->is.owned ^ c->will.owned) | (c->is.pending ^ c->will.pending);
}

/* The map's units for all changes with this fate. */
static u32 dmr_change_units(const struct dmr_change *change, u32 count, enum dmr_fate fate,
			    struct dmr_unit *unit)
{
	u32 i, n = 0;

	for (i = 0; i < count; i++) {
		const struct dmr_change *c = &change[i];

		if (c->fate != fate)
			continue;
		unit[n] = c->will;
		if (fate == DMR_IN_DOUBT) {
			unit[n] = c->is;
			unit[n].doubt = dmr_change_doubt(c);
			if (c->is.slot == DMR_NO_SLOT)
				unit[n].slot = c->will.slot;
		}
		n++;
		/* The victim's sectors were only pending: main has them, or nobody. */
		if (c->evict != DMR_NO_UNIT)
			unit[n++] = (struct dmr_unit){ .unit = c->evict };
	}
	return n;
}

static struct dmr_map_change *dmr_prepare(struct dmr_metadata *meta, struct dmr_unit *unit, u32 n)
{
	dmr_sort(unit, n, sizeof(*unit), dmr_by_unit);
	return dmr_map_prepare(meta->map, unit, n);
}

/* Puts one change into its table block; false if the block does not hold what the map says. */
static bool dmr_enter_change(struct dmr_metadata *meta, const struct dmr_change *c)
{
	unsigned int index = c->will.slot % DMR_SEGMENT_SLOTS;
	u64 holder = c->evict != DMR_NO_UNIT ? c->evict : c->is.unit;
	struct dmr_entry entry;

	dmr_table_get(meta->block[0], index, &entry);
	if (c->fresh) {
		if (entry.state != DMR_SLOT_FREE)
			return false;
	} else if ((entry.state != DMR_SLOT_USED && entry.state != DMR_SLOT_LOST) ||
		   entry.unit != holder) {
		return false;
	}
	if (c->fresh || c->evict != DMR_NO_UNIT)
		entry.moves = c->moves;
	entry.unit = c->will.unit;
	entry.owned = c->will.owned;
	entry.pending = c->will.pending;
	entry.state = c->will.lost ? DMR_SLOT_LOST : DMR_SLOT_USED;
	if (dmr_change_frees(c))
		memset(&entry, 0, sizeof(entry));
	dmr_table_put(meta->block[0], index, &entry);
	return true;
}

/* The table of a segment that comes into use: empty, but for slots that were found bad before it had one. */
static void dmr_table_begin(struct dmr_metadata *meta, u32 segment)
{
	const struct dmr_entry bad = { .state = DMR_SLOT_BAD };
	u32 i;

	dmr_table_init(meta->block[0]);
	meta->table_good = 0;
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++)
		if (dmr_spare_get(meta->slots, segment * DMR_SEGMENT_SLOTS + i) == DMR_SLOT_BAD)
			dmr_table_put(meta->block[0], i, &bad);
}

/* Segments come into use in order; one whose slots all failed is entered without units. */
static int dmr_enter_segments(struct dmr_metadata *meta, u32 segment, bool *touched)
{
	int r = 0;

	while (!r && meta->super->in_use < segment) {
		dmr_table_begin(meta, meta->super->in_use);
		r = dmr_table_commit(meta, meta->super->in_use, touched);
		meta->super->in_use += !r;
	}
	*touched = false;
	return r;
}

/*
 * One table block with all its changes, [from, to). A segment that comes into use starts empty, and
 * the superblock follows its tables.
 */
static int dmr_commit_segment(struct dmr_metadata *meta, struct dmr_change *change, u32 from,
			      u32 to, bool *touched)
{
	u32 segment = change[from].will.slot / DMR_SEGMENT_SLOTS, i;
	int r;

	r = dmr_enter_segments(meta, segment, touched);
	if (r)
		return r;
	if (segment == meta->super->in_use) {
		dmr_table_begin(meta, segment);
	} else {
		r = dmr_table_read(meta, segment);
		if (r)
			return r;
	}
	for (i = from; i < to; i++) {
		if (change[i].fate == DMR_READY && !dmr_enter_change(meta, &change[i])) {
			dmr_log_error("%s: the table of segment %u does not hold what the map says",
				      meta->name, segment);
			return -EUCLEAN;
		}
	}
	r = dmr_table_commit(meta, segment, touched);
	if (segment < meta->super->in_use)
		return r;
	/* No load reads the tables of a segment that is not in use. */
	if (r) {
		*touched = false;
		return r;
	}
	meta->super->in_use = segment + 1;
	return dmr_super_commit(meta);
}

static void dmr_decide(struct dmr_change *change, u32 from, u32 to, enum dmr_fate fate)
{
	u32 i;

	for (i = from; i < to; i++)
		if (change[i].fate == DMR_READY)
			change[i].fate = fate;
}

static bool dmr_any(const struct dmr_change *change, u32 from, u32 to, enum dmr_fate fate)
{
	u32 i;

	for (i = from; i < to; i++)
		if (change[i].fate == fate)
			return true;
	return false;
}

/* A moving unit's entry must beat its old one: it is read for its count of moves. */
static int dmr_count_moves(struct dmr_metadata *meta, struct dmr_change *change, u32 count)
{
	struct dmr_entry entry;
	u32 i;
	int r;

	for (i = 0; i < count; i++) {
		struct dmr_change *c = &change[i];

		if (c->fate != DMR_READY || !dmr_change_moves(c))
			continue;
		r = dmr_table_read(meta, c->is.slot / DMR_SEGMENT_SLOTS);
		if (r)
			return r;
		dmr_table_get(meta->block[0], c->is.slot % DMR_SEGMENT_SLOTS, &entry);
		if (entry.unit != c->is.unit || entry.moves == 0xffffffffu)
			return -EUCLEAN;
		c->moves = entry.moves + 1;
	}
	return 0;
}

/* Table block after table block; after the first that fails nothing more is mapped (C12). */
static int dmr_commit_tables(struct dmr_metadata *meta, struct dmr_change *change, u32 count)
{
	bool touched = false;
	u32 from, to;
	int r;

	r = dmr_session_begin(meta) ?: dmr_count_moves(meta, change, count);
	dmr_sort(change, count, sizeof(*change), dmr_by_slot);
	for (from = 0; !r && from < count; from = to) {
		u32 segment = change[from].will.slot / DMR_SEGMENT_SLOTS;

		for (to = from; to < count && change[to].will.slot / DMR_SEGMENT_SLOTS == segment;
		     to++)
			;
		if (!dmr_any(change, from, to, DMR_READY))
			continue;
		touched = false;
		r = dmr_commit_segment(meta, change, from, to, &touched);
		dmr_decide(change, from, to, !r ? DMR_KEPT : touched ? DMR_IN_DOUBT : DMR_FAILED);
	}
	dmr_decide(change, 0, count, DMR_FAILED);
	return r;
}

/* After a failed commit: what was kept is published, what is in doubt is fenced off for good. */
static void dmr_publish_rest(struct dmr_metadata *meta, struct dmr_change *change, u32 count,
			     struct dmr_unit *unit)
{
	struct dmr_map_change *map_change;
	u32 n;

	n = dmr_change_units(change, count, DMR_KEPT, unit);
	n += dmr_change_units(change, count, DMR_IN_DOUBT, unit + n);
	if (!n)
		return;
	map_change = dmr_prepare(meta, unit, n);
	if (!map_change && dmr_map_refill(meta->map))
		map_change = dmr_prepare(meta, unit, n);
	if (map_change) {
		dmr_map_publish(meta->map, map_change);
		return;
	}
	/* Serving on without these entries could return stale data from main. */
	dmr_log_error("%s: no memory to record a failed commit: all I/O fails from now on",
		      meta->name);
	WRITE_ONCE(meta->broken, true);
	dmr_rcu_read_lock();
	dmr_filter_mark_all(dmr_map_filter(meta->map));
	dmr_rcu_read_unlock();
	for (n = 0; n < count; n++)
		if (change[n].fate == DMR_KEPT)
			change[n].fate = DMR_IN_DOUBT;
}

/* Slots that came to nothing or are not needed any more; those in doubt may be referred to on disk. */
static void dmr_settle_slots(struct dmr_metadata *meta, struct dmr_change *change, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct dmr_change *c = &change[i];

		if (c->fate == DMR_FAILED && c->fresh) {
			dmr_spare_release(meta->slots, c->will.slot);
			WRITE_ONCE(meta->full, false);
		} else if (c->fate == DMR_KEPT && dmr_change_frees(c)) {
			dmr_spare_release(meta->slots, c->is.slot);
			WRITE_ONCE(meta->full, false);
		}
	}
}

static void dmr_retire_moved(struct dmr_metadata *meta, const struct dmr_change *change, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (change[i].fate == DMR_KEPT && dmr_change_moves(&change[i]))
			dmr_slot_bad(meta, change[i].is.slot);
}

void dmr_slot_bad(struct dmr_metadata *meta, u32 slot)
{
	const struct dmr_entry bad = { .state = DMR_SLOT_BAD };
	u32 segment = slot / DMR_SEGMENT_SLOTS;
	bool touched;
	int r;

	dmr_spare_set(meta->slots, slot, DMR_SLOT_BAD);
	dmr_log_warning("%s: slot %u (sector %llu) is bad",
			meta->name, slot, dmr_slot_sector(slot));
	/* A segment that was never used has no table yet: the slot will be found bad again. */
	if (meta->frozen || segment >= meta->super->in_use)
		return;
	r = dmr_session_begin(meta) ?: dmr_table_read(meta, segment);
	if (!r) {
		dmr_table_put(meta->block[0], slot % DMR_SEGMENT_SLOTS, &bad);
		r = dmr_table_commit(meta, segment, &touched);
	}
	/* Both copies may differ now, so nothing may build on them; the map itself is right. */
	if (r)
		WRITE_ONCE(meta->frozen, r);
}

/* The map's change for as many of these as there is memory for: *count. NULL: not even for the first. */
static struct dmr_map_change *dmr_prepare_some(struct dmr_metadata *meta,
					       const struct dmr_change *change, u32 *count,
					       struct dmr_unit *unit)
{
	struct dmr_map_change *map_change;
	u32 n;

	for (;;) {
		n = dmr_change_units(change, *count, DMR_READY, unit);
		map_change = dmr_prepare(meta, unit, n);
		if (map_change || *count < 2)
			return map_change;
		*count /= 2;
	}
}

static void dmr_commit_some(struct dmr_metadata *meta, struct dmr_change *change, u32 count,
			    struct dmr_map_change *map_change, struct dmr_unit *unit)
{
	int r = dmr_commit_tables(meta, change, count);

	if (!r) {
		dmr_map_publish(meta->map, map_change);
		dmr_retire_moved(meta, change, count);
	} else {
		dmr_map_cancel(meta->map, map_change);
		WRITE_ONCE(meta->frozen, r);
		dmr_publish_rest(meta, change, count, unit);
	}
}

void dmr_commit(struct dmr_metadata *meta, struct dmr_change *change, u32 count,
		struct dmr_unit *unit)
{
	struct dmr_map_change *map_change;
	bool no_memory = false;
	u32 from, n;

	if (!meta->frozen && !meta->broken)
		meta->tried += dmr_any(change, 0, count, DMR_READY);
	for (from = 0; from < count && !no_memory && !meta->frozen && !meta->broken; from += n) {
		n = 1;
		if (change[from].fate != DMR_READY)
			continue;
		n = count - from;
		map_change = dmr_prepare_some(meta, change + from, &n, unit);
		if (map_change)
			dmr_commit_some(meta, change + from, n, map_change, unit);
		else
			no_memory = true;
	}
	dmr_decide(change, 0, count, DMR_FAILED);
	dmr_settle_slots(meta, change, count);
	/* Said last: slots that come back would take it back. */
	if (no_memory)
		WRITE_ONCE(meta->full, true);
}

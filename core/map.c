// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * The map in memory: a hash table of groups of 64 units. A group that readers can see never
 * changes but for its links: a writer fills a copy and swaps the pointer, so a reader finds
 * the old group or the new one, never neither. Groups stay in their chain and keep their
 * place in it. A resize links all groups into a second table by their second link.
 */
#include "map.h"

/* Of the filter: 32 KiB. */
#define DMR_FILTER_BITS		(1ULL << 18)
/* So that a table's size stays an int: no allocator of the kernel gives more. */
#define DMR_MAX_BUCKETS		(1ULL << 27)
/* Buckets moved in one step of a resize: well below a millisecond. */
#define DMR_RESIZE_STEP		4096u
/* Groups a change may need while no memory can be had. */
#define DMR_RESERVE		128u

/* How many units the objects of each size hold; in bytes 64, 128, 192, 320, 560. */
static const u8 dmr_class_units[] = { 2, 10, 18, 34, 64 };

#define DMR_CLASSES		ARRAY_SIZE(dmr_class_units)
#define DMR_LARGEST		(DMR_CLASSES - 1)

static dmr_cache *dmr_group_cache[DMR_CLASSES];

struct dmr_record {
	u32 slot;
	u8 owned, pending, doubt, lost;
};

struct dmr_group {
	struct dmr_group __rcu *next[2];	/* one for each table */
	u64 key;				/* class << 56 | number */
	u64 present;				/* bit n: unit n of the group has a record */
	union {
		struct dmr_group *after;	/* in a change or in the reserve */
		struct dmr_rcu_head rcu;	/* once retired */
	};
	struct dmr_record record[];		/* of the present units, in their order */
};

#define DMR_KEY_NUMBER		((1ULL << 56) - 1)

/* 64 units, their header and at most two buckets are to cost 9 bytes a unit. */
_Static_assert(sizeof(struct dmr_record) == 8, "record");
_Static_assert(sizeof(struct dmr_group) <= 48, "group");

struct dmr_table {
	struct dmr_group __rcu **bucket;
	unsigned int shift;			/* 64 - log2 of buckets */
	unsigned int link;			/* which next[] its chains use */
};

struct dmr_map_change {
	struct dmr_group *first;
};

struct dmr_map {
	/* What readers need: written by a resize or an extension only. */
	struct dmr_filter __rcu *filter;
	struct dmr_table __rcu *table;
	struct dmr_table tables[2];

	/* The writer's. */
	struct dmr_table *filling;		/* a resize is on its way: to this table */
	u64 filled;				/* buckets of the current table already in it */
	bool retiring;				/* readers may still be in the table before */
	struct dmr_rcu_head retire;
	struct dmr_map_change change;
	struct dmr_group *reserve;
	u32 reserved;

	/* Written by the writer, read by anybody. */
	u64 units, owned, pending, lost, entries, buckets, bytes;
};

bool dmr_map_init(void)
{
	static const char * const name[] = {
		"dmr_group_2", "dmr_group_10", "dmr_group_18", "dmr_group_34", "dmr_group_64"
	};
	unsigned int i;

	_Static_assert(ARRAY_SIZE(name) == DMR_CLASSES, "a name for each class");
	for (i = 0; i < DMR_CLASSES; i++) {
		dmr_group_cache[i] = dmr_cache_create(name[i], sizeof(struct dmr_group) +
						dmr_class_units[i] * sizeof(struct dmr_record));
		if (!dmr_group_cache[i]) {
			dmr_map_exit();
			return false;
		}
	}
	return true;
}

void dmr_map_exit(void)
{
	unsigned int i;

	for (i = 0; i < DMR_CLASSES; i++) {
		if (dmr_group_cache[i])
			dmr_cache_destroy(dmr_group_cache[i]);
		dmr_group_cache[i] = NULL;
	}
}

/* Groups */

static u64 dmr_group_number(const struct dmr_group *group)
{
	return group->key & DMR_KEY_NUMBER;
}

static unsigned int dmr_group_class(const struct dmr_group *group)
{
	return group->key >> 56;
}

static size_t dmr_group_size(const struct dmr_group *group)
{
	return sizeof(*group) +
	       dmr_class_units[dmr_group_class(group)] * sizeof(struct dmr_record);
}

/* Where the unit's record is or would be. */
static __always_inline unsigned int dmr_rank(u64 present, unsigned int index)
{
	return dmr_hweight64(present & ((1ULL << index) - 1));
}

static __always_inline const struct dmr_record *
dmr_group_record(const struct dmr_group *group, unsigned int index)
{
	if (!(group->present >> index & 1))
		return NULL;
	return &group->record[dmr_rank(group->present, index)];
}

static struct dmr_group *dmr_group_init(struct dmr_group *group, unsigned int class)
{
	dmr_rcu_assign(group->next[0], NULL);
	dmr_rcu_assign(group->next[1], NULL);
	group->key = (u64)class << 56;
	group->present = 0;
	group->after = NULL;
	return group;
}

static struct dmr_group *dmr_group_alloc(unsigned int units, bool may_wait)
{
	struct dmr_group *group;
	unsigned int class = 0;

	while (dmr_class_units[class] < units)
		class++;
	group = dmr_cache_alloc(dmr_group_cache[class], may_wait);
	return group ? dmr_group_init(group, class) : NULL;
}

static void dmr_group_free(struct dmr_group *group)
{
	dmr_cache_free(dmr_group_cache[dmr_group_class(group)], group);
}

static void dmr_group_free_rcu(struct dmr_rcu_head *rcu)
{
	dmr_group_free(container_of(rcu, struct dmr_group, rcu));
}

static void dmr_reserve_put(struct dmr_map *map, struct dmr_group *group)
{
	group->after = map->reserve;
	map->reserve = group;
	WRITE_ONCE(map->reserved, map->reserved + 1);
}

static struct dmr_group *dmr_reserve_get(struct dmr_map *map)
{
	struct dmr_group *group = map->reserve;

	if (!group)
		return NULL;
	map->reserve = group->after;
	WRITE_ONCE(map->reserved, map->reserved - 1);
	return dmr_group_init(group, DMR_LARGEST);
}

/* Tables */

static u64 dmr_mix(u64 number)
{
	number *= 0x9e3779b97f4a7c15ULL;
	number ^= number >> 32;
	return number * 0xd6e8feb86659fd93ULL;
}

static u64 dmr_table_index(const struct dmr_table *table, u64 number)
{
	return dmr_mix(number) >> table->shift;
}

static u64 dmr_table_buckets(const struct dmr_table *table)
{
	return 1ULL << (64 - table->shift);
}

static bool dmr_table_init(struct dmr_table *table, u64 buckets)
{
	table->bucket = dmr_big_alloc(buckets * sizeof(*table->bucket));
	table->shift = 64 - dmr_ilog2_64(buckets);
	return table->bucket;
}

/* reader, in a read-side section */
static __always_inline const struct dmr_group *dmr_group_find(const struct dmr_map *map, u64 number)
{
	const struct dmr_table *table = dmr_rcu_dereference(map->table);
	const struct dmr_group *group;

	group = dmr_rcu_dereference(table->bucket[dmr_table_index(table, number)]);
	while (group && dmr_group_number(group) != number)
		group = dmr_rcu_dereference(group->next[table->link]);
	return group;
}

static struct dmr_table *dmr_map_table(struct dmr_map *map)
{
	return dmr_rcu_dereference_writer(map->table);
}

/* writer: the pointer to the group, or that to the end of the chain it would be in */
static struct dmr_group __rcu **dmr_table_link(struct dmr_table *table, u64 number)
{
	struct dmr_group __rcu **link = &table->bucket[dmr_table_index(table, number)];
	struct dmr_group *group;

	while ((group = dmr_rcu_dereference_writer(*link)) && dmr_group_number(group) != number)
		link = &group->next[table->link];
	return link;
}

/*
 * writer: puts the new group in the place of the one with its number, which is returned;
 * an empty one only takes that out. The old one still leads its readers on.
 */
static struct dmr_group *dmr_table_swap(struct dmr_table *table, struct dmr_group *new)
{
	struct dmr_group __rcu **link = dmr_table_link(table, dmr_group_number(new));
	struct dmr_group *old = dmr_rcu_dereference_writer(*link);
	struct dmr_group *next = NULL;

	if (old)
		next = dmr_rcu_dereference_writer(old->next[table->link]);
	dmr_rcu_assign(new->next[table->link], next);
	dmr_rcu_assign(*link, new->present ? new : next);
	return old;
}

/* Counting: sign is 1 or -1. */

static void dmr_add(u64 *counter, u64 value)
{
	WRITE_ONCE(*counter, *counter + value);
}

static void dmr_count_record(struct dmr_map *map, const struct dmr_record *record, u64 sign)
{
	dmr_add(&map->units, sign);
	dmr_add(&map->owned, sign * dmr_hweight8(record->owned));
	dmr_add(&map->pending, sign * dmr_hweight8(record->pending));
	if (record->lost)
		dmr_add(&map->lost, sign * dmr_hweight8(record->owned & record->pending));
}

static void dmr_count_object(struct dmr_map *map, const struct dmr_group *group, u64 sign)
{
	dmr_add(&map->entries, sign);
	dmr_add(&map->bytes, sign * dmr_group_size(group));
}

static void dmr_count_group(struct dmr_map *map, const struct dmr_group *group, u64 sign)
{
	unsigned int i, units = dmr_hweight64(group->present);

	dmr_count_object(map, group, sign);
	for (i = 0; i < units; i++)
		dmr_count_record(map, &group->record[i], sign);
}

/* The filter */

static struct dmr_filter *dmr_filter_create(u64 sectors)
{
	u64 last = sectors ? sectors - 1 : 0;
	unsigned int shift = dmr_ilog2_64(DMR_UNIT_SECTORS);
	struct dmr_filter *filter;
	u64 words;

	while (last >> shift >= DMR_FILTER_BITS)
		shift++;
	words = (last >> shift) / (8 * sizeof(*filter->bits)) + 1;
	filter = dmr_big_alloc(sizeof(*filter) + words * sizeof(*filter->bits));
	if (!filter)
		return NULL;
	filter->bits = (unsigned long *)(filter + 1);
	filter->region_shift = shift;
	filter->sectors = sectors;
	return filter;
}

bool dmr_filter_hit_any(const struct dmr_filter *filter, u64 first, u64 last)
{
	const unsigned int word_bits = 8 * sizeof(*filter->bits);
	u64 word = first / word_bits;
	unsigned long mask = ~0UL << first % word_bits;

	for (; word < last / word_bits; word++, mask = ~0UL)
		if (READ_ONCE(filter->bits[word]) & mask)
			return true;
	mask &= ~0UL >> (word_bits - 1 - last % word_bits);
	return READ_ONCE(filter->bits[word]) & mask;
}

/* Bits that are set already are left alone: readers share their cache lines. */
static void dmr_filter_set(struct dmr_filter *filter, u64 sector)
{
	u64 region = sector >> filter->region_shift;

	if (!dmr_test_bit(region, filter->bits))
		dmr_set_bit(region, filter->bits);
}

/* For each unit of the group that has a record. */
static void dmr_filter_set_group(struct dmr_filter *filter, const struct dmr_group *group)
{
	u64 first = dmr_group_number(group) * DMR_GROUP_SECTORS, left = group->present;

	if (1ULL << filter->region_shift >= DMR_GROUP_SECTORS) {
		dmr_filter_set(filter, first);
		return;
	}
	for (; left; left &= left - 1)
		dmr_filter_set(filter, first + dmr_ffs64(left) * DMR_UNIT_SECTORS);
}

static struct dmr_filter *dmr_filter_of_writer(struct dmr_map *map)
{
	return dmr_rcu_dereference_writer(map->filter);
}

/* reader: `sector`, or where the first region after it begins that may have units; at most `end` */
static u64 dmr_filter_skip(const struct dmr_filter *filter, u64 sector, u64 end)
{
	const unsigned int word_bits = 8 * sizeof(*filter->bits);
	u64 region = sector >> filter->region_shift;
	u64 last = (end - 1) >> filter->region_shift;
	unsigned long word;

	if (dmr_test_bit(region, filter->bits))
		return sector;
	for (; region <= last; region = (region | (word_bits - 1)) + 1) {
		word = READ_ONCE(filter->bits[region / word_bits]) >> region % word_bits;
		if (!word)
			continue;
		region += dmr_ffs64(word);
		if (region > last)
			return end;
		/* The bit of sector's own region may have been set since it was looked at. */
		region <<= filter->region_shift;
		return region > sector ? region : sector;
	}
	return end;
}

const struct dmr_filter *dmr_map_filter(const struct dmr_map *map)
{
	return dmr_rcu_dereference(map->filter);
}

/* Regions may be larger then: one old region lies in one new one. */
static void dmr_filter_copy(struct dmr_filter *to, const struct dmr_filter *from)
{
	u64 at = 0, region = 1ULL << from->region_shift;

	while (at < from->sectors) {
		at = dmr_filter_skip(from, at, from->sectors);
		if (at < from->sectors)
			dmr_filter_set(to, at);
		at = (at | (region - 1)) + 1;
	}
}

bool dmr_map_extend(struct dmr_map *map, u64 sectors)
{
	struct dmr_filter *old = dmr_filter_of_writer(map), *new;

	if (sectors <= old->sectors)
		return true;
	new = dmr_filter_create(sectors);
	if (!new)
		return false;
	dmr_filter_copy(new, old);
	dmr_rcu_assign(map->filter, new);
	dmr_synchronize_rcu();
	dmr_big_free(old);
	return true;
}

/* Making and freeing */

struct dmr_map *dmr_map_create(u64 sectors)
{
	struct dmr_map *map = dmr_group_cache[0] ? dmr_alloc(sizeof(*map), true) : NULL;

	if (!map)
		return NULL;
	map->buckets = DMR_MAP_MIN_BUCKETS;
	map->bytes = map->buckets * sizeof(*map->tables->bucket);
	map->tables[1].link = 1;
	if (dmr_table_init(&map->tables[0], map->buckets)) {
		dmr_rcu_assign(map->table, &map->tables[0]);
		dmr_rcu_assign(map->filter, dmr_filter_create(sectors));
		if (dmr_filter_of_writer(map) && dmr_map_refill(map))
			return map;
	}
	dmr_map_destroy(map);
	return NULL;
}

static void dmr_table_free_groups(struct dmr_table *table)
{
	struct dmr_group *group, *next;
	u64 i;

	for (i = 0; i < dmr_table_buckets(table); i++) {
		for (group = dmr_rcu_dereference_writer(table->bucket[i]); group; group = next) {
			next = dmr_rcu_dereference_writer(group->next[table->link]);
			dmr_group_free(group);
		}
	}
}

void dmr_map_destroy(struct dmr_map *map)
{
	struct dmr_group *group;

	if (!map)
		return;
	/* For the callbacks of groups and of a table retired before. */
	dmr_rcu_barrier();
	if (dmr_map_table(map))
		dmr_table_free_groups(dmr_map_table(map));
	while ((group = dmr_reserve_get(map)))
		dmr_group_free(group);
	dmr_big_free(map->tables[0].bucket);
	dmr_big_free(map->tables[1].bucket);
	dmr_big_free(dmr_filter_of_writer(map));
	dmr_free(map);
}

bool dmr_map_refill(struct dmr_map *map)
{
	struct dmr_group *group;

	while (map->reserved < DMR_RESERVE) {
		group = dmr_group_alloc(dmr_class_units[DMR_LARGEST], true);
		if (!group)
			return false;
		dmr_reserve_put(map, group);
	}
	return true;
}

/* Lookup */

/* Which sectors of the unit are of this kind. */
static unsigned int dmr_record_mask(const struct dmr_record *record, enum dmr_kind kind)
{
	unsigned int owned = record->owned & ~record->doubt;
	unsigned int pending = record->pending & ~record->doubt;

	switch (kind) {
	case DMR_PENDING:
		return pending & ~owned;
	case DMR_OWNED:
		return owned & ~pending;
	case DMR_OWNED_PENDING:
		return record->lost ? 0 : owned & pending;
	case DMR_LOST:
		return record->lost ? owned & pending : 0;
	case DMR_DOUBT:
		return record->doubt;
	case DMR_MAIN:
		break;
	}
	return 0xff & ~(record->owned | record->pending | record->doubt);
}

/* Are all of its sectors DMR_OWNED? */
static bool dmr_record_is_copy(const struct dmr_record *record)
{
	return record->owned == 0xff && !(record->pending | record->doubt);
}

static enum dmr_kind dmr_record_kind(const struct dmr_record *record, unsigned int sector)
{
	static const u8 kind[] = { DMR_MAIN, DMR_OWNED, DMR_PENDING, DMR_OWNED_PENDING };
	unsigned int state = (record->owned >> sector & 1) | (record->pending >> sector & 1) << 1;

	if (unlikely(record->doubt >> sector & 1))
		return DMR_DOUBT;
	if (unlikely(state == 3 && record->lost))
		return DMR_LOST;
	return kind[state];
}

/* The first sector in [at, end), both within this group, that is not on main; or end. */
static u64 dmr_group_main_end(const struct dmr_group *group, u64 at, u64 end)
{
	u64 first = at & ~(u64)(DMR_GROUP_SECTORS - 1);
	unsigned int index = (at - first) / DMR_UNIT_SECTORS;
	u64 left = group->present & ~0ULL << index;
	const struct dmr_record *record = &group->record[dmr_rank(group->present, index)];
	unsigned int mask;
	u64 sector;

	for (; left; left &= left - 1, record++) {
		sector = first + dmr_ffs64(left) * DMR_UNIT_SECTORS;
		if (sector >= end)
			break;
		mask = record->owned | record->pending | record->doubt;
		if (sector < at)
			mask &= 0xffu << (at - sector);
		if (mask) {
			sector += dmr_ffs64(mask);
			return sector < end ? sector : end;
		}
	}
	return end;
}

/* Where a run on main ends that is at `at`. */
static u64 dmr_main_end(const struct dmr_map *map, u64 at, u64 end)
{
	const struct dmr_group *group;
	u64 edge, stop;

	while (at < end) {
		at = dmr_filter_skip(dmr_map_filter(map), at, end);
		if (at == end)
			break;
		edge = (at | (DMR_GROUP_SECTORS - 1)) + 1;
		if (edge > end)
			edge = end;
		group = dmr_group_find(map, at / DMR_GROUP_SECTORS);
		if (group) {
			stop = dmr_group_main_end(group, at, edge);
			if (stop < edge)
				return stop;
		}
		at = edge;
	}
	return end;
}

/* Where a run of another kind ends that begins at `start`, in this record. */
static u64 dmr_copy_end(const struct dmr_map *map, const struct dmr_group *group,
			const struct dmr_record *record, u64 start, u64 end,
			const struct dmr_run *run)
{
	unsigned int offset = start % DMR_UNIT_SECTORS, like, index;
	u64 at = start;

	for (;; offset = 0) {
		like = dmr_ffs64(~((u64)dmr_record_mask(record, run->kind) >> offset));
		at += like;
		if (at >= end)
			return end;
		if (like < DMR_UNIT_SECTORS - offset)
			return at;
		index = at / DMR_UNIT_SECTORS % DMR_GROUP_UNITS;
		if (!index) {
			group = dmr_group_find(map, at / DMR_GROUP_SECTORS);
			if (!group)
				return at;
		}
		if (!(group->present >> index & 1))
			return at;
		record = index ? record + 1 : group->record;
		if (dmr_slot_sector(record->slot) != run->spare_sector + (at - start))
			return at;
	}
}

/* Its record, or NULL: the group may be none. */
static __always_inline const struct dmr_record *
dmr_record_at(const struct dmr_group *group, u64 sector)
{
	if (!group)
		return NULL;
	return dmr_group_record(group, sector / DMR_UNIT_SECTORS % DMR_GROUP_UNITS);
}

/* The run at `sector`, whose group this is, or none; of 0 sectors if something came into the map meanwhile. */
static dmr_noinline struct dmr_run
dmr_find_run(const struct dmr_map *map, const struct dmr_group *group, u64 sector, u32 count)
{
	u64 end = sector + count;
	unsigned int offset = sector % DMR_UNIT_SECTORS;
	const struct dmr_record *record = dmr_record_at(group, sector);
	struct dmr_run run = { .kind = DMR_MAIN };

	if (record)
		run.kind = dmr_record_kind(record, offset);
	if (run.kind == DMR_MAIN) {
		run.count = dmr_main_end(map, sector, end) - sector;
		return run;
	}
	run.spare_sector = dmr_slot_sector(record->slot) + offset;
	run.count = dmr_copy_end(map, group, record, sector, end, &run) - sector;
	return run;
}

struct dmr_run dmr_map_find(const struct dmr_map *map, u64 sector, u32 count)
{
	const struct dmr_record *record;
	const struct dmr_group *group;
	struct dmr_run run;

	dmr_rcu_read_lock();
	do {
		group = NULL;
		if (dmr_filter_hit(dmr_map_filter(map), sector, 1))
			group = dmr_group_find(map, sector / DMR_GROUP_SECTORS);
		record = dmr_record_at(group, sector);
		/* Most I/O to the spare is to one unit, all of which is there. */
		if (record && dmr_record_is_copy(record) &&
		    count <= DMR_UNIT_SECTORS - sector % DMR_UNIT_SECTORS) {
			run.kind = DMR_OWNED;
			run.count = count;
			run.spare_sector = dmr_slot_sector(record->slot) +
					   sector % DMR_UNIT_SECTORS;
			break;
		}
		run = dmr_find_run(map, group, sector, count);
	} while (unlikely(!run.count && count));
	dmr_rcu_read_unlock();
	return run;
}

bool dmr_map_get(const struct dmr_map *map, u64 unit, struct dmr_unit *out)
{
	const struct dmr_group *group;
	const struct dmr_record *record = NULL;

	dmr_rcu_read_lock();
	group = dmr_group_find(map, unit / DMR_GROUP_UNITS);
	if (group)
		record = dmr_group_record(group, unit % DMR_GROUP_UNITS);
	if (record)
		*out = (struct dmr_unit) {
			.unit = unit, .slot = record->slot, .owned = record->owned,
			.pending = record->pending, .doubt = record->doubt, .lost = record->lost,
		};
	dmr_rcu_read_unlock();
	return record;
}

bool dmr_map_next(const struct dmr_map *map, u64 *sector, u64 end, struct dmr_run *run)
{
	u64 at = *sector, sectors;

	dmr_rcu_read_lock();
	sectors = dmr_map_filter(map)->sectors;
	dmr_rcu_read_unlock();
	if (end > sectors)
		end = sectors;
	while (at < end) {
		*run = dmr_map_find(map, at, end - at < 0xffffffff ? end - at : 0xffffffff);
		if (run->kind != DMR_MAIN) {
			*sector = at;
			return true;
		}
		at += run->count;
	}
	return false;
}

/* Changes */

static bool dmr_map_covers(struct dmr_map *map, u64 unit)
{
	u64 sectors = dmr_filter_of_writer(map)->sectors;

	return unit < (sectors + DMR_UNIT_SECTORS - 1) / DMR_UNIT_SECTORS;
}

static bool dmr_unit_is_mapped(const struct dmr_unit *unit)
{
	return unit->owned | unit->pending | unit->doubt;
}

static void dmr_record_set(struct dmr_record *record, const struct dmr_unit *unit)
{
	record->slot = unit->slot;
	record->owned = unit->owned;
	record->pending = unit->pending;
	record->doubt = unit->doubt;
	record->lost = !!unit->lost;
}

/* Fills `new`: what `old` (or none) has, but for these units of the group. */
static void dmr_group_merge(struct dmr_group *new, const struct dmr_group *old, u64 present,
			    const struct dmr_unit *units, u32 count)
{
	const struct dmr_record *from = old ? old->record : NULL;
	u64 had = old ? old->present : 0;
	u64 left = had | present;
	struct dmr_record *to = new->record;
	unsigned int index;

	for (; left; left &= left - 1) {
		index = dmr_ffs64(left);
		for (; count && units->unit % DMR_GROUP_UNITS < index; count--)
			units++;
		if (count && units->unit % DMR_GROUP_UNITS == index) {
			if (present >> index & 1)
				dmr_record_set(to++, units);
		} else {
			*to++ = *from;
		}
		if (had >> index & 1)
			from++;
	}
	new->present = present;
}

static bool dmr_change_group(struct dmr_map *map, const struct dmr_unit *units, u32 count)
{
	u64 number = units->unit / DMR_GROUP_UNITS;
	const struct dmr_group *old =
		dmr_rcu_dereference_writer(*dmr_table_link(dmr_map_table(map), number));
	u64 present = old ? old->present : 0;
	struct dmr_group *new;
	u64 bit;
	u32 i;

	for (i = 0; i < count; i++) {
		bit = 1ULL << units[i].unit % DMR_GROUP_UNITS;
		present = dmr_unit_is_mapped(&units[i]) ? present | bit : present & ~bit;
	}
	if (!old && !present)
		return true;
	new = dmr_group_alloc(dmr_hweight64(present), false);
	if (!new)
		new = dmr_reserve_get(map);
	if (!new)
		return false;
	new->key |= number;
	dmr_group_merge(new, old, present, units, count);
	new->after = map->change.first;
	map->change.first = new;
	return true;
}

struct dmr_map_change *dmr_map_prepare(struct dmr_map *map, const struct dmr_unit *units, u32 count)
{
	u32 some;

	map->change.first = NULL;
	for (; count; units += some, count -= some) {
		for (some = 1; some < count; some++)
			if (units[some].unit / DMR_GROUP_UNITS != units->unit / DMR_GROUP_UNITS)
				break;
		if (!dmr_map_covers(map, units[some - 1].unit) ||
		    !dmr_change_group(map, units, some)) {
			dmr_map_cancel(map, &map->change);
			return NULL;
		}
	}
	return &map->change;
}

/* The filter comes first: who sees the group must not be kept from looking for it. */
static void dmr_publish_group(struct dmr_map *map, struct dmr_group *new)
{
	u64 number = dmr_group_number(new);
	struct dmr_table *table = dmr_map_table(map);
	struct dmr_group *old;

	if (new->present) {
		dmr_filter_set_group(dmr_filter_of_writer(map), new);
		dmr_count_group(map, new, 1);
	}
	old = dmr_table_swap(table, new);
	if (map->filling && dmr_table_index(table, number) < map->filled)
		dmr_table_swap(map->filling, new);
	if (old) {
		dmr_count_group(map, old, -1);
		dmr_call_rcu(&old->rcu, dmr_group_free_rcu);
	}
	if (!new->present)
		dmr_group_free(new);
}

void dmr_map_publish(struct dmr_map *map, struct dmr_map_change *change)
{
	struct dmr_group *new, *after;

	for (new = change->first; new; new = after) {
		after = new->after;
		dmr_publish_group(map, new);
	}
	change->first = NULL;
}

void dmr_map_cancel(struct dmr_map *map, struct dmr_map_change *change)
{
	struct dmr_group *new, *after;

	for (new = change->first; new; new = after) {
		after = new->after;
		if (dmr_group_class(new) == DMR_LARGEST && map->reserved < DMR_RESERVE)
			dmr_reserve_put(map, new);
		else
			dmr_group_free(new);
	}
	change->first = NULL;
}

/* Resizing */

/* How many buckets there should be. */
static u64 dmr_map_due(const struct dmr_map *map)
{
	u64 entries = READ_ONCE(map->entries);
	u64 buckets = READ_ONCE(map->buckets);

	while (buckets < DMR_MAX_BUCKETS && entries * 2 > buckets * 3)
		buckets *= 2;
	while (buckets > DMR_MAP_MIN_BUCKETS && entries * 2 < buckets)
		buckets /= 2;
	return buckets;
}

static bool dmr_resize_begin(struct dmr_map *map)
{
	struct dmr_table *table = &map->tables[!dmr_map_table(map)->link];
	u64 buckets = dmr_map_due(map);

	/* While somebody may still walk the other table, its links are not ours to change. */
	if (buckets == map->buckets || READ_ONCE(map->retiring) ||
	    !dmr_table_init(table, buckets))
		return false;
	dmr_add(&map->bytes, buckets * sizeof(*table->bucket));
	map->filled = 0;
	WRITE_ONCE(map->filling, table);
	return true;
}

static void dmr_resize_bucket(struct dmr_table *from, struct dmr_table *to, u64 bucket)
{
	struct dmr_group __rcu **head;
	struct dmr_group *group = dmr_rcu_dereference_writer(from->bucket[bucket]);

	for (; group; group = dmr_rcu_dereference_writer(group->next[from->link])) {
		head = &to->bucket[dmr_table_index(to, dmr_group_number(group))];
		dmr_rcu_assign(group->next[to->link], dmr_rcu_dereference_writer(*head));
		dmr_rcu_assign(*head, group);
	}
}

static bool dmr_resize_fill(struct dmr_map *map, u32 step)
{
	struct dmr_table *table = dmr_map_table(map);

	while (step-- && map->filled < map->buckets)
		dmr_resize_bucket(table, map->filling, map->filled++);
	return map->filled == map->buckets;
}

/* Readers begin to use the new table. Returns the one before. */
static struct dmr_table *dmr_resize_switch(struct dmr_map *map)
{
	struct dmr_table *before = dmr_map_table(map);

	dmr_add(&map->bytes, -(map->buckets * sizeof(*before->bucket)));
	WRITE_ONCE(map->buckets, dmr_table_buckets(map->filling));
	dmr_rcu_assign(map->table, map->filling);
	WRITE_ONCE(map->filling, NULL);
	return before;
}

static void dmr_table_free(struct dmr_table *table)
{
	dmr_big_free(table->bucket);
	table->bucket = NULL;
}

/* No switch comes before the flag is down: the other table is the retired one. */
static void dmr_resize_retired(struct dmr_rcu_head *rcu)
{
	struct dmr_map *map = container_of(rcu, struct dmr_map, retire);

	dmr_table_free(&map->tables[!dmr_map_table(map)->link]);
	dmr_smp_wmb();
	WRITE_ONCE(map->retiring, false);
}

bool dmr_map_resize_step(struct dmr_map *map)
{
	if (!map->filling && !dmr_resize_begin(map))
		return false;
	if (!dmr_resize_fill(map, DMR_RESIZE_STEP))
		return true;
	dmr_resize_switch(map);
	WRITE_ONCE(map->retiring, true);
	dmr_call_rcu(&map->retire, dmr_resize_retired);
	return false;
}

void dmr_map_resize(struct dmr_map *map)
{
	while (dmr_map_resize_step(map))
		;
}

/* Before there are readers, nobody has to be waited for. */
static void dmr_load_resize(struct dmr_map *map)
{
	if (dmr_resize_begin(map) && dmr_resize_fill(map, ~0u))
		dmr_table_free(dmr_resize_switch(map));
}

/* The old group (or none) if it has room for one more record, else a larger copy not yet linked. */
static struct dmr_group *dmr_load_grow(struct dmr_map *map, u64 number, struct dmr_group *old)
{
	unsigned int units = old ? dmr_hweight64(old->present) : 0;
	struct dmr_group *new;

	if (old && units < dmr_class_units[dmr_group_class(old)])
		return old;
	new = dmr_group_alloc(units + 1, true);
	if (!new)
		return NULL;
	new->key |= number;
	dmr_count_object(map, new, 1);
	if (old) {
		new->present = old->present;
		memcpy(new->record, old->record, units * sizeof(*new->record));
		dmr_count_object(map, old, -1);
	}
	return new;
}

static void dmr_load_record(struct dmr_group *group, const struct dmr_unit *unit)
{
	unsigned int index = unit->unit % DMR_GROUP_UNITS;
	unsigned int rank = dmr_rank(group->present, index);
	struct dmr_record *record = &group->record[rank];

	memmove(record + 1, record, (dmr_hweight64(group->present) - rank) * sizeof(*record));
	dmr_record_set(record, unit);
	group->present |= 1ULL << index;
}

bool dmr_map_load(struct dmr_map *map, const struct dmr_unit *unit)
{
	u64 number = unit->unit / DMR_GROUP_UNITS;
	struct dmr_table *table = dmr_map_table(map);
	struct dmr_group *old, *group;

	if (!dmr_map_covers(map, unit->unit))
		return false;
	if (!dmr_unit_is_mapped(unit))
		return true;
	old = dmr_rcu_dereference_writer(*dmr_table_link(table, number));
	group = dmr_load_grow(map, number, old);
	if (!group)
		return false;
	dmr_load_record(group, unit);
	dmr_count_record(map, dmr_group_record(group, unit->unit % DMR_GROUP_UNITS), 1);
	if (group != old) {
		dmr_table_swap(table, group);
		if (old)
			dmr_group_free(old);
	}
	dmr_filter_set(dmr_filter_of_writer(map), unit->unit * DMR_UNIT_SECTORS);
	dmr_load_resize(map);
	return true;
}

/* What anybody may ask */

bool dmr_map_wants_work(const struct dmr_map *map)
{
	if (READ_ONCE(map->reserved) < DMR_RESERVE || READ_ONCE(map->filling))
		return true;
	return !READ_ONCE(map->retiring) && dmr_map_due(map) != READ_ONCE(map->buckets);
}

void dmr_map_stats(const struct dmr_map *map, struct dmr_map_stats *stats)
{
	stats->units = READ_ONCE(map->units);
	stats->owned = READ_ONCE(map->owned);
	stats->pending = READ_ONCE(map->pending);
	stats->lost = READ_ONCE(map->lost);
	stats->buckets = READ_ONCE(map->buckets);
	stats->entries = READ_ONCE(map->entries);
	stats->bytes = READ_ONCE(map->bytes);
}

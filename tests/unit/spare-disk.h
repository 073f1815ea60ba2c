/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A spare in memory for tests of load, commit and repair: it fails where it is told to, counts, keeps
 * every version of each metadata block, and goes back to what it was. With it, a pair that has something
 * of everything, and what a loaded map amounts to, as one value to compare.
 */
#ifndef DMR_TEST_SPARE_DISK_H
#define DMR_TEST_SPARE_DISK_H

#include "commit.h"

#define DISK_UNREADABLE	1u
#define DISK_UNWRITABLE	2u
#define DISK_HEALS	4u	/* unreadable until it is written */
#define DISK_DIRTY	8u	/* differs from the base, maybe */

#define DISK_SEGMENTS	4u	/* of which the last never comes into use */
#define DISK_BLOCKS	(1024u + DISK_SEGMENTS * DMR_SEGMENT_BLOCKS + 3)
#define DISK_MAIN	8192u	/* sectors of main: 1024 units */
#define DISK_METAS	(DMR_SUPER_COPIES + DISK_SEGMENTS * DMR_TABLE_PLACES)
#define DISK_NAME	"spare-disk"

struct disk_version {
	struct disk_version *older;
	u8 data[DMR_BLOCK_SIZE];
};

struct spare_disk {
	u8 uuid[16];
	u8 *data, *base;
	u8 fault[DISK_BLOCKS];
	u32 dirty[DISK_BLOCKS], dirty_count;
	struct disk_version *version[DISK_BLOCKS];	/* all that was ever written, while `recording` */
	bool recording;
	unsigned long reads, data_reads, writes, failed_writes, swallowed;	/* that cannot be read */
};

/* A map and its slots: equal maps have equal values. */
struct disk_map {
	struct dmr_map_stats stats;	/* but for what is about memory */
	u64 units, used, bad, hash;
};

struct disk_user {
	struct dmr_metadata meta;
	struct spare_disk *disk;
	char why[DMR_WHY_SIZE];
	int result;
};

/* Places of metadata, by rising sector. */
static inline u32 disk_meta(unsigned int i)
{
	if (i < DMR_SUPER_COPIES)
		return dmr_super_sector(i) / DMR_BLOCK_SECTORS;
	i -= DMR_SUPER_COPIES;
	return dmr_table_sector(i / DMR_TABLE_PLACES, i % DMR_TABLE_PLACES) / DMR_BLOCK_SECTORS;
}

static inline bool disk_is_meta(u32 block)
{
	unsigned int i;

	for (i = 0; i < DISK_METAS; i++)
		if (disk_meta(i) == block)
			return true;
	return false;
}

static inline u8 *disk_at(const struct spare_disk *disk, u32 block)
{
	return disk->data + (size_t)block * DMR_BLOCK_SIZE;
}

/* Before any change of a block's content or faults. */
static inline void disk_touch(struct spare_disk *disk, u32 block)
{
	if (disk->fault[block] & DISK_DIRTY)
		return;
	disk->fault[block] |= DISK_DIRTY;
	disk->dirty[disk->dirty_count++] = block;
}

static inline void disk_fault(struct spare_disk *disk, u32 block, u8 fault)
{
	disk_touch(disk, block);
	disk->fault[block] |= fault;
}

static inline void disk_restore(struct spare_disk *disk)
{
	while (disk->dirty_count) {
		u32 block = disk->dirty[--disk->dirty_count];

		memcpy(disk_at(disk, block), disk->base + (size_t)block * DMR_BLOCK_SIZE,
		       DMR_BLOCK_SIZE);
		disk->fault[block] = 0;
	}
}

static inline int disk_read(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes)
{
	struct spare_disk *disk = container_of(meta, struct disk_user, meta)->disk;
	u32 block, last = (sector + bytes / DMR_SECTOR_SIZE - 1) / DMR_BLOCK_SECTORS;

	disk->reads++;
	if (sector + bytes / DMR_SECTOR_SIZE > meta->sectors)
		abort();
	for (block = sector / DMR_BLOCK_SECTORS; block <= last; block++) {
		disk->data_reads += !disk_is_meta(block);
		if (disk->fault[block] & DISK_UNREADABLE) {
			/* What a failing disk leaves in the buffer is not to be looked at. */
			memset(data, 0x5a, bytes);
			return -EIO;
		}
	}
	memcpy(data, disk->data + sector * DMR_SECTOR_SIZE, bytes);
	return 0;
}

static inline void disk_record(struct spare_disk *disk, u32 block)
{
	struct disk_version *version = malloc(sizeof(*version));

	if (!version)
		abort();
	memcpy(version->data, disk_at(disk, block), DMR_BLOCK_SIZE);
	version->older = disk->version[block];
	disk->version[block] = version;
}

static inline int disk_write(struct dmr_metadata *meta, u64 sector, void *data)
{
	struct spare_disk *disk = container_of(meta, struct disk_user, meta)->disk;
	u32 block = sector / DMR_BLOCK_SECTORS;

	disk->writes++;
	if (sector % DMR_BLOCK_SECTORS || sector + DMR_BLOCK_SECTORS > meta->sectors)
		abort();
	if (disk->fault[block] & DISK_UNWRITABLE) {
		disk->failed_writes++;
		return -EIO;
	}
	disk_touch(disk, block);
	memcpy(disk_at(disk, block), data, DMR_BLOCK_SIZE);
	if (disk->fault[block] & DISK_HEALS)
		disk->fault[block] &= ~(DISK_HEALS | DISK_UNREADABLE);
	disk->swallowed += !!(disk->fault[block] & DISK_UNREADABLE);
	if (disk->recording)
		disk_record(disk, block);
	return 0;
}

static const struct dmr_metadata_io disk_io = { .read = disk_read, .write = disk_write };

/* The core logs to stderr: while it works that is this text. */
struct disk_log {
	char text[16384];
	FILE *file, *was;
};

static struct disk_log disk_log;

static inline void disk_log_begin(void)
{
	if (!disk_log.file) {
		disk_log.file = fmemopen(disk_log.text, sizeof(disk_log.text), "w");
		if (!disk_log.file)
			abort();
	}
	rewind(disk_log.file);
	disk_log.was = stderr;
	stderr = disk_log.file;
}

static inline void disk_log_end(void)
{
	stderr = disk_log.was;
	fputc('\0', disk_log.file);
	fflush(disk_log.file);
}

static inline unsigned int disk_log_lines(const char *with)
{
	unsigned int lines = 0;
	const char *at = disk_log.text;

	for (; (at = strstr(at, with)); at += strlen(with))
		lines++;
	return lines;
}

/* Reads the spare as it is; meta is to be given back by disk_done() whatever the result. */
static inline int disk_load(struct disk_user *user, struct spare_disk *disk)
{
	memset(user, 0, sizeof(*user));
	user->disk = disk;
	user->meta.io = &disk_io;
	user->meta.sectors = (u64)DISK_BLOCKS * DMR_BLOCK_SECTORS;
	strcpy(user->meta.name, DISK_NAME);
	disk->reads = disk->data_reads = disk->writes = disk->failed_writes = disk->swallowed = 0;
	if (!dmr_metadata_init(&user->meta))
		abort();
	disk_log_begin();
	user->result = dmr_load(&user->meta, DISK_MAIN, disk->uuid, user->why);
	disk_log_end();
	return user->result;
}

static inline int disk_repair(struct disk_user *user)
{
	int r;

	disk_log_begin();
	r = dmr_repair(&user->meta);
	disk_log_end();
	return r;
}

static inline void disk_done(struct disk_user *user)
{
	dmr_metadata_exit(&user->meta);
}

static inline u64 disk_mix(u64 hash, u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static inline void disk_map(struct disk_user *user, struct disk_map *map)
{
	struct dmr_spare *slots = user->meta.slots;
	struct dmr_unit unit;
	struct dmr_run run;
	u64 sector;
	u32 slot, end = dmr_spare_in_use(slots) * DMR_SEGMENT_SLOTS;

	memset(map, 0, sizeof(*map));
	dmr_map_stats(user->meta.map, &map->stats);
	map->stats.buckets = map->stats.entries = map->stats.bytes = 0;
	map->used = dmr_spare_used(slots);
	map->bad = dmr_spare_bad(slots);
	map->hash = disk_mix(end, dmr_spare_slots(slots));
	for (sector = 0; dmr_map_next(user->meta.map, &sector, ~0ULL, &run);
	     sector = (unit.unit + 1) * DMR_UNIT_SECTORS) {
		if (!dmr_map_get(user->meta.map, sector / DMR_UNIT_SECTORS, &unit))
			abort();
		map->units++;
		map->hash = disk_mix(map->hash, unit.unit);
		map->hash = disk_mix(map->hash, (u64)unit.slot << 32 | unit.owned << 16 |
				     unit.pending << 8 | unit.lost);
	}
	for (slot = 0; slot < end; slot++)
		map->hash = disk_mix(map->hash, dmr_spare_get(slots, slot));
}

/* A pair that has something of everything */

static inline void disk_must(bool what)
{
	if (!what)
		abort();
}

static inline void disk_commit(struct disk_user *user, struct dmr_change *change, u32 count)
{
	static struct dmr_unit room[2 * DMR_SEGMENT_SLOTS];
	u32 i;

	for (i = 0; i < count; i++)
		change[i].fate = DMR_READY;
	disk_log_begin();
	dmr_commit(&user->meta, change, count, room);
	disk_log_end();
	for (i = 0; i < count; i++)
		disk_must(change[i].fate == DMR_KEPT);
	disk_must(dmr_map_refill(user->meta.map) && dmr_spare_refill(user->meta.slots));
}

/* New units in all states: owned, partly owned, pending, owned and pending, lost. */
static inline void disk_add(struct disk_user *user, u64 unit, u32 count)
{
	static const u8 owned[5] = { 0xff, 0x0f, 0x00, 0x3c, 0x81 };
	static const u8 pending[5] = { 0x00, 0x00, 0xf0, 0x0c, 0x80 };
	static struct dmr_change change[DMR_SEGMENT_SLOTS];
	u32 i, got;

	for (; count; unit += got, count -= got) {
		for (i = 0; i < count; i++) {
			dmr_change_begin(&user->meta, &change[i], unit + i);
			change[i].will.owned = owned[i % 5];
			change[i].will.pending = pending[i % 5];
			change[i].will.lost = i % 5 == 4;
		}
		got = dmr_take_slots(&user->meta, change, count, 0, count, DMR_NO_SLOT);
		disk_must(got);
		disk_commit(user, change, got);
	}
}

/* A sector of a mapped unit changes its owner: its table is written. */
static inline void disk_turn(struct disk_user *user, u64 unit)
{
	struct dmr_change change;

	dmr_change_begin(&user->meta, &change, unit);
	disk_must(change.is.slot != DMR_NO_SLOT);
	change.will.owned ^= 1;
	disk_commit(user, &change, 1);
}

static inline void disk_move(struct disk_user *user, u64 unit)
{
	struct dmr_change change;

	dmr_change_begin(&user->meta, &change, unit);
	disk_must(dmr_take_free_slot(&user->meta, &change));
	disk_commit(user, &change, 1);
}

static inline void disk_slot_bad(struct disk_user *user, u32 slot)
{
	disk_log_begin();
	dmr_slot_bad(&user->meta, slot);
	disk_log_end();
	disk_must(!user->meta.frozen);
}

static inline void disk_activate(struct disk_user *user, struct spare_disk *disk)
{
	disk_must(!disk_load(user, disk));
	disk_log_begin();
	disk_must(!(user->meta.blank ? dmr_format : dmr_repair)(&user->meta));
	disk_log_end();
}

/*
 * Makes a pair over two sessions: three segments in use, moves, bad slots; every block of it was written
 * several times. `relocated`: this copy of segment 1 (DMR_PLACE_A, DMR_PLACE_B) moved to an alternate;
 * DMR_TABLE_PLACES: none did.
 */
static inline struct spare_disk *disk_make(u8 uuid, unsigned int relocated)
{
	struct spare_disk *disk = calloc(1, sizeof(*disk));
	size_t bytes = (size_t)DISK_BLOCKS * DMR_BLOCK_SIZE;
	struct disk_user user;
	u32 block, i;

	disk_must(disk);
	disk->data = calloc(1, bytes);
	disk->base = malloc(bytes);
	disk_must(disk->data && disk->base);
	memset(disk->uuid, uuid, sizeof(disk->uuid));
	disk->recording = true;

	disk_activate(&user, disk);
	disk_add(&user, 0, 250);
	disk_add(&user, 300, 200);
	disk_slot_bad(&user, DMR_SEGMENT_SLOTS + 240);
	disk_done(&user);

	disk_activate(&user, disk);
	disk_turn(&user, 3);
	disk_turn(&user, 310);
	disk_add(&user, 600, 200);
	disk_move(&user, 7);
	disk_move(&user, 305);
	if (relocated < DMR_TABLE_PLACES) {
		block = dmr_table_sector(1, relocated) / DMR_BLOCK_SECTORS;
		disk_fault(disk, block, DISK_UNWRITABLE);
		disk_turn(&user, 320);
		disk->fault[block] = 0;
	}
	for (i = 0; i < 2; i++) {
		disk_turn(&user, 11 + i);
		disk_turn(&user, 330 + i);
		disk_turn(&user, 790 + i);
	}
	disk_must(user.meta.super->in_use == 3);
	disk_done(&user);

	disk->recording = false;
	memcpy(disk->base, disk->data, bytes);
	memset(disk->fault, 0, sizeof(disk->fault));
	disk->dirty_count = 0;
	return disk;
}

static inline void disk_free(struct spare_disk *disk)
{
	u32 block;

	for (block = 0; block < DISK_BLOCKS; block++) {
		while (disk->version[block]) {
			struct disk_version *older = disk->version[block]->older;

			free(disk->version[block]);
			disk->version[block] = older;
		}
	}
	free(disk->data);
	free(disk->base);
	free(disk);
}

#endif

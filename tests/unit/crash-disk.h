/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A spare in memory of which only the metadata blocks are kept, each by the number of its content: so a whole
 * disk is copied, compared and torn at little cost. It logs writes, and fails reads and writes
 * as it is told. A write that fails or is cut off leaves any of its sectors old or new.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdio.h>
#include "unit.h"
#include "metadata.h"

#ifndef DISK_SEGMENTS
#define DISK_SEGMENTS	3u
#endif
#define DISK_BLOCKS	(DMR_SUPER_COPIES + DMR_TABLE_PLACES * DISK_SEGMENTS)
#define DISK_LOG	128u
#define DISK_ALL	0xffu		/* all sectors of a block are new */
#define DISK_DESTROYED	0x100u		/* the block is neither old nor new */

/* Contents: number 0 is zeroes. */
#define POOL_MOST	(1u << 17)
#define POOL_HASH	(1u << 18)

struct content {
	u8 byte[DMR_BLOCK_SIZE] __attribute__((aligned(8)));
};

static struct content *pool;
static u32 pool_count, *pool_hash;

static inline u64 hash_words(const void *data, size_t bytes, u64 hash)
{
	const u64 *word = data;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ull ^ hash >> 29;
	return hash ^ hash >> 31;
}

static inline u32 pool_number(const void *block)
{
	u64 at = hash_words(block, DMR_BLOCK_SIZE, 1);

	for (;; at++) {
		u32 *entry = &pool_hash[at % POOL_HASH];

		if (!*entry) {
			assert_true(pool_count < POOL_MOST);
			memcpy(pool[pool_count].byte, block, DMR_BLOCK_SIZE);
			*entry = ++pool_count;
		}
		if (!memcmp(pool[*entry - 1].byte, block, DMR_BLOCK_SIZE))
			return *entry - 1;
	}
}

static inline void pool_start(void)
{
	static const struct content zero;

	if (!pool) {
		pool = malloc(POOL_MOST * sizeof(*pool));
		pool_hash = malloc(POOL_HASH * sizeof(*pool_hash));
		assert_non_null(pool);
		assert_non_null(pool_hash);
	}
	memset(pool_hash, 0, POOL_HASH * sizeof(*pool_hash));
	pool_count = 0;
	pool_number(&zero);
}

static inline void pool_end(void)
{
	free(pool);
	free(pool_hash);
	pool = NULL;
	pool_hash = NULL;
}

/* Which sectors of two contents differ, a bit each. */
static inline u8 pool_differ(u32 a, u32 b)
{
	unsigned int i;
	u8 mask = 0;

	for (i = 0; i < DMR_BLOCK_SECTORS; i++)
		if (memcmp(pool[a].byte + i * DMR_SECTOR_SIZE, pool[b].byte + i * DMR_SECTOR_SIZE,
			   DMR_SECTOR_SIZE))
			mask |= 1u << i;
	return mask;
}

/* What is there after a write of which the sectors in `landed` arrived. */
static inline u32 pool_tear(u32 before, u32 after, u32 landed)
{
	struct content torn = pool[before];
	unsigned int i;

	if (landed == DISK_DESTROYED) {
		memset(torn.byte, 0x5a, sizeof(torn.byte));
		return pool_number(&torn);
	}

	if (landed == DISK_ALL)
		return after;
	if (!landed)
		return before;
	for (i = 0; i < DMR_BLOCK_SECTORS; i++)
		if (landed >> i & 1)
			memcpy(torn.byte + i * DMR_SECTOR_SIZE, pool[after].byte + i * DMR_SECTOR_SIZE,
			       DMR_SECTOR_SIZE);
	return pool_number(&torn);
}

struct disk {
	u32 block[DISK_BLOCKS] __attribute__((aligned(8)));
};

struct disk_write {
	u32 block, before, after;
	bool failed;
	u32 left;		/* what was left where it failed, else `after` */
};

/* The one that is in the machine. */
static struct {
	struct disk disk;
	bool unreadable[DISK_BLOCKS], unwritable[DISK_BLOCKS];
	u64 fails;		/* writes that fail, by their number, a bit each */
	u32 landed;		/* what failed writes leave: sectors that arrived */
	u32 reads, writes;
	struct disk_write log[DISK_LOG];
} now;

static inline void now_insert(const struct disk *disk)
{
	memset(&now, 0, sizeof(now));
	now.disk = *disk;
}

/* What follows is counted from 0 again. */
static inline void now_restart(void)
{
	now.reads = 0;
	now.writes = 0;
}

static inline u64 disk_sector(u32 block)
{
	if (block < DMR_SUPER_COPIES)
		return dmr_super_sector(block);
	block -= DMR_SUPER_COPIES;
	return dmr_table_sector(block / DMR_TABLE_PLACES, block % DMR_TABLE_PLACES);
}

static inline u32 disk_table(u32 segment, unsigned int place)
{
	return DMR_SUPER_COPIES + segment * DMR_TABLE_PLACES + place;
}

/* The block at a sector, or DISK_BLOCKS. */
static inline u32 disk_find(u64 sector)
{
	u32 segment, place;

	if (sector < DMR_SEGMENT_BASE)
		return sector % DMR_SUPER_STRIDE ? DISK_BLOCKS : sector / DMR_SUPER_STRIDE;
	segment = (sector - DMR_SEGMENT_BASE) / DMR_SEGMENT_SECTORS;
	if (segment < DISK_SEGMENTS)
		for (place = 0; place < DMR_TABLE_PLACES; place++)
			if (sector == dmr_table_sector(segment, place))
				return disk_table(segment, place);
	return DISK_BLOCKS;
}

static int now_read(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes)
{
	u64 at, end = sector + bytes / DMR_SECTOR_SIZE;
	u8 *to = data;
	u32 block;

	if (end > meta->sectors)
		return -EIO;
	now.reads++;
	memset(data, 0, bytes);
	for (at = sector; at < end; at += DMR_BLOCK_SECTORS, to += DMR_BLOCK_SIZE) {
		block = disk_find(at);
		if (block == DISK_BLOCKS)
			continue;
		if (now.unreadable[block])
			return -EIO;
		memcpy(to, pool[now.disk.block[block]].byte, DMR_BLOCK_SIZE);
	}
	return 0;
}

static int now_write(struct dmr_metadata *meta, u64 sector, void *data)
{
	struct disk_write *write = &now.log[now.writes];
	u32 block = disk_find(sector);

	/* Nothing but metadata may ever be written. */
	assert_true(block < DISK_BLOCKS);
	assert_true(sector + DMR_BLOCK_SECTORS <= meta->sectors);
	assert_true(now.writes < DISK_LOG);
	write->block = block;
	write->before = now.disk.block[block];
	write->after = pool_number(data);
	write->failed = now.unwritable[block] || (now.writes < 64 && now.fails >> now.writes & 1);
	write->left = write->failed ? pool_tear(write->before, write->after, now.landed) :
				      write->after;
	now.disk.block[block] = write->left;
	now.writes++;
	return write->failed ? -EIO : 0;
}

static const struct dmr_metadata_io now_io = { .read = now_read, .write = now_write };

/*
 * All that the power can leave when it fails during one of the writes in a log: for each write, for each
 * subset of its sectors that makes a difference. Begin with zeroes but for `from` and `left`.
 */
struct cuts {
	struct disk from;		/* before write number `write` */
	const struct disk_write *log;
	u32 left;			/* writes in the log from there on */
	u32 write;
	u32 landed;			/* the next subset */
	u32 subset;			/* the one that was made last */
	bool few;			/* of the subsets only: none, the first sector, all */
	bool destroys;			/* and a block that is nothing any more */
};

static inline bool cuts_wants(const struct cuts *cuts, u8 differ)
{
	u32 subset = cuts->landed;

	if (subset == DISK_DESTROYED)
		return cuts->destroys;
	if (subset & ~differ)
		return false;
	return !cuts->few || !subset || subset == differ || subset == (u32)(differ & -differ);
}

static inline bool cuts_next(struct cuts *cuts, struct disk *disk)
{
	const struct disk_write *write;

	while (cuts->left) {
		write = &cuts->log[cuts->write];
		if (cuts->landed <= DISK_DESTROYED) {
			u8 differ = pool_differ(write->before, write->after);

			while (cuts->landed <= DISK_DESTROYED && !cuts_wants(cuts, differ))
				cuts->landed++;
			if (cuts->landed <= DISK_DESTROYED) {
				cuts->subset = cuts->landed++;
				*disk = cuts->from;
				disk->block[write->block] = cuts->subset == differ ?
					write->after :
					pool_tear(write->before, write->after, cuts->subset);
				return true;
			}
		}
		cuts->from.block[write->block] = write->left;
		cuts->write++;
		cuts->left--;
		cuts->landed = 0;
	}
	return false;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * A spare's metadata: reading it, changing it so that a crash at any point leaves the old or the new
 * state, and repairing it. It decides what is read and written, and in which order; the reading and
 * writing is the caller's. One user at a time (the kernel's pair->lock), who may wait for I/O.
 * Errors are negative errno values.
 */
#ifndef DMR_CORE_METADATA_H
#define DMR_CORE_METADATA_H

#include "codec.h"
#include "map.h"
#include "spare.h"

#define DMR_ALL_SUPERS	((1u << DMR_SUPER_COPIES) - 1)
#define DMR_WHY_SIZE	256

struct dmr_metadata;

/* The spare as the caller gives it to us. Sectors of the spare; `bytes` is a multiple of 512. */
struct dmr_metadata_io {
	int (*read)(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes);
	/* One block of 4096 bytes, durable when it returns 0. After an error it may be old, new or torn. */
	int (*write)(struct dmr_metadata *meta, u64 sector, void *block);
};

struct dmr_metadata {
	/* From the caller, before anything else. */
	const struct dmr_metadata_io *io;
	u64 sectors;			/* the spare's length */
	char name[32];			/* the spare's, for the log */

	struct dmr_super *super;
	struct dmr_map *map;
	struct dmr_spare *slots;
	bool blank;			/* nothing there yet: to be formatted */
	bool session_open;		/* this activation has advanced super->session */
	u32 commits;			/* generations given out in this session */
	void *block[2];			/* two metadata blocks to work in */
	u8 super_good;			/* copies of the superblock that are the newest, a bit each */
	u8 table_good;			/* the same for the two copies of the table last read */
	unsigned long *repair;		/* segments whose two copies differ, a bit each; NULL: none */
	u32 *retire;			/* slots that lost against another entry for their unit */
	u32 retire_count, retire_room;
	u64 victim_from;		/* sector: where the next search for a pending unit's slot begins */
	bool no_victim;			/* the last one found none, */
	u32 no_victim_at;		/* when `tried` was this */

	/* Read anywhere. */
	u32 tried;			/* commits that changed something, or may have */
	int frozen;			/* why a commit failed, and nothing new is mapped; or 0 */
	bool full;			/* who last wanted a slot found none */
	bool broken;			/* the map in memory cannot be trusted any more: all I/O must fail */
	unsigned long errors;		/* metadata blocks that could not be read, written or believed */
};

/* Memory for a zeroed *meta; false: none. dmr_metadata_exit() frees all that it holds, after a failure too. */
bool dmr_metadata_init(struct dmr_metadata *meta);
void dmr_metadata_exit(struct dmr_metadata *meta);

/*
 * Which of a spare's superblocks counts, of those in `valid`, a bit a copy, at least one: *best. NULL, or what keeps it
 * from being sure, and *best is one of those that may: a spare carries that.
 */
const char *dmr_super_choose(const struct dmr_super copy[DMR_SUPER_COPIES], unsigned int valid,
			     unsigned int *best);

/*
 * Reads a spare (C14): the newest superblock, the whole map, and what has to be repaired. Writes nothing. A
 * spare without any content is `blank`, to be formatted with this uuid. On failure `why` is one
 * clear line.
 */
int dmr_load(struct dmr_metadata *meta, u64 main_sectors, const u8 uuid[16],
	     char why[DMR_WHY_SIZE]);

/* For a blank spare: its first tables and superblocks. */
int dmr_format(struct dmr_metadata *meta);
/* Makes all copies equal again; writes nothing to a spare that needs no repair. */
int dmr_repair(struct dmr_metadata *meta);
/* Does a spare that was loaded need it? */
bool dmr_needs_repair(const struct dmr_metadata *meta);
/* A longer spare: its new segments are used after this. -ENOMEM: nothing was changed; else it is frozen. */
int dmr_grow(struct dmr_metadata *meta, u32 segments);
/* Records how much of which main is covered; on failure nothing has changed in memory. */
int dmr_remember_main(struct dmr_metadata *meta, u64 covered, const struct dmr_main_id *main);

/*
 * C23: while this memory slept, in the image of a hibernation, others may have changed the spare: the kernel
 * that wrote the image, or one that was booted to read it. 0: none has; -ESTALE: somebody has, and
 * nothing in this memory may be believed; -EIO: it cannot be told.
 */
int dmr_recheck(struct dmr_metadata *meta);
/*
 * Before an image is taken: what changes something next, in the kernel that takes it or the one that wakes up in
 * it, begins a session of its own. So both cannot give out one generation, and one sees the other's.
 */
static inline void dmr_session_end(struct dmr_metadata *meta)
{
	meta->session_open = false;
}

static inline void dmr_count_error(struct dmr_metadata *meta)
{
	WRITE_ONCE(meta->errors, meta->errors + 1);
}

/* The parts of a commit, in this order. */

/* Before an activation's first table commit: advances the session, durable. */
int dmr_session_begin(struct dmr_metadata *meta);
/* Reads the newest copy of a segment's table into meta->block[0] and sets table_good. */
int dmr_table_read(struct dmr_metadata *meta, u32 segment);
/*
 * After dmr_table_read() (or dmr_table_init() with table_good cleared) of the same segment:
 * writes meta->block[0] durably to one copy, then to the other, bad ones first. 0, or the error;
 * *touched says whether anything was written, in which case the new content may or may not be
 * found after the next activation.
 */
int dmr_table_commit(struct dmr_metadata *meta, u32 segment, bool *touched);
/* Writes the superblock with a new generation; 0 if at least two copies are durable. */
int dmr_super_commit(struct dmr_metadata *meta);

#endif

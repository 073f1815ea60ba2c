/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * Between metadata blocks and C structs. No I/O: callers hand in 4096-byte buffers.
 * A block is believed only when magic, version, type, CRC, position and, where asked for, the
 * pair's UUID are right, and every field is in range; nothing read from a disk is used before.
 */
#ifndef DMR_CORE_CODEC_H
#define DMR_CORE_CODEC_H

#include "dmr_env.h"
#include <dm-remap/format.h>

/* Why a block is not believed. The order is that of the tests. */
enum dmr_verdict {
	DMR_GOOD,
	DMR_BLANK,		/* all zeroes */
	DMR_NOT_OURS,		/* no magic */
	DMR_BAD_CRC,
	DMR_BAD_VERSION,	/* another format */
	DMR_BAD_TYPE,
	DMR_BAD_POSITION,	/* ours, but from another place */
	DMR_BAD_UUID,		/* another pair's */
	DMR_BAD_FEATURES,	/* superblock: unknown incompat or ro_compat bits */
	DMR_BAD_CONTENT,	/* a field out of range */
};

/* One clear phrase for the log, e.g. "checksum is wrong". */
const char *dmr_verdict_text(enum dmr_verdict verdict);

struct dmr_main_id {
	u8 kind;			/* enum dmr_main_id_kind */
	u8 size;
	u8 id[DMR_MAIN_ID_SIZE];
	u64 start;
};

struct dmr_relocation {
	u32 segment;
	u8 place[2];
};

struct dmr_super {
	u8 uuid[16];
	u64 generation;
	u32 compat, ro_compat, incompat;
	u32 segments, session;
	u32 in_use;			/* 1 at the least: segment 0 has tables from the start */
	u64 covered;
	struct dmr_main_id main;
	char main_text[DMR_MAIN_TEXT_SIZE + 1];
	u32 relocations;		/* by rising segment: dmr_super_relocate() keeps it so */
	struct dmr_relocation relocation[DMR_MAX_RELOCATIONS];
};

/*
 * Encodes a superblock for one of its four places, header and CRC included. `block`: 4096 bytes.
 * Relocations of segments that are not in use (yet) are left out: their tables are not there.
 */
void dmr_super_encode(void *block, const struct dmr_super *super, unsigned int copy);
/* Validates and decodes. *super is written only for DMR_GOOD. */
enum dmr_verdict dmr_super_decode(const void *block, unsigned int copy, struct dmr_super *super);

/* Do the two say the same? */
bool dmr_super_same(const struct dmr_super *a, const struct dmr_super *b);

/* As decode, but only whose it is and which; both are written only for DMR_GOOD. */
enum dmr_verdict dmr_super_peek(const void *block, unsigned int copy, u8 uuid[16], u64 *generation);

/* The places of a segment's two copies: A and B, or what the superblock says. */
void dmr_super_places(const struct dmr_super *super, u32 segment, u8 place[2]);
/*
 * Records that copy `which` (0, 1) of the segment is at `place` now; back at A and B the entry is
 * dropped. false, nothing changed: the list is full, or the other copy is there.
 */
bool dmr_super_relocate(struct dmr_super *super, u32 segment, unsigned int which, u8 place);

struct dmr_entry {
	u64 unit;
	u32 moves;
	u8 owned, pending;
	u8 state;		/* enum dmr_slot_state */
};

/*
 * Table blocks are worked on in place, since they are read, changed and written back:
 * init an empty one, check one read, get and put entries, then seal it for each place it is written to.
 */
void dmr_table_init(void *block);
/* uuid NULL: any pair's. generation may be NULL; it is written only for DMR_GOOD. */
enum dmr_verdict dmr_table_check(const void *block, const u8 uuid[16], u32 segment,
				 unsigned int place, u64 *generation);
/* index: 0 to 251, the slot's number within the segment. Only on checked or initialised blocks. */
void dmr_table_get(const void *block, unsigned int index, struct dmr_entry *entry);
void dmr_table_put(void *block, unsigned int index, const struct dmr_entry *entry);
/* Writes header and CRC for this place and generation. */
void dmr_table_seal(void *block, const u8 uuid[16], u32 segment, unsigned int place,
		    u64 generation);

/* Any block: is its magic ours (whatever the rest)? For finding swapped devices. */
bool dmr_block_is_ours(const void *block);
/* All of `bytes` zero? bytes: a multiple of 8, the block aligned to 8. */
bool dmr_block_is_blank(const void *block, size_t bytes);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", 36 characters and a NUL; parse takes either case. */
void dmr_uuid_format(const u8 uuid[16], char text[37]);
bool dmr_uuid_parse(const char *text, u8 uuid[16]);

#endif

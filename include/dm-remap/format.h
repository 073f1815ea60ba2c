/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The layout of a spare device. This header and core/codec.c alone know it;
 * docs/FORMAT.md describes it well enough to write a reader from the text.
 * Every number on disk is little-endian. Changing anything here is a change of format.
 */
#ifndef DM_REMAP_FORMAT_H
#define DM_REMAP_FORMAT_H

#include <linux/types.h>

#define DMR_SECTOR_SIZE		512u
#define DMR_BLOCK_SIZE		4096u	/* a metadata block, a slot and a unit */
#define DMR_BLOCK_SECTORS	8u
#define DMR_UNIT_SECTORS	8u

#define DMR_MAGIC		0x50414d45522d4d44ULL	/* "DM-REMAP" */
#define DMR_VERSION		2u	/* 1 was never released; its alternates lay beside B */

enum dmr_block_type {
	DMR_TYPE_SUPER = 1,
	DMR_TYPE_TABLE = 2,
};

/* Feature bits a reader must know to use (incompat) or to write (ro_compat) the spare. None yet. */
#define DMR_FEATURES_COMPAT	0u
#define DMR_FEATURES_RO_COMPAT	0u
#define DMR_FEATURES_INCOMPAT	0u

/* Geometry, in sectors unless it says otherwise. */
#define DMR_SUPER_COPIES	4u
#define DMR_SUPER_STRIDE	2048u			/* copies at 0, 1, 2 and 3 MiB */
#define DMR_SEGMENT_BASE	8192u			/* segment 0 starts at 4 MiB */
#define DMR_SEGMENT_SECTORS	2048u			/* 1 MiB */
#define DMR_SEGMENT_BLOCKS	256u
#define DMR_SEGMENT_SLOTS	252u			/* blocks 2 to 253 */
#define DMR_MIN_SPARE		(DMR_SEGMENT_BASE + DMR_SEGMENT_SECTORS)	/* 5 MiB */
#define DMR_MAX_SLOTS		4294967295ULL
#define DMR_MAX_SEGMENTS	17043521u		/* DMR_MAX_SLOTS / DMR_SEGMENT_SLOTS */
#define DMR_NO_SLOT		0xffffffffu
#define DMR_MAX_COVERED		(1ULL << 51)		/* 2^48 units: what an entry can name */

/*
 * The four places of a segment that can hold a copy of its table. Copies are in
 * places A and B unless the superblock lists the segment as relocated. Two lie at either end,
 * so that no damaged run of up to 512 KiB leaves fewer than two.
 */
#define DMR_TABLE_PLACES	4u
#define DMR_PLACE_A		0u	/* block 0 */
#define DMR_PLACE_ALT1		1u	/* block 1 */
#define DMR_PLACE_ALT2		2u	/* block 254 */
#define DMR_PLACE_B		3u	/* block 255 */

struct dmr_disk_header {
	__le64 magic;
	__le16 version;
	__le16 type;		/* enum dmr_block_type */
	__le32 crc;		/* CRC32C of the whole block with this field zero */
	__u8 uuid[16];		/* of the pair */
	__le64 position;	/* of this block on the spare, in sectors */
	__le64 generation;	/* session << 32 | commit number within the session */
	__u8 reserved[16];	/* zero */
} __attribute__((packed));

enum dmr_slot_state {
	DMR_SLOT_FREE = 0,
	DMR_SLOT_USED = 1,
	DMR_SLOT_LOST = 2,	/* used, and the content of its owned+pending sectors is lost */
	DMR_SLOT_BAD = 3,	/* never to be used again */
};

struct dmr_disk_entry {
	__le32 unit_low;
	__le16 unit_high;	/* bits 32 to 47 of the unit's number */
	__u8 owned;		/* bit n: sector n of the unit */
	__u8 pending;
	__le32 moves;		/* of two entries for one unit the higher wins */
	__u8 state;		/* enum dmr_slot_state */
	__u8 reserved[3];	/* zero */
} __attribute__((packed));

struct dmr_disk_table {
	struct dmr_disk_header header;
	struct dmr_disk_entry entry[DMR_SEGMENT_SLOTS];
} __attribute__((packed));

enum dmr_main_id_kind {
	DMR_ID_NONE = 0,
	DMR_ID_T10 = 1,		/* SCSI T10 vendor id */
	DMR_ID_EUI64 = 2,
	DMR_ID_NAA = 3,
	DMR_ID_PARTUUID = 4,	/* text of the partition's UUID */
};

#define DMR_MAIN_ID_SIZE	64u
#define DMR_MAIN_TEXT_SIZE	128u

struct dmr_disk_relocation {
	__le32 segment;
	__u8 place[2];		/* where its two copies are */
	__u8 reserved[2];	/* zero */
} __attribute__((packed));

#define DMR_MAX_RELOCATIONS	448u

struct dmr_disk_super {
	struct dmr_disk_header header;
	__le32 compat;
	__le32 ro_compat;
	__le32 incompat;
	__le32 segments;	/* in the whole spare */
	__le32 in_use;		/* segments 0 to in_use - 1 have tables */
	__le32 session;		/* advanced before an activation's first table commit */
	__le64 covered;		/* sectors of main that the pair was made for */
	__le64 main_start;	/* sector of main on its disk; 0 where it is a whole disk */
	__u8 main_id_kind;	/* enum dmr_main_id_kind */
	__u8 main_id_size;	/* bytes of main_id that count */
	__u8 reserved1[6];	/* zero */
	__u8 main_id[DMR_MAIN_ID_SIZE];
	__u8 main_text[DMR_MAIN_TEXT_SIZE];	/* main's name for people, UTF-8, zero padded */
	__le32 relocations;	/* entries of relocation[] that count */
	__u8 reserved2[204];	/* zero */
	struct dmr_disk_relocation relocation[DMR_MAX_RELOCATIONS];
} __attribute__((packed));

_Static_assert(sizeof(struct dmr_disk_header) == 64, "block header");
_Static_assert(sizeof(struct dmr_disk_entry) == 16, "table entry");
_Static_assert(sizeof(struct dmr_disk_table) == DMR_BLOCK_SIZE, "table block");
_Static_assert(sizeof(struct dmr_disk_super) == DMR_BLOCK_SIZE, "superblock");
_Static_assert((unsigned long long)DMR_MAX_SEGMENTS * DMR_SEGMENT_SLOTS <= DMR_MAX_SLOTS, "slots");

/* Where things are on the spare, in sectors. */
static inline __u64 dmr_super_sector(unsigned int copy)
{
	return (__u64)copy * DMR_SUPER_STRIDE;
}

static inline __u64 dmr_table_sector(__u32 segment, unsigned int place)
{
	static const __u8 block[DMR_TABLE_PLACES] = { 0, 1, 254, 255 };

	return DMR_SEGMENT_BASE + (__u64)segment * DMR_SEGMENT_SECTORS +
	       block[place] * DMR_BLOCK_SECTORS;
}

static inline __u64 dmr_slot_sector(__u32 slot)
{
	return DMR_SEGMENT_BASE + (__u64)(slot / DMR_SEGMENT_SLOTS) * DMR_SEGMENT_SECTORS +
	       (2 + slot % DMR_SEGMENT_SLOTS) * DMR_BLOCK_SECTORS;
}

/* How many segments a spare of so many sectors has room for; 0 if it is too short. */
static inline __u32 dmr_segments_for(__u64 spare_sectors)
{
	__u64 segments;

	if (spare_sectors < DMR_MIN_SPARE)
		return 0;
	segments = (spare_sectors - DMR_SEGMENT_BASE) / DMR_SEGMENT_SECTORS;
	return segments < DMR_MAX_SEGMENTS ? (__u32)segments : DMR_MAX_SEGMENTS;
}

#endif

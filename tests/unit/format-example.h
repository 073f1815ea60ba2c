/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The example pair of docs/FORMAT.md: its superblock and the table of its segment 1.
 * Used by the unit tests, which compare it with the document, and by the program that prints it.
 */
#ifndef DMR_TEST_FORMAT_EXAMPLE_H
#define DMR_TEST_FORMAT_EXAMPLE_H

#include "codec.h"

#define EXAMPLE_COPY		2u	/* the superblock shown is the one at 2 MiB */
#define EXAMPLE_SEGMENT		1u
#define EXAMPLE_PLACE		DMR_PLACE_A

static const u8 example_uuid[16] = {
	0x6b, 0x1d, 0x2f, 0x0a, 0x93, 0xc4, 0x4e, 0x57,
	0xa8, 0x10, 0x5d, 0x77, 0xe2, 0x39, 0xbc, 0x04,
};

static inline void example_super(struct dmr_super *super)
{
	static const u8 naa[8] = { 0x50, 0x01, 0x4e, 0xe2, 0xb5, 0xc3, 0xd7, 0x1a };

	memset(super, 0, sizeof(*super));
	memcpy(super->uuid, example_uuid, sizeof(super->uuid));
	super->session = 3;
	super->generation = 3ULL << 32 | 7;
	super->segments = 60;
	super->in_use = 2;
	super->covered = 39063650304ULL;
	super->main.kind = DMR_ID_NAA;
	super->main.size = sizeof(naa);
	memcpy(super->main.id, naa, sizeof(naa));
	strcpy(super->main_text, "EXAMPLE DISK 20TB");
	dmr_super_relocate(super, 1, 1, DMR_PLACE_ALT1);
}

/* Sealed for EXAMPLE_PLACE. */
static inline void example_table(void *block)
{
	static const struct dmr_entry entries[] = {
		{ 0x10badcafeULL, 0, 0xff, 0x00, DMR_SLOT_USED },
		{ 0x10badcaffULL, 2, 0x03, 0x0c, DMR_SLOT_USED },
		{ 0, 0, 0, 0, DMR_SLOT_BAD },
		{ 5, 1, 0x81, 0x80, DMR_SLOT_LOST },
	};
	unsigned int i;

	dmr_table_init(block);
	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		dmr_table_put(block, i, &entries[i]);
	dmr_table_seal(block, example_uuid, EXAMPLE_SEGMENT, EXAMPLE_PLACE, 3ULL << 32 | 6);
}

/* One line of `hexdump -C` without its text column. */
static inline void example_dump_line(FILE *out, const u8 *block, unsigned int at)
{
	unsigned int i;

	fprintf(out, "%08x ", at);
	for (i = 0; i < 16; i++)
		fprintf(out, " %02x", block[at + i]);
	fputc('\n', out);
}

/* As hexdump does: lines equal to the one before are a single "*". */
static inline void example_dump(FILE *out, const void *block)
{
	const u8 *byte = block;
	unsigned int at;
	bool star = false;

	for (at = 0; at < DMR_BLOCK_SIZE; at += 16) {
		if (at && !memcmp(byte + at, byte + at - 16, 16)) {
			if (!star)
				fputs("*\n", out);
			star = true;
			continue;
		}
		star = false;
		example_dump_line(out, byte, at);
	}
	fprintf(out, "%08x\n", DMR_BLOCK_SIZE);
}

#endif

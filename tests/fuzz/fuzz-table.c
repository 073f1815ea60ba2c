// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any 4096 bytes as a table: what is believed is written again byte for byte, entry by entry.
 */
#include "codec.h"
#include "fuzz.h"

static void claim_entry(const struct dmr_entry *entry)
{
	CLAIM(entry->unit < 1ULL << 48);
	switch (entry->state) {
	case DMR_SLOT_FREE:
	case DMR_SLOT_BAD:
		CLAIM(!entry->owned && !entry->pending);
		break;
	case DMR_SLOT_USED:
		CLAIM(entry->owned | entry->pending);
		break;
	case DMR_SLOT_LOST:
		CLAIM(entry->owned & entry->pending);
		break;
	default:
		CLAIM(!"a state that is none");
	}
}

static void check(const u8 *block, u32 segment, unsigned int place)
{
	const struct dmr_disk_header *header = (const void *)block;
	struct dmr_entry entry;
	u64 generation = 0;
	u8 *again;
	unsigned int i;

	if (dmr_table_check(block, NULL, segment, place, &generation) != DMR_GOOD)
		return;
	CLAIM(dmr_table_check(block, header->uuid, segment, place, NULL) == DMR_GOOD);
	again = fuzz_block(block, 0);
	dmr_table_init(again);
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		dmr_table_get(block, i, &entry);
		claim_entry(&entry);
		dmr_table_put(again, i, &entry);
	}
	dmr_table_seal(again, header->uuid, segment, place, generation);
	CLAIM(!memcmp(again, block, DMR_BLOCK_SIZE));
	free(again);
}

/* Gives the content a header that is right, so that it is looked at. */
static void mend(u8 *block, u32 segment, unsigned int place)
{
	struct dmr_disk_table *disk = (struct dmr_disk_table *)block;

	disk->header.magic = cpu_to_le64(DMR_MAGIC);
	disk->header.version = cpu_to_le16(DMR_VERSION);
	disk->header.type = cpu_to_le16(DMR_TYPE_TABLE);
	disk->header.position = cpu_to_le64(dmr_table_sector(segment, place));
	disk->header.crc = 0;
	disk->header.crc = cpu_to_le32(~dmr_crc32c(~0u, block, DMR_BLOCK_SIZE));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *block = fuzz_block(data, size);
	unsigned int place;

	for (place = 0; place < DMR_TABLE_PLACES; place++)
		check(block, 1, place);
	mend(block, DMR_MAX_SEGMENTS - 1, DMR_PLACE_B);
	check(block, DMR_MAX_SEGMENTS - 1, DMR_PLACE_B);
	free(block);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any 4096 bytes as a superblock: what is believed is written again byte for byte. The bytes behind
 * them are relocations, after which it must still be readable.
 */
#include "codec.h"
#include "fuzz.h"

static void check(const u8 *block, unsigned int copy, struct dmr_super *super)
{
	u8 *again;

	memset(super, 0xa5, sizeof(*super));
	if (dmr_super_decode(block, copy, super) != DMR_GOOD)
		return;
	CLAIM(super->in_use && super->in_use <= super->segments);
	CLAIM(super->relocations <= DMR_MAX_RELOCATIONS);
	CLAIM(memchr(super->main_text, '\0', sizeof(super->main_text)));
	again = fuzz_block(block, 0);
	dmr_super_encode(again, super, copy);
	CLAIM(!memcmp(again, block, DMR_BLOCK_SIZE));
	free(again);
}

/* Gives the content a header that is right, so that it is looked at. */
static void mend(u8 *block, unsigned int copy)
{
	struct dmr_disk_super *disk = (struct dmr_disk_super *)block;

	disk->header.magic = cpu_to_le64(DMR_MAGIC);
	disk->header.version = cpu_to_le16(DMR_VERSION);
	disk->header.type = cpu_to_le16(DMR_TYPE_SUPER);
	disk->header.position = cpu_to_le64(dmr_super_sector(copy));
	disk->header.crc = 0;
	disk->header.crc = cpu_to_le32(~dmr_crc32c(~0u, block, DMR_BLOCK_SIZE));
}

static void relocate(struct dmr_super *super, const u8 *data, size_t size)
{
	static struct dmr_super back;
	u8 place[2], *block;

	for (; size >= 3; size -= 3, data += 3) {
		u32 segment = (data[0] | (u32)data[1] << 8) % super->in_use;

		if (dmr_super_relocate(super, segment, data[2] & 1, data[2] >> 1 & 7)) {
			dmr_super_places(super, segment, place);
			CLAIM(place[data[2] & 1] == (data[2] >> 1 & 7));
		}
		dmr_super_places(super, segment, place);
		CLAIM(place[0] < 4 && place[1] < 4 && place[0] != place[1]);
	}
	block = fuzz_block(data, 0);
	dmr_super_encode(block, super, 0);
	CLAIM(dmr_super_decode(block, 0, &back) == DMR_GOOD);
	CLAIM(!memcmp(&back, super, sizeof(back)));
	free(block);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct dmr_super super;
	u8 *block = fuzz_block(data, size);
	unsigned int copy;

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++)
		check(block, copy, &super);
	mend(block, 1);
	check(block, 1, &super);
	if (size > DMR_BLOCK_SIZE && dmr_super_decode(block, 1, &super) == DMR_GOOD)
		relocate(&super, data + DMR_BLOCK_SIZE, size - DMR_BLOCK_SIZE);
	free(block);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks laid over a healthy spare, each at the place that it names, and behind them faults, two bytes each: a
 * metadata block and what does not work there. Loading it gives a map or a refusal and writes nothing; the repair keeps
 * the map, and so does the next load, whatever came of the repair.
 * max_len: 49152
 */
#include "fuzz.h"
#include "../unit/spare-disk.h"

static const u8 faults[] = {
	DISK_UNREADABLE, DISK_UNREADABLE | DISK_HEALS, DISK_UNWRITABLE, DISK_UNREADABLE | DISK_UNWRITABLE,
};

/* One with a copy at an alternate, and one whose copies are all in their places. */
static struct spare_disk *healthy[2];

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CLAIM(dmr_map_init());
	healthy[0] = disk_make(0x11, DMR_PLACE_B);
	healthy[1] = disk_make(0x11, DMR_TABLE_PLACES);
	return 0;
}

/* A header that has its magic gets the checksum that it should have, so that the rest is looked at. */
static void lay(struct spare_disk *disk, const u8 *data)
{
	struct dmr_disk_header *header;
	u64 block;

	memcpy(&block, data + offsetof(struct dmr_disk_header, position), sizeof(block));
	block = le64_to_cpu((__le64)block) / DMR_BLOCK_SECTORS;
	if (block >= DISK_BLOCKS || !disk_is_meta(block))
		block = disk_meta(block % DISK_METAS);
	disk_touch(disk, block);
	memcpy(disk_at(disk, block), data, DMR_BLOCK_SIZE);
	header = (struct dmr_disk_header *)disk_at(disk, block);
	if (header->magic != cpu_to_le64(DMR_MAGIC))
		return;
	header->position = cpu_to_le64(block * DMR_BLOCK_SECTORS);
	header->crc = 0;
	header->crc = cpu_to_le32(~dmr_crc32c(~0u, header, DMR_BLOCK_SIZE));
}

static void break_blocks(struct spare_disk *disk, const u8 *data, size_t size)
{
	for (; size >= 2; size -= 2, data += 2)
		disk_fault(disk, disk_meta(data[0] % DISK_METAS), faults[data[1] % ARRAY_SIZE(faults)]);
}

static bool is_broken(const struct spare_disk *disk)
{
	unsigned int i;

	for (i = 0; i < DISK_METAS; i++)
		if (disk->fault[disk_meta(i)] & (DISK_UNREADABLE | DISK_UNWRITABLE))
			return true;
	return false;
}

static void claim_refusal(const struct disk_user *user, const struct spare_disk *disk)
{
	CLAIM(user->result == -EINVAL && !disk->writes && !user->meta.blank);
	CLAIM(strstr(user->why, DISK_NAME) && !strchr(user->why, '\n'));
}

static void claim_blank(const struct spare_disk *disk)
{
	unsigned int copy, i;

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		u32 block = dmr_super_sector(copy) / DMR_BLOCK_SECTORS;

		CLAIM(!(disk->fault[block] & DISK_UNREADABLE));
		for (i = 0; i < DMR_BLOCK_SIZE; i++)
			CLAIM(!disk_at(disk, block)[i]);
	}
}

/* What a map has, no second load has less of, and what was repaired is whole. */
static void claim_kept(struct disk_user *user, struct spare_disk *disk)
{
	struct disk_map before, after;
	bool needed = dmr_needs_repair(&user->meta);
	int r;

	disk_map(user, &before);
	r = disk_repair(user);
	CLAIM(needed || (!r && !disk->writes));
	disk_map(user, &after);
	CLAIM(!memcmp(&before, &after, sizeof(before)));
	disk_done(user);
	disk_load(user, disk);
	CLAIM(!user->result && !user->meta.blank && !disk->writes);
	disk_map(user, &after);
	CLAIM(!memcmp(&before, &after, sizeof(before)));
	if (r)
		return;
	/* A table copy that cannot be written has moved; a superblock cannot. */
	CLAIM(!user->meta.repair && !user->meta.retire_count);
	if (is_broken(disk))
		return;
	CLAIM(!dmr_needs_repair(&user->meta) && !user->meta.errors);
	CLAIM(!disk_repair(user) && !disk->writes);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct spare_disk *disk = healthy[size & 1];
	struct disk_user user;
	size_t at;

	disk_restore(disk);
	for (at = 0; size - at >= DMR_BLOCK_SIZE; at += DMR_BLOCK_SIZE)
		lay(disk, data + at);
	break_blocks(disk, data + at, size - at);
	disk_load(&user, disk);
	CLAIM(!disk->writes);
	if (user.result)
		claim_refusal(&user, disk);
	else if (user.meta.blank)
		claim_blank(disk);
	else
		claim_kept(&user, disk);
	disk_done(&user);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who main is: a partition by its UUID, a disk by the unique id that its driver offers, so that a
 * map is not laid over another disk's data (C14). Many devices offer neither; then only lengths are compared.
 */
#include "dmr.h"

#ifdef DMR_HAVE_UNIQUE_ID
static void dmr_identify_disk(struct gendisk *disk, struct dmr_main_id *id)
{
	static const struct {
		enum blk_unique_id type;
		u8 kind;
	} kinds[] = {
		{ BLK_UID_NAA, DMR_ID_NAA },
		{ BLK_UID_EUI64, DMR_ID_EUI64 },
		{ BLK_UID_T10, DMR_ID_T10 },
	};
	unsigned int i;
	int size;

	/* A mapping passes on its disk's id in newer kernels, also where it is a part of that disk. */
	if (!disk->fops->get_unique_id || !strncmp(disk->disk_name, "dm-", 3))
		return;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		size = disk->fops->get_unique_id(disk, id->id, kinds[i].type);
		if (size > 0) {
			id->kind = kinds[i].kind;
			id->size = min_t(int, size, 16);
			return;
		}
	}
}
#else
static void dmr_identify_disk(struct gendisk *disk, struct dmr_main_id *id)
{
}
#endif

void dmr_main_identify(struct block_device *bdev, struct dmr_main_id *id)
{
	const char *partuuid = dmr_bdev_partuuid(bdev);

	memset(id, 0, sizeof(*id));
	id->start = get_start_sect(bdev);
	if (partuuid && *partuuid) {
		id->kind = DMR_ID_PARTUUID;
		id->size = strnlen(partuuid, DMR_MAIN_ID_SIZE);
		memcpy(id->id, partuuid, id->size);
		return;
	}
	dmr_identify_disk(bdev->bd_disk, id);
	if (id->kind == DMR_ID_NONE)
		memset(id->id, 0, sizeof(id->id));
}

bool dmr_main_differs(const struct dmr_main_id *was, const struct dmr_main_id *is)
{
	/* A kernel or a driver that offers nothing, or another kind of a disk's ids, proves nothing. */
	if (was->kind == DMR_ID_NONE || is->kind == DMR_ID_NONE)
		return false;
	/* But a partition shows its UUID always, and a whole disk never has one. */
	if (was->kind != is->kind)
		return was->kind == DMR_ID_PARTUUID || is->kind == DMR_ID_PARTUUID;
	if (was->size != is->size || memcmp(was->id, is->id, was->size))
		return true;
	/* A partition may be moved with its UUID and its content; a place on a disk may not. */
	return was->kind != DMR_ID_PARTUUID && was->start != is->start;
}

bool dmr_devices_overlap(struct block_device *a, struct block_device *b)
{
	sector_t first_a = get_start_sect(a), first_b = get_start_sect(b);

	return a == b || (a->bd_disk == b->bd_disk && first_a < first_b + dmr_bdev_sectors(b) &&
			  first_b < first_a + dmr_bdev_sectors(a));
}

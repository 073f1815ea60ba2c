// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the mapped device tells the block layer about itself (C17). Both devices are named, for a
 * device that is not named can be stripped of its flushes; then main's own sizes are restored,
 * so that a small spare does not throttle a healthy main.
 */
#include "dmr.h"

int dmr_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct dmr_target *t = ti->private;
	u64 spare_end = DMR_SEGMENT_BASE + (u64)dmr_spare_segments(t->pair->meta.slots) *
						   DMR_SEGMENT_SECTORS;
	int r;

	r = fn(ti, t->main, 0, ti->len, data);
	/*
	 * Newer kernels ask for a unique id in this way, and get its length: whoever took main's id for ours (pNFS)
	 * would go past the map. Other answers are 0, 1, an error, or on older kernels a flag of the queue (1 << 17).
	 */
	if (r > 1 && r <= U8_MAX)
		return -EINVAL;
	if (!r)
		r = fn(ti, t->spare, 0, spare_end, data);
	return r;
}

void dmr_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct dmr_target *t = ti->private;
	struct queue_limits own;

	/* The sizes that main alone would have given; an I/O to the spare is split there as it needs. */
	blk_set_stacking_limits(&own);
	blk_stack_limits(&own, &bdev_get_queue(t->main_bdev)->limits, get_start_sect(t->main_bdev));

	limits->max_sectors = own.max_sectors;
#ifdef DMR_HAVE_MAX_USER_SECTORS
	limits->max_user_sectors = own.max_user_sectors;
#endif
	limits->max_hw_sectors = own.max_hw_sectors;
	limits->max_dev_sectors = own.max_dev_sectors;
	limits->chunk_sectors = own.chunk_sectors;
	limits->max_segments = own.max_segments;
	limits->max_segment_size = own.max_segment_size;
	limits->seg_boundary_mask = own.seg_boundary_mask;
	limits->virt_boundary_mask = own.virt_boundary_mask;
	limits->physical_block_size = own.physical_block_size;
	limits->alignment_offset = own.alignment_offset;
	limits->io_min = own.io_min;
	limits->io_opt = own.io_opt;
	limits->max_discard_sectors = own.max_discard_sectors;
	limits->max_hw_discard_sectors = own.max_hw_discard_sectors;
	limits->discard_granularity = own.discard_granularity;
	limits->discard_alignment = own.discard_alignment;
	limits->max_write_zeroes_sectors = own.max_write_zeroes_sectors;
#ifdef DMR_HAVE_WZEROES_UNMAP
	/* Zeroes that free space: all that main takes, or none; the block layer refuses anything between. */
	if (limits->max_hw_wzeroes_unmap_sectors)
		limits->max_hw_wzeroes_unmap_sectors = own.max_write_zeroes_sectors;
#endif
#ifdef DMR_HAVE_MAX_SECURE_ERASE
	limits->max_secure_erase_sectors = 0;
#endif
}

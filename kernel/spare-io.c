// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O of our own: what core/ asks for to read and write the spare's metadata, probing reads, and
 * flushes of the spare, which owe their failures to the user (C8).
 */
#include "dmr.h"

#define DMR_METADATA_WRITE	(REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA)

blk_status_t dmr_bdev_io(struct block_device *bdev, struct bio_set *bios, blk_opf_t opf, u64 sector,
			 void *data, unsigned int bytes)
{
	struct bio *bio = dmr_bio_alloc(bdev, 1, opf, bios);

	bio->bi_iter.bi_sector = sector;
	if (bytes)
		__bio_add_page(bio, virt_to_page(data), bytes, offset_in_page(data));
	return dmr_submit_wait(bio);
}

int dmr_pair_io(struct dmr_pair *pair, blk_opf_t opf, u64 sector, void *data, unsigned int bytes)
{
	return blk_status_to_errno(dmr_bdev_io(pair->bdev, &pair->bios, opf, sector, data, bytes));
}

void dmr_spare_flushed(struct dmr_pair *pair, u64 mark)
{
	s64 flushed = atomic64_read(&pair->spare_flushed);

	/* Flushes overlap; the one that covers most counts. */
	while (flushed < (s64)mark && !atomic64_try_cmpxchg(&pair->spare_flushed, &flushed, mark))
		;
}

/* Is there data of others in the spare's cache? */
static bool dmr_unflushed(struct dmr_pair *pair)
{
	return atomic64_read(&pair->spare_written) != atomic64_read(&pair->spare_flushed);
}

/*
 * Our flush failed, and may have lost what others wrote before or meanwhile: their next flush has to say
 * so (C8). `staked`: there was such data when ours was sent; a flush of theirs may have ended well since.
 */
static void dmr_owe_flush(struct dmr_pair *pair, bool staked)
{
	if (staked || dmr_unflushed(pair))
		atomic_set(&pair->flush_owed, 1);
}

int dmr_spare_flush(struct dmr_pair *pair)
{
	u64 mark = atomic64_read(&pair->spare_written);
	bool staked = dmr_unflushed(pair);
	int r = dmr_pair_io(pair, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH, 0, NULL, 0);

	if (r)
		dmr_owe_flush(pair, staked);
	else
		dmr_spare_flushed(pair, mark);
	return r;
}

static struct dmr_pair *dmr_pair_of(struct dmr_metadata *meta)
{
	return container_of(meta, struct dmr_pair, meta);
}

static int dmr_metadata_read(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes)
{
	return dmr_pair_io(dmr_pair_of(meta), REQ_OP_READ | REQ_META, sector, data, bytes);
}

static int dmr_metadata_write(struct dmr_metadata *meta, u64 sector, void *block)
{
	struct dmr_pair *pair = dmr_pair_of(meta);
	bool staked = dmr_unflushed(pair);
	int r = dmr_pair_io(pair, DMR_METADATA_WRITE, sector, block, DMR_BLOCK_SIZE);

	/* Where FUA is a write and a flush, it may have been the flush. */
	if (r && dmr_bdev_write_cache(pair->bdev) && !dmr_bdev_fua(pair->bdev))
		dmr_owe_flush(pair, staked);
	return r;
}

const struct dmr_metadata_io dmr_spare_io = {
	.read = dmr_metadata_read,
	.write = dmr_metadata_write,
};

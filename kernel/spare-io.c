// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O of our own: what core/ asks for to read and write the spare's metadata, probing reads, and
 * flushes, which owe their failures to the user (C8).
 */
#include "dmr.h"

#define DMR_METADATA_WRITE	(REQ_OP_WRITE | REQ_SYNC | REQ_META)

static struct bio *dmr_own_bio(struct block_device *bdev, struct bio_set *bios, blk_opf_t opf,
			       u64 sector, void *data, unsigned int bytes)
{
	struct bio *bio = dmr_bio_alloc(bdev, 1, opf, bios);

	bio->bi_iter.bi_sector = sector;
	if (bytes)
		__bio_add_page(bio, virt_to_page(data), bytes, offset_in_page(data));
	return bio;
}

blk_status_t dmr_bdev_io(struct block_device *bdev, struct bio_set *bios, blk_opf_t opf, u64 sector,
			 void *data, unsigned int bytes)
{
	return dmr_submit_wait(dmr_own_bio(bdev, bios, opf, sector, data, bytes));
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

/* Is there data of others in the spare's cache, or may there be? Of main, or another pair, nobody here counts it. */
static bool dmr_unflushed(struct dmr_pair *pair)
{
	return dmr_disk_cache_shared(pair->cache) || atomic_read_acquire(&pair->spare_writing) ||
	       atomic64_read(&pair->spare_written) != atomic64_read(&pair->spare_flushed);
}

/*
 * An I/O of ours that is or contains a flush. When it fails it may have lost what others wrote before or
 * meanwhile, and their next flush has to say so.
 */
struct dmr_own_flush {
	struct dmr_pair *pair;
	struct dmr_disk_cache *cache;
	enum dmr_half half;
	bool staked;	/* there was such data when it was sent; a flush of theirs may end well meanwhile */
	u64 written;	/* and what had been written by then; some may come, and be flushed, meanwhile */
	struct completion done;
};

/* Here and not by who waits: a flush of theirs may be sent and end well before he runs. */
static void dmr_own_flush_ended(struct bio *bio)
{
	struct dmr_own_flush *own = bio->bi_private;

	if (bio->bi_status)
		dmr_flush_lost(own->cache);
	if (bio->bi_status && (own->staked || dmr_unflushed(own->pair) ||
			       own->written != (u64)atomic64_read(&own->pair->spare_written)))
		dmr_owe(own->pair, own->half);
	complete(&own->done);
}

static blk_status_t dmr_own_flush(struct dmr_pair *pair, enum dmr_half half,
				  struct dmr_disk_cache *cache, struct bio *bio, bool staked)
{
	struct dmr_own_flush own = {
		.pair = pair,
		.cache = cache,
		.half = half,
		.staked = staked,
		.written = atomic64_read(&pair->spare_written),
	};
	blk_status_t status;

	init_completion(&own.done);
	bio->bi_private = &own;
	bio->bi_end_io = dmr_own_flush_ended;
	submit_bio(bio);
	wait_for_completion_io(&own.done);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

int dmr_spare_flush(struct dmr_pair *pair)
{
	u64 mark = atomic64_read(&pair->spare_written);
	blk_status_t status =
		dmr_own_flush(pair, DMR_FLUSH_SPARE, pair->cache,
			      dmr_own_bio(pair->bdev, &pair->bios, DMR_FLUSH, 0, NULL, 0),
			      dmr_unflushed(pair));

	if (!status)
		dmr_spare_flushed(pair, mark);
	return blk_status_to_errno(status);
}

int dmr_own_data_begin(struct dmr_pair *pair)
{
	pair->own_unflushed = true;
	return dmr_flushes_lost(pair->cache);
}

int dmr_own_data_end(struct dmr_pair *pair, int begun, bool any)
{
	int r = any ? dmr_spare_flush(pair) : 0;

	pair->own_unflushed = false;
	return r ?: dmr_flushes_lost(pair->cache) == begun ? 0 : -EAGAIN;
}

blk_status_t dmr_main_flush(struct dmr_target *t)
{
	return dmr_own_flush(t->pair, DMR_FLUSH_MAIN, t->main_cache,
			     dmr_own_bio(t->main_bdev, &t->bios, DMR_FLUSH, 0, NULL, 0), true);
}

static struct dmr_pair *dmr_pair_of(struct dmr_metadata *meta)
{
	return container_of(meta, struct dmr_pair, meta);
}

static int dmr_metadata_read(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes)
{
	return dmr_pair_io(dmr_pair_of(meta), REQ_OP_READ | REQ_META, sector, data, bytes);
}

static struct bio *dmr_fua_bio(struct dmr_pair *pair, u64 sector, void *block)
{
	return dmr_own_bio(pair->bdev, &pair->bios, DMR_METADATA_WRITE | REQ_FUA, sector, block,
			   DMR_BLOCK_SIZE);
}

/* 0, or that failed; -EAGAIN: another flush has failed meanwhile, and may have lost it. */
static int dmr_write_and_flush(struct dmr_pair *pair, u64 sector, void *block)
{
	int r, begun = dmr_flushes_lost(pair->cache);

	/* A bad block is no failed flush: where it would matter to others they are told apart. */
	if (dmr_unflushed(pair) || pair->own_unflushed)
		r = dmr_pair_io(pair, DMR_METADATA_WRITE | REQ_NOMERGE, sector, block,
				DMR_BLOCK_SIZE) ?: dmr_spare_flush(pair);
	else
		r = blk_status_to_errno(dmr_own_flush(pair, DMR_FLUSH_SPARE, pair->cache,
						      dmr_fua_bio(pair, sector, block), false));
	return r ?: dmr_flushes_lost(pair->cache) == begun ? 0 : -EAGAIN;
}

static int dmr_metadata_write(struct dmr_metadata *meta, u64 sector, void *block)
{
	struct dmr_pair *pair = dmr_pair_of(meta);
	unsigned long until = jiffies + dmr_patience();
	unsigned int tries = 0;
	int r;

	if (!dmr_fua_may_flush(pair->bdev))
		return blk_status_to_errno(dmr_submit_wait(dmr_fua_bio(pair, sector, block)));
	do {
		r = dmr_write_and_flush(pair, sector, block);
	} while (r == -EAGAIN && dmr_once_more(tries++, until));
	return r;
}

const struct dmr_metadata_io dmr_spare_io = {
	.read = dmr_metadata_read,
	.write = dmr_metadata_write,
};

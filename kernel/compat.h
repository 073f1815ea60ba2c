/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where kernels differ. Each DMR_HAVE_* comes from a probe of the target's
 * headers in Kbuild; each piece says why it is there. Nothing else tests for kernels.
 */
#ifndef DMR_COMPAT_H
#define DMR_COMPAT_H

#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>

/* Operations and flags got a type of their own in 6.0. */
#ifndef DMR_HAVE_OPF
typedef unsigned int blk_opf_t;
#endif

/*
 * A bio that has been to a queue, and is kept here before it ends once more. That queue's rq_qos has had it; it may
 * not be the one it was sent to (NVMe multipath), and go meanwhile; nor may who polls for it look there any more.
 * `bdev` outlives the bio. Context: any. Bios have a block device since 5.12; bios for devices like ours are polled for
 * since 5.16; the flags were renamed in 5.18.
 */
static inline void dmr_bio_leave_queue(struct bio *bio, struct block_device *bdev)
{
#ifdef DMR_HAVE_BIO_QOS
	bio_clear_flag(bio, BIO_QOS_THROTTLED);
	bio_clear_flag(bio, BIO_QOS_MERGED);
#else
	bio_clear_flag(bio, BIO_TRACKED);
#endif
#ifdef REQ_POLLED
	if (bio->bi_opf & REQ_POLLED)
		WRITE_ONCE(bio->bi_cookie, BLK_QC_T_NONE);
#endif
#ifdef DMR_HAVE_BI_BDEV
	WRITE_ONCE(bio->bi_bdev, bdev);
#else
	bio->bi_disk = bdev->bd_disk;
	bio->bi_partno = bdev->bd_partno;
#endif
}

#ifndef REQ_POLLED
#define REQ_POLLED	0
#endif

/* bio allocation takes the device and the operation since 5.18. */
static inline struct bio *dmr_bio_alloc(struct block_device *bdev, unsigned short nr_vecs,
					blk_opf_t opf, struct bio_set *set)
{
#ifdef DMR_HAVE_BIO_ALLOC_CLONE
	return bio_alloc_bioset(bdev, nr_vecs, opf, GFP_NOIO, set);
#else
	struct bio *bio = bio_alloc_bioset(GFP_NOIO, nr_vecs, set);

	bio_set_dev(bio, bdev);
	bio->bi_opf = opf;
	return bio;
#endif
}

/* Renamed in 5.12. */
#ifndef BIO_MAX_VECS
#define BIO_MAX_VECS	BIO_MAX_PAGES
#endif

/*
 * A bio of ours over the pages of `source`, which must outlive it. It is nobody's: others wait for the worker, too,
 * which must be held up neither by a cgroup's limit nor by a low priority.
 */
static inline struct bio *dmr_bio_clone(struct block_device *bdev, struct bio *source,
					blk_opf_t opf, struct bio_set *set)
{
#ifdef DMR_HAVE_BIO_ALLOC_CLONE
	struct bio *bio = bio_alloc_clone(bdev, source, GFP_NOIO, set);
#else
	struct bio *bio = bio_clone_fast(source, GFP_NOIO, set);
#endif

	/* Also for the same device: a source that has been submitted is marked as remapped to its whole disk. */
	bio_set_dev(bio, bdev);
	bio_associate_blkg_from_css(bio, blkcg_root_css);
	bio->bi_ioprio = 0;
	bio->bi_opf = opf;
	return bio;
}

/* bdev_nr_sectors() came with 5.16. */
static inline sector_t dmr_bdev_sectors(struct block_device *bdev)
{
#ifdef DMR_HAVE_BDEV_NR_SECTORS
	return bdev_nr_sectors(bdev);
#else
	return i_size_read(bdev->bd_inode) >> SECTOR_SHIFT;
#endif
}

/* Discard limits moved from a queue flag to a function of the device in 5.19. */
static inline bool dmr_bdev_discards(struct block_device *bdev)
{
#ifdef DMR_HAVE_BDEV_MAX_DISCARD
	return bdev_max_discard_sectors(bdev) != 0;
#else
	/* A driver that finds out that its disk has none sets the limit, the flag perhaps later. */
	return blk_queue_discard(bdev_get_queue(bdev)) &&
	       bdev_get_queue(bdev)->limits.max_discard_sectors;
#endif
}

static inline bool dmr_bdev_write_cache(struct block_device *bdev)
{
#ifdef DMR_HAVE_BDEV_WRITE_CACHE
	return bdev_write_cache(bdev);
#else
	return test_bit(QUEUE_FLAG_WC, &bdev_get_queue(bdev)->queue_flags);
#endif
}

/* false where the block layer makes FUA of a write and a flush. */
static inline bool dmr_bdev_fua(struct block_device *bdev)
{
#ifdef DMR_HAVE_BDEV_WRITE_CACHE
	return bdev_fua(bdev);
#else
	return test_bit(QUEUE_FLAG_FUA, &bdev_get_queue(bdev)->queue_flags);
#endif
}

/* The mode of a table changed its type in 6.5. */
static inline bool dmr_table_writable(struct dm_table *table)
{
#ifdef DMR_HAVE_BLK_MODE
	return dm_table_get_mode(table) & BLK_OPEN_WRITE;
#else
	return dm_table_get_mode(table) & FMODE_WRITE;
#endif
}

/* What is measured of a table (IMA) is asked for since 5.15; the number after the last is never asked for before. */
#ifndef DMR_HAVE_STATUSTYPE_IMA
#define STATUSTYPE_IMA	2
#endif

/* Partition details hang off the block device since 5.11. */
static inline const char *dmr_bdev_partuuid(struct block_device *bdev)
{
#ifdef DMR_HAVE_BD_META_INFO
	return bdev->bd_meta_info ? (const char *)bdev->bd_meta_info->uuid : NULL;
#else
	return bdev->bd_part && bdev->bd_part->info ? (const char *)bdev->bd_part->info->uuid
						    : NULL;
#endif
}

#endif

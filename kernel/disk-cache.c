// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volatile write caches, one for each whole disk: whatever lies on it (partitions, main and spare, the spares of several
 * pairs) loses by the same failed flush, whoever sent that.
 */
#include "dmr.h"

struct dmr_disk_cache {
	struct list_head link;
	const struct gendisk *disk;
	unsigned int users;	/* targets by their main, pairs by their spare; written under the lock */
	atomic_t lost;
};

static DEFINE_MUTEX(dmr_disk_caches_lock);
static LIST_HEAD(dmr_disk_caches);

static struct dmr_disk_cache *dmr_disk_cache_find(const struct gendisk *disk)
{
	struct dmr_disk_cache *cache;

	list_for_each_entry(cache, &dmr_disk_caches, link)
		if (cache->disk == disk)
			return cache;
	return NULL;
}

struct dmr_disk_cache *dmr_disk_cache_get(struct block_device *bdev)
{
	struct dmr_disk_cache *cache;

	mutex_lock(&dmr_disk_caches_lock);
	cache = dmr_disk_cache_find(bdev->bd_disk);
	if (!cache) {
		cache = kzalloc(sizeof(*cache), GFP_KERNEL);
		if (cache) {
			cache->disk = bdev->bd_disk;
			list_add(&cache->link, &dmr_disk_caches);
		}
	}
	if (cache)
		WRITE_ONCE(cache->users, cache->users + 1);
	mutex_unlock(&dmr_disk_caches_lock);
	return cache;
}

void dmr_disk_cache_put(struct dmr_disk_cache *cache)
{
	if (!cache)
		return;
	mutex_lock(&dmr_disk_caches_lock);
	WRITE_ONCE(cache->users, cache->users - 1);
	if (!cache->users) {
		list_del(&cache->link);
		kfree(cache);
	}
	mutex_unlock(&dmr_disk_caches_lock);
}

bool dmr_disk_cache_shared(const struct dmr_disk_cache *cache)
{
	return READ_ONCE(cache->users) > 1;
}

void dmr_flush_lost(struct dmr_disk_cache *cache)
{
	atomic_inc(&cache->lost);
}

int dmr_flushes_lost(const struct dmr_disk_cache *cache)
{
	return atomic_read(&cache->lost);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volatile write caches, one for each whole disk: whatever lies on it (partitions, main and spare, the spares of several
 * pairs) loses by the same failed flush, whoever sent that.
 */
#include "dmr.h"

struct dmr_cache {
	struct list_head link;
	const struct gendisk *disk;
	unsigned int users;
	atomic_t lost;
};

static DEFINE_MUTEX(dmr_caches_lock);
static LIST_HEAD(dmr_caches);

static struct dmr_cache *dmr_cache_find(const struct gendisk *disk)
{
	struct dmr_cache *cache;

	list_for_each_entry(cache, &dmr_caches, link)
		if (cache->disk == disk)
			return cache;
	return NULL;
}

struct dmr_cache *dmr_cache_get(struct block_device *bdev)
{
	struct dmr_cache *cache;

	mutex_lock(&dmr_caches_lock);
	cache = dmr_cache_find(bdev->bd_disk);
	if (!cache) {
		cache = kzalloc(sizeof(*cache), GFP_KERNEL);
		if (cache) {
			cache->disk = bdev->bd_disk;
			list_add(&cache->link, &dmr_caches);
		}
	}
	if (cache)
		cache->users++;
	mutex_unlock(&dmr_caches_lock);
	return cache;
}

void dmr_cache_put(struct dmr_cache *cache)
{
	if (!cache)
		return;
	mutex_lock(&dmr_caches_lock);
	if (!--cache->users) {
		list_del(&cache->link);
		kfree(cache);
	}
	mutex_unlock(&dmr_caches_lock);
}

void dmr_flush_lost(struct dmr_cache *cache)
{
	atomic_inc(&cache->lost);
}

int dmr_flushes_lost(const struct dmr_cache *cache)
{
	return atomic_read(&cache->lost);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs and their registry: the only global state. A spare has one owner, the mapped device whose
 * table named it first; further tables of that device share the loaded pair, all others are refused.
 */
#include "dmr.h"

/* Not held across I/O: a spare that does not answer is nobody else's matter. */
static DEFINE_MUTEX(dmr_registry_lock);
/* The lists of pairs and their targets change under both locks. */
static DEFINE_SPINLOCK(dmr_registry_list_lock);
static LIST_HEAD(dmr_registry);
/* How many pairs have left it. */
static u64 dmr_registry_departed;

/* Under the registry's lock, as dmr_device_put(). */
static struct dmr_device *dmr_device_get(const struct mapped_device *md)
{
	struct dmr_device *device = NULL;
	struct dmr_pair *pair;

	list_for_each_entry(pair, &dmr_registry, link)
		if (pair->md == md)
			device = pair->device;
	if (!device)
		device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (device)
		device->pairs++;
	return device;
}

static void dmr_device_put(struct dmr_device *device)
{
	if (device && !--device->pairs)
		kfree(device);
}

static void dmr_pair_free(struct dmr_pair *pair)
{
	dmr_device_put(pair->device);
	dmr_disk_cache_put(pair->cache);
	dmr_health_detach(pair);
	dmr_metadata_exit(&pair->meta);
	bioset_exit(&pair->bios);
	free_percpu(pair->hits);
	free_page((unsigned long)pair->probe);
	mutex_destroy(&pair->lock);
	kfree(pair);
}

static struct dmr_pair *dmr_pair_alloc(struct dmr_target *t)
{
	struct dmr_pair *pair = kzalloc(sizeof(*pair), GFP_KERNEL);

	if (!pair)
		return NULL;
	INIT_LIST_HEAD(&pair->targets);
	mutex_init(&pair->lock);
	pair->bdev = t->spare->bdev;
	pair->meta.io = &dmr_spare_io;
	pair->meta.sectors = dmr_bdev_sectors(pair->bdev);
	scnprintf(pair->meta.name, sizeof(pair->meta.name), "%pg", pair->bdev);
	pair->md = dm_table_get_md(t->ti->table);
	pair->probe = (void *)get_zeroed_page(GFP_KERNEL);
	pair->hits = alloc_percpu(struct dmr_hits);
	pair->cache = dmr_disk_cache_get(pair->bdev);
	if (!dmr_metadata_init(&pair->meta) || !pair->probe || !pair->hits || !pair->cache ||
	    bioset_init(&pair->bios, 4, 0, BIOSET_NEED_BVECS)) {
		dmr_pair_free(pair);
		return NULL;
	}
	return pair;
}

static bool dmr_pair_in_table(const struct dmr_pair *pair, const struct dmr_target *t)
{
	const struct dmr_target *other;

	list_for_each_entry(other, &pair->targets, link)
		if (other->ti->table == t->ti->table)
			return true;
	return false;
}

/* May this table use a pair that is loaded already? */
static char *dmr_may_share(struct dmr_pair *pair, struct dmr_target *t)
{
	if (pair->md != dm_table_get_md(t->ti->table))
		return dmr_error("spare %s is in use by another device", t->spare->name);
	if (dmr_pair_in_table(pair, t))
		return dmr_error("spare %s is named twice in one table", t->spare->name);
	return NULL;
}

static bool dmr_uses(const struct dmr_target *t, struct block_device *bdev)
{
	return dmr_devices_overlap(bdev, t->main_bdev) || dmr_devices_overlap(bdev, t->spare->bdev);
}

/*
 * device-mapper lets several of its devices have one disk. With two maps each would read what the other has made
 * stale, and a main that is blank would do for somebody's spare. A reload only replaces what it shares.
 */
static char *dmr_taken(const struct dmr_target *t)
{
	const struct dmr_target *other;
	const struct dm_dev *taken;
	struct dmr_pair *pair;

	list_for_each_entry(pair, &dmr_registry, link) {
		list_for_each_entry(other, &pair->targets, link) {
			if (pair->md == dm_table_get_md(t->ti->table) &&
			    other->ti->table != t->ti->table)
				continue;
			taken = dmr_uses(other, t->main_bdev) ? t->main :
				dmr_uses(other, t->spare->bdev) ? t->spare : NULL;
			if (taken)
				return dmr_error("%s %s is in use by another pair",
						 taken == t->main ? "main" : "spare", taken->name);
		}
	}
	return NULL;
}

/* A spare whose formatting is still to come. Constructors ask while a first resume may be on its way. */
static bool dmr_pair_is_new(const struct dmr_pair *pair)
{
	/* It changes only after `active`, which decides then. */
	return !READ_ONCE(pair->active) && data_race(pair->meta.blank);
}

static char *dmr_uuid_mismatch(struct dmr_pair *pair, struct dmr_target *t)
{
	char have[37], want[37];

	if (!t->options.have_uuid)
		return NULL;
	dmr_uuid_format(t->options.uuid, want);
	if (dmr_pair_is_new(pair) && !pair->users)
		return dmr_error("spare %s is blank, not the one with uuid %s", t->spare->name,
				 want);
	if (!memcmp(pair->meta.super->uuid, t->options.uuid, 16))
		return NULL;
	dmr_uuid_format(pair->meta.super->uuid, have);
	return dmr_error("spare %s has uuid %s, not %s", t->spare->name, have, want);
}

/* Of a block that is divided between two owners, a main with such large ones can only be asked as a whole. */
static char *dmr_block_divided(const struct dmr_pair *pair, const struct dmr_target *t)
{
	u32 block = bdev_logical_block_size(t->main_bdev) >> SECTOR_SHIFT;
	struct dmr_run run;
	u64 sector = 0;

	if (block == 1)
		return NULL;
	for (; dmr_map_next(pair->meta.map, &sector, ~0ULL, &run); sector += run.count)
		if ((sector | run.count) & (block - 1))
			return dmr_error("main %s has logical blocks of %u bytes, and a part of one is relocated at sector %llu: rewrite or unremap it on a main with smaller blocks",
					 t->main->name, block << SECTOR_SHIFT, sector);
	return NULL;
}

/* Is this the main that the pair was made for? */
static char *dmr_main_mismatch(struct dmr_pair *pair, struct dmr_target *t)
{
	u64 sectors = dmr_bdev_sectors(t->main_bdev);

	if (dmr_pair_is_new(pair))
		return NULL;
	if (sectors < pair->meta.super->covered)
		return dmr_error("main %s is %llu sectors long, the pair covers %llu",
				 t->main->name, sectors, pair->meta.super->covered);
	if (!t->options.new_main && dmr_main_differs(&pair->meta.super->main, &t->main_id))
		return dmr_error("main %s is not the disk that spare %s belongs to; if it is a copy of it, say new_main",
				 t->main->name, t->spare->name);
	return dmr_block_divided(pair, t);
}

/* Are sectors on its spare, or may be: an image's map, or one that was lost, tells nothing (C23)? "": no. */
static const char *dmr_holds(const struct dmr_pair *pair)
{
	struct dmr_map_stats stats;

	dmr_map_stats(pair->meta.map, &stats);
	if (stats.units)
		return "holds";
	/* In this order: with dmr_sleep_recheck(). */
	return smp_load_acquire(&pair->unchecked) || READ_ONCE(pair->meta.broken) ? "may hold" : "";
}

/*
 * A spare in use, with sectors on it, that t's device has and t's table leaves out; *how: as dmr_holds() says.
 * Under either lock.
 */
static struct dmr_pair *dmr_left_out(const struct dmr_target *t, const struct dmr_pair *pair,
				     const char **how)
{
	struct dmr_pair *other;

	list_for_each_entry(other, &dmr_registry, link) {
		if (other == pair || other->md != pair->md || !READ_ONCE(other->active) ||
		    dmr_pair_in_table(other, t))
			continue;
		*how = dmr_holds(other);
		if (**how)
			return other;
	}
	return NULL;
}

static char *dmr_uuid_conflict(const struct dmr_pair *pair)
{
	struct dmr_pair *other;

	list_for_each_entry(other, &dmr_registry, link)
		if (!memcmp(other->meta.super->uuid, pair->meta.super->uuid, 16))
			return dmr_error("spare %pg has the same uuid as %pg, which is in use",
					 pair->bdev, other->bdev);
	return NULL;
}

/*
 * A spare with data is not dropped by a reload. Lines that are still to come may name it, so only a blank
 * one's that reaches the device's present end is refused here; the resume asks for all.
 */
static char *dmr_replacement(const struct dmr_target *t, const struct dmr_pair *pair)
{
	const struct dmr_pair *other;
	const char *how;

	if (!dmr_pair_is_new(pair) ||
	    t->ti->begin + t->ti->len < get_capacity(dm_disk(pair->md)))
		return NULL;
	other = dmr_left_out(t, pair, &how);
	if (!other)
		return NULL;
	return dmr_error("spare %pg cannot replace %pg, which %s relocated sectors", pair->bdev,
			 other->bdev, how);
}

static struct dmr_pair *dmr_registry_find(struct block_device *bdev)
{
	struct dmr_pair *pair;

	list_for_each_entry(pair, &dmr_registry, link)
		if (pair->bdev->bd_dev == bdev->bd_dev)
			return pair;
	return NULL;
}

/* Without the registry's lock: somebody else may be at it, too. */
static int dmr_pair_load(struct dmr_target *t, struct dmr_pair **result, char **error)
{
	struct dmr_pair *pair = dmr_pair_alloc(t);
	struct dmr_map_stats stats;
	char why[DMR_WHY_SIZE];
	u8 uuid[16];
	int r;

	*error = "no memory for the pair";
	if (!pair)
		return -ENOMEM;
	dmr_health_attach(pair);
	generate_random_uuid(uuid);
	r = dmr_load(&pair->meta, t->ti->len, uuid, why);
	if (r) {
		*error = dmr_error("%s", why);
		dmr_pair_free(pair);
		return r;
	}
	/* What an earlier activation wrote may still be in the spare's cache. */
	dmr_map_stats(pair->meta.map, &stats);
	atomic64_set(&pair->spare_written, stats.owned ? 1 : 0);
	*error = NULL;
	*result = pair;
	return 0;
}

/* Does the superblock have to be told of this main? */
static bool dmr_main_news(const struct dmr_pair *pair, const struct dmr_target *t)
{
	return t->ti->len > pair->meta.super->covered ||
	       (t->options.new_main && (dmr_main_differs(&pair->meta.super->main, &t->main_id) ||
					pair->meta.super->main.kind != t->main_id.kind));
}

/* A map that is frozen cannot be told anything. */
static char *dmr_news_for_frozen(const struct dmr_pair *pair, const struct dmr_target *t)
{
	if (!READ_ONCE(pair->active) || !READ_ONCE(pair->meta.frozen) || !dmr_main_news(pair, t))
		return NULL;
	return dmr_error("the map on spare %s is frozen: it can take neither another main nor a longer one",
			 t->spare->name);
}

static char *dmr_pair_refused(struct dmr_target *t, struct dmr_pair *pair, bool loaded)
{
	return (loaded ? dmr_uuid_conflict(pair) : dmr_may_share(pair, t)) ?:
	       dmr_taken(t) ?:
	       dmr_uuid_mismatch(pair, t) ?:
	       dmr_main_mismatch(pair, t) ?:
	       dmr_news_for_frozen(pair, t) ?:
	       dmr_replacement(t, pair);
}

/* Under the registry's lock: t becomes a target of the pair, or learns why not. */
static int dmr_pair_join(struct dmr_target *t, struct dmr_pair *pair, bool loaded, char **error)
{
	*error = dmr_pair_refused(t, pair, loaded);
	if (*error)
		return -EINVAL;
	if (loaded) {
		pair->device = dmr_device_get(pair->md);
		*error = "no memory for the device";
		if (!pair->device)
			return -ENOMEM;
	}
	spin_lock(&dmr_registry_list_lock);
	if (loaded)
		list_add_tail(&pair->link, &dmr_registry);
	list_add_tail(&t->link, &pair->targets);
	spin_unlock(&dmr_registry_list_lock);
	pair->users++;
	t->pair = pair;
	return 0;
}

int dmr_pair_get(struct dmr_target *t, char **error)
{
	struct dmr_pair *pair, *loaded = NULL;
	u64 departed;
	int r = 0;

	mutex_lock(&dmr_registry_lock);
	/* Another table may come and write to the spare while it is being read, and may even be gone again. */
	do {
		pair = dmr_registry_find(t->spare->bdev);
		if (pair)
			break;
		departed = dmr_registry_departed;
		mutex_unlock(&dmr_registry_lock);
		if (loaded)
			dmr_pair_free(loaded);
		loaded = NULL;
		r = dmr_pair_load(t, &loaded, error);
		mutex_lock(&dmr_registry_lock);
		pair = dmr_registry_find(t->spare->bdev);
	} while (!pair && departed != dmr_registry_departed);
	if (pair)
		r = dmr_pair_join(t, pair, false, error);
	else if (!r)
		r = dmr_pair_join(t, loaded, true, error);
	if (loaded && t->pair != loaded)
		dmr_pair_free(loaded);
	mutex_unlock(&dmr_registry_lock);
	return r;
}

void dmr_pair_leave(struct dmr_target *t)
{
	mutex_lock(&dmr_registry_lock);
	spin_lock(&dmr_registry_list_lock);
	list_del(&t->link);
	spin_unlock(&dmr_registry_list_lock);
	mutex_unlock(&dmr_registry_lock);
}

void dmr_pair_put(struct dmr_pair *pair)
{
	mutex_lock(&dmr_registry_lock);
	if (!--pair->users) {
		spin_lock(&dmr_registry_list_lock);
		list_del(&pair->link);
		spin_unlock(&dmr_registry_list_lock);
		dmr_registry_departed++;
		dmr_pair_free(pair);
	}
	mutex_unlock(&dmr_registry_lock);
}

bool dmr_pairs_each(bool (*fn)(struct dmr_pair *pair))
{
	struct dmr_pair *pair;
	bool ok = true;

	mutex_lock(&dmr_registry_lock);
	list_for_each_entry_reverse(pair, &dmr_registry, link) {
		ok = fn(pair);
		if (!ok)
			break;
	}
	mutex_unlock(&dmr_registry_lock);
	return ok;
}

/*
 * A spare that was empty when the table with its replacement was loaded may have been used since then. The
 * refusal lasts, for device-mapper drops the old table with its spare all the same.
 */
static bool dmr_replaces_used_spare(struct dmr_target *t)
{
	struct dmr_pair *other;
	const char *how;

	if (t->refused)
		return true;
	spin_lock(&dmr_registry_list_lock);
	other = dmr_left_out(t, t->pair, &how);
	spin_unlock(&dmr_registry_list_lock);
	if (other)
		DMERR("%s: spare %s cannot replace another one, which %s relocated sectors by now",
		      t->name, t->spare->name, how);
	t->refused = other;
	return other;
}

/* The table that this one replaces may know that main is dead (C10), whatever its spare. */
static void dmr_inherit(struct dmr_target *t)
{
	const struct dmr_target *other;
	const struct dmr_pair *pair;

	if (t->ran)
		return;
	spin_lock(&dmr_registry_list_lock);
	list_for_each_entry(pair, &dmr_registry, link) {
		if (pair->md != t->pair->md)
			continue;
		list_for_each_entry(other, &pair->targets, link)
			if (other->ran && other->main_bdev->bd_dev == t->main_bdev->bd_dev)
				dmr_breaker_inherit(t, other);
	}
	spin_unlock(&dmr_registry_list_lock);
}

/* Under pair->lock, with no bio of this target on its way. */
static int dmr_activate(struct dmr_target *t)
{
	struct dmr_pair *pair = t->pair;
	struct dmr_super *super = pair->meta.super;
	const char *why;
	int r = 0;

	/* A reload with a longer main shares the map that was made for the shorter one. */
	if (!dmr_map_extend(pair->meta.map, t->ti->len))
		return -ENOMEM;
	rcu_read_lock();
	t->filter = dmr_map_filter(pair->meta.map);
	rcu_read_unlock();
	if (dmr_replaces_used_spare(t))
		return -EBUSY;
	/* What it replaces may since this was loaded have divided a block, or told a spare that was blank of another main. */
	why = READ_ONCE(pair->active) && !t->ran ? dmr_main_mismatch(pair, t) :
						   dmr_block_divided(pair, t);
	if (why) {
		DMERR("%s: %s", t->name, why);
		return -EINVAL;
	}
	dmr_inherit(t);
	dmr_sleep_recheck(t);
	dmr_sleep_end(t);
	/* Not a word more to that spare; a device that was in use gives errors rather than hang, where it has grown, too. */
	if (pair->meta.broken) {
		dmr_filter_mark_all(t->filter);
		return pair->active ? 0 : -ESTALE;
	}
	if (!pair->active) {
		if (pair->meta.blank) {
			super->main = t->main_id;
			/* Tables that never ran may have been longer. */
			super->covered = t->ti->len;
			r = dmr_format(&pair->meta);
		} else {
			r = dmr_repair(&pair->meta);
		}
	}
	if (!r && dmr_main_news(pair, t))
		r = dmr_remember_main(&pair->meta, max_t(u64, super->covered, t->ti->len),
				      t->options.new_main ? &t->main_id : &super->main);
	if (!r) {
		/* Said once: what dmsetup prints from now on is to notice the next other main. */
		WRITE_ONCE(t->options.new_main, false);
		WRITE_ONCE(pair->active, true);
		pair->meta.blank = false;
	}
	return r;
}

int dmr_pair_activate(struct dmr_target *t)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&t->pair->lock);
	r = dmr_activate(t);
	dmr_unlock(t);
	memalloc_noio_restore(noio);
	return r;
}

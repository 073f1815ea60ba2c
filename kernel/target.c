// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target: construction from a table line, the life cycle from first resume to removal, and
 * what `dmsetup status` and `dmsetup table` print.
 */
#include <linux/module.h>

#include "dmr.h"

void dmr_event(struct dmr_target *t)
{
	/* Events of one twentieth of a second become one. */
	queue_delayed_work(system_unbound_wq, &t->event, HZ / 20);
}

static void dmr_tell_full(struct dmr_target *t, bool full)
{
	t->pair->shown_full = full;
	if (full)
		DMWARN("%s: spare %s has no free slot for another bad unit", t->name,
		       t->spare->name);
	else
		DMINFO("%s: spare %s has free slots again", t->name, t->spare->name);
	dmr_event(t);
}

void dmr_unlock(struct dmr_target *t)
{
	struct dmr_pair *pair = t->pair;
	struct dmr_metadata *meta = &pair->meta;

	if (meta->full != pair->shown_full)
		dmr_tell_full(t, meta->full);
	/* It was memory that was missing. */
	if (meta->full && dmr_spare_free(meta->slots))
		dmr_upkeep(t);
	if (meta->frozen && !pair->shown_frozen) {
		pair->shown_frozen = true;
		DMERR("%s: a commit to spare %s failed (%d): the map is frozen until the next activation",
		      t->name, t->spare->name, meta->frozen);
		dmr_event(t);
	}
	if (meta->tried != pair->shown_tried) {
		pair->shown_tried = meta->tried;
		dmr_event(t);
		dmr_upkeep(t);
	}
	mutex_unlock(&pair->lock);
}

enum dmr_state dmr_target_state(const struct dmr_target *t)
{
	const struct dmr_pair *pair = t->pair;

	if (READ_ONCE(pair->meta.broken))
		return DMR_STALE;
	if (READ_ONCE(t->breaker.tripped))
		return DMR_TRIPPED;
	if (READ_ONCE(pair->meta.frozen))
		return DMR_FROZEN;
	if (READ_ONCE(pair->meta.full))
		return DMR_FULL;
	return DMR_ACTIVE;
}

static void dmr_read_counters(const struct dmr_pair *pair, struct dmr_counters *c)
{
	const struct dmr_hits *hits;
	int cpu;

	memset(c, 0, sizeof(*c));
	c->read_errors = atomic64_read(&pair->read_errors);
	c->write_errors = atomic64_read(&pair->write_errors);
	c->spare_errors = atomic64_read(&pair->spare_errors);
	c->metadata_errors = READ_ONCE(pair->meta.errors);
	for_each_possible_cpu(cpu) {
		hits = per_cpu_ptr(pair->hits, cpu);
		c->remapped_reads += READ_ONCE(hits->reads);
		c->remapped_writes += READ_ONCE(hits->writes);
	}
}

void dmr_target_status(const struct dmr_target *t, struct dmr_status *status)
{
	const struct dmr_pair *pair = t->pair;
	struct dmr_map_stats stats;

	dmr_map_stats(pair->meta.map, &stats);
	memset(status, 0, sizeof(*status));
	status->state = dmr_target_state(t);
	status->used_slots = dmr_spare_used(pair->meta.slots);
	status->all_slots = dmr_spare_slots(pair->meta.slots);
	status->bad_slots = dmr_spare_bad(pair->meta.slots);
	status->owned = stats.owned;
	status->pending = stats.pending;
	status->hash_buckets = stats.buckets;
	status->hash_entries = stats.entries;
	memcpy(status->uuid, pair->meta.super->uuid, sizeof(status->uuid));
	dmr_read_counters(pair, &status->counters);
}

/* What dmsetup prints loads again as it stands, and only with this pair's spare. */
static void dmr_table_line(const struct dmr_target *t, char *result, unsigned int maxlen)
{
	/* new_main alone changes, and either value is right then. */
	struct dmr_options options = data_race(t->options);
	int n;

	options.have_uuid = true;
	memcpy(options.uuid, t->pair->meta.super->uuid, sizeof(options.uuid));
	n = scnprintf(result, maxlen, "%s %s", t->main->name, t->spare->name);
	dmr_options_format(&options, result + n, maxlen - n);
}

static void dmr_status(struct dm_target *ti, status_type_t type, unsigned int flags, char *result,
		       unsigned int maxlen)
{
	struct dmr_target *t = ti->private;
	struct dmr_status status;
	char uuid[37];

	switch ((int)type) {
	case STATUSTYPE_INFO:
		dmr_target_status(t, &status);
		dmr_status_format(&status, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		dmr_table_line(t, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		dmr_uuid_format(t->pair->meta.super->uuid, uuid);
		scnprintf(result, maxlen,
			  "target_name=%s,target_version=%u.%u.%u,main=%s,spare=%s,uuid=%s;",
			  ti->type->name, ti->type->version[0], ti->type->version[1],
			  ti->type->version[2], t->main->name, t->spare->name, uuid);
		break;
	}
}

/* Devices that cannot be a pair, whatever is on them (C14, C17). */
static char *dmr_check_devices(struct dmr_target *t)
{
	struct block_device *main = t->main->bdev, *spare = t->spare->bdev;

	if (dmr_devices_overlap(main, spare))
		return dmr_error("main %s and spare %s share sectors of one disk", t->main->name,
				 t->spare->name);
	if (bdev_is_zoned(main) || bdev_is_zoned(spare))
		return dmr_error("%s is a zoned device: they cannot be relocated",
				 bdev_is_zoned(main) ? t->main->name : t->spare->name);
	if (dmr_bdev_sectors(main) < t->ti->len)
		return dmr_error("main %s is %llu sectors long, the table says %llu", t->main->name,
				 (u64)dmr_bdev_sectors(main), (u64)t->ti->len);
	if (t->ti->len > DMR_MAX_COVERED)
		return dmr_error("length %llu is beyond the %llu sectors that a spare can describe",
				 (u64)t->ti->len, DMR_MAX_COVERED);
	if (bdev_logical_block_size(spare) > bdev_logical_block_size(main))
		return dmr_error("spare %s has logical blocks of %u bytes, main %s of %u: the spare's must not be larger",
				 t->spare->name, bdev_logical_block_size(spare), t->main->name,
				 bdev_logical_block_size(main));
	if (bdev_logical_block_size(main) > DMR_BLOCK_SIZE)
		return dmr_error("main %s has logical blocks of %u bytes: at most 4096 can be relocated",
				 t->main->name, bdev_logical_block_size(main));
	if (t->ti->len & ((bdev_logical_block_size(main) >> SECTOR_SHIFT) - 1))
		return dmr_error("length %llu is not a multiple of main's logical block of %u bytes",
				 (u64)t->ti->len, bdev_logical_block_size(main));
	return NULL;
}

/* Swapped arguments: a spare in main's place. What cannot be read there is no superblock. */
static int dmr_check_swapped(struct dmr_target *t, char **error)
{
	struct dmr_super *super = dmr_big_alloc(sizeof(*super));
	unsigned int i;
	int r = 0;

	if (!super) {
		*error = "no memory to check main";
		return -ENOMEM;
	}
	for (i = 0; !r && i < DMR_SUPER_COPIES; i++) {
		u64 sector = dmr_super_sector(i);

		if (sector + DMR_BLOCK_SECTORS > dmr_bdev_sectors(t->main_bdev) ||
		    dmr_bdev_io(t->main_bdev, &t->bios, REQ_OP_READ, sector, t->scratch,
				DMR_BLOCK_SIZE))
			continue;
		if (dmr_super_decode(t->scratch, i, super) == DMR_GOOD) {
			*error = dmr_error("main %s carries a dm-remap superblock: are main and spare swapped?",
					   t->main->name);
			r = -EINVAL;
		}
	}
	dmr_big_free(super);
	return r;
}

static void dmr_warn_about_cache(struct dmr_target *t)
{
	if (dmr_bdev_write_cache(t->main_bdev))
		DMINFO("%s: main %s has a volatile write cache: a sector that fails when the cache is flushed cannot be relocated, switch it off where that matters",
		       t->name, t->main->name);
}

static void dmr_put_devices(struct dmr_target *t)
{
	dmr_disk_cache_put(t->main_cache);
	dm_put_device(t->ti, t->spare);
	dm_put_device(t->ti, t->main);
}

static int dmr_get_devices(struct dmr_target *t, char **argv, char **error)
{
	int r = dm_get_device(t->ti, argv[0], dm_table_get_mode(t->ti->table), &t->main);

	if (r) {
		*error = dmr_error("main %s cannot be opened", argv[0]);
		return r;
	}
	r = dm_get_device(t->ti, argv[1], dm_table_get_mode(t->ti->table), &t->spare);
	if (r) {
		*error = dmr_error("spare %s cannot be opened", argv[1]);
		dm_put_device(t->ti, t->main);
		return r;
	}
	t->main_bdev = t->main->bdev;
	t->main_cache = dmr_disk_cache_get(t->main_bdev);
	if (t->main_cache)
		return 0;
	dmr_put_devices(t);
	return -ENOMEM;
}

static void dmr_set_target(struct dmr_target *t)
{
	struct dm_target *ti = t->ti;

	ti->private = t;
	ti->per_io_data_size = sizeof(struct dmr_io);
	ti->num_flush_bios = 2;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->discards_supported = dmr_bdev_discards(t->main_bdev);
}

static int dmr_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	char *error = "no memory for the target";
	char text[DMR_ERROR_SIZE];
	struct dmr_target *t;
	int r = -EINVAL;

	if (argc < 2) {
		ti->error = dmr_error("%u words given: expected <main> <spare> [<#args> <arg>...]",
				      argc);
		return -EINVAL;
	}
	if (!dmr_table_writable(ti->table)) {
		ti->error = "the table is read-only: dm-remap has to write";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = error;
		return -ENOMEM;
	}
	t->ti = ti;
	if (!dmr_options_parse(argc - 2, argv + 2, &t->options, text)) {
		error = dmr_error("%s", text);
		goto bad_target;
	}
	snprintf(t->name, sizeof(t->name), "%s", dm_table_device_name(ti->table));
	dmr_breaker_init(&t->breaker);
	r = dmr_get_devices(t, argv, &error);
	if (r)
		goto bad_target;
	r = dmr_recovery_init(t);
	if (r)
		goto bad_devices;
	r = dmr_epochs_init(t);
	if (r)
		goto bad_recovery;

	error = dmr_check_devices(t);
	r = error ? -EINVAL : dmr_check_swapped(t, &error);
	if (r)
		goto bad_epochs;
	dmr_main_identify(t->main_bdev, &t->main_id);
	r = dmr_pair_get(t, &error);
	if (r)
		goto bad_epochs;
	dmr_set_target(t);
	return 0;

bad_epochs:
	dmr_epochs_exit(t);
bad_recovery:
	dmr_recovery_exit(t);
bad_devices:
	dmr_put_devices(t);
bad_target:
	kfree(t);
	ti->error = error;
	return r;
}

/* Everything that can still be on its way, for destruction does not wait for I/O (C15). */
static void dmr_quiesce(struct dmr_target *t)
{
	dmr_drain(t);
	dmr_recovery_flush(t);
}

static void dmr_dtr(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	dmr_quiesce(t);
	/* Nobody is to find what is taken apart. */
	dmr_pair_leave(t);
	dmr_recovery_exit(t);
	dmr_epochs_exit(t);
	dmr_pair_put(t->pair);
	dmr_put_devices(t);
	kfree(t);
}

static void dmr_stop_background(struct dmr_target *t)
{
	cancel_delayed_work_sync(&t->cool_down);
	cancel_delayed_work_sync(&t->upkeep);
}

static void dmr_start_background(struct dmr_target *t)
{
	if (READ_ONCE(t->breaker.tripped))
		queue_delayed_work(system_unbound_wq, &t->cool_down, DMR_BREAKER_COOL_DOWN);
	if (dmr_map_wants_work(t->pair->meta.map) || READ_ONCE(t->pair->meta.full))
		dmr_upkeep(t);
}

/* Before the file system is frozen: recovery must go on, or freezing would hang on a failed write. */
static void dmr_presuspend(struct dm_target *ti)
{
	dmr_stop_background(ti->private);
}

static void dmr_presuspend_undo(struct dm_target *ti)
{
	dmr_start_background(ti->private);
}

static void dmr_postsuspend(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	/* Messages that need I/O come before this, or are refused. */
	mutex_lock(&t->request_lock);
	WRITE_ONCE(t->resumed, false);
	mutex_unlock(&t->request_lock);
	dmr_quiesce(t);
	dmr_stop_background(t);
	/* A table that is replaced now has nobody to tell any more. */
	if (cancel_delayed_work_sync(&t->event))
		dm_table_event(t->ti->table);
}

static int dmr_preresume(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;
	bool first = !t->pair->active;
	int r = dmr_pair_activate(t);

	if (r) {
		DMERR("%s: activation failed (%d)", t->name, r);
		return r;
	}
	if (first)
		dmr_warn_about_cache(t);
	return 0;
}

static void dmr_resume(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	WRITE_ONCE(t->resumed, true);
	t->ran = true;
	dmr_start_background(t);
}

struct target_type dmr_target_type = {
	.name = DMR_TARGET_NAME,
	.version = DMR_TARGET_VERSION,
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = dmr_ctr,
	.dtr = dmr_dtr,
	.map = dmr_io_map,
	.end_io = dmr_io_end,
	.presuspend = dmr_presuspend,
	.presuspend_undo = dmr_presuspend_undo,
	.postsuspend = dmr_postsuspend,
	.preresume = dmr_preresume,
	.resume = dmr_resume,
	.status = dmr_status,
	.message = dmr_message,
	.iterate_devices = dmr_iterate_devices,
	.io_hints = dmr_io_hints,
};

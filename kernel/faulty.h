/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap-faulty: a disk that fails, waits and loses its cache, for tests.
 * Sectors here are the target's own (the table's start is 0), 512 bytes each.
 * Range sets, gates, triggers and the state change under dmrf->lock, in process context only;
 * parked bios and the log have their own locks, taken from end_io too.
 */
#ifndef DM_REMAP_FAULTY_H
#define DM_REMAP_FAULTY_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "compat.h"

#undef DM_MSG_PREFIX
#define DM_MSG_PREFIX "remap-faulty"

#define DMRF_BLOCK_SECTORS	8U	/* the cache's granule */
#define DMRF_NAME_LEN		32
#define DMRF_LOG_SIZE		4096U

/* What an I/O is; a FUA write has two bits. */
#define DMRF_READ	0x01u
#define DMRF_WRITE	0x02u
#define DMRF_ZEROES	0x04u
#define DMRF_DISCARD	0x08u
#define DMRF_FLUSH	0x10u
#define DMRF_FUA	0x20u
#define DMRF_ALL	(DMRF_READ | DMRF_WRITE | DMRF_ZEROES | DMRF_DISCARD | DMRF_FLUSH)
#define DMRF_MODIFIES	(DMRF_WRITE | DMRF_ZEROES | DMRF_DISCARD)

/* Each side of the disk has its own ranges: a sector may read well and not write. */
enum dmrf_side { DMRF_SIDE_READ, DMRF_SIDE_WRITE, DMRF_SIDE_DISCARD, DMRF_SIDES };

enum dmrf_state { DMRF_ONLINE, DMRF_READONLY, DMRF_OFFLINE };

enum dmrf_counter {
	DMRF_READS, DMRF_WRITES, DMRF_FLUSHES, DMRF_FUAS, DMRF_DISCARDS, DMRF_WRITE_ZEROES,
	DMRF_FAILED_READS, DMRF_FAILED_WRITES, DMRF_FAILED_FLUSHES, DMRF_FAILED_DISCARDS,
	DMRF_SECTORS_READ, DMRF_SECTORS_WRITTEN, DMRF_LOST, DMRF_KEPT,
	DMRF_GAUGES,	/* from here on: what is now; stats_clear leaves it alone */
	DMRF_WAITING = DMRF_GAUGES, DMRF_DELAYED, DMRF_CACHED,
	DMRF_COUNTERS
};

/* What survives in a cache that loses its power. */
enum dmrf_cut_mode {
	DMRF_CUT_NONE, DMRF_CUT_ALL,
	DMRF_CUT_RANDOM, DMRF_CUT_TORN,		/* these and those below have a number, too */
	DMRF_CUT_PREFIX, DMRF_CUT_SUFFIX
};

/* What happens to a bio that falls into a range: it ends with status after delay milliseconds. */
struct dmrf_fault {
	blk_status_t status;
	u32 delay;
	bool heal;
};

struct dmrf_range {
	struct rb_node node;
	sector_t start;
	sector_t end;
	struct dmrf_fault fault;
};

/* Ranges that never overlap, ordered by start: any lookup is O(log n). */
struct dmrf_set {
	struct rb_root root;
	unsigned long count;
};

/* A gate: matching bios wait for the message "release". */
struct dmrf_gate {
	struct list_head list;
	unsigned int ops;
	sector_t start;
	sector_t end;
	u64 times;		/* bios it still catches; 0: any number */
};

/* A counter: the n-th matching bio from now fails, and perhaps the disk with it. */
struct dmrf_trigger {
	struct list_head list;
	unsigned int ops;
	sector_t start;
	sector_t end;
	u64 after;		/* this many matching bios and it fires */
	u64 times;		/* bios it still fails then; 0: all */
	struct dmrf_fault fault;
	enum { DMRF_THEN_NOTHING, DMRF_THEN_READONLY, DMRF_THEN_OFFLINE, DMRF_THEN_CUT } then;
};

struct dmrf_log_entry {
	u64 in;			/* one clock counts arrivals and ends: b.in > a.out means never both in flight */
	u64 out;
	sector_t sector;
	unsigned int sectors;
	blk_opf_t opf;
	unsigned int ops;
	blk_status_t status;
};

/* Devices with one power switch lose their power in one store to "off". */
struct dmrf_power {
	struct list_head list;
	char name[DMRF_NAME_LEN];	/* empty: one device's own */
	unsigned int users;		/* under the registry's mutex */
	bool off;
	enum dmrf_cut_mode mode;
	u64 seed;
	spinlock_t lock;		/* off, mode, seed */
	struct mutex members_lock;
	struct list_head members;
	struct work_struct work;	/* what the members lose */
};

struct dmrf_cache;

struct dmrf {
	struct dm_target *ti;
	struct dm_dev *dev;
	sector_t offset;
	sector_t len;

	/* Fixed by the constructor */
	unsigned int phys;		/* sectors of a physical block */
	unsigned int logical;		/* bytes, 0: as the device below */
	bool no_wc;
	bool want_cache;
	bool start_off;
	u64 cache_mib;
	u32 salt;			/* so that devices on one switch lose different sectors */
	char power_name[DMRF_NAME_LEN];

	struct mutex lock;		/* never held across I/O; allocations under it are GFP_NOIO */
	enum dmrf_state state;
	bool passing;			/* suspended: gates and delays hold nothing up */
	struct dmrf_set bad[DMRF_SIDES];
	struct dmrf_set slow[DMRF_SIDES];
	u32 slow_flush;
	struct list_head gates;
	struct list_head triggers;
	enum dmrf_cut_mode cut_mode;	/* for "then cut" */
	u64 cut_seed;
	bool armed;			/* anything above may matter; read without the lock */

	spinlock_t park_lock;		/* the three lists and inflight; any context */
	struct list_head held;
	struct list_head delayed;	/* by expiry */
	struct list_head ready;
	unsigned int inflight;
	atomic_t below;			/* bios the device below has */
	wait_queue_head_t waitq;	/* every counter, below and inflight */
	struct workqueue_struct *wq;
	struct delayed_work work;

	atomic64_t counters[DMRF_COUNTERS];

	spinlock_t log_lock;		/* any context */
	struct dmrf_log_entry *log;
	u64 log_next;
	u64 log_base;
	u64 log_clock;

	struct dmrf_power *power;
	struct list_head power_member;
	struct dmrf_cache *cache;	/* NULL: every write goes through */
};

enum dmrf_stage { DMRF_NEW, DMRF_GATED, DMRF_SLOWED, DMRF_JUDGED, DMRF_FAIL, DMRF_HEAL };

struct dmrf_io {
	struct list_head list;
	struct dmrf *d;
	enum dmrf_stage stage;
	unsigned int ops;
	sector_t sector;
	unsigned int sectors;
	u64 log;
	unsigned long expires;
	blk_status_t status;
	bool heals;
	bool below;
	bool cached;		/* its data is in the cache already */
};

static inline struct bio *dmrf_bio(struct dmrf_io *io)
{
	return dm_bio_from_per_bio_data(io, sizeof(*io));
}

/* Who must not miss a cut asks under a lock that the cut takes after it: park_lock, or the cache's. */
static inline bool dmrf_is_off(struct dmrf *d)
{
	return READ_ONCE(d->power->off);
}

/* Splitmix64: the same numbers from the same seed on every kernel. */
static inline u64 dmrf_random(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* faulty.c */
void dmrf_count(struct dmrf *d, enum dmrf_counter c, s64 n);	/* any context */
void dmrf_end(struct dmrf_io *io, blk_status_t status);		/* any context */
void dmrf_send(struct dmrf_io *io);				/* process context, not from map() */
void dmrf_below_get(struct dmrf_io *io);
void dmrf_retry(struct dmrf_io *io);				/* any context: the worker runs it again */
unsigned int dmrf_release(struct dmrf *d, u64 max, blk_status_t status);	/* returns how many went on */
void dmrf_fail_parked(struct dmrf *d, blk_status_t status);
void dmrf_rearm(struct dmrf *d);				/* under d->lock, after any change */

/* faulty-ranges.c: under the owner's lock, process context */
struct dmrf_range *dmrf_set_first(struct dmrf_set *set, sector_t start, sector_t end);
struct dmrf_range *dmrf_range_next(struct dmrf_range *r);
bool dmrf_fault_equal(const struct dmrf_fault *a, const struct dmrf_fault *b);
int dmrf_set_add(struct dmrf_set *set, sector_t start, sector_t end,
		 const struct dmrf_fault *fault);
int dmrf_set_clear(struct dmrf_set *set, sector_t start, sector_t end);
int dmrf_set_heal(struct dmrf_set *set, sector_t start, sector_t end);
bool dmrf_set_heals(struct dmrf_set *set, sector_t start, sector_t end);
void dmrf_set_free(struct dmrf_set *set);

/* faulty-words.c: process context */
int dmrf_parse_table(struct dmrf *d, unsigned int argc, char **argv, char **error);
int dmrf_message(struct dmrf *d, unsigned int argc, char **argv, char *result, unsigned int maxlen);
void dmrf_print_table(struct dmrf *d, char *result, unsigned int maxlen);
void dmrf_print_status(struct dmrf *d, char *result, unsigned int maxlen);

/* faulty-power.c */
int dmrf_power_join(struct dmrf *d);			/* process context */
void dmrf_power_leave(struct dmrf *d);			/* process context; waits for a cut under way */
void dmrf_power_trip(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed);	/* does not block */
void dmrf_power_settle(struct dmrf *d);			/* waits until all members have lost their caches */
void dmrf_power_restore(struct dmrf *d);		/* process context */
int dmrf_power_init(void);
void dmrf_power_exit(void);

/* faulty-cache.c: process context */
enum dmrf_dispatch { DMRF_SEND, DMRF_TAKEN };
int dmrf_cache_create(struct dmrf *d);
void dmrf_cache_destroy(struct dmrf *d);
enum dmrf_dispatch dmrf_cache_dispatch(struct dmrf *d, struct dmrf_io *io, bool in_worker);
int dmrf_cache_sync(struct dmrf *d);
void dmrf_cache_cut(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed);
void dmrf_cache_catch(struct dmrf *d, struct dmrf_io *io);	/* a write that the cut finds half way */

#endif

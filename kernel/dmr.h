/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The structures that the kernel part shares. Two objects matter: a pair (one spare device with
 * its map, shared by reloads) and a target (one line of a table). Locks and contexts stand at
 * the members. Sectors are 512 bytes; main's are counted from main's start.
 */
#ifndef DMR_H
#define DMR_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "args.h"
#include "commit.h"
#include "compat.h"
#include "health.h"
#include "metadata.h"

#define DM_MSG_PREFIX "remap"

/* Counters that the I/O path touches when an I/O goes to the spare. */
struct dmr_hits {
	u64 reads, writes;
};

/* An empty flush comes in halves, which say which they are (dm_bio_get_target_bio_nr()). */
enum dmr_half {
	DMR_FLUSH_MAIN = 0,
	DMR_FLUSH_SPARE,
};

/*
 * A flush of ours failed, or one within a FUA write: users' flushes of that device that are under way fail, too, for it
 * may have lost what they are to keep; the next one where there is none (C8).
 */
struct dmr_owed {
	atomic_t failed;		/* how many */
	atomic_t told;			/* the value of `failed` that users have heard of */
};

/* What all pairs of one mapped device share: a table may have several lines, and outlives none of them. */
struct dmr_device {
	unsigned int pairs;		/* under the registry's lock */
	atomic_t failed_flushes;	/* each fails one later FUA write (C8), wherever in the table that goes */
	struct dmr_owed main_owed;	/* here, for main stays when a spare is replaced */
};

/*
 * A spare device, its map and its metadata. One for each spare, in the registry from the first
 * constructor to the last destructor; a reload of the same device shares it.
 */
struct dmr_pair {
	struct list_head link;		/* registry */
	struct list_head targets;	/* under the registry's lock */
	unsigned int users;		/* the same: these targets, and those that are being destroyed */
	struct mapped_device *md;	/* whose spare it is */
	struct dmr_device *device;	/* the same, as far as we know it */
	struct block_device *bdev;	/* kept open by the targets' tables */
	bool active;			/* the first resume has been */
	struct dmr_disk_cache *cache;	/* of its disk */

	/* C23, see sleep.c. */
	bool asleep;			/* read anywhere: no worker begins anything */
	bool unchecked;			/* written under lock: the map is an image's, and may be old */

	/*
	 * Held across metadata I/O by one writer at a time: the recovery worker, activation and
	 * messages that change the map; given back by dmr_unlock(). Process context. Guards `meta`, but
	 * for what its header says is read anywhere, and the map, whose readers need no lock.
	 */
	struct mutex lock;
	struct dmr_metadata meta;
	bool shown_full, shown_frozen;	/* as the log and an event have told */
	u32 shown_tried;
	void *probe;			/* a page for canary reads */
	u8 probed;			/* the superblock that answered last */

	bool own_unflushed;		/* the worker's own data may be in the spare's cache */

	/* Read anywhere. */
	atomic_t spare_writing;		/* users' writes on their way to the spare */
	atomic64_t spare_written;	/* writes of data that the spare has completed */
	atomic64_t spare_flushed;	/* value of spare_written that the last good flush covered */
	struct dmr_owed spare_owed;
	atomic_t suspected;		/* FUA writes at the worker: it may have been the flush in them that failed */
	atomic64_t read_errors, write_errors, spare_errors;
	struct dmr_hits __percpu *hits;
	struct bio_set bios;
	struct dmr_health *health;	/* of its errors; NULL: none */
	const struct dmr_health_ops *health_ops;
};

/* Any context, as dmr_owe(). */
static inline struct dmr_owed *dmr_owed_for(struct dmr_pair *pair, enum dmr_half half)
{
	return half == DMR_FLUSH_MAIN ? &pair->device->main_owed : &pair->spare_owed;
}

static inline void dmr_owe(struct dmr_pair *pair, enum dmr_half half)
{
	atomic_inc(&dmr_owed_for(pair, half)->failed);
}

/* Any context. Once it says no, what is owed for one is seen. */
static inline bool dmr_any_suspected(const struct dmr_pair *pair)
{
	return atomic_read_acquire(&pair->suspected);
}

/* C10: tells a bad unit from a dead disk. Under lock unless it says otherwise. */
#define DMR_BREAKER_REGIONS		32u
#define DMR_BREAKER_REGION_SECTORS	2048u	/* 1 MiB */
#define DMR_BREAKER_COOL_DOWN		(30 * HZ)
#define DMR_BREAKER_HOLD		(1 * HZ)
/* C20: as long as one I/O of a device takes at the most: SCSI gives a command 30 s, and then asks what is wrong. */
#define DMR_ONE_IO			(40 * HZ)
#define DMR_CANARIES			4u

struct dmr_region_run {
	u64 first, last;
};

struct dmr_breaker {
	spinlock_t lock;		/* irq-safe: successes are noted from end_io */
	bool armed;			/* read without the lock: end_io reports successful writes to main */
	u8 round;			/* the same: how often it was armed or has tripped; what was mapped before proves nothing */
	bool tripped;			/* read without the lock */
	bool write_dead;		/* tripped by failing writes, not by failing reads */
	unsigned int runs;		/* of regions with failed writes since the last success */
	struct dmr_region_run run[DMR_BREAKER_REGIONS];
	bool late;			/* one that was sent before the first failure has succeeded after it */
	u8 canary;			/* read without the lock: the place that read last */
	bool proven;			/* a write to main has succeeded at proven_at that was sent after a failure */
	u64 proven_at;			/* 64-bit jiffies: it may be long ago */
};

/* C18: units that only the worker may touch; bios to them wait in its queue. */
#define DMR_FENCE_RANGES	8u

struct dmr_fence {
	u32 ranges;
	struct {
		u64 first, end;		/* sectors */
	} range[DMR_FENCE_RANGES];
};

/* Bios entered less bios left on this CPU; the sum over CPUs is what is in flight in that epoch. */
struct dmr_in_flight {
	long bios[2];
};

/* What end_io has seen of reads, for the worker to look into; too many at once are forgotten. */
#define DMR_NOTES	64u

struct dmr_note {
	u64 sector;
	u32 count;
	bool good;		/* pending sectors that could be read after all */
	unsigned long when;	/* jiffies */
};

struct dmr_request;		/* request.c */

/* C20: how long (jiffies) after a failure a device is still asked which of the failed units are bad. module.c */
extern unsigned int dmr_patience_seconds;

static inline unsigned long dmr_patience(void)
{
	return READ_ONCE(dmr_patience_seconds) * HZ;
}

/* One line of a table. */
struct dmr_target {
	/* Read by every bio; written by activation, drains, fences and when main fails. */
	struct dm_target *ti;
	struct block_device *main_bdev;
	const struct dmr_filter *filter;
	unsigned int epoch;			/* 0 or 1: the one that new bios enter */
	bool draining[2];			/* who leaves that epoch has to say so */
	struct dmr_in_flight __percpu *in_flight;
	struct dmr_fence __rcu *fence;		/* one of fences[], or NULL */
	struct dmr_breaker breaker;
	struct dmr_pair *pair;

	struct dm_dev *main, *spare;
	struct list_head link;			/* pair->targets */
	struct dmr_options options;
	struct dmr_main_id main_id;		/* as the kernel shows it now */
	char name[40];				/* of the mapped device, for the log */
	bool resumed;				/* between preresume and postsuspend */
	bool ran;				/* it has been resumed before */
	bool refused;				/* it must not replace another spare: never resumed */

	/* Epochs (C15, C18): bios in flight, told from those that come later. */
	struct completion left;			/* somebody has left while a drain waits */
	struct mutex drain_lock;
	struct dmr_fence fences[2];		/* the worker's; used by turns, see fence.c */
	unsigned int fence_turn;

	/* Recovery: bios that the worker has to look at. */
	spinlock_t parked_lock;			/* irq-safe */
	struct bio_list parked;
	struct dmr_note note[DMR_NOTES];	/* under parked_lock, too */
	u32 notes;
	wait_queue_head_t evidence;		/* more parked, or main has taken a write */
	struct workqueue_struct *wq;
	struct work_struct recovery;
	bool busy;				/* the worker is at it */
	bool dozing;				/* C23: all I/O is parked; written by sleep.c and the worker */
	struct delayed_work cool_down;
	struct delayed_work upkeep;		/* refills reserves, resizes the map */
	struct dmr_batch *batch;		/* the worker's, see batch.c */
	struct bio_set bios;			/* for all that recovery issues */
	void *scratch;				/* a page for canary reads */
	void *copy[2];				/* two pages for the worker's own copies */
	unsigned long main_spent;		/* worker: jiffies that main's failures took since the queue was last empty */
	struct dmr_disk_cache *main_cache;	/* of main's disk */
	int lost[2];				/* worker: each half's dmr_flushes_lost() when it began with the present bio */
	bool spare_failing;			/* worker: the spare has failed, and C20: */
	unsigned long spare_until;		/* until when (jiffies) that is looked into */
	struct mutex request_lock;		/* one request at a time; guards `resumed` against them */
	struct dmr_request *request;		/* under parked_lock */
	struct delayed_work event;		/* raises the device-mapper event, coalesced */
};

/* Where a bio went; kept with each of device-mapper's clones. */
enum dmr_where {
	DMR_AT_MAIN = 0,	/* the fast path tests for zero */
	DMR_AT_SPARE,
	DMR_AT_MAIN_PENDING,	/* a read of sectors that main has failed before */
	DMR_AT_SPARE_PENDING,	/* the same for a slot */
	DMR_AT_MAIN_FLUSH,	/* an empty flush */
	DMR_AT_WORKER,		/* nowhere yet: the worker decides */
	DMR_AT_END,		/* the worker is done with it: only to be ended */
};

/* What it was when it came: the block layer takes FUA from bios to devices that need none. */
enum dmr_special {
	DMR_PLAIN = 0,
	DMR_FUA,		/* a write that is to be durable when it ends */
	DMR_EMPTY_FLUSH,
};

#define DMR_UNSETTLED_MAIN	0x1
#define DMR_UNSETTLED_SPARE	0x2

struct dmr_io {
	struct bvec_iter iter;		/* as mapped; bi_sector is main's. The block layer consumes the bio's own */
	u8 where;			/* enum dmr_where */
	u8 special;			/* enum dmr_special */
	bool suspected;			/* parked: counted in pair->suspected */
	u8 epoch;			/* that it is in */
	u8 round;			/* of the breaker, when it was mapped */
	blk_status_t error;		/* what main said, for the worker */
	blk_status_t result;		/* worker: what the caller will hear */
	u8 unsettled;			/* worker: whose flush is to follow, DMR_UNSETTLED_ */
	u8 again;			/* worker: how often it was written once more, for it may have been lost */
	bool bad;			/* worker: some of it failed once more, on the device that failed it before */
	bool spare_failed;		/* worker: the spare has failed some of it */
	bool begun;			/* worker: has had a turn, and goes on from `done` */
	bool flushed;			/* worker: empty flush that has succeeded, and waits for others */
	union {
		u32 done;		/* worker: sectors judged so far */
		u32 told;		/* empty flush: `told` of struct dmr_owed when it came */
	};
	union {
		u64 flush_mark;		/* empty flush of the spare: spare_written when it was sent */
		unsigned long parked_at;	/* else: jiffies of the failure, or of meeting a fence */
	};
};

/* Was it sent to the spare? */
static inline bool dmr_at_spare(const struct dmr_io *io)
{
	return io->where == DMR_AT_SPARE || io->where == DMR_AT_SPARE_PENDING;
}

extern struct target_type dmr_target_type;	/* target.c */

/* module.c: the texts that constructors leave behind in ti->error; never NULL, any context. */
__printf(1, 2) char *dmr_error(const char *format, ...);

/* target.c: gives pair->lock back, and tells of what has changed under it. Process context. */
void dmr_unlock(struct dmr_target *t);
/* target.c: raises a device-mapper event, soon. Any context. */
void dmr_event(struct dmr_target *t);
/* any context, no locks */
enum dmr_state dmr_target_state(const struct dmr_target *t);
void dmr_target_status(const struct dmr_target *t, struct dmr_status *status);

/* io.c: the I/O path. */
int dmr_io_map(struct dm_target *ti, struct bio *bio);
int dmr_io_end(struct dm_target *ti, struct bio *bio, blk_status_t *error);
/*
 * The worker's: an empty flush that was parked. false: it comes once more, behind all that is parked now. Process
 * context.
 */
bool dmr_flush_parked(struct dmr_target *t, struct bio *bio);
bool dmr_spare_cannot_discard(struct dmr_pair *pair, blk_opf_t op, blk_status_t status);

/* limits.c */
int dmr_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data);
void dmr_io_hints(struct dm_target *ti, struct queue_limits *limits);

/*
 * fence.c: epochs. The sections without preemption are what a drain waits for with
 * synchronize_rcu(): an entry counts in the epoch it has read, and who leaves is done with the target.
 */
static inline u8 dmr_epoch_enter(struct dmr_target *t)
{
	u8 epoch;

	preempt_disable();
	epoch = READ_ONCE(t->epoch);
	this_cpu_inc(t->in_flight->bios[epoch]);
	preempt_enable();
	/* Whoever is in the new epoch of a drain sees the fence that was put up before it. */
	smp_rmb();
	return epoch;
}

/* An index as wide as an address, so that no instruction is spent on widening it. */
static inline void dmr_epoch_leave(struct dmr_target *t, unsigned long epoch)
{
	preempt_disable();
	/* What a disk in memory was given is there before it is no longer in flight. */
	smp_wmb();
	this_cpu_dec(t->in_flight->bios[epoch]);
	/* First the count, then the question: a drain asks for reports before it counts. */
	barrier();
	if (unlikely(READ_ONCE(t->draining[epoch])))
		complete(&t->left);
	preempt_enable();
}

int dmr_epochs_init(struct dmr_target *t);
void dmr_epochs_exit(struct dmr_target *t);
/* Waits for every bio mapped before the call, but for those that are parked. Process context. */
void dmr_drain(struct dmr_target *t);
/* The same, for so many jiffies at the most; false: some are still on their way. */
bool dmr_drain_within(struct dmr_target *t, unsigned long timeout);
/*
 * The worker only. Fences sectors [first, end) off, a range more with each call; dmr_fence_up()
 * waits until no bio mapped before is under way; from then on nobody but the worker touches them.
 * Until the time `until` (jiffies) at the latest: a cgroup's limit can hold a bio back for as long as it likes, and who
 * polls may not ask. false: then the fence is down again.
 */
void dmr_fence_add(struct dmr_target *t, u64 first, u64 end);
bool dmr_fence_up(struct dmr_target *t, unsigned long until);
void dmr_fence_down(struct dmr_target *t);
/*
 * map(), under RCU: how many of the bio's first sectors share one fate, and whether that is to wait.
 */
u32 dmr_fence_check(const struct dmr_fence *fence, u64 sector, u32 count, bool *wait);

/* recovery.c */
int dmr_recovery_init(struct dmr_target *t);
void dmr_recovery_exit(struct dmr_target *t);
/* Tells the worker of reads that failed, or of pending sectors that could be read. Any context. */
void dmr_note_read(struct dmr_target *t, u64 sector, u32 count, bool good);
/* Hands a bio to the worker, then leaves its epoch; neither bio nor target may be touched afterwards. Any context. */
void dmr_park(struct dmr_target *t, struct bio *bio, u8 epoch);
/* Ends what is parked and waits until the worker is idle. Process context. */
void dmr_recovery_flush(struct dmr_target *t);
/* Schedules refills of the reserves. Any context. */
void dmr_upkeep(struct dmr_target *t);
/* Submits one bio of ours and waits; takes it over. Process context. */
blk_status_t dmr_submit_wait(struct bio *bio);

/* breaker.c: any context unless it says otherwise. */
void dmr_breaker_init(struct dmr_breaker *b);
/* Is this an error for which a place may be relocated? */
bool dmr_suspect(blk_status_t status);
void dmr_breaker_failed(struct dmr_target *t, u64 sector);
/* round: of the breaker when that write was mapped, or began. */
void dmr_breaker_succeeded(struct dmr_target *t, u8 round);

enum dmr_opinion {
	DMR_DISK_ALIVE,
	DMR_DISK_DEAD,		/* tripped now or before */
	DMR_DISK_UNSURE,	/* no write has succeeded since the first failure: wait for evidence */
};

/* Canary reads: does it answer at all? Process context. */
bool dmr_main_answers(struct dmr_target *t);
bool dmr_spare_answers(struct dmr_pair *pair);
void dmr_trip(struct dmr_target *t, bool write_dead);

/* Process context, does canary reads. `last_chance`: never UNSURE. */
enum dmr_opinion dmr_breaker_judge(struct dmr_target *t, bool last_chance);
/* resume_auto, and the end of the cool-down. Process context. */
void dmr_breaker_reset(struct dmr_target *t);
/* A table that replaces another goes on with what is known of their main. Neither has I/O. */
void dmr_breaker_inherit(struct dmr_target *t, const struct dmr_target *from);
void dmr_cool_down_fn(struct work_struct *work);

/* pair.c: the registry. Process context. */
/* Finds or loads the pair of t->spare; on failure an errno and *error. */
int dmr_pair_get(struct dmr_target *t, char **error);
/* t is found no more, its pair stays until it is put. */
void dmr_pair_leave(struct dmr_target *t);
void dmr_pair_put(struct dmr_pair *pair);
/* First resume: formats, repairs, remembers main. */
int dmr_pair_activate(struct dmr_target *t);
/* Calls fn for each pair, the last made first, while none comes or goes; false as soon as fn says so. */
bool dmr_pairs_each(bool (*fn)(struct dmr_pair *pair));

/* sleep.c: hibernation (C23). Process context. */
int dmr_sleep_init(void);
void dmr_sleep_exit(void);
/* The worker begins: may it? It takes down the fence around everything if the time has come. */
bool dmr_awake(struct dmr_target *t);
/* Under pair->lock, before anything builds on the map: is it an image's that is not true any more? */
void dmr_sleep_recheck(struct dmr_target *t);
/* Ends the parking of all I/O; after dmr_sleep_recheck(). */
void dmr_sleep_end(struct dmr_target *t);

/* identity.c: who main is. Process context. */
void dmr_main_identify(struct block_device *bdev, struct dmr_main_id *id);
/* true if both are known and differ */
bool dmr_main_differs(const struct dmr_main_id *was, const struct dmr_main_id *is);
/* Do the two share sectors of one disk? */
bool dmr_devices_overlap(struct block_device *a, struct block_device *b);

/* disk-cache.c: the cache of the disk that a device is on, as long as somebody has that open. NULL: no memory. Process context. */
struct dmr_disk_cache *dmr_disk_cache_get(struct block_device *bdev);
/* NULL: nothing to give back. */
void dmr_disk_cache_put(struct dmr_disk_cache *cache);
/* Is it also the cache of a main, or of another pair's spare? Any context. */
bool dmr_disk_cache_shared(const struct dmr_disk_cache *cache);
/* A flush of it failed, or may have within other I/O. Any context. */
void dmr_flush_lost(struct dmr_disk_cache *cache);
/*
 * How many have. Who writes without FUA and flushes then looks at it before and after, for one between may have lost what he
 * wrote; and writes it once more, as dmr_once_more() says.
 */
int dmr_flushes_lost(const struct dmr_disk_cache *cache);
#define DMR_LOST_TRIES	8u

/* `tries`: so often it was written once more before. The first time needs no patience. Any context. */
static inline bool dmr_once_more(unsigned int tries, unsigned long until)
{
	return !tries || (tries < DMR_LOST_TRIES && !time_after(jiffies, until));
}

static inline struct dmr_disk_cache *dmr_cache_of(const struct dmr_target *t, enum dmr_half half)
{
	return half == DMR_FLUSH_MAIN ? t->main_cache : t->pair->cache;
}

/* spare-io.c: the spare's I/O that is not the user's. Process context. */
extern const struct dmr_metadata_io dmr_spare_io;

#define DMR_FLUSH	(REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH)
/* Flush the spare's or main's cache; a failure is also owed to the next user's flush (C8). */
int dmr_spare_flush(struct dmr_pair *pair);
/*
 * Around the worker's own data, from before the first write to a slot to its end, under pair->lock. `end` flushes if there
 * is `any`. 0, or that failed; -EAGAIN: another has, since `begun` was returned, and may have lost some of it.
 */
int dmr_own_data_begin(struct dmr_pair *pair);
int dmr_own_data_end(struct dmr_pair *pair, int begun, bool any);
blk_status_t dmr_main_flush(struct dmr_target *t);
/* Does the block layer make a write and a flush of a FUA write, so that either may be what failed? */
static inline bool dmr_fua_flushes(struct block_device *bdev)
{
	return dmr_bdev_write_cache(bdev) && !dmr_bdev_fua(bdev);
}

/* Or may it happen below? Device-mapper and md say that they have FUA, whatever lies below them. */
static inline bool dmr_fua_may_flush(struct block_device *bdev)
{
	return dmr_bdev_write_cache(bdev) &&
	       (!dmr_bdev_fua(bdev) || bdev->bd_disk->fops->submit_bio);
}

/* A flush that was sent when spare_written was `mark` has succeeded. Any context. */
void dmr_spare_flushed(struct dmr_pair *pair, u64 mark);
/*
 * One I/O of our own with `bytes` (a multiple of 512; 0 for a flush) of kernel memory, waited for; the
 * second form is to the spare, and returns an errno.
 */
blk_status_t dmr_bdev_io(struct block_device *bdev, struct bio_set *bios, blk_opf_t opf, u64 sector,
			 void *data, unsigned int bytes);
int dmr_pair_io(struct dmr_pair *pair, blk_opf_t opf, u64 sector, void *data, unsigned int bytes);

/* reads.c: the worker's part for one note; true if it has to be called again for it (C4, C7). */
bool dmr_look_into(struct dmr_target *t, struct dmr_note *note);
/* How many sectors a disk's read errors are narrowed to. */
u32 dmr_read_step(struct block_device *bdev);

/* request.c: remap, unremap and retest, run by the worker for a message that waits. */
int dmr_request(struct dmr_target *t, const struct dmr_message *m, char *result,
		unsigned int maxlen);
void dmr_request_begin(struct dmr_target *t, struct dmr_request *request);
/* A part of it behind one fence. true: more is to come; false: it is answered, and gone. */
bool dmr_request_run(struct dmr_target *t, struct dmr_request *request);

/* message.c */
int dmr_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		unsigned int maxlen);

#endif

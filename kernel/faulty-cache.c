// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap-faulty: a disk's volatile write cache. Every write since the last flush is kept as it came, a
 * sector may have many versions; each read gets the newest. Only the worker, "sync" and a power cut write
 * out, one at a time (out_lock), and only they remove nodes: a version leaves the cache after the device
 * below has it.
 */
#include <linux/slab.h>
#include "faulty.h"
#include "faulty-compat.h"

#define DMRF_ALL_SECTORS	0xff
#define DMRF_OUT_VECS		32

/* What one write left in one block of 8 sectors. */
struct dmrf_node {
	struct rb_node rb;		/* by block, then by seq */
	struct list_head list;		/* the write's own before it is linked, then those going out */
	u64 block;
	u64 seq;
	void *data;			/* NULL: zeroes */
	u8 mask;			/* sectors it has */
	u8 out;				/* sectors going out */
};

struct dmrf_cache {
	struct dmrf *d;
	struct mutex lock;		/* all below; never held across I/O */
	struct rb_root nodes;
	unsigned long count;
	unsigned long max;
	u64 seq;			/* of the newest write */
	struct list_head jobs;		/* bios that need the worker, in the order they came */
	struct work_struct work;
	struct mutex out_lock;		/* taken before lock, held across I/O */
	struct bio_set bios;
	unsigned int tear;		/* sectors that are written whole or not at all */
};

struct dmrf_out {
	struct dmrf_cache *c;
	struct bio *bio;
	sector_t next;
	atomic_t pending;
	struct completion done;
	blk_status_t status;
};

/* --- nodes: under lock, but for those not yet linked ------------------------------------------- */

static struct dmrf_node *dmrf_node_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct dmrf_node, rb) : NULL;
}

static struct dmrf_node *dmrf_node_next(struct dmrf_node *n)
{
	return dmrf_node_of(rb_next(&n->rb));
}

static struct dmrf_node *dmrf_node_prev(struct dmrf_node *n)
{
	return dmrf_node_of(rb_prev(&n->rb));
}

static void dmrf_node_free(struct dmrf_node *n)
{
	free_page((unsigned long)n->data);
	kfree(n);
}

static struct dmrf_node *dmrf_node_alloc(u64 block, bool zeroes)
{
	struct dmrf_node *n = kzalloc(sizeof(*n), GFP_NOIO);

	if (!n)
		return NULL;
	n->block = block;
	if (zeroes)
		return n;
	n->data = (void *)__get_free_page(GFP_NOIO);
	if (!n->data) {
		kfree(n);
		return NULL;
	}
	return n;
}

static void dmrf_free_nodes(struct list_head *nodes)
{
	struct dmrf_node *n, *next;

	list_for_each_entry_safe(n, next, nodes, list)
		dmrf_node_free(n);
}

static void dmrf_link(struct dmrf_cache *c, struct dmrf_node *new)
{
	struct rb_node **p = &c->nodes.rb_node, *parent = NULL;
	struct dmrf_node *n;

	while (*p) {
		parent = *p;
		n = dmrf_node_of(parent);
		if (new->block < n->block || (new->block == n->block && new->seq < n->seq))
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&new->rb, parent, p);
	rb_insert_color(&new->rb, &c->nodes);
	c->count++;
	dmrf_count(c->d, DMRF_CACHED, hweight8(new->mask));
}

/* Take sectors from a node; the last ones take it along. */
static void dmrf_drop(struct dmrf_cache *c, struct dmrf_node *n, u8 mask)
{
	mask &= n->mask;
	n->mask &= ~mask;
	dmrf_count(c->d, DMRF_CACHED, -(s64)hweight8(mask));
	if (n->mask)
		return;
	rb_erase(&n->rb, &c->nodes);
	c->count--;
	dmrf_node_free(n);
}

/* The oldest version in the first block from this one on that has any. */
static struct dmrf_node *dmrf_lower(struct dmrf_cache *c, u64 block)
{
	struct rb_node *p = c->nodes.rb_node;
	struct dmrf_node *found = NULL;

	while (p) {
		struct dmrf_node *n = dmrf_node_of(p);

		if (n->block >= block) {
			found = n;
			p = p->rb_left;
		} else {
			p = p->rb_right;
		}
	}
	return found;
}

static struct dmrf_node *dmrf_newest(struct dmrf_node *n)
{
	struct dmrf_node *next;

	while ((next = dmrf_node_next(n)) && next->block == n->block)
		n = next;
	return n;
}

static u64 dmrf_block(sector_t sector)
{
	return sector / DMRF_BLOCK_SECTORS;
}

static u8 dmrf_bit(sector_t sector)
{
	return 1u << (sector % DMRF_BLOCK_SECTORS);
}

/* The bits of a block that lie in [start, end). */
static u8 dmrf_bits(u64 block, sector_t start, sector_t end)
{
	sector_t first = block * DMRF_BLOCK_SECTORS;
	u8 mask = DMRF_ALL_SECTORS;

	if (start > first)
		mask &= DMRF_ALL_SECTORS << (start - first);
	if (end < first + DMRF_BLOCK_SECTORS)
		mask &= DMRF_ALL_SECTORS >> (first + DMRF_BLOCK_SECTORS - end);
	return mask;
}

/* The newest version of a sector. */
static struct dmrf_node *dmrf_find(struct dmrf_cache *c, sector_t sector)
{
	u64 block = dmrf_block(sector);
	struct dmrf_node *n = dmrf_lower(c, block);

	if (!n || n->block != block)
		return NULL;
	n = dmrf_newest(n);
	while (n && n->block == block && !(n->mask & dmrf_bit(sector)))
		n = dmrf_node_prev(n);
	return n && n->block == block ? n : NULL;
}

/* Where the sectors end that are cached, or not, as this one is. */
static sector_t dmrf_run_end(struct dmrf_cache *c, sector_t sector, sector_t end, bool *cached)
{
	struct dmrf_node *n;

	*cached = dmrf_find(c, sector);
	while (++sector < end) {
		if (!*cached && !(sector % DMRF_BLOCK_SECTORS)) {
			n = dmrf_lower(c, dmrf_block(sector));
			if (!n || n->block * DMRF_BLOCK_SECTORS >= end)
				return end;
			sector = max_t(sector_t, sector, n->block * DMRF_BLOCK_SECTORS);
		}
		if (!!dmrf_find(c, sector) != *cached)
			break;
	}
	return sector;
}

/* --- writing out: under out_lock ---------------------------------------------------------------- */

static void dmrf_out_end(struct bio *bio)
{
	struct dmrf_out *o = bio->bi_private;

	if (bio->bi_status)
		WRITE_ONCE(o->status, bio->bi_status);
	bio_put(bio);
	if (atomic_dec_and_test(&o->pending))
		complete(&o->done);
}

static void dmrf_out_submit(struct dmrf_out *o)
{
	if (!o->bio)
		return;
	atomic_inc(&o->pending);
	submit_bio_noacct(o->bio);
	o->bio = NULL;
}

static void dmrf_out_open(struct dmrf_out *o, sector_t sector, blk_opf_t opf)
{
	struct dmrf *d = o->c->d;

	dmrf_out_submit(o);
	o->bio = dmr_bio_alloc(d->dev->bdev, DMRF_OUT_VECS, opf, &o->c->bios);
	o->bio->bi_iter.bi_sector = d->offset + sector;
	o->bio->bi_end_io = dmrf_out_end;
	o->bio->bi_private = o;
	o->next = sector;
}

static void dmrf_out_add(struct dmrf_out *o, struct dmrf_node *n, unsigned int first,
			 unsigned int count)
{
	struct page *page = n->data ? virt_to_page(n->data) : ZERO_PAGE(0);
	sector_t sector = n->block * DMRF_BLOCK_SECTORS + first;
	unsigned int len = count << SECTOR_SHIFT, offset = first << SECTOR_SHIFT;

	if (!o->bio || o->next != sector || bio_add_page(o->bio, page, len, offset) != len) {
		dmrf_out_open(o, sector, REQ_OP_WRITE | REQ_SYNC);
		if (bio_add_page(o->bio, page, len, offset) != len)
			WRITE_ONCE(o->status, BLK_STS_RESOURCE);
	}
	o->next = sector + count;
}

static void dmrf_out_node(struct dmrf_out *o, struct dmrf_node *n)
{
	unsigned int first = 0, count;

	for (; first < DMRF_BLOCK_SECTORS; first += count + 1) {
		for (count = 0; n->out & (1u << (first + count)); count++)
			;
		if (count)
			dmrf_out_add(o, n, first, count);
	}
}

static void dmrf_out_wait(struct dmrf_out *o)
{
	dmrf_out_submit(o);
	if (!atomic_dec_and_test(&o->pending))
		wait_for_completion_io(&o->done);
	atomic_set(&o->pending, 1);
	reinit_completion(&o->done);
}

/* Under lock: the newest version of each sector of [start, end), in the order of the disk. */
static void dmrf_pick(struct dmrf_cache *c, sector_t start, sector_t end, struct list_head *picked)
{
	struct dmrf_node *n = dmrf_lower(c, dmrf_block(start)), *last;
	u8 wanted;

	while (n && n->block * DMRF_BLOCK_SECTORS < end) {
		last = dmrf_newest(n);
		wanted = dmrf_bits(n->block, start, end);
		for (n = last; n && n->block == last->block; n = dmrf_node_prev(n)) {
			n->out = n->mask & wanted;
			wanted &= ~n->out;
			if (n->out)
				list_add_tail(&n->list, picked);
		}
		n = dmrf_node_next(last);
	}
}

/* Under lock: what has gone out is not needed any more, nor what is older. */
static void dmrf_forget(struct dmrf_cache *c, sector_t start, sector_t end, u64 seq)
{
	struct dmrf_node *n = dmrf_lower(c, dmrf_block(start)), *next;

	for (; n && n->block * DMRF_BLOCK_SECTORS < end; n = next) {
		next = dmrf_node_next(n);
		if (n->seq <= seq)
			dmrf_drop(c, n, dmrf_bits(n->block, start, end));
	}
}

/* What is in the cache now of [start, end) goes to the device below, and on to its medium. */
static blk_status_t __dmrf_write_out(struct dmrf_cache *c, sector_t start, sector_t end, bool flush)
{
	struct dmrf_out o = { .c = c, .pending = ATOMIC_INIT(1) };
	struct dmrf_node *n;
	LIST_HEAD(picked);
	u64 seq;

	init_completion(&o.done);
	mutex_lock(&c->lock);
	seq = c->seq;
	dmrf_pick(c, start, end, &picked);
	mutex_unlock(&c->lock);

	list_for_each_entry(n, &picked, list)
		dmrf_out_node(&o, n);
	dmrf_out_wait(&o);
	if (!o.status && flush) {
		dmrf_out_open(&o, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
		o.bio->bi_iter.bi_sector = 0;
		dmrf_out_wait(&o);
	}
	if (o.status)
		return o.status;
	mutex_lock(&c->lock);
	dmrf_forget(c, start, end, seq);
	mutex_unlock(&c->lock);
	return BLK_STS_OK;
}

static blk_status_t dmrf_write_out(struct dmrf_cache *c, sector_t start, sector_t end, bool flush)
{
	blk_status_t status = BLK_STS_IOERR;

	mutex_lock(&c->out_lock);
	if (!dmrf_is_off(c->d))
		status = __dmrf_write_out(c, start, end, flush);
	mutex_unlock(&c->out_lock);
	return status;
}

/* --- bios --------------------------------------------------------------------------------------- */

static void dmrf_job(struct dmrf_cache *c, struct dmrf_io *io)
{
	mutex_lock(&c->lock);
	list_add_tail(&io->list, &c->jobs);
	mutex_unlock(&c->lock);
	queue_work(c->d->wq, &c->work);
}

/* One sector between the bio, which moves on by it, and memory. */
static void dmrf_copy_sector(struct bio *bio, void *data, bool to_bio)
{
	unsigned int left = SECTOR_SIZE, n;
	struct bio_vec bv;
	void *page;

	while (left) {
		bv = bio_iter_iovec(bio, bio->bi_iter);
		n = min(left, bv.bv_len);
		page = dmrf_map_page(bv.bv_page);
		if (!to_bio)
			memcpy(data, page + bv.bv_offset, n);
		else if (data)
			memcpy(page + bv.bv_offset, data, n);
		else
			memset(page + bv.bv_offset, 0, n);
		if (to_bio)
			flush_dcache_page(bv.bv_page);
		dmrf_unmap_page(page);
		bio_advance(bio, n);
		left -= n;
		data = data ? data + n : NULL;
	}
}

static int dmrf_collect(struct dmrf_io *io, struct list_head *nodes)
{
	sector_t sector = io->sector, end = io->sector + io->sectors;
	bool zeroes = io->ops & DMRF_ZEROES;
	struct dmrf_node *n = NULL;

	for (; sector < end; sector++) {
		if (!n || n->block != dmrf_block(sector)) {
			n = dmrf_node_alloc(dmrf_block(sector), zeroes);
			if (!n)
				return -ENOMEM;
			list_add_tail(&n->list, nodes);
		}
		n->mask |= dmrf_bit(sector);
		if (!zeroes)
			dmrf_copy_sector(dmrf_bio(io), n->data +
					 (sector % DMRF_BLOCK_SECTORS) * SECTOR_SIZE, false);
	}
	return 0;
}

/* The data becomes part of the disk here, unless the power went before. */
static bool dmrf_insert(struct dmrf_cache *c, struct list_head *nodes)
{
	struct dmrf_node *n, *next;
	bool on;

	mutex_lock(&c->lock);
	on = !dmrf_is_off(c->d);
	if (on) {
		c->seq++;
		list_for_each_entry_safe(n, next, nodes, list) {
			list_del(&n->list);
			n->seq = c->seq;
			dmrf_link(c, n);
		}
	}
	mutex_unlock(&c->lock);
	return on;
}

static void dmrf_cache_write(struct dmrf_cache *c, struct dmrf_io *io)
{
	LIST_HEAD(nodes);

	if (dmrf_collect(io, &nodes)) {
		dmrf_free_nodes(&nodes);
		dmrf_end(io, BLK_STS_RESOURCE);
		return;
	}
	if (!dmrf_insert(c, &nodes)) {
		dmrf_free_nodes(&nodes);
		dmrf_end(io, BLK_STS_IOERR);
		return;
	}
	if (!(io->ops & DMRF_FUA)) {
		dmrf_end(io, BLK_STS_OK);
		return;
	}
	io->cached = true;
	dmrf_job(c, io);
}

static bool dmrf_full(struct dmrf_cache *c)
{
	return READ_ONCE(c->count) >= c->max;
}

static enum dmrf_dispatch dmrf_dispatch_write(struct dmrf_cache *c, struct dmrf_io *io)
{
	if (dmrf_full(c))
		dmrf_job(c, io);
	else
		dmrf_cache_write(c, io);
	return DMRF_TAKEN;
}

static enum dmrf_dispatch dmrf_dispatch_discard(struct dmrf_cache *c, struct dmrf_io *io)
{
	bool cached;
	sector_t end;

	mutex_lock(&c->lock);
	end = dmrf_run_end(c, io->sector, io->sector + io->sectors, &cached);
	mutex_unlock(&c->lock);
	if (!cached && end == io->sector + io->sectors)
		return DMRF_SEND;
	dmrf_job(c, io);
	return DMRF_TAKEN;
}

/* Under lock. */
static void dmrf_read_cached(struct dmrf_cache *c, struct bio *bio, sector_t sector, sector_t end)
{
	struct dmrf_node *n;
	void *data;

	for (; sector < end; sector++) {
		n = dmrf_find(c, sector);
		data = n->data;
		if (data)
			data += (sector % DMRF_BLOCK_SECTORS) * SECTOR_SIZE;
		dmrf_copy_sector(bio, data, true);
	}
}

/* Part of a bio to the device below; the bio waits for it. */
static int dmrf_read_below(struct dmrf_cache *c, struct bio *bio, sector_t sectors)
{
	struct bio *part = bio_split(bio, sectors, GFP_NOIO, &c->bios);

	if (IS_ERR_OR_NULL(part))
		return -EIO;
	bio_chain(part, bio);
	part->bi_opf &= ~REQ_NOWAIT;
	submit_bio_noacct(part);
	return 0;
}

/*
 * Not from map(): parts of a bio that are cached, and parts that are not. A part that is found
 * uncached may be overtaken by a write; the block layer promises no order for these two.
 */
static enum dmrf_dispatch dmrf_read_mixed(struct dmrf_cache *c, struct dmrf_io *io)
{
	sector_t sector = io->sector, end = io->sector + io->sectors, run;
	struct bio *bio = dmrf_bio(io);
	bool cached;

	while (sector < end) {
		mutex_lock(&c->lock);
		run = dmrf_run_end(c, sector, end, &cached);
		if (cached)
			dmrf_read_cached(c, bio, sector, run);
		mutex_unlock(&c->lock);
		if (!cached && run == end)
			return DMRF_SEND;
		if (!cached && dmrf_read_below(c, bio, run - sector)) {
			bio->bi_status = BLK_STS_RESOURCE;
			break;
		}
		sector = run;
	}
	/* Its parts may have ended, or will: they set its status. */
	dmrf_below_get(io);
	bio_endio(bio);
	return DMRF_TAKEN;
}

static enum dmrf_dispatch dmrf_dispatch_read(struct dmrf_cache *c, struct dmrf_io *io,
					     bool in_worker)
{
	sector_t end = io->sector + io->sectors, run;
	bool cached;

	if (in_worker)
		return dmrf_read_mixed(c, io);
	mutex_lock(&c->lock);
	run = dmrf_run_end(c, io->sector, end, &cached);
	if (cached && run == end)
		dmrf_read_cached(c, dmrf_bio(io), io->sector, end);
	mutex_unlock(&c->lock);
	if (run != end)
		dmrf_retry(io);
	else if (cached)
		dmrf_end(io, BLK_STS_OK);
	else
		return DMRF_SEND;
	return DMRF_TAKEN;
}

enum dmrf_dispatch dmrf_cache_dispatch(struct dmrf *d, struct dmrf_io *io, bool in_worker)
{
	struct dmrf_cache *c = d->cache;

	if (io->ops & DMRF_READ)
		return dmrf_dispatch_read(c, io, in_worker);
	if (io->ops & (DMRF_WRITE | DMRF_ZEROES))
		return dmrf_dispatch_write(c, io);
	if (io->ops & DMRF_DISCARD)
		return dmrf_dispatch_discard(c, io);
	if (!(io->ops & DMRF_FLUSH))
		return DMRF_SEND;
	dmrf_job(c, io);
	return DMRF_TAKEN;
}

static void dmrf_do_job(struct dmrf_cache *c, struct dmrf_io *io)
{
	sector_t start = io->sector, end = io->sector + io->sectors;
	bool ordered = io->cached || (io->ops & DMRF_FLUSH);
	blk_status_t status;

	if (io->ops & DMRF_FLUSH || (!io->cached && !(io->ops & DMRF_DISCARD))) {
		start = 0;
		end = c->d->len;
	}
	status = dmrf_write_out(c, start, end, ordered);
	if (status || ordered)
		dmrf_end(io, status);
	else if (io->ops & DMRF_DISCARD)
		dmrf_send(io);
	else
		dmrf_cache_write(c, io);
}

static void dmrf_cache_work(struct work_struct *work)
{
	struct dmrf_cache *c = container_of(work, struct dmrf_cache, work);
	struct dmrf_io *io;

	for (;;) {
		mutex_lock(&c->lock);
		io = list_first_entry_or_null(&c->jobs, struct dmrf_io, list);
		if (io)
			list_del(&io->list);
		mutex_unlock(&c->lock);
		if (!io)
			return;
		dmrf_do_job(c, io);
	}
}

int dmrf_cache_sync(struct dmrf *d)
{
	return blk_status_to_errno(dmrf_write_out(d->cache, 0, d->len, true));
}

/* The write that takes the power with it counts as one of those under way, where the cut says what of each is there. */
void dmrf_cache_catch(struct dmrf *d, struct dmrf_io *io)
{
	LIST_HEAD(nodes);

	if (!d->cache || !(io->ops & DMRF_WRITE) || d->cut_mode < DMRF_CUT_PREFIX)
		return;
	if (dmrf_collect(io, &nodes) || !dmrf_insert(d->cache, &nodes))
		dmrf_free_nodes(&nodes);
}

/* --- power cut ---------------------------------------------------------------------------------- */

/* The same seed gives the same choice for the same writes in the same order. */
static bool dmrf_survives(struct dmrf_cache *c, u64 seed, u64 seq, u64 unit)
{
	u64 state = seed ^ ((u64)c->d->salt << 32);

	state = dmrf_random(&state) ^ seq;
	state = dmrf_random(&state) ^ unit;
	return dmrf_random(&state) & 1;
}

static u8 dmrf_survivors(struct dmrf_cache *c, struct dmrf_node *n, enum dmrf_cut_mode mode,
			 u64 seed)
{
	sector_t first = n->block * DMRF_BLOCK_SECTORS;
	unsigned int part = min_t(u64, seed, DMRF_BLOCK_SECTORS), i;
	u8 mask = 0;

	switch (mode) {
	case DMRF_CUT_NONE:
		return 0;
	case DMRF_CUT_ALL:
		return n->mask;
	case DMRF_CUT_RANDOM:
		return dmrf_survives(c, seed, n->seq, 0) ? n->mask : 0;
	case DMRF_CUT_TORN:
		for (i = 0; i < DMRF_BLOCK_SECTORS; i++)
			if (dmrf_survives(c, seed, n->seq, 1 + (first + i) / c->tear))
				mask |= 1u << i;
		return n->mask & mask;
	case DMRF_CUT_PREFIX:
		return n->mask & dmrf_bits(n->block, first, first + part);
	case DMRF_CUT_SUFFIX:
		first += DMRF_BLOCK_SECTORS;
		return n->mask & dmrf_bits(n->block, first - part, first);
	}
	return 0;
}

/* After the power went, so nothing comes in: some of the writes had reached the disk, others had not. */
void dmrf_cache_cut(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed)
{
	struct dmrf_cache *c = d->cache;
	struct dmrf_node *n, *next;
	s64 kept, cached;

	if (!c)
		return;
	mutex_lock(&c->out_lock);
	mutex_lock(&c->lock);
	cached = atomic64_read(&d->counters[DMRF_CACHED]);
	for (n = dmrf_lower(c, 0); n; n = next) {
		next = dmrf_node_next(n);
		dmrf_drop(c, n, ~dmrf_survivors(c, n, mode, seed));
	}
	kept = atomic64_read(&d->counters[DMRF_CACHED]);
	mutex_unlock(&c->lock);
	dmrf_count(d, DMRF_KEPT, kept);
	dmrf_count(d, DMRF_LOST, cached - kept);
	if (kept && __dmrf_write_out(c, 0, d->len, true))
		DMERR("%s: what should survive the power cut could not be written", d->dev->name);
	mutex_lock(&c->lock);
	dmrf_forget(c, 0, d->len, c->seq);
	mutex_unlock(&c->lock);
	mutex_unlock(&c->out_lock);
}

/* --- life --------------------------------------------------------------------------------------- */

int dmrf_cache_create(struct dmrf *d)
{
	struct dmrf_cache *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int ret;

	if (!c)
		return -ENOMEM;
	ret = bioset_init(&c->bios, DMRF_OUT_VECS, 0, BIOSET_NEED_BVECS);
	if (ret) {
		kfree(c);
		return ret;
	}
	c->d = d;
	c->nodes = RB_ROOT;
	c->max = d->cache_mib << (20 - 12);
	c->tear = max_t(unsigned int, d->logical, bdev_logical_block_size(d->dev->bdev)) >>
		  SECTOR_SHIFT;
	mutex_init(&c->lock);
	mutex_init(&c->out_lock);
	INIT_LIST_HEAD(&c->jobs);
	INIT_WORK(&c->work, dmrf_cache_work);
	d->cache = c;
	return 0;
}

/* After the last bio. What postsuspend could not write out is lost, as it said. */
void dmrf_cache_destroy(struct dmrf *d)
{
	struct dmrf_cache *c = d->cache;

	if (!c)
		return;
	cancel_work_sync(&c->work);
	dmrf_forget(c, 0, d->len, c->seq);
	bioset_exit(&c->bios);
	mutex_destroy(&c->lock);
	mutex_destroy(&c->out_lock);
	kfree(c);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What core/ may use, in the kernel: types, memory, RCU, bits, checksum.
 * core/user/dmr_env.h offers the same names over libc.
 * Memory: "may_wait" never starts I/O and rather fails than waits for ever, for who asks may hold a
 * lock that a write needs before memory can be freed.
 */
#ifndef DMR_ENV_H
#define DMR_ENV_H

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/types.h>

#define dmr_noinline			noinline
#define dmr_test_bit(nr, bits)		test_bit(nr, bits)
#define dmr_set_bit(nr, bits)		set_bit(nr, bits)
#define dmr_hweight8(v)			hweight8(v)
#define dmr_hweight64(v)		hweight64(v)
#define dmr_ffs64(v)			((unsigned int)__ffs64(v))
#define dmr_ilog2_64(v)			((unsigned int)ilog2((u64)(v)))
/* Pairs with the dependency of dmr_rcu_dereference(). */
#define dmr_smp_wmb()			smp_wmb()

#define dmr_log_error(format, ...) \
	pr_err_ratelimited("device-mapper: remap: " format "\n", ##__VA_ARGS__)
#define dmr_log_warning(format, ...) \
	pr_warn_ratelimited("device-mapper: remap: " format "\n", ##__VA_ARGS__)
#define dmr_log_info(format, ...) \
	pr_info("device-mapper: remap: " format "\n", ##__VA_ARGS__)

#define dmr_sort(base, count, size, compare)	sort(base, count, size, compare, NULL)
#define dmr_cond_resched()			cond_resched()

static inline u32 dmr_crc32c(u32 crc, const void *data, size_t size)
{
	return crc32c(crc, data, size);
}

static inline gfp_t dmr_gfp(bool may_wait)
{
	return (may_wait ? GFP_NOIO | __GFP_NORETRY : GFP_NOWAIT) | __GFP_NOWARN;
}

static inline void *dmr_alloc(size_t size, bool may_wait)
{
	return kzalloc(size, dmr_gfp(may_wait));
}

#define dmr_free(ptr)			kfree(ptr)

static inline void *dmr_big_alloc(size_t size)
{
	unsigned int noio = memalloc_noio_save();
	void *ptr = kvzalloc(size, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);

	memalloc_noio_restore(noio);
	return ptr;
}

#define dmr_big_free(ptr)		kvfree(ptr)

/* For I/O: whole pages, zeroed. */
static inline void *dmr_buffer_alloc(size_t size)
{
	return alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
}

static inline void dmr_buffer_free(void *ptr, size_t size)
{
	if (ptr)
		free_pages_exact(ptr, size);
}

typedef struct kmem_cache dmr_cache;

static inline dmr_cache *dmr_cache_create(const char *name, size_t size)
{
	return kmem_cache_create(name, size, 0, 0, NULL);
}

#define dmr_cache_destroy(cache)	kmem_cache_destroy(cache)

static inline void *dmr_cache_alloc(dmr_cache *cache, bool may_wait)
{
	return kmem_cache_alloc(cache, dmr_gfp(may_wait));
}

#define dmr_cache_free(cache, obj)	kmem_cache_free(cache, obj)

#define dmr_rcu_head			rcu_head
#define dmr_rcu_read_lock()		rcu_read_lock()
#define dmr_rcu_read_unlock()		rcu_read_unlock()
#define dmr_rcu_dereference(p)		rcu_dereference(p)
#define dmr_rcu_dereference_writer(p)	rcu_dereference_protected(p, true)
#define dmr_rcu_assign(p, v)		rcu_assign_pointer(p, v)
#define dmr_call_rcu(head, fn)		call_rcu(head, fn)
#define dmr_synchronize_rcu()		synchronize_rcu()
#define dmr_rcu_barrier()		rcu_barrier()

#endif

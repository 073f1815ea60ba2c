/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What core/ may use, in user space: the names of kernel/dmr_env.h over libc.
 * Without DMR_ENV_URCU a retired object is freed at once, so one thread only may use the core;
 * with it RCU is liburcu's. DMR_ENV_TEST adds failing allocations, a count of bytes, and a writer between a reader's loads.
 */
#ifndef DMR_ENV_H
#define DMR_ENV_H

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#ifdef DMR_ENV_URCU
#define RCU_MEMBARRIER
#include <urcu.h>
#endif

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define cpu_to_le16(v)		((__le16)htole16(v))
#define cpu_to_le32(v)		((__le32)htole32(v))
#define cpu_to_le64(v)		((__le64)htole64(v))
#define le16_to_cpu(v)		((u16)le16toh(v))
#define le32_to_cpu(v)		((u32)le32toh(v))
#define le64_to_cpu(v)		((u64)le64toh(v))

#define __rcu
#define __printf(text, first)	__attribute__((format(printf, text, first)))
#ifndef likely
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#endif
#ifndef container_of
#define container_of(ptr, type, member)	((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#ifdef DMR_ENV_TEST
/* Called before each load of what a writer may change meanwhile: a test's writer comes between any two. */
__attribute__((weak)) void (*dmr_env_before_load)(void);

static inline void dmr_env_load(void)
{
	if (dmr_env_before_load)
		dmr_env_before_load();
}
#else
static inline void dmr_env_load(void) { }
#endif

#define READ_ONCE(x)		(dmr_env_load(), __atomic_load_n(&(x), __ATOMIC_RELAXED))
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)

#define DMR_ENV_LONG_BITS	(8 * sizeof(unsigned long))

static inline bool dmr_test_bit(unsigned long nr, const unsigned long *bits)
{
	return READ_ONCE(bits[nr / DMR_ENV_LONG_BITS]) >> (nr % DMR_ENV_LONG_BITS) & 1;
}

static inline void dmr_set_bit(unsigned long nr, unsigned long *bits)
{
	__atomic_fetch_or(&bits[nr / DMR_ENV_LONG_BITS], 1ul << (nr % DMR_ENV_LONG_BITS),
			  __ATOMIC_RELAXED);
}

static inline unsigned int dmr_hweight8(u8 v)
{
	return __builtin_popcount(v);
}

static inline unsigned int dmr_hweight64(u64 v)
{
	return __builtin_popcountll(v);
}

static inline unsigned int dmr_ffs64(u64 v)
{
	return __builtin_ctzll(v);
}

static inline unsigned int dmr_ilog2_64(u64 v)
{
	return 63 - __builtin_clzll(v);
}

#define dmr_noinline		__attribute__((__noinline__))
#define dmr_smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)

/* What snprintf() really wrote. */
__attribute__((format(printf, 3, 4)))
static inline int scnprintf(char *text, size_t size, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, size, format, args);
	va_end(args);
	if (len < 0 || !size)
		return 0;
	return (size_t)len < size ? len : (int)size - 1;
}

/* Where the core's log goes; a program that wants none of it says so before it includes this. */
#ifndef dmr_log
#ifdef DMR_ENV_TEST
/* NULL: to stderr. */
__attribute__((weak)) FILE *dmr_env_log_to;
#define dmr_log(format, ...) \
	fprintf(dmr_env_log_to ? dmr_env_log_to : stderr, format "\n", ##__VA_ARGS__)
#else
#define dmr_log(format, ...)		fprintf(stderr, format "\n", ##__VA_ARGS__)
#endif
#endif
#define dmr_log_error(...)		dmr_log(__VA_ARGS__)
#define dmr_log_warning(...)		dmr_log(__VA_ARGS__)
#define dmr_log_info(...)		dmr_log(__VA_ARGS__)

#define dmr_sort(base, count, size, compare)	qsort(base, count, size, compare)
#define dmr_cond_resched()			do { } while (0)

/* As the kernel's crc32c(): the caller inverts before and after. */
static inline u32 dmr_crc32c_plain(u32 crc, const void *data, size_t size)
{
	static const u32 nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const u8 *at = data;

	while (size--) {
		crc ^= *at++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static inline u32 dmr_crc32c_sse(u32 crc, const void *data, size_t size)
{
	const u8 *at = data;
	u64 wide = crc, word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	for (crc = wide; size; size--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}

static inline u32 dmr_crc32c(u32 crc, const void *data, size_t size)
{
	if (__builtin_cpu_supports("sse4.2"))
		return dmr_crc32c_sse(crc, data, size);
	return dmr_crc32c_plain(crc, data, size);
}
#else
static inline u32 dmr_crc32c(u32 crc, const void *data, size_t size)
{
	return dmr_crc32c_plain(crc, data, size);
}
#endif

#ifdef DMR_ENV_TEST
#include <malloc.h>

/* Negative: never. Else so many more allocations succeed and all later ones fail. */
__attribute__((weak)) long dmr_env_fail_after = -1;
/* The same for those that may not wait alone. */
__attribute__((weak)) long dmr_env_fail_nowait_after = -1;
/* Bytes allocated and not yet freed. */
__attribute__((weak)) long dmr_env_bytes;

static inline bool dmr_env_fails(long *after)
{
	if (*after > 0)
		(*after)--;
	else if (!*after)
		return true;
	return false;
}

static inline void *dmr_env_alloc(size_t size, bool may_wait)
{
	void *ptr;

	if (dmr_env_fails(&dmr_env_fail_after) ||
	    (!may_wait && dmr_env_fails(&dmr_env_fail_nowait_after)))
		return NULL;
	ptr = calloc(1, size);
	if (ptr)
		__atomic_fetch_add(&dmr_env_bytes, malloc_usable_size(ptr), __ATOMIC_RELAXED);
	return ptr;
}

static inline void dmr_env_free(void *ptr)
{
	if (ptr)
		__atomic_fetch_sub(&dmr_env_bytes, malloc_usable_size(ptr), __ATOMIC_RELAXED);
	free(ptr);
}
#else
static inline void *dmr_env_alloc(size_t size, bool may_wait)
{
	(void)may_wait;
	return calloc(1, size);
}

static inline void dmr_env_free(void *ptr)
{
	free(ptr);
}
#endif

static inline void *dmr_alloc(size_t size, bool may_wait)
{
	return dmr_env_alloc(size, may_wait);
}

static inline void dmr_free(void *ptr)
{
	dmr_env_free(ptr);
}

static inline void *dmr_big_alloc(size_t size)
{
	return dmr_env_alloc(size, true);
}

static inline void dmr_big_free(void *ptr)
{
	dmr_env_free(ptr);
}

static inline void *dmr_buffer_alloc(size_t size)
{
	return dmr_env_alloc(size, true);
}

static inline void dmr_buffer_free(void *ptr, size_t size)
{
	(void)size;
	dmr_env_free(ptr);
}

typedef struct dmr_env_cache {
	size_t size;
} dmr_cache;

static inline dmr_cache *dmr_cache_create(const char *name, size_t size)
{
	dmr_cache *cache = dmr_env_alloc(sizeof(*cache), true);

	(void)name;
	if (cache)
		cache->size = size;
	return cache;
}

static inline void dmr_cache_destroy(dmr_cache *cache)
{
	dmr_env_free(cache);
}

static inline void *dmr_cache_alloc(dmr_cache *cache, bool may_wait)
{
	void *ptr = dmr_env_alloc(cache->size, may_wait);

#ifdef DMR_ENV_TEST
	/* The kernel's caches do not clear either. */
	if (ptr)
		memset(ptr, 0xa5, cache->size);
#endif
	return ptr;
}

static inline void dmr_cache_free(dmr_cache *cache, void *ptr)
{
	(void)cache;
	dmr_env_free(ptr);
}

#if defined(DMR_ENV_TEST) && defined(DMR_ENV_URCU)
/* Gives other threads time to see what lies between two stores of a writer. */
static inline void dmr_env_dawdle(void)
{
	volatile int i = 100;

	while (i--)
		;
}
#else
static inline void dmr_env_dawdle(void) { }
#endif

#define dmr_rcu_dereference(p)		(dmr_env_load(), __atomic_load_n(&(p), __ATOMIC_ACQUIRE))
#define dmr_rcu_dereference_writer(p)	__atomic_load_n(&(p), __ATOMIC_RELAXED)
#define dmr_rcu_assign(p, v) do { \
	__atomic_store_n(&(p), v, __ATOMIC_RELEASE); \
	dmr_env_dawdle(); \
} while (0)

#ifdef DMR_ENV_URCU
#define dmr_rcu_head			rcu_head
#define dmr_rcu_read_lock()		rcu_read_lock()
#define dmr_rcu_read_unlock()		rcu_read_unlock()
#define dmr_call_rcu(head, fn)		call_rcu(head, fn)
#define dmr_synchronize_rcu()		synchronize_rcu()
#define dmr_rcu_barrier()		rcu_barrier()
#else
/* As large as the kernel's. */
struct dmr_rcu_head {
	struct dmr_rcu_head *next;
	void (*fn)(struct dmr_rcu_head *head);
};

static inline void dmr_rcu_read_lock(void) { }
static inline void dmr_rcu_read_unlock(void) { }
static inline void dmr_synchronize_rcu(void) { }
static inline void dmr_rcu_barrier(void) { }

/* The one thread is not inside a read-side section when it writes. */
static inline void dmr_call_rcu(struct dmr_rcu_head *head, void (*fn)(struct dmr_rcu_head *head))
{
	fn(head);
}
#endif

#endif

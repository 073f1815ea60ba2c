/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap-faulty: what kernels lack. kmap_local_page() came in 5.11 with the header whose guard is
 * asked for here, included by highmem.h; before it this target is for kernels without high memory.
 */
#ifndef DM_REMAP_FAULTY_COMPAT_H
#define DM_REMAP_FAULTY_COMPAT_H

#include <linux/highmem.h>

#ifdef _LINUX_HIGHMEM_INTERNAL_H
static inline void *dmrf_map_page(struct page *page)
{
	return kmap_local_page(page);
}

static inline void dmrf_unmap_page(void *addr)
{
	kunmap_local(addr);
}
#else
static inline void *dmrf_map_page(struct page *page)
{
	BUILD_BUG_ON(IS_ENABLED(CONFIG_HIGHMEM));
	return page_address(page);
}

static inline void dmrf_unmap_page(void *addr)
{
}
#endif

#endif

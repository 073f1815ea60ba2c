/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remap-faulty: what kernels lack. kmap_local_page() came in 5.11 with the header whose guard is
 * asked for here, included by highmem.h.
 */
#ifndef DM_REMAP_FAULTY_COMPAT_H
#define DM_REMAP_FAULTY_COMPAT_H

#include <linux/highmem.h>

static inline void *dmrf_map_page(struct page *page)
{
#ifdef _LINUX_HIGHMEM_INTERNAL_H
	return kmap_local_page(page);
#else
	return kmap_atomic(page);
#endif
}

static inline void dmrf_unmap_page(void *addr)
{
#ifdef _LINUX_HIGHMEM_INTERNAL_H
	kunmap_local(addr);
#else
	kunmap_atomic(addr);
#endif
}

#endif

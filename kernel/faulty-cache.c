// SPDX-License-Identifier: GPL-2.0-only
/* remap-faulty: without a cache every write goes through; a table that asks for one is refused. */
#include "faulty.h"

int dmrf_cache_create(struct dmrf *d)
{
	return -EOPNOTSUPP;
}

void dmrf_cache_destroy(struct dmrf *d)
{
}

enum dmrf_dispatch dmrf_cache_dispatch(struct dmrf *d, struct dmrf_io *io, bool in_worker)
{
	return DMRF_SEND;
}

int dmrf_cache_sync(struct dmrf *d)
{
	return 0;
}

void dmrf_cache_cut(struct dmrf *d, enum dmrf_cut_mode mode, u64 seed)
{
}

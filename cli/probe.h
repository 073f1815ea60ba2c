/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is on a device, as libblkid and the core see it; nothing is written. */
#ifndef DMREMAP_PROBE_H
#define DMREMAP_PROBE_H

#include <blkid/blkid.h>

struct dmr_probe {
	blkid_probe blkid;
	int fd;
};

/* False: nothing can be read there; else to be closed. */
bool dmr_probe_open(struct dmr_probe *probe, const char *path);
void dmr_probe_close(struct dmr_probe *probe);
/* Type and label, safe to print; "": none is known. */
void dmr_probe_signature(const char *path, char *text, size_t size);
/* As the kernel looks at a spare before it formats it (FORMAT.md, "Blank"), but for the last MiB's own tables. */
bool dmr_is_blank(int fd, u64 sectors);
/* What `create --wipe` zeroes, bytes at the beginning and at the end, and a sum over it. */
#define DMR_WIPED_FIRST	(4ULL << 20)
#define DMR_WIPED_LAST	(2ULL << 20)
u32 dmr_ends_sum(int fd, u64 sectors);
/* A superblock's magic, whatever the rest: one of a newer version is a spare, too. */
bool dmr_is_ours(int fd);
/* A superblock at its place, as the target looks for them on a main: what is on main may have spares on it elsewhere. */
bool dmr_is_spare(int fd);

#endif

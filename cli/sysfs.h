/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sysfs says of block devices; its folders are given without a slash at the end. */
#ifndef DMREMAP_SYSFS_H
#define DMREMAP_SYSFS_H

#include <limits.h>

/* The first line of a file of sysfs; false, and "": there is none. */
__printf(3, 4)
bool dmr_sys_line(char *line, size_t size, const char *format, ...);
/* The number in it, 0: there is none. */
__printf(1, 2)
u64 dmr_sys_number(const char *format, ...);
/* The folder of a device; false: it is gone. */
bool dmr_sys_folder(u32 major, u32 minor, char folder[PATH_MAX]);
/* The folder of a partition becomes its disk's; any other stays. True: it was one. */
bool dmr_sys_disk(char folder[PATH_MAX]);
/* Has something claimed it (an array, a mapping)? */
bool dmr_sys_held(const char *folder);
/* Have they a sector in common: is one the other, or its disk, or are they partitions that overlap? */
bool dmr_sys_overlap(u32 major_a, u32 minor_a, u32 major_b, u32 minor_b);

#endif

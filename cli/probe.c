// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is on a device: signatures, superblocks of RAID at its end, ours, or nothing.
 */
#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>
#include "cli.h"
#include "probe.h"

bool dmr_probe_open(struct dmr_probe *probe, const char *path)
{
	probe->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (probe->fd < 0)
		return false;
	probe->blkid = blkid_new_probe();
	if (probe->blkid && !blkid_probe_set_device(probe->blkid, probe->fd, 0, 0))
		return true;
	dmr_probe_close(probe);
	return false;
}

void dmr_probe_close(struct dmr_probe *probe)
{
	if (probe->blkid)
		blkid_free_probe(probe->blkid);
	close(probe->fd);
}

void dmr_probe_signature(const char *path, char *text, size_t size)
{
	const char *type = NULL, *label = NULL;
	struct dmr_probe probe;
	char *at;

	text[0] = '\0';
	if (!dmr_probe_open(&probe, path))
		return;
	blkid_probe_enable_superblocks(probe.blkid, 1);
	blkid_probe_set_superblocks_flags(probe.blkid, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
	blkid_probe_enable_partitions(probe.blkid, 1);
	if (blkid_do_fullprobe(probe.blkid) >= 0) {
		if (blkid_probe_lookup_value(probe.blkid, "TYPE", &type, NULL) &&
		    blkid_probe_lookup_value(probe.blkid, "PTTYPE", &type, NULL))
			type = NULL;
		if (blkid_probe_lookup_value(probe.blkid, "LABEL", &label, NULL))
			label = NULL;
		if (type)
			snprintf(text, size, label ? "%s \"%s\"" : "%s", type, label);
		for (at = text; *at; at++)	/* a label is somebody else's text */
			*at = isascii(*at) && isprint(*at) ? *at : '?';
	}
	dmr_probe_close(&probe);
}

/* Sees all that libblkid knows, until `found` is content. Where a sector does not read, others are looked at all the same. */
static bool any_signature(blkid_probe probe, bool (*found)(blkid_probe probe, u64 from, char type[32]), u64 from, char type[32])
{
	unsigned int failed = 0;
	int r;

	while ((r = blkid_do_probe(probe)) != 1 && failed < 32) {
		failed += r < 0;
		if (!r && found(probe, from, type))
			return true;
	}
	return false;
}

/* Magic near the end: behind it all is as in the array. With another kind, or a stale one, it is not. */
static bool found_at_end(blkid_probe probe, u64 from, char type[32])
{
	const char *offset = NULL, *found = NULL;
	u64 bytes = (u64)blkid_probe_get_size(probe);

	(void)from;
	if (blkid_probe_lookup_value(probe, "TYPE", &found, NULL))
		return false;
	snprintf(type, 32, "%.31s", found);
	return blkid_probe_lookup_value(probe, "SBMAGIC_OFFSET", &offset, NULL) ||
	       strtoull(offset, NULL, 10) + (1 << 20) >= bytes;
}

bool dmr_device_is_leg(const char *path, char type[32])
{
	struct dmr_probe probe;
	bool found;

	if (!dmr_probe_open(&probe, path))
		return false;
	blkid_probe_enable_superblocks(probe.blkid, 1);
	blkid_probe_set_superblocks_flags(probe.blkid, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC);
	blkid_probe_filter_superblocks_usage(probe.blkid, BLKID_FLTR_ONLYIN, BLKID_USAGE_RAID);
	found = any_signature(probe.blkid, found_at_end, 0, type);
	dmr_probe_close(&probe);
	return found;
}

/* A signature of superblocks or of partitions, in the first MiB, behind `from`? */
static bool found_in_front(blkid_probe probe, u64 from, char type[32])
{
	static const char * const keys[][2] = { { "TYPE", "SBMAGIC_OFFSET" }, { "PTTYPE", "PTMAGIC_OFFSET" } };
	const char *found, *offset;
	unsigned int i;
	u64 at;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (blkid_probe_lookup_value(probe, keys[i][0], &found, NULL) ||
		    blkid_probe_lookup_value(probe, keys[i][1], &offset, NULL))
			continue;
		at = strtoull(offset, NULL, 10);
		if (at < from || at >= 1 << 20)
			continue;
		snprintf(type, 32, "%.31s", found);
		return true;
	}
	return false;
}

/* One of the first `copies`? */
static bool any_super(int fd, unsigned int copies, bool (*wanted)(const void *block, unsigned int copy))
{
	void *block = dmr_buffer_alloc(DMR_BLOCK_SIZE);
	bool found = false;
	unsigned int i;

	for (i = 0; block && !found && i < copies; i++)
		found = pread(fd, block, DMR_BLOCK_SIZE, (off_t)dmr_super_sector(i) * DMR_SECTOR_SIZE) ==
			(ssize_t)DMR_BLOCK_SIZE && wanted(block, i);
	dmr_buffer_free(block, DMR_BLOCK_SIZE);
	return found;
}

static bool is_good(const void *block, unsigned int copy)
{
	u64 generation;
	u8 uuid[16];

	return dmr_super_peek(block, copy, uuid, &generation) == DMR_GOOD;
}

bool dmr_spare_reused(const char *path, char type[32])
{
	struct dmr_probe probe;
	bool found;
	u64 from;

	if (!dmr_probe_open(&probe, path))
		return false;
	/* A superblock's many numbers may look like anything. */
	from = any_super(probe.fd, 1, is_good) ? DMR_BLOCK_SIZE : 0;
	blkid_probe_enable_superblocks(probe.blkid, 1);
	blkid_probe_set_superblocks_flags(probe.blkid, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC);
	blkid_probe_enable_partitions(probe.blkid, 1);
	blkid_probe_set_partitions_flags(probe.blkid, BLKID_PARTS_MAGIC);
	found = any_signature(probe.blkid, found_in_front, from, type);
	dmr_probe_close(&probe);
	return found;
}

void dmr_read_afresh(int fd, off_t bytes)
{
	posix_fadvise(fd, 0, bytes, POSIX_FADV_DONTNEED);
}

bool dmr_is_blank(int fd, u64 sectors)
{
	static const u64 mib = 1 << 20;
	u64 bytes = sectors * DMR_SECTOR_SIZE, at[] = { 0, mib, 2 * mib, 3 * mib, 0 };
	u8 *buffer = dmr_buffer_alloc(mib);
	size_t length[] = { mib, DMR_BLOCK_SIZE, DMR_BLOCK_SIZE, DMR_BLOCK_SIZE, mib };
	bool blank = buffer && bytes >= 5 * mib;
	unsigned int i;

	at[4] = bytes - mib;
	for (i = 0; blank && i < ARRAY_SIZE(at); i++)
		blank = pread(fd, buffer, length[i], (off_t)at[i]) == (ssize_t)length[i] &&
			dmr_block_is_blank(buffer, length[i]);
	dmr_buffer_free(buffer, mib);
	return blank;
}

u32 dmr_ends_sum(int fd, u64 sectors)
{
	static const size_t mib = 1 << 20;
	u64 bytes = sectors * DMR_SECTOR_SIZE, at = 0;
	u8 *buffer = dmr_buffer_alloc(mib);
	u32 sum = ~0u;
	ssize_t got;

	while (buffer && at < bytes) {
		got = pread(fd, buffer, mib, (off_t)at);
		if (got > 0)
			sum = dmr_crc32c(sum, buffer, (size_t)got);
		at += mib;
		if (at >= DMR_WIPED_FIRST && at + DMR_WIPED_LAST < bytes)
			at = bytes - DMR_WIPED_LAST;
	}
	dmr_buffer_free(buffer, mib);
	return sum;
}

static bool has_magic(const void *block, unsigned int copy)
{
	(void)copy;
	return dmr_block_is_ours(block);
}

static bool is_super(const void *block, unsigned int copy)
{
	u64 generation;
	u8 uuid[16];

	switch (dmr_super_peek(block, copy, uuid, &generation)) {
	case DMR_GOOD: case DMR_BAD_VERSION: case DMR_BAD_FEATURES:
		return true;
	default:
		return false;
	}
}

bool dmr_is_ours(int fd)
{
	return any_super(fd, DMR_SUPER_COPIES, has_magic);
}

bool dmr_is_spare(int fd)
{
	return any_super(fd, DMR_SUPER_COPIES, is_super);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in a guest whose time-stamp counter counts instructions, and prints what one direct 4 KiB I/O
 * costs, system call included, in tenths: the median, lowest and highest of many batches. The median
 * leaves out batches in which a timer tick or somebody else's work fell.
 * usage: count-io FILE read|write AREA-BYTES ALIGN-BYTES OFFSET-BYTES
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#define BLOCK	4096
#define BATCH	100
#define BATCHES	201

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static uint64_t cost[BATCHES];
	static off_t place[BATCH];
	uint64_t area, align, offset, begin;
	int fd, b, i, writes;
	void *data;

	if (argc != 6)
		errx(2, "usage: count-io FILE read|write AREA ALIGN OFFSET");
	writes = strcmp(argv[2], "write") == 0;
	area = strtoull(argv[3], NULL, 0);
	align = strtoull(argv[4], NULL, 0);
	offset = strtoull(argv[5], NULL, 0);
	if (posix_memalign(&data, BLOCK, BLOCK))
		errx(1, "no memory");
	memset(data, 0xa5, BLOCK);
	fd = open(argv[1], (writes ? O_WRONLY : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		err(1, "%s", argv[1]);
	for (b = 0; b < BATCHES; b++) {
		for (i = 0; i < BATCH; i++)
			place[i] = next_random() % (area / align) * align + offset;
		begin = __rdtsc();
		for (i = 0; i < BATCH; i++) {
			ssize_t n = writes ? pwrite(fd, data, BLOCK, place[i]) : pread(fd, data, BLOCK, place[i]);

			if (n != BLOCK)
				err(1, "%s at %lld", argv[2], (long long)place[i]);
		}
		cost[b] = __rdtsc() - begin;
	}
	qsort(cost, BATCHES, sizeof(cost[0]), by_size);
	printf("%llu %llu %llu\n", (unsigned long long)cost[BATCHES / 2] * 10 / BATCH,
	       (unsigned long long)cost[0] * 10 / BATCH, (unsigned long long)cost[BATCHES - 1] * 10 / BATCH);
	return 0;
}

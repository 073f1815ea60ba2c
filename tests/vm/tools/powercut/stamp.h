/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content that tells where it belongs and which of several it is, in every word of its 512 bytes. */
#ifndef POWERCUT_STAMP_H
#define POWERCUT_STAMP_H

#include <stdint.h>
#include <string.h>

#define SECTOR	512
#define WORDS	(SECTOR / 8)

static inline uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15ULL);
}

static inline unsigned int below(uint64_t *state, unsigned int n)
{
	return n ? next_random(state) % n : 0;
}

/* "where" is a sector's number, or a file's and the place in it; "version" says which content. */
static inline void stamp(void *sector, uint64_t where, uint64_t version)
{
	uint64_t *word = sector, state = mix(where) ^ version;
	int i;

	word[0] = where;
	word[1] = version;
	for (i = 2; i < WORDS; i++)
		word[i] = state += 0x9e3779b97f4a7c15ULL * i;
}

/* The version that the sector holds, or -1: it holds nothing that was ever meant for this place. */
static inline int64_t stamped(const void *sector, uint64_t where)
{
	const uint64_t *word = sector;
	unsigned char want[SECTOR];

	if (word[0] != where || (int64_t)word[1] < 0)
		return -1;
	stamp(want, where, word[1]);
	return memcmp(want, sector, SECTOR) ? -1 : (int64_t)word[1];
}

#endif

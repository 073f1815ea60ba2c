/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every unit test needs: cmocka and numbers that are random but the same in each run. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "dmr_env.h"

/* A test that hangs fails; the crash tests take long where they are told to be thorough. */
__attribute__((constructor)) static void unit_limit_time(void)
{
	alarm(getenv("DMR_CRASH_DEPTH") ? 7200 : 300);
}

struct random {
	u64 state;
};

/* DMR_SEED in the environment tries other numbers. */
static inline struct random random_start(u64 seed)
{
	const char *text = getenv("DMR_SEED");

	if (text)
		seed ^= strtoull(text, NULL, 0) * 0x9e3779b97f4a7c15ull;
	return (struct random) { .state = seed ? seed : 1 };
}

static inline u64 random_u64(struct random *random)
{
	u64 v = random->state += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

static inline u64 random_below(struct random *random, u64 limit)
{
	return random_u64(random) % limit;
}

#endif

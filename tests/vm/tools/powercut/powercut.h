/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of powercut share: the pair r on the faulty disks m and s, whose power fails, and
 * the account of crash points and of what was wrong.
 */
#ifndef POWERCUT_H
#define POWERCUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "dm.h"
#include "stamp.h"

#define SEGMENT		2048u		/* sectors of a segment on the spare; docs/FORMAT.md */
#define FIRST_SEGMENT	8192u
#define FIRST_SLOT	2u		/* block of a segment */
#define SLOTS		252u
#define SHOWN		12u		/* violations of a scenario, which then ends */

/* One at a time: what runs, for messages about it. */
extern uint64_t seed;			/* of the pair's life, and of the scenario: powercut -s */
extern unsigned int crash_points, violations, refused;

/* What has happened in all rounds together: a long scenario without any of what it is for has shown nothing. */
extern struct happened {
	unsigned int slots, bad_slots, pending;	/* the most that a load has found */
	unsigned int moved_tables, requests, grown, synced;
} happened;

__attribute__((format(printf, 1, 2)))
void violation(const char *format, ...);	/* any thread */
__attribute__((format(printf, 1, 2)))
_Noreturn void die(const char *format, ...);

/* bench.c */
extern uint64_t main_sectors, spare_sectors;
extern char pair_table[DM_TEXT];		/* of r, with its uuid once it is known */

extern char M[16], S[16], R[16];		/* names of main and spare, faulty, and of the pair */

void bench_name(unsigned int number);		/* several may run side by side */
void bench_open(const char *main_path, const char *spare_path);
void bench_close(void);
void spare_blank(void);				/* below the caches; r is not there */
void spare_grow(uint64_t sectors);
int main_below(void), spare_below(void);	/* descriptors of what lies under m and s */
int pair_load(void);				/* creates r; -errno */
void pair_remember(void);			/* from now on the table line has the uuid */
void pair_remove(void);
int pair_open(int flags);
bool power_is_off(void);
bool power_at(uint64_t *random, const char *disk, const char *ops, unsigned int n);	/* arms the cut at the n-th one */
void power_cut(uint64_t *random);		/* now */
void power_restore(void);			/* and every fault is taken back */

/* A run of "list". */
struct run {
	uint64_t sector, count, spare;
	char kind;				/* o, p or l */
};
struct map {
	unsigned int count;
	struct run run[4096];
};
void map_read(struct map *map);			/* of r */
bool map_same(const struct map *a, const struct map *b);
char map_kind(const struct map *map, uint64_t sector);	/* 'm': main's */
void map_validate(const struct map *map);	/* with r's status */

/*
 * r after a cut: power back, loaded, perhaps cut again while it is repaired, perhaps with a stretch of the spare
 * that cannot be read. Leaves r loaded, and loads it twice to compare where told.
 */
struct reload {
	unsigned int again;			/* percent: a second cut during the repair */
	unsigned int damage;			/* percent: 512 KiB of the spare do not read when it is loaded */
	unsigned int twice;			/* percent: a second load, which must write nothing */
};
bool pair_reload(uint64_t *random, const struct reload *how, struct map *map);

/* The scenarios; each gets the number of crash points wanted, and says how it went by violations. */
void run_raw(const char *name, unsigned int points);
void run_format(const char *name, unsigned int points);
void run_torn(const char *name, unsigned int points);
void run_files(const char *name, unsigned int points);

#endif

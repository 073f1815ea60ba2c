/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of damage share: a pair r on two faulty disks m and s, images of what s held at several
 * moments, stretches of s that are damaged, and what must come of it by docs/FORMAT.md.
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "../powercut/dm.h"
#include "../powercut/stamp.h"

#define MAIN_SECTORS	32768u
#define SPARE_SECTORS	16384u		/* four segments, of which three come into use */
#define SEGMENTS	3u
#define SEGMENT		2048u
#define FIRST_SEGMENT	8192u
#define BLOCK		8u		/* sectors */
#define SUPERS		4u
#define PLACES		4u		/* A, the two alternates, B */
#define METAS		(SUPERS + 2 * SEGMENTS)
#define RUN		1024u		/* 512 KiB */
#define SHOWN		12u		/* failures that are told at length */

enum kind {
	ZERO, RANDOM, FLIP, OLDER, OLDEST, RECENT, TORN, FOREIGN, SWAPPED,
	UNREADABLE, LASTING, UNWRITABLE, DEAD, KINDS
};

/* Moments of the pair's life, and another pair's last one. */
enum moment { FIRST_SESSION, SESSION_BEFORE, COMMIT_BEFORE, NOW, OTHER, MOMENTS };

struct stretch {
	uint32_t start, count;		/* sectors of the spare */
	enum kind kind;
};

struct damage {
	unsigned int count;
	struct stretch at[2];
	uint64_t random;		/* what noise it is */
};

enum promise { FULL, REFUSED, UNKNOWABLE };

struct forecast {
	enum promise promise;
	char why[128];			/* REFUSED: what the kernel says */
	unsigned int supers, tables;	/* copies, and segments, that are said to be in need of a repair */
	bool repairable, committable;
	uint8_t old;			/* UNKNOWABLE: segments of which nothing newer is left, a bit each */
};

/* main.c */
__attribute__((format(printf, 2, 3)))
bool holds(bool what, const char *format, ...);	/* a claim about the present case; returns `what` */
__attribute__((format(printf, 1, 2)))
_Noreturn void die(const char *format, ...);

/* bench.c */
extern uint8_t *image[MOMENTS];
extern char list[MOMENTS][DM_TEXT];		/* r's list at that moment */
extern char list_then[DM_TEXT];			/* now, and one sector more in each segment */
extern const char *const kind_name[KINDS];
extern char pair_table[256];

void bench_open(const char *main_path, const char *spare_path);
void bench_close(void);
void bench_pair(unsigned int seed, bool relocated);	/* a pair and its past; relocated: copy B of segment 1 */
void bench_clock(int64_t seconds);		/* sets it; 0: leaves it alone */

uint32_t super_at(unsigned int copy);
uint32_t table_at(uint32_t segment, unsigned int place);
uint32_t meta_at(unsigned int i);		/* those in use, by rising sector */
void places_of(const uint8_t *spare, uint32_t segment, uint8_t place[2]);
uint8_t *spare_now(void);			/* its metadata, each block in its place, as it lies below s */
bool spare_is_back(void);

void damage_do(const struct damage *damage);
void damage_undo(const struct damage *damage);
bool damage_has(const struct damage *damage, uint32_t sector, uint32_t count);	/* anything of it */
bool damage_has_commits(const struct damage *damage);	/* anything of the slots that pair_commits() writes to */
bool damage_is(const struct damage *damage, uint32_t block, enum kind kind);

void list_read(char *text);
bool pair_commits(void);			/* a commit in each segment: list_then */
void check_data(const struct damage *damage);
unsigned int errors_of_pair(void);
uint64_t spare_count(const char *counter);	/* of s, since spare_clear() */
void spare_clear(void);

/* log.c: the kernel's lines since log_begin(), by the place that prints them. */
enum line {
	SAID_SUPER, SAID_TABLE, SAID_REPAIRED, SAID_WRITE, SAID_SWALLOWED, SAID_MOVED, SAID_FAILED, SAID_FORMATTED, SAID_REFUSED, LINES
};
void log_begin(void);
void log_check(enum line line, unsigned int wanted);
void log_maybe(enum line line, unsigned int most);	/* nobody looks, but they count towards the limit */
const char *log_refusal(void);			/* the last line with a reason; "" if there is none, or several */
void log_summary(void);

/* forecast.c */
void forecast_for(const struct damage *damage, struct forecast *forecast);
/* What the next load finds wrong, because the blocks stay broken; `rewritten`: all superblocks were, where they could be. */
unsigned int lasting_supers(const struct damage *damage, bool rewritten);
/* Table copies that a repair tries to read, in vain. What cannot be used has moved by the next load. */
unsigned int unreadable_tables(const struct damage *damage);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damages the metadata of a spare in every way and loads it (C14): the full map, or a refusal in clear words that
 * writes nothing; never a shorter map, never a spare formatted anew. What a load repairs it says and counts, and the
 * next one finds whole. Runs in a guest (tests/vm/guest/damage*.t), on two disks that it may write to.
 * A line of TAP for each group of cases; what was wrong goes before it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "damage.h"

struct score {
	unsigned int cases, full, unrepaired, refused, old;
};

static const struct damage *present;
static unsigned int wrong;
static bool everything, clocks, alternate;
static uint64_t seed = 14;

bool holds(bool what, const char *format, ...)
{
	va_list args;
	unsigned int i;

	if (what || wrong++ >= SHOWN)
		return what;
	printf("#");
	for (i = 0; present && i < present->count; i++)
		printf(" sectors %u to %u %s,", present->at[i].start, present->at[i].start + present->at[i].count - 1,
		       kind_name[present->at[i].kind]);
	putchar(' ');
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return false;
}

void die(const char *format, ...)
{
	va_list args;

	printf("not ok - C14: damage goes on: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

/* --- one case --------------------------------------------------------------------------------- */

/* Years back or forth before each step. */
static void leap(void)
{
	static const int64_t when[] = { 86400, 4102444800, 1000000000, 1893456000, 2000000 };
	static unsigned int n;

	if (clocks)
		bench_clock(when[n++ % (sizeof(when) / sizeof(*when))]);
}

static void check_refusal(const struct forecast *forecast, int r)
{
	const char *line = log_refusal();

	holds(r == -EINVAL, "the load ends with %d", r);
	holds(strstr(line, "spare dm-") && (forecast->promise != REFUSED || strstr(line, forecast->why)),
	      "it is refused with '%s', not '%s'", line, forecast->why);
	holds(!spare_count("writes") && !spare_count("discards"), "a load that was refused wrote to the spare");
}

/* In these lines, what is on a segment of the spare in `text` is the same in `other`, and so the other way round. */
static bool same_segment(const char *text, const char *other, uint32_t segment)
{
	const char *both[2] = { text, other }, *line;
	unsigned int i, spare, length;
	char copy[128];

	for (i = 0; i < 2; i++) {
		for (line = both[i]; *line; line += length) {
			length = strchr(line, '\n') - line + 1;
			snprintf(copy, sizeof(copy), "%.*s", length, line);
			if (sscanf(copy, "%*u %*u %*s %u", &spare) != 1)
				return false;
			if ((spare - FIRST_SEGMENT) / SEGMENT == segment && !strstr(both[!i], copy))
				return false;
		}
	}
	return true;
}

/*
 * Of a table only older copies are left, which nothing tells from its last ones. That is the one exception; it ends
 * where it begins: all other segments are as they should be.
 */
static void check_older(const struct forecast *forecast)
{
	static char text[DM_TEXT];
	uint32_t segment;

	list_read(text);
	for (segment = 0; segment < SEGMENTS; segment++) {
		if (!(forecast->old & 1u << segment))
			holds(same_segment(text, list[NOW], segment), "segment %u is not what it was", segment);
		else
			holds(same_segment(text, list[FIRST_SESSION], segment) ||
			      same_segment(text, list[SESSION_BEFORE], segment) ||
			      same_segment(text, list[COMMIT_BEFORE], segment),
			      "segment %u is nothing that it ever was", segment);
	}
}

static void check_list(const char *wanted, const char *when)
{
	static char text[DM_TEXT];

	list_read(text);
	holds(!strcmp(text, wanted), "%s: the list is another (%zu bytes, not %zu)", when, strlen(text), strlen(wanted));
}

static void all_places(uint8_t place[SEGMENTS][2])
{
	const uint8_t *spare = spare_now();
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++)
		places_of(spare, i, place[i]);
}

static unsigned int moved_copies(uint8_t was[SEGMENTS][2])
{
	uint8_t is[SEGMENTS][2];
	unsigned int i, n = 0;

	all_places(is);
	for (i = 0; i < SEGMENTS; i++)
		n += (was[i][0] != is[i][0]) + (was[i][1] != is[i][1]);
	return n;
}

/* From the generation on, for blocks that could be written. */
static bool same_blocks(const struct damage *damage, const uint8_t *spare, uint32_t a, uint32_t b)
{
	if (damage_is(damage, a, UNWRITABLE) || damage_is(damage, a, DEAD) || damage_is(damage, b, UNWRITABLE) ||
	    damage_is(damage, b, DEAD))
		return true;
	return !memcmp(spare + (size_t)a * SECTOR + 40, spare + (size_t)b * SECTOR + 40, BLOCK * SECTOR - 40);
}

static void check_copies(const struct damage *damage)
{
	const uint8_t *spare = spare_now();
	unsigned int i, k;
	uint8_t place[2];

	for (i = 0; i < SUPERS; i++)
		for (k = 0; k < i; k++)
			holds(same_blocks(damage, spare, super_at(i), super_at(k)), "superblocks %u and %u differ", i, k);
	for (i = 0; i < SEGMENTS; i++) {
		places_of(spare, i, place);
		holds(same_blocks(damage, spare, table_at(i, place[0]), table_at(i, place[1])),
		      "the tables of segment %u differ", i);
	}
}

#define ANY	~0u

/* What may have been said on the way, where it does not matter; of a failed write each line about writes. */
static void some_lines(void)
{
	unsigned int failed = spare_count("failed_writes");

	log_maybe(SAID_SUPER, SUPERS);
	log_maybe(SAID_TABLE, SEGMENTS);
	log_maybe(SAID_REPAIRED, 1);
	log_maybe(SAID_WRITE, failed);
	log_maybe(SAID_SWALLOWED, spare_count("failed_reads"));
	log_maybe(SAID_MOVED, failed + spare_count("failed_reads"));
}

/* What a load says before it writes anything. */
static int load(unsigned int supers, unsigned int tables)
{
	int r;

	leap();
	spare_clear();
	log_begin();
	r = dm_make("r");
	if (r)
		die("no device r: %s", strerror(-r));
	r = dm_load("r", pair_table);
	log_check(SAID_FORMATTED, 0);
	if (r)
		return r;
	holds(!spare_count("writes"), "the constructor wrote to the spare");
	log_check(SAID_SUPER, supers);
	if (tables != ANY)
		log_check(SAID_TABLE, tables);
	return 0;
}

/* `unreadable`: table copies that the repair cannot read. Each other read that fails is of what it has written. */
static int activate(unsigned int errors, unsigned int unreadable)
{
	uint8_t was[SEGMENTS][2];
	uint64_t failed, swallowed = spare_count("failed_reads");
	int r;

	all_places(was);
	leap();
	r = dm_resume("r");
	failed = spare_count("failed_writes");
	swallowed = spare_count("failed_reads") - swallowed - unreadable;
	log_check(SAID_FORMATTED, 0);
	log_check(SAID_WRITE, failed);
	log_check(SAID_SWALLOWED, swallowed);
	log_check(SAID_REPAIRED, !r && errors);
	log_check(SAID_FAILED, !!r);
	if (!r) {
		log_check(SAID_MOVED, moved_copies(was));
		holds(errors_of_pair() == errors + failed + swallowed, "metadata_errors is %u, not %u", errors_of_pair(),
		      errors + (unsigned int)(failed + swallowed));
		holds(errors || !spare_count("writes"), "nothing is to be repaired, and the spare was written to");
	}
	return r;
}

/* Once more, after everything was written that could be. */
static void load_again(const struct damage *damage, const char *wanted, bool rewritten, const char *when)
{
	unsigned int supers = lasting_supers(damage, rewritten);
	int r;

	dm_remove("r");
	r = load(supers, 0);
	if (r || activate(supers, 0)) {
		holds(false, "%s: it does not load: %d", when, r);
		return;
	}
	check_list(wanted, when);
}

static void commit(void)
{
	uint8_t was[SEGMENTS][2];

	all_places(was);
	leap();
	spare_clear();
	log_begin();
	holds(pair_commits(), "a commit fails");
	log_check(SAID_WRITE, spare_count("failed_writes"));
	log_check(SAID_MOVED, moved_copies(was));
	check_list(list_then, "after commits");
}

static void check_full(const struct damage *damage, const struct forecast *forecast, struct score *score)
{
	unsigned int errors = forecast->supers + forecast->tables;
	bool commits = forecast->committable && !damage_has_commits(damage) &&
		       (everything || damage->at[0].kind >= UNREADABLE || score->cases % 4 == 0);
	int r = activate(errors, unreadable_tables(damage));

	score->full++;
	if (r) {
		score->unrepaired++;
		holds(errors && !forecast->repairable, "it can be repaired, and the resume ends with %d", r);
		return;
	}
	holds(!errors || forecast->repairable, "it cannot be repaired, and yet it was");
	check_list(list[NOW], "loaded");
	check_data(damage);
	if (errors)
		check_copies(damage);
	load_again(damage, list[NOW], errors, "loaded again");
	if (!commits)
		return;
	commit();
	load_again(damage, list_then, true, "loaded after commits");
	check_copies(damage);
	check_data(damage);
}

static void try_damage(struct damage *damage, struct score *score)
{
	struct forecast forecast;
	int r;

	present = damage;
	damage->random = seed + score->cases;
	damage_do(damage);
	forecast_for(damage, &forecast);
	score->cases++;
	r = load(forecast.supers, forecast.promise == UNKNOWABLE ? ANY : forecast.tables);
	if (r) {
		holds(forecast.promise != FULL, "it is refused: %s", log_refusal());
		check_refusal(&forecast, r);
		some_lines();
		score->refused++;
	} else if (forecast.promise == UNKNOWABLE) {
		if (!dm_resume("r"))
			check_older(&forecast);
		some_lines();
		score->old++;
	} else if (holds(forecast.promise == FULL, "it is not refused, which it should be: %s", forecast.why)) {
		check_full(damage, &forecast, score);
	}
	dm_remove("r");
	damage_undo(damage);
	present = NULL;
}

/* --- groups ----------------------------------------------------------------------------------- */

static void one_block(struct score *score)
{
	struct damage damage = { .count = 1 };
	unsigned int i, kind;

	for (i = 0; i < METAS; i++) {
		for (kind = 0; kind < KINDS; kind++) {
			unsigned int full = score->full;

			if (!everything && (kind == OLDEST || kind == TORN))
				continue;
			damage.at[0] = (struct stretch){ meta_at(i), BLOCK, kind };
			try_damage(&damage, score);
			/* Two copies that change places are two blocks. */
			holds(score->full > full || kind == SWAPPED, "block %u, %s: a single one costs more than a repair",
			      i, kind_name[kind]);
		}
	}
	holds(!score->unrepaired, "a single block cannot be repaired");
}

/* With a copy at an alternate only the blocks of its segment have neighbours that they did not have before. */
static bool is_news(unsigned int i)
{
	return !alternate || (i >= SUPERS + 2 && i < SUPERS + 4);
}

static void neighbours(struct score *score)
{
	struct damage damage = { .count = 2 };
	unsigned int i, a, b;

	for (i = 0; i + 1 < METAS; i++) {
		if (!is_news(i) && !is_news(i + 1))
			continue;
		for (a = 0; a < KINDS; a++) {
			for (b = 0; b < KINDS; b++) {
				/* What is swapped twice is where it was. */
				if (a == SWAPPED && b == SWAPPED)
					continue;
				if (!everything && (a != b || (i / 2 + a) % 3))
					continue;
				damage.at[0] = (struct stretch){ meta_at(i), BLOCK, a };
				damage.at[1] = (struct stretch){ meta_at(i + 1), BLOCK, b };
				try_damage(&damage, score);
			}
		}
	}
	holds(score->full && score->refused && score->old && !score->unrepaired,
	      "of two blocks some cost nothing, and some are refused");
}

static void one_run(uint32_t start, uint32_t count, enum kind kind, struct score *score)
{
	struct damage damage = { .count = 1 };

	if (start + count > SPARE_SECTORS)
		start = SPARE_SECTORS - count;
	damage.at[0] = (struct stretch){ start, count, kind };
	try_damage(&damage, score);
}

/* 512 KiB that begin with a block in use, end with it, or have it somewhere; and any at all, torn blocks at the ends. */
static void runs(struct score *score)
{
	uint64_t random = seed;
	unsigned int i, kind, more;

	for (i = 0; i < METAS; i++) {
		for (kind = 0; kind < KINDS && is_news(i); kind++) {
			uint32_t at = meta_at(i), before = at + BLOCK > RUN ? at + BLOCK - RUN : 0;

			if (everything || (i + kind) % 10 == 0)
				one_run(at, RUN, kind, score);
			if (everything || (i + kind) % 10 == 5)
				one_run(before, RUN, kind, score);
			if (everything)
				one_run(before + BLOCK * below(&random, RUN / BLOCK), RUN, kind, score);
		}
	}
	for (more = everything ? 200 : 8; more; more--) {
		uint32_t count = 1 + below(&random, RUN), start = below(&random, SPARE_SECTORS - RUN);

		/* Faults are whole physical blocks. */
		kind = below(&random, KINDS);
		if (kind >= UNREADABLE)
			start = start / BLOCK * BLOCK, count = (count + BLOCK - 1) / BLOCK * BLOCK;
		one_run(start, count, kind, score);
	}
}

static void group(const char *name, void (*run)(struct score *score))
{
	struct score score = { 0 };
	unsigned int before = wrong;

	run(&score);
	holds(spare_is_back(), "%s: something was written that nobody knows of", name);
	printf("# %s%s: %u cases: full map %u (of which cannot be repaired %u), refused %u, older copies only %u\n", name,
	       alternate ? ", a copy at an alternate" : "", score.cases, score.full, score.unrepaired, score.refused,
	       score.old);
	printf("%s - C14: %s%s: the full map or a clear refusal, repaired, said and counted\n",
	       wrong > before || !score.full ? "not ok" : "ok", name, alternate ? ", a copy at an alternate" : "");
	fflush(stdout);
}

static void usage(void)
{
	fprintf(stderr, "usage: damage [-a] [-c] [-s SEED] MAIN SPARE\n"
			"-a: all combinations; -c: the clock leaps before each step\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "acs:")) != -1) {
		if (option == 'a')
			everything = true;
		else if (option == 'c')
			clocks = true;
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			usage();
	}
	if (argc - optind != 2)
		usage();
	bench_open(argv[optind], argv[optind + 1]);
	for (;;) {
		bench_pair(seed, alternate);
		log_begin();
		some_lines();
		group("one block", one_block);
		group("neighbours", neighbours);
		group("runs up to 512 KiB", runs);
		if (alternate || !everything)
			break;
		alternate = true;
	}
	log_summary();
	bench_close();
	return !!wrong;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stamped sectors, written by several threads while sectors die and messages come, until the power
 * fails. The model knows of each sector the last durable version and the newest one issued; after the cut
 * it holds one of these or of those in between, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "powercut.h"

#define CLUSTERS	16u
#define CLUSTER		80u		/* sectors; the first and the last 8 are never written */
#define EDGE		8u
#define USED		(CLUSTERS * CLUSTER)
#define WRITERS		3u
#define MOST		24u		/* sectors of an I/O */
#define SCRATCH		2048u		/* main's last sectors, whose content nobody looks at */
#define ENOUGH		300u		/* crash points: some of all that a scenario is for must have happened */
#define LIFE		120u		/* crash points of a pair, then it is formatted anew */

struct profile {
	const char *name;
	unsigned int dying, slots, tables, unreadable;	/* weights of what the meddler does */
	unsigned int remap, unremap, retest, grow;
	struct reload reload;
	bool crowded;			/* most of the first segment is taken, so that commits touch two */
};

static const struct profile profiles[] = {
	{ .name = "relocate", .dying = 10, .reload = { .again = 20, .damage = 20, .twice = 25 } },
	{ .name = "requests", .dying = 3, .unreadable = 6, .remap = 10, .unremap = 10, .retest = 3,
	  .reload = { .again = 20, .damage = 10, .twice = 25 }, .crowded = true },
	{ .name = "moves", .dying = 8, .slots = 10, .reload = { .again = 20, .damage = 20, .twice = 25 },
	  .crowded = true },
	{ .name = "tables", .dying = 10, .tables = 6, .remap = 4, .unremap = 4,
	  .reload = { .again = 30, .twice = 25 } },
	{ .name = "grow", .dying = 6, .grow = 6, .remap = 3, .reload = { .again = 20, .twice = 50 } },
	{ .name = "repair", .dying = 10, .slots = 2, .remap = 3, .reload = { .again = 100, .twice = 100 } },
	{ .name = "mixed", .dying = 8, .slots = 8, .tables = 1, .unreadable = 3, .remap = 5, .unremap = 5,
	  .retest = 2, .grow = 1, .reload = { .again = 30, .damage = 10, .twice = 25 }, .crowded = true },
};

struct model {
	uint64_t sector;
	uint32_t base;			/* durable */
	uint32_t acked;			/* the last one that a write said is there */
	uint32_t since;			/* versions above it, up to issued, may be there */
	uint32_t issued;
	bool busy;			/* in flight: one at a time */
	bool dead;			/* main fails writes there since before the next one */
	bool fresh;			/* nobody but a write can have moved it to the spare in this round */
};

static struct model model[USED];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* model and what is below */
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static unsigned int done, running;	/* I/Os, and threads, of this round */
static const struct profile *profile;
static struct map map;			/* of the last load */
static uint64_t spare_most;
static unsigned int direct_fd;

static char *buffer_new(unsigned int sectors)
{
	void *p;

	if (posix_memalign(&p, 4096, sectors * SECTOR))
		abort();
	return p;
}

/* Elsewhere in each life; no version comes twice, so that what an earlier life left shows. */
static void model_place(uint64_t *random)
{
	uint64_t room = (main_sectors - SCRATCH) / CLUSTERS / 8 * 8;
	uint32_t newest = 0;
	unsigned int c, i;

	for (i = 0; i < USED; i++)
		if (model[i].issued > newest)
			newest = model[i].issued;
	for (i = 0; i < USED; i++)
		model[i].base = model[i].acked = model[i].since = model[i].issued = newest + 1;
	for (c = 0; c < CLUSTERS; c++) {
		uint64_t start = c * room + 8 * below(random, room / 8 - CLUSTER / 8);

		for (i = 0; i < CLUSTER; i++)
			model[c * CLUSTER + i].sector = start + i;
	}
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool allowed(const struct model *m, uint32_t from, int64_t version)
{
	uint32_t above = from > m->since ? from : m->since;

	return version == from || (version > above && version <= m->issued);
}

static void judge(struct model *m, const char *data, const char *when)
{
	int64_t version = stamped(data, m->sector);
	const uint64_t *word = (const void *)data;

	if (version < 0)
		violation("%s: sector %llu holds bytes never written to it (%016llx %016llx), wanted version %u to %u",
			  when, (unsigned long long)m->sector, (unsigned long long)word[0],
			  (unsigned long long)word[1], m->base, m->issued);
	else if (!allowed(m, m->base, version))
		violation("%s: sector %llu has version %lld, wanted %u or %u to %u", when,
			  (unsigned long long)m->sector, (long long)version, m->base, m->since + 1, m->issued);
	/* What is there now stays there. */
	m->base = version < 0 ? m->base : version;
	m->acked = m->base;
	m->since = m->issued;
}

static void judge_cluster(int fd, unsigned int c, char *buffer, const char *when)
{
	struct model *m = &model[c * CLUSTER];
	unsigned int i;

	if (pread(fd, buffer, CLUSTER * SECTOR, m->sector * SECTOR) == CLUSTER * SECTOR) {
		for (i = 0; i < CLUSTER; i++)
			judge(&m[i], buffer + i * SECTOR, when);
		return;
	}
	for (i = 0; i < CLUSTER; i++) {
		if (pread(fd, buffer, SECTOR, m[i].sector * SECTOR) == SECTOR)
			judge(&m[i], buffer, when);
		else if (map_kind(&map, m[i].sector) != 'l' || !profile->unreadable || !profile->slots)
			violation("%s: sector %llu does not read: %s", when, (unsigned long long)m[i].sector,
				  strerror(errno));
	}
}

static void judge_all(const char *when)
{
	char *buffer = buffer_new(CLUSTER);
	int fd = pair_open(O_RDONLY | O_DIRECT);
	unsigned int c;

	for (c = 0; c < CLUSTERS; c++)
		judge_cluster(fd, c, buffer, when);
	close(fd);
	free(buffer);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A stretch of a cluster that nothing is in flight to; 0: none was found. Under lock. */
static unsigned int pick(uint64_t *random, bool edges, unsigned int *first)
{
	unsigned int edge = edges ? 0 : EDGE, n, i, tries;

	for (tries = 0; tries < 8; tries++) {
		n = 1 + below(random, below(random, 2) ? 8 : MOST);
		*first = below(random, CLUSTERS) * CLUSTER + edge + below(random, CLUSTER - 2 * edge - n);
		for (i = 0; i < n && !model[*first + i].busy; i++)
			;
		if (i == n) {
			for (i = 0; i < n; i++)
				model[*first + i].busy = true;
			return n;
		}
	}
	return 0;
}

static void durable(struct model *m, uint32_t version)
{
	if (version <= m->since)
		return;
	m->base = version;
	m->since = version;
}

/* A flush covers what had been acknowledged when it began. */
static bool flush(int fd, uint32_t *covered)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < USED; i++)
		covered[i] = model[i].acked;
	pthread_mutex_unlock(&lock);
	if (fdatasync(fd))
		return false;
	pthread_mutex_lock(&lock);
	for (i = 0; i < USED; i++)
		durable(&model[i], covered[i]);
	pthread_mutex_unlock(&lock);
	return true;
}

static bool write_some(uint64_t *random, int fd, char *buffer)
{
	bool sync = !below(random, 6), ok;
	unsigned int first, n, i;
	struct iovec iov = { .iov_base = buffer };

	pthread_mutex_lock(&lock);
	n = pick(random, false, &first);
	for (i = 0; i < n; i++)
		stamp(buffer + i * SECTOR, model[first + i].sector, ++model[first + i].issued);
	pthread_mutex_unlock(&lock);
	if (!n)
		return true;
	iov.iov_len = n * SECTOR;
	ok = pwritev2(fd, &iov, 1, model[first].sector * SECTOR, sync ? RWF_DSYNC : 0) == (ssize_t)iov.iov_len;
	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++) {
		struct model *m = &model[first + i];

		if (ok)
			m->acked = m->issued;
		/* C3: what main failed is durable before it is acknowledged. */
		if (ok && (sync || (m->dead && m->fresh)))
			durable(m, m->issued);
		m->fresh = false;
		m->busy = false;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

/* While the power is on a sector has what was acknowledged last, or a failed write of later. */
static bool read_some(uint64_t *random, int fd, char *buffer)
{
	unsigned int first, n, i;
	bool ok;

	pthread_mutex_lock(&lock);
	n = pick(random, true, &first);
	pthread_mutex_unlock(&lock);
	if (!n)
		return true;
	ok = pread(fd, buffer, n * SECTOR, model[first].sector * SECTOR) == n * SECTOR;
	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++) {
		struct model *m = &model[first + i];
		int64_t version = ok ? stamped(buffer + i * SECTOR, m->sector) : 0;

		if (ok && (version < 0 || !allowed(m, m->acked, version)))
			violation("under way: sector %llu has version %lld, wanted %u (issued %u)",
				  (unsigned long long)m->sector, (long long)version, m->acked, m->issued);
		m->busy = false;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

static void one_done(void)
{
	pthread_mutex_lock(&lock);
	done++;
	pthread_cond_broadcast(&progress);
	pthread_mutex_unlock(&lock);
}

static void thread_ends(void)
{
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_broadcast(&progress);
	pthread_mutex_unlock(&lock);
}

static void *writer(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	char *buffer = buffer_new(MOST);
	static __thread uint32_t covered[USED];
	int budget = 10 + below(&random, 20), failures = 0;

	while (budget-- && failures < 3) {
		unsigned int dice = below(&random, 10);
		bool ok;

		if (dice < 7)
			ok = write_some(&random, direct_fd, buffer);
		else if (dice < 9)
			ok = flush(direct_fd, covered);
		else
			ok = read_some(&random, direct_fd, buffer);
		failures += !ok && (failures || power_is_off());
		one_done();
	}
	free(buffer);
	thread_ends();
	return NULL;
}

/* --- meddling --------------------------------------------------------------------------------- */

static void main_dies(uint64_t *random, bool reads)
{
	unsigned int at = below(random, USED / 8) * 8, n = 8 * (1 + below(random, 3)), i;
	unsigned int end = (at / CLUSTER + 1) * CLUSTER;

	if (at + n > end)
		n = end - at;
	if (dm_message(M, NULL, "bad %llu %u %s keep", (unsigned long long)model[at].sector, n,
		       reads ? "both" : "write"))
		return;
	pthread_mutex_lock(&lock);
	for (i = at; i < at + n; i++)
		model[i].dead = model[i].dead || !model[i].busy;
	pthread_mutex_unlock(&lock);
}

static void slot_dies(uint64_t *random)
{
	const struct run *run = &map.run[below(random, map.count)];
	uint64_t at = map.count ? run->spare + below(random, run->count) : FIRST_SEGMENT + 8;

	dm_message(S, NULL, "bad %llu 8 %s keep", (unsigned long long)at / 8 * 8,
		   profile->unreadable && !below(random, 4) ? "both" : "write");
}

/* One place of one table at a time: the next commit has to go elsewhere. */
static void table_dies(uint64_t *random)
{
	static const unsigned int block[] = { 0, 1, 254, 255 };
	unsigned int segment = below(random, 2);

	dm_message(S, NULL, "bad %u 8 write keep",
		   FIRST_SEGMENT + segment * SEGMENT + block[below(random, 4)] * 8);
}

static void ask(uint64_t *random, const char *verb)
{
	unsigned int at = below(random, USED / 8) * 8;

	happened.requests += !dm_message(R, NULL, "%s %llu %u", verb, (unsigned long long)model[at].sector,
					 1 + below(random, MOST));
}

static void grow(void)
{
	if (spare_sectors + SEGMENT > spare_most)
		return;
	spare_grow(spare_sectors + SEGMENT);
	happened.grown += !dm_message(R, NULL, "grow");
}

static void meddle(uint64_t *random)
{
	const struct profile *p = profile;
	unsigned int weight[] = { p->dying, p->unreadable, p->slots, p->tables, p->remap, p->unremap, p->retest, p->grow };
	unsigned int all = 0, dice, i;

	for (i = 0; i < sizeof(weight) / sizeof(*weight); i++)
		all += weight[i];
	dice = below(random, all);
	for (i = 0; dice >= weight[i]; i++)
		dice -= weight[i];
	switch (i) {
	case 0: main_dies(random, false); break;
	case 1: main_dies(random, true); break;
	case 2: slot_dies(random); break;
	case 3: table_dies(random); break;
	case 4: ask(random, "remap"); break;
	case 5: ask(random, "unremap"); break;
	case 6: ask(random, "retest"); break;
	case 7: grow(); break;
	}
}

static void *meddler(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	int budget = 4 + below(&random, 8);

	while (budget-- && !power_is_off()) {
		meddle(&random);
		one_done();
	}
	thread_ends();
	return NULL;
}

/* Somebody else's writes, which show that main is not dead: the breaker waits up to a second for one when others fail. */
static void *ticker(void *buffer)
{
	const struct timespec pause = { .tv_nsec = 3000000 };

	while (pwrite(direct_fd, buffer, SECTOR, (main_sectors - 1) * SECTOR) == SECTOR)
		nanosleep(&pause, NULL);
	return NULL;
}

/* A write that fails beside one that succeeds: for a second the breaker believes main, and rounds are shorter than that. */
static void prove(void *buffer)
{
	uint64_t at = main_sectors - SCRATCH + 8 * (crash_points % (SCRATCH / 8 - 1));

	dm_message(M, NULL, "bad %llu 8 write", (unsigned long long)at);
	/* With all slots taken it fails, and the round only takes longer. */
	(void)!pwrite(direct_fd, buffer, SECTOR, at * SECTOR);
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* At the n-th I/O of a kind to one of the disks, or when so much has been done, whichever the dice say. */
static unsigned int plan_cut(uint64_t *random)
{
	static const struct { const char *disk, *ops; unsigned int most; } at[] = {
		{ M, "write", 60 }, { M, "flush", 12 }, { S, "write", 40 }, { S, "write", 12 },
		{ S, "flush", 12 }, { S, "fua", 20 }, { S, "fua", 6 },
	};
	unsigned int i = below(random, 10);

	if (i >= sizeof(at) / sizeof(*at))
		return 1 + below(random, 60);
	power_at(random, at[i].disk, at[i].ops, 1 + below(random, at[i].most));
	return ~0u;
}

static void run_threads(uint64_t *random)
{
	pthread_t thread[WRITERS + 1], tick;
	uint64_t seeds[WRITERS + 1];
	char *buffer = buffer_new(1);
	unsigned int i, until;

	done = 0;
	running = WRITERS + 1;
	if (pthread_create(&tick, NULL, ticker, buffer))
		die("no thread");
	/* Without it the cut can meet the first commit since the pair was loaded. */
	if (below(random, 8))
		prove(buffer);
	until = plan_cut(random);
	for (i = 0; i <= WRITERS; i++) {
		seeds[i] = next_random(random);
		if (pthread_create(&thread[i], NULL, i < WRITERS ? writer : meddler, &seeds[i]))
			die("no thread");
	}
	pthread_mutex_lock(&lock);
	while (running && done < until)
		pthread_cond_wait(&progress, &lock);
	pthread_mutex_unlock(&lock);
	power_cut(random);
	for (i = 0; i <= WRITERS; i++)
		pthread_join(thread[i], NULL);
	pthread_join(tick, NULL);
	free(buffer);
}

/* An alternate's block is zero until a table moves there. */
static bool tables_have_moved(void)
{
	char path[64], *block = buffer_new(8);
	unsigned int segment, place, i;
	bool moved = false;
	int fd;

	snprintf(path, sizeof(path), DM_PATH "%s", S);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	for (segment = 0; segment < 2; segment++)
		for (place = 1; place < 255; place += 253)
			if (pread(fd, block, 8 * SECTOR, (FIRST_SEGMENT + segment * SEGMENT + place * 8) * SECTOR) > 0)
				for (i = 0; i < 8 * SECTOR; i++)
					moved |= block[i];
	close(fd);
	free(block);
	return moved;
}

static bool round_of(uint64_t *random)
{
	static struct map before;
	unsigned int i, j;
	bool ok;

	for (i = 0; i < USED; i++) {
		model[i].dead = false;
		model[i].fresh = !profile->remap && map_kind(&map, model[i].sector) == 'm';
	}
	direct_fd = pair_open(O_RDWR | O_DIRECT);
	run_threads(random);
	close(direct_fd);
	map_read(&before);
	pair_remove();
	ok = pair_reload(random, &profile->reload, &map);
	if (!ok)
		return false;
	/* What was published was durable. */
	for (i = 0; !profile->unremap && i < before.count; i++)
		for (j = 0; before.run[i].kind == 'o' && j < before.run[i].count; j++)
			if (map_kind(&map, before.run[i].sector + j) == 'm')
				violation("sector %llu was the spare's before the cut",
					  (unsigned long long)before.run[i].sector + j);
	judge_all("after the cut");
	happened.moved_tables += tables_have_moved();
	return true;
}

/* Everything anew: a blank spare, and main as the model says. */
static void begin_life(uint64_t *random)
{
	char *buffer = buffer_new(CLUSTER);
	unsigned int c, i;

	pair_remove();
	power_restore();
	spare_grow(profile->grow ? 6 * SEGMENT : spare_most);
	dm_message(M, NULL, "sync");
	spare_blank();
	model_place(random);
	for (c = 0; c < CLUSTERS; c++) {
		struct model *m = &model[c * CLUSTER];

		for (i = 0; i < CLUSTER; i++)
			stamp(buffer + i * SECTOR, m[i].sector, m[i].base);
		if (pwrite(main_below(), buffer, CLUSTER * SECTOR, m->sector * SECTOR) != CLUSTER * SECTOR)
			die("main cannot be written");
	}
	free(buffer);
	if (pair_load())
		die("the pair is not formatted");
	pair_remember();
	/* Sectors that nobody uses, between the clusters. */
	if (profile->crowded)
		dm_message(R, NULL, "remap %llu %u", (unsigned long long)model[CLUSTER - 1].sector + 9,
			   8 * (230 + below(random, 30)));
	map_read(&map);
}

static void expect(unsigned int weight, unsigned int count, const char *what)
{
	if (weight && !count)
		violation("%s: %s", profile->name, what);
}

/* A short run need not meet everything. */
static void account(unsigned int points)
{
	const struct profile *p = profile;

	if (points < ENOUGH)
		return;
	expect(p->dying, happened.slots, "nothing was relocated");
	/* What a scenario has little of it may miss. */
	expect(p->slots >= 10, happened.bad_slots, "no slot was found bad");
	expect(p->tables >= 6, happened.moved_tables, "no table has moved");
	expect(p->unreadable >= 3, happened.pending, "nothing was pending");
	expect(p->remap + p->unremap + p->retest, happened.requests, "no request was met");
	expect(p->grow, happened.grown, "the spare has not grown");
}

void run_raw(const char *name, unsigned int points)
{
	unsigned int i, begun = crash_points, life = 0;
	uint64_t random, first = seed;

	profile = NULL;
	for (i = 0; i < sizeof(profiles) / sizeof(*profiles); i++)
		if (!strcmp(profiles[i].name, name))
			profile = &profiles[i];
	if (!profile)
		die("no scenario '%s'", name);
	spare_most = spare_sectors;
	while (crash_points - begun < points && violations < SHOWN) {
		/* A life can be run again by itself: its seed is all there is to it, but for the threads. */
		seed = first + life++;
		random = seed;
		begin_life(&random);
		for (i = 0; i < LIFE && crash_points - begun < points && violations < SHOWN; i++)
			if (!round_of(&random))
				break;
	}
	pair_remove();
	account(points);
}

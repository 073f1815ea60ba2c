// SPDX-License-Identifier: GPL-2.0-or-later
/* The pair, its past, and what is done to its spare. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "damage.h"

#define SPARE_BYTES	((size_t)SPARE_SECTORS * SECTOR)
#define GENERATION	40		/* offsets in a block; docs/FORMAT.md */
#define RELOCATIONS	304
#define RELOCATION	512

uint8_t *image[MOMENTS];
char list[MOMENTS][DM_TEXT], list_then[DM_TEXT];
const char *const kind_name[KINDS] = {
	"zeroed", "random", "one bit", "stale by a session", "stale by two", "stale by a commit", "half of it stale",
	"another pair's", "swapped", "unreadable until it is written", "unreadable", "unwritable", "dead",
};

static int main_fd, spare_fd;
static uint8_t *now, *want;
char pair_table[256];
/* Units of which two sectors are the spare's, one in each segment: what commits change. */
static const uint32_t partly[SEGMENTS] = { 4496, 4800, 10000 };

static uint8_t *room(size_t bytes)
{
	void *at;

	if (posix_memalign(&at, 4096, bytes))
		abort();
	memset(at, 0, bytes);
	return at;
}

static int open_below(const char *path, uint32_t sectors)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) != (off_t)sectors * SECTOR)
		die("%s: %u sectors are wanted", path, sectors);
	return fd;
}

static void faulty(const char *name, const char *path, uint32_t sectors)
{
	char line[256];
	int r;

	snprintf(line, sizeof(line), "0 %u remap-faulty %s 0 1 no_wc", sectors, path);
	r = dm_create(name, line);
	if (r)
		die("no remap-faulty on %s: %s", path, strerror(-r));
}

void bench_open(const char *main_path, const char *spare_path)
{
	unsigned int i;

	main_fd = open_below(main_path, MAIN_SECTORS);
	spare_fd = open_below(spare_path, SPARE_SECTORS);
	faulty("m", main_path, MAIN_SECTORS);
	faulty("s", spare_path, SPARE_SECTORS);
	snprintf(pair_table, sizeof(pair_table), "0 %u dm-remap-v4 " DM_PATH "m " DM_PATH "s", MAIN_SECTORS);
	now = room(SPARE_BYTES);
	want = room((size_t)MAIN_SECTORS * SECTOR);
	for (i = 0; i < MOMENTS; i++)
		image[i] = room(SPARE_BYTES);
}

void bench_close(void)
{
	dm_remove("s");
	dm_remove("m");
	close(main_fd);
	close(spare_fd);
}

void bench_clock(int64_t seconds)
{
	const struct timespec t = { .tv_sec = seconds };

	if (seconds && clock_settime(CLOCK_REALTIME, &t))
		die("the clock cannot be set: %s", strerror(errno));
}

/* --- places ---------------------------------------------------------------------------------- */

uint32_t super_at(unsigned int copy)
{
	return copy * SEGMENT;
}

uint32_t table_at(uint32_t segment, unsigned int place)
{
	static const uint8_t block[PLACES] = { 0, 1, 254, 255 };

	return FIRST_SEGMENT + segment * SEGMENT + block[place] * BLOCK;
}

static uint64_t number(const uint8_t *at, unsigned int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | at[bytes];
	return n;
}

/* By the newest superblock of this pair that is in its place. */
void places_of(const uint8_t *spare, uint32_t segment, uint8_t place[2])
{
	const uint8_t *best = NULL;
	unsigned int i;

	for (i = 0; i < SUPERS; i++) {
		const uint8_t *super = spare + (size_t)super_at(i) * SECTOR;

		/* Magic, version, type; uuid; position. */
		if (memcmp(super, image[NOW], 12) || memcmp(super + 16, image[NOW] + 16, 16) ||
		    number(super + 32, 8) != super_at(i))
			continue;
		if (!best || number(super + GENERATION, 8) > number(best + GENERATION, 8))
			best = super;
	}
	place[0] = 0;
	place[1] = PLACES - 1;
	for (i = 0; best && i < number(best + RELOCATIONS, 4); i++)
		if (number(best + RELOCATION + 8 * i, 4) == segment)
			memcpy(place, best + RELOCATION + 8 * i + 4, 2);
}

uint32_t meta_at(unsigned int i)
{
	uint32_t a, b;
	uint8_t place[2];

	if (i < SUPERS)
		return super_at(i);
	i -= SUPERS;
	places_of(image[NOW], i / 2, place);
	a = table_at(i / 2, place[0]);
	b = table_at(i / 2, place[1]);
	return (i % 2 == 0) == (a < b) ? a : b;
}

/* --- the spare's bytes ----------------------------------------------------------------------- */

static void spare_read(uint8_t *to, uint32_t sector, uint32_t count)
{
	if (pread(spare_fd, to + (size_t)sector * SECTOR, (size_t)count * SECTOR, (off_t)sector * SECTOR) !=
	    (ssize_t)count * SECTOR)
		die("the spare cannot be read below its faults");
}

/* All of it would take longer than a load does. */
uint8_t *spare_now(void)
{
	unsigned int i;

	for (i = 0; i < SUPERS; i++)
		spare_read(now, super_at(i), BLOCK);
	for (i = 0; i < SEGMENTS; i++) {
		/* Two places lie side by side, at either end. */
		spare_read(now, table_at(i, 0), 2 * BLOCK);
		spare_read(now, table_at(i, 2), 2 * BLOCK);
	}
	return now;
}

static void spare_put(uint32_t sector, const uint8_t *data, uint32_t count)
{
	static uint8_t *aligned;

	if (!aligned)
		aligned = room(SPARE_BYTES);
	memcpy(aligned, data, (size_t)count * SECTOR);
	if (pwrite(spare_fd, aligned, (size_t)count * SECTOR, (off_t)sector * SECTOR) != (ssize_t)count * SECTOR)
		die("the spare cannot be written below its faults");
}

static void spare_back(uint32_t sector, uint32_t count)
{
	spare_put(sector, image[NOW] + (size_t)sector * SECTOR, count);
}

/* In a list: where this sector of main is on the spare. */
static uint32_t spare_of(const char *text, uint32_t sector)
{
	unsigned int start, count, spare;
	const char *line;

	for (line = text; line && *line; line = strchr(line, '\n'), line += !!line)
		if (sscanf(line, "%u %u %*s %u", &start, &count, &spare) == 3 && sector >= start && sector < start + count)
			return spare + sector - start;
	return 0;
}

static uint32_t partly_slot(uint32_t segment)
{
	return spare_of(list[NOW], partly[segment]) / BLOCK * BLOCK;
}

/* --- damage ---------------------------------------------------------------------------------- */

/* Where what is swapped comes from: the stretch a MiB further, or of single blocks the next one in use. */
static uint32_t other_side(const struct stretch *s)
{
	unsigned int i;

	for (i = 0; s->count == BLOCK && i < METAS; i++)
		if (meta_at(i) == s->start)
			return meta_at(i + 1 < METAS ? i + 1 : i - 1);
	return s->start + SEGMENT + s->count <= SPARE_SECTORS ? s->start + SEGMENT : s->start - SEGMENT;
}

static bool meets(uint32_t start, uint32_t count, uint32_t sector, uint32_t length)
{
	return start < sector + length && sector < start + count;
}

bool damage_has(const struct damage *damage, uint32_t sector, uint32_t count)
{
	unsigned int i;

	for (i = 0; i < damage->count; i++) {
		const struct stretch *s = &damage->at[i];

		if (meets(s->start, s->count, sector, count) ||
		    (s->kind == SWAPPED && meets(other_side(s), s->count, sector, count)))
			return true;
	}
	return false;
}

/* Of faults: they are as large as physical blocks. */
bool damage_is(const struct damage *damage, uint32_t block, enum kind kind)
{
	unsigned int i;

	for (i = 0; i < damage->count; i++)
		if (damage->at[i].kind == kind && meets(damage->at[i].start, damage->at[i].count, block, BLOCK))
			return true;
	return false;
}

static void swap(const struct stretch *s)
{
	uint32_t other = other_side(s);

	spare_put(s->start, image[NOW] + (size_t)other * SECTOR, s->count);
	spare_put(other, image[NOW] + (size_t)s->start * SECTOR, s->count);
}

static void fault(const struct stretch *s, const char *how)
{
	if (dm_message("s", NULL, "bad %u %u %s", s->start, s->count, how))
		die("s takes no fault");
}

static void from_image(const struct stretch *s, enum moment moment, uint32_t count)
{
	spare_put(s->start, image[moment] + (size_t)s->start * SECTOR, count);
}

static void change(const struct stretch *s, uint64_t *random)
{
	size_t bytes = (size_t)s->count * SECTOR, i;
	uint8_t *data = calloc(1, bytes);

	if (!data)
		abort();
	for (i = 0; s->kind == RANDOM && i < bytes; i += 8)
		memcpy(data + i, &(uint64_t){ next_random(random) }, 8);
	if (s->kind == FLIP) {
		memcpy(data, image[NOW] + (size_t)s->start * SECTOR, bytes);
		data[below(random, bytes)] ^= 1u << below(random, 8);
	}
	spare_put(s->start, data, s->count);
	free(data);
}

static void damage_stretch(const struct stretch *s, uint64_t *random)
{
	switch (s->kind) {
	case ZERO: case RANDOM: case FLIP: change(s, random); break;
	case OLDER: from_image(s, SESSION_BEFORE, s->count); break;
	case OLDEST: from_image(s, FIRST_SESSION, s->count); break;
	case RECENT: from_image(s, COMMIT_BEFORE, s->count); break;
	case TORN: from_image(s, SESSION_BEFORE, (s->count + 1) / 2); break;
	case FOREIGN: from_image(s, OTHER, s->count); break;
	case UNREADABLE: fault(s, "read heal"); break;
	case LASTING: fault(s, "read keep"); break;
	case UNWRITABLE: fault(s, "write keep"); break;
	case DEAD: fault(s, "both keep"); break;
	case SWAPPED: case KINDS: break;
	}
}

void damage_do(const struct damage *damage)
{
	uint64_t random = damage->random;
	unsigned int i;

	for (i = 0; i < damage->count; i++)
		if (damage->at[i].kind == SWAPPED)
			swap(&damage->at[i]);
	for (i = 0; i < damage->count; i++)
		damage_stretch(&damage->at[i], &random);
}

/* Whatever else was written would stay, and be seen at the end. */
void damage_undo(const struct damage *damage)
{
	unsigned int i;
	uint32_t segment;

	if (dm_message("s", NULL, "good 0 0"))
		die("s keeps its faults");
	for (i = 0; i < damage->count; i++) {
		spare_back(damage->at[i].start, damage->at[i].count);
		if (damage->at[i].kind == SWAPPED)
			spare_back(other_side(&damage->at[i]), damage->at[i].count);
	}
	for (i = 0; i < SUPERS; i++)
		spare_back(super_at(i), BLOCK);
	for (segment = 0; segment < SEGMENTS; segment++)
		for (i = 0; i < PLACES; i++)
			spare_back(table_at(segment, i), BLOCK);
	for (segment = 0; segment < SEGMENTS; segment++)
		spare_back(partly_slot(segment), BLOCK);
}

bool damage_has_commits(const struct damage *damage)
{
	uint32_t segment;

	for (segment = 0; segment < SEGMENTS; segment++)
		if (damage_has(damage, partly_slot(segment), BLOCK))
			return true;
	return false;
}

bool spare_is_back(void)
{
	spare_read(now, 0, SPARE_SECTORS);
	return !memcmp(now, image[NOW], SPARE_BYTES);
}

/* --- the pair --------------------------------------------------------------------------------- */

void list_read(char *text)
{
	static char answer[DM_TEXT];
	unsigned long long from = 0;
	size_t length = 0;
	char *next;

	do {
		if (dm_message("r", answer, "list %llu", from))
			die("r does not list");
		next = strstr(answer, "next ");
		if (next) {
			from = strtoull(next + 5, NULL, 10);
			*next = '\0';
		}
		length += snprintf(text + length, DM_TEXT - length, "%s", answer);
		if (length >= DM_TEXT)
			die("the list is too long");
	} while (next);
}

static uint64_t counter(const char *device, const char *key)
{
	unsigned long long value;

	if (dm_counter(device, key, &value))
		die("%s has no %s", device, key);
	return value;
}

unsigned int errors_of_pair(void)
{
	return counter("r", "metadata_errors");
}

uint64_t spare_count(const char *key)
{
	return counter("s", key);
}

void spare_clear(void)
{
	if (dm_message("s", NULL, "stats_clear"))
		die("s does not forget its counters");
}

static void remap(uint32_t sector, uint32_t count)
{
	if (dm_remap("r", sector, sector + count))
		die("remap of %u is refused", sector);
}

/* The sector of main that is the n-th of those that commits add: after the two that are there. */
static uint32_t added(uint32_t segment, unsigned int n)
{
	return partly[segment] + 2 + n;
}

bool pair_commits(void)
{
	uint32_t segment;

	for (segment = 0; segment < SEGMENTS; segment++)
		if (dm_message("r", NULL, "remap %u 1", added(segment, 2)))
			return false;
	return true;
}

static void load_pair(void)
{
	int r = dm_create("r", pair_table);

	if (r)
		die("the pair does not load: %s", strerror(-r));
}

static void remember(enum moment moment)
{
	list_read(list[moment]);
	spare_read(image[moment], 0, SPARE_SECTORS);
}

/* One sector after the other of these units, so that all their tables are written. */
static void turn(unsigned int n)
{
	uint32_t segment;

	for (segment = 0; segment < SEGMENTS; segment++)
		remap(added(segment, n), 1);
}

/* A slot that fails a write and does not read: the unit moves, and what was there is lost. */
static void lose(uint32_t sector)
{
	int fd = open(DM_PATH "r", O_RDWR | O_DIRECT | O_CLOEXEC);
	static char text[DM_TEXT];
	uint8_t *data = room(SECTOR);

	list_read(text);
	stamp(data, sector, 2);
	if (dm_message("s", NULL, "bad %u 8 both keep", spare_of(text, sector) / BLOCK * BLOCK) ||
	    pwrite(fd, data, SECTOR, (off_t)sector * SECTOR) != SECTOR || dm_message("s", NULL, "good 0 0"))
		die("a slot that fails: %s", strerror(errno));
	close(fd);
	free(data);
}

/* Main has version 1 of all sectors, the spare version 2 of what it owned when this was called. */
static void write_owned(void)
{
	int fd = open(DM_PATH "r", O_RDWR | O_DIRECT | O_CLOEXEC);
	static char text[DM_TEXT];
	unsigned int start, count, i;
	const char *line;

	list_read(text);
	for (line = text; *line; line = strchr(line, '\n') + 1) {
		if (sscanf(line, "%u %u owned", &start, &count) != 2 || !strstr(line, "owned"))
			continue;
		for (i = start; i < start + count; i++)
			stamp(want + (size_t)i * SECTOR, i, 2);
		if (pwrite(fd, want + (size_t)start * SECTOR, (size_t)count * SECTOR, (off_t)start * SECTOR) !=
		    (ssize_t)count * SECTOR)
			die("the pair cannot be written: %s", strerror(errno));
	}
	close(fd);
}

static void blank_disks(void)
{
	uint32_t i;

	memset(now, 0, SPARE_BYTES);
	spare_put(0, now, SPARE_SECTORS);
	for (i = 0; i < MAIN_SECTORS; i++)
		stamp(want + (size_t)i * SECTOR, i, 1);
	if (pwrite(main_fd, want, (size_t)MAIN_SECTORS * SECTOR, 0) != (ssize_t)MAIN_SECTORS * SECTOR)
		die("main cannot be written");
}

static void first_session(void)
{
	load_pair();
	remap(partly[0], 2);
	remap(0, 200 * BLOCK);
	remap(2400, 60 * BLOCK);
	remap(partly[1], 2);
	remap(5600, 238 * BLOCK);
	remember(FIRST_SESSION);
	dm_remove("r");
}

/* The third segment, and something of everything. */
static void second_session(bool relocated)
{
	load_pair();
	remap(7600, 20 * BLOCK);
	remap(partly[2], 2);
	remap(10400, 40 * BLOCK);
	write_owned();
	lose(24);
	if (dm_message("m", NULL, "bad 12000 20 read"))
		die("m takes no fault");
	remap(12000, 20);
	dm_message("m", NULL, "good 0 0");
	if (relocated) {
		dm_message("s", NULL, "bad %u 8 write keep", table_at(1, PLACES - 1));
		remap(added(1, 5), 1);
		dm_message("s", NULL, "good 0 0");
	}
	remember(SESSION_BEFORE);
	dm_remove("r");
}

static void third_session(void)
{
	load_pair();
	turn(0);
	remember(COMMIT_BEFORE);
	turn(1);
	remember(NOW);
	if (!pair_commits())
		die("the pair does not commit");
	list_read(list_then);
	dm_remove("r");
}

static void check_past(bool relocated)
{
	uint32_t segment;
	uint8_t place[2];

	for (segment = 0; segment < SEGMENTS; segment++)
		if ((spare_of(list[NOW], partly[segment]) - FIRST_SEGMENT) / SEGMENT != segment)
			die("the unit at %u is not in segment %u", partly[segment], segment);
	places_of(image[NOW], 1, place);
	if ((place[1] != PLACES - 1) != relocated)
		die("copy B of segment 1 is at place %u", place[1]);
	if (!strstr(list[NOW], "pending") || !strstr(list[NOW], "lost"))
		die("the pair has not something of everything:\n%s", list[NOW]);
}

void bench_pair(unsigned int seed, bool relocated)
{
	struct damage none = { .random = seed };

	blank_disks();
	first_session();
	second_session(relocated);
	third_session();
	memcpy(image[OTHER], image[NOW], SPARE_BYTES);
	blank_disks();
	first_session();
	second_session(relocated);
	third_session();
	check_past(relocated);
	damage_undo(&none);
	if (!spare_is_back())
		die("what commits change is not what is put back");
}

/* Each owned sector whose slot was not damaged itself. */
static void check_run(int fd, const struct damage *damage, uint32_t start, uint32_t count, uint32_t spare)
{
	static uint8_t *data;
	uint32_t from, n;

	if (!data)
		data = room((size_t)MAIN_SECTORS * SECTOR);
	for (from = 0; from < count; from += n) {
		for (n = 0; from + n < count && !damage_has(damage, (spare + from + n) / BLOCK * BLOCK, BLOCK); n++)
			;
		if (n && (pread(fd, data, (size_t)n * SECTOR, (off_t)(start + from) * SECTOR) != (ssize_t)n * SECTOR ||
			  memcmp(data, want + (size_t)(start + from) * SECTOR, (size_t)n * SECTOR))) {
			holds(false, "sectors %u to %u do not hold what they should", start + from, start + from + n - 1);
			return;
		}
		n += !n;
	}
}

void check_data(const struct damage *damage)
{
	int fd = open(DM_PATH "r", O_RDONLY | O_DIRECT | O_CLOEXEC);
	unsigned int start, count, spare;
	const char *line;

	for (line = list[NOW]; *line; line = strchr(line, '\n') + 1)
		if (sscanf(line, "%u %u owned %u", &start, &count, &spare) == 3)
			check_run(fd, damage, start, count, spare);
	close(fd);
}

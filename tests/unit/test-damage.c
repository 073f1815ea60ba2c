// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C14: whatever happens to the metadata of a spare, loading gives the full map or refuses in clear words;
 * it writes nothing, and takes no spare of ours for a blank one. What a repair leaves loads again. The few kinds
 * of damage that cannot be told from a healthy spare are named, and nothing else may be like them.
 */
#include "unit.h"
#include <glob.h>
#include "spare-disk.h"

enum kind {
	NOTHING, ZERO, RANDOM, FLIP, OLDER, OLDEST, TORN, FOREIGN, SWAPPED,
	UNREADABLE, HEALS, UNWRITABLE, DEAD, KINDS
};

static const char * const kind_name[KINDS] = {
	"nothing", "zeroed", "random", "one bit", "the version before", "the oldest version",
	"half the version before", "another pair's", "swapped", "unreadable",
	"unreadable until written", "unwritable", "dead",
};

/* What a block is after the damage, judged by its bytes. */
enum state { GOOD, OLD, OTHERS, WRONG };

enum promise { FULL, REFUSED, UNKNOWABLE };

struct damage {
	unsigned int count;
	u32 block[DISK_METAS];
	enum kind kind[DISK_METAS];
};

struct score {
	unsigned long cases, full, refused, old, unrepaired;
};

static const char * const variant_name[] = {
	"as formatted", "with copy B relocated", "with copy A relocated",
};

static const unsigned int relocated[] = { DMR_TABLE_PLACES, DMR_PLACE_B, DMR_PLACE_A };

#define RUN_BLOCKS	128u	/* 512 KiB */
#define VARIANTS	ARRAY_SIZE(variant_name)

/* A pair, another one, and the map that must come of it. */
static struct pair {
	struct spare_disk *disk, *other;
	struct dmr_super super;
	struct disk_map map;
} pairs[VARIANTS];

static struct random noise;

/* DMR_DAMAGE=all in the environment: all combinations. */
static bool everything(void)
{
	const char *text = getenv("DMR_DAMAGE");

	return text && !strcmp(text, "all");
}

static int make_pairs(void **state)
{
	struct disk_user user;
	unsigned int i;

	(void)state;
	assert_true(dmr_map_init());
	noise = random_start(14);
	for (i = 0; i < VARIANTS; i++) {
		struct pair *pair = &pairs[i];

		pair->disk = disk_make(0x11, relocated[i]);
		pair->other = disk_make(0x22, relocated[i]);
		assert_int_equal(disk_load(&user, pair->disk), 0);
		assert_int_equal(user.meta.super->relocations, relocated[i] < DMR_TABLE_PLACES);
		pair->super = *user.meta.super;
		disk_map(&user, &pair->map);
		disk_done(&user);
	}
	return 0;
}

static int free_pairs(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < VARIANTS; i++) {
		disk_free(pairs[i].disk);
		disk_free(pairs[i].other);
	}
	dmr_map_exit();
	return 0;
}

/* Damage */

static const struct disk_version *version_before(const struct spare_disk *disk, u32 block)
{
	const struct disk_version *version = disk->version[block];

	return version ? version->older : NULL;
}

static const struct disk_version *first_version(const struct spare_disk *disk, u32 block)
{
	const struct disk_version *version = disk->version[block];

	while (version && version->older)
		version = version->older;
	return version;
}

static void put(struct spare_disk *disk, u32 block, const void *data, size_t bytes)
{
	disk_touch(disk, block);
	memcpy(disk_at(disk, block), data, bytes);
}

static void put_version(struct spare_disk *disk, u32 block, const struct disk_version *version,
			size_t bytes)
{
	static const u8 zero[DMR_BLOCK_SIZE];

	put(disk, block, version ? version->data : zero, bytes);
}

static void swap(struct spare_disk *disk, u32 block, u32 with)
{
	u8 data[DMR_BLOCK_SIZE];

	memcpy(data, disk_at(disk, block), sizeof(data));
	put(disk, block, disk_at(disk, with), sizeof(data));
	put(disk, with, data, sizeof(data));
}

/* The next metadata block behind this one, or the one before if there is none. */
static u32 partner(u32 block)
{
	unsigned int i;

	for (i = 0; disk_meta(i) != block; i++)
		;
	return disk_meta(i + 1 < DISK_METAS ? i + 1 : i - 1);
}

static void damage_block(struct pair *pair, u32 block, enum kind kind)
{
	struct spare_disk *disk = pair->disk;
	u64 data[DMR_BLOCK_SIZE / sizeof(u64)] = { 0 };
	u32 i;

	switch (kind) {
	case RANDOM:
		for (i = 0; i < ARRAY_SIZE(data); i++)
			data[i] = random_u64(&noise);
		/* fall through */
	case ZERO:
		put(disk, block, data, sizeof(data));
		break;
	case FLIP:
		disk_touch(disk, block);
		disk_at(disk, block)[random_below(&noise, DMR_BLOCK_SIZE)] ^=
			1u << random_below(&noise, 8);
		break;
	case OLDER:
		put_version(disk, block, version_before(disk, block), DMR_BLOCK_SIZE);
		break;
	case OLDEST:
		put_version(disk, block, first_version(disk, block), DMR_BLOCK_SIZE);
		break;
	case TORN:
		put_version(disk, block, version_before(disk, block), DMR_BLOCK_SIZE / 2);
		break;
	case FOREIGN:
		put(disk, block, disk_at(pair->other, block), DMR_BLOCK_SIZE);
		break;
	case SWAPPED:
		swap(disk, block, partner(block));
		break;
	case UNREADABLE:
		disk_fault(disk, block, DISK_UNREADABLE);
		break;
	case HEALS:
		disk_fault(disk, block, DISK_UNREADABLE | DISK_HEALS);
		break;
	case UNWRITABLE:
		disk_fault(disk, block, DISK_UNWRITABLE);
		break;
	case DEAD:
		disk_fault(disk, block, DISK_UNREADABLE | DISK_UNWRITABLE);
		break;
	default:
		break;
	}
}

/* What is swapped goes round among all blocks that are; one alone changes places with its neighbour. */
static void do_damage(struct pair *pair, const struct damage *damage)
{
	unsigned int i;
	u32 last = DISK_BLOCKS;

	disk_restore(pair->disk);
	for (i = 0; i < damage->count; i++) {
		if (damage->kind[i] == SWAPPED) {
			if (last < DISK_BLOCKS)
				swap(pair->disk, last, damage->block[i]);
			last = damage->block[i];
		}
	}
	for (i = 0; i < damage->count; i++) {
		if (damage->kind[i] != SWAPPED)
			damage_block(pair, damage->block[i], damage->kind[i]);
		else if (last == damage->block[i] && !i)
			damage_block(pair, last, SWAPPED);
	}
}

/* What must come of it, by docs/FORMAT.md and without the loader */

static enum state state_of(const struct pair *pair, u32 block)
{
	const struct spare_disk *disk = pair->disk;
	const struct disk_version *version;

	if (disk->fault[block] & DISK_UNREADABLE)
		return WRONG;
	if (!memcmp(disk_at(disk, block), disk->base + (size_t)block * DMR_BLOCK_SIZE,
		    DMR_BLOCK_SIZE))
		return GOOD;
	for (version = disk->version[block]; version; version = version->older)
		if (!memcmp(disk_at(disk, block), version->data, DMR_BLOCK_SIZE))
			return OLD;
	if (!memcmp(disk_at(disk, block), disk_at(pair->other, block), DMR_BLOCK_SIZE))
		return OTHERS;
	return WRONG;
}

static u32 super_block(unsigned int copy)
{
	return dmr_super_sector(copy) / DMR_BLOCK_SECTORS;
}

static u32 table_block(u32 segment, unsigned int place)
{
	return dmr_table_sector(segment, place) / DMR_BLOCK_SECTORS;
}

struct forecast {
	enum promise promise;
	unsigned int errors;		/* blocks that the load must count and name */
	bool repairable;
};

static unsigned int count_supers(const struct pair *pair, enum state state)
{
	unsigned int copy, count = 0;

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++)
		count += state_of(pair, super_block(copy)) == state;
	return count;
}

/* It can be written, and gives that back. */
static bool usable(const struct pair *pair, u32 block)
{
	u8 fault = pair->disk->fault[block];

	return !(fault & DISK_UNWRITABLE) && (!(fault & DISK_UNREADABLE) || (fault & DISK_HEALS));
}

/* Both copies find a place that can be used: their own, or an alternate each. */
static bool table_repairable(const struct pair *pair, u32 segment, const u8 place[2])
{
	unsigned int p, stuck = 0, room = 0;

	for (p = 0; p < DMR_TABLE_PLACES; p++) {
		if (p == place[0] || p == place[1])
			stuck += !usable(pair, table_block(segment, p));
		else
			room += usable(pair, table_block(segment, p));
	}
	return stuck <= room;
}

static void worse(struct forecast *forecast, enum promise promise)
{
	if (forecast->promise != REFUSED)
		forecast->promise = promise;
}

static void forecast_table(const struct pair *pair, u32 segment, struct forecast *forecast)
{
	unsigned int i, good = 0, old = 0;
	u8 place[2];

	dmr_super_places(&pair->super, segment, place);
	for (i = 0; i < 2; i++) {
		enum state state = state_of(pair, table_block(segment, place[i]));

		good += state == GOOD;
		old += state == OLD;
	}
	if (good == 2)
		return;
	forecast->errors++;
	if (!good)
		worse(forecast, old ? UNKNOWABLE : REFUSED);
	else
		forecast->repairable &= table_repairable(pair, segment, place);
}

static struct forecast forecast_for(const struct pair *pair)
{
	struct forecast forecast = { .promise = FULL, .repairable = true };
	unsigned int good = count_supers(pair, GOOD), old = count_supers(pair, OLD);
	unsigned int others = count_supers(pair, OTHERS), copy, pens = 0;
	u32 segment;

	for (copy = 0; copy < DMR_SUPER_COPIES; copy++)
		pens += usable(pair, super_block(copy));
	forecast.errors = DMR_SUPER_COPIES - good;
	forecast.repairable = pens >= 2;
	if (others >= good + old) {
		worse(&forecast, REFUSED);
	} else if (!good) {
		/* An older one may not know of segments whose tables are damaged. */
		worse(&forecast, UNKNOWABLE);
		return forecast;
	}
	for (segment = 0; segment < pair->super.in_use; segment++)
		forecast_table(pair, segment, &forecast);
	return forecast;
}

/* What came of it */

static const struct damage *suspect;
static const struct pair *suspect_pair;

static void tell(const char *what)
{
	unsigned int i;

	print_message("%s, %s:", what, variant_name[suspect_pair - pairs]);
	for (i = 0; i < suspect->count; i++)
		print_message(" block %u %s,", suspect->block[i], kind_name[suspect->kind[i]]);
	print_message(" log:\n%s", disk_log.text);
}

#define HOLDS(what)							\
	do {								\
		if (!(what)) {						\
			tell(#what);					\
			fail();						\
		}							\
	} while (0)

static bool same_map(const struct pair *pair, struct disk_user *user)
{
	struct disk_map map;

	disk_map(user, &map);
	return !memcmp(&map, &pair->map, sizeof(map));
}

static void check_refusal(const struct disk_user *user)
{
	HOLDS(user->result == -EINVAL);
	HOLDS(!user->meta.blank);
	HOLDS(strstr(user->why, DISK_NAME) && !strchr(user->why, '\n'));
}

/* Copies that the next load will find wrong, because their blocks stay broken. */
static unsigned int lasting_errors(const struct pair *pair, const struct dmr_super *super,
				   bool rewritten)
{
	unsigned int i, errors = 0;
	u32 segment;
	u8 place[2];

	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		u8 fault = pair->disk->fault[super_block(i)];

		errors += (fault & DISK_UNREADABLE) || (rewritten && (fault & DISK_UNWRITABLE));
	}
	for (segment = 0; segment < super->in_use; segment++) {
		bool bad = false;

		dmr_super_places(super, segment, place);
		for (i = 0; i < 2; i++)
			bad |= pair->disk->fault[table_block(segment, place[i])] & DISK_UNREADABLE;
		errors += bad;
	}
	return errors;
}

/* All copies that can be read are the same but for position and checksum. */
static bool copies_equal(const struct pair *pair, u32 block, u32 other)
{
	const u8 *a = disk_at(pair->disk, block), *b = disk_at(pair->disk, other);
	const size_t from = offsetof(struct dmr_disk_header, generation);

	return ((pair->disk->fault[block] | pair->disk->fault[other]) &
		(DISK_UNREADABLE | DISK_UNWRITABLE)) ||
	       !memcmp(a + from, b + from, DMR_BLOCK_SIZE - from);
}

static void check_copies(const struct pair *pair, const struct dmr_super *super)
{
	unsigned int copy, other;
	u32 segment;
	u8 place[2];

	for (copy = 1; copy < DMR_SUPER_COPIES; copy++)
		for (other = 0; other < copy; other++)
			HOLDS(copies_equal(pair, super_block(copy), super_block(other)));
	for (segment = 0; segment < super->in_use; segment++) {
		dmr_super_places(super, segment, place);
		HOLDS(copies_equal(pair, table_block(segment, place[0]),
				   table_block(segment, place[1])));
	}
}

static void check_load(const struct pair *pair, struct disk_user *user, unsigned int errors)
{
	HOLDS(!user->meta.blank);
	HOLDS(user->meta.errors == errors);
	HOLDS(disk_log_lines(DISK_NAME) == errors);
	HOLDS(disk_log_lines("to be repaired") == errors);
	HOLDS(dmr_needs_repair(&user->meta) == !!errors);
	HOLDS(!pair->disk->writes && !pair->disk->data_reads);
}

/* After a full map: the repair, and what is found then. */
static void check_repair(struct pair *pair, struct disk_user *user,
			 const struct forecast *forecast, struct score *score)
{
	unsigned long before = user->meta.errors;
	unsigned int lasting;
	int r = disk_repair(user);

	if (!forecast->errors)
		HOLDS(!r && !pair->disk->writes && !disk_log_lines(DISK_NAME));
	else if (forecast->repairable)
		HOLDS(!r && disk_log_lines("metadata repaired") == 1);
	HOLDS(user->meta.errors == before + pair->disk->failed_writes + pair->disk->swallowed);
	HOLDS(disk_log_lines("does not give back") == pair->disk->swallowed);
	HOLDS(same_map(pair, user));
	score->unrepaired += r != 0;
	if (r) {
		HOLDS(disk_log_lines(DISK_NAME ": repairing the spare's metadata failed") == 1);
		disk_done(user);
		HOLDS(!disk_load(user, pair->disk) && same_map(pair, user));
		return;
	}
	check_copies(pair, user->meta.super);
	lasting = lasting_errors(pair, user->meta.super, forecast->errors);
	disk_done(user);
	HOLDS(!disk_load(user, pair->disk));
	check_load(pair, user, lasting);
	HOLDS(same_map(pair, user));
	if (!lasting)
		HOLDS(!disk_repair(user) && !pair->disk->writes);
}

/* Does the damage, loads, repairs, loads again. */
static void try_damage(struct pair *pair, const struct damage *damage, struct score *score)
{
	struct forecast forecast;
	struct disk_user user;

	suspect = damage;
	suspect_pair = pair;
	do_damage(pair, damage);
	forecast = forecast_for(pair);
	disk_load(&user, pair->disk);
	score->cases++;
	HOLDS(!pair->disk->writes);
	if (user.result) {
		HOLDS(forecast.promise != FULL);
		check_refusal(&user);
		score->refused++;
	} else if (forecast.promise == UNKNOWABLE) {
		HOLDS(!user.meta.blank);
		score->old++;
	} else {
		HOLDS(forecast.promise == FULL);
		check_load(pair, &user, forecast.errors);
		HOLDS(same_map(pair, &user));
		check_repair(pair, &user, &forecast, score);
		score->full++;
	}
	disk_done(&user);
}

static void say(const char *what, const struct score *score)
{
	print_message("# %s: %lu cases: full map %lu (of which not repairable %lu), refused %lu, an older map %lu\n",
		      what, score->cases, score->full, score->unrepaired, score->refused,
		      score->old);
}

/* Tests */

static void no_damage(void **state)
{
	struct damage damage = { 0 };
	struct score score = { 0 };
	unsigned int v;

	(void)state;
	for (v = 0; v < VARIANTS; v++)
		try_damage(&pairs[v], &damage, &score);
	assert_int_equal(score.full, VARIANTS);
	assert_int_equal(score.unrepaired, 0);
	assert_true(pairs[0].map.units == 650 && pairs[0].map.bad == 3);
}

/* Every block alone costs a repair at the most: no copy is the only one. */
static void one_block(void **state)
{
	struct damage damage = { .count = 1 };
	struct score score = { 0 };
	unsigned int v, i, kind;

	(void)state;
	for (v = 0; v < VARIANTS; v++) {
		for (i = 0; i < DISK_METAS; i++) {
			damage.block[0] = disk_meta(i);
			for (kind = ZERO; kind < KINDS; kind++) {
				damage.kind[0] = kind;
				try_damage(&pairs[v], &damage, &score);
			}
		}
	}
	say("one block", &score);
	assert_int_equal(score.full, score.cases - score.refused);
	assert_int_equal(score.old + score.unrepaired, 0);
}

/* In quick mode both suffer the same. */
static void two_blocks(unsigned int distance, struct score *score)
{
	struct damage damage = { .count = 2 };
	unsigned int v, i, a, b;

	for (v = 0; v < VARIANTS; v++) {
		for (i = 0; i + distance < DISK_METAS; i++) {
			damage.block[0] = disk_meta(i);
			damage.block[1] = disk_meta(i + distance);
			for (a = ZERO; a < KINDS; a++) {
				damage.kind[0] = a;
				for (b = ZERO; b < KINDS; b++) {
					damage.kind[1] = b;
					if (a == b || everything())
						try_damage(&pairs[v], &damage, score);
				}
			}
		}
	}
}

static void neighbours(void **state)
{
	struct score score = { 0 };

	(void)state;
	two_blocks(1, &score);
	say("neighbours", &score);
	assert_int_equal(score.unrepaired, 0);
}

static void any_two_blocks(void **state)
{
	struct score score = { 0 };
	unsigned int distance;

	(void)state;
	for (distance = 2; distance < DISK_METAS; distance++)
		if (everything() || distance == 3 || distance == 16)
			two_blocks(distance, &score);
	say("two blocks apart", &score);
}

/* Runs by the metadata blocks that they hit, for the loader reads no others (check_load() sees to that). */
static unsigned long runs_hitting(unsigned int first, unsigned int last)
{
	unsigned long start, length, runs = 0;

	for (start = 0; start < DISK_BLOCKS; start++) {
		for (length = 1; length <= RUN_BLOCKS && start + length <= DISK_BLOCKS; length++) {
			if (start > disk_meta(first) || start + length <= disk_meta(last))
				continue;
			if (first && start <= disk_meta(first - 1))
				continue;
			if (last + 1 < DISK_METAS && start + length > disk_meta(last + 1))
				continue;
			runs++;
		}
	}
	return runs;
}

static void one_run(struct damage *damage, unsigned int first, unsigned int last,
		    struct score *score)
{
	unsigned int v, i;

	damage->count = last - first + 1;
	for (i = first; i <= last; i++)
		damage->block[i - first] = disk_meta(i);
	for (v = 0; v < VARIANTS; v++) {
		struct score here = { 0 };
		try_damage(&pairs[v], damage, &here);
		/* Wherever a copy has moved; and it can be repaired, for two places are left. */
		HOLDS(here.full && !here.unrepaired);
		score->cases++;
		score->full += here.full;
		score->refused += here.refused;
		score->old += here.old;
		score->unrepaired += here.unrepaired;
	}
}

/* Design, section 6: any one damaged run of up to 512 KiB costs no mapping. */
static void runs(void **state)
{
	struct damage damage;
	struct score score = { 0 };
	unsigned int first, last, kind, i, tries;
	unsigned long hits, all = 0;

	(void)state;
	for (first = 0; first < DISK_METAS; first++) {
		for (last = first; last < DISK_METAS; last++) {
			hits = runs_hitting(first, last);
			all += hits;
			if (!hits)
				continue;
			for (kind = ZERO; kind < KINDS; kind++) {
				for (i = 0; i < DISK_METAS; i++)
					damage.kind[i] = kind;
				/* A block that changes places with one outside is damage in two places. */
				if (kind != SWAPPED || first != last)
					one_run(&damage, first, last, &score);
			}
			for (tries = everything() ? 2000 : 10; tries; tries--) {
				for (i = 0; i < DISK_METAS; i++)
					do
						damage.kind[i] = random_below(&noise, KINDS);
					while (damage.kind[i] == SWAPPED);
				one_run(&damage, first, last, &score);
			}
		}
	}
	print_message("# %lu runs that hit metadata\n", all);
	assert_int_equal(score.full, score.cases);
	say("runs up to 512 KiB", &score);
}

static void anything(void **state)
{
	struct damage damage;
	struct score score = { 0 };
	unsigned int i, tries;

	(void)state;
	for (tries = everything() ? 50000 : 500; tries; tries--) {
		u32 taken = 0;

		damage.count = 1 + random_below(&noise, 8);
		for (i = 0; i < damage.count; i++) {
			u32 meta;

			do
				meta = random_below(&noise, DISK_METAS);
			while (taken & 1u << meta);
			taken |= 1u << meta;
			damage.block[i] = disk_meta(meta);
			damage.kind[i] = random_below(&noise, KINDS);
		}
		try_damage(&pairs[random_below(&noise, VARIANTS)], &damage, &score);
	}
	say("up to eight blocks", &score);
	assert_true(score.full && score.refused);
}

/*
 * Two copies that are both older, and whole: nothing on the spare tells. The superblock does not name
 * generations of tables, or each commit would have to write it; it only bounds them by its session.
 */
static void both_copies_old(void **state)
{
	struct damage damage = { .count = 2, .kind = { OLDER, OLDER } };
	struct score score = { 0 };
	u32 segment;

	(void)state;
	for (segment = 0; segment < pairs[0].super.in_use; segment++) {
		damage.block[0] = table_block(segment, DMR_PLACE_A);
		damage.block[1] = table_block(segment, DMR_PLACE_B);
		try_damage(&pairs[0], &damage, &score);
	}
	assert_int_equal(score.old, score.cases);
}

static void superblock_older_than_tables(void **state)
{
	struct damage damage = { .count = DMR_SUPER_COPIES };
	struct score score = { 0 };
	unsigned int v, copy;

	(void)state;
	for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
		damage.block[copy] = super_block(copy);
		damage.kind[copy] = OLDEST;
	}
	for (v = 0; v < VARIANTS; v++)
		try_damage(&pairs[v], &damage, &score);
	assert_int_equal(score.refused, VARIANTS);
}

/* Blank or not */

static bool must_be_blank(u32 block)
{
	const u64 sectors = (u64)DISK_BLOCKS * DMR_BLOCK_SECTORS;

	return block < 256 || (block % 256 == 0 && block < 1024) ||
	       ((u64)block + 1) * DMR_BLOCK_SECTORS > sectors - 2048;
}

/* C14: a spare is blank if its first and last MiB and all places of superblocks are zero and can be read. */
static void blank_spare(void **state)
{
	struct spare_disk *disk = calloc(1, sizeof(*disk));
	struct damage nothing = { 0 };
	struct disk_user user;
	u32 block, wrong = 0;

	(void)state;
	suspect = &nothing;
	suspect_pair = pairs;
	disk->data = calloc(DISK_BLOCKS, DMR_BLOCK_SIZE);
	disk->base = calloc(DISK_BLOCKS, DMR_BLOCK_SIZE);
	for (block = 0; block < DISK_BLOCKS; block++) {
		bool must = must_be_blank(block);

		disk_touch(disk, block);
		disk_at(disk, block)[random_below(&noise, DMR_BLOCK_SIZE)] = 1;
		wrong += (disk_load(&user, disk) ? !must : must) || disk->writes;
		if (user.result)
			HOLDS(strstr(user.why, DISK_NAME) && !user.meta.blank);
		disk_done(&user);
		disk_restore(disk);
		disk_fault(disk, block, DISK_UNREADABLE);
		wrong += (disk_load(&user, disk) ? !must : must) || disk->writes;
		disk_done(&user);
		disk_restore(disk);
	}
	assert_int_equal(wrong, 0);
	disk_free(disk);
}

/* No superblock is left, but something is where one was: neither formatted nor believed. */
static void no_superblock(void **state)
{
	struct damage damage = { .count = DMR_SUPER_COPIES };
	struct disk_user user;
	unsigned int copy, kind;

	(void)state;
	suspect = &damage;
	suspect_pair = pairs;
	for (kind = ZERO; kind < KINDS; kind++) {
		if (kind != RANDOM && kind != FLIP && kind != UNREADABLE && kind != SWAPPED)
			continue;
		for (copy = 0; copy < DMR_SUPER_COPIES; copy++) {
			damage.block[copy] = super_block(copy);
			damage.kind[copy] = kind == SWAPPED || copy == 3 ? kind : ZERO;
		}
		do_damage(&pairs[0], &damage);
		HOLDS(disk_load(&user, pairs[0].disk));
		check_refusal(&user);
		disk_done(&user);
	}
}

/* Blocks that name their places, for which see tests/fuzz/make-load-images.c. */
static void put_image(struct spare_disk *disk, const char *path)
{
	u8 data[DMR_BLOCK_SIZE];
	FILE *file = fopen(path, "rb");
	__le64 sector;

	assert_non_null(file);
	while (fread(data, sizeof(data), 1, file) == 1) {
		memcpy(&sector, data + offsetof(struct dmr_disk_header, position), sizeof(sector));
		put(disk, le64_to_cpu(sector) / DMR_BLOCK_SECTORS, data, sizeof(data));
	}
	fclose(file);
}

/* Checksums are right and the content is evil: each is taken as its name says, as in the guest. */
static void evil_images(void **state)
{
	struct spare_disk *disk = pairs[1].disk;
	struct damage nothing = { 0 };
	struct disk_user user;
	glob_t found;
	size_t i;

	(void)state;
	suspect = &nothing;
	suspect_pair = &pairs[1];
	assert_int_equal(glob("../images/load-*.img", 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc; i++) {
		disk_restore(disk);
		put_image(disk, "../images/load-base.img");
		put_image(disk, found.gl_pathv[i]);
		disk_load(&user, disk);
		print_message("# %s: %s\n", found.gl_pathv[i], user.result ? user.why : "loaded");
		if (strstr(found.gl_pathv[i], "load-refused-")) {
			check_refusal(&user);
		} else {
			HOLDS(!user.result && !user.meta.blank);
			HOLDS(strstr(found.gl_pathv[i], "kernel") || !disk_repair(&user));
		}
		disk_done(&user);
	}
	assert_in_range(found.gl_pathc, 30, 1000);
	globfree(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_damage),
		cmocka_unit_test(one_block),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(any_two_blocks),
		cmocka_unit_test(runs),
		cmocka_unit_test(anything),
		cmocka_unit_test(both_copies_old),
		cmocka_unit_test(superblock_older_than_tables),
		cmocka_unit_test(blank_spare),
		cmocka_unit_test(no_superblock),
		cmocka_unit_test(evil_images),
	};

	/* All combinations take their time. */
	alarm(everything() ? 3600 : 300);
	return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C14: a first resume whose repair fails at some of its writes, and a second one that tries again on what
 * the first left in memory, with the power failing meanwhile.
 */
#include "crash-scenes.h"

static struct run run;

static u64 run_of_writes(u32 first, u32 last)
{
	u64 bits = 0;

	for (; first <= last; first++)
		bits |= 1ull << first;
	return bits;
}

static int resume(struct dmr_metadata *meta, bool new_main)
{
	struct dmr_main_id main = { .kind = DMR_ID_NAA, .size = 1, .id = { 9 } };
	int r = spare_activate(meta);

	if (!r && new_main)
		r = dmr_remember_main(meta, MAIN_SECTORS, &main);
	return r;
}

/* Returns how many writes the first resume did. */
static u32 resume_twice(const struct disk *disk, u64 sectors, const struct allowed *loaded, u64 fails,
			u32 bad, u32 landed, bool new_main)
{
	struct disk_write log[DISK_LOG];
	struct state state, both[2];
	struct allowed allowed = { .state = both, .count = 1 };
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct disk from, end;
	u32 writes, first;
	int r;

	now_insert(disk);
	crash_check(!spare_load(&meta, sectors, why), "load: %s", why);
	state_of(&meta, &state);
	allowed_find(loaded, &state);
	both[0] = both[1] = state;
	if (new_main) {
		both[1].main = 9;
		allowed.count = 2;
	}
	now.fails = fails;
	now.landed = landed;
	if (bad < DISK_BLOCKS)
		now.unwritable[bad] = true;
	r = resume(&meta, new_main);
	first = now.writes;
	if (r) {
		from = now.disk;
		now.fails = 0;
		now_restart();
		r = resume(&meta, new_main);
		crash_check(!r, "the second resume: %d", r);
		writes = now.writes;
		memcpy(log, now.log, writes * sizeof(log[0]));
		end = now.disk;
		dmr_metadata_exit(&meta);
		explore_log(&from, sectors, &allowed, log, writes);
	} else {
		end = now.disk;
		dmr_metadata_exit(&meta);
	}
	allowed.state = both + new_main;
	allowed.count = 1;
	explore(&end, sectors, &allowed, 0);
	return first;
}

static void resume_in_every_way(const struct disk *disk, u64 sectors, const struct allowed *allowed,
				u32 bad, bool new_main)
{
	static const u32 landed[] = { 0x00, DISK_DESTROYED, DISK_ALL };
	size_t doing = strlen(crash_doing);
	u32 i, j, k, writes;

	writes = resume_twice(disk, sectors, allowed, 0, bad, 0, new_main);
	for (i = 0; i < writes; i++)
		for (j = i; j < writes + 4; j++)
			for (k = 0; k < ARRAY_SIZE(landed); k++) {
				/* Rows long enough for all superblocks, and the longest. */
				if (!crash_thorough() &&
				    ((i + j + k) % 3 || (j > i + 4 && j < writes + 3) ||
				     (bad < DISK_BLOCKS && (i + bad) % 2)))
					continue;
				snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
					 "; bad block %u, writes %u to %u fail, leave %#x%s", bad, i, j,
					 landed[k], new_main ? ", new main" : "");
				resume_twice(disk, sectors, allowed, run_of_writes(i, j), bad,
					     landed[k], new_main);
			}
	crash_doing[doing] = '\0';
}

/* One superblock is like the other. */
static bool crash_block(u32 block)
{
	return !block || block >= DMR_SUPER_COPIES || crash_thorough();
}

static void resume_with_each_bad_block(const struct disk *disk, u64 sectors,
				       const struct allowed *allowed)
{
	u32 bad;

	for (bad = 0; bad <= DISK_BLOCKS; bad++)
		if (bad == DISK_BLOCKS || (disk->block[bad] && crash_block(bad)))
			resume_in_every_way(disk, sectors, allowed, bad, bad % 2);
}

/* What the scene wrote before each of its writes, and the last with each block destroyed. */
static void repair_fails_and_is_tried_again(void **state)
{
	struct disk_write log[DISK_LOG];
	struct dmr_metadata meta;
	struct content garbage;
	struct disk disk, end;
	u32 i, k, block, writes;

	(void)state;
	memset(garbage.byte, 0x5a, sizeof(garbage.byte));
	for (i = 0; i < scenes_first(2); i++) {
		u64 sectors = base_sectors(&scenes[i].base);
		struct allowed allowed = { .count = 1 };

		pool_start();
		seen_start();
		scene_begin(&scenes[i], &disk, &run, &meta);
		scene_run(&scenes[i], &run, &meta);
		dmr_metadata_exit(&meta);
		memcpy(log, now.log, now.writes * sizeof(log[0]));
		end = now.disk;
		writes = now.writes;
		for (k = 0; k < writes; k++) {
			snprintf(crash_doing, sizeof(crash_doing), "%s, cut before write %u",
				 scenes[i].name, k);
			allowed.state = run.chain + run.cut_low[k];
			allowed.count = run.cut_high[k] - run.cut_low[k] + 1;
			if (k % 3 == 1 || crash_thorough())
				resume_with_each_bad_block(&disk, sectors, &allowed);
			disk.block[log[k].block] = log[k].after;
		}
		allowed.state = run.chain + run.low;
		allowed.count = 1;
		for (block = 0; block < DISK_BLOCKS; block++) {
			disk = end;
			if (!disk.block[block] || !crash_block(block))
				continue;
			disk.block[block] = pool_number(&garbage);
			snprintf(crash_doing, sizeof(crash_doing), "%s, block %u destroyed",
				 scenes[i].name, block);
			resume_with_each_bad_block(&disk, sectors, &allowed);
		}
	}
}

/* A clean spare but for one table copy: two resumes of which some writes fail, then power fails. */
static void resume_in_vain(const struct disk *disk, u64 sectors, u32 fails, u32 fails_again)
{
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];

	now_insert(disk);
	crash_check(!spare_load(&meta, sectors, why), "load: %s", why);
	now.fails = ~0xfull | fails;
	crash_check(spare_activate(&meta), "the first resume does not fail");
	now_restart();
	now.fails = ~0xfull | fails_again;
	spare_activate(&meta);
	dmr_metadata_exit(&meta);
}

/*
 * Whatever superblock landed in one of them, and cannot be read until a segment has come into use in another
 * activation, is no newer than what says so.
 */
static void a_session_is_tried_again(void **state)
{
	const struct scene *scene = scenes;
	u32 fails, fails_again, hidden;
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct disk disk, left;
	struct state first;
	u64 sectors;

	(void)state;
	while (strcmp(scene->name, "a segment comes into use"))
		scene++;
	sectors = base_sectors(&scene->base);
	pool_start();
	seen_start();
	base_build(&scene->base, &disk, &first);
	disk.block[disk_table(0, DMR_PLACE_B)] = pool_tear(0, 0, DISK_DESTROYED);
	for (fails = 0; fails < 16; fails++)
		for (fails_again = 0; fails_again < 16; fails_again++)
			for (hidden = 0; hidden < DMR_SUPER_COPIES; hidden++) {
				struct allowed allowed = { .state = &run.memory, .count = 1 };

				snprintf(crash_doing, sizeof(crash_doing),
					 "writes %#x and then %#x fail, superblock %u is away for one activation",
					 fails, fails_again, hidden);
				resume_in_vain(&disk, sectors, fails, fails_again);
				left = now.disk;
				now_insert(&left);
				now.unreadable[hidden] = true;
				now.unwritable[hidden] = true;
				crash_check(!spare_load(&meta, sectors, why), "load: %s", why);
				crash_check(!spare_activate(&meta), "it is not repaired");
				now_restart();
				run_begin(&run, &first);
				scene_run(scene, &run, &meta);
				crash_check(meta.super->in_use == 2, "no segment has come into use");
				dmr_metadata_exit(&meta);
				left = now.disk;
				explore(&left, sectors, &allowed, 0);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repair_fails_and_is_tried_again),
		cmocka_unit_test(a_session_is_tried_again),
	};

	return cmocka_run_group_tests_name("C14: a resume that fails is tried again", tests,
					   crash_set_up, crash_tear_down);
}

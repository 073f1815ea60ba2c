// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C13: power fails during each write of a commit, and of the recovery after it, and tears that write in
 * every way; also where one metadata block cannot be written.
 */
#include "crash-scenes.h"

static struct run run;

static void scene_cut(const struct scene *scene, u32 bad, u32 landed, u32 depth)
{
	struct dmr_metadata meta;
	struct disk disk;

	scene_begin(scene, &disk, &run, &meta);
	if (bad < DISK_BLOCKS) {
		now.unwritable[bad] = true;
		now.landed = landed;
		snprintf(crash_doing, sizeof(crash_doing), "%s, block %u keeps sectors %#x", scene->name,
			 bad, landed);
	} else {
		snprintf(crash_doing, sizeof(crash_doing), "%s", scene->name);
	}
	scene_run(scene, &run, &meta);
	crash_check(bad < DISK_BLOCKS || !run.frozen, "frozen though nothing failed");
	dmr_metadata_exit(&meta);
	explore_run(&run, &disk, base_sectors(&scene->base), depth, bad < DISK_BLOCKS);
	explore_damage(&run, base_sectors(&scene->base));
}

static void cut_anywhere(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		pool_start();
		seen_start();
		scene_cut(&scenes[i], DISK_BLOCKS, 0, crash_depth(1));
	}
}

static void cut_with_a_bad_block(void **state)
{
	static const u32 landed[] = { 0x00, DISK_ALL, 0x01, DISK_DESTROYED };
	u32 i, bad, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		pool_start();
		seen_start();
		for (bad = 0; bad < DISK_BLOCKS; bad++)
			for (k = bad % 2; k < ARRAY_SIZE(landed); k += crash_thorough() ? 1 : 2)
				scene_cut(&scenes[i], bad, landed[k], crash_depth(1) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(cut_with_a_bad_block),
	};

	return cmocka_run_group_tests_name("C13: power fails during commits", tests, crash_set_up,
					   crash_tear_down);
}

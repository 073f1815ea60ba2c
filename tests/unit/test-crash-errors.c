// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C12: each write of a commit fails, each two, and each row of them; what failed may be old, new or torn on
 * the disk. Fates say what came of it, nothing more is mapped, and the next load finds what was kept.
 */
#include "crash-scenes.h"

static struct run run;
static u64 frozen, survived;

static u32 scene_fail(const struct scene *scene, u64 fails, u32 landed, bool cut)
{
	struct dmr_metadata meta;
	struct disk disk, end;
	struct allowed allowed;
	u32 writes;

	scene_begin(scene, &disk, &run, &meta);
	now.fails = fails;
	now.landed = landed;
	snprintf(crash_doing, sizeof(crash_doing), "%s, failing writes %#llx leave sectors %#x",
		 scene->name, (unsigned long long)fails, landed);
	scene_run(scene, &run, &meta);
	writes = now.writes;
	*(run.frozen ? &frozen : &survived) += 1;
	dmr_metadata_exit(&meta);
	end = now.disk;
	if (cut) {
		explore_run(&run, &disk, base_sectors(&scene->base), 0, true);
	} else {
		allowed = (struct allowed){
			.state = run.chain + run.low, .count = run.high - run.low + 1,
		};
		explore(&end, base_sectors(&scene->base), &allowed, 0);
	}
	explore_damage(&run, base_sectors(&scene->base));
	return writes;
}

static void one_two_and_rows(void **state)
{
	static const u32 landed[] = { 0x00, 0x01, DISK_DESTROYED, DISK_ALL };
	u32 i, k, a, b, writes;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		pool_start();
		seen_start();
		writes = scene_fail(&scenes[i], 0, 0, false);
		/* A relocation writes more. */
		writes = writes + 6 < 64 ? writes + 6 : 64;
		for (k = 0; k < ARRAY_SIZE(landed); k++)
			for (a = 0; a < writes; a++) {
				u64 row = 1ull << a;

				scene_fail(&scenes[i], row, landed[k], (a + k) % 2 || crash_thorough());
				for (b = a + 1; i < scenes_first(8) && b < writes; b++) {
					row |= 1ull << b;
					if ((a + b + 2 * k) % (2 * ARRAY_SIZE(landed)) && !crash_thorough())
						continue;
					scene_fail(&scenes[i], 1ull << a | 1ull << b, landed[k],
						   crash_thorough());
					scene_fail(&scenes[i], row, landed[k], crash_thorough());
				}
			}
	}
	assert_true(frozen && survived);
	printf("# %llu runs ended frozen, %llu went on\n", (unsigned long long)frozen,
	       (unsigned long long)survived);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_two_and_rows),
	};

	return cmocka_run_group_tests_name("C12: writes of metadata fail", tests, crash_set_up,
					   crash_tear_down);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C14: a formatting that fails or is cut off at any write leaves a spare that is formatted again, or a
 * formatted one; never one that is refused.
 */
#include "crash-scenes.h"

static bool is_first_table(u32 block)
{
	return block == disk_table(0, DMR_PLACE_A) || block == disk_table(0, DMR_PLACE_B);
}

/* Formats; if that fails once more, when `fails` is over. What was written is in now.log. */
static int format(struct dmr_metadata *meta, u64 sectors, struct disk *again)
{
	char why[DMR_WHY_SIZE];
	int r;

	crash_check(!spare_load(meta, sectors, why) && meta->blank, "load: %s", why);
	now_restart();
	r = spare_activate(meta);
	if (!r || !again)
		return r;
	*again = now.disk;
	now.fails = 0;
	now_restart();
	return spare_activate(meta);
}

static void format_in_pieces(u32 room, u64 fails, u32 bad, u32 bad_too, u32 landed, u32 depth)
{
	u64 sectors = base_sectors(&(struct base){ .room = room });
	struct state empty = {
		.covered = MAIN_SECTORS, .segments = room, .main = 1
	};
	struct allowed allowed = { .state = &empty, .count = 1, .blank = true };
	struct cuts cuts = { 0 };
	struct disk_write log[DISK_LOG];
	struct dmr_metadata meta;
	struct disk disk = { 0 }, cut, end, again = { 0 };
	size_t doing;
	int r;

	snprintf(crash_doing, sizeof(crash_doing),
		 "format %u segments, writes %#llx fail, blocks %u and %u, leaving %#x", room,
		 (unsigned long long)fails, bad, bad_too, landed);
	now_insert(&disk);
	now.fails = fails;
	now.landed = landed;
	now.unwritable[bad % DISK_BLOCKS] = bad < DISK_BLOCKS;
	if (bad_too < DISK_BLOCKS)
		now.unwritable[bad_too] = true;
	/* First as it goes, then with a second resume. */
	r = format(&meta, sectors, NULL);
	if (r && fails) {
		dmr_metadata_exit(&meta);
		now_insert(&disk);
		now.fails = fails;
		now.landed = landed;
		r = format(&meta, sectors, &again);
		crash_check(!r, "formatting again: %d", r);
	}
	dmr_metadata_exit(&meta);
	/* With two bad blocks it may be refused, if they are both of the first tables. */
	crash_check(!r || (bad_too < DISK_BLOCKS && is_first_table(bad) && is_first_table(bad_too)),
		    "format: %d", r);
	memcpy(log, now.log, now.writes * sizeof(log[0]));
	end = now.disk;
	cuts = (struct cuts){ .from = again, .log = log, .left = now.writes };
	doing = strlen(crash_doing);
	while (cuts_next(&cuts, &cut)) {
		snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
			 "; cut at write %u (block %u) with sectors %#x", cuts.write,
			 log[cuts.write].block, cuts.subset);
		explore(&cut, sectors, &allowed, depth);
	}
	crash_doing[doing] = '\0';
	allowed.blank = r;
	explore(&end, sectors, &allowed, depth);
}

static void cut_or_failing(void **state)
{
	static const u8 landed[] = { 0x00, 0x01, 0xfe, 0xff };
	u32 room, k, a, b;

	(void)state;
	for (room = 1; room <= 3; room += 2) {
		pool_start();
		seen_start();
		format_in_pieces(room, 0, DISK_BLOCKS, DISK_BLOCKS, 0, crash_depth(2));
		for (k = 0; k < ARRAY_SIZE(landed); k++) {
			for (a = 0; a < DISK_BLOCKS; a++)
				for (b = a + 1; b <= DISK_BLOCKS; b++)
					format_in_pieces(room, 0, a, b, landed[k], crash_depth(1));
			for (a = 0; a < 16; a++) {
				u64 row = 0;

				for (b = a; b < 16; b++) {
					row |= 1ull << b;
					if ((a + b + k) % 2 && !crash_thorough())
						continue;
					format_in_pieces(room, row, DISK_BLOCKS, DISK_BLOCKS, landed[k],
							 crash_depth(1));
					format_in_pieces(room, 1ull << a | 1ull << b, DISK_BLOCKS,
							 DISK_BLOCKS, landed[k], crash_depth(1));
				}
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_or_failing),
	};

	return cmocka_run_group_tests_name("C14: formatting is cut off", tests, crash_set_up,
					   crash_tear_down);
}

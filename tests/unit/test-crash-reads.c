// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * After a crash one metadata block cannot be read at load, another not at the repair, one not written; later
 * all are there again. Memory and disk must never hold different maps.
 */
#include "crash-scenes.h"

static struct run run, after;
static u64 refused;

/* What goes wrong with which block; DISK_BLOCKS: with none. */
struct trouble {
	u32 load, repair, write;
};

static bool is_table(u32 block)
{
	return block >= DMR_SUPER_COPIES && block < DISK_BLOCKS;
}

/* Changes one unit in each table that has one. */
static void use_spare(struct dmr_metadata *meta, const struct state *state)
{
	struct op op = { 0 };
	u32 i, segment, count = 0;

	run_begin(&after, state);
	for (segment = 0; segment < meta->super->in_use; segment++) {
		for (i = 0; i < UNITS; i++)
			if (state->unit[i].owned &&
			    state->unit[i].slot / DMR_SEGMENT_SLOTS == segment)
				break;
		if (i < UNITS)
			op.step[count++] = (struct step)MARK(i, state->unit[i].owned ^ 0x40 ?: 0x80, 0);
	}
	run_op(&after, meta, &op);
}

static void live_with(const struct disk *disk, u64 sectors, const struct allowed *allowed,
		      const struct trouble *trouble)
{
	struct disk_write log[DISK_LOG];
	struct allowed loaded = *allowed;
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state state, now_is;
	struct disk end;
	u32 writes;
	int r;

	now_insert(disk);
	if (trouble->load < DISK_BLOCKS)
		now.unreadable[trouble->load] = true;
	if (spare_load(&meta, sectors, why)) {
		crash_check(is_table(trouble->load), "load: %s", why);
		refused++;
		dmr_metadata_exit(&meta);
		return;
	}
	crash_check(!meta.blank, "blank");
	state_of(&meta, &state);
	loaded.state = &state;
	loaded.count = 1;
	allowed_find(allowed, &state);

	memset(now.unreadable, 0, sizeof(now.unreadable));
	if (trouble->repair < DISK_BLOCKS)
		now.unreadable[trouble->repair] = true;
	if (trouble->write < DISK_BLOCKS)
		now.unwritable[trouble->write] = true;
	now_restart();
	r = spare_activate(&meta);
	writes = now.writes;
	memcpy(log, now.log, writes * sizeof(log[0]));
	state_of(&meta, &now_is);
	crash_check(state_same(&state, &now_is), "the repair changed the map in memory");
	if (r) {
		crash_check(is_table(trouble->load) || is_table(trouble->repair), "repair: %d", r);
		refused++;
		end = now.disk;
		explore(&end, sectors, allowed, 0);
		explore_log(disk, sectors, allowed, log, writes);

		/* Tried again with everything readable it succeeds or is refused, and changes no map. */
		now_insert(&end);
		r = spare_activate(&meta);
		writes = now.writes;
		memcpy(log, now.log, writes * sizeof(log[0]));
		dmr_metadata_exit(&meta);
		loaded = r ? *allowed : loaded;
		crash_check(!r || r == -EUCLEAN, "repair, again: %d", r);
		explore_log(&end, sectors, allowed, log, writes);
		now_insert(&end);
		for (r = 0; (u32)r < writes; r++)
			now.disk.block[log[r].block] = log[r].left;
		end = now.disk;
		explore(&end, sectors, &loaded, 0);
		return;
	}
	end = now.disk;
	now_restart();
	use_spare(&meta, &state);
	dmr_metadata_exit(&meta);
	/* What could not be read or written comes back, at any moment. */
	{
		struct disk_write used[DISK_LOG];
		u32 uses = now.writes;
		struct disk last = now.disk;
		struct allowed both = { .state = after.chain, .count = after.states };

		memcpy(used, now.log, uses * sizeof(used[0]));
		explore_log(disk, sectors, allowed, log, writes);
		explore(&end, sectors, &loaded, 0);
		explore_log(&end, sectors, &both, used, uses);
		both.state = after.chain + after.low;
		both.count = after.high - after.low + 1;
		explore(&last, sectors, &both, 0);
	}
}

/* Two different blocks, of which it matters that both fail: two copies of one thing. */
static bool are_copies(u32 a, u32 b)
{
	if (!is_table(a) || !is_table(b))
		return false;
	return (a - DMR_SUPER_COPIES) / DMR_TABLE_PLACES == (b - DMR_SUPER_COPIES) / DMR_TABLE_PLACES;
}

static void live_with_all(const struct disk *disk, u64 sectors, const struct allowed *allowed)
{
	size_t doing = strlen(crash_doing);
	struct trouble t;

	if (seen_before(allowed_key(allowed, hash_words(disk->block, sizeof(disk->block), 77))))
		return;
	for (t.load = 0; t.load <= DISK_BLOCKS; t.load++) {
		if (t.load < DISK_BLOCKS && !disk->block[t.load])
			continue;
		for (t.repair = 0; t.repair <= DISK_BLOCKS; t.repair++) {
			if (t.repair < DISK_BLOCKS && !disk->block[t.repair])
				continue;
			if (t.load < DISK_BLOCKS && t.repair < DISK_BLOCKS &&
			    !are_copies(t.load, t.repair) && !crash_thorough())
				continue;
			for (t.write = 0; t.write <= DISK_BLOCKS; t.write++) {
				/* One block that fails in more ways, or two that fail reads. */
				if (t.write < DISK_BLOCKS &&
				    (!disk->block[t.write] ||
				     (t.load < DISK_BLOCKS && t.load != t.write) ||
				     (t.repair < DISK_BLOCKS && t.repair != t.write)))
					continue;
				snprintf(crash_doing + doing, sizeof(crash_doing) - doing,
					 "; load fails at block %u, repair at %u, writes at %u", t.load,
					 t.repair, t.write);
				live_with(disk, sectors, allowed, &t);
			}
		}
	}
	crash_doing[doing] = '\0';
}

static void blocks_come_and_go(void **state)
{
	struct dmr_metadata meta;
	struct disk disk, cut;
	u32 i;

	(void)state;
	for (i = 0; i < scenes_first(2); i++) {
		u64 sectors = base_sectors(&scenes[i].base);
		struct disk_write log[DISK_LOG];
		struct cuts cuts;

		pool_start();
		seen_start();
		scene_begin(&scenes[i], &disk, &run, &meta);
		scene_run(&scenes[i], &run, &meta);
		dmr_metadata_exit(&meta);
		memcpy(log, now.log, now.writes * sizeof(log[0]));
		cuts = (struct cuts){
			.from = disk, .log = log, .left = now.writes, .few = !crash_thorough(),
		};
		while (cuts_next(&cuts, &cut)) {
			struct allowed allowed = {
				.state = run.chain + run.cut_low[cuts.write],
				.count = run.cut_high[cuts.write] - run.cut_low[cuts.write] + 1,
			};

			snprintf(crash_doing, sizeof(crash_doing),
				 "%s; cut at write %u (block %u) with sectors %#x", scenes[i].name,
				 cuts.write, log[cuts.write].block, cuts.subset);
			live_with_all(&cut, sectors, &allowed);
		}
	}
	assert_true(refused);
	printf("# %llu refusals\n", (unsigned long long)refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_and_go),
	};

	return cmocka_run_group_tests_name("C13, C14: blocks that cannot be read for a while", tests,
					   crash_set_up, crash_tear_down);
}

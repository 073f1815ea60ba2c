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

static bool is_in(const struct state *state, u32 unit, u32 segment)
{
	return (state->unit[unit].owned || state->unit[unit].pending) &&
	       state->unit[unit].slot / DMR_SEGMENT_SLOTS == segment;
}

/* Changes one unit in each table that has one, then frees the one that got its slot last. */
static void use_spare(struct dmr_metadata *meta, const struct state *state)
{
	struct op change = { 0 }, release = { 0 };
	u32 i, first, last, segment, count = 0;

	run_begin(&after, state);
	for (segment = 0; segment < meta->super->in_use; segment++) {
		for (first = 0; first < UNITS; first++)
			if (state->unit[first].owned && is_in(state, first, segment))
				break;
		if (first == UNITS)
			continue;
		for (last = i = first; i < UNITS; i++)
			if (is_in(state, i, segment) && state->unit[i].slot > state->unit[last].slot)
				last = i;
		change.step[count] = (struct step)MARK(first, state->unit[first].owned ^ 0x40 ?: 0x80, 0);
		release.step[count++] = (struct step)FREE(last);
	}
	run_op(&after, meta, &change);
	run_op(&after, meta, &release);
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

/* Power fails during each of the writes, and one block is still not given back. */
static void cut_with_unreadable(const struct disk *from, u64 sectors, const struct disk_write *log,
				u32 writes, u32 block, bool used)
{
	struct cuts cuts = {
		.from = *from, .log = log, .left = writes, .few = true, .destroys = true,
	};
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct state state;
	struct disk cut;

	while (cuts_next(&cuts, &cut)) {
		struct allowed allowed = {
			.state = run.chain + (used ? run.cut_low[cuts.write] : 0),
			.count = used ? run.cut_high[cuts.write] - run.cut_low[cuts.write] + 1 : 1,
		};

		now_insert(&cut);
		now.unreadable[block] = true;
		crash_check(!spare_load(&meta, sectors, why), "cut at write %u (block %u) with sectors %#x: %s",
			    cuts.write, log[cuts.write].block, cuts.subset, why);
		state_of(&meta, &state);
		allowed_find(&allowed, &state);
		dmr_metadata_exit(&meta);
		crash_points++;
	}
}

/* It takes what is written to it: that alone is no second copy. */
static void a_block_is_never_given_back(void **state)
{
	struct disk_write log[2][DISK_LOG];
	struct dmr_metadata meta;
	char why[DMR_WHY_SIZE];
	struct disk disk, repaired;
	struct state first;
	u32 i, block, writes;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		u64 sectors = base_sectors(&scenes[i].base);

		for (block = 0; block < DISK_BLOCKS; block++) {
			pool_start();
			base_build(&scenes[i].base, &disk, &first);
			if (!disk.block[block])
				continue;
			snprintf(crash_doing, sizeof(crash_doing), "%s; block %u is never given back",
				 scenes[i].name, block);
			now_insert(&disk);
			now.unreadable[block] = true;
			crash_check(!spare_load(&meta, sectors, why), "%s", why);
			crash_check(!spare_activate(&meta), "it is not repaired");
			crash_check(meta.errors, "nothing is said of it");
			writes = now.writes;
			memcpy(log[0], now.log, writes * sizeof(log[0][0]));
			repaired = now.disk;
			now_restart();
			run_begin(&run, &first);
			scene_run(&scenes[i], &run, &meta);
			dmr_metadata_exit(&meta);
			memcpy(log[1], now.log, now.writes * sizeof(log[1][0]));
			cut_with_unreadable(&repaired, sectors, log[1], now.writes, block, true);
			cut_with_unreadable(&disk, sectors, log[0], writes, block, false);
		}
	}
	crash_doing[0] = '\0';
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_and_go),
		cmocka_unit_test(a_block_is_never_given_back),
	};

	return cmocka_run_group_tests_name("C13, C14: blocks that cannot be read for a while", tests,
					   crash_set_up, crash_tear_down);
}

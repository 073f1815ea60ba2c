// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readers against a writer, over liburcu. Three threads look up units that are published all the time,
 * and those published last, while their groups are replaced, their chains change and the table
 * grows and shrinks. They may never miss one, nor see half a change.
 */
#include "map-model.h"

#include <pthread.h>
#include <stdio.h>

#define READERS		3u
#define CYCLES		3u
#define FIXED		1500u	/* groups with a pair of units that is always there */
#define GROUPS_END	40000u
#define BATCH		50u	/* groups changed at once */
#define TRAIL_BASE	(2ull * GROUPS_END)
#define TRAIL		3000u	/* groups added one by one, never taken out */

struct arena {
	struct dmr_map *map;
	struct random random;
	u32 published;		/* trail units that are in the map */
	bool stop;
	u64 lookups, missed, torn, strayed;
	u64 grown, shrunk, between;
	u8 version[FIXED];
};

/* Not unit 63 of its group: that comes and goes. */
static u64 fixed_unit(u32 i)
{
	return (i * 17ull) * 64 + i % 62;
}

static u32 fixed_slot(u32 i, unsigned int version)
{
	return (i * 2 + version) * DMR_SEGMENT_SLOTS;
}

/* Half the time one of a few, so that readers and the writer meet. */
static u32 random_fixed(struct random *random)
{
	return random_below(random, random_below(random, 2) ? 4 : FIXED);
}

static u64 trail_unit(u32 i)
{
	return (TRAIL_BASE + i * 3ull) * 64 + i % 64;
}

static void publish(struct arena *arena, const struct dmr_unit *units, u32 count)
{
	struct dmr_map_change *change = dmr_map_prepare(arena->map, units, count);

	assert_non_null(change);
	dmr_map_publish(arena->map, change);
}

/* Both units of a pair change in one publication: their slots are always consecutive. */
static void rewrite_fixed(struct arena *arena, u32 i)
{
	u64 unit = fixed_unit(i);
	u32 slot = fixed_slot(i, arena->version[i] ^= 1);
	struct dmr_unit units[] = { { .unit = unit, .slot = slot, .owned = 0xff },
				    { .unit = unit + 1, .slot = slot + 1, .owned = 0xff } };

	publish(arena, units, 2);
}

static void extend_trail(struct arena *arena)
{
	u32 i = arena->published;
	struct dmr_unit unit = { .unit = trail_unit(i), .slot = i, .owned = 0xff };

	if (i == TRAIL)
		return;
	publish(arena, &unit, 1);
	__atomic_store_n(&arena->published, i + 1, __ATOMIC_RELEASE);
}

static void count_step(struct arena *arena)
{
	struct dmr_map_stats before, after;

	dmr_map_stats(arena->map, &before);
	arena->between += dmr_map_resize_step(arena->map);
	dmr_map_stats(arena->map, &after);
	arena->grown += after.buckets > before.buckets;
	arena->shrunk += after.buckets < before.buckets;
}

/* Sets or clears one unit in each group from `group` on, beside the fixed ones. */
static void change_batch(struct arena *arena, u64 group, bool present)
{
	struct dmr_unit units[BATCH];
	u32 i;

	for (i = 0; i < BATCH; i++, group++)
		units[i] = (struct dmr_unit) { .unit = group * 64 + 63, .slot = group,
					       .owned = present ? 0xff : 0 };
	publish(arena, units, BATCH);
}

static void sweep(struct arena *arena, bool present)
{
	u64 group;
	u32 i;

	for (group = 0; group < GROUPS_END; group += BATCH) {
		change_batch(arena, group, present);
		for (i = 0; i < 60; i++)
			rewrite_fixed(arena, random_fixed(&arena->random));
		extend_trail(arena);
		count_step(arena);
		/* So that however slow the machine is, a resize ends before the next is due. */
		if (group % (100 * BATCH) == 0)
			dmr_rcu_barrier();
	}
	dmr_rcu_barrier();
	dmr_map_resize(arena->map);
}

static void add(u64 *counter, u64 value)
{
	__atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

static void look_at_fixed(struct arena *arena, u32 i)
{
	u64 sector = fixed_unit(i) * 8, next = sector;
	struct dmr_run run;

	run = dmr_map_find(arena->map, sector, 16);
	if (run.kind != DMR_OWNED)
		add(&arena->missed, 1);
	else if (run.count != 16)
		add(&arena->torn, 1);
	else if (run.spare_sector != dmr_slot_sector(fixed_slot(i, 0)) &&
		 run.spare_sector != dmr_slot_sector(fixed_slot(i, 1)))
		add(&arena->strayed, 1);
	if (!dmr_filter_hit(dmr_map_filter(arena->map), sector, 16) ||
	    !dmr_map_next(arena->map, &next, sector + 8, &run) || next != sector)
		add(&arena->missed, 1);
}

static void look_at_trail(struct arena *arena, u32 i)
{
	struct dmr_unit unit;

	if (!dmr_map_get(arena->map, trail_unit(i), &unit))
		add(&arena->missed, 1);
	else if (unit.slot != i || unit.owned != 0xff)
		add(&arena->strayed, 1);
}

static void *reader(void *data)
{
	struct arena *arena = data;
	struct random random = random_start((uintptr_t)&random);
	u64 lookups = 0;
	u32 published;

	rcu_register_thread();
	while (!READ_ONCE(arena->stop)) {
		look_at_fixed(arena, random_fixed(&random));
		published = __atomic_load_n(&arena->published, __ATOMIC_ACQUIRE);
		if (published) {
			look_at_trail(arena, published - 1);
			look_at_trail(arena, random_below(&random, published));
		}
		lookups++;
	}
	rcu_unregister_thread();
	add(&arena->lookups, lookups);
	return NULL;
}

static void readers_never_miss_while_units_change_and_the_table_is_resized(void **state)
{
	struct arena arena = { .map = dmr_map_create((TRAIL_BASE + 4 * TRAIL) * DMR_GROUP_SECTORS),
			       .random = random_start(5) };
	pthread_t thread[READERS];
	u32 i;

	(void)state;
	assert_non_null(arena.map);
	for (i = 0; i < FIXED; i++)
		rewrite_fixed(&arena, i);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, &arena), 0);
	for (i = 0; i < CYCLES; i++) {
		sweep(&arena, true);
		sweep(&arena, false);
	}
	WRITE_ONCE(arena.stop, true);
	for (i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	print_message("# %llu lookups, table grown %llu and shrunk %llu times, %llu times changed between steps\n",
		      (unsigned long long)arena.lookups, (unsigned long long)arena.grown,
		      (unsigned long long)arena.shrunk, (unsigned long long)arena.between);
	assert_int_equal(arena.missed, 0);
	assert_int_equal(arena.torn, 0);
	assert_int_equal(arena.strayed, 0);
	/* The test has seen what it is about. */
	assert_true(arena.lookups > 10000);
	assert_true(arena.grown >= CYCLES);
	assert_true(arena.shrunk >= CYCLES);
	assert_true(arena.between >= CYCLES);
	dmr_map_destroy(arena.map);
}

static u64 buckets(const struct dmr_map *map)
{
	struct dmr_map_stats stats;

	dmr_map_stats(map, &stats);
	return stats.buckets;
}

static void *slow_reader(void *data)
{
	pthread_barrier_t *barrier = data;

	rcu_register_thread();
	rcu_read_lock();
	pthread_barrier_wait(barrier);
	/* Here the table is resized. */
	pthread_barrier_wait(barrier);
	rcu_read_unlock();
	rcu_unregister_thread();
	return NULL;
}

static void a_resize_waits_for_the_readers_of_the_one_before(void **state)
{
	struct arena arena = { .map = dmr_map_create(8 * BATCH * DMR_GROUP_SECTORS) };
	pthread_barrier_t barrier;
	pthread_t thread;
	u64 group;

	(void)state;
	assert_non_null(arena.map);
	for (group = 0; group < 2 * BATCH; group += BATCH)
		change_batch(&arena, group, true);
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, slow_reader, &barrier), 0);
	pthread_barrier_wait(&barrier);
	dmr_map_resize(arena.map);
	assert_int_equal(buckets(arena.map), 128);
	for (; group < 8 * BATCH; group += BATCH)
		change_batch(&arena, group, true);
	assert_false(dmr_map_wants_work(arena.map));
	dmr_map_resize(arena.map);
	assert_int_equal(buckets(arena.map), 128);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	dmr_rcu_barrier();
	assert_true(dmr_map_wants_work(arena.map));
	dmr_map_resize(arena.map);
	assert_int_equal(buckets(arena.map), 512);
	pthread_barrier_destroy(&barrier);
	dmr_map_destroy(arena.map);
}

static int set_up(void **state)
{
	rcu_register_thread();
	return map_set_up(state);
}

static int tear_down(void **state)
{
	int result = map_tear_down(state);

	rcu_unregister_thread();
	return result;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resize_waits_for_the_readers_of_the_one_before),
		cmocka_unit_test(readers_never_miss_while_units_change_and_the_table_is_resized),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slot allocator against a model that is an array of states: it never gives a slot twice,
 * finds a free one whenever there is one, and keeps what it promises without memory.
 */
#include <stdio.h>

#include "unit.h"
#include "spare.h"

#define SLOTS	DMR_SEGMENT_SLOTS

static struct random numbers;

static u32 any_below(u32 limit)
{
	return (u32)random_below(&numbers, limit);
}

static struct dmr_spare *create(u32 segments, u32 in_use)
{
	struct dmr_spare *spare = dmr_spare_create(segments, in_use);

	assert_non_null(spare);
	return spare;
}

/* Takes exactly so many slots, one after the other as they come. */
static void take_all(struct dmr_spare *spare, u64 slots)
{
	while (slots) {
		u32 first, want = slots < SLOTS ? (u32)slots : SLOTS;
		u32 got = dmr_spare_take(spare, want, DMR_NO_SLOT, &first);

		assert_in_range(got, 1, slots);
		slots -= got;
	}
}

static void a_new_spare_is_all_free(void **state)
{
	struct dmr_spare *spare = create(1000, 600);

	(void)state;
	assert_int_equal(dmr_spare_slots(spare), 252000);
	assert_int_equal(dmr_spare_free(spare), 252000);
	assert_int_equal(dmr_spare_used(spare), 0);
	assert_int_equal(dmr_spare_bad(spare), 0);
	assert_int_equal(dmr_spare_segments(spare), 1000);
	assert_int_equal(dmr_spare_in_use(spare), 600);
	assert_int_equal(dmr_spare_get(spare, 0), DMR_SLOT_FREE);
	assert_int_equal(dmr_spare_get(spare, 251999), DMR_SLOT_FREE);
	dmr_spare_destroy(spare);
	dmr_spare_destroy(NULL);
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	assert_null(dmr_spare_create(0, 0));
	assert_null(dmr_spare_create(5, 6));
	assert_null(dmr_spare_create(DMR_MAX_SEGMENTS + 1, 1));
}

static void a_run_is_taken_whole_where_there_is_one(void **state)
{
	struct dmr_spare *spare = create(3, 3);
	u32 slot, first = 0;

	(void)state;
	/* Given every second slot taken, but 20 free ones in a row in the middle segment. */
	for (slot = 0; slot < 3 * SLOTS; slot++)
		if (slot % 2 && (slot < SLOTS + 100 || slot >= SLOTS + 120))
			dmr_spare_set(spare, slot, DMR_SLOT_USED);
	assert_int_equal(dmr_spare_take(spare, 20, DMR_NO_SLOT, &first), 20);
	assert_int_equal(first, SLOTS + 100);
	/* Then there is no run any more; what there is, is given. */
	assert_int_equal(dmr_spare_take(spare, 20, DMR_NO_SLOT, &first), 1);
	dmr_spare_destroy(spare);
}

static void the_longest_run_is_taken_where_none_is_long_enough(void **state)
{
	struct dmr_spare *spare = create(2, 2);
	u32 slot, first = 0;

	(void)state;
	for (slot = 0; slot < 2 * SLOTS; slot++)
		if (slot % 8 != 0 && (slot < 300 || slot >= 307) && (slot < 400 || slot >= 407))
			dmr_spare_set(spare, slot, DMR_SLOT_BAD);
	assert_int_equal(dmr_spare_take(spare, 20, DMR_NO_SLOT, &first), 7);
	assert_int_equal(first, 300);
	dmr_spare_destroy(spare);
}

static void the_search_goes_on_where_slots_were_taken_last(void **state)
{
	const u32 last = 99 * SLOTS;
	struct dmr_spare *spare = create(100, 100);
	u32 slot, first = 0;

	(void)state;
	/* Given many segments full of gaps that are too short, and one that is empty. */
	for (slot = 0; slot < last; slot++)
		if (slot % 2)
			dmr_spare_set(spare, slot, DMR_SLOT_USED);
	assert_int_equal(dmr_spare_take(spare, 1, last, &first), 1);
	assert_int_equal(dmr_spare_take(spare, 5, DMR_NO_SLOT, &first), 5);
	assert_int_equal(first, last + 1);
	dmr_spare_destroy(spare);
}

static void the_hint_is_followed_if_it_is_free(void **state)
{
	struct dmr_spare *spare = create(4, 2);
	u32 first = 0;

	(void)state;
	assert_int_equal(dmr_spare_take(spare, 10, 300, &first), 10);
	assert_int_equal(first, 300);
	assert_int_equal(dmr_spare_take(spare, 10, 310, &first), 10);
	assert_int_equal(first, 310);
	/* Before a slot that is taken: what fits. */
	assert_int_equal(dmr_spare_take(spare, 10, 296, &first), 4);
	assert_int_equal(first, 296);
	/* Taken, beyond the segments in use, beyond the spare, none: another one. */
	assert_int_equal(dmr_spare_take(spare, 1, 305, &first), 1);
	assert_true(first < 2 * SLOTS && first != 305);
	assert_int_equal(dmr_spare_take(spare, 1, 2 * SLOTS, &first), 1);
	assert_true(first < 2 * SLOTS);
	assert_int_equal(dmr_spare_take(spare, 1, 4 * SLOTS, &first), 1);
	assert_true(first < 2 * SLOTS);
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_true(first < 2 * SLOTS);
	assert_int_equal(dmr_spare_in_use(spare), 2);
	dmr_spare_destroy(spare);
}

static void a_run_never_crosses_a_segment(void **state)
{
	struct dmr_spare *spare = create(3, 3);
	u32 first = 0;

	(void)state;
	assert_int_equal(dmr_spare_take(spare, 20, 245, &first), 7);
	assert_int_equal(first, 245);
	assert_int_equal(dmr_spare_take(spare, 1000, 252, &first), 252);
	assert_int_equal(first, 252);
	assert_int_equal(dmr_spare_take(spare, 0, DMR_NO_SLOT, &first), 0);
	dmr_spare_destroy(spare);
}

static void a_segment_is_entered_only_when_those_in_use_are_full(void **state)
{
	struct dmr_spare *spare = create(3, 1);
	u32 first = 0;

	(void)state;
	take_all(spare, 250);
	dmr_spare_set(spare, 0, DMR_SLOT_BAD);
	dmr_spare_set(spare, 2, DMR_SLOT_FREE);
	/* Two, and one in between: no run of 5 in use, yet no new segment. */
	assert_int_equal(dmr_spare_take(spare, 5, DMR_NO_SLOT, &first), 2);
	assert_int_equal(dmr_spare_take(spare, 5, DMR_NO_SLOT, &first), 1);
	assert_int_equal(dmr_spare_in_use(spare), 1);
	assert_int_equal(dmr_spare_take(spare, 5, DMR_NO_SLOT, &first), 5);
	assert_int_equal(first, SLOTS);
	assert_int_equal(dmr_spare_in_use(spare), 2);
	dmr_spare_destroy(spare);
}

static void a_full_spare_gives_nothing_until_a_slot_is_released(void **state)
{
	struct dmr_spare *spare = create(2, 1);
	u32 first = 77;

	(void)state;
	take_all(spare, 2 * SLOTS);
	assert_int_equal(dmr_spare_free(spare), 0);
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 0);
	assert_int_equal(first, 77);
	dmr_spare_release(spare, 400);
	assert_int_equal(dmr_spare_take(spare, 3, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, 400);
	dmr_spare_destroy(spare);
}

static void a_retired_slot_is_never_given_again(void **state)
{
	struct dmr_spare *spare = create(1, 1);
	u32 first = 0;

	(void)state;
	assert_int_equal(dmr_spare_take(spare, 3, 100, &first), 3);
	dmr_spare_retire(spare, 101);
	assert_int_equal(dmr_spare_bad(spare), 1);
	assert_int_equal(dmr_spare_used(spare), 2);
	dmr_spare_release(spare, 101);
	assert_int_equal(dmr_spare_get(spare, 101), DMR_SLOT_BAD);
	take_all(spare, 249);
	assert_int_equal(dmr_spare_take(spare, 1, 101, &first), 0);
	dmr_spare_destroy(spare);
}

static void figures_follow_every_change_of_a_slot(void **state)
{
	static const enum dmr_slot_state states[] = {
		DMR_SLOT_FREE, DMR_SLOT_USED, DMR_SLOT_LOST, DMR_SLOT_BAD,
	};
	struct dmr_spare *spare = create(2, 1);
	unsigned int from, to;

	(void)state;
	for (from = 0; from < 4; from++)
		for (to = 0; to < 4; to++) {
			bool used = states[to] == DMR_SLOT_USED || states[to] == DMR_SLOT_LOST;
			bool bad = states[to] == DMR_SLOT_BAD;

			dmr_spare_set(spare, 7, states[from]);
			dmr_spare_set(spare, 7, states[to]);
			assert_int_equal(dmr_spare_used(spare), used);
			assert_int_equal(dmr_spare_bad(spare), bad);
			assert_int_equal(dmr_spare_free(spare), 2 * SLOTS - used - bad);
			assert_int_equal(dmr_spare_get(spare, 7),
					 used ? DMR_SLOT_USED : states[to]);
		}
	/* A segment that is not in use has no slots to be set. */
	dmr_spare_set(spare, SLOTS, DMR_SLOT_USED);
	assert_int_equal(dmr_spare_get(spare, SLOTS), DMR_SLOT_FREE);
	/* Releasing what is not taken changes nothing. */
	dmr_spare_set(spare, 7, DMR_SLOT_FREE);
	dmr_spare_release(spare, 7);
	assert_int_equal(dmr_spare_free(spare), 2 * SLOTS);
	dmr_spare_destroy(spare);
}

/* Model */

struct model {
	u32 segments, in_use;
	u64 used, bad;
	u8 *state;	/* of each slot */
};

static void model_set(struct model *model, u32 slot, u8 state)
{
	model->used += (state == DMR_SLOT_USED) - (model->state[slot] == DMR_SLOT_USED);
	model->bad += (state == DMR_SLOT_BAD) - (model->state[slot] == DMR_SLOT_BAD);
	model->state[slot] = state;
}

static u32 model_longest(const struct model *model)
{
	u32 slot, run = 0, longest = 0;

	for (slot = 0; slot < model->in_use * SLOTS; slot++) {
		if (slot % SLOTS == 0)
			run = 0;
		run = model->state[slot] == DMR_SLOT_FREE ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest;
}

static void check_figures(const struct model *model, const struct dmr_spare *spare)
{
	assert_int_equal(dmr_spare_used(spare), model->used);
	assert_int_equal(dmr_spare_bad(spare), model->bad);
	assert_int_equal(dmr_spare_slots(spare), (u64)model->segments * SLOTS);
	assert_int_equal(dmr_spare_free(spare),
			 (u64)model->segments * SLOTS - model->used - model->bad);
	assert_int_equal(dmr_spare_in_use(spare), model->in_use);
}

/* few: so few segments in use that the longest run among them is promised. */
static void step_take(struct model *model, struct dmr_spare *spare, bool few)
{
	u32 want = 1 + any_below(any_below(8) ? 12 : 300), most = want < SLOTS ? want : SLOTS;
	u32 hint = any_below(2) ? DMR_NO_SLOT : any_below(model->segments * SLOTS);
	bool wished = hint < model->in_use * SLOTS && model->state[hint] == DMR_SLOT_FREE;
	u32 longest = few || want == 1 ? model_longest(model) : 0;
	u64 free_in_use = (u64)model->in_use * SLOTS - model->used - model->bad;
	u32 i, first = 0, got = dmr_spare_take(spare, want, hint, &first);

	if (!free_in_use && model->in_use == model->segments) {
		assert_int_equal(got, 0);
		return;
	}
	assert_in_range(got, 1, most);
	if (!free_in_use) {
		assert_int_equal(first, model->in_use++ * SLOTS);
		assert_int_equal(got, most);
	} else if (wished) {
		assert_int_equal(first, hint);
	} else if (few || want == 1) {
		assert_int_equal(got, longest < most ? longest : most);
	}
	assert_int_equal(first / SLOTS, (first + got - 1) / SLOTS);
	for (i = 0; i < got; i++) {
		assert_in_range(first + i, 0, model->in_use * SLOTS - 1);
		assert_int_equal(model->state[first + i], DMR_SLOT_FREE);
		model_set(model, first + i, DMR_SLOT_USED);
	}
}

static void step_release(struct model *model, struct dmr_spare *spare)
{
	u32 slot = any_below(model->in_use * SLOTS);

	dmr_spare_release(spare, slot);
	if (model->state[slot] == DMR_SLOT_USED)
		model_set(model, slot, DMR_SLOT_FREE);
}

static void step_set(struct model *model, struct dmr_spare *spare)
{
	static const u8 states[] = { DMR_SLOT_FREE, DMR_SLOT_USED, DMR_SLOT_BAD };
	u32 slot = any_below(model->in_use * SLOTS);
	u8 state = states[any_below(3)];

	dmr_spare_set(spare, slot, state);
	model_set(model, slot, state);
}

static void step_grow(struct model *model, struct dmr_spare *spare, u32 segments)
{
	u64 old = (u64)model->segments * SLOTS;

	assert_true(dmr_spare_grow(spare, segments));
	model->state = realloc(model->state, segments * SLOTS);
	assert_non_null(model->state);
	memset(model->state + old, DMR_SLOT_FREE, (u64)segments * SLOTS - old);
	model->segments = segments;
}

static void check_all(const struct model *model, const struct dmr_spare *spare)
{
	u32 slot;

	check_figures(model, spare);
	for (slot = 0; slot < model->segments * SLOTS; slot++)
		if (dmr_spare_get(spare, slot) != (enum dmr_slot_state)model->state[slot])
			fail_msg("slot %u", slot);
}

/* busy: of 8 steps, how many take. */
static void run_model(u32 segments, u32 in_use, u32 steps, u32 busy, u32 grow)
{
	struct dmr_spare *spare = create(segments, in_use);
	struct model model = { .segments = segments, .in_use = in_use };
	u32 i;

	model.state = calloc(segments, SLOTS);
	assert_non_null(model.state);
	for (i = 0; i < steps; i++) {
		u32 dice = any_below(8);

		if (dice < busy)
			step_take(&model, spare, model.in_use <= 32);
		else if (dice < 7)
			step_release(&model, spare);
		else
			step_set(&model, spare);
		if (grow && i % (steps / 4) == steps / 8)
			step_grow(&model, spare, model.segments + grow);
		assert_true(dmr_spare_refill(spare));
		check_figures(&model, spare);
	}
	check_all(&model, spare);
	dmr_spare_destroy(spare);
	free(model.state);
}

static void it_behaves_like_the_model_when_small(void **state)
{
	u32 round;

	(void)state;
	for (round = 0; round < 20; round++)
		run_model(1 + any_below(4), 1, 3000, 2 + round % 4, round % 3);
}

static void it_behaves_like_the_model_when_large(void **state)
{
	(void)state;
	run_model(700, 1, 40000, 6, 0);
	run_model(255, 250, 20000, 6, 300);
	run_model(600, 600, 4000, 7, 0);
}

static void the_only_free_slot_is_found_wherever_it_is(void **state)
{
	const u32 segments = 600;
	struct dmr_spare *spare = create(segments, 1);
	u32 round, first = 0, lonely;

	(void)state;
	for (round = 0; round < segments; round++) {
		take_all(spare, SLOTS);
		assert_true(dmr_spare_refill(spare));
	}
	for (round = 0; round < 5000; round++) {
		lonely = any_below(segments * SLOTS);
		dmr_spare_release(spare, lonely);
		assert_int_equal(dmr_spare_take(spare, 1 + any_below(9), DMR_NO_SLOT, &first), 1);
		assert_int_equal(first, lonely);
		assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 0);
	}
	dmr_spare_destroy(spare);
}

static void the_last_slot_of_the_largest_spare_can_be_had(void **state)
{
	struct dmr_spare *spare = create(DMR_MAX_SEGMENTS, 1);
	u32 first = 0;

	(void)state;
	assert_int_equal(dmr_spare_slots(spare), DMR_MAX_SEGMENTS * 252ULL);
	take_all(spare, SLOTS);
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, SLOTS);
	dmr_spare_destroy(spare);
}

/* Memory */

static void without_memory_nothing_is_created_or_leaked(void **state)
{
	long before = dmr_env_bytes, allocations;
	struct dmr_spare *spare = NULL;

	(void)state;
	for (allocations = 0; !spare; allocations++) {
		dmr_env_fail_after = allocations;
		spare = dmr_spare_create(600, 300);
		dmr_env_fail_after = -1;
		if (!spare)
			assert_int_equal(dmr_env_bytes, before);
	}
	/* The struct, two arrays and three chunks at the least: each has been missing once. */
	assert_true(allocations > 6);
	dmr_spare_destroy(spare);
	assert_int_equal(dmr_env_bytes, before);
}

static void taking_needs_no_memory_for_256_segments_after_a_refill(void **state)
{
	struct dmr_spare *spare = create(2000, 100);

	(void)state;
	assert_true(dmr_spare_refill(spare));
	dmr_env_fail_after = 0;
	take_all(spare, (100 + 256) * SLOTS);
	dmr_env_fail_after = -1;
	assert_in_range(dmr_spare_in_use(spare), 356, 2000);
	dmr_spare_destroy(spare);
}

static void without_memory_ready_no_segment_is_entered_until_the_refill(void **state)
{
	struct dmr_spare *spare = create(2000, 1);
	u64 used;
	u32 first = 0, in_use;

	(void)state;
	dmr_env_fail_after = 0;
	while (dmr_spare_take(spare, SLOTS, DMR_NO_SLOT, &first))
		;
	in_use = dmr_spare_in_use(spare);
	used = dmr_spare_used(spare);
	assert_in_range(in_use, 257, 1999);
	assert_int_equal(used, (u64)in_use * SLOTS);
	assert_true(dmr_spare_free(spare) > 0);
	assert_false(dmr_spare_refill(spare));
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 0);
	/* A slot that comes back can be had without memory. */
	dmr_spare_release(spare, 1000);
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	dmr_env_fail_after = -1;

	assert_true(dmr_spare_refill(spare));
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, in_use * SLOTS);
	dmr_spare_destroy(spare);
}

static void growing_without_memory_changes_nothing(void **state)
{
	struct dmr_spare *spare = create(10, 10);
	long allocations, before = dmr_env_bytes;
	u32 first = 0;

	(void)state;
	take_all(spare, 2520);
	for (allocations = 0; allocations < 2; allocations++) {
		dmr_env_fail_after = allocations;
		assert_false(dmr_spare_grow(spare, 5000));
		dmr_env_fail_after = -1;
		assert_int_equal(dmr_env_bytes, before);
		assert_int_equal(dmr_spare_segments(spare), 10);
		assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 0);
	}
	assert_true(dmr_spare_grow(spare, 5000));
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, 2520);
	dmr_spare_destroy(spare);
}

static void growing_forgets_no_free_slot(void **state)
{
	struct dmr_spare *spare = create(700, 700);
	u32 first = 0;

	(void)state;
	take_all(spare, 700 * SLOTS);
	dmr_spare_release(spare, 300 * SLOTS + 3);
	assert_true(dmr_spare_grow(spare, 40000));
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, 300 * SLOTS + 3);
	dmr_spare_destroy(spare);
}

static void a_spare_does_not_shrink(void **state)
{
	struct dmr_spare *spare = create(10, 1);

	(void)state;
	assert_false(dmr_spare_grow(spare, 9));
	assert_false(dmr_spare_grow(spare, DMR_MAX_SEGMENTS + 1));
	assert_int_equal(dmr_spare_segments(spare), 10);
	assert_true(dmr_spare_grow(spare, 10));
	dmr_spare_destroy(spare);
}

static void a_slot_left_alone_comes_back_with_all_others(void **state)
{
	struct dmr_spare *spare = create(600, 300);
	u32 i, first = 0;

	(void)state;
	take_all(spare, 300 * SLOTS);
	assert_false(dmr_spare_come_back(spare));
	for (i = 0; i < 300; i++)
		dmr_spare_leave(spare, i * SLOTS + 251 - i % SLOTS);
	/* What becomes of it otherwise is known: it is not alone any more. */
	dmr_spare_retire(spare, 251);
	dmr_spare_release(spare, SLOTS + 250);
	assert_int_equal(dmr_spare_take(spare, 1, DMR_NO_SLOT, &first), 1);
	assert_int_equal(first, SLOTS + 250);
	/* Nor is a free one. */
	dmr_spare_leave(spare, 300 * SLOTS);
	assert_int_equal(dmr_spare_used(spare), 300 * SLOTS - 1);
	assert_true(dmr_spare_come_back(spare));
	assert_int_equal(dmr_spare_used(spare), 300 * SLOTS - 299);
	assert_int_equal(dmr_spare_bad(spare), 1);
	assert_int_equal(dmr_spare_get(spare, SLOTS + 250), DMR_SLOT_USED);
	for (i = 2; i < 300; i++)
		assert_int_equal(dmr_spare_get(spare, i * SLOTS + 251 - i % SLOTS), DMR_SLOT_FREE);
	assert_false(dmr_spare_come_back(spare));
	dmr_spare_destroy(spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_spare_is_all_free),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(a_run_is_taken_whole_where_there_is_one),
		cmocka_unit_test(the_longest_run_is_taken_where_none_is_long_enough),
		cmocka_unit_test(the_search_goes_on_where_slots_were_taken_last),
		cmocka_unit_test(the_hint_is_followed_if_it_is_free),
		cmocka_unit_test(a_run_never_crosses_a_segment),
		cmocka_unit_test(a_segment_is_entered_only_when_those_in_use_are_full),
		cmocka_unit_test(a_full_spare_gives_nothing_until_a_slot_is_released),
		cmocka_unit_test(a_retired_slot_is_never_given_again),
		cmocka_unit_test(a_slot_left_alone_comes_back_with_all_others),
		cmocka_unit_test(figures_follow_every_change_of_a_slot),
		cmocka_unit_test(it_behaves_like_the_model_when_small),
		cmocka_unit_test(it_behaves_like_the_model_when_large),
		cmocka_unit_test(the_only_free_slot_is_found_wherever_it_is),
		cmocka_unit_test(the_last_slot_of_the_largest_spare_can_be_had),
		cmocka_unit_test(without_memory_nothing_is_created_or_leaked),
		cmocka_unit_test(taking_needs_no_memory_for_256_segments_after_a_refill),
		cmocka_unit_test(without_memory_ready_no_segment_is_entered_until_the_refill),
		cmocka_unit_test(growing_without_memory_changes_nothing),
		cmocka_unit_test(growing_forgets_no_free_slot),
		cmocka_unit_test(a_spare_does_not_shrink),
	};

	numbers = random_start(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

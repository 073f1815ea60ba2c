// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * The slot allocator. Three bits a slot (taken, bad, left alone) in chunks of 256 segments; a chunk is there
 * before its first segment is entered. Counts and summary bits say which segment and which chunk
 * have a free slot, so that a nearly full spare costs a look at the summaries, not at the slots.
 */
#include "spare.h"

#define CHUNK_SEGMENTS		256u
#define CHUNK_WORDS		(CHUNK_SEGMENTS / 64)
#define SEGMENT_WORDS		4u	/* 252 slots, the last 4 bits are never used */
/* Segments with free slots that are looked at for a run of all that is wanted. */
#define RUN_SEARCH		32u
#define DMR_NONE			0xffffffffu

struct dmr_spare_chunk {
	u64 available[CHUNK_WORDS];	/* segments in use that have free slots */
	u8 free[CHUNK_SEGMENTS];	/* slots; 0 in segments that are not in use */
	u64 generation[CHUNK_SEGMENTS];	/* of the table; 0: none is known */
	u64 taken[CHUNK_SEGMENTS][SEGMENT_WORDS];
	u64 bad[CHUNK_SEGMENTS][SEGMENT_WORDS];
	u64 left[CHUNK_SEGMENTS][SEGMENT_WORDS];	/* taken, but only left alone */
};

struct dmr_spare {
	u32 segments, in_use;	/* segments, used and bad are read by anybody */
	u32 cursor;		/* the segment that slots were last taken from */
	u64 used, bad;
	bool any_left;		/* some may be left alone */
	u64 *available;		/* chunks that have free slots in segments in use */
	struct dmr_spare_chunk **chunk;
};

static u32 dmr_chunks(u32 segments)
{
	return (segments + CHUNK_SEGMENTS - 1) / CHUNK_SEGMENTS;
}

static struct dmr_spare_chunk *dmr_chunk_of(const struct dmr_spare *spare, u32 segment)
{
	return spare->chunk[segment / CHUNK_SEGMENTS];
}

static void dmr_bit_assign(u64 *map, u32 bit, bool on)
{
	if (on)
		map[bit / 64] |= 1ULL << (bit % 64);
	else
		map[bit / 64] &= ~(1ULL << (bit % 64));
}

static bool dmr_bit(const u64 *map, u32 bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

/* The first set bit at or after `from`, DMR_NONE if there is none. */
static u32 dmr_bit_next(const u64 *map, u32 bits, u32 from)
{
	u32 word;
	u64 value;

	if (from >= bits)
		return DMR_NONE;
	word = from / 64;
	value = map[word] & (~0ULL << (from % 64));
	while (!value) {
		if (++word >= (bits + 63) / 64)
			return DMR_NONE;
		value = map[word];
	}
	return word * 64 + (u32)dmr_ffs64(value);
}

/* Summaries */

static void dmr_chunk_summarise(struct dmr_spare *spare, u32 segment)
{
	const struct dmr_spare_chunk *chunk = dmr_chunk_of(spare, segment);
	u64 any = 0;
	u32 i;

	for (i = 0; i < CHUNK_WORDS; i++)
		any |= chunk->available[i];
	dmr_bit_assign(spare->available, segment / CHUNK_SEGMENTS, any != 0);
}

static void dmr_segment_set_free(struct dmr_spare *spare, u32 segment, u32 slots)
{
	struct dmr_spare_chunk *chunk = dmr_chunk_of(spare, segment);
	u32 index = segment % CHUNK_SEGMENTS;
	bool had = chunk->free[index];

	chunk->free[index] = (u8)slots;
	if (had == !!slots)
		return;
	dmr_bit_assign(chunk->available, index, slots);
	dmr_chunk_summarise(spare, segment);
}

static u32 dmr_segment_free(const struct dmr_spare *spare, u32 segment)
{
	return dmr_chunk_of(spare, segment)->free[segment % CHUNK_SEGMENTS];
}

/* The first segment in use at or after `from` that has a free slot, DMR_NONE if there is none. */
static u32 dmr_segment_next(const struct dmr_spare *spare, u32 from)
{
	u32 number = from / CHUNK_SEGMENTS, bit;

	if (from >= spare->in_use)
		return DMR_NONE;
	bit = dmr_bit_next(spare->chunk[number]->available, CHUNK_SEGMENTS, from % CHUNK_SEGMENTS);
	if (bit == DMR_NONE) {
		number = dmr_bit_next(spare->available, dmr_chunks(spare->segments), number + 1);
		if (number == DMR_NONE)
			return DMR_NONE;
		bit = dmr_bit_next(spare->chunk[number]->available, CHUNK_SEGMENTS, 0);
	}
	return number * CHUNK_SEGMENTS + bit;
}

static u32 dmr_segment_next_around(const struct dmr_spare *spare, u32 from)
{
	u32 segment = dmr_segment_next(spare, from);

	return segment != DMR_NONE ? segment : dmr_segment_next(spare, 0);
}

/* Memory */

static bool dmr_chunk_add(struct dmr_spare *spare, u32 number)
{
	if (!spare->chunk[number])
		spare->chunk[number] = dmr_big_alloc(sizeof(struct dmr_spare_chunk));
	return spare->chunk[number];
}

/* The chunk of the next segment and the one after: room for 256 segments at the least. */
bool dmr_spare_refill(struct dmr_spare *spare)
{
	u32 number = spare->in_use / CHUNK_SEGMENTS;
	u32 end = number + 2;

	if (end > dmr_chunks(spare->segments))
		end = dmr_chunks(spare->segments);
	for (; number < end; number++)
		if (!dmr_chunk_add(spare, number))
			return false;
	return true;
}

static bool dmr_spare_cover(struct dmr_spare *spare)
{
	u32 number;

	for (number = 0; number < dmr_chunks(spare->in_use); number++)
		if (!dmr_chunk_add(spare, number))
			return false;
	return dmr_spare_refill(spare);
}

/* Arrays for so many segments; what was there before is copied and let go. */
static bool dmr_spare_resize(struct dmr_spare *spare, u32 segments)
{
	u32 chunks = dmr_chunks(segments), old = dmr_chunks(spare->segments);
	struct dmr_spare_chunk **chunk = dmr_big_alloc(chunks * sizeof(chunk[0]));
	u64 *available = dmr_big_alloc((chunks + 63) / 64 * sizeof(available[0]));

	if (!chunk || !available) {
		dmr_big_free(chunk);
		dmr_big_free(available);
		return false;
	}
	if (old) {
		memcpy(chunk, spare->chunk, old * sizeof(chunk[0]));
		memcpy(available, spare->available, (old + 63) / 64 * sizeof(available[0]));
	}
	dmr_big_free(spare->chunk);
	dmr_big_free(spare->available);
	spare->chunk = chunk;
	spare->available = available;
	WRITE_ONCE(spare->segments, segments);
	return true;
}

bool dmr_spare_grow(struct dmr_spare *spare, u32 segments)
{
	if (segments < spare->segments || segments > DMR_MAX_SEGMENTS)
		return false;
	return segments == spare->segments || dmr_spare_resize(spare, segments);
}

struct dmr_spare *dmr_spare_create(u32 segments, u32 in_use)
{
	struct dmr_spare *spare;
	u32 segment;

	if (!segments || segments > DMR_MAX_SEGMENTS || in_use > segments)
		return NULL;
	spare = dmr_alloc(sizeof(*spare), true);
	if (!spare)
		return NULL;
	spare->in_use = in_use;
	if (!dmr_spare_resize(spare, segments) || !dmr_spare_cover(spare)) {
		dmr_spare_destroy(spare);
		return NULL;
	}
	for (segment = 0; segment < in_use; segment++)
		dmr_segment_set_free(spare, segment, DMR_SEGMENT_SLOTS);
	return spare;
}

void dmr_spare_destroy(struct dmr_spare *spare)
{
	u32 number;

	if (!spare)
		return;
	for (number = 0; number < dmr_chunks(spare->segments); number++)
		dmr_big_free(spare->chunk[number]);
	dmr_big_free(spare->chunk);
	dmr_big_free(spare->available);
	dmr_free(spare);
}

/* Figures */

u64 dmr_spare_slots(const struct dmr_spare *spare)
{
	return (u64)READ_ONCE(spare->segments) * DMR_SEGMENT_SLOTS;
}

u64 dmr_spare_used(const struct dmr_spare *spare)
{
	return READ_ONCE(spare->used);
}

u64 dmr_spare_bad(const struct dmr_spare *spare)
{
	return READ_ONCE(spare->bad);
}

u64 dmr_spare_free(const struct dmr_spare *spare)
{
	u64 slots = dmr_spare_slots(spare), gone = dmr_spare_used(spare) + dmr_spare_bad(spare);

	/* Who holds no lock may see one of them before the other changes. */
	return slots > gone ? slots - gone : 0;
}

u32 dmr_spare_segments(const struct dmr_spare *spare)
{
	return READ_ONCE(spare->segments);
}

u32 dmr_spare_in_use(const struct dmr_spare *spare)
{
	return spare->in_use;
}

/* One slot */

enum dmr_slot_state dmr_spare_get(const struct dmr_spare *spare, u32 slot)
{
	u32 segment = slot / DMR_SEGMENT_SLOTS, bit = slot % DMR_SEGMENT_SLOTS;
	u32 index = segment % CHUNK_SEGMENTS;
	const struct dmr_spare_chunk *chunk;

	if (segment >= spare->in_use)
		return DMR_SLOT_FREE;
	chunk = dmr_chunk_of(spare, segment);
	if (dmr_bit(chunk->bad[index], bit))
		return DMR_SLOT_BAD;
	return dmr_bit(chunk->taken[index], bit) ? DMR_SLOT_USED : DMR_SLOT_FREE;
}

void dmr_spare_set(struct dmr_spare *spare, u32 slot, enum dmr_slot_state state)
{
	u32 segment = slot / DMR_SEGMENT_SLOTS, bit = slot % DMR_SEGMENT_SLOTS;
	u32 index = segment % CHUNK_SEGMENTS;
	bool bad = state == DMR_SLOT_BAD, used = !bad && state != DMR_SLOT_FREE;
	enum dmr_slot_state old = dmr_spare_get(spare, slot);
	struct dmr_spare_chunk *chunk;
	u32 free;

	if (segment >= spare->in_use)
		return;
	chunk = dmr_chunk_of(spare, segment);
	dmr_bit_assign(chunk->taken[index], bit, used);
	dmr_bit_assign(chunk->bad[index], bit, bad);
	dmr_bit_assign(chunk->left[index], bit, false);
	WRITE_ONCE(spare->used, spare->used + used - (old == DMR_SLOT_USED));
	WRITE_ONCE(spare->bad, spare->bad + bad - (old == DMR_SLOT_BAD));
	free = dmr_segment_free(spare, segment) + (!used && !bad) - (old == DMR_SLOT_FREE);
	dmr_segment_set_free(spare, segment, free);
}

void dmr_spare_release(struct dmr_spare *spare, u32 slot)
{
	if (dmr_spare_get(spare, slot) == DMR_SLOT_USED)
		dmr_spare_set(spare, slot, DMR_SLOT_FREE);
}

void dmr_spare_retire(struct dmr_spare *spare, u32 slot)
{
	dmr_spare_set(spare, slot, DMR_SLOT_BAD);
}

void dmr_spare_leave(struct dmr_spare *spare, u32 slot)
{
	u32 segment = slot / DMR_SEGMENT_SLOTS, bit = slot % DMR_SEGMENT_SLOTS;

	if (dmr_spare_get(spare, slot) != DMR_SLOT_USED)
		return;
	dmr_bit_assign(dmr_chunk_of(spare, segment)->left[segment % CHUNK_SEGMENTS], bit, true);
	spare->any_left = true;
}

/* true: the segment had some. */
static bool dmr_segment_comes_back(struct dmr_spare *spare, u32 segment)
{
	const u64 *left = dmr_chunk_of(spare, segment)->left[segment % CHUNK_SEGMENTS];
	bool any = false;
	u32 bit;

	while ((bit = dmr_bit_next(left, DMR_SEGMENT_SLOTS, 0)) != DMR_NONE) {
		dmr_spare_release(spare, segment * DMR_SEGMENT_SLOTS + bit);
		any = true;
	}
	return any;
}

bool dmr_spare_come_back(struct dmr_spare *spare)
{
	bool any = false;
	u32 segment;

	for (segment = 0; spare->any_left && segment < spare->in_use; segment++)
		any |= dmr_segment_comes_back(spare, segment);
	spare->any_left = false;
	return any;
}

u64 dmr_spare_generation(const struct dmr_spare *spare, u32 segment)
{
	if (segment >= spare->in_use)
		return 0;
	return dmr_chunk_of(spare, segment)->generation[segment % CHUNK_SEGMENTS];
}

void dmr_spare_set_generation(struct dmr_spare *spare, u32 segment, u64 generation)
{
	u32 index = segment % CHUNK_SEGMENTS;

	if (segment < spare->in_use)
		dmr_chunk_of(spare, segment)->generation[index] = generation;
}

/* Taking */

struct dmr_run {
	u32 first, length;
};

/* The bits behind the last slot are clear: no run goes beyond it. */
static void dmr_free_slots(const struct dmr_spare *spare, u32 segment, u64 map[SEGMENT_WORDS])
{
	const struct dmr_spare_chunk *chunk = dmr_chunk_of(spare, segment);
	u32 i, index = segment % CHUNK_SEGMENTS;

	for (i = 0; i < SEGMENT_WORDS; i++)
		map[i] = ~(chunk->taken[index][i] | chunk->bad[index][i]);
	map[SEGMENT_WORDS - 1] &= ~0ULL >> (SEGMENT_WORDS * 64 - DMR_SEGMENT_SLOTS);
}

/* How many set bits follow each other from a set bit on, counted up to `most`. */
static u32 dmr_run_length(const u64 *map, u32 first, u32 most)
{
	u32 length = 1;

	while (length < most && dmr_bit(map, first + length))
		length++;
	return length;
}

/* Improves *best by the first run of `want` slots in the segment, else by the longest one. */
static void dmr_run_search(const struct dmr_spare *spare, u32 segment, u32 want,
			   struct dmr_run *best)
{
	u64 map[SEGMENT_WORDS];
	u32 bit = 0;

	dmr_free_slots(spare, segment, map);
	while (best->length < want) {
		u32 length;

		bit = dmr_bit_next(map, DMR_SEGMENT_SLOTS, bit);
		if (bit == DMR_NONE)
			return;
		length = dmr_run_length(map, bit, want);
		if (length > best->length) {
			best->first = segment * DMR_SEGMENT_SLOTS + bit;
			best->length = length;
		}
		bit += length;
	}
}

static void dmr_run_at_hint(const struct dmr_spare *spare, u32 want, u32 hint, struct dmr_run *best)
{
	u32 segment = hint / DMR_SEGMENT_SLOTS, bit = hint % DMR_SEGMENT_SLOTS;
	u64 map[SEGMENT_WORDS];

	if (segment >= spare->in_use)
		return;
	dmr_free_slots(spare, segment, map);
	if (!dmr_bit(map, bit))
		return;
	best->first = hint;
	best->length = dmr_run_length(map, bit, want);
}

/* Any available segment has a slot, so the first look finds one; the others look for more. */
static void dmr_run_in_use(const struct dmr_spare *spare, u32 want, struct dmr_run *best)
{
	u32 start = dmr_segment_next_around(spare, spare->cursor);
	u32 segment = start, looks = RUN_SEARCH;

	while (segment != DMR_NONE && best->length < want && looks--) {
		if (dmr_segment_free(spare, segment) > best->length)
			dmr_run_search(spare, segment, want, best);
		segment = dmr_segment_next_around(spare, segment + 1);
		if (segment == start)
			return;
	}
}

static void dmr_run_enter(struct dmr_spare *spare, u32 want, struct dmr_run *best)
{
	u32 segment = spare->in_use;

	if (segment >= spare->segments || !dmr_chunk_of(spare, segment))
		return;
	spare->in_use++;
	dmr_segment_set_free(spare, segment, DMR_SEGMENT_SLOTS);
	best->first = segment * DMR_SEGMENT_SLOTS;
	best->length = want;
}

u32 dmr_spare_take(struct dmr_spare *spare, u32 want, u32 hint, u32 *first)
{
	struct dmr_run run = { DMR_NO_SLOT, 0 };
	u32 i;

	if (want > DMR_SEGMENT_SLOTS)
		want = DMR_SEGMENT_SLOTS;
	if (!want)
		return 0;
	dmr_run_at_hint(spare, want, hint, &run);
	if (!run.length)
		dmr_run_in_use(spare, want, &run);
	if (!run.length)
		dmr_run_enter(spare, want, &run);
	if (!run.length)
		return 0;
	for (i = 0; i < run.length; i++)
		dmr_spare_set(spare, run.first + i, DMR_SLOT_USED);
	spare->cursor = run.first / DMR_SEGMENT_SLOTS;
	*first = run.first;
	return run.length;
}

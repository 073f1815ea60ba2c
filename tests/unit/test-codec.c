// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk format: what is written can be read, and nothing that is damaged, misplaced or out of
 * range is believed. docs/FORMAT.md is checked against the code here.
 */
#include <stdio.h>

#include "unit.h"
#include "codec.h"
#include "format-example.h"

#define ELEMENTS(array)	(sizeof(array) / sizeof((array)[0]))

static struct random numbers;

static u64 any_u64(void)
{
	return random_u64(&numbers);
}

static u32 any_below(u32 limit)
{
	return (u32)random_below(&numbers, limit);
}

static u8 *new_block(void)
{
	u8 *block = aligned_alloc(DMR_BLOCK_SIZE, DMR_BLOCK_SIZE);

	assert_non_null(block);
	memset(block, 0xa5, DMR_BLOCK_SIZE);
	return block;
}

static struct dmr_super *new_super(void)
{
	struct dmr_super *super = malloc(sizeof(*super));

	assert_non_null(super);
	memset(super, 0x5a, sizeof(*super));
	return super;
}

/* The CRC, written once more from the text of docs/FORMAT.md and not from the code. */
static u32 plain_crc32c(const u8 *byte, size_t bytes)
{
	u32 crc = 0xffffffff;

	while (bytes--) {
		int bit;

		crc ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return crc ^ 0xffffffff;
}

static u64 get_le(const u8 *byte, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | byte[bytes];
	return value;
}

static void put_le(u8 *byte, unsigned int bytes, u64 value)
{
	for (; bytes--; value >>= 8)
		*byte++ = (u8)value;
}

/* Makes the checksum right again after a field was changed by hand. */
static void reseal(u8 *block)
{
	put_le(block + 12, 4, 0);
	put_le(block + 12, 4, plain_crc32c(block, DMR_BLOCK_SIZE));
}

static void random_bytes(u8 *byte, size_t bytes)
{
	while (bytes--)
		*byte++ = (u8)any_u64();
}

static void random_super(struct dmr_super *super)
{
	u32 i, relocations;

	memset(super, 0, sizeof(*super));
	random_bytes(super->uuid, sizeof(super->uuid));
	super->generation = any_u64();
	super->compat = (u32)any_u64();
	super->session = (u32)any_u64();
	super->segments = 1 + any_below(DMR_MAX_SEGMENTS);
	super->in_use = 1 + any_below(super->segments);
	super->covered = 1 + any_u64() % (1ULL << 51);
	super->main.start = any_u64() % (1ULL << 54);
	super->main.kind = (u8)any_below(5);
	if (super->main.kind)
		super->main.size = (u8)(1 + any_below(DMR_MAIN_ID_SIZE));
	random_bytes(super->main.id, super->main.size);
	for (i = any_below(DMR_MAIN_TEXT_SIZE + 1); i; i--)
		super->main_text[i - 1] = (char)(1 + any_below(255));
	relocations = any_below(2) ? any_below(DMR_MAX_RELOCATIONS + 1) : 0;
	for (i = 0; i < relocations; i++)
		dmr_super_relocate(super, any_below(super->in_use), any_below(2),
				   (u8)any_below(4));
}

static void random_entry(struct dmr_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->state = (u8)any_below(4);
	entry->unit = any_u64() >> 16;
	entry->moves = (u32)any_u64();
	if (entry->state == DMR_SLOT_USED || entry->state == DMR_SLOT_LOST) {
		entry->owned = (u8)(1 + any_below(255));
		entry->pending = (u8)any_u64();
	}
	if (entry->state == DMR_SLOT_LOST)
		entry->pending |= entry->owned;
}

/* Checksum */

static void crc_is_plain_crc32c(void **state)
{
	(void)state;
	assert_int_equal(plain_crc32c((const u8 *)"123456789", 9), 0xe3069283);
	assert_int_equal(~dmr_crc32c(~0u, "123456789", 9), 0xe3069283);
}

static void crc_of_a_block_can_be_checked_by_others(void **state)
{
	u8 *block = new_block();
	u32 crc;

	(void)state;
	example_table(block);
	crc = (u32)get_le(block + 12, 4);
	put_le(block + 12, 4, 0);
	assert_int_equal(crc, plain_crc32c(block, DMR_BLOCK_SIZE));
	free(block);
}

/* Superblock */

static void superblock_comes_back_as_it_was(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block(), *again = new_block();
	unsigned int round;

	(void)state;
	for (round = 0; round < 400; round++) {
		random_super(super);
		dmr_super_encode(block, super, round % 4);
		assert_int_equal(dmr_super_decode(block, round % 4, back), DMR_GOOD);
		assert_memory_equal(back, super, sizeof(*super));
		dmr_super_encode(again, back, round % 4);
		assert_memory_equal(again, block, DMR_BLOCK_SIZE);
	}
	free(super);
	free(back);
	free(block);
	free(again);
}

static void compat_bits_that_nobody_knows_are_kept(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();

	(void)state;
	example_super(super);
	super->compat = 0xdeadbeef;
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	assert_int_equal(back->compat, 0xdeadbeef);
	dmr_super_encode(block, back, 1);
	assert_int_equal(get_le(block + 64, 4), 0xdeadbeef);
	free(super);
	free(back);
	free(block);
}

static void a_flipped_bit_of_a_superblock_is_found(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();
	unsigned int bit;

	(void)state;
	example_super(super);
	dmr_super_encode(block, super, 0);
	for (bit = 0; bit < 8 * DMR_BLOCK_SIZE; bit++) {
		block[bit / 8] ^= (u8)(1 << bit % 8);
		if (dmr_super_decode(block, 0, back) == DMR_GOOD)
			fail_msg("bit %u", bit);
		block[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	free(super);
	free(back);
	free(block);
}

static void a_flipped_bit_of_a_table_is_found(void **state)
{
	u8 *block = new_block();
	unsigned int bit;

	(void)state;
	example_table(block);
	for (bit = 0; bit < 8 * DMR_BLOCK_SIZE; bit++) {
		block[bit / 8] ^= (u8)(1 << bit % 8);
		if (dmr_table_check(block, example_uuid, EXAMPLE_SEGMENT, EXAMPLE_PLACE, NULL) ==
		    DMR_GOOD)
			fail_msg("bit %u", bit);
		block[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(dmr_table_check(block, example_uuid, EXAMPLE_SEGMENT, EXAMPLE_PLACE, NULL),
			 DMR_GOOD);
	free(block);
}

/* A field changed by hand, the checksum right: the verdict. The example's values else. */
struct patch {
	const char *what;
	unsigned int at, bytes;
	u64 value;
	enum dmr_verdict verdict;
};

static const struct patch super_patches[] = {
	{ "magic", 0, 8, 1, DMR_NOT_OURS },
	{ "version 1", 8, 2, 1, DMR_BAD_VERSION },
	{ "version 3", 8, 2, 3, DMR_BAD_VERSION },
	{ "type table", 10, 2, DMR_TYPE_TABLE, DMR_BAD_TYPE },
	{ "type 3", 10, 2, 3, DMR_BAD_TYPE },
	{ "another copy's position", 32, 8, 2048, DMR_BAD_POSITION },
	{ "position beyond 32 bits", 36, 4, 1, DMR_BAD_POSITION },
	{ "any generation", 40, 8, ~0ULL, DMR_GOOD },
	{ "header reserved, first", 48, 1, 1, DMR_BAD_CONTENT },
	{ "header reserved, last", 63, 1, 1, DMR_BAD_CONTENT },
	{ "compat", 64, 4, 0x80000001, DMR_GOOD },
	{ "ro_compat", 68, 4, 1, DMR_BAD_FEATURES },
	{ "ro_compat, highest", 68, 4, 0x80000000, DMR_BAD_FEATURES },
	{ "incompat", 72, 4, 1, DMR_BAD_FEATURES },
	{ "incompat, highest", 72, 4, 0x80000000, DMR_BAD_FEATURES },
	{ "no segments", 76, 4, 0, DMR_BAD_CONTENT },
	{ "fewer segments than in use", 76, 4, 1, DMR_BAD_CONTENT },
	{ "as many segments as in use", 76, 4, 2, DMR_GOOD },
	{ "most segments", 76, 4, DMR_MAX_SEGMENTS, DMR_GOOD },
	{ "too many segments", 76, 4, DMR_MAX_SEGMENTS + 1, DMR_BAD_CONTENT },
	{ "none in use", 80, 4, 0, DMR_BAD_CONTENT },
	{ "relocated segment not in use", 80, 4, 1, DMR_BAD_CONTENT },
	{ "all in use", 80, 4, 60, DMR_GOOD },
	{ "more in use than there are", 80, 4, 61, DMR_BAD_CONTENT },
	{ "any session", 84, 4, 0xffffffff, DMR_GOOD },
	{ "nothing covered", 88, 8, 0, DMR_BAD_CONTENT },
	{ "most covered", 88, 8, 1ULL << 51, DMR_GOOD },
	{ "too much covered", 88, 8, (1ULL << 51) + 1, DMR_BAD_CONTENT },
	{ "last start", 96, 8, (1ULL << 54) - 1, DMR_GOOD },
	{ "start beyond any disk", 96, 8, 1ULL << 54, DMR_BAD_CONTENT },
	{ "id of no kind", 104, 1, DMR_ID_NONE, DMR_BAD_CONTENT },
	{ "id of the last kind", 104, 1, DMR_ID_PARTUUID, DMR_GOOD },
	{ "id of an unknown kind", 104, 1, 5, DMR_BAD_CONTENT },
	{ "id without bytes", 105, 1, 0, DMR_BAD_CONTENT },
	{ "id cut short", 105, 1, 7, DMR_BAD_CONTENT },
	{ "id with zeroes behind", 105, 1, 64, DMR_GOOD },
	{ "id too long", 105, 1, 65, DMR_BAD_CONTENT },
	{ "reserved1, first", 106, 1, 1, DMR_BAD_CONTENT },
	{ "reserved1, last", 111, 1, 1, DMR_BAD_CONTENT },
	{ "bytes behind the id", 175, 1, 1, DMR_BAD_CONTENT },
	{ "text behind the end of the text", 303, 1, 'x', DMR_BAD_CONTENT },
	{ "no text", 176, 17, 0, DMR_GOOD },
	{ "text behind an empty text", 176, 1, 0, DMR_BAD_CONTENT },
	{ "fewer relocations than listed", 304, 4, 0, DMR_BAD_CONTENT },
	{ "more relocations than listed", 304, 4, 2, DMR_BAD_CONTENT },
	{ "too many relocations", 304, 4, 449, DMR_BAD_CONTENT },
	{ "absurdly many relocations", 304, 4, 0xffffffff, DMR_BAD_CONTENT },
	{ "reserved2, first", 308, 1, 1, DMR_BAD_CONTENT },
	{ "reserved2, last", 511, 1, 1, DMR_BAD_CONTENT },
	{ "relocated segment 0", 512, 4, 0, DMR_GOOD },
	{ "relocated segment 2", 512, 4, 2, DMR_BAD_CONTENT },
	{ "relocated segment 2^32 - 1", 512, 4, 0xffffffff, DMR_BAD_CONTENT },
	{ "a place that is none", 516, 1, 4, DMR_BAD_CONTENT },
	{ "the other place none", 517, 1, 4, DMR_BAD_CONTENT },
	{ "both at one place", 516, 1, 1, DMR_BAD_CONTENT },
	{ "where they are anyway", 517, 1, 3, DMR_BAD_CONTENT },
	{ "A and B swapped", 516, 2, 0x0003, DMR_GOOD },
	{ "relocation reserved", 519, 1, 1, DMR_BAD_CONTENT },
	{ "behind the list", 520, 1, 1, DMR_BAD_CONTENT },
	{ "end of the block", 4095, 1, 1, DMR_BAD_CONTENT },
};

static void each_field_of_a_superblock_is_checked(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super(), *before = new_super();
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	example_super(super);
	for (i = 0; i < ELEMENTS(super_patches); i++) {
		const struct patch *patch = &super_patches[i];
		enum dmr_verdict verdict;

		dmr_super_encode(block, super, 0);
		put_le(block + patch->at, patch->bytes, patch->value);
		reseal(block);
		memset(back, 0x5a, sizeof(*back));
		verdict = dmr_super_decode(block, 0, back);
		if (verdict != patch->verdict)
			fail_msg("%s: %s", patch->what, dmr_verdict_text(verdict));
		/* Then nothing was handed out. */
		if (verdict != DMR_GOOD)
			assert_memory_equal(back, before, sizeof(*back));
	}
	free(super);
	free(back);
	free(before);
	free(block);
}

static void a_superblock_without_segments_in_use_is_refused(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();

	(void)state;
	example_super(super);
	super->in_use = 0;
	super->relocations = 0;
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_BAD_CONTENT);
	free(super);
	free(back);
	free(block);
}

static void a_segment_cannot_be_relocated_twice(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();

	(void)state;
	example_super(super);
	dmr_super_relocate(super, 0, 0, DMR_PLACE_ALT2);
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	put_le(block + 512, 4, 1);
	reseal(block);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_BAD_CONTENT);
	free(super);
	free(back);
	free(block);
}

static void the_order_of_verdicts_is_that_of_the_checks(void **state)
{
	static const struct patch worse[] = {
		{ "content", 76, 4, 0, DMR_BAD_CONTENT },
		{ "features", 72, 4, 1, DMR_BAD_FEATURES },
		{ "position", 32, 8, 8, DMR_BAD_POSITION },
		{ "type", 10, 2, 9, DMR_BAD_TYPE },
		{ "version", 8, 2, 9, DMR_BAD_VERSION },
	};
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	example_super(super);
	dmr_super_encode(block, super, 0);
	for (i = 0; i < ELEMENTS(worse); i++) {
		put_le(block + worse[i].at, worse[i].bytes, worse[i].value);
		reseal(block);
		assert_int_equal(dmr_super_decode(block, 0, back), worse[i].verdict);
	}
	block[4000] ^= 1;
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_BAD_CRC);
	block[0] ^= 1;
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_NOT_OURS);
	memset(block, 0, DMR_BLOCK_SIZE);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_BLANK);
	block[DMR_BLOCK_SIZE - 1] = 1;
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_NOT_OURS);
	free(super);
	free(back);
	free(block);
}

static void a_superblock_is_believed_in_its_own_place_only(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();
	unsigned int from, to;

	(void)state;
	example_super(super);
	for (from = 0; from < DMR_SUPER_COPIES; from++) {
		dmr_super_encode(block, super, from);
		for (to = 0; to < DMR_SUPER_COPIES; to++)
			assert_int_equal(dmr_super_decode(block, to, back),
					 from == to ? DMR_GOOD : DMR_BAD_POSITION);
	}
	free(super);
	free(back);
	free(block);
}

/* Relocations */

static void assert_places(const struct dmr_super *super, u32 segment, u8 first, u8 second)
{
	u8 place[2];

	dmr_super_places(super, segment, place);
	assert_int_equal(place[0], first);
	assert_int_equal(place[1], second);
}

static void relocations_are_found_again(void **state)
{
	static const u32 segments[] = { 7, 3, 9, 0, 5 };
	struct dmr_super *super = new_super();
	unsigned int i;

	(void)state;
	memset(super, 0, sizeof(*super));
	super->in_use = 10;
	for (i = 0; i < ELEMENTS(segments); i++)
		assert_true(dmr_super_relocate(super, segments[i], i % 2, DMR_PLACE_ALT1));
	assert_int_equal(super->relocations, 5);
	assert_places(super, 7, 1, 3);
	assert_places(super, 3, 0, 1);
	assert_places(super, 9, 1, 3);
	assert_places(super, 0, 0, 1);
	assert_places(super, 5, 1, 3);
	assert_places(super, 4, 0, 3);
	assert_places(super, 10, 0, 3);
	free(super);
}

static void a_copy_that_is_back_at_its_place_is_no_relocation(void **state)
{
	static const struct dmr_relocation none;
	struct dmr_super *super = new_super();

	(void)state;
	example_super(super);
	super->in_use = 3;
	assert_true(dmr_super_relocate(super, 2, 0, DMR_PLACE_ALT2));
	assert_true(dmr_super_relocate(super, 1, 1, DMR_PLACE_B));
	assert_int_equal(super->relocations, 1);
	assert_places(super, 1, 0, 3);
	assert_places(super, 2, 2, 3);
	assert_true(dmr_super_relocate(super, 2, 0, DMR_PLACE_A));
	assert_int_equal(super->relocations, 0);
	assert_true(dmr_super_relocate(super, 2, 0, DMR_PLACE_A));
	assert_int_equal(super->relocations, 0);
	/* Nothing is left of them, so that equal lists are equal in memory. */
	assert_memory_equal(&super->relocation[0], &none, sizeof(none));
	assert_memory_equal(&super->relocation[1], &none, sizeof(none));
	free(super);
}

static void a_relocation_onto_the_other_copy_is_refused(void **state)
{
	struct dmr_super *super = new_super();

	(void)state;
	memset(super, 0, sizeof(*super));
	super->in_use = 1;
	assert_false(dmr_super_relocate(super, 0, 0, DMR_PLACE_B));
	assert_false(dmr_super_relocate(super, 0, 1, DMR_PLACE_A));
	assert_false(dmr_super_relocate(super, 0, 0, 4));
	assert_int_equal(super->relocations, 0);
	assert_true(dmr_super_relocate(super, 0, 0, DMR_PLACE_ALT1));
	assert_false(dmr_super_relocate(super, 0, 1, DMR_PLACE_ALT1));
	assert_places(super, 0, 1, 3);
	free(super);
}

static void a_full_list_takes_no_other_segment(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();
	u32 i;

	(void)state;
	example_super(super);
	super->segments = 1000;
	super->in_use = 1000;
	dmr_super_relocate(super, 1, 1, DMR_PLACE_B);
	for (i = 0; i < DMR_MAX_RELOCATIONS; i++)
		assert_true(dmr_super_relocate(super, 999 - 2 * i, 0, DMR_PLACE_ALT2));
	assert_false(dmr_super_relocate(super, 998, 0, DMR_PLACE_ALT1));
	assert_places(super, 998, 0, 3);
	/* One that is listed may still change, or go. */
	assert_true(dmr_super_relocate(super, 999, 1, DMR_PLACE_ALT1));
	assert_places(super, 999, 2, 1);
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	assert_memory_equal(back, super, sizeof(*super));
	/* One more than there is room for is not looked for behind the block. */
	put_le(block + 304, 4, DMR_MAX_RELOCATIONS + 1);
	reseal(block);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_BAD_CONTENT);
	assert_true(dmr_super_relocate(super, 997, 0, DMR_PLACE_A));
	assert_true(dmr_super_relocate(super, 998, 0, DMR_PLACE_ALT1));
	free(super);
	free(back);
	free(block);
}

static void a_segment_that_did_not_come_into_use_is_not_written_as_relocated(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();

	(void)state;
	example_super(super);
	assert_true(dmr_super_relocate(super, 2, 0, DMR_PLACE_ALT1));
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	assert_int_equal(back->relocations, 1);
	assert_places(back, 2, 0, 3);
	/* When it comes into use, it is. */
	super->in_use = 3;
	dmr_super_encode(block, super, 0);
	assert_int_equal(dmr_super_decode(block, 0, back), DMR_GOOD);
	assert_places(back, 2, 1, 3);
	free(super);
	free(back);
	free(block);
}

/* Tables */

static void table_comes_back_as_it_was(void **state)
{
	struct dmr_entry entry[DMR_SEGMENT_SLOTS], back;
	u8 *block = new_block();
	unsigned int round, i;

	(void)state;
	for (round = 0; round < 200; round++) {
		u32 segment = any_below(DMR_MAX_SEGMENTS);
		u64 generation = any_u64(), read = 0;

		dmr_table_init(block);
		for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
			random_entry(&entry[i]);
			dmr_table_put(block, i, &entry[i]);
		}
		dmr_table_seal(block, example_uuid, segment, round % 4, generation);
		assert_int_equal(dmr_table_check(block, example_uuid, segment, round % 4, &read),
				 DMR_GOOD);
		assert_true(read == generation);
		for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
			memset(&back, 0, sizeof(back));
			dmr_table_get(block, i, &back);
			assert_memory_equal(&back, &entry[i], sizeof(back));
		}
	}
	free(block);
}

static void a_table_can_be_sealed_for_one_place_after_the_other(void **state)
{
	u8 *block = new_block();
	u64 generation = 0;

	(void)state;
	example_table(block);
	memset(block + 48, 0xff, 16);
	dmr_table_seal(block, example_uuid, 1, DMR_PLACE_B, 77);
	assert_int_equal(dmr_table_check(block, example_uuid, 1, DMR_PLACE_B, &generation),
			 DMR_GOOD);
	assert_int_equal(generation, 77);
	assert_int_equal(dmr_table_check(block, example_uuid, 1, DMR_PLACE_A, &generation),
			 DMR_BAD_POSITION);
	assert_int_equal(dmr_table_check(block, example_uuid, 2, DMR_PLACE_B, &generation),
			 DMR_BAD_POSITION);
	free(block);
}

/* Entry 0 of the example is at 64; it is used, owned 0xff. */
static const struct patch table_patches[] = {
	{ "type super", 10, 2, DMR_TYPE_SUPER, DMR_BAD_TYPE },
	{ "version 3", 8, 2, 3, DMR_BAD_VERSION },
	{ "uuid, first", 16, 1, 0, DMR_BAD_UUID },
	{ "uuid, last", 31, 1, 0, DMR_BAD_UUID },
	{ "position", 32, 8, 8192, DMR_BAD_POSITION },
	{ "any generation", 40, 8, 0, DMR_GOOD },
	{ "header reserved, first", 48, 1, 1, DMR_BAD_CONTENT },
	{ "header reserved, last", 63, 1, 1, DMR_BAD_CONTENT },
	{ "highest unit", 64, 6, 0xffffffffffffULL, DMR_GOOD },
	{ "used, only pending", 70, 2, 0x0100, DMR_GOOD },
	{ "used, nothing", 70, 2, 0, DMR_BAD_CONTENT },
	{ "used, slot failed it", 70, 2, 0x0101, DMR_GOOD },
	{ "state 4", 76, 1, 4, DMR_BAD_CONTENT },
	{ "state 255", 76, 1, 255, DMR_BAD_CONTENT },
	{ "free, but owned", 76, 1, DMR_SLOT_FREE, DMR_BAD_CONTENT },
	{ "bad, but owned", 76, 1, DMR_SLOT_BAD, DMR_BAD_CONTENT },
	{ "lost, nothing pending", 76, 1, DMR_SLOT_LOST, DMR_BAD_CONTENT },
	{ "reserved, first", 77, 1, 1, DMR_BAD_CONTENT },
	{ "reserved, last", 79, 1, 1, DMR_BAD_CONTENT },
	{ "lost, pending elsewhere", 118, 2, 0x8001, DMR_BAD_CONTENT },
	{ "lost, all of it", 118, 2, 0xffff, DMR_GOOD },
	{ "bad, pending", 103, 1, 1, DMR_BAD_CONTENT },
	{ "free, pending", 4087, 1, 1, DMR_BAD_CONTENT },
	{ "free, owned", 4086, 1, 1, DMR_BAD_CONTENT },
	{ "end of the block", 4095, 1, 1, DMR_BAD_CONTENT },
};

static void each_field_of_a_table_is_checked(void **state)
{
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	for (i = 0; i < ELEMENTS(table_patches); i++) {
		const struct patch *patch = &table_patches[i];
		enum dmr_verdict verdict;
		u64 generation = 12345;

		example_table(block);
		put_le(block + patch->at, patch->bytes, patch->value);
		reseal(block);
		verdict = dmr_table_check(block, example_uuid, EXAMPLE_SEGMENT, EXAMPLE_PLACE,
					  &generation);
		if (verdict != patch->verdict)
			fail_msg("%s: %s", patch->what, dmr_verdict_text(verdict));
		if (verdict != DMR_GOOD)
			assert_int_equal(generation, 12345);
	}
	free(block);
}

static void the_pair_of_a_table_is_checked_only_where_asked_for(void **state)
{
	static const u8 other[16] = { 1 };
	u8 *block = new_block();

	(void)state;
	example_table(block);
	assert_int_equal(dmr_table_check(block, other, 1, 0, NULL), DMR_BAD_UUID);
	assert_int_equal(dmr_table_check(block, NULL, 1, 0, NULL), DMR_GOOD);
	free(block);
}

static void an_empty_table_is_all_free(void **state)
{
	struct dmr_entry entry;
	u8 *block = new_block();
	unsigned int i;

	(void)state;
	dmr_table_init(block);
	dmr_table_seal(block, example_uuid, 0, 0, 1);
	assert_int_equal(dmr_table_check(block, example_uuid, 0, 0, NULL), DMR_GOOD);
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		dmr_table_get(block, i, &entry);
		assert_int_equal(entry.state, DMR_SLOT_FREE);
	}
	free(block);
}

/* Any block */

static void our_magic_is_seen_whatever_the_rest(void **state)
{
	u8 *block = new_block();

	(void)state;
	assert_false(dmr_block_is_ours(block));
	memcpy(block, "DM-REMAP", 8);
	assert_true(dmr_block_is_ours(block));
	block[7] = 'Q';
	assert_false(dmr_block_is_ours(block));
	free(block);
}

static void one_bit_makes_a_block_not_blank(void **state)
{
	u8 *block = new_block();
	unsigned int bit;

	(void)state;
	memset(block, 0, DMR_BLOCK_SIZE);
	assert_true(dmr_block_is_blank(block, DMR_BLOCK_SIZE));
	for (bit = 0; bit < 8 * DMR_BLOCK_SIZE; bit++) {
		block[bit / 8] = (u8)(1 << bit % 8);
		if (dmr_block_is_blank(block, DMR_BLOCK_SIZE))
			fail_msg("bit %u", bit);
		block[bit / 8] = 0;
	}
	block[8] = 1;
	assert_true(dmr_block_is_blank(block, 8));
	free(block);
}

static void each_verdict_has_its_own_words(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = DMR_GOOD; i <= DMR_BAD_CONTENT; i++) {
		assert_true(strlen(dmr_verdict_text(i)) > 3);
		for (j = DMR_GOOD; j < i; j++)
			assert_string_not_equal(dmr_verdict_text(i), dmr_verdict_text(j));
	}
	assert_string_equal(dmr_verdict_text(DMR_BAD_CONTENT + 1), "unknown");
}

/* Geometry */

static void a_segment_has_room_for_its_tables_and_slots_and_nothing_else(void **state)
{
	u8 seen[DMR_SEGMENT_BLOCKS] = { 0 };
	const u32 segment = 17043519;
	u64 base = 8192 + (u64)segment * 2048;
	unsigned int i;

	(void)state;
	for (i = 0; i < DMR_TABLE_PLACES; i++) {
		u64 at = dmr_table_sector(segment, i) - base;

		assert_int_equal(at % 8, 0);
		seen[at / 8]++;
	}
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
		u64 at = dmr_slot_sector(segment * DMR_SEGMENT_SLOTS + i) - base;

		assert_int_equal(at, 8 * (2 + i));
		seen[at / 8]++;
	}
	for (i = 0; i < DMR_SEGMENT_BLOCKS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(dmr_table_sector(0, DMR_PLACE_A), 8192);
	assert_int_equal(dmr_table_sector(0, DMR_PLACE_B), 8192 + 255 * 8);
}

static void segments_are_counted_by_the_length_of_the_spare(void **state)
{
	(void)state;
	assert_int_equal(dmr_segments_for(0), 0);
	assert_int_equal(dmr_segments_for(10239), 0);
	assert_int_equal(dmr_segments_for(10240), 1);
	assert_int_equal(dmr_segments_for(10240 + 2047), 1);
	assert_int_equal(dmr_segments_for(10240 + 2048), 2);
	assert_int_equal(dmr_segments_for(8192 + 2048ULL * DMR_MAX_SEGMENTS), DMR_MAX_SEGMENTS);
	assert_int_equal(dmr_segments_for(~0ULL), DMR_MAX_SEGMENTS);
	/* The last slot there can be is below the number that means none. */
	assert_true((u64)DMR_MAX_SEGMENTS * DMR_SEGMENT_SLOTS - 1 < DMR_NO_SLOT);
}

/* UUIDs */

static void uuids_are_read_and_written(void **state)
{
	char text[37], upper[37];
	u8 uuid[16];
	unsigned int i;

	(void)state;
	dmr_uuid_format(example_uuid, text);
	assert_string_equal(text, "6b1d2f0a-93c4-4e57-a810-5d77e239bc04");
	assert_true(dmr_uuid_parse(text, uuid));
	assert_memory_equal(uuid, example_uuid, 16);
	for (i = 0; i < 37; i++)
		upper[i] = (char)(text[i] >= 'a' && text[i] <= 'f' ? text[i] - 32 : text[i]);
	memset(uuid, 0, sizeof(uuid));
	assert_true(dmr_uuid_parse(upper, uuid));
	assert_memory_equal(uuid, example_uuid, 16);
}

static void what_is_no_uuid_is_refused(void **state)
{
	static const char good[] = "6b1d2f0a-93c4-4e57-a810-5d77e239bc04";
	char text[40];
	u8 uuid[16], before[16];
	unsigned int i;

	(void)state;
	memset(uuid, 0xee, sizeof(uuid));
	memcpy(before, uuid, sizeof(uuid));
	for (i = 0; i < 36; i++) {
		static const char bad[] = "gG-/:@` \xff";
		unsigned int j;

		strcpy(text, good);
		text[i] = '\0';
		assert_false(dmr_uuid_parse(text, uuid));
		for (j = 0; bad[j]; j++) {
			if (bad[j] == good[i])
				continue;
			strcpy(text, good);
			text[i] = bad[j];
			assert_false(dmr_uuid_parse(text, uuid));
		}
	}
	snprintf(text, sizeof(text), "%s0", good);
	assert_false(dmr_uuid_parse(text, uuid));
	assert_false(dmr_uuid_parse("6b1d2f0a93c44e57a8105d77e239bc04", uuid));
	assert_memory_equal(uuid, before, sizeof(uuid));
}

/* The document and the images */

/* A file of the source tree, with a NUL behind it. Tests run where they were compiled. */
static char *read_source(const char *name, size_t *size)
{
	size_t folder = strlen(__FILE__) - strlen("test-codec.c");
	char path[4096], *text;
	FILE *file;
	long length;

	snprintf(path, sizeof(path), "%.*s../../%s", (int)folder, __FILE__, name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	length = ftell(file);
	rewind(file);
	text = calloc(1, (size_t)length + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)length, file), length);
	fclose(file);
	*size = (size_t)length;
	return text;
}

/* Reads back the dump that follows the mark in the document, as a reader would. */
static void block_of_document(const char *document, const char *mark, u8 *block)
{
	const char *line = strstr(document, mark);
	unsigned int at = 0, to, i;

	if (!line)
		fail_msg("docs/FORMAT.md has no %s", mark);
	for (line = strchr(line, '\n') + 1; at < DMR_BLOCK_SIZE; line = strchr(line, '\n') + 1) {
		unsigned int byte[16];

		if (*line == '*')
			continue;
		if (sscanf(line, "%8x", &to) != 1 || to > DMR_BLOCK_SIZE || to < at)
			fail_msg("%s: wrong line %.20s", mark, line);
		for (; at < to; at++)
			block[at] = block[at - 16];
		if (at == DMR_BLOCK_SIZE)
			break;
		assert_int_equal(sscanf(line, "%*8x %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x",
					byte, byte + 1, byte + 2, byte + 3, byte + 4, byte + 5,
					byte + 6, byte + 7, byte + 8, byte + 9, byte + 10,
					byte + 11, byte + 12, byte + 13, byte + 14, byte + 15),
				 16);
		for (i = 0; i < 16; i++)
			block[at++] = (u8)byte[i];
	}
}

static void the_examples_of_the_document_are_what_we_write(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block(), *ours = new_block();
	char crc[32], *document;
	size_t size;

	(void)state;
	document = read_source("docs/FORMAT.md", &size);

	block_of_document(document, "```hexdump superblock", block);
	example_super(super);
	dmr_super_encode(ours, super, EXAMPLE_COPY);
	assert_memory_equal(block, ours, DMR_BLOCK_SIZE);
	assert_int_equal(dmr_super_decode(block, EXAMPLE_COPY, back), DMR_GOOD);
	assert_memory_equal(back, super, sizeof(*super));
	snprintf(crc, sizeof(crc), "superblock: `0x%08x`", (u32)get_le(ours + 12, 4));
	assert_non_null(strstr(document, crc));

	block_of_document(document, "```hexdump table", block);
	example_table(ours);
	assert_memory_equal(block, ours, DMR_BLOCK_SIZE);
	snprintf(crc, sizeof(crc), "table: `0x%08x`", (u32)get_le(ours + 12, 4));
	assert_non_null(strstr(document, crc));
	free(document);
	free(super);
	free(back);
	free(block);
	free(ours);
}

#define FIELD(type, name)	\
	{ #name, offsetof(struct type, name), sizeof(((struct type *)0)->name) }

static const struct {
	const char *name;
	size_t at, bytes;
} documented[] = {
	FIELD(dmr_disk_header, magic),
	FIELD(dmr_disk_header, version),
	FIELD(dmr_disk_header, type),
	FIELD(dmr_disk_header, crc),
	FIELD(dmr_disk_header, uuid),
	FIELD(dmr_disk_header, position),
	FIELD(dmr_disk_header, generation),
	FIELD(dmr_disk_header, reserved),
	FIELD(dmr_disk_super, compat),
	FIELD(dmr_disk_super, ro_compat),
	FIELD(dmr_disk_super, incompat),
	FIELD(dmr_disk_super, segments),
	FIELD(dmr_disk_super, in_use),
	FIELD(dmr_disk_super, session),
	FIELD(dmr_disk_super, covered),
	FIELD(dmr_disk_super, main_start),
	FIELD(dmr_disk_super, main_id_kind),
	FIELD(dmr_disk_super, main_id_size),
	FIELD(dmr_disk_super, reserved1),
	FIELD(dmr_disk_super, main_id),
	FIELD(dmr_disk_super, main_text),
	FIELD(dmr_disk_super, relocations),
	FIELD(dmr_disk_super, reserved2),
	FIELD(dmr_disk_super, relocation),
	FIELD(dmr_disk_relocation, segment),
	FIELD(dmr_disk_relocation, place),
	FIELD(dmr_disk_relocation, reserved),
	FIELD(dmr_disk_entry, unit_low),
	FIELD(dmr_disk_entry, unit_high),
	FIELD(dmr_disk_entry, owned),
	FIELD(dmr_disk_entry, pending),
	FIELD(dmr_disk_entry, moves),
	FIELD(dmr_disk_entry, state),
	FIELD(dmr_disk_entry, reserved),
};

static void each_field_is_in_the_document_where_it_is_on_disk(void **state)
{
	char row[128], *document;
	unsigned int i;
	size_t size;

	(void)state;
	document = read_source("docs/FORMAT.md", &size);
	for (i = 0; i < ELEMENTS(documented); i++) {
		snprintf(row, sizeof(row), "| %zu | %zu | `%s` |", documented[i].at,
			 documented[i].bytes, documented[i].name);
		if (!strstr(document, row))
			fail_msg("docs/FORMAT.md has no row %s", row);
	}
	free(document);
}

/* Written once, in format version 2: they must be read for ever. */
static void the_images_are_read(void **state)
{
	struct dmr_super *super = new_super(), *back = new_super();
	u8 *block = new_block();
	u64 generation = 0;
	char *image;
	size_t size;

	(void)state;
	image = read_source("tests/images/super-2.img", &size);
	assert_int_equal(size, DMR_BLOCK_SIZE);
	memcpy(block, image, size);
	free(image);
	example_super(super);
	assert_int_equal(dmr_super_decode(block, 2, back), DMR_GOOD);
	assert_memory_equal(back, super, sizeof(*super));

	image = read_source("tests/images/table-1-a.img", &size);
	assert_int_equal(size, DMR_BLOCK_SIZE);
	memcpy(block, image, size);
	free(image);
	assert_int_equal(dmr_table_check(block, example_uuid, 1, DMR_PLACE_A, &generation),
			 DMR_GOOD);
	assert_true(generation == (3ULL << 32 | 6));
	free(super);
	free(back);
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_plain_crc32c),
		cmocka_unit_test(crc_of_a_block_can_be_checked_by_others),
		cmocka_unit_test(superblock_comes_back_as_it_was),
		cmocka_unit_test(compat_bits_that_nobody_knows_are_kept),
		cmocka_unit_test(a_flipped_bit_of_a_superblock_is_found),
		cmocka_unit_test(a_flipped_bit_of_a_table_is_found),
		cmocka_unit_test(each_field_of_a_superblock_is_checked),
		cmocka_unit_test(a_superblock_without_segments_in_use_is_refused),
		cmocka_unit_test(a_segment_cannot_be_relocated_twice),
		cmocka_unit_test(the_order_of_verdicts_is_that_of_the_checks),
		cmocka_unit_test(a_superblock_is_believed_in_its_own_place_only),
		cmocka_unit_test(relocations_are_found_again),
		cmocka_unit_test(a_copy_that_is_back_at_its_place_is_no_relocation),
		cmocka_unit_test(a_relocation_onto_the_other_copy_is_refused),
		cmocka_unit_test(a_full_list_takes_no_other_segment),
		cmocka_unit_test(a_segment_that_did_not_come_into_use_is_not_written_as_relocated),
		cmocka_unit_test(table_comes_back_as_it_was),
		cmocka_unit_test(a_table_can_be_sealed_for_one_place_after_the_other),
		cmocka_unit_test(each_field_of_a_table_is_checked),
		cmocka_unit_test(the_pair_of_a_table_is_checked_only_where_asked_for),
		cmocka_unit_test(an_empty_table_is_all_free),
		cmocka_unit_test(our_magic_is_seen_whatever_the_rest),
		cmocka_unit_test(one_bit_makes_a_block_not_blank),
		cmocka_unit_test(each_verdict_has_its_own_words),
		cmocka_unit_test(a_segment_has_room_for_its_tables_and_slots_and_nothing_else),
		cmocka_unit_test(segments_are_counted_by_the_length_of_the_spare),
		cmocka_unit_test(uuids_are_read_and_written),
		cmocka_unit_test(what_is_no_uuid_is_refused),
		cmocka_unit_test(the_examples_of_the_document_are_what_we_write),
		cmocka_unit_test(each_field_is_in_the_document_where_it_is_on_disk),
		cmocka_unit_test(the_images_are_read),
	};

	numbers = random_start(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

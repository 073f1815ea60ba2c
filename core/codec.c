// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Encodes and validates metadata blocks (docs/FORMAT.md). What a check accepts, the encoder
 * would write again byte for byte: reserved room is zero and every list has one order only.
 */
#include "codec.h"

/* Linux counts a disk's bytes in a signed 64-bit number. */
#define DMR_MAX_START		(1ULL << 54)

static const char * const dmr_verdict_texts[] = {
	[DMR_GOOD] = "good",
	[DMR_BLANK] = "blank",
	[DMR_NOT_OURS] = "not a dm-remap block",
	[DMR_BAD_CRC] = "checksum is wrong",
	[DMR_BAD_VERSION] = "format version is not known",
	[DMR_BAD_TYPE] = "block is of another type",
	[DMR_BAD_POSITION] = "block belongs to another place",
	[DMR_BAD_UUID] = "block belongs to another pair",
	[DMR_BAD_FEATURES] = "features are needed that are not known",
	[DMR_BAD_CONTENT] = "a field is out of range",
};

const char *dmr_verdict_text(enum dmr_verdict verdict)
{
	return (unsigned int)verdict <= DMR_BAD_CONTENT ? dmr_verdict_texts[verdict] : "unknown";
}

bool dmr_block_is_ours(const void *block)
{
	const struct dmr_disk_header *header = block;

	return le64_to_cpu(header->magic) == DMR_MAGIC;
}

bool dmr_block_is_blank(const void *block, size_t bytes)
{
	const u64 *word = block;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}

static bool dmr_all_zero(const u8 *byte, size_t bytes)
{
	while (bytes)
		if (byte[--bytes])
			return false;
	return true;
}

/* Plain CRC32C of the block as if its crc field were zero; the block is not touched. */
static u32 dmr_block_crc(const void *block)
{
	static const u8 zero[sizeof(__le32)];
	const size_t field = offsetof(struct dmr_disk_header, crc);
	const size_t rest = field + sizeof(zero);
	const u8 *byte = block;
	u32 crc;

	crc = dmr_crc32c(~0u, byte, field);
	crc = dmr_crc32c(crc, zero, sizeof(zero));
	return ~dmr_crc32c(crc, byte + rest, DMR_BLOCK_SIZE - rest);
}

/* The checks that blocks of all types share, in the order of enum dmr_verdict. */
static enum dmr_verdict dmr_header_check(const void *block, enum dmr_block_type type, u64 position)
{
	const struct dmr_disk_header *header = block;

	if (!dmr_block_is_ours(block))
		return dmr_block_is_blank(block, DMR_BLOCK_SIZE) ? DMR_BLANK : DMR_NOT_OURS;
	if (le32_to_cpu(header->crc) != dmr_block_crc(block))
		return DMR_BAD_CRC;
	if (le16_to_cpu(header->version) != DMR_VERSION)
		return DMR_BAD_VERSION;
	if (le16_to_cpu(header->type) != type)
		return DMR_BAD_TYPE;
	if (le64_to_cpu(header->position) != position)
		return DMR_BAD_POSITION;
	return DMR_GOOD;
}

/* Comes last: the CRC covers all that was put into the block before. */
static void dmr_header_seal(void *block, enum dmr_block_type type, const u8 uuid[16], u64 position,
			    u64 generation)
{
	struct dmr_disk_header *header = block;

	memset(header, 0, sizeof(*header));
	header->magic = cpu_to_le64(DMR_MAGIC);
	header->version = cpu_to_le16(DMR_VERSION);
	header->type = cpu_to_le16(type);
	memcpy(header->uuid, uuid, sizeof(header->uuid));
	header->position = cpu_to_le64(position);
	header->generation = cpu_to_le64(generation);
	header->crc = cpu_to_le32(dmr_block_crc(block));
}

/* Superblock */

static void dmr_main_encode(struct dmr_disk_super *disk, const struct dmr_super *super)
{
	const struct dmr_main_id *id = &super->main;
	u8 size = id->size < DMR_MAIN_ID_SIZE ? id->size : DMR_MAIN_ID_SIZE;
	unsigned int i;

	disk->covered = cpu_to_le64(super->covered);
	disk->main_start = cpu_to_le64(id->start);
	disk->main_id_kind = id->kind;
	disk->main_id_size = size;
	memcpy(disk->main_id, id->id, size);
	for (i = 0; i < DMR_MAIN_TEXT_SIZE && super->main_text[i]; i++)
		disk->main_text[i] = (u8)super->main_text[i];
}

/* Leaves out segments that are not in use: their tables are not there, a reader would refuse. */
static void dmr_relocations_encode(struct dmr_disk_super *disk, const struct dmr_super *super)
{
	u32 i, count = 0;

	for (i = 0; i < super->relocations && i < DMR_MAX_RELOCATIONS; i++) {
		const struct dmr_relocation *from = &super->relocation[i];
		struct dmr_disk_relocation *to = &disk->relocation[count];

		if (from->segment >= super->in_use)
			continue;
		to->segment = cpu_to_le32(from->segment);
		to->place[0] = from->place[0];
		to->place[1] = from->place[1];
		count++;
	}
	disk->relocations = cpu_to_le32(count);
}

void dmr_super_encode(void *block, const struct dmr_super *super, unsigned int copy)
{
	struct dmr_disk_super *disk = block;

	memset(disk, 0, sizeof(*disk));
	disk->compat = cpu_to_le32(super->compat);
	disk->ro_compat = cpu_to_le32(super->ro_compat);
	disk->incompat = cpu_to_le32(super->incompat);
	disk->segments = cpu_to_le32(super->segments);
	disk->in_use = cpu_to_le32(super->in_use);
	disk->session = cpu_to_le32(super->session);
	dmr_main_encode(disk, super);
	dmr_relocations_encode(disk, super);
	dmr_header_seal(disk, DMR_TYPE_SUPER, super->uuid, dmr_super_sector(copy),
			super->generation);
}

static bool dmr_features_known(const struct dmr_disk_super *disk)
{
	return !(le32_to_cpu(disk->incompat) & ~DMR_FEATURES_INCOMPAT) &&
	       !(le32_to_cpu(disk->ro_compat) & ~DMR_FEATURES_RO_COMPAT);
}

static bool dmr_super_reserved_ok(const struct dmr_disk_super *disk)
{
	return dmr_all_zero(disk->header.reserved, sizeof(disk->header.reserved)) &&
	       dmr_all_zero(disk->reserved1, sizeof(disk->reserved1)) &&
	       dmr_all_zero(disk->reserved2, sizeof(disk->reserved2));
}

static bool dmr_numbers_ok(const struct dmr_disk_super *disk)
{
	u32 segments = le32_to_cpu(disk->segments), in_use = le32_to_cpu(disk->in_use);
	u64 covered = le64_to_cpu(disk->covered);

	return segments && segments <= DMR_MAX_SEGMENTS && in_use && in_use <= segments &&
	       covered && covered <= DMR_MAX_COVERED &&
	       le64_to_cpu(disk->main_start) < DMR_MAX_START;
}

static bool dmr_main_ok(const struct dmr_disk_super *disk)
{
	u8 size = disk->main_id_size;
	unsigned int text = 0;

	if (disk->main_id_kind > DMR_ID_PARTUUID || size > DMR_MAIN_ID_SIZE)
		return false;
	if (disk->main_id_kind == DMR_ID_NONE ? size : !size)
		return false;
	while (text < DMR_MAIN_TEXT_SIZE && disk->main_text[text])
		text++;
	return dmr_all_zero(disk->main_id + size, DMR_MAIN_ID_SIZE - size) &&
	       dmr_all_zero(disk->main_text + text, DMR_MAIN_TEXT_SIZE - text);
}

static bool dmr_places_ok(const u8 place[2])
{
	return place[0] < DMR_TABLE_PLACES && place[1] < DMR_TABLE_PLACES && place[0] != place[1];
}

static bool dmr_places_usual(const u8 place[2])
{
	return place[0] == DMR_PLACE_A && place[1] == DMR_PLACE_B;
}

/* Strictly rising segments: none twice, and quick to find. */
static bool dmr_relocations_ok(const struct dmr_disk_super *disk)
{
	u32 i, least = 0, count = le32_to_cpu(disk->relocations);

	if (count > DMR_MAX_RELOCATIONS)
		return false;
	for (i = 0; i < count; i++) {
		const struct dmr_disk_relocation *entry = &disk->relocation[i];
		u32 segment = le32_to_cpu(entry->segment);

		if (segment < least || segment >= le32_to_cpu(disk->in_use) ||
		    !dmr_places_ok(entry->place) || dmr_places_usual(entry->place) ||
		    !dmr_all_zero(entry->reserved, sizeof(entry->reserved)))
			return false;
		least = segment + 1;
	}
	return dmr_all_zero((const u8 *)(disk->relocation + count),
			    (DMR_MAX_RELOCATIONS - count) * sizeof(disk->relocation[0]));
}

static void dmr_super_copy(struct dmr_super *super, const struct dmr_disk_super *disk)
{
	u32 i;

	memset(super, 0, sizeof(*super));
	memcpy(super->uuid, disk->header.uuid, sizeof(super->uuid));
	super->generation = le64_to_cpu(disk->header.generation);
	super->compat = le32_to_cpu(disk->compat);
	super->ro_compat = le32_to_cpu(disk->ro_compat);
	super->incompat = le32_to_cpu(disk->incompat);
	super->segments = le32_to_cpu(disk->segments);
	super->in_use = le32_to_cpu(disk->in_use);
	super->session = le32_to_cpu(disk->session);
	super->covered = le64_to_cpu(disk->covered);
	super->main.kind = disk->main_id_kind;
	super->main.size = disk->main_id_size;
	memcpy(super->main.id, disk->main_id, sizeof(super->main.id));
	super->main.start = le64_to_cpu(disk->main_start);
	memcpy(super->main_text, disk->main_text, DMR_MAIN_TEXT_SIZE);
	super->relocations = le32_to_cpu(disk->relocations);
	for (i = 0; i < super->relocations; i++) {
		super->relocation[i].segment = le32_to_cpu(disk->relocation[i].segment);
		memcpy(super->relocation[i].place, disk->relocation[i].place, 2);
	}
}

static enum dmr_verdict dmr_super_check(const void *block, unsigned int copy)
{
	const struct dmr_disk_super *disk = block;
	enum dmr_verdict verdict;

	verdict = dmr_header_check(block, DMR_TYPE_SUPER, dmr_super_sector(copy));
	if (verdict != DMR_GOOD)
		return verdict;
	if (!dmr_features_known(disk))
		return DMR_BAD_FEATURES;
	if (!dmr_super_reserved_ok(disk) || !dmr_numbers_ok(disk) || !dmr_main_ok(disk) ||
	    !dmr_relocations_ok(disk))
		return DMR_BAD_CONTENT;
	return DMR_GOOD;
}

enum dmr_verdict dmr_super_decode(const void *block, unsigned int copy, struct dmr_super *super)
{
	enum dmr_verdict verdict = dmr_super_check(block, copy);

	if (verdict == DMR_GOOD)
		dmr_super_copy(super, block);
	return verdict;
}

static bool dmr_relocations_same(const struct dmr_super *a, const struct dmr_super *b)
{
	u32 i;

	if (a->relocations != b->relocations)
		return false;
	for (i = 0; i < a->relocations; i++)
		if (a->relocation[i].segment != b->relocation[i].segment ||
		    memcmp(a->relocation[i].place, b->relocation[i].place, 2))
			return false;
	return true;
}

bool dmr_super_same(const struct dmr_super *a, const struct dmr_super *b)
{
	return !memcmp(a->uuid, b->uuid, sizeof(a->uuid)) && a->generation == b->generation &&
	       a->compat == b->compat && a->ro_compat == b->ro_compat &&
	       a->incompat == b->incompat && a->segments == b->segments &&
	       a->session == b->session && a->in_use == b->in_use && a->covered == b->covered &&
	       a->main.kind == b->main.kind && a->main.size == b->main.size &&
	       !memcmp(a->main.id, b->main.id, sizeof(a->main.id)) &&
	       a->main.start == b->main.start && !strcmp(a->main_text, b->main_text) &&
	       dmr_relocations_same(a, b);
}

enum dmr_verdict dmr_super_peek(const void *block, unsigned int copy, u8 uuid[16], u64 *generation)
{
	const struct dmr_disk_super *disk = block;
	enum dmr_verdict verdict = dmr_super_check(block, copy);

	if (verdict == DMR_GOOD) {
		memcpy(uuid, disk->header.uuid, 16);
		*generation = le64_to_cpu(disk->header.generation);
	}
	return verdict;
}

/* Where the segment's entry is, or would have to be. */
static u32 dmr_relocation_find(const struct dmr_super *super, u32 segment)
{
	u32 low = 0, high = super->relocations;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (super->relocation[middle].segment < segment)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool dmr_relocation_at(const struct dmr_super *super, u32 at, u32 segment)
{
	return at < super->relocations && super->relocation[at].segment == segment;
}

void dmr_super_places(const struct dmr_super *super, u32 segment, u8 place[2])
{
	u32 at = dmr_relocation_find(super, segment);

	place[0] = DMR_PLACE_A;
	place[1] = DMR_PLACE_B;
	if (dmr_relocation_at(super, at, segment))
		memcpy(place, super->relocation[at].place, 2);
}

static void dmr_relocation_insert(struct dmr_super *super, u32 at, u32 segment)
{
	u32 i;

	for (i = super->relocations++; i > at; i--)
		super->relocation[i] = super->relocation[i - 1];
	super->relocation[at].segment = segment;
}

/* The entry left over at the end is cleared, so that equal lists are equal in memory too. */
static void dmr_relocation_drop(struct dmr_super *super, u32 at)
{
	u32 i, last = --super->relocations;

	for (i = at; i < last; i++)
		super->relocation[i] = super->relocation[i + 1];
	memset(&super->relocation[last], 0, sizeof(super->relocation[last]));
}

bool dmr_super_relocate(struct dmr_super *super, u32 segment, unsigned int which, u8 place)
{
	u32 at = dmr_relocation_find(super, segment);
	bool listed = dmr_relocation_at(super, at, segment);
	u8 places[2];

	dmr_super_places(super, segment, places);
	places[which & 1] = place;
	if (!dmr_places_ok(places))
		return false;
	if (dmr_places_usual(places)) {
		if (listed)
			dmr_relocation_drop(super, at);
		return true;
	}
	if (!listed) {
		if (super->relocations >= DMR_MAX_RELOCATIONS)
			return false;
		dmr_relocation_insert(super, at, segment);
	}
	memcpy(super->relocation[at].place, places, sizeof(places));
	return true;
}

/* Tables */

void dmr_table_init(void *block)
{
	memset(block, 0, DMR_BLOCK_SIZE);
}

static bool dmr_entry_ok(const struct dmr_disk_entry *entry)
{
	if (!dmr_all_zero(entry->reserved, sizeof(entry->reserved)))
		return false;
	switch (entry->state) {
	case DMR_SLOT_FREE:
	case DMR_SLOT_BAD:
		return !entry->owned && !entry->pending;
	case DMR_SLOT_USED:
		return entry->owned || entry->pending;
	case DMR_SLOT_LOST:
		return entry->owned & entry->pending;
	}
	return false;
}

enum dmr_verdict dmr_table_check(const void *block, const u8 uuid[16], u32 segment,
				 unsigned int place, u64 *generation)
{
	const struct dmr_disk_table *disk = block;
	enum dmr_verdict verdict;
	unsigned int i;

	verdict = dmr_header_check(block, DMR_TYPE_TABLE, dmr_table_sector(segment, place));
	if (verdict != DMR_GOOD)
		return verdict;
	if (uuid && memcmp(disk->header.uuid, uuid, sizeof(disk->header.uuid)))
		return DMR_BAD_UUID;
	if (!dmr_all_zero(disk->header.reserved, sizeof(disk->header.reserved)))
		return DMR_BAD_CONTENT;
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++)
		if (!dmr_entry_ok(&disk->entry[i]))
			return DMR_BAD_CONTENT;
	if (generation)
		*generation = le64_to_cpu(disk->header.generation);
	return DMR_GOOD;
}

void dmr_table_get(const void *block, unsigned int index, struct dmr_entry *entry)
{
	const struct dmr_disk_table *table = block;
	const struct dmr_disk_entry *disk = &table->entry[index];

	entry->unit = le32_to_cpu(disk->unit_low) | (u64)le16_to_cpu(disk->unit_high) << 32;
	entry->moves = le32_to_cpu(disk->moves);
	entry->owned = disk->owned;
	entry->pending = disk->pending;
	entry->state = disk->state;
}

void dmr_table_put(void *block, unsigned int index, const struct dmr_entry *entry)
{
	struct dmr_disk_table *table = block;
	struct dmr_disk_entry *disk = &table->entry[index];

	memset(disk, 0, sizeof(*disk));
	disk->unit_low = cpu_to_le32((u32)entry->unit);
	disk->unit_high = cpu_to_le16((u16)(entry->unit >> 32));
	disk->moves = cpu_to_le32(entry->moves);
	disk->owned = entry->owned;
	disk->pending = entry->pending;
	disk->state = entry->state;
}

void dmr_table_seal(void *block, const u8 uuid[16], u32 segment, unsigned int place, u64 generation)
{
	dmr_header_seal(block, DMR_TYPE_TABLE, uuid, dmr_table_sector(segment, place), generation);
}

/* UUIDs */

void dmr_uuid_format(const u8 uuid[16], char text[37])
{
	static const char digit[] = "0123456789abcdef";
	unsigned int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digit[uuid[i] >> 4];
		*text++ = digit[uuid[i] & 15];
	}
	*text = '\0';
}

static int dmr_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool dmr_uuid_parse(const char *text, u8 uuid[16])
{
	u8 byte[16];
	unsigned int i;

	for (i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		high = dmr_hex_digit(*text++);
		if (high < 0)
			return false;
		low = dmr_hex_digit(*text++);
		if (low < 0)
			return false;
		byte[i] = (u8)(high << 4 | low);
	}
	if (*text)
		return false;
	memcpy(uuid, byte, sizeof(byte));
	return true;
}

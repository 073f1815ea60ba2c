// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes tests/images/load-*.img: metadata blocks of one spare, each for the place that it names. load-base is
 * a healthy spare, every other one is laid over it: `good` loads, if only after a repair; `refused` does not;
 * `kernel` is believed by the loader and refused by the rest. The images are kept as they are; a new format gets new ones.
 */
#include "../unit/spare-disk.h"

static struct spare_disk *disk;
static const char *folder;
static struct dmr_super super;
static u64 block[DMR_BLOCK_SIZE / sizeof(u64)];
static u8 *const byte = (u8 *)block;
static FILE *file;

static void open_image(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/load-%s.img", folder, name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(1);
	}
}

static void add_block(const void *data)
{
	disk_must(fwrite(data, DMR_BLOCK_SIZE, 1, file) == 1);
}

static void close_image(void)
{
	disk_must(!fclose(file));
}

static const void *base(u64 sector)
{
	return disk_at(disk, sector / DMR_BLOCK_SECTORS);
}

static void seal(void)
{
	struct dmr_disk_header *header = (void *)block;

	header->crc = 0;
	header->crc = cpu_to_le32(~dmr_crc32c(~0u, block, DMR_BLOCK_SIZE));
}

/* The healthy superblock, newer than all; then a field is changed in `block`, or in `super` before. */
static void newer_super(unsigned int copy)
{
	super.generation++;
	dmr_super_encode(block, &super, copy);
	super.generation--;
}

static void fresh_super(void)
{
	disk_must(dmr_super_decode(base(0), 0, &super) == DMR_GOOD);
}

static void put(unsigned int offset, u64 value, unsigned int bytes)
{
	__le64 le = cpu_to_le64(value);

	memcpy(byte + offset, &le, bytes);
}

static void one_block(const char *name)
{
	open_image(name);
	seal();
	add_block(block);
	close_image();
}

/* Superblock 0, newer than the others, with this in a field. */
static void super_field(const char *name, unsigned int offset, u64 value, unsigned int bytes)
{
	fresh_super();
	newer_super(0);
	put(offset, value, bytes);
	one_block(name);
}

static void supers(void)
{
	super_field("refused-in-use-too-many", 80, DISK_SEGMENTS, 4);
	super_field("refused-longer-than-spare", 76, DISK_SEGMENTS + 1, 4);
	super_field("refused-covers-less", 88, 8, 8);
	super_field("refused-feature-incompat", 72, 1u << 31, 4);
	super_field("refused-feature-ro", 68, 1, 4);
	super_field("refused-version", 8, 0xffff, 2);
	super_field("kernel-covers-more", 88, 1ULL << 51, 8);
	super_field("good-feature-compat", 64, ~0u, 4);
	super_field("good-in-use-none", 80, 0, 4);
	super_field("good-in-use-more-than-all", 80, ~0u, 4);
	super_field("good-id-kind", 104, 5, 1);
	super_field("good-id-size", 105, 255, 1);
	super_field("good-relocations-too-many", 304, DMR_MAX_RELOCATIONS + 1, 4);
	super_field("good-relocations-all-ones", 304, ~0u, 4);
	super_field("good-relocation-place", 516, 4, 1);
	super_field("good-relocation-same-place", 516, 0x0303, 2);
	super_field("good-relocation-beyond", 512, ~0u, 4);
	super_field("good-covers-beyond-all", 88, ~0ULL, 8);
	super_field("good-type", 10, DMR_TYPE_TABLE, 2);

	fresh_super();
	disk_must(dmr_super_relocate(&super, 0, 0, DMR_PLACE_ALT1) &&
		  dmr_super_relocate(&super, 0, 1, DMR_PLACE_ALT2));
	newer_super(3);
	one_block("refused-relocated-nowhere");

	fresh_super();
	super.session = ~0u;
	super.generation = (u64)~0u << 32 | 5;
	newer_super(2);
	one_block("kernel-last-session");

	fresh_super();
	memset(super.uuid, 0x33, sizeof(super.uuid));
	open_image("refused-two-pairs");
	newer_super(1);
	add_block(block);
	newer_super(2);
	add_block(block);
	close_image();
}

/* Copy A of segment 0, newer than B. */
static void fresh_table(void)
{
	memcpy(block, base(dmr_table_sector(0, DMR_PLACE_A)), sizeof(block));
	byte[offsetof(struct dmr_disk_header, generation) + 1]++;
}

static void table_entry(const char *name, unsigned int index, struct dmr_entry entry)
{
	fresh_table();
	dmr_table_put(block, index, &entry);
	one_block(name);
}

static void tables(void)
{
	struct dmr_entry entry;
	unsigned int i;

	fresh_table();
	dmr_table_get(block, 20, &entry);
	table_entry("refused-unit-twice", 21, entry);
	entry.moves = 7;
	table_entry("good-unit-moved", 21, entry);
	entry.unit = (1ULL << 48) - 1;
	table_entry("refused-unit-last", 21, entry);
	entry.unit = DISK_MAIN / DMR_UNIT_SECTORS;
	table_entry("refused-unit-beyond", 21, entry);
	table_entry("good-state", 21, (struct dmr_entry){ .unit = 21, .owned = 1, .state = 4 });
	table_entry("good-state-all-ones", 21, (struct dmr_entry){ .owned = 1, .state = 255 });
	table_entry("good-used-without-sectors", 21,
		    (struct dmr_entry){ .unit = 21, .state = DMR_SLOT_USED });
	table_entry("good-lost-without-sectors", 21,
		    (struct dmr_entry){ .unit = 21, .owned = 1, .state = DMR_SLOT_LOST });
	table_entry("good-free-with-sectors", 21,
		    (struct dmr_entry){ .owned = 1, .state = DMR_SLOT_FREE });
	table_entry("good-moves-all-ones", 251,
		    (struct dmr_entry){ .unit = 1023, .owned = 1, .moves = ~0u,
					.state = DMR_SLOT_USED });

	fresh_table();
	dmr_table_get(block, 20, &entry);
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++)
		dmr_table_put(block, i, &entry);
	one_block("refused-one-unit-everywhere");

	fresh_table();
	for (i = 0; i < DMR_SEGMENT_SLOTS; i++)
		dmr_table_put(block, i, &(struct dmr_entry){ .state = DMR_SLOT_BAD });
	one_block("good-all-slots-bad");

	fresh_table();
	byte[DMR_BLOCK_SIZE - 1] = 1;
	one_block("good-entry-reserved");

	fresh_table();
	put(40, ~0ULL, 8);
	one_block("refused-table-from-later");

	fresh_table();
	put(10, DMR_TYPE_SUPER, 2);
	one_block("good-table-type");

	fresh_table();
	put(16, 0x4444444444444444ULL, 8);
	one_block("good-table-uuid");
}

static void healthy(void)
{
	u32 segment, i;
	u8 place[2];

	fresh_super();
	open_image("base");
	for (i = 0; i < DMR_SUPER_COPIES; i++)
		add_block(base(dmr_super_sector(i)));
	for (segment = 0; segment < super.in_use; segment++) {
		dmr_super_places(&super, segment, place);
		for (i = 0; i < 2; i++)
			add_block(base(dmr_table_sector(segment, place[i])));
	}
	close_image();
}

int main(int argc, char **argv)
{
	disk_must(argc == 2 && dmr_map_init());
	folder = argv[1];
	disk = disk_make(0x11, DMR_PLACE_B);
	healthy();
	supers();
	tables();
	disk_free(disk);
	dmr_map_exit();
	return 0;
}

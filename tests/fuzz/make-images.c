// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes the example blocks of docs/FORMAT.md: as images into a folder, and as dumps to stdout.
 * The images in tests/images are kept as they are; only a new format version gets new ones.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "../unit/format-example.h"

static int write_image(const char *folder, const char *name, const void *block)
{
	char path[4096];
	FILE *file;
	size_t written;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		return 1;
	}
	written = fwrite(block, 1, DMR_BLOCK_SIZE, file);
	if (fclose(file) || written != DMR_BLOCK_SIZE) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct dmr_super super;
	static u64 block[DMR_BLOCK_SIZE / sizeof(u64)];
	int failed = 0;

	example_super(&super);
	dmr_super_encode(block, &super, EXAMPLE_COPY);
	printf("```hexdump superblock\n");
	example_dump(stdout, block);
	printf("```\n\nCRC of the superblock: `0x%08x`\n\n", le32_to_cpu(((__le32 *)block)[3]));
	if (argc > 1)
		failed |= write_image(argv[1], "super-2.img", block);

	example_table(block);
	printf("```hexdump table\n");
	example_dump(stdout, block);
	printf("```\n\nCRC of the table: `0x%08x`\n", le32_to_cpu(((__le32 *)block)[3]));
	if (argc > 1)
		failed |= write_image(argv[1], "table-1-a.img", block);
	return failed;
}

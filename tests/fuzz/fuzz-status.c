// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any text as a status line: what is accepted is written so that it is read the same again.
 */
#include "args.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct dmr_status status, back;
	char line[512], *text = malloc(size + 1);
	int length;

	CLAIM(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (dmr_status_parse(text, &status)) {
		length = dmr_status_format(&status, line, sizeof(line));
		CLAIM(length > 0 && (size_t)length == strlen(line));
		CLAIM(dmr_status_parse(line, &back));
		CLAIM(!memcmp(&back, &status, sizeof(back)));
	}
	free(text);
	return 0;
}

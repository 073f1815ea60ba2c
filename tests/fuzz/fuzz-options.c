// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any words as table arguments: what is accepted is written so that it is read the same again.
 */
#include "args.h"
#include "fuzz.h"

/* count: the words it was read from. None of them may have got lost. */
static void check_format(const struct dmr_options *options, unsigned int count)
{
	struct dmr_options back;
	struct fuzz_words words;
	char text[128], error[DMR_ERROR_SIZE];
	int length = dmr_options_format(options, text, sizeof(text));

	CLAIM(length >= 0 && (size_t)length == strlen(text));
	fuzz_split(&words, (u8 *)text + !!*text, strlen(text) - !!*text);
	CLAIM(words.count == (count > 1 ? count : 0));
	CLAIM(dmr_options_parse(words.count, words.word, &back, error));
	CLAIM(!memcmp(&back, options, sizeof(back)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct dmr_options options;
	struct fuzz_words words;
	char error[DMR_ERROR_SIZE];

	fuzz_split(&words, data, size);
	memset(error, 'x', sizeof(error));
	if (dmr_options_parse(words.count, words.word, &options, error))
		check_format(&options, words.count);
	else
		fuzz_claim_error(error, sizeof(error));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A length and any words as a message: what is accepted lies within the length, and its numbers are
 * those that libc reads.
 */
#include <errno.h>

#include "args.h"
#include "fuzz.h"

static void claim_number(const char *text, u64 number)
{
	char *end;

	errno = 0;
	CLAIM(strtoull(text, &end, 10) == number && !errno && end != text && !*end);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct dmr_message message;
	struct fuzz_words words;
	char error[DMR_ERROR_SIZE], *end;
	u64 length;

	fuzz_split(&words, data, size);
	if (!words.count)
		return 0;
	length = strtoull(words.word[0], &end, 10);
	memset(error, 'x', sizeof(error));
	if (!dmr_message_parse(words.count - 1, words.word + 1, length, &message, error)) {
		fuzz_claim_error(error, sizeof(error));
		return 0;
	}
	CLAIM((unsigned int)message.verb < DMR_VERBS);
	if (words.count > 2) {
		CLAIM(message.sector < length);
		CLAIM(message.count && message.count <= length - message.sector);
		claim_number(words.word[2], message.sector);
		if (words.count > 3)
			claim_number(words.word[3], message.count);
	} else {
		CLAIM(!message.sector);
	}
	return 0;
}

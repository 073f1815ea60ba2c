/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every fuzzer needs: a claim that ends it, and a line that is split into words. */
#ifndef DMR_FUZZ_H
#define DMR_FUZZ_H

#include "dmr_env.h"

#define CLAIM(what)							\
	do {								\
		if (!(what)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n",		\
				__FILE__, __LINE__, #what);		\
			abort();					\
		}							\
	} while (0)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* A block of its own, exactly as long as it is, so that reading past it is seen. */
static inline u8 *fuzz_block(const u8 *data, size_t size)
{
	u8 *block = calloc(1, 4096);

	CLAIM(block);
	memcpy(block, data, size < 4096 ? size : 4096);
	return block;
}

#define FUZZ_WORDS	16u

struct fuzz_words {
	unsigned int count;
	char *word[FUZZ_WORDS];
	char text[1024];
};

/* Split at each space or line end; two of them in a row make an empty word. */
static inline void fuzz_split(struct fuzz_words *words, const u8 *data, size_t size)
{
	char *at = words->text;

	if (size > sizeof(words->text) - 1)
		size = sizeof(words->text) - 1;
	memcpy(words->text, data, size);
	words->text[size] = '\0';
	words->count = 0;
	while (*at && words->count < FUZZ_WORDS) {
		words->word[words->count++] = at;
		at += strcspn(at, " \n");
		if (*at)
			*at++ = '\0';
	}
}

/* An error is one line that says what would be right, and ends in its room. */
static inline void fuzz_claim_error(const char *error, size_t size)
{
	CLAIM(memchr(error, '\0', size));
	CLAIM(strstr(error, "expected"));
	CLAIM(!strchr(error, '\n'));
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * The status line and the counters: written and read here, so that what the module prints is
 * what programs understand. Keys may be added to the line later; a reader passes over them.
 */
#include "args.h"
#include "codec.h"

static const char * const dmr_state_words[DMR_STATES] = DMR_STATE_WORDS;

#define NUMERIC_KEYS	8u
#define UUID_KEY	NUMERIC_KEYS	/* its number: behind the others */

/* In the order in which they are printed; in the status line the uuid comes after them. */
static const struct {
	const char *key;
	size_t field;
} dmr_key_table[NUMERIC_KEYS] = {
	{ DMR_KEY_READ_ERRORS, offsetof(struct dmr_status, counters.read_errors) },
	{ DMR_KEY_WRITE_ERRORS, offsetof(struct dmr_status, counters.write_errors) },
	{ DMR_KEY_REMAPPED_READS, offsetof(struct dmr_status, counters.remapped_reads) },
	{ DMR_KEY_REMAPPED_WRITES, offsetof(struct dmr_status, counters.remapped_writes) },
	{ DMR_KEY_SPARE_ERRORS, offsetof(struct dmr_status, counters.spare_errors) },
	{ DMR_KEY_METADATA_ERRORS, offsetof(struct dmr_status, counters.metadata_errors) },
	{ DMR_KEY_HASH_BUCKETS, offsetof(struct dmr_status, hash_buckets) },
	{ DMR_KEY_HASH_ENTRIES, offsetof(struct dmr_status, hash_entries) },
};

const char *dmr_state_word(enum dmr_state state)
{
	return (unsigned int)state < DMR_STATES ? dmr_state_words[state] : "unknown";
}

/* How much of the room is spent when a text of `length` was to be put there. */
static size_t dmr_spent(size_t size, int length)
{
	return (size_t)length < size ? (size_t)length : size;
}

/* All numeric keys and their values behind what is there; returns the length it would need. */
static int dmr_keys_format(const struct dmr_status *status, char *text, size_t size, int length,
			   const char *before, const char *after)
{
	unsigned int i;

	for (i = 0; i < NUMERIC_KEYS; i++) {
		size_t spent = dmr_spent(size, length);
		const u64 *value = (const void *)((const u8 *)status + dmr_key_table[i].field);

		length += snprintf(text + spent, size - spent, "%s%s %llu%s", before,
				   dmr_key_table[i].key, (unsigned long long)*value, after);
	}
	return length;
}

int dmr_status_format(const struct dmr_status *status, char *text, size_t size)
{
	char uuid[37];
	size_t spent;
	int length;

	length = snprintf(text, size, "%s %llu/%llu %llu %llu %llu %u",
			  dmr_state_word(status->state), (unsigned long long)status->used_slots,
			  (unsigned long long)status->all_slots, (unsigned long long)status->owned,
			  (unsigned long long)status->pending,
			  (unsigned long long)status->bad_slots, NUMERIC_KEYS + 1);
	length = dmr_keys_format(status, text, size, length, " ", "");
	dmr_uuid_format(status->uuid, uuid);
	spent = dmr_spent(size, length);
	return length + snprintf(text + spent, size - spent, " " DMR_KEY_UUID " %s", uuid);
}

int dmr_stats_format(const struct dmr_status *status, char *text, size_t size)
{
	return dmr_keys_format(status, text, size, 0, "", "\n");
}

/* A word of the line: where it starts and how long it is. */
struct dmr_word {
	const char *start;
	size_t length;
};

static bool dmr_space(char c)
{
	return c == ' ' || c == '\n';
}

/* The next word; false at the end of the line. */
static bool dmr_word_next(const char **text, struct dmr_word *word)
{
	const char *at = *text;

	while (dmr_space(*at))
		at++;
	word->start = at;
	while (*at && !dmr_space(*at))
		at++;
	word->length = (size_t)(at - word->start);
	*text = at;
	return word->length;
}

static bool dmr_word_is(const struct dmr_word *word, const char *text)
{
	return !strncmp(word->start, text, word->length) && !text[word->length];
}

static bool dmr_word_number(const struct dmr_word *word, u64 *number)
{
	return dmr_number_parse(word->start, word->length, number);
}

static bool dmr_number_next(const char **text, u64 *number)
{
	struct dmr_word word;

	return dmr_word_next(text, &word) && dmr_word_number(&word, number);
}

static bool dmr_state_next(const char **text, enum dmr_state *state)
{
	struct dmr_word word;
	unsigned int i;

	if (!dmr_word_next(text, &word))
		return false;
	for (i = 0; i < DMR_STATES; i++)
		if (dmr_word_is(&word, dmr_state_words[i])) {
			*state = (enum dmr_state)i;
			return true;
		}
	return false;
}

/* "<used>/<all>" */
static bool dmr_slots_next(const char **text, u64 *used, u64 *all)
{
	struct dmr_word word, part;
	size_t i = 0;

	if (!dmr_word_next(text, &word))
		return false;
	while (i < word.length && word.start[i] != '/')
		i++;
	if (i == word.length)
		return false;
	part.start = word.start;
	part.length = i;
	word.start += i + 1;
	word.length -= i + 1;
	return dmr_word_number(&part, used) && dmr_word_number(&word, all);
}

static bool dmr_word_uuid(const struct dmr_word *word, u8 uuid[16])
{
	char text[37];

	if (word->length >= sizeof(text))
		return false;
	memcpy(text, word->start, word->length);
	text[word->length] = '\0';
	return dmr_uuid_parse(text, uuid);
}

/* seen: bit n for key n of the table, and one for the uuid; a key that comes twice is wrong. */
static bool dmr_pair_parse(const struct dmr_word *key, const struct dmr_word *value,
			   struct dmr_status *status, u32 *seen)
{
	unsigned int i;

	for (i = 0; i < NUMERIC_KEYS; i++)
		if (dmr_word_is(key, dmr_key_table[i].key))
			break;
	if (i == UUID_KEY && !dmr_word_is(key, DMR_KEY_UUID))
		return true;
	if (*seen & 1u << i)
		return false;
	*seen |= 1u << i;
	if (i == UUID_KEY)
		return dmr_word_uuid(value, status->uuid);
	return dmr_word_number(value, (void *)((u8 *)status + dmr_key_table[i].field));
}

bool dmr_status_parse(const char *text, struct dmr_status *status)
{
	struct dmr_status result;
	struct dmr_word key, value;
	u64 pairs;
	u32 seen = 0;

	memset(&result, 0, sizeof(result));
	if (!dmr_state_next(&text, &result.state) ||
	    !dmr_slots_next(&text, &result.used_slots, &result.all_slots) ||
	    !dmr_number_next(&text, &result.owned) || !dmr_number_next(&text, &result.pending) ||
	    !dmr_number_next(&text, &result.bad_slots) || !dmr_number_next(&text, &pairs))
		return false;
	for (; pairs; pairs--) {
		if (!dmr_word_next(&text, &key) || !dmr_word_next(&text, &value) ||
		    !dmr_pair_parse(&key, &value, &result, &seen))
			return false;
	}
	if (dmr_word_next(&text, &key))
		return false;
	*status = result;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The words of include/dm-remap/interface.h: what is accepted, and the line that says what is
 * wrong with the rest.
 */
#include <stdio.h>

#include "unit.h"
#include "args.h"
#include "codec.h"

#define ELEMENTS(array)	(sizeof(array) / sizeof((array)[0]))
#define UUID		"6b1d2f0a-93c4-4e57-a810-5d77e239bc04"

static const u8 uuid_bytes[16] = {
	0x6b, 0x1d, 0x2f, 0x0a, 0x93, 0xc4, 0x4e, 0x57,
	0xa8, 0x10, 0x5d, 0x77, 0xe2, 0x39, 0xbc, 0x04,
};

#define MOST_WORDS	12u

struct words {
	unsigned int count;
	char *word[MOST_WORDS];
	char text[512];
};

/* Splits at single spaces, as device-mapper does; "''" stands for an empty word. */
static void split(struct words *words, const char *line)
{
	char *at = words->text;

	assert_true(strlen(line) < sizeof(words->text));
	strcpy(words->text, line);
	words->count = 0;
	while (*at) {
		assert_true(words->count < MOST_WORDS);
		words->word[words->count++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
		if (!strcmp(words->word[words->count - 1], "''"))
			*words->word[words->count - 1] = '\0';
	}
}

static bool parse_options(const char *line, struct dmr_options *options, char *error)
{
	struct words words;

	split(&words, line);
	return dmr_options_parse(words.count, words.word, options, error);
}

static bool parse_message(const char *line, u64 length, struct dmr_message *message, char *error)
{
	struct words words;

	split(&words, line);
	return dmr_message_parse(words.count, words.word, length, message, error);
}

/* Numbers */

static void numbers_are_decimal_and_fit(void **state)
{
	static const struct {
		const char *text;
		bool good;
		u64 value;
	} rows[] = {
		{ "0", true, 0 },
		{ "7", true, 7 },
		{ "0010", true, 10 },
		{ "18446744073709551615", true, ~0ULL },
		{ "18446744073709551609", true, ~0ULL - 6 },
		{ "18446744073709551616", false, 0 },
		{ "18446744073709551620", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "184467440737095516150", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "0x10", false, 0 },
		{ "1k", false, 0 },
		{ "1.5", false, 0 },
		{ "/", false, 0 },
		{ ":", false, 0 },
		{ "\xb1", false, 0 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ELEMENTS(rows); i++) {
		u64 value = 4711;
		bool good = dmr_number_parse(rows[i].text, strlen(rows[i].text), &value);

		if (good != rows[i].good || value != (good ? rows[i].value : 4711))
			fail_msg("\"%s\": %d, %llu", rows[i].text, good, (unsigned long long)value);
	}
}

/* Table arguments */

static void options_are_read(void **state)
{
	struct dmr_options options;
	char error[DMR_ERROR_SIZE];

	(void)state;
	assert_true(parse_options("", &options, error));
	assert_false(options.have_uuid || options.new_main || options.no_auto || options.fail_pending);
	assert_true(parse_options("0", &options, error));
	assert_false(options.have_uuid || options.new_main || options.no_auto || options.fail_pending);
	assert_true(parse_options("1 new_main", &options, error));
	assert_true(options.new_main && !options.no_auto && !options.fail_pending && !options.have_uuid);
	assert_true(parse_options("1 no_auto", &options, error));
	assert_true(options.no_auto && !options.new_main && !options.fail_pending && !options.have_uuid);
	assert_true(parse_options("1 fail_pending", &options, error));
	assert_true(options.fail_pending && !options.new_main && !options.no_auto && !options.have_uuid);
	assert_true(parse_options("5 fail_pending no_auto uuid " UUID " new_main", &options, error));
	assert_true(options.have_uuid && options.new_main && options.no_auto && options.fail_pending);
	assert_memory_equal(options.uuid, uuid_bytes, 16);
}

static const struct {
	const char *line, *error;
} wrong_options[] = {
	{ "no_auto",
	  "\"no_auto\" is no number of arguments: expected 0, for so many words follow" },
	{ "x no_auto",
	  "\"x\" is no number of arguments: expected 1, for so many words follow" },
	{ "-1 no_auto",
	  "\"-1\" is no number of arguments: expected 1, for so many words follow" },
	{ "'' no_auto",
	  "\"\" is no number of arguments: expected 1, for so many words follow" },
	{ "99999999999999999999 no_auto",
	  "\"99999999999999999999\" is no number of arguments: expected 1, for so many words follow" },
	{ "4294967297 no_auto",
	  "4294967297 arguments announced, 1 given: expected 1" },
	{ "2 no_auto",
	  "2 arguments announced, 1 given: expected 1" },
	{ "1 no_auto new_main",
	  "1 arguments announced, 2 given: expected 2" },
	{ "1",
	  "1 arguments announced, 0 given: expected 0" },
	{ "1 no_outo",
	  "unknown argument \"no_outo\": expected uuid <uuid>, new_main, no_auto or fail_pending" },
	{ "1 NO_AUTO",
	  "unknown argument \"NO_AUTO\": expected uuid <uuid>, new_main, no_auto or fail_pending" },
	{ "1 no_auto2",
	  "unknown argument \"no_auto2\": expected uuid <uuid>, new_main, no_auto or fail_pending" },
	{ "1 ''",
	  "unknown argument \"\": expected uuid <uuid>, new_main, no_auto or fail_pending" },
	{ "1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "unknown argument \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": expected uuid <uuid>, new_main, no_auto or fail_pending" },
	{ "3 no_auto new_main no_auto",
	  "argument \"no_auto\" given twice: expected it once" },
	{ "2 new_main new_main",
	  "argument \"new_main\" given twice: expected it once" },
	{ "2 fail_pending fail_pending",
	  "argument \"fail_pending\" given twice: expected it once" },
	{ "4 uuid " UUID " uuid " UUID,
	  "argument \"uuid\" given twice: expected it once" },
	{ "1 uuid",
	  "uuid \"\" is no UUID: expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" },
	{ "2 uuid no_auto",
	  "uuid \"no_auto\" is no UUID: expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" },
	{ "2 uuid " UUID "0",
	  "uuid \"" UUID "0\" is no UUID: expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" },
	{ "2 uuid " UUID UUID UUID,
	  "uuid \"" UUID "6b1d\" is no UUID: expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" },
};

static void a_wrong_option_is_named_with_what_would_be_right(void **state)
{
	struct dmr_options options, before;
	unsigned int i;

	(void)state;
	memset(&before, 0, sizeof(before));
	before.no_auto = true;
	for (i = 0; i < ELEMENTS(wrong_options); i++) {
		char error[DMR_ERROR_SIZE] = "";

		options = before;
		if (parse_options(wrong_options[i].line, &options, error))
			fail_msg("accepted: %s", wrong_options[i].line);
		assert_string_equal(error, wrong_options[i].error);
		/* Nothing was handed out. */
		assert_memory_equal(&options, &before, sizeof(options));
	}
}

static void options_are_written_as_they_are_read(void **state)
{
	struct dmr_options options, back;
	char text[128], error[DMR_ERROR_SIZE];
	unsigned int bits;
	int length;

	(void)state;
	for (bits = 0; bits < 16; bits++) {
		memset(&options, 0, sizeof(options));
		options.have_uuid = bits & 1;
		options.new_main = bits & 2;
		options.no_auto = bits & 4;
		options.fail_pending = bits & 8;
		if (options.have_uuid)
			memcpy(options.uuid, uuid_bytes, 16);
		length = dmr_options_format(&options, text, sizeof(text));
		assert_int_equal(length, strlen(text));
		assert_true(bits ? *text == ' ' : *text == '\0');
		assert_true(parse_options(bits ? text + 1 : text, &back, error));
		assert_memory_equal(&back, &options, sizeof(options));
	}
	assert_string_equal(text, " 5 uuid " UUID " new_main no_auto fail_pending");
}

/* Messages */

static const struct {
	const char *line;
	enum dmr_verb verb;
	u64 sector, count;
} right_messages[] = {
	{ "help", DMR_VERB_HELP, 0, 1 },
	{ "remap 5", DMR_VERB_REMAP, 5, 1 },
	{ "remap 0 1000", DMR_VERB_REMAP, 0, 1000 },
	{ "remap 999 1", DMR_VERB_REMAP, 999, 1 },
	{ "unremap 8 8", DMR_VERB_UNREMAP, 8, 8 },
	{ "list", DMR_VERB_LIST, 0, 1000 },
	{ "list 0", DMR_VERB_LIST, 0, 1000 },
	{ "list 999", DMR_VERB_LIST, 999, 1 },
	{ "stats", DMR_VERB_STATS, 0, 1 },
	{ "stats_clear", DMR_VERB_STATS_CLEAR, 0, 1 },
	{ "health", DMR_VERB_HEALTH, 0, 1 },
	{ "retest 10 2", DMR_VERB_RETEST, 10, 2 },
	{ "grow", DMR_VERB_GROW, 0, 1 },
	{ "resume_auto", DMR_VERB_RESUME_AUTO, 0, 1 },
};

static void messages_are_read(void **state)
{
	u32 seen = 0;
	unsigned int i;

	(void)state;
	for (i = 0; i < ELEMENTS(right_messages); i++) {
		struct dmr_message message = { .sector = 4711 };
		char error[DMR_ERROR_SIZE] = "";

		if (!parse_message(right_messages[i].line, 1000, &message, error))
			fail_msg("%s: %s", right_messages[i].line, error);
		assert_int_equal(message.verb, right_messages[i].verb);
		assert_int_equal(message.sector, right_messages[i].sector);
		assert_int_equal(message.count, right_messages[i].count);
		seen |= 1u << message.verb;
	}
	assert_int_equal(seen, (1u << DMR_VERBS) - 1);
}

#define VERBS	"expected help, remap, unremap, list, stats, stats_clear, health, retest, grow or resume_auto"

static const struct {
	const char *line, *error;
} wrong_messages[] = {
	{ "", "unknown message \"\": " VERBS },
	{ "''", "unknown message \"\": " VERBS },
	{ "Help", "unknown message \"Help\": " VERBS },
	{ "stat", "unknown message \"stat\": " VERBS },
	{ "stats_", "unknown message \"stats_\": " VERBS },
	{ "remap_everything_now 1", "unknown message \"remap_everythin\": " VERBS },
	{ "help me", "help with 1 words after it: expected \"help\"" },
	{ "stats 1", "stats with 1 words after it: expected \"stats\"" },
	{ "stats_clear 1", "stats_clear with 1 words after it: expected \"stats_clear\"" },
	{ "health 1 2", "health with 2 words after it: expected \"health\"" },
	{ "grow 1", "grow with 1 words after it: expected \"grow\"" },
	{ "resume_auto now", "resume_auto with 1 words after it: expected \"resume_auto\"" },
	{ "list 1 2", "list with 2 words after it: expected \"list [<from sector>]\"" },
	{ "remap", "remap with 0 words after it: expected \"remap <sector> [<count>]\"" },
	{ "remap 1 2 3", "remap with 3 words after it: expected \"remap <sector> [<count>]\"" },
	{ "unremap", "unremap with 0 words after it: expected \"unremap <sector> [<count>]\"" },
	{ "retest", "retest with 0 words after it: expected \"retest <sector> [<count>]\"" },
	{ "remap x", "remap: sector \"x\" is wrong: expected a number below 1000" },
	{ "remap ''", "remap: sector \"\" is wrong: expected a number below 1000" },
	{ "remap 1000", "remap: sector \"1000\" is wrong: expected a number below 1000" },
	{ "unremap -1", "unremap: sector \"-1\" is wrong: expected a number below 1000" },
	{ "list 1000", "list: sector \"1000\" is wrong: expected a number below 1000" },
	{ "retest 18446744073709551616",
	  "retest: sector \"18446744073709551616\" is wrong: expected a number below 1000" },
	{ "remap 990 0", "remap: count \"0\" is wrong: expected 1 to 10 from sector 990 on" },
	{ "remap 990 11", "remap: count \"11\" is wrong: expected 1 to 10 from sector 990 on" },
	{ "unremap 990 8k", "unremap: count \"8k\" is wrong: expected 1 to 10 from sector 990 on" },
	{ "remap 999 18446744073709551615",
	  "remap: count \"18446744073709551615\" is wrong: expected 1 to 1 from sector 999 on" },
};

static void a_wrong_message_is_named_with_what_would_be_right(void **state)
{
	struct dmr_message message, before;
	unsigned int i;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (i = 0; i < ELEMENTS(wrong_messages); i++) {
		char error[DMR_ERROR_SIZE] = "";

		message = before;
		if (parse_message(wrong_messages[i].line, 1000, &message, error))
			fail_msg("accepted: %s", wrong_messages[i].line);
		assert_string_equal(error, wrong_messages[i].error);
		assert_memory_equal(&message, &before, sizeof(message));
	}
}

static void the_longest_error_line_fits_with_its_end(void **state)
{
	char error[DMR_ERROR_SIZE], line[256];
	struct dmr_message message;

	(void)state;
	snprintf(line, sizeof(line), "unremap 1%0200d", 0);
	assert_false(parse_message(line, ~0ULL, &message, error));
	assert_non_null(strstr(error, "expected a number below 18446744073709551615"));
	snprintf(line, sizeof(line), "unremap 00000000000000000000000001 9%0200d", 0);
	assert_false(parse_message(line, ~0ULL, &message, error));
	assert_string_equal(error + strlen(error) - 3, " on");
	snprintf(line, sizeof(line), "%0200d", 0);
	assert_false(parse_message(line, ~0ULL, &message, error));
	assert_non_null(strstr(error, "or resume_auto"));
}

static void help_has_a_line_for_each_message(void **state)
{
	static const char * const lines[] = {
		"help: ", "\nremap <sector> [<count>]: ", "\nunremap <sector> [<count>]: ",
		"\nlist [<from sector>]: ", "\nstats: ", "\nstats_clear: ", "\nhealth: ",
		"\nretest <sector> [<count>]: ", "\ngrow: ", "\nresume_auto: ",
	};
	const char *help = dmr_message_help(), *at;
	unsigned int i, ends = 0;

	(void)state;
	assert_int_equal(ELEMENTS(lines), DMR_VERBS);
	assert_ptr_equal(strstr(help, lines[0]), help);
	for (i = 1; i < ELEMENTS(lines); i++)
		if (!strstr(help, lines[i]))
			fail_msg("no line for %s", lines[i] + 1);
	for (at = help; *at; at++)
		ends += *at == '\n';
	assert_int_equal(ends, DMR_VERBS);
}

/* Status */

static void example_status(struct dmr_status *status)
{
	memset(status, 0, sizeof(*status));
	status->state = DMR_TRIPPED;
	status->used_slots = 3;
	status->all_slots = 4294967292ULL;
	status->owned = 17;
	status->pending = 2;
	status->bad_slots = 1;
	status->counters.read_errors = 11;
	status->counters.write_errors = 12;
	status->counters.remapped_reads = 13;
	status->counters.remapped_writes = 14;
	status->counters.spare_errors = 15;
	status->counters.metadata_errors = ~0ULL;
	status->hash_buckets = 64;
	status->hash_entries = 5;
	memcpy(status->uuid, uuid_bytes, 16);
}

#define EXAMPLE_LINE	"tripped 3/4294967292 17 2 1 9 read_errors 11 write_errors 12 remapped_reads 13 " \
			"remapped_writes 14 spare_errors 15 metadata_errors 18446744073709551615 " \
			"hash_buckets 64 hash_entries 5 uuid " UUID

static void the_status_line_is_as_documented(void **state)
{
	struct dmr_status status;
	char text[512];

	(void)state;
	example_status(&status);
	assert_int_equal(dmr_status_format(&status, text, sizeof(text)), strlen(EXAMPLE_LINE));
	assert_string_equal(text, EXAMPLE_LINE);
}

static void a_status_line_that_does_not_fit_is_cut_and_its_length_told(void **state)
{
	struct dmr_status status;
	char text[512];
	size_t size;

	(void)state;
	example_status(&status);
	for (size = 1; size <= strlen(EXAMPLE_LINE) + 1; size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(dmr_status_format(&status, text, size), strlen(EXAMPLE_LINE));
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, EXAMPLE_LINE, size - 1);
		assert_int_equal(text[size], 'x');
	}
	assert_int_equal(dmr_status_format(&status, NULL, 0), strlen(EXAMPLE_LINE));
	*text = 'x';
	assert_int_equal(dmr_stats_format(&status, text, 0), dmr_stats_format(&status, NULL, 0));
	assert_int_equal(*text, 'x');
}

static void the_status_line_is_read_back(void **state)
{
	struct dmr_status status, back;
	unsigned int i;
	char text[512];

	(void)state;
	example_status(&status);
	for (i = DMR_ACTIVE; i < DMR_STATES; i++) {
		status.state = (enum dmr_state)i;
		dmr_status_format(&status, text, sizeof(text));
		memset(&back, 0xee, sizeof(back));
		assert_true(dmr_status_parse(text, &back));
		assert_memory_equal(&back, &status, sizeof(back));
	}
}

static void a_reader_passes_over_keys_it_does_not_know(void **state)
{
	struct dmr_status status;

	(void)state;
	assert_true(dmr_status_parse("full 1/2 3 4 5 3 new_key x/y write_errors 7 read_errors_2 9\n",
				     &status));
	assert_int_equal(status.state, DMR_FULL);
	assert_int_equal(status.bad_slots, 5);
	assert_int_equal(status.counters.write_errors, 7);
	assert_int_equal(status.counters.read_errors, 0);
	assert_true(dmr_status_parse("active 0/0 0 0 0 0", &status));
	assert_true(dmr_status_parse("active 0/0 0 0 0 0\n", &status));
}

static void what_is_no_status_line_is_refused(void **state)
{
	static const char * const wrong[] = {
		"",
		"active",
		"active 1",
		"actve 1/2 3 4 5 0",
		"activ 1/2 3 4 5 0",
		"activee 1/2 3 4 5 0",
		"active 1 3 4 5 0",
		"active 1/ 3 4 5 0",
		"active /2 3 4 5 0",
		"active 1/2/3 3 4 5 0",
		"active 1/2 x 4 5 0",
		"active 1/2 3 -4 5 0",
		"active 1/2 3 4 5",
		"active 1/2 3 4 5 x",
		"active 1/2 3 4 18446744073709551616 0",
		"active 1/2 3 4 5 0 read_errors 1",
		"active 1/2 3 4 5 1",
		"active 1/2 3 4 5 1 read_errors",
		"active 1/2 3 4 5 2 read_errors 1",
		"active 1/2 3 4 5 18446744073709551615 read_errors 1",
		"active 1/2 3 4 5 1 read_errors x",
		"active 1/2 3 4 5 2 read_errors 1 read_errors 1",
		"active 1/2 3 4 5 1 uuid 6b1d2f0a",
		"active 1/2 3 4 5 1 uuid " UUID "0",
		"active 1/2 3 4 5 1 uuid 6b1d2f0a-93c4-4e57-a810-5d77e239bc0x",
		"active 1/2 3 4 5 2 uuid " UUID " uuid " UUID,
	};
	struct dmr_status status, before;
	unsigned int i;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (i = 0; i < ELEMENTS(wrong); i++) {
		status = before;
		if (dmr_status_parse(wrong[i], &status))
			fail_msg("accepted: %s", wrong[i]);
		assert_memory_equal(&status, &before, sizeof(status));
	}
}

static void stats_are_a_line_a_counter(void **state)
{
	struct dmr_status status;
	char text[512];
	int length;

	(void)state;
	example_status(&status);
	length = dmr_stats_format(&status, text, sizeof(text));
	assert_string_equal(text, "read_errors 11\nwrite_errors 12\nremapped_reads 13\n"
				  "remapped_writes 14\nspare_errors 15\n"
				  "metadata_errors 18446744073709551615\n"
				  "hash_buckets 64\nhash_entries 5\n");
	assert_int_equal(length, strlen(text));
}

static void states_have_their_words_from_good_to_worst(void **state)
{
	static const char * const words[] = { "active", "full", "frozen", "tripped", "stale" };
	unsigned int i;

	(void)state;
	assert_int_equal(ELEMENTS(words), DMR_STATES);
	for (i = 0; i < DMR_STATES; i++)
		assert_string_equal(dmr_state_word((enum dmr_state)i), words[i]);
	assert_string_equal(dmr_state_word(DMR_STATES), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_and_fit),
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(a_wrong_option_is_named_with_what_would_be_right),
		cmocka_unit_test(options_are_written_as_they_are_read),
		cmocka_unit_test(messages_are_read),
		cmocka_unit_test(a_wrong_message_is_named_with_what_would_be_right),
		cmocka_unit_test(the_longest_error_line_fits_with_its_end),
		cmocka_unit_test(help_has_a_line_for_each_message),
		cmocka_unit_test(the_status_line_is_as_documented),
		cmocka_unit_test(a_status_line_that_does_not_fit_is_cut_and_its_length_told),
		cmocka_unit_test(the_status_line_is_read_back),
		cmocka_unit_test(a_reader_passes_over_keys_it_does_not_know),
		cmocka_unit_test(what_is_no_status_line_is_refused),
		cmocka_unit_test(stats_are_a_line_a_counter),
		cmocka_unit_test(states_have_their_words_from_good_to_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * Table arguments and messages: one row of a table for each word. Words are matched exactly,
 * numbers are decimal digits and nothing else. Nothing is handed out from a line that is wrong.
 */
#include "args.h"
#include "codec.h"

#define OPTION_WORDS	DMR_ARG_UUID " <uuid>, " DMR_ARG_NEW_MAIN ", " DMR_ARG_NO_AUTO " or " \
			DMR_ARG_FAIL_PENDING
#define UUID_SHAPE	"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

/* In the order in which they are written. */
enum dmr_option { OPTION_UUID, OPTION_NEW_MAIN, OPTION_NO_AUTO, OPTION_FAIL_PENDING, OPTIONS };

static const struct {
	const char *word;
	unsigned int values;
} dmr_option_table[OPTIONS] = {
	[OPTION_UUID] = { DMR_ARG_UUID, 1 },
	[OPTION_NEW_MAIN] = { DMR_ARG_NEW_MAIN, 0 },
	[OPTION_NO_AUTO] = { DMR_ARG_NO_AUTO, 0 },
	[OPTION_FAIL_PENDING] = { DMR_ARG_FAIL_PENDING, 0 },
};

static bool *dmr_option_flag(struct dmr_options *options, enum dmr_option option)
{
	switch (option) {
	case OPTION_NEW_MAIN:
		return &options->new_main;
	case OPTION_NO_AUTO:
		return &options->no_auto;
	case OPTION_FAIL_PENDING:
		return &options->fail_pending;
	default:
		return &options->have_uuid;
	}
}

bool dmr_number_parse(const char *text, size_t length, u64 *number)
{
	u64 value = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		u64 digit = (u64)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9')
			return false;
		if (value > ~0ULL / 10 || value * 10 > ~0ULL - digit)
			return false;
		value = value * 10 + digit;
	}
	if (length)
		*number = value;
	return length != 0;
}

/* Options */

static bool dmr_options_count(unsigned int argc, char *const *argv, char error[DMR_ERROR_SIZE])
{
	u64 count;

	if (!dmr_number_parse(argv[0], strlen(argv[0]), &count)) {
		snprintf(error, DMR_ERROR_SIZE,
			 "\"%.32s\" is no number of arguments: expected %u, for so many words follow",
			 argv[0], argc - 1);
		return false;
	}
	if (count != argc - 1) {
		snprintf(error, DMR_ERROR_SIZE,
			 "%.20s arguments announced, %u given: expected %u", argv[0], argc - 1,
			 argc - 1);
		return false;
	}
	return true;
}

/* One argument with its value. Returns the words it took, 0: wrong. */
static unsigned int dmr_option_parse(unsigned int argc, char *const *argv,
				     struct dmr_options *options, char error[DMR_ERROR_SIZE])
{
	enum dmr_option option = OPTION_UUID;
	bool *flag;

	while (option < OPTIONS && strcmp(argv[0], dmr_option_table[option].word))
		option++;
	if (option == OPTIONS) {
		snprintf(error, DMR_ERROR_SIZE,
			 "unknown argument \"%.32s\": expected " OPTION_WORDS, argv[0]);
		return 0;
	}
	flag = dmr_option_flag(options, option);
	if (*flag) {
		snprintf(error, DMR_ERROR_SIZE, "argument \"%s\" given twice: expected it once",
			 argv[0]);
		return 0;
	}
	*flag = true;
	if (option != OPTION_UUID)
		return 1;
	if (argc < 2 || !dmr_uuid_parse(argv[1], options->uuid)) {
		snprintf(error, DMR_ERROR_SIZE, "%s \"%.40s\" is no UUID: expected " UUID_SHAPE,
			 argv[0], argc < 2 ? "" : argv[1]);
		return 0;
	}
	return 2;
}

bool dmr_options_parse(unsigned int argc, char *const *argv, struct dmr_options *options,
		       char error[DMR_ERROR_SIZE])
{
	struct dmr_options result;
	unsigned int at, words;

	memset(&result, 0, sizeof(result));
	if (argc && !dmr_options_count(argc, argv, error))
		return false;
	for (at = 1; at < argc; at += words) {
		words = dmr_option_parse(argc - at, argv + at, &result, error);
		if (!words)
			return false;
	}
	*options = result;
	return true;
}

int dmr_options_format(const struct dmr_options *options, char *text, size_t size)
{
	unsigned int words = 2u * options->have_uuid + options->new_main + options->no_auto +
			     options->fail_pending;
	char uuid[37] = "";

	if (!words)
		return snprintf(text, size, "%s", "");
	if (options->have_uuid)
		dmr_uuid_format(options->uuid, uuid);
	return snprintf(text, size, " %u%s%s%s%s%s", words,
			options->have_uuid ? " " DMR_ARG_UUID " " : "", uuid,
			options->new_main ? " " DMR_ARG_NEW_MAIN : "",
			options->no_auto ? " " DMR_ARG_NO_AUTO : "",
			options->fail_pending ? " " DMR_ARG_FAIL_PENDING : "");
}

/* Messages */

static const struct {
	const char *word, *names;	/* names: of the words after it */
	unsigned int least, most;
} dmr_message_table[DMR_VERBS] = {
	[DMR_VERB_HELP] = { DMR_MSG_HELP, "", 0, 0 },
	[DMR_VERB_REMAP] = { DMR_MSG_REMAP, " <sector> [<count>]", 1, 2 },
	[DMR_VERB_UNREMAP] = { DMR_MSG_UNREMAP, " <sector> [<count>]", 1, 2 },
	[DMR_VERB_LIST] = { DMR_MSG_LIST, " [<from sector>]", 0, 1 },
	[DMR_VERB_STATS] = { DMR_MSG_STATS, "", 0, 0 },
	[DMR_VERB_STATS_CLEAR] = { DMR_MSG_STATS_CLEAR, "", 0, 0 },
	[DMR_VERB_HEALTH] = { DMR_MSG_HEALTH, "", 0, 0 },
	[DMR_VERB_RETEST] = { DMR_MSG_RETEST, " <sector> [<count>]", 1, 2 },
	[DMR_VERB_GROW] = { DMR_MSG_GROW, "", 0, 0 },
	[DMR_VERB_RESUME_AUTO] = { DMR_MSG_RESUME_AUTO, "", 0, 0 },
};

static const char dmr_help_text[] =
	"help: prints this\n"
	"remap <sector> [<count>]: moves sectors of main to the spare\n"
	"unremap <sector> [<count>]: moves them back, if main keeps them again\n"
	"list [<from sector>]: prints the map: <sector> <count> owned|pending|lost <spare sector>\n"
	"stats: prints the counters\n"
	"stats_clear: sets the counters to zero\n"
	"health: prints what is known of main's health\n"
	"retest <sector> [<count>]: reads pending sectors again and clears those that read\n"
	"grow: takes in a spare that became longer\n"
	"resume_auto: relocates again after main seemed dead\n";

const char *dmr_message_help(void)
{
	return dmr_help_text;
}

static bool dmr_verb_parse(const char *word, enum dmr_verb *verb, char error[DMR_ERROR_SIZE])
{
	unsigned int i;

	for (i = 0; i < DMR_VERBS; i++)
		if (!strcmp(word, dmr_message_table[i].word)) {
			*verb = (enum dmr_verb)i;
			return true;
		}
	snprintf(error, DMR_ERROR_SIZE,
		 "unknown message \"%.15s\": expected help, remap, unremap, list, stats, stats_clear, health, retest, grow or resume_auto",
		 word);
	return false;
}

/* argv[0]: the verb's word, argv[1]: the sector. */
static bool dmr_sector_parse(char *const *argv, u64 length, u64 *sector, char error[DMR_ERROR_SIZE])
{
	if (dmr_number_parse(argv[1], strlen(argv[1]), sector) && *sector < length)
		return true;
	snprintf(error, DMR_ERROR_SIZE,
		 "%s: sector \"%.32s\" is wrong: expected a number below %llu", argv[0], argv[1],
		 (unsigned long long)length);
	return false;
}

static bool dmr_count_parse(char *const *argv, u64 most, u64 *count, char error[DMR_ERROR_SIZE])
{
	if (dmr_number_parse(argv[2], strlen(argv[2]), count) && *count && *count <= most)
		return true;
	snprintf(error, DMR_ERROR_SIZE,
		 "%s: count \"%.24s\" is wrong: expected 1 to %llu from sector %.20s on", argv[0],
		 argv[2], (unsigned long long)most, argv[1]);
	return false;
}

bool dmr_message_parse(unsigned int argc, char *const *argv, u64 length,
		       struct dmr_message *message, char error[DMR_ERROR_SIZE])
{
	struct dmr_message result = { .count = 1 };

	if (!dmr_verb_parse(argc ? argv[0] : "", &result.verb, error))
		return false;
	if (argc - 1 < dmr_message_table[result.verb].least ||
	    argc - 1 > dmr_message_table[result.verb].most) {
		snprintf(error, DMR_ERROR_SIZE, "%s with %u words after it: expected \"%s%s\"",
			 argv[0], argc - 1, argv[0], dmr_message_table[result.verb].names);
		return false;
	}
	if (argc > 1 && !dmr_sector_parse(argv, length, &result.sector, error))
		return false;
	if (result.verb == DMR_VERB_LIST)
		result.count = length - result.sector;
	if (argc > 2 && !dmr_count_parse(argv, length - result.sector, &result.count, error))
		return false;
	*message = result;
	return true;
}

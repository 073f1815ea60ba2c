// SPDX-License-Identifier: GPL-2.0-or-later
/* remap, unremap, retest, grow, resume-auto: what is asked of an active pair. */
#include "cli.h"

/* Sector and count of the command line, by the grammar that the target has itself. */
static int range(const char *verb, int argc, char **argv, const struct dmr_pair_info *pair, u64 *sector, u64 *count)
{
	char word[16], error[DMR_ERROR_SIZE], *words[3] = { word, NULL, NULL };
	struct dmr_message message;
	int i;

	snprintf(word, sizeof(word), "%s", verb);
	for (i = 0; i < argc && i < 2; i++)
		words[i + 1] = argv[i];
	if (!dmr_message_parse((unsigned int)argc + 1, words, pair->length, &message, error))
		return dmr_fail(DMR_EXIT_USAGE, "dmremap show lists what is mapped; sectors are of 512 bytes", "%s", error);
	*sector = message.sector;
	*count = message.count;
	return DMR_EXIT_OK;
}

static int on_pair(int argc, char **argv, const char *verb, bool whole)
{
	struct dmr_pair_info pair;
	u64 sector = 0, count;
	int r = dmr_dm_init();

	if (!r)
		r = dmr_dm_pair(argv[0], &pair);
	if (r)
		return r;
	count = pair.length;
	if (!whole)
		r = range(verb, argc - 1, argv + 1, &pair, &sector, &count);
	return r ? r : dmr_run(&pair, verb, sector, count);
}

int dmr_verb_remap(int argc, char **argv)
{
	return on_pair(argc, argv, DMR_MSG_REMAP, false);
}

int dmr_verb_unremap(int argc, char **argv)
{
	if (cli.all == (argc > 1))
		return dmr_fail(DMR_EXIT_USAGE, "name a sector and perhaps a count, or say --all", "unremap: which sectors?");
	return on_pair(argc, argv, DMR_MSG_UNREMAP, cli.all);
}

int dmr_verb_retest(int argc, char **argv)
{
	return on_pair(argc, argv, DMR_MSG_RETEST, argc == 1);
}

/* A message whose answer is a line for people. */
static int simple(char **argv, const char *verb)
{
	struct dmr_pair_info pair;
	char *answer;
	int r = dmr_dm_ask(argv[0], verb, &pair, &answer);

	if (r)
		return r;
	answer[strcspn(answer, "\n")] = '\0';
	if (cli.json) {
		dmr_out_open(verb);
		dmr_out_text("answer", "%s", answer);
		r = dmr_out_close();
	} else {
		puts(answer);
	}
	free(answer);
	return r;
}

int dmr_verb_grow(int argc, char **argv)
{
	(void)argc;
	return simple(argv, DMR_MSG_GROW);
}

int dmr_verb_resume_auto(int argc, char **argv)
{
	(void)argc;
	return simple(argv, DMR_MSG_RESUME_AUTO);
}

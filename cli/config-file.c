// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration, /etc/dm-remap.conf: a pair a line. */
#include "assemble.h"

/* Up to a # that begins a word: names and paths may have one. */
static void cut_comment(char *line)
{
	char *at;

	for (at = line; *at; at++)
		if (*at == '#' && (at == line || strchr(" \t\r", at[-1]))) {
			*at = '\0';
			return;
		}
}

/* <name> <uuid> [<main>] [no_auto] [fail_pending]. 1: understood, 0: nothing in it, -1: wrong. */
static int line_parse(char *line, struct dmr_wanted *wanted)
{
	static const char blanks[] = " \t\r\n";
	char *rest = NULL, *word;

	memset(wanted, 0, sizeof(*wanted));
	cut_comment(line);
	word = strtok_r(line, blanks, &rest);
	if (!word)
		return 0;
	if (!dmr_dm_name_ok(word))
		return -1;
	snprintf(wanted->name, sizeof(wanted->name), "%s", word);
	word = strtok_r(NULL, blanks, &rest);
	if (!word || !dmr_uuid_parse(word, wanted->args.uuid))
		return -1;
	wanted->args.have_uuid = true;
	while ((word = strtok_r(NULL, blanks, &rest))) {
		if (!strcmp(word, DMR_ARG_NO_AUTO))
			wanted->args.no_auto = true;
		else if (!strcmp(word, DMR_ARG_FAIL_PENDING))
			wanted->args.fail_pending = true;
		else if (*word == '/' && !*wanted->main && strlen(word) < sizeof(wanted->main))
			snprintf(wanted->main, sizeof(wanted->main), "%s", word);
		else
			return -1;
	}
	return 1;
}

struct dmr_wanted *dmr_config_find(const struct dmr_config *config, const u8 uuid[16])
{
	unsigned int i;

	for (i = 0; i < config->count; i++)
		if (!memcmp(config->line[i].args.uuid, uuid, 16))
			return &config->line[i];
	return NULL;
}

static int add_line(struct dmr_config *config, char *line, unsigned int number)
{
	struct dmr_wanted *more = reallocarray(config->line, config->count + 1, sizeof(*more)), *before;
	int got;

	if (!more)
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	config->line = more;
	got = line_parse(line, &config->line[config->count]);
	if (got < 0)
		return dmr_fail(DMR_EXIT_USAGE, "a line is: NAME UUID [MAIN] [no_auto] [fail_pending]", "%s, line %u is wrong",
				cli.config_file, number);
	/* The last line about a pair counts, as who appends to the file means it. */
	before = got ? dmr_config_find(config, config->line[config->count].args.uuid) : NULL;
	if (before) {
		*before = config->line[config->count];
		dmr_warn("%s, line %u is about the pair of a line before it, which is left out", cli.config_file, number);
		got = 0;
	}
	config->count += (unsigned int)got;
	return DMR_EXIT_OK;
}

int dmr_config_read(struct dmr_config *config, bool all)
{
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	FILE *f;
	int r;

	memset(config, 0, sizeof(*config));
	f = fopen(cli.config_file, "re");
	if (!f) {
		if (errno == ENOENT)
			return DMR_EXIT_OK;
		return dmr_fail(DMR_EXIT_FAILED, "make it readable", "%s: %s", cli.config_file, strerror(errno));
	}
	while ((all || !config->status) && (length = getline(&line, &size, f)) >= 0) {
		/* As a power cut may leave it: not a text, or cut off. */
		number++;
		if (strlen(line) != (size_t)length)
			r = dmr_fail(DMR_EXIT_USAGE, "write it anew: dmremap list and check say what there is",
				     "%s, line %u has bytes of zero in it", cli.config_file, number);
		else
			r = add_line(config, line, number);
		if (r)
			config->status = r;
	}
	if (ferror(f))
		config->status = dmr_fail(DMR_EXIT_FAILED, "make it readable", "%s cannot be read", cli.config_file);
	free(line);
	fclose(f);
	return all ? DMR_EXIT_OK : config->status;
}

void dmr_config_free(struct dmr_config *config)
{
	free(config->line);
	config->line = NULL;
}

void dmr_config_line(const struct dmr_pair_info *pair)
{
	char path[PATH_MAX], uuid[37];

	dmr_stable_path(pair->main_major, pair->main_minor, path);
	dmr_uuid_format(pair->options.uuid, uuid);
	printf("%s %s %s%s%s\n", pair->name, uuid, path, pair->options.no_auto ? " " DMR_ARG_NO_AUTO : "",
	       pair->options.fail_pending ? " " DMR_ARG_FAIL_PENDING : "");
	if (!dmr_path_lasts(path))
		dmr_warn("%s is the kernel's name of main, which may be another disk's after a boot: put a lasting one into the line, if there is one",
			 path);
}

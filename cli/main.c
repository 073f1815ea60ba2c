// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmremap: makes, assembles, watches and repairs pairs of dm-remap. Here: verbs, options, errors.
 * A row of the table for each verb; an option that a verb does not know is refused.
 */
#include <ctype.h>
#include <getopt.h>
#include <unistd.h>
#include "cli.h"

struct dmr_cli cli = { .config_file = "/etc/dm-remap.conf" };

enum { OPT_NO_AUTO = 256, OPT_FAIL_PENDING, OPT_CONFIGURED, OPT_NEW_MAIN, OPT_WIPE, OPT_CONFIG, OPT_FILE, OPT_ALL, OPT_CLEAR };

static const struct dmr_verb_row {
	const char *word, *args;
	int least, most;
	const char *options;	/* those it takes, by their long names */
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "create", "MAIN SPARE [NAME]", 2, 3, "yes dry-run wipe no-auto fail-pending", dmr_verb_create,
	  "joins a disk, with what is on it, and a spare, which is formatted" },
	{ "assemble", "[MAIN] SPARE [NAME]", 0, 3, "scan configured dry-run no-auto fail-pending new-main config-file",
	  dmr_verb_assemble, "activates a pair that exists (--scan: all that are found)" },
	{ "stop", "NAME...", 1, 64, "", dmr_verb_stop, "deactivates pairs" },
	{ "list", "[NAME...]", 0, 64, "json noheadings bytes output config", dmr_verb_list, "lists active pairs" },
	{ "status", "[NAME...]", 0, 64, "json noheadings bytes output tree check", dmr_verb_status,
	  "state, slots and errors (--check: for monitoring)" },
	{ "show", "NAME", 1, 1, "json noheadings output", dmr_verb_show,
	  "runs of remapped, pending and lost sectors" },
	{ "stats", "NAME", 1, 1, "json clear", dmr_verb_stats, "the counters (--clear: sets them to 0)" },
	{ "health", "NAME", 1, 1, "json", dmr_verb_health, "what failed, and when" },
	{ "remap", "NAME SECTOR [COUNT]", 2, 3, "json", dmr_verb_remap, "moves sectors to the spare" },
	{ "unremap", "NAME SECTOR [COUNT]", 1, 3, "json all", dmr_verb_unremap,
	  "moves sectors back to main, if it keeps them" },
	{ "retest", "NAME [SECTOR [COUNT]]", 1, 3, "json", dmr_verb_retest,
	  "reads pending sectors again and clears those that read" },
	{ "grow", "NAME", 1, 1, "json", dmr_verb_grow, "takes in a spare that became longer" },
	{ "resume-auto", "NAME", 1, 1, "json", dmr_verb_resume_auto, "relocates again after main seemed dead" },
	{ "check", "SPARE", 1, 1, "json", dmr_verb_check, "tests a spare that is not active, and writes nothing" },
	{ "dump", "SPARE", 1, 1, "json noheadings output", dmr_verb_dump, "prints what is on such a spare" },
	{ "probe", "DEVICE", 1, 1, "", dmr_verb_probe, "prints what udev is to know of a spare" },
	{ "repair", "SPARE", 1, 1, "yes dry-run", dmr_verb_repair, "makes all copies on such a spare equal again" },
	{ "wipe", "SPARE", 1, 1, "yes dry-run", dmr_verb_wipe, "makes a spare blank, whose pair is not wanted any more" },
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "noheadings", no_argument, NULL, 'n' },
	{ "bytes", no_argument, NULL, 'b' },
	{ "output", required_argument, NULL, 'o' },
	{ "tree", no_argument, NULL, 't' },
	{ "check", no_argument, NULL, 'c' },
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'd' },
	{ "scan", no_argument, NULL, 's' },
	{ "configured", no_argument, NULL, OPT_CONFIGURED },
	{ "wipe", no_argument, NULL, OPT_WIPE },
	{ "no-auto", no_argument, NULL, OPT_NO_AUTO },
	{ "fail-pending", no_argument, NULL, OPT_FAIL_PENDING },
	{ "new-main", no_argument, NULL, OPT_NEW_MAIN },
	{ "config", no_argument, NULL, OPT_CONFIG },
	{ "config-file", required_argument, NULL, OPT_FILE },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "clear", no_argument, NULL, OPT_CLEAR },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

/* What an option sets; those with a value, help and version are done by hand. */
static bool *flag_of(int code)
{
	switch (code) {
	case 'j': return &cli.json;
	case 'n': return &cli.noheadings;
	case 'b': return &cli.bytes;
	case 't': return &cli.tree;
	case 'c': return &cli.check;
	case 'y': return &cli.yes;
	case 'd': return &cli.dry_run;
	case 's': return &cli.scan;
	case 'v': return &cli.verbose;
	case OPT_CONFIGURED: return &cli.configured;
	case OPT_WIPE: return &cli.wipe;
	case OPT_NO_AUTO: return &cli.args.no_auto;
	case OPT_FAIL_PENDING: return &cli.args.fail_pending;
	case OPT_NEW_MAIN: return &cli.args.new_main;
	case OPT_CONFIG: return &cli.config;
	case OPT_ALL: return &cli.all;
	case OPT_CLEAR: return &cli.clear;
	default: return NULL;
	}
}

int dmr_fail(int code, const char *next, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("dmremap: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n%s%s%s", next ? "  next: " : "", next ? next : "", next ? "\n" : "");
	return code;
}

void dmr_warn(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("dmremap: warning: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void dmr_log_line(const char *format, ...)
{
	va_list args;

	if (!cli.verbose)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

bool dmr_number(const char *text, u64 *number)
{
	return dmr_number_parse(text, strlen(text), number);
}

int dmr_confirm(void)
{
	char line[16];

	if (cli.yes)
		return DMR_EXIT_OK;
	fflush(stdout);
	fputs("Type YES in capitals to go on: ", stderr);
	if (fgets(line, sizeof(line), stdin) && !strcmp(line, "YES\n"))
		return DMR_EXIT_OK;
	if (!isatty(STDIN_FILENO))
		fputc('\n', stderr);
	return dmr_fail(DMR_EXIT_NOT_CONFIRMED, "type YES when asked, or say --yes in a script",
			"not confirmed: nothing was written");
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at += length;
	}
	return false;
}

static const struct dmr_verb_row *find_verb(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(word, verbs[i].word))
			return &verbs[i];
	return NULL;
}

static void help_verb(const struct dmr_verb_row *verb)
{
	const struct option *o;

	printf("usage: dmremap %s %s\n%s\n", verb->word, verb->args, verb->help);
	for (o = long_options; o->name; o++)
		if (has_word(verb->options, o->name))
			printf("  %c%c%s --%s%s\n", isascii(o->val) ? '-' : ' ', isascii(o->val) ? o->val : ' ',
			       isascii(o->val) ? "," : " ", o->name, o->has_arg ? " VALUE" : "");
}

static int help(const struct dmr_verb_row *verb)
{
	size_t i;

	if (verb) {
		help_verb(verb);
		return DMR_EXIT_OK;
	}
	printf("usage: dmremap VERB [option...] [argument...]\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-11s %-22s %s\n", verbs[i].word, verbs[i].args, verbs[i].help);
	printf("\n`dmremap VERB --help` lists a verb's options; all of it is in dmremap(8).\n");
	return DMR_EXIT_OK;
}

/* For monitoring, 2 is critical and 3 unknown: words of `status --check` that are not understood are the latter. */
static bool monitoring;

static bool is_monitoring(int argc, char **argv)
{
	bool status = false, check = false;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		status |= !strcmp(argv[i], "status");
		check |= !strcmp(argv[i], "--check") || (argv[i][0] == '-' && argv[i][1] != '-' && strchr(argv[i], 'c'));
	}
	return status && check;
}

static int usage(const struct dmr_verb_row *verb, const char *what)
{
	char next[128];

	if (verb)
		snprintf(next, sizeof(next), "dmremap %s --help says what it takes", verb->word);
	else
		snprintf(next, sizeof(next), "dmremap --help lists the verbs");
	return dmr_fail(monitoring ? 3 : DMR_EXIT_USAGE, next, "%s", what);
}

static const char *option_name(int code)
{
	const struct option *o = long_options;

	while (o->name && o->val != code)
		o++;
	return o->name;
}

int main(int argc, char **argv)
{
	const struct dmr_verb_row *verb;
	bool used[512] = { false }, want_help = false;
	char what[160], word[4];
	int code, words;

	opterr = 0;
	monitoring = is_monitoring(argc, argv);
	while ((code = getopt_long(argc, argv, ":jnbo:tcydsvhV", long_options, NULL)) != -1) {
		if (code == '?' || code == ':') {
			/* One letter of several: optind is still at its word. */
			snprintf(word, sizeof(word), "-%c", optopt);
			snprintf(what, sizeof(what), code == ':' ? "option \"%.64s\" wants a value"
								 : "unknown option \"%.64s\"",
				 optopt > 0 && optopt < 256 && isprint(optopt) && !strchr(argv[optind - 1], '=') ? word
														 : argv[optind - 1]);
			return usage(NULL, what);
		}
		used[code] = true;
		if (code == 'V') {
			printf("dmremap %s\n", DMR_PACKAGE_VERSION);
			return DMR_EXIT_OK;
		}
		if (code == 'h')
			want_help = true;
		else if (code == 'o')
			cli.columns = optarg;
		else if (code == OPT_FILE)
			cli.config_file = optarg;
		else
			*flag_of(code) = true;
	}
	if (optind == argc)
		return want_help ? help(NULL) : usage(NULL, "what is to be done?");
	verb = find_verb(argv[optind]);
	if (!verb) {
		snprintf(what, sizeof(what), "unknown verb \"%.64s\"", argv[optind]);
		return usage(NULL, what);
	}
	if (want_help)
		return help(verb);
	for (code = 0; code < (int)ARRAY_SIZE(used); code++)
		if (used[code] && code != 'v' && !has_word(verb->options, option_name(code))) {
			snprintf(what, sizeof(what), "%s takes no option --%s", verb->word, option_name(code));
			return usage(verb, what);
		}
	words = argc - optind - 1;
	if (words < verb->least || words > verb->most) {
		snprintf(what, sizeof(what), "%s with %d words after it: expected \"%s\"", verb->word, words,
			 verb->args);
		return usage(verb, what);
	}
	return verb->run(words, argv + optind + 1);
}

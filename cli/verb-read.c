// SPDX-License-Identifier: GPL-2.0-or-later
/* list, status, show, stats, health: what active pairs tell. None of them asks the disks for anything. */
#include "cli.h"

#define NEARLY_FULL	80u	/* per cent of the slots, for --check */

enum { COL_NAME, COL_STATE, COL_SIZE, COL_USED, COL_SLOTS, COL_OWNED, COL_PENDING, COL_BAD, COL_READ_ERRORS,
	COL_WRITE_ERRORS, COL_SPARE_ERRORS, COL_METADATA_ERRORS, COL_REMAPPED_READS, COL_REMAPPED_WRITES, COL_MAIN,
	COL_SPARE, COL_UUID, COL_START, COL_EVENTS, COL_OPEN, COL_SUSPENDED, COLS };

static const struct dmr_column status_columns[COLS] = {
	[COL_NAME] = { "name", DMR_TEXT, false },
	[COL_STATE] = { "state", DMR_TEXT, false },
	[COL_SIZE] = { "size", DMR_SIZE, false },
	[COL_USED] = { "used_slots", DMR_NUMBER, false },
	[COL_SLOTS] = { "slots", DMR_NUMBER, false },
	[COL_OWNED] = { "owned", DMR_NUMBER, false },
	[COL_PENDING] = { "pending", DMR_NUMBER, false },
	[COL_BAD] = { "bad_slots", DMR_NUMBER, false },
	[COL_READ_ERRORS] = { "read_errors", DMR_NUMBER, false },
	[COL_WRITE_ERRORS] = { "write_errors", DMR_NUMBER, false },
	[COL_SPARE_ERRORS] = { "spare_errors", DMR_NUMBER, true },
	[COL_METADATA_ERRORS] = { "metadata_errors", DMR_NUMBER, true },
	[COL_REMAPPED_READS] = { "remapped_reads", DMR_NUMBER, true },
	[COL_REMAPPED_WRITES] = { "remapped_writes", DMR_NUMBER, true },
	[COL_MAIN] = { "main", DMR_TEXT, true },
	[COL_SPARE] = { "spare", DMR_TEXT, true },
	[COL_UUID] = { "uuid", DMR_TEXT, true },
	[COL_START] = { "start", DMR_NUMBER, true },
	[COL_EVENTS] = { "events", DMR_NUMBER, true },
	[COL_OPEN] = { "open", DMR_NUMBER, true },
	[COL_SUSPENDED] = { "suspended", DMR_NUMBER, true },
};

static const char *state_of(const struct dmr_pair_info *pair)
{
	return pair->have_table ? dmr_state_word(pair->status.state) : "unknown";
}

static void device_cell(unsigned int column, u32 major, u32 minor)
{
	char name[64];
	u64 sectors;

	dmr_device_name(major, minor, name, &sectors);
	dmr_cell_text(column, "/dev/%s", name);
}

static void uuid_cell(unsigned int column, const struct dmr_pair_info *pair)
{
	char uuid[37];

	dmr_uuid_format(pair->options.uuid, uuid);
	dmr_cell_text(column, "%s", uuid);
}

static void status_row(const struct dmr_pair_info *pair)
{
	const struct dmr_status *s = &pair->status;

	dmr_out_row(0);
	dmr_cell_text(COL_NAME, "%s", pair->name);
	dmr_cell_text(COL_STATE, "%s", state_of(pair));
	dmr_cell_number(COL_SIZE, pair->length);
	dmr_cell_number(COL_USED, s->used_slots);
	dmr_cell_number(COL_SLOTS, s->all_slots);
	dmr_cell_number(COL_OWNED, s->owned);
	dmr_cell_number(COL_PENDING, s->pending);
	dmr_cell_number(COL_BAD, s->bad_slots);
	dmr_cell_number(COL_READ_ERRORS, s->counters.read_errors);
	dmr_cell_number(COL_WRITE_ERRORS, s->counters.write_errors);
	dmr_cell_number(COL_SPARE_ERRORS, s->counters.spare_errors);
	dmr_cell_number(COL_METADATA_ERRORS, s->counters.metadata_errors);
	dmr_cell_number(COL_REMAPPED_READS, s->counters.remapped_reads);
	dmr_cell_number(COL_REMAPPED_WRITES, s->counters.remapped_writes);
	device_cell(COL_MAIN, pair->main_major, pair->main_minor);
	device_cell(COL_SPARE, pair->spare_major, pair->spare_minor);
	uuid_cell(COL_UUID, pair);
	dmr_cell_number(COL_START, pair->start);
	dmr_cell_number(COL_EVENTS, pair->events);
	dmr_cell_number(COL_OPEN, pair->open_count);
	dmr_cell_number(COL_SUSPENDED, pair->suspended);
}

enum { TREE_NAME, TREE_ROLE, TREE_SIZE, TREE_STATE, TREE_COLS };

static const struct dmr_column tree_columns[TREE_COLS] = {
	[TREE_NAME] = { "name", DMR_TEXT, false },
	[TREE_ROLE] = { "role", DMR_TEXT, false },
	[TREE_SIZE] = { "size", DMR_SIZE, false },
	[TREE_STATE] = { "state", DMR_TEXT, false },
};

static void tree_row(unsigned int parent, const char *role, u32 major, u32 minor)
{
	char name[64];
	u64 sectors;
	bool there = dmr_device_name(major, minor, name, &sectors);

	dmr_out_row(parent);
	dmr_cell_text(TREE_NAME, "%s", name);
	dmr_cell_text(TREE_ROLE, "%s", role);
	dmr_cell_number(TREE_SIZE, sectors);
	if (!there)
		dmr_cell_text(TREE_STATE, "gone");
}

static void tree_rows(const struct dmr_pair_info *pair)
{
	unsigned int parent = dmr_out_row(0);

	dmr_cell_text(TREE_NAME, "%s", pair->name);
	dmr_cell_text(TREE_ROLE, "pair");
	dmr_cell_number(TREE_SIZE, pair->length);
	dmr_cell_text(TREE_STATE, "%s", state_of(pair));
	tree_row(parent, "main", pair->main_major, pair->main_minor);
	tree_row(parent, "spare", pair->spare_major, pair->spare_minor);
}

/* The pairs that are named, or all. 0, or an exit code. */
static int select_pairs(int argc, char **argv, struct dmr_pair_info **pairs, size_t *count)
{
	int i, r = dmr_dm_init();

	if (r || !argc)
		return r ? r : dmr_dm_pairs(pairs, count);
	*pairs = calloc((size_t)argc, sizeof(**pairs));
	if (!*pairs)
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	for (i = 0; i < argc; i++) {
		r = dmr_dm_pair(argv[i], &(*pairs)[i]);
		if (r)
			return r;
	}
	*count = (size_t)argc;
	return DMR_EXIT_OK;
}

/* As monitoring wants it: 0 well, 1 warning, 2 critical, 3 unknown. */
static int pair_level(const struct dmr_pair_info *pair)
{
	const struct dmr_status *s = &pair->status;

	if (!pair->have_table)
		return 3;
	if (s->state == DMR_STALE || s->state == DMR_TRIPPED || s->state == DMR_FROZEN)
		return 2;
	if (s->state == DMR_FULL || s->pending || s->bad_slots || pair->suspended ||
	    s->used_slots * 100 >= s->all_slots * NEARLY_FULL)
		return 1;
	return 0;
}

static int status_check(const struct dmr_pair_info *pairs, size_t count)
{
	static const char * const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	static const int rank[] = { 0, 1, 3, 2 };
	int worst = count ? 0 : 3;
	size_t i;

	for (i = 0; i < count; i++)
		if (rank[pair_level(&pairs[i])] > rank[worst])
			worst = pair_level(&pairs[i]);
	printf("DMREMAP %s -", words[worst]);
	if (!count)
		printf(" no active pair");
	for (i = 0; i < count; i++)
		printf("%s %s %s %llu/%llu slots, %llu pending, %llu bad%s", i ? ";" : "", pairs[i].name,
		       pairs[i].have_table ? dmr_state_word(pairs[i].status.state) : "unknown",
		       (unsigned long long)pairs[i].status.used_slots, (unsigned long long)pairs[i].status.all_slots,
		       (unsigned long long)pairs[i].status.pending, (unsigned long long)pairs[i].status.bad_slots,
		       pairs[i].suspended ? ", suspended" : "");
	printf("\n");
	return worst;
}

int dmr_verb_status(int argc, char **argv)
{
	struct dmr_pair_info *pairs = NULL;
	size_t count = 0, i;
	int r = select_pairs(argc, argv, &pairs, &count);

	if (cli.check) {
		if (r)
			printf("DMREMAP UNKNOWN - the status cannot be had\n");
		r = r ? 3 : status_check(pairs, count);
		goto out;
	}
	if (r)
		goto out;
	dmr_out_open("status");
	if (cli.tree && !cli.json)
		r = dmr_out_table("pairs", tree_columns, TREE_COLS);
	else
		r = dmr_out_table("pairs", status_columns, COLS);
	if (r)
		goto out;
	for (i = 0; i < count; i++) {
		if (cli.tree && !cli.json)
			tree_rows(&pairs[i]);
		else
			status_row(&pairs[i]);
	}
	dmr_out_table_end();
	r = dmr_out_close();
out:
	free(pairs);
	return r;
}

enum { LIST_NAME, LIST_STATE, LIST_SIZE, LIST_MAIN, LIST_SPARE, LIST_UUID, LIST_COLS };

static const struct dmr_column list_columns[LIST_COLS] = {
	[LIST_NAME] = { "name", DMR_TEXT, false },
	[LIST_STATE] = { "state", DMR_TEXT, false },
	[LIST_SIZE] = { "size", DMR_SIZE, false },
	[LIST_MAIN] = { "main", DMR_TEXT, false },
	[LIST_SPARE] = { "spare", DMR_TEXT, false },
	[LIST_UUID] = { "uuid", DMR_TEXT, false },
};

void dmr_config_line(const struct dmr_pair_info *pair)
{
	char path[PATH_MAX], uuid[37];

	dmr_stable_path(pair->main_major, pair->main_minor, path);
	dmr_uuid_format(pair->options.uuid, uuid);
	printf("%s %s %s%s%s\n", pair->name, uuid, path, pair->options.no_auto ? " " DMR_ARG_NO_AUTO : "",
	       pair->options.fail_pending ? " " DMR_ARG_FAIL_PENDING : "");
	if (strrchr(path, '/') == path + 4)
		dmr_warn("%s is the kernel's name of main, which may be another disk's after a boot: put a lasting one into the line, if there is one",
			 path);
}

static void list_row(const struct dmr_pair_info *pair)
{
	dmr_out_row(0);
	dmr_cell_text(LIST_NAME, "%s", pair->name);
	dmr_cell_text(LIST_STATE, "%s", state_of(pair));
	dmr_cell_number(LIST_SIZE, pair->length);
	device_cell(LIST_MAIN, pair->main_major, pair->main_minor);
	device_cell(LIST_SPARE, pair->spare_major, pair->spare_minor);
	uuid_cell(LIST_UUID, pair);
}

int dmr_verb_list(int argc, char **argv)
{
	struct dmr_pair_info *pairs = NULL;
	size_t count = 0, i;
	int r = select_pairs(argc, argv, &pairs, &count);

	if (r)
		goto out;
	if (cli.config) {
		for (i = 0; i < count; i++)
			dmr_config_line(&pairs[i]);
		goto out;
	}
	dmr_out_open("list");
	r = dmr_out_table("pairs", list_columns, LIST_COLS);
	if (r)
		goto out;
	for (i = 0; i < count; i++)
		list_row(&pairs[i]);
	dmr_out_table_end();
	r = dmr_out_close();
out:
	free(pairs);
	return r;
}

static const struct dmr_column run_columns[] = {
	{ "sector", DMR_NUMBER, false }, { "count", DMR_NUMBER, false }, { "kind", DMR_TEXT, false },
	{ "spare_sector", DMR_NUMBER, false },
};

/* Lines of one answer; *next is where there is more, 0: nowhere. false: not understood. */
static bool show_answer(char *answer, u64 *next)
{
	unsigned long long sector, count, spare;
	char kind[16], *line, *rest = NULL;

	*next = 0;
	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, DMR_LIST_NEXT " %llu", &sector) == 1) {
			*next = sector;
			continue;
		}
		if (sscanf(line, "%llu %llu %15s %llu", &sector, &count, kind, &spare) != 4)
			return false;
		dmr_out_row(0);
		dmr_cell_number(0, sector);
		dmr_cell_number(1, count);
		dmr_cell_text(2, "%s", kind);
		dmr_cell_number(3, spare);
	}
	return true;
}

int dmr_verb_show(int argc, char **argv)
{
	struct dmr_pair_info pair;
	char text[48], *answer;
	u64 at = 0, next;
	int r = dmr_dm_init();

	(void)argc;
	if (!r)
		r = dmr_dm_pair(argv[0], &pair);
	if (r)
		return r;
	dmr_out_open("show");
	if (cli.json)
		dmr_out_text("name", "%s", pair.name);
	r = dmr_out_table("runs", run_columns, ARRAY_SIZE(run_columns));
	if (r)
		return r;
	do {
		snprintf(text, sizeof(text), DMR_MSG_LIST " %llu", (unsigned long long)at);
		r = dmr_dm_message(&pair, text, &answer);
		if (r)
			return r;
		if (!show_answer(answer, &next) || (next && next <= at))
			r = dmr_fail(DMR_EXIT_FAILED, "use the dmremap of the module that is loaded",
				     "%s answers what this version does not understand", pair.name);
		free(answer);
		at = next;
	} while (!r && next);
	dmr_out_table_end();
	return r ? r : dmr_out_close();
}

/* "key value" a line, numbers as numbers; lines of errors become rows. */
static void answer_fields(char *answer)
{
	char *line, *rest = NULL, *value;
	u64 number;

	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		value = strchr(line, ' ');
		if (!value || !strncmp(line, "error ", 6))
			continue;
		*value++ = '\0';
		if (dmr_number(value, &number))
			dmr_out_number(line, number);
		else
			dmr_out_text(line, "%s", value);
	}
}

static const struct dmr_column error_columns[] = {
	{ "seconds_ago", DMR_NUMBER, false }, { "event", DMR_TEXT, false }, { "sector", DMR_NUMBER, false },
	{ "count", DMR_NUMBER, false },
};

static void answer_errors(char *answer)
{
	unsigned long long when, sector, count;
	char event[16], *line, *rest = NULL;

	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "error %llu %15s %llu %llu", &when, event, &sector, &count) != 4)
			continue;
		dmr_out_row(0);
		dmr_cell_number(0, when);
		dmr_cell_text(1, "%s", event);
		dmr_cell_number(2, sector);
		dmr_cell_number(3, count);
	}
}

static int tell(char **argv, const char *verb, bool errors)
{
	struct dmr_pair_info pair;
	char *answer, *copy;
	int r = dmr_dm_ask(argv[0], verb, &pair, &answer);

	if (r)
		return r;
	copy = strdup(answer);
	dmr_out_open(verb);
	dmr_out_text("name", "%s", pair.name);
	answer_fields(answer);
	if (errors && copy && !dmr_out_table("errors", error_columns, ARRAY_SIZE(error_columns))) {
		answer_errors(copy);
		dmr_out_table_end();
	}
	free(copy);
	free(answer);
	return dmr_out_close();
}

int dmr_verb_stats(int argc, char **argv)
{
	struct dmr_pair_info pair;
	char *answer;
	int r;

	(void)argc;
	if (!cli.clear)
		return tell(argv, DMR_MSG_STATS, false);
	r = dmr_dm_ask(argv[0], DMR_MSG_STATS_CLEAR, &pair, &answer);
	if (!r)
		free(answer);
	return r;
}

int dmr_verb_health(int argc, char **argv)
{
	(void)argc;
	return tell(argv, DMR_MSG_HEALTH, true);
}

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

/* Of a device that is gone nothing is said. */
static void device_cell(unsigned int column, u32 major, u32 minor)
{
	char name[64], path[80];
	u64 sectors;

	if (!dmr_device_name(major, minor, name, &sectors))
		return;
	dmr_device_node(name, path, sizeof(path));
	dmr_cell_text(column, "%s", path);
}

static void devices_cells(const struct dmr_pair_info *pair, unsigned int main, unsigned int spare, unsigned int uuid)
{
	char text[37];

	if (!pair->have_table)
		return;
	device_cell(main, pair->main_major, pair->main_minor);
	device_cell(spare, pair->spare_major, pair->spare_minor);
	dmr_uuid_format(pair->options.uuid, text);
	dmr_cell_text(uuid, "%s", text);
}

static void status_row(const struct dmr_pair_info *pair)
{
	const struct dmr_status *s = &pair->status;

	dmr_out_row(0);
	dmr_cell_text(COL_NAME, "%s", pair->name);
	dmr_cell_text(COL_STATE, "%s", state_of(pair));
	dmr_cell_number(COL_SIZE, pair->length);
	dmr_cell_number(COL_START, pair->start);
	dmr_cell_number(COL_EVENTS, pair->events);
	dmr_cell_number(COL_OPEN, pair->open_count);
	dmr_cell_number(COL_SUSPENDED, pair->suspended);
	if (!pair->have_table)
		return;
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
	devices_cells(pair, COL_MAIN, COL_SPARE, COL_UUID);
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

/* The pairs that are named, or all. 0, or an exit code; with --check those that are there are still gone on with. */
static int select_pairs(int argc, char **argv, struct dmr_pair_info **pairs, size_t *count)
{
	int i, one, r = dmr_dm_init();

	if (r || !argc)
		return r ? r : dmr_dm_pairs(pairs, count);
	*pairs = calloc((size_t)argc, sizeof(**pairs));
	if (!*pairs)
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	for (i = 0; i < argc && (!r || cli.check); i++) {
		one = dmr_dm_pair(argv[i], &(*pairs)[*count]);
		if (one)
			r = one;
		else
			++*count;
	}
	return r;
}

/* What of it is not there any more. The state does not tell before something is to be written there. */
static const char *gone(const struct dmr_pair_info *pair)
{
	char name[64];
	u64 sectors;
	bool main = !dmr_device_name(pair->main_major, pair->main_minor, name, &sectors);
	bool spare = !dmr_device_name(pair->spare_major, pair->spare_minor, name, &sectors);

	return main && spare ? ", main and spare are gone" : main ? ", main is gone" : spare ? ", the spare is gone" : "";
}

/* As monitoring wants it: 0 well, 1 warning, 2 critical, 3 unknown. */
static int pair_level(const struct dmr_pair_info *pair)
{
	const struct dmr_status *s = &pair->status;

	if (!pair->have_table)
		return 3;
	if (s->state == DMR_STALE || s->state == DMR_TRIPPED || s->state == DMR_FROZEN || *gone(pair))
		return 2;
	if (s->state == DMR_FULL || s->pending || s->bad_slots || pair->suspended || s->counters.spare_errors ||
	    s->counters.metadata_errors || s->used_slots * 100 >= s->all_slots * NEARLY_FULL)
		return 1;
	return 0;
}

static void check_text(const struct dmr_pair_info *pair)
{
	const struct dmr_status *s = &pair->status;

	if (!pair->have_table) {
		printf(" %s unknown", pair->name);
		return;
	}
	printf(" %s %s %llu/%llu slots, %llu pending, %llu bad", pair->name, dmr_state_word(s->state),
	       (unsigned long long)s->used_slots, (unsigned long long)s->all_slots, (unsigned long long)s->pending,
	       (unsigned long long)s->bad_slots);
	if (s->counters.spare_errors || s->counters.metadata_errors)
		printf(", %llu errors of the spare", (unsigned long long)(s->counters.spare_errors + s->counters.metadata_errors));
	printf("%s%s", gone(pair), pair->suspended ? ", suspended" : "");
}

/* failed: not all that were named are there, or nothing is known. */
static int status_check(const struct dmr_pair_info *pairs, size_t count, bool failed)
{
	static const char * const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	static const int rank[] = { 0, 1, 3, 2 };
	int worst = count && !failed ? 0 : 3;
	size_t i;

	for (i = 0; i < count; i++)
		if (rank[pair_level(&pairs[i])] > rank[worst])
			worst = pair_level(&pairs[i]);
	printf("DMREMAP %s -", words[worst]);
	for (i = 0; i < count; i++) {
		printf("%s", i ? ";" : "");
		check_text(&pairs[i]);
	}
	if (failed)
		printf("%s", count ? "; others cannot be had" : " the status cannot be had");
	else if (!count)
		printf(" no active pair");
	printf("\n");
	return worst;
}

int dmr_verb_status(int argc, char **argv)
{
	struct dmr_pair_info *pairs = NULL;
	size_t count = 0, i;
	int r = select_pairs(argc, argv, &pairs, &count);

	if (cli.check) {
		r = status_check(pairs, count, r);
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

static void list_row(const struct dmr_pair_info *pair)
{
	dmr_out_row(0);
	dmr_cell_text(LIST_NAME, "%s", pair->name);
	dmr_cell_text(LIST_STATE, "%s", state_of(pair));
	dmr_cell_number(LIST_SIZE, pair->length);
	devices_cells(pair, LIST_MAIN, LIST_SPARE, LIST_UUID);
}

int dmr_verb_list(int argc, char **argv)
{
	struct dmr_pair_info *pairs = NULL;
	size_t count = 0, i;
	int r = select_pairs(argc, argv, &pairs, &count);

	if (r)
		goto out;
	for (i = 0; cli.config && i < count; i++) {
		if (pairs[i].have_table)
			dmr_config_line(&pairs[i]);
		else
			r = dmr_fail(DMR_EXIT_FAILED, "use the dmremap of the module that is loaded",
				     "%s answers what this version does not understand", pairs[i].name);
	}
	if (cli.config)
		goto out;
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
	enum dmr_list_line line;
	struct dmr_listed listed;
	char *rest = answer;

	*next = 0;
	while ((line = dmr_list_parse(&rest, &listed)) != DMR_LINE_END) {
		if (line == DMR_LINE_WRONG)
			return false;
		if (line == DMR_LINE_NEXT) {
			*next = listed.sector;
			continue;
		}
		dmr_out_row(0);
		dmr_cell_number(0, listed.sector);
		dmr_cell_number(1, listed.count);
		dmr_cell_text(2, "%s", listed.kind);
		dmr_cell_number(3, listed.spare);
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

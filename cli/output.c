// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What reading verbs print: fields and tables of named columns, for people by libsmartcols or as one
 * JSON object. JSON has all columns, numbers as numbers and sizes in bytes; docs/JSON.md is its schema.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <libsmartcols.h>
#include "cli.h"

#define JSON_VERSION	1
#define MAX_COLUMNS	32u

static struct json_object *root, *rows, *row;
static struct libscols_table *table;
static struct libscols_line *line, **kept;	/* kept: the rows, for others to be below */
static const struct dmr_column *columns;
static unsigned int column_count, row_count;
static int shown[MAX_COLUMNS];	/* where a column stands in the table, -1: not shown */

static void size_text(u64 sectors, char *text, size_t size)
{
	static const char units[] = "BKMGTPE";
	u64 bytes = sectors * DMR_SECTOR_SIZE, tenths;
	unsigned int unit = 0;

	if (cli.bytes) {
		snprintf(text, size, "%llu", (unsigned long long)bytes);
		return;
	}
	for (tenths = bytes; tenths >= 1024 && unit < 6; unit++)
		tenths /= 1024;
	tenths = unit ? (u64)((long double)bytes * 10 / (1ULL << (10 * unit)) + 0.5L) : bytes * 10;
	if (tenths % 10)
		snprintf(text, size, "%llu.%llu%c", (unsigned long long)tenths / 10,
			 (unsigned long long)tenths % 10, units[unit]);
	else
		snprintf(text, size, "%llu%c", (unsigned long long)tenths / 10, units[unit]);
}

void dmr_out_open(const char *command)
{
	if (!cli.json)
		return;
	root = json_object_new_object();
	json_object_object_add(root, "version", json_object_new_int(JSON_VERSION));
	json_object_object_add(root, "command", json_object_new_string(command));
}

int dmr_out_close(void)
{
	bool failed;

	if (cli.json) {
		puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(root);
		root = NULL;
	}
	failed = fflush(stdout) || ferror(stdout);
	if (failed)
		return dmr_fail(DMR_EXIT_FAILED, "look at where the output goes", "the output was not written");
	return DMR_EXIT_OK;
}

/* How many bytes of UTF-8 begin here, or 0: none do (RFC 3629). */
static size_t utf8_length(const unsigned char *at)
{
	size_t length = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
		      : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0, i;

	for (i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, a surrogate, or beyond the last character. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

/* JSON is UTF-8; a path may be anything. */
static struct json_object *json_text(char *text)
{
	unsigned char *at = (unsigned char *)text;

	while (*at) {
		size_t length = utf8_length(at);

		if (!length)
			*at = '?';
		at += length ? length : 1;
	}
	return json_object_new_string(text);
}

static char *text_of(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		exit(dmr_fail(DMR_EXIT_FAILED, NULL, "no memory"));
	return text;
}

void dmr_out_text(const char *key, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_of(format, args);
	va_end(args);
	if (cli.json)
		json_object_object_add(root, key, json_text(text));
	else
		printf("%s: %s\n", key, text);
	free(text);
}

void dmr_out_number(const char *key, u64 value)
{
	if (cli.json)
		json_object_object_add(root, key, json_object_new_uint64(value));
	else
		printf("%s: %llu\n", key, (unsigned long long)value);
}

void dmr_out_size(const char *key, u64 sectors)
{
	char text[32];

	size_text(sectors, text, sizeof(text));
	if (cli.json)
		json_object_object_add(root, key, json_object_new_uint64(sectors * DMR_SECTOR_SIZE));
	else
		printf("%s: %s\n", key, text);
}

void dmr_out_flag(const char *key, bool value)
{
	if (cli.json)
		json_object_object_add(root, key, json_object_new_boolean(value));
	else
		printf("%s: %s\n", key, value ? "yes" : "no");
}

static void heading(const char *key, char *text)
{
	for (; *key; key++)
		*text++ = *key == '_' ? '-' : (char)toupper(*key);
	*text = '\0';
}

static void show_column(unsigned int i, int at)
{
	char text[64];
	int flags = columns[i].kind == DMR_TEXT ? 0 : SCOLS_FL_RIGHT;

	heading(columns[i].key, text);
	if (!at && cli.tree)
		flags |= SCOLS_FL_TREE;
	scols_table_new_column(table, text, 0, flags);
	shown[i] = at;
}

/* -o a,b,c: those columns in that order. */
static int choose_columns(void)
{
	char *list = strdup(cli.columns), *word, *rest = NULL, known[600] = "name some of ";
	unsigned int i;
	int at = 0;

	for (i = 0; i < column_count; i++) {
		strncat(known, i ? ", " : "", sizeof(known) - strlen(known) - 1);
		strncat(known, columns[i].key, sizeof(known) - strlen(known) - 1);
	}
	for (word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		for (i = 0; i < column_count; i++)
			if (!strcasecmp(word, columns[i].key))
				break;
		if (i == column_count || shown[i] >= 0) {
			dmr_fail(DMR_EXIT_USAGE, known, "%s column \"%s\"",
				 i == column_count ? "unknown" : "repeated", word);
			free(list);
			return DMR_EXIT_USAGE;
		}
		show_column(i, at++);
	}
	free(list);
	if (!at)
		return dmr_fail(DMR_EXIT_USAGE, known, "no column was named");
	return DMR_EXIT_OK;
}

int dmr_out_table(const char *key, const struct dmr_column *all, unsigned int count)
{
	unsigned int i;
	int at = 0;

	columns = all;
	column_count = count;
	row_count = 0;
	for (i = 0; i < MAX_COLUMNS; i++)
		shown[i] = -1;
	table = scols_new_table();
	if (!table)
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	if (cli.columns) {
		int r = choose_columns();

		if (r) {
			scols_unref_table(table);
			if (root)
				json_object_put(root);
			return r;
		}
	} else {
		for (i = 0; i < count; i++)
			if (!columns[i].hidden)
				show_column(i, at++);
	}
	scols_table_enable_noheadings(table, cli.noheadings);
	if (cli.json) {
		rows = json_object_new_array();
		json_object_object_add(root, key, rows);
	}
	return DMR_EXIT_OK;
}

unsigned int dmr_out_row(unsigned int parent)
{
	if (cli.json) {
		row = json_object_new_object();
		json_object_array_add(rows, row);
	} else {
		struct libscols_line *above = parent && parent <= row_count ? kept[parent - 1] : NULL;
		struct libscols_line **more = reallocarray(kept, row_count + 1, sizeof(*more));

		line = scols_table_new_line(table, above);
		if (!line || !more)
			exit(dmr_fail(DMR_EXIT_FAILED, NULL, "no memory"));
		kept = more;
		kept[row_count] = line;
	}
	return ++row_count;
}

void dmr_cell_text(unsigned int column, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_of(format, args);
	va_end(args);
	if (cli.json)
		json_object_object_add(row, columns[column].key, json_text(text));
	else if (shown[column] >= 0)
		scols_line_set_data(line, shown[column], text);
	free(text);
}

void dmr_cell_number(unsigned int column, u64 value)
{
	bool size = columns[column].kind == DMR_SIZE;
	char text[32];

	if (cli.json) {
		json_object_object_add(row, columns[column].key,
				       json_object_new_uint64(size ? value * DMR_SECTOR_SIZE : value));
		return;
	}
	if (shown[column] < 0)
		return;
	if (size)
		size_text(value, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	scols_line_set_data(line, shown[column], text);
}

void dmr_out_table_end(void)
{
	if (!cli.json && row_count)
		scols_print_table(table);
	scols_unref_table(table);
	table = NULL;
	free(kept);
	kept = NULL;
}

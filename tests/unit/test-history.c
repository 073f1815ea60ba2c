// SPDX-License-Identifier: GPL-2.0-or-later
/* The history of errors: what is within a window is counted, what is older is not. */
#include "unit.h"
#include "history.h"

#define HOUR	3600u
#define DAY	(24 * HOUR)
/* A clock that has run for a while, in the middle of a step. */
#define START	(40 * DAY + 300)

static struct dmr_history *fresh(void)
{
	struct dmr_history *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	dmr_history_init(h, START);
	return h;
}

/* The value of one line; asserts that there is one. */
static unsigned long long value(struct dmr_history *h, unsigned int now, const char *key)
{
	char text[4096], want[64];
	const char *line;

	dmr_history_format(h, now, text, sizeof(text));
	snprintf(want, sizeof(want), "%s ", key);
	line = strstr(text, want);
	assert_non_null(line);
	return strtoull(line + strlen(want), NULL, 10);
}

static void a_new_history_is_empty(void **state)
{
	struct dmr_history *h = fresh();

	(void)state;
	assert_int_equal(value(h, START, "read_errors_1h"), 0);
	assert_int_equal(value(h, START + 30 * DAY, "trips_7d"), 0);
	free(h);
}

static void what_leaves_a_window_is_not_counted_in_it(void **state)
{
	static const struct {
		unsigned int later;
		unsigned int hour, day, week;
	} at[] = {
		{ 0, 1, 1, 1 },
		{ HOUR - 600, 1, 1, 1 },
		{ HOUR, 0, 1, 1 },
		{ DAY - 600, 0, 1, 1 },
		{ DAY, 0, 0, 1 },
		{ 7 * DAY - 600, 0, 0, 1 },
		{ 7 * DAY, 0, 0, 0 },
		{ 100 * DAY, 0, 0, 0 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct dmr_history *h = fresh();

		dmr_history_add(h, START, DMR_EVENT_WRITE_ERROR, 8, 8);
		assert_int_equal(value(h, START + at[i].later, "write_errors_1h"), at[i].hour);
		assert_int_equal(value(h, START + at[i].later, "write_errors_24h"), at[i].day);
		assert_int_equal(value(h, START + at[i].later, "write_errors_7d"), at[i].week);
		free(h);
	}
}

static void events_over_two_weeks_count_for_the_last_one(void **state)
{
	struct dmr_history *h = fresh();
	unsigned int i;

	(void)state;
	for (i = 0; i < 14 * 24; i++)
		dmr_history_add(h, START + i * HOUR, DMR_EVENT_TRIP, 0, 0);
	assert_int_equal(value(h, START + (i - 1) * HOUR, "trips_7d"), 7 * 24);
	assert_int_equal(value(h, START + (i - 1) * HOUR, "trips_24h"), 24);
	assert_int_equal(value(h, START + (i - 1) * HOUR, "trips_1h"), 1);
	free(h);
}

static void sectors_are_counted_where_they_matter(void **state)
{
	struct dmr_history *h = fresh();

	(void)state;
	dmr_history_add(h, START, DMR_EVENT_RELOCATED, 0, 24);
	dmr_history_add(h, START, DMR_EVENT_PENDING, 0, 3);
	dmr_history_add(h, START, DMR_EVENT_SPARE_ERROR, 0, 100);
	assert_int_equal(value(h, START, "relocated_sectors_1h"), 24);
	assert_int_equal(value(h, START, "new_pending_sectors_1h"), 3);
	assert_int_equal(value(h, START, "spare_errors_1h"), 1);
	free(h);
}

static void the_last_errors_come_newest_first(void **state)
{
	struct dmr_history *h = fresh();
	char text[4096], *line;
	unsigned int i, lines = 0;

	(void)state;
	for (i = 0; i < DMR_HISTORY_LAST + 3; i++)
		dmr_history_add(h, START + i, DMR_EVENT_READ_ERROR, 1000 + i, 8);
	dmr_history_add(h, START + i, DMR_EVENT_RELOCATED, 1, 8);
	dmr_history_format(h, START + i, text, sizeof(text));
	line = strstr(text, "\nerror ");
	assert_non_null(line);
	assert_memory_equal(line, "\nerror 1 read 1018 8\n", 21);
	for (; line; line = strstr(line + 1, "\nerror "))
		lines++;
	assert_int_equal(lines, DMR_HISTORY_LAST);
	assert_non_null(strstr(text, "\nerror 16 read 1003 8\n"));
	assert_null(strstr(text, " read 1002 8"));
	free(h);
}

static void a_short_buffer_is_filled_and_not_overrun(void **state)
{
	struct dmr_history *h = fresh();
	char text[101];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(dmr_history_format(h, START, text, 100), 99);
	assert_int_equal(text[99], '\0');
	assert_int_equal(text[100], 'x');
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_history_is_empty),
		cmocka_unit_test(what_leaves_a_window_is_not_counted_in_it),
		cmocka_unit_test(events_over_two_weeks_count_for_the_last_one),
		cmocka_unit_test(sectors_are_counted_where_they_matter),
		cmocka_unit_test(the_last_errors_come_newest_first),
		cmocka_unit_test(a_short_buffer_is_filled_and_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's log. Each of our lines but refusals is limited to ten in five seconds, by the place that prints it, so it
 * is looked for only where it cannot have been held back: the first ten since the kernel said that it had held back
 * others in the function that prints it, which begins another five seconds, or since there was nothing for a while.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "damage.h"

#define BURST	10u
#define WINDOW	6.0	/* seconds without any, after which it begins anew in any case */

static const struct { const char *text, *name, *from; } lines[LINES] = {
	[SAID_SUPER] = { "is unreadable, damaged or old: to be repaired", "a superblock to be repaired",
			 "dmr_choose_super" },
	[SAID_TABLE] = { "is damaged or old: to be repaired", "a table to be repaired", "dmr_load_table" },
	[SAID_REPAIRED] = { ": metadata repaired: ", "metadata repaired", "dmr_repair" },
	[SAID_WRITE] = { "writing the metadata block at sector", "a failed write",
			 "dmr_metadata_write" },
	[SAID_SWALLOWED] = { "does not give back what was written", "a write that is not given back",
			     "dmr_not_given_back" },
	[SAID_MOVED] = { " moved to sector ", "a table copy moved", "dmr_table_relocate" },
	[SAID_FAILED] = { "repairing the spare's metadata failed", "a failed repair", NULL },
	[SAID_FORMATTED] = { "spare formatted", "formatted", NULL },
	[SAID_REFUSED] = { "dm-remap-v4: ", "a refusal", NULL },
};

static int kmsg = -1;
static unsigned int seen[LINES];
static unsigned long checked[LINES], skipped[LINES];
static char refusal[1024];
static struct { unsigned int count; double last; bool begins; } limit[LINES];	/* of those since it began */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* "dmr_repair: 5 callbacks suppressed" */
static void note_limit(const char *text)
{
	unsigned int i;

	for (i = 0; i < LINES; i++)
		limit[i].begins |= lines[i].from && strstr(text, lines[i].from);
}

static void sort_line(const char *text)
{
	unsigned int i;

	if (strstr(text, " callbacks suppressed")) {
		note_limit(text);
		return;
	}
	for (i = 0; i < LINES && !strstr(text, lines[i].text); i++)
		;
	if (i == LINES)
		return;
	seen[i]++;
	if (i == SAID_REFUSED)
		snprintf(refusal, sizeof(refusal), "%s", strstr(text, lines[i].text));
}

static void drain(void)
{
	char text[8192];
	ssize_t n;

	do {
		n = read(kmsg, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			sort_line(text);
		}
	} while (n > 0 || (n < 0 && (errno == EPIPE || errno == EINTR)));
}

void log_begin(void)
{
	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("no /dev/kmsg: %s", strerror(errno));
	memset(seen, 0, sizeof(seen));
	*refusal = '\0';
}

/* May none of so many more have been held back? Those between which it began anew may. */
static bool all_printed(enum line line, unsigned int wanted)
{
	bool begins = limit[line].begins || now() - limit[line].last > WINDOW, sure;

	if (!wanted || !lines[line].from)
		return true;
	if (begins)
		limit[line].count = 0;
	sure = limit[line].count + wanted <= BURST && (wanted == 1 || !limit[line].begins);
	limit[line].begins = false;
	limit[line].count += wanted;
	limit[line].last = now();
	return sure;
}

void log_maybe(enum line line, unsigned int most)
{
	drain();
	all_printed(line, most);
}

void log_check(enum line line, unsigned int wanted)
{
	drain();
	if (all_printed(line, wanted)) {
		checked[line] += wanted;
		holds(seen[line] == wanted, "the log says '%s' %u times, not %u", lines[line].name, seen[line], wanted);
	} else {
		skipped[line] += wanted;
		holds(seen[line] <= wanted, "the log says '%s' %u times, more than %u", lines[line].name, seen[line],
		      wanted);
	}
}

const char *log_refusal(void)
{
	drain();
	return seen[SAID_REFUSED] == 1 ? refusal : "";
}

void log_summary(void)
{
	unsigned int i;

	for (i = 0; i < SAID_FORMATTED; i++)
		printf("# the log: '%s' was to be there %lu times, and %lu more that the kernel may leave out\n",
		       lines[i].name, checked[i], skipped[i]);
	for (i = 0; i < SAID_FAILED; i++)
		if (!checked[i])
			holds(false, "the log was never asked for '%s'", lines[i].name);
}

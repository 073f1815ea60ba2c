// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's log. Each of our lines but refusals is limited to ten in five seconds, by the place that prints it,
 * so it is looked for only where it cannot have been held back.
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
#define WINDOW	6.0	/* seconds: what was printed longer ago does not count any more */

static const struct { const char *text, *name; bool limited; } lines[LINES] = {
	[SAID_SUPER] = { "is unreadable, damaged or old: to be repaired", "a superblock to be repaired", true },
	[SAID_TABLE] = { "is damaged or old: to be repaired", "a table to be repaired", true },
	[SAID_REPAIRED] = { ": metadata repaired: ", "metadata repaired", true },
	[SAID_WRITE] = { "writing the metadata block at sector", "a failed write", true },
	[SAID_MOVED] = { " moved to sector ", "a table copy moved", true },
	[SAID_FAILED] = { "repairing the spare's metadata failed", "a failed repair", true },
	[SAID_FORMATTED] = { "spare formatted", "formatted", false },
	[SAID_REFUSED] = { "dm-remap-v4: ", "a refusal", false },
};

static int kmsg = -1;
static unsigned int seen[LINES];
static unsigned long checked[LINES], skipped[LINES];
static char refusal[1024];
static double printed[LINES][BURST];	/* when the last ones were, in turn */
static unsigned int turn[LINES];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sort_line(const char *text)
{
	unsigned int i;

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

void log_check(enum line line, unsigned int wanted)
{
	double t = now();
	unsigned int i, recent = 0;

	drain();
	for (i = 0; i < BURST; i++)
		recent += printed[line][i] && t - printed[line][i] < WINDOW;
	for (i = 0; i < wanted; i++)
		printed[line][turn[line]++ % BURST] = t;
	if (!lines[line].limited || recent + wanted <= BURST) {
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

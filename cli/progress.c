// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Long runs. The target works for a second and says where it stopped; here it is asked again until all is done,
 * or a signal comes: then the message on its way is waited for, and how to go on is said.
 */
#include <signal.h>
#include <unistd.h>
#include "cli.h"

static volatile sig_atomic_t stop_wanted;

static void on_signal(int number)
{
	(void)number;
	stop_wanted = 1;
}

struct totals {
	u64 done, pending;
	char did[32];		/* "remapped", as the target calls it */
};

/* "<n> sectors <did>[, <n> pending]" and perhaps "next <sector>". false: no such answer. */
static bool answer_parse(const char *answer, struct totals *totals, u64 *next, bool *more)
{
	unsigned long long done, pending = 0;
	const char *line = strchr(answer, '\n');

	if (sscanf(answer, "%llu sectors %31[^,\n], %llu pending", &done, totals->did, &pending) < 2)
		return false;
	totals->done += done;
	totals->pending += pending;
	*more = line && !strncmp(line + 1, DMR_LIST_NEXT " ", sizeof(DMR_LIST_NEXT));
	if (*more)
		return sscanf(line + 1 + sizeof(DMR_LIST_NEXT), "%llu", (unsigned long long *)next) == 1;
	return true;
}

/* To stderr: a bar on a terminal, a line of JSON a message with --json, else nothing. */
static void show_progress(u64 first, u64 at, u64 end, const struct totals *totals)
{
	unsigned int percent = (unsigned int)((long double)(at - first) * 100 / (end - first));

	if (cli.json)
		fprintf(stderr, "{\"version\":1,\"sector\":%llu,\"end\":%llu,\"percent\":%u,\"done\":%llu,\"pending\":%llu}\n",
			(unsigned long long)at, (unsigned long long)end, percent, (unsigned long long)totals->done,
			(unsigned long long)totals->pending);
	else if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r[%-40.*s] %3u%% %llu", (int)(percent * 40 / 100),
			"########################################", percent, (unsigned long long)at);
}

static int say_totals(const char *verb, u64 next, bool stopped, const struct totals *totals)
{
	if (!cli.json) {
		printf("%llu sectors %s", (unsigned long long)totals->done, totals->did);
		if (strcmp(verb, DMR_MSG_UNREMAP))
			printf(", %llu pending", (unsigned long long)totals->pending);
		printf("\n");
		return fflush(stdout) ? DMR_EXIT_FAILED : DMR_EXIT_OK;
	}
	dmr_out_open(verb);
	dmr_out_number("sectors", totals->done);
	dmr_out_number("pending", totals->pending);
	dmr_out_flag("complete", !stopped);
	if (stopped)
		dmr_out_number("next", next);
	return dmr_out_close();
}

int dmr_run(const struct dmr_pair_info *pair, const char *verb, u64 sector, u64 count)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct totals totals = { .did = "done" };
	u64 at = sector, end = sector + count, next;
	bool more = true, shown = false;
	char text[256], *answer;
	int r;

	/* No SA_RESTART is needed: libdevmapper's call is not broken off, and what it did is known. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (more && !stop_wanted) {
		snprintf(text, sizeof(text), "%s %llu %llu", verb, (unsigned long long)at, (unsigned long long)(end - at));
		r = dmr_dm_message(pair, text, &answer);
		if (r) {
			if (at > sector)
				fprintf(stderr, "dmremap: %llu sectors were %s before that, up to sector %llu\n",
					(unsigned long long)totals.done, totals.did, (unsigned long long)at);
			return r;
		}
		next = end;
		if (!answer_parse(answer, &totals, &next, &more) || (more && (next <= at || next >= end))) {
			dmr_fail(DMR_EXIT_FAILED, "use the dmremap of the module that is loaded",
				 "%s answers what this version does not understand: %s", pair->name, answer);
			free(answer);
			return DMR_EXIT_FAILED;
		}
		free(answer);
		at = next;
		if (more || shown) {
			show_progress(sector, at, end, &totals);
			shown = true;
		}
	}
	if (shown && !cli.json && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	r = say_totals(verb, at, more, &totals);
	if (more) {
		snprintf(text, sizeof(text), "dmremap %s %.127s %llu %llu goes on", verb, pair->name,
			 (unsigned long long)at, (unsigned long long)(end - at));
		return dmr_fail(DMR_EXIT_STOPPED, text, "stopped before sector %llu", (unsigned long long)at);
	}
	return r;
}

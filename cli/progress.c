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
	u64 stay, stays_at;	/* unremap --all: what it was refused for, and the first of these */
	char did[32];		/* "remapped", as the target calls it */
};

struct run {
	const struct dmr_pair_info *pair;
	const char *verb;
	u64 sector, at, end;
	unsigned int same;	/* so many answers in a row have stopped at the same sector */
	bool shown;
	struct totals totals;
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

enum dmr_list_line dmr_list_parse(char **rest, struct dmr_listed *listed)
{
	unsigned long long sector, count, spare;
	char *line = strsep(rest, "\n");

	if (!line || !*line)
		return DMR_LINE_END;
	memset(listed, 0, sizeof(*listed));
	if (sscanf(line, DMR_LIST_NEXT " %llu", &sector) == 1) {
		listed->sector = sector;
		return DMR_LINE_NEXT;
	}
	if (sscanf(line, "%llu %llu %15s %llu", &sector, &count, listed->kind, &spare) != 4)
		return DMR_LINE_WRONG;
	listed->sector = sector;
	listed->count = count;
	listed->spare = spare;
	return DMR_LINE_RUN;
}

/* To stderr: a bar on a terminal, a line of JSON a message with --json, else nothing. */
static void show_progress(const struct run *run)
{
	u64 all = run->end - run->sector;
	unsigned int percent = (unsigned int)((long double)(run->at - run->sector) * 100 / all);

	if (cli.json)
		fprintf(stderr, "{\"version\":1,\"sector\":%llu,\"end\":%llu,\"percent\":%u,\"done\":%llu,\"pending\":%llu}\n",
			(unsigned long long)run->at, (unsigned long long)run->end, percent,
			(unsigned long long)run->totals.done, (unsigned long long)run->totals.pending);
	else if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r[%-40.*s] %3u%% %llu", (int)(percent * 40 / 100),
			"########################################", percent, (unsigned long long)run->at);
}

static int say_totals(const struct run *run, bool stopped)
{
	const struct totals *totals = &run->totals;

	if (!cli.json) {
		printf("%llu sectors %s", (unsigned long long)totals->done, totals->did);
		if (strcmp(run->verb, DMR_MSG_UNREMAP))
			printf(", %llu pending", (unsigned long long)totals->pending);
		printf("\n");
		return fflush(stdout) ? DMR_EXIT_FAILED : DMR_EXIT_OK;
	}
	dmr_out_open(run->verb);
	dmr_out_number("sectors", totals->done);
	dmr_out_number("pending", totals->pending);
	if (cli.all)
		dmr_out_number("stay", totals->stay);
	dmr_out_flag("complete", !stopped);
	if (stopped)
		dmr_out_number("next", run->at);
	return dmr_out_close();
}

/* run->verb for [run->at, end). 0: *next is where it stopped; -1: the answer is not understood; or an error number. */
static int send(struct run *run, const char *verb, u64 end, u64 *next)
{
	char text[256], *answer;
	bool more, understood;
	struct totals none = { .done = 0 };
	int error;

	snprintf(text, sizeof(text), "%s %llu %llu", verb, (unsigned long long)run->at, (unsigned long long)(end - run->at));
	error = dmr_dm_try_message(run->pair, text, &answer);
	if (error)
		return error;
	*next = end;
	understood = answer_parse(answer, verb == run->verb ? &run->totals : &none, next, &more) &&
		     (!more || (*next >= run->at && *next < end));
	/* A slow unit is moved by several calls, each of which has done something; else they would have no end. */
	run->same = understood && more && *next == run->at ? run->same + 1 : 0;
	understood &= run->same <= 2 * DMR_UNIT_SECTORS;
	free(answer);
	return understood ? 0 : -1;
}

static bool first_mapped(struct run *run, struct dmr_listed *listed)
{
	char text[64], *answer, *rest;
	bool found;

	snprintf(text, sizeof(text), DMR_MSG_LIST " %llu", (unsigned long long)run->at);
	if (dmr_dm_try_message(run->pair, text, &answer))
		return false;
	rest = answer;
	found = dmr_list_parse(&rest, listed) == DMR_LINE_RUN && listed->sector + listed->count > run->at;
	free(answer);
	return found;
}

/*
 * Something from run->at on was refused, and all mapped sectors before it are back: so the first that is mapped is at fault, or
 * beside one that is. False: nothing that is there would be done either.
 */
static bool step_over(struct run *run)
{
	struct dmr_listed listed;
	u64 end, next;

	if (!first_mapped(run, &listed))
		return false;
	if (listed.sector > run->at)
		run->at = listed.sector;
	end = listed.sector + listed.count;
	if (!strcmp(listed.kind, DMR_LIST_OWNED)) {
		if (end > (run->at / DMR_UNIT_SECTORS + 1) * DMR_UNIT_SECTORS)
			end = (run->at / DMR_UNIT_SECTORS + 1) * DMR_UNIT_SECTORS;
		if (!send(run, run->verb, end, &next)) {
			run->at = next;
			return true;
		}
		/* There is nothing to do for it, so it fails only where all would. */
		if (send(run, DMR_MSG_RETEST, end, &next))
			return false;
	}
	if (!run->totals.stay)
		run->totals.stays_at = run->at;
	run->totals.stay += end - run->at;
	run->at = end;
	return true;
}

static int refused(const struct run *run, int error)
{
	char text[256];
	int r;

	snprintf(text, sizeof(text), "%s %llu %llu", run->verb, (unsigned long long)run->at,
		 (unsigned long long)(run->end - run->at));
	r = dmr_dm_refused(run->pair, text, error);
	if (run->at > run->sector)
		fprintf(stderr, "dmremap: %llu sectors were %s before that, up to sector %llu\n",
			(unsigned long long)run->totals.done, run->totals.did, (unsigned long long)run->at);
	return r;
}

/* What was done before a unit that was refused no answer tells: so by the map, before and after. */
static void count_all(struct run *run)
{
	struct dmr_pair_info now;

	if (dmr_dm_pair(run->pair->name, &now) || now.status.owned > run->pair->status.owned)
		return;
	run->totals.done = run->pair->status.owned - now.status.owned;
	snprintf(run->totals.did, sizeof(run->totals.did), "back on main");
}

static int say_end(struct run *run)
{
	char next[320];
	int r;

	if (run->totals.stay)
		count_all(run);
	r = say_totals(run, run->at < run->end);
	if (run->at < run->end) {
		snprintf(next, sizeof(next), "dmremap %s %.127s %llu %llu goes on", run->verb, run->pair->name,
			 (unsigned long long)run->at, (unsigned long long)(run->end - run->at));
		return dmr_fail(DMR_EXIT_STOPPED, next, "stopped before sector %llu", (unsigned long long)run->at);
	}
	if (run->totals.stay) {
		snprintf(next, sizeof(next), "dmremap show %.127s lists them; pending and lost ones are to be rewritten first, for others the kernel log (dmesg) has the reason",
			 run->pair->name);
		return dmr_fail(DMR_EXIT_FAILED, next, "%llu sectors stay on the spare, the first of them is %llu",
				(unsigned long long)run->totals.stay, (unsigned long long)run->totals.stays_at);
	}
	return r;
}

int dmr_run(const struct dmr_pair_info *pair, const char *verb, u64 sector, u64 count)
{
	struct run run = {
		.pair = pair, .verb = verb, .sector = sector, .at = sector, .end = sector + count, .totals.did = "done",
	};
	struct sigaction action = { .sa_handler = on_signal };
	int error;
	u64 next;

	/* No SA_RESTART is needed: libdevmapper's call is not broken off, and what it did is known. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (run.at < run.end && !stop_wanted) {
		error = send(&run, verb, run.end, &next);
		if (error < 0)
			return dmr_fail(DMR_EXIT_FAILED, "use the dmremap of the module that is loaded",
					"%s answers what this version does not understand", pair->name);
		if (!error)
			run.at = next;
		else if (!cli.all || !step_over(&run))
			return refused(&run, error);
		if (run.at < run.end || run.shown || cli.json) {
			show_progress(&run);
			run.shown = true;
		}
	}
	if (run.shown && !cli.json && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	return say_end(&run);
}

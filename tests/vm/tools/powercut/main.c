// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Cuts the power of a pair again and again, under load, and checks after each cut what C13 says.
 * Runs in a guest (tests/vm/guest/crash*.t), as root, on two disks that it may write to.
 * A line of TAP for each scenario; what was wrong goes before it, with the seed that leads there.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "powercut.h"

uint64_t seed = 1;
unsigned int crash_points, violations, refused;
struct happened happened;

void violation(const char *format, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list args;

	pthread_mutex_lock(&lock);
	if (violations++ < SHOWN) {
		printf("# seed %llu, crash point %u: ", (unsigned long long)seed, crash_points);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
		fflush(stdout);
	}
	pthread_mutex_unlock(&lock);
}

void die(const char *format, ...)
{
	va_list args;

	printf("not ok - C13: powercut goes on: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: powercut [-s SEED] [-n CRASH-POINTS] [-i NUMBER] SCENARIO MAIN SPARE\n");
	exit(2);
}

/* Those that are not raw.c's. */
static const struct {
	const char *name;
	void (*run)(const char *name, unsigned int points);
} scenarios[] = {
	{ "format", run_format }, { "torn", run_torn }, { "ext4", run_files }, { "xfs", run_files },
};

static void run_scenario(const char *name, unsigned int points)
{
	unsigned int i;

	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (!strcmp(scenarios[i].name, name)) {
			scenarios[i].run(name, points);
			return;
		}
	}
	run_raw(name, points);
}

int main(int argc, char **argv)
{
	unsigned int points = 100;
	const char *name;
	time_t begun = time(NULL);
	int option;

	while ((option = getopt(argc, argv, "s:n:i:")) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'n')
			points = strtoul(optarg, NULL, 0);
		else if (option == 'i')
			bench_name(strtoul(optarg, NULL, 0));
		else
			usage();
	}
	if (argc - optind != 3)
		usage();
	name = argv[optind];
	bench_open(argv[optind + 1], argv[optind + 2]);
	run_scenario(name, points);
	bench_close();
	printf("%s - C13: %s: nothing is lost, nothing is invented, the map is what it was\n",
	       violations || !crash_points ? "not ok" : "ok", name);
	printf("# %s: up to %u slots used, %u bad, %u sectors pending; %u loads with moved tables, %u requests met, %u times grown, %u files synced\n",
	       name, happened.slots, happened.bad_slots, happened.pending, happened.moved_tables, happened.requests,
	       happened.grown, happened.synced);
	printf("# %s: %u crash points in %ld s, %u violations, %u loads refused for a damaged copy\n", name,
	       crash_points, (long)(time(NULL) - begun), violations, refused);
	return 0;
}

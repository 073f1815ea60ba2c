/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What assemble is made of: lines of the configuration (config-file.c) and spares that nobody uses (scan.c). */
#ifndef DMREMAP_ASSEMBLE_H
#define DMREMAP_ASSEMBLE_H

#include "cli.h"

struct dmr_wanted {
	char name[128], main[PATH_MAX];
	struct dmr_options args;
};

struct dmr_config {
	struct dmr_wanted *line;
	unsigned int count;
	int status;		/* 0, or an exit code: not all lines are understood, which was said */
};

/*
 * Lines of the configuration, in its order; no file is no line. After a line that is wrong goes on if `all`, else ends.
 * 0, or an exit code. Either way dmr_config_free().
 */
int dmr_config_read(struct dmr_config *config, bool all);
void dmr_config_free(struct dmr_config *config);
/* The line about the pair of that uuid, of which there is one at the most; NULL: none. */
struct dmr_wanted *dmr_config_find(const struct dmr_config *config, const u8 uuid[16]);

struct dmr_found {
	char path[80];
	struct dmr_super super;
	char leg[32];		/* "", or of which kind of RAID that is not started */
};

struct dmr_scan {
	struct dmr_found *all;
	unsigned int count;
};

/* All spares that nobody uses. 0, or an exit code; either way dmr_scan_free(). */
int dmr_scan(struct dmr_scan *scan);
void dmr_scan_free(struct dmr_scan *scan);
/*
 * How many have this uuid: more than one is a clone or a snapshot. Legs count, for what was taken out of a mirror is
 * as old as that, but not beside the array itself.
 */
unsigned int dmr_scan_rivals(const struct dmr_scan *scan, const u8 uuid[16], const char *spare);
/* The first that is no leg and has this uuid; NULL: none. */
const struct dmr_found *dmr_scan_find(const struct dmr_scan *scan, const u8 uuid[16]);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* All spares that nobody uses: those that assemble may take, and that remember a main. */
#include <glob.h>
#include "assemble.h"
#include "sysfs.h"

/*
 * Is something above it (a holder), or above the disk that it is a part of, or is it too short? Then it is no spare that
 * waits for us. What is suspended would keep us waiting.
 */
static bool candidate(const char *folder)
{
	char disk[PATH_MAX];

	return dmr_sys_number("%s/size", folder) >= DMR_MIN_SPARE && !dmr_sys_held(folder) &&
	       !dmr_sys_number("%s/dm/suspended", folder) && realpath(folder, disk) && !(dmr_sys_disk(disk) && dmr_sys_held(disk));
}

/* A spare, and perhaps on a leg or on a part of one. */
static bool look_at(const char *folder, struct dmr_found *found)
{
	dmr_device_node(strrchr(folder, '/') + 1, found->path, sizeof(found->path));
	if (!dmr_spare_peek(found->path, &found->super))
		return false;
	if (dmr_spare_reused(found->path, found->leg)) {
		if (cli.scan)
			dmr_warn("%s was a spare, but %s is on it now: it is left alone; if that is a mistake, wipefs takes the mark away",
				 found->path, found->leg);
		return false;
	}
	if (!dmr_device_is_leg(found->path, found->leg) && !dmr_disk_is_leg(folder, found->leg))
		found->leg[0] = '\0';
	return true;
}

int dmr_scan(struct dmr_scan *scan)
{
	struct dmr_found *more;
	glob_t list;
	size_t i;

	memset(scan, 0, sizeof(*scan));
	if (glob("/sys/class/block/*", 0, NULL, &list))
		return DMR_EXIT_OK;
	for (i = 0; i < list.gl_pathc; i++) {
		if (!candidate(list.gl_pathv[i]))
			continue;
		more = reallocarray(scan->all, scan->count + 1, sizeof(*more));
		if (!more) {
			globfree(&list);
			return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
		}
		scan->all = more;
		if (look_at(list.gl_pathv[i], &scan->all[scan->count]))
			scan->count++;
	}
	globfree(&list);
	return DMR_EXIT_OK;
}

void dmr_scan_free(struct dmr_scan *scan)
{
	free(scan->all);
	scan->all = NULL;
}

unsigned int dmr_scan_rivals(const struct dmr_scan *scan, const u8 uuid[16], const char *spare)
{
	bool array = dmr_device_is_array(spare);
	unsigned int i, n = 0;

	for (i = 0; i < scan->count; i++)
		n += !memcmp(scan->all[i].super.uuid, uuid, 16) && !(array && *scan->all[i].leg);
	return n;
}

const struct dmr_found *dmr_scan_find(const struct dmr_scan *scan, const u8 uuid[16])
{
	unsigned int i;

	for (i = 0; i < scan->count; i++)
		if (!*scan->all[i].leg && !memcmp(scan->all[i].super.uuid, uuid, 16))
			return &scan->all[i];
	return NULL;
}

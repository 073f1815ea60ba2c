// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which device is main, by the id that the kernel kept in the spare's superblock: a disk's own, with the
 * sector at which a partition begins, or a partition's UUID in the table.
 */
#include <ctype.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"
#include "probe.h"
#include "sysfs.h"

/* Have these two nodes a sector in common? */
bool dmr_paths_overlap(const char *a, const char *b)
{
	struct stat st[2];

	return !stat(a, &st[0]) && !stat(b, &st[1]) && S_ISBLK(st[0].st_mode) && S_ISBLK(st[1].st_mode) &&
	       dmr_sys_overlap(major(st[0].st_rdev), minor(st[0].st_rdev), major(st[1].st_rdev), minor(st[1].st_rdev));
}

/* The digits of a hexadecimal number, whatever is between them, against these bytes. */
static bool digits_match(const char *text, const u8 *bytes, unsigned int count)
{
	unsigned int digits = 0;

	for (; *text; text++) {
		const char *digit = "0123456789abcdef", *at;

		if (!isxdigit((unsigned char)*text))
			continue;
		at = strchr(digit, tolower((unsigned char)*text));
		if (digits / 2 == count || (unsigned int)(at - digit) != (bytes[digits / 2] >> (digits % 2 ? 0 : 4) & 0xf))
			return false;
		digits++;
	}
	return digits == 2 * count;
}

/* What sysfs knows of a disk ("naa.5000c500...", "t10.ATA ...", an NVMe's nguid or eui) against the bytes that the kernel remembered. */
static bool disk_matches(const char *disk, const struct dmr_main_id *id)
{
	char wanted[8 + 2 * DMR_MAIN_ID_SIZE], line[256];

	dmr_main_id_text(id, wanted, sizeof(wanted));
	if (dmr_sys_line(line, sizeof(line), "%s/device/wwid", disk) || dmr_sys_line(line, sizeof(line), "%s/wwid", disk)) {
		if (!strcasecmp(line, wanted))
			return true;
		/* The kernel hands out no more than 16 bytes of it. */
		if (id->kind == DMR_ID_T10 && id->size && !strncmp(line, "t10.", 4) && strlen(line) >= 4u + id->size &&
		    !memcmp(line + 4, id->id, id->size))
			return true;
	}
	return id->kind == DMR_ID_EUI64 &&
	       ((dmr_sys_line(line, sizeof(line), "%s/nguid", disk) && digits_match(line, id->id, id->size)) ||
		(dmr_sys_line(line, sizeof(line), "%s/eui", disk) && digits_match(line, id->id, id->size)));
}

static bool find_partition(const char *disk, u64 start, char path[PATH_MAX])
{
	char pattern[PATH_MAX];
	bool found = false;
	glob_t parts;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%.4000s/*/partition", disk);
	if (glob(pattern, 0, NULL, &parts))
		return false;
	for (i = 0; !found && i < parts.gl_pathc; i++) {
		*strrchr(parts.gl_pathv[i], '/') = '\0';
		found = dmr_sys_number("%s/start", parts.gl_pathv[i]) == start;
		if (found)
			dmr_device_node(strrchr(parts.gl_pathv[i], '/') + 1, path, PATH_MAX);
	}
	globfree(&parts);
	return found;
}

/*
 * Disks with this id, or their partitions that begin where the id says: how many, and the first of them. Some makers give all
 * disks one number. Paths of an NVMe below its multipath device have no node.
 */
static unsigned int find_disks(const struct dmr_main_id *id, const char *near, char path[PATH_MAX])
{
	unsigned int count = 0;
	char found[PATH_MAX];
	glob_t disks;
	size_t i;

	if (glob("/sys/block/*", 0, NULL, &disks))
		return 0;
	for (i = 0; i < disks.gl_pathc; i++) {
		const char *disk = disks.gl_pathv[i];

		if (!disk_matches(disk, id) || (id->start && !find_partition(disk, id->start, found)))
			continue;
		if (!id->start)
			dmr_device_node(strrchr(disk, '/') + 1, found, PATH_MAX);
		if (access(found, F_OK) || (near && !dmr_paths_overlap(near, found)))
			continue;
		if (!count++)
			snprintf(path, PATH_MAX, "%s", found);
	}
	globfree(&disks);
	return count;
}

/* disk: its folder in sysfs. */
static bool is_leg(const char *disk, char type[32])
{
	char path[PATH_MAX];

	dmr_device_node(strrchr(disk, '/') + 1, path, PATH_MAX);
	return dmr_device_is_leg(path, type);
}

static bool disk_is_below(const char *disk)
{
	char type[32];

	return dmr_sys_held(disk) || is_leg(disk, type);
}

bool dmr_disk_is_leg(const char *folder, char type[32])
{
	char disk[PATH_MAX];

	return realpath(folder, disk) && dmr_sys_disk(disk) && is_leg(disk, type);
}

int dmr_spare_no_leg(const char *path)
{
	char folder[PATH_MAX], leg[32];
	struct stat st;

	if (dmr_device_is_leg(path, leg) || (!stat(path, &st) && dmr_sys_folder(major(st.st_rdev), minor(st.st_rdev), folder) &&
					     dmr_disk_is_leg(folder, leg)))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "start the array (mdadm --assemble), and name that; wipefs takes stale marks away",
				"spare %s is on a leg of an array (%s)", path, leg);
	return DMR_EXIT_OK;
}

/* Has this partition, by its folder in sysfs, this UUID? As the disk's table has it: what is on main itself may not be readable. */
static bool has_uuid(blkid_partlist list, const char *folder, const char *uuid)
{
	unsigned int major, minor;
	blkid_partition part;
	const char *own;
	char line[32];

	if (!dmr_sys_line(line, sizeof(line), "%s/dev", folder) || sscanf(line, "%u:%u", &major, &minor) != 2)
		return false;
	part = blkid_partlist_devno_to_partition(list, makedev(major, minor));
	own = part ? blkid_partition_get_uuid(part) : NULL;
	return own && !strcasecmp(own, uuid);
}

/* Partitions of a disk with this UUID: how many, and the first of them. */
static unsigned int find_on_disk(const char *disk, const char *uuid, const char *near, char path[PATH_MAX])
{
	char node[PATH_MAX], pattern[PATH_MAX];
	unsigned int count = 0;
	struct dmr_probe probe;
	blkid_partlist list;
	glob_t parts;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%.4000s/*/partition", disk);
	if (glob(pattern, 0, NULL, &parts))
		return 0;
	dmr_device_node(strrchr(disk, '/') + 1, node, PATH_MAX);
	if (dmr_probe_open(&probe, node)) {
		list = blkid_probe_get_partitions(probe.blkid);
		for (i = 0; list && i < parts.gl_pathc; i++) {
			*strrchr(parts.gl_pathv[i], '/') = '\0';
			dmr_device_node(strrchr(parts.gl_pathv[i], '/') + 1, node, PATH_MAX);
			if (has_uuid(list, parts.gl_pathv[i], uuid) && (!near || dmr_paths_overlap(near, node)) && !count++)
				snprintf(path, PATH_MAX, "%s", node);
		}
		dmr_probe_close(&probe);
	}
	globfree(&parts);
	return count;
}

static unsigned int find_partitions(const char *uuid, const char *near, char path[PATH_MAX])
{
	unsigned int count = 0, here;
	char found[PATH_MAX];
	glob_t disks;
	size_t i;

	if (glob("/sys/block/*", 0, NULL, &disks))
		return 0;
	for (i = 0; i < disks.gl_pathc; i++) {
		here = find_on_disk(disks.gl_pathv[i], uuid, near, found);
		if (!here || disk_is_below(disks.gl_pathv[i]))
			continue;
		if (!count)
			snprintf(path, PATH_MAX, "%s", found);
		count += here;
	}
	globfree(&disks);
	return count;
}

unsigned int dmr_main_find(const struct dmr_main_id *id, const char *near, char path[PATH_MAX])
{
	char text[DMR_MAIN_ID_SIZE + 1];

	if (id->kind == DMR_ID_NONE)
		return 0;
	if (id->kind != DMR_ID_PARTUUID)
		return find_disks(id, near, path);
	memcpy(text, id->id, id->size);
	text[id->size] = '\0';
	return find_partitions(text, near, path);
}

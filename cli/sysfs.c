// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Block devices in sysfs, and the nodes in /dev that go with them.
 */
#include <glob.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "cli.h"
#include "sysfs.h"

static bool first_line(char *line, size_t size, const char *format, va_list args)
{
	char path[PATH_MAX];
	bool ok = false;
	FILE *f;

	line[0] = '\0';
	vsnprintf(path, sizeof(path), format, args);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, (int)size, f)) {
		line[strcspn(line, "\n")] = '\0';
		ok = true;
	}
	fclose(f);
	return ok;
}

bool dmr_sys_line(char *line, size_t size, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = first_line(line, size, format, args);
	va_end(args);
	return ok;
}

u64 dmr_sys_number(const char *format, ...)
{
	char line[32];
	va_list args;

	va_start(args, format);
	first_line(line, sizeof(line), format, args);
	va_end(args);
	return strtoull(line, NULL, 10);
}

bool dmr_sys_folder(u32 major, u32 minor, char folder[PATH_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
	return realpath(path, folder);
}

bool dmr_sys_disk(char folder[PATH_MAX])
{
	if (!dmr_sys_number("%s/partition", folder))
		return false;
	*strrchr(folder, '/') = '\0';
	return true;
}

bool dmr_sys_held(const char *folder)
{
	char pattern[PATH_MAX];
	glob_t list;

	snprintf(pattern, sizeof(pattern), "%.4000s/holders/*", folder);
	if (glob(pattern, GLOB_NOSORT, NULL, &list))
		return false;
	globfree(&list);
	return true;
}

bool dmr_sys_overlap(u32 major_a, u32 minor_a, u32 major_b, u32 minor_b)
{
	char disk[2][PATH_MAX];
	u64 start[2], end[2];
	unsigned int i;

	if (major_a == major_b && minor_a == minor_b)
		return true;
	if (!dmr_sys_folder(major_a, minor_a, disk[0]) || !dmr_sys_folder(major_b, minor_b, disk[1]))
		return false;
	for (i = 0; i < 2; i++) {
		start[i] = dmr_sys_number("%s/start", disk[i]);
		end[i] = start[i] + dmr_sys_number("%s/size", disk[i]);
		dmr_sys_disk(disk[i]);
	}
	return !strcmp(disk[0], disk[1]) && start[0] < end[1] && start[1] < end[0];
}

void dmr_device_node(const char *name, char *path, size_t size)
{
	char *at;

	snprintf(path, size, "/dev/%s", name);
	for (at = path; *at; at++)	/* sysfs writes cciss!c0d0 */
		if (*at == '!')
			*at = '/';
}

bool dmr_device_name(u32 major, u32 minor, char name[64], u64 *sectors)
{
	char folder[PATH_MAX];

	snprintf(name, 64, "%u:%u", major, minor);
	*sectors = 0;
	if (!dmr_sys_folder(major, minor, folder))
		return false;
	snprintf(name, 64, "%.63s", strrchr(folder, '/') + 1);
	*sectors = dmr_sys_number("%s/size", folder);
	return true;
}

bool dmr_long_enough(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	return stat(path, &st) || !S_ISBLK(st.st_mode) || !dmr_sys_folder(major(st.st_rdev), minor(st.st_rdev), folder) ||
	       dmr_sys_number("%s/size", folder) >= DMR_MIN_SPARE;
}

bool dmr_device_is_array(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode) || !dmr_sys_folder(major(st.st_rdev), minor(st.st_rdev), folder))
		return false;
	strncat(folder, "/md", sizeof(folder) - strlen(folder) - 1);
	return !stat(folder, &st);
}

bool dmr_path_lasts(const char *path)
{
	return strrchr(path, '/') != path + 4;
}

/* A name that is the same after a boot, where udev made one; else the kernel's. */
void dmr_stable_path(u32 maj, u32 min, char path[PATH_MAX])
{
	static const char * const folders[] = { "/dev/disk/by-id/*", "/dev/disk/by-partuuid/*", "/dev/mapper/*", "/dev/md/*" };
	char name[64];
	struct stat st;
	glob_t list;
	u64 sectors;
	size_t i, k;

	dmr_device_name(maj, min, name, &sectors);
	dmr_device_node(name, path, PATH_MAX);
	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		bool found = false;

		if (glob(folders[i], 0, NULL, &list))
			continue;
		for (k = 0; !found && k < list.gl_pathc; k++) {
			/* A physical volume's name is that of what is on it, which is on main and on the pair. */
			found = !strstr(list.gl_pathv[k], "/lvm-pv-uuid-") && !stat(list.gl_pathv[k], &st) &&
				S_ISBLK(st.st_mode) && major(st.st_rdev) == maj && minor(st.st_rdev) == min;
			if (found)
				snprintf(path, PATH_MAX, "%s", list.gl_pathv[k]);
		}
		globfree(&list);
		if (found)
			return;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Block devices as main and spare: size, blocks, what is on them, who uses them, and which disks lie
 * below. Nothing is written here but by dmr_device_wipe().
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"
#include "probe.h"
#include "sysfs.h"

static void add_leaf(struct dmr_device *device, const char *name)
{
	unsigned int i;

	for (i = 0; i < device->leaves; i++)
		if (!strcmp(device->leaf[i], name))
			return;
	if (device->leaves < DMR_MAX_LEAVES)
		snprintf(device->leaf[device->leaves++], 64, "%.63s", name);
}

/* Down through partitions, logical volumes, encryption: to the disks. */
static void walk_down(struct dmr_device *device, const char *folder, unsigned int depth)
{
	char below[PATH_MAX], slaves[PATH_MAX], line[64];
	bool any = false;
	struct dirent *entry;
	DIR *dir;

	if (dmr_sys_line(line, sizeof(line), "%s/dm/uuid", folder) && !strncmp(line, "CRYPT-", 6))
		device->crypt = true;
	snprintf(slaves, sizeof(slaves), "%.4000s/slaves", folder);
	dir = depth < 16 ? opendir(slaves) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(slaves, sizeof(slaves), "%.3800s/slaves/%.255s", folder, entry->d_name);
		if (!realpath(slaves, below))
			continue;
		dmr_sys_disk(below);
		any = true;
		walk_down(device, below, depth + 1);
	}
	if (dir)
		closedir(dir);
	if (!any)
		add_leaf(device, strrchr(folder, '/') + 1);
}

static int open_failed(const char *path, const char *role)
{
	if (errno == EACCES || errno == EPERM)
		return dmr_fail(DMR_EXIT_PERMISSION, "try it as root", "%s %s: %s", role, path, strerror(errno));
	if (errno == EBUSY)
		return dmr_fail(DMR_EXIT_BUSY, "unmount it, and stop what uses it (lsblk shows it)",
				"%s %s is in use", role, path);
	return dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk for the device's name", "%s %s: %s", role, path,
			strerror(errno));
}

/* By a pair, whatever its version; not so what has something else on it by now, or a spare within. */
static bool taken(int fd, const char *path)
{
	char type[32];

	return dmr_is_ours(fd) && !dmr_spare_reused(path, type);
}

int dmr_device_read(const char *path, const char *role, struct dmr_device *device)
{
	char folder[PATH_MAX], line[64];
	struct stat st;
	u64 bytes = 0;
	int fd, ro = 0, block = 512;

	memset(device, 0, sizeof(*device));
	snprintf(device->path, sizeof(device->path), "%s", path);
	if (stat(path, &st))
		return open_failed(path, role);
	if (!S_ISBLK(st.st_mode))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "for a file: losetup -f --show FILE makes a device of it",
				"%s %s is no block device", role, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return open_failed(path, role);
	if (!dmr_sys_folder(major(st.st_rdev), minor(st.st_rdev), folder) || ioctl(fd, BLKGETSIZE64, &bytes) ||
	    ioctl(fd, BLKSSZGET, &block) || ioctl(fd, BLKROGET, &ro)) {
		close(fd);
		return open_failed(path, role);
	}
	dmr_read_afresh(fd, 0);
	snprintf(device->name, sizeof(device->name), "%.63s", strrchr(folder, '/') + 1);
	device->major = major(st.st_rdev);
	device->minor = minor(st.st_rdev);
	device->sectors = bytes / DMR_SECTOR_SIZE;
	device->block = (u32)block;
	device->read_only = ro;
	dmr_probe_signature(path, device->signature, sizeof(device->signature));
	/* Main may be dying: it is not read more than needs be. */
	if (!strcmp(role, "spare")) {
		device->blank = dmr_is_blank(fd, device->sectors);
		device->sum = dmr_ends_sum(fd, device->sectors);
	}
	device->ours = strcmp(role, "spare") ? dmr_is_spare(fd) : taken(fd, path);
	close(fd);
	if (!dmr_disk_is_leg(folder, device->disk_leg))
		device->disk_leg[0] = '\0';
	dmr_sys_disk(folder);
	if (dmr_sys_line(line, sizeof(line), "%s/queue/zoned", folder))
		device->zoned = strcmp(line, "none");
	if (dmr_sys_line(line, sizeof(line), "%s/queue/write_cache", folder))
		device->write_back = !strcmp(line, "write back");
	walk_down(device, folder, 0);
	return DMR_EXIT_OK;
}

static void mounted_at(u32 major, u32 minor, char *text, size_t size)
{
	char line[4096], point[1024];
	unsigned int a, b;
	size_t n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %u:%u %*s %1023s", &a, &b, point) == 3 && a == major && b == minor)
			n += (size_t)scnprintf(text + n, size - n, "%smounted at %s", n ? ", " : "", point);
	if (f)
		fclose(f);
}

void dmr_device_users(u32 major, u32 minor, char *text, size_t size)
{
	char pattern[128];
	glob_t list;
	size_t i, n;

	text[0] = '\0';
	mounted_at(major, minor, text, size);
	n = strlen(text);
	snprintf(pattern, sizeof(pattern), "/sys/dev/block/%u:%u/holders/*", major, minor);
	if (glob(pattern, 0, NULL, &list))
		return;
	for (i = 0; i < list.gl_pathc; i++)
		n += (size_t)scnprintf(text + n, size - n, "%sheld by %s", n ? ", " : "",
				       strrchr(list.gl_pathv[i], '/') + 1);
	globfree(&list);
}

int dmr_device_free(const char *path, const char *role)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	char users[512];
	struct stat st;

	if (fd >= 0) {
		close(fd);
		return DMR_EXIT_OK;
	}
	if (errno != EBUSY || stat(path, &st))
		return open_failed(path, role);
	dmr_device_users(major(st.st_rdev), minor(st.st_rdev), users, sizeof(users));
	return dmr_fail(DMR_EXIT_BUSY, "unmount it, and stop what uses it (lsblk shows it)", "%s %s is in use%s%s",
			role, path, *users ? ": " : "", users);
}

bool dmr_devices_share_disk(const struct dmr_device *a, const struct dmr_device *b)
{
	unsigned int i, k;

	for (i = 0; i < a->leaves; i++)
		for (k = 0; k < b->leaves; k++)
			if (!strcmp(a->leaf[i], b->leaf[k]))
				return true;
	return false;
}

static bool same_as_before(int fd, const struct dmr_device *device)
{
	u64 bytes = 0;
	struct stat st;

	return !fstat(fd, &st) && major(st.st_rdev) == device->major && minor(st.st_rdev) == device->minor &&
	       !ioctl(fd, BLKGETSIZE64, &bytes) && bytes / DMR_SECTOR_SIZE == device->sectors &&
	       !taken(fd, device->path);
}

bool dmr_zero_ends(int fd, u64 sectors)
{
	static const u64 mib = 1 << 20;
	u64 bytes = sectors * DMR_SECTOR_SIZE, at, end;
	void *zeroes = dmr_buffer_alloc(mib);
	bool ok = zeroes;
	unsigned int part;

	errno = zeroes ? EIO : ENOMEM;	/* what a write that is cut short leaves unsaid */

	/* As README's way by hand. */
	for (part = 0; part < 2; part++) {
		at = part ? bytes - DMR_WIPED_LAST : 0;
		end = part ? bytes : DMR_WIPED_FIRST;
		for (; ok && at < end; at += mib)
			ok = pwrite(fd, zeroes, mib, (off_t)at) == (ssize_t)mib;
	}
	dmr_buffer_free(zeroes, mib);
	return ok && !fsync(fd);
}

int dmr_device_wipe(const struct dmr_device *spare)
{
	int fd = open(spare->path, O_RDWR | O_EXCL | O_CLOEXEC);
	bool ok;

	if (fd >= 0 && !same_as_before(fd, spare)) {
		close(fd);
		return dmr_fail(DMR_EXIT_BUSY, "look again, and repeat it", "spare %s is not what it was when it was shown",
				spare->path);
	}
	ok = fd >= 0 && dmr_zero_ends(fd, spare->sectors);
	if (fd >= 0)
		close(fd);
	if (ok)
		return DMR_EXIT_OK;
	return dmr_fail(DMR_EXIT_FAILED, "take another spare: this one takes no writes", "spare %s cannot be zeroed: %s",
			spare->path, strerror(errno));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Block devices as sysfs and libblkid know them: size, blocks, what is on them, who uses them, and
 * which disks lie below. Nothing is written here but by dmr_device_wipe().
 */
#include <blkid/blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"

/* The first line of a file of sysfs; false: there is none. */
static bool sys_line(char *line, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	bool ok = false;
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	line[0] = '\0';
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

/* The folder of a device in sysfs, and of the disk if it is a partition. */
static bool sys_folder(u32 major, u32 minor, char folder[PATH_MAX], bool disk)
{
	char path[64], line[32];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
	if (!realpath(path, folder))
		return false;
	if (disk && sys_line(line, sizeof(line), "%s/partition", folder))
		*strrchr(folder, '/') = '\0';
	return true;
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
	char folder[PATH_MAX], line[32];

	snprintf(name, 64, "%u:%u", major, minor);
	*sectors = 0;
	if (!sys_folder(major, minor, folder, false))
		return false;
	snprintf(name, 64, "%.63s", strrchr(folder, '/') + 1);
	sys_line(line, sizeof(line), "%s/size", folder);
	*sectors = strtoull(line, NULL, 10);
	return true;
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

	if (sys_line(line, sizeof(line), "%s/dm/uuid", folder) && !strncmp(line, "CRYPT-", 6))
		device->crypt = true;
	snprintf(slaves, sizeof(slaves), "%.4000s/slaves", folder);
	dir = depth < 16 ? opendir(slaves) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(slaves, sizeof(slaves), "%.3800s/slaves/%.255s", folder, entry->d_name);
		if (!realpath(slaves, below))
			continue;
		if (sys_line(line, sizeof(line), "%s/partition", below))
			*strrchr(below, '/') = '\0';
		any = true;
		walk_down(device, below, depth + 1);
	}
	if (dir)
		closedir(dir);
	if (!any)
		add_leaf(device, strrchr(folder, '/') + 1);
}

static void find_signature(int fd, struct dmr_device *device)
{
	blkid_probe probe = blkid_new_probe();
	const char *type = NULL, *label = NULL;
	char *at;

	if (!probe)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
	blkid_probe_enable_partitions(probe, 1);
	if (!blkid_probe_set_device(probe, fd, 0, 0) && blkid_do_fullprobe(probe) >= 0) {
		if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) &&
		    blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL))
			type = NULL;
		if (blkid_probe_lookup_value(probe, "LABEL", &label, NULL))
			label = NULL;
		if (type)
			snprintf(device->signature, sizeof(device->signature), label ? "%s \"%s\"" : "%s", type, label);
		for (at = device->signature; *at; at++)	/* a label is somebody else's text */
			*at = isascii(*at) && isprint(*at) ? *at : '?';
	}
	blkid_free_probe(probe);
}

/* Magic near the end: behind it all is as in the array. With another kind, or a stale one, it is not. */
static bool found_at_end(blkid_probe probe, char type[32])
{
	const char *offset = NULL, *found = NULL;
	u64 bytes = (u64)blkid_probe_get_size(probe);

	if (blkid_probe_lookup_value(probe, "TYPE", &found, NULL))
		return false;
	snprintf(type, 32, "%.31s", found);
	return blkid_probe_lookup_value(probe, "SBMAGIC_OFFSET", &offset, NULL) ||
	       strtoull(offset, NULL, 10) + (1 << 20) >= bytes;
}

bool dmr_device_is_leg(const char *path, char type[32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
	bool found = false;

	if (probe) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC);
		blkid_probe_filter_superblocks_usage(probe, BLKID_FLTR_ONLYIN, BLKID_USAGE_RAID);
		if (!blkid_probe_set_device(probe, fd, 0, 0))
			while (!found && !blkid_do_probe(probe))
				found = found_at_end(probe, type);
		blkid_free_probe(probe);
	}
	if (fd >= 0)
		close(fd);
	return found;
}

bool dmr_device_is_array(const char *path)
{
	char folder[128];
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u/md", major(st.st_rdev), minor(st.st_rdev));
	return !access(folder, F_OK);
}

void dmr_read_afresh(int fd, off_t bytes)
{
	posix_fadvise(fd, 0, bytes, POSIX_FADV_DONTNEED);
}

/* As the kernel looks at a spare before it formats it (FORMAT.md, "Blank"), but for the last MiB's own tables. */
static bool is_blank(int fd, u64 sectors)
{
	static const u64 mib = 1 << 20;
	u64 bytes = sectors * DMR_SECTOR_SIZE, at[] = { 0, mib, 2 * mib, 3 * mib, 0 };
	u8 *buffer = dmr_buffer_alloc(mib);
	size_t length[] = { mib, DMR_BLOCK_SIZE, DMR_BLOCK_SIZE, DMR_BLOCK_SIZE, mib };
	bool blank = buffer && bytes >= 5 * mib;
	unsigned int i;

	at[4] = bytes - mib;
	for (i = 0; blank && i < ARRAY_SIZE(at); i++)
		blank = pread(fd, buffer, length[i], (off_t)at[i]) == (ssize_t)length[i] &&
			dmr_block_is_blank(buffer, length[i]);
	dmr_buffer_free(buffer, mib);
	return blank;
}

/* A superblock's magic, whatever the rest: one of a newer version is a spare, too. */
static bool is_ours(int fd)
{
	void *block = dmr_buffer_alloc(DMR_BLOCK_SIZE);
	bool found = false;
	unsigned int i;

	for (i = 0; block && !found && i < DMR_SUPER_COPIES; i++)
		found = pread(fd, block, DMR_BLOCK_SIZE, (off_t)dmr_super_sector(i) * DMR_SECTOR_SIZE) ==
			(ssize_t)DMR_BLOCK_SIZE && dmr_block_is_ours(block);
	dmr_buffer_free(block, DMR_BLOCK_SIZE);
	return found;
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
	if (strpbrk(path, " \t\\"))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "name it by another path", "%s: no blanks in \"%s\"", role, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return open_failed(path, role);
	if (!sys_folder(major(st.st_rdev), minor(st.st_rdev), folder, false) || ioctl(fd, BLKGETSIZE64, &bytes) ||
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
	if (sys_line(line, sizeof(line), "%s/start", folder))
		device->start = strtoull(line, NULL, 10);
	find_signature(fd, device);
	/* Main may be dying: it is not read more than needs be. */
	device->blank = !strcmp(role, "spare") && is_blank(fd, device->sectors);
	device->ours = is_ours(fd);
	close(fd);
	sys_folder(major(st.st_rdev), minor(st.st_rdev), folder, true);
	if (sys_line(line, sizeof(line), "%s/queue/zoned", folder))
		device->zoned = strcmp(line, "none");
	if (sys_line(line, sizeof(line), "%s/queue/write_cache", folder))
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

/* Partitions of one disk, or a disk and its partition. */
bool dmr_devices_overlap(const struct dmr_device *a, const struct dmr_device *b)
{
	if (!strcmp(a->name, b->name))
		return true;
	return a->leaves == 1 && b->leaves == 1 && !strcmp(a->leaf[0], b->leaf[0]) &&
	       !strncmp(a->name, a->leaf[0], strlen(a->leaf[0])) && !strncmp(b->name, b->leaf[0], strlen(b->leaf[0])) &&
	       a->start < b->start + b->sectors && b->start < a->start + a->sectors;
}

bool dmr_paths_overlap(const char *a, const char *b)
{
	char disk[2][PATH_MAX], self[2][PATH_MAX];
	struct stat st[2];

	if (stat(a, &st[0]) || stat(b, &st[1]) || !S_ISBLK(st[0].st_mode) || !S_ISBLK(st[1].st_mode))
		return false;
	if (st[0].st_rdev == st[1].st_rdev)
		return true;
	if (!sys_folder(major(st[0].st_rdev), minor(st[0].st_rdev), self[0], false) ||
	    !sys_folder(major(st[1].st_rdev), minor(st[1].st_rdev), self[1], false) ||
	    !sys_folder(major(st[0].st_rdev), minor(st[0].st_rdev), disk[0], true) ||
	    !sys_folder(major(st[1].st_rdev), minor(st[1].st_rdev), disk[1], true))
		return false;
	return !strcmp(disk[0], disk[1]) && (!strcmp(self[0], disk[0]) || !strcmp(self[1], disk[1]));
}

static bool same_as_before(int fd, const struct dmr_device *device)
{
	u64 bytes = 0;
	struct stat st;

	return !fstat(fd, &st) && major(st.st_rdev) == device->major && minor(st.st_rdev) == device->minor &&
	       !ioctl(fd, BLKGETSIZE64, &bytes) && bytes / DMR_SECTOR_SIZE == device->sectors && !is_ours(fd);
}

int dmr_device_wipe(const struct dmr_device *spare)
{
	static const u64 mib = 1 << 20;
	u64 bytes = spare->sectors * DMR_SECTOR_SIZE, at, end;
	void *zeroes = dmr_buffer_alloc(mib);
	int fd = open(spare->path, O_RDWR | O_EXCL | O_CLOEXEC);
	bool ok = zeroes && fd >= 0;
	unsigned int part;

	if (ok && !same_as_before(fd, spare)) {
		dmr_buffer_free(zeroes, mib);
		close(fd);
		return dmr_fail(DMR_EXIT_BUSY, "look again, and repeat it", "spare %s is not what it was when it was shown",
				spare->path);
	}
	if (ok)
		errno = EIO;	/* what a write that is cut short leaves unsaid */

	/* The first 4 MiB, and the last 2, as README's way by hand. */
	for (part = 0; part < 2; part++) {
		at = part ? bytes - 2 * mib : 0;
		end = part ? bytes : 4 * mib;
		for (; ok && at < end; at += mib)
			ok = pwrite(fd, zeroes, mib, (off_t)at) == (ssize_t)mib;
	}
	ok = ok && !fsync(fd);
	dmr_buffer_free(zeroes, mib);
	if (fd >= 0)
		close(fd);
	if (ok)
		return DMR_EXIT_OK;
	return dmr_fail(DMR_EXIT_FAILED, "take another spare: this one takes no writes", "spare %s cannot be zeroed: %s",
			spare->path, strerror(errno));
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
	if (sys_line(line, sizeof(line), "%s/device/wwid", disk) || sys_line(line, sizeof(line), "%s/wwid", disk)) {
		if (!strcasecmp(line, wanted))
			return true;
		/* The kernel hands out no more than 16 bytes of it. */
		if (id->kind == DMR_ID_T10 && id->size && !strncmp(line, "t10.", 4) && strlen(line) >= 4u + id->size &&
		    !memcmp(line + 4, id->id, id->size))
			return true;
	}
	return id->kind == DMR_ID_EUI64 &&
	       ((sys_line(line, sizeof(line), "%s/nguid", disk) && digits_match(line, id->id, id->size)) ||
		(sys_line(line, sizeof(line), "%s/eui", disk) && digits_match(line, id->id, id->size)));
}

static bool find_partition(const char *disk, u64 start, char path[PATH_MAX])
{
	char pattern[PATH_MAX], line[32];
	bool found = false;
	glob_t parts;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%.4000s/*/partition", disk);
	if (glob(pattern, 0, NULL, &parts))
		return false;
	for (i = 0; !found && i < parts.gl_pathc; i++) {
		*strrchr(parts.gl_pathv[i], '/') = '\0';
		found = sys_line(line, sizeof(line), "%s/start", parts.gl_pathv[i]) &&
			strtoull(line, NULL, 10) == start;
		if (found)
			dmr_device_node(strrchr(parts.gl_pathv[i], '/') + 1, path, PATH_MAX);
	}
	globfree(&parts);
	return found;
}

/* The disk with this id, or its partition that begins where the id says. Paths of an NVMe below its multipath device have no node. */
static bool find_disk(const struct dmr_main_id *id, const char *near, char path[PATH_MAX])
{
	bool found = false;
	glob_t disks;
	size_t i;

	if (glob("/sys/block/*", 0, NULL, &disks))
		return false;
	for (i = 0; !found && i < disks.gl_pathc; i++) {
		const char *disk = disks.gl_pathv[i];

		if (!disk_matches(disk, id))
			continue;
		found = !id->start;
		if (found)
			dmr_device_node(strrchr(disk, '/') + 1, path, PATH_MAX);
		else
			found = find_partition(disk, id->start, path);
		found = found && !access(path, F_OK) && (!near || dmr_paths_overlap(near, path));
	}
	globfree(&disks);
	return found;
}

/* disk: its folder in sysfs. */
static bool disk_is_below(const char *disk)
{
	char pattern[PATH_MAX], path[PATH_MAX], type[32];
	glob_t list;

	snprintf(pattern, sizeof(pattern), "%.4000s/holders/*", disk);
	if (!glob(pattern, GLOB_NOSORT, NULL, &list)) {
		globfree(&list);
		return true;
	}
	dmr_device_node(strrchr(disk, '/') + 1, path, PATH_MAX);
	return dmr_device_is_leg(path, type);
}

bool dmr_partition_is_below(const char *folder)
{
	char disk[PATH_MAX], line[32];

	if (!realpath(folder, disk) || !sys_line(line, sizeof(line), "%s/partition", disk))
		return false;
	*strrchr(disk, '/') = '\0';
	return disk_is_below(disk);
}

/* Partitions of a disk with this UUID, as its table has it: what is on main itself may not be readable. */
static unsigned int find_on_disk(const char *disk, const char *uuid, const char *near, char path[PATH_MAX])
{
	char node[PATH_MAX], pattern[PATH_MAX], line[32];
	unsigned int major, minor, count = 0;
	blkid_probe probe = NULL;
	blkid_partlist list;
	blkid_partition part;
	glob_t parts;
	size_t i;
	int fd;

	snprintf(pattern, sizeof(pattern), "%.4000s/*/partition", disk);
	if (glob(pattern, 0, NULL, &parts))
		return 0;
	dmr_device_node(strrchr(disk, '/') + 1, node, PATH_MAX);
	fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		probe = blkid_new_probe();
	if (probe && !blkid_probe_set_device(probe, fd, 0, 0) && (list = blkid_probe_get_partitions(probe)))
		for (i = 0; i < parts.gl_pathc; i++) {
			*strrchr(parts.gl_pathv[i], '/') = '\0';
			if (!sys_line(line, sizeof(line), "%s/dev", parts.gl_pathv[i]) ||
			    sscanf(line, "%u:%u", &major, &minor) != 2)
				continue;
			part = blkid_partlist_devno_to_partition(list, makedev(major, minor));
			if (!part || !blkid_partition_get_uuid(part) || strcasecmp(blkid_partition_get_uuid(part), uuid))
				continue;
			dmr_device_node(strrchr(parts.gl_pathv[i], '/') + 1, node, PATH_MAX);
			if (near && !dmr_paths_overlap(near, node))
				continue;
			if (!count++)
				snprintf(path, PATH_MAX, "%s", node);
		}
	globfree(&parts);
	if (probe)
		blkid_free_probe(probe);
	if (fd >= 0)
		close(fd);
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
		return find_disk(id, near, path);
	memcpy(text, id->id, id->size);
	text[id->size] = '\0';
	return find_partitions(text, near, path);
}

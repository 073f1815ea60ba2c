// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A spare that is not active, as a device or a file, read and repaired by the core's own code.
 * Nobody else has it meanwhile: a device is opened exclusively, a file must be behind no loop device.
 */
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "sysfs.h"

static int spare_read(struct dmr_metadata *meta, u64 sector, void *data, u32 bytes)
{
	int fd = container_of(meta, struct dmr_spare_file, meta)->fd;
	off_t at = (off_t)(sector * DMR_SECTOR_SIZE);
	ssize_t got;

	while (bytes) {
		got = pread(fd, data, bytes, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		data = (u8 *)data + got;
		at += got;
		bytes -= (u32)got;
	}
	return 0;
}

static int spare_write(struct dmr_metadata *meta, u64 sector, void *block)
{
	int fd = container_of(meta, struct dmr_spare_file, meta)->fd;
	off_t at = (off_t)(sector * DMR_SECTOR_SIZE);
	size_t left = DMR_BLOCK_SIZE;
	ssize_t put;

	while (left) {
		put = pwrite(fd, block, left, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		block = (u8 *)block + put;
		at += put;
		left -= (size_t)put;
	}
	if (fdatasync(fd))
		return -errno;
	/* What is read back is to come from the device. */
	dmr_read_afresh(fd, 0);
	return 0;
}

static const struct dmr_metadata_io spare_io = { .read = spare_read, .write = spare_write };

/* A file behind a loop device may be an active spare: its name is in sysfs. */
static bool behind_loop(const char *path, char device[64])
{
	struct stat file, behind;
	char backing[PATH_MAX];
	bool found = false;
	glob_t list;
	size_t i;

	/* By its inode, for it may have other names. */
	if (stat(path, &file) || glob("/sys/block/loop*/loop/backing_file", 0, NULL, &list))
		return false;
	for (i = 0; !found && i < list.gl_pathc; i++) {
		found = dmr_sys_line(backing, sizeof(backing), "%s", list.gl_pathv[i]) && !stat(backing, &behind) &&
			behind.st_dev == file.st_dev && behind.st_ino == file.st_ino;
		if (found)
			sscanf(list.gl_pathv[i], "/sys/block/%63[^/]", device);
	}
	globfree(&list);
	return found;
}

static int spare_open_failed(const char *path)
{
	switch (errno) {
	case ENOENT: case ENXIO: case ENODEV: case ENOTDIR:
		return dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk for the device's name", "spare %s: %s", path,
				strerror(errno));
	case EBUSY:
		return dmr_fail(DMR_EXIT_BUSY, "stop the pair that uses it (dmremap list), or unmount it",
				"spare %s is in use", path);
	case EACCES: case EPERM: case EROFS:
		return dmr_fail(DMR_EXIT_PERMISSION, "try it as root, and on a device that is not read-only",
				"spare %s: %s", path, strerror(errno));
	default:
		return dmr_fail(DMR_EXIT_FAILED, "look at the kernel log (dmesg)", "spare %s: %s", path,
				strerror(errno));
	}
}

/* Its length in sectors, once it is ours alone. 0, or an exit code. */
static int spare_claim(const char *path, int fd, bool writing, u64 *sectors)
{
	char loop[64] = "", next[128];
	struct stat st;
	struct flock whole = { .l_type = writing ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	u64 bytes;
	int r;

	if (fstat(fd, &st))
		return spare_open_failed(path);
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &bytes))
			return spare_open_failed(path);
		r = writing ? dmr_spare_no_leg(path) : DMR_EXIT_OK;
		if (r)
			return r;
		dmr_read_afresh(fd, 0);
	} else {
		if (behind_loop(path, loop)) {
			snprintf(next, sizeof(next), "name /dev/%s itself, or detach it (losetup -d)", loop);
			return dmr_fail(DMR_EXIT_BUSY, next, "spare %s is behind /dev/%s", path, loop);
		}
		/* Virtual machines lock their images in the second way. */
		if (flock(fd, (writing ? LOCK_EX : LOCK_SH) | LOCK_NB) || fcntl(fd, F_OFD_SETLK, &whole))
			return dmr_fail(DMR_EXIT_BUSY, "wait until the other program has ended",
					"spare %s is locked by another program", path);
		bytes = (u64)st.st_size;
	}
	*sectors = bytes / DMR_SECTOR_SIZE;
	return DMR_EXIT_OK;
}

static void read_supers(struct dmr_spare_file *spare)
{
	struct dmr_super *super = dmr_big_alloc(sizeof(*super));
	unsigned int i;

	for (i = 0; super && i < DMR_SUPER_COPIES; i++) {
		spare->super_read[i] = !spare_read(&spare->meta, dmr_super_sector(i), spare->meta.block[0],
						   DMR_BLOCK_SIZE);
		if (spare->super_read[i])
			spare->super_verdict[i] = dmr_super_decode(spare->meta.block[0], i, super);
	}
	dmr_big_free(super);
}

int dmr_spare_open(const char *path, bool writing, struct dmr_spare_file *spare)
{
	static const u8 none[16];
	const char *name = strrchr(path, '/');
	struct stat st;
	int r, flags = (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC;

	memset(spare, 0, sizeof(*spare));
	if (stat(path, &st)) {
		spare->fd = -1;
		return spare_open_failed(path);
	}
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
		spare->fd = -1;
		return dmr_fail(DMR_EXIT_NO_DEVICE, "name the spare's device, or an image of it",
				"spare %s is neither a block device nor a file", path);
	}
	/* Exclusive is for devices: nobody may have mounted or claimed it. */
	spare->fd = open(path, flags | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (spare->fd < 0)
		return spare_open_failed(path);
	spare->meta.io = &spare_io;
	snprintf(spare->meta.name, sizeof(spare->meta.name), "%.31s", name ? name + 1 : path);
	r = spare_claim(path, spare->fd, writing, &spare->meta.sectors);
	if (!r && (!dmr_map_init() || !dmr_metadata_init(&spare->meta)))
		r = dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	if (r) {
		close(spare->fd);
		spare->fd = -1;
		return r;
	}
	read_supers(spare);
	r = dmr_load(&spare->meta, 0, none, spare->why);
	if (r == -ENOMEM) {
		dmr_spare_close(spare);
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	}
	if (!r && spare->meta.blank)
		snprintf(spare->why, sizeof(spare->why), "spare %s is blank", spare->meta.name);
	spare->loaded = !r && !spare->meta.blank;
	return DMR_EXIT_OK;
}

void dmr_spare_close(struct dmr_spare_file *spare)
{
	dmr_metadata_exit(&spare->meta);
	dmr_map_exit();
	if (spare->fd >= 0)
		close(spare->fd);
}

bool dmr_spare_begins(const struct dmr_spare_file *spare)
{
	unsigned int i;

	for (i = 0; i < DMR_SUPER_COPIES; i++)
		switch (spare->super_read[i] ? spare->super_verdict[i] : DMR_BLANK) {
		case DMR_BLANK: case DMR_NOT_OURS: case DMR_BAD_TYPE: case DMR_BAD_POSITION:
			break;
		default:
			return true;
		}
	return false;
}

bool dmr_spare_peek(const char *path, struct dmr_super *super)
{
	struct dmr_super *copy = dmr_big_alloc(sizeof(*copy) * DMR_SUPER_COPIES);
	void *block = dmr_buffer_alloc(DMR_BLOCK_SIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned int i, valid = 0, best = 0;

	/* No more: it may be anything, mounted, too. */
	if (fd >= 0)
		dmr_read_afresh(fd, dmr_super_sector(DMR_SUPER_COPIES - 1) * DMR_SECTOR_SIZE + DMR_BLOCK_SIZE);
	for (i = 0; fd >= 0 && copy && block && i < DMR_SUPER_COPIES; i++)
		if (pread(fd, block, DMR_BLOCK_SIZE, (off_t)dmr_super_sector(i) * DMR_SECTOR_SIZE) ==
		    (ssize_t)DMR_BLOCK_SIZE && dmr_super_decode(block, i, &copy[i]) == DMR_GOOD)
			valid |= 1u << i;
	/* Where two pairs have equally many, the module refuses it, and says so. */
	if (valid) {
		dmr_super_choose(copy, valid, &best);
		*super = copy[best];
	}
	if (fd >= 0)
		close(fd);
	dmr_buffer_free(block, DMR_BLOCK_SIZE);
	dmr_big_free(copy);
	return valid;
}

void dmr_main_id_text(const struct dmr_main_id *id, char *text, size_t size)
{
	static const char * const kinds[] = { "none", "t10", "eui", "naa", "partuuid" };
	unsigned int i;
	size_t n;

	n = (size_t)scnprintf(text, size, "%s", id->kind < ARRAY_SIZE(kinds) ? kinds[id->kind] : "unknown");
	for (i = 0; i < id->size; i++) {
		bool plain = id->kind == DMR_ID_PARTUUID && isascii(id->id[i]) && isgraph(id->id[i]);

		n += (size_t)scnprintf(text + n, size - n, plain ? "%s%c" : "%s%02x", i ? "" : ".", id->id[i]);
	}
}

void dmr_main_text(const struct dmr_super *super, char *text, size_t size)
{
	const char *at = super->main_text;
	size_t n = 0;

	text[0] = '\0';
	for (; *at && n + 5 < size; at++)
		n += (size_t)scnprintf(text + n, size - n, isascii(*at) && isprint(*at) ? "%c" : "\\x%02x",
				       (u8)*at);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * create and stop. All that can be refused is refused before the first write; the kernel formats the spare
 * itself, with main's identity as it sees it, so that here nothing of the format is written.
 */
#include "cli.h"
#include "sysfs.h"

void dmr_device_word(const char *path, u32 major, u32 minor, char word[PATH_MAX])
{
	if (cli.dry_run && !strpbrk(path, " \t\n\\"))
		snprintf(word, PATH_MAX, "%s", path);
	else
		snprintf(word, PATH_MAX, "%u:%u", major, minor);
}

void dmr_table_args(const char *main, const char *spare, const struct dmr_options *options, char *text, size_t size)
{
	char args[128];

	dmr_options_format(options, args, sizeof(args));
	snprintf(text, size, "%s %s%s", main, spare, args);
}

/* What device-mapper and the target would refuse, said with what to do. */
static int check_kinds(const struct dmr_device *main, const struct dmr_device *spare)
{
	if (dmr_sys_overlap(main->major, main->minor, spare->major, spare->minor))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "name two devices that have no sector in common",
				"%s and %s are the same device, or overlap", main->path, spare->path);
	if (main->ours)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "main comes first, the spare second: swap them",
				"main %s is a spare of dm-remap", main->path);
	if (main->zoned || spare->zoned)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take a device without zones", "%s is a zoned device",
				main->zoned ? main->path : spare->path);
	if (main->read_only || spare->read_only)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "make it writable (blockdev --setrw), or take another one",
				"%s is read-only", main->read_only ? main->path : spare->path);
	if (spare->block > main->block)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take a spare with blocks as small as main's",
				"spare %s has blocks of %u bytes, main %s of %u", spare->path, spare->block, main->path,
				main->block);
	if (main->block > DMR_BLOCK_SIZE)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take a disk with blocks of at most 4096 bytes", "main %s has blocks of %u bytes",
				main->path, main->block);
	return DMR_EXIT_OK;
}

static int check_sizes(const struct dmr_device *main, const struct dmr_device *spare)
{
	if (!main->sectors)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk", "main %s is empty", main->path);
	if (main->sectors > DMR_MAX_COVERED)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take a partition of it", "main %s is too long", main->path);
	if (main->sectors % (main->block / DMR_SECTOR_SIZE))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take a partition or a volume that ends with a block",
				"main %s has %llu sectors, which are no whole blocks of %u bytes", main->path,
				(unsigned long long)main->sectors, main->block);
	if (!dmr_segments_for(spare->sectors))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "take one of at least 5 MiB; each MiB behind the first four has room for 252 units",
				"spare %s is too short: %llu sectors, at least %u are needed", spare->path,
				(unsigned long long)spare->sectors, DMR_MIN_SPARE);
	return DMR_EXIT_OK;
}

static int check_content(const struct dmr_device *spare)
{
	if (spare->ours)
		return dmr_fail(DMR_EXIT_NO_DEVICE,
				"dmremap assemble activates it; if it may be lost: dmremap wipe",
				"spare %s belongs to a pair already", spare->path);
	if (spare->blank || cli.wipe)
		return DMR_EXIT_OK;
	return dmr_fail(DMR_EXIT_NO_DEVICE, "look twice; if all on it may be lost, say --wipe", "spare %s is not blank%s%s",
			spare->path, *spare->signature ? ": it has " : "", spare->signature);
}

/*
 * Is the spare a pair? Its superblocks would be where that pair's main begins, which would be taken for a spare and refused
 * from the next boot on, and both pairs with it.
 */
static int check_pair(const struct dmr_device *spare)
{
	struct dmr_pair_info *pairs;
	size_t count, i;
	int r = dmr_dm_pairs(&pairs, &count);

	if (r)
		return r;
	for (i = 0; !r && i < count; i++)
		if (pairs[i].major == spare->major && pairs[i].minor == spare->minor)
			r = dmr_fail(DMR_EXIT_NO_DEVICE, "take a partition or a logical volume on it",
				     "spare %s is a pair itself (%s): its main could not be told from a spare", spare->path,
				     pairs[i].name);
	free(pairs);
	return r;
}

static void warn_of_leg(const struct dmr_device *device)
{
	if (*device->disk_leg)
		dmr_warn("the disk of %s has the mark of a RAID (%s): if that is stale, take it away (wipefs), for at boot neither main nor spare is looked for on such a disk",
			 device->path, device->disk_leg);
}

static void warn_of(const struct dmr_device *main, const struct dmr_device *spare)
{
	warn_of_leg(main);
	warn_of_leg(spare);
	if (main->write_back)
		dmr_warn("main %s has a volatile write cache: an error that comes when it is flushed names no sector and cannot be relocated; hdparm -W 0 or sdparm --clear WCE switches it off",
			 main->path);
	if (main->crypt && !spare->crypt)
		dmr_warn("main %s lies on an encrypted device, spare %s does not: what is relocated is on the spare in plain text",
			 main->path, spare->path);
	if (dmr_devices_share_disk(main, spare))
		dmr_warn("main %s and spare %s are on one disk (%s): they die together", main->path, spare->path,
			 main->leaf[0]);
}

static void show_device(const char *role, const struct dmr_device *device, const char *fate)
{
	printf("%s  %s (%s), %llu MiB, blocks of %u bytes, %s: %s\n", role, device->path, device->name,
	       (unsigned long long)(device->sectors >> 11), device->block,
	       *device->signature ? device->signature : device->blank ? "blank" : "no known signature", fate);
}

static int check_all(const struct dmr_device *main, const struct dmr_device *spare, const char *name)
{
	int r = check_kinds(main, spare);

	if (!r)
		r = check_sizes(main, spare);
	if (!r)
		r = check_pair(spare);
	if (!r)
		r = check_content(spare);
	if (!r)
		r = dmr_device_free(main->path, "main");
	if (!r)
		r = dmr_device_free(spare->path, "spare");
	if (!r)
		r = dmr_main_taken(main->path);
	if (!r && !dmr_dm_name_ok(name))
		r = dmr_fail(DMR_EXIT_USAGE, DMR_NAME_HELP, "\"%s\" is no name for a device", name);
	if (!r && dmr_dm_exists(name))
		r = dmr_fail(DMR_EXIT_BUSY, "give another name", "there is a device %s already", name);
	return r;
}

/* Are they, after the question, what was shown before it? */
static int look_again(const char *role, const struct dmr_device *shown)
{
	struct dmr_device now;
	int r = dmr_device_read(shown->path, role, &now);

	if (!r && (now.major != shown->major || now.minor != shown->minor || now.sectors != shown->sectors ||
		   now.blank != shown->blank || now.ours != shown->ours || now.sum != shown->sum ||
		   strcmp(now.signature, shown->signature)))
		r = dmr_fail(DMR_EXIT_BUSY, "look again, and repeat it", "%s %s is not what it was when it was shown", role,
			     shown->path);
	return r;
}

static int activate(const struct dmr_device *main, const struct dmr_device *spare, const char *name, const char *args)
{
	struct dmr_pair_info pair;
	int r = dmr_dm_need_target();

	if (!r)
		r = look_again("main", main);
	if (!r)
		r = look_again("spare", spare);
	if (!r && !spare->blank)
		r = dmr_device_wipe(spare);
	if (!r)
		r = dmr_dm_create(name, main->sectors, args);
	if (!r)
		r = dmr_dm_pair(name, &pair);
	if (r)
		return r;
	printf("/dev/mapper/%s is active: use it from now on, never %s alone\n", name, main->path);
	printf("for %s, so that it is assembled at boot:\n", cli.config_file);
	dmr_config_line(&pair);
	return DMR_EXIT_OK;
}

/* As the kernel calls main, which may be cciss!c0d0. */
static void default_name(const struct dmr_device *main, char name[128])
{
	char *at;

	snprintf(name, 128, "remap-%s", main->name);
	for (at = name; (at = strchr(at, '!')); )
		*at = '-';
}

int dmr_verb_create(int argc, char **argv)
{
	char name[128], words[2][PATH_MAX], args[2 * PATH_MAX + 128];
	struct dmr_device main, spare;
	int r = dmr_dm_init();

	if (!r)
		r = dmr_device_read(argv[0], "main", &main);
	if (!r)
		r = dmr_device_read(argv[1], "spare", &spare);
	if (r)
		return r;
	if (argc > 2)
		snprintf(name, sizeof(name), "%s", strlen(argv[2]) < sizeof(name) ? argv[2] : "");
	else
		default_name(&main, name);
	r = check_all(&main, &spare, name);
	if (r)
		return r;
	warn_of(&main, &spare);
	dmr_device_word(main.path, main.major, main.minor, words[0]);
	dmr_device_word(spare.path, spare.major, spare.minor, words[1]);
	dmr_table_args(words[0], words[1], &cli.args, args, sizeof(args));
	if (cli.dry_run) {
		printf("0 %llu " DMR_TARGET_NAME " %s\n", (unsigned long long)main.sectors, args);
		return DMR_EXIT_OK;
	}
	show_device("main ", &main, "stays as it is");
	show_device("spare", &spare, spare.blank ? "is formatted" : "IS ERASED and formatted");
	printf("pair   /dev/mapper/%s, %u slots\n", name, dmr_segments_for(spare.sectors) * DMR_SEGMENT_SLOTS);
	r = dmr_confirm();
	return r ? r : activate(&main, &spare, name, args);
}

int dmr_verb_stop(int argc, char **argv)
{
	struct dmr_pair_info pair;
	char users[512];
	int i, one, r = dmr_dm_init();

	if (r)
		return r;
	for (i = 0; i < argc; i++) {
		one = dmr_dm_pair(argv[i], &pair);
		if (!one && pair.open_count) {
			dmr_device_users(pair.major, pair.minor, users, sizeof(users));
			if (*users)
				one = dmr_fail(DMR_EXIT_BUSY, "unmount it, and end what has it open (lsblk, fuser)",
					       "%s is in use: %s", pair.name, users);
		}
		if (!one)
			one = dmr_dm_remove(pair.name);
		if (one)
			r = one;
	}
	return r;
}

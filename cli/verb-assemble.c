// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * assemble: activates pairs that exist, by the uuid on the spare and main's id in its superblock, or as
 * the configuration says. Two spares of one uuid are a clone or a snapshot: neither is taken.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "assemble.h"

#define WAITING		"/run/dm-remap.waiting"		/* for the udev rule: scan again with the next device */

/*
 * Does a name in the configuration say which of two devices with one id is meant? A place's does, and a disk's serial number
 * where copies have a partition's UUID; udev's other links are one copy's or the other's.
 */
static bool tells_apart(const char *path, const struct dmr_super *super)
{
	return !strncmp(path, "/dev/disk/by-path/", 18) ||
	       (super->main.kind == DMR_ID_PARTUUID && !strncmp(path, "/dev/disk/by-id/", 16));
}

/* Main's path is wanted->main, which a user has `named` or the configuration, or it is found by its id. */
static int find_main(const struct dmr_super *super, const char *spare, struct dmr_wanted *wanted, bool named)
{
	char id[192], path[PATH_MAX];
	unsigned int found = 1;

	if (!*wanted->main)
		found = dmr_main_find(&super->main, NULL, wanted->main);
	else if (!named && !tells_apart(wanted->main, super) && dmr_main_find(&super->main, wanted->main, path))
		found = dmr_main_find(&super->main, NULL, path);
	if (found == 1)
		return DMR_EXIT_OK;
	dmr_main_id_text(&super->main, id, sizeof(id));
	if (found)
		return dmr_fail(DMR_EXIT_FAILED, "detach the copy of main, or name the right one: dmremap assemble MAIN SPARE [NAME]",
				"main of spare %s is one of several devices with its id (%s)", spare, id);
	return dmr_fail(DMR_EXIT_NO_DEVICE, "name it: dmremap assemble MAIN SPARE [NAME], or in the configuration",
			"main of spare %s is not found (its id: %s)", spare, id);
}

/* Is it main by its id? Not a disk of which main is a partition. */
static bool is_main_by_id(const struct dmr_super *super, const struct dmr_device *main)
{
	char path[PATH_MAX];
	struct stat st;

	return dmr_main_find(&super->main, main->path, path) && !stat(path, &st) && S_ISBLK(st.st_mode) &&
	       st.st_rdev == makedev(main->major, main->minor);
}

/*
 * Does the configuration's name make up for an id? It has to last, and to say which place or disk it is, not what is on it;
 * a partition that is known by its UUID needs none.
 */
static bool is_main_by_name(const struct dmr_super *super, const char *path)
{
	return cli.scan && super->main.kind != DMR_ID_PARTUUID && dmr_path_lasts(path) &&
	       strncmp(path, "/dev/disk/by-uuid/", 18) && strncmp(path, "/dev/disk/by-label/", 19);
}

/*
 * Is it the pair's main, as far as can be known? One that is longer may have grown, or be another one: then the pair would
 * cover it from now on, and the right one be too short. In a scan a name that lasts will do, for without the pair stale
 * sectors would be used.
 */
static int check_main(const struct dmr_super *super, const struct dmr_device *main, const struct dmr_options *args)
{
	if (main->ours)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "main comes first, the spare second: swap them",
				"main %s is a spare of dm-remap", main->path);
	if (main->sectors < super->covered)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "name the main that the pair was made for",
				"main %s is shorter than the %llu sectors that the pair covers", main->path,
				(unsigned long long)super->covered);
	if (args->new_main || main->sectors == super->covered || is_main_by_id(super, main) ||
	    is_main_by_name(super, main->path))
		return DMR_EXIT_OK;
	return dmr_fail(DMR_EXIT_NO_DEVICE, "if it is the right one, and has grown: dmremap assemble --new-main MAIN SPARE [NAME]",
			"main %s is longer than the %llu sectors that the pair covers, and has no id to know it by", main->path,
			(unsigned long long)super->covered);
}

static int table_args(const struct dmr_device *main, const char *spare, const struct dmr_options *options, char *args, size_t size)
{
	char words[2][PATH_MAX];
	struct stat st;

	if (stat(spare, &st))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk for the device's name", "spare %s: %s", spare, strerror(errno));
	dmr_device_word(main->path, main->major, main->minor, words[0]);
	dmr_device_word(spare, major(st.st_rdev), minor(st.st_rdev), words[1]);
	dmr_table_args(words[0], words[1], options, args, size);
	return DMR_EXIT_OK;
}

static int assemble(const struct dmr_super *super, const char *spare, struct dmr_wanted *wanted, bool named)
{
	char args[2 * PATH_MAX + 128];
	struct dmr_device main;
	int r = find_main(super, spare, wanted, named);

	memcpy(wanted->args.uuid, super->uuid, sizeof(super->uuid));
	wanted->args.have_uuid = true;
	wanted->args.new_main |= cli.args.new_main;
	wanted->args.no_auto |= cli.args.no_auto;
	wanted->args.fail_pending |= cli.args.fail_pending;
	if (!r)
		r = dmr_device_read(wanted->main, "main", &main);
	if (!r)
		r = check_main(super, &main, &wanted->args);
	if (!r)
		r = dmr_device_free(main.path, "main");
	if (!r)
		r = dmr_device_free(spare, "spare");
	if (!r && dmr_dm_exists(wanted->name))
		r = dmr_fail(DMR_EXIT_BUSY, "give another name", "there is a device %s already", wanted->name);
	if (!r)
		r = table_args(&main, spare, &wanted->args, args, sizeof(args));
	if (r)
		return r;
	if (cli.dry_run) {
		printf("0 %llu " DMR_TARGET_NAME " %s\n", (unsigned long long)main.sectors, args);
		return DMR_EXIT_OK;
	}
	r = dmr_dm_need_target();
	if (!r)
		r = dmr_dm_create(wanted->name, main.sectors, args);
	if (!r)
		printf("/dev/mapper/%s is active\n", wanted->name);
	return r;
}

static int refuse_twins(const struct dmr_scan *scan, const struct dmr_super *super)
{
	char uuid[37], text[512] = "";
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < scan->count; i++)
		if (!memcmp(scan->all[i].super.uuid, super->uuid, 16))
			n += (size_t)scnprintf(text + n, sizeof(text) - n, "%s%s", n ? " and " : "", scan->all[i].path);
	dmr_uuid_format(super->uuid, uuid);
	return dmr_fail(DMR_EXIT_FAILED, "detach the copy, or wipe it: the older one would give stale data",
			"%s carry one uuid, %s", text, uuid);
}

static void default_name(const struct dmr_super *super, char name[128])
{
	char uuid[37];

	dmr_uuid_format(super->uuid, uuid);
	snprintf(name, 128, "remap-%.8s", uuid);
}

/* The configuration's line for a pair, or one of defaults: false. */
static bool choose(const struct dmr_super *super, const struct dmr_config *config, struct dmr_wanted *wanted)
{
	const struct dmr_wanted *line = dmr_config_find(config, super->uuid);

	if (line) {
		*wanted = *line;
		return true;
	}
	memset(wanted, 0, sizeof(*wanted));
	default_name(super, wanted->name);
	return false;
}

/* Not so before it has a length, as an array that is not started has none. */
static bool main_there(const struct dmr_super *super, const struct dmr_wanted *wanted)
{
	char path[PATH_MAX], name[64];
	struct stat st;
	u64 sectors;

	snprintf(path, sizeof(path), "%s", wanted->main);
	return (*path || dmr_main_find(&super->main, NULL, path)) && !stat(path, &st) && S_ISBLK(st.st_mode) &&
	       dmr_device_name(major(st.st_rdev), minor(st.st_rdev), name, &sectors) && sectors;
}

/* Will main come later? What came between our look and the mark nobody tells us of: so once more, with udev's links made. */
static bool wait_for_main(const struct dmr_super *super, const struct dmr_wanted *wanted)
{
	unsigned int tries;
	int fd;

	if (cli.dry_run || main_there(super, wanted) || (!*wanted->main && super->main.kind == DMR_ID_NONE))
		return false;
	fd = open(WAITING, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	for (tries = 0; tries < 100 && !access("/run/udev/queue", F_OK); tries++)
		usleep(20000);
	return !main_there(super, wanted);
}

/* Whose main is this device, other than that of the pair with `uuid`? As the configuration says, or another spare. */
static bool claimed(const char *path, const u8 uuid[16], const struct dmr_scan *scan, const struct dmr_config *config,
		    char text[192])
{
	char main[PATH_MAX];
	unsigned int i;

	for (i = 0; i < config->count; i++)
		if (memcmp(config->line[i].args.uuid, uuid, 16) && *config->line[i].main &&
		    dmr_paths_overlap(config->line[i].main, path)) {
			snprintf(text, 192, "%s in %.48s", config->line[i].name, cli.config_file);
			return true;
		}
	for (i = 0; i < scan->count; i++)
		if (memcmp(scan->all[i].super.uuid, uuid, 16) && !*scan->all[i].leg &&
		    dmr_main_find(&scan->all[i].super.main, path, main)) {
			snprintf(text, 192, "spare %s", scan->all[i].path);
			return true;
		}
	return false;
}

/* A pair of the configuration whose main only its spare knows, which is not there; its name may have been another bus's. */
static const char *main_unknown(const struct dmr_scan *scan, const struct dmr_config *config)
{
	char name[128];
	struct stat st;
	unsigned int i;

	for (i = 0; i < config->count; i++)
		if ((!*config->line[i].main || stat(config->line[i].main, &st)) && !dmr_scan_find(scan, config->line[i].args.uuid) &&
		    !dmr_dm_uuid_active(config->line[i].args.uuid, name))
			return config->line[i].name;
	return NULL;
}

/*
 * Nobody asked for this one: it may lie about since its main was thrown away, or was given another spare. False, after
 * saying why: it is left alone.
 */
static bool unnamed_is_safe(const struct dmr_found *found, const struct dmr_scan *scan, const struct dmr_config *config)
{
	const char *missing = main_unknown(scan, config);
	char main[PATH_MAX], text[192];

	if (!dmr_main_find(&found->super.main, NULL, main))
		dmr_warn("%s is a spare whose main is not found, and not in %s: it is left alone", found->path, cli.config_file);
	else if (config->status)
		dmr_warn("%s is a spare that is not in what is understood of %s: it is left alone", found->path, cli.config_file);
	else if (claimed(main, found->super.uuid, scan, config, text))
		dmr_warn("%s is a spare that is not in %s, and its main %s is that of %s, too: it is left alone", found->path,
			 cli.config_file, main, text);
	else if (missing)
		dmr_warn("%s is a spare that is not in %s, and its main %s may be that of %s, whose spare is not found: it is left alone",
			 found->path, cli.config_file, main, missing);
	else
		return true;
	return false;
}

/* One that a scan has found. 0, or an exit code. */
static int assemble_found(const struct dmr_found *found, const struct dmr_scan *scan, const struct dmr_config *config, bool *waiting)
{
	char name[128], text[192];
	struct dmr_wanted wanted;
	bool named = choose(&found->super, config, &wanted);

	if (*found->leg) {
		dmr_warn("%s is a spare on a leg of an array that is not started (%s): it is left alone; if there is no array any more, wipefs takes such marks away",
			 found->path, found->leg);
		return DMR_EXIT_OK;
	}
	if (dmr_dm_uuid_active(found->super.uuid, name)) {
		dmr_warn("%s carries the uuid of %s, which is active: a copy of its spare?", found->path, name);
		return DMR_EXIT_OK;
	}
	if (dmr_scan_rivals(scan, found->super.uuid, found->path) > 1)
		return dmr_scan_find(scan, found->super.uuid) == found ? refuse_twins(scan, &found->super) : DMR_EXIT_FAILED;
	if (!named && cli.configured)
		return DMR_EXIT_OK;
	/* A pair that is another one's spare: here is what is on that one's main. */
	if (claimed(found->path, found->super.uuid, scan, config, text)) {
		dmr_warn("%s is the main of %s, so what looks like a spare there is left alone", found->path, text);
		return DMR_EXIT_OK;
	}
	if (!named && !unnamed_is_safe(found, scan, config))
		return DMR_EXIT_OK;
	*waiting |= wait_for_main(&found->super, &wanted);
	return assemble(&found->super, found->path, &wanted, false);
}

/* First those of the configuration, in its order. */
static int assemble_scan(const struct dmr_scan *scan, const struct dmr_config *config)
{
	int r = config->status, one;
	char name[128], uuid[37];
	bool waiting = false;
	unsigned int i, k;

	for (i = 0; i < config->count; i++)
		for (k = 0; k < scan->count; k++) {
			if (memcmp(scan->all[k].super.uuid, config->line[i].args.uuid, 16))
				continue;
			one = assemble_found(&scan->all[k], scan, config, &waiting);
			r = one ? one : r;
		}
	for (k = 0; k < scan->count; k++) {
		if (dmr_config_find(config, scan->all[k].super.uuid))
			continue;
		one = assemble_found(&scan->all[k], scan, config, &waiting);
		r = one ? one : r;
	}
	if (!waiting && !cli.dry_run)
		unlink(WAITING);
	for (i = 0; i < config->count; i++) {
		if (dmr_scan_find(scan, config->line[i].args.uuid) || dmr_dm_uuid_active(config->line[i].args.uuid, name))
			continue;
		dmr_uuid_format(config->line[i].args.uuid, uuid);
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "look at the spare's connection", "no spare of %s (uuid %s) is found",
			     config->line[i].name, uuid);
	}
	return r;
}

static int assemble_one(int argc, char **argv, const struct dmr_scan *scan, const struct dmr_config *config)
{
	const char *spare = argv[argc > 1];
	struct dmr_super *super = calloc(1, sizeof(*super));
	char name[128], type[32];
	struct stat st;
	struct dmr_wanted wanted;
	int r = 0;

	if (stat(spare, &st))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk for the device's name", "spare %s: %s", spare, strerror(errno));
	else if (!S_ISBLK(st.st_mode))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "for a file: losetup -f --show FILE makes a device of it",
			     "spare %s is no block device", spare);
	else if (!super || !dmr_spare_peek(spare, super))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "dmremap check says what is on it, dmremap create makes a pair",
			     "%s is no spare of dm-remap that can be read", spare);
	else if (dmr_spare_reused(spare, type))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, DMR_REUSED_NEXT, "%s was a spare, but %s is on it now", spare, type);
	else if (!(r = dmr_spare_no_leg(spare)) && dmr_dm_uuid_active(super->uuid, name))
		r = dmr_fail(DMR_EXIT_BUSY, "dmremap status shows it", "its pair is active as %s", name);
	if (r)
		goto out;
	if (dmr_scan_rivals(scan, super->uuid, spare) > 1) {
		r = refuse_twins(scan, super);
		goto out;
	}
	choose(super, config, &wanted);
	if (argc > 1)
		snprintf(wanted.main, sizeof(wanted.main), "%s", argv[0]);
	if (argc > 2 && !dmr_dm_name_ok(argv[2])) {
		r = dmr_fail(DMR_EXIT_USAGE, DMR_NAME_HELP, "\"%s\" is no name for a device", argv[2]);
		goto out;
	}
	if (argc > 2)
		snprintf(wanted.name, sizeof(wanted.name), "%s", argv[2]);
	r = assemble(super, spare, &wanted, argc > 1);
out:
	free(super);
	return r;
}

/* Main carries nothing of ours; what was relocated before would be stale under a new spare. */
int dmr_main_taken(const char *path)
{
	char main[PATH_MAX], next[PATH_MAX + 128] = "";
	struct dmr_config config;
	struct dmr_scan scan = { .count = 0 };
	unsigned int i;
	int r = dmr_config_read(&config, false);

	if (!r)
		r = dmr_scan(&scan);
	for (i = 0; !r && i < config.count; i++)
		if (*config.line[i].main && dmr_paths_overlap(config.line[i].main, path))
			snprintf(next, sizeof(next), "dmremap assemble --scan; or take %s out of %s", config.line[i].name,
				 cli.config_file);
	for (i = 0; !r && i < scan.count; i++)
		if (dmr_main_find(&scan.all[i].super.main, path, main))
			snprintf(next, sizeof(next), *scan.all[i].leg ? "start the array that %s is a leg of, and assemble the pair"
								      : "dmremap assemble %s; or wipe that spare: dmremap wipe",
				 scan.all[i].path);
	dmr_scan_free(&scan);
	dmr_config_free(&config);
	if (*next)
		r = dmr_fail(DMR_EXIT_BUSY, next, "main %s belongs to a pair that is not active: sectors relocated there would be stale",
			     path);
	return r;
}

int dmr_verb_assemble(int argc, char **argv)
{
	struct dmr_scan scan = { .count = 0 };
	struct dmr_config config;
	int r;

	if (cli.scan && cli.args.new_main)
		return dmr_fail(DMR_EXIT_USAGE, "name the pair that has another main: dmremap assemble --new-main MAIN SPARE [NAME]",
				"--new-main is for one pair, not for all that --scan finds");
	if (cli.configured && !cli.scan)
		return dmr_fail(DMR_EXIT_USAGE, "say --scan, too", "--configured is for --scan");
	if (cli.scan == (argc > 0))
		return dmr_fail(DMR_EXIT_USAGE, "name a spare, or say --scan", "assemble: which pair?");
	r = dmr_dm_init();
	if (r)
		return r;
	/* One wrong line does not keep the others from being assembled at boot. */
	r = dmr_config_read(&config, cli.scan);
	if (!r)
		r = dmr_scan(&scan);
	if (!r)
		r = cli.scan ? assemble_scan(&scan, &config) : assemble_one(argc, argv, &scan, &config);
	dmr_scan_free(&scan);
	dmr_config_free(&config);
	return r;
}

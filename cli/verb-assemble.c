// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * assemble: activates pairs that exist, by the uuid on the spare and main's id in its superblock, or as
 * the configuration says. Two spares of one uuid are a clone or a snapshot: neither is taken.
 */
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"
#include "sysfs.h"

#define MAX_FOUND	256u
#define WAITING		"/run/dm-remap.waiting"		/* for the udev rule: scan again with the next device */

struct found {
	char path[80];
	struct dmr_super super;
	char leg[32];		/* "", or of which kind of RAID that is not started */
};

struct wanted {
	char name[128], main[PATH_MAX];
	struct dmr_options args;
};

/* Is something above it (a holder), or is it too short? Then it is no spare that waits for us. */
static bool candidate(const char *folder)
{
	return dmr_sys_number("%s/size", folder) >= DMR_MIN_SPARE && !dmr_sys_held(folder) && !dmr_partition_is_below(folder);
}

/* All spares that nobody uses. */
static struct found *scan(unsigned int *count)
{
	struct found *all = calloc(MAX_FOUND, sizeof(*all));
	unsigned int i;
	glob_t list;

	*count = 0;
	if (!all || glob("/sys/class/block/*", 0, NULL, &list))
		return all;
	for (i = 0; i < list.gl_pathc && *count < MAX_FOUND; i++) {
		struct found *f = &all[*count];

		if (!candidate(list.gl_pathv[i]))
			continue;
		dmr_device_node(strrchr(list.gl_pathv[i], '/') + 1, f->path, sizeof(f->path));
		if (!dmr_spare_peek(f->path, &f->super))
			continue;
		if (!dmr_device_is_leg(f->path, f->leg))
			f->leg[0] = '\0';
		++*count;
	}
	globfree(&list);
	return all;
}

/*
 * How many have this uuid: more than one is a clone or a snapshot. Legs count, for what was taken out of a mirror is
 * as old as that, but not beside the array itself.
 */
static unsigned int rivals(const struct found *all, unsigned int count, const u8 uuid[16], const char *spare)
{
	bool array = dmr_device_is_array(spare);
	unsigned int i, n = 0;

	for (i = 0; i < count; i++)
		n += !memcmp(all[i].super.uuid, uuid, 16) && !(array && *all[i].leg);
	return n;
}

/* A line: <name> <uuid> [<main>] [no_auto] [fail_pending]. 1: understood, 0: nothing in it, -1: wrong. */
static int config_line(char *line, struct wanted *wanted)
{
	char *rest = NULL, *word;

	memset(wanted, 0, sizeof(*wanted));
	line[strcspn(line, "#\n")] = '\0';
	word = strtok_r(line, " \t", &rest);
	if (!word)
		return 0;
	if (!dmr_dm_name_ok(word))
		return -1;
	snprintf(wanted->name, sizeof(wanted->name), "%s", word);
	word = strtok_r(NULL, " \t", &rest);
	if (!word || !dmr_uuid_parse(word, wanted->args.uuid))
		return -1;
	wanted->args.have_uuid = true;
	while ((word = strtok_r(NULL, " \t", &rest))) {
		if (!strcmp(word, DMR_ARG_NO_AUTO))
			wanted->args.no_auto = true;
		else if (!strcmp(word, DMR_ARG_FAIL_PENDING))
			wanted->args.fail_pending = true;
		else if (*word == '/' && !*wanted->main)
			snprintf(wanted->main, sizeof(wanted->main), "%s", word);
		else
			return -1;
	}
	return 1;
}

/* Lines of the configuration; no file is no line. 0, or an exit code. */
static int config_read(struct wanted **all, unsigned int *count)
{
	char line[PATH_MAX + 512];
	unsigned int number = 0;
	int r = 0;
	FILE *f;

	*count = 0;
	*all = calloc(MAX_FOUND, sizeof(**all));
	if (!*all)
		return dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	f = fopen(cli.config_file, "re");
	if (!f) {
		if (errno == ENOENT)
			return DMR_EXIT_OK;
		return dmr_fail(DMR_EXIT_FAILED, "make it readable", "%s: %s", cli.config_file, strerror(errno));
	}
	while (*count < MAX_FOUND && fgets(line, sizeof(line), f)) {
		int got = config_line(line, &(*all)[*count]);

		number++;
		if (got < 0) {
			r = dmr_fail(DMR_EXIT_USAGE, "a line is: NAME UUID [MAIN] [no_auto] [fail_pending]",
				     "%s, line %u is wrong", cli.config_file, number);
			break;
		}
		*count += (unsigned int)got;
	}
	fclose(f);
	return r;
}

static bool uuid_active(const u8 uuid[16], char name[128])
{
	struct dmr_pair_info *pairs;
	bool found = false;
	size_t count, i;

	if (dmr_dm_pairs(&pairs, &count))
		return false;
	for (i = 0; !found && i < count; i++) {
		found = pairs[i].have_table && !memcmp(pairs[i].options.uuid, uuid, 16);
		if (found)
			snprintf(name, 128, "%s", pairs[i].name);
	}
	free(pairs);
	return found;
}

/* Main's path is wanted->main, or it is found by its id. */
static int find_main(const struct dmr_super *super, const char *spare, struct wanted *wanted)
{
	char id[192];

	/* This name says no more than the id does. */
	bool by_id = !strncmp(wanted->main, "/dev/disk/by-partuuid/", 22);
	unsigned int found = 1;
	char path[PATH_MAX];

	if (!*wanted->main)
		found = dmr_main_find(&super->main, NULL, wanted->main);
	else if (by_id && super->main.kind == DMR_ID_PARTUUID && dmr_main_find(&super->main, NULL, path) > 1)
		found = 2;
	if (found == 1)
		return DMR_EXIT_OK;
	dmr_main_id_text(&super->main, id, sizeof(id));
	if (found)
		return dmr_fail(DMR_EXIT_FAILED, "detach the copy of main, or name the right one: dmremap assemble MAIN SPARE [NAME]",
				"main of spare %s is one of several partitions with its id (%s)", spare, id);
	return dmr_fail(DMR_EXIT_NO_DEVICE, "name it: dmremap assemble MAIN SPARE [NAME], or in the configuration",
			"main of spare %s is not found (its id: %s)", spare, id);
}

static int assemble(const struct dmr_super *super, const char *spare, struct wanted *wanted)
{
	char args[2 * PATH_MAX + 128];
	struct dmr_device main;
	int r = find_main(super, spare, wanted);

	if (!r)
		r = dmr_device_read(wanted->main, "main", &main);
	if (r)
		return r;
	if (main.ours)
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "main comes first, the spare second: swap them",
			     "main %s is a spare of dm-remap", main.path);
	if (!r && main.sectors < super->covered)
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "name the main that the pair was made for", "main %s is shorter than the %llu sectors that the pair covers",
			     main.path, (unsigned long long)super->covered);
	if (!r)
		r = dmr_device_free(main.path, "main");
	if (!r)
		r = dmr_device_free(spare, "spare");
	if (!r && dmr_dm_exists(wanted->name))
		r = dmr_fail(DMR_EXIT_BUSY, "give another name", "there is a device %s already", wanted->name);
	if (r)
		return r;
	memcpy(wanted->args.uuid, super->uuid, sizeof(super->uuid));
	wanted->args.have_uuid = true;
	wanted->args.new_main |= cli.args.new_main;
	wanted->args.no_auto |= cli.args.no_auto;
	wanted->args.fail_pending |= cli.args.fail_pending;
	dmr_table_args(main.path, spare, &wanted->args, args, sizeof(args));
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

static int refuse_twins(const struct found *all, unsigned int count, const struct dmr_super *super)
{
	char uuid[37], text[512] = "";
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < count; i++)
		if (!memcmp(all[i].super.uuid, super->uuid, 16))
			n += (size_t)scnprintf(text + n, sizeof(text) - n, "%s%s", n ? " and " : "", all[i].path);
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
static bool choose(const struct dmr_super *super, const struct wanted *config, unsigned int lines, struct wanted *wanted)
{
	bool found = false;
	unsigned int i;

	memset(wanted, 0, sizeof(*wanted));
	default_name(super, wanted->name);
	for (i = 0; i < lines; i++)
		if (!memcmp(config[i].args.uuid, super->uuid, 16)) {
			*wanted = config[i];
			found = true;
		}
	return found;
}

/* Not so before it has a length, as an array that is not started has none. */
static bool main_there(const struct dmr_super *super, const struct wanted *wanted)
{
	char path[PATH_MAX], name[64];
	struct stat st;
	u64 sectors;

	snprintf(path, sizeof(path), "%s", wanted->main);
	return (*path || dmr_main_find(&super->main, NULL, path)) && !stat(path, &st) && S_ISBLK(st.st_mode) &&
	       dmr_device_name(major(st.st_rdev), minor(st.st_rdev), name, &sectors) && sectors;
}

/* Will main come later? What came between our look and the mark nobody tells us of: so once more, with udev's links made. */
static bool wait_for_main(const struct dmr_super *super, const struct wanted *wanted)
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

static int assemble_scan(struct found *all, unsigned int count, const struct wanted *config, unsigned int lines)
{
	int r = DMR_EXIT_OK, one;
	char name[128], uuid[37], path[PATH_MAX];
	bool waiting = false;
	struct wanted wanted;
	unsigned int i, k;

	for (i = 0; i < count; i++) {
		if (*all[i].leg) {
			dmr_warn("%s is a leg of an array that is not started (%s): it is left alone", all[i].path,
				 all[i].leg);
			continue;
		}
		if (uuid_active(all[i].super.uuid, name)) {
			dmr_warn("%s carries the uuid of %s, which is active: a copy of its spare?", all[i].path, name);
			continue;
		}
		if (rivals(all, count, all[i].super.uuid, all[i].path) > 1) {
			for (k = 0; k < i && (*all[k].leg || memcmp(all[k].super.uuid, all[i].super.uuid, 16)); k++)
				;
			one = k == i ? refuse_twins(all, count, &all[i].super) : DMR_EXIT_FAILED;
		} else {
			bool named = choose(&all[i].super, config, lines, &wanted);

			if (!named && cli.configured)
				continue;
			/* Nobody asked for this one: it may lie about since its main was thrown away. */
			if (!named && !dmr_main_find(&all[i].super.main, NULL, path)) {
				dmr_warn("%s is a spare whose main is not found, and not in %s: it is left alone", all[i].path,
					 cli.config_file);
				continue;
			}
			waiting |= wait_for_main(&all[i].super, &wanted);
			one = assemble(&all[i].super, all[i].path, &wanted);
		}
		if (one)
			r = one;
	}
	if (!waiting && !cli.dry_run)
		unlink(WAITING);
	for (i = 0; i < lines; i++) {
		for (k = 0; k < count && (*all[k].leg || memcmp(all[k].super.uuid, config[i].args.uuid, 16)); k++)
			;
		if (k < count || uuid_active(config[i].args.uuid, name))
			continue;
		dmr_uuid_format(config[i].args.uuid, uuid);
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "look at the spare's connection", "no spare of %s (uuid %s) is found",
			     config[i].name, uuid);
	}
	return r;
}

static int assemble_one(int argc, char **argv, const struct found *all, unsigned int count, const struct wanted *config,
			unsigned int lines)
{
	const char *spare = argv[argc > 1];
	struct dmr_super *super = calloc(1, sizeof(*super));
	char name[128], leg[32];
	struct stat st;
	struct wanted wanted;
	int r = 0;

	if (stat(spare, &st))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "look at lsblk for the device's name", "spare %s: %s", spare, strerror(errno));
	else if (!S_ISBLK(st.st_mode))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "for a file: losetup -f --show FILE makes a device of it",
			     "spare %s is no block device", spare);
	else if (!super || !dmr_spare_peek(spare, super))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "dmremap check says what is on it, dmremap create makes a pair",
			     "%s is no spare of dm-remap that can be read", spare);
	else if (dmr_device_is_leg(spare, leg))
		r = dmr_fail(DMR_EXIT_NO_DEVICE, "start the array (mdadm --assemble), and name that",
			     "spare %s is a leg of an array (%s)", spare, leg);
	else if (uuid_active(super->uuid, name))
		r = dmr_fail(DMR_EXIT_BUSY, "dmremap status shows it", "its pair is active as %s", name);
	if (r)
		goto out;
	if (rivals(all, count, super->uuid, spare) > 1) {
		r = refuse_twins(all, count, super);
		goto out;
	}
	choose(super, config, lines, &wanted);
	if (argc > 1)
		snprintf(wanted.main, sizeof(wanted.main), "%s", argv[0]);
	if (argc > 2 && !dmr_dm_name_ok(argv[2])) {
		r = dmr_fail(DMR_EXIT_USAGE, "use letters, digits and #+-.:=@_", "\"%s\" is no name for a device", argv[2]);
		goto out;
	}
	if (argc > 2)
		snprintf(wanted.name, sizeof(wanted.name), "%s", argv[2]);
	r = assemble(super, spare, &wanted);
out:
	free(super);
	return r;
}

/* Main carries nothing of ours; what was relocated before would be stale under a new spare. */
int dmr_main_taken(const char *path)
{
	char main[PATH_MAX], next[PATH_MAX + 128] = "";
	struct wanted *config = NULL;
	unsigned int count, lines, i;
	struct found *all;
	int r = config_read(&config, &lines);

	for (i = 0; !r && i < lines; i++)
		if (*config[i].main && dmr_paths_overlap(config[i].main, path))
			snprintf(next, sizeof(next), "dmremap assemble --scan; or take %s out of %s", config[i].name,
				 cli.config_file);
	all = r ? NULL : scan(&count);
	for (i = 0; all && i < count; i++)
		if (dmr_main_find(&all[i].super.main, path, main))
			snprintf(next, sizeof(next), *all[i].leg ? "start the array that %s is a leg of, and assemble the pair"
								 : "dmremap assemble %s; or wipe that spare by hand (dd)", all[i].path);
	free(all);
	free(config);
	if (*next)
		r = dmr_fail(DMR_EXIT_BUSY, next, "main %s belongs to a pair that is not active: sectors relocated there would be stale",
			     path);
	return r;
}

int dmr_verb_assemble(int argc, char **argv)
{
	struct wanted *config = NULL;
	unsigned int count, lines;
	struct found *all;
	int r;

	if (cli.scan && cli.args.new_main)
		return dmr_fail(DMR_EXIT_USAGE, "name the pair that has another main: dmremap assemble --new-main MAIN SPARE [NAME]",
				"--new-main is for one pair, not for all that --scan finds");
	if (cli.configured && !cli.scan)
		return dmr_fail(DMR_EXIT_USAGE, "say --scan, too", "--configured is for --scan");
	if (cli.scan == (argc > 0))
		return dmr_fail(DMR_EXIT_USAGE, "name a spare, or say --scan", "assemble: which pair?");
	r = dmr_dm_init();
	if (!r)
		r = config_read(&config, &lines);
	if (r) {
		free(config);
		return r;
	}
	all = scan(&count);
	if (!all)
		r = dmr_fail(DMR_EXIT_FAILED, NULL, "no memory");
	else if (cli.scan)
		r = assemble_scan(all, count, config, lines);
	else
		r = assemble_one(argc, argv, all, count, config, lines);
	free(all);
	free(config);
	return r;
}

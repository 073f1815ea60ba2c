/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of `dmremap` have in common: options, exit codes, errors, and the small helpers
 * over sysfs (sysfs.c) and libblkid (probe.c, find-main.c, device.c), libdevmapper (dm.c), libsmartcols
 * and json-c (output.c), the core's codec (spare.c) and long runs of messages (progress.c).
 */
#ifndef DMREMAP_CLI_H
#define DMREMAP_CLI_H

#include <limits.h>
#include <sys/types.h>
#include "args.h"
#include "codec.h"
#include "metadata.h"

_Static_assert(sizeof(off_t) == 8, "spares are longer than 2 GiB");

/* Documented in dmremap(8); scripts rely on them. */
enum dmr_exit {
	DMR_EXIT_OK = 0,
	DMR_EXIT_FAILED = 1,		/* it was tried and did not work */
	DMR_EXIT_USAGE = 2,
	DMR_EXIT_NO_DEVICE = 3,		/* not there, or not what it should be */
	DMR_EXIT_BUSY = 4,		/* in use, mounted, suspended */
	DMR_EXIT_PERMISSION = 5,
	DMR_EXIT_NO_MODULE = 6,		/* no device-mapper, or no target of ours */
	DMR_EXIT_NOT_CONFIRMED = 7,
	DMR_EXIT_STOPPED = 8,		/* by a signal; can be gone on with */
	DMR_EXIT_REPAIR = 9,		/* check: works, but copies differ */
	DMR_EXIT_DAMAGED = 10,		/* check: cannot be used */
};

struct dmr_cli {
	bool json, noheadings, bytes, tree, check, yes, dry_run, scan, configured, wipe, config, all, clear, verbose;
	struct dmr_options args;	/* of the table line */
	const char *columns;		/* -o */
	const char *config_file;
};

extern struct dmr_cli cli;

/* main.c: says what is wrong and what to do next; returns `code`. */
__printf(3, 4)
int dmr_fail(int code, const char *next, const char *format, ...);
__printf(1, 2)
void dmr_warn(const char *format, ...);
/* Typed YES, or --yes. 0, or an exit code. */
int dmr_confirm(void);
/* A number of the command line. */
bool dmr_number(const char *text, u64 *number);

/* device.c */
#define DMR_MAX_LEAVES	32u

struct dmr_device {
	char path[PATH_MAX];	/* as it was given */
	char name[64];		/* the kernel's: sda1 */
	u32 major, minor;
	char signature[128];	/* what libblkid finds there, "" if nothing */
	u64 sectors;
	u32 block;		/* logical block size, bytes */
	bool read_only, zoned, write_back, crypt;
	bool ours;		/* a main: it is a spare; a spare: it may be somebody's already */
	bool blank;		/* a spare: so are its ends, and `sum` is over them */
	u32 sum;
	char disk_leg[32];	/* of a partition: of which kind of RAID its disk looks like a leg, "": of none */
	char leaf[DMR_MAX_LEAVES][64];	/* the disks below */
	unsigned int leaves;
};

/* Everything that can be known without writing. role: "main" or "spare", for errors. 0, or an exit code. */
int dmr_device_read(const char *path, const char *role, struct dmr_device *device);
/* Nobody else may have it: 0, or an exit code after saying who has. */
int dmr_device_free(const char *path, const char *role);
bool dmr_devices_share_disk(const struct dmr_device *a, const struct dmr_device *b);
/* Zeroes where dm-remap and others look first, if it is still the device that was read. 0, or an exit code. */
int dmr_device_wipe(const struct dmr_device *spare);
/* The same of what is open. False, and errno: it takes no writes. */
bool dmr_zero_ends(int fd, u64 sectors);
/* What holds a device-mapper device: mount points and holders, "" if nothing is known. */
void dmr_device_users(u32 major, u32 minor, char *text, size_t size);

/* probe.c */
/* Is it a leg of a RAID that keeps its superblock at the end, so that its beginning looks like the array's? type: as blkid says. */
bool dmr_device_is_leg(const char *path, char type[32]);
/*
 * Is a device or file whose superblocks are ours used for something else by now? In the first MiB a spare has nothing but
 * them when it is made, so what libblkid knows there came later, and the other copies only wait to be overwritten.
 */
bool dmr_spare_reused(const char *path, char type[32]);
#define DMR_REUSED_NEXT	"if that is a mistake, and the pair's data is wanted: wipefs takes the mark away"
/*
 * What is read from a device's first bytes (0: all of it) next is what is on it: the target writes there past the
 * page cache, which others may keep.
 */
void dmr_read_afresh(int fd, off_t bytes);

/* find-main.c */
bool dmr_paths_overlap(const char *a, const char *b);	/* dmr_sys_overlap() of their nodes */
/* Of a partition, by its folder in sysfs: is its disk a leg of a RAID? What it shows is the array's, then. */
bool dmr_disk_is_leg(const char *folder, char type[32]);
/* The same of a device and of its disk. 0, or an exit code after saying so. */
int dmr_spare_no_leg(const char *path);
/*
 * Path of the first device with this main id, of those that overlap `near` (NULL: all). How many there are: partitions
 * of a copied disk have one id, and so have disks of careless makers.
 */
unsigned int dmr_main_find(const struct dmr_main_id *id, const char *near, char path[PATH_MAX]);

/* sysfs.c */
/* Long enough for a spare, as sysfs says; a file is. */
bool dmr_long_enough(const char *path);
/* Is it an array of md? */
bool dmr_device_is_array(const char *path);
/* Kernel name and size of a device by number; false: it is gone. */
bool dmr_device_name(u32 major, u32 minor, char name[64], u64 *sectors);
/* Where the node of a device is that sysfs has under this name. */
void dmr_device_node(const char *name, char *path, size_t size);
/* A name of the device that lasts over boots. */
void dmr_stable_path(u32 maj, u32 min, char path[PATH_MAX]);
/* Is it more than the kernel's name, as /dev/sda is? */
bool dmr_path_lasts(const char *path);

/* dm.c */
struct dmr_pair_info {
	char name[128];
	u32 major, minor;
	u64 start, length;	/* of the target within the device */
	u32 main_major, main_minor, spare_major, spare_minor;
	struct dmr_options options;
	struct dmr_status status;
	bool suspended, have_table;
	u32 open_count, events;
};

int dmr_dm_init(void);		/* 0, or an exit code */
/* The kernel knows the target: 0, or an exit code. */
int dmr_dm_need_target(void);
/* All targets of ours; *pairs is to be freed. 0, or an exit code. */
int dmr_dm_pairs(struct dmr_pair_info **pairs, size_t *count);
/* The first target of a device, by its name or path. 0, or an exit code. */
int dmr_dm_pair(const char *name, struct dmr_pair_info *pair);
/* The name of the active pair of that uuid; false: there is none. */
bool dmr_dm_uuid_active(const u8 uuid[16], char name[128]);
bool dmr_dm_exists(const char *name);
int dmr_dm_create(const char *name, u64 length, const char *args);
int dmr_dm_remove(const char *name);
/* The answer is to be freed. 0, or an exit code after saying why, with the kernel's reason. */
int dmr_dm_message(const struct dmr_pair_info *pair, const char *text, char **answer);
/* The same without a word: 0, or an error number, for dmr_dm_refused(), which says why and returns the exit code. */
int dmr_dm_try_message(const struct dmr_pair_info *pair, const char *text, char **answer);
int dmr_dm_refused(const struct dmr_pair_info *pair, const char *text, int error);
/* The same for the active pair of that name, which is looked up first. */
int dmr_dm_ask(const char *name, const char *text, struct dmr_pair_info *pair, char **answer);
/* A name for device-mapper: of one to 127 plain characters, and no comment of the configuration. */
bool dmr_dm_name_ok(const char *name);
#define DMR_NAME_HELP	"use letters, digits and #+-.:=@_, and no # at the beginning"

/* output.c: fields and tables, as text or as one JSON object. */
enum dmr_cell { DMR_TEXT, DMR_NUMBER, DMR_SIZE /* sectors, shown as bytes */ };

struct dmr_column {
	const char *key;	/* in JSON; the heading is the same in capitals */
	enum dmr_cell kind;
	bool hidden;		/* shown with -o only; always in JSON */
};

void dmr_out_open(const char *command);
/* Prints what was collected; 0, or an exit code. */
int dmr_out_close(void);
__printf(2, 3)
void dmr_out_text(const char *key, const char *format, ...);
void dmr_out_number(const char *key, u64 value);
void dmr_out_size(const char *key, u64 sectors);
void dmr_out_flag(const char *key, bool value);
/* 0, or an exit code where -o names a column that is not there. */
int dmr_out_table(const char *key, const struct dmr_column *columns, unsigned int count);
/* A row below another one (1 for the first row of the table, 0: none). Returns its number. */
unsigned int dmr_out_row(unsigned int parent);
__printf(2, 3)
void dmr_cell_text(unsigned int column, const char *format, ...);
void dmr_cell_number(unsigned int column, u64 value);
void dmr_out_table_end(void);

/* spare.c */
struct dmr_spare_file {
	struct dmr_metadata meta;
	int fd;
	bool loaded;
	char why[DMR_WHY_SIZE];
	enum dmr_verdict super_verdict[DMR_SUPER_COPIES];
	bool super_read[DMR_SUPER_COPIES];
};

/* Opens and loads a spare that is not active. 0: opened, and `loaded` says if it can be used; else an exit code. */
int dmr_spare_open(const char *path, bool writing, struct dmr_spare_file *spare);
void dmr_spare_close(struct dmr_spare_file *spare);
/* The superblock of a device or file that the module would believe, whoever uses it. False: it has none. */
bool dmr_spare_peek(const char *path, struct dmr_super *super);
/* Is a superblock in its place, or what may be one, damaged or of a newer version? Not so above a spare that begins within. */
bool dmr_spare_begins(const struct dmr_spare_file *spare);
void dmr_main_id_text(const struct dmr_main_id *id, char *text, size_t size);
/* Main's name for people, made safe to print. */
void dmr_main_text(const struct dmr_super *super, char *text, size_t size);

/*
 * verb-create.c: a device in a table line, by its numbers, for a name may be another device's by then; as it was named
 * where the line is only shown.
 */
void dmr_device_word(const char *path, u32 major, u32 minor, char word[PATH_MAX]);
/* The table line's words behind the target's name, into text. */
void dmr_table_args(const char *main, const char *spare, const struct dmr_options *options, char *text, size_t size);

/* config-file.c: prints the pair's line for the configuration; warns where main's name in it may not last. */
void dmr_config_line(const struct dmr_pair_info *pair);

/* verb-assemble.c: is there a pair already, active or not, whose main this is? 0, or an exit code after saying so. */
int dmr_main_taken(const char *path);

/* progress.c */
/*
 * Sends `verb` for all of [sector, sector + count), answer by answer. With cli.all, what `unremap` is refused for stays
 * on the spare, and the rest is gone on with. 0, or an exit code.
 */
int dmr_run(const struct dmr_pair_info *pair, const char *verb, u64 sector, u64 count);
/* The next line of an answer to `list`, from *rest on, as a run, or as where there is more. */
enum dmr_list_line { DMR_LINE_END, DMR_LINE_RUN, DMR_LINE_NEXT, DMR_LINE_WRONG };
struct dmr_listed {
	u64 sector, count, spare;
	char kind[16];
};
enum dmr_list_line dmr_list_parse(char **rest, struct dmr_listed *listed);

/* The verbs. Each gets the words after it. */
int dmr_verb_create(int argc, char **argv);
int dmr_verb_stop(int argc, char **argv);
int dmr_verb_assemble(int argc, char **argv);
int dmr_verb_list(int argc, char **argv);
int dmr_verb_status(int argc, char **argv);
int dmr_verb_show(int argc, char **argv);
int dmr_verb_stats(int argc, char **argv);
int dmr_verb_health(int argc, char **argv);
int dmr_verb_remap(int argc, char **argv);
int dmr_verb_unremap(int argc, char **argv);
int dmr_verb_retest(int argc, char **argv);
int dmr_verb_grow(int argc, char **argv);
int dmr_verb_resume_auto(int argc, char **argv);
int dmr_verb_check(int argc, char **argv);
int dmr_verb_dump(int argc, char **argv);
int dmr_verb_probe(int argc, char **argv);
int dmr_verb_repair(int argc, char **argv);
int dmr_verb_wipe(int argc, char **argv);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* check, dump, repair and wipe: a spare that is not active. Only the last two write, and only what they showed before. */
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"

static void say_super(const struct dmr_spare_file *spare)
{
	const struct dmr_super *super = spare->meta.super;
	char text[160];

	dmr_uuid_format(super->uuid, text);
	dmr_out_text("uuid", "%s", text);
	dmr_out_number("generation", super->generation);
	dmr_out_number("session", super->session);
	dmr_out_number("segments", super->segments);
	dmr_out_number("segments_in_use", super->in_use);
	dmr_out_size("covered", super->covered);
	dmr_main_id_text(&super->main, text, sizeof(text));
	dmr_out_text("main_id", "%s", text);
	dmr_out_number("main_start", super->main.start);
	dmr_main_text(super, text, sizeof(text));
	if (*text)
		dmr_out_text("main_name", "%s", text);
	dmr_out_number("relocations", super->relocations);
}

static const char *super_word(const struct dmr_spare_file *spare, unsigned int copy)
{
	if (!spare->super_read[copy])
		return "cannot be read";
	if (spare->super_verdict[copy] != DMR_GOOD)
		return dmr_verdict_text(spare->super_verdict[copy]);
	if (!spare->loaded || spare->meta.super_good & 1u << copy)
		return "good";
	return "old";
}

static u32 tables_to_repair(const struct dmr_metadata *meta)
{
	u32 segment, count = 0;

	for (segment = 0; meta->repair && segment < meta->super->in_use; segment++)
		count += dmr_test_bit(segment, meta->repair);
	return count;
}

/* Sectors by what list would call them. */
static void count_sectors(const struct dmr_metadata *meta, u64 *owned, u64 *pending, u64 *lost)
{
	u64 sector = 0, end = meta->super->covered;
	struct dmr_run run;

	*owned = *pending = *lost = 0;
	while (dmr_map_next(meta->map, &sector, end, &run)) {
		*(run.kind == DMR_OWNED ? owned : run.kind == DMR_LOST ? lost : pending) += run.count;
		sector += run.count;
	}
}

static int verdict(const struct dmr_spare_file *spare)
{
	if (!spare->loaded)
		return DMR_EXIT_DAMAGED;
	return dmr_needs_repair(&spare->meta) ? DMR_EXIT_REPAIR : DMR_EXIT_OK;
}

static const char *verdict_word(int code)
{
	return code == DMR_EXIT_OK ? "clean" : code == DMR_EXIT_REPAIR ? "repair" : "refused";
}

/* Used for something else by now? Then nothing of it is a spare's any more. 0, or `code` after saying so. */
static int check_reused(const char *path, int code)
{
	char type[32];

	if (!dmr_spare_reused(path, type))
		return DMR_EXIT_OK;
	return dmr_fail(code, DMR_REUSED_NEXT ", and wipe all the rest", "%s was a spare, but %s is on it now: nothing was written",
			path, type);
}

/* After "refused": what is left to be done. */
static const char *refused_next(const struct dmr_spare_file *spare)
{
	unsigned int i;

	if (!dmr_segments_for(spare->meta.sectors))
		return "name the whole spare: a device or an image of at least 5 MiB";
	if (spare->meta.blank)
		return "dmremap create MAIN SPARE makes a pair of it";
	for (i = 0; i < DMR_SUPER_COPIES; i++)
		if (spare->super_verdict[i] == DMR_BAD_VERSION || spare->super_verdict[i] == DMR_BAD_FEATURES)
			return "use the dm-remap that wrote it, or a later one that knows its format";
	return "write nothing to it; copy it with ddrescue, and see what dmremap dump finds on the copy";
}

int dmr_verb_check(int argc, char **argv)
{
	struct dmr_spare_file spare;
	u64 owned, pending, lost;
	unsigned int i;
	char key[32];
	bool reused;
	int r, code;

	(void)argc;
	r = dmr_spare_open(argv[0], false, &spare);
	if (r)
		return r;
	reused = dmr_spare_begins(&spare) && dmr_spare_reused(argv[0], key);
	if (reused)
		snprintf(spare.why, sizeof(spare.why), "it was a spare, but %s is on it now", key);
	code = reused ? DMR_EXIT_DAMAGED : verdict(&spare);
	dmr_out_open("check");
	dmr_out_text("spare", "%s", argv[0]);
	dmr_out_text("verdict", "%s", verdict_word(code));
	if (code == DMR_EXIT_DAMAGED)
		dmr_out_text("reason", "%s", spare.why);
	for (i = 0; i < DMR_SUPER_COPIES; i++) {
		snprintf(key, sizeof(key), "superblock_%u", i);
		dmr_out_text(key, "%s", super_word(&spare, i));
	}
	if (spare.loaded) {
		say_super(&spare);
		count_sectors(&spare.meta, &owned, &pending, &lost);
		dmr_out_number("slots", dmr_spare_slots(spare.meta.slots));
		dmr_out_number("used_slots", dmr_spare_used(spare.meta.slots));
		dmr_out_number("bad_slots", dmr_spare_bad(spare.meta.slots));
		dmr_out_number("owned_sectors", owned);
		dmr_out_number("pending_sectors", pending);
		dmr_out_number("lost_sectors", lost);
		dmr_out_number("tables_to_repair", tables_to_repair(&spare.meta));
		dmr_out_number("slots_to_retire", spare.meta.retire_count);
	}
	r = dmr_out_close();
	if (!r && reused)
		r = dmr_fail(code, DMR_REUSED_NEXT, "%s", spare.why);
	else if (!r && code == DMR_EXIT_REPAIR)
		r = dmr_fail(code, "dmremap repair, or assemble the pair, which repairs it", "not all copies are equal");
	else if (!r && code == DMR_EXIT_DAMAGED)
		r = dmr_fail(code, refused_next(&spare), "%s", spare.why);
	dmr_spare_close(&spare);
	return r;
}

static const struct dmr_column slot_columns[] = {
	{ "slot", DMR_NUMBER, false }, { "state", DMR_TEXT, false }, { "sector", DMR_NUMBER, false },
	{ "owned", DMR_TEXT, false }, { "pending", DMR_TEXT, false }, { "moves", DMR_NUMBER, false },
	{ "spare_sector", DMR_NUMBER, false }, { "unit", DMR_NUMBER, true },
};

/* Sector 0 first, as the others in a list. */
static void mask_text(u8 mask, char text[9])
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		text[i] = mask & 1u << i ? '1' : '0';
	text[8] = '\0';
}

static void dump_slot(u32 slot, const struct dmr_entry *entry)
{
	static const char * const words[] = { "free", "used", "lost", "bad" };
	char mask[9];

	dmr_out_row(0);
	dmr_cell_number(0, slot);
	dmr_cell_text(1, "%s", words[entry->state & 3]);
	dmr_cell_number(6, dmr_slot_sector(slot));
	if (entry->state == DMR_SLOT_BAD)
		return;
	dmr_cell_number(2, entry->unit * DMR_UNIT_SECTORS);
	mask_text(entry->owned, mask);
	dmr_cell_text(3, "%s", mask);
	mask_text(entry->pending, mask);
	dmr_cell_text(4, "%s", mask);
	dmr_cell_number(5, entry->moves);
	dmr_cell_number(7, entry->unit);
}

/* The newer copy of a segment's table in block[0]; false: there is none. */
static bool newest_table(struct dmr_metadata *meta, u32 segment)
{
	u64 generation[2] = { 0, 0 };
	unsigned int i;
	bool good[2];
	u8 place[2];

	dmr_super_places(meta->super, segment, place);
	for (i = 0; i < 2; i++)
		good[i] = !meta->io->read(meta, dmr_table_sector(segment, place[i]), meta->block[i],
					  DMR_BLOCK_SIZE) &&
			  dmr_table_check(meta->block[i], meta->super->uuid, segment, place[i],
					  &generation[i]) == DMR_GOOD;
	if (good[1] && (!good[0] || generation[1] > generation[0]))
		memcpy(meta->block[0], meta->block[1], DMR_BLOCK_SIZE);
	return good[0] || good[1];
}

static void dump_tables(struct dmr_metadata *meta, u32 *missing)
{
	struct dmr_entry entry;
	u32 segment, i;
	u32 room = dmr_segments_for(meta->sectors);

	/* A truncated spare has not all that its superblock counts. */
	if (meta->super->in_use > room)
		*missing = meta->super->in_use - room;
	for (segment = 0; segment < meta->super->in_use && segment < room; segment++) {
		if (!newest_table(meta, segment)) {
			++*missing;
			continue;
		}
		for (i = 0; i < DMR_SEGMENT_SLOTS; i++) {
			dmr_table_get(meta->block[0], i, &entry);
			if (entry.state != DMR_SLOT_FREE)
				dump_slot(segment * DMR_SEGMENT_SLOTS + i, &entry);
		}
	}
}

/* What can still be read, also where the module would refuse the spare. */
int dmr_verb_dump(int argc, char **argv)
{
	struct dmr_spare_file spare;
	u32 missing = 0;
	int r;

	(void)argc;
	r = dmr_spare_open(argv[0], false, &spare);
	if (r)
		return r;
	if (!spare.loaded && !dmr_spare_peek(argv[0], spare.meta.super)) {
		r = dmr_fail(DMR_EXIT_DAMAGED, refused_next(&spare), "%s", spare.why);
		goto out;
	}
	dmr_out_open("dump");
	if (!cli.noheadings || cli.json) {
		dmr_out_text("spare", "%s", argv[0]);
		say_super(&spare);
	}
	r = dmr_out_table("slots_taken", slot_columns, ARRAY_SIZE(slot_columns));
	if (r)
		goto out;
	dump_tables(&spare.meta, &missing);
	dmr_out_table_end();
	if (cli.json)
		dmr_out_number("tables_missing", missing);
	else if (missing)
		dmr_warn("of %u segments no table can be believed: what is in them is not shown", missing);
	r = dmr_out_close();
	if (!r && !spare.loaded)
		r = dmr_fail(DMR_EXIT_DAMAGED, "this is what could be read: dmremap check says what is wrong", "%s",
			     spare.why);
out:
	dmr_spare_close(&spare);
	return r;
}

/* For udev's IMPORT: no word about what is no spare. It opens nothing exclusively, for it may be active. */
int dmr_verb_probe(int argc, char **argv)
{
	struct dmr_super *super = calloc(1, sizeof(*super));
	char uuid[37], type[32];
	bool found;

	(void)argc;
	/* Of what is too short nothing is read: a drive without a medium would take its time. */
	found = super && dmr_long_enough(argv[0]) && dmr_spare_peek(argv[0], super) && !dmr_spare_reused(argv[0], type);
	if (found) {
		dmr_uuid_format(super->uuid, uuid);
		printf("ID_FS_USAGE=other\nID_FS_TYPE=dm_remap_spare\nDM_REMAP_UUID=%s\nUDISKS_IGNORE=1\n", uuid);
	}
	free(super);
	return found ? DMR_EXIT_OK : DMR_EXIT_NO_DEVICE;
}

static void show_plan(const struct dmr_spare_file *spare)
{
	const struct dmr_metadata *meta = &spare->meta;
	u32 i;

	for (i = 0; i < DMR_SUPER_COPIES; i++)
		if (!(meta->super_good & 1u << i))
			printf("superblock copy %u (%s): written again\n", i, super_word(spare, i));
	for (i = 0; meta->repair && i < meta->super->in_use; i++)
		if (dmr_test_bit(i, meta->repair))
			printf("table of segment %u: its newer copy is written over the other\n", i);
	for (i = 0; i < meta->retire_count; i++)
		printf("slot %u: retired, another one has more moves for its unit\n", meta->retire[i]);
}

/* One whose spare is another device, for this one nobody uses. Where there is no device-mapper, there is none. */
static bool has_active_pair(const char *path, const struct dmr_spare_file *spare, char name[128])
{
	struct stat st;

	return spare->loaded && !stat(path, &st) && S_ISBLK(st.st_mode) && !geteuid() &&
	       !access("/sys/class/misc/device-mapper", F_OK) && !dmr_dm_init() &&
	       dmr_dm_uuid_active(spare->meta.super->uuid, name);
}

int dmr_verb_repair(int argc, char **argv)
{
	struct dmr_spare_file spare;
	char name[128];
	int r, error;

	(void)argc;
	r = dmr_spare_open(argv[0], !cli.dry_run, &spare);
	if (r)
		return r;
	if (!spare.loaded) {
		r = dmr_fail(DMR_EXIT_DAMAGED, refused_next(&spare), "%s: nothing was written", spare.why);
		goto out;
	}
	r = check_reused(argv[0], DMR_EXIT_DAMAGED);
	if (r)
		goto out;
	if (!dmr_needs_repair(&spare.meta)) {
		printf("nothing is to be repaired\n");
		goto out;
	}
	show_plan(&spare);
	if (cli.dry_run)
		goto out;
	/* Two who write to one spare know nothing of each other. */
	if (has_active_pair(argv[0], &spare, name)) {
		r = dmr_fail(DMR_EXIT_BUSY, "stop it first (dmremap stop); activating it repairs its spare",
			     "%s is active with another device, to which %s may be another path", name, argv[0]);
		goto out;
	}
	r = dmr_confirm();
	if (r)
		goto out;
	error = dmr_repair(&spare.meta);
	if (error) {
		r = dmr_fail(DMR_EXIT_FAILED, "look at the kernel log; a spare that takes no writes is to be copied",
			     "the repair failed: %s", strerror(-error));
		goto out;
	}
	dmr_spare_close(&spare);
	r = dmr_spare_open(argv[0], false, &spare);
	if (r)
		return r;
	if (verdict(&spare))
		r = dmr_fail(DMR_EXIT_FAILED, "look at the kernel log, and at dmremap check",
			     "what was written does not read back as it should");
	else
		printf("repaired\n");
out:
	dmr_spare_close(&spare);
	return r;
}

/* What is on it, and for whom. */
static void show_loss(const char *path, const struct dmr_spare_file *spare)
{
	u64 owned, pending, lost;
	char text[160];

	if (!spare->loaded) {
		printf("%s is a spare that cannot be used: %s\n", path, spare->why);
		return;
	}
	dmr_uuid_format(spare->meta.super->uuid, text);
	printf("%s is the spare of pair %s", path, text);
	dmr_main_id_text(&spare->meta.super->main, text, sizeof(text));
	count_sectors(&spare->meta, &owned, &pending, &lost);
	printf(", whose main is %s, of %llu MiB\n", text, (unsigned long long)spare->meta.super->covered >> 11);
	if (owned)
		printf("%llu SECTORS OF MAIN ARE HERE ONLY, AND ARE LOST WITH IT: unremap --all moves them back\n",
		       (unsigned long long)owned);
	else
		printf("no sector of main is on it\n");
}

static int check_wipeable(const char *path, const struct dmr_spare_file *spare)
{
	if (spare->meta.blank)
		return dmr_fail(DMR_EXIT_NO_DEVICE, "dmremap create MAIN SPARE makes a pair of it", "%s is blank already", path);
	if (!dmr_spare_begins(spare))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "wipefs and dd wipe other devices", "%s is no spare of dm-remap", path);
	if (!dmr_segments_for(spare->meta.sectors))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "wipe it by hand (dd)", "%s is too short for a spare", path);
	return check_reused(path, DMR_EXIT_NO_DEVICE);
}

int dmr_verb_wipe(int argc, char **argv)
{
	struct dmr_spare_file spare;
	char name[128];
	bool copy;
	int r;

	(void)argc;
	r = dmr_spare_open(argv[0], !cli.dry_run, &spare);
	if (r)
		return r;
	r = check_wipeable(argv[0], &spare);
	if (r)
		goto out;
	copy = has_active_pair(argv[0], &spare, name);
	if (copy)
		dmr_warn("%s is active, with another device: if %s is no copy of that but another path to it, all its data is lost", name,
			 argv[0]);
	show_loss(argv[0], &spare);
	if (cli.dry_run)
		goto out;
	r = dmr_confirm();
	if (!r && !dmr_zero_ends(spare.fd, spare.meta.sectors))
		r = dmr_fail(DMR_EXIT_FAILED, "destroy the device, or see that it is never attached again",
			     "spare %s cannot be zeroed: %s", argv[0], strerror(errno));
	if (!r)
		printf("its first 4 and last 2 MiB are zeroes%s%s\n", copy ? "" : "; if no copy of it is kept, take its line out of ",
		       copy ? "" : cli.config_file);
out:
	dmr_spare_close(&spare);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The grammar of table arguments, messages and status lines (include/dm-remap/interface.h).
 * Parsers change nothing but their output and say what is wrong in one line that names the
 * word, its value and what would be right.
 */
#ifndef DMR_CORE_ARGS_H
#define DMR_CORE_ARGS_H

#include "dmr_env.h"
#include <dm-remap/interface.h>

#define DMR_ERROR_SIZE	128u

/* Decimal digits and nothing else: no sign, no space, no overflow, not empty. */
bool dmr_number_parse(const char *text, size_t length, u64 *number);

struct dmr_options {
	bool have_uuid;
	u8 uuid[16];
	bool new_main, no_auto, fail_pending;
};

/* The words after <spare>: none, or <#args> and so many words. error: what is wrong. */
bool dmr_options_parse(unsigned int argc, char *const *argv, struct dmr_options *options,
		       char error[DMR_ERROR_SIZE]);
/* " <#args> <arg>..." (leading space), "" without any. Returns the length it would need, like snprintf. */
int dmr_options_format(const struct dmr_options *options, char *text, size_t size);

enum dmr_verb {
	DMR_VERB_HELP, DMR_VERB_REMAP, DMR_VERB_UNREMAP, DMR_VERB_LIST, DMR_VERB_STATS,
	DMR_VERB_STATS_CLEAR, DMR_VERB_HEALTH, DMR_VERB_RETEST, DMR_VERB_GROW, DMR_VERB_RESUME_AUTO,
	DMR_VERBS
};

struct dmr_message {
	enum dmr_verb verb;
	u64 sector;	/* 0 where none was given */
	u64 count;	/* 1 where none was given; for list: to the end (length - sector) */
};

/* length: main's covered sectors; sector and count must lie within it. */
bool dmr_message_parse(unsigned int argc, char *const *argv, u64 length,
		       struct dmr_message *message, char error[DMR_ERROR_SIZE]);
/* One line for each verb: what it is called with and what it does. Answers "help". */
const char *dmr_message_help(void);

/* Worst last; the words are DMR_STATE_WORDS. */
enum dmr_state { DMR_ACTIVE, DMR_FULL, DMR_FROZEN, DMR_TRIPPED, DMR_STALE, DMR_STATES };

struct dmr_counters {
	u64 read_errors, write_errors, remapped_reads, remapped_writes, spare_errors,
		metadata_errors;
};

struct dmr_status {
	enum dmr_state state;
	u64 used_slots, all_slots, owned, pending, bad_slots;
	struct dmr_counters counters;
	u64 hash_buckets, hash_entries;
	u8 uuid[16];
};

const char *dmr_state_word(enum dmr_state state);
/* The status line; returns the length it would need, like snprintf. */
int dmr_status_format(const struct dmr_status *status, char *text, size_t size);
/* Reads a status line back; unknown keys are passed over. */
bool dmr_status_parse(const char *text, struct dmr_status *status);
/* One "key value" a line: the counters of `stats`. Returns the length it would need. */
int dmr_stats_format(const struct dmr_status *status, char *text, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * The words and numbers that scripts and programs rely on: the target's name and version,
 * table arguments, states, status keys and messages. Stable: words are added, never changed.
 * Sectors are 512 bytes; sectors in messages, lists and logs are counted from main's start.
 */
#ifndef DM_REMAP_INTERFACE_H
#define DM_REMAP_INTERFACE_H

#define DMR_TARGET_NAME		"dm-remap-v4"
#define DMR_TARGET_VERSION	{ 4, 0, 0 }

/*
 * Table line:  <start> <length> dm-remap-v4 <main> <spare> [<#args> <arg>...]
 */
#define DMR_ARG_UUID		"uuid"		/* uuid <uuid>: this pair or none; refuses a blank spare */
#define DMR_ARG_NEW_MAIN	"new_main"	/* accept another main than the remembered one */
#define DMR_ARG_NO_AUTO		"no_auto"	/* never relocate without a message */
#define DMR_ARG_FAIL_PENDING	"fail_pending"	/* fail reads of pending sectors without asking main */

/*
 * Status line:
 *   <state> <used slots>/<all slots> <owned sectors> <pending sectors> <bad slots> <#pairs> <key> <value>...
 * The worst state that holds is shown; enum dmr_state in core/args.h is in this order.
 */
#define DMR_STATE_WORDS		{ "active", "full", "frozen", "tripped", "stale" }

#define DMR_KEY_READ_ERRORS	"read_errors"		/* reads that main failed */
#define DMR_KEY_WRITE_ERRORS	"write_errors"		/* writes that main failed */
#define DMR_KEY_REMAPPED_READS	"remapped_reads"	/* reads served by the spare */
#define DMR_KEY_REMAPPED_WRITES	"remapped_writes"	/* writes served by the spare */
#define DMR_KEY_SPARE_ERRORS	"spare_errors"		/* data I/O that the spare failed */
#define DMR_KEY_METADATA_ERRORS	"metadata_errors"	/* metadata blocks unreadable, damaged or not written */
#define DMR_KEY_HASH_BUCKETS	"hash_buckets"
#define DMR_KEY_HASH_ENTRIES	"hash_entries"
#define DMR_KEY_UUID		"uuid"

/*
 * Messages. One that succeeds answers with text; one that fails returns EINVAL (grammar or range),
 * EBUSY (suspended) or EIO, with the reason in the kernel log, or ENOMEM. Each works for at most 1 s;
 * an answer whose last line is "next <sector>" wants the message again from that sector.
 */
#define DMR_MSG_HELP		"help"
#define DMR_MSG_REMAP		"remap"		/* remap <sector> [<count>] */
#define DMR_MSG_UNREMAP		"unremap"	/* unremap <sector> [<count>] */
#define DMR_MSG_LIST		"list"		/* list [<from sector>] */
#define DMR_MSG_STATS		"stats"
#define DMR_MSG_STATS_CLEAR	"stats_clear"
#define DMR_MSG_HEALTH		"health"
#define DMR_MSG_RETEST		"retest"	/* retest <sector> [<count>] */
#define DMR_MSG_GROW		"grow"
#define DMR_MSG_RESUME_AUTO	"resume_auto"

/* Lines of "list": <sector> <count> owned|pending|lost <spare sector> */
#define DMR_LIST_OWNED		"owned"
#define DMR_LIST_PENDING	"pending"
#define DMR_LIST_LOST		"lost"
#define DMR_LIST_NEXT		"next"

#endif

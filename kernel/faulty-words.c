// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap-faulty: the words of the table line and of messages, and what status and table print.
 * A clause (bad, slow, hold, ...) means the same in both; every clause the table line prints loads again.
 * Clauses are carried out one after the other: after an error those before it stay.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include "faulty.h"

struct dmrf_words {
	unsigned int argc;
	char **argv;
	char *why;
};

static int dmrf_why(struct dmrf_words *w, char *why)
{
	w->why = why;
	return -EINVAL;
}

static const char *dmrf_take(struct dmrf_words *w)
{
	if (!w->argc)
		return NULL;
	w->argc--;
	return *w->argv++;
}

static bool dmrf_accept(struct dmrf_words *w, const char *word)
{
	if (!w->argc || strcmp(*w->argv, word))
		return false;
	dmrf_take(w);
	return true;
}

static bool dmrf_accept_number(struct dmrf_words *w, u64 *n)
{
	unsigned long long v;

	if (!w->argc || kstrtoull(*w->argv, 10, &v))
		return false;
	*n = v;
	dmrf_take(w);
	return true;
}

static int dmrf_number(struct dmrf_words *w, u64 *n)
{
	return dmrf_accept_number(w, n) ? 0 : dmrf_why(w, "A number is missing");
}

/* --- names ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	blk_status_t status;
} dmrf_statuses[] = {
	{ "medium", BLK_STS_MEDIUM },
	{ "ioerr", BLK_STS_IOERR },
	{ "target", BLK_STS_TARGET },
	{ "timeout", BLK_STS_TIMEOUT },
#ifdef BLK_STS_OFFLINE
	{ "offline", BLK_STS_OFFLINE },
#endif
	{ "nospc", BLK_STS_NOSPC },
	{ "protection", BLK_STS_PROTECTION },
	{ "transport", BLK_STS_TRANSPORT },
	{ "notsupp", BLK_STS_NOTSUPP },
	{ "resource", BLK_STS_RESOURCE },
	{ "again", BLK_STS_AGAIN },
};

static const char *dmrf_status_name(blk_status_t status)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_statuses); i++)
		if (dmrf_statuses[i].status == status)
			return dmrf_statuses[i].name;
	return status ? "other" : "ok";
}

static bool dmrf_accept_status(struct dmrf_words *w, blk_status_t *status)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_statuses); i++) {
		if (dmrf_accept(w, dmrf_statuses[i].name)) {
			*status = dmrf_statuses[i].status;
			return true;
		}
	}
	return false;
}

/* The first name of some bits is the one that is printed. */
static const struct {
	const char *name;
	unsigned int ops;
} dmrf_op_names[] = {
	{ "all", DMRF_ALL },
	{ "both", DMRF_READ | DMRF_WRITE | DMRF_ZEROES },
	{ "write", DMRF_WRITE | DMRF_ZEROES },
	{ "writes", DMRF_WRITE | DMRF_ZEROES },
	{ "read", DMRF_READ },
	{ "reads", DMRF_READ },
	{ "data", DMRF_WRITE },
	{ "zeroes", DMRF_ZEROES },
	{ "discard", DMRF_DISCARD },
	{ "discards", DMRF_DISCARD },
	{ "flush", DMRF_FLUSH },
	{ "flushes", DMRF_FLUSH },
	{ "fua", DMRF_FUA },
};

static unsigned int dmrf_op_bits(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_op_names); i++)
		if (strlen(dmrf_op_names[i].name) == len &&
		    !strncmp(dmrf_op_names[i].name, name, len))
			return dmrf_op_names[i].ops;
	return 0;
}

/* "write", "read,discard": all names must be known, else it is no word of this kind. */
static bool dmrf_accept_ops(struct dmrf_words *w, unsigned int *ops)
{
	const char *p = w->argc ? *w->argv : "";
	unsigned int all = 0, bits;
	size_t len;

	do {
		len = strcspn(p, ",");
		bits = dmrf_op_bits(p, len);
		all |= bits;
		p += len;
	} while (bits && *p++);
	if (!bits)
		return false;
	*ops = all;
	dmrf_take(w);
	return true;
}

static void dmrf_ops_name(unsigned int ops, char *buf, size_t size)
{
	unsigned int i;
	size_t len = 0;

	*buf = '\0';
	for (i = 0; i < ARRAY_SIZE(dmrf_op_names); i++) {
		if ((dmrf_op_names[i].ops & ops) != dmrf_op_names[i].ops)
			continue;
		ops &= ~dmrf_op_names[i].ops;
		len += scnprintf(buf + len, size - len, "%s%s", len ? "," : "",
				 dmrf_op_names[i].name);
	}
}

static const char *const dmrf_counter_names[DMRF_COUNTERS] = {
	[DMRF_READS] = "reads",
	[DMRF_WRITES] = "writes",
	[DMRF_FLUSHES] = "flushes",
	[DMRF_FUAS] = "fua",
	[DMRF_DISCARDS] = "discards",
	[DMRF_WRITE_ZEROES] = "zeroes",
	[DMRF_FAILED_READS] = "failed_reads",
	[DMRF_FAILED_WRITES] = "failed_writes",
	[DMRF_FAILED_FLUSHES] = "failed_flushes",
	[DMRF_FAILED_DISCARDS] = "failed_discards",
	[DMRF_SECTORS_READ] = "sectors_read",
	[DMRF_SECTORS_WRITTEN] = "sectors_written",
	[DMRF_LOST] = "lost",
	[DMRF_KEPT] = "kept",
	[DMRF_WAITING] = "waiting",
	[DMRF_DELAYED] = "delayed",
	[DMRF_CACHED] = "cached",
};

static const char *const dmrf_state_names[] = {
	[DMRF_ONLINE] = "online",
	[DMRF_READONLY] = "readonly",
	[DMRF_OFFLINE] = "offline",
};

static const char *const dmrf_then_names[] = {
	[DMRF_THEN_NOTHING] = "nothing",
	[DMRF_THEN_READONLY] = "readonly",
	[DMRF_THEN_OFFLINE] = "offline",
	[DMRF_THEN_CUT] = "cut",
};

static const char *const dmrf_cut_names[] = {
	[DMRF_CUT_NONE] = "none",
	[DMRF_CUT_ALL] = "all",
	[DMRF_CUT_RANDOM] = "random",
	[DMRF_CUT_TORN] = "torn",
	[DMRF_CUT_PREFIX] = "prefix",
	[DMRF_CUT_SUFFIX] = "suffix",
};

/* --- clauses: under d->lock ------------------------------------------------------------------ */

/* <start> <count>: sectors of this target; count 0 is all from start on where "all" allows it. */
static int dmrf_extent(struct dmrf *d, struct dmrf_words *w, bool all, sector_t *start,
		       sector_t *end)
{
	u64 s, n;

	if (dmrf_number(w, &s) || dmrf_number(w, &n))
		return -EINVAL;
	if (all && !n && s < d->len)
		n = d->len - s;
	if (!n || s >= d->len || n > d->len - s)
		return dmrf_why(w, "Sectors outside the device");
	*start = s;
	*end = s + n;
	return 0;
}

/* A bad sector takes its physical block with it. */
static void dmrf_whole_blocks(struct dmrf *d, sector_t *start, sector_t *end)
{
	*start = round_down(*start, (sector_t)d->phys);
	*end = min_t(sector_t, round_up(*end, (sector_t)d->phys), d->len);
}

static int dmrf_milliseconds(struct dmrf_words *w, u32 *ms)
{
	u64 n;

	if (dmrf_number(w, &n))
		return -EINVAL;
	if (n > 3600000)
		return dmrf_why(w, "A delay is at most 3600000 ms");
	*ms = n;
	return 0;
}

/* [read|write|both|discard|all] [heal|keep] [<status>] [delay <ms>], in any order */
static int dmrf_fault_words(struct dmrf_words *w, unsigned int *ops, struct dmrf_fault *fault)
{
	*ops = DMRF_READ | DMRF_WRITE | DMRF_ZEROES;
	*fault = (struct dmrf_fault){ .status = BLK_STS_MEDIUM };
	for (;;) {
		if (dmrf_accept(w, "heal")) {
			fault->heal = true;
		} else if (dmrf_accept(w, "keep")) {
			fault->heal = false;
		} else if (dmrf_accept(w, "delay")) {
			if (dmrf_milliseconds(w, &fault->delay))
				return -EINVAL;
		} else if (!dmrf_accept_ops(w, ops) && !dmrf_accept_status(w, &fault->status)) {
			return 0;
		}
	}
}

static bool dmrf_has_side(unsigned int ops, unsigned int side)
{
	static const unsigned int bits[DMRF_SIDES] = {
		[DMRF_SIDE_READ] = DMRF_READ,
		[DMRF_SIDE_WRITE] = DMRF_WRITE | DMRF_ZEROES,
		[DMRF_SIDE_DISCARD] = DMRF_DISCARD,
	};

	return ops & bits[side];
}

static int dmrf_add_bad(struct dmrf *d, struct dmrf_words *w, sector_t start, sector_t end,
			unsigned int ops, const struct dmrf_fault *fault)
{
	unsigned int side;

	dmrf_whole_blocks(d, &start, &end);
	for (side = 0; side < DMRF_SIDES; side++)
		if (dmrf_has_side(ops, side) && dmrf_set_add(&d->bad[side], start, end, fault)) {
			dmrf_why(w, "Out of memory");
			return -ENOMEM;
		}
	return 0;
}

static int dmrf_word_bad(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_fault fault;
	sector_t start, end;
	unsigned int ops;

	if (dmrf_extent(d, w, false, &start, &end) || dmrf_fault_words(w, &ops, &fault))
		return -EINVAL;
	return dmrf_add_bad(d, w, start, end, ops, &fault);
}

/* <start> <length> <step> <count>: in this area, count sectors each step */
static int dmrf_word_bad_every(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_fault fault;
	sector_t start, end;
	u64 step, count;
	unsigned int ops;
	int ret = 0;

	if (dmrf_extent(d, w, true, &start, &end) || dmrf_number(w, &step) ||
	    dmrf_number(w, &count) || dmrf_fault_words(w, &ops, &fault))
		return -EINVAL;
	if (!count || step < count || step > d->len)
		return dmrf_why(w, "A step has at least one sector and holds the bad ones");
	for (; !ret && start < end; start += step)
		ret = dmrf_add_bad(d, w, start, min_t(sector_t, start + count, end), ops, &fault);
	return ret;
}

/* <start> <length> <how many> <count> <seed>: so many times count sectors somewhere in the area */
static int dmrf_word_bad_random(struct dmrf *d, struct dmrf_words *w)
{
	u64 many, count, seed, room, where;
	struct dmrf_fault fault;
	sector_t start, end;
	unsigned int ops;
	int ret = 0;

	if (dmrf_extent(d, w, true, &start, &end) || dmrf_number(w, &many) ||
	    dmrf_number(w, &count) || dmrf_number(w, &seed) || dmrf_fault_words(w, &ops, &fault))
		return -EINVAL;
	if (!count || count > end - start || many > 1000000)
		return dmrf_why(w, "At most 1000000 ranges, each within the area");
	room = end - start - count + 1;
	while (!ret && many--) {
		div64_u64_rem(dmrf_random(&seed), room, &where);
		ret = dmrf_add_bad(d, w, start + where, start + where + count, ops, &fault);
	}
	return ret;
}

static int dmrf_word_good(struct dmrf *d, struct dmrf_words *w)
{
	sector_t start, end;
	unsigned int ops = DMRF_ALL, side;

	if (dmrf_extent(d, w, true, &start, &end))
		return -EINVAL;
	dmrf_accept_ops(w, &ops);
	dmrf_whole_blocks(d, &start, &end);
	for (side = 0; side < DMRF_SIDES; side++)
		if (dmrf_has_side(ops, side) && dmrf_set_clear(&d->bad[side], start, end)) {
			dmrf_why(w, "Out of memory");
			return -ENOMEM;
		}
	return 0;
}

/* <start> <count> <ops> <ms>: good I/O takes longer there; 0 ms: no more */
static int dmrf_word_slow(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_fault fault = { .status = BLK_STS_OK };
	sector_t start, end;
	unsigned int ops, side;
	int ret = 0;

	if (dmrf_extent(d, w, true, &start, &end))
		return -EINVAL;
	if (!dmrf_accept_ops(w, &ops))
		return dmrf_why(w, "slow: read, write, both, discard, flush or all is missing");
	if (dmrf_milliseconds(w, &fault.delay))
		return -EINVAL;
	if (ops & DMRF_FLUSH)
		d->slow_flush = fault.delay;
	for (side = 0; !ret && side < DMRF_SIDES; side++) {
		if (!dmrf_has_side(ops, side))
			continue;
		if (fault.delay)
			ret = dmrf_set_add(&d->slow[side], start, end, &fault);
		else
			ret = dmrf_set_clear(&d->slow[side], start, end);
	}
	if (ret)
		dmrf_why(w, "Out of memory");
	return ret;
}

/* <start> <count> <ops> [times <n>] */
static int dmrf_word_hold(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_gate gate = { .times = 0 }, *g;

	if (dmrf_extent(d, w, true, &gate.start, &gate.end))
		return -EINVAL;
	if (!dmrf_accept_ops(w, &gate.ops))
		return dmrf_why(w, "hold: read, write, both, discard, zeroes, flush, fua or all is missing");
	if (dmrf_accept(w, "times") && dmrf_number(w, &gate.times))
		return -EINVAL;
	g = kmemdup(&gate, sizeof(gate), GFP_NOIO);
	if (!g) {
		dmrf_why(w, "Out of memory");
		return -ENOMEM;
	}
	list_add_tail(&g->list, &d->gates);
	return 0;
}

static int dmrf_then_word(struct dmrf_words *w, struct dmrf_trigger *t)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_then_names); i++) {
		if (dmrf_accept(w, dmrf_then_names[i])) {
			t->then = i;
			return 0;
		}
	}
	return dmrf_why(w, "then: readonly, offline or cut is missing");
}

/* [<status>] [[times] <n>|forever] [in <start> <count>] [delay <ms>] [then readonly|offline|cut] */
static int dmrf_trigger_words(struct dmrf *d, struct dmrf_words *w, struct dmrf_trigger *t)
{
	int ret = 0;

	while (!ret) {
		if (dmrf_accept(w, "times"))
			ret = dmrf_number(w, &t->times);
		else if (dmrf_accept(w, "forever"))
			t->times = 0;
		else if (dmrf_accept(w, "in"))
			ret = dmrf_extent(d, w, true, &t->start, &t->end);
		else if (dmrf_accept(w, "delay"))
			ret = dmrf_milliseconds(w, &t->fault.delay);
		else if (dmrf_accept(w, "then"))
			ret = dmrf_then_word(w, t);
		else if (!dmrf_accept_number(w, &t->times) &&
			 !dmrf_accept_status(w, &t->fault.status))
			break;
	}
	return ret;
}

static int dmrf_word_fail_after(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_trigger trigger = {
		.times = 1, .end = d->len, .fault.status = BLK_STS_IOERR,
	}, *t;

	if (!dmrf_accept_ops(w, &trigger.ops))
		return dmrf_why(w, "fail_after: read, write, both, discard, zeroes, flush, fua or all is missing");
	if (dmrf_number(w, &trigger.after) || dmrf_trigger_words(d, w, &trigger))
		return -EINVAL;
	if (!trigger.after)
		return dmrf_why(w, "fail_after counts from 1, the next one");
	t = kmemdup(&trigger, sizeof(trigger), GFP_NOIO);
	if (!t) {
		dmrf_why(w, "Out of memory");
		return -ENOMEM;
	}
	list_add_tail(&t->list, &d->triggers);
	return 0;
}

static int dmrf_word_fail_never(struct dmrf *d, struct dmrf_words *w)
{
	struct dmrf_trigger *t, *next;

	list_for_each_entry_safe(t, next, &d->triggers, list)
		kfree(t);
	INIT_LIST_HEAD(&d->triggers);
	return 0;
}

static int dmrf_cut_words(struct dmrf_words *w, enum dmrf_cut_mode *mode, u64 *seed)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_cut_names); i++) {
		if (!dmrf_accept(w, dmrf_cut_names[i]))
			continue;
		*mode = i;
		return i < DMRF_CUT_RANDOM ? 0 : dmrf_number(w, seed);
	}
	return dmrf_why(w, "none, all, random <seed>, torn <seed>, prefix <n> or suffix <n> is missing");
}

static int dmrf_word_cut_mode(struct dmrf *d, struct dmrf_words *w)
{
	return dmrf_cut_words(w, &d->cut_mode, &d->cut_seed);
}

static int dmrf_word_online(struct dmrf *d, struct dmrf_words *w)
{
	d->state = DMRF_ONLINE;
	return 0;
}

static int dmrf_word_readonly(struct dmrf *d, struct dmrf_words *w)
{
	d->state = DMRF_READONLY;
	return 0;
}

static int dmrf_word_offline(struct dmrf *d, struct dmrf_words *w)
{
	d->state = DMRF_OFFLINE;
	return 0;
}

struct dmrf_clause {
	const char *name;
	int (*fn)(struct dmrf *d, struct dmrf_words *w);
};

static const struct dmrf_clause dmrf_clauses[] = {
	{ "bad", dmrf_word_bad },
	{ "bad_every", dmrf_word_bad_every },
	{ "bad_random", dmrf_word_bad_random },
	{ "good", dmrf_word_good },
	{ "slow", dmrf_word_slow },
	{ "hold", dmrf_word_hold },
	{ "fail_after", dmrf_word_fail_after },
	{ "fail_never", dmrf_word_fail_never },
	{ "cut_mode", dmrf_word_cut_mode },
	{ "online", dmrf_word_online },
	{ "readonly", dmrf_word_readonly },
	{ "offline", dmrf_word_offline },
};

static int dmrf_clause(struct dmrf *d, struct dmrf_words *w)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_clauses); i++)
		if (dmrf_accept(w, dmrf_clauses[i].name))
			return dmrf_clauses[i].fn(d, w);
	return dmrf_why(w, "Unknown word");
}

/* --- the table line -------------------------------------------------------------------------- */

static int dmrf_option_cache(struct dmrf *d, struct dmrf_words *w)
{
	d->want_cache = true;
	return 0;
}

static int dmrf_option_cache_size(struct dmrf *d, struct dmrf_words *w)
{
	if (dmrf_number(w, &d->cache_mib))
		return -EINVAL;
	if (!d->cache_mib || d->cache_mib > 4096)
		return dmrf_why(w, "cache_size is 1 to 4096 MiB");
	d->want_cache = true;
	return 0;
}

static int dmrf_option_phys(struct dmrf *d, struct dmrf_words *w)
{
	u64 n;
	unsigned int side;

	if (dmrf_number(w, &n))
		return -EINVAL;
	if (!is_power_of_2(n) || n > 128)
		return dmrf_why(w, "phys is a power of two up to 128 sectors");
	for (side = 0; side < DMRF_SIDES; side++)
		if (d->bad[side].count)
			return dmrf_why(w, "phys must come before bad sectors");
	d->phys = n;
	return 0;
}

static int dmrf_option_lbs(struct dmrf *d, struct dmrf_words *w)
{
	u64 n;

	if (dmrf_number(w, &n))
		return -EINVAL;
	if (n != 512 && n != 1024 && n != 2048 && n != 4096)
		return dmrf_why(w, "lbs is 512, 1024, 2048 or 4096 bytes");
	d->logical = n;
	return 0;
}

static int dmrf_option_power(struct dmrf *d, struct dmrf_words *w)
{
	const char *name = dmrf_take(w);

	if (!name || strscpy(d->power_name, name, sizeof(d->power_name)) <= 0)
		return dmrf_why(w, "power needs a name of up to 31 characters");
	return 0;
}

static int dmrf_option_no_wc(struct dmrf *d, struct dmrf_words *w)
{
	d->no_wc = true;
	return 0;
}

static int dmrf_option_off(struct dmrf *d, struct dmrf_words *w)
{
	d->start_off = true;
	return 0;
}

static const struct dmrf_clause dmrf_options[] = {
	{ "cache", dmrf_option_cache },
	{ "cache_size", dmrf_option_cache_size },
	{ "phys", dmrf_option_phys },
	{ "lbs", dmrf_option_lbs },
	{ "power", dmrf_option_power },
	{ "no_wc", dmrf_option_no_wc },
	{ "off", dmrf_option_off },
};

static int dmrf_option(struct dmrf *d, struct dmrf_words *w)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmrf_options); i++)
		if (dmrf_accept(w, dmrf_options[i].name))
			return dmrf_options[i].fn(d, w);
	return dmrf_clause(d, w);
}

int dmrf_parse_table(struct dmrf *d, unsigned int argc, char **argv, char **error)
{
	struct dmrf_words w = { .argc = argc, .argv = argv };
	int ret = 0;
	u64 n;

	if (!argc)
		return 0;
	if (dmrf_number(&w, &n) || n != w.argc) {
		*error = "The number of arguments does not fit";
		return -EINVAL;
	}
	mutex_lock(&d->lock);
	while (!ret && w.argc)
		ret = dmrf_option(d, &w);
	dmrf_rearm(d);
	mutex_unlock(&d->lock);
	if (!ret && d->want_cache && d->no_wc)
		ret = dmrf_why(&w, "no_wc and cache exclude each other");
	if (ret)
		*error = w.why;
	return ret;
}

/* Prints, or with room 0 only counts the words that it would print. */
struct dmrf_printer {
	char *result;
	unsigned int sz;
	unsigned int maxlen;
	unsigned int words;
};

static __printf(2, 3) void dmrf_print(struct dmrf_printer *p, const char *fmt, ...)
{
	const char *c;
	va_list args;

	for (c = fmt; *c; c++)
		p->words += *c == ' ';
	if (p->sz >= p->maxlen)
		return;
	va_start(args, fmt);
	p->sz += vscnprintf(p->result + p->sz, p->maxlen - p->sz, fmt, args);
	va_end(args);
}

static void dmrf_print_fault(struct dmrf_printer *p, const struct dmrf_range *r, unsigned int ops)
{
	char name[48];

	dmrf_ops_name(ops, name, sizeof(name));
	dmrf_print(p, " bad %llu %llu %s %s %s", (unsigned long long)r->start,
		   (unsigned long long)(r->end - r->start), name,
		   r->fault.heal ? "heal" : "keep", dmrf_status_name(r->fault.status));
	if (r->fault.delay)
		dmrf_print(p, " delay %u", r->fault.delay);
}

static bool dmrf_same_range(struct dmrf_set *set, const struct dmrf_range *r)
{
	struct dmrf_range *other = dmrf_set_first(set, r->start, r->end);

	return other && other->start == r->start && other->end == r->end &&
	       dmrf_fault_equal(&other->fault, &r->fault);
}

/* Ranges alike on both sides are one clause. */
static void dmrf_print_bad(struct dmrf *d, struct dmrf_printer *p)
{
	struct dmrf_set *reads = &d->bad[DMRF_SIDE_READ], *writes = &d->bad[DMRF_SIDE_WRITE];
	unsigned int both = DMRF_READ | DMRF_WRITE | DMRF_ZEROES;
	struct dmrf_range *r;

	for (r = dmrf_set_first(reads, 0, d->len); r; r = dmrf_range_next(r))
		dmrf_print_fault(p, r, dmrf_same_range(writes, r) ? both : DMRF_READ);
	for (r = dmrf_set_first(writes, 0, d->len); r; r = dmrf_range_next(r))
		if (!dmrf_same_range(reads, r))
			dmrf_print_fault(p, r, DMRF_WRITE | DMRF_ZEROES);
	r = dmrf_set_first(&d->bad[DMRF_SIDE_DISCARD], 0, d->len);
	for (; r; r = dmrf_range_next(r))
		dmrf_print_fault(p, r, DMRF_DISCARD);
}

static void dmrf_print_slow(struct dmrf *d, struct dmrf_printer *p)
{
	static const char *const names[DMRF_SIDES] = { "read", "write", "discard" };
	struct dmrf_range *r;
	unsigned int side;

	for (side = 0; side < DMRF_SIDES; side++)
		for (r = dmrf_set_first(&d->slow[side], 0, d->len); r; r = dmrf_range_next(r))
			dmrf_print(p, " slow %llu %llu %s %u", (unsigned long long)r->start,
				   (unsigned long long)(r->end - r->start), names[side],
				   r->fault.delay);
	if (d->slow_flush)
		dmrf_print(p, " slow 0 0 flush %u", d->slow_flush);
}

static void dmrf_print_gates(struct dmrf *d, struct dmrf_printer *p)
{
	struct dmrf_gate *g;
	char name[48];

	list_for_each_entry(g, &d->gates, list) {
		dmrf_ops_name(g->ops, name, sizeof(name));
		dmrf_print(p, " hold %llu %llu %s", (unsigned long long)g->start,
			   (unsigned long long)(g->end - g->start), name);
		if (g->times)
			dmrf_print(p, " times %llu", g->times);
	}
}

static void dmrf_print_triggers(struct dmrf *d, struct dmrf_printer *p)
{
	struct dmrf_trigger *t;
	char name[48];

	list_for_each_entry(t, &d->triggers, list) {
		dmrf_ops_name(t->ops, name, sizeof(name));
		dmrf_print(p, " fail_after %s %llu %s times %llu in %llu %llu", name, t->after,
			   dmrf_status_name(t->fault.status), t->times,
			   (unsigned long long)t->start, (unsigned long long)(t->end - t->start));
		if (t->fault.delay)
			dmrf_print(p, " delay %u", t->fault.delay);
		if (t->then)
			dmrf_print(p, " then %s", dmrf_then_names[t->then]);
	}
}

static void dmrf_print_options(struct dmrf *d, struct dmrf_printer *p)
{
	if (d->want_cache)
		dmrf_print(p, " cache cache_size %llu", d->cache_mib);
	dmrf_print(p, " phys %u", d->phys);
	if (d->logical)
		dmrf_print(p, " lbs %u", d->logical);
	if (*d->power_name)
		dmrf_print(p, " power %s", d->power_name);
	if (d->no_wc)
		dmrf_print(p, " no_wc");
	if (dmrf_is_off(d))
		dmrf_print(p, " off");
	if (d->cut_mode >= DMRF_CUT_RANDOM)
		dmrf_print(p, " cut_mode %s %llu", dmrf_cut_names[d->cut_mode], d->cut_seed);
	else if (d->cut_mode)
		dmrf_print(p, " cut_mode %s", dmrf_cut_names[d->cut_mode]);
	if (d->state != DMRF_ONLINE)
		dmrf_print(p, " %s", dmrf_state_names[d->state]);
}

static void dmrf_print_args(struct dmrf *d, struct dmrf_printer *p)
{
	dmrf_print_options(d, p);
	dmrf_print_bad(d, p);
	dmrf_print_slow(d, p);
	dmrf_print_gates(d, p);
	dmrf_print_triggers(d, p);
}

/*
 * However long: where the reply has no room for the whole line, device-mapper says so and libdevmapper
 * asks again with more.
 */
void dmrf_print_table(struct dmrf *d, char *result, unsigned int maxlen)
{
	struct dmrf_printer count = { .maxlen = 0 };
	struct dmrf_printer p = { .result = result, .maxlen = maxlen };

	mutex_lock(&d->lock);
	dmrf_print_args(d, &count);
	dmrf_print(&p, "%s %llu %u", d->dev->name, (unsigned long long)d->offset, count.words);
	dmrf_print_args(d, &p);
	mutex_unlock(&d->lock);
}

void dmrf_print_status(struct dmrf *d, char *result, unsigned int maxlen)
{
	struct dmrf_printer p = { .result = result, .maxlen = maxlen };
	unsigned int i;

	mutex_lock(&d->lock);
	dmrf_print(&p, "%s", dmrf_is_off(d) ? "off" : dmrf_state_names[d->state]);
	for (i = 0; i < DMRF_COUNTERS; i++)
		dmrf_print(&p, " %s %lld", dmrf_counter_names[i],
			   (long long)atomic64_read(&d->counters[i]));
	dmrf_print(&p, " bad %lu slow %lu",
		   d->bad[DMRF_SIDE_READ].count + d->bad[DMRF_SIDE_WRITE].count +
			   d->bad[DMRF_SIDE_DISCARD].count,
		   d->slow[DMRF_SIDE_READ].count + d->slow[DMRF_SIDE_WRITE].count +
			   d->slow[DMRF_SIDE_DISCARD].count);
	mutex_unlock(&d->lock);
}

/* --- messages -------------------------------------------------------------------------------- */

static const char dmrf_help_text[] =
	"bad <start> <count> [read|write|both|discard|all] [heal|keep] [<status>] [delay <ms>]\n"
	"bad_every <start> <length> <step> <count> [... as bad]\n"
	"bad_random <start> <length> <how many> <count> <seed> [... as bad]\n"
	"good <start> <count> [<ops>]\n"
	"slow <start> <count> <ops> <ms>\n"
	"hold <start> <count> <ops> [times <n>]\n"
	"release [<n>] [fail [<status>]]\n"
	"fail_after <ops> <n> [<status>] [[times] <n>|forever] [in <start> <count>] [delay <ms>] [then readonly|offline|cut]\n"
	"fail_never\n"
	"online | readonly | offline\n"
	"cut [none|all|random <seed>|torn <seed>|prefix <n>|suffix <n>]\n"
	"cut_mode none|all|random <seed>|torn <seed>|prefix <n>|suffix <n>\n"
	"restore | sync\n"
	"wait <counter of the status line> <at least> [<ms>]\n"
	"list | log [<from>] | log_clear | stats_clear | help\n"
	"<ops>: read write both discard zeroes data flush fua all, joined by commas\n"
	"<status>: medium ioerr target timeout offline nospc protection transport notsupp\n"
	"          resource again\n";

static int dmrf_msg_help(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	dmrf_print(p, "%s", dmrf_help_text);
	return 1;
}

static int dmrf_msg_list(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	static const char *const names[DMRF_SIDES] = { "read", "write", "discard" };
	struct dmrf_range *r;
	unsigned int side;

	mutex_lock(&d->lock);
	for (side = 0; side < DMRF_SIDES; side++)
		for (r = dmrf_set_first(&d->bad[side], 0, d->len); r; r = dmrf_range_next(r))
			dmrf_print(p, "%llu %llu %s %s %s delay %u\n", (unsigned long long)r->start,
				   (unsigned long long)(r->end - r->start), names[side],
				   r->fault.heal ? "heal" : "keep",
				   dmrf_status_name(r->fault.status), r->fault.delay);
	mutex_unlock(&d->lock);
	return 1;
}

static void dmrf_print_entry(struct dmrf_printer *p, const struct dmrf_log_entry *e)
{
	static const struct {
		blk_opf_t bit;
		const char *name;
	} flags[] = {
		{ REQ_FUA, "fua" },
		{ REQ_PREFLUSH, "preflush" },
		{ REQ_SYNC, "sync" },
		{ REQ_META, "meta" },
		{ REQ_RAHEAD, "readahead" },
	};
	char name[48], words[48] = "-";
	unsigned int i;
	size_t len = 0;

	dmrf_ops_name(e->ops & ~DMRF_FUA, name, sizeof(name));
	if (e->ops & DMRF_WRITE)
		strscpy(name, "write", sizeof(name));
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (e->opf & flags[i].bit)
			len += scnprintf(words + len, sizeof(words) - len, "%s%s", len ? "," : "",
					 flags[i].name);
	dmrf_print(p, "%llu %llu %s %llu %u %s %s\n", e->in, e->out, *name ? name : "other",
		   (unsigned long long)e->sector, e->sectors, words,
		   e->out ? dmrf_status_name(e->status) : "pending");
}

/* log [<from>]: the last bios that arrived at or after this time, oldest first */
static int dmrf_msg_log(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	struct dmrf_log_entry entry;
	u64 i, end, from = 0;
	bool valid;

	if (w->argc && dmrf_number(w, &from))
		return -EINVAL;
	spin_lock_irq(&d->log_lock);
	end = d->log_next;
	i = max_t(u64, d->log_base, end > DMRF_LOG_SIZE ? end - DMRF_LOG_SIZE : 0);
	spin_unlock_irq(&d->log_lock);
	for (; i < end; i++) {
		spin_lock_irq(&d->log_lock);
		valid = d->log_next - i <= DMRF_LOG_SIZE;
		entry = d->log[i % DMRF_LOG_SIZE];
		spin_unlock_irq(&d->log_lock);
		if (valid && entry.in >= from)
			dmrf_print_entry(p, &entry);
	}
	return 1;
}

static int dmrf_msg_log_clear(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	spin_lock_irq(&d->log_lock);
	d->log_base = d->log_next;
	spin_unlock_irq(&d->log_lock);
	return 0;
}

static int dmrf_msg_stats_clear(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	unsigned int i;

	for (i = 0; i < DMRF_GAUGES; i++)
		atomic64_set(&d->counters[i], 0);
	return 0;
}

/* Without a number the gates go too. */
static int dmrf_msg_release(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	blk_status_t status = BLK_STS_OK;
	struct dmrf_gate *g, *next;
	u64 n = U64_MAX;
	bool all = !dmrf_accept_number(w, &n);

	if (dmrf_accept(w, "fail")) {
		status = BLK_STS_IOERR;
		dmrf_accept_status(w, &status);
	}
	if (w->argc)
		return dmrf_why(w, "release [<n>] [fail [<status>]]");
	mutex_lock(&d->lock);
	if (all) {
		list_for_each_entry_safe(g, next, &d->gates, list)
			kfree(g);
		INIT_LIST_HEAD(&d->gates);
		dmrf_rearm(d);
	}
	mutex_unlock(&d->lock);
	dmrf_release(d, n, status);
	return 0;
}

static int dmrf_msg_cut(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	enum dmrf_cut_mode mode = DMRF_CUT_NONE;
	u64 seed = 0;

	if (w->argc && dmrf_cut_words(w, &mode, &seed))
		return -EINVAL;
	if (w->argc)
		return dmrf_why(w, "cut none and cut all take no seed");
	dmrf_power_trip(d, mode, seed);
	dmrf_power_settle(d);
	return 0;
}

static int dmrf_msg_restore(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	dmrf_power_restore(d);
	return 0;
}

static int dmrf_msg_sync(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	return d->cache ? dmrf_cache_sync(d) : 0;
}

/* Interruptible, so that a test that waits in vain can be ended. */
static int dmrf_msg_wait(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p)
{
	const char *key = dmrf_take(w);
	u64 n, ms = 30000;
	unsigned int i;
	long ret;

	for (i = 0; key && i < DMRF_COUNTERS; i++)
		if (!strcmp(key, dmrf_counter_names[i]))
			break;
	if (!key || i == DMRF_COUNTERS)
		return dmrf_why(w, "wait for which counter?");
	if (dmrf_number(w, &n))
		return -EINVAL;
	if (w->argc && dmrf_number(w, &ms))
		return -EINVAL;
	ms = min_t(u64, ms, 3600000);
	ret = wait_event_interruptible_timeout(d->waitq, atomic64_read(&d->counters[i]) >= (s64)n,
					       msecs_to_jiffies(ms));
	if (!ret)
		dmrf_why(w, "waited in vain");
	return ret > 0 ? 0 : ret ?: -ETIMEDOUT;
}

static const struct {
	const char *name;
	unsigned int words;	/* that may follow, at most */
	int (*fn)(struct dmrf *d, struct dmrf_words *w, struct dmrf_printer *p);
} dmrf_messages[] = {
	{ "help", 0, dmrf_msg_help },
	{ "list", 0, dmrf_msg_list },
	{ "log", 1, dmrf_msg_log },
	{ "log_clear", 0, dmrf_msg_log_clear },
	{ "stats_clear", 0, dmrf_msg_stats_clear },
	{ "release", 3, dmrf_msg_release },
	{ "cut", 2, dmrf_msg_cut },
	{ "restore", 0, dmrf_msg_restore },
	{ "sync", 0, dmrf_msg_sync },
	{ "wait", 3, dmrf_msg_wait },
};

static int dmrf_message_clauses(struct dmrf *d, struct dmrf_words *w)
{
	int ret = 0;

	mutex_lock(&d->lock);
	while (!ret && w->argc)
		ret = dmrf_clause(d, w);
	dmrf_rearm(d);
	mutex_unlock(&d->lock);
	return ret;
}

int dmrf_message(struct dmrf *d, unsigned int argc, char **argv, char *result, unsigned int maxlen)
{
	struct dmrf_words w = { .argc = argc, .argv = argv };
	struct dmrf_printer p = { .result = result, .maxlen = maxlen };
	unsigned int i;
	int ret;

	if (maxlen)
		*result = '\0';
	for (i = 0; i < ARRAY_SIZE(dmrf_messages); i++)
		if (dmrf_accept(&w, dmrf_messages[i].name))
			break;
	if (i == ARRAY_SIZE(dmrf_messages))
		ret = dmrf_message_clauses(d, &w);
	else if (w.argc > dmrf_messages[i].words)
		ret = dmrf_why(&w, "Too many words");
	else
		ret = dmrf_messages[i].fn(d, &w, &p);
	if (ret < 0 && w.why)
		DMERR("%s: message %s: %s", d->dev->name, argv[0], w.why);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes, reads, zeroes and discards a part of a device from several threads, each in its own share, and knows
 * what each sector may hold: the last content that was acknowledged, or one of the later ones that were not.
 * A read settles which. What it knows is kept in a file, for the next run or for a last look.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR		512u
#define WORDS		(SECTOR / sizeof(uint64_t))
#define MOST		2048u	/* sectors in one I/O */
#define HOT		256u	/* where half of all I/O goes: the first sectors of each share */
#define LOOK		128u	/* the same, when it only looks */
#define THREADS		32u

/*
 * Contents have ids, which grow. A sector holds data of an id from `low` to `high`, or zeroes where that is
 * possible; `low` itself may be the id of zeroes.
 */
struct sector {
	uint32_t low, high;
	bool zero, low_is_zero;
};

enum op { READ, WRITE, DURABLE, ZERO, DISCARD, SYNC, OPS };

static const char * const op_name[OPS] = { "read", "write", "durable write", "zeroing", "discard", "sync" };
/* Of 100 I/Os. */
static const unsigned int op_share[OPS] = { 42, 42, 4, 6, 4, 2 };

static struct sector *model;
static uint64_t first, count;
static int device;
static bool reads_may_fail, all_may_fail, look_only;
static atomic_uint next_id;
static atomic_bool stop;
static atomic_uint wrong, done[OPS], failed[OPS];

static void say(const char *format, ...)
{
	char text[300];
	va_list args;

	/* The rest of it is not news. */
	if (atomic_fetch_add(&wrong, 1) >= 10)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("%s\n", text);
	fflush(stdout);
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t word(uint64_t sector, uint32_t id, unsigned int i)
{
	uint64_t x = sector * 0x9e3779b97f4a7c15ULL ^ ((uint64_t)id << 20) ^ i;

	x ^= x >> 31;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

static void fill(uint64_t *data, uint64_t sector, uint32_t id)
{
	unsigned int i;

	data[0] = sector;
	data[1] = id;
	for (i = 2; i < WORDS; i++)
		data[i] = word(sector, id, i);
}

static bool all_zero(const uint64_t *data)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		if (data[i])
			return false;
	return true;
}

static bool is_whole(const uint64_t *data, uint64_t sector, uint32_t id)
{
	uint64_t wanted[WORDS];

	fill(wanted, sector, id);
	return !memcmp(wanted, data, SECTOR);
}

/* What was read is what is there, from now on. */
static void check(const uint64_t *data, uint64_t sector)
{
	struct sector *s = &model[sector - first];
	uint32_t id = data[1];

	if (all_zero(data)) {
		if (!s->zero)
			say("sector %llu: zeroes, wanted id %u to %u", (unsigned long long)sector, s->low, s->high);
		*s = (struct sector){ s->high, s->high, true, true };
		return;
	}
	if (!is_whole(data, sector, id))
		say("sector %llu: no content of its own (%llu %llu), wanted id %u to %u", (unsigned long long)sector,
		    (unsigned long long)data[0], (unsigned long long)data[1], s->low, s->high);
	else if (id < s->low || id > s->high || (id == s->low && s->low_is_zero))
		say("sector %llu: id %u, wanted %u to %u%s", (unsigned long long)sector, id, s->low, s->high,
		    s->zero ? " or zeroes" : "");
	else
		*s = (struct sector){ id, id, false, false };
}

static void note_written(uint64_t sector, unsigned int n, uint32_t id, bool zero, bool surely)
{
	struct sector *s = &model[sector - first];

	for (; n--; s++) {
		if (surely) {
			*s = (struct sector){ id, id, zero, zero };
		} else {
			s->high = id;
			s->zero |= zero;
		}
	}
}

static bool carry_out(enum op op, uint64_t sector, unsigned int n, uint64_t *data, uint32_t id)
{
	struct iovec iov = { data, n * SECTOR };
	uint64_t range[2] = { sector * SECTOR, n * SECTOR };
	unsigned int i;

	switch (op) {
	case READ:
		return pread(device, data, n * SECTOR, sector * SECTOR) == (ssize_t)(n * SECTOR);
	case WRITE:
	case DURABLE:
		for (i = 0; i < n; i++)
			fill(data + i * WORDS, sector + i, id);
		return pwritev2(device, &iov, 1, sector * SECTOR, op == DURABLE ? RWF_DSYNC : 0) ==
		       (ssize_t)(n * SECTOR);
	case ZERO:
		return !ioctl(device, BLKZEROOUT, range);
	case DISCARD:
		return !ioctl(device, BLKDISCARD, range) || errno == EOPNOTSUPP;
	case SYNC:
		return !fdatasync(device);
	default:
		return false;
	}
}

static void one_io(enum op op, uint64_t sector, unsigned int n, uint64_t *data)
{
	bool writes = op != READ && op != SYNC;
	uint32_t id = writes ? atomic_fetch_add(&next_id, 1) : 0;
	unsigned int i;
	bool good;

	errno = 0;
	good = carry_out(op, sector, n, data, id);
	i = errno;
	atomic_fetch_add(&done[op], 1);
	if (!good) {
		atomic_fetch_add(&failed[op], 1);
		if (!all_may_fail && !(op == READ && reads_may_fail))
			say("%s of %u sectors at %llu failed: %s", op_name[op], n, (unsigned long long)sector, strerror(i));
	}
	if (writes)
		note_written(sector, n, id, op == ZERO || op == DISCARD, good && op != DISCARD);
	for (i = 0; op == READ && good && i < n; i++)
		check(data + i * WORDS, sector + i);
}

struct share {
	pthread_t thread;
	unsigned int seed;
	uint64_t first, count;
};

static enum op some_op(struct share *share)
{
	unsigned int at = rand_r(&share->seed) % 100, op = 0;

	while (at >= op_share[op])
		at -= op_share[op++];
	return op;
}

static void *work(void *arg)
{
	static const unsigned int size[] = { 1, 1, 8, 8, 8, 8, 24, 128, 128, MOST };
	struct share *share = arg;
	uint64_t *data = aligned_alloc(4096, MOST * SECTOR), at;

	if (!data)
		die("memory");
	while (!atomic_load(&stop)) {
		unsigned int n = size[rand_r(&share->seed) % (sizeof(size) / sizeof(*size))];
		uint64_t area = rand_r(&share->seed) % 2 && share->count > HOT ? HOT : share->count;

		if (n > area)
			n = area;
		at = rand_r(&share->seed) % (area - n + 1);
		/* Most I/O of this world is aligned. */
		if (rand_r(&share->seed) % 4)
			at -= at % n;
		one_io(some_op(share), share->first + at, n, data);
	}
	free(data);
	return NULL;
}

static void look(void)
{
	uint64_t *data = aligned_alloc(4096, LOOK * SECTOR), sector;
	unsigned int unreadable = 0, n, i;

	if (!data)
		die("memory");
	for (sector = first; sector < first + count; sector += n) {
		n = first + count - sector < LOOK ? first + count - sector : LOOK;
		if (!carry_out(READ, sector, n, data, 0)) {
			/* One by one, then. */
			n = 1;
			if (!carry_out(READ, sector, n, data, 0)) {
				unreadable++;
				continue;
			}
		}
		for (i = 0; i < n; i++)
			check(data + i * WORDS, sector + i);
	}
	if (unreadable && !reads_may_fail)
		say("%u sectors cannot be read", unreadable);
	printf("%llu sectors looked at, %u unreadable\n", (unsigned long long)count, unreadable);
	free(data);
}

static void run(unsigned int threads)
{
	static struct share share[THREADS];
	unsigned int i, op;

	for (i = 0; i < threads; i++) {
		share[i].seed = i * 7919 + next_id;
		share[i].first = first + count / threads * i;
		share[i].count = count / threads;
		if (pthread_create(&share[i].thread, NULL, work, &share[i]))
			die("thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(share[i].thread, NULL);
	for (op = 0; op < OPS; op++)
		printf("%s%u %s (%u failed)", op ? ", " : "", done[op], op_name[op], failed[op]);
	printf("\n");
}

static void stop_running(int signal)
{
	(void)signal;
	atomic_store(&stop, true);
}

static void open_model(const char *name)
{
	size_t size = count * sizeof(*model);
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	bool fresh = fd >= 0 && lseek(fd, 0, SEEK_END) == 0;
	uint64_t i;

	if (fd < 0 || ftruncate(fd, size))
		die(name);
	model = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (model == MAP_FAILED)
		die(name);
	next_id = 1;
	for (i = 0; i < count; i++) {
		if (fresh)
			model[i].zero = model[i].low_is_zero = true;
		if (model[i].high >= next_id)
			next_id = model[i].high + 1;
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop_running };
	unsigned int threads = 4;
	int c;

	while ((c = getopt(argc, argv, "elrt:")) > 0) {
		switch (c) {
		case 'e': all_may_fail = true; break;
		case 'l': look_only = true; break;
		case 'r': reads_may_fail = true; break;
		case 't': threads = strtoul(optarg, NULL, 10); break;
		default: argc = 0;
		}
	}
	if (argc - optind != 4 || !threads || threads > THREADS) {
		fprintf(stderr, "usage: racer [-l (only look)] [-r (reads may fail)] [-e (all may)] [-t THREADS] DEVICE FIRST COUNT MODEL\n"
			"runs until it is terminated; sectors are zero at first\n");
		return 2;
	}
	first = strtoull(argv[optind + 1], NULL, 10);
	count = strtoull(argv[optind + 2], NULL, 10);
	device = open(argv[optind], O_RDWR | O_DIRECT);
	if (device < 0)
		die(argv[optind]);
	open_model(argv[optind + 3]);
	/* Who disturbs goes first, or there would be little to see. */
	if (nice(10) < 0)
		die("nice");
	sigaction(SIGTERM, &action, NULL);
	if (look_only)
		look();
	else
		run(threads);
	if (wrong)
		printf("%u times wrong\n", wrong);
	return wrong ? 1 : 0;
}

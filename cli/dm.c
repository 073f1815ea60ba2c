// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Device-mapper through libdevmapper: pairs that are active, tables and messages. The kernel gives the
 * reason of a refusal in its log alone, so what it logs meanwhile is read along and shown.
 */
#include <fcntl.h>
#include <libdevmapper.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "cli.h"

static int kernel_log = -1;

static void log_begin(void)
{
	if (kernel_log < 0)
		kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log >= 0)
		lseek(kernel_log, 0, SEEK_END);
}

/* What came since log_begin() and is of ours. */
static void log_show(void)
{
	char record[8192], *text;
	ssize_t n;

	if (kernel_log < 0)
		return;
	while ((n = read(kernel_log, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (strstr(text, "remap") || strstr(text, "device-mapper"))
			fprintf(stderr, "  kernel: %s\n", text + 1);
	}
}

static void quiet(int level, const char *file, int line, int error, const char *format, ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)error;
	if (!cli.verbose || level > 5)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int dmr_dm_init(void)
{
	struct dm_task *task;
	int ok;

	dm_log_with_errno_init(quiet);
	if (geteuid())
		return dmr_fail(DMR_EXIT_PERMISSION, "try it as root", "device-mapper is for root only");
	task = dm_task_create(DM_DEVICE_VERSION);
	ok = task && dm_task_run(task);
	if (task)
		dm_task_destroy(task);
	if (!ok)
		return dmr_fail(DMR_EXIT_NO_MODULE, "modprobe dm-mod", "the kernel has no device-mapper");
	return DMR_EXIT_OK;
}

bool dmr_dm_name_ok(const char *name)
{
	size_t length = strlen(name);

	return length && length < 128 && *name != '#' && strcmp(name, ".") && strcmp(name, "..") && strcmp(name, "control") &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#+-.:=@_") == length;
}

/* Asking loads the module, where modprobe finds it. */
int dmr_dm_need_target(void)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_GET_TARGET_VERSION);
	bool ok = task && dm_task_set_name(task, DMR_TARGET_NAME) && dm_task_run(task);

	if (task)
		dm_task_destroy(task);
	if (ok)
		return DMR_EXIT_OK;
	return dmr_fail(DMR_EXIT_NO_MODULE, "modprobe dm-remap; if that fails, build and install the module",
			"the kernel has no target " DMR_TARGET_NAME);
}

static struct dm_task *run(int type, const char *name, bool noflush)
{
	struct dm_task *task = dm_task_create(type);

	if (!task)
		return NULL;
	/* A stuck device must not keep us waiting. */
	if (!dm_task_set_name(task, name) || (noflush && !dm_task_no_flush(task)) || !dm_task_run(task)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

bool dmr_dm_exists(const char *name)
{
	struct dm_task *task = run(DM_DEVICE_INFO, name, false);
	struct dm_info info = { .exists = 0 };

	if (task) {
		dm_task_get_info(task, &info);
		dm_task_destroy(task);
	}
	return info.exists;
}

/* "8:16 8:32 2 uuid ..." as the kernel prints it. */
static bool table_parse(const char *params, struct dmr_pair_info *pair)
{
	char copy[512], error[DMR_ERROR_SIZE], *words[16], *rest = NULL, *word;
	unsigned int count = 0;

	snprintf(copy, sizeof(copy), "%s", params);
	for (word = strtok_r(copy, " ", &rest); word && count < 16; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	return count >= 2 && sscanf(words[0], "%u:%u", &pair->main_major, &pair->main_minor) == 2 &&
	       sscanf(words[1], "%u:%u", &pair->spare_major, &pair->spare_minor) == 2 &&
	       dmr_options_parse(count - 2, words + 2, &pair->options, error);
}

/* Target number `index` of ours in that device; false: there is none. */
static bool read_pair(const char *name, unsigned int index, struct dmr_pair_info *pair)
{
	struct dm_task *status = run(DM_DEVICE_STATUS, name, true), *table = run(DM_DEVICE_TABLE, name, true);
	char *type, *params, *line;
	unsigned int seen = 0;
	uint64_t start, length, t_start, t_length;
	struct dm_info info;
	void *next = NULL, *t_next = NULL;
	bool found = false;

	memset(pair, 0, sizeof(*pair));
	if (!status || !table || !dm_task_get_info(status, &info) || !info.exists)
		goto out;
	do {
		char *t_type;

		next = dm_get_next_target(status, next, &start, &length, &type, &params);
		t_next = dm_get_next_target(table, t_next, &t_start, &t_length, &t_type, &line);
		if (!type || strcmp(type, DMR_TARGET_NAME) || seen++ != index)
			continue;
		found = true;
		snprintf(pair->name, sizeof(pair->name), "%s", name);
		pair->major = info.major;
		pair->minor = info.minor;
		pair->start = start;
		pair->length = length;
		pair->suspended = info.suspended;
		pair->open_count = (u32)info.open_count;
		pair->events = info.event_nr;
		pair->have_table = t_type && t_start == start && line && table_parse(line, pair) && params &&
				   dmr_status_parse(params, &pair->status);
	} while (next && t_next && !found);
out:
	if (status)
		dm_task_destroy(status);
	if (table)
		dm_task_destroy(table);
	return found;
}

int dmr_dm_pairs(struct dmr_pair_info **pairs, size_t *count)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_LIST);
	struct dm_names *names;
	struct dmr_pair_info pair, *more;
	unsigned int index;

	*pairs = NULL;
	*count = 0;
	if (!task || !dm_task_run(task)) {
		if (task)
			dm_task_destroy(task);
		return dmr_fail(DMR_EXIT_FAILED, "look at the kernel log (dmesg)", "the devices cannot be listed");
	}
	names = dm_task_get_names(task);
	while (names && names->dev) {
		for (index = 0; read_pair(names->name, index, &pair); index++) {
			more = realloc(*pairs, (*count + 1) * sizeof(pair));
			if (!more)
				abort();
			*pairs = more;
			(*pairs)[(*count)++] = pair;
		}
		if (!names->next)
			break;
		names = (void *)((char *)names + names->next);
	}
	dm_task_destroy(task);
	return DMR_EXIT_OK;
}

bool dmr_dm_uuid_active(const u8 uuid[16], char name[128])
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

/* A path of a device-mapper device becomes its name; what is too long for one becomes "". */
static void name_of(const char *given, char name[128])
{
	char link[64];
	struct stat st;
	FILE *f;

	snprintf(name, 128, "%s", strlen(given) < 128 ? given : "");
	if (!strchr(given, '/') || stat(given, &st) || !S_ISBLK(st.st_mode))
		return;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/dm/name", major(st.st_rdev), minor(st.st_rdev));
	f = fopen(link, "re");
	if (!f)
		return;
	if (fgets(name, 128, f))
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

int dmr_dm_pair(const char *given, struct dmr_pair_info *pair)
{
	char name[128];

	name_of(given, name);
	if (*name && read_pair(name, 0, pair)) {
		if (pair->have_table)
			return DMR_EXIT_OK;
		return dmr_fail(DMR_EXIT_FAILED, "use the dmremap of the module that is loaded",
				"%s answers what this version does not understand", name);
	}
	if (dmr_dm_name_ok(name) && dmr_dm_exists(name))
		return dmr_fail(DMR_EXIT_NO_DEVICE, "dmremap list shows those that are",
				"%s is no active device of dm-remap", name);
	return dmr_fail(DMR_EXIT_NO_DEVICE, "dmremap list shows the active pairs, dmremap assemble activates one",
			"no device %s", given);
}

/*
 * Runs a task that makes or removes a device, if it was prepared, and waits for udev; a signal waits meanwhile, for it would
 * leave half a device. 0, or the error; the task is gone.
 */
static int run_with_udev(struct dm_task *task, bool prepared)
{
	sigset_t signals, before;
	u32 cookie = 0;
	int error;
	bool ok;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	ok = prepared && dm_task_set_cookie(task, &cookie, 0) && dm_task_run(task);
	error = task ? dm_task_get_errno(task) : ENOMEM;
	if (cookie)
		dm_udev_wait(cookie);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (task)
		dm_task_destroy(task);
	dm_task_update_nodes();
	if (ok)
		return 0;
	return error ? error : EINVAL;
}

int dmr_dm_create(const char *name, u64 length, const char *args)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_CREATE);
	int error;

	log_begin();
	error = run_with_udev(task, task && dm_task_set_name(task, name) &&
			      dm_task_add_target(task, 0, length, DMR_TARGET_NAME, args));
	if (!error)
		return DMR_EXIT_OK;
	dmr_fail(DMR_EXIT_FAILED, NULL, "the kernel refused to create %s: %s", name, strerror(error));
	log_show();
	fprintf(stderr, "  next: mend what the kernel names, and try again\n");
	return error == EBUSY ? DMR_EXIT_BUSY : DMR_EXIT_FAILED;
}

int dmr_dm_remove(const char *name)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_REMOVE);
	/* udev looks at it for a moment after each close, so it is tried for some seconds. */
	int error = run_with_udev(task, task && dm_task_set_name(task, name) && dm_task_retry_remove(task));

	if (!error)
		return DMR_EXIT_OK;
	if (error == EBUSY)
		return dmr_fail(DMR_EXIT_BUSY, "unmount it, and end what has it open (fuser, lsof)",
				"%s is in use", name);
	return dmr_fail(DMR_EXIT_FAILED, "look at the kernel log (dmesg)", "%s was not removed: %s", name,
			strerror(error));
}

int dmr_dm_try_message(const struct dmr_pair_info *pair, const char *text, char **answer)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_TARGET_MSG);
	const char *response;
	int ok, error;

	*answer = NULL;
	log_begin();
	ok = task && dm_task_set_name(task, pair->name) && dm_task_set_sector(task, pair->start) &&
	     dm_task_set_message(task, text) && dm_task_run(task);
	error = task ? dm_task_get_errno(task) : ENOMEM;
	if (ok) {
		response = dm_task_get_message_response(task);
		*answer = strdup(response ? response : "");
	}
	if (task)
		dm_task_destroy(task);
	return ok ? 0 : error ? error : EINVAL;
}

int dmr_dm_message(const struct dmr_pair_info *pair, const char *text, char **answer)
{
	int error = dmr_dm_try_message(pair, text, answer);

	return error ? dmr_dm_refused(pair, text, error) : DMR_EXIT_OK;
}

int dmr_dm_refused(const struct dmr_pair_info *pair, const char *text, int error)
{
	dmr_fail(DMR_EXIT_FAILED, NULL, "%s: \"%s\" was refused: %s", pair->name, text, strerror(error));
	log_show();
	if (error == EBUSY)
		fprintf(stderr, "  next: resume the device (dmsetup resume %s), then try again\n", pair->name);
	else
		fprintf(stderr, "  next: look at dmremap status %s; the kernel log (dmesg) has the reason\n", pair->name);
	return error == EBUSY ? DMR_EXIT_BUSY : error == ENXIO ? DMR_EXIT_NO_DEVICE : DMR_EXIT_FAILED;
}

int dmr_dm_ask(const char *name, const char *text, struct dmr_pair_info *pair, char **answer)
{
	int r = dmr_dm_init();

	if (!r)
		r = dmr_dm_pair(name, pair);
	return r ? r : dmr_dm_message(pair, text, answer);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers the target, and keeps the texts of constructors' errors.
 */
#include <linux/module.h>

#include "dmr.h"

/*
 * device-mapper prints ti->error after the constructor has freed everything, so the text
 * has to live somewhere else. Eight constructors failing at once may garble each other's text, never more.
 */
#define DMR_ERROR_TEXTS	8

char *dmr_error(const char *format, ...)
{
	static char texts[DMR_ERROR_TEXTS][256];
	static atomic_t next;
	char *text = texts[(unsigned int)atomic_inc_return(&next) % DMR_ERROR_TEXTS];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(texts[0]), format, args);
	va_end(args);
	return text;
}

unsigned int dmr_patience_seconds = 10;

static int dmr_patience_set(const char *text, const struct kernel_param *param)
{
	unsigned int seconds;

	if (kstrtouint(text, 0, &seconds) || seconds < 1 || seconds > 3600) {
		DMERR("patience \"%.*s\" is no number of seconds from 1 to 3600",
		      (int)strcspn(text, "\n"), text);
		return -EINVAL;
	}
	WRITE_ONCE(dmr_patience_seconds, seconds);
	return 0;
}

static const struct kernel_param_ops dmr_patience_ops = {
	.set = dmr_patience_set,
	.get = param_get_uint,
};

module_param_cb(patience, &dmr_patience_ops, &dmr_patience_seconds, 0644);
MODULE_PARM_DESC(patience, "seconds for which a failing device is asked which of a request's sectors are bad (1 to 3600, default 10)");

static int __init dmr_init(void)
{
	int r;

	if (!dmr_map_init())
		return -ENOMEM;
	if (DMR_HEALTH_LINKED)
		dmr_health_init();
	r = dmr_sleep_init();
	if (r)
		goto bad_map;
	r = dm_register_target(&dmr_target_type);
	if (r)
		goto bad_sleep;
	return 0;

bad_sleep:
	dmr_sleep_exit();
bad_map:
	dmr_map_exit();
	return r;
}

static void __exit dmr_exit(void)
{
	dm_unregister_target(&dmr_target_type);
	dmr_sleep_exit();
	dmr_map_exit();
}

module_init(dmr_init);
module_exit(dmr_exit);

MODULE_DESCRIPTION("device-mapper target that moves bad sectors to a spare device");
MODULE_AUTHOR("The dm-remap developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMR_PACKAGE_VERSION);
MODULE_ALIAS("dm-" DMR_TARGET_NAME);

// SPDX-License-Identifier: GPL-2.0-only
/* MODULAR builds: the history of errors as a module of its own. */
#include <linux/module.h>

#include "health.h"

static int __init dmr_module_init(void)
{
	dmr_health_init();
	return 0;
}

static void __exit dmr_module_exit(void)
{
	dmr_health_exit();
}

module_init(dmr_module_init);
module_exit(dmr_module_exit);

MODULE_DESCRIPTION("dm-remap: the history of each pair's errors");
MODULE_AUTHOR("The dm-remap developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMR_PACKAGE_VERSION);

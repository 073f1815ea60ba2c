// SPDX-License-Identifier: GPL-2.0-only
/* MODULAR builds: a module of the part of core/ that decides on a spare's metadata, and what the target has from it. */
#include <linux/module.h>

#include "commit.h"
#include "metadata.h"

EXPORT_SYMBOL_GPL(dmr_change_begin);
EXPORT_SYMBOL_GPL(dmr_commit);
EXPORT_SYMBOL_GPL(dmr_format);
EXPORT_SYMBOL_GPL(dmr_grow);
EXPORT_SYMBOL_GPL(dmr_load);
EXPORT_SYMBOL_GPL(dmr_metadata_exit);
EXPORT_SYMBOL_GPL(dmr_metadata_init);
EXPORT_SYMBOL_GPL(dmr_recheck);
EXPORT_SYMBOL_GPL(dmr_remember_main);
EXPORT_SYMBOL_GPL(dmr_repair);
EXPORT_SYMBOL_GPL(dmr_slot_bad);
EXPORT_SYMBOL_GPL(dmr_take_free_slot);
EXPORT_SYMBOL_GPL(dmr_take_slots);

MODULE_DESCRIPTION("dm-remap: reading, changing and repairing a spare's metadata");
MODULE_AUTHOR("The dm-remap developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMR_PACKAGE_VERSION);

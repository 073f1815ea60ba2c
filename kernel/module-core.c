// SPDX-License-Identifier: GPL-2.0-only
/* MODULAR builds: a module of the part of core/ that knows no I/O, and what the others have from it. */
#include <linux/module.h>

#include "args.h"
#include "codec.h"
#include "map.h"
#include "spare.h"

EXPORT_SYMBOL_GPL(dmr_block_is_blank);
EXPORT_SYMBOL_GPL(dmr_filter_hit_any);
EXPORT_SYMBOL_GPL(dmr_map_cancel);
EXPORT_SYMBOL_GPL(dmr_map_create);
EXPORT_SYMBOL_GPL(dmr_map_destroy);
EXPORT_SYMBOL_GPL(dmr_map_exit);
EXPORT_SYMBOL_GPL(dmr_map_extend);
EXPORT_SYMBOL_GPL(dmr_map_filter);
EXPORT_SYMBOL_GPL(dmr_map_find);
EXPORT_SYMBOL_GPL(dmr_map_get);
EXPORT_SYMBOL_GPL(dmr_map_init);
EXPORT_SYMBOL_GPL(dmr_map_load);
EXPORT_SYMBOL_GPL(dmr_map_next);
EXPORT_SYMBOL_GPL(dmr_map_prepare);
EXPORT_SYMBOL_GPL(dmr_map_publish);
EXPORT_SYMBOL_GPL(dmr_map_refill);
EXPORT_SYMBOL_GPL(dmr_map_resize);
EXPORT_SYMBOL_GPL(dmr_map_stats);
EXPORT_SYMBOL_GPL(dmr_map_wants_work);
EXPORT_SYMBOL_GPL(dmr_message_help);
EXPORT_SYMBOL_GPL(dmr_message_parse);
EXPORT_SYMBOL_GPL(dmr_options_format);
EXPORT_SYMBOL_GPL(dmr_options_parse);
EXPORT_SYMBOL_GPL(dmr_spare_bad);
EXPORT_SYMBOL_GPL(dmr_spare_come_back);
EXPORT_SYMBOL_GPL(dmr_spare_generation);
EXPORT_SYMBOL_GPL(dmr_spare_set_generation);
EXPORT_SYMBOL_GPL(dmr_spare_create);
EXPORT_SYMBOL_GPL(dmr_spare_destroy);
EXPORT_SYMBOL_GPL(dmr_spare_free);
EXPORT_SYMBOL_GPL(dmr_spare_get);
EXPORT_SYMBOL_GPL(dmr_spare_grow);
EXPORT_SYMBOL_GPL(dmr_spare_leave);
EXPORT_SYMBOL_GPL(dmr_spare_refill);
EXPORT_SYMBOL_GPL(dmr_spare_release);
EXPORT_SYMBOL_GPL(dmr_spare_segments);
EXPORT_SYMBOL_GPL(dmr_spare_set);
EXPORT_SYMBOL_GPL(dmr_spare_slots);
EXPORT_SYMBOL_GPL(dmr_spare_take);
EXPORT_SYMBOL_GPL(dmr_spare_used);
EXPORT_SYMBOL_GPL(dmr_state_word);
EXPORT_SYMBOL_GPL(dmr_stats_format);
EXPORT_SYMBOL_GPL(dmr_status_format);
EXPORT_SYMBOL_GPL(dmr_super_decode);
EXPORT_SYMBOL_GPL(dmr_super_encode);
EXPORT_SYMBOL_GPL(dmr_super_peek);
EXPORT_SYMBOL_GPL(dmr_super_places);
EXPORT_SYMBOL_GPL(dmr_super_relocate);
EXPORT_SYMBOL_GPL(dmr_super_same);
EXPORT_SYMBOL_GPL(dmr_table_check);
EXPORT_SYMBOL_GPL(dmr_table_get);
EXPORT_SYMBOL_GPL(dmr_table_init);
EXPORT_SYMBOL_GPL(dmr_table_put);
EXPORT_SYMBOL_GPL(dmr_table_seal);
EXPORT_SYMBOL_GPL(dmr_uuid_format);
EXPORT_SYMBOL_GPL(dmr_verdict_text);

MODULE_DESCRIPTION("dm-remap: the map, the slots, the disk format and the grammar");
MODULE_AUTHOR("The dm-remap developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(DMR_PACKAGE_VERSION);

// SPDX-License-Identifier: GPL-2.0-only
/* MODULAR builds: what the history of errors (health.c) has from the target. */
#include <linux/module.h>

#include "dmr.h"

EXPORT_SYMBOL_GPL(dmr_health_register);
EXPORT_SYMBOL_GPL(dmr_target_status);

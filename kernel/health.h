/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The history of errors, which `message health` tells. It is optional: a module of its own in
 * MODULAR builds, and a pair whose first table is loaded without it has none.
 */
#ifndef DMR_HEALTH_H
#define DMR_HEALTH_H

#include "history.h"

struct dmr_health;
struct dmr_pair;
struct dmr_target;

struct dmr_health_ops {
	struct module *owner;
	/* For one pair. Process context, may wait. NULL: no memory, the pair goes without. */
	struct dmr_health *(*create)(void);
	void (*destroy)(struct dmr_health *health);
	/* Any context, no lock needed. `sector` is the first of `count` of main's. */
	void (*note)(struct dmr_health *health, enum dmr_event event, u64 sector, u32 count);
	/* Lines for the message. Process context. */
	void (*report)(struct dmr_health *health, const struct dmr_target *t, char *result,
		       unsigned int maxlen);
};

/* health-hook.c: one at a time, for pairs that come later; NULL: no more. Process context. */
void dmr_health_register(const struct dmr_health_ops *ops);
/* For pair.c. */
void dmr_health_attach(struct dmr_pair *pair);
void dmr_health_detach(struct dmr_pair *pair);
/* Any context; does nothing for a pair without a history. */
void dmr_health_note(struct dmr_pair *pair, enum dmr_event event, u64 sector, u32 count);
/* false: the pair has no history. Process context. */
bool dmr_health_report(const struct dmr_target *t, char *result, unsigned int maxlen);

/* health.c: registers it. Called by whoever it is linked with: dm-remap.ko, or module-health.c. */
void dmr_health_init(void);
void dmr_health_exit(void);

#ifdef DMR_MODULAR
#define DMR_HEALTH_LINKED	false	/* with dm-remap.ko */
#else
#define DMR_HEALTH_LINKED	true
#endif

#endif

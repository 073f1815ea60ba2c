// SPDX-License-Identifier: GPL-2.0-only
/*
 * remap-faulty: sets of sector ranges, each with what happens there.
 * Ranges of a set never overlap: adding one cuts what was there, so the newest word counts.
 */
#include <linux/slab.h>
#include "faulty.h"

static struct dmrf_range *dmrf_range_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct dmrf_range, node) : NULL;
}

struct dmrf_range *dmrf_range_next(struct dmrf_range *r)
{
	return dmrf_range_of(rb_next(&r->node));
}

static struct dmrf_range *dmrf_range_prev(struct dmrf_range *r)
{
	return dmrf_range_of(rb_prev(&r->node));
}

bool dmrf_fault_equal(const struct dmrf_fault *a, const struct dmrf_fault *b)
{
	return a->status == b->status && a->delay == b->delay && a->heal == b->heal;
}

/* The first range that has a sector in [start, end). */
struct dmrf_range *dmrf_set_first(struct dmrf_set *set, sector_t start, sector_t end)
{
	struct rb_node *node = set->root.rb_node;
	struct dmrf_range *found = NULL;

	while (node) {
		struct dmrf_range *r = dmrf_range_of(node);

		if (r->end > start) {
			found = r;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found && found->start < end ? found : NULL;
}

static void dmrf_set_link(struct dmrf_set *set, struct dmrf_range *new)
{
	struct rb_node **p = &set->root.rb_node, *parent = NULL;

	while (*p) {
		parent = *p;
		p = new->start < dmrf_range_of(parent)->start ? &parent->rb_left
							      : &parent->rb_right;
	}
	rb_link_node(&new->node, parent, p);
	rb_insert_color(&new->node, &set->root);
	set->count++;
}

static void dmrf_set_unlink(struct dmrf_set *set, struct dmrf_range *r)
{
	rb_erase(&r->node, &set->root);
	set->count--;
	kfree(r);
}

static int dmrf_set_insert(struct dmrf_set *set, sector_t start, sector_t end,
			   const struct dmrf_fault *fault)
{
	struct dmrf_range *r = kmalloc(sizeof(*r), GFP_NOIO);

	if (!r)
		return -ENOMEM;
	r->start = start;
	r->end = end;
	r->fault = *fault;
	dmrf_set_link(set, r);
	return 0;
}

/* Take [start, end) out of one range that has part of it. */
static int dmrf_range_cut(struct dmrf_set *set, struct dmrf_range *r, sector_t start, sector_t end)
{
	int ret = 0;

	if (r->start >= start && r->end <= end) {
		dmrf_set_unlink(set, r);
	} else if (r->start < start && r->end > end) {
		ret = dmrf_set_insert(set, end, r->end, &r->fault);
		if (!ret)
			r->end = start;
	} else if (r->start < start) {
		r->end = start;
	} else {
		r->start = end;
	}
	return ret;
}

int dmrf_set_clear(struct dmrf_set *set, sector_t start, sector_t end)
{
	struct dmrf_range *r;
	int ret = 0;

	while (!ret && (r = dmrf_set_first(set, start, end)))
		ret = dmrf_range_cut(set, r, start, end);
	return ret;
}

static struct dmrf_range *dmrf_set_next_heal(struct dmrf_set *set, sector_t start, sector_t end)
{
	struct dmrf_range *r = dmrf_set_first(set, start, end);

	while (r && !r->fault.heal)
		r = dmrf_range_next(r);
	return r && r->start < end ? r : NULL;
}

bool dmrf_set_heals(struct dmrf_set *set, sector_t start, sector_t end)
{
	return dmrf_set_next_heal(set, start, end);
}

int dmrf_set_heal(struct dmrf_set *set, sector_t start, sector_t end)
{
	struct dmrf_range *r;
	int ret = 0;

	while (!ret && (r = dmrf_set_next_heal(set, start, end)))
		ret = dmrf_range_cut(set, r, start, end);
	return ret;
}

/* Join with a neighbour of the same kind, so that "table" stays short. */
static void dmrf_set_join(struct dmrf_set *set, struct dmrf_range *a, struct dmrf_range *b)
{
	if (!a || !b || a->end != b->start || !dmrf_fault_equal(&a->fault, &b->fault))
		return;
	a->end = b->end;
	dmrf_set_unlink(set, b);
}

int dmrf_set_add(struct dmrf_set *set, sector_t start, sector_t end, const struct dmrf_fault *fault)
{
	struct dmrf_range *r;
	int ret = dmrf_set_clear(set, start, end);

	if (!ret)
		ret = dmrf_set_insert(set, start, end, fault);
	if (ret)
		return ret;
	r = dmrf_set_first(set, start, end);
	dmrf_set_join(set, r, dmrf_range_next(r));
	dmrf_set_join(set, dmrf_range_prev(r), r);
	return 0;
}

void dmrf_set_free(struct dmrf_set *set)
{
	struct dmrf_range *r;

	while ((r = dmrf_range_of(rb_first(&set->root))))
		dmrf_set_unlink(set, r);
}

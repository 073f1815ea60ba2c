// SPDX-License-Identifier: GPL-2.0-or-later
/* What must come of a damage, judged by the bytes and faults of each block and by docs/FORMAT.md. */
#include <stdio.h>
#include <string.h>
#include "damage.h"

enum state { GOOD, OLD, OTHERS, WRONG };

static bool is_zero(const uint8_t *data)
{
	return !*data && !memcmp(data, data + 1, BLOCK * SECTOR - 1);
}

static bool unreadable(const struct damage *damage, uint32_t block)
{
	return damage_is(damage, block, UNREADABLE) || damage_is(damage, block, LASTING) || damage_is(damage, block, DEAD);
}

static enum state state_of(const struct damage *damage, const uint8_t *spare, uint32_t block)
{
	const size_t at = (size_t)block * SECTOR, bytes = BLOCK * SECTOR;
	unsigned int moment;

	if (unreadable(damage, block))
		return WRONG;
	if (!memcmp(spare + at, image[NOW] + at, bytes))
		return GOOD;
	if (is_zero(spare + at))
		return WRONG;
	for (moment = 0; moment < NOW; moment++)
		if (!memcmp(spare + at, image[moment] + at, bytes))
			return OLD;
	return memcmp(spare + at, image[OTHER] + at, bytes) ? WRONG : OTHERS;
}

/* It can be written, and gives that back. */
static bool usable(const struct damage *damage, uint32_t block)
{
	return !damage_is(damage, block, UNWRITABLE) && !damage_is(damage, block, DEAD) &&
	       !damage_is(damage, block, LASTING);
}

/* Both copies find a place that can be used: their own, or an alternate each. */
static bool has_places(const struct damage *damage, uint32_t segment, const uint8_t place[2])
{
	unsigned int p, stuck = 0, room = 0;

	for (p = 0; p < PLACES; p++) {
		if (p == place[0] || p == place[1])
			stuck += !usable(damage, table_at(segment, p));
		else
			room += usable(damage, table_at(segment, p));
	}
	return stuck <= room;
}

static void forecast_table(const struct damage *damage, const uint8_t *spare, uint32_t segment,
			   struct forecast *forecast)
{
	unsigned int i, good = 0, old = 0;
	uint8_t place[2];

	places_of(image[NOW], segment, place);
	for (i = 0; i < 2; i++) {
		enum state state = state_of(damage, spare, table_at(segment, place[i]));

		good += state == GOOD;
		old += state == OLD;
	}
	forecast->committable &= has_places(damage, segment, place);
	if (good == 2)
		return;
	forecast->tables++;
	if (good) {
		forecast->repairable &= has_places(damage, segment, place);
	} else if (old) {
		forecast->old |= 1u << segment;
		if (forecast->promise == FULL)
			forecast->promise = UNKNOWABLE;
	} else if (forecast->promise != REFUSED) {
		forecast->promise = REFUSED;
		snprintf(forecast->why, sizeof(forecast->why),
			 "both copies of the table of segment %u are unreadable or damaged", segment);
	}
}

void forecast_for(const struct damage *damage, struct forecast *forecast)
{
	const uint8_t *spare = spare_now();
	unsigned int copy, pens = 0, good = 0, old = 0, others = 0;
	uint32_t segment;

	*forecast = (struct forecast){ .promise = FULL, .committable = true };
	for (copy = 0; copy < SUPERS; copy++) {
		enum state state = state_of(damage, spare, super_at(copy));

		good += state == GOOD;
		old += state == OLD;
		others += state == OTHERS;
		pens += usable(damage, super_at(copy));
	}
	forecast->supers = SUPERS - good;
	forecast->repairable = pens >= 2;
	forecast->committable = pens >= 2;
	if (others && others >= good + old) {
		forecast->promise = REFUSED;
		snprintf(forecast->why, sizeof(forecast->why), "carries superblocks of two pairs");
	} else if (!good) {
		die("a damage of all superblocks is none that is tried here");
	}
	for (segment = 0; segment < SEGMENTS; segment++)
		forecast_table(damage, spare, segment, forecast);
}

unsigned int lasting_supers(const struct damage *damage, bool rewritten)
{
	unsigned int i, errors = 0;

	for (i = 0; i < SUPERS; i++)
		errors += damage_is(damage, super_at(i), LASTING) || damage_is(damage, super_at(i), DEAD) ||
			  (rewritten && damage_is(damage, super_at(i), UNWRITABLE));
	return errors;
}

unsigned int unreadable_tables(const struct damage *damage)
{
	unsigned int i, copies = 0;
	uint32_t segment;
	uint8_t place[2];

	for (segment = 0; segment < SEGMENTS; segment++) {
		places_of(image[NOW], segment, place);
		for (i = 0; i < 2; i++)
			copies += unreadable(damage, table_at(segment, place[i]));
	}
	return copies;
}

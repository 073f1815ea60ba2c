// SPDX-License-Identifier: GPL-2.0-or-later
/* Device-mapper's ioctls, as powercut has them. */
#include "../powercut/dm.c"

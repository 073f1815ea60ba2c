# SPDX-License-Identifier: GPL-2.0-or-later
# C14: metadata damaged in all combinations of two neighbours, and runs up to 512 KiB everywhere, with and without a copy at an alternate; the clock leaps between the steps.
# suite: damage
# tools: damage
# timeout: 2400
. /vm/damage-lib.sh
damage -a -c
done_testing

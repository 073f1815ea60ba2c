# SPDX-License-Identifier: GPL-2.0-or-later
# C13: formatting that the power cuts off, and metadata of which any first or last sectors land: the old map or the new one.
# suite: crash
# tools: powercut
# timeout: 1200
. /vm/crash-lib.sh
crash_disks
crash 0 1 torn & other=$!
crash 200 2 format
ends_well "the other came to its end" $other
done_testing

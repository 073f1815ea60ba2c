# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the power fails thousands of times while sectors die, slots fail, tables move, messages come, the spare grows, and repairs are cut off in turn.
# suite: crash
# tools: powercut
# timeout: 2400
. /vm/crash-lib.sh
crash_disks
crash 900 1 relocate requests moves & other=$!
crash 600 2 tables grow repair mixed
ends_well "the others came to their end" $other
done_testing

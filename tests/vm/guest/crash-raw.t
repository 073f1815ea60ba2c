# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the power fails thousands of times while sectors die, slots fail, tables move, messages come, the spare grows, and repairs are cut off in turn.
# suite: crash
# tools: crasher
# timeout: 1800
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/crash-lib.sh
crash_disks
for scenario in relocate requests moves tables grow repair mixed; do crash 700 $scenario; done
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the power of main and spare fails at random moments under load, and nothing is lost. A short run of what crash-*.t do at length.
# tools: crasher
# timeout: 200
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/crash-lib.sh
crash_disks
for scenario in relocate requests moves tables grow repair mixed; do crash 12 $scenario; done
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the power of main and spare fails at random moments under load, and nothing is lost. A short run of what crash-*.t do at length.
# tools: powercut
# kernels: one
# timeout: 200
. /vm/crash-lib.sh
crash_disks 512M
{ crash 15 1 relocate requests moves; crash 4 1 xfs; } & other=$!
crash 15 2 tables grow repair mixed
ends_well "the others came to their end" $other
done_testing

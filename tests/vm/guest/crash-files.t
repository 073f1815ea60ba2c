# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the power fails below ext4 and xfs: what fsync acknowledged is there when the journal has been replayed, and their checkers are content.
# suite: crash
# tools: powercut
# timeout: 1200
. /vm/crash-lib.sh
crash_disks 512M
crash 60 1 ext4 & other=$!
crash 60 2 xfs
ends_well "the others came to their end" $other
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# The guest itself: a disk in memory under a dm-linear device keeps what is written.
# modules: none
. /vm/lib.sh
mk_disk main 16M
check "dm-linear is created" dm_create lin "0 $(sectors "$main") linear $main 0"
check "a write goes in" put_pattern /dev/mapper/lin one 8 64 16
check "and comes back" holds_pattern /dev/mapper/lin one 8 64
check_fails "other data is told apart" holds_pattern /dev/mapper/lin two 8 64
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C12, C14: a segment of the spare whose slots all fail is passed over, and the map still loads: every
# segment that counts as in use has its tables.
# timeout: 300
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
io_pair
message m bad 0 2016 write
message s bad $((8192 + 2048 + 8)) 2016 write
check "C3: all slots of the first segment are taken" writes a 0 2016
is "C3: 252 of them" "$(used_slots r)" 252

# As many units again: each gets a slot of the second segment, and each slot fails.
message m bad 4096 2016 write
check_fails "C12: where the slots of the second segment fail, the write reports it" writes b 4096 2016
is "C12: nothing was mapped" "$(used_slots r) $(state_of r)" "252 active"
check "C12: the next write takes a slot behind that segment" writes c 4096 8
is "C12: in the third" "$(message r list 4096)" "4096 8 owned $(slot_sector 504)"
check "C14: the device is created again" io_again
check "C14: with the first segment's units" holds a 0 2016
check "C14: and the third's" holds c 4096 8

# One write over both: a part fails, the rest is kept.
io_renew
message s bad $((8192 + 2048 + 8)) 2016 write
message m bad 0 8192 write
check "C3: one unit less than the first segment holds" writes a 0 2008
check_fails "C12: a write over the failing segment reports it" writes b 4096 2048
check "C12: the next one succeeds" writes d 6144 8
check "C14: the device is created again" io_again
check "C14: with what was kept" eval 'holds a 0 2008 && holds d 6144 8'
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C7, C12, C14: a segment of the spare whose slots all fail is passed over, and the map still loads:
# every segment that counts as in use has its tables.
# kernels: one
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
io_pair
message m bad 0 2016 write
message s bad "$(slot_sector 252)" 2016 write
check "C3: all slots of the first segment are taken" writes a 0 2016
is "C3: 252 of them" "$(used_slots r)" 252

# As many units again: each gets a slot of the second segment, and each of these slots fails.
message m bad 4096 2016 write
check "C7: where all slots of the second segment fail, a write succeeds" writes b 4096 2016
is "C7: in the third" "$(message r list 4096)" "4096 2016 owned $(slot_sector 504)"
check "C7: it reads back" holds b 4096 2016
is "C7: the failed slots are bad" "$(state_of r) $(used_slots r) $(bad_slots r)" "active 504 252"
check "C14: the device is created again" io_again
check "C14: with the first segment's units" holds a 0 2016
check "C14: and the third's" holds b 4096 2016
is "C7: the failed slots are remembered" "$(used_slots r) $(bad_slots r)" "504 252"

# One write over both.
io_renew
message s bad "$(slot_sector 252)" 2016 write
message m bad 0 8192 write
check "C3: one unit less than the first segment holds" writes a 0 2008
check "C7: a write over the failing segment succeeds" writes b 4096 2048
check "C14: the device is created again" io_again
check "C14: with everything" eval 'holds a 0 2008 && holds b 4096 2048'
message m bad 8192 8 write
check "C14: and takes more" eval 'writes d 8192 8 && holds d 8192 8'
done_testing

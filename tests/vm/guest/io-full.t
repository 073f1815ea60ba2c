# SPDX-License-Identifier: GPL-2.0-or-later
# C11: where no slot is free a write gets main's own error, the state is full and an event is raised;
# the map serves on; a longer spare and "grow" end it.
# kernels: one
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
mk_disk lower 16M
mk_disk store 5M
io_faulty m "$lower"
put_pattern "$lower" old 0 8192 2048
remap_create r $m "$store" || bail "no pair"
is "C11: the smallest spare has 252 slots" "$(all_slots r)" 252
message m bad 1003 1 write target
check "C11: one sector of a unit takes a slot" writes one 1003 1

message m bad 2048 4096 write target
events=$(event_of r)
is "C11: a write that needs more slots than there are gets main's error" "$(error_of writes a 2048 2048)" EREMOTEIO
is "C11: the state is full" "$(status_of r | cut -d ' ' -f 1-2)" "full 252/252"
check "C11: an event is raised" wait_event 60 r "$events"
is "C11: what had room was kept" "$(owned_sectors r)" $((1 + 251 * 8))
is "C11: another one gets it, too" "$(error_of writes b 4096 8)" EREMOTEIO
check "C11: what was there is not lost" holds old 4096 8

serves() {
	message r list | while read -r sector count _; do
		[ "$sector" = 1003 ] || holds a "$sector" "$count" || exit 1
	done && holds one 1003 1
}
check "C11: the map serves on" serves
read -r sector _ < <(message r list 2048)
check "C11: writes to relocated sectors, too" eval 'writes x "$sector" 8 && holds x "$sector" 8 && writes a "$sector" 8'
check "C11: plain sectors as well" eval 'writes p 8000 64 && holds_pattern "$lower" p 8000 64'
check "C11: a unit with a slot takes more sectors" writes two 1004 1
is "C11: without another slot" "$(used_slots r) $(owned_sectors r)" "252 $((2 + 251 * 8))"
is "C11: it is still full" "$(state_of r)" full
list=$(message r list)
check "C11: the device is created again" io_again
is "C11: with the same map" "$(message r list)" "$list"
check "C11: and serves" serves
is "C11: a write that needs a slot gets main's error again" "$(error_of writes b 4096 8)" EREMOTEIO
is "C11: the state is full again" "$(state_of r)" full

## Growing

check "grow with the same spare succeeds" message r grow
is "and changes nothing" "$(status_of r | cut -d ' ' -f 1-2)" "full 252/252"
grow_disk store 7M
dmsetup suspend r
log_mark
check_fails "grow is refused while suspended" message r grow
check "with a line in the log" log_has "$log_mark" "grow.*suspended"
dmsetup resume r
events=$(event_of r)
is "C11: a longer spare is taken in" "$(message r grow)" "756 slots"
is "C11: the state is active" "$(status_of r | cut -d ' ' -f 1-2)" "active 252/756"
check "C11: an event is raised" wait_event 60 r "$events"
check "C11: the write that failed succeeds" writes b 2048 2048
check "C11: it reads back" holds b 2048 2048
check "C11: the device is created again" io_again
is "C11: with the longer spare" "$(all_slots r)" 756
check "C11: everything is there" eval 'holds b 2048 2048 && holds one 1003 1 && holds two 1004 1'
dmsetup remove r

## Slots come back where what was to fill them could not be kept

mk_disk store2 5M
io_faulty s "$store2"
remap_create r $m $s || bail "no second pair"
message s fail_after flush 1
check_fails "C11: a write of more units than there are slots, none of which can be flushed, fails" writes c 2048 2048
is "C11: no slot is used" "$(used_slots r) $(bad_slots r)" "0 0"
check "C11: slots are free again, the state says so" until_is 20 active state_of r
check "C11: a smaller write succeeds" writes c 2048 1024
is "C11: with all its units" "$(used_slots r) $(bad_slots r)" "128 0"
dmsetup remove r
truncate -s 6M "$(disk_file store)" && losetup -c "$store"
check_fails "C14: a spare that was cut short is refused" remap_create r $m "$store"
done_testing

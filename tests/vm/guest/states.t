# SPDX-License-Identifier: GPL-2.0-or-later
# C4, C5, C7, C18, C22: the four states of a sector and every way between them.
# timeout: 240
. /vm/io.sh
mk_disk lower 64M
mk_disk slower 16M
dm_create f "0 $(sectors "$lower") remap-faulty $lower 0" || bail "no remap-faulty"
dm_create s "0 $(sectors "$slower") remap-faulty $slower 0" || bail "no remap-faulty"
main=/dev/mapper/f spare=/dev/mapper/s r=/dev/mapper/r
remap_create r "$main" "$spare" || bail "no device"
put_pattern $r a 0 4096 512
state() { message r list "${1:-0}" | head -n 1; }
all=$(all_slots r)

message f bad 800 8 read
check_fails "C4: a read of a bad sector fails" get_sectors $r 800 8
check "C4: it becomes pending" until_true 10 test "$(pending_sectors r)" = 8
is "C4: one slot is reserved" "$(counts)" "active 1/$all 0 8 0"
is "list says so" "$(state)" "800 8 pending 8200"
check "C4: its neighbours stay readable" holds_pattern $r a 808 64
check_fails "0 1: a read asks main again and fails" get_sectors $r 800 8
message f good 800 8
check "0 1: a read that succeeds" holds_pattern $r a 800 8
check "0 1: clears it" until_true 10 test "$(pending_sectors r)" = 0
is "and frees the slot" "$(counts)" "active 0/$all 0 0 0"

message f bad 1600 8
get_sectors $r 1600 8 >/dev/null 2>&1
until_true 10 test "$(pending_sectors r)" = 8
check "C5: a write to a pending sector succeeds" put_pattern $r b 1602 1
is "C5: it is owned, its neighbours stay pending" "$(message r list)" "$(printf '%s\n' "1600 2 pending 8200" "1602 1 owned 8202" "1603 5 pending 8203")"
check "C5: and reads back" holds_pattern $r b 1602 1
check "C5: the whole unit is rewritten" put_pattern $r c 1600 8
is "C5: nothing is pending" "$(counts)" "active 1/$all 8 0 0"
check "C5: it reads back" holds_pattern $r c 1600 8

message s bad 8200 8 read
check_fails "C7: a read that the slot fails fails" get_sectors $r 1600 8
check "C7: the sectors become pending" until_true 10 test "$(pending_sectors r)" = 8
message f good 1600 8
check_fails "1 1: main's old data is never served" get_sectors $r 1600 8
message s good 8200 8
like "retest reads the slot again" "$(message r retest 1600 8)" "^8 sectors readable again, 0 pending"
check "1 0: and gives the data" holds_pattern $r c 1600 8
message s bad 8200 8
check "C7: a write to a slot that fails it succeeds" put_pattern $r d 1600 4
is "C7: the unit moved, the old slot is bad, unreadable sectors are lost" "$(message r list)" \
	"$(printf '%s\n' "1600 4 owned 8208" "1604 4 lost 8212")"
is "C7: counted" "$(counts)" "active 1/$all 8 4 1"
check "C7: the new data is there" holds_pattern $r d 1600 4
check_fails "lost: a read fails" get_sectors $r 1604 4
check "lost: a write heals" put_pattern $r d 1604 4
is "lost: nothing is" "$(counts)" "active 1/$all 8 0 1"
check "and reads" holds_pattern $r d 1600 8
table=$(dmsetup table r)
list=$(message r list)
dmsetup remove r
dm_create r "$table"
is "all the same after a reload" "$(message r list) $(counts)" "$list active 1/$all 8 0 1"
check "data too" holds_pattern $r d 1600 8

like "C22: unremap" "$(message r unremap 1600 8)" "^8 sectors back on main"
is "C22: the slot is free" "$(counts)" "active 0/$all 0 0 1"
check "C22: data is on main" holds_pattern "$lower" d 1600 8
is "C18: remap" "$(drive remap 1000 2000 | cut -d ' ' -f 1)" 1000
check "C18: data reads from the spare" holds_pattern $r a 1000 600
check "C18: all of it" holds_pattern $r d 1600 8
num "C18: slots taken" "$(used_slots r)" -eq 125
is "C22: all back" "$(drive unremap 0 4096 | cut -d ' ' -f 1)" 1000
is "C22: nothing is mapped" "$(message r list)" ""
check "the data is right" holds_pattern $r a 808 792
done_testing

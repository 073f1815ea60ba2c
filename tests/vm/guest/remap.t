# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C6, C13, C14: a write to a bad sector succeeds, lands on the spare, and is there after a reload.
. /vm/lib.sh
mk_disk lower 64M
mk_disk spare 16M
len=$(sectors "$lower")
dm_create f "0 $len remap-faulty $lower 0 4 bad 1000 8 write" || bail "no remap-faulty"
main=/dev/mapper/f
r=/dev/mapper/r

check "a blank spare is formatted and the device created" remap_create r $main "$spare"
is "it is active and nothing is mapped" "$(status_of r | cut -d ' ' -f 1-5)" "active 0/3024 0 0 0"
check "C1: data goes in where nothing is bad" put_pattern $r a 0 512 256
check "C1: and is on main, at the same place" holds_pattern "$lower" a 0 512
check "C3: a write over a bad unit succeeds" put_pattern $r b 960 128
check "C3: and reads back" holds_pattern $r b 960 128
is "C3: one slot holds its eight sectors" "$(status_of r | cut -d ' ' -f 2-5)" "1/3024 8 0 0"
check "C3: the rest of the write is on main" holds_pattern "$lower" b 960 40
is "list names the run" "$(message r list)" "1000 8 owned 8208"
message f bad 2000 8 write
check "C6: one sector of another bad unit is written" put_pattern $r c 2003 1
map=$'1000 8 owned 8208\n2003 1 owned 8219'
is "C6: and nothing else of it moves" "$(message r list)" "$map"
table=$(dmsetup table r)
check "the device is removed" dmsetup remove r
check "what dmsetup table printed loads again" dm_create r "$table"
is "with the same map" "$(message r list)" "$map"
check "and the same data" eval 'holds_pattern $r b 960 128 && holds_pattern $r c 2003 1'
done_testing

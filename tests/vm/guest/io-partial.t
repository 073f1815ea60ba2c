# SPDX-License-Identifier: GPL-2.0-or-later
# C6: writes of 512 bytes into bad 4096-byte blocks: only the sectors written move, their neighbours
# stay main's, which may fail them; nothing is read, modified and written.
# timeout: 600
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
len=16389
io_disks $((len * 512)) 8M phys 8
put_pattern "$lower" old 0 $len 512
io_pair
# Reads that fail make sectors pending as well (C4): only what is owned counts here.
owned() { message r list "${1:-0}" | awk '$3 == "owned"'; }
list_of() { owned | cut -d ' ' -f 1-3 | tr '\n' ','; }

message m bad 1000 8
io_clear
check "C6: a write of 512 bytes into a bad block succeeds" writes a 1003 1
is "C6: one sector is owned, at its own place in the slot" "$(owned)" "1003 1 owned $(($(slot_sector 0) + 3))"
check "C6: it reads back" holds a 1003 1
is "C6: one sector of data went to the spare" \
	"$(message s log | awk -v a="$(slot_sector 0)" '$3 == "write" && $4 >= a && $4 < a + 8 { print $4 - a, $5 }')" "3 1"
is "C6: main was never read for it, but for a canary" "$(message m log | awk '$3 == "read" && $4 >= 1000 && $4 < 1008')" ""
is "C6: the sector before it fails as main fails it" "$(error_of reads 1002 1)" ENODATA
is "C6: the sector after it, too" "$(error_of reads 1004 1)" ENODATA
check_fails "C6: a read of the whole block fails" reads 1000 8
message m good 1000 8
check "C6: on a main that reads again, the neighbours are main's" cmp \
	<(pattern old 1000 3; pattern a 1003 1; pattern old 1004 4) <(get_sectors $r 1000 8)

message m bad 1000 8
check "C6: another sector of the block" writes b 1006 1
is "C6: takes no other slot" "$(status_of r | cut -d ' ' -f 2-3)" "1/1008 2"
check "C6: a write over the owned and its neighbours" writes c 1001 4
is "C6: owns what it wrote" "$(list_of)" "1001 4 owned,1006 1 owned,"
check "C6: a write from the bad block into the next" writes d 1007 2
is "C6: owns the bad block's part" "$(list_of)" "1001 4 owned,1006 2 owned,"
check "C6: and leaves the other on main" holds_pattern "$lower" d 1008 1
check "C6: a write from the block before into the bad one" writes e 996 5
is "C6: owns the bad block's part" "$(list_of)" "1000 5 owned,1006 2 owned,"
check "C6: and leaves the other on main" holds_pattern "$lower" e 996 4
check_fails "C6: the one sector never written still fails" reads 1005 1
want() { pattern e 996 5; pattern c 1001 4; }
check "C6: each sector has its last content" cmp <(want) <(get_sectors $r 996 9)
check "C6: the last sector makes it whole" writes f 1005 1
io_clear
check "C6: then the whole block reads" cmp <(pattern e 1000 1; pattern c 1001 4; pattern f 1005 1; pattern b 1006 1; pattern d 1007 1) \
	<(get_sectors $r 1000 8)
is "C6: in one bio from the spare" "$(message s log | awk -v a="$(slot_sector 0)" '$3 == "read" && $4 == a { print $5 }') $(
	message m log | awk '$3 == "read" && $4 >= 1000 && $4 < 1008' | wc -l)" "8 0"
is "C6: from one slot" "$(status_of r | cut -d ' ' -f 2-3)" "1/1008 8"

message m bad 2003 26
check "C6: a write askew over four bad blocks" writes g 2005 22
is "C6: owns exactly its sectors" "$(owned 2000 | cut -d ' ' -f 1-3 | tr '\n' ',')" "2005 22 owned,"
check "C6: it reads back" holds g 2005 22
check_fails "C6: the sector before it fails" reads 2004 1
check_fails "C6: the sector after it fails" reads 2027 1

message m bad 16384 1
check "C6: the device's last sector, in a short bad block" writes h 16388 1
check "C6: it reads back" holds h 16388 1
check_fails "C6: the short block's other sectors fail" reads 16384 4
check "C6: the rest of the short block" writes i 16384 4
check "C6: reads back" cmp <(pattern i 16384 4; pattern h 16388 1) <(get_sectors $r 16384 5)

list=$(owned)
check "C6: the device is created again" io_again
is "C6: with the same sectors" "$(owned)" "$list"
check "C6: and the same content" cmp <(pattern g 2005 22; pattern i 16384 4) <(get_sectors $r 2005 22; get_sectors $r 16384 4)
done_testing

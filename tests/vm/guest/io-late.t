# SPDX-License-Identifier: GPL-2.0-or-later
# C21: writes that were in flight on main when their sectors moved, and fail there late, are reissued
# to the owner. The orders are made with the gate of the faulty disk below.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M

# Holds the next N writes to sectors 992 to 1039 of main, starts with clean ground otherwise.
fresh() { # N
	put_pattern "$lower" old 992 48
	io_renew
	message m hold 992 48 write times "$1"
}
held() { message m wait waiting "$1" 60000 || bail "no $1 writes are held"; }
move() { # SEED: unit 1000 is bad from now on, and another write moves it, acknowledged
	message m bad 1000 8 write
	check "C21: meanwhile another write moves the unit" writes "$1" 1000 8
	is "C21: to the spare" "$(message r list)" "1000 8 owned $(slot_sector 0)"
	io_clear
}

fresh 2
writes a 1000 8 & one=$!
held 1
writes b 1000 8 & two=$!
held 2
message m bad 1000 8 write
message m release 1
wait $one
is "C21: of two writes in flight to the same unit the first fails and is relocated" $? 0
check "C21: it is read" holds a 1000 8
check "C21: the other is still in flight" kill -0 $two
io_clear
message m release 1
wait $two
is "C21: the other fails late and succeeds all the same" $? 0
check "C21: it is read" holds b 1000 8
is "C21: it was reissued to the spare, nothing was committed for it" "$(spare_story)" "data "
is "C21: main was not asked again" "$(counters m writes)" 0
is "C21: one slot holds the unit" "$(used_slots r) $(owned_sectors r)" "1 8"
check "C21: the device is created again" io_again
check "C21: with the later content" holds b 1000 8

fresh 2
writes a 1000 8 & one=$!
writes b 1000 8 & two=$!
held 2
message m bad 1000 8 write
message m release
wait $one
is "C21: both fail at once: the first succeeds" $? 0
wait $two
is "C21: the second, too" $? 0
check "C21: the content is one of both, whole" eval 'holds a 1000 8 || holds b 1000 8'
is "C21: one slot holds the unit" "$(used_slots r) $(owned_sectors r)" "1 8"

fresh 1
writes a 996 40 & one=$!
held 1
move b
check "C21: what was acknowledged is read" holds b 1000 8
message m release
wait $one
is "C21: a larger write that fails late succeeds" $? 0
check "C21: it is read, all of it" holds a 996 40
is "C21: only the moved unit's part went to the spare" \
	"$(message s log | awk '$3 == "write" { print $4, $5 }')" "$(slot_sector 0) 8"
check "C21: the rest is on main" cmp <(pattern a 996 4; pattern a 1008 28) \
	<(get_sectors "$lower" 996 4; get_sectors "$lower" 1008 28)
is "C21: nothing else has moved" "$(owned_sectors r)" 8

fresh 1
writes a 1000 8 & one=$!
held 1
message m bad 1000 8 write
check "C21: part of the unit moves" writes b 1002 2
io_clear
message m release
wait $one
is "C21: a write of the whole unit that fails late succeeds" $? 0
check "C21: it is read" holds a 1000 8
is "C21: the unit is owned, in its one slot" "$(message r list)" "1000 8 owned $(slot_sector 0)"
check "C21: the device is created again" io_again
check "C21: with this content" holds a 1000 8

fresh 1
dd if=<(pattern a 1000 8) of=$r bs=4096 seek=$((1000 * 512)) iflag=fullblock oflag=direct,dsync,seek_bytes \
	conv=notrunc status=none & one=$!
held 1
move b
message m release
wait $one
is "C21: a FUA write that fails late succeeds" $? 0
is "C21: on the spare, with one flush behind it" \
	"$(message s log | awk '{ print $3, $4 }' | xargs)" "write $(slot_sector 0) flush 0"
check "C21: it is read" holds a 1000 8

# Zeroing locks the device's inode, which would stop the other writer: it goes through another device.
fresh 1
dm_create z "0 $(sectors $r) linear $r 0"
blkdiscard -z -o $((1000 * 512)) -l 4096 /dev/mapper/z & one=$!
held 1
move b
message m release
wait $one
is "C21: zeroes that fail late succeed" $? 0
check "C21: they are read" cmp <(head -c 4096 /dev/zero) <(get_sectors $r 1000 8)
is "C21: the spare got them as a page" "$(spare_story)" "data "
dmsetup remove z

fresh 1
writes a 1000 8 & one=$!
held 1
move b
message m good 0 0
message m release
wait $one
is "C21: a write that main takes late succeeds" $? 0
check "C21: and does not hide what the owner has" holds b 1000 8

fresh 2
writes a 1000 8 & one=$!
held 1
writes b 1000 8 & two=$!
held 2
move c
check "C21: a later write goes straight to the spare" writes d 1000 8
message m release 1
message m release 1
wait $one
is "C21: two old ones fail late: the first succeeds" $? 0
wait $two
is "C21: the second, too" $? 0
check "C21: the content is one of those that were in flight, whole" eval 'holds a 1000 8 || holds b 1000 8 || holds d 1000 8'
check "C21: a write after all of them" writes e 1000 8
check "C21: is the one that is read" holds e 1000 8

# Errors that never make a sector move are reissued all the same where the owner is another by now.
fresh 1
writes a 996 16 2>/dev/null & one=$!
held 1
move b
message m release fail timeout
ends_badly "C21: a late write that ends with a timeout fails where main owns the sectors" $one
check "C21: but what has moved went to its owner" holds a 1000 8
check "C21: and what has not is main's" cmp <(get_sectors "$lower" 996 4; get_sectors "$lower" 1008 4) \
	<(get_sectors $r 996 4; get_sectors $r 1008 4)
is "C21: nothing else has moved" "$(owned_sectors r)" 8
fresh 1
writes a 1000 8 & one=$!
held 1
move b
message m release fail timeout
wait $one
is "C21: where nothing of it is main's it succeeds" $? 0
check "C21: it is read" holds a 1000 8

# Reads, too: what was written meanwhile is on the spare.
fresh 1
message m release
message m hold 992 48 read times 1
get_sectors $r 996 24 >/tmp/got & one=$!
held 1
move b
message m release fail medium
wait $one
is "C21: a read that main fails late succeeds" $? 0
check "C21: and returns what the owners have" cmp /tmp/got <(pattern old 996 4; pattern b 1000 8; pattern old 1008 12)
settle
is "C21: nothing has become pending" "$(pending_sectors r) $(owned_sectors r)" "0 8"

# The spare fails what is reissued: the unit moves.
fresh 1
writes a 1000 8 & one=$!
held 1
move b
message s bad "$(slot_sector 0)" 8 write
message m release
wait $one
is "C21: a late write that the spare fails, too, succeeds" $? 0
check "C21: it is read" holds a 1000 8
is "C21: from another slot" "$(message r list)" "1000 8 owned $(slot_sector 1)"
num "C21: the spare's error is counted" "$(status_key r spare_errors)" -ge 1
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C8, C21: FUA over disks that have a cache and no FUA. The block layer makes a write and a flush of it, so either may be
# what failed: here in the disks' own queues, then below devices that say they have FUA.
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M cache
put_pattern "$lower" old 0 4096 2048
io_pair
## FUA that the block layer makes a write and a flush of, for a disk without it: either may be what failed

m=$(losetup -f --show --direct-io=on $m) && s=$(losetup -f --show --direct-io=on $s) || bail "no loop devices with direct I/O"
is "C8: a loop device has a cache, and no FUA" "$(cat /sys/block/"${m##*/}"/queue/{write_cache,fua} | tr '\n' ' ')" "write back 0 "
io_renew
message m fail_after flush 1
check_fails "C8: the flush in a FUA write fails, then all is taken: the flush after it is told" fua l 2000 8
check "C8: only one is" flush
check "C8: the data is there" holds l 2000 8
use_up_failures
message m bad 1064 8 write
io_clear
check "C8: a FUA write of which some is bad: that is what failed, and nobody is told" fua m 1056 24
is "C8: the parts are flushed together: once, and once for O_DSYNC" "$(counters m flushes) $(fua_writes m)" "2 0"
power_cycle
check "C8: and the data is kept" holds m 1056 24
worker_held 3000
message m fail_after flush 1
fua n 2000 8 2>/dev/null & pid=$!
check "C8: the flush in a FUA write fails while the worker is busy" message m wait failed_flushes 1 60000
worker_lets_go 1
ends_badly "C20: main is not asked again for it: the flush after it is told" $pid
ends_well "C20: the write that it waited for ends well" $busy
is "C20: both are on the spare" "$(message r list 2000 | head -n 1 | cut -d ' ' -f 1-3) $(message r list 3000 | cut -d ' ' -f 1-3)" \
	"2000 8 owned 3000 8 owned"
check "C8: only one flush is told" flush
check "C8: the data is there" holds n 2000 8
use_up_failures

message r remap 2000 8 >/dev/null
message s bad "$(message r list 2000 | head -n 1 | cut -d ' ' -f 4)" 8 write
check "C7: a FUA write to a slot that turns out bad moves" fua n 2000 8
num "C7: the slot is bad" "$(bad_slots r)" -ge 1
check "C8: that is what failed, and nobody is told" flush
power_cycle
check "C8: and the data is kept" holds n 2000 8

worker_held 3008
message m fail_after flush 1
fua o 2008 8 2>/dev/null & pid=$!
check "C8: again, and before the worker comes to it" message m wait failed_flushes 1 60000
flush 2>/dev/null & other=$!
worker_lets_go 1
ends_badly "C8: another's flush is told" $other
ends_well "C8: and none after it" $pid
ends_well "C20: the write that it waited for ends well" $busy
check "C8: the data is there" holds o 2008 8
use_up_failures

# A metadata block that is bad is no failed flush.
check "C8: a write to the spare" writes p 2000 8
message s bad "$(table_sector 0 A)" 8 write
message m bad 1080 8 read
check_fails "C4: a read error" reads 1080 8
check "C4: is kept in an alternate" until_is 10 8 pending_sectors r
check "C8: nobody's flush is told" flush
power_cycle
check "C8: and it has kept what was unflushed" holds p 2000 8

## A flush that waits for one suspected write finds another behind it

worker_held 3016
message m bad 1096 8 write
fua x 1096 8 & pid=$!
check "C8: a FUA write fails while the worker is busy" message m wait failed_writes 2 60000
dd if=/dev/null of=$r count=0 conv=fsync,notrunc status=none 2>/dev/null & other=$!
check "C8: a flush waits behind it" until_true 20 blocked $other
message m fail_after flush 1
fua y 2016 8 2>/dev/null & late=$!
check "C8: then the flush in another FUA write fails" message m wait failed_flushes 1 60000
dd if=/dev/null of=$r count=0 conv=fsync,notrunc status=none 2>/dev/null & younger=$!
check "C8: and another flush comes" until_true 20 blocked $younger
message m release
ends_badly "C8: the one that waits is told" $other
ends_badly "C8: so is the younger one" $younger
ends_well "C20: the write that the worker was at ends well" $busy
ends_well "C8: the first FUA write, too: its sectors were bad" $pid
ends_well "C8: and the second" $late
check "C8: no other is told" flush
check "C8: all data is there" eval 'holds busy 3016 8 && holds x 1096 8 && holds y 2016 8'
use_up_failures

# The worker is held by a read that it looks into, which turns out well: nothing is committed, and so flushed, for it.
check "C8: a write to the spare" writes z 1096 8
message m hold 1200 8 read
reads 1200 8 2>/dev/null & reader=$!
message m wait waiting 1 60000
message m release 1 fail medium
ends_badly "C4: a read fails" $reader
check "C4: and is looked into" message m wait waiting 1 60000
message m fail_after flush 1
fua y 2016 8 2>/dev/null & pid=$!
check "C8: the flush in a FUA write fails while the worker is busy" message m wait failed_flushes 1 60000
dd if=/dev/null of=$r count=0 conv=fsync,notrunc status=none 2>/dev/null & other=$!
check "C8: a flush waits behind it" until_true 20 blocked $other
flushes=$(counters s flushes)
message s fail_after flush 1
message m release
ends_badly "C8: the spare fails it" $other
wait $pid
flush
num "C8: so the next one goes to the spare, too" "$(counters s flushes)" -ge $((flushes + 2))
use_up_failures

## A flush of ours fails while a batch is stored: that of the table which says that a slot is bad

io_clear
message s bad "$(slot_sector $(($(used_slots r) + $(bad_slots r))))" 8 write fail_after flush 1
message m bad 1136 16 write
check "C3: what it may have lost is written again before the write is acknowledged" writes q 1136 16
num "C7: the slot was found bad" "$(bad_slots r)" -ge 1
is "C3: twice" "$(writes_over s "$(spare_sector_of r 1136)")" 2
power_cycle
check "C3: and is kept" holds q 1136 16
until flush; do :; done
is "C12: nothing is frozen" "$(state_of r)" active
message m good 0 0
message s good 0 0

## The flush in another's FUA write does: one slot has what is stored, the other is being written

use_up_failures
message r remap 2000 8 >/dev/null
message r remap 1172 4 >/dev/null
message s hold "$(($(spare_sector_of r 1172) - 4))" 4 write times 1
message m bad 1160 16 write
io_clear
writes u 1160 12 & pid=$!
check "C3: a batch is being stored" message s wait waiting 1 60000
message s fail_after flush 1
fua v 2000 8 2>/dev/null & other=$!
check "C8: the flush in a FUA write to another slot fails" message s wait failed_flushes 1 60000
message s release
ends_well "C3: what it may have lost is written again before the write is acknowledged" $pid
ends_badly "C8: the flush after the FUA write, which was tried again, is told" $other
is "C3: twice" "$(writes_over s "$(spare_sector_of r 1160)")" 2
power_cycle
check "C3: and is kept" holds u 1160 12
until flush; do :; done
check "C8: the FUA write's data is there" holds v 2000 8
is "C12: nothing is frozen" "$(state_of r)" active
message m good 0 0

## Below a device that says it has FUA

dmsetup remove r
inner_m=$m inner_s=$s
io_faulty top "$inner_m" && io_faulty tip "$inner_s"
m=/dev/mapper/top s=/dev/mapper/tip
# What is told to m and s goes to the disks.
truncate -s 0 "$(disk_file store)" && truncate -s 8M "$(disk_file store)"
blockdev --flushbufs "$store" "$inner_s" $s
io_pair
io_clear
is "C8: it says so" "$(cat /sys/dev/block/"$(dmsetup info -c --noheadings -o major,minor --separator : top)"/queue/{write_cache,fua} | tr '\n' ' ')" "write back 1 "
message m bad 1064 8 write fail_after flush 1
check_fails "C8: the worker tries a FUA write part by part: the flush for them fails, and its caller is told" fua a 1056 24
check "C10: no good sector is moved for it" test "$(owned_sectors r)" = 8
check_fails "C8: the next flush is told, too, for others may have lost something" flush
check "C8: only one" flush
use_up_failures
check "C8: without it" fua b 1056 24
power_cycle
check "C8: the data is kept" holds b 1056 24

# The worker writes it part by part, and while the last one is held a user's flush fails.
use_up_failures
message m log_clear
message m bad 1112 8 write hold 1120 8 write times 2
fua w 1104 24 2>/dev/null & pid=$!
message m wait waiting 1 60000
message m release 1
check "C8: of a FUA write that is written part by part the last is on its way" message m wait waiting 1 60000
message m fail_after flush 1
check_fails "C8: a user's flush fails" flush
message m release
ends_well "C8: the FUA write, of which a part may be lost, is written again" $pid
is "C8: twice" "$(message m log | awk '$3 == "write" && $4 == 1104 && $5 == 8' | wc -l)" 2
message m good 0 0
tell_failures
check "C8: it is there" holds w 1104 24

check "C8: a write to the spare" writes c 1064 8
message s fail_after flush 1
message m bad 1080 8 read
check_fails "C4: a read error" reads 1080 8
check "C4: is kept, at the second attempt" until_is 10 8 pending_sectors r
check_fails "C8: the flush that failed with a metadata block is told" flush
check "C8: only one" flush
message m good 0 0

# What is on its way may be in the cache already.
message s hold "$(slot_sector 0)" 8 write times 1
writes d 1064 8 & pid=$!
check "C8: a write to the spare is on its way" message s wait waiting 1 60000
message s fail_after flush 1
message m bad 1128 8 write
check_fails "C3: another is not relocated, for the flush fails" writes e 1128 8
message s release
ends_well "C8: the write succeeds" $pid
check_fails "C8: the flush that failed before it had ended is told" flush
check "C8: only one" flush
check "C8: the data is there" holds d 1064 8
message m good 0 0
done_testing

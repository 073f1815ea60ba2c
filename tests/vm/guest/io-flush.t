# SPDX-License-Identifier: GPL-2.0-or-later
# C8: flushes and FUA over two devices that both have a volatile cache: each device that has data to
# flush is flushed, no other is, none is forgotten, and a failure is heard of.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M cache
put_pattern "$lower" old 0 4096 2048
io_pair
flushed() { # SENTENCE WANTED: how many flushes m and s get for one of ours
	io_clear
	check "C8: a flush succeeds ($2)" flush
	is "$1" "$(counters m flushes) $(counters s flushes)" "$2"
}

## A spare that owns nothing

check "C8: data goes to main" writes a 0 64
flushed "C8: a spare that owns nothing is not flushed" "1 0"
message s offline
flushed "C8: so a dead spare does no harm" "1 0"
message s online
message s hold 0 0 flush
flushed "C8: nor does one that never ends a flush" "1 0"
message s release

## Data on both

message m bad 1000 8 write bad 1016 8 write
check "C3: two units move" eval 'writes b 1000 8 && writes b 1016 8'
flushed "C8: relocating flushes by itself: nothing is left for us to flush" "1 0"
check "C8: a write to the spare" writes c 1000 8
flushed "C8: then both are flushed" "1 1"
flushed "C8: and the next time only main" "1 0"
check "C8: a read from the spare" holds c 1000 8
flushed "C8: asks for no flush" "1 0"
check "C8: one write over both" writes d 992 16
flushed "C8: makes both flush" "1 1"
power_cycle
check "C8: after a flush a power cut loses nothing, on either" holds d 992 16
check "C8: without a flush" writes lost 992 16
power_cycle
check "C8: it loses what both had not flushed (the caches are real)" holds d 992 16
check "C8: zeroes that the spare gets" blkdiscard -z -o $((1000 * 512)) -l 4096 $r
flushed "C8: are flushed, too" "1 1"
power_cycle
check "C8: and kept" cmp <(head -c 4096 /dev/zero) <(get_sectors $r 1000 8)

## Relocated writes need no flush of the user's

message m bad 1032 8 write
check "C3: a unit moves" writes e 1032 8
power_cycle
check "C3: a power cut right after it" io_again
check "C3: loses neither its data nor the map" holds e 1032 8

## What the map knows of an earlier activation

check "C8: a write to the spare" writes f 1000 8
check "C8: the device is created again" io_again
io_clear
check "C8: a flush succeeds" flush
num "C8: and reaches the spare, whose cache may hold what was written before" "$(counters s flushes)" -ge 1

## FUA

fua_case() { # SENTENCE SECTOR COUNT WANTED: how many FUA writes m and s get; the data survives
	flush
	io_clear
	message m hold 0 0 flush
	message s hold 0 0 flush
	fua fua "$2" "$3" 2>/dev/null & pid=$!
	check "C8: the FUA write is done, its O_DSYNC flush waits" message m wait waiting 1 60000
	is "$1" "$(fua_writes m) $(fua_writes s)" "$4"
	power_cycle
	wait $pid
	message m release
	message s release
	check "C8: it survives a power cut without any flush" holds fua "$2" "$3"
	use_up_failures
}
fua_case "C8: FUA to a relocated unit reaches the spare" 1000 8 "0 1"
fua_case "C8: FUA to a plain one reaches main" 2000 8 "1 0"
fua_case "C8: FUA over both reaches both" 1012 16 "2 1"

## A failed flush

flush
message m fail_after flush 1
check_fails "C8: a flush that main fails is reported" flush
check "C8: a write without FUA goes on" writes g 2000 8
check_fails "C8: one FUA write fails for it" fua g 2008 8
check "C8: the next does not" fua g 2016 8
check "C8: flushes succeed again" flush

check "C8: data goes to the spare" writes h 1000 8
io_clear
message s fail_after flush 1
check_fails "C8: a flush that the spare fails is reported" flush
is "C8: and was not tried again" "$(counters s flushes failed_flushes)" "1 1"
flushed "C8: the next flush covers it" "1 1"
check_fails "C8: one FUA write fails for the failed one" fua i 1000 8
check "C8: the next does not" fua i 1000 8

check "C8: a write to the spare" writes i 1000 8
message s fail_after flush 1
message m bad 1048 8 write
check_fails "C8: a relocation whose flush fails is reported" writes j 1048 8
check_fails "C8: and the next flush is told, for it may have lost what others wrote" flush
check "C8: only one" flush
check_fails "C8: and one FUA write" fua j 2000 8
check "C8: only one" fua j 2000 8
message s fail_after flush 1
check_fails "C8: another relocation whose flush fails" writes k 1048 8
check "C8: tells nobody else where nobody had anything to lose" flush
message m good 0 0

## A FUA write that moves

old=$(spare_sector_of r 1000)
message s bad "$old" 8 write
io_clear
check "C7: a FUA write whose slot fails it succeeds" fua o 1000 8
num "C7: elsewhere" "$(spare_sector_of r 1000)" -ne "$old"
is "C8: its data reaches the new slot without FUA: a flush that failed in it would be tried again" \
	"$(message s log | awk '$3 == "write" && $6 ~ /fua/ && ($4 - 8192) % 2048 >= 8 && ($4 - 8192) % 2048 < 2024 && $7 == "ok"' | wc -l)" 0
power_cycle
check "C8: and is kept" holds o 1000 8
message m good 0 0
message s good 0 0

## A flush of our own fails when others have been there meanwhile

check "C8: a write to the spare" writes n 1000 8
message s hold 0 0 flush times 1
message r remap 1072 8 >/dev/null 2>&1 & pid=$!
message s wait waiting 1 60000
check "C8: while a remap flushes the spare, a flush of ours succeeds" flush
message s release fail
ends_badly "C8: the remap's fails" $pid
check_fails "C8: the next one is told, for nobody knows what was lost" flush
check "C8: only one" flush
use_up_failures
message s hold 0 0 flush times 1
message r remap 1080 8 >/dev/null 2>&1 & pid=$!
message s wait waiting 1 60000
check "C8: again, and a write comes meanwhile" writes n 1000 8
check "C8: which a flush of ours covers" flush
message s release fail
ends_badly "C8: the remap's fails" $pid
check_fails "C8: the next one is told, for that write may have been lost" flush
check "C8: only one" flush
use_up_failures
check "C22: a unit to go back" message r remap 1072 8
message m hold 0 0 flush times 1
message r unremap 1072 8 >/dev/null 2>&1 & pid=$!
message m wait waiting 1 60000
check "C8: while an unremap flushes main, a flush of ours succeeds" flush
message m release fail
ends_badly "C22: the unremap fails" $pid
check_fails "C8: the next flush is told" flush
check "C8: only one" flush
use_up_failures
message m hold 0 0 flush times 2
message r unremap 1072 8 >/dev/null 2>&1 & pid=$!
message m wait waiting 1 60000
flush 2>/dev/null & other=$!
message m wait waiting 2 60000
message m release 1 fail
ends_badly "C22: an unremap fails" $pid
message m release
ends_badly "C8: a flush that was under way all the time is told, too" $other
check "C8: and the next one is not" flush
use_up_failures

## Flushes that overlap

check "C8: a write to the spare" writes k 1000 8
io_clear
message s hold 0 0 flush times 1
flush 2>/dev/null & pid=$!
message s wait waiting 1 60000
check "C8: while the spare is being flushed, another write to it" writes l 1000 8
message s release
wait $pid
is "C8: the flush ends well" $? 0
flushed "C8: it does not count for the later write: the spare is flushed again" "1 1"
flushed "C8: once" "1 0"

check "C8: a write to the spare" writes m 1000 8
io_clear
message s hold 0 0 flush times 1
flush 2>/dev/null & pid=$!
message s wait waiting 1 60000
check "C8: a second flush meanwhile" flush
is "C8: does not rely on the unfinished first: the spare gets its own" "$(counters s flushes)" 2
check "C8: and it ends before the first" kill -0 $pid
power_cycle
wait $pid
check "C8: what it acknowledged survives a power cut" holds m 1000 8
message s release
use_up_failures

check "C8: a write to the spare" writes n 1000 8
io_clear
message s hold 0 0 flush times 1
flush 2>/dev/null & pid=$!
message s wait waiting 1 60000
check "C8: another write" writes o 1000 8
check "C8: a second flush ends well" flush
message s release fail
ends_badly "C8: then the first fails, and says so" $pid
check_fails "C8: a FUA write fails for it" fua p 2000 8
check "C8: only one" fua p 2000 8

check "C8: a write to the spare" writes q 1000 8
message s hold 0 0 flush times 1
flush 2>/dev/null & pid=$!
message s wait waiting 1 60000
check "C8: another write" writes r 1000 8
message s fail_after flush 1
check_fails "C8: a second flush fails" flush
message s release
wait $pid
is "C8: the first, which began before, ends well" $? 0
flushed "C8: and does not hide that the second write is not flushed" "1 1"

## A device of several lines, and of several tables

mk_disk lower2 16M
mk_disk store2 8M
io_faulty m2 "$lower2" cache
io_faulty s2 "$store2" cache
dmsetup remove r
len=$(sectors $m)
check "two pairs in one table" dm_create r "0 $len dm-remap-v4 $m $s
$len $len dm-remap-v4 /dev/mapper/m2 /dev/mapper/s2"
table=$(dmsetup table r)
message m2 fail_after flush 1
check_fails "C8: a flush that the second line's main fails is reported" flush
check_fails "C8: a FUA write to the first line fails for it" fua q 2000 8
check "C8: the next does not" fua q 2000 8
check "C8: nor one to the second line" fua q $((len + 2000)) 8
message m fail_after flush 1
check_fails "C8: a flush fails" flush
check "C15: the table is loaded anew" dm_reload r "$table"
check_fails "C8: a FUA write fails for it all the same" fua r 2000 8
check "C8: only one" fua r 2000 8

## A main without a cache, a spare with one: FUA is for the spare

dmsetup remove r
dmsetup remove m2
mk_null none 16M
io_faulty m2 "$none" no_wc
check "a pair" remap_create r /dev/mapper/m2 /dev/mapper/s2
message s2 log_clear
message m2 bad 1000 8 write hold 1000 8 write times 2
fua a 1000 8 & pid=$!
check "C8: a FUA write to a bad unit is on its way" message m2 wait waiting 1 60000
fua b 1000 8 2>/dev/null & other=$!
check "C8: another, too" message m2 wait waiting 2 60000
is "C8: main gets them without FUA" "$(fua_writes m2)" 0
message m2 release 1
ends_well "C8: the first moves the unit" $pid
message s2 fail_after flush 1
message m2 release
ends_badly "C8: the flush on the spare fails for the other: it is not acknowledged from the cache there" $other
check_fails "C8: nor is the flush after it, for others may have lost something" flush
check "C8: only one" flush
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C3: a write that main fails is narrowed to its bad units; their data, then the map, are durable on
# the spare in this order before the write completes, at a bounded price.
# timeout: 600
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 16M
put_pattern "$lower" old 0 8192 2048
io_pair

## One bad unit in 1 MiB

message m bad 3000 8 write
io_clear
check "C3: a write of 1 MiB over one bad unit succeeds" writes a 2048 2048
check "C3: it reads back" holds a 2048 2048
is "C3: one unit is relocated, the bad one" "$(message r list)" "3000 8 owned $(slot_sector 0)"
check "C3: what lies before it is on main" holds_pattern "$lower" a 2048 952
check "C3: what lies after it, too" holds_pattern "$lower" a 3008 1088
check "C3: the bad unit of main was not written" holds_pattern "$lower" old 3000 8
is "C3: main saw the write once, then each unit alone" \
	"$(message m log | awk '$3 == "write" { print $5 }' | sort -n | uniq -c | xargs)" "256 8 1 2048"
is "C3: on the spare: data, flush, one copy of the table, the other, none before the last is durable" \
	"$(spare_story)" "data flush A0 B0 "

## All 256 bad

io_renew
message m bad 2048 2048 write
io_clear
check "C3: a write of 1 MiB over 256 bad units succeeds" writes b 2048 2048
check "C3: it reads back" holds b 2048 2048
is "C3: all units are relocated" "$(status_of r | cut -d ' ' -f 2-5)" "256/3024 2048 0 0"
check "C3: main was not written" holds_pattern "$lower" old 3000 8
is "C3: two writes for each table block, four for the segment that comes into use, each after the one before" \
	"$(spare_story)" "data flush A0 B0 A1 B1 super super super super "
check "C3: the device is created again" io_again
check "C3: the data is still there" holds b 2048 2048
message m bad 6000 8 write
io_clear
check "C3: another bad unit" writes c 6000 8
is "C3: the first commit of an activation costs four superblocks more" "$(spare_story)" \
	"data flush super super super super A1 B1 "
message m bad 6016 8 write
io_clear
check "C3: and another" writes c 6016 8
is "C3: the second does not" "$(spare_story)" "data flush A1 B1 "

## Every other unit, and a write that lies askew

io_renew
message m bad_every 2048 2048 16 8 write
check "C3: a write of 1 MiB over 128 bad units succeeds" writes d 2048 2048
check "C3: it reads back" holds d 2048 2048
is "C3: the bad ones are relocated" "$(status_of r | cut -d ' ' -f 2-5)" "128/3024 1024 0 0"
check "C3: a good one between them is on main" holds_pattern "$lower" d 2056 8

io_renew
message m bad 2040 2064 write
io_clear
check "C3: a write of 1 MiB that begins and ends within bad units succeeds" writes e 2045 2048
check "C3: it reads back" holds e 2045 2048
is "C3: exactly its sectors are on the spare" "$(status_of r | cut -d ' ' -f 2-5)" "257/3024 2048 0 0"
check "C3: what it did not write is main's" cmp <(get_sectors "$lower" 2040 5) <(get_sectors $r 2040 5)
num "C3: with as many metadata writes" "$(spare_metadata)" -le 8

## Completion and publication come last

io_renew
put_pattern "$lower" old 1000 8
message m bad 1000 8 write
for place in "$(slot_sector 0)" "$(table_sector 0 A)" "$(table_sector 0 B)"; do
	message s hold "$place" 8 write times 1
done
writes f 1000 8 & pid=$!
for step in "its data" "copy A of the table" "copy B of the table"; do
	message s wait waiting 1 60000 || bail "$step is not written"
	check "C3: while $step is not on the spare, the write has not completed" kill -0 $pid
	is "C3: and nothing is published" "$(message r list)" ""
	check "C3: reads still see main" holds old 1000 8
	num "C3: nothing else is under way on the spare" "$(counters s waiting)" -eq 1
	message s release 1
done
wait $pid
is "C3: then it has completed" $? 0
check "C3: and is seen" holds f 1000 8
message s release

## A burst

io_renew
message m bad 2048 512 write
message s hold 0 0 flush times 1
fio --name=b --filename=$r --direct=1 --ioengine=libaio --iodepth=64 --rw=write --bs=4k --offset=1M --size=256k \
	--verify=crc32c --do_verify=1 --minimal >/tmp/fio.out 2>&1 & pid=$!
message s wait waiting 1 60000
message m wait failed_writes 65 60000
message s release
wait $pid
is "C3: 64 writes in flight over 64 bad units succeed and verify" "$?" 0
is "C3: all are relocated" "$(used_slots r)" 64
flushes=$(counters s flushes)
num "C3: a burst is committed by table block, not by unit: few flushes" "$flushes" -le 5
num "C3: and two metadata writes for each" "$(spare_metadata)" -le $((2 * flushes))
done_testing

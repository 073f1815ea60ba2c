# SPDX-License-Identifier: GPL-2.0-or-later
# C20: a disk that takes two seconds for each bad sector holds nobody up for longer than ten seconds and one
# I/O: not one write over many bad units, not fifty at once, not those behind reads; and healthy sectors not at all.
# suite: long
# timeout: 400
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
modprobe libaio 2>/dev/null
io_disks 192M 80M
io_pair
patience 10
now() { echo $((${EPOCHREALTIME/./} / 1000)); } # ms
# Two seconds until the bio fails, ten of patience, two for the last I/O, and some for a slow machine.
limit=17000
worst() { # FILE read|write: the worst latency in fio's report, in ms
	awk -v side="\"$2\"" '$1 == side { in_side = 1 } in_side && $1 == "\"clat_ns\"" { in_lat = 1 }
		in_lat && $1 == "\"max\"" { print int($3 / 1000000); exit }' "$1"
}
errors() { grep -c 'io_u error' "$1"; }
# What a machine takes for it, be it a slow one, where errors come at once: sets $slow (ms).
without_delay() { # COMMAND...
	local begin
	begin=$(now)
	"$@"
	slow=$(($(now) - begin))
}
# Another process, which uses healthy sectors only: the first MiBs.
healthy() { # RW...
	fio --name=healthy --filename=$r --direct=1 --rw="$1" --bs=4k --size=4M --time_based --runtime=300 --ioengine=psync \
		--output-format=json --output=/tmp/healthy.json >/dev/null 2>&1 & other=$!
	until_true 20 eval '[ $(($(counters m reads writes | tr " " +))) -gt 200 ]'
}
healthy_ends() { # the program ends its report when it is interrupted
	check "C20: another process was at it all the time" kill -INT $other
	wait $other
	is "C20: without an error" "$(awk '$1 == "\"error\"" { print $3 + 0 }' /tmp/healthy.json)" 0
}
fifty() { # RW OFFSET: of 1 MiB each, in flight together
	fio --name=fifty --filename=$r --direct=1 --rw="$1" --offset="$2" --bs=1M --size=50M --ioengine=io_uring --iodepth=50 \
		--continue_on_error=all --output-format=json --output=/tmp/fifty.json >/tmp/fifty.errors 2>&1
}

## One write over 256 bad units, while others work

put_pattern "$lower" old 0 8192 2048
message m bad 20480 2048 both delay 2000
healthy randrw
io_clear
begin=$(now)
check "C20: a write of 1 MiB over 256 bad units succeeds" writes a 20480 2048
num "C20: within the budget and one I/O (ms)" $(($(now) - begin)) -le $limit
healthy_ends
num "C20: another process's reads of healthy sectors were not held up (worst, in ms)" "$(worst /tmp/healthy.json read)" -lt 1900
num "C20: nor were its writes (worst, in ms)" "$(worst /tmp/healthy.json write)" -lt 1900
num "C20: bad units were asked for" "$(counters m failed_writes)" -ge 2
num "C20: few of them" "$(counters m failed_writes)" -le 8
is "C20: two metadata writes for each table block, four for the segment that comes into use" "$(spare_metadata)" 8
is "C20: all went to the spare" "$(status_of r | cut -d ' ' -f 1-4)" "active 256/$(all_slots r) 2048 0"
check "C20: and reads back" holds a 20480 2048

## Fifty at once, and nobody else who would show that main takes writes

io_renew
message m bad 40960 102400 write
without_delay fifty write 20M
io_renew
message m bad 40960 102400 write delay 2000
fifty write 20M
num "C20: of fifty such writes at once none takes longer (ms)" "$(worst /tmp/fifty.json write)" -le $((limit + slow))
is "C20: all succeed" "$(errors /tmp/fifty.errors)" 0
is "C20: on the spare" "$(status_of r | cut -d ' ' -f 1-4)" "active 12800/$(all_slots r) 102400 0"
message m good 0 0

## Fifty reads, and a write behind them

io_renew
message m bad 40960 102400 read
without_delay fifty read 20M
io_renew
message m bad 40960 102400 read delay 2000 bad 20480 2048 write delay 2000
healthy randread
begin=$(now)
fifty read 20M
num "C4: fifty reads of 1 MiB over bad sectors get their errors as soon as main gives them (worst, in ms)" \
	$(($(now) - begin)) -lt $((8000 + slow))
is "C4: each of them" "$(errors /tmp/fifty.errors)" 50
begin=$(now)
check "C20: a write over 256 bad units while the worker looks at these reads succeeds" writes b 20480 2048
num "C20: within the budget and one I/O (ms)" $(($(now) - begin)) -le $limit
settle
num "C20: by then the worker is done with the reads, too" $(($(now) - begin)) -le $((limit + 1000))
healthy_ends
num "C20: another process's reads of healthy sectors were not held up (worst, in ms)" "$(worst /tmp/healthy.json read)" -lt 1900
num "C4: some of the sectors are pending" "$(pending_sectors r)" -ge 8
check "C20: the write reads back" holds b 20480 2048

## A spare that is dying, too: slot after slot takes its time and fails

io_renew
message m bad 20480 2048 write
for segment in $(seq 0 $(($(all_slots r) / 252 - 1))); do # the slots, not the tables
	message s bad "$(slot_sector $((segment * 252)))" 2016 write delay 2000
done
begin=$(now)
check_fails "C20: a write of 1 MiB that neither main nor the slots take fails" writes b 20480 2048
num "C20: within the budget and one I/O for it, and some for what was under way (ms)" $(($(now) - begin)) -le $((limit + 4000))
settle
io_renew
message m bad 20480 2048 write
check "C20: a write of 1 MiB is relocated" writes c 20480 2048
message s bad "$(slot_sector 0)" 2016 write delay 2000 bad "$(slot_sector 252)" 80 write delay 2000
begin=$(now)
writes d 20480 2048 2>/dev/null
num "C20: a write over it whose slots are all bad ends in time, well or not (ms)" $(($(now) - begin)) -le $((limit + 4000))
message s good 0 0
# A line of the pattern is a sector.
each_of() { # SEED SEED: every sector is what one of these wrote
	get_sectors $r 20480 2048 | awk -v a="$1" -v b="$2" '($1 != a && $1 != b) || $2 != 20479 + NR || length != 511 { bad = 1 }
		END { exit bad || NR != 2048 }'
}
check "C7: it left each sector as the first write made it or as this one did" each_of c d
check "C7: and all can be written again" eval 'writes e 20480 2048 && holds e 20480 2048'

# A write to a part of a unit has the rest of it read from the old slot first.
io_renew
message m bad 20480 8 write
check "C20: a unit is relocated" writes f 20480 8
message s bad "$(slot_sector 0)" 8 both delay 2000
begin=$(now)
check_fails "C20: a write to a sector of it, whose slot neither takes nor gives anything, fails" writes g 20480 1
num "C20: within the budget and one I/O (ms)" $(($(now) - begin)) -le $limit
num "C20: it was tried whole and by sectors" "$(counters s failed_reads)" -ge 3
message s good 0 0
check "C7: what could not be read in time is not lost" holds f 20480 8

# All in flight together, each to a slot of its own.
io_renew
message m bad 20480 320 write
check "C20: forty units are relocated" writes f 20480 320
message s bad "$(slot_sector 0)" 2016 write delay 2000
begin=$(now)
fio --name=forty --filename=$r --direct=1 --rw=write --offset=10M --bs=4k --size=160k --ioengine=io_uring --iodepth=40 \
	--continue_on_error=all --output-format=json --output=/tmp/forty.json >/tmp/forty.errors 2>&1
num "C20: forty writes to slots that all fail end in time (ms)" $(($(now) - begin)) -le $((limit + 4000))
num "C20: most of them with an error" "$(errors /tmp/forty.errors)" -ge 30
message s good 0 0

## Reads that waited for the worker

ten_readers() { # of the unit at 1000, which the worker has fenced off
	local begin readers failed i
	begin=$(now) readers=()
	for i in 1 2 3 4 5 6 7 8 9 10; do
		reads 1000 8 2>/dev/null & readers+=($!)
	done
	wait_all "${readers[@]}"
	is "C20: ten reads that meet it fail" $failed 10
	num "C20: together within the budget and one I/O (ms)" $(($(now) - begin)) -le $limit
}
io_renew
message m bad 1000 8 read delay 2000
io_clear
reads 1000 8 2>/dev/null &
check "C18: the worker looks at a unit behind its fence" message m wait reads 4 60000
ten_readers

# The same with a slot.
io_renew
message m bad 1000 8 write
check "C3: a unit is relocated" writes g 1000 8
message s bad "$(slot_sector 0)" 8 read delay 2000
io_clear
reads 1000 8 2>/dev/null &
check "C18: the worker looks at a slot behind its fence" message s wait failed_reads 2 60000
ten_readers

## A write that only waited for a message's fence

io_renew
message m bad 20480 512 write delay 2000 hold 20480 8 read times 1
message r remap 20480 512 >/dev/null & remap=$!
check "C18: a message reads units behind its fence" message m wait waiting 1 60000
begin=$(now)
writes i 20480 512 & pid=$!
check "C18: a write waits for it" until_true 20 in_io dd
# So that the message ends with the first unit, and the others are main's.
until_true 20 eval '[ $(($(now) - begin)) -gt 1000 ]'
message m release
ends_well "C18: the message ends" $remap
ends_well "C3: the write succeeds" $pid
num "C20: after the budget and one I/O (ms)" $(($(now) - begin)) -le $((limit + 1000))
check "C3: and is there" holds i 20480 512
is "C10: main is not taken for dead" "$(state_of r)" active

## Zeroes

io_renew
message m bad 20480 40960 write
without_delay blkdiscard -z -o $((20480 * 512)) -l 20971520 $r
io_renew
message m bad 20480 40960 write delay 2000
begin=$(now)
check "C20: 20 MiB of zeroes over bad units succeed" blkdiscard -z -o $((20480 * 512)) -l 20971520 $r
num "C20: within the budget and one I/O (ms)" $(($(now) - begin)) -le $((limit + slow))
message m good 0 0

# Healthy, but slow: a second and a half for each MiB. Whoever zeroes a device keeps others from its node, so they come by another.
io_renew
dm_create side "0 $(sectors $r) linear $r 0"
message m bad 20480 8 write bad 20000 8 write slow 22528 79872 write 1500
blkdiscard -f -z -o $((20480 * 512)) -l 41943040 $r & zeroes=$!
check "C20: of 40 MiB of zeroes a unit is bad: the rest is written by the worker" until_true 60 eval 'message m log | grep -q "write 24576 2048"'
begin=$(now)
check "C20: a write to a bad unit meanwhile succeeds" put_pattern /dev/mapper/side i 20000 8
num "C20: soon (ms)" $(($(now) - begin)) -lt 10000
check "C20: before the zeroes are all written" kill -0 $zeroes
message m slow 0 0 all 0
ends_well "C20: they are, then" $zeroes
is "C20: no healthy unit was moved" "$(owned_sectors r)" 16
check "C20: all are zeroes but the write" eval 'holds i 20000 8 && cmp <(get_sectors $r 20480 81920) <(head -c 41943040 /dev/zero)'
dmsetup remove side

## Less patience

io_renew
message m bad 20480 2048 both delay 2000
patience 1
begin=$(now)
check "C20: with a second's patience a write of 1 MiB over 256 bad units succeeds" writes h 20480 2048
num "C20: within that and two I/Os (ms)" $(($(now) - begin)) -le 8000
io_renew no_auto
message m bad 1100 1 read hold 1008 8 read times 1
message r remap 1008 512 >/dev/null & remap=$!
message m wait waiting 1 60000
reads 1100 8 2>/dev/null & reader=$!
check "C18: a read waits behind a fence" until_true 20 in_io dd
writes k 1200 8 & pid=$!
check "C18: and a write behind that" until_true 20 in_io dd 2
sleep 1.5 # longer than the patience
message m release
ends_badly "C4: the read fails" $reader
ends_well "C20: that is no reason not to try the write" $pid
ends_well "C18: the message ends" $remap
patience 10

## I/O that does not end, and has not failed

io_renew
patience 4
healthy randread
message m hold 10000 8 write times 1 bad 12000 8 read bad 13000 8 write
writes x 10000 8 & held=$!
message m wait waiting 1 60000
check_fails "C4: a read fails while I/O elsewhere does not end" reads 12000 8
writes y 13000 8 & pid=$!
check "C20: a write that fails then is not held up" timeout 30 tail --pid=$pid -f /dev/null
ends_well "C20: but moves" $pid
(message r remap 14000 8; echo $? >/tmp/status) >/dev/null 2>&1 & remap=$!
check "C20: nor is a message" timeout 30 tail --pid=$remap -f /dev/null
num "C18: which cannot be done" "$(cat /tmp/status)" -ne 0
like "C18: and says why" "$(dmesg | tail -n 3)" "message refused at sector 14000: I/O that was sent before does not end"
is "C4: nothing is pending" "$(counts | cut -d ' ' -f 4)" 0
is "C18: the I/O is still there" "$(counters m waiting)" 1
writes z 12500 8 & pid=$!
check "C20: other I/O goes on" timeout 30 tail --pid=$pid -f /dev/null
message m release
ends_well "C18: it ends" $held
healthy_ends
check_fails "C4: the read fails again" reads 12000 8
is "C4: now its sectors are pending" "$(settled_counts | cut -d ' ' -f 4)" 8
check "C18: and the message works" message r remap 14000 8
check "C3: all is there" eval 'holds x 10000 8 && holds y 13000 8 && holds z 12500 8'
patience 10

## A disk that takes no writes, slowly

io_renew
message m bad 0 $((192 * 2048)) write target delay 2000
fio --name=forty --filename=$r --direct=1 --rw=write:4092k --bs=4k --size=160M --io_size=160k --ioengine=io_uring --iodepth=40 \
	--continue_on_error=all --output-format=json --output=/tmp/forty.json >/tmp/forty.errors 2>&1
num "C20: forty writes all over a disk that takes none, slowly, end in time (ms)" "$(worst /tmp/forty.json write)" -le $limit
is "C10: it consumes no slot" "$(settle; status_of r | cut -d ' ' -f 1,3)" "tripped 0"
is "C10: used slots" "$(used_slots r)" 0
is "C10: all of them got an error" "$(errors /tmp/forty.errors)" 40
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C10: a dead disk consumes no slot: pulled or write-protected under load, the breaker trips; a bad
# sector on an idle disk does not trip it; the cool-down and resume_auto close it again.
# kernels: one
# timeout: 400
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
modprobe libaio 2>/dev/null
io_disks 2G 8M
io_pair
# In the background: 64 random writes in flight until all have failed. Everywhere on the disk, but in few
# places of it: what was written once takes the guest's memory.
load() {
	message m stats_clear
	fio --name=load --filename=$r --direct=1 --rw=randwrite --bs=4k --ba=64k --ioengine=io_uring --iodepth=64 \
		--randrepeat=0 --time_based --runtime=60 --continue_on_error=none --output=/tmp/fio.out >/dev/null 2>&1 &
	fio=$!
	until_true 20 eval '[ "$(counters m writes)" -gt 500 ]'
}
load_ends() { # the load ends by its errors, well before its time
	local i
	for i in $(seq 400); do kill -0 $fio 2>/dev/null || { wait $fio; return 0; }; sleep 0.05; done
	kill $fio; wait $fio
	return 1
}
tripped() { [ "$(state_of r)" = tripped ]; }

## Pulled

load
check "C10: the disk is pulled under load" message m offline
check "C10: the writers get their errors" load_ends
check "C10: the breaker trips" until_true 20 tripped
is "C10: a pulled disk consumes no slot" "$(used_slots r)" 0
check_fails "C10: a write fails at once" writes x 800 8
message m online
like "resume_auto closes the breaker" "$(message r resume_auto)" "relocating again"
is "C10: the state is active again" "$(state_of r)" active
check "C10: and writes work" writes y 800 8

## Write-protected: it still reads

# All in flight when it happens, however slow this machine is: fewer places than many within a second would be bad units.
load
message m hold 0 0 write
message m wait waiting 64 60000 || bail "the load is not under way"
tripped_at=$SECONDS
check "C10: the disk takes no writes any more" message m readonly
message m release fail
check "C10: the writers get their errors" load_ends
check "C10: the breaker trips" until_true 20 tripped
is "C10: a write-protected disk consumes no slot" "$(used_slots r)" 0
check "C10: it still reads" holds y 800 8
like "health says why" "$(message r health)" "breaker no_writes"
check "C10: the table is loaded anew" dm_reload r "$(dmsetup table r)"
is "C10: which knows that" "$(state_of r) $(message r health | grep -o 'breaker no_writes')" "tripped breaker no_writes"
check_fails "C10: and relocates nothing" writes x 800 8
is "C10: no slot is used" "$(used_slots r)" 0
mk_disk another 8M
check "C15: the empty spare is replaced by another" dm_reload r "$(remap_table $m $another)"
is "C10: that too" "$(state_of r) $(message r health | grep -o 'breaker no_writes')" "tripped breaker no_writes"
check_fails "C10: and nothing is relocated to it" writes x 800 8
is "C10: no slot of it is used" "$(used_slots r)" 0
check "C15: and back" dm_reload r "$(remap_table $m $s)"
event=$(event_of r)
check "C10: a disk that reads is tried again" wait_event 60 r "$event"
num "C10: after half a minute, and no sooner (s)" $((SECONDS - tripped_at)) -ge 29
is "C10: then it is active" "$(state_of r)" active
check_fails "C10: a write shows that it takes none still" writes x 800 8
is "C10: which trips it at once, and uses no slot" "$(state_of r) $(used_slots r)" "tripped 0"
event=$(event_of r)
message m online
message m hold 900 8 write times 1
writes h 900 8 & pid=$!
message m wait waiting 1 60000
check_fails "C15: a suspend is interrupted" timeout 2 dmsetup suspend r
message m release
ends_well "C15: the write that it waited for ends well" $pid
check "C10: the cool-down is an event, all the same" wait_event 60 r "$event"
is "C10: after it the state is active" "$(state_of r)" active
check "C10: writes work" writes z 800 8

## One bad sector on an idle disk

message m bad 400000 8 write
check "C10: an isolated bad unit is relocated" writes w 400000 8
is "C10: it takes a slot" "$(used_slots r) $(state_of r)" "1 active"
check "C10: and reads back" holds w 400000 8

## Pulled while it is idle: one write fails, in one place, and the canaries alone can tell

check "C10: an idle disk is pulled" message m offline
check_fails "C10: a write to it fails" writes x 800000 8
check "C10: the breaker trips" until_true 20 tripped
like "health says why" "$(message r health)" "breaker no_answer"
is "C10: no slot is used for it" "$(used_slots r)" 1
event=$(event_of r)
message m stats_clear
check "C10: after the cool-down it is asked whether it answers" message m wait reads 4 60000
check_fails "C10: it does not: nothing happens" wait_event 2 r "$event"
is "C10: the breaker is as it was" "$(state_of r)" tripped
message m online
like "resume_auto closes the breaker" "$(message r resume_auto)" "relocating again"
check "C10: and writes work" eval 'writes y 800000 8 && holds y 800000 8'

## Pulled while it is read: what has failed until that is known is not tried again

io_renew
goes_away m
check_fails "C10: a read fails" reads 1000 8
check "C10: it is asked whether the disk is there" message m wait waiting 1 60000
writers=()
for i in 1 2 3 4 5; do writes x $((i * 4096)) 8 2>/dev/null & writers+=($!); done
check "C20: meanwhile writes fail" message m wait failed_writes 5 60000
message m release
wait_all "${writers[@]}"
is "C20: when it has tripped they are told" "$failed $(state_of r)" "5 tripped"
is "C20: and main is not asked again" "$(counters m writes failed_writes)" "5 5"
is "C10: no slot is used" "$(used_slots r)" 0

## As many places as a disk may have that is not dead

io_renew
message m bad 4096 $(($(sectors $m) - 4096)) write
put() { dd if=/dev/zero of=$r bs=4096 count=1 seek=$(($1 * 512)) oflag=direct conv=notrunc status=none 2>/dev/null; } # MIBS/2
writers=()
for i in $(seq 31); do put "$i" & writers+=($!); done
wait_all "${writers[@]}"
is "C10: in 31 places a disk may fail, and take nothing in between" "$failed $(used_slots r) $(state_of r)" "0 31 active"
check_fails "C10: at the next it counts as dead" put 32
is "C10: and no slot is used for it" "$(used_slots r) $(state_of r)" "31 tripped"

## A write that was under way when the disk died

io_renew
message m bad 2000 8 write
check "C10: a write is relocated, and another succeeds" eval 'writes q 2000 8 && writes q 800 8'
sleep 1.2 # for a second after that main is believed
all=$(sectors $m)
message m bad 4096 $((all - 4096)) write hold 0 "$all" write times 43
put 1 &
message m wait waiting 1 60000
put 0 & pid=$!
message m wait waiting 2 60000
for i in $(seq 2 41); do put "$i" & done
message m wait waiting 42 60000
writes l 2048 8 & late=$!
check "C10: many writes are under way" message m wait waiting 43 60000
message m release 1
check "C10: one fails, and fails again" message m wait failed_writes 2 60000
message m release 1
ends_well "C10: another ends well" $pid
message m release 40
check "C10: all others but one fail: the breaker trips" until_true 20 tripped
message m release
ends_well "C10: the last one ends well" $late
num "C10: which does not make the disk one that takes writes: it will trip at the next failure" \
	"$(message r health | sed -n 's/^failing_regions //p')" -ge 32
wait
is "C10: what had been sent before the first failure proved nothing: no other slot is used" "$(used_slots r)" 1
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C18, C22: remap, unremap and retest where something fails: an error that says why, nothing lost, nothing invented; and messages
# while the device is suspended.
# suite: long
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/move-lib.sh
io_disks 16M 8M phys 1
refused() { # SENTENCE WHY MESSAGE-WORD...
	log_mark
	check_fails "$1" message r "${@:3}"
	check "$1: the log says why" log_has "$log_mark" "refused at sector .*: $2"
}

## remap

# Each error takes longer than half the patience.
move_fresh
usual=$(cat /sys/module/dm_remap/parameters/patience)
patience 4
message m bad 1010 1 read delay 3000 bad 1017 1 read delay 3000 bad 1019 1 read delay 3000 bad 1021 1 read delay 3000
is "C18: a sector of a unit does not read, slowly: it becomes pending, the others move" "$(message r remap 1008 8)" "7 sectors remapped, 1 pending"
check "C18: the others are there" eval 'holds old 1008 2 && holds old 1011 5'
message r remap 1016 8 >/tmp/said
like "C18: of three that do not, time is up for some" "$(cat /tmp/said)" "next 1016$"
is "C18: each call gets on: all are moved or pending" "$(drive remap 1016 1024 | cut -d ' ' -f 1) $(owned_sectors r) $(pending_sectors r)" \
	"$((5 - $(sed -n "s/ sectors.*//p" /tmp/said))) 20 4"
check "C18: and are there" eval 'holds old 1016 1 && holds old 1018 1 && holds old 1020 1 && holds old 1022 2'
message m good 0 0
patience "$usual"

move_fresh
message m bad 1010 1 read bad 1021 2 read
like "C18: sectors that cannot be read become pending, the others move" "$(message r remap 1008 16)" "^13 sectors remapped, 3 pending"
is "C18: each by itself" "$(message r list 1008)" "1008 2 owned $(slot 1)
1010 1 pending $(($(slot 1) + 2))
1011 10 owned $(($(slot 1) + 3))
1021 2 pending $(($(slot 2) + 5))
1023 1 owned $(($(slot 2) + 7))"
check_fails "C18: a read of them gives an error" reads 1010 1
check "C18: the rest reads from the spare" eval 'holds old 1008 2 && holds old 1011 10 && holds old 1023 1'
check "C5: a write heals them" eval 'writes b 1010 1 && writes b 1021 2 && holds b 1010 1 && holds b 1021 2'
loads_twice "C18: remap"
check "C18: the data is there" eval 'holds old 1008 2 && holds b 1010 1 && holds old 1011 10 && holds b 1021 2 && holds a 1000 8'
is "C18: what is owned already is left alone" "$(message r remap 1000 24)" "0 sectors remapped, 0 pending"
is "C18: and is told so" "$(counts)" "active 3/1008 24 0 0"

move_fresh
message s bad "$(slot 1)" 8 write
like "C7: a slot that fails is left out" "$(message r remap 1008 8)" "^8 sectors remapped"
is "C7: and bad" "$(message r list 1008) $(counts)" "1008 8 owned $(slot 2) active 2/1008 16 0 1"
message s bad "$(slot 3)" 64 write
refused "C7: where several in a row fail, remap does, too" "the spare fails writes" remap 1016 8
is "C7: without a trace of the unit; those slots are left alone until the next activation" "$(message r list 1016) $(counts)" " active 5/1008 16 0 1"
message s good 0 0
message s fail_after flush 1
refused "C8: remap whose data cannot be flushed fails" "a flush failed" remap 1016 8
is "C8: and maps nothing" "$(counts)" "active 5/1008 16 0 1"
message s offline
refused "C10: a spare that is gone: remap fails" "the spare does not answer" remap 1016 8
is "C10: and condemns no slot" "$(counts)" "active 5/1008 16 0 1"
message s online
message m offline
refused "C10: main is gone: remap fails" "main does not answer" remap 1016 8
is "C10: and nothing becomes pending" "$(counts)" "active 5/1008 16 0 1"
message m online
message m bad 1016 8 read timeout
refused "C10: an error that says nothing about the sectors: remap fails" "main does not answer" remap 1016 8
is "C10: and nothing becomes pending for it" "$(counts)" "active 5/1008 16 0 1"
message m good 0 0
check "C10: both are back: the data is there" eval 'holds a 1000 8 && holds old 1008 16'

## unremap

move_fresh
message m bad 1003 1 write
refused "C22: where main fails the write, unremap does" "main fails writes there" unremap 1000 8
is "C22: the unit is where it was" "$(message r list) $(counts)" "1000 8 owned $(slot 0) active 1/1008 8 0 0"
check "C22: with what it had" holds a 1000 8
like "C22: sectors of it that main takes go back" "$(message r unremap 1004 4)" "^4 sectors back on main"
is "C22: they alone" "$(message r list)" "1000 4 owned $(slot 0)"
check "C22: both parts are read, each where it is" eval 'holds a 1000 8 && holds_pattern "$lower" a 1004 4'
message m good 0 0
message s bad $(($(slot 0) + 1)) 1 read
refused "C22: where the slot cannot be read, unremap fails" "the spare cannot be read" unremap 1000 4
is "C22: nothing has moved" "$(owned_sectors r)" 4
check_fails "C7: a read finds it out, too" reads 1001 1
until_is 10 1 pending_sectors r
refused "C22: sectors that are pending do not go back" "pending or lost" unremap 1000 4
message s good 0 0
check "C22: the readable slot has it all" holds a 1000 4
until_is 10 0 pending_sectors r
message m bad 1002 1 read
refused "C22: main takes it but does not give it back: unremap fails" "main does not hold" unremap 1000 4
check "C22: the slot has it" holds a 1000 4
loads_twice "C22: unremap refused"
check "C22: and so it has after that" holds a 1000 8
message m good 0 0
message m hold 1000 4 read times 1
log_mark
message r unremap 1000 4 >/dev/null 2>&1 & pid=$!
message m wait waiting 1 60000
put_pattern "$lower" junk 1000 4
message m release
ends_badly "C22: main gives back other bytes: unremap fails" $pid
check "C22: the log says so" log_has "$log_mark" "main does not hold"
check "C22: the slot has it" holds a 1000 8

# What a flush of main's cache loses, somebody may have written before: it is reported to who flushes next.
message m fail_after flush 1
refused "C22: where main cannot be flushed, unremap fails" "a flush failed" unremap 1000 4
check "C22: the slot has it" holds a 1000 4
check_fails "C8: the next flush of a user reports what was lost with ours" flush
check "C8: once" flush
like "C22: then it goes back" "$(message r unremap 1000 8)" "^4 sectors back on main"
is "C22: the slot is free" "$(counts)" "active 0/1008 0 0 0"
check "C22: the data is there" holds a 1000 8

# It is main's, and so is what is owed for it.
message r remap 1000 8 >/dev/null
message m fail_after flush 1
refused "C22: once more a flush fails" "a flush failed" unremap 1000 8
like "C22: then all is main's" "$(message r unremap 1000 8)" "^8 sectors back on main"
mk_disk other 8M
check "C15: an empty spare is replaced" dm_reload r "$(remap_table $m $other)"
check_fails "C8: the next flush reports what was lost, all the same" flush
check "C8: once" flush

## retest

move_fresh
message m bad 1016 8 read bad 1050 1 read
message r remap 1016 8 >/dev/null
message r remap 1050 1 >/dev/null
message m good 1016 4
like "retest clears what reads" "$(message r retest 1000 100)" "^4 sectors readable again, 5 pending"
is "and nothing else" "$(message r list)" "1000 8 owned $(slot 0)
1020 4 pending $(($(slot 1) + 4))
1050 1 pending $(($(slot 2) + 2))"
message m offline
is "C10: a disk that is gone clears nothing" "$(message r retest 1000 100)" "0 sectors readable again, 5 pending"
message m online
message m good 0 0
like "retest of everything" "$(message r retest 0 32768)" "^5 sectors readable again, 0 pending"
is "C11: slots that held nothing are free" "$(message r list) $(counts)" "1000 8 owned $(slot 0) active 1/1008 8 0 0"

## Commits that fail

move_fresh
for place in "$A" "$ALT1" "$ALT2" "$B"; do message s bad "$place" 8 write; done
refused "C12: where its commit fails, remap does" "the commit failed" remap 1008 8
is "C12: the map is frozen" "$(state_of r)" frozen
refused "C12: all that change the map are refused from then on" "the map is frozen" unremap 1000 8
message s good 0 0
check_fails "C12: what was in doubt fails" reads 1008 8
check "C12: the rest serves" holds a 1000 8
loads_twice "C12: remap"
check "C12: nothing is lost" eval 'holds a 1000 8 && holds old 1008 8'

move_fresh
check "C12: created again" io_again
message s bad 0 8 write bad 2048 8 write bad 4096 8 write bad 6144 8 write
refused "C12: where not even a session can be opened, remap says that nothing came of it" "the commit failed" remap 1008 8
is "C12: the map is frozen" "$(state_of r)" frozen
check "C12: nothing is in doubt" eval 'holds old 1008 8 && holds a 1000 8'
message s good 0 0

## Whole blocks

mk_disk lower4 16M 4096
dmsetup remove r
io_faulty m4 "$lower4" lbs 4096
put_pattern "$lower4" old 960 256
truncate -s 0 "$store_file"
truncate -s 8M "$store_file"
blockdev --flushbufs "$store"
remap_create r /dev/mapper/m4 $s || bail "no pair of 4 KiB blocks"
like "C18: of a disk with blocks of 4096 bytes whole blocks are remapped" "$(message r remap 1003 1)" "^8 sectors remapped, 0 pending"
is "C18: whole in the map" "$(message r list)" "1000 8 owned $(slot 0)"
check "C18: they are read" holds old 1000 8
message m4 bad 1016 8 read
like "C18: and become pending" "$(message r remap 1015 2)" "^8 sectors remapped, 8 pending"
check "C18: beside each other" eval 'holds old 1008 8 && ! reads 1016 8'
message m4 good 0 0
like "retest takes whole blocks, too" "$(message r retest 1017 1)" "^8 sectors readable again"
like "C22: so does unremap" "$(message r unremap 1007 2)" "^16 sectors back on main"
is "C22: nothing is left" "$(message r list)" ""
dmsetup remove r
dmsetup remove m4

## A large disk with little on it

mk_disk large 1T
io_faulty huge "$large"
truncate -s 0 "$store_file"
truncate -s 8M "$store_file"
blockdev --flushbufs "$store"
remap_create r /dev/mapper/huge $s || bail "no large pair"
end=$(sectors "$large")
message r remap 1000 1 >/dev/null
message r remap $((end - 8)) 8 >/dev/null
like "retest goes over a whole disk in one message" "$(message r retest 0 "$end"; echo .)" $'^0 sectors readable again, 0 pending\n\\.$'
is "unremap, too" "$(message r unremap 0 "$end")" "9 sectors back on main"
is "and nothing is mapped" "$(message r list)" ""

## Suspended

dmsetup remove r
dmsetup remove huge
move_fresh
for how in '' --noflush; do
	# shellcheck disable=SC2086 # a word or none
	dmsetup suspend $how r
	for verb in remap unremap retest; do
		like "C15: suspended $how: $verb is refused" "$(LC_ALL=C message r $verb 1000 8 2>&1)" "resource busy"
	done
	like "C15: suspended $how: so is grow" "$(LC_ALL=C message r grow 2>&1)" "resource busy"
	is "C15: suspended $how: list answers" "$(message r list)" "1000 8 owned $(slot 0)"
	for verb in help stats health resume_auto stats_clear; do
		check "C15: suspended $how: $verb answers" test "$(message r $verb)"
	done
	dmsetup resume r
	like "C15: resumed $how: they work" "$(message r retest 1000 8)" "^0 sectors"
done
# One that is under way ends first.
message s hold "$(slot 1)" 8 write times 1
message r remap 1008 8 >/tmp/answer & one=$!
message s wait waiting 1
dmsetup suspend r & two=$!
check_fails "C15: a suspend waits for a message that is under way" timeout 0.5 tail --pid=$two -f /dev/null
message s release
wait $one
is "C15: which succeeds" "$? $(cat /tmp/answer)" "0 8 sectors remapped, 0 pending"
wait $two
is "C15: then so does the suspend" $? 0
dmsetup resume r
check "C15: the data is there" eval 'holds a 1000 8 && holds old 1008 8'

## In parts: whoever has met the fence goes on before the next

at_next() { message m log | awk '$3 == "read" && $4 == 512 { found = 1 } END { exit !found }'; }
# The message has less than a second for both parts, so a slow machine may have to try again.
for i in 1 2 3 4 5; do
	move_fresh
	message r unremap 0 4096 >/dev/null
	message m hold 504 8 read times 1 hold 512 8 read times 1
	message r remap 0 1024 >/tmp/answer & one=$!
	message m wait waiting 1
	writes c 128 8 & two=$!
	until_true 20 in_io dd
	message m release 1
	until_true 20 eval '! kill -0 $one || at_next'
	! at_next || break
	message m release
	wait $one $two
done
check "C18: a write that has met the fence of the first units ends while the message is at the next" \
	timeout 20 tail --pid=$two -f /dev/null
is "C18: where it still is" "$(counters m waiting)" 1
message m release
wait $one
like "C18: the message ends well" "$? $(cat /tmp/answer)" "^0 [0-9]+ sectors remapped, 0 pending"
check "C18: the data is there" holds c 128 8
check "C22: all go back" message r unremap 0 4096

## A discard that met a fence is one discard still

behind_fence() { # SENTENCE
	message m hold 2000 8 read times 1
	message r remap 2000 512 >/tmp/answer & one=$!
	message m wait waiting 1
	# Forced, or it looks for file systems first, and its reads wait.
	blkdiscard -f -o $((2000 * 512)) -l 262144 $r & two=$!
	check "C18: $1 waits behind a fence" until_true 20 in_io blkdiscard
	message m release
	ends_well "C18: the message ends" $one
	ends_well "C9: and so does the discard" $two
}
move_fresh
behind_fence "a discard"
discards=$(($(counters m discards) + $(counters s discards)))
num "C9: it was sent" $discards -ge 1
num "C9: not unit by unit" $discards -le 4
move_fresh
message s bad "$(slot 0)" 512 discard notsupp
behind_fence "one whose spare turns out to have none"
message s good 0 0

## A disk that was dead

# Nothing is relocated while the breaker has tripped; but a write that only met a fence is no failed one.
move_fresh
message m offline
check_fails "C10: main is gone" writes b 1200 8
message m online
is "C10: and the breaker has tripped" "$(state_of r)" tripped
message s hold "$(slot 1)" 8 write times 1
message r remap 1008 4 >/tmp/answer & one=$!
message s wait waiting 1
writes b 1012 4 & two=$!
until_true 20 in_io dd
check_fails "C18: a write meets the fence" timeout 0.5 tail --pid=$two -f /dev/null
message s release
wait $one
is "C18: the request ends" "$? $(cat /tmp/answer)" "0 4 sectors remapped, 0 pending"
wait $two
is "C18: the write succeeds, for main takes it" $? 0
is "C10: the breaker is as it was" "$(state_of r)" tripped
check "C18: it is there" eval 'holds old 1008 4 && holds b 1012 4 && holds_pattern "$lower" b 1012 4'
message r resume_auto >/dev/null
done_testing

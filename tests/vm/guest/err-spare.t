# SPDX-License-Identifier: GPL-2.0-or-later
# C7, C8, C10, C11: a spare that goes away while the device is used, and comes back: what it owns gives
# errors meanwhile and the right bytes afterwards; no slot is condemned, nothing becomes pending, nothing freezes,
# nothing stale is ever served, and nothing acknowledged is lost.
# suite: long
# timeout: 300
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
all=1008
# Units 1000 and 1002 are on the spare, and stale on main; 1004 is pending. Main is healthy again.
fresh() {
	put_pattern "$lower" old 960 512
	io_renew
	message m bad 1000 8 write bad 1016 8 write bad 1032 8 read
	writes kept 1000 8 && writes kept 1016 8 || bail "no first units"
	reads 1032 8 2>/dev/null
	[ "$(settled_counts)" = "active 3/$all 16 8 0" ] || bail "no pending unit: $(settled_counts)"
	message m good 0 0
	message r stats_clear >/dev/null
	io_clear
}
well() { # SENTENCE [COUNTS]: the spare is back, and all is as it was
	message s online
	is "$1: afterwards: nothing pending, no slot bad, nothing frozen" "$(settled_counts)" "${2:-active 3/$all 16 8 0}"
	check "$1: afterwards: the right bytes" eval 'holds kept 1000 8 && holds kept 1016 8'
}
moves_again() { # SENTENCE
	message m bad 1104 8 write
	check "$1: bad units are relocated again" eval 'writes new 1104 8 && holds new 1104 8'
	check "$1: after another creation all is there" eval 'io_again && holds new 1104 8 && holds kept 1000 8 && holds kept 1016 8'
}

## Reads

fresh
message s offline
is "C7: a read of what a spare that is gone owns fails" "$(error_of reads 1000 8)" EIO
is "C7: in whatever pieces: main's old bytes are not served" "$(error_of reads 1003 1) $(error_of reads 992 40)" "EIO EIO"
check "C7: what main owns is read" holds old 1008 8
check "C7: and written" writes old 1008 8
is "C7: nothing becomes pending, no slot bad" "$(settled_counts)" "active 3/$all 16 8 0"
num "C7: the errors are counted" "$(status_key r spare_errors)" -ge 3
well "C7: reads"
check "C7: reads: a larger one over both owners" cmp <(pattern old 992 8; pattern kept 1000 8; pattern old 1008 8) <(get_sectors $r 992 24)
is "C7: reads: nothing was written to the spare" "$(spare_story)" ""

fresh
goes_away s
check_fails "C7: a read fails while the spare is away for a moment" reads 1000 8
is_back_when_asked "C7: the worker asks whether there is a spare" s
well "C7: there is"

## Writes to what it owns

fresh
message s offline
is "C7: a write to what a spare that is gone owns fails" "$(error_of writes lost 1000 8)" EIO
is "C7: one to a part, too" "$(error_of writes lost 1018 2)" EIO
check_fails "C9: so do zeroes" blkdiscard -z -o $((1000 * 512)) -l 4096 $r
check "C7: main's stale sectors were not written" cmp <(pattern old 1000 24) <(get_sectors "$lower" 1000 24)
well "C7: writes"
check "C7: writes: they succeed again" writes later 1000 8
is "C7: writes: in the same slot" "$(message r list 1000 | head -n 1)" "1000 8 owned $(slot_sector 0)"
check "C7: writes: after another creation it is there" eval 'io_again && holds later 1000 8 && holds kept 1016 8'

fresh
goes_away s
writes moment 1000 8 & writer=$!
is_back_when_asked "C7: a write fails while the spare is away for a moment: is there a spare?" s
wait $writer
is "C7: there is: the write succeeds" $? 0
is "C7: no slot is condemned for it" "$(settled_counts)" "active 3/$all 16 8 0"
check "C7: it is read" holds moment 1000 8

## Writes to pending sectors

fresh
message s offline
check_fails "C5: a write to a pending sector fails without its slot" writes lost 1032 8
is "C5: it stays pending" "$(settled_counts)" "active 3/$all 16 8 0"
well "C5: pending"
check "C5: then it succeeds" eval 'writes new 1032 8 && holds new 1032 8'
is "C5: and is owned" "$(settled_counts)" "active 3/$all 24 0 0"

fresh
message s offline
check "C4: a pending sector that main reads again is read without the spare" holds old 1032 8
is "C4: the map waits, and does not freeze" "$(settled_counts)" "active 3/$all 16 8 0"
check_fails "retest is refused without the spare" message r retest 1032 8
is "retest: nothing freezes" "$(settled_counts)" "active 3/$all 16 8 0"
well "C4: pending"
check "C4: with the next read" holds old 1032 8
is "C4: it is main's again" "$(settled_counts)" "active 2/$all 16 0 0"

## Errors of main meanwhile

fresh
message s offline
message m bad 1104 8 both
is "C11: a write that main fails while the spare is gone gets main's error" "$(error_of writes new 1104 8)" ENODATA
is "C4: a read, too" "$(error_of reads 1104 8)" ENODATA
check_fails "C18: remap is refused" message r remap 1200 8
is "C12: nothing has changed, nothing freezes" "$(settled_counts)" "active 3/$all 16 8 0"
well "C11: main's errors"
message m good 1104 8
check "C11: main's content is not hidden" holds old 1104 8
message m bad 1104 8 read
is "C4: a read error makes pending again" "$(error_of reads 1104 8) $(settled_counts)" "ENODATA active 4/$all 16 16 0"
moves_again "C11: main's errors"

fresh
message m bad 1104 8 write
goes_away s
writes new 1104 8 & writer=$!
is_back_when_asked "C11: a relocation fails while the spare is away for a moment: is there a spare?" s
wait $writer
is "C11: there is: the write succeeds" $? 0
is "C11: no slot is condemned for it" "$(settled_counts)" "active 4/$all 24 8 0"
check "C11: it is read" holds new 1104 8

# It goes between the data and the map: the commit fails.
fresh
message m bad 1104 8 write
message s fail_after fua 1 ioerr times 1 then offline
is "C12: a write whose commit fails gets main's error" "$(error_of writes new 1104 8)" ENODATA
is "C12: the map is frozen" "$(state_of r)" frozen
message s online
check "C12: the spare is back: what it owns is read" eval 'holds kept 1000 8 && holds kept 1016 8'
check "C12: and written" writes kept 1000 8
is "C12: nothing new is mapped: errors are main's" "$(message m bad 1120 8 write; error_of writes new 1120 8)" ENODATA
check "C12: the device is created again" io_again
is "C12: and active" "$(state_of r)" active
check "C12: the sector in doubt is old or new" eval 'holds old 1104 8 || holds new 1104 8'
message m good 0 0
moves_again "C12: created again"

## no_auto: nothing moves

fresh
check "no_auto live" dm_reload r "$(remap_table $m $s no_auto)"
message s bad "$(slot_sector 0)" 8 write target bad "$(slot_sector 2)" 8 write target
is "C7: with no_auto a write that its slot fails reports the spare's own error" "$(error_of writes lost 1000 8)" EREMOTEIO
check_fails "C7: so do zeroes" blkdiscard -z -o $((1000 * 512)) -l 4096 $r
check_fails "C5: a write to a pending sector whose slot fails reports it" writes lost 1032 8
is "C7: nothing moves, no slot is marked" "$(settled_counts)" "active 3/$all 16 8 0"
check "C7: what was there is read" eval 'holds kept 1000 8 && holds kept 1016 8'
check "C7: without no_auto" dm_reload r "$(remap_table $m $s)"
check "C7: the same write moves the unit" eval 'writes new 1000 8 && holds new 1000 8'
check "C5: and this one, too" eval 'writes new 1032 8 && holds new 1032 8'
is "C7: the slots are bad" "$(settled_counts)" "active 3/$all 24 0 2"

## Slots that fail

# A physical block here is 8 sectors, and the read that fails is one of all of them.
fresh
message s bad "$(slot_sector 0)" 8 write fail_after read 1 ioerr in "$(slot_sector 0)" 8
check "C7: a unit moves whose old slot fails one read" writes new 1002 2
is "C7: each of its sectors is asked for: nothing is lost" "$(settled_counts)" "active 3/$all 16 8 1"
check "C7: all of it is there" eval 'holds kept 1000 2 && holds new 1002 2 && holds kept 1004 4'

# An error that says nothing about the slot (C10), for a unit that has one, and for one that gets one.
fresh
message s bad "$(slot_sector 2)" 8 write timeout
is "C10: a write whose slot does not answer in time fails" "$(error_of writes new 1032 8)" ETIMEDOUT
is "C10: the unit does not move, and its slot is not bad" "$(settled_counts) $(message r list 1032)" "active 3/$all 16 8 0 1032 8 pending $(slot_sector 2)"
message m bad 1104 8 write
message s bad "$(slot_sector 3)" 8 write timeout
check_fails "C10: so does one that is relocated" writes new 1104 8
is "C10: no slot is bad for it" "$(settled_counts)" "active 3/$all 16 8 0"
message s good 0 0
check "C10: then both are taken" eval 'writes new 1032 8 && writes new 1104 8'
is "C10: each in that slot" "$(message r list 1032)" "1032 8 owned $(slot_sector 2)
1104 8 owned $(slot_sector 3)"

# Slots 3 and 4 are the next; main has used up all the patience there is.
fresh
patience 10
message s bad "$(slot_sector 4)" 8 write
message m bad 2000 256 write
worker_held 3000
writes new 2000 256 & writer=$!
worker_lets_go 2
ends_well "C20: a write that waited too long to be tried on main again" $busy
ends_well "C3: is relocated, though a slot is bad" $writer
check "C3: all of it is there" holds new 2000 256
is "C7: the bad slot is out of use" "$(settled_counts)" "active 36/$all 280 8 1"

# Its tables take what they are given, and no slot does, as where a thin volume below has no room.
fresh
message s bad "$(slot_sector 3)" $((249 * 8)) write
message m bad 2000 16 write
check_fails "C7: a write that no slot takes fails" writes new 2000 16
check_fails "C7: so does one to a slot's sectors, which would have to move" eval \
	'message s bad "$(slot_sector 0)" 8 write && writes new 1000 8'
is "C7: no slot is condemned for it" "$(bad_slots r)" 0
check "C7: created again" io_again
is "C7: all is as it was" "$(settled_counts)" "active 3/$all 16 8 0"
message s good 0 0
check "C7: there is room again: it is written" eval 'writes new 2000 16 && holds new 2000 16'
check "C7: and what was on the spare is right" eval 'holds kept 1000 8 && holds kept 1016 8'
is "C7: every slot may be used" "$(settled_counts)" "active 5/$all 32 8 0"
message s bad "$(slot_sector 5)" $((30 * 8)) write
message m bad 4096 8 write
tries=1
until writes moved 4096 8 2>/dev/null || [ $tries = 20 ]; do tries=$((tries + 1)); done
check "C7: thirty bad slots in a row: a write finds its way past them ($tries tries)" holds moved 4096 8
message s good 0 0
message m good 0 0
bad=$(bad_slots r)
check "C11: with every other slot used, those that failed are to be had, without another activation" \
	eval 'drive remap 8192 $((8192 + ($all - 6 - bad) * 8)) >/dev/null && [ "$(used_slots r)" = $((all - bad)) ]'
check "C22: and given back" eval 'drive unremap 8192 $((8192 + ($all - 6 - bad) * 8)) >/dev/null && [ "$(used_slots r)" = 6 ]'
fresh
message s bad "$(slot_sector 3)" 8 write bad "$(slot_sector 4)" 8 write
message m bad 2048 8 write
check "C7: of slots that fail where another takes it" eval 'writes new 2048 8 && holds new 2048 8'
is "C7: each is bad" "$(settled_counts)" "active 4/$all 24 8 2"

fresh
message s slow 0 8 read 1000
like "a spare that takes a second to answer does not use a message's time up" "$(message r remap 1200 8)" "^8 sectors remapped"
message s slow 0 8 read 0

## Flushes

fresh
check "C8: nothing is unflushed" flush
message s offline
check "C8: a spare that is gone does not hurt a flush" flush
message s online
check "C8: something was written to it" writes kept 1000 8
message s offline
check_fails "C8: the flush that should cover it fails" flush
check_fails "C8: and the next, while it is away" flush
check_fails "C8: a FUA write fails for it" dd if=/dev/zero of=$r bs=512 count=1 seek=64 oflag=direct,dsync conv=notrunc status=none
message s online
until dd if=/dev/zero of=$r bs=512 count=1 seek=64 oflag=direct,dsync conv=notrunc status=none 2>/dev/null; do :; done
check "C8: flushes succeed when it is back" flush
well "C8: flushes"

## In and out, under load: what was acknowledged is there, and nothing else ever

fresh
message r remap 2000 256 >/dev/null
io_noise
declare -A last=()
good() { # how many sectors hold what was acknowledged last
	local sector n=0
	for sector in "${!last[@]}"; do holds "${last[$sector]}" "$sector" 8 && n=$((n + 1)); done
	echo $n
}
for round in 1 2 3 4 5 6 7 8; do
	message s offline
	for sector in 2000 2064 2100 2248; do
		writes "away$round" $sector 8 2>/dev/null && not_ok "C7: a write without a spare is not acknowledged"
	done
	message s online
	for sector in 2000 2064 2100 2248; do
		writes "back$round" $sector 8 && last[$sector]="back$round"
	done
done
is "C7: in and out eight times: what was acknowledged is read" "$(good)" 4
is "C7: nothing pending, no slot bad" "$(settled_counts)" "active 35/$all 272 8 0"
check "C7: and after another creation" io_again
is "C7: too" "$(good)" 4
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C12: commits that fail: the write gets an error, what may or may not have landed is in doubt and
# fails, the rest serves on, and the next activation finds the old or the new state. A copy that
# cannot be written where it belongs moves, and loses nothing.
# kernels: one
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
A=$(table_sector 0 A) B=$(table_sector 0 B) ALT1=$(table_sector 0 ALT1) ALT2=$(table_sector 0 ALT2)

# A fresh pair: unit 1000 is owned (one sector of 1016 too), the disk holds "old" elsewhere.
fresh() {
	put_pattern "$lower" old 960 256
	io_renew
	message m bad 1000 8 write bad 1016 1 write
	dd if=<(pattern kept 1000 16; pattern kept 1016 1) of=$r bs=$((17 * 512)) count=1 seek=$((1000 * 512)) \
		iflag=fullblock oflag=direct,seek_bytes conv=notrunc status=none || bail "no first units"
	io_clear
}
kept_is_there() { holds kept 1000 8 && holds kept 1016 1; }
wipe() { # SECTOR...: zeroes a block of the spare, below everything
	local sector
	for sector; do
		dd if=/dev/zero of="$store" bs=4096 count=1 seek=$((sector * 512)) oflag=direct,seek_bytes conv=notrunc status=none
	done
}
old_or_new() { holds old 1104 8 || holds new 1104 8; }

## One copy cannot be written: it moves

for case in "A $A $B ALT1" "B $B $A ALT2"; do
	read -r name bad other to <<<"$case"
	fresh
	message s bad "$bad" 8 write
	message m bad 1104 8 write
	check "C12: a write succeeds where place $name fails" writes new 1104 8
	is "C12: $name: the device stays active" "$(state_of r)" active
	check "C8: $name: a flush after it succeeds: no flush has failed" flush
	like "C12: $name: the copy went to the alternate beside it, and the superblock told so before all ended" "$(spare_story)" \
		"${to}0 super super super super"
	message m bad 1120 8 write
	check "C12: $name: the next write, too" writes new 1120 8
	check "C12: $name: the device is created again" io_again
	check "C12: $name: with everything" eval 'kept_is_there && holds new 1104 8 && holds new 1120 8'
	dmsetup remove r
	wipe "$other"
	check "C12: $name: it is created from the alternate alone" remap_create r $m $s
	check "C12: $name: and has everything" eval 'kept_is_there && holds new 1104 8 && holds new 1120 8'
	dmsetup remove r
	wipe "${!to}"
	check "C12: $name: and from the other copy alone" remap_create r $m $s
	check "C12: $name: with everything" eval 'kept_is_there && holds new 1104 8 && holds new 1120 8'
done

fresh
message s bad "$A" 8 write bad "$B" 8 write
message m bad 1104 8 write
check "C12: a write succeeds where places A and B fail" writes new 1104 8
is "C12: A and B: the device stays active" "$(state_of r)" active
check "C12: A and B: it is created again" io_again
check "C12: A and B: with everything" eval 'kept_is_there && holds new 1104 8'

fresh
message s bad "$A" 8 write bad "$ALT1" 8 write
message m bad 1104 8 write
check "C12: a write succeeds where A and the first alternate fail" writes new 1104 8
check "C12: it is created again" io_again
check "C12: with everything" eval 'kept_is_there && holds new 1104 8'

fresh
check "C12: created again" io_again
message s bad 2048 8 write bad 6144 8 write
message m bad 1104 8 write
check "C12: a write succeeds where two copies of the superblock fail" writes new 1104 8
check "C12: created again" io_again
check "C12: with everything" eval 'kept_is_there && holds new 1104 8'

## No copy can be written, or one only

frozen_case() { # NAME BAD-SECTOR...
	local name=$1 sector events
	shift
	fresh
	for sector; do message s bad "$sector" 8 write; done
	message m bad 1104 8 write bad 1018 1 write
	events=$(event_of r)
	is "C12: $name: a write gets main's error" "$(error_of writes new 1104 8)" ENODATA
	is "C12: $name: the device is frozen" "$(state_of r)" frozen
	check "C12: $name: an event is raised" wait_event 60 r "$events"
	message s good 0 0
	message m good 0 0
}
doubt_fails() { # NAME: although both devices would take it now
	check_fails "C12: $1: a read of the sectors in doubt fails" reads 1104 8
	check_fails "C12: $1: a read of a larger piece fails, too" reads 1096 24
	check_fails "C12: $1: so does a write" writes later 1104 8
	check_fails "C12: $1: so does a write to one of them" writes later 1107 1
	check_fails "C12: $1: zeroes do, too" blkdiscard -z -o $((1104 * 512)) -l 4096 $r
}
others_serve() { # NAME
	check "C12: $1: what was owned is read" kept_is_there
	check "C12: $1: and written" writes kept 1000 8
	check "C12: $1: plain sectors are read" holds old 1112 8
	check "C12: $1: and written" writes old 1112 8
	check "C12: $1: a flush succeeds" flush
	io_clear
	message m bad 1144 8 write
	is "C12: $1: another bad unit is reported" "$(error_of writes x 1144 8)" ENODATA
	is "C12: $1: and nothing more is written to the spare" "$(spare_story)" ""
	check_fails "C12: $1: grow is refused" message r grow
	message m good 0 0
}
comes_back() { # NAME WANTED
	check "C12: $1: the device is created again" io_again
	is "C12: $1: it is active" "$(state_of r)" active
	check "C12: $1: what was owned is there" kept_is_there
	check "C12: $1: the sectors in doubt are old or new" old_or_new
	check "C12: $1: here, they are $2" holds "$2" 1104 8
	message m bad 1104 8 write bad 1144 8 write
	check "C12: $1: they can be written again" writes again 1104 8
	check "C12: $1: and another bad unit moves" writes again 1144 8
	check "C12: $1: both read back after another creation" eval 'io_again && holds again 1104 8 && holds again 1144 8 && kept_is_there'
}

frozen_case "all places fail" "$A" "$ALT1" "$ALT2" "$B"
doubt_fails "all places fail"
others_serve "all places fail"
comes_back "all places fail" old

frozen_case "all but A fail" "$ALT1" "$ALT2" "$B"
doubt_fails "all but A fail"
others_serve "all but A fail"
comes_back "all but A fail" new

frozen_case "all but B fail" "$A" "$ALT1" "$ALT2"
doubt_fails "all but B fail"
comes_back "all but B fail" old

# The superblock has to say that A moved; it cannot.
frozen_case "A and all superblocks fail" "$A" 0 2048 4096 6144
doubt_fails "A and all superblocks fail"
comes_back "A and all superblocks fail" old

## A unit that has owned sectors already

fresh
message m bad 1016 8 write
for place in "$A" "$ALT1" "$ALT2" "$B"; do message s bad "$place" 8 write; done
check_fails "C12: a write of two more sectors of an owned unit fails" writes new 1019 2
is "C12: frozen" "$(state_of r)" frozen
message s good 0 0
message m good 0 0
check "C12: the owned sector of that unit serves on" holds kept 1016 1
check "C12: for writes, too" writes kept 1016 1
check_fails "C12: the two are in doubt" reads 1019 1
check_fails "C12: both" reads 1020 1
check "C12: their neighbours are main's" holds old 1021 3
check "C12: and are written there" writes old 1021 3
check "C12: created again" io_again
check "C12: the two are old or new" eval 'holds old 1019 2 || holds new 1019 2'
check "C12: the rest is there" eval 'kept_is_there && holds old 1021 3'

## The session cannot be opened: nothing was touched, so nothing is in doubt

fresh
check "C12: created again" io_again
message s bad 0 8 write bad 2048 8 write bad 4096 8 write bad 6144 8 write
message m bad 1104 8 write
is "C12: where no superblock can be written, a write gets main's error" "$(error_of writes new 1104 8)" ENODATA
is "C12: the device is frozen" "$(state_of r)" frozen
message s good 0 0
message m good 0 0
check "C12: nothing is in doubt" holds old 1104 8
check "C12: the map serves on" kept_is_there
check "C12: created again" io_again
check "C12: the old state is there" eval 'kept_is_there && holds old 1104 8'
message m bad 1104 8 write
check "C12: and units move again" eval 'writes new 1104 8 && holds new 1104 8'

## Data cannot be stored: an error, but no freeze

fresh
message s bad "$(slot_sector 2)" 8 write
message m bad 1104 8 write
check "C7: a write whose slot fails succeeds" writes new 1104 8
is "C7: in another slot" "$(message r list 1104)" "1104 8 owned $(slot_sector 3)"
is "C7: the first one is bad" "$(state_of r) $(bad_slots r)" "active 1"
check "C7: it reads back after another creation" eval 'io_again && holds new 1104 8 && kept_is_there'
is "C7: and the bad slot is remembered" "$(bad_slots r)" 1
message s good 0 0
message s fail_after flush 1
message m bad 1120 8 write
check_fails "C12: a write whose data cannot be flushed reports it" writes new 1120 8
is "C12: the device is not frozen" "$(state_of r)" active
message m good 0 0
check "C12: main's content is not hidden" holds old 1120 8
done_testing

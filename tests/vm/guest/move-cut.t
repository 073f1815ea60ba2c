# SPDX-License-Identifier: GPL-2.0-or-later
# C7, C12, C13: a move whose commits fail, or which the power cuts off, at each of its writes: what was acknowledged is
# there, nothing stale is, of two entries for the unit the one with more moves wins, and the other is cleared.
# suite: long
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/move-lib.sh
io_disks 16M 8M cache power p
moving() { # the write that makes unit 125 move
	message s bad "$(slot 0)" 8 write
	writes b 1002 2 2>/dev/null
}
old_or_new() { holds a 1002 2 || holds b 1002 2; }
rescued() { holds a 1000 2 && holds a 1004 4; }
moved() { both_say 1 125 255 0 1 1 && both_say 0 0 0 0 0 3 && [ "$(message r list)" = "1000 8 owned $(slot 1)" ]; }
not_moved() { both_say 0 125 255 0 0 1 && both_say 1 0 0 0 0 0 && [ "$(message r list)" = "1000 8 owned $(slot 0)" ]; }
after_cut() { # the power comes back; every fault is gone, but for the slot's
	local table
	table=$(dmsetup table r)
	dmsetup remove r
	message m restore
	message s good 0 0 fail_never
	dm_create r "$table"
}

## The power fails at each write of the move

# Three are the user's, which the slot fails, at once and when tried alone, twice. Then: what is rescued on either side of the
# written part; the written part; A and B of the new entry; A and B of the old slot's end.
for case in 'none 1' 'none 2' 'none 3' 'none 4' 'none 5' 'none 6' 'none 7' 'all 3' 'all 4' 'all 5'; do
	read -r mode n <<<"$case"
	move_fresh
	flush
	message s cut_mode "$mode" fail_after writes $((3 + n)) ioerr 'then' cut
	moving
	status=$?
	name="power fails at write $n of a move, $mode of the cache survives"
	is "C13: $name: so it does" "$(state_of s)" off
	after_cut
	check "C13: $name: what was in the unit is there" rescued
	if [ $status = 0 ]; then
		check "C13: $name: the acknowledged write, too" holds b 1002 2
	else
		check "C13: $name: the write that was not acknowledged left old or new" old_or_new
	fi
	if [ "$n" -gt 4 ]; then
		check "C7: $name: the new entry stands alone" moved
	else
		check "C7: $name: the old entry stands alone" not_moved
	fi
	case $case in 'none 2' | 'none 5' | 'none 7') ;; *) continue ;; esac
	loads_twice "C13: $name"
	check "C13: $name: and the same content" eval 'rescued && old_or_new'
	message s bad "$(slot 0)" 8 write
	check "C13: $name: the unit can be written" eval 'writes c 1000 8 && holds c 1000 8'
done

# All that is written before the first flush may survive or not: were the entry among it, it could be there without the data.
for seed in 1 2 3 4 5 6; do
	move_fresh
	flush
	message s cut_mode random $seed fail_after flush 1 ioerr 'then' cut
	moving
	is "C13: power fails at the first flush of a move, random $seed: so it does" "$(state_of s)" off
	after_cut
	check "C13: power fails at the first flush of a move, random $seed: what was in the unit is there" eval 'rescued && old_or_new'
done

## Commits that fail

tables_fail() { for place in "$A" "$ALT1" "$ALT2" "$B"; do message s bad "$place" 8 write; done; }
nothing_goes() { # SENTENCE: with both disks well again
	check_fails "C12: $1: reads of the unit fail" reads 1000 1
	check_fails "C12: $1: also of what was not written" reads 1007 1
	check_fails "C12: $1: and writes" writes c 1004 1
	check "C12: $1: others go on" eval 'writes x 1008 8 && holds x 1008 8'
}

move_fresh
tables_fail
check_fails "C12: a move whose entry cannot be committed fails" moving
is "C12: the map is frozen" "$(state_of r)" frozen
message s good 0 0
nothing_goes "no copy of the new entry"
check "C12: created again" after_cut
check "C12: the unit is where it was" not_moved
check "C12: with what it had" holds a 1000 8
check "C12: and moves" eval 'moving && rescued && holds b 1002 2 && moved'

move_fresh
message s bad "$ALT1" 8 write bad "$ALT2" 8 write bad "$B" 8 write
check_fails "C12: a move whose entry reaches one copy only fails" moving
is "C12: the map is frozen" "$(state_of r)" frozen
message s good 0 0
nothing_goes "one copy of the new entry"
loads_twice "C12: one copy of the new entry"
check "C12: there were two entries: the one with more moves is left" moved
check "C12: with all of it" eval 'rescued && holds b 1002 2'

# The second commit, which says that the old slot is bad: the gate lets the first one pass.
for places in "$A $ALT1 $ALT2 $B" "$ALT1 $ALT2 $B"; do
	move_fresh
	message s hold "$A" 8 write
	moving & one=$!
	message s wait waiting 1
	message s release 1
	message s wait writes 9
	message s wait waiting 1
	for place in $places; do message s bad "$place" 8 write; done
	message s release
	wait $one
	name="places $(wc -w <<<"$places") of 4 fail when the old slot is to be cleared"
	is "C7: $name: the write is acknowledged, for it is durable" $? 0
	is "C7: $name: the map is frozen, for nothing may build on that table" "$(state_of r)" frozen
	check "C7: $name: the unit serves on" eval 'rescued && holds b 1002 2'
	check "C7: $name: from where it is" writes c 1000 1
	message s good 0 0
	loads_twice "C7: $name"
	check "C7: $name: the new entry stands alone" moved
	check "C7: $name: with everything" eval 'holds c 1000 1 && holds a 1001 1 && holds b 1002 2 && holds a 1004 4'
	check "C7: $name: the old slot is not used again" eval 'message r remap 1008 8 && [ "$(message r list 1008)" = "1008 8 owned $(slot 2)" ]'
done

## From one segment to another

# A small spare that is full but for one slot of its first segment; a unit of the second moves there, and one the other way.
mk_disk lower2 16M
mk_disk store2 6M
dmsetup remove r
dmsetup remove m
dmsetup remove s
lower=$lower2 store=$store2
io_faulty m "$lower" cache power p
io_faulty s "$store" cache power p
put_pattern "$lower" old 0 8192 2048
store_file=$(disk_file store2)
for way in "400 7" "7 400"; do
	read -r from to <<<"$way"
	dmsetup remove r 2>/dev/null
	message s good 0 0
	dd if=/dev/zero of="$store" bs=1M count=6 oflag=direct status=none
	io_pair
	next=0
	while [ "$next" ]; do next=$(message r remap "$next" $((504 * 8 - next)) | sed -n 's/^next //p'); done
	is "C7: all slots are taken" "$(used_slots r)" 504
	message r unremap $((to * 8)) 8 >/dev/null
	message s bad "$(slot "$from")" 8 write cut_mode none fail_after writes 9 ioerr 'then' cut
	writes b $((from * 8 + 2)) 2
	is "C7: a unit moves from slot $from to slot $to, the power fails when the old one is cleared" "$?" 0
	check "C7: $way: two entries are on disk" eval '[ "$(entry $to)" = "$from 255 0 1 1" ] && [ "$(entry $from)" = "$from 255 0 0 1" ]'
	check "C7: $way: the pair loads" after_cut
	is "C7: $way: the new entry has won" "$(message r list $((from * 8)) | head -n 1)" "$((from * 8)) 8 owned $(slot "$to")"
	check "C7: $way: the old one is cleared" eval 'both_say $from 0 0 0 0 3 && both_say $to $from 255 0 1 1'
	check "C7: $way: the data is there" eval 'holds old $((from * 8)) 2 && holds b $((from * 8 + 2)) 2 && holds old $((from * 8 + 4)) 4'
	check "C7: $way: all others, too" eval 'holds_pattern $r old $((to * 8)) 8 && holds old $((250 * 8)) 64'
	loads_twice "C7: $way"
done
done_testing

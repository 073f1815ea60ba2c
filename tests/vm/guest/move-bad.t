# SPDX-License-Identifier: GPL-2.0-or-later
# C7: a slot that goes bad under its unit: on read, on write, and in the middle of the move that follows; what can be
# rescued is, main's stale content is never served, and the slot is not used again.
# kernels: one
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/move-lib.sh
io_disks 16M 8M phys 1
all=1008

## On read

move_fresh
message s bad $(($(slot 0) + 3)) 1 read
check_fails "C7: a read that the slot fails fails" reads 1000 8
check "C7: its bad sector becomes pending" until_is 10 1 pending_sectors r
is "C7: only that one" "$(message r list)" "1000 3 owned $(slot 0)
1003 1 pending $(($(slot 0) + 3))
1004 4 owned $(($(slot 0) + 4))"
check "C7: the table says so" both_say 0 125 255 8 0 1
check "C7: the others are read" eval 'holds a 1000 3 && holds a 1004 4'
check_fails "C7: the bad one is not, though main could be" reads 1003 1
loads_twice "C7: read"
check_fails "C7: nor is it afterwards" reads 1003 1
message s good 0 0
check "C7: the slot can be read again, and is" holds a 1000 8
check "C7: then nothing is pending" until_is 10 0 pending_sectors r
is "C7: and no slot is bad" "$(counts)" "active 1/$all 8 0 0"

## On write: the unit moves

move_fresh
message s bad "$(slot 0)" 8 write
check "C7: a write that the slot fails succeeds" writes b 1002 2
is "C7: data, flush, the new entry in both copies, then the old slot's end" "$(spare_story)" "data flush A0 B0 A0 B0 "
is "C7: the unit has moved" "$(message r list) $(counts)" "1000 8 owned $(slot 1) active 1/$all 8 0 1"
check "C7: the new data is there, and the sectors beside it" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'
check "C7: the new entry counts the move" both_say 1 125 255 0 1 1
check "C7: the old slot is bad" both_say 0 0 0 0 0 3
check "C7: nothing of it went to main" holds_pattern "$lower" old 1000 8
loads_twice "C7: write"
check "C7: everything is there after that" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'
message s good 0 0
check "C7: other units take other slots" message r remap 1040 16
is "C7: not the bad one" "$(message r list 1040)" "1040 16 owned $(slot 2)"
message s bad "$(slot 1)" 8 write
check "C7: it moves a second time" writes c 1000 1
check "C7: which is counted" both_say 4 125 255 0 2 1
check "C7: all of it is there" eval 'io_again && holds c 1000 1 && holds a 1001 1 && holds b 1002 2 && holds a 1004 4'
is "C7: two slots are bad" "$(counts)" "active 3/$all 24 0 2"

# What was pending in the old slot, and is read there as the unit moves, is not lost.
move_fresh
message s bad $(($(slot 0) + 3)) 1 read
check_fails "C7: a read that the slot fails fails" reads 1000 8
check "C7: a sector of it is pending" until_is 10 1 pending_sectors r
message s good 0 0 bad "$(slot 0)" 8 write
check "C7: the slot fails a write, but gives that sector again" writes b 1006 2
is "C7: all of the unit moves" "$(message r list) $(counts)" "1000 8 owned $(slot 1) active 1/$all 8 0 1"
check "C7: and is read" eval 'holds a 1000 6 && holds b 1006 2'

# An error that says nothing about the sectors loses none of them.
move_fresh
message s bad "$(slot 0)" 1 write bad $(($(slot 0) + 1)) 7 read timeout
check_fails "C10: a move whose rescue times out is given up" writes b 1000 1
message s good 0 0
check "C10: and nothing is lost by it" holds a 1001 7
is "C10: nor is a slot" "$(counts)" "active 1/$all 8 0 0"

# What the old slot does not give is lost.
move_fresh
message s bad "$(slot 0)" 8 write bad $(($(slot 0) + 5)) 2 read
check "C7: a write of which nothing but a part can be rescued succeeds" writes b 1002 2
lost="1000 5 owned $(slot 1)
1005 2 lost $(($(slot 1) + 5))
1007 1 owned $(($(slot 1) + 7))"
is "C7: what could not be read is lost" "$(message r list)" "$lost"
check "C7: the table says so" both_say 1 125 255 96 1 2
check "C7: the rest is there" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 1 && holds a 1007 1'
message s good 0 0
io_clear
check_fails "C7: lost sectors give errors, though both disks can be read there" reads 1005 2
is "C7: and nobody is asked" "$(counters m reads) $(counters s reads)" "0 0"
loads_twice "C7: lost"
is "C7: lost they stay" "$(message r list)" "$lost"
check_fails "C7: with errors" reads 1006 1
message s bad $(($(slot 1) + 1)) 1 read
check_fails "C7: a read error of a sector that is not" reads 1000 2
is "C7: does not make it so" "$(settle; message r list)" "$lost"
message s good 0 0
check "C7: it is read when the slot gives it" holds a 1000 2
message s bad "$(slot 1)" 8 write
check "C7: the unit moves again, with its lost sectors" writes c 1000 1
is "C7: which stay lost" "$(message r list 1005)" "1005 2 lost $(($(slot 2) + 5))
1007 1 owned $(($(slot 2) + 7))"
check_fails "C7: and give errors" reads 1005 1
message s bad "$(slot 2)" 8 write
check "C7: a write heals one of them on its way to the next slot" eval 'writes d 1005 1 && holds d 1005 1'
check "C7: the other is healed there" eval 'writes d 1006 1 && holds d 1005 2'
is "C7: nothing is lost any more" "$(message r list)" "1000 8 owned $(slot 3)"
check "C7: nor on disk" both_say 3 125 255 0 3 1

# A unit of all kinds: two sectors are owned, one is pending on main, the others are main's.
put_pattern "$lower" old 960 256
io_renew
message r remap 1000 2 >/dev/null
writes a 1000 2
message m bad 1004 1 read
message r remap 1004 1 >/dev/null
mixed() { echo "1000 2 owned $(slot "$1")"; echo "1004 1 pending $(($(slot "$1") + 4))"; }
is "C7: a unit that is owned in part" "$(message r list)" "$(mixed 0)"
message s bad "$(slot 0)" 8 write
check "C7: its slot fails a write" writes b 1001 1
is "C7: it moves as it is" "$(message r list)" "$(mixed 1)"
check "C7: what is main's is read there" eval 'holds old 1002 2 && holds old 1005 3'
check "C7: what is not, from the slot" eval 'holds a 1000 1 && holds b 1001 1'
check_fails "C7: what main cannot read is an error still" reads 1004 1
message m good 0 0
check "C7: and main's again when it can" holds old 1004 1

# Several units at once, with zeroes and FUA.
move_fresh
message r remap 1008 24 >/dev/null
message s bad "$(slot 0)" 32 write
check "C7: a write over four units whose slots all fail succeeds" writes b 1000 32
is "C7: all have moved" "$(message r list)" "1000 32 owned $(slot 4)"
check "C7: it reads back" holds b 1000 32
is "C7: four slots are bad" "$(counts)" "active 4/$all 32 0 4"
message s bad "$(slot 4)" 8 write
check "C9: zeroes that a slot fails succeed" blkdiscard -z -o $((1002 * 512)) -l 1024 $r
check "C9: they are there, with what was beside them" eval 'cmp <(head -c 1024 /dev/zero) <(get_sectors $r 1002 2) &&
	holds b 1000 2 && holds b 1004 28'
check "C7: all is there after another creation" eval 'io_again && holds b 1000 2 && holds b 1004 28'

## Who meets the move

move_fresh
message s bad "$(slot 0)" 8 write hold "$(slot 1)" 8 write times 1
writes b 1002 2 & one=$!
message s wait waiting 1
get_sectors $r 1000 8 >/tmp/got & two=$!
writes c 1006 1 & three=$!
check "C18: in the middle of a move others go on" eval 'holds old 1008 8 && writes x 992 8'
check "C18: three are at the unit" until_true 20 in_io dd 3
check_fails "C18: those that meet its fence wait" eval 'timeout 0.5 tail --pid=$two -f /dev/null || timeout 0.5 tail --pid=$three -f /dev/null'
message s release
ends_well "C18: then the write that moves succeeds" $one
ends_well "C18: and the read" $two
wait $three
is "C18: and the write" $? 0
check "C18: the read has what was acknowledged" cmp <(head -c 3072 /tmp/got) <(pattern a 1000 2; pattern b 1002 2; pattern a 1004 2)
check "C18: nothing is missing" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 2 && holds c 1006 1 && holds a 1007 1'
is "C18: one slot holds the unit" "$(message r list)" "1000 8 owned $(slot 1)"

## The spare is away while the old slot is read

move_fresh
message s bad "$(slot 0)" 8 write hold "$(slot 0)" 8 read times 1 hold "$(slot 1)" 8 write
writes b 1002 2 2>/dev/null & one=$!
check "C7: a unit moves: what else is in it is read" message s wait waiting 1 60000
message s offline
message s release 1
check_fails "C10: it is away: nothing of the unit goes elsewhere" message s wait waiting 1 3000
message s online
message s release
ends_badly "C10: the write fails" $one
message s good 0 0
check "C7: and nothing is lost" holds a 1000 8

move_fresh
message s bad "$(slot 0)" 8 write hold "$(slot 0)" 8 read times 1
writes b 1002 2 & one=$!
check "C7: again" message s wait waiting 1 60000
message s offline
message s hold 0 8 read times 1
message s release 1
check "C10: nothing can be read: it is asked whether it is there" message s wait waiting 1 60000
message s online
message s release
ends_well "C7: it is: the unit moves" $one
is "C7: and nothing of it is lost" "$(message r list)" "1000 8 owned $(slot 1)"
check "C7: all is there" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'

## The new slot fails, too

for n in 1 3; do
	move_fresh
	message s bad "$(slot 0)" $((8 * (n + 1))) write
	check "C7: a write succeeds where $n new slots fail, too" writes b 1002 2
	is "C7: $n: in the next one" "$(message r list) $(counts)" "1000 8 owned $(slot $((n + 1))) active 1/$all 8 0 $((n + 1))"
	check "C7: $n: everything is there" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'
	loads_twice "C7: $n new slots fail"
	is "C7: $n: the bad ones are remembered" "$(counts)" "active 1/$all 8 0 $((n + 1))"
	check "C7: $n: the data, too" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'
done

move_fresh
message s bad "$(slot 0)" 64 write medium
is "C7: where all that are tried fail, so does the write" "$(error_of writes b 1002 2)" ENODATA
is "C7: the unit is where it was; three slots are left alone until the next activation" "$(message r list) $(counts)" \
	"1000 8 owned $(slot 0) active 4/$all 8 0 0"
check "C7: with what it had" holds a 1000 8
loads_twice "C7: no slot works"
check "C7: the data is there afterwards" holds a 1000 8
message s good 0 0
check "C7: and can be written when the spare is well" eval 'writes b 1002 2 && holds a 1000 2 && holds b 1002 2'
is "C7: a spare that took nothing has no bad slots" "$(counts)" "active 1/$all 8 0 0"

# A spare that is gone condemns nothing.
move_fresh
message s bad "$(slot 0)" 8 write hold "$(slot 1)" 8 write times 1
writes b 1002 2 2>/dev/null & one=$!
message s wait waiting 1
message s offline
message s release
wait $one
num "C10: a spare that goes away in the middle of a move: an error" $? -ne 0
is "C10: but no slot is bad, and none is taken" "$(counts)" "active 1/$all 8 0 0"
message s good 0 0
message s online
check "C10: it comes back with all of it" holds a 1000 8
check "C10: and takes writes" eval 'writes b 1002 2 && holds a 1000 2 && holds b 1002 2'

# A flush that fails is not the slot's fault, and is not tried again into success.
move_fresh
message s bad "$(slot 0)" 8 write fail_after flush 1
check_fails "C8: a move whose data cannot be flushed fails" writes b 1002 2
is "C8: no slot is bad, and none is taken" "$(message r list) $(counts)" "1000 8 owned $(slot 0) active 1/$all 8 0 0"
check "C8: the unit is as it was" holds a 1000 8
check "C8: the next write moves it" writes b 1002 2
check "C8: with all of it" eval 'holds a 1000 2 && holds b 1002 2 && holds a 1004 4'
done_testing

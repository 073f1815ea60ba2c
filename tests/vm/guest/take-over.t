# SPDX-License-Identifier: GPL-2.0-or-later
# C11: where no slot is free, a write takes that of a unit that is only pending, whose sectors are main's again; then the write
# after it gets main's own error, until a slot is free.
# suite: long
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/move-lib.sh
io_disks 16M 5M cache power p
# 250 units from 0 on are owned, slot 250 is unit 500's (sector 4000) and 251 unit 600's (sector 4800), which are pending.
full_spare() {
	sync_disks
	put_pattern "$lower" old 3960 3000
	io_renew
	drive remap 0 $((250 * 8)) >/dev/null
	message m bad 4000 8 read bad 4800 8 read
	message r remap 4000 8 >/dev/null
	message r remap 4800 8 >/dev/null
	[ "$(message r list 2000)" = "4000 8 pending $(slot 250)
4800 8 pending $(slot 251)" ] || bail "the spare is not as it should be: $(message r list 2000)"
	message m bad 6000 8 write target bad 6400 8 write target bad 6800 8 write target
	io_clear
}
relocates() { # a write to main elsewhere shows that main is not dead, and saves the wait for it
	local pid
	writes "$@" 2>/tmp/write.err & pid=$!
	writes x 3000 8
	wait $pid
}
full_spare
is "C11: all slots have their units" "$(counts)" "active 252/252 2000 16 0"
events=$(event_of r)
check "C11: a write that needs a slot succeeds" relocates b 6000 8
is "C11: in that of a unit that was only pending" "$(message r list 2000)" "4800 8 pending $(slot 251)
6000 8 owned $(slot 250)"
is "C11: the state says that no slot is free" "$(counts)" "full 252/252 2008 8 0"
check "C11: an event is raised" wait_event 60 r "$events"
is "C11: data, flush, table: one commit for both units" "$(spare_story)" "data flush A0 B0 "
check "C11: the table names the new unit" both_say 250 750 255 0 0 1
check "C11: it reads back" holds b 6000 8
check_fails "C11: the pending sectors are main's again, who does not read them" reads 4000 8
message m good 4000 8
check "C11: when main does, they read" holds old 4000 8
check "C11: what is written there goes to main" eval 'writes c 4000 8 && message m sync && holds_pattern "$lower" c 4000 8'
loads_twice "C11: after a take-over"
check "C11: everything is there" eval 'holds b 6000 8 && holds c 4000 8'

# The other pending unit gets a sector of data: now nothing is to be had.
check "C5: one sector of the other pending unit is written" writes d 4803 1
check_fails "C11: a write that needs a slot fails" relocates e 6400 8
like "C11: with main's error" "$(cat /tmp/write.err)" "Remote I/O error"
is "C11: for a unit with data keeps its slot" "$(message r list 2000 | cut -d ' ' -f 1-3)" "4800 3 pending
4803 1 owned
4804 4 pending
6000 8 owned"
is "C11: full" "$(state_of r)" full
check "C11: main's content stays" holds old 6400 8
events=$(event_of r)
like "C22: a unit goes back to main" "$(message r unremap 0 8)" "^8 sectors"
is "C11: so a slot is free" "$(counts | cut -d ' ' -f 1-2)" "active 251/252"
check "C11: an event is raised" wait_event 60 r "$events"
check "C11: the write succeeds" relocates e 6400 8
is "C11: in that slot" "$(message r list 6400)" "6400 8 owned $(slot 0)"
check "C11: all is there after another creation" eval 'io_again && holds e 6400 8 && holds b 6000 8 && holds d 4803 1'

# One write takes the slots of two.
full_spare
message m bad 6008 8 write target
check "C11: a write over two units takes two slots" relocates b 6000 16
is "C11: each of another pending unit" "$(message r list 2000) $(counts)" "6000 16 owned $(slot 250) full 252/252 2016 0 0"
is "C11: data, flush, table: one commit for all four" "$(spare_story)" "data flush A0 B0 "
check "C11: it reads back" holds b 6000 16
loads_twice "C11: two taken over"
check "C11: that too is there" holds b 6000 16

# Sectors that cannot be read, and no slot that would keep that.
full_spare
list=$(message r list)
message m bad 6000 8 read
check_fails "C11: where no slot is free, a read that main fails fails" reads 6000 8
is "C11: and nothing becomes pending for it" "$(settled_counts) $(message r list)" "full 252/252 2000 16 0 $list"
log_mark
check_fails "C18: nor for a remap" message r remap 6000 8
check "C18: which says why" log_has "$log_mark" "refused at sector 6000: no free slot"
is "C11: all is as it was" "$(counts) $(message r list)" "full 252/252 2000 16 0 $list"

# A pending unit that is written itself keeps its slot, also where a neighbour in the same write has none.
full_spare
check "C5: the second pending unit is written" relocates d 4800 8
message m bad 3992 8 write target
writes b 3992 16 2>/tmp/write.err & pid=$!
writes x 3000 8
wait $pid
is "C11: a write over a unit without a slot and a pending one fails" "$? $(grep -o 'Remote I/O error' /tmp/write.err)" "1 Remote I/O error"
is "C11: but nothing was taken from the pending one" "$(message r list 2000)" "4000 8 owned $(slot 250)
4800 8 owned $(slot 251)"
check "C11: which has it" eval 'holds b 4000 8 && holds old 3992 8'

## Slots that turn out bad

full_spare
message s bad "$(slot 250)" 8 write
check "C11: the slot that is taken over fails: the next one serves" relocates b 6000 8
is "C11: the first one is bad, and its unit plain again" "$(message r list 2000) $(counts)" "6000 8 owned $(slot 251) full 251/252 2008 0 1"
check "C11: the table says so" eval 'both_say 250 0 0 0 0 3 && both_say 251 750 255 0 0 1'
message m good 4000 8
message m good 4800 8
check "C11: both units are read from main" eval 'holds old 4000 8 && holds old 4800 8 && holds b 6000 8'
loads_twice "C11: bad slot taken over"
check "C11: the data is there" holds b 6000 8

full_spare
message s bad "$(slot 250)" 16 write
relocates b 6000 8
is "C11: both fail: main's error" "$? $(grep -o 'Remote I/O error' /tmp/write.err)" "1 Remote I/O error"
is "C11: no other takes it, so neither is condemned" "$(message r list 2000 | cut -d ' ' -f 1-3 | xargs) $(counts)" \
	"4000 8 pending 4800 8 pending full 252/252 2000 16 0"
check "C11: main's content stays" holds old 6000 8

full_spare
message s hold "$(slot 250)" 8 write times 1
relocates b 6000 8 & pid=$!
message s wait waiting 1
message s offline
message s release
wait $pid
num "C10: a spare that goes away while a slot is taken over: an error" $? -ne 0
message s online
is "C10: nothing has changed" "$(message r list 2000) $(counts | cut -d ' ' -f 2-)" "4000 8 pending $(slot 250)
4800 8 pending $(slot 251) 252/252 2000 16 0"

## The power fails on the way

for n in 1 2 3; do
	full_spare
	message s cut_mode all fail_after writes $n ioerr 'then' cut
	check_fails "C13: power fails at write $n of a take-over" writes b 6000 8
	table=$(dmsetup table r)
	dmsetup remove r
	message m restore
	message s fail_never
	check "C13: $n: the pair loads" dm_create r "$table"
	if [ $n = 3 ]; then
		is "C13: $n: the new unit has the slot" "$(message r list 2000)" "4800 8 pending $(slot 251)
6000 8 owned $(slot 250)"
		check "C13: $n: with its data" holds b 6000 8
	else
		is "C13: $n: the pending unit has its slot" "$(message r list 2000)" "4000 8 pending $(slot 250)
4800 8 pending $(slot 251)"
		check "C13: $n: main's content stays" holds old 6000 8
	fi
	check_fails "C13: $n: what main cannot read is an error still" reads 4000 8
	loads_twice "C13: $n"
done
done_testing

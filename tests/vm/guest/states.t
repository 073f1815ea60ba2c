# SPDX-License-Identifier: GPL-2.0-or-later
# C4, C5, C7, C9, C11, C18, C22: the states a sector can be in, and every way between them, as a table that is walked row by
# row. What the state is, is read from the table on the disk; the other half of the unit must never change.
# timeout: 400
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/move-lib.sh
io_disks 4M 6M phys 1
put_pattern "$lower" old 0 8192
io_pair
half=4		# sectors: the first ones of the unit go through the row, the others look on
sector=1024	# of the row; each has a unit of its own

## What a sector is

slot_of() { # SECTOR: sets $slot to that of its unit, or to nothing
	local first at
	read -r first _ _ at <<<"$(message r list $(($1 / 8 * 8)))"
	slot=
	[ "${at:-}" ] && [ "$first" -lt $(($1 / 8 * 8 + 8)) ] || return
	at=$((at - first % 8 - 8192))
	slot=$((at / 2048 * 252 + at % 2048 / 8 - 2))
}
state_by() { # MASK: sets $state to that of these sectors of a unit of $owned, $pending and $kind
	local o=$((owned & $1)) p=$((pending & $1))
	case $((o == $1))$((p == $1))$((o + p)) in
	000) state=main ;;
	01"$1") state=pending ;;
	10"$1") state=owned ;;
	11$((2 * $1))) [ "$kind" = 2 ] && state=lost || state="owned-pending" ;;
	*) state="mixed $owned $pending" ;;
	esac
}
states_at() { # SECTOR: sets $state, that of the half unit from there, and $beside, that of its other half
	local slot unit owned pending kind
	slot_of "$1"
	state=main beside=main
	[ "$slot" ] || return
	read -r unit owned pending _ kind < <(entry "$slot")
	state="not on disk" beside="not on disk"
	[ "$unit" = $(($1 / 8)) ] || return
	state_by $((240 >> $1 % 8))
	beside=$state
	state_by $((15 << $1 % 8))
}
content() { # [GUESS]: what a read gives: old (main's first), kept (of the setup), new, zero, or the error
	local name
	get_sectors $r $sector $half >/tmp/content 2>/dev/null || { echo error; return; }
	for name in "$1" old kept new; do
		pattern "$name" $sector $half >/tmp/pattern
		cmp -s /tmp/content /tmp/pattern && { echo "$name"; return; }
	done
	cmp -s -n $((half * 512)) /tmp/content /dev/zero && echo zero || echo other
}

## How it gets there

ill='' # whether a disk was told to fail
slot_fails() { # OPS
	local slot
	ill=1
	slot_of $sector
	[ -z "$slot" ] || message s bad "$(slot_sector "$slot")" $half "$1"
}
both_fail() { # OPS: main and the slot there
	ill=1
	message m bad $sector $half "$1"
	slot_fails "$1"
}
all_well() {
	[ -z "$ill" ] || { message m good 0 0 && message s good 0 0; }
	ill=
}
from_main() { :; }
from_pending() { ill=1; message m bad $sector $half read; reads $sector $half 2>/dev/null; settle; }
from_owned() { message r remap $sector $half && writes kept $sector $half; }
from_owned-pending() { from_owned && { slot_fails read; reads $sector $half 2>/dev/null; settle; }; }
# The unit moves when its other half is written, and the old slot does not give this one.
from_lost() {
	local slot
	message r remap $sector 8 && writes kept $sector 8 && slot_fails read && slot_of $sector &&
		message s bad $(($(slot_sector "$slot") + half)) $half write && writes other $((sector + half)) $half
}

## What happens to it

zeroes() { blkdiscard -z -o $((sector * 512)) -l $((half * 512)) $r; }
ev_read() { reads $sector $half; }
ev_write() { writes new $sector $half; }
ev_zero() { zeroes; }
ev_discard() { blkdiscard -o $((sector * 512)) -l $((half * 512)) $r; }
ev_remap() { message r remap $sector $half; }
ev_unremap() { message r unremap $sector $half; }
ev_retest() { message r retest $sector $half; }
ev_read-bad() { both_fail read; ev_read; }
ev_write-bad() { both_fail write; ev_write; }
ev_zero-bad() { both_fail write; ev_zero; }
ev_remap-bad() { both_fail read; ev_remap; }
ev_unremap-bad() { both_fail both; ev_unremap; }
ev_retest-bad() { both_fail read; ev_retest; }
# Its other half is written, and the slot fails there: the unit moves to another.
ev_move() {
	local slot rest=$((sector + half))
	message r remap $rest $half && writes other $rest $half && slot_of $sector &&
		message s bad $(($(slot_sector "$slot") + half)) $half write && writes other $rest $half
}
ev_move-bad() { slot_fails read; ev_move; }
# No slot is free, and a write that main fails takes this one's. The others have gone back by the end.
ev_taken() {
	local result=0
	drive remap 4096 8192 # until it is refused
	message m bad 16 8 write
	[ "$(state_of r)" = full ] && writes new 16 8 || result=1
	message m good 0 0
	drive unremap 0 1024 && drive unremap 4096 8192 || result=1
	return $result
}
ev_read-fail_pending() {
	local result=0
	dm_reload r "$(remap_table $m $s fail_pending)"
	ev_read || result=1
	dm_reload r "$(remap_table $m $s)"
	return $result
}

## The table: state, event, does it succeed, state afterwards, what a read gives once both disks are well ("-": not defined)

table="
main		read			ok	main		old
main		read-bad		error	pending		old
main		read-fail_pending	ok	main		old
main		write			ok	main		new
main		write-bad		ok	owned		new
main		zero			ok	main		zero
main		zero-bad		ok	owned		zero
main		discard			ok	main		-
main		remap			ok	owned		old
main		remap-bad		ok	pending		old
main		unremap			ok	main		old
main		unremap-bad		ok	main		old
main		retest			ok	main		old
main		retest-bad		ok	main		old
main		move			ok	main		old
pending		taken			ok	main		old
pending		read			ok	main		old
pending		read-bad		error	pending		old
pending		read-fail_pending	error	pending		old
pending		write			ok	owned		new
pending		write-bad		ok	owned		new
pending		zero			ok	owned		zero
pending		zero-bad		ok	owned		zero
pending		discard			ok	pending		-
pending		remap			ok	owned		old
pending		remap-bad		ok	pending		old
pending		unremap			error	pending		old
pending		unremap-bad		error	pending		old
pending		retest			ok	main		old
pending		retest-bad		ok	pending		old
pending		move			ok	pending		old
owned		read			ok	owned		kept
owned		read-bad		error	owned-pending	kept
owned		read-fail_pending	ok	owned		kept
owned		write			ok	owned		new
owned		write-bad		ok	owned		new
owned		zero			ok	owned		zero
owned		zero-bad		ok	owned		zero
owned		discard			ok	owned		-
owned		remap			ok	owned		kept
owned		remap-bad		ok	owned		kept
owned		unremap			ok	main		kept
owned		unremap-bad		error	owned		kept
owned		retest			ok	owned		kept
owned		retest-bad		ok	owned		kept
owned		move			ok	owned		kept
owned		move-bad		ok	lost		error
owned-pending	read			ok	owned		kept
owned-pending	read-bad		error	owned-pending	kept
owned-pending	read-fail_pending	ok	owned		kept
owned-pending	write			ok	owned		new
owned-pending	write-bad		ok	owned		new
owned-pending	zero			ok	owned		zero
owned-pending	zero-bad		ok	owned		zero
owned-pending	discard			ok	owned-pending	kept
owned-pending	remap			ok	owned-pending	kept
owned-pending	remap-bad		ok	owned-pending	kept
owned-pending	unremap			error	owned-pending	kept
owned-pending	unremap-bad		error	owned-pending	kept
owned-pending	retest			ok	owned		kept
owned-pending	retest-bad		ok	owned-pending	kept
owned-pending	move			ok	owned		kept
owned-pending	move-bad		ok	lost		error
lost		read			error	lost		error
lost		read-bad		error	lost		error
lost		read-fail_pending	error	lost		error
lost		write			ok	owned		new
lost		write-bad		ok	owned		new
lost		zero			ok	owned		zero
lost		zero-bad		ok	owned		zero
lost		discard			ok	lost		error
lost		remap			ok	lost		error
lost		remap-bad		ok	lost		error
lost		unremap			error	lost		error
lost		unremap-bad		error	lost		error
lost		retest			ok	lost		error
lost		retest-bad		ok	lost		error
lost		move			ok	lost		error
lost		move-bad		ok	lost		error
"
expected=() # SECTOR STATE, of every row, for the end
while read -r from event result to gives; do
	[ "$from" ] || continue
	row="$from, $event"
	rest=$((sector + half))
	"from_$from" >/dev/null || not_ok "$row: the setup fails"
	all_well
	states_at $sector
	is "$row: is $from at first" "$state" "$from"
	other=$beside
	get_sectors $r $rest $half >/tmp/beside
	case $event in move*) other=owned; pattern other $rest $half >/tmp/beside ;; esac # that alone
	"ev_$event" >/dev/null 2>&1 && got=ok || got=error
	settle
	is "$row: $result" $got "$result"
	states_at $sector
	is "$row: becomes $to" "$state" "$to"
	all_well
	[ "$gives" = - ] || is "$row: and holds $gives" "$(content "$gives")" "$gives"
	case $to in *pending) settle ;; esac # the read has healed it
	states_at $sector
	is "$row: what is beside is as it should be" "$beside $(cmp /tmp/beside <(get_sectors $r $rest $half) 2>&1)" "$other "
	expected+=("$sector $state")
	sector=$((sector + 32))
done <<<"$table"

## Afterwards

list=$(message r list)
units=$(awk '{ print int($1 / 8) }' <<<"$list" | sort -u | wc -l)
is "there is a slot for each unit that is listed, and for no other" "$(used_slots r)" "$units"
tables() { tail -c +65 "$store_file" | tail -c +$(($1 * 512 + 1)) | head -c 4032; } # SECTOR: the entries of the table block there
check "both copies of the table say the same" cmp <(tables "$A") <(tables "$B")
check "C13: the device is created again" io_again
is "C13: with the same map" "$(message r list)" "$list"
same=0
for one in "${expected[@]}"; do
	states_at "${one%% *}"
	[ "$state" != "${one#* }" ] || same=$((same + 1))
done
is "C13: all sectors are what they were" $same ${#expected[@]}
done_testing

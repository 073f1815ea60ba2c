# SPDX-License-Identifier: GPL-2.0-or-later
# C19: each allocation of recovery and of the messages fails in turn; nothing that was acknowledged is lost.
# suite: long
# timeout: 900
. /vm/alloc.sh
alloc_begin
# A longer spare, whose figures need more memory than before.
mk_disk short 4M
mk_disk long 254M
grow_before() {
	[ ! -e $r ] || dmsetup remove r || return 1
	truncate -s 0 "$(disk_file long)" && grow_disk long 254M && blockdev --flushbufs "$long" || return 1
	remap_create r "$short" "$long" && grow_disk long 1200M
}
grow_try() { message r grow; }
grow_after() {
	if [ "$1" != 0 ]; then
		[ "$(all_slots r)" = $((250 * 252)) ] || echo "it has $(all_slots r) slots"
		grow_try >/dev/null || echo "nor does it work the next time"
	fi
	[ "$(all_slots r)" = $((1196 * 252)) ] || echo "then it has $(all_slots r) slots"
	[ "$(state_of r)" = active ] || echo "the state is $(state_of r)"
}
alloc_each "C19: grow succeeds or changes nothing" grow
alloc_for_good "C19: grow succeeds or changes nothing, if memory stays away" grow

dmsetup remove r

io_disks 32M 12M
io_noise
io_pair
io_model

# A unit of its own each time, in a group of its own as long as there are any.
turn=0
next_unit() { # sets $at
	turn=$((turn + 1))
	at=$((64 + turn % 60 * 1024 + turn / 60 * 8))
}
reads_as_model() { # the unit at $at
	cmp <(get_sectors $r "$at" 8) <(dd if=$model bs=4096 count=1 skip=$((at * 512)) iflag=skip_bytes \
		status=none)
}
entry_of() { message r list "$at" | awk -v a="$at" 'NR == 1 && $1 == a'; }

# A write error is relocated whatever fails: pools and reserves are for that.
write_before() { next_unit; }
write_try() { io_map "$at 8"; }
write_after() {
	[ "$1" = 0 ] || echo "the write failed"
	reads_as_model || echo "it reads otherwise"
	[[ $(entry_of) =~ ^$at\ 8\ owned ]] || echo "the map says: $(entry_of)"
}
alloc_each "C19: a failed write is relocated, whichever allocation fails" write
alloc_for_good "C19: a failed write is relocated, even if memory stays away" write

read_before() { next_unit; message m bad "$at" 8 read; was=$(pending_sectors r); }
read_try() {
	! get_sectors $r "$at" 8 >/dev/null 2>&1 && until_is 20 $((was + 8)) pending_sectors r
}
read_after() {
	[ "$1" = 0 ] || echo "pending: $was, then $(pending_sectors r)"
	message m good "$at" 8
	reads_as_model || echo "it reads otherwise"
	until_is 20 "$was" pending_sectors r || echo "it stays pending"
}
alloc_each "C19: an unreadable sector becomes pending, whichever allocation fails" read

move_before() {
	next_unit
	message r remap "$at" 8 >/dev/null && slot=$(entry_of | cut -d ' ' -f 4) || return 1
	message s bad "$slot" 8 write
}
move_try() { io_write "$at" 4 $((turn * 8)); }
move_after() {
	[ "$1" = 0 ] || echo "the write failed"
	message s good "$slot" 8
	reads_as_model || echo "it reads otherwise"
	[[ $(entry_of) =~ ^$at\ 8\ owned && $(entry_of) != *" $slot" ]] || echo "the map says: $(entry_of)"
}
alloc_each "C19: a unit moves from a slot that fails, whichever allocation fails" move

message_after() { # STATUS WANTED-ENTRY VERB: what is refused changes nothing, and works the next time
	reads_as_model || echo "it reads otherwise"
	if [ "$1" != 0 ]; then
		[ "$(entry_of)" = "$before" ] || echo "the map says: $(entry_of), said: $before"
		message r "$3" "$at" 8 >/dev/null || echo "nor does it work the next time"
	fi
	[[ $(entry_of) =~ $2 ]] || echo "the map says: $(entry_of)"
	[ "$(state_of r)" = active ] || echo "the state is $(state_of r)"
}
remap_before() { next_unit; before=$(entry_of); }
remap_try() { message r remap "$at" 8; }
remap_after() { message_after "$1" "^$at 8 owned" remap; }
alloc_each "C19: remap succeeds or changes nothing" remap
alloc_for_good "C19: remap succeeds or changes nothing, if memory stays away" remap

unremap_before() { next_unit; message r remap "$at" 8 >/dev/null; before=$(entry_of); }
unremap_try() { message r unremap "$at" 8; }
unremap_after() { message_after "$1" '^$' unremap; }
alloc_each "C19: unremap succeeds or changes nothing" unremap

retest_before() {
	next_unit
	message m bad "$at" 8 read
	get_sectors $r "$at" 8 >/dev/null 2>&1
	until_is 20 8 pending_sectors r && message m good "$at" 8 && before=$(entry_of)
}
retest_try() { message r retest "$at" 8; }
retest_after() { message_after "$1" '^$' retest; }
alloc_each "C19: retest succeeds or changes nothing" retest

check "nothing else has changed" same_as_model

# Nothing can be allocated at all. The reserve is 128 groups of units: so many failed writes are
# relocated, each by a commit of its own, what comes then gets its error, and nothing that was acknowledged is lost.
io_renew
io_model
message m bad_every 256 0 256 8 write
alloc_none
relocated=0 refused=0
for ((at = 256; at < 65536; at += 256)); do
	if io_write "$at" 8 $((at % 4096)) 2>/dev/null; then relocated=$((relocated + 1)); else refused=$((refused + 1)); fi
	dd if=$model of=$r bs=512 count=1 oflag=direct conv=notrunc status=none
done
diag "without memory: $relocated units relocated, $refused refused, $(status_of r)"
num "C19: without memory as many failed writes are relocated as there are groups in reserve" $relocated -ge 128
num "C11: others get their error" $refused -gt 0
is "C11: and the state is full" "$(state_of r)" full
is "C19: nothing is lost" "$(same_as_model && echo same)" same
check_fails "C19: a reload is refused" dmsetup reload r --table "$(remap_table $m $s)"
check_fails "C19: so is a message that needs memory" message r remap 128 8
others() {
	message r help && message r list && message r stats && message r health && message r stats_clear &&
		message r resume_auto && message r grow && dmsetup status r && dmsetup table r
}
check "C19: the other messages need none" others
alloc_again
dmsetup clear r
message m good 0 0
is_active() { [ "$(state_of r)" = active ]; }
check "C19: with memory again the reserves are filled, and nobody has to ask" until_true 20 is_active
check "C19: the next failed write is relocated" write_try "$((at = 136))"
check "C19: the state is active" is_active
io_again
check "C13: after the next activation all of it is there" same_as_model

say "$alloc_failed allocations failed in all"
dmsetup remove r
done_testing

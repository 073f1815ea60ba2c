# SPDX-License-Identifier: GPL-2.0-or-later
# The messages, as scripts use them: help, list over many replies, stats, stats_clear, resume_auto; what
# is wrong is refused with EINVAL and a line in the log.
# timeout: 600
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
len=32768
io_disks $((len * 512)) 16M
io_pair
is "list of an empty map is empty" "$(message r list)" ""

## Thousands of scattered units

message m bad_every 0 0 16 8 write
check "C3: every other unit of main moves" dd if=/dev/zero of=$r bs=1M oflag=direct conv=notrunc status=none count=16
is "2048 units" "$(used_slots r) $(owned_sectors r)" "2048 16384"
from=0 replies=0 longest=0
: >/tmp/all
while :; do
	out=$(message r list "$from") || { not_ok "list $from"; break; }
	replies=$((replies + 1))
	[ ${#out} -le $longest ] || longest=${#out}
	grep -v '^next' <<<"$out" >>/tmp/all
	next=$(sed -n 's/^next //p' <<<"$out")
	[ "$next" ] || break
	[ "$next" -gt "$from" ] || { not_ok "list goes on" "next $next after $from"; break; }
	from=$next
done
num "a long list comes in several replies" "$replies" -ge 2
num "each with room left in the buffer of 16 KiB that dmsetup begins with" "$longest" -lt 16300
check "together they name each unit once, in order, with its place on the spare" cmp /tmp/all <(awk 'BEGIN {
	for (i = 0; i < 2048; i++) print i * 16, 8, "owned", 8192 + int(i / 252) * 2048 + (2 + i % 252) * 8 }')
is "list can begin within a run" "$(message r list 20 | head -n 1)" "20 4 owned $(($(slot_sector 1) + 4))"
is "or between runs" "$(message r list 24 | head -n 1)" "32 8 owned $(slot_sector 2)"
is "or at the last one" "$(message r list $((len - 16)))" "$((len - 16)) 8 owned $(slot_sector 2047)"
is "behind the last there is nothing" "$(message r list $((len - 8)))" ""

## Counters

# With no_auto a failed read is told and counted, and nothing follows from it.
check "no_auto live" dm_reload r "$(remap_table $m $s no_auto)"
message r stats_clear >/dev/null
check "a read that the spare serves" reads 0 8
check "a write that the spare serves" eval 'writes a 0 8 && writes a 16 8'
is "are counted" "$(status_key r remapped_reads) $(status_key r remapped_writes)" "1 2"
is "errors are not, for there were none" "$(status_key r read_errors) $(status_key r write_errors) $(
	status_key r spare_errors) $(status_key r metadata_errors)" "0 0 0 0"
message s bad "$(slot_sector 0)" 8 read again
is "a read that would have to wait at the spare" "$(error_of reads 0 8)" EAGAIN
is "is not its error" "$(status_key r spare_errors)" 0
message s bad "$(slot_sector 0)" 8 read
check_fails "a read that the spare fails" reads 0 8
message s good 0 0
message m bad 8 8 read
check_fails "a read that main fails" reads 8 8
num "are counted, too" "$(status_key r spare_errors)" -ge 1
num "each as its own" "$(status_key r read_errors)" -ge 1
message m good 0 0
stats=$(message r stats)
for key in read_errors write_errors remapped_reads remapped_writes spare_errors metadata_errors hash_buckets hash_entries; do
	like "stats and status agree on $key" "$(tr '\n' ' ' <<<"$stats ")" "${key}[ =:]+$(status_key r $key) "
done
check "stats_clear answers" test "$(message r stats_clear)"
is "and clears the counters" "$(for key in read_errors write_errors remapped_reads remapped_writes spare_errors metadata_errors; do
	status_key r $key; done | sort -u)" 0
is "not the map" "$(used_slots r) $(owned_sectors r)" "2048 16384"
num "nor what tells of its size" "$(status_key r hash_entries)" -ge 1

check "and back" dm_reload r "$(remap_table $m $s)"

## help

help=$(message r help)
for word in help remap unremap list stats stats_clear health retest grow resume_auto; do
	check "help names $word" grep -qw -- "$word" <<<"$help"
done

## resume_auto

like "resume_auto says that there was nothing to do" "$(message r resume_auto)" "not tripped"
message m offline
events=$(event_of r)
check_fails "C10: a write to a disk that is gone fails" writes x 8 8
is "C10: the breaker has tripped" "$(state_of r) $(used_slots r)" "tripped 2048"
check "C10: which is an event" wait_event 60 r "$events"
message m online
events=$(event_of r)
like "resume_auto ends that" "$(message r resume_auto)" "relocating"
is "the state is active" "$(state_of r)" active
check "and an event is raised" wait_event 60 r "$events"
message m bad 8 8 write
check "C10: units move again" writes y 8 8
is "C10: to the spare" "$(used_slots r)" 2049

## What is refused

for wrong in "bogus" "helpme" "help me" "list x" "list +1" "list 0 0" "list 99999999999999999999" "stats 1" \
	"stats_clear now" "grow 5" "resume_auto please" "remap" "remap x" "remap $len" "remap 0 0" "remap 0 $((len + 1))" \
	"remap 0 1 2" "unremap" "unremap $len" "retest" "health x"; do
	log_mark
	# shellcheck disable=SC2086 # words
	like "'$wrong' is refused as invalid" "$(LC_ALL=C message r $wrong 2>&1 || true)" "Invalid argument"
	check "'$wrong' leaves a line in the log that names the device" log_has "$log_mark" 'remap: (r|[0-9:]+): .*refused: .+'
done
is "and nothing has changed" "$(used_slots r)" 2049
was=$(cat /sys/module/dm_remap/parameters/patience)
for wrong in 0 3601 ten -1 99999999999; do
	log_mark
	check_fails "patience $wrong is refused" eval 'patience "$wrong" 2>/dev/null'
	check "with a line in the log" log_has "$log_mark" "remap: patience \"$wrong\" is no number of seconds from 1 to 3600"
done
is "and stays what it was" "$(cat /sys/module/dm_remap/parameters/patience)" "$was"
done_testing

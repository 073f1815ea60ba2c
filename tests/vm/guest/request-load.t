# SPDX-License-Identifier: GPL-2.0-or-later
# C18, C22: thousands of sectors are remapped, moved back and tested again, in runs and all over, under fio, which checks what it
# reads; then with suspends and reloads in between.
# suite: long
# timeout: 400
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 40M 16M
io_pair
table=$(dmsetup table r)
dev="/dev/dm-$(dmsetup info -c --noheadings -o minor r | tr -d ' ')"
half=32768 end=65536	# of what fio uses
all=81920
# Each job on its own half of that; none has two requests under way that overlap.
fio_on() { # OPTION...
	fio --filename="$dev" --direct=1 --ioengine=libaio --iodepth=8 --serialize_overlap=1 --bsrange=4k-64k \
		--verify=crc32c --verify_fatal=1 --rw=randwrite --fsync=128 --minimal "$@" \
		--name=a --size=16M --name=b --size=16M --offset=16M --bsrange=512-32k --blockalign=512
}
alive() { kill -0 "$pid" 2>/dev/null; }

## Messages

fio_on --loops=50 >/tmp/fio.out 2>&1 & pid=$!
message m wait writes 50
rounds=0 moved=0 back=0 readable=0 failed='' most=0
while [ $rounds -lt 3 ]; do
	read -r sum n < <(drive remap $((half - 4000)) $((half + 4000))) || failed+=" remap"
	moved=$((moved + sum))
	[ "$n" -le $most ] || most=$n
	for ((at = rounds * 8 + 3; at < end; at += 2048)); do
		message r remap $at 20 >/dev/null || failed+=" $at"
	done
	owned=$(owned_sectors r)
	# Behind what fio uses, for it would see the errors.
	message m bad $end 8192 read
	drive remap $end $((end + 8192)) >/dev/null || failed+=" remap of unreadable ones"
	[ "$(pending_sectors r)" = 8192 ] || failed+=" $(pending_sectors r) pending"
	message m good 0 0
	read -r sum n < <(drive retest 0 $all) || failed+=" retest"
	readable=$((readable + sum))
	read -r sum n < <(drive unremap 0 $end) || failed+=" unremap"
	back=$((back + sum))
	[ "$sum" = "$owned" ] || failed+=" $sum of $owned came back"
	rounds=$((rounds + 1))
done
check "C18: fio was at it all the time" alive
is "C18: all went well in $rounds rounds, of up to $most messages for a run" "$failed" ""
num "C18: thousands of sectors moved" $moved -ge 24000
num "C22: and came back" $back -gt $moved
is "C18: thousands became pending, and were found readable again" "$readable $(pending_sectors r)" "$((rounds * 8192)) 0"

## Suspends and reloads in between

messages() { # until told to stop; prints every answer that is neither success nor "suspended"
	local at=0 error
	until [ -e /tmp/stop ]; do
		for verb in "remap $at 3000" "retest 0 $end" "unremap $at 2000" "list" "health"; do
			# shellcheck disable=SC2086 # words
			error=$(LC_ALL=C message r $verb 2>&1 >/dev/null) || [[ $error = *"resource busy"* ]] || echo "$verb: $error"
		done
		at=$(((at + 2345) % 60000))
	done
}
messages >/tmp/messages.out & talker=$!
failed=''
for ((i = 0; i < 12; i++)); do
	case $((i % 3)) in
	0) dmsetup suspend r && dmsetup resume r ;;
	1) dm_reload r "$table" ;;
	2) dmsetup suspend --noflush r && dmsetup resume r ;;
	esac || failed+=" $i"
done
: >/tmp/stop
check "C15: messages among suspends and reloads end" timeout 60 tail --pid=$talker -f /dev/null
is "C15: none fails but where the device is suspended" "$(cat /tmp/messages.out)" ""
is "C15: and neither do suspends and reloads" "$failed" ""
check "C18: fio was at it all the time" alive
kill -INT $pid
wait $pid
is "C18: fio has seen no error and no wrong byte" "$(grep -cE 'error=|verify:' /tmp/fio.out)" 0 ||
	diag "$(tail -n 5 /tmp/fio.out)"
num "C18: sectors are mapped" "$(owned_sectors r)" -gt 0
# What it left half written is no use to the last look: once more, whole, with sectors moving meanwhile.
fio_on >/tmp/fio.out 2>&1 & pid=$!
while alive; do
	drive remap 0 4000 >/dev/null
	drive unremap 1000 3000 >/dev/null
done
wait $pid
is "C18: fio ends well" "$?" 0 || diag "$(tail -n 5 /tmp/fio.out)"
list=$(message r list)
check "C13: the device is created again" io_again
is "C13: with the same map" "$(message r list)" "$list"
check "C13: and fio's data" fio_on --verify_only
is "C8: nothing was in error" "$(state_of r) $(status_key r spare_errors) $(status_key r write_errors) $(status_key r read_errors)" "active 0 0 0"
done_testing

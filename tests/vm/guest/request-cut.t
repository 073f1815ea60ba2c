# SPDX-License-Identifier: GPL-2.0-or-later
# C13, C22: the power fails during remap and unremap, at each write and flush of either device: neither changes what a sector holds.
# suite: long
# timeout: 400
. /vm/move-lib.sh
io_disks 16M 8M cache power p
# Units 125 to 127 hold "a", all of it durable; owned for unremap, main's for remap.
given() { # VERB
	sync_disks
	put_pattern "$lower" old 960 256
	io_renew
	if [ "$1" = unremap ]; then
		message r remap 1000 24 >/dev/null || bail "no remap"
	else
		message r remap 2000 8 >/dev/null || bail "no remap"
	fi
	writes a 1000 24 && flush || bail "no content"
	io_clear
}
for case in 'remap s write 1' 'remap s write 2' 'remap s flush 1' 'remap s write 4' 'remap s write 5' 'remap - - 0' \
	'unremap m write 1' 'unremap m write 3' 'unremap m flush 1' 'unremap s write 1' 'unremap s write 2' 'unremap - - 0'; do
	read -r verb disk what n <<<"$case"
	for mode in none random; do
		[ "$n" != 0 ] || [ $mode = none ] || continue
		name="$verb, the power fails at $what $n of $disk, $mode of the cache survives"
		given "$verb"
		for d in m s; do
			if [ $mode = none ]; then message $d cut_mode none; else message $d cut_mode random "$n"; fi
		done
		if [ "$n" = 0 ]; then
			name="$verb, the power fails after it"
			check "C13: $name: it succeeds" message r "$verb" 1000 24
			message m cut
		else
			message "$disk" fail_after "$what" "$n" ioerr 'then' cut
			check_fails "C13: $name: it fails" message r "$verb" 1000 24
		fi
		table=$(dmsetup table r)
		dmsetup remove r
		message m restore
		for d in m s; do message $d fail_never; done
		check "C13: $name: the pair loads" dm_create r "$table"
		check "C13: $name: what was there is there" holds a 1000 24
		check "C13: $name: beside it, too" eval 'holds old 960 40 && holds old 1024 64'
		list=$(message r list)
		[ $mode = none ] || continue
		loads_twice "C13: $name"
		is "C13: $name: with the map that it found" "$(message r list)" "$list"
	done
done
done_testing

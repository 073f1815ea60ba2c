# SPDX-License-Identifier: GPL-2.0-or-later
# C13: whenever the power fails, what was acknowledged and flushed is there, and no sector holds what nobody wrote.
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
r=/dev/mapper/r
mk_null lower 16M
mk_null under 8M
len=$(sectors "$lower")
spare_len=$(sectors "$under")
# Both lose what was not flushed, at the same moment. One unit in 32 is bad.
f_table="0 $len remap-faulty $lower 0 9 cache power p bad_every 0 $len 256 8 write"
s_table="0 $spare_len remap-faulty $under 0 3 cache power p"
dm_create f "$f_table" || bail "no remap-faulty"
dm_create s "$s_table"
main=/dev/mapper/f spare=/dev/mapper/s
put_pattern "$lower" old 0 $len 1024
remap_create r $main $spare
table=$(dmsetup table r)
flush() { dd if=/dev/null of=$r count=0 conv=fsync,notrunc status=none; }
reload_after_cut() { # the power comes back, and the pair is loaded anew
	dmsetup remove r
	message f restore
	dm_create r "$table"
}

## What was flushed is there

check "C13: a stretch with bad units is written" put_pattern $r one 0 2048 512
check "C13: and flushed" flush
map=$(message r list)
is "C13: eight units are relocated" "$(used_slots r)/$(owned_sectors r)" 8/64
message f cut
check_fails "C13: with the power off nothing goes" get_sectors $r 0 8
check "C13: the pair loads after the cut" reload_after_cut
is "C13: with the same map" "$(message r list)" "$map"
check "C13: with what was flushed" holds_pattern $r one 0 2048

# A relocated write that was acknowledged is durable by itself: C3 says so before it ends.
check "C13: more bad units are written and not flushed" put_pattern $r two 2048 2048 512
map=$(message r list)
message f cut
check "C13: the pair loads" reload_after_cut
is "C13: what was mapped stays mapped" "$(message r list)" "$map"
for at in 2048 2304 3840; do check "C3: what was relocated at $at is durable without a flush" holds_pattern $r two $at 8; done

check "C13: FUA writes into relocated units" eval 'for at in 0 256; do
	pattern fua $at 8 | dd of=$r bs=4096 seek=$((at / 8)) oflag=direct,dsync conv=notrunc status=none || exit 1; done'
message f cut
check "C13: the pair loads again" reload_after_cut
check "C13: FUA data is there" eval 'holds_pattern $r fua 0 8 && holds_pattern $r fua 256 8'

## Cuts in the middle of it

# Writes go up, one after the other, each flushed, until the power fails at some write or other of either
# device; then each sector has the last content that was flushed, or the one being written.
run_until_cut() { # prints how many rounds were flushed
	local n=0 at
	while [ $n -lt 24 ]; do
		at=$(((n % 12) * 256))
		put_pattern $r "r$1-$n" $at 24 2>/dev/null || break
		flush 2>/dev/null || break
		n=$((n + 1))
	done
	echo $n
}
# Each sector holds what was flushed last, or what was being written when the power failed.
wrong_sectors() { # SEED ROUNDS
	get_sectors $r 0 3072 | tr '\0' '?' | awk -v seed="$1" -v rounds="$2" '{
		sector = NR - 1; n = int(sector / 256); want = "base"; other = ""
		if (sector % 256 < 24) {
			last = rounds - 1 - (rounds - 1 - n + 12) % 12
			if (last >= 0) want = "r" seed "-" last
			if (rounds % 12 == n) other = "r" seed "-" rounds
		}
		if ($2 != sector || ($1 != want && $1 != other)) print "sector " sector ": " $1 " " $2 ", not " want " " other
	} END { if (NR != 3072) print NR " sectors read" }'
}
seed=0
for spec in "s write 3" "s write 9" "s write 14" "s flush 2" "f write 6" "f flush 3" "s fua 5" "s fua 10"; do
	seed=$((seed + 1))
	# A fresh pair each time, so that each cut meets relocations.
	dmsetup remove r
	message f restore
	message f sync
	message s sync
	dd if=/dev/zero of="$under" bs=1M count=8 oflag=direct status=none
	put_pattern "$lower" base 0 3072 1024
	remap_create r $main $spare || bail "no pair"
	table=$(dmsetup table r)
	# shellcheck disable=SC2086 # words
	set -- $spec
	message f cut_mode random $seed
	message s cut_mode random $seed
	message "$1" fail_after "$2" "$3" ioerr 'then' cut
	rounds=$(run_until_cut $seed)
	num "C13: '$spec': the power fails in the middle" "$rounds" -lt 24
	check "C13: '$spec' after $rounds rounds: the pair loads" reload_after_cut
	is "C13: '$spec': every sector holds what was flushed last, or what was being written" \
		"$(wrong_sectors $seed "$rounds" | head -n 3)" ""
	check "C13: '$spec': and the pair works" eval 'put_pattern $r after 0 3072 512 && holds_pattern $r after 0 3072'
done
done_testing

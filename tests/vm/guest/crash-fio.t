# SPDX-License-Identifier: GPL-2.0-or-later
# C13, with fio: it writes raw blocks and syncs after each, sectors die, the power fails. What was synced is there, and no block holds anything
# that was not written to it. (fio fills each block with its own offset.)
# suite: crash
# timeout: 2400
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/crash-lib.sh
. /vm/io.sh
points=40
blocks=512	# of 4 KiB
mk_null lower 16M
mk_null under 8M
power_fails() { # NUMBER: at the which write, flush or FUA, of which disk
	local at=$((1 + RANDOM % 150)) what=write disk=m
	[ $((RANDOM % 3)) != 0 ] || what=flush
	if [ $((RANDOM % 2)) = 0 ]; then
		disk=s at=$((1 + RANDOM % 40))
		[ $((RANDOM % 3)) != 0 ] || what=fua
	fi
	message m cut_mode random "$1" && message s cut_mode random "$1" && message $disk fail_after $what $at then cut
}
fio_runs() {
	fio --name=sync --filename=$r --direct=1 --rw=randwrite --bs=4k --size=$((blocks * 4096)) --fsync=1 --ioengine=psync --randseed="$1" \
		--verify=pattern --verify_pattern=%o --do_verify=0 --write_lat_log=/tmp/fio --log_offset=1 >/tmp/fio.out 2>&1
}
# Offsets of the writes after which a sync has succeeded: fio ends at the first error, so all but the last.
synced() { awk -F ', *' '$3 == 1 { if (last != "") print last; last = $5 }' /tmp/fio_lat.1.log; }
verdicts() { # of each block: its offset, and old, new or the first wrong word
	dd if=$r bs=1M count=$((blocks / 256)) iflag=direct status=none | od -v -An -tu8 -w4096 | awk '{
		at = (NR - 1) * 4096; old = new = 1
		for (i = 1; i <= 512; i++) { if ($i != 0) old = 0; if ($i != at) { new = 0; if (!old) wrong = $i } }
		print at, new ? "new" : old ? "old" : "wrong " wrong }'
}
lost=0 wrong=0 cut=0 acknowledged=0 relocated=0
for ((point = 1; point <= points; point++)); do
	RANDOM=$((${crash_seed:-1} * 1000 + point))
	seed=$RANDOM
	blkdiscard -z "$lower" && blkdiscard -z "$under" || bail "the disks cannot be zeroed"
	io_faulty m "$lower" cache power p
	io_faulty s "$under" cache power p
	io_pair
	message m bad_random 0 $((blocks * 8)) 12 8 $seed write || bail "no bad sectors"
	power_fails $seed || bail "the power does not fail"
	fio_runs $seed
	[ "$(state_of m)" != off ] || cut=$((cut + 1))
	dmsetup remove r
	message m restore
	io_pair || bail "point $point: the pair is not loaded again"
	relocated=$((relocated + $(used_slots r)))
	verdicts >/tmp/verdicts
	synced >/tmp/synced
	n=$(grep -c '' /tmp/synced)
	here=$(awk 'NR == FNR { want[$1] = 1; next } $1 in want && $2 != "new" { n++ } END { print n + 0 }' /tmp/synced /tmp/verdicts)
	# What does not read is lost, too.
	bad=$((blocks - $(grep -vc wrong /tmp/verdicts)))
	[ "$here$bad" = 00 ] || diag "point $point, seed $seed: $here of $n synced blocks are not there, $bad hold something else"
	lost=$((lost + here)) wrong=$((wrong + bad)) acknowledged=$((acknowledged + n))
	for disk in r m s; do dmsetup remove $disk; done
done
diag "fio: $cut crash points in all, $acknowledged synced blocks"
num "C13: the power did fail" $cut -gt $((points * 2 / 3))
num "C13: fio had synced something" $acknowledged -gt $((points * 10))
num "C13: some of it was relocated" $relocated -gt $points
is "C13: nothing that fio had synced is lost" $lost 0
is "C13: no block holds what was not written to it" $wrong 0
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C13: fio with verification over a disk whose sectors keep dying, thousands of them, while it is
# rewritten: no wrong byte, and no error on any write until the pool is full.
# kernels: one
# timeout: 500
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 64M 32M
io_pair
writing() { # RW BS DEPTH SEED
	fio --name=w --filename=$r --direct=1 --rw="$1" --bs="$2" --ioengine=io_uring --iodepth="$3" --randseed="$4" \
		--size=64M --verify=crc32c --verify_fatal=1 --do_verify=1 --output=/tmp/fio.out 2>&1 || { cat /tmp/fio.out; return 1; }
}
# Every 32 KiB one more bad unit, each round at another place.
kill_round() { # ROUND
	message m bad_every $(($1 * 8)) 0 64 8 write
}
kill_round 0
check "C3: random 4 KiB writes over 2048 sectors of bad units verify" writing randwrite 4k 32 1
num "C3: they were relocated" "$(used_slots r)" -ge 2000
is "C3: nothing failed" "$(state_of r)" active
kill_round 2
check "C3: mixed sizes over twice as many verify" writing randwrite 4k-64k 16 2
kill_round 5
(
	for i in $(seq 0 40); do
		message m bad $((i * 3200 + 48)) 8 write
		sleep 0.1
	done
) &
check "C3: sequential 1 MiB writes while more die verify" writing write 1m 4 3
wait
slots=$(used_slots r)
num "C3: thousands of units are relocated" "$slots" -ge 6000
is "C3: no write was refused" "$(state_of r)" active
io_model
check "C13: the device is created again" io_again
is "C13: with the same slots" "$(used_slots r)" "$slots"
check "C13: and the same bytes" same_as_model

## Until the pool is full

message m bad_every 24 0 64 8 write bad_every 32 0 64 8 write bad_every 48 0 64 8 write bad_every 56 0 64 8 write
fio --name=full --filename=$r --direct=1 --rw=write --bs=64k --ioengine=io_uring --iodepth=4 --size=64M \
	--continue_on_error=write --output=/tmp/fio.out >/dev/null 2>&1
is "C11: a full pool says so" "$(state_of r)" full
is "C11: every slot is used" "$(used_slots r)" "$(all_slots r)"
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C10, C18: I/O whose submitter asks the disks whether it is done: what fails moves, what is cut or waits for
# the worker is found, and no byte is wrong.
# timeout: 240
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
polled() { # RW BS DEPTH [OPTION...]
	timeout 60 fio --name=p --filename=$r --direct=1 --rw="$1" --bs="$2" --ioengine=io_uring --hipri --iodepth="$3" --size=8M \
		"${@:4}" >/tmp/fio.out 2>&1 || { head -n 5 /tmp/fio.out; return 1; }
}
verified() { polled "$@" --verify=crc32c --verify_fatal=1 --do_verify=1; }

# On disks that are not polled it is plain I/O that may not wait, or refused.
not_polled() { polled "$@" || grep -q 'Operation not supported' /tmp/fio.out; }

io_disks 32M 16M
io_pair
message m bad_every 0 16384 64 8 write
check "C3: a plain write relocates" writes x 0 4096
check "C18: what is cut ends where disks are not polled" not_polled write 64k 4
check "C18: read, too" not_polled read 64k 4
message m bad 8 8 read
check_fails "C4: sectors become pending" reads 0 64
message m good 8 8
check "C18: what is written where sectors are pending ends, too" not_polled write 4k 4 --size=64k
dmsetup remove r
dmsetup remove m
dmsetup remove s

## Disks that are polled

modprobe null_blk nr_devices=0
mkdir /sys/kernel/config/nullb/try
if [ ! -e /sys/kernel/config/nullb/try/poll_queues ]; then
	skip "C3: polled I/O" "null_blk of this kernel cannot be polled"
	done_testing
fi
rmdir /sys/kernel/config/nullb/try
mk_null main 32M poll_queues=1
mk_null spare 16M poll_queues=1
io_faulty m "$main"
io_faulty s "$spare"
io_pair
if [ "$(cat "/sys/block/dm-$(dmsetup info -c --noheadings -o minor r)/queue/io_poll")" = 0 ]; then
	skip "C3: polled I/O" "device-mapper of this kernel is not polled"
	done_testing
fi
check "C3: polled writes on a good disk verify" verified randwrite 4k 16
is "C3: nothing has moved" "$(used_slots r)" 0
message m bad_every 0 16384 64 8 write
check "C3: polled writes over bad units verify" verified randwrite 4k 16
is "C3: which were relocated" "$(used_slots r) $(state_of r)" "256 active"
message m bad_every 24 16384 64 8 write
check "C3: larger ones, over owners that change, too" verified write 64k 4
is "C3: which were relocated" "$(used_slots r) $(state_of r)" "512 active"
message s bad "$(slot_sector 3)" 8 write bad "$(slot_sector 40)" 8 write
check "C7: and where slots go bad" verified randwrite 4k 16 --size=1M
num "C7: units have moved on" "$(bad_slots r)" -ge 1

message m bad 4104 8 read
check_fails "C4: a polled read fails where the disk does" polled read 64k 1 --offset=2M --size=64k
is "C4: its sectors are pending" "$(settled_counts | cut -d ' ' -f 4)" 8
message m good 0 0
message m hold 2000 8 read times 1
message r remap 2000 8 >/tmp/remapped & remap=$!
check "C18: a remap is under way" message m wait waiting 1 60000
polled write 16k 1 --offset=$((1984 * 512)) --size=32k & pid=$!
check_fails "C18: a polled write of its sectors waits" eval 'timeout 2 tail --pid=$pid -f /dev/null'
message m release
wait $remap
is "C18: the remap ends" "$? $(cat /tmp/remapped)" "0 8 sectors remapped, 0 pending"
wait $pid
is "C18: and the write" $? 0
io_model
check "C13: created anew, it has all" eval 'io_again && same_as_model'

## No device-mapper between

dmsetup remove r
remap_create r "$main" "$spare" || bail "no pair"
echo +16000-16007 >/sys/kernel/config/nullb/main/badblocks
check "C3: a polled write that the disk itself fails" verified write 4k 1 --offset=$((15968 * 512)) --size=64k
is "C3: moves" "$(message r list 16000 | head -n 1 | cut -d ' ' -f 1-3)" "16000 8 owned"
done_testing

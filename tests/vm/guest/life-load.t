# SPDX-License-Identifier: GPL-2.0-or-later
# C15: suspend, resume, reload, rename and forced removal under I/O, while sectors die.
# timeout: 400
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
r=/dev/mapper/r
f=/dev/mapper/f
mk_disk lower 32M
mk_disk spare 8M
len=$(sectors "$lower")
dm_create f "0 $len remap-faulty $lower 0 1 cache"
remap_create r $f "$spare" || bail "no pair"
table=$(dmsetup table r)
# fio opens its file again to verify, when /dev/mapper may have another name for it.
fio_on() { # OPTION...: writes all of the device at random, now and then flushed, and reads it back
	fio --name=v --filename="/dev/dm-$(dmsetup info -c --noheadings -o minor r | tr -d ' ')" --direct=1 --ioengine=libaio --iodepth=8 --size=32M --bsrange=512-65536 \
		--bs_unaligned=0 --blockalign=512 --verify=crc32c --verify_fatal=1 --rw=randwrite --fsync=64 \
		--minimal "$@"
}

## Everything at once

# Sectors die in bunches all the time; a slow failure now and then makes recovery last.
fio_on >/tmp/fio.out 2>&1 &
pid=$!
message f wait writes 40
alive() { kill -0 $pid 2>/dev/null; }
rounds=0 failed=''
while alive && [ $rounds -lt 12 ]; do
	message f bad_random 0 0 12 8 $rounds write delay 20
	case $((rounds % 4)) in
	0) dmsetup suspend r && dmsetup resume r ;;
	1) dm_reload r "$table" ;;
	2) dmsetup suspend --noflush r && dmsetup resume r ;;
	3) dmsetup rename r q && dmsetup suspend q && dmsetup resume q && dmsetup rename q r ;;
	esac || failed+=" $rounds"
	rounds=$((rounds + 1))
done
is "C15: suspend, reload, noflush and rename go well under fio ($rounds rounds)" "$failed" ""
num "C15: enough of them" $rounds -ge 4
wait $pid
is "C15: fio saw no error and reads back what it wrote" "$? $(grep -ci 'error=\|verify:' /tmp/fio.out)" "0 0" ||
	diag "$(tail -n 5 /tmp/fio.out; status_of r; dmesg | grep 'device-mapper: remap' | tail -n 20)"
num "C3: meanwhile units were relocated" "$(used_slots r)" -gt 8
map=$(message r list)
state=$(status_of r | cut -d ' ' -f 1-5)
dmsetup remove r
check "C13: the pair loads again" dm_create r "$table"
is "C15: no remap is lost" "$(status_of r | cut -d ' ' -f 1-5)" "$state"
is "C15: none is another" "$(message r list)" "$map"
check "C15: and fio's data is there" fio_on --verify_only
dmsetup remove r
message f good 0 0

## A recovery that takes its time

dd if=/dev/zero of="$spare" bs=1M count=8 oflag=direct status=none
dmsetup remove f
dm_create f "0 $len remap-faulty $lower 0 4 bad 1000 8 write"
dm_create s "0 16384 remap-faulty $spare 0"
remap_create r $f /dev/mapper/s || bail "no pair"
table=$(dmsetup table r)
for how in suspend "suspend --noflush" reload; do
	message s hold 0 0 write times 1
	put_pattern $r "w$how" 1000 8 2>/tmp/write.err & writer=$!
	check "C15: $how: a relocation is under way" message s wait waiting 1
	if [ "$how" = reload ]; then
		dm_reload r "$table" & suspender=$!
	else
		# shellcheck disable=SC2086 # words
		dmsetup $how r & suspender=$!
	fi
	# It waits for the write; that takes as long as the spare does.
	check_fails "C15: $how waits for it" timeout 1 tail --pid=$suspender -f /dev/null
	message s release
	wait $suspender
	is "C15: $how comes to its end" "$?" 0
	wait $writer
	is "C15: $how: and so does the write" "$?" 0
	dmsetup resume r
	check "C15: $how: which is there" holds_pattern $r "w$how" 1000 8
	message f good 0 0
	message f bad $((1000 + 64 * ($(used_slots r) + 1))) 8 write bad 1000 8 write
	dmsetup remove r
	dd if=/dev/zero of=/dev/mapper/s bs=1M count=8 oflag=direct status=none
	remap_create r $f /dev/mapper/s
	table=$(dmsetup table r)
done
dmsetup remove r

## A file system on top, frozen by a suspend, with a failing write on its way

remap_create r $f /dev/mapper/s || bail "no pair"
message f good 0 0
mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 $r 16384
mount -t ext4 $r /mnt
dd if=<(pattern file 0 4000) of=/mnt/file bs=64k status=none
message f bad_every 0 0 64 8 write
check "C15: suspending freezes a file system whose writes fail below" timeout 60 dmsetup suspend r
check "C15: and resuming thaws it" dmsetup resume r
check "C15: no error reached it" sync -f /mnt
echo 3 >/proc/sys/vm/drop_caches
check "C15: its file is whole, as it lies on the disks" cmp <(pattern file 0 4000) /mnt/file
check "C15: and so is the file system" eval 'umount /mnt && e2fsck -fn $r >/dev/null 2>&1'
num "C3: units were relocated" "$(used_slots r)" -gt 0
dmsetup remove r
dmsetup remove s
message f good 0 0

## Removal by force

dd if=/dev/zero of="$spare" bs=1M count=8 oflag=direct status=none
remap_create r $f "$spare"
message f bad_every 0 0 512 8 write
message f stats_clear
fio_on --time_based --runtime=100 >/tmp/fio.out 2>&1 &
pid=$!
message f wait writes 60
check_fails "C15: a device in use is not removed" dmsetup remove r
# Its table becomes one of errors; whether it goes away then depends on how quickly fio gives up.
timeout 60 dmsetup remove --force r
num "C15: force comes to an end" "$?" -ne 124
check "C15: and so does fio" timeout 60 tail --pid=$pid -f /dev/null
wait $pid
num "C15: with an error" "$?" -ne 0
if dmsetup info r >/dev/null 2>&1; then
	is "C15: the target is gone" "$(dmsetup table r | cut -d ' ' -f 3)" error
	check "C15: and the device can be removed" dmsetup remove r
fi
check_fails "C15: nothing is left of it" dmsetup info r
check "C15: and its spare is free for the next" remap_create r $f "$spare"
num "C15: with its remaps" "$(used_slots r)" -gt 0
dmsetup remove r

## Swap

message f good 0 0
remap_create r $f "$spare"
message f bad_every 0 0 128 8 write
check "C19: swap on a pair" eval 'mkswap $r && swapon $r'
# A file in a tmpfs and too little memory for it: it goes to the swap. Who has more waits, and is not killed for it.
mkdir -p /tmp/cgroup /tmp/big
mount -t cgroup2 none /tmp/cgroup && mkdir /tmp/cgroup/small && echo +memory >/tmp/cgroup/cgroup.subtree_control &&
	echo 8M >/tmp/cgroup/small/memory.high || bail "no memory groups"
mount -t tmpfs -o size=24m big /tmp/big
pattern swap 0 40000 >/tmp/swapped
check "C19: memory goes there" eval '(echo $BASHPID >/tmp/cgroup/small/cgroup.procs
	exec dd if=/tmp/swapped of=/tmp/big/file bs=64k status=none)'
num "C19: really" "$(awk 'NR == 2 { print $4 }' /proc/swaps)" -gt 8000
num "C19: and some of it to the spare" "$(used_slots r)" -gt 20
check "C19: it comes back unharmed" eval '(echo $BASHPID >/tmp/cgroup/small/cgroup.procs
	exec cmp /tmp/swapped /tmp/big/file)'
umount /tmp/big
check "C19: swap is switched off" swapoff $r
rmdir /tmp/cgroup/small
umount /tmp/cgroup
done_testing

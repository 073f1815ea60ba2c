# SPDX-License-Identifier: GPL-2.0-or-later
# Main and spare are two partitions of one disk: sectors die in both, the power fails, and the disk goes and comes back.
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# programs: sync
# timeout: 200
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
document=/vm/STACKS.md
. /vm/doc.sh
r=/dev/mapper/safe
mk_disk lower 256M
io_faulty m "$lower" cache
# The kernel finds partitions on loop devices, not on those of device-mapper.
DISK=$(losetup -f -P --show --direct-io=on $m)
run_block partitions
ok "two partitions become a pair"
start() { cat "/sys/class/block/${1##*/}/start"; } # PARTITION
check_fails "the whole disk and a partition of it do not" remap_create other "$DISK" "$SPARE"
check_fails "nor twice the same spare" remap_create other "$m" "$SPARE"
mkfs.ext4 -q -F $r && mount -t ext4 $r /mnt || bail "no file system"
pattern file 0 8192 >/tmp/file
right() { # NUMBER...: how many of these are
	local i n=0
	echo 3 >/proc/sys/vm/drop_caches
	for i; do cmp -s /tmp/file "/mnt/$i" && n=$((n + 1)); done
	echo $n
}
log_mark
message m bad_every $(($(start "$MAIN") + 4096)) 0 256 8 write
message m good "$(start "$SPARE")" 0
for i in 1 2; do cp /tmp/file /mnt/$i && sync -f /mnt/$i || not_ok "file $i is written"; done
num "sectors of main die: they are on the other partition" "$(used_slots safe)" -gt 20
slot=$(message safe list | awk 'NR == 1 { print $4 }') unit=$(message safe list | awk 'NR == 1 { print $1 }')
message m bad $(($(start "$SPARE") + slot)) 8 write
check "a slot dies, too: what is written there moves" eval 'dd if=$r of=/tmp/unit bs=4k count=1 skip=$((unit / 8)) iflag=direct status=none &&
	dd if=/tmp/unit of=$r bs=4k count=1 seek=$((unit / 8)) oflag=direct conv=notrunc status=none'
is "to another slot" "$(bad_slots safe)" 1
is "the files are right" "$(right 1 2)" 2
check_fails "and ext4 has noticed nothing" log_has "$log_mark" 'EXT4-fs (error|warning)|JBD2|Buffer I/O error on dev dm'

## The power fails: one cache, for both

message m cut_mode random 5 fail_after writes 40 'then' cut
for n in $(seq 3 40); do
	dd if=/tmp/file of=/mnt/$n bs=1M conv=fsync status=none 2>/dev/null || break
done
is "the power fails" "$(state_of m)" off
umount /mnt
dmremap stop safe
message m restore
run_block partitions-again
mount -t ext4 $r /mnt || bail "ext4 does not come back"
# shellcheck disable=SC2046 # numbers
is "what had been synced is there" "$(right $(seq 1 $((n - 1))))" $((n - 1))

## The disk goes, and both with it

slots=$(used_slots safe)
message m offline
check_fails "the disk is gone: a file cannot be written" dd if=/tmp/file of=/mnt/gone bs=1M conv=fsync status=none
check "dm-remap says so" until_is 20 tripped state_of safe
is "no slot is used for it, or given up" "$(used_slots safe) $(bad_slots safe)" "$slots 1"
message m online
umount /mnt
run_block partitions-back
is "it is back" "$(state_of safe)" active
mount -t ext4 $r /mnt
# shellcheck disable=SC2046
is "and so are the files" "$(right $(seq 1 $((n - 1))))" $((n - 1))
umount /mnt
check "the file system is sound" e2fsck -fn $r
dmremap stop safe
losetup -d "$DISK"
done_testing

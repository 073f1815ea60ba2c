# SPDX-License-Identifier: GPL-2.0-or-later
# Loop files: one on a file system of a failing disk as main, with direct I/O and without; and one that lies on a file system on dm-remap.
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
io_faulty m "$lower"
mk_disk spare 16M
mk_disk spare2 16M
mkdir /srv
mkfs.ext4 -q -F -b 4096 $m && mount -t ext4 $m /srv || bail "no file system"

## As main

DIR=/srv SPARE=$spare
run_block loop-main
ok "a loop file is main"
message m log_clear
dd if=/srv/main.img of=/dev/null bs=128k count=8 skip=64 iflag=direct status=none
bad=$(message m log | awk '$3 == "read" && $5 >= 64 { print $4; exit }')
[ "$bad" ] || bail "main.img is nowhere"
message m bad "$bad" 16 write
check "sectors under the file die: a write through dm-remap ends well" \
	dd if=<(pattern new 16384 2048) of=$r bs=128k seek=64 iflag=fullblock oflag=direct conv=notrunc,fsync status=none
check "and is right" holds_pattern $r new 16384 2048
is "they are on the spare" "$(status_of safe | cut -d ' ' -f 1-5)" "active 2/3024 16 0 0"
message m bad $((bad + 64)) 8 read
check_fails "a sector that cannot be read is an error" get_sectors $r 16384 256
check "and pending" until_is 20 8 pending_sectors safe
check "until it is written" put_pattern $r newer 16384 256
is "then it is on the spare, too" "$(status_of safe | cut -d ' ' -f 1-5)" "active 3/3024 24 0 0"
check "and right" holds_pattern $r newer 16384 256
dmremap stop safe

# The loop device says that all is well as soon as memory has it: which sector failed, nobody knows afterwards.
loop=$(losetup -f --show --direct-io=off /srv/main.img)
message m bad $((bad + 128)) 8 write
check_fails "without dm-remap that is an error" \
	dd if=<(pattern x 16384 2048) of="$loop" bs=128k seek=64 iflag=fullblock oflag=direct conv=notrunc,fsync status=none
check "without direct I/O, too, a pair can be made" dmremap create "$loop" "$spare2" safe
check_fails "but the error comes with the flush" \
	dd if=<(pattern y 16384 2048) of=$r bs=128k seek=64 iflag=fullblock oflag=direct conv=notrunc,fsync status=none
is "and nothing is relocated" "$(used_slots safe)" 0
dmremap stop safe
losetup -d "$loop" "$MAIN"
umount /srv
dmsetup remove m

## On a file system on dm-remap

io_faulty m "$lower"
wipefs -qa "$spare2"
dd if=/dev/zero of="$spare2" bs=1M oflag=direct status=none 2>/dev/null
dmremap create $m "$spare2" safe >/dev/null 2>&1 && mkfs.ext4 -q -F $r && mount -t ext4 $r /mnt || bail "no second pair"
mkdir /mnt2
run_block loop-above
ok "a loop file lies on a file system on dm-remap"
pattern file 0 16384 >/tmp/file
log_mark
message m bad_every 2048 0 256 8 write
for i in 1 2 3; do cp /tmp/file /mnt2/$i && sync -f /mnt2/$i || not_ok "file $i is written"; done
echo 3 >/proc/sys/vm/drop_caches
check "sectors of the disk die: its files are right" eval 'cmp /tmp/file /mnt2/1 && cmp /tmp/file /mnt2/2 && cmp /tmp/file /mnt2/3'
num "for they are on the spare" "$(used_slots safe)" -gt 50
check_fails "neither file system has noticed" log_has "$log_mark" 'EXT4-fs (error|warning)|JBD2|Buffer I/O error|loop.*error'
run_block loop-away
check "the one in the file is sound" e2fsck -fn /mnt/disk.img
umount /mnt
check "so is the one below" e2fsck -fn $r
dmremap stop safe
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# btrfs on a disk that fails, without dm-remap and with it: files with checksums, power cuts, btrfs check and scrub.
# suite: stacks
# command: dmremap
# programs: chattr cat find sync
# files: docs/STACKS.md
# timeout: 400
# memory: 1536M
. /vm/stack-fs.sh
fs=btrfs
fs_make() { mkfs.btrfs -q -f "$1"; }
fs_check() { btrfs check --readonly "$1"; }
modprobe -q btrfs
fs_trial

## Two copies of all: btrfs writes anew what cannot be read, and the write heals it

mk_disk lower 384M
mk_disk store 16M
io_faulty m "$lower"
io_faulty s "$store"
MAIN=$m SPARE=$s
run_block btrfs-dup
fs_mount $r && fs_copy before || bail "no file system with two copies"
message m log_clear
dd if=/mnt/before/1000001 of=/dev/null bs=128k count=1 iflag=direct status=none
marked=$(message m log | awk '$3 == "read" && $5 >= 64 { print $4; exit }')
[ "$marked" ] || bail "the file is nowhere"
message m bad "$marked" 8 read
check_fails "a sector of a copy cannot be read" get_sectors $r "$marked" 8
check "and is pending" until_is 20 8 pending_sectors safe
run_block btrfs-scrub
like "a scrub mends it" "$(cat btrfs-scrub.out)" "Corrected: +[1-9].*Uncorrectable: +0"
is "it is on the spare now" "$(status_of safe | cut -d ' ' -f 3-4)" "8 0"
run_block btrfs-scrub
like "the next scrub finds nothing" "$(cat btrfs-scrub.out)" "no errors found"
is "and every file is right" "$(fs_right before)" "$fs_files"
umount /mnt
dmremap stop safe
done_testing

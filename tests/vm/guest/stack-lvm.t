# SPDX-License-Identifier: GPL-2.0-or-later
# LVM on dm-remap and dm-remap on LVM: sectors die below a mounted file system, volumes grow, groups go off and on,
# and LVM never takes main, which carries the same PV as the pair.
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# programs: lvm
# drivers: dm-mirror dm-log
# timeout: 300
# kernels: one
. /vm/stack-files.sh
export LVM_SUPPRESS_FD_WARNINGS=1
for name in pvcreate vgcreate vgchange vgextend vgreduce lvcreate lvextend lvremove lvs pvs pvmove lvmdevices; do ln -sf lvm /bin/$name; done
mkdir -p /etc/lvm/devices /run/lvm

on() { lvs --noheadings -o devices "$1" 2>/dev/null | tr -d ' '; } # VOLUME: the PV it lies on
io_disks 64M 16M
mk_disk other 64M
# A disk has no loop device below it that shows the same; nor has the guest udev.
cat >/etc/lvm/lvm.conf <<END
devices {
	filter = [ "r|^$lower\$|", "r|^$store\$|" ]
}
activation {
	udev_sync = 0
	udev_rules = 0
}
END
MAIN=$m SPARE=$s
pvcreate -q $m && vgcreate -q vg0 $m && lvcreate -q -n data -L 40M vg0 || bail "no volume"
mkfs.ext4 -q /dev/vg0/data && mount /dev/vg0/data /mnt/a || bail "no file system"
first_files 1 2 3 4 5
umount /mnt/a

## A PV on a pair

run_block lvm-below
like "LVM: the group lies on the pair" "$(on vg0/data)" "^/dev/mapper/safe\("
mount /dev/vg0/data /mnt/a
check "LVM: with all files" sums
message m bad_every 2056 0 64 8 write
check "LVM: sectors cannot be written below a mounted file system: it does not know" files 6 7 8 9 a
check "LVM: all files are read" sums
num "LVM: they are on the spare" "$(owned_sectors safe)" -ge 1000
like "LVM: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
# Two sectors of one file's data.
block=$(filefrag -b512 -v /mnt/a/2 | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }')
at=$(dmsetup table vg0-data | cut -d ' ' -f 5)
message m bad $((at + block + 16)) 8 both
check_fails "LVM: a sector that cannot be read is an error of its file" eval 'echo 3 >/proc/sys/vm/drop_caches; sha256sum /mnt/a/2'
num "LVM: and pending" "$(counts | cut -d ' ' -f 3)" -ge 1
# In place: cp truncates it, and gets other blocks.
content 2 >/tmp/content
check "LVM: the file is written anew" dd if=/tmp/content of=/mnt/a/2 conv=notrunc,fsync bs=64k status=none
note_sum 2
check "LVM: then all files are read" sums
like "LVM: and nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
check "LVM: a volume grows on the pair, with its file system" eval 'lvextend -q -L +8M vg0/data && resize2fs /dev/vg0/data'
check "LVM: all files are read" sums
umount /mnt/a
check "LVM: the file system is sound" e2fsck -fn /dev/vg0/data
run_block lvm-below-off
check_fails "LVM: it is off" test -e /dev/mapper/safe

## What LVM must not see

check_fails "LVM: it does not take main" vgchange -ay vg0
cp /etc/lvm/lvm.conf /tmp/lvm.conf
sed -i /global_filter/d /etc/lvm/lvm.conf
check "LVM: without the filter it does, where relocated sectors are stale" vgchange -ay vg0
like "LVM: so it does" "$(on vg0/data)" "^/dev/mapper/m\("
check_fails "LVM: and then there is no pair" dmremap assemble $m $s safe
vgchange -q -an vg0
dmremap assemble $m $s safe >/dev/null
check_fails "LVM: without the filter both are there, and nothing is activated" vgchange -ay vg0
like "LVM: for that reason" "$(vgchange -ay vg0 2>&1)" "duplicate"
dmremap stop safe
cp /tmp/lvm.conf /etc/lvm/
run_block lvm-below-on
like "LVM: with the filter it lies on the pair" "$(on vg0/data)" "^/dev/mapper/safe\("
mount /dev/vg0/data /mnt/a
check "LVM: with all files" sums

# The other way: a file that lists what LVM may see.
umount /mnt/a
vgchange -q -an vg0
sed -i '/filter/d; s/^devices {/&\n\tuse_devicesfile = 1/' /etc/lvm/lvm.conf
lvmdevices -y --adddev $m >/dev/null 2>&1
grep -q "$m" /etc/lvm/devices/system.devices || bail "no devices file"
run_block lvm-devices
check "LVM: with a devices file it is activated" vgchange -ay vg0
like "LVM: on the pair" "$(on vg0/data)" "^/dev/mapper/safe\("
vgchange -q -an vg0
dmremap stop safe
check_fails "LVM: and main is not taken" vgchange -ay vg0
rm /etc/lvm/devices/system.devices
cp /tmp/lvm.conf /etc/lvm/
run_block lvm-below-on

## To a new disk

mount /dev/vg0/data /mnt/a
NEW=$other
if modprobe -q dm-mirror; then
	run_block lvm-move
	like "LVM: all is on the new disk, while it was used" "$(on vg0/data)" "^$other\("
	check "LVM: with all files" sums
else
	skip "LVM: pvmove" "this kernel has no dm-mirror"
fi
umount /mnt/a
vgchange -q -an vg0
losetup -d "$other"

## A pair of volumes

sed -i /global_filter/d /etc/lvm/lvm.conf
dmsetup remove_all >/dev/null 2>&1
losetup -D
rm -f /tmp/disks/*
io_disks 64M 32M
pvcreate -q $m $s && vgcreate -q vg0 $m && vgcreate -q vg1 $s && lvcreate -q -n data -L 24M vg0 || bail "no volumes"
mkfs.ext4 -q /dev/vg0/data && mount /dev/vg0/data /mnt/a
first_files 1 2 3
umount /mnt/a
run_block lvm-above
mount /dev/mapper/safe /mnt/a
check "on LVM: main keeps its files" sums
message m bad_every 2048 0 64 8 write
check "on LVM: sectors cannot be written below main's volume: nobody knows" files 4 5 6
check "on LVM: all files are read" sums
owned=$(owned_sectors safe)
num "on LVM: they are on the spare's volume" "$owned" -ge 400
slots=$(all_slots safe)
run_block lvm-grow
num "on LVM: the pair is longer, while it is mounted" "$(sectors /dev/mapper/safe)" -eq 81920
num "on LVM: the file system, too" "$(stat -f -c '%b * %S' /mnt/a | awk '{ print $1 * $3 }')" -gt $((30 << 20))
num "on LVM: nothing was forgotten" "$(owned_sectors safe)" -ge "$owned"
check "on LVM: it takes files" files 7 8 9 a b
run_block lvm-grow-spare
num "on LVM: the spare is longer" "$(all_slots safe)" -gt "$slots"
check "on LVM: all files are read" sums
check_fails "on LVM: the group is not switched off below the pair" vgchange -q -an vg0
umount /mnt/a
run_block lvm-above-off
run_block lvm-above-on
mount /dev/mapper/safe /mnt/a
check "on LVM: off and on: all files are read" sums
like "on LVM: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
umount /mnt/a
check "on LVM: the file system is sound" e2fsck -fn /dev/mapper/safe
dmremap stop safe
done_testing

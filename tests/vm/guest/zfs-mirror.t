# SPDX-License-Identifier: GPL-2.0-or-later
# A mirror of ZFS whose one leg is a pair on a dying disk: what ZFS heals, dm-remap moves, and it stays healed: over
# scrubs, export and import, and a reboot.
# suite: zfs
# zfs: yes
# command: dmremap
# programs: openssl xargs
# files: docs/STACKS.md
# disks: lower=512M store=64M other=512M notes=1M
# boots: 2
# memory: 2G
# timeout: 500
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/zfs.sh
modprobe zfs || bail "no ZFS"
mkdir -p /etc/zfs /dev/disk
# All disks, as a system has them there: main's own too, on which ZFS could see a leg of the pool. The other leg is a
# partition: to make one of a whole disk, ZFS wants udev.
ln -s /dev/vm /dev/disk/by-id
[ "$BOOT" != 1 ] || echo start=2048 | sfdisk -q "$other" || bail "no partition"
until_true 10 test -b "${other}1" || bail "no partition"
ln -s "${other}1" /dev/vm/other-part1
# One unit of each 128 KiB of the disk, which is what ZFS writes at a time, can neither be read nor written.
dying=(bad_every 8192 0 256 8 both)
dies() { message m "${dying[@]}"; }
leg_status() { zpool status -P tank | awk '$1 == "/dev/mapper/safe" { print $2 }'; }

case $BOOT in
1)
	io_faulty m "$lower"
	MAIN=$m SPARE=$store OTHER=/dev/disk/by-id/other-part1
	dmremap create $MAIN "$SPARE" safe >/dev/null 2>&1 || bail "no pair"
	command dmremap list --config >/etc/dm-remap.conf
	run_block mirror
	is "a mirror is online" "$(zpool list -H -o health tank)" ONLINE
	be_strict tank/data || bail "no such property"
	mkdir /tmp/want
	for n in 1000 100000 1048576 25165824; do noise_of "first $n" $n >/tmp/want/first-$n; done
	pattern text 0 8000 >/tmp/want/text
	cp /tmp/want/* /tank/data
	blocks=$(for f in /tank/data/*; do blocks_of tank/data "$f"; done | sort -un | wc -l)
	num "with some hundred blocks of files" "$blocks" -ge 200

	dies
	message m stats_clear
	check "the leg's disk dies, and a scrub ends" zpool scrub -w tank
	num "it met the dead sectors" "$(status_key m failed_reads)" -ge 50
	unlike "and repaired something" "$(scrubbed)" '^(0B .*|)$'
	like "with no error left" "$(scrubbed)" ' 0$'
	check "no file is damaged" no_errors
	num "what ZFS wrote again lives on the spare" "$(owned_sectors safe)" -ge $((blocks * 8))
	is "the leg is where it was" "$(leg_status)" ONLINE
	num "ZFS counts what it could not read" "$(errors_of /dev/mapper/safe | cut -d ' ' -f 1)" -ge 50
	run_block single
	run_block scrub
	is "block by block, a second scrub has nothing to repair" "$(scrubbed)" "0B 0"
	is "clear forgets the errors" "$(errors_of /dev/mapper/safe)" "0 0 0"
	zpool scrub -w tank
	is "and no new ones come" "$(errors_of /dev/mapper/safe)" "0 0 0"

	message m stats_clear
	for n in 5000 25165824; do noise_of "second $n" $n >/tmp/want/second-$n; done
	cp /tmp/want/second-* /tank/data
	zpool sync tank
	num "new files: main refuses writes" "$(status_key m failed_writes)" -ge 100
	is "of which ZFS sees nothing" "$(errors_of /dev/mapper/safe)" "0 0 0"
	sums /tmp/want >/tmp/sums

	run_block away
	like "with the pair stopped, the pool is seen on main alone" "$(zpool import -d $MAIN -d "$OTHER" 2>&1)" "tank +ONLINE.*m +ONLINE"
	run_block back
	like "exported and imported, it is whole, on the pair and not on main" "$(zpool status -P tank)" "ONLINE.*/dev/mapper/safe +ONLINE +0 +0 +0"
	is "with the same files" "$(sums /tank/data)" "$(cat /tmp/sums)"

	# Without the other leg all comes from the pair.
	leg=$(zpool status -P tank | awk '$1 ~ "^/" && $1 != "/dev/mapper/safe" { print $1 }')
	zpool offline tank "$leg"
	is "the other leg is away" "$(zpool list -H -o health tank)" DEGRADED
	is "the pair alone has every file" "$(sums /tank/data)" "$(cat /tmp/sums)"
	is "without an error" "$(errors_of /dev/mapper/safe)" "0 0 0"
	zpool online tank "$leg"
	zpool wait -t resilver tank
	is "and is back" "$(zpool list -H -o health tank)" ONLINE
	zpool sync tank
	{ command dmremap list --config; cat /tmp/sums; } | dd of="$notes" bs=4096 oflag=direct conv=sync status=none
	vm_reboot
	;;
2)
	dd if="$notes" bs=4096 iflag=direct status=none | tr -d '\0' >/tmp/notes
	head -n 1 /tmp/notes >/etc/dm-remap.conf
	sed 1d /tmp/notes >/tmp/sums
	io_faulty m "$lower"
	dies
	run_block back
	is "after a reboot the pool is online" "$(zpool list -H -o health tank)" ONLINE
	is "the leg is the pair" "$(leg_status)" ONLINE
	is "with the same files" "$(sums /tank/data)" "$(cat /tmp/sums)"
	check "a scrub" zpool scrub -w tank
	like "finds no error" "$(scrubbed)" ' 0$'
	check "nothing is damaged for good" no_errors
	unlike "zpool status names no error" "$(zpool status -v tank)" "Permanent errors|DEGRADED|FAULTED"
	is "dm-remap is well" "$(state_of safe) $(bad_slots safe)" "active 0"
	zpool export tank
	;;
esac
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# md on dm-remap: a mirror and a RAID 5 whose one leg lies on a dying disk. What md writes to repair a read
# heals the sector, and no leg leaves the array for it. And dm-remap on md.
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# programs: mdadm
# drivers: raid1 raid456
# timeout: 300
# kernels: one
. /vm/stack-files.sh
file_size=4M
modprobe -q raid1 && modprobe -q raid456 || skip_all "this kernel has no raid1 or raid456"
mkdir -p /run/mdadm /etc/mdadm
md=/sys/block/md0/md
idle() { [ "$(cat $md/sync_action)" = idle ]; }
action() { # ACTION: prints how many sectors differed
	echo "$1" >$md/sync_action
	until_true 100 idle || return 1
	cat $md/mismatch_cnt
}
legs() { # how many are missing, and what md has noted as bad on them
	echo "$(cat $md/degraded)$(cat $md/dev-*/bad_blocks)"
}
leg() { echo $md/dev-"$(basename "$(readlink -f "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor --separator : "$1")")")"; } # DM-NAME

## A mirror of which one disk begins to die

io_disks 64M 16M
mk_disk other 64M
MAIN=$m SPARE=$s OTHER=$other
mdadm --create /dev/md0 --metadata=1.2 --level=1 --bitmap=internal --raid-devices=2 --assume-clean $MAIN "$OTHER" 2>/dev/null || bail "no mirror"
mkfs.ext4 -q /dev/md0 && mount /dev/md0 /mnt/a || bail "no file system"
rmdir /mnt/a/lost+found
first_files 1 2 3 4 5 6
run_block md-slide
check "md: the leg comes back above dm-remap, with what its bitmap says" until_true 60 idle
is "md: no leg is missing" "$(legs)" 0
is "md: both hold the same" "$(action check)" 0
run_block md-limit
# Reads go to the dying leg.
echo writemostly >$md/dev-"${OTHER#/dev/}"/state
message m bad_every 32768 0 1024 8 both
check "md: files on sectors that cannot be read are read from the other leg" sums
owned=$(owned_sectors safe)
num "md: md's repair has written them, so they are on the spare" "$owned" -ge 300
num "md: more of them than md bears by itself" "$(($(cat "$(leg safe)"/errors) / 8))" -ge 25
is "md: no leg is missing, and none has bad blocks" "$(legs)" 0
num "md: a check finds the rest" "$(action check)" -gt 0
like "md: and heals it: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
num "md: all that was bad" "$(owned_sectors safe)" -ge $(((131072 - 32768) / 1024 * 8 - 8))
is "md: then both legs hold the same" "$(action check)" 0
message m bad_every 32776 0 1024 8 write
check "md: writes to sectors that cannot be written succeed" files 7 8 9 a
check "md: and are read again" sums
num "md: they are on the spare" "$(owned_sectors safe)" -ge $((owned + 64))
is "md: no leg is missing, and none has bad blocks" "$(legs)" 0
message m bad_every 32784 0 2048 8 both
action repair >/tmp/repaired
run_block md-check
is "md: after a repair both legs hold the same" "$(grep -o '^mismatches .*' md-check.out)" "mismatches 0"
is "md: no leg is missing, and none has bad blocks" "$(legs)" 0
check "md: all files are there" sums

## The whole disk goes away, and comes back

message m offline
check "md: without the disk the mirror lives on" files 1 2
check "md: with all files" sums
is "md: the leg is out, as without dm-remap" "$(cat $md/degraded)" 1
is "md: and used no slots" "$(bad_slots safe)" 0
message m online
run_block md-back
check "md: it comes back" until_true 60 idle
is "md: no leg is missing" "$(legs)" 0
is "md: both hold the same" "$(action check)" 0
is "md: the pair is active" "$(state_of safe)" active

## More errors than md bears: not the file system's affair

echo 20 >$md/max_read_errors
message m bad_every 32800 0 512 8 read
check "md: with md's own limit of read errors all files are read" sums
# From 6.8 on a mirror heeds it.
case $(uname -r) in
5.* | 6.[0-7].*) skip "md: the leg leaves for it" "this kernel's raid1 has no limit" ;;
*)
	is "md: the leg leaves for it" "$(cat $md/degraded)" 1
	run_block md-limit
	run_block md-back
	until_true 60 idle ;;
esac
is "md: all legs are there" "$(cat $md/degraded)" 0
umount /mnt/a

## After a boot: whose superblock is it?

run_block md-config
mdadm --stop /dev/md0 2>/dev/null
dmremap stop safe
cp /etc/mdadm/mdadm.conf /tmp/
grep -v DEVICE /tmp/mdadm.conf >/etc/mdadm/mdadm.conf
check "md: without DEVICE mdadm takes main, whose relocated sectors are stale" mdadm --assemble --scan
check "md: so it does" test -e "$(leg m)"
mdadm --stop /dev/md0 2>/dev/null
cp /tmp/mdadm.conf /etc/mdadm/
check_fails "md: with it mdadm leaves main alone" mdadm --incremental $MAIN
mdadm --assemble --scan 2>/dev/null
check_fails "md: also when it looks for arrays" test -e "$(leg m)"
mdadm --stop --scan 2>/dev/null
run_block md-boot
check "md: it takes the pair" test -e "$(leg safe)"
mount /dev/md0 /mnt/a
check "md: all files are there" sums
umount /mnt/a
mdadm --stop /dev/md0 2>/dev/null
dmremap stop safe

## RAID 5

fresh() { # no faults, and blank disks
	local name
	rm -f /etc/dm-remap.conf /etc/mdadm/mdadm.conf
	message m good 0 0
	message s good 0 0
	for name in lower store other "$@"; do
		truncate -s 0 "$(disk_file $name)"
		truncate -s "$(($(sectors "${!name}") * 512))" "$(disk_file $name)"
		blockdev --flushbufs "${!name}"
	done
}
fresh
mk_disk third 64M
OTHERS="$other $third"
mdadm --create /dev/md0 --metadata=1.2 --level=5 --chunk=64 --raid-devices=3 --assume-clean $m "$other" "$third" 2>/dev/null || bail "no RAID 5"
dd if=/dev/urandom of=/dev/md0 bs=1M oflag=direct status=none 2>/dev/null
sum=$(sha256sum </dev/md0)
same() { echo 3 >/proc/sys/vm/drop_caches && [ "$(sha256sum </dev/md0)" = "$sum" ]; }
run_block md-stopped
run_block md-limit
check "RAID 5: all is there" same
message m bad_every 8192 0 1024 8 both
check "RAID 5: sectors that cannot be read are computed from the others" same
owned=$(owned_sectors safe)
num "RAID 5: and written by md, so they are on the spare" "$owned" -ge 400
is "RAID 5: no leg is missing, and none has bad blocks" "$(legs)" 0
run_block md-check
like "RAID 5: a check heals the rest, parity too: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
num "RAID 5: all that was bad" "$(owned_sectors safe)" -ge $(((131072 - 8192 - 1024) / 1024 * 8))
is "RAID 5: parity is right" "$(action check)" 0
message m bad_every 8200 0 1024 8 write
dd if=/dev/urandom of=/dev/md0 bs=1M oflag=direct status=none 2>/dev/null
sum=$(sha256sum </dev/md0)
num "RAID 5: writes that the disk fails go to the spare" "$(owned_sectors safe)" -ge $(((131072 - 8192 - 1024) / 1024 * 16))
check "RAID 5: and are read again" same
is "RAID 5: parity is right" "$(action check)" 0
is "RAID 5: no leg is missing, and none has bad blocks" "$(legs)" 0
# Another disk dies: there must be nothing left to find on this one.
mdadm /dev/md0 --fail "$third" 2>/dev/null
check "RAID 5: when another disk dies, nothing is missing" same
mdadm --stop /dev/md0 2>/dev/null
dmremap stop safe
losetup -d "$third"

## dm-remap above md

fresh
io_faulty n "$other"
mdadm --create /dev/md0 --metadata=1.2 --level=1 --bitmap=none --raid-devices=2 --assume-clean $m /dev/mapper/n 2>/dev/null || bail "no mirror"
run_block md-above
r=/dev/mapper/safe
put_pattern $r old 8000 64
# On both disks; md's data begins behind its superblock.
at=$(cat $md/rd0/offset)
for disk in m n; do message $disk bad $((at + 8000)) 8 read keep; done
check_fails "above md: a sector that no leg can read cannot be read" get_sectors $r 8000 8
is "above md: it becomes pending" "$(counts)" "active 0 8 0"
check "above md: until it is written" put_pattern $r new 8000 8
check "above md: then it is read, from the spare" holds_pattern $r new 8000 8
is "above md: and owned" "$(counts)" "active 8 0 0"
mdadm /dev/md0 --fail /dev/mapper/n 2>/dev/null
check "above md: a leg that goes does not show" eval 'put_pattern $r new 9000 64 && holds_pattern $r new 9000 64'
is "above md: nothing is relocated for it" "$(counts)" "active 8 0 0"
dmremap stop safe
mdadm --stop /dev/md0 2>/dev/null

## A spare on an array whose superblock is at the end: its legs look like the spare

fresh
dmsetup remove n
mk_disk fourth 32M
mk_disk fifth 32M
for version in 0.90 1.0; do
	rm -f /etc/dm-remap.conf
	for disk in "$fourth" "$fifth"; do dd if=/dev/zero of="$disk" bs=1M oflag=direct status=none 2>/dev/null; done
	mdadm --create /dev/md0 --run --metadata=$version --level=1 --bitmap=none --raid-devices=2 --assume-clean "$fourth" "$fifth" 2>/dev/null ||
		bail "no mirror with metadata $version"
	dmremap create --yes "$other" /dev/md0 above >/tmp/said 2>/tmp/why || bail "no pair: $(cat /tmp/why)"
	tail -n 1 /tmp/said >/etc/dm-remap.conf
	dmremap stop above
	mdadm --stop /dev/md0 2>/dev/null
	check_fails "md $version: --scan finds no spare while the array is not started" eval 'dmremap assemble --scan >/tmp/said 2>&1'
	is "md $version: it names both legs" "$(grep -c 'is a spare on a leg of an array' /tmp/said)" 2
	check_fails "md $version: and takes none" dmsetup info above
	check_fails "md $version: nor when one is named" eval 'dmremap assemble "$other" "$fourth" >/tmp/said 2>&1'
	like "md $version: which is said" "$(cat /tmp/said)" "spare $fourth is on a leg of an array \\(linux_raid_member\\)"
	check_fails "md $version: nor is one repaired" eval 'dmremap repair --yes "$fourth" >/tmp/said 2>&1'
	like "md $version: which is said, too" "$(cat /tmp/said)" "spare $fourth is on a leg of an array"
	mdadm --assemble /dev/md0 "$fourth" "$fifth" 2>/dev/null
	check "md $version: with the array it is assembled" dmremap assemble --scan
	like "md $version: on the array" "$(dmsetup deps -o devname above)" '\(md0\)'
	dmremap stop above
	# A leg that was taken out, and looks like nothing but a spare.
	mdadm /dev/md0 --fail "$fifth" --remove "$fifth" 2>/dev/null
	check "md $version: a leg that was taken out is left alone beside the array" dmremap assemble --scan
	dmremap stop above
	mdadm --stop /dev/md0 2>/dev/null
	mdadm --zero-superblock "$fifth"
	check_fails "md $version: one without md's superblock is no spare of its own" eval 'dmremap assemble --scan >/tmp/said 2>&1'
	like "md $version: but one of two" "$(cat /tmp/said)" "($fourth and $fifth|$fifth and $fourth) carry one uuid"
done
done_testing

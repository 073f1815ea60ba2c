# SPDX-License-Identifier: GPL-2.0-or-later
# What a scan takes, in what order, and what it leaves alone: a disk with somebody else's map on it is worse than a pair that is missing.
# command: dmremap
# timeout: 300
# kernels: one
. /vm/lib.sh
. /vm/cmd-lib.sh
cd /tmp || bail "no /tmp"
modprobe dm-remap || bail "no module"
conf=/etc/dm-remap.conf

active() { dmremap list -n -o name | sort | tr '\n' ' '; }
stop_all() { dmremap list -n -o name | while read -r name; do dmremap stop "$name"; done; }
uuid_of() { dmremap dump "$1" | sed -n 's/^uuid: //p'; }
partitioned() { # NAME: the disk with two partitions, and their nodes
	local disk=${!1}
	sfdisk -q "$disk" <<<$'label: gpt\n2048,32768\n34816,32768' 2>/dev/null
	losetup -d "$disk"
	disk=$(losetup -f -P --show "$(disk_file "$1")")
	until_true 10 test -b "${disk}p2" || bail "no partitions"
	printf -v "$1" %s "$disk"
}

## The configuration

mk_disk one 64M
mk_disk two 64M
mk_disk spare_one 16M
mk_disk spare_two 16M
dmremap create --yes "$one" "$spare_one" 'a#1' >/dev/null 2>&1
dmremap create --yes "$two" "$spare_two" two >/dev/null 2>&1
dmremap list --config >$conf 2>/dev/null
is "a name may have a # in it" "$(active)" "a#1 two "
stop_all
run assemble --scan
is "and the line that create prints for it is understood" "$status $(active)" "0 a#1 two "
stop_all
sed -i '1i nonsense' $conf
printf '# a comment\n#another\n  # and one\n' >>$conf
run assemble --scan
is "a wrong line is said, and the others are assembled" "$status $(active)" "2 a#1 two "
like "by its number" "$err" "line 1 is wrong"
stop_all
run create --yes "$one" "$two" three
is "where it may be about main nothing is made" "$status" 2
mk_disk blank 16M
sed -i 1d $conf
mk_disk other 16M
run create --yes "$other" "$blank" '#1'
like "a name that would be a comment is none" "$status $err" '^2 .*is no name'
sed -i 's/$/\r/' $conf
run assemble --scan
is "lines may end as elsewhere" "$status $(active)" "0 a#1 two "
stop_all

# The same pair twice, as who appends all lines once more has it.
tr -d '\r' <$conf | grep '^[at]' >lines
cat lines lines >$conf
run assemble --scan
is "a pair is assembled once" "$status $(active)" "0 a#1 two "
like "and that one of its lines is left out is said" "$err" "line 4 is about the pair of a line before it, which is left out"
is "no copy of its spare is" "$(grep -c 'a copy of' <<<"$err")" 0
run list --config two
is "the line of one pair can be had" "$out" "$(grep '^two' lines)"
stop_all
sed 's/^two.*/& no_auto/' lines >>$conf
run assemble --scan
is "the last line counts" "$(dmsetup table two | grep -o no_auto) $(active)" "no_auto a#1 two "
stop_all
# A line that is not understood may be about any spare.
sed 's/^two.*/& no-auto/' lines >$conf
run assemble --scan
is "the pair of a wrong line is not assembled under another name" "$status $(active)" "2 a#1 "
like "nor without its words" "$err" "$spare_two is a spare (whose main is not found|that is not in what is understood)"
stop_all
# After a power cut a file may be of the right length, and nothing but zeroes.
head -c 200 /dev/zero >$conf
run assemble --scan
is "a configuration that is no text is wrong: no pair is assembled under another name" "$status $(active)" "2 "
like "and is named" "$err" "line 1 has bytes of zero in it"
printf '%s\0no_auto\n' "$(grep '^two' lines)" >$conf
run assemble --scan
is "nor is a line cut off at a zero" "$status $(active)" "2 "
rm lines $conf

## A longer main that nothing proves to be the one

run assemble "$two" "$spare_one" wrong
is "another main of the same length, which has no id, is the user's word" "$status" 0
dmremap stop wrong
mk_disk longer 80M
run assemble "$longer" "$spare_one" wrong
like "a longer one is not" "$status $err" '^3 .*is longer than the 131072 sectors that the pair covers.*next: .*--new-main'
is "it is not mapped" "$(active)" ""
run assemble "$one" "$spare_one" one
is "and the right one is not too short by now" "$status" 0
dmremap stop one
echo "one $(uuid_of "$spare_one") $longer" >$conf
run assemble --scan
like "nor does a scan take it by a name that may be another's" "$status $err" '^3 .*is longer than'
dm_create lasting "0 $(sectors "$longer") linear $longer 0"
echo "one $(uuid_of "$spare_one") /dev/mapper/lasting" >$conf
run assemble --scan
is "but one whose name lasts has grown" "$status $(active)" "0 one "
stop_all
dmsetup remove lasting
run assemble --new-main "$longer" "$spare_one" one
is "and one that is said to be it" "$status" 0
stop_all
rm $conf
for disk in "$spare_one" "$spare_two"; do dd if=/dev/zero of="$disk" bs=1M count=5 status=none; done

## Two spares that know one main

mk_disk disk 64M
partitioned disk
main=${disk}p2
check "a pair" dmremap create --yes "$main" "$spare_one" old
stop_all
cp "$(disk_file spare_one)" /tmp/old
dd if=/dev/zero of="$spare_one" bs=1M count=5 status=none
check "its main gets another spare while the first is away" dmremap create --yes "$main" "$spare_two" new
dmremap list --config >$conf
stop_all
dd if=/tmp/old of="$spare_one" bs=1M conv=fsync status=none
run assemble --scan
is "the first comes back: the configuration's is assembled" "$status $(active)" "0 new "
like "the other is left alone, and that is said" "$err" "$spare_one is a spare that is not in $conf, and its main $main is that of new in $conf, too"
stop_all
cp $conf lines
sed -i "s, $main,," $conf
run assemble --scan
is "so it is where the configuration does not name main" "$status $(active)" "0 new "
stop_all
cp "$(disk_file spare_two)" /tmp/new
dd if=/dev/zero of="$spare_two" bs=1M count=5 status=none
run assemble --scan
is "and where the right spare is not there" "$status $(active)" "3 "
like "for main may be its" "$err" "may be that of new, whose spare is not found: it is left alone"
sed "s, $main, /dev/disk/by-id/usb-moved," lines >$conf
run assemble --scan
is "and where main has another name now" "$status $(active)" "3 "
sed "s,\$, no-auto," lines >$conf
run assemble --scan
is "and where its line is wrong" "$status $(active)" "2 "
like "for it is not known what it says" "$err" "$spare_one is a spare that is not in what is understood of $conf: it is left alone"
dd if=/tmp/new of="$spare_two" bs=1M conv=fsync status=none
rm $conf
run assemble --scan
is "without a configuration nobody knows which is right: neither" "$status $(active)" "0 "
like "which is said of both" "$(grep -c 'left alone' <<<"$err")" '^2$'
for spare in "$spare_one" "$spare_two"; do dd if=/dev/zero of="$spare" bs=1M count=5 status=none; done

## A pair that is another pair's spare

check "a pair" dmremap create --yes "$main" "$spare_one" lower
run create --yes "$two" /dev/mapper/lower upper
like "is refused as the spare of another" "$status $err" "^3 .*spare /dev/mapper/lower is a pair itself .lower.*next: take a partition"
check "who makes one by hand" dm_create upper "0 $(sectors "$two") dm-remap-v4 $two /dev/mapper/lower"
dmremap stop upper
dmremap stop lower
run assemble --scan
is "a scan makes nothing of what is on its main" "$(active)" ""
like "and says whose main it is" "$err" "$main is the main of spare $spare_one, so what looks like a spare there is left alone"
dd if=/dev/zero of="$spare_one" bs=1M count=5 status=none
dd if=/dev/zero of="$main" bs=1M count=5 status=none

## A spare on a volume of main's, where one of its superblocks comes to lie at the place of another

check "a pair" dmremap create --yes "$main" "$spare_one" lower
dm_create volume "0 28672 linear /dev/mapper/lower 4096"
check "is below a spare" dmremap create --yes "$two" /dev/mapper/volume upper
for name in upper volume lower; do dmsetup remove $name; done
check "it is no spare for that" dmremap assemble "$main" "$spare_one" lower
dmremap stop lower
check "a spare is made blank" dmremap wipe --yes "$spare_one"
dd if=/dev/zero of="$main" bs=1M count=16 status=none

## What was a spare

check "a pair" dmremap create --yes "$main" "$spare_one" left
dmremap list --config >$conf
stop_all
mkswap "$spare_one" >/dev/null
before=$(sha256sum <"$spare_one")
run assemble --scan
is "a spare that became something else is left alone" "$status $(active)" "3 "
like "and that is said" "$err" "$spare_one was a spare, but swap is on it now: it is left alone"
run assemble "$main" "$spare_one"
like "also by name" "$status $err" "^3 .*$spare_one was a spare, but swap is on it now"
is "nothing was written to it" "$(sha256sum <"$spare_one")" "$before"
rm $conf
check "its main is free for another one" dmremap create --yes "$main" "$spare_two" other
stop_all
check "and it for another main" dmremap create --wipe --yes "$two" "$spare_one" again
cp "$(disk_file spare_one)" /tmp/clone
clone=$(losetup -f --show /tmp/clone)
run wipe --yes "$clone"
like "a copy of a spare is wiped, after a warning" "$status $out $err" "^0 .*again is active, with another device"
is "and the pair's line stays" "$(grep -c 'take its line' <<<"$out")" 0
losetup -d "$clone"
stop_all
for spare in "$spare_one" "$spare_two"; do dd if=/dev/zero of="$spare" bs=1M count=5 status=none; done

## A copy of main's disk

check "a pair" dmremap create --yes "$main" "$spare_one" pair
stop_all
mk_disk copy 64M
dd if="$disk" of="$copy" bs=1M conv=fsync status=none
losetup -d "$copy"
copy=$(losetup -f -P --show "$(disk_file copy)")
until_true 10 test -b "${copy}p2" || bail "no partitions of the copy"
ln -s "${copy}p2" /dev/label
echo "pair $(uuid_of "$spare_one") /dev/label" >$conf
run assemble --scan
is "a name that either copy may have gets none" "$status $(active)" "1 "
like "and that is said" "$err" "is one of several devices with its id"
check "but one that is named is taken" dmremap assemble "$main" "$spare_one" pair
stop_all
mkdir -p /dev/disk/by-id
ln -s "${disk}p2" /dev/disk/by-id/ata-SERIAL-part2
echo "pair $(uuid_of "$spare_one") /dev/disk/by-id/ata-SERIAL-part2" >$conf
run assemble --scan
is "and one whose name has a disk's serial number" "$status $(active)" "0 pair "
stop_all
rm /dev/disk/by-id/ata-SERIAL-part2
losetup -d "$copy"
rm $conf /dev/label
dd if=/dev/zero of="$spare_one" bs=1M count=5 status=none

## A disk that looks like a leg

mk_disk marked 64M
partitioned marked
check "a pair with its spare on a disk" dmremap create --yes "$main" "${marked}p2" marked
stop_all
# What a RAID of a mainboard's leaves on a disk's last sector but one.
printf 'Intel Raid ISM Cfg Sig. 1.3.00\0\0' | dd of="$marked" bs=512 seek=$(($(sectors "$marked") - 2)) conv=notrunc,fsync status=none
if [ "$(blkid -p -s TYPE -o value "$marked")" = isw_raid_member ]; then
	run assemble --scan
	is "with a RAID's mark on the disk it is left alone" "$status $(active)" "0 "
	like "and that is said, and what to do" "$err" "${marked}p2 is a spare on a leg .*isw_raid_member.*wipefs"
	run assemble "$main" "${marked}p2"
	like "nor is it taken by name" "$status $err" "^3 .*spare ${marked}p2 is on a leg of an array .isw_raid_member"
	run repair --yes "${marked}p2"
	like "or repaired" "$status $err" "^3 .*spare ${marked}p2 is on a leg of an array"
	run create --dry-run "${marked}p1" "$spare_one"
	like "who makes one there is warned" "$status $err" "^0 .*the disk of ${marked}p1 has the mark of a RAID .isw_raid_member"
else
	skip "a disk with a RAID's mark" "libblkid does not see it: $(blkid -p "$marked")"
fi

## Suspended

dm_create asleep "0 $(sectors "$spare_two") linear $spare_two 0"
dmsetup suspend asleep
check "a device that is suspended keeps no scan waiting" timeout 20 dmremap assemble --scan
dmsetup resume asleep
dmsetup remove asleep

## Two disks of one number

modprobe sd_mod
modprobe scsi_debug dev_size_mb=16 delay=0 add_host=2 vpd_use_hostno=0 || bail "no scsi_debug"
disks() { compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/sd*"; }
until_true 10 eval '[ "$(disks | wc -l)" = 2 ]' || bail "no two disks"
mapfile -t twins < <(disks | sed 's,.*/,/dev/,' | sort)
until_true 10 test -b "${twins[1]}"
dmremap create --yes "${twins[1]}" "$spare_one" twin >/dev/null 2>&1
stop_all
if [ "$(dmremap dump "$spare_one" | sed -n 's/^main_id: //p')" = none ]; then
	skip "disks of one number" "this kernel offers none"
else
	is "two disks have one number" "$(cat "/sys/block/${twins[0]##*/}/device/wwid")" "$(cat "/sys/block/${twins[1]##*/}/device/wwid")"
	run assemble --scan
	is "neither is taken" "$status $(active)" "1 "
	like "and that is said" "$err" "one of several devices with its id"
	check "but one that is named is" dmremap assemble "${twins[1]}" "$spare_one" twin
	echo 1 >"/sys/block/${twins[1]##*/}/device/delete"
	check "a main that is pulled" until_true 20 test ! -e "/sys/block/${twins[1]##*/}"
	run status --check
	like "is critical for monitoring, whatever the state is" "$status $out" "^2 DMREMAP CRITICAL - twin .*, main is gone\$"
	is "it has no path" "$(dmremap status --json | grep -c '"main"') $(dmremap status --json | grep -c '"spare"')" "0 1"
fi
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# Main is found by the identity that the spare remembers: a partition's UUID, a disk's number.
# command: dmremap
# timeout: 300
# kernels: one
. /vm/lib.sh
cd /tmp || bail "no /tmp"
modprobe dm-remap || bail "no module"

found_again() { # WHAT MAIN SPARE ANOTHER-SPARE: a pair that is made, stopped, and assembled by its spare alone
	check "$1: a pair is made" dmremap create --yes "$2" "$3" made
	dmremap remap made 80 8 >/dev/null
	check "$1: and stopped" dmremap stop made
	like "$1: its spare names it" "$(dmremap dump "$3")" "main_id: $5"
	is "$1: main is found" "$(dmremap assemble --dry-run "$3" | cut -d ' ' -f 4)" "$2"
	like "$1: and gets no other spare" "$(dmremap create --yes "$2" "$4" 2>&1 </dev/null)" "belongs to a pair that is not active.*assemble $3"
	out=$(dmremap assemble --scan)
	is "$1: a scan assembles it" "$?" 0
	like "$1: under a name of its uuid" "$out" "^/dev/mapper/remap-[0-9a-f]{8} is active\$"
	like "$1: with its map" "$(dmremap show -n "${out%% *}")" '^ *80 +8 +owned'
	dmremap stop "${out%% *}"
	dd if=/dev/zero of="$3" bs=1M count=5 status=none
}

mk_disk main 64M
mk_disk spare 16M
mk_disk other 16M
sfdisk -q "$main" <<<$'label: gpt\n2048,32768\n34816,32768' 2>/dev/null
losetup -d "$main"
main=$(losetup -f -P --show "$(disk_file main)")
until_true 10 test -b "${main}p2" || bail "no partitions"
found_again partition "${main}p2" "$spare" "$other" 'partuuid\.[0-9a-f-]{36}'

# A copy of the whole disk has partitions of the same UUIDs.
check "two partitions of one id: a pair is made" dmremap create --yes "${main}p2" "$spare" made
dmremap stop made
covered=$(dmremap dump "$spare" | sed -n 's/^covered: *//p' | head -n 1)
cp "$(disk_file main)" /tmp/disks/copy
copy=$(losetup -f -P --show /tmp/disks/copy)
until_true 10 test -b "${copy}p2" || bail "no partitions"
like "neither is taken" "$(dmremap assemble "$spare" 2>&1; echo $?)" 'one of several devices with its id \(partuuid.*next: .*detach the copy.*1$'
like "nor by a scan" "$(dmremap assemble --scan 2>&1; echo $?)" 'one of several devices.*1$'
check "but one that is named" dmremap assemble "${main}p2" "$spare" made
dmremap stop made
losetup -d "$copy"

# The disk of which main is a partition is longer, and not main.
dmremap assemble "$main" "$spare" made >said 2>&1
is "the whole disk is no main of that pair" "$?" 3
like "because it is longer" "$(cat said)" 'is longer than the 32768 sectors that the pair covers'
mkdir -p /dev/disk/by-id && ln -sf "$main" /dev/disk/by-id/whole
echo "made $(dmremap dump "$spare" | sed -n 's/^uuid: //p') /dev/disk/by-id/whole" >/etc/dm-remap.conf
dmremap assemble --scan >said 2>&1
is "nor where the configuration names it by a name that lasts" "$?" 3
rm /etc/dm-remap.conf /dev/disk/by-id/whole
is "and nothing is written: the pair covers the partition" "$(dmremap dump "$spare" | sed -n 's/^covered: *//p' | head -n 1)" "$covered"
check "and without the copy it is found" dmremap assemble "$spare"
dmremap stop "$(dmremap list -n -o name)"
dd if=/dev/zero of="$spare" bs=1M count=5 status=none

mk_scsi disk 64M
blockdev --setra 0 "$disk"
if dmremap create --yes "$disk" "$spare" probe >/dev/null 2>&1; then
	dmremap stop probe
	id=$(dmremap dump "$spare" | sed -n 's/^main_id: //p')
	dd if=/dev/zero of="$spare" bs=1M count=5 status=none
	if [ "$id" = none ]; then
		skip "a disk is found by its number" "this kernel offers none"
	else
		is "the disk's number is as sysfs has it" "$id" "$(cat /sys/block/"${disk##*/}"/device/wwid)"
		found_again disk "$disk" "$spare" "$other" '(naa|eui|t10)\.'
	fi
else
	not_ok "a pair on a SCSI disk" "none"
fi

# A part of a disk is not that disk, whatever kernels say.
dm_create part "0 $(($(sectors "$disk") / 2)) linear $disk 0"
check "a pair on a part of a disk is made" dmremap create --yes /dev/mapper/part "$spare" part-pair
dmremap stop part-pair
like "which remembers no identity" "$(dmremap dump "$spare")" $'main_id: none\n'
dd if=/dev/zero of="$spare" bs=1M count=5 status=none
dmsetup remove part

# A mapping has no identity that the kernel knows, and a number that is another the next time.
dm_create volume "0 $(sectors "$other") linear $other 0"
is "a main that is a mapping is called by its name" "$(dmremap create --yes /dev/mapper/volume "$spare" pair | tail -n 1 | cut -d ' ' -f 3)" /dev/mapper/volume
is "in the line of configuration, too" "$(dmremap list --config | cut -d ' ' -f 3)" /dev/mapper/volume
check "it is stopped" dmremap stop pair
like "a scan says that nobody knows its main" "$(dmremap assemble --scan 2>&1; echo $?)" "$spare is a spare whose main is not found, and not in .*left alone.*0\$"
is "and leaves it alone" "$(dmremap list -n)" ""
done_testing

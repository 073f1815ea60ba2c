# SPDX-License-Identifier: GPL-2.0-or-later
# C13: the same remaps after removal, after the module was reloaded, after a clean reboot and after a cut.
# disks: main=32M spare=8M
# boots: 3
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
r=/dev/mapper/r
len=$(sectors "$main")
bad="0 $len remap-faulty $main 0 7 bad_random 0 8192 100 8 42 write"
dm_create f "$bad" || bail "no remap-faulty"
# The uuid is not known before, so later boots write down nothing but the two disks.
line="0 $len dm-remap-v4 /dev/mapper/f $spare"
state() { message r list; message r list 4096; status_of r | cut -d ' ' -f 1-5; status_key r uuid; }
# The second half of the spare's slots is never used here: the first boot keeps its map there, as text.
note() { dd of="$spare" bs=4096 seek=1920 oflag=direct conv=sync,notrunc status=none; }
noted() { dd if="$spare" bs=4096 skip=1920 count=16 iflag=direct status=none | tr -d '\0'; }
same() { # SENTENCE
	is "C13: $1: the same map, the same pair" "$(state)" "$(noted)"
	check "C13: $1: the data" holds_pattern $r first 0 8192
}

case $BOOT in
1)
	check "C13: a blank spare becomes a pair" dm_create r "$line"
	check "C13: data goes in" put_pattern $r first 0 8192 512
	num "C13: with remaps" "$(used_slots r)" -ge 80
	state >/tmp/state
	note </tmp/state
	same "before anything happened"
	table=$(dmsetup table r)
	dmsetup remove r
	check "C13: the line that dmsetup table printed loads again" dm_create r "$table"
	same "after removal"
	is "C13: and prints itself" "$(dmsetup table r)" "$table"
	dmsetup remove r
	for m in dm_remap_health dm_remap; do
		[ ! -d /sys/module/$m ] || check "C13: the module $m is removed" rmmod $m
	done
	check "C13: the table line alone brings it back" dm_create r "$line"
	same "after the module was loaded anew"
	vm_reboot
	;;
2)
	check "C13: after a reboot it loads" dm_create r "$line"
	same "after a reboot"
	check "C3: new remaps" put_pattern $r second 8192 64
	dmsetup message f 0 bad 9000 64 write
	check "C3: in a place that went bad just now" put_pattern $r second 8960 128
	check "C3: are made" test "$(message r list 8192 | grep -c owned)" -ge 1
	dd if=/dev/null of=$r count=0 conv=fsync,notrunc status=none
	state | note
	vm_powercut
	;;
3)
	check "C13: after a power cut it loads" dm_create r "$line"
	same "after a power cut"
	check "C13: what was relocated last is there" holds_pattern $r second 8960 128
	check "C13: and what was written beside it" holds_pattern $r second 8192 64
	;;
esac
done_testing

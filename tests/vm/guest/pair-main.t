# SPDX-License-Identifier: GPL-2.0-or-later
# C14: a pair knows its main: by the disk's unique id, by the partition's UUID, by its place on the disk.
# timeout: 300
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
mk_disk spare 5M
watch=spare
len=4096
table() { echo "0 $len dm-remap-v4 $1 $spare${2:+ 1 $2}"; } # MAIN [ARG]
foreign="is not the disk that spare .* belongs to; if it is a copy of it, say new_main"

## Two disks with the same content and different ids: one is a clone of the other

mk_scsi a 8M add_host=2
disks() { compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/sd*"; }
until_true 10 eval '[ "$(disks | wc -l)" = 2 ]' || bail "scsi_debug has no second disk"
b=/dev/$(disks | sed 's,.*/,,' | grep -vx "${a##*/}")
until_true 10 test -b "$b"
put_pattern "$a" both 0 64
check "the second disk has the first one's content" holds_pattern "$b" both 0 64
check "C14: a disk with a unique id becomes main" dm_create r "$(table "$a")"
dmsetup remove r
check "C14: the same disk is main again" dm_create r "$(table "$a")"
dmsetup remove r
kind=$(get_number "$(disk_file spare)" 104 1) # of the id that the disks have
if [ "$kind" = 0 ]; then
	skip "C14: a disk with another id is refused" "this kernel's driver offers no unique id"
else
	refused "C14: a disk with another id is refused" "main .* $foreign" dm_create r "$(table "$b")"
	check "C14: new_main accepts it" dm_create r "$(table "$b" new_main)"
	dmsetup remove r
	was=$(images spare)
	check "C14: and remembers it" dm_create r "$(table "$b")"
	is "C14: so that the next activation writes nothing" "$(images spare)" "$was"
	table=$(dmsetup table r)
	dmsetup remove r
	refused "C14: the former main is a foreigner now" "main .* $foreign" dm_create r "$(table "$a")"
	check "C14: new_main with the main that is remembered is no news" dm_create r "$(table "$b" new_main)"
	is "C14: nothing is written for it" "$(images spare)" "$was"
	dmsetup remove r
fi
zero_at "$(disk_file spare)" 0 5242880
blockdev --flushbufs "$spare"

## Partitions

guid() { echo "0a1b2c3d-0000-4000-8000-00000000000$1"; }
mk_disk whole 16M
part() { # START GUID: the only partition
	sfdisk -q -X gpt "$whole" <<<"start=$1, size=8192, uuid=$2" >/dev/null 2>&1
	losetup -d "$whole"
	whole=$(losetup -f --show -P "$(disk_file whole)")
	until_true 10 test -b "${whole}p1" || bail "no partition"
}
part 2048 "$(guid 1)"
check "C14: a partition becomes main" dm_create r "$(table "${whole}p1")"
dmsetup remove r
is "C14: remembered by its UUID" "$(dd if="$(disk_file spare)" bs=1 skip=112 count=36 status=none)" "$(guid 1)"
was=$(images spare)
part 4096 "$(guid 1)"
check "C14: a partition that moved with its UUID is the same main" dm_create r "$(table "${whole}p1")"
is "C14: which is no news" "$(images spare)" "$was"
dmsetup remove r
part 2048 "$(guid 2)"
refused "C14: a partition with another UUID at the same place is refused" "main .* $foreign" \
	dm_create r "$(table "${whole}p1")"
check "C14: new_main accepts it" dm_create r "$(table "${whole}p1" new_main)"
dmsetup remove r
check "C14: and remembers it" dm_create r "$(table "${whole}p1")"
dmsetup remove r
is "C14: by its UUID" "$(dd if="$(disk_file spare)" bs=1 skip=112 count=36 status=none)" "$(guid 2)"
check "C14: no_auto and the like do not change that" dm_create r "$(table "${whole}p1" no_auto)"
dmsetup remove r

## A live reload keeps to the same main

check "C14: a device on the partition" dm_create r "$(table "${whole}p1")"
if [ "$kind" = 0 ]; then
	skip "C14: a reload with another main is refused" "this kernel's driver offers no unique id"
else
	watch='spare whole'
	refused "C14: a reload with another main is refused" "main .* $foreign" \
		dmsetup reload r --table "$(table "$a")"
	check "C15: the device goes on" put_pattern $r on 0 64
	check "C14: the reload with new_main loads" dm_reload r "$(table "$a" new_main)"
	check "C14: and main is the other disk" put_pattern $r other 0 64
	check "C14: really" holds_pattern "$a" other 0 64
	dmsetup remove r
	if [ "$(get_number "$(disk_file spare)" 104 1)" != 4 ]; then
		ok "C14: which is remembered"
	else
		not_ok "C14: which is remembered" "the spare still names the partition"
	fi
fi
[ ! -e $r ] || dmsetup remove r
losetup -d "$whole"

## A table that is loaded while the first one's resume formats the spare: whose main it is is known when it is resumed

mk_disk one 2M
mk_disk short 1M
mk_disk fresh 5M
dm_create f "0 $(sectors "$fresh") remap-faulty $fresh 0" || bail "no remap-faulty"
message f hold 8192 8 write times 1
dmsetup create r --notable && dmsetup load r --table "0 4096 dm-remap-v4 $one /dev/mapper/f" || bail "no device"
dmsetup resume r & pid=$!
check "C14: the first resume formats the spare" message f wait waiting 1 60000
check "C14: another main's table is loaded meanwhile" timeout 20 dmsetup load r --table "0 2048 dm-remap-v4 $short /dev/mapper/f"
message f release
ends_well "C14: the first one is active" $pid
log_mark
check_fails "C14: the other one is not" dmsetup resume r
check "C14: and the log says why" log_has "$log_mark" 'main .* is 2048 sectors long, the pair covers 4096'
dmsetup remove r
check "C14: the first one is, again" dm_create r "0 4096 dm-remap-v4 $one /dev/mapper/f"
# A main that has become shorter is an error for who reads behind its end, and no reason to stay suspended.
truncate -s 1M "$(disk_file one)" && losetup -c "$one"
is "C15: main is too short now" "$(sectors "$one")" 2048
dmsetup suspend r
check "C15: what ran goes on after a suspend" dmsetup resume r
check "C15: where main is still there" eval 'get_sectors $r 0 8 >/dev/null'
dmsetup remove r
done_testing

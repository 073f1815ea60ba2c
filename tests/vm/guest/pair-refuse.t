# SPDX-License-Identifier: GPL-2.0-or-later
# C14, C15, C17: what must not become a pair is refused, with a line that says why, and nothing is written.
# kernels: one
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
mk_disk main 2M
mk_disk spare 5M
main_file=$(disk_file main)
spare_file=$(disk_file spare)
put_pattern "$main" old 0 4096 1024
len=4096
plain="$main $spare"

## Words

bad_line() { # REGEX WORDS AFTER THE TARGET'S NAME
	refused "C14: '${*:2}' is refused" "$1" dm_create r "0 $len dm-remap-v4 ${*:2}"
}
bad_line "0 words given: expected <main> <spare>"
bad_line "1 words given: expected <main> <spare>" "$main"
bad_line "2 arguments announced, 1 given" "$plain 2 new_main"
bad_line "0 arguments announced, 1 given" "$plain 0 new_main"
bad_line '"new_main" is no number of arguments' "$plain new_main"
bad_line 'unknown argument "bogus"' "$plain 1 bogus"
bad_line 'argument "no_auto" given twice' "$plain 2 no_auto no_auto"
bad_line 'uuid "" is no UUID' "$plain 1 uuid"
bad_line 'uuid "1234" is no UUID' "$plain 2 uuid 1234"
bad_line "main /dev/nothing cannot be opened" "/dev/nothing $spare"
bad_line "spare /dev/nothing cannot be opened" "$main /dev/nothing"
refused "C14: a table longer than main is refused" "main .* is 4096 sectors long, the table says 4104" \
	dm_create r "0 4104 dm-remap-v4 $plain"
refused "C14: a read-only table is refused" "the table is read-only" \
	dm_create r "0 $len dm-remap-v4 $plain" --readonly

## Devices

modprobe dm-zero
dm_create huge "0 $((1 << 52)) zero"
refused "C14: a table longer than what entries can name is refused" "length .* is beyond the 2251799813685248 sectors" \
	dm_create r "0 $(((1 << 51) + 8)) dm-remap-v4 /dev/mapper/huge $spare"
dmsetup remove huge
watch='main'
refused "C14: main = spare is refused" "main .* and spare .* share sectors of one disk" \
	remap_create r "$main" "$main"
watch='main spare'

## Spares with something on them

foreign() { # WHAT: somebody's spare, with its signature in place
	refused "C14: a spare with $1 is refused" "neither blank nor a dm-remap spare" remap_create r $plain
	zero_at "$spare_file" 0 5242880
	blockdev --flushbufs "$spare"
}
head -c 5242880 /dev/urandom >"$spare_file"
foreign "random data"
mkfs.ext4 -q -F "$spare"
foreign "an ext4 file system"
put_bytes "$spare_file" $((65536 + 64)) '_BHRfS_M'
foreign "a btrfs superblock"
put_bytes "$spare_file" 512 'LABELONE'
put_bytes "$spare_file" 536 'LVM2 001'
foreign "an LVM label"
sfdisk -q "$spare" <<<"2048,,83" >/dev/null 2>&1
foreign "a DOS partition table"
sfdisk -q "$spare" <<<"label: gpt" >/dev/null 2>&1
zero_at "$spare_file" 0 34816
foreign "nothing but the backup of a GPT"
mkswap "$spare" >/dev/null
foreign "a swap area"
put_bytes "$spare_file" 5242368 '\x01'
foreign "one byte in its last sector"
for make in "mkfs.btrfs -q -f" "mkfs.xfs -q -f"; do
	if command -v "${make%% *}" >/dev/null; then
		mk_disk large 320M
		$make "$large" >/dev/null 2>&1
		watch='main'
		refused "C14: a spare that ${make%% *} made is refused" "neither blank nor a dm-remap spare" \
			remap_create r "$main" "$large"
		losetup -d "$large"
		rm "$(disk_file large)"
	else
		skip "C14: a spare that ${make%% *} made is refused" "no ${make%% *} here"
	fi
done
watch='main spare'

## Another pair's, another version's

remap_create r $plain || bail "no pair"
uuid=$(status_key r uuid)
dmsetup remove r
refused "C14: another pair's spare is refused" "has uuid $uuid, not 0a1b2c3d-0000-4000-8000-00000000000f" \
	remap_create r $plain uuid 0a1b2c3d-0000-4000-8000-00000000000f
check "C14: its own uuid is welcome" remap_create r $plain uuid "$uuid"
dmsetup remove r
refused "C14: main and spare swapped are refused" "main .* carries a dm-remap superblock" \
	dm_create r "0 $len dm-remap-v4 $spare $main"
cp "$spare_file" /tmp/pair
zero_at "$spare_file" 0 4096
zero_at "$spare_file" $((1 << 20)) 4096
zero_at "$spare_file" $((3 << 20)) 4096
refused "C14: so are they with one superblock left" "main .* carries a dm-remap superblock" \
	dm_create r "0 $len dm-remap-v4 $spare $main"

restore() { cp /tmp/pair "$spare_file"; }
future() { # FIELD OFFSET VALUE BYTES [COPY]: in all superblocks, with a good checksum
	local copy
	restore
	for copy in ${5:-0 1 2 3}; do
		put_bytes "$spare_file" $(($(super_at "$copy") + $2)) "$(le "$3" "$4")"
		seal "$spare_file" "$(super_at "$copy")"
	done
	refused "C14: $1 from the future is refused" "superblock: .*: another version of dm-remap is needed" remap_create r $plain
}
future "an incompatible feature" 72 0x80000000 4
future "a feature that writers must know" 68 1 4
future "a version" 8 3 2
future "a feature in one superblock" 72 1 4 2
restore
for copy in 0 1 2 3; do
	put_bytes "$spare_file" $(($(super_at $copy) + 64)) '\x01'
	seal "$spare_file" "$(super_at $copy)"
done
check "C14: a compatible feature from the future is no hindrance" remap_create r $plain
dmsetup remove r
is "C14: and is kept" "$(get_number "$spare_file" 64 4)" 1

## Too short

restore
truncate -s 6M "$spare_file"
losetup -c "$spare"
remap_create r $plain
check "a longer spare is taken in" message r grow
dmsetup remove r
truncate -s 5M "$spare_file"
losetup -c "$spare"
refused "C14: a truncated spare is refused" \
	"is truncated: 10240 sectors long, its superblock needs 12288" remap_create r $plain
restore
truncate -s 1M "$main_file"
losetup -c "$main"
refused "C14: a main shorter than what is covered is refused" "main .* is 2048 sectors long, the pair covers 4096" \
	remap_create r $plain
truncate -s 2M "$main_file"
losetup -c "$main"

## In use

mk_disk main2 2M
mk_disk twin 5M
cp /tmp/pair "$(disk_file twin)"
remap_create r $plain
victim=q
watch='main spare main2 twin'
refused "C15: a second device on a spare in use is refused" "spare .* is in use by another device" \
	remap_create q "$main2" "$spare"
refused "C15: two spares with one uuid are refused" "has the same uuid as .*, which is in use" \
	remap_create q "$main2" "$twin"
dm_create alias "0 10240 linear $spare 0"
refused "C15: so is the same spare by another name" "has the same uuid as .*, which is in use" \
	remap_create q "$main2" /dev/mapper/alias
dmsetup remove alias
mk_disk blank 5M
watch='main spare blank'
refused "C14: a second pair on a main in use is refused" "main .* is in use by another pair" \
	remap_create q "$main" "$blank"
dmsetup remove r
remap_create r "$blank" "$spare" new_main || bail "no pair with a blank main"
refused "C14: a main in use is nobody's spare, be it blank" "spare .* is in use by another pair" \
	remap_create q "$main2" "$blank"
dmsetup remove r
cp /tmp/pair "$spare_file"
rm "$(disk_file blank)"
losetup -d "$blank"
victim=r
rm "$(disk_file twin)"
losetup -d "$twin"
watch='main spare main2'
refused "C15: the same spare twice in one table is refused" "spare .* is named twice in one table" \
	dm_create r "0 $len dm-remap-v4 $plain
$len $len dm-remap-v4 $main2 $spare"
mk_disk blank 5M
watch='main spare blank'
refused "C14: the same main twice in one table is refused" "main .* is in use by another pair" \
	dm_create r "0 $len dm-remap-v4 $plain
$len $len dm-remap-v4 $main $blank"
rm "$(disk_file blank)"
losetup -d "$blank"

## Partitions of one disk

# The table is written by hand, for sfdisk makes no partitions that overlap: the third lies in the first.
mk_disk whole 16M
entry() { printf '\\x00\\x00\\x00\\x00\\x83\\x00\\x00\\x00%s%s' "$(le "$1" 4)" "$(le "$2" 4)"; } # START COUNT
put_bytes "$(disk_file whole)" 446 "$(entry 2048 10240)$(entry 12288 20480)$(entry 4096 4096)"
put_bytes "$(disk_file whole)" 510 '\x55\xaa'
losetup -d "$whole"
whole=$(losetup -f --show -P "$(disk_file whole)")
until_true 10 test -b "${whole}p3" || bail "no partitions"
watch=whole
# Here device-mapper itself says no: it opens each for itself alone.
refused "C14: a partition as the spare of its disk is refused" "share sectors of one disk|cannot be opened" \
	dm_create r "0 $len dm-remap-v4 $whole ${whole}p1"
refused "C14: a disk as the spare of its partition is refused" "share sectors of one disk|cannot be opened" \
	dm_create r "0 $len dm-remap-v4 ${whole}p1 $whole"
refused "C14: overlapping partitions of one disk are refused" "share sectors of one disk" \
	dm_create r "0 $len dm-remap-v4 ${whole}p3 ${whole}p1"
check "C14: two partitions of one disk that do not overlap are a pair" \
	dm_create r "0 $len dm-remap-v4 ${whole}p2 ${whole}p1"
dmsetup remove r
losetup -d "$whole"

## Block sizes, zones

mk_disk main4 2M 4096
mk_disk spare4 5M 4096
zero_at "$spare_file" 0 5242880
blockdev --flushbufs "$spare"
watch='main spare4'
refused "C17: a spare with larger logical blocks than main's is refused" \
	"spare .* has logical blocks of 4096 bytes, main .* of 512" remap_create r "$main" "$spare4"
watch='main4 spare4'
refused "C17: a length that is no multiple of main's logical block is refused" "length 4095 is not a multiple" \
	dm_create r "0 4095 dm-remap-v4 $main4 $spare4"
for other in spare spare4; do
	check "C17: a 4Kn main with a spare of $(blockdev --getss "${!other}") is a pair" remap_create r "$main4" "${!other}"
	is "C17: of 4096-byte blocks" "$(blockdev --getss $r)" 4096
	dmsetup remove r
done
dm_create f "0 $len remap-faulty $main4 0 4 bad 800 16 write"
zero_at "$(disk_file spare4)" 0 5242880
blockdev --flushbufs "$spare4"
remap_create r /dev/mapper/f "$spare4"
check "C17: both 4Kn: bad blocks are relocated" put_pattern $r new 768 64
check "C17: and read back" holds_pattern $r new 768 64
is "C17: two of them" "$(used_slots r)/$(owned_sectors r)" 2/16
dmsetup remove r
check "C17: and loaded again" remap_create r /dev/mapper/f "$spare4"
check "C17: with their data" holds_pattern $r new 768 64
dmsetup remove r
dmsetup remove f

## A spare that does not answer

zero_at "$spare_file" 0 5242880
blockdev --flushbufs "$spare"
dm_create f "0 $len remap-faulty $main 0 4 bad 800 16 write"
dm_create s "0 $(sectors "$spare") remap-faulty $spare 0"
remap_create r /dev/mapper/f /dev/mapper/s
put_pattern $r new 800 8
dmsetup remove r
# One copy of the table is read, the other is waited for.
message s hold $((8192 + 255 * 8)) 8 read times 1
remap_create late /dev/mapper/f /dev/mapper/s & late=$!
message s wait waiting 1
mk_disk main2 2M
mk_disk spare2 5M
check "C17: while a spare is waited for, another pair can be created" timeout 60 dmsetup create other --table "$(remap_table "$main2" "$spare2")"
check "and removed" dmsetup remove other
check "C15: the same spare answers another table" remap_create r /dev/mapper/f /dev/mapper/s
check "C15: and relocates one more unit" put_pattern $r new 768 64
is "which makes two" "$(used_slots r)" 2
dmsetup remove r
message s release fail medium
ends_well "C15: the first table is loaded after all" $late
is "C2: with what is on the spare by now" "$(used_slots late)" 2
check "and its data" holds_pattern /dev/mapper/late new 768 64
dmsetup remove late
dmsetup remove s
dmsetup remove f

if modprobe null_blk nr_devices=0 2>/dev/null && grep -q zoned /sys/kernel/config/nullb/features; then
	mk_null zones 64M zoned=1 zone_size=4
	watch='main spare'
	refused "C17: a zoned spare is refused" "is a zoned device" remap_create r "$main" "$zones"
	refused "C17: a zoned main is refused" "is a zoned device" remap_create r "$zones" "$spare"
else
	skip "C17: zoned devices are refused" "this kernel's null_blk has no zones"
fi
done_testing

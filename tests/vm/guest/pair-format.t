# SPDX-License-Identifier: GPL-2.0-or-later
# C14: a blank spare is formatted by the first resume, and only then; a formatting that was cut off can be done again.
# timeout: 300
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
mk_disk main 2M
mk_disk spare 8M
mk_disk small 5M
mk_disk short 5M
mk_disk under 7M
spare_file=$(disk_file spare)
put_pattern "$main" old 0 4096 1024
kept=$(images main)

## The first resume formats, nothing before it

blank=$(images spare)
table=$(remap_table "$main" "$spare")
check "C14: a device without a table" dmsetup create r --notable
check "C14: a table with a blank spare loads" dmsetup load r --table "$table"
is "C14: loading it writes nothing" "$(images spare)" "$blank"
check "C14: loading it again" dmsetup load r --table "$table"
check "C14: and clearing it" dmsetup clear r
is "C14: write nothing either" "$(images spare)" "$blank"
dmsetup load r --table "$table"
log_mark
check "C14: the first resume succeeds" dmsetup resume r
check "C14: and says that it formatted" log_has "$log_mark" 'spare formatted, 1008 slots'
is "C14: four segments make 1008 slots" "$(status_of r | cut -d ' ' -f 1-5)" "active 0/1008 0 0 0"
for copy in 0 1 2 3; do
	at=$(super_at $copy)
	check "C14: superblock $copy is there" magic_at "$spare_file" "$at"
	is "C14: version 2, type 1, its position, segments, segments in use, session, covered" \
		"$(for f in 8:2 10:2 32:8 76:4 80:4 84:4 88:8; do get_number "$spare_file" $((at + ${f%:*})) "${f#*:}"; done | tr '\n' ' ')" \
		"2 1 $((copy * 2048)) 4 1 1 4096 "
done
check "C14: with the checksum of the text" sealed "$spare_file" 0
check "C14: the table's too" sealed "$spare_file" "$(table_at 0 3)"
for place in 0 3; do
	at=$(table_at 0 $place)
	check "C14: the table of segment 0 at place $place is there" magic_at "$spare_file" "$at"
	check "C14: all free" zeroes_at "$spare_file" $((at + 64)) 4032
	check "C14: of the same pair" same_bytes "$spare_file" $((at + 16)) 16 "$spare_file" 16
done
check "C14: nothing is between the superblocks" zeroes_at "$spare_file" 4096 $((0xff000))
check "C14: the slots are not touched" zeroes_at "$spare_file" $(((4 << 20) + 4096)) $((254 * 4096))
check "C14: nor what is behind segment 0" zeroes_at "$spare_file" $((5 << 20)) $((3 << 20))
is "C14: main is not written to" "$(images main)" "$kept"
made=$(images spare)
table=$(dmsetup table r)
dmsetup remove r
is "C15: removal writes nothing" "$(images spare)" "$made"
check "C14: it loads again" dm_create r "$table"
is "C14: and a clean pair writes nothing on activation" "$(images spare)" "$made"
dmsetup remove r

## How long a spare must be

check "C14: 5 MiB are enough" remap_create r "$main" "$small"
is "C14: for one segment" "$(status_of r | cut -d ' ' -f 1-2)" "active 0/252"
dmsetup remove r
check "C14: and it loads again" remap_create r "$main" "$small"
dmsetup remove r
truncate -s $((5 * 1048576 - 512)) "$(disk_file short)"
losetup -c "$short"
watch='main short'
refused "C14: a sector less is too short" "10239 sectors long: it must have at least 10240" \
	remap_create r "$main" "$short"
watch='main under'
refused "C14: a blank spare is refused where a uuid is given" \
	"blank, not the one with uuid 0a1b2c3d-0000-4000-8000-00000000000f" \
	remap_create r "$main" "$under" uuid 0a1b2c3d-0000-4000-8000-00000000000f

## What is read to tell a blank spare

f=/dev/mapper/f
len=$(sectors "$under")
faulty() { dm_create f "0 $len remap-faulty $under 0${*:+ $# $*}" || bail "no remap-faulty"; }
for at in 0 2040 4096 $((len - 2048)) $((len - 8)); do
	faulty bad $at 8 read
	refused "C14: a spare that cannot be read at sector $at is refused" "cannot be read at sector" \
		remap_create r "$main" $f
	dmsetup remove f
	put_bytes "$(disk_file under)" $((at * 512 + 511)) 'x'
	refused "C14: so is one with a byte of data at sector $at" \
		"neither blank nor a dm-remap spare \(data at sector $at\)" remap_create r "$main" "$under"
	zero_at "$(disk_file under)" $((at * 512)) 512
done
for at in 2048 4096 6144; do
	put_bytes "$(disk_file under)" $((at * 512 + 4095)) 'x'
	refused "C14: all 4096 bytes at sector $at have to be blank" \
		"data at sector $((at + 7))" remap_create r "$main" "$under"
	zero_at "$(disk_file under)" $((at * 512)) 4096
done
is "C14: the spare is blank again" "$(images under)" "$(head -c 7M /dev/zero | md5sum | tr -d ' \n-')"

## A formatting that is cut off

# Two tables and four superblocks, each durable before the next: the cut comes with each of the six.
# Two superblocks are enough to go on with, so a disk that is gone from the fifth write on was formatted.
same_metadata() { # FILE: what the copies have in common is the same, all but checksum and position
	local copy
	for copy in 1 2 3; do
		same_bytes "$1" 16 16 "$1" $(($(super_at $copy) + 16)) &&
			same_bytes "$1" 40 4056 "$1" $(($(super_at $copy) + 40)) || return 1
	done
	same_bytes "$1" $(($(table_at 0 0) + 40)) 4056 "$1" $(($(table_at 0 3) + 40))
}
for try in '7 under then offline' '5 small cache then cut'; do
	read -r size disk how <<<"$try"
	file=$(disk_file "$disk")
	len=$(sectors "${!disk}")
	for n in 1 2 3 4 5 6; do
		zero_at "$file" 0 $((size << 20))
		# shellcheck disable=SC2086 # words
		set -- ${how%then*} fail_after write $n ioerr "then" ${how#*then}
		dm_create f "0 $len remap-faulty ${!disk} 0 $# $*" || bail "no remap-faulty"
		sentence="C14: $size MiB, '$how' at write $n of the formatting"
		if [ $n -lt 5 ]; then
			check_fails "$sentence: the device is not created" remap_create r "$main" $f
		else
			check "$sentence: the device is created" remap_create r "$main" $f
			dmsetup remove r
		fi
		dmsetup remove f
		dm_create f "0 $len remap-faulty ${!disk} 0 1 cache"
		check "$sentence: the next attempt succeeds" remap_create r "$main" $f
		is "$sentence: with all segments" "$(all_slots r)" $(((size - 4) * 252))
		dmsetup remove r
		dmsetup remove f
		check "$sentence: and all copies are whole" same_metadata "$file"
	done
done
# A write that fails by itself is no cut: the formatting goes round it.
for n in 1 2 3 4 5 6; do
	zero_at "$file" 0 $((5 << 20))
	dm_create f "0 $len remap-faulty $small 0 4 fail_after write $n ioerr"
	check "C14: write $n of the formatting fails once: it goes on" remap_create r "$main" $f
	dmsetup remove r
	check "C14: and the pair loads" remap_create r "$main" $f
	is "C14: with its segment" "$(status_of r | cut -d ' ' -f 1-2)" "active 0/252"
	dmsetup remove r
	dmsetup remove f
done

## A table that never ran

zero_at "$(disk_file under)" 0 $((7 << 20))
blockdev --flushbufs "$under"
mk_disk long 8M
dmsetup create r --notable
check "C14: a blank spare, loaded with a longer main" \
	dmsetup load r --table "0 16384 dm-remap-v4 $long $under"
check "C14: then with the right one" \
	dmsetup load r --table "0 $(sectors "$main") dm-remap-v4 $main $under"
check "C14: which is resumed" dmsetup resume r
dmsetup remove r
check "C14: the pair covers what it was formatted for" remap_create r "$main" "$under"
dmsetup remove r
done_testing

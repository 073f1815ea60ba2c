# SPDX-License-Identifier: GPL-2.0-or-later
# C14: whatever one copy of the metadata suffers, the whole map is loaded, and both copies are equal before the first I/O.
# timeout: 400
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
f=/dev/mapper/f
s=/dev/mapper/s
mk_disk main 4M
mk_disk spare 7M
len=$(sectors "$main")
spare_len=$(sectors "$spare")
file=$(disk_file spare)
# 300 bad units: two of the three segments are in use.
dm_create f "0 $len remap-faulty $main 0 7 bad_every 0 4800 16 8 write keep" || bail "no remap-faulty"
spare_disk() { dm_create s "0 $spare_len remap-faulty $spare 0${*:+ $# $*}" || bail "no remap-faulty"; } # ARG...
watch='main spare'

spare_disk
remap_create r $f $s || bail "no pair"
check "units are relocated" put_pattern $r new 0 4800 1600
is "to two segments" "$(used_slots r)/$(owned_sectors r)" 300/2400
map=$(message r list)
uuid=$(status_key r uuid)
dmsetup remove r
dmsetup remove s
blockdev --flushbufs "$spare"
cp "$file" /tmp/pair
restore() { blockdev --flushbufs "$spare"; dd if="${1:-/tmp/pair}" of="$file" bs=1M conv=notrunc status=none; } # [IMAGE]

whole() { # all copies that should be equal are
	local c seg
	for c in 1 2 3; do
		same_bytes "$file" 16 16 "$file" $(($(super_at $c) + 16)) &&
			same_bytes "$file" 40 4056 "$file" $(($(super_at $c) + 40)) || return 1
	done
	for seg in 0 1; do
		same_bytes "$file" $(($(table_at $seg 0) + 40)) 4056 "$file" $(($(table_at $seg 3) + 40)) || return 1
	done
}
holds_map() { # SENTENCE
	is "$1: the map is whole" "$(message r list)" "$map"
	check "$1: the data is right" holds_pattern $r new 0 4800
}
# Loads what the test has damaged: whole map, said and counted, equal copies, and a clean pair from then on.
repaired() { # SENTENCE DAMAGED-BLOCKS
	local was
	log_mark
	check "$1: loads" remap_create r $f $s
	holds_map "$1"
	is "$1: each counted once" "$(status_key r metadata_errors)" "$2"
	check "$1: said" log_has "$log_mark" "metadata repaired"
	dmsetup remove r
	check "$1: the copies are equal again" whole
	was=$(images spare)
	log_mark
	check "$1: loads once more" remap_create r $f $s
	is "$1: as a clean pair" "$(status_key r metadata_errors) $(images spare)" "0 $was"
	check_fails "$1: of which nothing is said" log_has "$log_mark" "repair|damaged|unreadable"
	dmsetup remove r
}

## A clean pair

check "a pair without damage has equal copies" whole
spare_disk
was=$(images main spare)
check "C14: a clean pair loads" remap_create r $f $s
is "C14: and writes nothing, not even a flush" \
	"$(images main spare) $(status_key s writes) $(status_key s flushes)" "$was 0 0"
num "C14: it reads segments in use only, B of one and A of the next in one read" "$(status_key s reads)" -le 14
holds_map "C14: a clean pair"
dmsetup remove r

## One superblock

for copy in 0 1 2 3; do
	restore
	zero_at "$file" "$(super_at $copy)" 4096
	repaired "C14: superblock $copy zeroed" 1
done
restore
put_bytes "$file" $(($(super_at 2) + 3000)) 'x'
repaired "C14: superblock 2 damaged" 1
for copies in "0 1 2" "1 2 3"; do
	restore
	for copy in $copies; do zero_at "$file" "$(super_at "$copy")" 4096; done
	repaired "C14: superblocks $copies zeroed" 3
done
dmsetup remove s
for copy in 0 3; do
	restore
	spare_disk bad $((copy * 2048)) 8 read heal
	repaired "C14: superblock $copy unreadable until rewritten" 1
	dmsetup remove s
done
spare_disk

## One copy of a table

for at in "0 0" "0 3" "1 0" "1 3"; do
	# shellcheck disable=SC2086 # words
	set -- $at
	where=$(table_at "$1" "$2")
	restore
	zero_at "$file" "$where" 4096
	repaired "C14: table of segment $1 at place $2 zeroed" 1
	restore
	put_bytes "$file" $((where + 2000)) 'x'
	repaired "C14: table of segment $1 at place $2 damaged" 1
	dmsetup remove s
	restore
	spare_disk bad $((where / 512)) 8 read heal
	repaired "C14: table of segment $1 at place $2 unreadable until rewritten" 1
	dmsetup remove s
	spare_disk
done
# An older copy that is whole: without its generation, the map it holds would be believed.
for place in 0 3; do
	restore
	where=$(table_at 0 $place)
	zero_at "$file" $((where + 64)) 4032
	put_bytes "$file" $((where + 40)) "$(le 1 4)"
	seal "$file" "$where"
	repaired "C14: table of segment 0 at place $place old" 1
done
# A run of 512 KiB hits one copy of a superblock and one of a table at the most.
restore
dd if=/dev/urandom of="$file" bs=64k seek=$(((3 << 20) / 65536 + 8)) count=9 conv=notrunc status=none
log_mark
check "C14: a damaged run of 576 KiB up to table A loads" remap_create r $f $s
is "C14: and costs no mapping" "$(message r list)" "$map"
dmsetup remove r
dmsetup remove s

## A copy that cannot be written

restore
where=$(table_at 0 0)
spare_disk bad $((where / 512)) 8
log_mark
check "C14: a table copy that is broken for good is relocated" remap_create r $f $s
check "C14: to an alternate, which is said" log_has "$log_mark" "table copy of segment 0 moved to sector $(($(table_at 0 1) / 512))"
holds_map "C14: with a copy at an alternate"
dmsetup remove r
log_mark
check "C14: it loads from there" remap_create r $f $s
is "C14: as a clean pair" "$(status_key r metadata_errors)" 0
holds_map "C14: from an alternate"
dmsetup remove r
cp "$file" /tmp/moved
zero_at "$file" "$(table_at 0 1)" 4096
check "C14: with the other copy" remap_create r $f $s
holds_map "C14: with the alternate lost"
dmsetup remove r
dmsetup remove s
spare_disk
restore /tmp/moved
zero_at "$file" "$(table_at 0 1)" 4096
zero_at "$file" "$(table_at 0 3)" 4096
refused "C14: a place that the superblock does not name is not believed" \
	"both copies of the table of segment 0 are unreadable or damaged" remap_create r $f $s

## Both copies

for segment in 0 1; do
	restore
	zero_at "$file" "$(table_at $segment 0)" 4096
	zero_at "$file" "$(table_at $segment 3)" 4096
	refused "C14: both copies of the table of segment $segment damaged" \
		"both copies of the table of segment $segment are unreadable or damaged" remap_create r $f $s
	dmsetup remove s
	restore
	spare_disk bad $(($(table_at $segment 0) / 512)) 8 read bad $(($(table_at $segment 3) / 512)) 8 read
	refused "C14: both copies of the table of segment $segment unreadable" \
		"both copies of the table of segment $segment are unreadable or damaged" remap_create r $f $s
	dmsetup remove s
	spare_disk
done
dmsetup remove s

## An activation whose repair fails

restore
zero_at "$file" "$(table_at 1 0)" 4096
cp "$file" /tmp/damaged
spare_disk readonly
log_mark
check_fails "C14: a spare that cannot be repaired is not activated" remap_create r $f $s
check "C14: which is said" log_has "$log_mark" "repairing the spare's metadata failed"
dmsetup remove s
blockdev --flushbufs "$spare"
check "C14: nothing was written" cmp "$file" /tmp/damaged
spare_disk
repaired "C14: after that" 1
is "C14: the pair is the same" "$(remap_create r $f $s && status_key r uuid)" "$uuid"
dmsetup remove r

## Wiped superblocks do not make a spare blank while its table is in use

# 5 MiB, so that table B is in the last MiB; the data is zeroes, so that the table is all there is.
mk_disk tiny 5M
remap_create r $f "$tiny"
dd if=/dev/zero of=$r bs=4096 count=2 oflag=direct status=none
num "zeroes are relocated" "$(used_slots r)" -ge 1
dmsetup remove r
for copy in 0 1 2 3; do zero_at "$(disk_file tiny)" "$(super_at $copy)" 4096; done
watch='main tiny'
refused "C14: a table in use is no blank spare, whatever became of the superblocks" \
	"neither blank nor a dm-remap spare" remap_create r $f "$tiny"
done_testing

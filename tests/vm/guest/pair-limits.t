# SPDX-License-Identifier: GPL-2.0-or-later
# C17: the sizes of I/O are main's own, whatever the spare can; what keeps data safe comes from both.
# timeout: 200
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
r=/dev/mapper/r
mk_null main 64M discard=1
mk_null spare 16M
len=$(sectors "$main")
queue_of() { # DEVICE
	local major minor
	read -r major minor < <(stat -L -c '0x%t 0x%T' "$1")
	echo "/sys/dev/block/$((major)):$((minor))/queue"
}
of() { # DEVICE ATTRIBUTE
	local value
	read -r value <"$(queue_of "$1")/$2"
	echo "$value"
}
blank() { dd if=/dev/zero of="$1" bs=1M count=16 oflag=direct status=none; } # DEVICE
# What the block layer is told about sizes; a scheduler and the like are no limits.
sizes='max_sectors_kb max_hw_sectors_kb chunk_sectors max_segments max_segment_size virt_boundary_mask
	physical_block_size logical_block_size hw_sector_size minimum_io_size optimal_io_size discard_granularity
	discard_max_bytes discard_max_hw_bytes write_zeroes_max_bytes dma_alignment max_integrity_segments'
limits() { # DEVICE
	local a value queue
	queue=$(queue_of "$1")
	for a in $sizes; do [ ! -e "$queue/$a" ] || { read -r value <"$queue/$a" && echo "$a $value"; }; done
}

## Sizes

dm_create l "0 $len linear $main 0"
echo 4 >"$(queue_of "$spare")/max_sectors_kb"
is "the spare takes 4 KiB at once" "$(of "$spare" max_sectors_kb)" 4
check "C17: a pair with a spare of tiny limits" dm_create r "0 $len dm-remap-v4 $main $spare"
num "the limits are there to compare" "$(limits $r | wc -l)" -ge 12
is "C17: a small spare does not throttle main: every size is that of dm-linear" "$(limits $r)" "$(limits /dev/mapper/l)"
num "C17: main offers discards, the spare does not: so does the pair" "$(of $r discard_max_bytes)" -gt 0
check "C17: one is done" blkdiscard -o 1048576 -l 1048576 $r
for size in 4 512; do
	check "C17: $size KiB at once go in" put_pattern $r "s$size" 0 $((size * 2)) $((size * 2))
done
dmsetup remove r
check "C17: a relocated stretch that the spare has to take in small pieces" \
	dm_create f "0 $len remap-faulty $main 0 4 bad 2048 512 write"
dm_create r "0 $len dm-remap-v4 /dev/mapper/f $spare"
check "C17: is written at once" put_pattern $r big 1024 2048
check "C17: and again, from slots in a row" put_pattern $r again 1024 2048
check "C17: and read at once" holds_pattern $r again 1024 2048
is "C17: from 64 slots" "$(used_slots r)" 64
dmsetup remove r
dmsetup remove f
dmsetup remove l

## Each kind of limit

# A SCSI disk with larger physical blocks and small discards as the spare; then as main, with more segments than the spare.
mk_scsi scsi 64M physblk_exp=3 opt_blks=64 lbpu=1 lbpws=1 unmap_max_blocks=16 unmap_granularity=8
mk_null small 16M
num "the two differ in physical blocks" "$(of "$scsi" physical_block_size)" -gt "$(of "$main" physical_block_size)"
num "in discards" "$(of "$scsi" discard_max_bytes)" -lt "$(of "$main" discard_max_bytes)"
num "and in segments" "$(of "$scsi" max_segments)" -gt "$(of "$small" max_segments)"
for pair in "$main $scsi" "$scsi $small"; do
	# shellcheck disable=SC2086 # words
	set -- $pair
	blank "$2"
	[ "$1" != "$scsi" ] || blank "$1"
	dm_create l "0 32768 linear $1 0"
	dm_create r "0 32768 dm-remap-v4 $1 $2"
	# Device-mapper itself offers write-zeroes only where every device that is named can do them.
	if [ "$(of "$2" write_zeroes_max_bytes)" = 0 ]; then
		is "C17: without write-zeroes on ${2##*/} there are none" "$(of $r write_zeroes_max_bytes)" 0
		sizes=${sizes/write_zeroes_max_bytes/}
	fi
	is "C17: every size of ${1##*/} with ${2##*/} as its spare is that of dm-linear" "$(limits $r)" "$(limits /dev/mapper/l)"
	dmsetup remove r
	dmsetup remove l
done

## Zeroes that free space: of kernels that tell them apart, the block layer takes all that main can or none

echo 4096 >/sys/module/scsi_debug/parameters/write_same_length
echo 1 >/sys/bus/pseudo/drivers/scsi_debug/add_host
second='/sys/bus/pseudo/drivers/scsi_debug/adapter1/host*/target*/*:*/block/sd*'
until_true 20 compgen -G "$second" || bail "no second SCSI disk"
less=/dev/$(basename "$(compgen -G "$second")")
until_true 20 test -b "$less"
num "a spare that zeroes less at once" "$(of "$less" write_zeroes_max_bytes)" -lt "$(of "$scsi" write_zeroes_max_bytes)"
blank "$less"
check "C17: is no obstacle" dm_create r "0 32768 dm-remap-v4 $scsi $less"
is "C17: main zeroes as much as it can" "$(of $r write_zeroes_max_bytes)" "$(of "$scsi" write_zeroes_max_bytes)"
[ ! -e "$(queue_of $r)/write_zeroes_unmap_max_hw_bytes" ] ||
	is "C17: and frees as much" "$(of $r write_zeroes_unmap_max_hw_bytes)" "$(of "$scsi" write_zeroes_unmap_max_hw_bytes)"
dmsetup remove r

## The other way round: a spare that can more does not lend it to main

echo 64 >"$(queue_of "$main")/max_sectors_kb"
mk_null wide 16M discard=1
dm_create l "0 $len linear $main 0"
dm_create r "0 $len dm-remap-v4 $main $wide"
is "C17: main's own limits hold" "$(limits $r)" "$(limits /dev/mapper/l)"
is "C17: among them" "$(of $r max_sectors_kb)" 64
dmsetup remove r
dmsetup remove l
mk_disk spare2 16M
blank "$wide"
blank "$spare"
plain=$(sectors "$spare")
dm_create lone "0 $plain linear $spare 0"
dm_create r "0 $plain dm-remap-v4 /dev/mapper/lone $wide"
is "C17: a main without discards gets none from its spare" "$(of $r discard_max_bytes)" 0
dmsetup remove r
dmsetup remove lone

## What keeps data safe

for pair in "$spare2 $spare" "$main $spare2"; do
	# shellcheck disable=SC2086 # words
	set -- $pair
	blank "$2"
	dm_create r "0 32768 dm-remap-v4 $1 $2"
	is "C17: caches '$(of "$1" write_cache)' and '$(of "$2" write_cache)': the pair flushes" \
		"$(of $r write_cache)" "write back"
	dmsetup remove r
done
blank "$spare"
dm_create r "0 32768 dm-remap-v4 $main $spare"
is "C17: two devices without a cache need no flush" "$(of $r write_cache)" "write through"
dmsetup remove r
for who in main spare; do
	echo 1 >"$(queue_of "${!who}")/stable_writes"
	dm_create r "0 32768 dm-remap-v4 $main $spare"
	is "C17: $who needs stable pages: so does the pair" "$(of $r stable_writes)" 1
	dmsetup remove r
	echo 0 >"$(queue_of "${!who}")/stable_writes"
done
dm_create r "0 32768 dm-remap-v4 $main $spare"
is "C17: neither does: nor the pair" "$(of $r stable_writes)" 0
is "C17: both devices are named" "$(dmsetup deps -o devname r | grep -o '([^)]*)' | sort | tr '\n' ' ')" \
	"$(printf '(%s)\n' "${main##*/}" "${spare##*/}" | sort | tr '\n' ' ')"
dmsetup remove r
mk_disk main4 16M 4096
blank "$wide"
dm_create r "0 32768 dm-remap-v4 $main4 $wide"
is "C17: main's logical block is the larger one" "$(blockdev --getss $r)" 4096
dmsetup remove r
# Sectors 1001 and 1003 to 1007 are left with a main that has 512-byte blocks; one with blocks of 4096 has no way to tell them apart.
mk_disk wider 16M 512
blank "$wide"
dm_create r "0 32768 dm-remap-v4 $wider $wide" && message r remap 1000 1 >/dev/null && message r remap 1002 1 >/dev/null
dmsetup remove r
log_mark
check_fails "C17: a main with larger blocks than the map's parts is refused" dm_create r "0 32768 dm-remap-v4 $main4 $wide"
check "C17: with a line that says which" log_has "$log_mark" "main .* has logical blocks of 4096 bytes, and a part of one is relocated at sector 1000:"
dm_create r "0 32768 dm-remap-v4 $wider $wide" && message r remap 1000 8 >/dev/null
dmsetup remove r
check "C17: where whole blocks are relocated it is not" dm_create r "0 32768 dm-remap-v4 $main4 $wide"
check "C2: and all of it reads" get_sectors $r 992 24
dmsetup remove r
# DMA: the stricter alignment of the two. On kernels that let it be seen.
if [ -e "$(queue_of "$main")/dma_alignment" ]; then
	strict=$((0))
	for d in "$main4" "$wide"; do [ "$(of "$d" dma_alignment)" -le $strict ] || strict=$(of "$d" dma_alignment); done
	blank "$wide"
	dm_create r "0 32768 dm-remap-v4 $main4 $wide"
	is "C17: DMA is aligned as the stricter device wants it" "$(of $r dma_alignment)" "$strict"
	dmsetup remove r
else
	skip "C17: DMA is aligned as the stricter device wants it" "this kernel does not show it"
fi
done_testing

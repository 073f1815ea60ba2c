# SPDX-License-Identifier: GPL-2.0-or-later
# Guest part of `make bench`: prints "row NAME RW MEDIAN LOWEST HIGHEST", instructions an I/O in
# tenths, for each device. See count-io.c for how they are counted.
# timeout: 1200
# memory: 2G
. /vm/lib.sh

# shellcheck disable=SC2086 # places are two words
units=10240 step=8 # a remapped unit in every 8, i.e. one each 32 KiB
area=$((units * step * 8))

row() { # NAME DEVICE ALIGN OFFSET
	local rw cost
	for rw in read write; do
		cost=$(/vm/count-io "$2" $rw $((area * 512)) "$3" "$4" 2>&1) || bail "count-io on $2: $cost"
		say "row $1 $rw $cost"
	done
}

# Even units are never remapped; the remapped ones are 4 KiB after each 32 KiB.
even='8192 0'
mapped='32768 4096'

mk_null main 321M memory_backed=0 || bail "no null_blk"
len=$(sectors "$main")
row raw "$main" $even
dm_create lin "0 $len linear $main 0"
row dm-linear /dev/mapper/lin $even
dmsetup remove lin
# Always up, so that nothing but its way of passing on is measured.
dm_create flakey "0 $len flakey $main 0 3600 0"
row dm-flakey /dev/mapper/flakey $even
dmsetup remove flakey

mk_null spare 64M
if ! [ -e /lib/modules/"$(uname -r)"/updates/dm-remap.ko ] || ! modprobe dm-remap 2>/tmp/why; then
	say "skip dm-remap $(cat /tmp/why 2>/dev/null || echo the module is not built)"
	ok "the rows without dm-remap were measured"
	done_testing
fi
check "a device without remaps is created" remap_create remap "$main" "$spare" || done_testing
row remap-none /dev/mapper/remap $even
dmsetup remove remap

# Remaps are made the way users get them: writes that fail, among others that do not. The disk that
# fails is main with a layer over it; main itself takes its place afterwards.
if ! modprobe dm-remap-faulty 2>/tmp/why; then
	say "skip remaps $(cat /tmp/why)"
	done_testing
fi
dm_create bad "0 $len remap-faulty $main 0 7 bad_every 8 $area $((step * 8)) 8 write keep" ||
	bail "remap-faulty refuses the table"
remap_create remap /dev/mapper/bad "$spare" new_main || bail "no device over bad sectors"
dd if=/dev/zero of=/dev/mapper/remap bs=1M count=$((area / 2048)) oflag=direct status=none ||
	bail "the writes over bad sectors failed: $(dmsetup status remap)"
num "10,000 scattered remaps were made" "$(used_slots remap)" -ge 10000 || bail "$(dmsetup status remap)"
dmsetup remove remap
dmsetup remove bad

check "main takes its own place again" remap_create remap "$main" "$spare" new_main || done_testing
row remap-10000 /dev/mapper/remap $even
row remap-hit /dev/mapper/remap $mapped
num "every one of those I/Os met a remap" \
	"$(($(status_key remap remapped_reads) + $(status_key remap remapped_writes)))" -ge 40000
dmsetup remove remap
# What a hit is compared with: dm-linear on the same slots, whose data is in memory.
dm_create lin "0 $(sectors "$spare") linear $spare 0"
area=$((units / 256 * 2048))
row dm-linear-spare /dev/mapper/lin 4096 $((4 * 1048576))
dmsetup remove lin
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the I/O contracts share: a main and a spare that count, log and fail as told
# (/dev/mapper/m and s), the device over them ($r), and a plain file that says what it must hold.
# shellcheck shell=bash disable=SC2154
. /vm/lib.sh
m=/dev/mapper/m s=/dev/mapper/s r=/dev/mapper/r
model=/tmp/disks/model noise=/tmp/disks/noise

# Where things are on the spare, in sectors (docs/FORMAT.md).
slot_sector() { echo $((8192 + $1 / 252 * 2048 + (2 + $1 % 252) * 8)); } # SLOT
declare -A table_block=([A]=0 [ALT1]=1 [ALT2]=254 [B]=255)
table_sector() { # SEGMENT A|ALT1|ALT2|B
	echo $((8192 + $1 * 2048 + table_block[$2] * 8))
}

io_faulty() { # NAME DEVICE [ARG...]
	local name=$1 dev=$2
	shift 2
	dm_create "$name" "0 $(sectors "$dev") remap-faulty $dev 0${*:+ $# $*}" || bail "no remap-faulty"
}
# Loop devices "lower" and "store" of these sizes, with m and s on them. FAULTY-ARGS go to both.
io_disks() { # MAIN-BYTES SPARE-BYTES [FAULTY-ARG...]
	mk_disk lower "$1"
	mk_disk store "$2"
	shift 2
	io_faulty m "$lower" "$@"
	io_faulty s "$store" "$@"
}
io_pair() { remap_create r $m $s "$@" || bail "no pair"; } # [ARG...]
# A fresh pair on the same disks; every fault is taken back.
io_renew() {
	[ ! -e $r ] || dmsetup remove r
	message m good 0 0 slow 0 0 all 0 fail_never online
	message s good 0 0 slow 0 0 all 0 fail_never online
	truncate -s 0 "$(disk_file store)"
	truncate -s "$(($(sectors "$store") * 512))" "$(disk_file store)"
	blockdev --flushbufs "$store"
	io_pair "$@"
	io_clear
}
patience() { echo "$1" >/sys/module/dm_remap/parameters/patience; } # SECONDS
io_clear() {
	message m stats_clear
	message s stats_clear
	message m log_clear
	message s log_clear
}
io_again() { # removed and created anew, by what dmsetup table printed
	local table
	table=$(dmsetup table r) && dmsetup remove r && dm_create r "$table"
}

# State, used and all slots, owned and pending sectors, bad slots; settled: when the worker has nothing left to do.
counts() {
	local words
	read -ra words < <(dmsetup status --noflush r)
	echo "${words[*]:3:5}"
}
settle() { dmsetup suspend --noflush r && dmsetup resume r; }
settled_counts() { settle; counts; }
# A message works for at most a second; "next" says where to go on. Prints the sum of its first numbers, and how many messages.
drive() { # VERB FIRST END
	local at=$2 answer sum=0 n=0
	while [ "$at" ]; do
		answer=$(message r "$1" "$at" $(($3 - at))) || return 1
		sum=$((sum + ${answer%% *}))
		n=$((n + 1))
		at=$(sed -n 's/^next //p' <<<"$answer")
	done
	echo "$sum $n"
}
# A unit of main fails with this status; false where the kernel has none of that name, and "offline" is a word of its own.
main_fails() { # SECTOR OPS STATUS
	message m bad "$1" 8 "$2" "$3" && [ "$(state_of m)" = online ] && return 0
	message m good "$1" 8 online
	return 1
}
# A device (m or s) goes away; when the worker asks whether it is there, it is again.
goes_away() { message "$1" offline && message "$1" hold 0 8 read times 1; } # NAME
is_back_when_asked() { # SENTENCE NAME
	check "$1" message "$2" wait waiting 1 60000
	message "$2" online
	message "$2" release
}
# What main and spare keep in their volatile caches is durable.
sync_disks() { message m sync && message s sync; }
# The worker is at a write to this unit, which main holds; sets $busy to the writer's PID. worker_lets_go when
# COUNT writes have failed and their patience (C20) is over: that is a matter of time, and of nothing else.
worker_held() { # SECTOR
	message m stats_clear
	message m bad "$1" 8 write hold "$1" 8 write times 2
	writes busy "$1" 8 & busy=$!
	message m wait waiting 1 60000
	message m release 1
	message m wait waiting 1 60000
}
worker_lets_go() { # COUNT
	message m wait failed_writes "$1" 60000
	patience 10 # slow kernels are given more, and it is read when it matters
	sleep 11
	message m release
}

counters() { # DEVICE KEY...
	local status key out=
	status="$(dmsetup status --noflush "$1") "
	shift
	for key; do
		[[ $status = *" $key "* ]] || { echo "no $key in: $status"; return 1; }
		key=${status##* "$key" }
		out+="${key%%[!0-9]*} "
	done
	echo "${out% }"
}

# 4 MiB of sectors that all differ, to write slices of: what is where tells which write it was.
io_noise() { pattern "noise $RANDOM" 0 8192 >$noise; }
io_model() { # a copy of what the device holds now
	dd if=$r of=$model bs=1M iflag=direct status=none || bail "the device does not read"
}
same_as_model() { [ "$(stat -c %s $model)" = $(($(sectors $r) * 512)) ] && cmp <(dd if=$r bs=1M iflag=direct status=none) $model; }
# One bio to the device, and the same to the model. COUNT up to 2048.
io_write() { # SECTOR COUNT NOISE-SECTOR
	dd if=$noise of=$r bs=$(($2 * 512)) count=1 skip=$(($3 * 512)) seek=$(($1 * 512)) conv=notrunc \
		iflag=skip_bytes,fullblock oflag=direct,seek_bytes status=none || return 1
	model_write "$@"
}
model_write() {
	dd if=$noise of=$model bs=$(($2 * 512)) count=1 skip=$(($3 * 512)) seek=$(($1 * 512)) conv=notrunc \
		iflag=skip_bytes,fullblock oflag=seek_bytes status=none
}
writes() { put_pattern $r "$1" "$2" "$3"; } # SEED SECTOR COUNT
reads() { get_sectors $r "$1" "$2" >/dev/null; } # SECTOR COUNT
holds() { holds_pattern $r "$@"; } # SEED SECTOR COUNT
# A flush and nothing else. A FUA write, then the flush that O_DSYNC adds.
flush() { dd if=/dev/null of="${1:-$r}" count=0 conv=fsync,notrunc status=none; }
fua() { # SEED SECTOR COUNT
	pattern "$@" | dd of=$r bs=$(($3 * 512)) seek=$(($2 * 512)) iflag=fullblock oflag=direct,dsync,seek_bytes \
		conv=notrunc status=none
}
spare_sector_of() { message "$1" list "$2" | awk 'NR == 1 { print $4 }'; } # DEVICE SECTOR: where on the spare the sector is
# How many writes to this disk had that sector in them.
writes_over() { message "$1" log | awk -v at="$2" '$3 == "write" && $4 <= at && at < $4 + $5' | wc -l; } # DEVICE SECTOR
fua_writes() { message "$1" log | awk '$3 == "write" && $6 ~ /fua/' | wc -l; } # DEVICE
# Each flush that failed with the power makes one FUA write fail.
use_up_failures() {
	until fua x 3000 8 2>/dev/null; do :; done
}
tell_failures() { # what is owed is told: flushes and FUA writes succeed after it
	until flush; do :; done
	use_up_failures
}
power_cycle() { # what is in the caches is lost
	message m cut
	message s cut
	message m restore
	message s restore
}
error_of() { # COMMAND...: the name of the error its I/O ended with
	local e
	e=$(LC_ALL=C "$@" 2>&1 >/dev/null)
	case $e in
	*"No data available"*) echo ENODATA ;;
	*"Input/output error"*) echo EIO ;;
	*"Remote I/O error"*) echo EREMOTEIO ;;
	*"timed out"*) echo ETIMEDOUT ;;
	*"No space left"*) echo ENOSPC ;;
	*"Link has been severed"*) echo ENOLINK ;;
	*"Invalid or incomplete multibyte"*) echo EILSEQ ;;
	*"not supported"*) echo EOPNOTSUPP ;;
	*"Cannot allocate memory"*) echo ENOMEM ;;
	*"No such device"*) echo ENODEV ;;
	*"temporarily unavailable"*) echo EAGAIN ;;
	*) echo "${e:-none}" ;;
	esac
}

# Maps extents one after the other, so that slots are given out in this order. A write to $io_good,
# a sector where nothing is bad, shows each time that main is not dead and saves the wait for it.
io_good=8
io_map() { # "SECTOR COUNT"...
	local extent pid
	for extent; do
		# shellcheck disable=SC2086 # two words
		set -- $extent
		message m bad "$1" "$2" write
		io_write "$1" "$2" $((RANDOM % 4096)) & pid=$!
		dd if=$model of=$r bs=512 count=1 skip=$io_good seek=$io_good oflag=direct conv=notrunc status=none
		wait $pid || return 1
		message m good "$1" "$2"
	done
}

# What reached the spare, a word each, in order: data, flush, super, A0 (table copy A of segment 0) ...
# A run of data is one word. A metadata write without FUA is "volatile", and "overlap" says that a
# word's I/O arrived before those of the words before it had ended.
spare_story() {
	message s log | awk '
	function word() {
		if ($3 == "flush") return "flush"
		if ($3 == "read") return ""
		if ($3 != "write") return $3
		if ($4 < 8192) return $6 ~ /fua/ ? "super" : "volatile"
		seg = int(($4 - 8192) / 2048); block = int(($4 - 8192) % 2048 / 8)
		if (block >= 2 && block <= 253) return "data"
		if ($6 !~ /fua/) return "volatile"
		return (block == 0 ? "A" : block == 255 ? "B" : block == 1 ? "ALT1" : "ALT2") seg
	}
	{
		w = word()
		if (w == "") next
		if (w == "data" && last == "data") { if ($2 > end) end = $2; next }
		if (last != "" && $1 < end) printf "overlap "
		if ($2 > end) end = $2
		printf "%s ", w
		last = w
	}'
}
spare_metadata() { # how many metadata writes there were
	spare_story | tr ' ' '\n' | grep -cE '^(super|A|B|ALT|volatile)'
}

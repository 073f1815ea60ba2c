# SPDX-License-Identifier: GPL-2.0-or-later
# C14: what happens between a load, its repair and the commits: the clock leaps, which changes nothing; the spare turns out to hold something else than was loaded, which is not overwritten.
# suite: long
# timeout: 200
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
s=/dev/mapper/s
mk_disk main 4M
mk_disk spare 7M
file=$(disk_file spare)
put_pattern "$main" old 0 8192 2048
dm_create s "0 $(sectors "$spare") remap-faulty $spare 0 1 no_wc" || bail "no remap-faulty"
restore() { # IMAGE
	message s good 0 0
	blockdev --flushbufs "$spare"
	dd if="$1" of="$file" bs=1M conv=notrunc status=none
}
keep() { # IMAGE
	blockdev --flushbufs "$spare"
	cp "$file" "$1"
}
load() { dmsetup create r --notable && dmsetup load r --table "$(remap_table "$main" $s)"; }
remap() { # SECTOR COUNT: all of it in one message
	local said
	said=$(message r remap "$1" "$2") && [[ $said != *next* ]]
}
block_to() { # IMAGE BYTE: one block of it
	dd if="$1" of="$file" bs=4096 skip=$(($2 / 4096)) seek=$(($2 / 4096)) count=1 conv=notrunc status=none
}

## The clock

remap_create r "$main" $s || bail "no pair"
dmsetup remove r
keep /tmp/formatted
# Loads, commits and repairs, and before each the next of these times; what is on the spare at the end goes to IMAGE.
life() { # IMAGE TIME...
	local times=("${@:2}") n=0
	tick() { date -s "@${times[n++ % ${#times[@]}]}" >/dev/null || bail "the clock cannot be set"; }
	restore /tmp/formatted
	tick; load || return 1
	tick; dmsetup resume r || return 1
	tick; remap 0 80 || return 1
	tick; remap 400 4 || return 1
	tick; dmsetup suspend r && tick && dmsetup resume r || return 1
	tick; message r unremap 8 8 || return 1
	dmsetup remove r
	message s bad $(($(table_at 0 3) / 512)) 8 both
	zero_at "$file" "$(super_at 1)" 4096
	tick; load || return 1
	tick; dmsetup resume r || return 1
	tick; remap 800 8 || return 1
	tick; message r list >"$1.list" && dmsetup remove r
	message s good 0 0
	keep "$1"
}
now=$(date +%s)
check "C14: a life of loads, commits, repairs" life /tmp/now "$now"
num "C14: it leaves a map" "$(wc -l </tmp/now.list)" -ge 4
check "C14: with a table that moved" magic_at /tmp/now "$(table_at 0 1)"
number=0
# Back in 1970 and on in 2100, from there back, or both by turns.
for times in 3600 4102444800 "4102444800 3600" "3600 4102444800" "$now $((now - 86400)) $((now + 31536000)) 3600"; do
	number=$((number + 1))
	# shellcheck disable=SC2086 # several
	check "C14: the same with the clock at $times" life /tmp/leap$number $times
	check "C14: leaves the same bytes on the spare" cmp /tmp/now /tmp/leap$number
	check "C14: and the same map" cmp /tmp/now.list /tmp/leap$number.list
done
date -s "@$now" >/dev/null

## Another copy than was loaded

restore /tmp/formatted
remap_create r "$main" $s || bail "no pair"
remap 0 80
keep /tmp/older
remap 160 80
put_pattern $r new 0 240
message r list >/tmp/list
dmsetup remove r
keep /tmp/newer
a=$(table_at 0 0) b=$(table_at 0 3)

# The resume is refused, tables stay as they are, and what is loaded next is what was there.
not_repaired() { # SENTENCE
	local before
	before=$(sha256sum < <(tail -c +$(((4 << 20) + 1)) "$file"))
	log_mark
	check_fails "$1: the first resume is refused" dmsetup resume r
	check "$1: which is said" log_has "$log_mark" "another copy of the table of segment 0 can be read than when it was loaded: remove the device and load it again"
	dmsetup remove r
	blockdev --flushbufs "$spare"
	is "$1: no table was written" "$(sha256sum < <(tail -c +$(((4 << 20) + 1)) "$file"))" "$before"
}
whole() { # SENTENCE
	check "$1: loaded anew" remap_create r "$main" $s || return
	is "$1: the map is all that it was" "$(message r list)" "$(cat /tmp/list)"
	check "$1: with its data" holds_pattern $r new 0 80
	check "$1: and the rest of it" holds_pattern $r new 160 80
	dmsetup remove r
}

for copy in "$a $b" "$b $a"; do
	read -r stale fresh <<<"$copy"
	restore /tmp/newer
	block_to /tmp/older "$stale"
	message s bad $((fresh / 512)) 8 read
	what="C14: the newer copy, at sector $((fresh / 512)), reads again after the load"
	check "$what" load
	message s good 0 0
	not_repaired "$what"
	whole "$what"
done

restore /tmp/newer
zero_at "$file" "$b" 4096
what="C14: the copy that was loaded has gone back in time"
check "$what" load
blockdev --flushbufs "$spare"
block_to /tmp/older "$a"
not_repaired "$what"
restore /tmp/newer
zero_at "$file" "$b" 4096
whole "C14: with the right copy"

restore /tmp/newer
zero_at "$file" "$b" 4096
what="C14: the copy that was loaded does not read any more"
check "$what" load
message s bad $((a / 512)) 8 read
log_mark
check_fails "$what: the first resume is refused" dmsetup resume r
check "$what: which is said" log_has "$log_mark" "repairing the spare's metadata failed \(-5\)"
dmsetup remove r
message s good 0 0
whole "$what"
done_testing

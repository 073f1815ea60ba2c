# SPDX-License-Identifier: GPL-2.0-or-later
# C15: suspend, resume, live reload, rename and removal: the pair is one object, and nothing of it is lost.
# timeout: 300
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
s=/dev/mapper/s
mk_disk lower 16M
mk_disk under 8M
len=8192
dm_create f "0 $(sectors "$lower") remap-faulty $lower 0 6 bad_every 0 32768 256 8 write"
dm_create s "0 16384 remap-faulty $under 0"
main=/dev/mapper/f spare=$s
line() { echo "0 $1 dm-remap-v4 $main $spare${2:+ $(wc -w <<<"$2") $2}"; } # LENGTH [ARGS]
dm_create r "$(line $len)" || bail "no pair"
check "a pair with remaps" put_pattern $r one 0 4096 1024
map=$(message r list)
is "sixteen of them" "$(used_slots r)/$(owned_sectors r)" 16/128
table=$(dmsetup table r)
loses_nothing() { # SENTENCE
	is "$1: no remap is lost" "$(message r list)" "$map"
	check "$1: no data" holds_pattern $r one 0 4096
}

## A reload of the same pair

message s stats_clear
check "C15: a live reload of the same table" dm_reload r "$table"
is "C15: reads nothing from the spare and writes nothing" \
	"$(status_key s reads) $(status_key s writes)" "0 0"
loses_nothing "C15: after a reload"
message r stats_clear >/dev/null
check "C15: counters are the pair's" holds_pattern $r one 0 8
check "C15: a second one" dm_reload r "$table"
is "C15: and outlive a reload" "$(status_key r remapped_reads)" 1
check "C15: a reload with other arguments" dm_reload r "$(line $len no_auto)"
like "C15: is what table prints" "$(dmsetup table r)" " no_auto"
check_fails "C15: and what it does: no_auto does not relocate" put_pattern $r two 4096 8
check "C15: and back" dm_reload r "$table"
check "C15: relocation goes on" put_pattern $r two 4096 256
map=$(message r list)
is "C15: with one more" "$(used_slots r)" 17
check "C15: a table that is loaded and cleared" eval 'dmsetup load r --table "$table" && dmsetup clear r'
loses_nothing "C15: after a table that was never resumed"
refused_reload() { # SENTENCE REGEX TABLE
	log_mark
	check_fails "$1" dmsetup reload r --table "$3"
	check "$1: said" log_has "$log_mark" "$2"
}
refused_reload "C15: a reload that names another pair's uuid is refused" "has uuid .*, not" \
	"$(line $len "uuid 0a1b2c3d-0000-4000-8000-00000000000f")"
loses_nothing "C15: after a refused reload"

## A longer main

check "C16: a reload over more of main" dm_reload r "$(line 32768)"
is "C16: is longer" "$(sectors $r)" 32768
loses_nothing "C16: after it"
check "C16: bad units beyond the old end are relocated" put_pattern $r far 28672 4096 1024
check "C16: and read" holds_pattern $r far 28672 4096
is "C16: they are mapped" "$(used_slots r)/$(state_of r)" 33/active
check "C16: among them the last" test "$(message r list 32512 | cut -d ' ' -f 1-3)" = "32512 8 owned"
map=$(message r list)
long=$(dmsetup table r)
dmsetup remove r
check "C16: it loads again" dm_create r "$long"
loses_nothing "C16: then"
check "C16: with what is far out" holds_pattern $r far 28672 4096
dmsetup remove r
check "C16: a shorter table over the same main loads too" dm_create r "$table"
like "C16: what lies beyond is not listed" "$(message r list | tail -n 1)" "^4096 8 owned "
dmsetup remove r
dm_create r "$long"

## Another spare

mk_disk other 8M
swap_line="0 32768 dm-remap-v4 $main $other"
refused_reload "C15: replacing a spare that owns sectors is refused" "cannot replace .*, which holds relocated sectors" \
	"$swap_line"
loses_nothing "C15: after that"
check "C15: the other spare is untouched" zeroes_at "$(disk_file other)" 0 8388608
dmsetup remove r
mk_disk empty 8M
check "C15: a pair with an empty spare" dm_create r "0 $len dm-remap-v4 $main $empty"
check "C15: a reload replaces that" dm_reload r "0 $len dm-remap-v4 $main $other"
like "C15: by the other one" "$(dmsetup table r)" "$(stat -L -c '%Hr:%Lr' "$other")"
check "C15: which works" put_pattern $r one 0 4096 1024
is "C15: and owns what was relocated" "$(used_slots r)" 16
dmsetup remove r
zero_at "$(disk_file other)" 0 8388608
zero_at "$(disk_file empty)" 0 8388608
blockdev --flushbufs "$other"
blockdev --flushbufs "$empty"
dm_create r "0 $len dm-remap-v4 $main $empty"
check "C15: while the spare is empty, a table with another one loads" \
	dmsetup load r --table "0 $len dm-remap-v4 $main $other"
check "C3: before it is resumed, a unit moves to the first" put_pattern $r late 0 8
log_mark
check_fails "C15: then the other one must not take over" dmsetup resume r
check "C15: which is said" log_has "$log_mark" "cannot replace another one, which holds relocated sectors by now"
check_fails "C15: nor when it is asked again, the first one being gone" dmsetup resume r
check "C15: the other spare is untouched" zeroes_at "$(disk_file other)" 0 8388608
check "C15: the first one's table makes it whole again" dm_reload r "0 $len dm-remap-v4 $main $empty"
check "C15: with its data" holds_pattern $r late 0 8
dmsetup remove r

## Two pairs in one table

zero_at "$(disk_file other)" 0 8388608
blockdev --flushbufs "$other"
dm_create half "0 16384 linear $main 16384"
two="0 $len dm-remap-v4 $main $empty
$len $len dm-remap-v4 /dev/mapper/half $other"
check "C15: two pairs in one table" dm_create r "$two"
check "C16: both relocate" put_pattern $r both 0 16384 1024
check "C16: and read" holds_pattern $r both 0 16384
like "C16: each its own" "$(dmsetup status r | cut -d ' ' -f 5 | tr '\n' ' ')" "^32/1008 32/1008 $"
both=$(dmsetup table r)
check "C15: they reload together" dm_reload r "$both"
check_fails "C15: a shorter table with the other's spare does not drop the first" \
	dm_reload r "0 $len dm-remap-v4 $main $other"
check "C15: both are whole again by their table" dm_reload r "$both"
check "C16: and have their data" holds_pattern $r both 0 16384
dmsetup remove r
check "C15: and load again with remaps on both" dm_create r "$both"
check "C16: with their data" holds_pattern $r both 0 16384
dmsetup remove r
dmsetup remove half

## Names, states, removal

dm_create r "$long"
put_pattern $r one 0 4096 1024
check "C15: rename" dmsetup rename r q
check "C15: under the new name all is there" cmp <(dmsetup message q 0 list) - <<<"$map"
check "C15: and relocation goes on" put_pattern /dev/mapper/q three 8192 256
dmsetup rename q r
map=$(message r list)
check "C15: suspend" dmsetup suspend r
is "C15: status does not mind" "$(status_of r | cut -d ' ' -f 1-2)" "active 34/1008"
is "C15: nor list" "$(message r list)" "$map"
check "C15: a second suspend" dmsetup suspend r
check "C15: resume" dmsetup resume r
loses_nothing "C15: after suspend and resume"
check "C15: suspend --noflush" dmsetup suspend --noflush r
check "C15: and resume" dmsetup resume r
check "C15: removal right after a write" eval 'put_pattern $r gone 12288 256 && dmsetup remove r'
check "C15: which was not lost" eval 'dm_create r "$long" && holds_pattern $r gone 12288 256'
check "C15: creation and removal, without any I/O, ten times" eval \
	'for i in 1 2 3 4 5 6 7 8 9 10; do dmsetup remove r && dm_create r "$long" || exit 1; done'
map=$(message r list)
loses_nothing "C15: after that"
dmsetup remove r

## Suspended devices get no I/O

dm_create r "$long"
dmsetup suspend r
before="$(status_key s reads) $(status_key s writes) $(status_key f reads) $(status_key f writes)"
put_pattern $r held 0 64 & pid=$!
until_true 20 in_io dd || bail "the write does not wait"
is "C15: what is written to a suspended device waits" \
	"$(status_key s reads) $(status_key s writes) $(status_key f reads) $(status_key f writes)" "$before"
dmsetup resume r
wait $pid
is "C15: until it is resumed" "$?" 0
check "C15: and is there then" holds_pattern $r held 0 64
done_testing

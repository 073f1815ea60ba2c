# SPDX-License-Identifier: GPL-2.0-or-later
# grow: a spare that became longer is taken in by one superblock commit; a shorter one is refused.
# timeout: 200
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
mk_disk main 4M
mk_disk spare 5M
len=$(sectors "$main")
dm_create f "0 $len remap-faulty $main 0 7 bad_every 0 $len 16 8 write keep" || bail "no remap-faulty"
slow_grow() { # SIZE: the spare's device becomes longer, below its faulty
	grow_disk spare "$1"
	dmsetup reload s --table "0 $(sectors "$spare") remap-faulty $spare 0"
	dmsetup suspend s
	dmsetup resume s
}
dm_create s "0 $(sectors "$spare") remap-faulty $spare 0"
remap_create r /dev/mapper/f /dev/mapper/s
check "grow: without a longer spare nothing happens" message r grow
is "grow: says how many slots there are" "$(message r grow)" "252 slots"
is "grow: and writes nothing more than the format" "$(status_key s writes)" 6

# 252 slots for 512 bad units.
check "C11: as many units as there are slots are relocated" put_pattern $r one 0 4032 1344
is "C11: all slots are used" "$(used_slots r)" 252
check_fails "C11: one more is an error" put_pattern $r one 4032 16
is "C11: the state says so" "$(state_of r)" full

slow_grow 7M
is "grow: a longer device alone changes nothing" "$(all_slots r)" 252
event=$(event_of r)
log_mark
message s stats_clear
is "grow: takes it in" "$(message r grow)" "756 slots"
is "grow: in superblock commits alone" "$(($(status_key s writes) % 4))" 0
num "grow: of which there are few" "$(status_key s writes)" -le 8
check "grow: says so" log_has "$log_mark" "grown from 1 to 3 segments"
check "grow: raises an event" wait_event 20 r "$event"
is "grow: the state is active again" "$(state_of r | cut -d ' ' -f 1)" active
check "grow: relocation goes on beyond the old end" put_pattern $r two 4032 4160 2080
is "grow: in the new segments" "$(used_slots r)/$(all_slots r)" 512/756
check "grow: the old remaps are there" holds_pattern $r one 0 4032
check "grow: the new ones too" holds_pattern $r two 4032 4160
map=$(message r list; message r list 4000)
table=$(dmsetup table r)
dmsetup remove r
check "grow: it loads again" dm_create r "$table"
is "grow: with all slots" "$(used_slots r)/$(all_slots r)" 512/756
is "grow: the same map" "$(message r list; message r list 4000)" "$map"
check "grow: and the data" holds_pattern $r two 4032 4160

check "grow: a suspended device" dmsetup suspend r
check_fails "grow: cannot be grown" message r grow
check "grow: says why" log_has "$log_mark" "grow: the device is suspended"
dmsetup resume r

slow_grow 8M
message s fail_after write 1 forever
check_fails "C12: a growth that cannot be committed fails" message r grow
is "C12: the map is frozen" "$(state_of r)" frozen
grow_disk main 5M
dmsetup reload f --table "0 10240 remap-faulty $main 0" && dmsetup suspend f && dmsetup resume f
log_mark
check_fails "C12: so a table with a longer main is refused" dmsetup load r --table "0 10240 dm-remap-v4 /dev/mapper/f /dev/mapper/s"
check "C12: and the log says why" log_has "$log_mark" "the map on spare .* is frozen: it can take neither another main nor a longer one"
message s fail_never
dmsetup remove r
check "C12: the next activation is good" dm_create r "$table"
is "C12: active again" "$(state_of r)" active
check "C12: and can be grown" message r grow
is "grow: to four segments" "$(all_slots r)" 1008

# A spare that shrank below its segments while in use: grow must not take that in.
dmsetup reload s --table "0 $((6 * 2048)) remap-faulty $spare 0"
dmsetup suspend s
dmsetup resume s
log_mark
check_fails "grow: a shorter spare is refused" message r grow
check "grow: says why not" log_has "$log_mark" "shorter than its superblock says"
is "grow: and keeps its slots" "$(all_slots r)" 1008
done_testing

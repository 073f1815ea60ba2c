# SPDX-License-Identifier: GPL-2.0-or-later
# C14, C15: each allocation of construction, load, first resume and reload fails in turn.
# suite: long
# timeout: 900
. /vm/alloc.sh
alloc_begin
io_disks 16M 8M
store=$(disk_file store)
main_table="0 32768 dm-remap-v4 $m $s" short_table="0 16384 dm-remap-v4 $m $s"

put_back() { # FILE: as the spare's content, an empty one for a blank spare
	[ ! -e $r ] || dmsetup remove r || return 1
	truncate -s 0 "$store" && truncate -s 8M "$store" || return 1
	[ ! -s "$1" ] || dd if="$1" of="$store" bs=1M conv=notrunc,sparse status=none
	blockdev --flushbufs $s
	message s stats_clear
	message m stats_clear
}
no_memory() { grep -q "Cannot allocate memory" /tmp/disks/said || echo "not for want of memory: $(tr '\n' ';' </tmp/disks/said)$(dmesg | tail -n 2)"; }

: >/tmp/disks/blank
create_blank_before() { put_back /tmp/disks/blank; }
create_blank_try() { dm_create r "$main_table"; }
create_blank_after() { # STATUS
	if [ "$1" = 0 ]; then
		[ "$(status_of r | cut -d ' ' -f 1-5)" = "active 0/1008 0 0 0" ] || echo "status: $(status_of r)"
	else
		no_memory
		[ ! -e $r ] || echo "there is a device"
	fi
	[ "$(counters m writes)" = 0 ] || echo "main was written"
}
alloc_each "C14: a blank spare: any allocation that fails refuses it, with no trace" create_blank 17

# A spare in use: three segments, owned and pending sectors, moved units.
put_back /tmp/disks/blank
dm_create r "$short_table"
remap_all 0 4160
remap_all 4800 6400
message m bad 12000 8 read
get_sectors $r 12000 8 >/dev/null 2>&1
until_is 10 8 pending_sectors r
put_pattern $r here 0 2048 512
for i in 0 64 800; do
	message s bad "$(message r list $i | awk 'NR == 1 { print $4 }')" 8 write
	put_pattern $r moved $i 8 || bail "no move"
done
message s good 0 0
is "given: three units moved" "$(bad_slots r)" 3
expected=$(message r list; status_of r | cut -d ' ' -f 1-5)
dmsetup remove r
cp "$store" /tmp/disks/used

create_used_before() { put_back /tmp/disks/used; }
create_used_try() { dm_create r "$short_table"; }
create_used_after() {
	if [ "$1" = 0 ]; then
		[ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$expected" ] || echo "the map is another"
	else
		no_memory
		[ ! -e $r ] || echo "there is a device"
	fi
	[ "$(counters s writes) $(counters m writes)" = "0 0" ] || echo "something was written"
}
alloc_each "C14: a spare in use: any allocation that fails refuses it, nothing is written" create_used 13

# The same, with a table copy and a superblock gone, and a move that was cut off between its two
# commits: the unit of slot 10 has a newer entry in slot 750.
entry() { echo $(($(table_at $(($1 / 252)) "$2") + 64 + $1 % 252 * 16)); } # SLOT PLACE
cp /tmp/disks/used /tmp/disks/torn
for place in 0 3; do
	dd if=/tmp/disks/torn of=/tmp/disks/torn bs=1 skip="$(entry 10 $place)" seek="$(entry 750 $place)" count=16 conv=notrunc status=none
	put_bytes /tmp/disks/torn $(($(entry 750 $place) + 8)) "$(le 5 4)"
	seal /tmp/disks/torn "$(table_at 2 $place)"
done
zero_at /tmp/disks/torn "$(table_at 0 3)" 4096
zero_at /tmp/disks/torn "$(super_at 2)" 4096
put_back /tmp/disks/torn
dm_create r "$short_table" || bail "the torn spare does not load"
like "given: slot 750 has won" "$(message r list)" " $(slot_sector 750)"
torn_expected=$(message r list; status_of r | cut -d ' ' -f 1-5)

create_torn_before() { put_back /tmp/disks/torn; }
create_torn_try() { dm_create r "$short_table"; }
create_torn_after() {
	if [ "$1" = 0 ]; then
		[ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$torn_expected" ] || echo "the map is another"
		io_again && [ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$torn_expected" ] || echo "the repaired map is another"
	else
		no_memory
		[ ! -e $r ] || echo "there is a device"
		dm_create r "$short_table" && [ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$torn_expected" ] ||
			echo "then it does not load as before"
	fi
}
alloc_each "C14: a spare to be repaired: whatever fails, the next activation has the same map" create_torn 17
alloc_for_good "C14: a spare to be repaired: so it has after memory stayed away" create_torn

# A live reload to a longer main.
reload_before() { put_back /tmp/disks/used && dm_create r "$short_table"; }
reload_try() { dmsetup reload r --table "$main_table" && dmsetup suspend r && dmsetup resume r; }
reload_after() {
	if [ "$1" != 0 ]; then
		no_memory
		# The table that was refused is gone, one whose resume failed is still to be resumed.
		dmsetup resume r || echo "it does not resume"
	fi
	[ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$expected" ] || echo "the map is another"
	holds moved 64 8 || echo "the data is other"
	if [ "$1" != 0 ]; then
		reload_try || echo "it cannot be reloaded any more"
		[ "$(message r list; status_of r | cut -d ' ' -f 1-5)" = "$expected" ] || echo "then the map is another"
	fi
	[ "$(sectors $r)" = 32768 ] || echo "it is not longer"
}
alloc_each "C15: a reload: any allocation that fails leaves a device that works" reload 17
alloc_for_good "C15: a reload: so does memory that stays away" reload

say "$alloc_failed allocations failed in all"
dmsetup remove r
done_testing

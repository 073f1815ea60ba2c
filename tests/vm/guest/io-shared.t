# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C8: main and spare, and the spares of two pairs, are partitions of one disk: they share its cache, and a flush that
# fails for one may have lost what another has written.
# programs: addpart
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
mk_disk lower 48M
mk_disk other 8M
io_faulty m "$lower" cache
disk=$(losetup -f -P --show --direct-io=on $m) || bail "no loop device with direct I/O"
first=2048 second=40960 third=61440 fourth=77824 # sectors: where partitions begin
addpart "$disk" 1 $first 32768 && addpart "$disk" 2 $second 16384 && addpart "$disk" 3 $third 16384 &&
	addpart "$disk" 4 $fourth 16384 || bail "no partitions"
remap_create r "${disk}p1" "${disk}p2" || bail "no pair"
at_main() { echo $(($1 + first)); } # SECTOR: of the disk

message m bad "$(at_main 1000)" 8 write
check "C3: a sector is relocated, and a session begun" writes a 1000 8
message m sync

## A flush of the worker's fails, which main's data may have needed: that of its data, then that of a table

for nth in 1 2; do
	sector=$((1000 + 16 * nth))
	check "C8: what main acknowledges is in the cache ($nth)" writes b 64 8
	message m bad "$(at_main $sector)" 8 write fail_after flush $nth
	io_m=$(counters m failed_flushes)
	if [ $nth = 1 ]; then
		check_fails "C8: the flush of what is relocated fails, and the write" writes c $sector 8
	else
		check "C8: a table's fails, which goes to an alternate" writes c $sector 8
	fi
	is "C8: a flush has failed ($nth)" "$(counters m failed_flushes)" $((io_m + 1))
	check_fails "C8: the user's next flush is told ($nth)" flush
	check "C8: only one is ($nth)" flush
	use_up_failures
done
is "C12: nothing is frozen" "$(state_of r)" active

## A flush of the user's fails for main, while what is relocated is in the cache

message r remap 2004 4 >/dev/null
held=$((second + $(spare_sector_of r 2004) - 4))
message m bad "$(at_main 1992)" 16 write
message m hold $held 4 write times 1
io_clear_m() { message m log_clear; message m stats_clear; }
io_clear_m
writes d 1992 12 & pid=$!
check "C3: a batch is being stored" message m wait waiting 1 60000
message m fail_after flush 1
check_fails "C8: a user's flush fails" flush
message m release
ends_well "C3: what it may have lost is written again before the write is acknowledged" $pid
is "C3: twice" "$(writes_over m $((second + $(spare_sector_of r 1992))))" 2
message m cut && message m restore
check "C3: and is kept" holds d 1992 12
tell_failures

## Of another pair's spare on the same disk

remap_create q "$other" "${disk}p3" || bail "no second pair"
message q remap 80 8 >/dev/null
message r remap 2036 4 >/dev/null
held=$((second + $(spare_sector_of r 2036) - 4))
message m bad "$(at_main 2024)" 16 write
message m hold $held 4 write times 1
io_clear_m
writes e 2024 12 & pid=$!
check "C3: a batch is being stored" message m wait waiting 1 60000
check "C8: the other pair's spare has data in the cache" put_pattern /dev/mapper/q f 80 8
message m fail_after flush 1
check_fails "C8: the other pair's flush fails" flush /dev/mapper/q
message m release
ends_well "C3: what it may have lost is written again before the write is acknowledged" $pid
is "C3: twice" "$(writes_over m $((second + $(spare_sector_of r 2024))))" 2
message m cut && message m restore
check "C3: and is kept" holds e 2024 12
is "C12: nothing is frozen" "$(state_of r) $(state_of q)" "active active"

## Of another line of the table

dmsetup remove q
mk_disk more 4M
io_faulty n "$more"
dm_create q "0 16384 dm-remap-v4 $other ${disk}p3
16384 4096 dm-remap-v4 /dev/mapper/n ${disk}p4" || bail "no device with two pairs"
message n bad 0 8 write
check "C3: the second line begins a session" put_pattern /dev/mapper/q h 16384 8
flush /dev/mapper/q
check "C8: the first line's spare has data in the cache" put_pattern /dev/mapper/q i 80 8
message n bad 16 8 write
message m fail_after flush 1
check_fails "C8: the flush of what the second one relocates fails, and the write" put_pattern /dev/mapper/q j 16400 8
check_fails "C8: the user's next flush is told" flush /dev/mapper/q
check "C8: only one is" flush /dev/mapper/q
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C8, C13, C22: a user's flush fails while the worker's own writes are in the same cache, and a later flush, that of the
# worker, succeeds: what may have been lost is written once more, before anything is built on it.
# timeout: 200
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M cache
m=$(losetup -f --show --direct-io=on $m) && s=$(losetup -f --show --direct-io=on $s) || bail "no loop devices with direct I/O"
io_pair
user_flush_fails() { # m|s: the disk that fails it
	message "$1" fail_after flush 1
	check_fails "C8: a user's flush fails" flush
}
m=/dev/mapper/m s=/dev/mapper/s
check "C22: units go to slots" message r remap 2000 32
flush

## Both copies of a table

message m bad 1000 8 write
check "C3: a session is begun" writes a 1000 8
sector=1016
for copy in A B; do
	io_clear
	# With data on its way to the spare a table is written, then flushed.
	message s hold "$(spare_sector_of r 2000)" 8 write times 1
	writes b 2000 8 & other=$!
	check "C8: a slot is being written" message s wait waiting 1 60000
	message s hold "$(table_sector 0 $copy)" 8 write times 1
	message m bad $sector 8 write
	writes d $sector 8 & pid=$!
	check "C13: another is relocated, and noted in a table, copy $copy" message s wait waiting 2 60000
	check "C8: a slot is written" writes c 2008 8
	user_flush_fails s
	message s release
	wait $other
	ends_well "C3: the write ends well" $pid
	is "C13: copy $copy is written twice" "$(writes_over s "$(table_sector 0 $copy)")" 2
	tell_failures
	sector=$((sector + 8))
done
is "C12: nothing is frozen" "$(state_of r)" active

## A FUA write to two slots that failed, and is written in parts

at=$(spare_sector_of r 2000)
io_clear
message s hold "$at" 16 write times 1
fua d 2000 16 & pid=$!
check "C8: a FUA write to two slots is on its way" message s wait waiting 1 60000
message s hold "$((at + 8))" 8 write times 1
message s release 1 fail medium
check "C8: it fails, and of its parts the second is on its way" message s wait waiting 1 60000
message s fail_after flush 1
fua e 2016 8 2>/dev/null & other=$!
check "C8: the flush in another FUA write fails" message s wait failed_flushes 1 60000
message s release
# What came with O_DSYNC after the FUA write may be told of the other's flush.
wait $pid $other
is "C8: its first part was written twice" "$(message s log | awk -v at="$at" '$3 == "write" && $4 == at && $5 == 8' | wc -l)" 2
tell_failures
check "C8: the data is there" holds d 2000 16

## Messages

io_clear
message s hold "$(($(slot_sector 0) + 8 * $(used_slots r) + 8))" 8 write times 1
message r remap 3200 16 >/tmp/said & pid=$!
check "C22: of two units that are remapped the second is on its way" message s wait waiting 1 60000
check "C8: a slot is written" writes b 2008 8
user_flush_fails s
message s release
ends_well "C22: remap succeeds" $pid
is "C22: and says so" "$(cat /tmp/said)" "16 sectors remapped, 0 pending"
is "C22: its first unit was written twice" "$(writes_over s "$(spare_sector_of r 3200)")" 2
tell_failures

message m log_clear
message m hold 3208 8 write times 1
message r unremap 3200 16 >/tmp/said & pid=$!
check "C22: of two units that go back the second is on its way" message m wait waiting 1 60000
user_flush_fails m
message m release
ends_well "C22: unremap succeeds" $pid
is "C22: and says so" "$(cat /tmp/said)" "16 sectors back on main"
is "C22: its first unit was written twice" "$(writes_over m 3200)" 2
tell_failures
is "C12: nothing is frozen" "$(state_of r)" active

## Of a disk that fails every flush none is a matter of pairs on others

mk_disk third 8M
mk_disk fourth 8M
io_faulty dead "$third"
remap_create q /dev/mapper/dead "$fourth" || bail "no second pair"
put_pattern /dev/mapper/q a 0 8
message dead offline
(while [ ! -e /tmp/enough ]; do flush /dev/mapper/q 2>/dev/null; done) & other=$!
check "C8: another pair's flushes fail all the time" until_true 60 eval '[ "$(counters dead failed_flushes)" -gt 20 ]'
message m bad 1200 8 write
message s log_clear
check "C3: a write is relocated" writes f 1200 8
is "C3: its data written once" "$(writes_over s "$(spare_sector_of r 1200)")" 1
: >/tmp/enough
wait $other
is "C12: nothing is frozen" "$(state_of r)" active
done_testing

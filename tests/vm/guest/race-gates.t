# SPDX-License-Identifier: GPL-2.0-or-later
# C15, C18: what a live reload must not drop and a copy must not miss, with gates that hold I/O where the other comes between.
# timeout: 240
# programs: xfs_io fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M cache
put_pattern "$lower" old 0 4096 2048
io_pair
table=$(dmsetup table r)
nowait() { xfs_io -d -c "pwrite -N -V 1 -b 64k $(($1 * 512)) $((${2:-1} * 512))" $r 2>&1; } # SECTOR [COUNT]: a write that says so
suspending() { grep -qE "dm_wait|srcu" /proc/"$1"/wchan; } # PID: waits for what is under way
# A reload in one call, which waits for what is under way; and it is waiting now.
reload_begins() {
	dmsetup load r --table "$table"
	dmsetup resume r & reload=$!
	check "C15: meanwhile a reload begins" until_true 30 suspending $reload
}

message m fail_after flush 1
check_fails "C8: a flush fails" flush
check "C15: a live reload" dm_reload r "$table"
check_fails "C8: a FUA write fails for it, also after the reload: the preflush may have been its own" fua a 2000 8
check "C8: only one" fua a 2000 8

message m hold 0 0 flush times 1
flush 2>/dev/null & pid=$!
check "C8: a flush is under way" message m wait waiting 1 60000
reload_begins
message m release fail
wait $pid
num "C8: then it fails" $? -ne 0
wait $reload
is "C15: the reload ends" $? 0
check_fails "C8: a FUA write fails for it behind the reload" fua b 2000 8
check "C8: only one" fua b 2000 8

message m bad 1000 8 write
events=$(event_of r)
message s hold 0 0 data times 1
writes c 1000 8 & pid=$!
check "C3: a relocation is under way" message s wait waiting 1 60000
reload_begins
message s release
wait $pid
is "C3: it ends well" $? 0
wait $reload
is "C15: and the reload, too" $? 0
num "C15: its event is raised, though the table that it was for is gone" "$(event_of r)" -gt "$events"
check "C3: the sectors are there" holds c 1000 8

# A table that is loaded, and one that goes, on the pair of the one that works.
message m bad 2000 8 write
message s hold 0 0 data times 1
writes d 2000 8 & pid=$!
check "C3: a relocation is under way" message s wait waiting 1 60000
check "C15: it is renamed meanwhile" eval 'dmsetup rename r q && dmsetup rename q r'
# In this order: after a clear, a rename makes device-mapper's part for IMA free something twice.
check "C15: a table is loaded and cleared" eval 'dmsetup load r --table "$table" && dmsetup clear r'
message s release
wait $pid
is "C3: the relocation does not mind" $? 0
check "C3: the sectors are there" holds d 2000 8

# A copy must not begin before what was on its way to main is there.
message m hold 3200 8 write times 1
writes f 3200 8 & pid=$!
check "C18: a write is on its way to main" message m wait waiting 1 60000
message m stats_clear
message r remap 3200 8 >/tmp/remapped & remap=$!
check_fails "C18: a remap of its sectors reads nothing meanwhile" message m wait reads 1 3000
message m release
wait $pid
is "C18: the write ends" $? 0
wait $remap
is "C18: then the remap" $? 0
check "C18: the write is not lost" holds f 3200 8

# Parked behind a fence when the suspend comes: the fence of a remap, whose read of main is held.
message m hold 3000 8 read times 1
message r remap 3000 8 >/tmp/remapped & remap=$!
check "C18: a remap is under way" message m wait waiting 1 60000
pattern e 3000 8 >/tmp/e
dd if=/tmp/e of=$r bs=4096 seek=375 count=1 oflag=direct conv=notrunc status=none & pid=$!
get_sectors $r 3000 8 >/tmp/read & reader=$!
check "C18: a write waits behind its fence" until_true 30 blocked $pid
like "C18: one that may not wait is told so" "$(nowait 3004)" "temporarily unavailable"
unlike "C18: elsewhere it need not" "$(nowait 3100)" "unavailable"
like "C18: what has only its end there is told as a whole" "$(nowait 2992 16)" "temporarily unavailable"
# By io_uring, which says so, and tries again with another thread; but not if it hears of it from an interrupt.
message m hold 2984 16 read times 1
fio --name=u --filename=$r --direct=1 --rw=read --bs=12k --ioengine=io_uring --offset=$((2984 * 512)) --size=12k \
	>/tmp/uring 2>&1 & uring=$!
check "C18: so is a read by io_uring, whose other part is under way" message m wait waiting 2 60000
dmsetup suspend --noflush r & suspend=$!
check "C15: a suspend without flush comes between" until_true 30 suspending $suspend
message m release
wait $suspend
is "C15: and ends" $? 0
wait $remap
is "C18: with the remap" $? 0
is "C18: which is done" "$(cat /tmp/remapped)" "8 sectors remapped, 0 pending"
check "C15: and resumes" dmsetup resume r
wait $pid
is "C18: the write ends" $? 0
wait $reader
is "C18: and the read" $? 0
wait $uring
is "C18: and that by io_uring" $? 0 || diag "$(head -n 1 /tmp/uring)"
check "C18: with old bytes or new ones" eval 'cmp /tmp/read <(pattern old 3000 8) || cmp /tmp/read <(pattern e 3000 8)'
check "C18: the write is not lost" holds e 3000 8
done_testing

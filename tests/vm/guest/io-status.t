# SPDX-License-Identifier: GPL-2.0-or-later
# C10: which errors count: medium, I/O and target errors make a write move, no other ever does; what
# failed is tried again alone; and with no_auto nothing moves.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
put_pattern "$lower" old 0 4096 2048
io_pair

## Statuses

used=0 sector=64
for status in medium ioerr target; do
	message m bad $sector 8 write $status
	check "C10: a write that fails with $status succeeds" writes "$status" $sector 8
	used=$((used + 1))
	is "C10: $status takes a slot" "$(used_slots r)" $used
	check "C10: and the data is read back" holds "$status" $sector 8
	sector=$((sector + 16))
done
for pair in timeout=ETIMEDOUT nospc=ENOSPC transport=ENOLINK protection=EILSEQ notsupp=EOPNOTSUPP \
	resource=ENOMEM again=EAGAIN offline=ENODEV; do
	status=${pair%=*}
	main_fails $sector write "$status" || { skip "C10: $status" "this kernel has no such status"; continue; }
	io_clear
	is "C10: a write that fails with $status reports it" "$(error_of writes x $sector 8)" "${pair#*=}"
	is "C10: $status takes no slot" "$(used_slots r) $(state_of r)" "$used active"
	is "C10: main is not asked again" "$(counters m writes)" 1
	is "C10: nothing reaches the spare" "$(counters s writes flushes)" "0 0"
	message m good $sector 8
	check "C10: what was there still is" holds old $sector 8
	sector=$((sector + 16))
done
is "C10: only the three that count are counted" "$(status_key r write_errors)" 3

## Tried again

io_clear
message m fail_after write 1 medium
check "C10: a write that fails once succeeds" writes once 1024 64
is "C10: without a slot" "$(used_slots r)" $used
check "C10: it is on main" holds_pattern "$lower" once 1024 64
is "C10: each unit was tried again alone" "$(message m log | awk '$3 == "write" { print $5 }' | xargs)" \
	"64 8 8 8 8 8 8 8 8"
message m fail_after write 1 medium fail_after write 2 timeout
is "C10: a medium error that turns into another when tried alone is reported as that" \
	"$(error_of writes x 1024 8)" ETIMEDOUT
is "C10: and takes no slot" "$(used_slots r) $(state_of r)" "$used active"
message m fail_never
io_clear
message m fail_after fua 1 ioerr
dd if=<(pattern fua 1024 16) of=$r bs=8192 seek=$((1024 * 512)) iflag=fullblock oflag=direct,dsync,seek_bytes \
	conv=notrunc status=none
is "C10: a FUA write that fails once succeeds" $? 0
is "C10: its parts are followed by a flush, for FUA may be a flush below, whose error would be tried away" \
	"$(message m log | awk '{ print $3, $5, $6 ~ /fua/ }' | xargs)" "write 16 1 write 8 0 write 8 0 flush 0 0 flush 0 0"
check "C10: and read back" holds fua 1024 16

## Reads do not move anything

check "no_auto live" dm_reload r "$(remap_table $m $s no_auto)"
message m bad 2000 8 read
is "C10: a read error is reported as it is" "$(error_of reads 2000 8)" ENODATA
is "C10: and moves nothing" "$(owned_sectors r)" "$((used * 8))"
num "C10: but is counted" "$(status_key r read_errors)" -ge 1

## no_auto and fail_pending

dmsetup remove r
remap_create r $m $s no_auto fail_pending || bail "arguments refused"
like "no_auto and fail_pending are in the table that dmsetup prints" "$(dmsetup table r)" \
	' 4 uuid [-0-9a-f]{36} no_auto fail_pending$'
check "and load again" io_again
io_clear
message m bad 3000 8 write target
is "C10: with no_auto a failed write reports main's own error" "$(error_of writes x 3000 8)" EREMOTEIO
is "C10: nothing is relocated" "$(used_slots r) $(state_of r)" "$used active"
is "C10: nothing reaches the spare" "$(counters s writes flushes)" "0 0"
num "C10: the error is counted" "$(status_key r write_errors)" -ge 1
check "C10: what was relocated before is read" holds medium 64 8
check "C10: and written" writes n 64 8
check "C10: and is there" holds n 64 8
check "C10: live, without no_auto again" dm_reload r "$(remap_table $m $s)"
check "C10: the same write is relocated" writes y 3000 8
is "C10: in a new slot" "$(used_slots r)" $((used + 1))

## A disk is alive if it can be read anywhere

io_renew
message m bad 0 8 read bad 3000 8 write
check "C10: main's first sector cannot be read: a write elsewhere is relocated" writes z 3000 8
is "C10: the disk is alive" "$(used_slots r) $(state_of r)" "1 active"
done_testing

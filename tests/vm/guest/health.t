# SPDX-License-Identifier: GPL-2.0-or-later
# The history of errors, an optional part: what `message health` tells with it, and what without it.
# files: packaging/in-use
# kernels: one
. /vm/io.sh
io_disks 16M 8M
io_pair
health() { message r health | sed -n "s/^$1 //p"; } # KEY

is "a new pair's history is empty" "$(message r health | awk '/_(1h|24h|7d) / && $2 != 0 || $1 == "error"')" ""
is "and tells of each kind in three windows" "$(message r health | grep -cE '^[a-z_]+_(1h|24h|7d) 0$')" 18
message m bad 800 8 write
check "C3: a write moves a unit" writes a 800 8
is "the failed write is in the history" "$(health write_errors_1h) $(health write_errors_24h) $(health write_errors_7d)" "1 1 1"
is "and what it moved" "$(health relocated_sectors_1h)" 8
like "with time, kind, sector and length" "$(health error)" '^[0-9]+ write 800 8$'
message m bad 1600 8 read
check_fails "C4: a read fails" reads 1600 8
check "C4: its sectors become pending" until_is 60 8 pending_sectors r
is "the failed read is in the history" "$(health read_errors_1h) $(health new_pending_sectors_1h)" "1 8"
like "the newest error comes first" "$(health error | head -n 1)" '^[0-9]+ read 1600 8$'
before=$(message r health | grep -E '_(1h|24h|7d) ')
check "a reload" dm_reload r "$(remap_table $m $s)"
is "keeps the history, for the pair stays" "$(message r health | grep -E '_(1h|24h|7d) ')" "$before"
message s bad "$(slot_sector 0)" 8 read
check_fails "C7: the spare fails a read" reads 800 8
is "which is in the history" "$(health spare_errors_1h)" 1
for i in {1..20}; do message m bad $((3200 + 16 * i)) 8 write; writes b $((3200 + 16 * i)) 8; done
is "the last sixteen errors are told one by one" "$(health error | wc -l)" 16
like "the oldest have made room" "$(health error | tail -n 1)" ' write 3280 8$'
is "the counts go on" "$(health write_errors_7d)" 21

table=$(dmsetup table r)
check "the pair is removed" dmsetup remove r
if [ -d /sys/module/dm_remap_health ]; then
	check "the optional module unloads while no pair uses it" rmmod dm_remap_health
	check "C1: a pair works without it" dm_create r "$table"
	is "with its state" "$(state_of r)" active
	log_mark
	check_fails "health is refused then" message r health
	check "and the log says what is missing" log_has "$log_mark" 'health: the module dm-remap-health was not loaded'
	message m bad 8000 8 write
	check "C3: and moves what fails" writes c 8000 8
	modprobe dm-remap-health
	check_fails "loaded later, it is not for this pair" message r health
	dmsetup remove r
	check "but for the next" dm_create r "$table"
	check "the message works" message r health
	check_fails "the module stays while a pair uses it" rmmod dm_remap_health
else
	check "a pair made anew" dm_create r "$table"
	is "begins a new history" "$(health write_errors_7d)" 0
fi

## What packages ask before they remove the module

check_fails "a device keeps it from being removed" eval 'sh /vm/in-use >/tmp/said 2>&1'
like "with its name" "$(cat /tmp/said)" "Stop these devices first: r "
dmsetup remove r
check "modules of ours do not" sh /vm/in-use
done_testing

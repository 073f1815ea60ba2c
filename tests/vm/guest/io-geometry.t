# SPDX-License-Identifier: GPL-2.0-or-later
# C16: tables that do not start at 0, with neighbours; a main longer than the table and one that
# grows; partitions. Sectors are counted from main's start wherever they are named.
# timeout: 600
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
mk_disk other 8M

## Between two other targets

put_pattern "$lower" old 0 16384 2048
put_pattern "$other" other 0 4096 2048
dm_create r "0 1000 linear $other 0
1000 8192 dm-remap-v4 $m $s
9192 1000 linear $other 1000" || bail "no table of three targets"
is "C16: a table of three targets" "$(dmsetup status r | wc -l)" 3
message m bad 0 8 write bad 2000 8 write bad 8184 8 write
log_mark
check "C16: a write over the target's start" writes a 992 24
check "C16: reads back" holds a 992 24
check "C16: its first part is the neighbour's" holds_pattern "$other" a 992 8
is "C16: list counts from main's start" "$(dmsetup message r 1000 list)" "0 8 owned $(slot_sector 0)"
check "C16: the log, too" log_has "$log_mark" 'relocated.* unit at 0,'
check "C16: the rest is at main's start" cmp <(pattern a 1008 8) <(get_sectors "$lower" 8 8)
check "C16: a write over the target's end" writes b 9000 400
check "C16: reads back" holds b 9000 400
is "C16: main's last unit of the table has moved" "$(dmsetup message r 1000 list | cut -d ' ' -f 1-3 | tail -n 1)" "8184 8 owned"
check "C16: the neighbour has its part" cmp <(pattern b 9192 208) <(get_sectors "$other" 1000 208)
check "C16: main behind the table is untouched" cmp <(pattern old 8192 2048) <(get_sectors "$lower" 8192 2048)
check "C16: a write in the middle" writes c 2500 1000
check "C16: reads back" holds c 2500 1000
is "C16: three units have moved" "$(dmsetup message r 1000 list | cut -d ' ' -f 1 | xargs)" "0 2000 8184"
is "C16: the spare's list can begin in the middle" "$(dmsetup message r 1000 list 2001 | head -n 1)" \
	"2001 7 owned $(($(slot_sector 2) + 1))"
table=$(dmsetup table r)
dmsetup remove r
check "C16: the printed table loads again" dm_create r "$table"
check "C16: with everything" eval 'holds b 9000 400 && holds c 2500 500 && holds a 992 24'
dmsetup remove r

## Main longer than the table, then a longer table, then a longer main

message m good 0 0
put_pattern "$lower" old 0 32768 2048
dd if=/dev/zero of="$store" bs=1M count=8 oflag=direct conv=notrunc status=none
short="0 8003 dm-remap-v4 $m $s"
check "C16: a table shorter than main, its last unit cut" dm_create r "$short"
message m bad 7992 64 write
check "C16: a write up to the end" writes d 7000 1003
check "C16: reads back" holds d 7000 1003
is "C16: the last units have moved, up to the table's end" "$(message r list)" "7992 11 owned $(slot_sector 0)"
check_fails "C16: a write beyond the end fails" writes d 8003 1
check "C16: main behind the end is untouched" cmp <(pattern old 8003 2000) <(get_sectors "$lower" 8003 2000)
check "C16: the table is made longer under the same map" dm_reload r "$(remap_table $m $s)"
check "C16: what had moved is there" holds d 7000 1003
check "C16: what lay behind the end is main's" cmp <(pattern old 8003 1000) <(get_sectors $r 8003 1000)
check "C16: the other part of the unit can move, too" writes e 8003 53
check "C16: both read back" eval 'holds d 7000 1003 && holds e 8003 53'
message m good 0 0 bad 32760 8 write
check "C16: a unit at main's end moves" writes f 32700 68
grow_disk lower 20M
check "C16: main grows" dm_reload m "0 $(sectors "$lower") remap-faulty $lower 0"
check "C16: a reload takes it in" dm_reload r "$(remap_table $m $s)"
is "C16: the device is as long as main" "$(sectors $r)" 40960
message m bad 40952 8 write
check "C16: a unit at the new end moves" writes g 40900 60
check "C16: the device is created again" io_again
check "C16: everything is there" eval 'holds d 7000 1003 && holds e 8003 53 && holds f 32700 60 && holds f 32760 8 && holds g 40900 60'
dmsetup remove r
is "C16: a table line longer than main is refused" "$(dm_create r "0 40968 dm-remap-v4 $m $s" 2>/dev/null || echo refused)" refused

## Partitions of one disk

# A loop device over a faulty one has partitions that fail.
message m good 0 0
disk=$(losetup -f --show -P --direct-io=on $m) || bail "no loop device over $m"
printf 'label: dos\nstart=2048, size=20480\nstart=22528, size=16384\n' | sfdisk -q "$disk" || bail "no partitions"
until_true 20 test -b "${disk}p2" || bail "no partition devices"
p1=${disk}p1 p2=${disk}p2
dd if=/dev/zero of="$p2" bs=1M count=8 oflag=direct status=none
message m bad $((2048 + 1000)) 8 write
check "C16: main and spare can be partitions of one disk" remap_create r "$p1" "$p2"
check "C16: a write over a bad sector succeeds" writes h 0 2048
check "C16: it reads back" holds h 0 2048
is "C16: counted from the partition's start" "$(message r list)" "1000 8 owned $(slot_sector 0)"
check "C16: the data lies in the other partition" cmp <(pattern h 1000 8) \
	<(get_sectors "$disk" $((22528 + $(slot_sector 0))) 8)
check "C16: the device is created again" io_again
check "C16: it reads back" holds h 0 2048
dmsetup remove r
check_fails "C14: a partition and its whole disk are refused" remap_create r "$p1" "$disk"
losetup -d "$disk"
done_testing

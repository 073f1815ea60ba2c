# SPDX-License-Identifier: GPL-2.0-or-later
# C4, C5: reads that main fails: the caller hears main's own error at once, the physical block and
# nothing else becomes pending, durably; whatever heals it does; and what was rewritten meanwhile never does.
# suite: long
# timeout: 300
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
pending() { settle && pending_sectors r; }
# How often main was asked for any of these sectors, and not for less than whole steps of them.
asked() { # SECTOR COUNT
	message m log | awk -v s="$1" -v e=$(($1 + $2)) '$3 == "read" && $4 < e && $4 + $5 > s' | wc -l
}
fresh() { # [ARG...]
	put_pattern "$lower" old 960 512
	io_renew "$@"
}
# Unit 1000 is pending; the messages before it are forgotten.
fresh_pending() { # [SECTOR COUNT]: what is bad, and pending
	fresh
	message m bad "${1:-1000}" "${2:-8}" read
	reads "${1:-1000}" "${2:-8}" 2>/dev/null
	[ "$(pending)" = "${2:-8}" ] || bail "nothing pending"
	io_clear
}
persists() { # SENTENCE: the same map after removal and creation
	local list
	list=$(message r list)
	check "$1: created again" io_again
	is "$1: it is the same" "$(message r list)" "$list"
}

## The error

fresh
message m bad 1000 8 read
message s hold 0 0 write
is "C4: a read that main fails reports main's own error" "$(error_of reads 1000 8)" ENODATA
check "C4: while the map is not written yet" message s wait waiting 1 60000
is "C4: nothing is pending before it is" "$(pending_sectors r)" 0
is "C4: other sectors are read meanwhile" "$(error_of holds old 1008 8)" none
message s release
check "C4: then it is pending" until_is 20 8 pending_sectors r
is "C4: with a slot in reserve" "$(message r list)" "1000 8 pending $(slot_sector 0)"
is "C4: counted" "$(counts)" "active 1/1008 0 8 0"
num "C4: as a read error, too" "$(status_key r read_errors)" -ge 1
persists "C4: pending sectors"
is "C4: they are read from main, and fail" "$(error_of reads 1000 8)" ENODATA
for pair in ioerr=EIO target=EREMOTEIO; do
	fresh
	message m bad 1000 8 read "${pair%=*}"
	is "C4: ${pair%=*} is reported as such" "$(error_of reads 1000 8)" "${pair#*=}"
	is "C4: and makes pending" "$(pending)" 8
done

## Narrowed to main's physical block

fresh
message m bad 1000 8 read
check_fails "C4: a read of 64 sectors over one bad block fails" reads 976 64
is "C4: that block is pending, nothing else" "$(settle; message r list)" "1000 8 pending $(slot_sector 0)"
num "C4: main was asked for it three times: by the reader, to find it, to be sure" "$(asked 1000 8)" -eq 3
is "C4: never for less than all of it" \
	"$(message m log | awk '$3 == "read" && $7 != "ok" { print $4, $5 }' | sort | uniq -c | xargs)" "2 1000 8 1 976 64"
check "C4: what is before it can be read" holds old 992 8
check "C4: and behind it" holds old 1008 8
fresh
message m bad 1000 8 read
check_fails "C4: a read of one sector of a bad block of 4096 bytes fails" reads 1003 1
is "C4: the block is pending as a whole" "$(pending)" 8
num "C4: main was asked for it three times" "$(asked 1000 8)" -eq 3

dmsetup remove r
dmsetup remove m
io_faulty m "$lower" phys 1
fresh
message m bad 1003 1 read
check_fails "C4: with physical blocks of 512 bytes, a read over a bad one fails" reads 976 64
is "C4: one sector is pending" "$(settle; message r list)" "1003 1 pending $(($(slot_sector 0) + 3))"
num "C4: main was asked for it three times" "$(asked 1003 1)" -eq 3
check "C4: its neighbours can be read" eval 'holds old 1000 3 && holds old 1004 4'
is "C4: and are not pending" "$(pending)" 1
message m bad 1200 64 read
check_fails "C4: a read over eight bad units fails" reads 1200 64
is "C4: they are pending" "$(pending)" 65
num "C4: main was asked at most three times for any" "$(for i in $(seq 1200 1263); do asked "$i" 1; done | sort -n | tail -n 1)" -le 3

# A spare that does not answer holds up nobody.
fresh
message m bad 1000 4 read
message s hold 0 8 read
check_fails "C4: a read that main fails" reads 1000 4
check "C10: the spare is asked whether it can keep that" message s wait waiting 1 60000
holds old 1004 4 & pid=$!
check "C4: until it answers the neighbours are read" timeout 20 tail --pid=$pid -f /dev/null
message s release
ends_well "C4: and right" $pid
is "C4: then it is pending" "$(pending)" 4
dmsetup remove r
dmsetup remove m
io_faulty m "$lower"

## Each way in which it heals

fresh_pending
check "C5: rewritten as a whole" writes new 1000 8
is "C5: it is owned" "$(message r list)" "1000 8 owned $(slot_sector 0)"
check "C5: and reads back" holds new 1000 8
is "C5: data first, then the map" "$(spare_story)" "data flush A0 B0 "
persists "C5: rewritten"
check "C5: the data is there" holds new 1000 8

fresh_pending
check "C5: rewritten in part" writes new 1002 2
is "C5: that part is owned, the rest stays pending" "$(message r list)" \
	"$(printf '%s\n' "1000 2 pending $(slot_sector 0)" "1002 2 owned $(($(slot_sector 0) + 2))" "1004 4 pending $(($(slot_sector 0) + 4))")"
check "C5: the part reads back" holds new 1002 2
check_fails "C5: the rest still fails" reads 1004 4
check_fails "C5: so does the whole" reads 1000 8
persists "C5: in part"
message m good 0 0
is "C4: main reads again: the bytes are those of either owner" \
	"$(get_sectors $r 1000 8 | cmp - <(pattern old 1000 2; pattern new 1002 2; pattern old 1004 4) && pending)" 0
is "C4: the owned part stays owned" "$(message r list)" "1002 2 owned $(($(slot_sector 0) + 2))"

fresh_pending
check "C9: rewritten with zeroes" blkdiscard -z -o $((1000 * 512)) -l 4096 $r
is "C9: it is owned" "$(counts)" "active 1/1008 8 0 0"
check "C9: and reads as zeroes" cmp <(head -c 4096 /dev/zero) <(get_sectors $r 1000 8)

fresh_pending
message m good 0 0
check "C4: main reads again: a part of it" holds old 1002 2
is "C4: that part is main's again" "$(settle; message r list)" \
	"$(printf '%s\n' "1000 2 pending $(slot_sector 0)" "1004 4 pending $(($(slot_sector 0) + 4))")"
check "C4: a read of more than the block" holds old 992 32
is "C4: then all of it, and the slot is free" "$(settled_counts)" "active 0/1008 0 0 0"
persists "C4: main reads again"

fresh_pending
like "retest of what still fails" "$(message r retest 1000 8)" "^0 sectors readable again, 8 pending"
is "retest: it stays pending" "$(pending)" 8
message m good 0 0
like "retest of what reads again" "$(message r retest 1000 8)" "^8 sectors readable again, 0 pending"
is "retest: nothing is pending" "$(counts)" "active 0/1008 0 0 0"
persists "retest"
check "retest: it is read" holds old 1000 8

fresh_pending
like "remap of what still fails" "$(message r remap 1000 8)" "^0 sectors remapped, 8 pending"
is "remap: it stays pending" "$(message r list)" "1000 8 pending $(slot_sector 0)"
message m good 0 0
like "remap of what reads again" "$(message r remap 1000 8)" "^8 sectors remapped, 0 pending"
is "remap: it is owned" "$(message r list)" "1000 8 owned $(slot_sector 0)"
check "remap: and read from the spare" eval 'message m bad 1000 8 read; holds old 1000 8'
persists "remap"

fresh_pending
check "C9: a discard of pending sectors succeeds" blkdiscard -o $((1000 * 512)) -l 4096 $r
is "C9: and changes no owner" "$(settle; message r list)" "1000 8 pending $(slot_sector 0)"
check_fails "C22: they cannot go back" message r unremap 1000 8

## Rewritten while the error is being looked at

# Reads of unit 1000 by the user, then by the worker, stop at a gate.
gated() {
	fresh
	message m hold 1000 8 read
	reads 1000 8 2>/dev/null & reader=$!
	message m wait waiting 1 60000
	message m release 1 fail medium
	wait $reader && not_ok "C4: a read fails"
	message m wait waiting 1 60000 || bail "the worker asks nothing"
}
gated
check "C4: between the error and the worker's read somebody rewrites it" writes b 1000 8
message m release
is "C4: it does not become pending" "$(settled_counts)" "active 0/1008 0 0 0"
check "C4: it is read" holds b 1000 8

gated
check "C4: while the worker's read is on its way somebody rewrites it" writes b 1000 8
message m release 1 fail medium
check "C4: it fails, for it came first; the worker looks again, nobody else being there" message m wait waiting 1 60000
message m release
is "C4: it does not become pending" "$(settled_counts)" "active 0/1008 0 0 0"
check "C4: it is read" holds b 1000 8

gated
message m release 1 fail medium
check "C18: the worker's second read is on its way" message m wait waiting 1 60000
before=$(counters m writes)
writes b 1000 8 & writer=$!
check "C18: elsewhere writes go on" writes b 1016 8
check "C18: one is at the unit" until_true 20 in_io dd
check_fails "C18: a write to the unit waits" message m wait writes $((before + 2)) 1000
message m release
wait $writer
is "C18: main can be read: the write ends well" $? 0
is "C18: on main" "$(settled_counts) $(holds_pattern "$lower" b 1000 8 && echo there)" "active 0/1008 0 0 0 there"

gated
message m release 1 fail medium
message m wait waiting 1 60000
writes b 1000 8 & writer=$!
writes c 1003 1 & second=$!
get_sectors $r 996 24 >/tmp/got 2>/dev/null & reader=$!
check "C18: all three wait" until_true 20 in_io dd 3
message m release fail medium
wait $writer && wait $second
is "C18: main cannot be read: both writes end well" $? 0
wait $reader
is "C18: they are on the spare" "$(settled_counts)" "active 1/1008 8 0 0"
check "C18: and read from there" eval 'holds b 1000 3 && { holds c 1003 1 || holds b 1003 1; } && holds b 1004 4'
persists "C18: rewritten behind the fence"

# A write that was on its way to main before the fence: the worker waits for it.
gated
message m hold 1000 8 write
writes b 1000 8 & writer=$!
message m wait waiting 2 60000
before=$(counters m reads)
message m release 1 fail medium
check "C10: the worker asks whether there is a disk" message m wait reads $((before + 1)) 60000
check_fails "C18: but does not look while a write is on its way" message m wait reads $((before + 2)) 1000
message m release
wait $writer
is "C18: the write ends well" $? 0
is "C18: nothing is pending" "$(settled_counts)" "active 0/1008 0 0 0"
check "C18: it is read" holds b 1000 8

## fail_pending

fresh
message m bad 1000 8 read
reads 1000 8 2>/dev/null
is "a unit is pending" "$(pending)" 8
check "fail_pending live" dm_reload r "$(remap_table $m $s fail_pending)"
io_clear
is "C4: with fail_pending its reads fail" "$(error_of reads 1000 8)" ENODATA
is "C4: one of its sectors, too" "$(error_of reads 1004 1)" ENODATA
is "C4: main was not asked" "$(counters m reads)" 0
check_fails "C4: a larger read fails" reads 992 24
is "C4: main was not asked for these sectors" "$(asked 1000 8)" 0
check "C4: its neighbours are read" eval 'holds old 992 8 && holds old 1008 8'
message m good 0 0
is "C4: although main could read it" "$(error_of reads 1000 8)" ENODATA
check "C5: a write heals it" writes new 1000 4
check "C5: and is read" holds new 1000 4
like "retest asks main" "$(message r retest 1004 4)" "^4 sectors readable again, 0 pending"
check "C4: then it is read" holds old 1004 4

fresh fail_pending
message m hold 1000 8 read times 3
reads 1000 8 2>/dev/null & reader=$!
for i in 1 2; do
	message m wait waiting 1 60000
	message m release 1 fail medium
done
message m wait waiting 1 60000
wait $reader
get_sectors $r 1000 8 >/tmp/got 2>/dev/null & reader=$!
check "C4: a read waits while a unit becomes pending" until_true 20 in_io dd
before=$(asked 1000 8)
message m release 1 fail medium
ends_badly "C4: with fail_pending a read that waited while it became pending fails" $reader
is "C4: without asking main" "$(asked 1000 8)" "$before"
is "C4: it is pending" "$(pending)" 8

## Readahead

fresh
put_pattern "$lower" old 0 64
blockdev --setra 256 $r
message m bad 24 8 read
io_clear
check "C4: a page before a bad one is read through the page cache" cmp <(pattern old 0 8) \
	<(dd if=$r bs=4096 count=1 status=none)
is "C4: readahead went over the bad one, and failed" \
	"$(message m log | awk '$3 == "read" && $6 ~ /readahead/ && $4 <= 24 && $4 + $5 > 24 && $7 == "medium"' | wc -l)" 1
is "C4: that makes nothing pending" "$(pending)" 0
is "C4: the worker did not even look" "$(asked 24 8)" 1
is "C4: and wrote nothing" "$(spare_story)" ""
check_fails "C4: a direct read of it fails" reads 24 8
is "C4: and makes it pending" "$(pending)" 8
message m bad 40 8 read
check_fails "C4: a page that is asked for through the page cache fails" dd if=$r bs=4096 skip=5 count=1 of=/dev/null status=none
is "C4: and becomes pending, too" "$(pending)" 16

# The same where it has met a fence, and the worker reads for it: a unit on the spare, whose slot fails.
fenced() { # SECTOR: it is owned and cannot be read, and a message holds a fence from the unit before it on
	message r remap "$1" 8 >/dev/null
	message s bad "$(slot_sector 0)" 8 read
	message m hold $(($1 - 8)) 8 read times 1
	message r remap $(($1 - 8)) 64 >/dev/null & remap=$!
	check "C18: a message reads units behind its fence" message m wait waiting 1 60000
}
fresh
put_pattern "$lower" old 0 128
fenced 24
blockdev --setra 256 $r
dd if=$r bs=4096 count=1 of=/tmp/got status=none & reader=$!
check "C18: readahead over them waits" until_true 20 in_io dd
message m release
ends_well "C18: the message ends" $remap
ends_well "C7: its first page is read" $reader
check "C7: right" cmp <(pattern old 0 8) /tmp/got
is "C7: the slot failed readahead, which makes nothing pending" \
	"$(message s log | awk '$3 == "read" && $7 == "medium"' | wc -l) $(pending)" "1 0"
check_fails "C7: a direct read fails" reads 24 8
is "C7: and makes it pending" "$(pending)" 8

## Nothing becomes pending

fresh no_auto
fenced 1016
reads 1016 8 2>/dev/null & reader=$!
check "C18: a read waits for it" until_true 20 in_io dd
message m release
ends_well "C18: the message ends" $remap
ends_badly "C7: the read fails, behind the fence" $reader
is "C7: with no_auto nothing is pending for it" "$(pending)" 0

fresh no_auto
message m bad 1000 8 read
is "C4: with no_auto a read reports main's own error" "$(error_of reads 1000 8)" ENODATA
is "C4: nothing is pending" "$(pending)" 0
is "C4: main was asked once" "$(asked 1000 8)" 1

fresh
for pair in timeout=ETIMEDOUT nospc=ENOSPC transport=ENOLINK protection=EILSEQ notsupp=EOPNOTSUPP \
	resource=ENOMEM again=EAGAIN offline=ENODEV; do
	status=${pair%=*}
	main_fails 1000 read "$status" || { skip "C10: $status" "this kernel has no such status"; continue; }
	io_clear
	is "C10: a read that fails with $status reports it" "$(error_of reads 1000 8)" "${pair#*=}"
	is "C10: $status makes nothing pending" "$(pending)" 0
	is "C10: main was asked once" "$(asked 1000 8)" 1
done

fresh
message m offline
check_fails "C10: a read from a disk that is gone fails" reads 1000 8
is "C10: nothing is pending" "$(settled_counts)" "tripped 0/1008 0 0 0"
message m online
message r resume_auto
check "C10: it comes back" holds old 1000 8

fresh
goes_away m
message r remap 1000 8 >/tmp/answer & pid=$!
is_back_when_asked "C10: a remap does not read main, and asks whether there is one" m
ends_well "C10: there is" $pid
is "C10: all of it is remapped, nothing is pending" "$(cat /tmp/answer)" "8 sectors remapped, 0 pending"

gated
message m release 1 fail medium
check "C18: the worker looks at it behind its fence" message m wait waiting 1 60000
message m offline
message m release
is "C10: main goes away meanwhile: nothing is pending" "$(settled_counts)" "tripped 0/1008 0 0 0"
message m online
message r resume_auto >/dev/null

fresh
goes_away m
check_fails "C10: a read from a disk that is gone for a moment fails" reads 1000 8
is_back_when_asked "C10: the worker asks whether there is a disk" m
is "C10: there is: nothing is pending" "$(settled_counts)" "active 0/1008 0 0 0"
## Many that are read again

io_renew
put_pattern "$lower" old 2048 2048
message m bad 2048 2048 read
like "C18: a MiB that cannot be read is remapped: pending" "$(drive remap 2048 4096)" "^0 "
is "C18: all of it" "$(pending_sectors r)" 2048
message m good 2048 2048
io_clear
check "C4: it is read again, in one piece" reads 2048 2048
check "C4: nothing is pending any more" until_is 20 0 pending_sectors r
settle
num "C20: that was committed by table block, not by unit" "$(message s log | grep -c ' write ')" -le 24
check "C4: the data is main's" holds old 2048 2048
done_testing

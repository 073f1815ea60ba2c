# SPDX-License-Identifier: GPL-2.0-or-later
# remap-faulty: a test disk fails where, when and how it was told to, and nowhere else.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
f=/dev/mapper/f
mk_disk lower 64M
mk_null bare 16M
len=$(sectors "$lower")
make_f() { dm_create f "0 $len remap-faulty $lower 0${*:+ $# $*}"; } # ARG...
drop_f() { dmsetup remove f; }
counter() { status_key "${2:-f}" "$1"; } # KEY [DEVICE]
reads() { get_sectors "$f" "$1" "$2" >/dev/null; } # SECTOR COUNT
writes() { put_pattern "$f" "${3:-w}" "$1" "$2"; } # SECTOR COUNT [SEED]
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
write_cache() { # DEVICE
	cat "/sys/dev/block/$(($(stat -L -c 0x%t "$1"))):$(($(stat -L -c 0x%T "$1")))/queue/write_cache"
}

## A healthy disk

check "a table without arguments loads" make_f
check "data goes in" put_pattern "$f" a 0 2048 256
check "and comes back" holds_pattern "$f" a 0 2048
check "it is on the device below, at the same place" holds_pattern "$lower" a 0 2048
is "reads, writes and their sectors are counted" \
	"$(counter writes) $(counter sectors_written) $(counter sectors_read)" "8 2048 2048"
message f stats_clear
is "stats_clear clears them" "$(counter writes) $(counter sectors_read)" "0 0"
like "help tells the words" "$(message f help)" "bad_every .*fail_after"
drop_f

## Bad sectors

make_f bad 1003 1 bad 2000 8 read bad 3000 8 write timeout bad 4000 8 discard
is "a bad sector takes its physical block" "$(message f list | grep -c '^1000 8 ')" 2
check_fails "a bad sector does not read" reads 1003 1
check_fails "nor does its neighbour in the block" reads 1000 1
check "the block before does" reads 992 8
check "the block after does" reads 1008 8
check_fails "a bad sector does not write" writes 1003 1
check_fails "a large read over it fails" reads 512 1024
check_fails "a large write over it fails" writes 512 1024
is "and writes nothing" "$(holds_pattern "$lower" a 512 1024 && echo old)" old
check_fails "read alone: does not read" reads 2000 8
check "read alone: is written" writes 2000 8
check_fails "read alone, keep: does not read after that either" reads 2000 8
check "write alone: reads" reads 3000 8
like "write alone: fails with its status" "$(writes 3000 8 2>&1)" "timed out"
check_fails "discard alone: fails" blkdiscard -o $((4000 * 512)) -l 4096 "$f"
check "discard alone: the next block is discarded" blkdiscard -o $((4008 * 512)) -l 4096 "$f"
is "discards are counted" "$(counter discards) $(counter failed_discards)" "2 1"
message f good 1000 8
check "good mends it" reads 1000 8
check "for writes too" writes 1000 8 a
drop_f

make_f phys 1 bad 1003 1
check_fails "phys 1: the sector fails" reads 1003 1
check "phys 1: its neighbours do not" reads 1004 4
is "phys 1: the block size is the device's below" "$(blockdev --getpbsz "$f")" "$(blockdev --getpbsz "$lower")"
drop_f
make_f phys 8 lbs 4096
is "phys and lbs are what the block layer is told" \
	"$(blockdev --getpbsz "$f") $(blockdev --getss "$f")" "4096 4096"
drop_f

## Healing

make_f bad 1000 16 read heal
check_fails "heal: unreadable at first" reads 1000 8
check_fails "a write of part of an unreadable block fails, as on a real disk" writes 1000 1
check_fails "at its end too" writes 999 2
check "a write of the whole block goes in" writes 1000 8 h
check "and it reads again" holds_pattern "$f" h 1000 8
check_fails "the other block still does not" reads 1008 8
is "list shows what is left" "$(message f list)" "1008 8 read heal medium delay 0"
check "write-zeroes heal too" blkdiscard -z -o $((1008 * 512)) -l 4096 "$f"
check "and that block reads again" reads 1008 8
is "nothing is left" "$(counter bad)" 0
message f bad 2000 8 write heal ioerr
check_fails "a write side that heals fails once" writes 2000 8
check "and then goes in" writes 2000 8
message f bad 1000 8 write keep medium bad 1000 8 read keep target
is "the two sides of one sector have their own status" \
	"$(message f list | cut -d ' ' -f 3-5 | tr '\n' ' ')" "read keep target write keep medium "
drop_f

## Statuses

make_f
for pair in medium=61 ioerr=5 target=121 timeout=110 nospc=28 transport=67 protection=84 notsupp=95 resource=12 again=11; do
	message f bad 0 8 read "${pair%=*}"
	out=$(strace -e trace=read dd if="$f" of=/dev/null bs=4096 count=1 iflag=direct 2>&1 | grep -o 'read(0.* = -1 E[A-Z]*')
	case ${pair#*=} in
	61) e=ENODATA ;; 5) e=EIO ;; 121) e=EREMOTEIO ;; 110) e=ETIMEDOUT ;; 28) e=ENOSPC ;; 67) e=ENOLINK ;;
	84) e=EILSEQ ;; 95) e=EOPNOTSUPP ;; 12) e=ENOMEM ;; 11) e=EAGAIN ;;
	esac
	is "status ${pair%=*} arrives as $e" "${out##* }" "$e"
done
message f good 0 0

## Whole-disk states

message f offline
is "offline shows" "$(state_of f)" offline
check_fails "offline: no read" reads 0 8
check_fails "offline: no write" writes 0 8
message f readonly
check "readonly: reads" reads 0 8
check_fails "readonly: no write" writes 0 8
check "readonly: flushes" blockdev --flushbufs "$f"
message f online
check "online: writes again" writes 0 8 a

## Counters that fire

message f fail_after writes 3 medium 1
check "fail_after: the first write is good" writes 0 8 a
check "the second too" writes 0 8 a
check_fails "the third fails" writes 0 8 a
check "the fourth is good" writes 0 8 a
message f fail_after reads 1 in 800 8 times 2
check "in: a read elsewhere is good" reads 0 8
check_fails "in: one there fails" reads 800 8
check_fails "times 2: twice" reads 800 8
check "then no more" reads 800 8
message f fail_after flush 1 ioerr
check_fails "a flush fails" dd if=/dev/zero of="$f" bs=4096 seek=100 count=1 conv=fsync status=none
is "and is counted" "$(counter failed_flushes)" 1
check "the next one does not" dd if=/dev/zero of="$f" bs=4096 seek=100 count=1 conv=fsync status=none
message f fail_after write 2 forever 'then' offline
check "then offline: the first write is good" writes 0 8 a
check_fails "the second takes the disk away" writes 0 8 a
is "it is gone" "$(state_of f)" offline
message f fail_never online
check "fail_never and online bring it back" writes 0 8 a
drop_f

## Flushes and FUA are seen

make_f
dd if=/dev/zero of="$f" bs=4096 seek=8 count=1 oflag=direct,dsync status=none
num "a FUA write is seen" "$(counter fua)" -ge 1
num "a flush is seen" "$(counter flushes)" -ge 1
like "the log has it as such" "$(message f log)" '[0-9]+ [0-9]+ write 64 8 fua'
drop_f
dm_create f "0 32768 remap-faulty $bare 0"
is "flushes come even where the device below has no cache" "$(write_cache "$bare"), $(write_cache "$f")" \
	"write through, write back"
dd if=/dev/zero of="$f" bs=4096 count=1 oflag=direct,dsync status=none
num "and FUA writes" "$(counter fua)" -ge 1
drop_f
dm_create f "0 32768 remap-faulty $bare 0 1 no_wc"
is "no_wc leaves that as it is below" "$(write_cache "$f")" "write through"
drop_f

## Delays

make_f bad 0 8 read delay 2000 slow 800 8 write 300
start=$(ms)
check_fails "a delayed failure fails" reads 0 8
num "after its delay" $(($(ms) - start)) -ge 2000
(reads 0 8) & pid=$!
message f wait delayed 1
start=$(ms)
check "others do not wait for it" reads 8 8
num "they are quick" $(($(ms) - start)) -lt 2000
wait $pid
start=$(ms)
check "a slow write succeeds" writes 800 8 slow
num "after its time" $(($(ms) - start)) -ge 300
check "with its data" holds_pattern "$f" slow 800 8
message f slow 0 0 all 0 good 0 0
is "both can be taken back" "$(counter bad) $(counter slow)" "0 0"
drop_f

## Gates

put_pattern "$lower" old 0 64
make_f hold 0 8 write
writes 0 8 new & pid=$!
check "a held write is waited for" message f wait waiting 1
is "one waits" "$(counter waiting)" 1
check "the disk has not got it" holds_pattern "$f" old 0 8
check "others pass" writes 8 8 new
message f release
wait $pid
is "release lets it go" "$?" 0
check "and it is written" holds_pattern "$f" new 0 8
message f hold 0 0 read times 1
(reads 0 8) & pid=$!
message f wait waiting 1
check "times 1: the gate is gone, the bio waits" reads 0 8
message f release fail medium
wait $pid
num "release fail: it fails" $? -ne 0
message f hold 0 0 flush
dd if=/dev/zero of="$f" bs=4096 seek=100 count=1 conv=fsync status=none & pid=$!
check "a flush can be held" message f wait waiting 1
message f release 1
wait $pid
is "release 1 lets one go" "$?" 0
(dd if=/dev/zero of="$f" bs=4096 seek=100 count=1 conv=fsync status=none) & pid=$!
check "and the gate stays" message f wait waiting 1
check "a suspend is not held up" timeout 20 dmsetup suspend f
dmsetup resume f
wait $pid
is "and lets the held go" "$? $(counter waiting)" "0 0"
check_fails "wait gives up" message f wait waiting 1 200
message f release

message f hold 0 8 write
check_fails "a message ends at a word it does not know" message f online bogus
check_fails "sectors outside the disk are refused" message f bad "$len" 8
check_fails "so is no sector" message f bad 0 0
drop_f

## The log

make_f hold 0 8 write
writes 0 8 a & pid=$!
message f wait waiting 1
writes 800 8 a
message f release
wait $pid
mapfile -t log < <(message f log | grep ' write ')
read -r in1 out1 _ <<<"${log[0]}"
read -r in2 out2 _ <<<"${log[1]}"
num "the log shows that one came first" "$in1" -lt "$in2"
num "and that the other ended first" "$out2" -lt "$out1"
is "from <n> leaves out what came before" "$(message f log "$in2" | grep -c ' write ')" 1
message f log_clear
is "log_clear empties it" "$(message f log)" ""
drop_f

## Tables

make_f phys 1 bad 8 8 bad 24 3 read heal target delay 7 bad 5 2 discard slow 0 16 both 3 slow 0 0 flush 4 \
	hold 800 8 write,fua times 2 fail_after fua 3 timeout times 2 in 8 16 'then' readonly cut_mode torn 5 readonly
table=$(dmsetup table f)
check "what table prints loads again" dm_reload f "$table"
is "as the same line" "$(dmsetup table f)" "$table"
drop_f
for bad in "1 bogus" "3 bad 0" "2 bad 0" "2 phys 3" "3 bad 0 999999999" "2 cache no_wc" "1 power" "4 bad 0 8 delay"; do
	check_fails "'$bad' is refused" dm_create f "0 $len remap-faulty $lower 0 $bad"
done
make_f
message f bad_random 0 0 20000 1 42 write
num "thousands of ranges" "$(counter bad)" -gt 2000
table=$(dmsetup table f)
check "are one table line that loads again" dm_reload f "$table"
is "and is the same" "$(dmsetup table f | sha256sum)" "$(echo "$table" | sha256sum)"
message f good 0 0 bad_every 0 0 64 8 heal
is "bad_every: one a step, on both sides" "$(counter bad)" $((len * 2 / 64))
check_fails "the first is bad" reads 0 8
check "what lies between is not" reads 8 56
check_fails "the last is bad" reads $((len - 64)) 8
drop_f

## Offsets

check "an offset into the device below" dm_create f "0 2048 remap-faulty $lower 4096 3 bad 8 8"
check "puts data there" writes 0 8 off
check "right there" cmp <(pattern off 0 8) <(get_sectors "$lower" 4096 8)
check_fails "bad sectors count from the target's start" reads 8 8
drop_f
check "a target that does not start at 0" dm_create f "0 2048 linear $lower 0
2048 2048 remap-faulty $lower 2048 3 bad 8 8"
check_fails "has its sectors counted from its start" reads 2056 8
check "and no others" reads 2064 8
drop_f

## Removal with I/O under way

make_f slow 0 0 both 300
for i in 0 8 16 24; do (reads $i 8) & done
message f wait delayed 1
wait
check "removal" drop_f
done_testing

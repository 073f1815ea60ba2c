# SPDX-License-Identifier: GPL-2.0-or-later
# remap-faulty's volatile cache: what was not flushed may be lost by a power cut, what was is kept.
# timeout: 600
# kernels: one
# programs: fio
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
f=/dev/mapper/f
mk_null lower 64M discard=1
mk_null lower2 64M
len=$(sectors "$lower")
make_f() { dm_create f "0 $len remap-faulty $lower 0 $(($# + 1)) cache${*:+ $*}"; } # ARG...
drop_f() { dmsetup remove f; }
counter() { status_key "${2:-f}" "$1"; } # KEY [DEVICE]
flush() { dd if=/dev/null of="$f" count=0 conv=fsync,notrunc status=none; }
put() { put_pattern "$f" "$@"; } # SEED SECTOR COUNT [BIO]
has() { holds_pattern "$f" "$@"; } # SEED SECTOR COUNT
seeds() { get_sectors "$f" "$1" "$2" | awk '{ print $1 }'; } # SECTOR COUNT: whose each sector is
below() { holds_pattern "$lower" "$@"; }

## The cache

put_pattern "$lower" old 0 2048
make_f
check "a write completes" put new 0 256 64
check "and reads back" has new 0 256
check "but the disk below has it not" below old 0 256
is "the cache has it" "$(counter cached)" 256
check "a flush succeeds" flush
check "then it is below" below new 0 256
is "the cache is empty" "$(counter cached) $(counter flushes)" "0 1"
check "it still reads" has new 0 256

for i in 1 2 3; do put "v$i" 300 1; put "w$i" 303 6; done
check "the newest of several writes is read" has v3 300 1
check "a read over cached and other sectors" cmp \
	<(pattern old 296 4; pattern v3 300 1; pattern old 301 2; pattern w3 303 6; pattern old 309 11) \
	<(get_sectors "$f" 296 24)
is "all versions are in the cache" "$(counter cached)" 21
message f sync
check "sync writes out the newest" cmp \
	<(pattern old 296 4; pattern v3 300 1; pattern old 301 2; pattern w3 303 6; pattern old 309 11) \
	<(get_sectors "$lower" 296 24)
is "and empties the cache" "$(counter cached)" 0

## Cuts

put_pattern "$lower" old 0 2048
put new 0 8
flush
put lost 8 8
message f cut
is "cut: the power is off" "$(state_of f)" off
check_fails "off: no read" get_sectors "$f" 0 8
check_fails "off: no write" put x 0 8
check_fails "off: no flush" flush
message f restore
check "restore: what was flushed is there" has new 0 8
check "what was not is lost" has old 8 8
is "and was counted" "$(counter lost) $(counter kept)" "8 0"
check_fails "cut takes no words but its own" message f cut all restore
check "and does nothing then" has new 0 8
put kept 8 8
message f cut all
message f restore
check "cut all: everything had reached the disk" has kept 8 8

put_pattern "$lower" old 0 512
message f stats_clear
put new 0 512 8
message f cut random 7
message f restore
seeds 0 512 | paste -sd '       \n' | sort | uniq -c >/tmp/seen
new=$(awk '/(new ){7}new$/ { print $1 }' /tmp/seen) old=$(awk '/(old ){7}old$/ { print $1 }' /tmp/seen)
is "cut random: each write is there whole or not at all" "$((new + old))" 64
num "some are there" "$new" -gt 10
num "some are not" "$old" -gt 10
is "as counted" "$(counter kept) $(counter lost)" "$((new * 8)) $((old * 8))"
drop_f
# Equal writes, equal seed: the same survives; another seed: something else.
survivors() { # SEED
	put_pattern "$lower" old 0 512
	make_f
	put new 0 512 8
	message f cut random "$1"
	message f restore
	get_sectors "$f" 0 512 | sha256sum
	drop_f
}
one=$(survivors 1)
is "the seed decides what survives" "$(survivors 1)" "$one"
check_fails "another seed decides differently" test "$(survivors 2)" = "$one"

put_pattern "$lower" old 0 512
make_f
put new 0 512 8
message f cut torn 3
message f restore
num "cut torn: writes are torn" "$(seeds 0 512 | paste -sd '       \n' | grep -c 'new.*old\|old.*new')" -gt 30
is "between sectors only" "$(get_sectors "$f" 0 512 | awk '!($1 == "new" || $1 == "old") || $2 != NR - 1' | wc -l)" 0

put old 0 8
flush
put new 0 8
message f cut prefix 3
message f restore
is "cut prefix 3: the first three sectors of a block" "$(seeds 0 8 | paste -sd ' ')" "new new new old old old old old"
put old 0 8
flush
message f cut_mode suffix 2 fail_after write 1 ioerr 'then' cut
check_fails "cut suffix 2: the write that the power goes with fails" put new 0 8
message f restore
is "and its last two sectors are there" "$(seeds 0 8 | paste -sd ' ')" "old old old old old old new new"
message f cut_mode none

## Order: an old version never comes back over a newer one that was flushed

put one 0 8
put two 0 8
flush
put three 0 8
message f cut random 1
message f restore
check "after a flush only what it flushed, or newer" eval 'has two 0 8 || has three 0 8'

## FUA

put_pattern "$lower" old 0 64
message f stats_clear
message f hold 0 0 flush
dd if=<(pattern fua 0 8) of="$f" bs=4096 iflag=fullblock oflag=direct,dsync conv=notrunc status=none & pid=$!
check "a dsync write comes as FUA, then as a flush, which is held" message f wait waiting 1
num "the FUA write is seen" "$(counter fua)" -ge 1
put lost 16 8
message f cut
wait $pid
message f restore
message f release
check "FUA data survives without any flush" has fua 0 8
check "other data does not" has old 16 8

## Failing and counting

message f fail_after flush 1 ioerr
put late 32 8
check_fails "a flush that fails" flush
check "writes out nothing" below old 32 8
check "the next one does" flush
check "all of it" below late 32 8
message f cut_mode none fail_after write 3 'then' cut
put n1 0 8
put n2 8 8
check_fails "then cut: the third write cuts the power" put n3 16 8
is "and it is off" "$(state_of f)" off
message f restore
check "restored: the first is lost" has fua 0 8
drop_f

## Zeroes and discards

put_pattern "$lower" old 0 512
make_f
put new 0 64
blkdiscard -z -o 4096 -l 8192 "$f"
check "zeroes are read over cached data" cmp <(pattern new 0 8; head -c 8192 /dev/zero; pattern new 24 40) \
	<(get_sectors "$f" 0 64)
check "zeroes are volatile, too" below old 0 64
message f cut
message f restore
check "and lost" has old 0 64
put new 0 64
blkdiscard -o 4096 -l 4096 "$f"
flush
check "around a discard cached data is kept" cmp <(pattern new 0 8; pattern new 16 48) \
	<(get_sectors "$f" 0 8; get_sectors "$f" 16 48)
num "the discard reached the disk" "$(counter discards)" -ge 1

## Reload and removal keep the power on

put here 100 8
check "a table reload" dm_reload f "$(dmsetup table f)"
check "keeps what was in the cache" has here 100 8
is "for it has been written out" "$(counter cached)" 0
put there 200 8
drop_f
check "removal writes out" below there 200 8
make_f
put gone 300 8
message f cut
check_fails "a table line tells that the power is off" test "$(dmsetup table f | grep -c ' off')" = 0
drop_f
check "removal with the power off writes nothing" below old 300 8

## A small cache

make_f cache_size 1
check "8 MiB through a cache of 1 MiB" put big 0 16384 64
num "which does not grow over its size" "$(counter cached)" -le $((2048 + 2048))
check "and nothing is wrong" has big 0 16384
flush
check "nor below" below big 0 16384
drop_f

## One power switch

put_pattern "$lower" old 0 512
put_pattern "$lower2" old 0 512
dm_create f "0 $len remap-faulty $lower 0 3 cache power p1"
dm_create g "0 $len remap-faulty $lower2 0 3 cache power p1"
put_pattern "$f" new 0 512 8
put_pattern /dev/mapper/g new 0 512 8
message f cut random 5
is "a cut takes all devices of the switch" "$(state_of f) $(state_of g)" "off off"
check_fails "the other fails, too" get_sectors /dev/mapper/g 0 8
message g restore
is "restore brings all back" "$(state_of f) $(state_of g)" "online online"
num "each kept something" "$(counter kept g)" -gt 0
check_fails "not the same" cmp <(get_sectors "$f" 0 512) <(get_sectors /dev/mapper/g 0 512)
dmsetup remove g
drop_f

## Under load

make_f
fio_on() { fio --name=v --filename="$f" --direct=1 --ioengine=libaio --iodepth=16 --size=16M --bsrange=512-65536 \
	--bs_unaligned=0 --blockalign=512 --verify=crc32c --verify_fatal=1 --minimal "$@"; }
check "fio verifies what it wrote, flushing now and then" fio_on --rw=randwrite --fsync=40
check "a small cache instead" dm_reload f "0 $len remap-faulty $lower 0 2 cache_size 2"
fio_on --rw=randwrite --fsync=40 >/tmp/fio.out 2>&1 & pid=$!
for i in 1 2 3 4 5; do check "reload $i under load" dm_reload f "0 $len remap-faulty $lower 0 2 cache_size 2"; done
wait $pid
is "hurts nobody" $? 0 || diag "$(cat /tmp/fio.out)"
fio --name=w --filename="$f" --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bs=4k --size=32M --fsync=20 \
	--time_based --runtime=60 >/dev/null 2>&1 & pid=$!
message f wait writes 100
message f cut random 9
wait $pid
num "a cut under load ends all I/O with an error" $? -ne 0
message f restore
check "and the disk works after restore" put again 0 256

## A file system

mkfs.ext4 -q -F -E lazy_itable_init=0 "$f" 20000
flush
for seed in 1 2 3; do
	mount -t ext4 "$f" /mnt
	dd if=<(pattern "file$seed" 0 2000) of="/mnt/synced$seed" bs=64k status=none
	sync "/mnt/synced$seed"
	dd if=<(pattern junk 0 4000) of="/mnt/unsynced" bs=64k status=none
	message f cut random "$seed"
	umount /mnt
	message f restore
	check "seed $seed: ext4 comes back by its journal" mount -t ext4 "$f" /mnt
	check "seed $seed: with what was synced" cmp <(pattern "file$seed" 0 2000) "/mnt/synced$seed"
	umount /mnt
	check "seed $seed: and is consistent" e2fsck -fn "$f"
done
drop_f
done_testing

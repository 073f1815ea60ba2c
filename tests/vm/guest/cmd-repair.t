# SPDX-License-Identifier: GPL-2.0-or-later
# dmremap repair on spares whose disk takes writes and gives nothing back, and on one that is active by another path.
# command: dmremap
# timeout: 200
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
. /vm/cmd-lib.sh
cd /tmp || bail "no /tmp"
io_disks 16M 8M
io_pair
check "C22: a unit is remapped" message r remap 2000 8
dmsetup remove r
unrepaired() { dmremap check --json $s | sed -n 's/.*"\(relocations\|tables_to_repair\)": *\([0-9]*\).*/\2/p' | tr '\n' ' '; }

message s bad "$(table_sector 0 A)" 8 read
is "C14: a table copy cannot be read" "$(unrepaired)" "0 1 "
run repair --yes $s
is "it is repaired: at an alternate, for what was written there is not given back" "$status $(printf '%s\n' "$out" | tail -n 1)" "0 repaired"
is "C14: that is all" "$(unrepaired)" "1 0 "
run repair $s
is "nothing is left to be repaired" "$status $out" "0 nothing is to be repaired"

# Of four superblocks one stays: it is not written over when three others are not given back.
superblock() { get_sectors $s 6144 8 | sha256sum; }
for at in 0 2048 4096; do message s bad $at 8 read; done
was=$(superblock)
run repair --yes $s
is "three superblocks that are not given back: the repair fails" "$status" 1
is "and the last is as it was" "$(superblock)" "$was"
message s good 0 0

## The pair is active, and this is another path to its spare

io_pair
dm_create alias "0 $(sectors $s) linear $s 0"
dd if=/dev/zero of=$s bs=4k count=1 seek=256 oflag=direct conv=notrunc status=none
message s log_clear
run repair --yes /dev/mapper/alias
like "it is not repaired" "$status $err" "^4 .*r is active with another device, to which /dev/mapper/alias may be another path"
is "and nothing is written" "$(message s log | grep -c ' write ')" 0
dmsetup remove r
run repair --yes /dev/mapper/alias
is "once it is stopped, it is" "$status $(printf '%s\n' "$out" | tail -n 1)" "0 repaired"
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# Swap as docs/STACKS.md makes it: what sectors that fail do to a process, without dm-remap and with it. (Memory short for all: swap.t.)
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
document=/vm/STACKS.md
. /vm/doc.sh
r=/dev/mapper/safe b=/dev/mapper/b
io_disks 128M 32M
mk_disk bare 128M
io_faulty b "$bare"
# A loop device counts the memory of its file for whoever swaps there, which would be too much for him.
for disk in lower store bare; do fallocate -l "$(stat -c %s "$(disk_file $disk)")" "$(disk_file $disk)" || bail "no memory for $disk"; done
mkdir /sys/fs/cgroup/small 2>/dev/null || { mount -t cgroup2 cgroup2 /sys/fs/cgroup && echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/small; } || bail "no control groups"
echo 32M >/sys/fs/cgroup/small/memory.max || bail "no limit for memory"
mkfifo /tmp/go
cat >/tmp/much.awk <<'END'
BEGIN {
	fill = sprintf("%1024s", ""); gsub(/ /, "x", fill)
	for (i = 0; i < n; i++) a[i] = i " " fill
	print "filled"; fflush()
	getline <"/tmp/go"
	for (i = 0; i < n; i++) if (a[i] != i " " fill) exit 1
}
END
# A process with twice the memory that it may have; it waits when it has filled it.
fills() { # sets $pid
	bash -c 'echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec awk -v n=60000 -f /tmp/much.awk' >/tmp/filled & pid=$!
	until_true 150 eval '[ -s /tmp/filled ] || ! [ -d /proc/$pid ]' || bail "it does not fill its memory"
	: >/tmp/filled
}
goes_on() { # what becomes of it: its status
	timeout 20 bash -c 'echo go >/tmp/go' # it may be dead already
	wait $pid
	echo $?
}

## Without dm-remap

mkswap $b >/dev/null && swapon $b || bail "no swap"
message b bad_every 8 0 64 8 write
log_mark
fills
check "without dm-remap swap fails writes" log_has "$log_mark" "Write-error on swap"
goes_on >/dev/null
swapoff $b

## With it

MAIN=$m SPARE=$s
run_block swap
message m bad_every 8 0 64 8 write
log_mark
fills
num "memory was swapped out" "$(counters m writes)" -gt 100
goes_on >/tmp/status
is "with dm-remap every byte of a process is right" "$(cat /tmp/status)" 0
check_fails "and swap has noticed nothing" log_has "$log_mark" "Write-error on swap|Read-error on swap"
num "sectors are on the spare" "$(used_slots safe)" -gt 20

## Sectors that cannot be read

fills
message m bad_every 16 0 64 8 read heal
goes_on >/tmp/status
like "a process whose memory cannot be read is killed: SIGBUS, which awk may turn into SIGABRT" "$(cat /tmp/status)" '^13[45]$'
check "the sectors are pending" until_true 20 eval '[ "$(pending_sectors safe)" -gt 0 ]'
fills
goes_on >/tmp/status
is "the next one notices nothing: what is written heals" "$(cat /tmp/status)" 0
run_block swap-off
dmremap stop safe
done_testing

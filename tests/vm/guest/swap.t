# SPDX-License-Identifier: GPL-2.0-or-later
# C19: swap on a dm-remap device, memory short, sectors dying meanwhile: no deadlock, no wrong byte.
# disks: main=768M spare=64M
# memory: 640M
# timeout: 400
. /vm/io.sh
# Sectors of main die as time goes by; the first are bad from the start.
io_faulty m "$main" bad_random 8192 400000 300 8 1 write
io_faulty s "$spare"
io_pair
# The rescuer, by its name on older kernels and on newer ones.
check "C19: where no thread can be made, recovery has one" grep -qE '^(dm-remap|kworker/R-dm-re)' /proc/[0-9]*/comm
mkswap $r >/dev/null
check "C19: swap goes on" swapon $r

# A little more than there is memory, with what awk needs for each line of 1 KiB: all different, written and read again, twice.
lines=$(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) / 2))
pids=''
for seed in 1 2; do
	awk -v n=$lines -v s=$seed 'BEGIN {
		fill = sprintf("%1024s", ""); gsub(/ /, "x", fill)
		for (turn = 0; turn < 2; turn++) {
			for (i = 0; i < n; i++) a[i] = s " " turn " " i " " fill
			for (i = 0; i < n; i++) if (a[i] != s " " turn " " i " " fill) exit 1
		}
	}' & pids+=" $!"
done
for seed in 2 3 4 5 6 7; do
	sleep 3
	message m bad_random 8192 400000 200 8 $seed write
done
for pid in $pids; do
	wait "$pid"
	is "C19: every byte is what was written" $? 0
done
say "$lines lines each, $(awk '$1 == "pswpout" { print $2 }' /proc/vmstat) pages swapped out, $(used_slots r) slots used"
num "C19: it was swapped out" "$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)" -ge 4000
num "C3: sectors were relocated meanwhile" "$(used_slots r)" -ge 20
is "C3: no write failed for it" "$(state_of r)" active
check "C19: swap goes off" swapoff $r
check_fails "C19: no swap I/O failed" sh -c 'dmesg | grep -E "Write-error on swap|Read-error on swap"'
done_testing

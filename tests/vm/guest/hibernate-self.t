# SPDX-License-Identifier: GPL-2.0-or-later
# C23: the kernel that has taken an image goes on and writes it; it may relocate sectors while it does. And what
# comes to a pair before the spare was read again waits.
# disks: main=640M spare=16M swap=640M
# append: hibernate=nocompress
# suite: long
# timeout: 600
. /vm/sleep.sh
need_hibernation
second=65536 # where the swap on the pair begins

io_faulty m "$main" bad_every $second 0 2048 8 write
io_faulty s "$spare"
io_pair
check "C23: data goes in" put_pattern $r first 0 4096 512
dm_create swap "0 $(($(sectors $r) - second)) linear $r $second"

mkswap "$swap" >/dev/null
swapon "$swap"
# The first to read the spare is who checks it: held up, it gives us time to look.
hold_check() { message s hold 0 8 read; }
io_while_waiting() { # SEED
	message m log_clear
	(put_pattern $r "$1" 1024 8 && echo written >/tmp/written) &
	(flush $r && echo flushed >/tmp/flushed) &
	(holds_pattern $r first 0 8 && echo read >/tmp/read) &
	check "C23: three wait ($1)" until_true 60 in_io dd 3
	is "C23: and nothing reaches main before the spare is read ($1)" "$(message m log | wc -l)" 0
	is "C23: nothing ends before that ($1)" "$(ended)" ""
}
ended() { cat /tmp/written /tmp/flushed /tmp/read 2>/dev/null | tr '\n' ' '; rm -f /tmp/written /tmp/flushed /tmp/read; }

hold_check
check "C23: it sleeps and wakes up" sleep_and_wake
check "C23: who wakes up reads the spare" message s wait waiting 1 20000
io_while_waiting second
message s release
wait
is "C23: nothing has moved: what waited is done" "$(ended)" "written flushed read "
num "C23: and reaches main" "$(message m log | wc -l)" -ge 3
check "C23: and is there" holds_pattern $r second 1024 8
is "C23: it is active" "$(state_of r)" active
dmsetup suspend r
check "C23: it sleeps suspended" sleep_and_wake
message s log_clear
check "C23: and can be resumed" dmsetup resume r
num "C23: which reads the spare" "$(message s log | grep -c read)" -ge 3
check "C23: the data are there" holds_pattern $r second 1024 8
swapoff "$swap"

mkswap /dev/mapper/swap >/dev/null
check "C19: swap on the pair, in places that are bad" swapon /dev/mapper/swap
owned=$(owned_sectors r)
sums() { for d in "$main" "$spare"; do dd if="$d" bs=1M iflag=direct status=none | sha256sum; done; }
hold_check
check "C23: its image goes where sectors are bad" sleep_and_wake
is "C23: this memory knows nothing of what was relocated for it" "$(owned_sectors r)" "$owned"
check "C23: who wakes up reads the spare again" message s wait waiting 1 20000
before=$(sums)
io_while_waiting third
message s release
wait
is "C23: it has moved: nothing that waited is done" "$(ended)" ""
check "C23: it is stale" until_is 20 stale state_of r
is "C23: nothing was written" "$(sums)" "$before"
check "C23: swap that nothing is in goes off" swapoff /dev/mapper/swap
dmsetup remove swap
dmsetup remove r
io_pair
num "C23: made anew it knows what was relocated" "$(owned_sectors r)" -gt "$owned"
check "C23: and has the data" holds_pattern $r second 1024 8
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# A system that sleeps and wakes up under load, over a disk with bad sectors: nothing hangs, nothing is lost,
# and no sector is taken for bad because its disk slept.
# disks: main=64M spare=16M
# suite: long
# timeout: 400
# programs: fio
. /vm/sleep.sh
[ -e /sys/power/pm_test ] || skip_all "this kernel does not wake up by itself: it has no pm_test"
echo devices >/sys/power/pm_test # it sleeps for five seconds

# The bad ones are write errors that stay, in known places: 64 units, and none else may be remapped or pending.
io_faulty m "$main" bad_every 0 131072 2048 8 write
io_faulty s "$spare"
io_pair
doze() { echo freeze >/sys/power/state; }
# Again and again until it has slept enough.
load() {
	until [ -e /tmp/enough ]; do
		fio --name=load --filename=$r --direct=1 --rw=randwrite --bs=4k --size=64M --norandommap=0 --ioengine=psync \
			--numjobs=1 --verify=crc32c --do_verify=1 --verify_fatal=1 --fsync=64 --thread || return 1
	done
}
load >/tmp/fio.out 2>&1 & fio=$!
check "C19: load goes on" until_true 60 eval '[ "$(status_key r write_errors)" -gt 0 ]'
slept=0
for _ in 1 2 3 4; do
	sleep 1
	doze && slept=$((slept + 1))
done
is "C15: it slept and woke up, four times" "$slept" 4
: >/tmp/enough
wait $fio
is "C15: the load ends, and reads what it wrote" $? 0
is "C10: active" "$(state_of r)" active
is "C10: nothing is pending, no slot is bad" "$(status_of r | cut -d ' ' -f 4,5)" "0 0"
is "C10: only what is bad was relocated" "$(message r list | awk '$2 != 8 || $1 % 2048 || $3 != "owned"' | grep -v next)" ""
is "C3: all of what is bad was" "$(owned_sectors r)" 512
io_model
check "C15: created again" io_again
check "C15: what is written is there" same_as_model
put_pattern $r after 0 2048
check "C15: and it works" holds_pattern $r after 0 2048
done_testing

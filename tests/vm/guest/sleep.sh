# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of hibernation and suspend share: a pair on virtio disks, which sleep and wake up; loop devices do
# not, for theirs is a frozen thread.
# shellcheck shell=bash disable=SC2154
. /vm/io.sh
sleep_bad="bad 1024 8 write bad 2048 8 write bad 3072 8 write"

need_hibernation() {
	grep -qw disk /sys/power/state || skip_all "this kernel does not hibernate"
}
sleep_pair() {
	# shellcheck disable=SC2086 # words
	io_faulty m "$main" $sleep_bad bad 256 64 write
	io_faulty s "$spare"
	io_pair
}
sleep_pair_again() { io_pair; }
sum_of_disks() { for d in "$main" "$spare"; do dd if="$d" bs=1M iflag=direct status=none | sha256sum; done; }
# The end of the spare is never used here; other boots read there how many sectors were owned.
note_owned() { owned_sectors r | dd of="$spare" bs=4096 seek=1920 oflag=direct conv=sync,notrunc status=none; }
owned_noted() { dd if="$spare" bs=4096 skip=1920 count=1 iflag=direct status=none | tr -d '\0'; }

# The host boots again; what comes after this call runs in the image, when that boot has called wake_from.
sleep_until_boot() {
	echo "@reboot" >&3
	echo 0 >/sys/power/image_size
	echo shutdown >/sys/power/disk
	echo disk >/sys/power/state || bail "no hibernation: $(dmesg | tail -n 30)"
}
wake_from() { cat "/sys/class/block/${1##*/}/dev" >/sys/power/resume; } # SWAP
# An image is taken, written, and loaded again by the same kernel.
sleep_and_wake() {
	# As it is: nobody is to be swapped out for it.
	echo 1000000000 >/sys/power/image_size
	echo test_resume >/sys/power/disk
	echo disk >/sys/power/state
}

# SPDX-License-Identifier: GPL-2.0-or-later
# C23: a system that was hibernated goes on with the map of its image only if nobody has changed the spare since.
# disks: main=16M spare=8M swap=1G main2=8M spare2=8M main3=8M spare3=8M
# boots: 3
# append: hibernate=nocompress
# timeout: 600
# kernels: one
. /vm/sleep.sh
need_hibernation

if [ "$BOOT" != 1 ]; then
	# The kernel that reads the image. The second time it has used the pair before that.
	sleep_pair
	if [ "$BOOT" = 3 ]; then
		check "C23: the kernel that was booted relocates" put_pattern $r third 2048 8
		num "C23: to slots" "$(owned_sectors r)" -gt "$(owned_noted)"
		remap_create suspended "$main2" "$spare2"
		message suspended remap 0 8 >/dev/null
		check "C23: and makes a pair" remap_create loaded "$main3" "$spare3"
	fi
	wake_from "$swap"
	not_ok "the image is loaded" "$(dmesg | tail -n 20)"
	exit 1
fi

sleep_pair
mkswap "$swap" >/dev/null
check "there is swap for the image" swapon "$swap"
check "C23: data goes in" put_pattern $r first 0 1024 512
num "C23: with remaps" "$(used_slots r)" -ge 4
note_owned
counts=$(counts)

log_mark
sleep_until_boot
# Here the second boot has loaded the image.
is "C23: nothing has moved: the map is the same" "$(counts)" "active ${counts#* }"
check "C23: the data are there" holds_pattern $r first 0 1024
check "C3: what is written goes on being relocated" put_pattern $r second 1024 16
check "C3: and is there" holds_pattern $r second 1024 16
num "C3: in slots" "$(owned_sectors r)" -gt "$(owned_noted)"
note_owned
check "C8: a flush ends" flush $r

# With half of its main, so that it can grow.
dm_create suspended "0 8192 dm-remap-v4 $main2 $spare2"
dmsetup suspend suspended
dmsetup create loaded --notable
dmsetup load loaded --table "$(remap_table "$main3" "$spare3")"
log_mark
mark=$log_mark
events=$(event_of r)
sleep_until_boot
# Here the third boot has loaded the image, after it had relocated sectors itself.
check "C23: it is found out" until_is 20 stale state_of r
check "C23: that is an event" wait_event 60 r "$events"
check "C23: and is in the log" log_has "$mark" "something has changed spare"
before=$(sum_of_disks)
check_fails "C23: then reads fail" get_sectors $r 2048 8
check_fails "C23: of all sectors" get_sectors $r 8192 8
check_fails "C23: writes fail" put_pattern $r fourth 8192 8
check_fails "C23: in places that were bad, too" put_pattern $r fourth 2048 8
check_fails "C23: flushes fail" flush $r
check_fails "C23: so do remaps by hand" message r remap 8192
check_fails "C23: and grow" message r grow
check "C23: it is suspended and resumed" settle
is "C23: and stays stale" "$(state_of r)" stale
is "C23: nothing was written to either disk" "$(sum_of_disks)" "$before"

before=$(sha256sum "$main2" "$spare2" "$main3" "$spare3")
mk_disk blank 8M
other_spare() { dmsetup reload suspended --table "0 8192 dm-remap-v4 $main2 $blank"; }
log_mark
check_fails "C23: one that was suspended gets no other spare before it has been looked at" other_spare
check "C23: though the image's map is empty" log_has "$log_mark" "cannot replace .*, which may hold relocated sectors"
check "C23: it can be resumed" dmsetup resume suspended
is "C23: but is stale" "$(state_of suspended)" stale
check_fails "C23: and gets no other spare then" other_spare
check_fails "C23: its reads fail" get_sectors /dev/mapper/suspended 0 8
check "C23: it is reloaded with all of main" dm_reload suspended "$(remap_table "$main2" "$spare2")"
is "C23: and stays stale" "$(state_of suspended)" stale
check_fails "C23: reads fail in what it had" get_sectors /dev/mapper/suspended 0 8
check_fails "C23: and in what has come" get_sectors /dev/mapper/suspended 12288 8
check_fails "C23: one that was only loaded cannot: another pair is there now" dmsetup resume loaded
blockdev --flushbufs "$main2" "$spare2" "$main3" "$spare3"
is "C23: nothing was written there either" \
	"$(sha256sum "$main2" "$spare2" "$main3" "$spare3")" "$before"

dmsetup remove r
sleep_pair_again
check "C23: made anew, it has what the other kernel wrote" holds_pattern $r third 2048 8
check "C23: and what this one wrote before" holds_pattern $r second 1024 16
check "C3: and relocates" put_pattern $r fifth 3072 16
dmsetup remove loaded
check "C23: and the pair that the other kernel made is there" remap_create loaded "$main3" "$spare3"
swapoff "$swap"
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# The command on real pairs: create, list, status, show, stop, assemble; long runs; and what each refuses.
# command: dmremap
# timeout: 400
# kernels: one
. /vm/lib.sh
. /vm/cmd-lib.sh
cd /tmp || bail "no /tmp"

refuses() { # SENTENCE CODE REGEX WORD...: with what to do next
	local sentence=$1 code=$2 regex=$3
	shift 3
	run "$@"
	like "$sentence" "$status $err" "^$code (dmremap: warning: [^"$'\n'"]*"$'\n'")*dmremap: .*$regex.*next: ."
}
mk_disk main 64M
mk_disk spare 16M
mk_disk other 16M
mk_disk coarse 16M 4096
mk_disk tiny 4M

## Before the module is there

put_pattern "$main" a 0 512 || bail "main takes no data"
mv "/lib/modules/$(uname -r)/updates" /tmp/hidden && depmod
refuses "without the module nothing is wiped or made" 6 "no target dm-remap-v4" create --yes "$main" "$spare" safe
mv /tmp/hidden "/lib/modules/$(uname -r)/updates" && depmod

## create

is "a dry run prints the table line" "$(dmremap create --dry-run "$main" "$spare" safe 2>/dev/null)" "$(remap_table "$main" "$spare")"
is "with its arguments" "$(dmremap create --dry-run --no-auto --fail-pending "$main" "$spare" 2>/dev/null)" \
	"$(remap_table "$main" "$spare" no_auto fail_pending)"
check "and writes nothing" cmp -n 16777216 "$spare" /dev/zero
refuses "no YES, no pair" 7 "not confirmed" create "$main" "$spare" safe
check "and still nothing is written" cmp -n 16777216 "$spare" /dev/zero
refuses "no main" 3 "main /dev/none: No such file" create /dev/none "$spare"
refuses "no spare" 3 "spare /dev/none: No such file" create "$main" /dev/none
refuses "a file" 3 "no block device" create "$main" "$(disk_file spare)"
refuses "main as its own spare" 3 "same device" create "$main" "$main"
refuses "a short spare" 3 "too short" create "$main" "$tiny"
refuses "a spare of larger blocks" 3 "blocks of 4096 bytes" create "$main" "$coarse"
if modprobe null_blk nr_devices=0 2>/dev/null && grep -q zoned /sys/kernel/config/nullb/features; then
	mk_null zones 64M zoned=1 zone_size=4
	# shellcheck disable=SC2154 # mk_null sets it
	refuses "a zoned spare" 3 "$zones is a zoned device" create "$main" "$zones"
	refuses "a zoned main" 3 "$zones is a zoned device" create "$zones" "$spare"
fi
refuses "a wrong name" 2 "is no name" create "$main" "$spare" "a/b"
blockdev --setro "$spare"
refuses "a spare that is read-only" 3 "is read-only" create "$main" "$spare"
blockdev --setrw "$spare"
dm_create taken "0 8 error"
refuses "a name that is taken" 4 "there is a device taken already" create "$main" "$spare" taken
# A terminal does what an escape character begins.
mkfs.ext4 -q -L $'pre\ecious' "$other" 4M
mkdir -p /mnt/x && mount -t ext4 "$other" /mnt/x
refuses "a spare that is mounted" 4 "mounted at /mnt/x" create --wipe "$main" "$other"
refuses "a main that is mounted" 4 "mounted at /mnt/x" create "$other" "$spare"
umount /mnt/x
sum=$(sha256sum <"$other")
refuses "a spare with a file system" 3 "not blank: it has ext4 .pre[?]cious" create --yes "$main" "$other"
is "is not touched" "$(sha256sum <"$other")" "$sum"
dm_create half "0 8192 linear $main 0"
refuses "a main that something holds" 4 "held by dm-" create "$main" "$spare"
dmsetup remove half

dmremap create "$main" "$spare" safe >out 2>err <<<NO
is "a typed NO makes none" "$?" 7
check_fails "there is no pair" dmsetup info safe
dmremap create "$main" "$spare" safe >out 2>err <<<YES
like "a typed YES makes the pair" "$? $(tail -n 1 err)" "^0 Type YES in capitals to go on: "
like "what is done was shown" "$(cat out)" "main .*stays as it is.*spare .*is formatted.*/dev/mapper/safe"
uuid=$(status_key safe uuid)
is "it says what to keep" "$(tail -n 1 out)" "safe $uuid $main"
check "main keeps its data" holds_pattern /dev/mapper/safe a 0 512
refuses "the spare of another pair" 3 "belongs to a pair" create --wipe "$other" "$spare"
refuses "swapped devices" 3 "is a spare of dm-remap" create "$spare" "$other"

## Reading

run list -n
like "list names the pair" "$out" "^safe +active +64M +$main +$spare +$uuid\$"
run list --config
is "and prints its line of configuration" "$out" "safe $uuid $main"
run status -n -b -o name,state,size,used_slots,slots,owned safe
like "status has columns" "$out" "^safe +active +67108864 +0 +3024 +0\$"
run status --json
like "and JSON" "$out" '"version":1,.*"pairs":\[.*"name":"safe",.*"size":67108864,.*"slots":3024,.*"uuid":"'"$uuid"
run status --tree
like "and a tree" "$out" "safe +pair +64M +active.*${main#/dev/} +main +64M.*${spare#/dev/} +spare +16M"
run status --check
is "all is well for monitoring" "$status $out" "0 DMREMAP OK - safe active 0/3024 slots, 0 pending, 0 bad"
run status --check none
is "what is not there is unknown" "$status $out" "3 DMREMAP UNKNOWN - the status cannot be had"
run status --check none safe
is "but what is there is told" "$status $out" "3 DMREMAP UNKNOWN - safe active 0/3024 slots, 0 pending, 0 bad; others cannot be had"
run show -n safe
is "nothing is mapped" "$status$out" 0
for verb in show stats health grow resume-auto retest stop; do
	refuses "$verb: no such pair" 3 "no device none" "$verb" none
	refuses "$verb: another device" 3 "taken is no active device of dm-remap" "$verb" taken
done
for verb in remap unremap; do
	refuses "$verb: no such pair" 3 "no device none" "$verb" none 8
	refuses "$verb: another device" 3 "taken is no active device of dm-remap" "$verb" taken 8
done

## Changing

run remap safe 100 4
is "sectors are remapped" "$status $out" "0 4 sectors remapped, 0 pending"
run show -n safe
like "and shown" "$out" '^ *100 +4 +owned +8212$'
run show --json safe
like "in JSON, too" "$(tr -d '\n ' <<<"$out")" '"runs":\[\{"sector":100,"count":4,"kind":"owned","spare_sector":8212\}\]'
run show -n "/dev/mapper/safe"
like "a path will do for a name" "$out" '^ *100 +4 +owned'
refuses "a sector beyond the end" 2 'sector "131072" is wrong' remap safe 131072
refuses "a word for a sector" 2 'sector "x" is wrong' retest safe x
refuses "a count of none" 2 'count "0" is wrong' unremap safe 5 0
run unremap safe --all
is "all go back" "$status $out" "0 4 sectors back on main"
run retest safe
is "nothing is pending" "$status $out" "0 0 sectors readable again, 0 pending"
run stats safe
like "there are counters" "$status $out" '^0 name: safe.*read_errors: [0-9]+.*hash_buckets: [0-9]+'
run stats --json safe
like "and in JSON they are numbers" "$out" '"read_errors":[0-9]+,'
run stats --clear safe
is "which can be cleared" "$status$out$err" 0
run health --json safe
like "health is JSON" "$(tr -d '\n ' <<<"$out")" '"state":"active","breaker":"closed",.*"errors":\[\]'
grow_disk spare 32M
run grow safe
is "a longer spare is taken in" "$status $out" "0 7056 slots"
dmsetup suspend safe
refuses "a suspended pair is busy" 4 "refused: Device or resource busy.*kernel: .*suspended" remap safe 5
run status --check safe
is "which monitoring is warned of" "$status" 1
dmsetup resume safe

## A long run, stopped and gone on with; more than the target does in a second

mark=$(($(sectors "$main") - 8))
run remap --json safe 0 $mark
is "a spare that is too small is said" "$status" 1
like "with what was done before" "$err" "sectors were remapped before that, up to sector [0-9]+"
like "and progress for machines" "$err" '^\{"version":1,"sector":[0-9]+,"end":131064,"percent":[0-9]+,"done":[0-9]+,"pending":0\}'
like "and the kernel's reason" "$err" 'kernel: .*no free slot'
run status --check safe
is "a full spare is a warning" "$status" 1
run unremap safe --all
is "all is back on main then" "$status $(owned_sectors safe)" "0 0"
check "and as it was" holds_pattern /dev/mapper/safe a 0 512

# A main that takes its time: each unit's read alone takes 50 ms, so 200 units are many messages.
mk_disk lazy 4M
mk_disk lazy_spare 8M
dm_create slow "0 8192 delay $lazy 0 50"
dmremap create --yes /dev/mapper/slow "$lazy_spare" lazy >/dev/null 2>&1
is "a pair of a slow main" "$(state_of lazy)" active
dmremap remap --json lazy 0 1600 >out 2>err &
pid=$!
check "progress is told" until_true 60 grep -q '"percent"' err
kill -TERM $pid
wait $pid
is "a signal ends the run" "$?" 8
like "which says how far it came" "$(tr -d '\n ' <out)" '"complete":false,"next":[0-9]+'
at=$(sed -n 's/.*"next":\([0-9]*\).*/\1/p' out)
is "as far as the map says" "$(owned_sectors lazy)" "$at"
next=$(sed -n 's/^  next: \(.*\) goes on$/\1/p' err)
is "and how to go on" "$next" "dmremap remap lazy $at $((1600 - at))"
check "so it is gone on with" $next
is "to the end" "$(owned_sectors lazy)" 1600
script -qec "dmremap unremap lazy 0 1600" typescript >/dev/null
bars=$(tr '\r' '\n' <typescript | grep '^\[')
like "on a terminal a bar shows how far it is" "$(head -n 1 <<<"$bars")" '^\[#* +\] +[0-9]+% [0-9]+$'
is "at the end it is full" "$(tail -n 1 <<<"$bars")" "[########################################] 100% 1600"
check "and grows" cmp <(echo "$bars") <(sort -s -t ']' -k 2n <<<"$bars")
is "all is back" "$(owned_sectors lazy)" 0
run unremap lazy 0 1600
is "without a terminal there is no bar" "$status $err" "0 "
dmremap stop lazy
dmsetup remove slow

## stop and assemble

exec 9</dev/mapper/safe
refuses "a pair in use is not stopped" 4 "safe is in use" stop safe
exec 9<&-
mkfs.ext4 -q /dev/mapper/safe
mount -t ext4 /dev/mapper/safe /mnt/x
refuses "nor one that is mounted" 4 "mounted at /mnt/x" stop safe
umount /mnt/x
dmremap remap safe 2000 8 >/dev/null
run check "$spare"
is "an active spare is not checked" "$status" 4
run repair --yes "$spare"
is "nor repaired" "$status" 4
run stop safe
is "else it is" "$status$out$err" 0
check_fails "and gone" dmsetup info safe
run check "$spare"
is "then its spare can be checked" "$status" 0
run dump -n -o slot,sector,owned "$spare"
like "and dumped" "$out" "2000 11111111"
refuses "a main without an id is to be named" 3 "is not found" assemble "$spare"
refuses "not the spare first" 3 "no spare of dm-remap" assemble "$spare" "$main"
refuses "a main that is too short" 3 "shorter than the 131072 sectors" assemble "$other" "$spare"
is "a dry run prints the line" "$(dmremap assemble --dry-run "$main" "$spare")" "$(remap_table "$main" "$spare" uuid "$uuid")"
rmmod dm_remap
mv "/lib/modules/$(uname -r)/updates" /tmp/hidden && depmod
refuses "without the module it is not assembled" 6 "no target dm-remap-v4" assemble "$main" "$spare" again
mv /tmp/hidden "/lib/modules/$(uname -r)/updates" && depmod
run assemble "$main" "$spare" again
is "it is assembled by name" "$status $out$err" "0 /dev/mapper/again is active"
run show -n again
like "with its map" "$out" '^ *2000 +8 +owned'
refuses "not twice" 4 "its pair is active as again" assemble "$main" "$spare"
run assemble --scan
is "a scan has nothing to do then" "$status$out" 0
like "but leaves a spare alone whose main is lost, and says so" "$err" "^dmremap: warning: $lazy_spare is a spare whose main is not found"
(sleep 1) </dev/mapper/again &
check "who looks at it for a moment does not keep it from being stopped" dmremap stop again

check_fails "nor does udev's rule wait for it" test -e /run/dm-remap.waiting
echo "safe $uuid /dev/later" >/etc/dm-remap.conf
refuses "a main that is missing is said" 3 "main /dev/later" assemble --scan
check "and udev's rule waits for it" test -e /run/dm-remap.waiting
echo "safe $uuid $main no_auto # ours" >/etc/dm-remap.conf
run assemble --scan
check_fails "no longer when it is there" test -e /run/dm-remap.waiting
mk_disk fresh 16M
is "a scan follows the configuration" "$status $out" "0 /dev/mapper/safe is active"
like "with its arguments" "$(dmsetup table safe)" "no_auto"
dmremap stop safe
run assemble --scan --configured
is "of all that there is, only that, where that is wanted" "$status $out$err" "0 /dev/mapper/safe is active"
dmremap stop safe
refuses "a main whose pair is not active gets no other spare" 4 "belongs to a pair that is not active" create "$main" "$fresh"
# The first byte behind the magic is the version; a checksum is wrong then, too.
mk_disk newer 16M
dd if="$(disk_file spare)" of="$newer" bs=8 count=1 status=none
refuses "whatever has our magic is not wiped" 3 "belongs to a pair already" create --wipe --yes "$other" "$newer"
echo "safe nonsense" >conf
refuses "a wrong line is named" 2 "conf, line 1 is wrong" assemble --scan --config-file conf
echo "lost 6b1d2f0a-93c4-4e57-a810-5d77e239bc04" >conf
refuses "a spare that is missing is said" 3 "no spare of lost" assemble --scan --config-file conf
cp "$(disk_file spare)" /tmp/disks/clone
clone=$(losetup -f --show /tmp/disks/clone)
refuses "a clone of the spare: a scan takes neither" 1 "carry one uuid" assemble --scan
refuses "nor is one of them taken by name" 1 "carry one uuid" assemble "$main" "$spare"
check_fails "nothing is active" dmsetup info safe
losetup -d "$clone"
run check "$(disk_file spare)"
is "a file behind a loop device is in use" "$status" 4

## Warnings

sfdisk -q "$main" <<<$'2048,32768\n34816,32768' 2>/dev/null
losetup -d "$main"
main=$(losetup -f -P --show "$(disk_file main)")
refuses "nor does a part of it" 4 "belongs to a pair that is not active" create "${main}p1" "$fresh"
rm /etc/dm-remap.conf
run create --dry-run "${main}p1" "${main}p2"
like "a spare on main's disk is warned of" "$status $err" "^0 .*are on one disk"
refuses "a partition and its disk overlap" 3 "same device, or overlap" create "$main" "${main}p2"
mk_null cached 64M cache_size=1 || bail "no null_blk"
run create --dry-run "$cached" "$other" --wipe
like "a volatile write cache, too" "$status $err" "^0 .*volatile write cache"
# What names an encrypted device is its uuid; ciphers are not needed for that.
dm_create secret "0 16384 linear $cached 0" --uuid CRYPT-LUKS2-x-secret
run create --dry-run /dev/mapper/secret "$other" --wipe
like "and that relocated sectors would be in plain text" "$status $err" "^0 .*in plain text"
run create --yes --wipe "$cached" "$other"
is "what holds secret is in use" "$status" 4
dmsetup remove secret
run create --yes --wipe "$cached" "$other" wiped
is "a spare with content is erased where that is wanted" "$status" 0
is "and is a spare then" "$(state_of wiped)" active
run stop wiped
is "the end" "$status" 0

## What changes while it is asked for

asked() { # MAIN SPARE COMMAND...: done while create waits for its YES
	local made
	rm -f answers
	mkfifo answers
	dmremap create --wipe --no-auto "$1" "$2" asked <answers >out 2>err & made=$!
	exec 8>answers
	shift 2
	until_true 20 grep -q 'Type YES' err || diag "$(cat err)"
	"$@"
	echo YES >&8
	exec 8>&-
	wait $made
	status=$? out=$(cat out) err=$(cat err)
}
mk_disk one 16M
mk_disk two 16M
ln -sf "$one" link
asked "$cached" /tmp/link ln -sf "$two" /tmp/link
like "a spare's name that is another's meanwhile: nothing is made" "$status $err" "^4 .*spare /tmp/link is not what it was when it was shown"
asked "$cached" "$one" eval 'echo x | dd of="$one" conv=fsync status=none'
like "nor if something is on it by now" "$status $err" "^4 .*spare $one is not what it was"
is "which stays there" "$(head -c 1 "$one")" x
# Who has it open keeps in the cache what it was.
exec 7<"$two"
cat <"$two" >/dev/null
asked "$cached" "$two" true
is "else it is made" "$status" 0
is "and the line of its configuration has all of it" "$(tail -n 1 out)" "asked $(status_key asked uuid) $cached no_auto"
like "which may not last, so it is said" "$err" "warning: $cached is the kernel's name of main"
dmremap remap asked 80 8 >/dev/null
run stop asked
run dump -n -o sector,owned "$two"
is "what is read from a spare is what is on it" "$status $(echo $out)" "0 80 11111111"
exec 7<&-
run assemble "$cached" "$two" asked
is "it is assembled" "$status" 0
run stop asked
done_testing

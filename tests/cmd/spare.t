#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check, dump and repair on images of spares: healthy, damaged in all ways of tests/images, and no spares at all.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
spare=$work/spare.img

golden() { # SENTENCE FILE: what the command just said, with names of this run left out
	if diff -u "$here/golden/$2" <(printf '%s\n' "$out" | sed "s|$work|WORK|") >"$work/diff"; then
		ok "$1"
	else
		not_ok "$1" "$(cat "$work/diff")"
	fi
}

make_spare "$spare"
run check "$spare"
is "a healthy spare is clean" "$status $(printf '%s\n' "$out" | sed -n 's/^verdict: //p')" "0 clean"
run check --json "$spare"
golden "check answers JSON as documented" check-base.json
long=$work/$(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})/$(printf 'f%.0s' {1..200})
mkdir -p "$long"
strange=$long/$'\xff\xc3\xa9\xed\xa0\x80\xc0\xafz"'.img
make_spare "$strange"
run check --json "$strange"
is "a path that is no UTF-8 is text in JSON" "$(printf '%s' "$out" | iconv -f UTF-8 -t UTF-8 2>&1 | sed -n 's/^ *"spare":"\(.*\)",$/\1/p')" \
	"$long/?é?????z\\\".img"
run repair "$spare"
is "there is nothing to repair on it" "$status $out" "0 nothing is to be repaired"

# The examples of FORMAT.md: one superblock of four, one table of two segments.
truncate -s 64M "$work/example.img"
put_image "$work/example.img" "$images/super-2.img"
put_image "$work/example.img" "$images/table-1-a.img"
run dump --json "$work/example.img"
is "what is left of a damaged spare is dumped" "$status" 10
golden "and reads as FORMAT.md has it" dump-example.json
like "and that it is not all of it is said" "$err" "both copies of the table of segment 0"
run dump -n -o slot,unit,owned "$work/example.img"
is "columns can be chosen" "$out" $' 252 4490906366 11111111\n 253 4490906367 11000000\n 254            \n 255          5 10000001'
refuses "an unknown column is refused" 2 'unknown column "colour"' dump -o slot,colour "$spare"
refuses "a column twice, too" 2 'repeated column "slot"' dump -o slot,slot "$spare"

# Copy A of a table is newer than B and has all slots bad.
make_spare "$work/newer.img" "$images/load-good-all-slots-bad.img"
run dump -n -o slot,state "$work/newer.img"
is "the newer copy of a table is dumped" "$(printf '%s\n' "$out" | awk '$1 < 252 { print $2 }' | sort | uniq -c | tr -s ' ')" " 252 bad"

# What loads is repaired, and what was loaded is what is there then; what does not is not written to.
for image in "$images"/load-*.img; do
	name=${image##*/load-}
	name=${name%.img}
	[ "$name" != base.img ] && [ "$name" != base ] || continue
	make_spare "$spare" "$image"
	before=$(sha256sum <"$spare")
	run check "$spare"
	checked=$status
	plain=$out
	is "$name: check writes nothing" "$(sha256sum <"$spare")" "$before"
	case $name in
	refused-*)
		is "$name: is refused" "$checked" 10
		refuses "$name: is not repaired" 10 "nothing was written" repair --yes "$spare"
		is "$name: nothing was written" "$(sha256sum <"$spare")" "$before"
		run dump "$spare"
		is "$name: dump ends well or says no" "$status" 10 ;;
	*)
		is "$name: wants a repair" "$checked" 9
		run repair "$spare"
		is "$name: not without a YES" "$status $(sha256sum <"$spare")" "7 $before"
		like "$name: the plan is shown first" "$out" "superblock copy|table of segment|retired"
		run repair --dry-run "$spare"
		is "$name: a dry run writes nothing" "$status $(sha256sum <"$spare")" "0 $before"
		run repair --yes "$spare"
		if [ "$name" = kernel-last-session ]; then
			is "$name: a session that is used up is not advanced" "$status" 1
			continue
		fi
		is "$name: is repaired" "$status" 0
		run check "$spare"
		is "$name: is clean then" "$status" 0
		is "$name: with the same map" "$(printf '%s\n' "$out" | grep 'owned_sectors\|pending_s\|lost')" \
			"$(printf '%s\n' "$plain" | grep 'owned_sectors\|pending_s\|lost')" ;;
	esac
done

make_spare "$spare" "$images/load-good-state.img"
"$dmremap" repair "$spare" >/dev/null 2>&1 <<<YES
is "YES that is typed will do" "$?" 0
make_spare "$spare" "$images/load-good-state.img"
"$dmremap" repair "$spare" >/dev/null 2>&1 <<<yes
is "yes in small letters will not" "$?" 7

# All superblocks but one lost: it is found, and the others come back.
make_spare "$spare"
for n in 0 1 3; do dd if=/dev/urandom of="$spare" bs=1M seek=$n count=1 conv=notrunc status=none; done
run check "$spare"
like "one superblock of four is enough" "$status $out" '^9 .*superblock_0: .*superblock_2: good'
run repair --yes "$spare"
is "and the others are repaired" "$status" 0

run probe "$spare"
is "udev learns what it is" "$status $out" $'0 ID_FS_USAGE=other\nID_FS_TYPE=dm_remap_spare\nDM_REMAP_UUID=11111111-1111-1111-1111-111111111111\nUDISKS_IGNORE=1'
# One copy, of a higher generation, is left of another pair: the module believes the other three.
make_spare "$spare" "$images/load-refused-two-pairs.img"
make_spare "$work/base.img"
dd if="$work/base.img" of="$spare" bs=1M skip=2 seek=2 count=1 conv=notrunc status=none
run check "$spare"
uuids=$(printf '%s\n' "$out" | sed -n 's/^uuid: //p')
run probe "$spare"
is "of superblocks of two pairs udev is told what the module believes" "$(printf '%s\n' "$out" | sed -n 's/^DM_REMAP_UUID=//p')" \
	"11111111-1111-1111-1111-111111111111"
is "and so says check" "$uuids" "11111111-1111-1111-1111-111111111111"

# What was a spare once: three superblocks are left of it, and others would be written over what is there now.
for new in mkswap "mkfs.xfs -q -f" iso9660 gpt; do
	make_spare "$spare"
	truncate -s 320M "$spare"
	case $new in
	gpt) sfdisk -q "$spare" <<<$'label: gpt\n2048,\n' 2>/dev/null; mark=gpt ;;
	iso9660) printf '\1CD001\1' | dd of="$spare" bs=32768 seek=1 conv=notrunc status=none; mark=iso9660 ;;
	*) PATH=$PATH:/usr/sbin $new "$spare" >/dev/null 2>&1; mark=$(sed 's/mkfs\.\|mk\| .*//g' <<<"$new") ;;
	esac
	for n in 1 2 3; do dd if="$work/base.img" of="$spare" bs=4k skip=$((n << 8)) seek=$((n << 8)) count=1 conv=notrunc status=none; done
	before=$(sha256sum <"$spare")
	refuses "a spare that became $mark is not repaired" 10 "was a spare, but $mark is on it now: nothing was written" repair --yes "$spare"
	refuses "nor wiped" 3 "$mark is on it now: nothing was written" wipe --yes "$spare"
	run check "$spare"
	like "and check says so" "$status $out $err" "^10 .*verdict: refused.*reason: it was a spare, but $mark is on it now.*$mark is on it now"
	run probe "$spare"
	is "udev is told nothing of it" "$status$out$err" 3
	is "nothing was written to it" "$(sha256sum <"$spare")" "$before"
done
truncate -s 0 "$spare"
truncate -s 64M "$spare"
PATH=$PATH:/usr/sbin mkswap -q "$spare" 2>/dev/null
refuses "what never was a spare is not said to have been one" 10 "neither blank nor a dm-remap spare" check "$spare"
make_spare "$spare"
PATH=$PATH:/usr/sbin mkswap -q "$spare" 2>/dev/null
wipefs -q -a "$spare" 2>/dev/null || /usr/sbin/wipefs -q -a "$spare"
run repair --yes "$spare"
is "without that mark it is a spare again" "$status" 0

# A whole disk that a spare begins in, where partitions begin.
make_spare "$work/base.img"
rm -f "$spare"
truncate -s 320M "$spare"
sfdisk -q "$spare" <<<$'label: gpt\n2048,\n' 2>/dev/null
dd if="$work/base.img" of="$spare" bs=1M seek=1 conv=notrunc,sparse status=none
run check "$spare"
like "a disk with a spare on its partition never was one" "$status $err" "^10 .*(neither blank nor|superblock)"
is "nobody is told to wipe it" "$(grep -c 'wipe' <<<"$out$err")" 0
refuses "and it is not wiped" 3 "is no spare of dm-remap" wipe --yes "$spare"

# A spare whose pair is not wanted any more.
make_spare "$spare" "$images/load-good-state.img"
run wipe --dry-run "$spare"
like "what would be lost with a spare is shown" "$status $out" '^0 .*is the spare of pair 11111111-.*SECTORS OF MAIN ARE HERE ONLY'
run wipe "$spare"
like "it is not wiped without a YES" "$status $err" '^7 .*not confirmed'
run check "$spare"
is "and nothing has happened to it" "$status" 9
run wipe --yes "$spare"
is "with one it is wiped" "$status" 0
refuses "it is blank then" 10 "is blank" check "$spare"
run probe "$spare"
is "and no spare for udev" "$status" 3
refuses "once is enough" 3 "is blank already" wipe --yes "$spare"
make_spare "$spare" "$images/load-refused-version.img"
run wipe --yes "$spare"
is "one that cannot be used is wiped, too" "$status" 0
dd if=/dev/urandom of="$work/noise" bs=1M count=8 status=none
refuses "what is no spare is not" 3 "is no spare of dm-remap" wipe --yes "$work/noise"

run probe /dev/null
is "and nothing of what is none" "$status$out$err" 3

# No spares.
for verb in check dump repair; do
	refuses "$verb: no such file" 3 "No such file" "$verb" "$work/none"
	refuses "$verb: a folder" 3 "neither a block device nor a file" "$verb" "$work"
	refuses "$verb: a character device" 3 "neither a block device nor a file" "$verb" /dev/null
	: >"$work/empty"
	refuses "$verb: an empty file" 10 "0 sectors long" "$verb" "$work/empty"
	truncate -s 8M "$work/blank"
	refuses "$verb: a blank one" 10 "is blank" "$verb" "$work/blank"
	dd if=/dev/urandom of="$work/noise" bs=1M count=8 status=none
	refuses "$verb: noise" 10 "neither blank nor a dm-remap spare" "$verb" "$work/noise"
	make_spare "$spare"
	truncate -s 6M "$spare"
	refuses "$verb: a truncated spare" 10 "truncated" "$verb" "$spare"
	make_spare "$spare" "$images/load-refused-version.img"
	refuses "$verb: a newer version's spare" 10 "another version of dm-remap is needed" "$verb" "$spare"
done
make_spare "$spare"
(
	flock -s 9
	"$dmremap" repair --yes "$spare" >"$work/locked" 2>&1
	echo $? >"$work/status"
) 9<"$spare"
is "a spare that another program reads is not repaired" "$(cat "$work/status")" 4
# As virtual machines lock their images.
make_spare "$spare"
perl - "$spare" "$dmremap" >"$work/status" 2>&1 <<'END'
use Fcntl;
open my $image, "<", $ARGV[0] or die;
my $lock = pack "s s x4 q q l x4", F_RDLCK, 0, 100, 1, 0;
fcntl $image, F_SETLK, $lock or die;
system "$ARGV[1] repair --yes $ARGV[0] >/dev/null 2>&1";
print $? >> 8;
END
is "nor one with a lock on some of its bytes" "$(cat "$work/status")" 4
"$dmremap" check "$spare" >/dev/full 2>"$work/err"
is "output that is not written is an error" "$?" 1
done_testing

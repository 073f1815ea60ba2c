# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's part of the demo: a failing disk without dm-remap and with it, then a power cut.
# Every number it prints was read from the system; the first claim that does not hold ends it.
# disks: plain=512M main=512M spare=32M notes=1M
# boots: 2
# timeout: 400
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
r=/dev/mapper/r
f=/dev/mapper/f
shown=/tmp/shown # what must outlive the power cut; kept on a disk of its own
mkdir -p /mnt $shown

claim() { # SENTENCE COMMAND...
	local out
	if out=$("${@:2}" 2>&1); then
		ok "$1"
		say "   yes: $1"
	else
		say "   NO:  $1"
		not_ok "$1"
		tail -n 3 <<<"$out" | quote
		exit 1
	fi
}
title() {
	say ""
	say "$@"
}
quote() { sed 's/^/      /' | while IFS= read -r line; do say "${line:0:150}"; done; }
keep() { printf '%s' "$2" >"$shown/$1"; } # NAME VALUE
kept() { cat "$shown/$1"; }
long() { # WORDS COMMAND...: a sign of life every few seconds
	local words=$1 pid start=$SECONDS
	shift
	"$@" &
	pid=$!
	while [ -d /proc/$pid ]; do
		timeout 5 tail --pid=$pid -s 0.5 -f /dev/null
		[ ! -d /proc/$pid ] || say "   ... $words, $((SECONDS - start)) s"
	done
	wait $pid
}
faulty_line() { # DEVICE ARG...
	echo "0 $(sectors "$1") remap-faulty $1 0 $(($# - 1)) ${*:2}"
}
faulty_key() { dmsetup status "$1" | tr ' ' '\n' | sed -n "/^$2\$/{n;p;}"; } # NAME KEY
log_lines() { kernel_log_since "$1" | sed 's/^\[ *[0-9.]*\] //'; } # MARK
drop_caches() { echo 3 >/proc/sys/vm/drop_caches; }
copy() { # FOLDER: the papers' files go there, as anybody would do it; what it says is in /tmp/said
	{ cp -a /mnt/papers "$1" && sync -f "$1"; } >/tmp/said 2>&1
}
right() { # LIST: how many of its files are right, read from the disk
	drop_caches
	(cd /mnt && md5sum -c "$1" 2>/dev/null | grep -c ': OK$')
}
all_right() { # LIST
	[ "$(right "$1")" = "$(wc -l <"$1")" ]
}
units_of() { # a list message, each 4 KiB unit's run a line of its own
	awk '$3 == "owned" { for (i = 0; i < $2; i++) print $1 + i, $4 + i }' | sort
}
errors_above() { # MARK: how many lines of error cp, sync and the kernel's file system gave
	{ cat /tmp/said; log_lines "$1" | grep -E 'EXT4-fs (error|warning)|JBD2|Buffer I/O error|Aborting|lost async'; } | wc -l
}
check_fs() { e2fsck -f -n $r >/tmp/e2fsck 2>&1; }
takes_writes() {
	if (echo new >/mnt/new && sync -f /mnt/new) 2>/dev/null; then echo "takes writes"; else echo "takes no writes"; fi
}

grep ' papers/' /vm/files.md5 | sed 's# papers/# copy/#' >/tmp/copy.md5
papers=$(wc -l </tmp/copy.md5)

before_the_cut() {
	local bad mark said status file block sector

	# The same on both disks: 4096 places, also in the journal and the inode tables, whose writes fail.
	# The first MiB stays good, for a disk that cannot be mounted shows little.
	bad="bad_random 2048 $(($(sectors "$main") - 2048)) 4096 8 7 write"

	title "1. A failing disk, without dm-remap"
	dm_create plain "$(faulty_line "$plain" $bad)" || bail "no remap-faulty"
	mount -t ext4 /dev/mapper/plain /mnt || bail "no mount"
	say "   $(df -h /mnt | awk 'END { print $2 }') of ext4; $(faulty_key plain bad) stretches of sectors, spread over the disk, fail when written."
	say "   Copying $papers files (cp -a papers copy; sync):"
	log_mark
	mark=$log_mark
	status=0
	long "copying" copy /mnt/copy || status=$?
	said=$(wc -l </tmp/said)
	awk '!seen[$NF]++' /tmp/said | head -n 3 | quote
	log_lines "$mark" | grep -E 'I/O error|EXT4-fs|JBD2|Abort|lost' | awk '!seen[$1 $2]++' | head -n 4 | quote
	if [ $status = 0 ]; then
		say "   cp and sync say nothing at all: only the kernel's log knows."
	else
		say "   cp and sync end with status $status and $said lines of error."
	fi
	claim "the kernel reports I/O errors" log_has "$mark" 'I/O error|EXT4-fs error'
	keep plain_writes "$(faulty_key plain failed_writes)"
	keep plain_lines "$(errors_above "$mark")"
	keep plain_mode "$(takes_writes)"
	umount /mnt
	mount -t ext4 /dev/mapper/plain /mnt 2>/dev/null || mount -t ext4 -o ro,noload /dev/mapper/plain /mnt
	keep plain_right "$(right /tmp/copy.md5)"
	claim "files are missing or wrong afterwards ($(kept plain_right) of $papers are right)" test "$(kept plain_right)" -lt "$papers"
	umount /mnt
	dmsetup remove plain

	title "2. The same disk, the same copying, with dm-remap"
	faulty_line "$main" cache power p $bad >$shown/f
	faulty_line "$spare" cache power p >$shown/s
	dm_create f "$(kept f)" && dm_create s "$(kept s)" || bail "no disks"
	claim "dm-remap takes the disk as it is, with a blank spare" remap_create r $f /dev/mapper/s
	mount -t ext4 $r /mnt || bail "no mount"
	log_mark
	mark=$log_mark
	status=0
	long "copying" copy /mnt/copy || status=$?
	head -n 3 /tmp/said | quote
	claim "cp and sync end well" test $status = 0
	keep lines "$(errors_above "$mark")"
	claim "no line of error, neither theirs nor the file system's" test "$(kept lines)" = 0
	keep writes "$(faulty_key f failed_writes)"
	claim "the disk did fail $(kept writes) writes" test "$(kept writes)" -gt 100
	claim "each of the $papers new files is right, read back from the disk" all_right /tmp/copy.md5
	keep right "$papers"
	keep mode "$(takes_writes)"
	claim "ext4 goes on and $(kept mode)" test "$(kept mode)" = "takes writes"
	status=$(status_of r)
	say "   dmsetup status: $(cut -d ' ' -f 1-5 <<<"$status")   (state, slots used/all, sectors relocated, pending, bad slots)"
	status=${status#* } status=${status%%/*}
	claim "more than 100 bad places now live on the spare ($status)" test "$status" -gt 100
	say "   dmsetup message r 0 list: $(message r list | wc -l) runs, the first:"
	message r list | head -n 3 | quote

	title "3. A sector of an old file can no longer be read"
	file=$(cd /mnt && find papers -type f -size +64k | sort | head -n 1)
	block=$(debugfs -R "bmap /$file 2" $r 2>/dev/null)
	sector=$((block * 8))
	say "   $file, sector $sector"
	drop_caches
	message f bad $sector 8 read || bail "no bad sector"
	faulty_line "$main" cache power p $bad bad $sector 8 read >$shown/f
	claim "reading it is an error, not made-up data: $(cat /mnt/"$file" 2>&1 >/dev/null)" eval '! cat "/mnt/$file" >/dev/null'
	claim "dm-remap marks the sectors" until_true 20 eval '[ "$(pending_sectors r)" -gt 0 ]'
	keep pending "$(pending_sectors r)"
	message r list | grep pending | quote
	claim "the file is written anew from its copy, in place" \
		dd if="/mnt/copy/${file#papers/}" of="/mnt/$file" bs=64k conv=notrunc,fsync status=none
	awk -v file="$file" 'substr($0, 35) == file' /vm/files.md5 >/tmp/one.md5
	claim "it reads, is right, and nothing is pending" eval 'all_right /tmp/one.md5 && [ "$(pending_sectors r)" = 0 ]'

	title "4. The power fails while more is written"
	keep used "$(used_slots r)"
	keep owned "$(owned_sectors r)"
	dmsetup table r >$shown/table
	message r list | units_of >$shown/list
	tar -cf "$notes" -C $shown . && sync || bail "no room for notes"
	say "   $(kept table)"
	copy /mnt/lost &
	message f cut_mode random 7 fail_after writes 150 then cut
	claim "the power goes at the 150th write" until_true 60 eval 'dmsetup status f | grep -q "remap-faulty off"'
	claim "the disks' caches lose data ($(faulty_key f lost) sectors of main, $(faulty_key s lost) of the spare)" \
		test $(($(faulty_key f lost) + $(faulty_key s lost))) -gt 0
	vm_powercut
}

after_the_cut() {
	local status out

	tar -xf "$notes" -C $shown || bail "no notes"
	title "5. The machine starts anew"
	dm_create f "$(kept f)" && dm_create s "$(kept s)" || bail "no disks"
	claim "the same table line loads" dm_create r "$(kept table)"
	message r list | units_of >/tmp/list
	claim "what was relocated ($(kept owned) sectors, $(kept used) slots) still is" eval '[ -z "$(comm -23 $shown/list /tmp/list)" ]'
	log_mark
	claim "ext4 mounts" mount -t ext4 $r /mnt
	log_lines "$log_mark" | grep EXT4 | quote
	cat /vm/files.md5 /tmp/copy.md5 >/tmp/all.md5
	claim "all $(wc -l </tmp/all.md5) checksums are right" long "reading all files" all_right /tmp/all.md5
	umount /mnt || bail "no umount"
	status=0
	long "checking the file system" check_fs || status=$?
	tail -n 1 /tmp/e2fsck | quote
	claim "e2fsck -f finds nothing wrong (status $status)" test $status = 0

	title "$(printf '%-30s %-18s %s\n' \
		"What was shown" "without dm-remap" "with dm-remap" \
		"writes that the disk failed" "$(kept plain_writes)" "$(kept writes)" \
		"error lines above the disk" "$(kept plain_lines)" "$(kept lines)" \
		"copied files that are right" "$(kept plain_right) of $papers" "$(kept right) of $papers" \
		"ext4 after that" "$(kept plain_mode)" "$(kept mode)" \
		"4 KiB places on the spare" - "$(kept used)" \
		"unreadable, then rewritten" - "$(kept pending) sectors, right again" \
		"after the power cut" - "$(wc -l </tmp/all.md5) checksums right, e2fsck clean")"
}

if [ "$BOOT" = 1 ]; then before_the_cut; else after_the_cut; fi
done_testing

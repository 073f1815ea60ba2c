# SPDX-License-Identifier: GPL-2.0-or-later
# One trial for each file system: files with checksums on a disk whose sectors die, without dm-remap and with it. A test
# defines fs_make DEVICE and fs_check DEVICE, and has blocks FS, FS-mount and FS-check in docs/STACKS.md.
# shellcheck shell=bash disable=SC2154
. /vm/io.sh
document=/vm/STACKS.md
. /vm/doc.sh
r=/dev/mapper/safe b=/dev/mapper/b
fs_size=384M
# The first part of the disk stays good, for one that cannot be mounted shows little.
fs_first=2048
fs_errors='EXT4-fs (error|warning)|JBD2|XFS.*(error|shut|corrupt)|BTRFS (error|critical)|BTRFS.*(abort|forced)|Buffer I/O error|lost (async|sync)'

## Files

fs_tree() { # /tmp/tree, and its checksums
	local at=1 size
	mkdir /tmp/tree
	head -c 8M /dev/urandom >/tmp/noise
	for size in 0 1 511 512 $(seq 1000 413 9000) $(seq 20000 34001 400000) 1000001 2097153; do
		tail -c +$at /tmp/noise | head -c "$size" >"/tmp/tree/$size"
		at=$((at + size))
	done
	(cd /tmp/tree && sha256sum -- *) >/tmp/sums
	fs_files=$(wc -l </tmp/sums)
}
fs_copy() { cp -a /tmp/tree "/mnt/$1" && sync -f "/mnt/$1"; } # FOLDER
fs_right() { # FOLDER: how many of its files are right, read from the disk
	echo 3 >/proc/sys/vm/drop_caches
	(cd "/mnt/$1" 2>/dev/null && sha256sum -c /tmp/sums 2>/dev/null) | grep -c ': OK$'
}
fs_takes_writes() {
	if dd if=/tmp/tree/511 of=/mnt/new conv=fsync status=none 2>/dev/null; then echo "takes writes"; else echo "takes no writes"; fi
}
fs_mount() { mount -t "$fs" "$1" /mnt; } # DEVICE
fs_reads() { # FILE: right, wrong or an error
	local out
	echo 3 >/proc/sys/vm/drop_caches
	if ! out=$(sha256sum <"$1" 2>/dev/null); then echo error
	elif [ "$out" = "$2" ]; then echo right
	else echo wrong; fi
}
# A file of 128 KiB that is overwritten in place, for btrfs, too, and where on the disk a unit of it is: $marked.
fs_marked() { # DISK-NAME NAME
	mkdir -p /mnt/marked
	[ "$fs" != btrfs ] || chattr +C /mnt/marked
	pattern "$2" 0 256 >"/tmp/$2"
	cp "/tmp/$2" "/mnt/marked/$2" && sync -f /mnt/marked || return 1
	echo 3 >/proc/sys/vm/drop_caches
	message "$1" log_clear
	dd if="/mnt/marked/$2" of=/dev/null bs=128k iflag=direct status=none || return 1
	# No metadata is read in pieces as long as these.
	marked=$(message "$1" log | awk '$3 == "read" && $5 > n { n = $5; at = $4 } END { if (n >= 64) print at + (8 - at % 8) % 8 }')
	[ "$marked" ]
}
fs_rewrite() { dd if="$1" of="$2" bs=64k conv=notrunc,fsync status=none 2>/dev/null; } # FROM TO
sum_of() { sha256sum <"$1"; }

## Sectors that die

# One of sixteen units, by and by, while files are written.
fs_dying() { # DISK-NAME FIRST-UNIT
	local i
	for i in 0 1 2 3 4 5 6 7; do
		message "$1" bad_every $((fs_first + ($2 + 16 * i) % 128 * 8)) 0 1024 8 write
		message "$1" wait writes $(($(counters "$1" writes) + 1)) 200 2>/dev/null
	done
}

## The trial

fs_alone() { # the disk without dm-remap
	mk_disk alone $fs_size
	io_faulty b "$alone"
	fs_make $b && fs_mount $b && fs_copy before || bail "no $fs"
	pulled=$(fs_pulled b $b)
	unhelped=$(fs_unhelped b)
	say "$fs without dm-remap: pulled: $pulled; one bad sector: $unhelped"
	log_mark
	fs_dying b 0 & dying=$!
	fs_copy during 2>/tmp/said
	copied=$?
	wait $dying
	message b bad_every $fs_first 0 128 8 write
	fs_copy after 2>>/tmp/said
	umount /mnt
	if fs_mount $b 2>/dev/null; then mounts=$(fs_takes_writes); else mounts="cannot be mounted"; fi
	say "$fs without dm-remap: cp and sync ended with $copied; $(counters b failed_writes) writes failed, $(fs_right during) and $(fs_right after) of $fs_files files are right, $mounts"
	check "without dm-remap $fs says so in the log" log_has "$log_mark" "$fs_errors"
	num "without dm-remap files are lost" "$(fs_right during)" -lt "$fs_files" || num "of the later ones" "$(fs_right after)" -lt "$fs_files"
	! grep -q ' /mnt ' /proc/mounts || umount /mnt
	dmsetup remove b
	losetup -d "$alone"
	rm "$(disk_file alone)"
}

# The disk is gone for a while, and comes back: what becomes of the file system in use.
fs_pulled() { # DISK-NAME DEVICE: in words
	local told=no
	message "$1" offline
	[ ! -e $r ] || used_slots safe >/tmp/slots
	(echo gone >/mnt/gone && sync -f /mnt/gone) 2>/dev/null || told=an
	[ ! -e $r ] || used_slots safe >>/tmp/slots
	message "$1" online
	umount /mnt
	[ ! -e $r ] || message safe resume_auto >/dev/null
	fs_mount "$2" || { echo "cannot be mounted"; return; }
	echo "$told error, $(fs_right before) right, $(fs_takes_writes)"
}

# A sector dies under a file, and nothing helps: there is no dm-remap, or it has no spare.
fs_unhelped() { # DISK-NAME: in words
	local told=no
	fs_marked "$1" plain || { echo "no file"; return; }
	message "$1" bad "$marked" 8 write
	{ tr p q </tmp/plain >/tmp/other; fs_rewrite /tmp/other /mnt/marked/plain; } || told=an
	message "$1" good 0 0
	sync -f /mnt 2>/dev/null # which is told of the error, too, the first time
	echo "$told error, $(fs_takes_writes), $(fs_right before) right"
	rm /mnt/marked/plain
}

fs_trial() {
	fs_tree
	fs_alone

	## The same with dm-remap

	io_disks $fs_size 32M cache power p
	MAIN=$m SPARE=$s
	run_block "$fs"
	run_block "$fs-mount"
	check "files are written" fs_copy before
	log_mark
	fs_dying m 0 & dying=$!
	check "sectors die meanwhile: files are written" fs_copy during
	wait $dying
	message m bad_every $fs_first 0 128 8 write
	check "and more" fs_copy after
	for f in /tmp/tree/*; do fs_rewrite "$f" "/mnt/before/${f##*/}" || not_ok "${f##*/} is written anew in place"; done
	check "files are removed and written anew" eval 'rm -r /mnt/during && fs_copy during'
	is "every file is right" "$(fs_right before) $(fs_right during) $(fs_right after)" "$fs_files $fs_files $fs_files"
	num "the disk did fail writes" "$(counters m failed_writes)" -gt 100
	num "which are on the spare" "$(used_slots safe)" -gt 100
	check_fails "$fs has noticed nothing" log_has "$log_mark" "$fs_errors"
	say "$fs with dm-remap: $(counters m failed_writes) writes failed, $(status_of safe | cut -d ' ' -f 1-5)"

	fs_unreadable
	fs_cuts

	## The disk goes away and comes back

	is "a disk that is gone for a while does what it does without dm-remap" "$(fs_pulled m $r)" "$pulled"
	is "no slot is used for it" "$(uniq /tmp/slots | wc -l)" 1
	is "and the file system is whole" "$(fs_right before) $(fs_right during) $(fs_right after)" "$fs_files $fs_files $fs_files"

	fs_cuts_in_place
	run_block "$fs-check"
	ok "the check tool finds nothing"
	fs_sound $r
	dmremap stop safe
	dmsetup remove m
	dmsetup remove s
	losetup -d "$lower" "$store"
	rm "$(disk_file lower)" "$(disk_file store)"

	fs_without_spare
}

fs_sound() { # DEVICE, not mounted
	check "$fs is sound" fs_check "$1"
}

# Sectors of a file cannot be read any more.
fs_unreadable() {
	local sum
	fs_marked m middle || bail "the file is nowhere"
	sum=$(sum_of /tmp/middle)
	message m bad "$marked" 8 read
	is "a sector that cannot be read is an error, and no made-up data" "$(fs_reads /mnt/marked/middle "$sum")" error
	check "dm-remap marks it" until_is 20 8 pending_sectors safe
	run_block files-unreadable
	like "the file is found" "$(cat files-unreadable.err files-unreadable.out)" "/mnt/marked/middle: "
	is "no other" "$(cat files-unreadable.err files-unreadable.out | grep -c /mnt)" 1
	FILE=/mnt/marked/middle COPY=/tmp/middle
	run_block files-heal
	is "written anew from a copy, it reads" "$(fs_reads /mnt/marked/middle "$sum")" right
	is "and nothing is pending" "$(pending_sectors safe)" 0
	num "it is the spare that has it" "$(message safe list "$marked" | awk 'NR == 1 { print $1 }')" -le "$marked"
}

fs_power_back() {
	umount /mnt
	dmremap stop safe
	message m restore
	message s restore
	run_block files-again
	run_block "$fs-mount"
}

# The power fails while files are written, synced and relocated.
fs_cuts() {
	local turn n i f
	mkdir /mnt/cut && sync -f /mnt/cut
	: >/tmp/acked
	for turn in 1 2 3; do
		message m bad_every $((fs_first + turn * 32)) 0 512 8 write
		message m cut_mode random $turn fail_after writes $((turn * 200)) 'then' cut
		n=0
		while [ $n -lt 400 ]; do
			for f in /tmp/tree/??? /tmp/tree/???? /tmp/tree/??????; do
				f=${f##*/}
				dd if="/tmp/tree/$f" of="/mnt/cut/$turn.$n.$f" bs=1M conv=fsync status=none 2>/dev/null || break 2
				echo "$(sed -n "s/  $f\$//p" /tmp/sums)  $turn.$n.$f" >>/tmp/acked
				n=$((n + 1))
			done
		done
		is "turn $turn: the power fails" "$(state_of m) $(state_of s)" "off off"
		fs_power_back
		is "turn $turn: each file that was synced is right" \
			"$(cd /mnt/cut && sha256sum -c /tmp/acked 2>/dev/null | grep -vc ': OK$')" 0
		umount /mnt
		fs_sound $r
		run_block "$fs-mount"
	done
	num "the caches lost what was not flushed" $(($(counters m lost) + $(counters s lost))) -gt 0
	num "files had been synced" "$(wc -l </tmp/acked)" -ge 10
	is "and all that was there before is right" "$(fs_right before) $(fs_right during) $(fs_right after)" "$fs_files $fs_files $fs_files"
}

# What is on the spare already is overwritten in place. No relocation flushes it there: the file system's flushes alone do,
# and the cut leaves nothing that they have not reached.
fs_cuts_in_place() {
	local f used writes
	message m good 0 0
	mkdir /mnt/place
	[ "$fs" != btrfs ] || chattr +C /mnt/place
	for f in 1 2 3 4 last; do pattern "$f old" 0 64 >"/mnt/place/$f"; done
	sync -f /mnt
	message m bad $fs_first $(($(sectors $m) - fs_first)) write
	for f in 1 2 3 4 last; do
		pattern "$f moved" 0 64 >/tmp/moved
		fs_rewrite /tmp/moved "/mnt/place/$f" || not_ok "file $f moves to the spare"
	done
	message m good 0 0

	: >/tmp/kept
	used=$(used_slots safe)
	writes=$(counters s sectors_written)
	message m log_clear
	for f in 1 2 3 4; do fs_keep "$f" "$f first"; done
	is "files on the spare are overwritten and synced: nothing is relocated for it" "$(used_slots safe)" "$used"
	num "they are on the spare" $(($(counters s sectors_written) - writes)) -ge $((4 * 64))
	journal=$(message m log | awk '$3 == "write" && $6 ~ /fua/ { at = $4 } END { print at - at % 8 }')
	fs_cut_at s last
	is "what was synced is right" "$(fs_kept)" 4

	# The superblock, with btrfs.
	check "the journal goes to the spare, too" dmremap remap safe "$journal" 512
	: >/tmp/kept
	used=$(used_slots safe)
	message s log_clear
	for f in 1 2 3 4; do
		fs_keep "$f" "$f second"
		fs_keep "new$f" "$f new"
	done
	is "files are overwritten, and new ones synced: nothing is relocated for it" "$(used_slots safe)" "$used"
	num "commits are on the spare" "$(message s log | awk '$3 == "write" && $6 ~ /fua/' | wc -l)" -ge 4
	fs_cut_at m lost
	is "what was synced is right, and the new files are there" "$(fs_kept)" 8
}
fs_keep() { # FILE SEED
	pattern "$2" 0 64 >/tmp/new
	fs_rewrite /tmp/new "/mnt/place/$1" || not_ok "file $1 is written and synced"
	(cd /tmp && sha256sum new | sed "s/new$/$1/") >>/tmp/kept
}
fs_kept() { (cd /mnt/place && sha256sum -c /tmp/kept 2>/dev/null) | grep -c ': OK$'; }
fs_cut_at() { # DISK-NAME FILE: at the next write there, which is this file's or the file system's own
	message "$1" cut_mode none fail_after writes 1 'then' cut
	pattern "$2" 0 64 >/tmp/new
	fs_rewrite /tmp/new "/mnt/place/$2"
	is "the power fails" "$(state_of m) $(state_of s)" "off off"
	fs_power_back
}

# A failing disk takes no file system down that would have lived without dm-remap; nor does a spare.
fs_without_spare() {
	local sum
	mk_disk lower $fs_size
	mk_disk store 5M
	io_faulty m "$lower"
	io_faulty s "$store"
	dmremap create $m $s safe >/dev/null 2>&1 && fs_make $r && fs_mount $r && fs_copy before || bail "no second pair"

	log_mark
	message s offline
	check "the spare is gone while nothing is on it: files are written and synced" fs_copy during
	is "and are right" "$(fs_right before) $(fs_right during)" "$fs_files $fs_files"
	is "a sector that dies meanwhile does what it does without dm-remap" "$(fs_unhelped m)" "$unhelped"
	is "nothing is mapped for it" "$(used_slots safe)" 0
	message s online

	fs_marked m moved || bail "the file is nowhere"
	message m bad "$marked" 8 write
	tr m n </tmp/moved >/tmp/new
	sum=$(sum_of /tmp/new)
	check "with the spare a sector of a file moves there" fs_rewrite /tmp/new /mnt/marked/moved
	is "as one" "$(owned_sectors safe)" 8
	message s offline
	is "the spare is gone: this file cannot be read" "$(fs_reads /mnt/marked/moved "$sum")" error
	is "all others can, and $fs goes on" "$(fs_right before) $(fs_right during) $(fs_takes_writes)" "$fs_files $fs_files takes writes"
	message s online
	is "the spare is back, and so is the file" "$(fs_reads /mnt/marked/moved "$sum")" right

	# Free space at the end, as good as any other.
	check "all slots are used" dmremap remap safe $(($(sectors $m) - 251 * 8)) 2008
	is "all of them" "$(used_slots safe)" "$(all_slots safe)"
	is "a full spare: a sector that dies does what it does without dm-remap" "$(fs_unhelped m)" "$unhelped"
	is "and says so" "$(state_of safe)" full
	is "what was on the spare is right" "$(fs_reads /mnt/marked/moved "$sum")" right
	umount /mnt
	fs_sound $r
	dmremap stop safe
	message s offline
	check_fails "without its spare the pair is not activated" dmremap assemble $m $s safe
	dmsetup remove m
	dmsetup remove s
	losetup -d "$lower" "$store"
	rm "$(disk_file lower)" "$(disk_file store)"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# LUKS on a pair: what reaches the spare is encrypted. A pair on LUKS: it is not, and the command says so.
# dm-integrity on a pair: what cannot be read is an error, never wrong data, and heals when it is written.
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# programs: cryptsetup integritysetup
# drivers: dm-crypt dm-integrity xts aesni-intel sha256-ssse3 algif_skcipher
# timeout: 300
# kernels: one
. /vm/stack-files.sh
modprobe -q dm-crypt || skip_all "this kernel has no dm-crypt"
# As it is typed, but for the costs: the guest is slow.
cryptsetup() {
	case $1 in
	luksFormat) command cryptsetup -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$@" <<<secret ;;
	luksHeaderRestore) command cryptsetup -q "$@" ;;
	*) command cryptsetup "$@" <<<secret ;;
	esac
}
integritysetup() { command integritysetup -q "$@"; }
mkdir -p /run/cryptsetup
# Text that is found wherever it lies in plain.
content() { yes "secret of $1 $RANDOM" | head -c $file_size; } # NAME
in_plain() { grep -aq "secret of" "$(disk_file "$1")"; } # DISK
disks() { # blank and healthy again; a header of LUKS takes 16 MiB
	io_disks 64M 48M
	MAIN=$m SPARE=$s
}
disks_away() {
	dmsetup remove m && dmsetup remove s && losetup -D && rm -f /tmp/disks/*
}

## LUKS on a pair: of a disk that was encrypted before

disks
cryptsetup luksFormat $m && cryptsetup open $m plain && mkfs.ext4 -q /dev/mapper/plain && mount /dev/mapper/plain /mnt/a || bail "no LUKS"
first_files 1 2 3
umount /mnt/a
run_block luks
mount /dev/mapper/plain /mnt/a
check "LUKS on a pair: all files are there" sums
message m bad_every 32768 0 32 8 write
check "LUKS on a pair: sectors that cannot be written: nobody knows" files 4 5 6 7 8 9
check "LUKS on a pair: all files are read" sums
num "LUKS on a pair: they are on the spare" "$(owned_sectors safe)" -ge 1000
like "LUKS on a pair: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
check_fails "LUKS on a pair: nothing on the spare is in plain" in_plain store
check_fails "LUKS on a pair: main alone is not opened while the pair is active" cryptsetup open $m other
umount /mnt/a
check "LUKS on a pair: the file system is sound" e2fsck -fn /dev/mapper/plain
# The area of the keys begins at 32 KiB.
run_block luks-backup
cryptsetup close plain
message m bad 128 8 both
check_fails "LUKS on a pair: a sector of the keys that cannot be read: it does not open" cryptsetup open /dev/mapper/safe plain
num "LUKS on a pair: it is pending" "$(counts | cut -d ' ' -f 3)" -ge 1
run_block luks-restore
mount /dev/mapper/plain /mnt/a
check "LUKS on a pair: with the header written back it does, with all files" sums
like "LUKS on a pair: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
umount /mnt/a
cryptsetup close plain
dmremap stop safe
disks_away

## A pair on LUKS

disks
cryptsetup luksFormat $m && cryptsetup open $m plain || bail "no LUKS"
like "a pair on LUKS: the command warns of plain text on the spare" "$(dmremap create /dev/mapper/plain $s safe 2>&1)" "warning: .*in plain text"
mkfs.ext4 -q /dev/mapper/safe
mount /dev/mapper/safe /mnt/a
at=$(dmsetup table plain | cut -d ' ' -f 8)
message m bad_every $((at + 8192)) 0 64 8 write
first_files 1 2 3 4 5 6
check "a pair on LUKS: all files are read" sums
message s sync
check "a pair on LUKS: so it is, on a spare that is not encrypted" in_plain store
check_fails "a pair on LUKS: on main it is not" in_plain lower
umount /mnt/a
dmremap stop safe
cryptsetup close plain
disks_away
disks
cryptsetup luksFormat $m
run_block luks-both
unlike "a pair on LUKS: with an encrypted spare there is no such warning" "$(cat luks-both.err)" "in plain text"
mkfs.ext4 -q /dev/mapper/safe
mount /dev/mapper/safe /mnt/a
message m bad_every $((at + 8192)) 0 64 8 write
first_files 1 2 3 4 5 6
check "a pair on LUKS: all files are read" sums
num "a pair on LUKS: some from the spare" "$(owned_sectors safe)" -ge 1000
message s sync
check_fails "a pair on LUKS: nothing on the spare is in plain" in_plain store
umount /mnt/a
dmremap stop safe
cryptsetup close plain
cryptsetup close plainspare
disks_away

## dm-integrity on a pair

modprobe -q dm-integrity || { skip "dm-integrity on a pair" "this kernel has none"; done_testing; }
disks
run_block integrity
c=/dev/mapper/checked
message m bad_every 1024 0 64 8 write
put_pattern $c a 0 16384 2048
# Out of its journal, to its place.
dmsetup suspend checked && dmsetup resume checked
check "dm-integrity: sectors that cannot be written, tags and journal too: nobody knows" holds_pattern $c a 0 2048
num "dm-integrity: they are on the spare" "$(owned_sectors safe)" -ge 800
like "dm-integrity: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
# Where is sector 8000? Behind the journal, which holds copies.
put_pattern $c where 8000 8
dmsetup suspend checked && dmsetup resume checked
at=$(($(grep -abo 'where 8000 ' "$(disk_file lower)" | tail -n 1 | cut -d : -f 1) / 512))
message m bad $((at / 8 * 8)) 16 both
check_fails "dm-integrity: a sector that cannot be read is an error" get_sectors $c 8000 8
num "dm-integrity: and pending" "$(counts | cut -d ' ' -f 3)" -ge 8
check "dm-integrity: others are read" holds_pattern $c a 0 4096
put_pattern $c new 7992 24
dmsetup suspend checked && dmsetup resume checked
check "dm-integrity: it is written, and read again" holds_pattern $c new 7992 24
is "dm-integrity: nothing is pending" "$(counts | cut -d ' ' -f 3)" 0
# The tags of sectors 0 to 1023 fill 8 sectors, 256 before the first sector of data.
tags=$(((at - 8000 - 256) / 8 * 8))
integritysetup close checked
message m bad $tags 8 both
integritysetup open /dev/mapper/safe checked
is "dm-integrity: tags that cannot be read: their data gives errors" "$(error_of get_sectors $c 0 8)" ENODATA
is "dm-integrity: and that of 8 MiB around it" "$(error_of get_sectors $c 2048 8)" ENODATA
check "dm-integrity: what is further away is read" eval 'get_sectors $c 40000 8 >/dev/null'
counts >/dev/null
read -r SECTOR COUNT _ < <(command dmremap show -n safe | grep pending)
is "dm-integrity: they are pending" "$SECTOR $COUNT" "$tags 8"
run_block integrity-tags
check "dm-integrity: they are zeroes now, and what is around is read" holds_pattern $c a 2048 2048
is "dm-integrity: their own data fails its check, and is not given out" "$(error_of get_sectors $c 0 8)" EILSEQ
put_pattern $c later 0 1024
dmsetup suspend checked && dmsetup resume checked
check "dm-integrity: it is written, and read again" holds_pattern $c later 0 1024
like "dm-integrity: nothing is pending" "$(counts)" "^active [0-9]+ 0 0$"
integritysetup close checked
dmremap stop safe
done_testing

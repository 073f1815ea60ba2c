# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of moves and requests share: unit 125 (sectors 1000 to 1007) in slot 0 of a spare that fails as told,
# and entries read from the spare by the text of docs/FORMAT.md, without the code under test.
# shellcheck shell=bash disable=SC2154
. /vm/io.sh
store_file=$(disk_file store)
A=$(table_sector 0 A) B=$(table_sector 0 B) ALT1=$(table_sector 0 ALT1) ALT2=$(table_sector 0 ALT2)

# A fresh pair. The unit is owned and holds "a"; main holds "old" there, and everywhere near it. The activation's
# session is open, so that the next commit writes tables only.
move_fresh() { # [ARG...]
	sync_disks 2>/dev/null
	put_pattern "$lower" old 960 256
	io_renew "$@"
	message r remap 1000 8 >/dev/null || bail "no remap"
	writes a 1000 8 || bail "no write to the slot"
	io_clear
}
slot() { slot_sector "$1"; }
entry() { # SLOT [PLACE]: unit, owned, pending, moves and state, as they lie on the disk below everything
	local b at=$((8192 + $1 / 252 * 2048 + table_block[${2:-A}] * 8))
	read -ra b < <(od -An -v -tu1 -N16 -j$((at * 512 + 64 + $1 % 252 * 16)) "$store_file")
	echo "$((b[0] + 256 * (b[1] + 256 * (b[2] + 256 * b[3])))) ${b[6]} ${b[7]} $((b[8] + 256 * (b[9] + 256 * b[10]))) ${b[12]}"
}
both_say() { # SLOT WANTED...: both copies of the table
	[ "$(entry "$1" A)" = "${*:2}" ] && [ "$(entry "$1" B)" = "${*:2}" ]
}
# Loaded once, then once more: the second finds nothing to repair, writes nothing, and has the same map.
loads_twice() { # SENTENCE
	local list
	check "$1: the pair loads" io_again || return 1
	list=$(message r list)
	io_clear
	check "$1: and loads again" io_again
	is "$1: with nothing left to repair" "$(spare_story)" ""
	is "$1: and with the same map" "$(message r list)" "$list"
}

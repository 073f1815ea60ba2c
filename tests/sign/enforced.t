# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel that enforces signatures loads our modules only if they are signed with a key that it trusts, which it
# takes from the firmware when it boots.
# modules: none
# firmware: uefi
# boots: 2
# append: module.sig_enforce=1
# timeout: 240
. /vm/lib.sh
modprobe efivarfs && mount -t efivarfs efivarfs /sys/firmware/efi/efivars || skip_all "no UEFI variables"
db=/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f

bytes_of() { printf "$(printf '\\x%s' "$@")"; } # HEX...
# shellcheck disable=SC2046 # words
u32() { bytes_of $(printf '%08x\n' "$1" | fold -w 2 | tac); }
# What firmware without an owner takes without asking who signed it: attributes (kept, for boot and run time, with a time),
# the time, a signature of no length, and a list of one X.509 certificate of nobody's.
trust() { # DER-FILE
	local size
	size=$(stat -c %s "$1")
	{
		u32 0x27
		bytes_of ea 07 01 01 00 00 00 00 00 00 00 00 00 00 00 00
		u32 24
		bytes_of 00 02 f1 0e 9d d2 af 4a df 68 ee 49 8a a9 34 7d 37 56 65 a7
		bytes_of a1 59 c0 a5 e4 94 a7 4a 87 b5 ab 15 5c 2b f0 72
		u32 $((28 + 16 + size))
		u32 0
		u32 $((16 + size))
		head -c 16 /dev/zero
		cat "$1"
	} >/tmp/list
	dd if=/tmp/list of=$db bs=64K status=none
}
refused() { # SENTENCE FOLDER: for its signature, and for nothing else
	like "$1" "$(insmod "$2/dm-remap.ko" 2>&1)" 'Key was rejected by service|Required key not available|Bad message'
}

modprobe -q libcrc32c
is "the kernel enforces signatures" "$(cat /sys/module/module/parameters/sig_enforce)" Y
if [ "$BOOT" = 1 ]; then
	refused "a signed module is refused while its key is not trusted" /vm/ours
	check "the key is enrolled" trust /vm/ours.der
	vm_reboot
fi
refused "an unsigned module is refused" /vm/unsigned
refused "so is one that another key signed" /vm/others
refused "and one that was changed after it was signed" /vm/changed
check "one that our key signed is loaded" insmod /vm/ours/dm-remap.ko || bail "no module"
mk_disk main 16M
mk_disk spare 8M
check "a pair is made" remap_create r "$main" "$spare" || bail "no pair"
check "and remaps" message r remap 1000 8
like "what it was told to" "$(message r list)" '^1000 8 owned '
check "C1: data goes in" put_pattern /dev/mapper/r a 992 32
check "and comes back" holds_pattern /dev/mapper/r a 992 32
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of ZFS share: the pool `tank` of the document's blocks, with a main that fails as told (/dev/mapper/m).
# shellcheck shell=bash disable=SC2154
. /vm/io.sh
document=/vm/STACKS.md
. /vm/doc.sh
# A pool that a test could not finish with keeps its devices, and I/O to it never ends.
trap 'status=$?; zpool export -f tank 2>/dev/null; (exit $status); _clean_up' EXIT

# Where the blocks of a file are on main, a line each: <sector> <count> of the first copy. (A pool begins 4 MiB after its device.)
blocks_of() { # DATASET FILE
	local dva offset size
	zpool sync tank
	zdb -ddddd "$1" "$(stat -c %i "$2")" | awk '$2 == "L0" { print $3 }' | while read -r dva; do
		IFS=: read -r _ offset size <<<"$dva"
		echo "$((16#$offset / 512 + 8192)) $((16#$size / 512))"
	done
}
# So many bytes that do not compress, the same for the same seed.
noise_of() { openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -md sha256 -in /dev/zero 2>/dev/null | head -c "$2"; } # SEED BYTES
# What cannot be read is never the same twice.
sums() { (cd "$1" && find . -type f | sort | xargs sha256sum) || echo "unreadable $RANDOM$RANDOM"; } # FOLDER
# What the test reads is to come from the disk; and where ZFS gives a pool up, waiting for better days, the test ends at once.
be_strict() { # DATASET
	zfs set primarycache=metadata "$1" && zpool set failmode=panic tank
}
# What a scrub that has ended found: "<repaired> <errors>".
scrubbed() { zpool status tank | sed -n 's/^ *scan: scrub repaired \([^ ]*\) in .* with \([0-9]*\) errors.*/\1 \2/p'; }
errors_of() { zpool status -P tank | awk -v d="$1" '$1 == d { print $3, $4, $5 }'; } # DEVICE: its READ, WRITE, CKSUM
no_errors() { zpool status tank | grep -q '^errors: No known data errors$'; }

# SPDX-License-Identifier: GPL-2.0-or-later
# C1, C2, C17: bios of every size over every kind of edge between mapped and plain sectors go where
# the map says, cut at the edges and nowhere else, and read and write the right bytes.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
RANDOM=42
io_disks $(((16384 + 5) * 512)) 8M phys 1
io_noise
put_pattern "$lower" old 0 16389 512
io_pair
io_model
io_good=15000

## The layout: first the order of the slots, then why

check "C3: units are mapped in many shapes" io_map \
	"0 8" \
	"24 24" "64 8" "56 8" \
	"82 3" "102 4" \
	"496 32" \
	"1016 8" "1024 8" "1040 8" "1032 8" \
	"2048 64" "2112 64" \
	"4096 2048" "6144 8" \
	"16368 16" "16384 5"
message r list | awk '$1 != "next"' >/tmp/list
is "C2: each extent is listed" "$(awk '{ n += $2 } END { print n }' /tmp/list)" \
	$((8 + 24 + 8 + 8 + 3 + 4 + 32 + 32 + 128 + 2048 + 8 + 21))
num "C2: slots cross a segment of the spare" "$(used_slots r)" -gt 252

# The model of the split: what is cut, as device, sector and count, a line a bio.
expected() { # bios on standard input: SECTOR COUNT
	awk 'NR == FNR { for (i = 0; i < $2; i++) own[$1 + i] = $4 + i; next }
		{ end = $1 + $2
		for (i = $1; i < end; i = j) {
			j = i + 1
			if (i in own) {
				while (j < end && (j in own) && own[j] == own[j - 1] + 1) j++
				print "s", own[i], j - i
			} else {
				while (j < end && !(j in own)) j++
				print "m", i, j - i
			}
		} }' /tmp/list -
}
logged() { # WORD: what reached m and s
	message m log | awk -v w="$1" '$3 == w { print "m", $4, $5 }'
	message s log | awk -v w="$1" '$3 == w { print "s", $4, $5 }'
}
split_as_expected() { # WORD: the bios in /tmp/bios
	cmp <(expected </tmp/bios | grep ^m; expected </tmp/bios | grep ^s) <(logged "$1")
}

# Bios around every edge: beginning, ending and lying across it, in every size.
bios_around() { # SIZE...: at each size, the edges that belong to it
	awk -v sizes="$*" -v len=16389 'BEGIN { n = split(sizes, size, " ") }
		{ edge[++e] = $1; edge[++e] = $1 + $2 }
		END { for (i = 1; i <= e; i++) for (k = 1; k <= n; k++) {
			if ((i + k) % 3 && size[k] > 64) continue
			for (p = 0; p < 3; p++) {
				if ((i + k + p) % 2 && size[k] > 8) continue
				at = edge[i] - (p == 0 ? 0 : p == 1 ? size[k] : int((size[k] + 1) / 2))
				if (at < 0) at = 0
				if (at + size[k] > len) at = len - size[k]
				if (!seen[at, size[k]]++) print at, size[k]
			}
		} }' /tmp/list
}

## Reads

bios_around 1 7 16 100 2048 | awk 'NR % 2' >/tmp/bios
num "C2: that many bios lie around the edges" "$(wc -l </tmp/bios)" -gt 80
io_clear
truncate -s 0 /tmp/got /tmp/want
while read -r sector count; do
	dd if=$r bs=$((count * 512)) skip=$((sector * 512)) count=1 iflag=direct,skip_bytes status=none >>/tmp/got
	dd if=$model bs=$((count * 512)) skip=$((sector * 512)) count=1 iflag=skip_bytes status=none >>/tmp/want
done </tmp/bios
check "C2: reads of 512 bytes to 1 MiB around all edges return the right bytes" cmp /tmp/got /tmp/want
check "C2: each read was cut exactly at the edges, and consecutive slots stayed one bio" split_as_expected read
rm /tmp/got /tmp/want

## Writes

bios_around 1 5 8 33 2048 | awk 'NR % 5 == 0' >/tmp/bios
io_clear
while read -r sector count; do
	io_write "$sector" "$count" $((RANDOM % 6000)) || not_ok "write of $count sectors at $sector"
done </tmp/bios
check "C2: writes around the edges were cut the same way" split_as_expected write
check "C2: and the device holds what was written" same_as_model
is "C2: writes to mapped sectors map nothing more" "$(message r list)" "$(cat /tmp/list)"

## Named cases

one_bio() { # SENTENCE SECTOR COUNT BIOS-ON-MAIN BIOS-ON-SPARE
	io_clear
	reads "$2" "$3"
	is "$1" "$(counters m reads) $(counters s reads)" "$4 $5"
}
one_bio "C2: the whole first unit is one bio" 0 8 0 1
one_bio "C2: the short last unit is one bio" 16384 5 0 1
one_bio "C2: the device's last sector" 16388 1 0 1
one_bio "C2: sectors of two units whose slots are consecutive are one bio" 102 4 0 1
one_bio "C2: units mapped in the opposite order are two bios" 56 16 0 2
one_bio "C2: consecutive slots stay one bio over the border of a group" 496 32 0 1
one_bio "C2: also where two commits gave the slots" 2048 128 0 1
one_bio "C2: a read that ends where the mapped run begins stays on main" 488 8 1 0
one_bio "C2: one sector on each side of an edge" 495 2 1 1
seam=$(awk '$1 >= 4096 { print $1 + $2; exit }' /tmp/list)
one_bio "C2: slots on both sides of a segment's end are two bios" $((seam - 8)) 16 0 2

## C1

io_clear
reads 8 16
reads 2300 1000
reads 8192 2048
reads 16360 8
check "C1: a write where nothing is mapped" io_write 12000 2048 77
check "C1: one next to a mapped sector" io_write 80 2 5
is "C1: what touches nothing mapped reaches only main, uncut" \
	"$(counters m reads writes) $(counters s reads writes flushes)" "4 2 0 0 0"
io_clear
reads 0 8
reads 24 24
reads 4096 1024
check "C1: a write to mapped sectors" io_write 16384 5 9
is "C1: what is mapped reaches only the spare" \
	"$(counters m reads writes) $(counters s reads writes)" "0 0 3 1"
num "C2: remapped reads are counted" "$(status_key r remapped_reads)" -ge 3

## After a reload of the map

table=$(message r list)
check "C2: the device is created again" io_again
is "C2: with the same runs" "$(message r list)" "$table"
check "C2: and the same bytes" same_as_model
done_testing

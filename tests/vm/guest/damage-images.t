# SPDX-License-Identifier: GPL-2.0-or-later
# C14: spares with evil content, as tests/images has them, come to the same end in the kernel as in user space: the same map, or a refusal in the same words.
# files: tests/images
# command: dmremap
# suite: long
# timeout: 400
# kernels: one
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
. /vm/pair-lib.sh
r=/dev/mapper/r
# As long as tests/unit/spare-disk.h has them.
mk_disk main 4M
mk_disk spare 8401920
file=$(disk_file spare)
# What the core says names the spare, so its file has the device's name.
mkdir /tmp/core
copy=/tmp/core/${spare##*/}

put_image() { # FILE IMAGE: each block at the place that it names
	local n
	for ((n = 0; n < $(stat -c %s "$2") / 4096; n++)); do
		dd if="$2" of="$1" bs=4096 skip="$n" count=1 seek=$(($(get_number "$2" $((n * 4096 + 32)) 8) / 8)) conv=notrunc status=none
	done
}
# A sector a line: its number, what it is, where on the spare; and how many have which bit.
map_of_core() {
	dmremap dump -n -o state,moves,unit,owned,pending,spare_sector "$copy" | awk '
	$1 != "used" && $1 != "lost" { next }
	!($3 in moves) || $2 > moves[$3] { moves[$3] = $2; state[$3] = $1; owned[$3] = $4; pending[$3] = $5; at[$3] = $6 }
	END {
		for (u in moves) for (n = 0; n < 8; n++) {
			o = substr(owned[u], n + 1, 1) + 0; p = substr(pending[u], n + 1, 1) + 0
			all_owned += o; all_pending += p
			if (o + p) print u * 8 + n, !p ? "owned" : o && state[u] == "lost" ? "lost" : "pending", at[u] + n
		}
		print "owned", all_owned, "pending", all_pending
	}' | sort -n
}
map_of_kernel() {
	local from=0 text
	while [ "$from" ]; do
		text=$(message r list "$from")
		grep -v '^next' <<<"$text"
		from=$(sed -n 's/^next //p' <<<"$text")
	done | awk '{ for (i = 0; i < $2; i++) print $1 + i, $3, $4 + i }
		END { print "owned", '"$(owned_sectors r)"', "pending", '"$(pending_sectors r)"' }' | sort -n
}
core_says() { sed -n "s/^$1: //p" <<<"$core"; } # WORD
our_lines() { kernel_log_since "$log_mark" | grep -E 'dm-remap-v4:|device-mapper: remap:'; }

refused_alike() { # NAME REGEX: by the constructor, for this reason, and nothing is written
	local before
	before=$(images main spare)
	log_mark
	check_fails "$1: is refused" remap_create r "$main" "$spare" || { dmsetup remove r; return; }
	is "$1: in one line, which says why" "$(our_lines | grep -c 'dm-remap-v4: ')" 1
	check "$1: which is the one that it should be" log_has "$log_mark" "dm-remap-v4: $2"
	is "$1: nothing is written" "$(images main spare)" "$before"
}

loads_alike() { # NAME
	local map
	is "$1: the core wants a repair" "$(core_says verdict)" repair
	map=$(map_of_core)
	num "$1: of a map that is not empty" "$(wc -l <<<"$map")" -gt 100
	log_mark
	check "$1: loads" remap_create r "$main" "$spare" || return
	map_of_kernel >/tmp/kernels
	check "$1: the map is the core's, sector by sector" cmp /tmp/kernels <(echo "$map")
	is "$1: so are the slots" "$(used_slots r) $(all_slots r) $(bad_slots r)" \
		"$(core_says used_slots) $(core_says slots) $(core_says bad_slots)"
	check "$1: a repair is said" log_has "$log_mark" "metadata repaired"
	check_fails "$1: no formatting" log_has "$log_mark" "spare formatted"
	dmsetup remove r
	blockdev --flushbufs "$spare"
	cp "$file" "$copy"
	check "$1: the core finds it clean after that" dmremap check "$copy"
	is "$1: with the same map" "$(map_of_core)" "$map"
}

put_image "$file" /vm/images/load-base.img
cp "$file" /tmp/base
seen=0
for picture in /vm/images/load-*.img; do
	name=${picture##*/load-}
	name=${name%.img}
	[ "$name" != base ] || continue
	blockdev --flushbufs "$spare"
	dd if=/tmp/base of="$file" bs=1M conv=notrunc status=none
	put_image "$file" "$picture"
	cp "$file" "$copy"
	core=$(dmremap check "$copy" 2>/dev/null)
	case $name in
	refused-*)
		is "$name: the core refuses it" "$(core_says verdict)" refused
		like "$name: and says why" "$(core_says reason)" "^spare ${spare##*/}"
		refused_alike "$name" "$(core_says reason | sed 's/[][().*]/\\&/g')" ;;
	good-*) loads_alike "$name" ;;
	kernel-covers-more)
		refused_alike "$name" "main [^ ]* is 8192 sectors long, the pair covers 2251799813685248" ;;
	kernel-last-session)
		before=$(images main spare)
		log_mark
		check_fails "$name: no session comes after the last" remap_create r "$main" "$spare"
		check "$name: which is said" log_has "$log_mark" "repairing the spare's metadata failed"
		is "$name: nothing is written" "$(images main spare)" "$before" ;;
	*) not_ok "$name: this test knows what should come of it" ;;
	esac
	seen=$((seen + 1))
done
num "there were images" "$seen" -ge 30
done_testing

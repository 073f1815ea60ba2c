# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of activation share: images compared before and after, and metadata blocks read,
# changed and sealed again by the text of docs/FORMAT.md, without the code under test.
# shellcheck shell=bash
images() { # NAME...: a fingerprint of what lies on these mk_disks
	local name sum all=
	for name; do
		read -r sum _ < <(md5sum "$(disk_file "$name")")
		all+=$sum
	done
	echo "$all"
}

# The command fails, the kernel's log has one line of ours that matches, and the disks of $watch
# (names of mk_disk, by default "main spare") are as they were.
watch='main spare'
refused() { # SENTENCE REGEX COMMAND...
	local sentence=$1 regex=$2 before log
	shift 2
	log_mark
	# shellcheck disable=SC2086 # names
	before=$(images $watch)
	check_fails "$sentence" "$@" || { dmsetup remove "${victim:-r}"; return 1; }
	mapfile -t log < <(kernel_log_since "$log_mark" | grep -E 'dm-remap-v4:|device-mapper: remap:')
	if [ ${#log[@]} = 1 ] && [[ ${log[0]} =~ $regex ]]; then
		ok "$sentence: with its own line"
	else
		not_ok "$sentence: with its own line" "wanted one line with /$regex/, got: ${log[*]}"
	fi
	# shellcheck disable=SC2086 # names
	is "$sentence: and nothing is written" "$(images $watch)" "$before"
}

## Bytes

put_bytes() { # FILE OFFSET ESCAPES: printf %b's
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
get_number() { # FILE OFFSET BYTES: little-endian
	od -An -v -tu"$3" -j"$2" -N"$3" "$1" | tr -d ' '
}
le() { # NUMBER BYTES: as escapes
	local n=$1 i
	for ((i = 0; i < $2; i++)); do
		printf '\\x%02x' $((n & 255))
		n=$((n >> 8))
	done
}
same_bytes() { # FILE OFFSET LENGTH FILE OFFSET
	cmp -s -n "$3" -i "$2:$5" "$1" "$4"
}
zeroes_at() { # FILE OFFSET LENGTH
	cmp -s -n "$3" -i "$2:0" "$1" /dev/zero
}
zero_at() { # FILE OFFSET LENGTH
	dd if=/dev/zero of="$1" bs=4096 seek="$2" count="$3" oflag=seek_bytes iflag=count_bytes conv=notrunc status=none
}

## Metadata blocks, by docs/FORMAT.md

super_at() { echo $(($1 << 20)); } # COPY: its byte on the spare
table_at() { # SEGMENT PLACE
	local block=(0 1 254 255)
	echo $(((4 + $1 << 20) + 4096 * block[$2]))
}
crc32c() { # FILE OFFSET: of the 4096 bytes there, those of the field itself taken as zero
	od -An -v -tu1 -w1 -j"$2" -N4096 "$1" | busybox awk '
	BEGIN {
		for (i = 0; i < 256; i++) {
			byte = i
			for (k = 0; k < 8; k++) byte = byte % 2 ? xor(rshift(byte, 1), 2197175160) : rshift(byte, 1)
			table[i] = byte
		}
		crc = 4294967295
	}
	{ crc = xor(rshift(crc, 8), table[and(xor(crc, NR > 12 && NR <= 16 ? 0 : $1), 255)]) }
	END { printf "%.0f\n", xor(crc, 4294967295) }'
}
seal() { # FILE OFFSET: the block there gets the checksum it should have
	put_bytes "$1" $(($2 + 12)) "$(le "$(crc32c "$1" "$2")" 4)"
}
sealed() { # FILE OFFSET
	[ "$(get_number "$1" $(($2 + 12)) 4)" = "$(crc32c "$1" "$2")" ]
}
magic_at() { # FILE OFFSET
	[ "$(dd if="$1" bs=1 skip="$2" count=8 status=none | tr -d '\0')" = DM-REMAP ]
}

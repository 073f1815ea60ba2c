# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of the command are written with, where no root and no kernel is needed.
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/tap.sh
. "$top/tests/tap.sh"
dmremap=${DMREMAP:-$top/build/cli-sane/dmremap}
images=$top/tests/images
work=$(mktemp -d "${TMPDIR:-/tmp}/dm-remap-cmd.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Runs the command; $out, $err and $status are what became of it.
run() { # WORD...
	out=$("$dmremap" "$@" 2>"$work/err" </dev/null)
	status=$?
	err=$(cat "$work/err")
}
# An error that leaves with this code and says what to do next.
refuses() { # SENTENCE CODE REGEX WORD...
	local sentence=$1 code=$2 regex=$3
	shift 3
	run "$@"
	if [ "$status" != "$code" ]; then
		not_ok "$sentence" "ended with $status, not $code: $err"
	elif ! [[ $err =~ ^dmremap:\ .*$regex ]]; then
		not_ok "$sentence" "said '$err', which does not match /$regex/"
	elif ! [[ $err =~ $'\n  next: '. ]]; then
		not_ok "$sentence" "does not say what to do next: $err"
	else
		ok "$sentence"
	fi
}

# A spare of files in tests/images: each block goes to the place that it names.
put_image() { # FILE IMAGE
	local n at
	for ((n = 0; n < $(stat -c %s "$2") / 4096; n++)); do
		at=$(od -An -tu8 -j $((n * 4096 + 32)) -N 8 "$2" | tr -d ' ')
		dd if="$2" of="$1" bs=4096 skip="$n" count=1 seek=$((at / 8)) conv=notrunc status=none
	done
}
spare_sectors=16408	# as tests/unit/spare-disk.h has it
make_spare() { # FILE [IMAGE]: a healthy one, with IMAGE over it
	rm -f "$1"
	truncate -s $((spare_sectors * 512)) "$1"
	put_image "$1" "$images/load-base.img"
	[ $# = 1 ] || put_image "$1" "$2"
}

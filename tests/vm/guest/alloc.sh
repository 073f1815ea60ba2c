# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of failing allocations share: an operation is done again and again, and one allocation
# after the other fails, of those that have our module among their callers, in whatever task or worker.
# Then everything allocated beneath some functions of the module fails, a few functions after the other.
#
# An operation NAME is three functions: NAME_before makes ready (no allocation fails), NAME_try does it,
# NAME_after STATUS checks what came of it (STATUS: of NAME_try) and prints what is wrong.
# shellcheck shell=bash disable=SC2154
. /vm/io.sh
. /vm/pair-lib.sh

alloc_kinds='failslab fail_page_alloc'
declare -A alloc_count=()	# the kernel's count of calls that passed the filters
alloc_done='' alloc_failed=0	# did the last one armed fail something; how many did
alloc_together=8		# functions

fault() { # KIND FILE VALUE
	echo "$3" >"/sys/kernel/debug/$1/$2"
}
alloc_range() { # FIRST END: addresses; only what is called from there fails
	local kind

	for kind in $alloc_kinds; do
		fault "$kind" require-start "$1"
		fault "$kind" require-end "$2"
	done
}
module_symbols() { # MODULE: addresses of its functions, sorted
	awk -v m="[$1]" '$4 == m && $2 ~ /[tT]/ && $3 !~ /^__pfx_/ { print $1 }' /proc/kallsyms | sort -u
}
alloc_begin() {
	local kind cache last

	[ -e /sys/kernel/debug/failslab/require-start ] || skip_all "only the debug kernel can fail the module's allocations"
	modprobe dm-remap && modprobe dm-remap-faulty || bail "no modules"
	mapfile -t alloc_function < <(module_symbols dm_remap)
	last=$(module_symbols dm_remap_faulty | tail -n 1)
	for kind in $alloc_kinds; do
		fault "$kind" probability 0
		fault "$kind" ignore-gfp-wait N
		fault "$kind" stacktrace-depth 32
		# The disks below have no part in it.
		fault "$kind" reject-start "0x$(module_symbols dm_remap_faulty | head -n 1)"
		fault "$kind" reject-end "$(printf '0x%x' $(((0x$last | 4095) + 1)))"
		fault "$kind" verbose 0
		alloc_count[$kind]=1
	done
	fault fail_page_alloc min-order 0
	fault fail_page_alloc ignore-gfp-highmem N
	# The books that the kernel keeps on its own behalf do not count.
	fault failslab cache-filter Y
	for cache in /sys/kernel/slab/*/failslab; do
		case $cache in
		*kmemleak* | *debug_objects*) ;;
		*) echo 1 >"$cache" 2>/dev/null ;;
		esac
	done
	last=${alloc_function[-1]}
	alloc_end=$(printf '%x' $(((0x$last | 4095) + 1)))
	alloc_range "0x${alloc_function[0]}" "0x$alloc_end"
}

# The number-th call from now on fails, and no other: of its count's multiples that is the first.
alloc_arm() { # KIND NUMBER
	fault "$1" interval $((alloc_count[$1] + $2))
	fault "$1" space 0
	fault "$1" times 1
	fault "$1" probability 100
}
alloc_disarm() { # KIND NUMBER
	fault "$1" probability 0
	if [ "$(<"/sys/kernel/debug/$1/times")" = 0 ]; then
		alloc_done=1 alloc_count[$1]=$((alloc_count[$1] + $2)) alloc_failed=$((alloc_failed + 1))
	else
		alloc_done='' alloc_count[$1]=$((alloc_count[$1] + $2 - 1))
	fi
}

alloc_one() { # NAME KIND NUMBER: with this one failing; false if the checks say that something is wrong
	local status wrong

	"$1_before" || bail "$1: cannot be made ready"
	alloc_arm "$2" "$3"
	"$1_try" >/tmp/disks/said 2>&1
	status=$?
	alloc_disarm "$2" "$3"
	wrong=$("$1_after" $status 2>&1)
	[ "$alloc_done" ] || [ $status = 0 ] || wrong+=" failed though no allocation did: $(tail -n 1 /tmp/disks/said)"
	[ -z "$wrong" ] || diag "$1, $2 number $3 (status $status): $wrong"
	[ -z "$wrong" ]
}

# One after the other. With STEP, after the first 24 only each STEP-th: reserves are filled by many that are alike.
alloc_each() { # SENTENCE NAME [STEP]
	local kind n tries wrong before=$alloc_failed begin=$SECONDS

	wrong=0
	for kind in $alloc_kinds; do
		# The first to fail tells where the kernel's count is.
		alloc_done=''
		for tries in 1 2 3; do
			[ "$alloc_done" ] || alloc_one "$2" "$kind" 1 || wrong=$((wrong + 1))
		done
		for ((n = 1; wrong < 10; n += n > 24 ? ${3:-1} : 1)); do
			alloc_one "$2" "$kind" "$n" || wrong=$((wrong + 1))
			[ "$alloc_done" ] || break
		done
	done
	diag "$2: $((alloc_failed - before)) allocations failed, $((SECONDS - begin)) s"
	num "$1: something was made to fail" $((alloc_failed - before)) -gt 0
	is "$1" "$wrong" 0
}

# All that is allocated beneath these functions, and them alone, fails.
alloc_all_beneath() { # NAME FIRST END: indices of functions
	local kind status wrong

	alloc_range "0x${alloc_function[$2]}" "0x${alloc_function[$3]:-$alloc_end}"
	"$1_before" || bail "$1: cannot be made ready"
	alloc_none
	"$1_try" >/tmp/disks/said 2>&1
	status=$?
	alloc_again
	wrong=$("$1_after" $status 2>&1)
	[ -z "$wrong" ] && return
	diag "$1, all beneath $(awk -v a="${alloc_function[$2]}" '$1 == a { print $3; exit }' /proc/kallsyms) and on (status $status): $wrong"
	return 1
}
alloc_for_good() { # SENTENCE NAME
	local f wrong=0 before=$alloc_failed begin=$SECONDS

	for ((f = 0; f < ${#alloc_function[@]}; f += alloc_together)); do
		alloc_all_beneath "$2" $f $((f + alloc_together)) || wrong=$((wrong + 1))
	done
	alloc_range "0x${alloc_function[0]}" "0x$alloc_end"
	diag "$2: $((alloc_failed - before)) allocations failed beneath some function or other, $((SECONDS - begin)) s"
	num "$1: something was made to fail" $((alloc_failed - before)) -gt 0
	is "$1" "$wrong" 0
}

# From here to there no allocation succeeds.
alloc_none() {
	local kind

	for kind in $alloc_kinds; do
		fault "$kind" interval 1
		fault "$kind" space 0
		fault "$kind" times 1000000
		fault "$kind" probability 100
	done
}
alloc_again() {
	local kind

	for kind in $alloc_kinds; do
		fault "$kind" probability 0
		alloc_failed=$((alloc_failed + 1000000 - $(<"/sys/kernel/debug/$kind/times")))
	done
}

# A message works for at most a second.
remap_all() { # FIRST END
	local at=$1

	while [ "$at" ]; do
		at=$(message r remap "$at" $(($2 - at)) | sed -n 's/^next //p')
	done
}

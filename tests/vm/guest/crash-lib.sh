# SPDX-License-Identifier: GPL-2.0-or-later
# What the crash tests share: two disks for crasher, which prints its own TAP.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
crash_disks() {
	mk_null lower 16M
	mk_null under 8M
}
# The seed may be given with `tests/vm/run --append crash_seed=7`.
crash() { # CRASH-POINTS SCENARIO
	/vm/crasher -s "$(sed -n 's/.*crash_seed=\([0-9]*\).*/\1/p' /proc/cmdline | grep . || echo 1)" -n "$1" "$2" "$lower" "$under" >&3 ||
		bail "crasher $2 ended with $?"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# What the crash tests share: disks for powercut, which prints its own TAP and counts its crash points.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
# A pair is loaded and removed at every crash point: that is mostly waiting for RCU, and logging.
echo 1 >/sys/kernel/rcu_expedited
echo 0 >/sys/module/rcutree/parameters/jiffies_till_first_fqs
echo 1 >/sys/module/rcutree/parameters/jiffies_till_next_fqs
dmesg -n 5

# Two pairs of disks, for two that run side by side.
crash_disks() { # [MAIN-SIZE]
	mk_null lower1 "${1:-16M}"
	mk_null under1 8M
	mk_null lower2 "${1:-16M}"
	mk_null under2 8M
}
# With `tests/vm/run --append crash_seed=7` other ones than usual.
crash_seed=$(sed -n 's/.*crash_seed=\([0-9]*\).*/\1/p' /proc/cmdline)
crash() { # CRASH-POINTS PAIR SCENARIO...
	local points=$1 pair=$2 lower=lower$2 under=under$2 scenario
	shift 2
	for scenario; do
		/vm/powercut -s "${crash_seed:-1}" -n "$points" -i "$pair" "$scenario" "${!lower}" "${!under}" >&3 ||
			not_ok "powercut $scenario comes to its end" "status $?"
	done
}

# SPDX-License-Identifier: GPL-2.0-or-later
# What the damage tests share: disks for the program damage, which prints its own TAP.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the disks' variables
. /vm/lib.sh
# A pair is loaded and removed three times in each case: that is mostly waiting for RCU, and logging.
echo 1 >/sys/kernel/rcu_expedited
echo 0 >/sys/module/rcutree/parameters/jiffies_till_first_fqs
echo 1 >/sys/module/rcutree/parameters/jiffies_till_next_fqs
dmesg -n 5
mk_null lower 16M
mk_null under 8M
# With `tests/vm/run --append damage_seed=7` other noise and other runs than usual.
damage_seed=$(sed -n 's/.*damage_seed=\([0-9]*\).*/\1/p' /proc/cmdline)
damage() { # OPTION...
	/vm/damage -s "${damage_seed:-14}" "$@" "$lower" "$under" >&3 || not_ok "damage comes to its end" "status $?"
}

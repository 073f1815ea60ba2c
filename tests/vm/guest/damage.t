# SPDX-License-Identifier: GPL-2.0-or-later
# C14: each metadata block damaged in nearly every way, some neighbours, some runs: the full map or a clear refusal. Quick; all of it: damage-all.t.
# tools: damage
# suite: long
# timeout: 200
# kernels: one
. /vm/damage-lib.sh
damage
done_testing

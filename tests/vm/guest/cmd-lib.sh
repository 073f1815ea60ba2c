# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the command share. After lib.sh; they work in a folder of their own.
# shellcheck shell=bash disable=SC2034
run() { # WORD...: $out, $err and $status
	out=$(dmremap "$@" 2>err </dev/null)
	status=$?
	err=$(cat err)
}

# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of what a document says: runs its commands as they stand there. Set $document before.
# shellcheck shell=bash
# shellcheck disable=SC2154 # document
sudo() { "$@"; }
dmremap() { # as a person would: YES where it is asked for
	command dmremap "$@" <<<YES
}
cd /tmp || bail "no /tmp"

# The block behind the line of the document that ends in ".t: NAME -->" or "this one: NAME -->".
block() { # NAME
	awk -v name="$1" '$0 ~ "(\\.t|this one): " name " -->$" { found = 1; next }
		found && /^```$/ { exit }
		found && /^```sh$/ { on = 1; next }
		on { print }' "$document"
}
# Runs here, for blocks share variables; the first command that fails ends the test.
run_block() { # NAME: its output goes to NAME.out
	local running=$1 # for the trap, which may run within a function with words of its own
	block "$1" >"$1.sh"
	[ -s "$1.sh" ] || bail "${document##*/} has no block '$1'"
	trap 'diag "block $running: failed at: $BASH_COMMAND"; sed "s/^/# /" "$running.err" >&3' ERR
	set -eE
	# shellcheck source=/dev/null
	. "./$1.sh" >"$1.out" 2>"$1.err"
	set +eE
	trap - ERR
}

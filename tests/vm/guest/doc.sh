# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of what a document says: runs its commands as they stand there. Set $document before.
# shellcheck shell=bash
# shellcheck disable=SC2154 # document
sudo() { "$@"; }
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
	block "$1" >"$1.sh"
	[ -s "$1.sh" ] || bail "${document##*/} has no block '$1'"
	trap 'diag "block $1: failed at: $BASH_COMMAND"; sed "s/^/# /" "$1.err" >&3' ERR
	set -eE
	# shellcheck source=/dev/null
	. "./$1.sh" >"$1.out" 2>"$1.err"
	set +eE
	trap - ERR
}

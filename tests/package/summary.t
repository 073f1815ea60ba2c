#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TESTING_SUMMARY.md says of the logs what tests/check says: passed, failed, skipped, a plan that was missed, a bad end.
. "$(dirname "$0")/lib.sh"

log() { # SUITE STATUS: what it printed is read
	printf '@suite %s\n@date 2026-01-02\n@commit abc\n@kernel 6.9.9\n@status %s\n@seconds 60\n' "$1" "$2" >"$work/logs/vm/$1"
	cat >>"$work/logs/vm/$1"
}
mkdir -p "$work/logs/vm"
printf 'ok 1 - a\nok 2 - b # SKIP why\nnot ok 3 - c\n1..3\n# disk: 123 crash points in 4 s\n' | log 'some on 6.9' 1
printf 'ok 1 - a\n' | log 'planless on 6.9' 0
printf 'ok 1 - a\n1..1\n' | log 'badly' 3
printf 'ok 1 - a\n1..2\n' | log 'short' 0
printf '1..0 # SKIP no kernel\n' | log 'absent' 0
printf 'ok 1 - a\n1..1\n1..0 # SKIP no b\n' | log 'partly' 3
out=$("$top/tests/summary" "$work/logs")
like "tests on one kernel are one row" "$out" '\| guest tests on 6\.9 \| 6\.9\.9 \| 2 \| 2 \| 1 \| 2 \| 2\.0 \| 2026-01-02 \| abc \|'
like "a bad end is a failure" "$out" 'badly: 1 failed'
like "so is a missing plan" "$out" 'planless on 6\.9: 1 failed'
like "so is a plan that was missed" "$out" 'short: 1 failed'
like "so is one beside what was left out" "$out" 'partly: 1 failed'
like "what was left out is not" "$out" '\| absent \| 6\.9\.9 \| 0 \| 0 \| 1 \|'
like "all is added up" "$out" '5 passed, 5 failed, 3 skipped'
like "figures are told" "$out" '123 crash points in all'
rm -r "$work"/logs/*
check_fails "without logs there is no summary" "$top/tests/summary" "$work/logs"
done_testing

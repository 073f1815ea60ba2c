#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line: verbs, options, exit codes; what is wrong is refused with what to do next.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

run --version
is "it knows its version" "$out" "dmremap $(cat "$top/VERSION")"
run --help
is "help succeeds" "$status" 0
mapfile -t verbs < <(printf '%s\n' "$out" | sed -n 's/^  \([a-z-]*\) .*/\1/p')
is "help lists all verbs" "${verbs[*]}" \
	"create assemble stop list status show stats health remap unremap retest grow resume-auto check dump probe repair wipe"
for verb in "${verbs[@]}"; do
	run "$verb" --help
	like "$verb has help" "$status $out" "^0 usage: dmremap $verb"
	refuses "$verb refuses an unknown option" 2 'unknown option "--wrong"' "$verb" --wrong
	refuses "$verb refuses too many words" 2 "with [0-9]+ words after it: expected" "$verb" $(seq 70)
done
refuses "no verb is refused" 2 "what is to be done"
refuses "an unknown verb is refused" 2 'unknown verb "destroy"' destroy
refuses "an option of another verb is refused" 2 "list takes no option --wipe" list --wipe
refuses "one letter of several is named" 2 'unknown option "-x"' list -xj
refuses "an option without its value is refused" 2 'option "-o" wants a value' list -o
refuses "create wants two devices" 2 "create with 1 words after it" create /dev/null
refuses "unremap wants sectors" 2 "which sectors" unremap x
refuses "and not all and some" 2 "which sectors" unremap x 5 --all
refuses "assemble wants a spare" 2 "which pair" assemble
refuses "and not all and one" 2 "which pair" assemble /dev/null --scan
refuses "another main is for one pair" 2 "new-main is for one pair" assemble --scan --new-main
refuses "what is configured is for a scan" 2 "configured is for --scan" assemble --configured /dev/null
run check -- --json extra
is "after -- are no options" "$status" 2

# Where monitoring asks, what cannot be known is 3.
run status --check --wipe
is "status --check answers 3 for a wrong option" "$status" 3
for words in "status --check --wrong" "status --wrong -c" "status -nc --wrong" "status --check -o"; do
	run $words
	is "and so does $words" "$status" 3
done
run status --wrong
is "without --check it is 2" "$status" 2

# Without root nothing of the kernel is touched.
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	for words in "list" "status" "show x" "stop x" "remap x 5" "create /dev/a /dev/b" "assemble --scan"; do
		err=$(setpriv --reuid 65534 --clear-groups "$dmremap" $words 2>&1 </dev/null)
		like "without root: $words" "$? $err" '^5 dmremap: .*next: try it as root'
	done
else
	for words in "list" "status" "show x" "stop x" "remap x 5" "create /dev/a /dev/b" "assemble --scan"; do
		refuses "without root: $words" 5 "for root only" $words
	done
fi
done_testing

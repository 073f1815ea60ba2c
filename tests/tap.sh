# SPDX-License-Identifier: GPL-2.0-or-later
# What tests on this machine are written with: numbered TAP, which ends with done_testing. (Guests have vm/guest/lib.sh.)
# With $about set, each sentence begins with it.
# shellcheck shell=bash
count=0 failures=0

ok() { count=$((count + 1)); echo "ok $count - ${about:+$about: }$*"; }
not_ok() { # SENTENCE DETAIL
	count=$((count + 1))
	failures=$((failures + 1))
	echo "not ok $count - ${about:+$about: }$1"
	printf '%s\n' "$2" | sed 's/^/# /'
}
skip() { ok "$1 # SKIP $2"; }
check() { # SENTENCE COMMAND...: the command succeeds; $out is what it printed
	local sentence=$1 status
	shift
	out=$("$@" 2>&1) && { ok "$sentence"; return 0; }
	status=$?
	not_ok "$sentence" "'$*' ended with $status: $(tail -n 50 <<<"$out")"
	return 1
}
check_fails() { # SENTENCE COMMAND...
	local sentence=$1
	shift
	out=$("$@" 2>&1) || { ok "$sentence"; return 0; }
	not_ok "$sentence" "'$*' succeeded: $(tail -n 50 <<<"$out")"
	return 1
}
is() { # SENTENCE GOT WANTED
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', wanted '$3'"; fi
}
like() { # SENTENCE GOT REGEX
	if [[ $2 =~ $3 ]]; then ok "$1"; else not_ok "$1" "got '$2', which does not match /$3/"; fi
}
unlike() { # SENTENCE GOT REGEX
	if [[ $2 =~ $3 ]]; then not_ok "$1" "got '$2', which matches /$3/"; else ok "$1"; fi
}
has() { # SENTENCE GOT TEXT
	if [[ $2 == *"$3"* ]]; then ok "$1"; else not_ok "$1" "got '$2', which does not have '$3'"; fi
}
bail() { not_ok "$1" "${2:-}"; done_testing; }
done_testing() { echo "1..$count"; [ "$failures" = 0 ]; exit; }

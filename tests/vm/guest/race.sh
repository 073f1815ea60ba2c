# SPDX-License-Identifier: GPL-2.0-or-later
# All at once, in rounds: threads and fio that know what they must read, sectors and slots that die and heal,
# messages, suspends, reloads, renames. In gentle rounds no write may fail, nor any read of what was not killed for
# reading; in rough ones main and spare go away and come back, and a device may fail I/O then, but never lie.
# shellcheck shell=bash disable=SC2154,SC2034
. /vm/io.sh

kcsan=/sys/module/kcsan/parameters
race_begin() { # OPTION-OF-FAULTY...
	io_disks 64M 16M "$@"
	end=131072 length=110592 name=r
	# W: main's sectors die for writing only; R: for reading, too. What is left is fio's. Half of all happens at the
	# beginning of each thread's share, for to race is to meet.
	w_first=0 w_count=40960 r_first=40960 r_count=20480
	w_threads=2 r_threads=2 hot=(0 20480 40960 51200)
	fio_first=61440
	dm_create r "$(race_table)" --uuid race || bail "no pair"
	# A kernel that looks for data races, in our modules only, can afford to look often.
	[ ! -d $kcsan ] || echo 20 >$kcsan/skip_watch
	dev="/dev/dm-$(dmsetup info -c --noheadings -o minor -u race | tr -d ' ')"
}
race_table() { echo "0 $length dm-remap-v4 $m $s${*:+ $# $*}"; } # [ARG...]
stopped() { [ -e /tmp/stop ]; }
# Renamed meanwhile, it is found by its uuid.
dm() { dmsetup "$1" -u race "${@:2}"; } # VERB [ARG...]
said() { dmsetup message -u race 0 "$@"; } # WORD...
field() { dmsetup status --noflush -u race | cut -d ' ' -f $((3 + $1)); } # NUMBER: of the status
random() { echo $((RANDOM * 32768 + RANDOM)); }
somewhere() { # LIMIT: a sector below it, as often as not a hot one
	if ((RANDOM % 2)); then
		echo $((${hot[RANDOM % 4]} + RANDOM % 32 * 8))
	else
		echo $(($(random) % $1))
	fi
}
one_of() { echo "${@:RANDOM % $# + 1:1}"; } # WORD...
oops() { echo "$*" >>/tmp/oops; } # what must not have happened

## Who reads and writes

# They make way for those who disturb them.
racer() { # FIRST COUNT NAME [OPTION...]: ends the shell it is in
	exec /vm/racer "${@:4}" "$dev" "$1" "$2" /tmp/disks/model-"$3"
}
# Each in its own part. Where I/O may fail it only makes traffic: after an error it wants bytes that it never wrote.
race_fio() { # KIND
	if [ "$1" = gentle ]; then
		fio_words --runtime=1000 --verify=crc32c --verify_fatal=1 --fsync=64
		exec "${words[@]}"
	fi
	fio_words --runtime=2 --continue_on_error=all
	until stopped; do "${words[@]}"; done
}
fio_words() { # OPTION...
	words=(fio --nice=10 --filename="$dev" --direct=1 --time_based --serialize_overlap=1 --minimal "$@"
		--name=psync --ioengine=psync --rw=randwrite --bs=512 --offset=$((fio_first * 512)) --size=2M
		--name=aio --ioengine=libaio --iodepth=8 --rw=randrw --bsrange=4k-64k
		--offset=$(((fio_first + 4096) * 512)) --size=10M
		--name=uring --ioengine=io_uring --iodepth=4 --rw=randwrite --bs=1m --offset=$(((fio_first + 24576) * 512)) --size=8M)
}

## What happens to the disks

killer() { # main's sectors, several at once; now and then some are well again
	local at what clauses i writes=("write keep" "write heal" "write keep target")
	local reads=("read heal" "read keep" "both keep ioerr" "write keep")
	until stopped; do
		clauses=''
		for i in 1 2 3 4; do
			at=$(($(somewhere $end) / 8 * 8))
			what=${writes[RANDOM % 3]}
			[ $at -lt $r_first ] || [ $at -ge $((r_first + r_count - 64)) ] || what=${reads[RANDOM % 4]}
			clauses+=" bad $at $((RANDOM % 24 + 1)) $what"
		done
		clauses+=" good $(one_of "${hot[@]}") 512"
		[ $((RANDOM % 4)) != 0 ] || clauses+=" good $((RANDOM * 3)) 8192"
		# shellcheck disable=SC2086 # words
		message m $clauses || oops "killer"
		sleep 0.1
	done
}
slot_killer() { # the spare's, for writing: so that units move; three at a time, for as many others are tried (C7)
	local at dead=() used most=0
	until stopped; do
		used=$(field 2 | cut -d / -f 1)
		used=${used:-0}
		# What there was: what is there at the end may just have been unmapped.
		[ "$used" -le $most ] || most=$used
		echo $most >/tmp/most
		at=$(slot_sector $((RANDOM % (used + 8))))
		if [ ${#dead[@]} = 3 ]; then
			message s good "${dead[0]}" 8
			dead=("${dead[@]:1}")
		fi
		dead+=("$at")
		message s bad "$at" 8 write
		sleep 0.5
	done
}
holder() { # what is on its way stays there for a moment
	local disk
	until stopped; do
		disk=$(one_of m s)
		message $disk hold 0 0 both,flush times $((RANDOM % 4 + 1))
		sleep 0.05
		message $disk release
		sleep 0.4
	done
}
puller() { # main or spare goes away and comes back
	local disk
	until stopped; do
		sleep 1
		disk=$(one_of m m s)
		message $disk "$(one_of offline offline readonly)"
		sleep 0.$((RANDOM % 5 + 1))
		message $disk online
		said resume_auto >/dev/null
	done
}

## What people do

talker() {
	local at words answer
	until stopped; do
		at=$(somewhere $((r_first + r_count - 2048)))
		for words in list "remap $at $((RANDOM % 64 + 1))" stats "remap $(one_of "${hot[@]}") 256" health "unremap $(one_of "${hot[@]}") 256" \
			grow "retest $at 256" stats_clear "remap $(one_of "${hot[@]}") 64" "unremap $at 2048" resume_auto "list $at" \
			"unremap $(one_of "${hot[@]}") 256" help "retest 0 $((r_first + r_count))"; do
			# shellcheck disable=SC2086 # words
			answer=$(LC_ALL=C said $words 2>&1 >/dev/null) && continue
			# Suspended; or it cannot be done, which the log explains: EIO and EINVAL.
			[[ $answer =~ "resource busy"|"Input/output error"|"Invalid argument" ]] || oops "message $words: $answer"
		done
	done
}
watcher() {
	until stopped; do
		timeout 5 dmsetup wait --noflush -u race >/dev/null 2>&1
		dm status >/dev/null || oops "status"
		dm table >/dev/null || oops "table"
	done
}
lives=0
life() { # NUMBER KIND: one thing
	case $1 in
	0) dm suspend && dm resume ;;
	1) dm suspend --noflush && dm resume ;;
	2) dm load --table "$(race_table)" && dm resume ;;
	3) dm load --table "$(race_table)" && dm suspend --noflush && dm resume ;;
	4) dm load --table "$(race_table fail_pending)" && dm suspend && dm resume ;;
	5)
		# Cleared, then renamed: device-mapper's part for IMA frees something twice, unless a table comes between.
		dm load --table "$(race_table)" && dm clear && dm load --table "$(race_table)" && dm resume ;;
	6)
		# That is written down, which needs a spare.
		[ "$2" = rough ] || [ "$length" = $end ] || length=$((length + 2048))
		dm load --table "$(race_table)" && dm resume ;;
	7)
		# With it, a failed write is an error.
		[ "$2" = gentle ] || { dm load --table "$(race_table no_auto)" && dm resume; } ;;
	8)
		set -- "$name" "$([ "$name" = r ] && echo q || echo r)"
		dmsetup rename "$1" "$2" && name=$2 ;;
	9) dm suspend && dm load --table "$(race_table)" && dm resume ;;
	esac
}
liver() {
	local what i=0
	until stopped; do
		what=$((i++ < 10 ? i - 1 : RANDOM % 10))
		life $what "$1" || oops "life $what"
		echo "$name $length" >/tmp/life
		echo >>/tmp/lives
		sleep 0.0$((RANDOM % 10))
	done
}

## A round

units_listed() { # how many units the list has entries for
	local at=0 answer all=''
	while [ "$at" ]; do
		answer=$(said list "$at")
		all+=$answer$'\n'
		at=$(sed -n 's/^next //p' <<<"$answer")
	done
	awk '$1 ~ /^[0-9]/ { for (u = int($1 / 8); u <= int(($1 + $2 - 1) / 8); u++) unit[u] = 1 }
		END { for (u in unit) n++; print n + 0 }' <<<"$all"
}
looks() { # SENTENCE
	check "$1: what cannot be killed for reading reads, and right" racer $w_first $w_count w -l
	check "$1: what was killed reads again, and right" racer $r_first $r_count r -l
}
race_round() { # KIND SECONDS
	local kind=$1 pids=() jobs=() p ended='' may=()
	[ "$kind" = gentle ] || may=(-e)
	rm -f /tmp/stop /tmp/oops /tmp/lives /tmp/most
	echo "$name $length" >/tmp/life
	racer $w_first $w_count w -t $w_threads "${may[@]}" >/tmp/w.out 2>&1 & jobs+=($!)
	racer $r_first $r_count r -t $r_threads -r "${may[@]}" >/tmp/r.out 2>&1 & jobs+=($!)
	race_fio "$kind" >/tmp/fio.out 2>&1 & jobs+=($!)
	killer & pids+=($!)
	slot_killer & pids+=($!)
	holder & pids+=($!)
	talker & pids+=($!)
	watcher & pids+=($!)
	liver "$kind" & pids+=($!)
	if [ "$kind" = rough ]; then puller & pids+=($!); fi
	sleep "$2"
	# A loaded machine gets more time, for something has to happen.
	until_true $(($2 * 6)) eval '[ "$(wc -l </tmp/lives)" -ge 10 ]'
	: >/tmp/stop
	check "C15: $kind: messages, reloads, faults end" timeout 60 tail "${pids[@]/#/--pid=}" -f /dev/null
	read -r name length </tmp/life
	for p in m s; do message $p release; message $p good 0 0 fail_never online; done
	[ "$name" = r ] || dmsetup rename "$name" r
	name=r
	said resume_auto >/dev/null
	for p in "${jobs[@]:0:2}"; do kill -TERM "$p" 2>/dev/null || ended+=" $p"; done
	[ "$kind" = rough ] || kill -INT "${jobs[2]}" 2>/dev/null || ended+=" fio"
	is "C15: $kind: who reads and writes did so to the end" "$ended" "" ||
		diag "$(grep -E 'verify|err=' /tmp/fio.out | head -n 8)"
	check "C15: $kind: and ends when told to" timeout 60 tail "${jobs[@]/#/--pid=}" -f /dev/null
	wait "${jobs[0]}"; is "C3: $kind: no wrong byte or error where main dies for writing" $? 0
	diag "$(cat /tmp/w.out)"
	wait "${jobs[1]}"; is "C4: $kind: no wrong byte, nor failed write, where it dies for reading" $? 0
	diag "$(cat /tmp/r.out)"
	if [ "$kind" = gentle ]; then
		is "C13: gentle: fio has seen no wrong byte" "$(grep -c 'verify:' /tmp/fio.out)" 0
		is "C3: gentle: nor any error" "$(grep -c 'error=' /tmp/fio.out)" 0
		grep -E 'verify:|error=' /tmp/fio.out | head -n 5 | sed 's/^/# /' >&3
	fi
	is "C15: $kind: nobody was refused what must work" "$(sort /tmp/oops 2>/dev/null | uniq -c | head -n 5)" ""
	diag "$(wc -l </tmp/lives) suspends, reloads, renames; $(dmsetup status --noflush -u race)"
	num "C15: $kind: there were some" "$(wc -l </tmp/lives)" -ge 3
	if [ "$kind" = gentle ]; then
		is "C15: gentle: nothing is wrong" "$(field 1)" active
		num "C3: gentle: units were relocated" "$(cat /tmp/most)" -gt 20
		num "C7: gentle: and moved" "$(bad_slots r)" -gt 0
	fi
	again "$kind"
}
again() { # KIND: all is well, and stays so over a removal
	local list
	if [ "$1" = gentle ]; then
		drive retest 0 "$length" >/dev/null
		looks "C3: $1"
		is "C15: $1: each slot in use is one of the list" "$(units_listed)" "$(used_slots r)"
	fi
	settle
	list=$(said list)
	check "C15: $1: it is removed" dmsetup remove r
	check "C15: $1: and created again" dm_create r "$(race_table)" --uuid race
	[ "$1" = rough ] || is "C13: $1: with the same map" "$(said list)" "$list"
	drive retest 0 "$length" >/dev/null
	is "C15: $1: healthy" "$(field 1)" active
	is "C15: $1: each slot in use is one of the list" "$(units_listed)" "$(used_slots r)"
	looks "C13: $1: after removal"
}
race() { # SECONDS SECONDS-OF-A-ROUND
	local n
	for ((n = 0; n < $1 / $2; n++)); do
		race_round "$([ $((n % 2)) = 0 ] && echo gentle || echo rough)" "$2"
	done
	check "C15: removed at last" dmsetup remove r
	[ ! -d $kcsan ] || diag "$(grep -E '^(setup_watchpoints|data_races|no_capacity):' /sys/kernel/debug/kcsan | tr '\n' ' ')"
}

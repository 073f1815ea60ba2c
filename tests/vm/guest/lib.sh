# SPDX-License-Identifier: GPL-2.0-or-later
# What guest tests are written with; a test begins with `. /vm/lib.sh` and ends with `done_testing`.
# Results go to descriptor 3, so that they arrive whatever a test redirects. The host numbers them.
# shellcheck shell=bash
exec 3>&1
# An optional part of MODULAR builds. The test before this one may have unloaded it.
[ -d /sys/module/dm_remap_health ] || modprobe -q dm-remap-health

## Results

ok() { echo "ok - $*" >&3; }
diag() { printf '%s\n' "$*" | sed 's/^/# /' >&3; }
not_ok() { # SENTENCE [DETAIL]
	echo "not ok - $1" >&3
	[ $# = 1 ] || diag "$2"
}
skip() { echo "ok - $1 # SKIP $2" >&3; } # SENTENCE REASON
skip_all() { echo "@skip $*" >&3; exit 0; }
bail() { diag "cannot go on: $*"; exit 1; }
# What a person should see: printed bare by `run --plain`.
say() { printf '%s\n' "$*" | sed 's/^/> /' >&3; }
done_testing() { echo "@done" >&3; exit 0; }

check() { # SENTENCE COMMAND...: the command succeeds
	local sentence=$1 out status
	shift
	out=$("$@" 2>&1) && { ok "$sentence"; return 0; }
	status=$?
	not_ok "$sentence" "'$*' ended with $status: $out"
	return 1
}
check_fails() { # SENTENCE COMMAND...: the command fails
	local sentence=$1 out
	shift
	out=$("$@" 2>&1) || { ok "$sentence"; return 0; }
	not_ok "$sentence" "'$*' succeeded: $out"
	return 1
}
# A child can be waited for in its own shell only, which that of check's COMMAND is not.
ends_well() { # SENTENCE PID
	wait "$2" && { ok "$1"; return 0; }
	not_ok "$1" "it ended with $?"
}
ends_badly() { # SENTENCE PID
	wait "$2" || { ok "$1"; return 0; }
	not_ok "$1" "it succeeded"
}
wait_all() { # PID...: sets $failed: how many of these ended badly
	local pid

	failed=0
	for pid; do wait "$pid" || failed=$((failed + 1)); done
}
is() { # SENTENCE GOT WANTED
	[ "$2" = "$3" ] && { ok "$1"; return 0; }
	not_ok "$1" "got '$2', wanted '$3'"
	return 1
}
like() { # SENTENCE GOT REGEX
	[[ $2 =~ $3 ]] && { ok "$1"; return 0; }
	not_ok "$1" "got '$2', which does not match /$3/"
	return 1
}
unlike() { # SENTENCE GOT REGEX
	[[ $2 =~ $3 ]] || { ok "$1"; return 0; }
	not_ok "$1" "got '$2', which matches /$3/"
	return 1
}
num() { # SENTENCE GOT OPERATOR(-eq -lt -le -gt -ge -ne) WANTED
	test "$2" "$3" "$4" && { ok "$1"; return 0; }
	not_ok "$1" "got $2, wanted $3 $4"
	return 1
}

## Waiting for events

until_true() { # SECONDS COMMAND...: polls, for what offers nothing to wait for
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}
until_is() { # SECONDS WANTED COMMAND...: polls until it prints this
	local seconds=$1 wanted=$2
	shift 2
	until_true "$seconds" prints "$wanted" "$@"
}
prints() { [ "$("${@:2}")" = "$1" ]; } # WANTED COMMAND...
blocked() { grep -q '^State:.D' /proc/"$1"/status; } # PID: is it within an I/O?
# So many processes of that name are within an I/O. (A shell's function in the background is a process of another name.)
in_io() { # NAME [COUNT]
	[ "$(awk -v name="$1" 'FNR == 1 { n = $2 } /^State:.D/ && n == name { found++ } END { print found + 0 }' \
		/proc/[0-9]*/status 2>/dev/null)" -ge "${2:-1}" ]
}
event_of() {
	local n
	read -r n < <(dmsetup info -c --noheadings -o events "$1")
	echo "$n"
}
wait_event() { # SECONDS DEVICE NUMBER: until the device has seen more events than NUMBER
	timeout "$1" dmsetup wait --noflush "$2" "$3" >/dev/null
}

## The kernel's log

log_mark() { # sets $log_mark; with it, kernel_log_since gives what came later
	log_mark="dmr-mark-$RANDOM$RANDOM"
	echo "$log_mark" >/dev/kmsg
}
kernel_log_since() { dmesg | sed "1,/$1/d"; } # MARK
log_has() { kernel_log_since "$1" | grep -Eq -- "$2"; } # MARK REGEX

## The host's part

vm_powercut() { # ends the guest at once, as it is; the test starts again with BOOT one higher
	bash /vm/coverage
	echo "@powercut" >&3
	while :; do sleep 3600; done
}
vm_reboot() { # a clean reboot: what the test left open is closed by the kernel
	bash /vm/coverage
	echo "@reboot" >&3
	sync
	reboot -f
	while :; do sleep 3600; done
}
# Each disk of the header "# disks: main=256M" is /dev/vm/main and in the variable $main.
for _disk in /dev/vm/*; do
	[ -e "$_disk" ] && printf -v "${_disk##*/}" %s "$(readlink -f "$_disk")"
done

## Disks in memory

bytes() { numfmt --from=iec "$1"; }
mk_disk() { # NAME SIZE [LOGICAL-BLOCK]: a loop device over memory; its path in $NAME
	local file=/tmp/disks/$1
	truncate -s "$2" "$file" || bail "no room for disk $1"
	printf -v "$1" %s "$(losetup -f --show -b "${3:-512}" "$file")"
	[ "${!1}" ] || bail "no loop device for $1"
}
disk_file() { echo "/tmp/disks/$1"; } # NAME: what lies behind a mk_disk, to compare or to damage
grow_disk() { # NAME SIZE
	truncate -s "$2" "/tmp/disks/$1" && losetup -c "${!1}"
}
mk_null() { # NAME SIZE [ATTRIBUTE=VALUE...]: null_blk with its data in memory; path in $NAME
	local name=$1 dir=/sys/kernel/config/nullb/$1 mb pair
	mb=$(($(bytes "$2") >> 20))
	shift 2
	[ -d /sys/module/null_blk ] || modprobe null_blk nr_devices=0 || bail "no null_blk"
	mkdir "$dir" || bail "null_blk $name exists"
	for pair in memory_backed=1 blocksize=512 "size=$mb" "$@" power=1; do
		echo "${pair#*=}" >"$dir/${pair%%=*}" || bail "null_blk $name refuses $pair"
	done
	if [ -e "/dev/$name" ]; then
		printf -v "$name" %s "/dev/$name"
	else
		printf -v "$name" %s "/dev/nullb$(cat "$dir/index")"
	fi
}
mk_scsi() { # NAME SIZE [MODULE-PARAMETER=VALUE...]: the one scsi_debug disk; path in $NAME
	local name=$1 mb block
	mb=$(($(bytes "$2") >> 20))
	shift 2
	modprobe sd_mod
	modprobe scsi_debug dev_size_mb="$mb" delay=0 "$@" || bail "no scsi_debug"
	until_true 10 compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/sd*" ||
		bail "scsi_debug has no disk"
	block=$(compgen -G "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/sd*" | head -n 1)
	until_true 10 test -b "/dev/${block##*/}"
	printf -v "$name" %s "/dev/${block##*/}"
	scsi_host=$(echo /sys/bus/pseudo/drivers/scsi_debug) && export scsi_host
}
sectors() { blockdev --getsz "$1"; }

## Device-mapper

dm_create() { # NAME TABLE [OPTION...]: the device is /dev/mapper/NAME
	local name=$1 table=$2
	shift 2
	dmsetup create "$name" "$@" --table "$table"
}
dm_reload() { # NAME TABLE: live
	dmsetup reload "$1" --table "$2" && dmsetup suspend "$1" && dmsetup resume "$1"
}
remap_table() { # MAIN SPARE [ARG...]: a whole-disk table line
	local main=$1 spare=$2
	shift 2
	echo "0 $(sectors "$main") dm-remap-v4 $main $spare${*:+ $# $*}"
}
remap_create() { # NAME MAIN SPARE [ARG...]
	local name=$1
	shift
	dm_create "$name" "$(remap_table "$@")"
}
# These are called so often that they start no program but dmsetup.
status_of() { # NAME: without start, length, target
	local rest
	while read -r _ _ _ rest; do echo "$rest"; done < <(dmsetup status --noflush "$1")
}
status_word() { # NAME NUMBER: from 0, the state
	local words
	read -ra words < <(dmsetup status --noflush "$1")
	echo "${words[$2 + 3]}"
}
state_of() { status_word "$1" 0; }
used_slots() { local slots; slots=$(status_word "$1" 1); echo "${slots%/*}"; }
all_slots() { local slots; slots=$(status_word "$1" 1); echo "${slots#*/}"; }
owned_sectors() { status_word "$1" 2; }
pending_sectors() { status_word "$1" 3; }
bad_slots() { status_word "$1" 4; }
status_key() { # NAME KEY: the value of a pair
	local words i
	read -d '' -ra words < <(dmsetup status --noflush "$1")
	for ((i = 3; i < ${#words[@]}; i++)); do
		[ "${words[i]}" != "$2" ] || { echo "${words[i + 1]}"; return; }
	done
}
message() { dmsetup message "$1" 0 "${@:2}"; } # NAME WORD...

## Data

# Every 512-byte sector of a pattern holds its seed and number, so that a misplaced one shows.
pattern() { # SEED FIRST-SECTOR COUNT
	# Few are quicker without a program; all of them are words of one printf.
	[ "$3" -gt 64 ] || [ "$3" -lt 1 ] || { eval "printf '%-511s\n' \"\$1 \"{$(($2))..$(($2 + $3 - 1))}"; return; }
	awk -v s="$1" -v f="$2" -v n="$3" 'BEGIN { for (i = f; i < f + n; i++) printf "%-511s\n", s " " i }'
}
put_pattern() { # DEVICE SEED SECTOR COUNT [BIO-SECTORS]: written with direct I/O, one bio each BIO-SECTORS
	local bio=${5:-$4}
	pattern "$2" "$3" "$4" | dd of="$1" bs=$((bio * 512)) seek=$(($3 * 512)) oflag=direct,seek_bytes \
		iflag=fullblock conv=notrunc status=none
}
get_sectors() { # DEVICE SECTOR COUNT: to standard output, with direct I/O, one bio
	dd if="$1" bs=$(($3 * 512)) skip=$(($2 * 512)) count=1 iflag=direct,skip_bytes status=none
}
holds_pattern() { # DEVICE SEED SECTOR COUNT
	cmp <(pattern "$2" "$3" "$4") <(get_sectors "$1" "$3" "$4")
}

## Clean-up: a test leaves nothing behind, and the modules must unload

_clean_up() {
	local status=$? m d left

	trap - EXIT
	cd /
	umount -a -t ext4,xfs,btrfs 2>/dev/null
	# Stacked devices go from the top: those below are busy at first.
	until [ -z "$(dmsetup ls --noheadings 2>/dev/null | grep -v '^No dev')" ]; do
		left=$(dmsetup ls | wc -l)
		losetup -D 2>/dev/null # some lie between two of them
		dmsetup remove_all --noudevsync >/dev/null 2>&1
		[ "$(dmsetup ls | wc -l)" -lt "$left" ] || dmsetup remove_all --force >/dev/null 2>&1
		[ "$(dmsetup ls | grep -vc '^No dev')" -lt "$left" ] || break
	done
	losetup -D 2>/dev/null
	rm -f /tmp/disks/*
	for d in /sys/kernel/config/nullb/*/; do [ ! -d "$d" ] || rmdir "$d"; done
	for m in dm_remap_health dm_remap dm_remap_meta dm_remap_core dm_remap_faulty scsi_debug null_blk brd; do
		[ -d "/sys/module/$m" ] || continue
		[ -e "/sys/module/$m/refcnt" ] || continue
		rmmod "$m" || { not_ok "module $m unloads after the test" "$(dmsetup ls; lsmod)"; status=1; }
	done
	exit "$status"
}
trap _clean_up EXIT

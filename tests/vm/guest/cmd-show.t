# SPDX-License-Identifier: GPL-2.0-or-later
# A map that does not fit into one answer of the target is shown whole.
# command: dmremap
# timeout: 200
# kernels: one
. /vm/lib.sh
cd /tmp || bail "no /tmp"
mk_disk disk 16M
mk_disk spare 16M
# Every other unit cannot be read: remapped, all are runs of their own.
awk -v d="$disk" 'BEGIN { for (s = 0; s < 16000; s += 16) { print s, 8, "linear", d, s; print s + 8, 8, "error" } }' >table
dmsetup create holes <table || bail "no device with holes"
check "a pair is made" dmremap create --yes /dev/mapper/holes "$spare" many
is "half of it is remapped, half pending" "$(dmremap remap many 0 16000 2>/dev/null)" "8000 sectors remapped, 8000 pending"
dmremap show -n many >out
is "all runs are shown" "$(wc -l <out)" 2000
is "each once, in order" "$(awk '{ print $1, $2 }' out)" "$(seq 0 8 15992 | sed 's/$/ 8/')"
like "more than one answer has" "$(message many list | tail -n 1)" "^next [0-9]+\$"
is "monitoring is warned of pending sectors" "$(dmremap status --check | cut -d ' ' -f 2)" WARNING

# All that can goes back, whatever is between.
out=$(dmremap unremap many --all 2>err)
is "unremap --all: what is readable goes back" "$? $out" "1 8000 sectors back on main"
like "the rest stays, and how much" "$(cat err)" '8000 sectors stay on the spare, the first of them is 8.*next: dmremap show many'
is "and nothing else" "$(dmremap show -n many | awk '{ n[$3] += $2 } END { print n["owned"] + 0, n["pending"] + 0 }')" "0 8000"
is "in JSON, too" "$(dmremap unremap --json many --all 2>/dev/null | tr -d '\n ' | grep -o '"stay":[0-9]*')" '"stay":8000'
dmremap stop many
dmsetup remove holes

# Main takes some of them no more, and one unit is in part owned, in part pending.
modprobe dm-remap-faulty || bail "no module"
dm_create bad "0 $(sectors "$disk") remap-faulty $disk 0 2 phys 1" || bail "no faulty disk"
dd if=/dev/zero of="$spare" bs=1M count=5 status=none
check "a pair on a disk that fails" dmremap create --yes /dev/mapper/bad "$spare" bad-pair
dmremap remap bad-pair 0 4000 >/dev/null
message bad "bad 800 16 write bad 1600 8 write"
dmremap unremap bad-pair 2004 4 >/dev/null
message bad "bad 2004 4 read"
dmremap remap bad-pair 2004 4 >/dev/null 2>&1
is "half of a unit is pending" "$(dmremap show -n bad-pair | awk '$1 == 2004 { print $2, $3 }')" "4 pending"
message bad "good 2004 4"
out=$(dmremap unremap bad-pair --all 2>err)
is "unremap --all: what main takes goes back" "$? $out" "1 3972 sectors back on main"
is "what it does not, and what is pending, stays" "$(dmremap show -n bad-pair | awk '{ printf "%s %s %s;", $1, $2, $3 }')" \
	"800 16 owned;1600 8 owned;2004 4 pending;"

# Of a unit each error takes longer than half the patience: several calls of the target for it.
usual=$(cat /sys/module/dm_remap/parameters/patience)
echo 4 >/sys/module/dm_remap/parameters/patience
message bad "bad 3002 1 read delay 3000 bad 3004 1 read delay 3000 bad 3006 1 read delay 3000"
out=$(dmremap remap bad-pair 3000 8 2>err)
is "a unit that takes several calls is remapped by one command" "$? $(tail -n 1 <<<"$out")" "0 5 sectors remapped, 3 pending"
message bad "good 3000 8"
dmremap retest bad-pair 3000 8 >/dev/null && dmremap remap bad-pair 3000 8 >/dev/null && dmremap unremap bad-pair 3000 8 >/dev/null
echo "$usual" >/sys/module/dm_remap/parameters/patience

dmsetup suspend bad-pair
out=$(dmremap unremap bad-pair --all 2>err)
is "where nothing would be done it ends at once" "$? $(grep -c "was refused" err)" "4 1"
dmsetup resume bad-pair
dmremap stop bad-pair
message bad "good 0 0"

## What monitoring is told of a pair that is not well

dm_create bad_spare "0 $(sectors "$spare") remap-faulty $spare 0" || bail "no faulty spare"
dd if=/dev/zero of="$spare" bs=1M count=5 conv=fsync status=none
check "a pair whose disks both fail as told" dmremap create --yes /dev/mapper/bad /dev/mapper/bad_spare ill
told() { # what is printed, and the exit status
	local out
	out=$(dmremap status --check ill)
	echo "$? $out"
}
like "it is well" "$(told)" '^0 DMREMAP OK - ill active 0/[0-9]+ slots, 0 pending, 0 bad$'
dmremap remap ill 800 8 >/dev/null
message bad_spare "bad 8208 8 write"
check "a write finds a bad slot" put_pattern /dev/mapper/ill a 800 8
like "a warning: a bad slot, and errors of the spare" "$(told)" '^1 DMREMAP WARNING - ill active 1/[0-9]+ slots, 0 pending, 1 bad, [1-9][0-9]* errors of the spare$'
message bad "bad 3000 8 read"
check_fails "a read finds bad sectors" get_sectors /dev/mapper/ill 3000 8
check "which become pending" until_is 20 8 pending_sectors ill
like "health has both errors, as rows" "$(dmremap health --json ill | tr -d '\n ')" \
	'"errors":\[\{"seconds_ago":[0-9]+,"event":"read","sector":3000,"count":8\},\{"seconds_ago":[0-9]+,"event":"spare","sector":800,"count":8\}\]'
message bad offline
check_fails "main goes away" put_pattern /dev/mapper/ill a 4000 8
check "which trips the breaker" until_is 20 tripped state_of ill
like "critical" "$(told)" '^2 DMREMAP CRITICAL - ill tripped '
message bad online
like "an answer in JSON" "$(dmremap resume-auto --json ill | tr -d '\n')" '"version":1,.*"answer":"[^"]*relocating again'
like "a warning again" "$(told)" '^1 DMREMAP WARNING - ill active '
message bad_spare "bad 8192 16 write bad 10224 16 write" # all places of its table
check_fails "a commit fails" dmremap remap ill 5000 8
like "critical: frozen" "$(told)" '^2 DMREMAP CRITICAL - ill frozen '
done_testing

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
dm_create bad "0 $(sectors "$disk") remap-faulty $disk 0" || bail "no faulty disk"
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
dmsetup suspend bad-pair
out=$(dmremap unremap bad-pair --all 2>err)
is "where nothing would be done it ends at once" "$? $(grep -c "was refused" err)" "4 1"
dmsetup resume bad-pair
done_testing

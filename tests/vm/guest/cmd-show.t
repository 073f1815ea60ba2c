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
done_testing

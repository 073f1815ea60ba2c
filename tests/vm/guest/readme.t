# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of README.md do what it says, as they stand there.
# files: README.md
# command: dmremap
# timeout: 400
# kernels: one
. /vm/lib.sh
# shellcheck disable=SC2034 # for doc.sh
document=/vm/README.md
. /vm/doc.sh

run_block files
ok "a pair of files is made, written and formatted"
say "$(tail -n 2 files.out)"
status='^0 131072 dm-remap-v4 active 1/3024 8 0 0 9 read_errors [0-9]+ write_errors [0-9]+ remapped_reads'
like "status is as README shows it" "$(tail -n 2 files.out | head -n 1)" "$status"
is "and so is the list" "$(tail -n 1 files.out)" "20000 8 owned 8208"
like "README's own example is such a line" "$(grep -m 1 '^    0 131072 dm-remap-v4' /vm/README.md | cut -c 5-)" "$status"
is "and has the same keys" "$(grep -m 1 '^    0 131072 dm-remap-v4' /vm/README.md | tr ' ' '\n' | grep '^[a-z]*_[a-z]*$\|^uuid$')" \
	"$(tail -n 2 files.out | head -n 1 | tr ' ' '\n' | grep '^[a-z]*_[a-z]*$\|^uuid$')"
check_fails "without dm-remap the same write fails" dd if=/dev/zero of=/dev/mapper/failing bs=4k seek=2500 count=1 oflag=direct
check "the file system is sound" e2fsck -fn /dev/mapper/safe
run_block again
is "after removal the map is the same" "$(tail -n 1 again.out)" "20000 8 owned 8208"
check "and the file system, too" e2fsck -fn /dev/mapper/safe
run_block away
ok "all of it goes away"

mk_disk main 64M
mk_disk spare 10000K	# no whole number of MiB
put_pattern "$main" a 0 512 || bail "main takes no data"
dd if=/dev/urandom of="$spare" bs=1M status=none 2>/dev/null
MAIN=$main SPARE=$spare
line="0 $(sectors "$main") dm-remap-v4 $main $spare"
check_fails "a spare with data is refused" dm_create safe "$line"
run_block blank
run_block real
ok "it is taken once it is made blank"
check "main keeps its data" holds_pattern /dev/mapper/safe a 0 512
like "the line that is kept names the devices and the pair" "$(cat /etc/dm-remap.safe)" "^$line 2 uuid [0-9a-f-]{36}\$"
message safe remap 100 4 >/dev/null
dmsetup remove safe
run_block boot
is "after a boot the pair is the same" "$(message safe list)" "100 4 owned 8212"
block wait >wait.sh
[ -s wait.sh ] || bail "README.md has no block 'wait'"
is "no event has been" "$(event_of safe)" 0
bash -c 'sudo() { "$@" && >"did-$2"; }; . ./wait.sh' &
check "a script asks for the events so far" until_true 60 test -e did-info
message safe remap 200 >/dev/null
check "and gets the next one" until_true 60 test -e did-wait
num "which there was" "$(event_of safe)" -ge 1
dmsetup remove safe

# The same with the command.
mk_disk third 16M
SPARE=$third
run_block create
check "the command makes a pair" dmsetup info safe
like "its line is kept" "$(cat /etc/dm-remap.conf)" "^safe [0-9a-f-]{36} $main\$"
command dmremap stop safe
run_block assemble
is "and assembles it" "$(cat assemble.out)" "/dev/mapper/safe is active"
run_block daily
like "it does what it is for day by day" "$(cat daily.out)" "safe +active.*8 sectors remapped.*verdict: clean"
run_block assemble
run_block dissolve
like "a pair is dissolved" "$(cat dissolve.out)" "no sector of main is on it.*zeroes"
is "nothing assembles it again" "$(command dmremap assemble --scan 2>&1 | grep "$third"; command dmremap list -n)$(cat /etc/dm-remap.conf)" ""
check "and main stands alone" holds_pattern "$main" a 0 512
done_testing

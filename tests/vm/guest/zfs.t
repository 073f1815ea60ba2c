# SPDX-License-Identifier: GPL-2.0-or-later
# A pool of ZFS on a pair whose main fails, in nine steps; then eight things that people do with files, on the same disk.
# suite: zfs
# zfs: yes
# command: dmremap
# programs: openssl xargs find
# files: docs/STACKS.md
# disks: lower=512M store=64M
# memory: 2G
# timeout: 700
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/zfs.sh
d=/tank/data

check "1. prerequisites: the module of ZFS loads" modprobe zfs
check "1. and that of dm-remap" modprobe dm-remap
check "1. zpool speaks to the module" zpool version
mkdir -p /etc/zfs

io_faulty m "$lower"
io_faulty s "$store"
MAIN=$m SPARE=$s
is "2. two disks: main has 512 MiB" "$(sectors $MAIN)" 1048576
is "2. and the spare 64 MiB" "$(sectors $SPARE)" 131072

run_block pool
is "3. the device is created" "$(state_of safe)" active
like "3. its line is kept" "$(cat /etc/dm-remap.conf)" "^safe [0-9a-f-]{36} "

is "4. a pool on it is online" "$(zpool list -H -o health tank)" ONLINE
like "4. on the device and not on main" "$(zpool status -P tank)" "/dev/mapper/safe +ONLINE +0 +0 +0"
is "4. with lz4, without atime, with sha256, each block twice" \
	"$(zfs get -H -o value compression,atime,checksum,copies tank/data | xargs)" "lz4 off sha256 2"
be_strict tank/data || bail "no such property"

mkdir -p /tmp/want/{first,second}
for round in first second; do
	for n in 600 4096 100000 1048576 16777216; do noise_of "$round $n" $n >/tmp/want/$round/noise-$n; done
	pattern $round 0 8000 >/tmp/want/$round/text
done
sums /tmp/want >/tmp/sums
cp -r /tmp/want/first $d
is "5. files of six sizes are written" "$(find $d/first -type f -printf '%s ' | xargs -n 1 | sort -n | xargs)" \
	"600 4096 100000 1048576 4096000 16777216"
is "5. with known checksums" "$(sums $d)" "$(grep /first/ /tmp/sums)"

# The first 4 KiB of each block's first copy die, and one of eight units of the whole disk takes no writes any more.
for f in "$d"/first/*; do blocks_of tank/data "$f"; done | sort -un >/tmp/blocks
blocks=$(wc -l </tmp/blocks)
num "6. the files' blocks are found" "$blocks" -ge 140
message m stats_clear
# shellcheck disable=SC2046 # words
message m bad_every 32 0 64 8 write $(awk '{ print "bad", $1, 8, "both" }' /tmp/blocks)
is "6. sectors fail on read" "$(message m list | grep -c ' read ')" "$(awk '{ n += $1 != end; end = $1 + 8 } END { print n }' /tmp/blocks)"
num "6. and on write" "$(message m list | grep -c ' write ')" -ge 16384
check "6. the pool takes more files" cp -r /tmp/want/second $d
zpool sync tank
num "6. though main refused writes" "$(status_key m failed_writes)" -ge 100
num "6. which were relocated" "$(used_slots safe)" -ge 100

message m stats_clear
is "7. all files read as they were written" "$(sums $d)" "$(cat /tmp/sums)"
num "7. though main failed reads" "$(status_key m failed_reads)" -ge 10

# Which copy a reader gets is ZFS's choice; a scrub reads both.
run_block scrub
like "8. a scrub ends without an unrecoverable error" "$(scrubbed)" "^[0-9.]+[BKM] 0\$"
check "8. no file is damaged" no_errors
command dmremap show -n safe >/tmp/list # all of it: a message may end before
check "8. the map is listed, and what died is known" test -s /tmp/list -a -s /tmp/blocks
is "8. of each block, what died lives on the spare" "$(awk 'NR == FNR { if ($3 == "owned") for (i = $1; i < $1 + $2; i++) on[i] = 1; next }
	{ for (i = $1; i < $1 + 8; i++) if (!(i in on)) { print $1; break } }' /tmp/list /tmp/blocks)" ""
is "8. nothing of dm-remap failed" "$(state_of safe) $(bad_slots safe)" "active 0"
message m stats_clear
check "8. a second scrub" zpool scrub -w tank
is "8. has nothing to repair" "$(scrubbed)" "0B 0"
is "8. and meets no error" "$(errors_of /dev/mapper/safe)" "0 0 0"

say "$(sed -n '/scan:/p; /errors:/p' scrub.out)"
say "main: $(message m list | wc -l) bad ranges; dm-remap: $(status_of safe)"
like "9. a report: the pool's errors, and what became of them" "$(cat scrub.out)" "/?safe +ONLINE.*safe +active"

## Eight things that people do

mkdir $d/x
for i in {1..200}; do echo "file $i" >$d/x/f$i; done
is "create: so many files are there" "$(find $d/x -type f | wc -l) $(cat $d/x/f{1..200} | sha256sum)" \
	"200 $(for i in {1..200}; do echo "file $i"; done | sha256sum)"
is "read: from the disk, what was written" "$(sha256sum <$d/second/noise-16777216)" "$(sha256sum </tmp/want/second/noise-16777216)"
cp $d/first/noise-1048576 $d/x/copy
check "copy: the same bytes" cmp /tmp/want/first/noise-1048576 $d/x/copy
mv $d/x/copy $d/x/renamed
is "rename: one name for another" "$(find $d/x -name copy) $(sha256sum <$d/x/renamed)" " $(sha256sum </tmp/want/first/noise-1048576)"
rm $d/x/renamed
check_fails "delete: it is gone" test -e $d/x/renamed
noise_of again 500000 >$d/x/renamed
is "and recreate: with other content" "$(sha256sum <$d/x/renamed)" "$(noise_of again 500000 | sha256sum)"
mkdir -p $d/dirs/{a,b,c}/{1..10}/deep
for p in "$d"/dirs/*/*/deep; do echo "$p" >"$p/name"; done
rm -r $d/dirs/b
is "directories: made, filled, removed" "$(find $d/dirs -type d | wc -l) $(cat $d/dirs/*/*/deep/name | sha256sum)" \
	"43 $(printf '%s\n' $d/dirs/*/*/deep | sha256sum)"
message m stats_clear
noise_of large 50331648 >$d/large
zpool sync tank
num "a large file: main refuses many of its writes" "$(status_key m failed_writes)" -ge 100
is "a large file: is whole" "$(stat -c %s $d/large) $(sha256sum <$d/large)" "50331648 $(noise_of large 50331648 | sha256sum)"
ratio=$(zfs get -Hp -o value compressratio tank/data)
check "the compression ratio is above 1 ($ratio)" awk -v r="$ratio" 'BEGIN { exit !(r > 1) }'

sums $d >/tmp/sums
run_block away
check_fails "after an export and a stop there is no device" dmsetup info safe
run_block back
like "assembled and imported, it is the same pool" "$(zpool status -P tank)" "/dev/mapper/safe +ONLINE +0 +0 +0"
is "with the same files" "$(sums $d)" "$(cat /tmp/sums)"
check "and no error" no_errors
like "and its cache file names the pair" "$(zdb -C tank)" "path: '/dev/mapper/safe'"

# What ZFS has once, on one disk, is lost with its sector, and nothing else is.
zfs create -o copies=1 -o primarycache=metadata tank/once
noise_of once 300000 >/tank/once/lost
read -r sector _ <<<"$(blocks_of tank/once /tank/once/lost)"
message m bad "$sector" 8 both
check_fails "a file with one copy is lost with its sector" cat /tank/once/lost
like "and ZFS says which" "$(zpool status -v tank)" "/tank/once/lost"
noise_of once 300000 >/tank/once/lost
is "written again, it is there" "$(sha256sum </tank/once/lost)" "$(noise_of once 300000 | sha256sum)"
zpool export tank
done_testing

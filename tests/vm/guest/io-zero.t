# SPDX-License-Identifier: GPL-2.0-or-later
# C9: zeroes and discards over mixed runs: zeroes of relocated sectors reach the spare, those that main
# fails move as pages; a discard never changes who owns what, and a failed one is no suspect.
# timeout: 600
# shellcheck disable=SC2154 # lib.sh sets the disks' variables
. /vm/io.sh
io_disks 16M 8M
io_noise
put_pattern "$lower" old 0 4096 2048
io_pair
io_model
io_good=30000
# As fallocate asks for it no pages are written where the device fails; loop devices over memory can do it.
zero() { fallocate -p -o $(($1 * 512)) -l $(($2 * 512)) $r; } # SECTOR COUNT
discard() { blkdiscard -o $(($1 * 512)) -l $(($2 * 512)) $r; }
zero_both() {
	zero "$@" && dd if=/dev/zero of=$model bs=512 seek="$1" count="$2" conv=notrunc status=none
}
is_zero() { cmp <(head -c $(($3 * 512)) /dev/zero) <(get_sectors "$1" "$2" "$3"); } # DEVICE SECTOR COUNT
sizes() { message "$1" log | awk -v w="$2" '$3 == w { print $5 }' | xargs; } # DEVICE WORD

## Zeroes

check "C3: units and parts of units move" io_map "1000 8" "1016 4" "1024 16" "2048 8"
list=$(message r list)
io_clear
check "C9: zeroes over relocated and plain sectors" zero_both 992 64
check "C9: read back as zeroes, and nothing else has changed" same_as_model
is "C9: the relocated sectors' zeroes reached the spare, as pages" \
	"$(sizes s write | tr ' ' '\n' | awk '{ n += $1 } END { print n }') $(counters s zeroes)" "28 0"
check "C9: they are on the spare itself" is_zero "$store" "$(slot_sector 0)" 8
check "C9: also in the other slots" is_zero "$store" "$(slot_sector 2)" 16
is "C9: plain sectors' zeroes reached main, cut at the edges" "$(sizes m zeroes)" "8 8 4 16"
is "C9: nothing has moved" "$(message r list)" "$list"
check "C9: one relocated sector of a unit" zero_both 2050 1
check "C9: and no other" same_as_model

message m bad 3000 8 write bad 3016 8 write ioerr
io_clear
check "C9: zeroes that main fails" zero_both 2600 1000
check "C9: read back" same_as_model
is "C9: the bad units have moved" "$(message r list 2600 | cut -d ' ' -f 1-3 | tr '\n' ',')" "3000 8 owned,3016 8 owned,"
is "C9: as pages" "$(sizes s write | tr ' ' '\n' | grep -c '^8$') $(counters s zeroes)" "4 0"
message m bad 5003 1 write
check "C9: zeroes of a few sectors in a bad unit" zero_both 5001 3
is "C9: move these" "$(message r list 5000 | cut -d ' ' -f 1-3)" "5001 3 owned"
check "C9: and no others change" same_as_model
message m bad 10000 8 write bad 14000 16 write bad 20000 8 write
used=$(used_slots r)
check "C9: zeroes over 8 MiB with bad units" zero_both 8192 16384
check "C9: read back, and nothing else has changed" same_as_model
is "C9: four units have moved" "$(used_slots r)" $((used + 4))
list=$(message r list)
check "C9: the device is created again" io_again
is "C9: with the same map" "$(message r list)" "$list"
check "C9: and the same bytes" same_as_model
message m good 0 0

## Discards

check "C9: data again" eval 'io_write 992 64 100 && io_write 2040 32 200'
io_clear
check "C9: a discard of plain sectors" discard 6000 1000
is "C9: is one bio to main" "$(sizes m discard) $(counters s discards)" "1000 0"
io_clear
check "C9: a discard over relocated and plain sectors" discard 992 64
is "C9: main's parts reach main" "$(sizes m discard)" "8 8 4 16"
is "C9: the spare's reach the spare" "$(sizes s discard)" "8 4 16"
is "C9: nothing changes its owner" "$(message r list)" "$list"
io_clear
check "C9: a write after it" writes w 992 64
is "C9: goes where it went before" "$(sizes m write) $(sizes s write)" "8 8 4 16 8 4 16"
check "C9: and reads back" holds w 992 64

message m bad 4000 8 discard
before=$(status_of r | cut -d ' ' -f 1-5)
errors=$(status_key r write_errors)
io_clear
check_fails "C9: a discard that main fails is reported" discard 3992 24
is "C9: it is not tried again" "$(sizes m discard)" 24
is "C9: it is no suspect" "$(status_of r | cut -d ' ' -f 1-5) $(status_key r write_errors)" "$before $errors"
is "C9: and reaches no spare" "$(counters s writes discards)" "0 0"
message m good 0 0
message s bad "$(slot_sector 0)" 8 discard
check_fails "C9: one that the spare fails is reported" discard 1000 8
is "C9: and changes nothing" "$(status_of r | cut -d ' ' -f 1-5)" "$before"
check "C9: the sectors can be written" eval 'writes x 1000 8 && holds x 1000 8'
errors=$(status_key r spare_errors)
message s bad "$(slot_sector 0)" 8 discard notsupp
check "C9: one that the spare turns out not to have is as good as done" discard 1000 8
is "C9: and is not its error" "$(status_key r spare_errors)" "$errors"
limit=/sys/block/dm-$(dmsetup info -c --noheadings -o minor s)/queue/discard_max_bytes
most=$(cat $limit)
message s hold "$(slot_sector 0)" 8 discard times 1
discard 1000 8 & pid=$!
check "C9: one is on its way to the spare" message s wait waiting 1 60000
echo 0 >$limit
message s release fail target
wait $pid
is "C9: which turns out to have none, as SCSI disks do: it is as good as done" $? 0
echo "$most" >$limit
dmsetup remove r

## A spare that cannot discard

mk_null plain 8M
remap_create r $m "$plain" || bail "no pair with a plain spare"
io_model
check "C3: units move" io_map "1000 8" "1016 4"
check "C9: data" writes y 992 40
list=$(message r list)
io_clear
check "C9: a discard over sectors whose owner has none succeeds" discard 992 40
is "C9: main's parts reach main" "$(sizes m discard)" "8 8 12"
is "C9: nothing changes its owner" "$(message r list)" "$list"
check "C9: what the spare owns is untouched" cmp <(pattern y 1000 8; pattern y 1016 4) \
	<(get_sectors $r 1000 8; get_sectors $r 1016 4)
check "C9: zeroes reach it as pages" eval 'blkdiscard -z -o $((992 * 512)) -l $((40 * 512)) $r && is_zero $r 992 40'
check "C9: and are there" is_zero "$plain" "$(slot_sector 0)" 8
dmsetup remove r

## A main that cannot discard

discard_max() { cat "/sys/dev/block/$(($(stat -L -c 0x%t $r))):$(($(stat -L -c 0x%T $r)))/queue/discard_max_bytes"; }
mk_disk spare2 8M
mk_null plain2 16M
remap_create r "$plain2" "$spare2" || bail "no pair with a plain main"
check_fails "C9: discards are not offered where main has none" discard 0 64
is "C9: and the queue says so" "$(discard_max)" 0
check "C9: zeroes are written all the same" eval 'writes z 0 64 && blkdiscard -z -o 0 -l 32768 $r && is_zero $r 0 64'
done_testing

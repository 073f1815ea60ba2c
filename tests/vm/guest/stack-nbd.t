# SPDX-License-Identifier: GPL-2.0-or-later
# A spare over the network: it stops answering, goes away and comes back, while a file system is mounted. Main works on,
# what is on the spare fails meanwhile, nothing becomes pending, and all is there afterwards.
# suite: stacks
# command: dmremap
# files: docs/STACKS.md
# programs: nbd-client nbd-server ip
# drivers: nbd
# timeout: 300
# kernels: one
. /vm/stack-files.sh
modprobe -q nbd nbds_max=4 || skip_all "this kernel has no nbd"
ip link set lo up
mkdir -p /etc/nbd-server
SERVER=127.0.0.1
r=/dev/mapper/safe

# The server and its children are a group of processes.
listens() { netstat -ltn 2>/dev/null | grep -q ':10809 '; }
server_starts() {
	rm -f /tmp/nbd.pid
	nbd-server -p /tmp/nbd.pid || bail "no server"
	until_true 20 test -s /tmp/nbd.pid && until_true 20 listens || bail "no server listens"
	server=$(cat /tmp/nbd.pid)
}
server_dies() { kill -KILL -- "-$server" && until_true 20 eval '! listens'; }
truncate -s 8M /tmp/disks/export
block nbd-server >/etc/nbd-server/config
sed -i 's,= /srv/.*,= /tmp/disks/export,' /etc/nbd-server/config
server_starts

mk_disk lower 16M
io_faulty m "$lower"
MAIN=$m
# A file system in front, patterns behind it.
mkfs.ext4 -q -b 1024 $m 4M
run_block nbd-create
message m bad_every 8192 0 512 8 write
check "NBD: sectors are relocated to the spare" put_pattern $r a 8192 4096
is "NBD: so they are" "$(counts)" "active 64 0 0"
check "NBD: and read" holds_pattern $r a 8192 4096

## It does not answer

kill -STOP -- "-$server"
begin=$SECONDS
check "NBD: a server that hangs: main is read" holds_pattern $r a 8200 8
check "NBD: and written" put_pattern $r b 8200 8
num "NBD: at once" $((SECONDS - begin)) -le 4
begin=$SECONDS
is "NBD: what is on the spare fails" "$(error_of get_sectors $r 8192 8)" EIO
num "NBD: after the timeout" $((SECONDS - begin)) -ge 9
num "NBD: not much later" $((SECONDS - begin)) -le 40
kill -CONT -- "-$server"

## It is gone

server_dies
check "NBD: without a server main is read" holds_pattern $r a 8208 100
check "NBD: and written" put_pattern $r b 8208 100
is "NBD: what is on the spare fails, at once" "$(error_of get_sectors $r 8192 8)" EIO
is "NBD: writes to it, too" "$(error_of put_pattern $r lost 8192 8)" EIO
is "NBD: and what main fails now" "$(error_of put_pattern $r lost 12800 8)" ENODATA
is "NBD: nothing becomes pending, and no slot bad" "$(counts)" "active 64 0 0"
mount $r /mnt/a
check "NBD: the file system works on" eval 'echo there >/mnt/a/file && sync -f /mnt/a/file && echo 3 >/proc/sys/vm/drop_caches && [ "$(cat /mnt/a/file)" = there ]'

## It is back

server_starts
is "NBD: that it is back does not help by itself" "$(error_of get_sectors $r 8192 8)" EIO
check_fails "NBD: nor can the device that is in use be connected anew" nbd-client -N spare $SERVER /dev/nbd0 -timeout 10
run_block nbd-back
check "NBD: with another one below the spare all is read, while it is mounted" eval 'holds_pattern $r a 8192 8 && holds_pattern $r a 8704 3000'
is "NBD: as it was before" "$(counts)" "active 64 0 0"
check "NBD: nothing is stale" eval 'holds_pattern $r b 8200 8 && holds_pattern $r b 8208 100'
check "NBD: what is on the spare is written again" eval 'put_pattern $r c 8192 8 && holds_pattern $r c 8192 8'
message m bad 13000 8 write
check "NBD: and more is relocated" eval 'put_pattern $r c 13000 8 && holds_pattern $r c 13000 8'
is "NBD: in a new slot" "$(counts)" "active 72 0 0"
is "NBD: the file is there" "$(echo 3 >/proc/sys/vm/drop_caches; cat /mnt/a/file)" there
umount /mnt/a
run_block nbd-stop
server_dies

## After a boot

server_starts
run_block nbd-boot
check "NBD: after a boot all is there" eval 'holds_pattern $r c 8192 8 && holds_pattern $r a 8704 3000 && holds_pattern $r c 13000 8'
is "NBD: nothing is pending" "$(counts)" "active 72 0 0"
run_block nbd-stop
server_dies
done_testing

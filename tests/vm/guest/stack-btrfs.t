# SPDX-License-Identifier: GPL-2.0-or-later
# btrfs on a disk that fails, without dm-remap and with it: files with checksums, power cuts, btrfs check and scrub.
# suite: stacks
# command: dmremap
# programs: chattr sync
# files: docs/STACKS.md
# timeout: 400
# memory: 1536M
. /vm/stack-fs.sh
fs=btrfs
fs_make() { mkfs.btrfs -q -f "$1"; }
fs_check() { btrfs check --readonly "$1"; }
fs_trial
done_testing

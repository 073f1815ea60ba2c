# SPDX-License-Identifier: GPL-2.0-or-later
# ext4 on a disk that fails, without dm-remap and with it: files with checksums, power cuts, e2fsck.
# suite: stacks
# command: dmremap
# programs: cat find sync
# files: docs/STACKS.md
# timeout: 400
# memory: 1536M
. /vm/stack-fs.sh
fs=ext4
fs_make() { mkfs.ext4 -q -F "$1"; }
fs_check() { e2fsck -fn "$1"; }
fs_trial
done_testing

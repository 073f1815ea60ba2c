# SPDX-License-Identifier: GPL-2.0-or-later
# XFS on a disk that fails, without dm-remap and with it: files with checksums, power cuts, xfs_repair.
# suite: stacks
# command: dmremap
# programs: cat find sync
# files: docs/STACKS.md
# timeout: 400
# memory: 1536M
. /vm/stack-fs.sh
fs=xfs
fs_make() { mkfs.xfs -q -f "$1"; }
fs_check() { xfs_repair -n "$1"; }
fs_trial
done_testing

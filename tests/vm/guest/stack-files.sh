# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of layers above and below the pair "safe" share: files on a file system at /mnt/a, with the sums of what was
# put into them, not of what was read there.
# shellcheck shell=bash
. /vm/io.sh
# shellcheck disable=SC2034 # doc.sh's
document=/vm/STACKS.md
. /vm/doc.sh
file_size=2M
mkdir -p /mnt/a

counts() { # with the state: owned, pending sectors and bad slots; settled
	dmsetup suspend --noflush safe && dmsetup resume safe
	status_of safe | cut -d ' ' -f 1,3-5
}
content() { head -c $file_size /dev/urandom; } # NAME: a test may have another one
note_sum() { # NAME: that file holds what is in /tmp/content
	sed -i "/  $1\$/d" /tmp/sums && sha256sum </tmp/content | sed "s/-\$/$1/" >>/tmp/sums
}
files() { # NAME...
	local f
	for f; do content "$f" >/tmp/content && cp /tmp/content "/mnt/a/$f" && note_sum "$f" || return 1; done
	sync -f /mnt/a
}
first_files() { # NAME...: of a file system that is new
	: >/tmp/sums
	files "$@"
}
sums() { # all are right, read from the disks
	sync -f /mnt/a && echo 3 >/proc/sys/vm/drop_caches && (cd /mnt/a && sha256sum --quiet -c /tmp/sums)
}

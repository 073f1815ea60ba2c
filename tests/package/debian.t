#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian system takes dm-remap-dkms in, is upgraded, gets a second kernel, survives a build that fails, and is left as it was.
. "$(dirname "$0")/lib.sh"

packages || bail "packages are built"
new_system || bail "a Debian system is made"

modules() { # what is installed for a kernel
	(cd "$system/lib/modules/$1" && find . -name 'dm-remap*.ko*' | sed 's|.*/\([^.]*\)\..*|\1|' | LC_ALL=C sort | xargs)
}
version_of() { inside modinfo -k "$1" -F version dm-remap; }
sums() { (cd "$system/lib/modules" && find . -name 'dm-remap*.ko*' -exec sha256sum {} + | LC_ALL=C sort); }
# Files that belong to no package, nor to a kernel's own packages.
strays() {
	inside sh -c 'cat /var/lib/dpkg/info/*.list' | LC_ALL=C sort -u >"$work/owned"
	(cd "$system" && "${as_root[@]}" find . -xdev -path ./proc -prune -o -print) | sed 's/^\.//' | LC_ALL=C sort |
		LC_ALL=C comm -23 - "$work/owned" >"$work/unowned"
	# What others make, but for what has our name in their folders.
	{
		grep -E '/[^/]*dm-?remap' "$work/unowned" | grep -vE '^/(new|old|second|tmp|var/(cache|log|lib/(dpkg|apt)))/'
		grep -vE "^/(new|old|second|tmp|var/(cache|log|lib/(dpkg|apt|systemd|ucf))|usr/share/mime|usr/lib/modules)(/|\$)|${second//+/\\+}|/__pycache__|^/etc/(ld\.so\.cache|mailcap|alternatives)|^/usr/bin/[a-z0-9]+\$|^/usr/share/man/|/var/lib/dkms/mok\." "$work/unowned"
	} | LC_ALL=C sort -u
}

strays >"$work/before"

## Installing

check "apt installs dm-remap-dkms $old and dm-remap-utils" \
	apt install "/old/dm-remap-dkms_${old}_all.deb" "/old/dm-remap-utils_${old}_amd64.deb"
like "dkms status: installed" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $release, x86_64: installed"
is "one module is installed" "$(modules "$release")" dm-remap
is "modprobe finds it, with its version" "$(version_of "$release")" "$old"
check_fails "dm-remap for one kernel is refused beside it" inside dpkg -i "/new/dm-remap_${version}_amd64.deb"
like "because they conflict" "$out" 'conflicts with dm-remap'
like "dkms still has it" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $release, x86_64: installed"

## A second kernel

check "a second kernel is installed" inside sh -c 'dpkg -i /second/*.deb'
has "DKMS built dm-remap for it" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $second, x86_64: installed"
is "one module is installed there" "$(modules "$second")" dm-remap
has "it is for that kernel" " $(inside modinfo -k "$second" -F vermagic dm-remap)" " $second "
initramfs_has() { # KERNEL: what of ours is in it
	inside lsinitramfs "/boot/initrd.img-$1" | sed -n 's|.*/\(dm-remap\.ko\).*|\1|p; s|.*/\(dmremap\)$|\1|p' | LC_ALL=C sort | xargs
}
in_initramfs() { # KERNEL: the checksum of what is installed, and of what is in there; some are packed
	# shellcheck disable=SC2016 # expanded by that shell
	inside sh -c 'unmkinitramfs "/boot/initrd.img-$1" /tmp/initramfs
		for f in $(find "/lib/modules/$1" /tmp/initramfs -name "dm-remap.ko*"); do
			case $f in *.xz) xz -dc "$f" ;; *) cat "$f" ;; esac | sha256sum
		done
		rm -rf /tmp/initramfs' sh "$1" | cut -d ' ' -f 1 | uniq -c | tr -s ' ' | cut -d ' ' -f 2 | xargs
}
is "command and module are in its initramfs, and in the other's" "$(initramfs_has "$second"), $(initramfs_has "$release")" \
	"dm-remap.ko dmremap, dm-remap.ko dmremap"

## A build that fails

header=$(cd "$system" && find usr/src -path '*6.12*common*/include/linux/sort.h')
"${as_root[@]}" mv "$system/$header" "$work/header"
before=$(sums)
check_fails "an upgrade fails if one build does" apt install "/new/dm-remap-dkms_${version}_all.deb"
has "it says which, loudly" "$out" "THE BUILD FOR $second FAILED"
like "and why" "$out" 'sort\.h'
is "all modules are the same as before" "$(sums)" "$before"
unlike "dkms has nothing of the new version" "$(inside dkms status 2>/dev/null)" "$version"
is "and the old one for both kernels" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$old, .*: installed")" 2
"${as_root[@]}" mv "$work/header" "$system/$header"

check "with the cause gone, dpkg completes it" inside dpkg --configure -a
is "both kernels have the new version" "$(version_of "$release") $(version_of "$second")" "$version $version"
is "dkms has it for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2
unlike "and nothing of the old one" "$(inside dkms status 2>/dev/null)" "$old"
check "the same package again" apt install --reinstall "/new/dm-remap-dkms_${version}_all.deb"
is "is built again for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2

is "both kernels' initramfs have the new module" "$(in_initramfs "$release") $(in_initramfs "$second")" "2 2"

## A build that is interrupted

before=$(sums)
inside timeout -s KILL 25 /usr/lib/dm-remap-dkms/setup rebuild >"$work/log" 2>&1
like "a rebuild is killed on its way" "$(tail -n 1 "$work/log")" "building $version"
check_fails "with builds in the place of others" test ! -e "$system/var/lib/dkms/.dm-remap-before"
is "the modules are the same" "$(sums)" "$before"
check "the next one does all of it" inside /usr/lib/dm-remap-dkms/setup rebuild
is "and leaves nothing of the first" "$(find "$system/var/lib/dkms" -mindepth 1 -maxdepth 1 ! -name 'mok.*' ! -name dkms_dbversion -printf '%f\n')" dm-remap
is "both kernels have one module" "$(modules "$release"), $(modules "$second")" "dm-remap, dm-remap"
inside timeout -s KILL 25 /usr/lib/dm-remap-dkms/setup rebuild >"$work/log" 2>&1
like "another one is killed" "$(tail -n 1 "$work/log")" "building $version"
check "after another one the package is installed once more" apt install --reinstall "/new/dm-remap-dkms_${version}_all.deb"
is "dkms has it for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2

## Build modes

"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=MODULAR/' "$system/etc/dkms/dm-remap.conf"
check "BUILD_MODE=MODULAR in /etc/dkms/dm-remap.conf is taken" inside /usr/lib/dm-remap-dkms/setup rebuild
four="dm-remap dm-remap-core dm-remap-health dm-remap-meta"
is "both kernels have four modules" "$(modules "$release"), $(modules "$second")" "$four, $four"
like "which need each other" "$(inside modinfo -k "$release" -F depends dm-remap)" 'dm-remap-core'
"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=INTEGRATED/' "$system/etc/dkms/dm-remap.conf"
check "and back" inside /usr/lib/dm-remap-dkms/setup rebuild
is "both kernels have one" "$(modules "$release"), $(modules "$second")" "dm-remap, dm-remap"
"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=NEITHER/' "$system/etc/dkms/dm-remap.conf"
before=$(sums)
check_fails "a mode that there is not is refused" inside /usr/lib/dm-remap-dkms/setup rebuild
is "and changes nothing" "$(sums)" "$before"
"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=INTEGRATED/' "$system/etc/dkms/dm-remap.conf"

## Away

check "apt removes them" apt remove dm-remap-dkms dm-remap-utils
is "no module is left" "$(modules "$release")$(modules "$second")" ""
is "DKMS knows nothing of it" "$(inside dkms status 2>/dev/null)" ""
check "apt purges them" apt purge dm-remap-dkms dm-remap-utils
strays >"$work/after"
is "nothing is left that was not there before" "$(LC_ALL=C comm -13 "$work/before" "$work/after")" ""
is "nor does depmod know it" "$(grep -l dm-remap "$system"/lib/modules/*/modules.dep)" ""
is "nor is it in any initramfs" "$(initramfs_has "$release")$(initramfs_has "$second")" ""

## One kernel

check "dm-remap for one kernel is installed" apt install "/old/dm-remap_${old}_amd64.deb"
is "modprobe finds it" "$(version_of "$release")" "$old"
check "it is upgraded" apt install "/new/dm-remap_${version}_amd64.deb" "/new/dm-remap-doc_${version}_all.deb"
is "modprobe finds the new one" "$(version_of "$release")" "$version"
check "dm-remap-dkms takes its place" apt install "/new/dm-remap-dkms_${version}_all.deb"
like "dm-remap is gone" "$(inside dpkg -s dm-remap 2>&1)" 'not installed|deinstall'
is "modprobe finds the module of DKMS" "$(inside modinfo -k "$release" -F filename dm-remap)" \
	"/lib/modules/$release/updates/dkms/dm-remap.ko"
check "apt purges what is there" apt purge dm-remap dm-remap-dkms dm-remap-doc
strays >"$work/after"
is "nothing is left" "$(LC_ALL=C comm -13 "$work/before" "$work/after")" ""
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian system takes dm-remap-dkms in, gets a second kernel, survives builds and installations that fail, is upgraded, also
# where a kernel's headers are gone, and is left as it was.
. "$(dirname "$0")/lib.sh"

packages || bail "packages are built"
new_system || bail "a Debian system is made"

modules() { # what is installed for a kernel
	(cd "$system/lib/modules/$1" && find . -name 'dm-remap*.ko*' | sed 's|.*/\([^.]*\)\..*|\1|' | LC_ALL=C sort | xargs)
}
version_of() { inside modinfo -k "$1" -F version dm-remap; }
four="dm-remap dm-remap-core dm-remap-health dm-remap-meta"
statuses() { inside dkms status 2>/dev/null; }
dkms=$system/var/lib/dkms
in_dkms() { # what its folder has but its own
	find "$dkms" -mindepth 1 -maxdepth 1 ! -name 'mok.*' ! -name dkms_dbversion -printf '%f\n'
}
sums() { (cd "$system/lib/modules" && find . -name 'dm-remap*.ko*' -exec sha256sum {} + | LC_ALL=C sort); }
build_mode() { "${as_root[@]}" sed -i "s/^BUILD_MODE=.*/BUILD_MODE=$1/" "$system/etc/dkms/dm-remap.conf"; }
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

## The only kernel goes

check "a kernel's removal takes the module from it" inside /etc/kernel/prerm.d/dkms "$release"
is "it has none" "$(modules "$release")" ""
is "DKMS has it still, for kernels to come" "$(statuses)" "dm-remap/$old: added"
check "when headers come it builds" inside dkms autoinstall -k "$release"
is "and installs" "$(statuses)" "dm-remap/$old, $release, x86_64: installed"

## A second kernel

initramfs_has() { # KERNEL: what of ours is in it
	inside lsinitramfs "/boot/initrd.img-$1" | sed -n 's|.*/\(dm-remap\.ko\).*|\1|p; s|.*/\(dmremap\)$|\1|p' | LC_ALL=C sort | xargs
}
check "a second kernel is installed" inside sh -c 'dpkg -i /second/linux-image-*.deb'
is "which has no module without headers" "$(modules "$second")" ""
# shellcheck disable=SC2016 # expanded by that shell
check "so are its headers, later" inside sh -c 'dpkg -i $(ls /second/*.deb | grep -v /linux-image-)'
has "DKMS built dm-remap for it" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $second, x86_64: installed"
is "one module is installed there" "$(modules "$second")" dm-remap
has "it is for that kernel" " $(inside modinfo -k "$second" -F vermagic dm-remap)" " $second "
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
has "and where all of the log is" "$out" "its log is /var/lib/dkms/.dm-remap-make.log"
like "which is there" "$(cat "$dkms/.dm-remap-make.log")" 'DKMS make\.log.*sort\.h'
is "all modules are the same as before" "$(sums)" "$before"
unlike "dkms has nothing of the new version" "$(inside dkms status 2>/dev/null)" "$version"
is "and the old one for both kernels" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$old, .*: installed")" 2
is "by a link to its sources, for else DKMS takes it for broken" "$(readlink "$dkms/dm-remap/$old/source")" "/var/lib/dkms/.dm-remap-kept/$old"
check "which are there" test -e "$dkms/.dm-remap-kept/$old/dkms.conf"
"${as_root[@]}" mv "$work/header" "$system/$header"

## A kernel whose headers are gone

headers_go() { "${as_root[@]}" mv "$system/lib/modules/${1:-$second}/build" "$work/build"; }
headers_come() { "${as_root[@]}" mv "$work/build" "$system/lib/modules/${1:-$second}/build"; }

headers_go
before=$(sums | grep "/$second/")
check "with the cause gone, dpkg completes it" inside dpkg --configure -a
is "the kernel with headers has the new version" "$(version_of "$release")" "$version"
has "the one without is named" "$out" "nothing was built for $second, which keeps version $old"
is "and has its module still" "$(sums | grep "/$second/")" "$before"
is "DKMS has both" "$(statuses | xargs)" "dm-remap/$old, $second, x86_64: installed dm-remap/$version, $release, x86_64: installed"
headers_come
check "when its headers come DKMS builds for it" inside dkms autoinstall -k "$second"
is "both kernels have the new version" "$(version_of "$release") $(version_of "$second")" "$version $version"
is "dkms has it for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2
check "the same package again" apt install --reinstall "/new/dm-remap-dkms_${version}_all.deb"
is "is built again for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2

unlike "and nothing of the old one is there" "$(statuses)" "$old"
is "nor of its sources" "$(in_dkms)" dm-remap
is "both kernels' initramfs have the new module" "$(in_initramfs "$release") $(in_initramfs "$second")" "2 2"

## A build that is interrupted

initramfs() { # yes or no, for it takes its time
	"${as_root[@]}" sed -i "s/^update_initramfs=.*/update_initramfs=$1/" "$system/etc/initramfs-tools/update-initramfs.conf"
}
initramfs no
# A DKMS that has trouble when it comes to build, or to install, for the second kernel, or to remove all.
"${as_root[@]}" mkdir "$system/second/bin"
"${as_root[@]}" tee "$system/second/bin/dkms" >/dev/null <<-END
	#!/bin/sh
	case "\$*" in "\$WHEN"*" $second"* | "\$WHEN"*" --all"*) eval "\$TROUBLE" ;; esac
	exec /usr/sbin/dkms "\$@"
END
"${as_root[@]}" chmod +x "$system/second/bin/dkms"
troubled() { # build, install or remove, TROUBLE, COMMAND...
	inside env PATH=/second/bin:/usr/sbin:/usr/bin:/sbin:/bin WHEN="$1" TROUBLE="$2" "${@:3}"
}
# Not as the first process, which nothing kills.
rebuild_with() { troubled "$1" "$2" sh -c '/usr/lib/dm-remap-dkms/setup rebuild || exit'; }
killed='kill -KILL $(ps -o pid= -C setup); exit 1'
ended='kill -TERM $(ps -o pid= -C setup); exit 1'

before=$(sums)
rebuild_with build "$killed" >"$work/log" 2>&1
has "a rebuild is killed on its way" "$(cat "$work/log")" "building $version for $second"
check_fails "with builds in the place of others" test ! -e "$system/var/lib/dkms/.dm-remap-before"
is "the modules are the same" "$(sums)" "$before"
# As if it had come no further than that.
"${as_root[@]}" rm -r "$dkms/dm-remap/$version"
# As of a kernel without an image.
"${as_root[@]}" rm "$system/lib/modules/$second/modules.dep"
check "the next one does all of it" inside /usr/lib/dm-remap-dkms/setup rebuild
check_fails "but depmod for what has no image" test -e "$system/lib/modules/$second/modules.dep"
inside depmod -a "$second"
is "and leaves nothing of the first" "$(in_dkms)" dm-remap
is "both kernels have one module" "$(modules "$release"), $(modules "$second")" "dm-remap, dm-remap"

## Builds that are no good

# With the other's headers gone nothing is really built.
headers_go "$release"
before=$(sums) had=$(statuses)
built=/var/lib/dkms/dm-remap/$version/$second/x86_64/module
check_fails "what cannot be read is not taken" rebuild_with build "mkdir -p $built; echo >$built/dm-remap.ko; exit 0"
has "and that is said" "$out" "WHAT WAS BUILT FOR $second CANNOT BE READ"
check_fails "nor is what is for another kernel" \
	rebuild_with build "mkdir -p $built; cp /lib/modules/$release/updates/dkms/dm-remap.ko $built/; exit 0"
has "and that is, too" "$out" "WHAT WAS BUILT FOR $second IS FOR $release"
rebuild_with build "$ended" >"$work/log" 2>&1
is "one that a signal ends" $? 130
check_fails "leaves nothing for the next one to put back" test -e "$dkms/.dm-remap-before"
is "nothing is changed" "$(sums) $(statuses)" "$before $had"
headers_come "$release"

## An installation that fails

build_mode MODULAR
before=$(sums)
"${as_root[@]}" mkdir "$work/signs"
"${as_root[@]}" mv "$system/usr/bin/openssl" "$dkms"/mok.* "$work/signs/"
check_fails "it fails as a whole" rebuild_with install 'exit 6'
has "and says for which kernel" "$out" "COULD NOT BE INSTALLED FOR $second"
like "and that modules are not signed, where they cannot be" "$out" "won't be signed"
"${as_root[@]}" mv "$work/signs/openssl" "$system/usr/bin/"
"${as_root[@]}" mv "$work"/signs/mok.* "$dkms/"
build_mode INTEGRATED
is "all modules are the same as before" "$(sums)" "$before"
is "DKMS has them as before" "$(statuses | xargs)" "dm-remap/$version, $release, x86_64: installed dm-remap/$version, $second, x86_64: installed"
is "and modprobe finds them" "$(version_of "$release") $(version_of "$second")" "$version $version"
build_mode MODULAR
rebuild_with install "$killed" >"$work/log" 2>&1
has "one is killed there" "$(tail -n 1 "$work/log")" Killed
check "when all was saved" test -d "$dkms/.dm-remap-before/modules/$second"
is "and one kernel has the other mode's" "$(modules "$release"), $(modules "$second")" "$four, dm-remap"
build_mode NEITHER
check_fails "the next run fails, too" inside /usr/lib/dm-remap-dkms/setup rebuild
build_mode INTEGRATED
is "and puts back what the one before did not" "$(sums)" "$before"
is "DKMS has it for both" "$(statuses | grep -c "dm-remap/$version, .*: installed")" 2
check "after it the package is installed once more" apt install --reinstall "/new/dm-remap-dkms_${version}_all.deb"
is "dkms has it for both" "$(inside dkms status 2>/dev/null | grep -c "dm-remap/$version, .*: installed")" 2

## Two at once

# shellcheck disable=SC2016 # expanded by that shell
is "a run waits for one that is at work" "$(inside sh -c '
	exec 8>/run/dm-remap-dkms.lock
	flock 8
	(/usr/lib/dm-remap-dkms/setup keep "$1" && echo ended) 8>&- &
	for i in $(seq 100); do ! ps -C flock >/dev/null || break; sleep 0.1; done
	echo released
	flock -u 8
	wait' sh "$version" | xargs)" "released ended"

## Modules of others

other() { # FOLDER: as `make install` puts it there, or somebody else, for the second kernel; not what DKMS has built for that
	"${as_root[@]}" mkdir -p "$system/lib/modules/$second/$1"
	"${as_root[@]}" cp "$system/lib/modules/$release/updates/dkms/dm-remap.ko" "$system/lib/modules/$second/$1/"
}
before=$(sums) had=$(statuses)
other updates
check_fails "beside a module of make install it is refused" inside /usr/lib/dm-remap-dkms/setup rebuild
like "which is named, and what to do" "$out" "/lib/modules/${second//+/\\+}/updates/dm-remap\.ko \('make uninstall'"
unlike "before anything is built" "$out" building
"${as_root[@]}" rm "$system/lib/modules/$second/updates/dm-remap.ko"
is "or changed" "$(sums) $(statuses)" "$before $had"
other kernel/other
"${as_root[@]}" mkdir "$system/etc/depmod.d"
echo 'override dm-remap * kernel/other' | "${as_root[@]}" tee "$system/etc/depmod.d/other.conf" >/dev/null
# With the other's headers gone nothing is really built.
headers_go "$release"
check_fails "with one that depmod prefers it fails" \
	rebuild_with build "cp -a /var/lib/dkms/.dm-remap-before/$version/$second /var/lib/dkms/dm-remap/$version/; exit 0"
has "which is named, too" "$out" "modprobe would take /lib/modules/$second/kernel/other/dm-remap.ko"
headers_come "$release"
"${as_root[@]}" rm -r "$system/lib/modules/$second/kernel/other" "$system/etc/depmod.d"
inside depmod -a "$second"
is "and nothing is changed" "$(sums) $(statuses)" "$before $had"

## Build modes

build_mode MODULAR
initramfs yes
# A link of DKMS's that leads nowhere, of a kernel that has a module.
gone=$system/lib/modules/5.10.0-gone
"${as_root[@]}" mkdir -p "$gone/updates/dkms"
"${as_root[@]}" cp "$system/lib/modules/$release/updates/dkms/dm-remap.ko" "$gone/updates/dkms/"
"${as_root[@]}" touch "$gone/modules.dep"
"${as_root[@]}" ln -s "$version/${gone##*/}/x86_64" "$dkms/dm-remap/kernel-${gone##*/}-x86_64"
check "BUILD_MODE=MODULAR in /etc/dkms/dm-remap.conf is taken" inside /usr/lib/dm-remap-dkms/setup rebuild
initramfs no
check_fails "a link that led nowhere is in no way, and goes" test -L "$dkms/dm-remap/kernel-${gone##*/}-x86_64"
"${as_root[@]}" rm -r "$gone"
is "both kernels have four modules" "$(modules "$release"), $(modules "$second")" "$four, $four"
like "which need each other" "$(inside modinfo -k "$release" -F depends dm-remap)" 'dm-remap-core'
is "and are in each initramfs" "$(for k in "$release" "$second"; do inside lsinitramfs "/boot/initrd.img-$k" | grep -o 'dm-remap-core'; done | xargs)" \
	"dm-remap-core dm-remap-core"
build_mode INTEGRATED
headers_go
check "and back, with one kernel's headers gone" inside /usr/lib/dm-remap-dkms/setup rebuild
has "which is named" "$out" "nothing was built for $second, which keeps version $version"
like "and when it will be as the others" "$out" "when they are, '.*setup rebuild' once more"
is "it keeps four, the other has one" "$(modules "$release"), $(modules "$second")" "dm-remap, $four"
is "DKMS has them for both" "$(statuses | grep -c "dm-remap/$version, .*: installed")" 2
build_mode NEITHER
before=$(sums)
check_fails "a mode that there is not is refused" inside /usr/lib/dm-remap-dkms/setup rebuild
is "and changes nothing" "$(sums)" "$before"
build_mode INTEGRATED

## A removal that is broken off

headers_come
check "its headers alone do nothing" inside dkms autoinstall -k "$second"
is "so it has four still" "$(modules "$second")" "$four"
check_fails "a removal is killed when one kernel has lost its module" \
	troubled remove "/usr/sbin/dkms remove -m dm-remap -v $version -k $release >/dev/null; $killed" dpkg -r dm-remap-dkms
is "for what stays, all is built again" "$(modules "$release"), $(modules "$second")" "dm-remap, dm-remap"
is "DKMS has it for both" "$(statuses | grep -c "dm-remap/$version, .*: installed")" 2
is "and nothing of the removal is left" "$(in_dkms)" dm-remap
headers_go

## Away

initramfs yes
check "apt removes them" apt remove dm-remap-dkms dm-remap-utils
is "no module is left, nor where there are no headers" "$(modules "$release")$(modules "$second")" ""
headers_come
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
"${as_root[@]}" mkdir -p "$system/lib/modules/$second/updates"
"${as_root[@]}" cp "$system/lib/modules/$release/updates/dm-remap.ko" "$system/lib/modules/$second/updates/"
check_fails "dm-remap-dkms does not take its place while make install's is there" apt install "/new/dm-remap-dkms_${version}_all.deb"
is "none is in its folder" "$(find "$system/lib/modules" -path '*/dkms/*')" ""
"${as_root[@]}" rm -r "$system/lib/modules/$second/updates"
check "dm-remap-dkms takes its place" inside dpkg --configure -a
like "dm-remap is gone" "$(inside dpkg -s dm-remap 2>&1)" 'not installed|deinstall'
is "modprobe finds the module of DKMS" "$(inside modinfo -k "$release" -F filename dm-remap)" \
	"/lib/modules/$release/updates/dkms/dm-remap.ko"
check "apt purges what is there" apt purge dm-remap dm-remap-dkms dm-remap-doc
strays >"$work/after"
is "nothing is left" "$(LC_ALL=C comm -13 "$work/before" "$work/after")" ""
done_testing

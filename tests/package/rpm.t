#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The RPMs are installed, upgraded and removed in a root of their own, with rpm's own database. It has the programs of a Debian
# system, DKMS and a kernel's headers among them; an empty package tells rpm so.
# shellcheck disable=SC2046 # words
. "$(dirname "$0")/lib.sh"

packages || bail "packages are built"
new_system || bail "a system is made"
# DKMS asks which system it is on, and puts modules where that wants them.
printf 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=40\n' | "${as_root[@]}" tee "$system/etc/os-release" >/dev/null
check "libraries of the command" apt install libdevmapper1.02.1 libblkid1 libsmartcols1 libjson-c5

rpm() { inside rpm --nosignature "$@"; }
modules() { (cd "$system/lib/modules" && find . -name 'dm-remap*.ko*' | sed "s|^\./$release/||" | LC_ALL=C sort | xargs); }
left() { (cd "$system" && find . -xdev \( -path ./proc -o -path ./new -o -path ./old \) -prune -o -iname '*dm-remap*' -print -o -name 'dmremap*' -print); }
all=(dm-remap dm-remap-utils dm-remap-devel dm-remap-doc)
of() { # VERSION NAME...: their files
	local v=$1 name f
	shift
	for name; do
		for f in "$system/$v/$name"-[0-9]*.rpm; do echo "/$v/${f##*/}"; done
	done
}

# Of a release with two dashes; see the spec.
its_kernel=/lib/modules/$release/modules.builtin

check "rpm's database is made" rpm --initdb
check_fails "without a kernel, dm-remap is refused" rpm -i $(of new dm-remap)
like "it says which it wants" "$out" "${its_kernel//+/\\+} or /usr${its_kernel//+/\\+}\) is needed"

# What the system has; its libraries are tried below.
{
	printf 'Name: system\nVersion: 1\nRelease: 1\nSummary: What the system has\nLicense: none\nBuildArch: noarch\n'
	for word in "$its_kernel" device-mapper 'dkms = 3.0.10' gcc kmod make /bin/sh /usr/bin/sh; do
		echo "Provides: $word"
	done
	for f in "$made"/new/*.rpm; do command rpm -qp --requires "$f"; done | grep -E '^(lib|rtld)' | sort -u | sed 's/^/Provides: /'
	printf '%%description\nNothing.\n%%files\n'
} >"$work/system.spec"
rpmbuild -bb -D "_topdir $work/rpmbuild" "$work/system.spec" >"$work/log" 2>&1 || bail "a package for what there is" "$(cat "$work/log")"
"${as_root[@]}" cp "$work"/rpmbuild/RPMS/noarch/system-1-1.noarch.rpm "$system/"
check "what the system has is told" rpm -i /system-1-1.noarch.rpm
is "nothing of ours is there yet" "$(left)" ""

## One kernel

check "four packages are installed" rpm -i $(of new "${all[@]}")
is "the module is where its kernel looks" "$(modules)" updates/dm-remap.ko
is "modprobe finds it" "$(inside modinfo -k "$release" -F version dm-remap)" "$version"
check "rpm verifies them" rpm -V "${all[@]}"
like "the command runs" "$(inside dmremap --version)" "$version"
check "its pages are there" test -s "$system/usr/share/man/man8/dmremap.8.gz"
mkdir "$work/include"
cp -r "$system/usr/include/dm-remap" "$work/include/"
printf '#include <stdint.h>\n#include <dm-remap/format.h>\n#include <dm-remap/interface.h>\nint main(void) { return 0; }\n' >"$work/a.c"
check "a program builds with the headers" gcc -I "$work/include" -o "$work/a" "$work/a.c"
check_fails "dm-remap-dkms is refused beside it" rpm -i $(of new dm-remap-dkms)
like "because they conflict" "$out" 'dm-remap.* conflicts with '
# What dnf does in one.
check "with force it is installed" rpm -i --nodeps $(of new dm-remap-dkms)
like "what is a package's is not in its way" "$(inside dkms status 2>/dev/null)" "dm-remap/$version, $release, x86_64: installed"
check "they are removed" rpm -e "${all[@]}"
is "dm-remap-dkms has its module still" "$(modules)" extra/dm-remap.ko
is "DKMS has none of the package's to bring back" "$(ls -d "$system"/var/lib/dkms/dm-remap/original* 2>/dev/null)" ""
check "it is removed" rpm -e dm-remap-dkms
is "nothing is left of them" "$(left)" ""

## DKMS

check "dm-remap-dkms $old is installed" rpm -i $(of old dm-remap-dkms)
like "DKMS has built it" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $release, x86_64: installed"
is "modprobe finds it" "$(inside modinfo -k "$release" -F version dm-remap)" "$old"

# Its package's files go with that.
"${as_root[@]}" mkdir -p "$system/lib/modules/$release/updates"
before=$(modules)
other=$system/lib/modules/$release/updates/dm-remap.ko
{ cat "$system/lib/modules/$release/extra/dm-remap.ko"; echo; } | "${as_root[@]}" tee "$other" >/dev/null
check "rpm cannot refuse an upgrade beside a module of make install" rpm -U $(of new dm-remap-dkms)
has "but it is said" "$out" "neither DKMS's nor a package's: ${other#"$system"}"
is "and leaves the version before" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $release, x86_64: installed"
"${as_root[@]}" rm -r "${other%/*}"
is "with its module" "$(modules)" "$before"

header=$(cd "$system" && find usr/src -path '*common*/include/linux/sort.h')
"${as_root[@]}" mv "$system/$header" "$work/header"
before=$(sha256sum "$system/lib/modules/$release/extra/dm-remap.ko")
check "nor is a build that fails a failure to it" rpm -U --replacepkgs $(of new dm-remap-dkms)
has "but it is told loudly" "$out" "THE BUILD FOR $release FAILED"
is "the module is the same as before" "$(sha256sum "$system/lib/modules/$release/extra/dm-remap.ko")" "$before"
like "DKMS has it still" "$(inside dkms status 2>/dev/null)" "dm-remap/$old, $release, x86_64: installed"
"${as_root[@]}" mv "$work/header" "$system/$header"
check "with the cause gone it is done by hand" inside /usr/lib/dm-remap-dkms/setup rebuild
is "modprobe finds the new version" "$(inside modinfo -k "$release" -F version dm-remap)" "$version"
unlike "DKMS has nothing of the old one" "$(inside dkms status 2>/dev/null)" "$old"

check "an older version takes its place" rpm -U --oldpackage $(of old dm-remap-dkms)
is "modprobe finds it" "$(inside modinfo -k "$release" -F version dm-remap)" "$old"
check "and is upgraded" rpm -U $(of new dm-remap-dkms)
is "modprobe finds the new one" "$(inside modinfo -k "$release" -F version dm-remap)" "$version"
is "DKMS has that alone" "$(inside dkms status 2>/dev/null | sed 's/:.*//')" "dm-remap/$version, $release, x86_64"
check "rpm verifies it" rpm -V dm-remap-dkms
is "the module is where Fedora has it" "$(modules)" extra/dm-remap.ko
"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=MODULAR/' "$system/etc/dkms/dm-remap.conf"
check "it is built in the other mode" inside /usr/lib/dm-remap-dkms/setup rebuild
is "which makes four modules" "$(modules)" "extra/dm-remap-core.ko extra/dm-remap-health.ko extra/dm-remap-meta.ko extra/dm-remap.ko"
"${as_root[@]}" sed -i 's/^BUILD_MODE=.*/BUILD_MODE=INTEGRATED/' "$system/etc/dkms/dm-remap.conf"
check "and back" inside /usr/lib/dm-remap-dkms/setup rebuild
is "which leaves one" "$(modules)" extra/dm-remap.ko
check "it is removed" rpm -e dm-remap-dkms
is "and with it the module, of which DKMS keeps none as another's" "$(modules)" ""
is "nothing is left of it" "$(left)" ""
is "DKMS knows nothing of it" "$(inside dkms status 2>/dev/null)" ""

## As the documents say

documented rpm-install
like "which shows what is there" "$out" "dm-remap/$version, $release, x86_64: installed"
documented rpm-verify
like "which shows that dm-remap is to stay away" "$out" '^dm-remap$'
documented rpm-remove
is "which leaves nothing" "$(left)" ""
done_testing

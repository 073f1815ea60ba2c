#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each block of commands in PACKAGING.md and DKMS.md is run by some test of packages, or says why not; those for a Debian
# system that need no boot are run here, in one.
. "$(dirname "$0")/lib.sh"

for doc in "${documents[@]}"; do
	is "${doc#"$top"/}: each block says who runs it" "$(awk '/^```sh$/ { if (before !~ /^<!-- (tests\/package|not tested): .+ -->$/) print FNR }
		{ before = $0 }' "$doc")" ""
done
for name in $(sed -n 's|^<!-- tests/package: \(.*\) -->$|\1|p' "${documents[@]}"); do
	check "block $name is run" grep -qE "^documented $name\$|^block $name \||\\\$\(block $name\)" "$here"/*.t
done

packages || bail "packages are built"
new_system || bail "a Debian system is made"
printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n' |
	"${as_root[@]}" tee "$system/etc/apt/apt.conf.d/90test" >/dev/null

documented deb-install
like "which shows what is there" "$out" "dm-remap/$version, $release, x86_64: installed"
documented deb-initramfs
like "which takes it in" "$(inside lsinitramfs "/boot/initrd.img-$release")" 'dm-remap\.ko'
documented deb-verify
like "which shows who signed" "$out" '[Kk]ey'
documented dkms-verify
like "which shows for which kernel" "$out" "$release "
documented dkms-signer
like "which shows how it is signed" "$out" 'PKCS#7'
# As Fedora has it for kernels without headers.
"${as_root[@]}" mkdir "$system/lib/modules/1.0"
"${as_root[@]}" ln -s /usr/src/kernels/1.0 "$system/lib/modules/1.0/build"
documented dkms-hand
like "which installs it again" "$(inside dkms status 2>/dev/null)" "dm-remap/$version, $release, x86_64: installed"
documented dkms-mode
is "which makes four modules" "$(cd "$system/lib/modules/$release/updates/dkms" && printf '%s ' dm-remap*.ko*)" \
	'dm-remap-core.ko dm-remap-health.ko dm-remap-meta.ko dm-remap.ko '
documented deb-remove
is "which takes the configuration, too" "$(ls "$system/etc/dkms/dm-remap.conf" 2>/dev/null)" ""
documented dkms-gone
like "which shows nothing" "$out" '^no module$'
documented deb-one
is "which brings the module for its kernel" "$(inside modinfo -k "$release" -F filename dm-remap)" \
	"/lib/modules/$release/updates/dm-remap.ko"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian system with dm-remap-dkms and dm-remap-utils is booted, with its own kernel and systemd: the module loads, a pair
# remaps, and it is there again after a boot by each of three ways: from the initramfs, by the unit, by the udev rule.
# So are pairs on volumes, arrays and mappings, which are ready later than they are added. A device in use outlives an upgrade, and keeps its module from being removed.
. "$(dirname "$0")/lib.sh"

packages || bail "packages are built"
new_system || bail "a Debian system is made"
check "dm-remap-dkms and dm-remap-utils, both $old, are installed" \
	apt install "/old/dm-remap-dkms_${old}_all.deb" "/old/dm-remap-utils_${old}_amd64.deb" ||
	bail "and so there is something to boot"
# shellcheck disable=SC2016 # expanded by that shell
check "lvm2, mdadm and cryptsetup are" inside sh -c 'dpkg -i /stack/*.deb' || bail "and so there is something below pairs"

# An initramfs without ours, to see what comes after it.
plain=$("$here/root")/root/boot/initrd.img-$release
"${as_root[@]}" cp "$plain" "$system/tmp/plain"
listed=$(inside lsinitramfs /tmp/plain)
like "there is another initramfs" "$listed" 'dm-mod\.ko'
unlike "which has nothing of ours" "$listed" 'dm-?remap'
"${as_root[@]}" rm "$system/tmp/plain"
like "the unit is enabled" "$(readlink "$system/etc/systemd/system/sysinit.target.wants/dm-remap.service")" 'dm-remap\.service$'

"${as_root[@]}" cp -r "$here/guest" "$system/test"
"${as_root[@]}" ln -s /test/dm-remap-test.service "$system/etc/systemd/system/multi-user.target.wants/"
"${as_root[@]}" ln -s /test/dm-remap-test.service "$system/etc/systemd/system/"
"${as_root[@]}" cp "$here/guest/at-its-end" "$system/etc/initramfs-tools/scripts/local-bottom/"
# The scripts of packages that are not installed here.
"${as_root[@]}" mkdir "$system/test/refuses"
dpkg-deb -e "$made/new/dm-remap_${version}_amd64.deb" "$work/control" &&
	"${as_root[@]}" cp "$work/control/prerm" "$system/test/refuses/dm-remap.deb.prerm"
for name in dm-remap dm-remap-utils; do
	rpm -qp --qf '%{PREUN}' "$made/new/$name-$version-1.x86_64.rpm" | "${as_root[@]}" tee "$system/test/refuses/$name.rpm.preun" >/dev/null
done
block load | "${as_root[@]}" tee "$system/test/load" >/dev/null
{ echo "old=$old"; echo "version=$version"; } | "${as_root[@]}" tee "$system/test/versions" >/dev/null
# It takes minutes in an emulator, and is not what is booted here; debian.t has it.
"${as_root[@]}" sed -i 's/^update_initramfs=yes/update_initramfs=no/' "$system/etc/initramfs-tools/update-initramfs.conf"
# Elsewhere than the image, which has its own from the first boot on.
"${as_root[@]}" cp "$system/boot/vmlinuz-$release" "$work/vmlinuz"
"${as_root[@]}" chown "$(id -u)" "$work/vmlinuz"
check "its disk is made" "${as_root[@]}" sh -c 'truncate -s 3G "$2" && chown "$3" "$2" &&
	PATH=$PATH:/sbin mke2fs -q -t ext4 -d "$1" "$2"' sh "$system" "$work/root.img" "$(id -u)" || done_testing
for disk in main spare bad spare2 stack leg; do truncate -s 64M "$work/$disk.img"; done

logs=$top/build/log/package
mkdir -p "$logs"
boot() { # STAGE INITRD SECONDS: the tests of that stage, in a boot of their own
	local line disk drives=() ended=''

	for disk in root main spare bad spare2 stack leg; do
		drives+=(-drive "file=$work/$disk.img,format=raw,if=none,id=$disk,cache=unsafe"
			-device "virtio-blk-pci,drive=$disk,serial=$disk")
	done
	echo "# boot: $1"
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		"ok - "*) ok "$1: ${line#ok - }" ;;
		"not ok - "*) not_ok "$1: ${line#not ok - }" "the console is $logs/$1.console" ;;
		"@config "*) config=${line#@config } ;;
		@end) ended=1 ;;
		*) echo "# $line" ;;
		esac
	done < <("${as_root[@]}" cat "$2" >"$work/initrd" && timeout "$3" qemu-system-x86_64 -nodefaults -display none -no-reboot \
		-accel tcg,thread=multi -cpu max -smp 2 -m 2G "${drives[@]}" -kernel "$work/vmlinuz" -initrd "$work/initrd" \
		-serial "file:$logs/$1.console" -serial stdio \
		-append "root=/dev/vda rw console=ttyS0 no_timer_check mitigations=off dmr.stage=$1" </dev/null 2>&1)
	if [ -z "$ended" ]; then
		not_ok "$1: the system came to the end of its tests" "$(tail -n 40 "$logs/$1.console")"
		done_testing
	fi
	ok "$1: the system came to the end of its tests"
	unlike "$1: the kernel reports no trouble" "$(grep -E -f "$top/tests/vm/trouble" "$logs/$1.console")" .
}

config=''
boot create "$plain" 900
like "create: the pair has a line for the configuration" "$config" '^safe '

"${as_root[@]}" sed -i 's/^update_initramfs=no/update_initramfs=yes/' "$system/etc/initramfs-tools/update-initramfs.conf"
echo "$config" | "${as_root[@]}" tee "$system/etc/dm-remap.conf" >/dev/null
check "update-initramfs takes it in" inside update-initramfs -u -k "$release"
like "lsinitramfs shows command, module and configuration" \
	"$(inside lsinitramfs "/boot/initrd.img-$release" | grep -E 'dmremap$|dm-remap\.(ko|conf)' | LC_ALL=C sort | xargs)" \
	'etc/dm-remap\.conf .*dm-remap\.ko.* usr/sbin/dmremap'
boot initramfs "$system/boot/initrd.img-$release" 900
boot unit "$plain" 900
boot udev "$plain" 2700
done_testing

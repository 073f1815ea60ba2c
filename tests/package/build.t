#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packages are built from a clean checkout by somebody who is not root, twice the same, and are what they ought to be.
. "$(dirname "$0")/lib.sh"

packages || bail "packages are built"
ok "make packages builds them all, from a clean checkout, without root's rights"
wanted="dm-remap-$version-1.x86_64.rpm dm-remap-devel-$version-1.noarch.rpm dm-remap-dkms-$version-1.noarch.rpm
dm-remap-dkms_${version}_all.deb dm-remap-doc-$version-1.noarch.rpm dm-remap-doc_${version}_all.deb
dm-remap-utils-$version-1.x86_64.rpm dm-remap-utils_${version}_amd64.deb dm-remap_${version}_amd64.deb"
is "one folder has them, and nothing else" "$(cd "$made/new" && printf '%s\n' * | LC_ALL=C sort | xargs)" \
	"$(printf '%s\n' $wanted | LC_ALL=C sort | xargs)"

# Elsewhere, in another language and time zone, with another umask, as PACKAGING.md says.
umask 077
check "a clean checkout, in another folder" clean_checkout "$work/a/folder with another name"
check "builds there again" as_user env LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo KDIR="$(kdir)" \
	sh -euc "cd '$work/a/folder with another name'; $(block build)"
for f in "$made"/new/*; do
	check "${f##*/}: the same bytes" cmp "$f" "$work/a/folder with another name/build/packages/${f##*/}"
done
# With BTF, which pahole writes by several threads. What is said to the make that asks for it is not for those within.
newest=$("$top/tests/vm/kernel" 6.12)
checkout="$work/a/folder with another name"
check "dm-remap is built for 6.12" as_user env OUT="$work/btf-1" KDIR="$newest/kdir" "$checkout/packaging/build" deb
check "and by make, by other folders' names" as_user env OUT="$work/btf-2" make -C "$checkout" deb \
	KDIR="$(realpath --relative-to "$checkout" "$newest/kdir")" BUILD_MODE=MODULAR PREFIX=/opt DESTDIR="$work/elsewhere"
is "of which nothing is left beside them" "$(ls -A "$work/btf-1")" "$(ls "$work/btf-1")"
f=dm-remap_${version}_amd64.deb
check "for 6.12: the same bytes" cmp "$work/btf-1/$f" "$work/btf-2/$f"
dpkg-deb -x "$work/btf-1/$f" "$work/btf" && readelf -S "$work"/btf/lib/modules/*/updates/dm-remap.ko >"$work/sections"
like "which have BTF" "$(cat "$work/sections")" '\.BTF'
is "the checkout has nothing new but build/" \
	"$(git -C "$work/a/folder with another name" status --porcelain --ignored)" \
	"$( (git -C "$top" status --porcelain; echo '!! build/') | LC_ALL=C sort)"
umask 022
mkdir "$work/plain"
cp -r "$top/packaging" "$top/VERSION" "$work/plain/"
check_fails "without git's knowledge none is built" "$work/plain/packaging/build" deb
like "for want of a checkout" "$out" '^packaging: packages are made in a git checkout[^
]*$'

check "lintian finds nothing" lintian --allow-root --fail-on error,warning,info "$made"/new/*.deb
is "and says nothing" "$out" ""
out=$(rpmlint -c "$top/packaging/rpm/rpmlint.toml" "$made"/new/*.rpm 2>&1)
like "rpmlint finds nothing" "$out" '(^|[^0-9])0 errors, 0 warnings'

# Signed by a key that is thrown away.
export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME"
check "a key is made" gpg -q --batch --passphrase '' --quick-gen-key publisher@example.org default default never
mkdir -p "$work/signed/build" && cp -r "$made/new" "$work/signed/build/packages"
check "block sign of the documents" sh -euc "cd '$work/signed'; KEY=publisher@example.org; $(block sign)"
mkdir "$work/rpmdb"
gpg -q --armor --export publisher@example.org >"$work/key.asc"
check "rpm imports the key" rpmkeys --dbpath "$work/rpmdb" --import "$work/key.asc"
for f in "$work"/signed/build/packages/*.rpm; do
	like "${f##*/}: its signature is good" "$(rpmkeys --dbpath "$work/rpmdb" --checksig "$f")" 'digests signatures OK'
done
check "the checksums' signature is good" gpg -q --verify "$work/signed/build/packages/SHA256SUMS.asc"
check "and so are they" sh -euc "cd '$work/signed/build/packages'; sha256sum --quiet -c SHA256SUMS"
gpgconf --kill gpg-agent

field() { dpkg-deb -f "$made/new/$1" "$2"; }
release=$(cat "$("$top/tests/vm/kernel" 6.1)/release")
like "dm-remap wants its kernel" "$(field "dm-remap_${version}_amd64.deb" Depends)" "linux-image-$release"
like "dm-remap conflicts with dm-remap-dkms" "$(field "dm-remap_${version}_amd64.deb" Conflicts)" '^dm-remap-dkms$'
like "dm-remap-dkms conflicts with dm-remap" "$(field "dm-remap-dkms_${version}_all.deb" Conflicts)" '^dm-remap$'
like "dm-remap-dkms wants dkms" "$(field "dm-remap-dkms_${version}_all.deb" Depends)" '(^|, )dkms '
like "dm-remap-utils wants its libraries" "$(field "dm-remap-utils_${version}_amd64.deb" Depends)" 'libdevmapper.*libjson-c'
like "dm-remap is where its kernel looks" "$(dpkg-deb -c "$made/new/dm-remap_${version}_amd64.deb")" \
	"/lib/modules/$release/updates/dm-remap.ko"
unlike "no package has the target of the tests" "$(for f in "$made"/new/*.deb; do dpkg-deb -c "$f"; done
	rpm -qlp "$made"/new/*.rpm)" faulty
is "dm-remap-devel has the two public headers" "$(rpm -qlp "$made/new/dm-remap-devel-$version-1.noarch.rpm" | grep '\.h$' | xargs)" \
	"/usr/include/dm-remap/format.h /usr/include/dm-remap/interface.h"
like "dm-remap of RPM wants its kernel" "$(rpm -qp --requires "$made/new/dm-remap-$version-1.x86_64.rpm")" \
	"/lib/modules/$release/modules.builtin"
sed -e "s|@VERSION@|$version|; s|@RELEASE@|6.8.5-301.fc40.x86_64|" "$top/packaging/rpm/dm-remap.spec" >"$work/dm-remap.spec"
like "and Fedora's by its name there" "$(rpmspec -q --requires "$work/dm-remap.spec")" 'kernel-uname-r = 6\.8\.5-301\.fc40\.x86_64'
like "the command is in /usr/sbin, where others are not any more" "$(rpmspec -P -D '_sbindir /usr/bin' "$work/dm-remap.spec")" '
/usr/sbin/dmremap
'
done_testing

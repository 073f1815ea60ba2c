# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of packages are written with. Their systems are copies of one made by `root`, and end with the test.
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/tap.sh
. "$top/tests/tap.sh"
cache=${DM_REMAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-remap}
made=$top/build/package
version=$(cat "$top/VERSION")
old=0.9.0
documents=("$top/PACKAGING.md" "$top/docs/development/DKMS.md")
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

work=$(mktemp -d "${TMPDIR:-/tmp}/dm-remap-package.XXXXXX")
trap '"${as_root[@]}" rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

## Packages

# As somebody who is not root: the same files, none of root's rights.
as_user() {
	if [ "$(id -u)" = 0 ]; then unshare --user --map-user=1000 --map-group=1000 "$@"; else "$@"; fi
}

kdir() { echo "$("$top/tests/vm/kernel" 6.1)/kdir"; }

# A clone, with what the checkout has beyond its last commit, staged or not.
clean_checkout() { # FOLDER
	git clone -q "$top" "$1" || return 1
	(cd "$top" && git diff -z --name-only --diff-filter=D HEAD | (cd "$1" && xargs -0r rm -f)
		{ git diff -z --name-only --diff-filter=d HEAD; git ls-files -z --others --exclude-standard; } |
			while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done | cpio --quiet -0 -pdmu "$1")
}

# In build/package: `new`, of this version, and `old`, of one before. Made afresh when the sources have changed.
packages() {
	local stamp
	mkdir -p "$made"
	exec 8>"$made/.lock"
	flock 8
	stamp=$(kdir; cat "$(kdir)/include/generated/utsrelease.h"; cd "$top" && git log -1 --format=%ct; cd "$top" && git ls-files -z --cached --others --exclude-standard \
		Kbuild VERSION CHANGELOG.md README.md Makefile core kernel include cli man system docs packaging LICENSES |
		xargs -0 sha256sum 2>/dev/null)
	if [ "$(cat "$made/stamp" 2>/dev/null)" != "$stamp" ]; then
		rm -rf "$made/new" "$made/old"
		clean_checkout "$work/source" || return 1
		as_user env OUT="$work/new" KDIR="$(kdir)" "$work/source/packaging/build" >&2 &&
			as_user env OUT="$work/old" KDIR="$(kdir)" PACKAGE_VERSION=$old "$work/source/packaging/build" >&2 &&
			mv "$work/new" "$work/old" "$made/" || return 1
		echo "$stamp" >"$made/stamp"
	fi
	flock -u 8
}

## Systems

# A copy of the cached one, in $system, with the packages in /new and /old.
new_system() {
	local base
	base=$("$here/root") || return 1
	release=$(cat "$base/release")
	second=$(cat "$base/second")
	system=$work/system
	"${as_root[@]}" rm -rf "$system"
	"${as_root[@]}" cp -a --reflink=auto "$base/root" "$system" &&
		"${as_root[@]}" cp -r "$made/new" "$made/old" "$system/"
}

# Its mounts and processes end with the command.
inside() { # COMMAND...
	# shellcheck disable=SC2016 # expanded by that shell
	"${as_root[@]}" unshare --mount --pid --fork --kill-child sh -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" || exit 1
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			HOME=/root "$@"
	' sh "$system" "$@" </dev/null
}

apt() { inside apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"; }

## Documents

block() { # NAME: the commands of a block of the documents
	awk -v mark="<!-- tests/package: $1 -->" '$0 == mark { on = 1; next } on && /^```$/ { exit } on && !/^```/' "${documents[@]}"
}

# As somebody would who typed them in the folder of the packages, on that system's kernel.
documented() { # NAME
	[ "$(block "$1")" ] || not_ok "block $1 of the documents is there" "no document has it"
	check "block $1 of the documents" inside bash -euc "cd /new
sudo() { \"\$@\"; }
modinfo() { command modinfo -k $release \"\$@\"; }
$(block "$1")"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Man pages, completion, and what a system takes in: they are sound, and know what the command knows.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

for page in man/dmremap.8 man/dm-remap.7; do
	is "$page: mandoc finds nothing" "$(mandoc -Tlint -W style "$page" 2>&1 | grep -v 'manual not found\|mandoc.db')" ""
	is "$page: man finds nothing" "$(LC_ALL=C man -l --warnings "$page" 2>&1 >/dev/null)" ""
done
text=$(mandoc -Tascii man/dmremap.8 | col -b)
interface=$(mandoc -Tascii man/dm-remap.7 | col -b)
# What the page says of a verb, and what of all in its section.
part_of() { # VERB
	awk -v verb="$1" '
		/^\.Ss/ { if (found) exit; text = item = ""; depth = 0 }
		/^\.Bl/ { depth++ }
		/^\.El/ && !--depth { item = "" }
		/^\.It Cm/ && depth == 1 { item = $3; found = found || item == verb }
		item == "" || item == verb { text = text "\n" $0 }
		END { print text }' man/dmremap.8
}
mapfile -t verbs < <("$dmremap" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
for verb in "${verbs[@]}"; do
	like "dmremap(8) has $verb" "$text" $'\n     '"$verb( |"$'\n'")"
	for option in $("$dmremap" "$verb" --help | grep -o -- '--[a-z-]*' | sort -u); do
		[[ $option = --help || $(part_of "$verb") == *"Fl Fl ${option#--}"* ]] || not_ok "dmremap(8) has $option of $verb" "it has not"
	done
done
# The numbers of enum dmr_exit are those of the page.
missing=$(sed -n 's/^\tDMR_EXIT_[A-Z_]* = \([0-9]*\),.*/\1/p' cli/cli.h | while read -r code; do
	grep -q "^\.It $code$" man/dmremap.8 || echo "$code"
done)
is "dmremap(8) has all exit codes" "$missing" ""
for word in $(sed -n 's/^#define DMR_\(ARG\|KEY\|MSG\)_[A-Z_]*\t*"\([a-z_]*\)".*/\2/p' include/dm-remap/interface.h); do
	[[ $interface == *"$word"* ]] || missing+=" $word"
done
is "dm-remap(7) has all words of the interface" "$missing" ""
for key in $(grep -ho 'dmr_out_[a-z]*("[a-z_]*"' cli/*.c | sed 's/.*"\(.*\)"/\1/' | sort -u); do
	grep -q "\`$key\`" docs/JSON.md || missing+=" $key"
done
for key in $(grep -ho '{ "[a-z_]*", DMR_[A-Z]*, \(true\|false\)' cli/*.c | sed 's/{ "\([a-z_]*\)".*/\1/' | sort -u); do
	[ "$key" = role ] || grep -q "\`$key\`" docs/JSON.md || missing+=" $key"
done
is "JSON.md has all keys" "$missing" ""

## Completion

mkdir "$work/bin"
cat >"$work/bin/dmremap" <<END
#!/bin/sh
[ "\$*" != "list -n -o name" ] || { echo safe; echo sound; exit; }
exec "$dmremap" "\$@"
END
chmod +x "$work/bin/dmremap"
PATH=$work/bin:$PATH
. system/completion/dmremap
completes() { # WORD...: the last one is completed
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_dmremap
	printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}
is "all verbs are completed" "$(completes dmremap '')" "$(printf '%s\n' "${verbs[@]}" | sort | tr '\n' ' ')"
is "a verb that is begun" "$(completes dmremap re)" "remap repair resume-auto retest "
is "a verb's options" "$(completes dmremap create --)" "--dry-run --fail-pending --help --no-auto --wipe --yes "
is "names of pairs" "$(completes dmremap show '')" "safe sound "
is "one that is begun" "$(completes dmremap stop safe so)" "sound "
is "a verb with one name gets one" "$(completes dmremap show safe '')" " "
is "devices" "$(completes dmremap create /dev/nul)" "/dev/null "
is "columns" "$(completes dmremap list -o u)" "uuid "
is "columns behind others" "$(completes dmremap status -o name,st)" "name,start name,state "
for verb in list status show dump; do
	for column in $(_dmremap_columns "$verb"); do
		grep -q "{ \"$column\", DMR_" cli/verb-*.c || missing+=" $column"
	done
done
is "columns that are completed are there" "$missing" ""

## For the system

if command -v systemd-analyze >/dev/null; then
	is "the units are sound" "$(systemd-analyze verify --man=no system/systemd/dm-remap{,@}.service 2>&1 | grep dm-remap |
		grep -v 'dmremap is not executable')" ""
else
	skip "the units are sound" "no systemd-analyze"
fi
if udevadm verify --help >/dev/null 2>&1; then
	is "the rule is sound" "$(udevadm verify --no-summary system/udev/66-dm-remap.rules 2>&1)" ""
else
	skip "the rule is sound" "udevadm has no verify"
fi
is "scripts of the initramfs have their prereqs" "$(for f in hooks scripts/local-top; do
	sh "system/initramfs-tools/$f/dm-remap" prereqs || echo "$f"; done)" ""
# With stand-ins for what is around them.
mkdir "$work/sys" "$work/initrd"
sed "s|/usr/sbin/dmremap|$work/sys/dmremap|" system/initramfs-tools/scripts/local-top/dm-remap >"$work/local-top"
printf '#!/bin/sh\necho "%s $*" >>"%s"\n' modprobe "$work/said" >"$work/sys/modprobe"
printf '#!/bin/sh\necho "%s $*" >>"%s"\nexit 3\n' dmremap "$work/said" >"$work/sys/dmremap"
chmod +x "$work/sys"/*
PATH=$work/sys:$PATH sh "$work/local-top" 2>/dev/null
is "the initramfs assembles all pairs, and boots on where one is missing" "$? $(tr '\n' ' ' <"$work/said")" \
	"0 modprobe -q dm-remap dmremap assemble --scan --configured "
mkdir -p build
(flock 9 && make -s -C cli) 9>build/.cli.lock >/dev/null 2>&1 && make -s install-cli DESTDIR="$work/root" >/dev/null
is "all is installed" "$(cd "$work/root" && find . -type f | LC_ALL=C sort)" "./lib/udev/rules.d/66-dm-remap.rules
./usr/lib/systemd/system/dm-remap.service
./usr/lib/systemd/system/dm-remap@.service
./usr/sbin/dmremap
./usr/share/bash-completion/completions/dmremap
./usr/share/initramfs-tools/hooks/dm-remap
./usr/share/initramfs-tools/scripts/local-block/dm-remap
./usr/share/initramfs-tools/scripts/local-top/dm-remap
./usr/share/man/man7/dm-remap.7
./usr/share/man/man8/dmremap.8"
make -s uninstall-cli DESTDIR="$work/root" >/dev/null
is "and uninstalled" "$(cd "$work/root" && find . -type f)" ""
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# What people type; `make help` lists it. How the modules are made is in Kbuild, which the kernel's
# build system reads; nothing here depends on how that calls us.

KVER	?= $(shell uname -r)
KDIR	?= /lib/modules/$(KVER)/build
# The kernel that KDIR belongs to, which is where the modules are installed. kernel.release is not it for Debian's 6.1.
RELEASE	 = $(or $(shell sed -n 's/.*RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null),$(KVER))
MODDIR	 = $(DESTDIR)/lib/modules/$(RELEASE)/updates
VERSION	:= $(shell cat VERSION)
# INTEGRATED: one module. MODULAR: several, of which dm-remap-health is optional.
BUILD_MODE ?= INTEGRATED
# What the last build made, but for the test target. Its mode may have been another than the one before.
BUILT	 = $(notdir $(basename $(file <modules.order)))
MODULES	 = $(addsuffix .ko,$(filter-out %-faulty,$(BUILT)))
KBUILD	 = $(MAKE) -C $(KDIR) M=$(CURDIR) BUILD_MODE=$(BUILD_MODE)
# For check-vm: kernels and guest tests, by name or pattern.
K	?=
T	?=

# What another mode left is removed. The list is read before the first line of a recipe runs, so that line is in another.
all: modules
	@rm -f $(filter-out $(addsuffix .ko,$(BUILT)),$(wildcard *.ko))

# The sign passes -j on, which make does by itself only where it reads $(MAKE).
modules: headers
	+$(KBUILD) modules

headers:
ifeq ($(filter INTEGRATED MODULAR,$(BUILD_MODE)),)
	@echo "BUILD_MODE is '$(BUILD_MODE)': it must be INTEGRATED or MODULAR" >&2; exit 1
endif
	@test -e $(KDIR)/Makefile || { \
		echo "No kernel headers in $(KDIR): install linux-headers-$(KVER), or say KDIR=..." >&2; exit 1; }

# Installs what `make` built, and builds nothing itself: root leaves no files in the source.
install:
	@test -e dm-remap.ko || { echo "Nothing is built yet: run make first" >&2; exit 1; }
	install -d $(MODDIR)
	install -m 644 $(MODULES) $(MODDIR)
	$(if $(DESTDIR),,depmod -a $(RELEASE))

# Signs what `make` built with a key of the user's, for kernels that load nothing unsigned (Secure Boot).
SIGN_KEY ?=
SIGN_CERT ?=
sign:
	@tools/sign '$(KDIR)' '$(SIGN_KEY)' '$(SIGN_CERT)' $(MODULES)

uninstall:
	rm -f $(addprefix $(MODDIR)/,dm-remap.ko dm-remap-core.ko dm-remap-meta.ko dm-remap-health.ko)
	-rmdir --ignore-fail-on-non-empty $(MODDIR) 2>/dev/null
	$(if $(DESTDIR),,depmod -a $(RELEASE))

# The command, with its pages and what a system takes in. It needs no kernel headers.
PREFIX	?= /usr
CLI_FILES = $(PREFIX)/sbin/dmremap $(PREFIX)/share/man/man8/dmremap.8 $(PREFIX)/share/man/man7/dm-remap.7 \
	$(PREFIX)/share/bash-completion/completions/dmremap /lib/udev/rules.d/66-dm-remap.rules \
	/usr/lib/systemd/system/dm-remap.service /usr/lib/systemd/system/dm-remap@.service \
	/usr/share/initramfs-tools/hooks/dm-remap \
	/usr/share/initramfs-tools/scripts/local-block/dm-remap \
	/usr/share/initramfs-tools/scripts/local-top/dm-remap

cli:
	$(MAKE) -C cli

install-cli:
	@test -e build/cli/dmremap || { echo "The command is not built yet: run make cli first" >&2; exit 1; }
	install -D build/cli/dmremap $(DESTDIR)$(PREFIX)/sbin/dmremap
	install -D -m 644 man/dmremap.8 $(DESTDIR)$(PREFIX)/share/man/man8/dmremap.8
	install -D -m 644 man/dm-remap.7 $(DESTDIR)$(PREFIX)/share/man/man7/dm-remap.7
	install -D -m 644 system/completion/dmremap $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dmremap
	install -D -m 644 system/udev/66-dm-remap.rules $(DESTDIR)/lib/udev/rules.d/66-dm-remap.rules
	install -D -m 644 system/systemd/dm-remap.service $(DESTDIR)/usr/lib/systemd/system/dm-remap.service
	install -D -m 644 system/systemd/dm-remap@.service $(DESTDIR)/usr/lib/systemd/system/dm-remap@.service
	install -D system/initramfs-tools/hooks/dm-remap $(DESTDIR)/usr/share/initramfs-tools/hooks/dm-remap
	install -D system/initramfs-tools/scripts/local-top/dm-remap \
		$(DESTDIR)/usr/share/initramfs-tools/scripts/local-top/dm-remap
	install -D system/initramfs-tools/scripts/local-block/dm-remap \
		$(DESTDIR)/usr/share/initramfs-tools/scripts/local-block/dm-remap

uninstall-cli:
	rm -f $(addprefix $(DESTDIR),$(CLI_FILES))

# Packages, in build/packages; packaging/build says more.
PACKAGES = dkms-deb deb dkms-rpm rpm
$(PACKAGES):
	@KDIR='$(KDIR)' packaging/build $@

packages:
	@KDIR='$(KDIR)' packaging/build $(PACKAGES)

check-packages: deps
	@$(CHECK) -t '$(T)' packages

# TESTING_SUMMARY.md, from what the suites printed last.
summary:
	@tests/summary >TESTING_SUMMARY.md.new && mv TESTING_SUMMARY.md.new TESTING_SUMMARY.md

# Works without headers, so it does not ask Kbuild.
clean:
	rm -rf build .tmp_versions Module.symvers modules.order
	find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '.*.d' -o -name '.*.o.*' -o -name '*.a' \) -type f -exec rm -f {} +

deps:
	@tests/deps

CHECK = tests/check $(if $(RESUME),--resume)

check: deps
	@$(CHECK)

check-all: deps
	@$(CHECK) --all

check-unit: deps
	@$(CHECK) unit

check-fuzz: deps
	@$(CHECK) fuzz

check-build: deps
	@$(CHECK) -k '$(K)' build

check-cmd: deps
	@$(CHECK) cmd

check-lint: deps
	@$(CHECK) lint

check-vm: deps
	@$(CHECK) -k '$(K)' -t '$(T)' vm

check-kernels: deps
	@$(CHECK) -k '$(K)' -t '$(T)' kernels

check-crash: deps
	@$(CHECK) -k '$(K)' crash

check-damage: deps
	@$(CHECK) -k '$(K)' damage

check-debug: deps
	@$(CHECK) -t '$(T)' debug

check-stacks: deps
	@$(CHECK) -k '$(K)' -t '$(T)' stacks

check-zfs: deps
	@$(CHECK) -k '$(K)' -t '$(T)' zfs

check-race: deps
	@$(CHECK) -k '$(K)' race

shell: deps
	@tests/vm/run $(if $(K),-k $(K)) --shell

bench: deps
	@tests/bench/icount

demo: deps
	@tests/demo/run

help:
	@echo "dm-remap $(VERSION)"
	@echo "  make [KDIR=...]        build dm-remap.ko for the running kernel, or for the headers in KDIR"
	@echo "  make BUILD_MODE=MODULAR   build it as several modules"
	@echo "  make sign SIGN_KEY=... SIGN_CERT=...   sign it for Secure Boot, before it is installed"
	@echo "  make install           install it (DESTDIR=..., else depmod); make uninstall undoes it"
	@echo "  make cli               build the command dmremap; make install-cli, uninstall-cli"
	@echo "  make deb | dkms-deb | rpm | dkms-rpm | packages [KDIR=...]   packages, in build/packages"
	@echo "  make clean             leave nothing but the sources"
	@echo "  make demo              a file system survives a failing disk (in a guest, about two minutes)"
	@echo "  make check             install what is needed, run all tests, end in one line"
	@echo "  make check-all         the same with the long tests, check-kernels, -crash, -damage, -stacks, -zfs, -packages, -debug, -race and bench"
	@echo "  make check-unit | check-fuzz | check-cmd | check-build | check-lint"
	@echo "  make check-vm [K=6.12] [T=name]   guest tests, on one kernel, of one name or pattern"
	@echo "  make check-kernels [K=7] [T=name]   every kernel of tests/vm/kernels, both build modes"
	@echo "  make check-crash [K=6.12]         the power fails thousands of times, and nothing may be lost (some 15 minutes)"
	@echo "  make check-damage [K=6.12]        all metadata damaged in every way, in user space and in a guest"
	@echo "  make check-debug [T=name]         guest tests on a kernel built to find bugs (the first time takes a while)"
	@echo "  make check-race [K=6.12]          everything at once for minutes, on all kernels and two built to find bugs"
	@echo "  make check-stacks [T=stack-lvm]   file systems, LVM, md, LUKS and more above and below it (tools are installed first)"
	@echo "  make check-zfs [T=zfs-mirror]     OpenZFS above it, on one disk and in a mirror (built once, some minutes)"
	@echo "  make check-packages    packages are built, installed, booted, upgraded and removed on real systems (takes a while)"
	@echo "    RESUME=1             with these: what passed when they ran last is not run again, unless what it tests has changed"
	@echo "  make summary           TESTING_SUMMARY.md from the logs of what ran last"
	@echo "  make shell [K=6.12]    a shell in a guest, with modules loaded and devices ready"
	@echo "  make bench             instructions an I/O, against dm-linear"

.PHONY: all modules headers sign install uninstall cli install-cli uninstall-cli clean deps check check-all check-unit check-fuzz check-cmd check-build \
	check-lint check-vm check-kernels check-crash check-damage check-debug check-race check-stacks check-zfs check-packages \
	$(PACKAGES) packages summary shell bench demo help

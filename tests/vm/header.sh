# SPDX-License-Identifier: GPL-2.0-or-later
# What run and check both read of a guest test's header.
# shellcheck shell=bash
# Tests for which this is the same can share a boot.
key_of() { grep -E '^# (disks|boots|memory|smp|append|modules|firmware):' "$1" | sort | tr '\n' ' '; } # FILE

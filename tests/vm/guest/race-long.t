# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C4, C13, C15, C18, C21: all at once, for minutes, with volatile caches (race.sh).
# suite: long
# timeout: 900
# tools: racer
# programs: fio
. /vm/race.sh
race_begin cache
race 180 30
done_testing

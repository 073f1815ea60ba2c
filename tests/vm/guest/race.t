# SPDX-License-Identifier: GPL-2.0-or-later
# C3, C4, C13, C15, C18, C21: all at once, for a short time (race.sh); race-long.t goes on for minutes.
# timeout: 400
# tools: racer
# programs: fio
. /vm/race.sh
race_begin
race 20 10
done_testing

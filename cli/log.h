/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the core's log lines go: the command shows them with --verbose only (included before all else). */
#ifndef DMREMAP_LOG_H
#define DMREMAP_LOG_H

__attribute__((format(printf, 1, 2))) void dmr_log_line(const char *format, ...);
#define dmr_log(...)	dmr_log_line(__VA_ARGS__)

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the verifier's log; see the header. */
#include "bpf/log.h"

/* The line of the verifier's log that says what was wrong: the last that is no statistics. */
static char *last_line(const char *log)
{
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	int i;

	for (i = g_strv_length(lines) - 1; i >= 0; i--) {
		g_strstrip(lines[i]);
		if (lines[i][0] && !g_str_has_prefix(lines[i], "processed ") &&
		    !g_str_has_prefix(lines[i], "verification time"))
			return g_strdup(lines[i]);
	}
	return NULL;
}

int acg_load_error(GError **error, const char *what, int errnum, const char *log)
{
	g_autofree char *line = last_line(log);

	if (errnum == EPERM && !line)
		return acg_fail(error, EPERM,
				"loading BPF programs is not permitted: it needs CAP_BPF and "
				"CAP_PERFMON, and a kernel that is not locked down");
	return acg_fail_errno(error, errnum, "cannot load %s%s%s", what, line ? ": " : "",
			      line ? line : "");
}

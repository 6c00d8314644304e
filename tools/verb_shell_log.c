/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg shell-log DIR CALL COMMAND PID START END EXIT MEMORY: the line of $AGENTCG_LOG for a call of `agentcg shell`, which runs this
 * (tools/verb_shell.c). Times are microseconds since 1970, MEMORY is bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/json.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

enum { DIR_OF_AGENT = 1, CALL, COMMAND, PID, START, END, EXIT, MEMORY, N_ARGUMENTS };

/* A number of our own JSON: quotes inside strings are escaped, so that "KEY": is found nowhere else. */
static char *member(const char *json, const char *key)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\":", key);
	const char *at = json ? strstr(json, quoted) : NULL;

	if (!at)
		return g_strdup("unknown");
	at += strlen(quoted);
	return g_strndup(at, strspn(at, "0123456789"));
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* Sizes are strings there, as scripts know them: "unknown" and "max" are among them. */
static char *log_line(char **argv)
{
	g_autofree char *info =
		acg_tree_read(NULL, argv[DIR_OF_AGENT], "calls", argv[CALL], "info", NULL);
	g_autofree char *cgroup = g_build_filename(argv[DIR_OF_AGENT], "calls", argv[CALL], NULL);
	g_autofree char *peak = member(info, "memory_peak"), *high = member(info, "grant");
	GString *out = g_string_new(NULL);

	acg_json_open(out, NULL, '{');
	acg_json_unsigned(out, "ts", number(argv[START]) * 1000);
	acg_json_unsigned(out, "pid", number(argv[PID]));
	acg_json_string(out, "cgroup", cgroup);
	acg_json_string(out, "cmd", argv[COMMAND]);
	acg_json_unsigned(out, "exit", number(argv[EXIT]));
	acg_json_unsigned(out, "duration_ms", (number(argv[END]) - number(argv[START])) / 1000);
	acg_json_string(out, "peak_mem", *peak ? peak : "unknown");
	acg_json_string(out, "current_mem", argv[MEMORY]);
	acg_json_string(out, "hint", g_getenv("AGENT_RESOURCE_HINT") ?: "");
	acg_json_string(out, "mem_high", *high ? high : "max");
	acg_json_close(out, '}');
	g_string_append_c(out, '\n');
	return g_string_free(out, FALSE);
}

int acg_verb_shell_log(int argc, char **argv)
{
	const char *path = g_getenv("AGENTCG_LOG");
	g_autofree char *line = NULL;
	int fd, ret = 0;

	if (argc != N_ARGUMENTS || !path)
		return ACG_EXIT_USAGE;
	line = log_line(argv);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, strlen(line)) < 0) {
		fprintf(stderr, "agentcg: AGENTCG_LOG: %s: %s\n", path, strerror(errno));
		ret = 1;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

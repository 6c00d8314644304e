/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg shell: in the place of bash. `-c COMMAND` becomes one tool call, everything else the real shell at once: scripts, standard
 * input and people are no tool calls, and a launcher's own `bash script` would take the whole agent into one.
 *
 * Arguments, environment, streams, exit status and signals are those of the real shell (tools/standin.h). What the call needs is said by
 * AGENT_RESOURCE_HINT, in the environment or, before that, at the beginning of COMMAND, where models write it. AGENTCG_DISABLE=1
 * switches it off; AGENTCG_LOG names a file that gets one JSON object for each call; AGENTCG_ROOT, which
 * prototypes want, is not needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/json.h"
#include "policy/policy.h"
#include "tools/call.h"
#include "tools/shell_args.h"
#include "tools/standin.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

#define HINT_VARIABLE  "AGENT_RESOURCE_HINT"
#define LOGGED_COMMAND 200 /* bytes of it in AGENTCG_LOG */

/* --- the log ------------------------------------------------------------------------------------------------ */

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

/* Sizes are strings there, as scripts know them: "unknown" and "max" are among them. */
static char *log_line(const struct acg_run *run, int status)
{
	g_autofree char *info = acg_tree_read(NULL, run->dir, "calls", run->call, "info", NULL);
	g_autofree char *cgroup = g_build_filename(run->dir, "calls", run->call, NULL);
	g_autofree char *command = g_strndup(run->text, LOGGED_COMMAND);
	g_autofree char *peak = member(info, "memory_peak"), *high = member(info, "grant");
	g_autofree char *current = g_strdup_printf("%" PRIu64, run->memory_current);
	GString *out = g_string_new(NULL);

	acg_json_open(out, NULL, '{');
	acg_json_unsigned(out, "ts", run->start * 1000);
	acg_json_unsigned(out, "pid", run->pid);
	acg_json_string(out, "cgroup", cgroup);
	acg_json_string(out, "cmd", command);
	acg_json_unsigned(out, "exit",
			  WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	acg_json_unsigned(out, "duration_ms", (run->end - run->start) / 1000);
	acg_json_string(out, "peak_mem", *peak ? peak : "unknown");
	acg_json_string(out, "current_mem", current);
	acg_json_string(out, "hint", g_getenv(HINT_VARIABLE) ?: "");
	acg_json_string(out, "mem_high", *high ? high : "max");
	acg_json_close(out, '}');
	g_string_append_c(out, '\n');
	return g_string_free(out, FALSE);
}

static const char *log_path(void)
{
	const char *path = g_getenv("AGENTCG_LOG");

	return path && *path ? path : NULL;
}

static void write_log(const struct acg_run *run, int status)
{
	const char *path = log_path();
	g_autofree char *line = NULL;
	int fd;

	if (!path || !run->call)
		return;
	line = log_line(run, status);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		fprintf(stderr, "agentcg: AGENTCG_LOG: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* --- what the call needs ------------------------------------------------------------------------------------ */

static struct acg_hint hint_for(const char *command)
{
	const char *said = g_getenv(HINT_VARIABLE);
	g_autoptr(GError) error = NULL;
	struct acg_hint hint = {0};

	if (said && *said && acg_hint_parse(said, &hint, &error) < 0)
		fprintf(stderr, "agentcg: %s=%s: %s\n", HINT_VARIABLE, said, error->message);
	g_free(acg_command_unwrap(command, &hint)); /* one in the command counts more */
	return hint;
}

/*
 * True inside a call, as far as /proc says: then there is nothing to begin, and no need to stand in. In a cgroup namespace that starts
 * at the call it does not; the marker is refused then, which comes to the same.
 */
static bool in_call(void)
{
	g_autofree char *text = acg_tree_read(NULL, "/proc/self/cgroup", NULL);
	const char *line = text ? strstr(text, "0::") : NULL;
	g_autofree char *path = NULL, *base = NULL;

	if (!line)
		return false;
	path = g_strndup(line, strcspn(line, "\n"));
	base = g_path_get_basename(path);
	return g_str_has_prefix(base, "call-");
}

static bool disabled(void)
{
	const char *value = g_getenv("AGENTCG_DISABLE");

	return value && *value && strcmp(value, "0") != 0;
}

/* --- the command line --------------------------------------------------------------------------------------- */

/*
 * `agentcg-shell 'npm test'`: a framework that puts a prefix in front of a quoted command. Never under a shell's own name, where one
 * word is a script's.
 */
static char **with_option_c(int argc, char **argv, bool by_shells_name)
{
	char **longer;

	if (by_shells_name || argc != 2 || argv[1][0] == '-' || argv[1][0] == '+')
		return argv;
	longer = g_new0(char *, 4);
	longer[0] = argv[0];
	longer[1] = (char *)"-c";
	longer[2] = argv[1];
	return longer;
}

int acg_verb_shell(int argc, char **argv)
{
	const char *name = acg_shell_name(argv[0]);
	struct acg_run run = {.quiet = true, .call_fd = -1};
	int status;

	run.argv = with_option_c(argc, argv, name != NULL);
	if (!name)
		run.argv[0] = (char *)(name = "bash");
	run.text = acg_shell_command(run.argv);
	run.path = acg_shell_find(name);
	if (!run.path) {
		fprintf(stderr, "agentcg shell: there is no %s in $PATH but this one\n", name);
		return ACG_NOT_FOUND;
	}
	if (!run.text || disabled() || in_call() || acg_run_open(&run, NULL) < 0)
		acg_run_exec(&run);
	run.hint = hint_for(run.text);
	run.wants_memory = log_path() != NULL;
	status = acg_run_wait(&run);
	write_log(&run, status);
	acg_standin_exit(status);
}

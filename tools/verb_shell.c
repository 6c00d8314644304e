/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg shell: in the place of bash. `-c COMMAND` becomes one tool call, everything else the real shell at once: scripts, standard
 * input and people are no tool calls, and a launcher's own `bash script` would take the whole agent into one.
 *
 * Arguments, environment, streams, exit status and signals are those of the real shell (tools/standin.h). What the call needs is said by
 * AGENT_RESOURCE_HINT, in the environment or, before that, at the beginning of COMMAND, where models write it and the daemon finds it.
 * AGENTCG_DISABLE=1 switches it off; AGENTCG_LOG names a file that gets one JSON object for each call (tools/verb_shell_log.c);
 * AGENTCG_ROOT, which prototypes want, is not needed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/call.h"
#include "tools/front.h"
#include "tools/shell_args.h"
#include "tools/standin.h"

#define HINT_VARIABLE  "AGENT_RESOURCE_HINT"
#define LOGGED_COMMAND 200 /* bytes of it in AGENTCG_LOG */

/* Of the environment; NULL: not there, or empty. */
static const char *said(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

static bool disabled(void)
{
	const char *value = said("AGENTCG_DISABLE");

	return value && strcmp(value, "0") != 0;
}

/* --- the log ------------------------------------------------------------------------------------------------ */

/* The line is made by agentcg-verbs, which can write JSON; only who wants a log waits for it. */
static void write_log(struct acg_run *run, int status)
{
	char pid[16], start[24], end[24], code[16], memory[24], command[LOGGED_COMMAND + 1];
	char *argv[] = {(char *)"agentcg",
			(char *)"shell-log",
			run->dir,
			run->call,
			command,
			pid,
			start,
			end,
			code,
			memory,
			NULL};
	pid_t child;

	acg_run_call(run);
	snprintf(command, sizeof(command), "%s", run->text);
	snprintf(pid, sizeof(pid), "%d", (int)run->pid);
	snprintf(start, sizeof(start), "%" PRId64, run->start);
	snprintf(end, sizeof(end), "%" PRId64, run->end);
	snprintf(code, sizeof(code), "%d", acg_run_exit(status));
	snprintf(memory, sizeof(memory), "%" PRIu64, run->memory_current);
	child = fork();
	if (child == 0) {
		acg_become_verbs(argv);
		_exit(1);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* --- what the call needs ------------------------------------------------------------------------------------ */

/*
 * True inside a call, as far as /proc says: then there is nothing to begin, and no need to stand in. In a cgroup namespace that starts
 * at the call it does not; the marker is refused then, which comes to the same.
 */
static bool in_call(void)
{
	char text[16 * 1024], *line, *base;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "0::");
	if (!line)
		return false;
	line[strcspn(line, "\n")] = '\0';
	base = strrchr(line, '/');
	return base && strncmp(base, "/call-", strlen("/call-")) == 0;
}

static int run_as_call(struct acg_run *run)
{
	const char *hint = said(HINT_VARIABLE);
	char hint_name[256];
	int status;

	if (hint) {
		snprintf(hint_name, sizeof(hint_name), HINT_VARIABLE "=%s", hint);
		run->hint_name = hint_name;
		acg_run_hint(run, "hint", hint);
	}
	run->wants_memory = said("AGENTCG_LOG") != NULL;
	status = acg_run_wait(run);
	if (run->wants_memory && run->begun)
		write_log(run, status);
	return status;
}

/* --- the command line --------------------------------------------------------------------------------------- */

/*
 * `agentcg-shell 'npm test'`: a framework that puts a prefix in front of a quoted command. Never under a shell's own name, where one
 * word is a script's.
 */
static char **with_option_c(int argc, char **argv, bool by_shells_name, char *longer[static 4])
{
	if (by_shells_name || argc != 2 || argv[1][0] == '-' || argv[1][0] == '+')
		return argv;
	longer[0] = argv[0];
	longer[1] = (char *)"-c";
	longer[2] = argv[1];
	longer[3] = NULL;
	return longer;
}

int acg_verb_shell(int argc, char **argv)
{
	const char *name = acg_shell_name(argv[0]);
	struct acg_run run = {.quiet = true, .call_fd = -1};
	char *longer[4], path[PATH_MAX];

	run.argv = with_option_c(argc, argv, name != NULL, longer);
	if (!name)
		run.argv[0] = (char *)(name = "bash");
	run.text = acg_shell_command(run.argv);
	run.path = path;
	if (!acg_shell_find(name, path)) {
		fprintf(stderr, "agentcg shell: there is no %s in $PATH but this one\n", name);
		return ACG_NOT_FOUND;
	}
	if (!run.text || disabled() || in_call() || acg_run_open(&run) < 0)
		acg_run_exec(&run);
	acg_standin_exit(run_as_call(&run));
}

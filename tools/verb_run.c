/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg run: one command as one tool call (tools/call.h), with options for what it needs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/call.h"
#include "tools/front.h"
#include "tools/standin.h"

static const char help[] =
	"usage: agentcg run [OPTION...] -- COMMAND [ARGUMENT...]\n\n"
	"Runs COMMAND as a tool call of its own and returns its exit status.\n\n"
	"  -i, --id=ID             ID of the call (default: a fresh one)\n"
	"  -H, --hint=HINT         what it needs: memory:high, memory:512m, ...\n"
	"      --cpu=CLASS         latency, normal or batch\n"
	"  -t, --timeout=SECONDS   SIGTERM after so long, then kill\n"
	"  -a, --agent=AGENT       in this agent (operators)\n"
	"      --keep              a persistent shell: it survives its command's OOM\n"
	"  -q, --quiet             say nothing but the feedback\n"
	"  -h, --help              this text\n";

/* As a person would type it; free with free. NULL: no memory. */
static char *joined(char **argv)
{
	size_t len = 1;
	char *text;

	for (char **at = argv; *at; at++)
		len += strlen(*at) + 1;
	text = calloc(1, len);
	for (char *end = text; text && *argv; argv++) {
		end = stpcpy(end, *argv);
		if (argv[1])
			*end++ = ' ';
	}
	return text;
}

static void say_why(const struct acg_run *run, int ret, const char *who, const char *consequence)
{
	char why[4096];

	acg_run_why(run, ret, why, sizeof(why));
	fprintf(stderr, "%s: %s%s\n", who, why, consequence);
}

static int run_command(struct acg_run *run)
{
	char *text = joined(run->argv);
	int ret, status;

	run->text = text ? text : "";
	run->path = run->argv[0];
	ret = acg_run_open(run);
	if (ret && run->agent) {
		say_why(run, ret, "agentcg run", "");
		return 1;
	}
	if (ret && !run->quiet)
		say_why(run, ret, "agentcg", ": the command runs without a call of its own");
	if (ret)
		acg_run_exec(run);
	status = acg_run_wait(run);
	acg_run_clear(run);
	free(text);
	acg_standin_exit(status);
}

enum { CPU = 256, KEEP };

/* Returns -1, or the exit status if that was all. */
static int take_option(struct acg_run *run, int option)
{
	switch (option) {
	case 'i':
		run->id = optarg;
		break;
	case 'H':
		acg_run_hint(run, "hint", optarg);
		break;
	case CPU:
		acg_run_hint(run, "cpu", optarg);
		break;
	case 't':
		acg_run_hint(run, "timeout", optarg);
		break;
	case 'a':
		run->agent = optarg;
		break;
	case KEEP:
		run->keep = true;
		break;
	case 'q':
		run->quiet = true;
		break;
	case 'h':
		fputs(help, stdout);
		return 0;
	default: /* which has been told */
		fputs("see agentcg run --help\n", stderr);
		return ACG_EXIT_USAGE;
	}
	return -1;
}

int acg_verb_run(int argc, char **argv)
{
	static const struct option options[] = {
		{"id", required_argument, NULL, 'i'},
		{"hint", required_argument, NULL, 'H'},
		{"cpu", required_argument, NULL, CPU},
		{"timeout", required_argument, NULL, 't'},
		{"agent", required_argument, NULL, 'a'},
		{"keep", no_argument, NULL, KEEP},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct acg_run run = {.call_fd = -1};
	int option, done;

	argv[0] = (char *)"agentcg run"; /* what getopt(3) calls it */
	while ((option = getopt_long(argc, argv, "+i:H:t:a:qh", options, NULL)) != -1) {
		done = take_option(&run, option);
		if (done >= 0)
			return done;
	}
	if (optind == argc) {
		fprintf(stderr, "agentcg run: give a command: agentcg run [OPTION...] -- COMMAND "
				"[ARGUMENT...]\n");
		return ACG_EXIT_USAGE;
	}
	run.hint_name = run.quiet ? NULL : "the hint is left out";
	run.argv = argv + optind;
	return run_command(&run);
}

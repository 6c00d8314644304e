/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg replay: recorded agents, or made-up ones, as real processes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/replay.h"
#include "tools/synthetic.h"
#include "tools/tree.h"
#include "tools/verbs.h"

struct options {
	double speed, scale;
	int at_once;
	char *priorities, *synthetic, *write, *history, *plain, *limit, *samples, *worker;
	int count;
	gboolean json, meet, unmarked;
};

static void free_trace(void *trace)
{
	acg_trace_free(trace);
}

/* --- traces ----------------------------------------------------------------------------------- */

static int load(char **paths, GPtrArray *traces, GError **error)
{
	for (; *paths; paths++) {
		struct acg_trace *trace = acg_trace_load(*paths, error);

		if (!trace)
			return -EINVAL;
		g_ptr_array_add(traces, trace);
	}
	return 0;
}

static int make_up(const struct options *options, GPtrArray *traces, GError **error)
{
	char *end;
	unsigned long seed;

	if (!options->synthetic)
		return 0;
	errno = 0;
	seed = strtoul(options->synthetic, &end, 10);
	if (errno || end == options->synthetic || *end || seed > UINT32_MAX)
		return acg_fail(error, EINVAL, "the seed %s is no number below 2^32",
				options->synthetic);
	for (int i = 0; i < options->count; i++)
		g_ptr_array_add(traces, acg_synthetic_trace(seed, i));
	return 0;
}

static int write_traces(const char *dir, const GPtrArray *traces, GError **error)
{
	for (unsigned int i = 0; i < traces->len; i++) {
		const struct acg_trace *trace = traces->pdata[i];
		g_autofree char *file = g_strconcat(trace->task, ".json", NULL);
		g_autofree char *path = NULL, *text = acg_trace_format(trace);
		g_autoptr(GError) why = NULL;

		path = g_build_filename(dir, g_strdelimit(file, "/", '_'), NULL);
		if (!g_file_set_contents(path, text, -1, &why))
			return acg_fail(error, EIO, "%s", why->message);
	}
	return 0;
}

/* --- options ---------------------------------------------------------------------------------- */

/* "high,low": one for each trace in turn. */
static int parse_priorities(const char *text, GArray *priorities, GError **error)
{
	g_auto(GStrv) words = g_strsplit(text ? text : "normal", ",", -1);

	for (char **word = words; *word; word++) {
		enum acg_priority priority;
		int ret = acg_priority_parse(*word, &priority, error);

		if (ret)
			return ret;
		g_array_append_val(priorities, priority);
	}
	return priorities->len ? 0 : acg_fail(error, EINVAL, "no priority was given");
}

static int check(const struct options *options, GError **error)
{
	if (!(options->speed > 0 && options->speed <= 1e6))
		return acg_fail(error, EINVAL, "the speed is a number above 0: 1 is as recorded");
	if (!(options->scale > 0 && options->scale <= 1e6))
		return acg_fail(error, EINVAL, "the scale is a number above 0: 1 is as recorded");
	if (options->unmarked && options->plain)
		return acg_fail(error, EINVAL,
				"--unmarked is for a tree: a plain cgroup has no rules");
	if (options->at_once < 0 || options->count < 1 || options->count > 10000)
		return acg_fail(error, EINVAL, "--at-once is 0 or more, --count 1 to 10000");
	return 0;
}

static int parse(int *argc, char ***argv, struct options *options, GError **error)
{
	const GOptionEntry entries[] = {
		{"speed", 's', 0, G_OPTION_ARG_DOUBLE, &options->speed,
		 "so many times as fast as recorded (1)", "N"},
		{"at-once", 'n', 0, G_OPTION_ARG_INT, &options->at_once,
		 "so many agents at a time (all)", "N"},
		{"priority", 'p', 0, G_OPTION_ARG_STRING, &options->priorities,
		 "high, normal or low; several by comma go to the agents in turn", "LIST"},
		{"scale", 0, 0, G_OPTION_ARG_DOUBLE, &options->scale,
		 "so many times the memory that was recorded (1)", "X"},
		{"synthetic", 0, 0, G_OPTION_ARG_STRING, &options->synthetic,
		 "make up traces with the figures of recorded agents", "SEED"},
		{"count", 0, 0, G_OPTION_ARG_INT, &options->count, "so many of them (4)", "N"},
		{"write", 0, 0, G_OPTION_ARG_FILENAME, &options->write,
		 "do not replay: write the traces to this folder", "DIR"},
		{"plain", 0, 0, G_OPTION_ARG_FILENAME, &options->plain,
		 "without a tree: each agent in a plain cgroup below this one, no markers",
		 "CGROUP"},
		{"limit", 0, 0, G_OPTION_ARG_STRING, &options->limit,
		 "memory.max of each plain cgroup (none)", "SIZE"},
		{"unmarked", 0, 0, G_OPTION_ARG_NONE, &options->unmarked,
		 "no markers: each call is a `bash -c COMMAND`, for the policy's auto rules", NULL},
		{"worker", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options->worker,
		 "what such a bash runs", "FD:CALL"},
		{"meet", 0, 0, G_OPTION_ARG_NONE, &options->meet,
		 "they wait for one another where each begins its peak", NULL},
		{"samples", 0, 0, G_OPTION_ARG_FILENAME, &options->samples,
		 "keep what each process holds over time in this file: SECONDS,AGENT,CALL,BYTES",
		 "FILE"},
		{"history", 0, 0, G_OPTION_ARG_FILENAME, &options->history,
		 "keep the agents' history, which goes with them, in this file", "FILE"},
		{"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
		 "one JSON object with every call, instead of the table", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("[TRACE...]");
	g_autoptr(GError) why = NULL;

	g_option_context_set_summary(
		context, "Replays recorded agents as real processes: an agent for each trace, a "
			 "marker and a\n"
			 "worker for each Bash call, with the memory and CPU time of the samples.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, &why))
		return acg_fail(error, EINVAL, "%s", why->message);
	return check(options, error);
}

/* --- the replay ------------------------------------------------------------------------------- */

static int report(const struct acg_replay *replay, const struct options *options, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) why = NULL;

	if (options->json)
		acg_replay_json(replay, out);
	else
		acg_replay_table(replay, out);
	fputs(out->str, stdout);
	if (options->history && !g_file_set_contents(options->history, replay->history->str,
						     replay->history->len, &why))
		return acg_fail(error, EIO, "%s", why->message);
	return 0;
}

static int set_limit(const struct options *options, struct acg_replay *replay, GError **error)
{
	if (!options->limit)
		return 0;
	if (!options->plain)
		return acg_fail(error, EINVAL, "--limit is for --plain: a tree has a policy");
	return acg_size_parse(options->limit, &replay->limit, error);
}

static int open_samples(const struct options *options, struct acg_replay *replay, GError **error)
{
	if (!options->samples)
		return 0;
	replay->samples = fopen(options->samples, "we");
	return replay->samples ? 0 : acg_fail_errno(error, errno, "%s", options->samples);
}

static int replay_traces(const struct options *options, const GPtrArray *traces,
			 const GArray *priorities)
{
	const char *root = options->plain ? NULL : acg_tree_find();
	g_autoptr(GError) error = NULL;
	struct acg_replay *replay;
	int ret;

	if (!root && !options->plain) {
		fprintf(stderr, "agentcg replay: no tree at /sys/fs/agentcg or /run/agentcg/fs: is "
				"agentcgd running?\n");
		return 1;
	}
	replay = acg_replay_new(root);
	replay->at_once = options->at_once ? (unsigned int)options->at_once : traces->len;
	replay->progress = isatty(STDERR_FILENO);
	for (unsigned int i = 0; i < traces->len; i++)
		acg_replay_add(replay, traces->pdata[i], options->scale, options->speed,
			       g_array_index(priorities, enum acg_priority, i % priorities->len));
	replay->plain = options->plain;
	replay->unmarked = options->unmarked;
	replay->meet = options->meet;
	ret = set_limit(options, replay, &error) < 0 || open_samples(options, replay, &error) < 0 ||
	      acg_replay_run(replay, &error) < 0;
	if (report(replay, options, error ? NULL : &error) < 0)
		ret = 1;
	if (error)
		fprintf(stderr, "agentcg replay: %s\n", error->message);
	if (replay->signo)
		ret = 128 + replay->signo;
	if (replay->samples)
		fclose(replay->samples);
	acg_replay_free(replay);
	return ret;
}

static int replay_or_write(const struct options *options, char **paths)
{
	g_autoptr(GPtrArray) traces = g_ptr_array_new_with_free_func(free_trace);
	g_autoptr(GArray) priorities = g_array_new(FALSE, FALSE, sizeof(enum acg_priority));
	g_autoptr(GError) error = NULL;
	int ret = 0;

	if (parse_priorities(options->priorities, priorities, &error) < 0 ||
	    load(paths, traces, &error) < 0 || make_up(options, traces, &error) < 0 ||
	    (!traces->len && acg_fail(&error, EINVAL, "give traces, or --synthetic SEED") < 0))
		ret = ACG_EXIT_USAGE;
	else if (!options->write)
		return replay_traces(options, traces, priorities);
	else if (write_traces(options->write, traces, &error) < 0)
		ret = 1;
	if (error)
		fprintf(stderr, "agentcg replay: %s\n", error->message);
	return ret;
}

int acg_verb_replay(int argc, char **argv)
{
	struct options options = {.speed = 1, .scale = 1, .count = 4};
	g_autoptr(GError) error = NULL;
	int ret;

	if (parse(&argc, &argv, &options, &error) < 0) {
		fprintf(stderr, "agentcg replay: %s\n", error->message);
		ret = ACG_EXIT_USAGE;
	} else if (options.worker) {
		ret = acg_replay_worker(options.worker);
	} else {
		ret = replay_or_write(&options, argv + 1);
	}
	g_free(options.priorities);
	g_free(options.synthetic);
	g_free(options.write);
	g_free(options.history);
	g_free(options.plain);
	g_free(options.limit);
	g_free(options.samples);
	g_free(options.worker);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a marker costs: begin and end through the tree against the same cgroup made, entered, left
 * and removed by hand (bare, and with the control files that agentcg writes and reads for it), from C
 * and from a shell, also with the CPUs busy and the agent at its memory limit; against what others
 * put around a command (peers.h), less the command; reading and listing through the tree against
 * cgroupfs, and against lxcfs. Both ways take turns in one process that belongs to the agent, so that
 * whatever disturbs the machine disturbs both. Needs root and a running daemon: see tests/bench/run.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"
#include "tests/bench/peers.h"
#include "tests/bench/stats.h"
#include "tests/bench/ways.h"

/* memory.max of the agent while it is kept at its limit, by a file of twice the size. */
#define LIMIT_MIB 64

struct options {
	int rounds, count;
	char *json;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* --- the cases -------------------------------------------------------------------------------- */

enum load_kind { LOAD_NONE, LOAD_CPUS, LOAD_MEMORY };

typedef void (*way)(const struct places *places);

static const struct bench_case {
	const char *name;
	way tree; /* NULL: by the script `shell` */
	way direct;
	way tree_less,
		direct_less; /* what of it does not count, timed beside it; NULL: all counts */
	const char *file;    /* read; NULL: places.file */
	enum load_kind load;
	unsigned int times; /* what one sample does so many times; 0: once */
	unsigned int fewer; /* samples: count divided by this; 0: count */
	double aim;
} cases[] = {
	{"begin+end, C", tree_call, direct_call, .aim = 1.5},
	{"begin+end, C, same files", tree_call, direct_call_files, .aim = 1.25},
	{"begin+end, C, CPUs busy", tree_call, direct_call, .load = LOAD_CPUS},
	{"begin+end, C, at memory limit", tree_call, direct_call, .load = LOAD_MEMORY},
	{"begin+end, shell builtin echo", NULL, NULL, .fewer = 3},
	{"begin+end, C; bash wrapper", tree_call, peer_wrapper, .direct_less = bare_bash,
	 .fewer = 6, .aim = 1 / 10.0},
	{"begin+end, C; systemd-run --scope", tree_call, peer_systemd_run, .direct_less = bare_true,
	 .fewer = 6, .aim = 1 / 30.0},
	{"begin+end, C; cgexec", tree_call, peer_cgexec, .direct_less = bare_true, .fewer = 6},
	{"agentcg run; ten-line wrapper", tree_run, direct_run, .fewer = 6},
	{"agentcg run; bash wrapper", tree_run, peer_wrapper, .tree_less = bare_true,
	 .direct_less = bare_bash, .fewer = 6},
	{"agentcg run; systemd-run --scope", tree_run, peer_systemd_run, .tree_less = bare_true,
	 .direct_less = bare_true, .fewer = 6},
	{"agentcg run; cgexec", tree_run, peer_cgexec, .tree_less = bare_true,
	 .direct_less = bare_true, .fewer = 6},
	{"read, open file", tree_read, direct_read, .times = READS, .aim = 1.2},
	{"read, open cpu.stat", tree_read, direct_read, .file = "cpu.stat", .times = READS,
	 .fewer = 3},
	{"read, open memory.stat", tree_read, direct_read, .file = "memory.stat", .times = READS,
	 .fewer = 3},
	{"read, open file; lxcfs meminfo", tree_read, peer_lxcfs, .times = READS, .fewer = 3},
	{"open, read, close", tree_open_read, direct_open_read, .times = READS, .fewer = 3},
	{"info; cpu.stat on cgroupfs", tree_info, direct_open_read, .file = "cpu.stat",
	 .times = READS, .fewer = 3},
	{"ls -R", tree_ls, direct_ls, .tree_less = bare_true, .direct_less = bare_true, .fewer = 6},
};

static bool file_is_there(const struct places *places, const char *file)
{
	g_autofree char *path = g_build_filename(places->group, file, NULL);

	return access(path, F_OK) == 0;
}

static const char *why_not(const struct bench_case *bench, const struct places *places)
{
	if (bench->load == LOAD_MEMORY && access(places->tree_max, F_OK) < 0)
		return "skipped: there is no memory controller here";
	if (bench->tree == tree_run && !places->agentcg)
		return "skipped: no agentcg was given (--agentcg)";
	if (bench->file && !file_is_there(places, bench->file))
		return "skipped: there is no such file here";
	return peer_missing(bench->direct);
}

static double timed(way what, way less, const struct places *places, unsigned int times)
{
	double start = now(), took, before;

	what(places);
	took = now() - start;
	if (less) {
		before = now();
		less(places);
		took -= now() - before;
	}
	return took / MAX(times, 1);
}

/* In turns, and who is first takes turns too. */
static void run_round(const struct bench_case *bench, const struct places *places, unsigned int n,
		      double *tree, double *direct)
{
	for (unsigned int i = 0; i < n; i++) {
		if (i % 2)
			direct[i] = timed(bench->direct, bench->direct_less, places, bench->times);
		tree[i] = timed(bench->tree, bench->tree_less, places, bench->times);
		if (i % 2 == 0)
			direct[i] = timed(bench->direct, bench->direct_less, places, bench->times);
	}
}

static void run_shell_round(const struct places *places, unsigned int n, double *tree,
			    double *direct)
{
	g_autofree char *script = g_build_filename(places->scripts, "shell", NULL);
	g_autofree char *command =
		g_strdup_printf("'%s' '%s' '%s' %u", script, places->call, places->group, n);
	FILE *output = popen(command, "r");
	unsigned int n_tree = 0, n_direct = 0;
	char way[16];
	double usec;

	while (fscanf(output, "%15s %lf", way, &usec) == 2)
		if (strcmp(way, "tree") == 0 && n_tree < n)
			tree[n_tree++] = usec;
		else if (n_direct < n)
			direct[n_direct++] = usec;
	if (pclose(output) || n_tree < n || n_direct < n)
		die("%s failed", script);
}

/* As a process of the agent. */
static void measure(const struct bench_case *bench, struct places *places,
		    struct comparison *result)
{
	join_group(places->tree_procs);
	ways_open_files(places, bench->file);
	if (bench->tree == tree_ls)
		ways_forget_ended(places);
	for (unsigned int round = 0; round < result->rounds; round++) {
		double *tree = result->tree + (size_t)round * result->per_round;
		double *direct = result->direct + (size_t)round * result->per_round;

		if (bench->tree)
			run_round(bench, places, result->per_round, tree, direct);
		else
			run_shell_round(places, result->per_round, tree, direct);
	}
}

static struct load *start_load(enum load_kind kind, const struct places *places)
{
	g_autofree char *limit = g_strdup_printf("%dM", LIMIT_MIB);
	struct load *load = load_new();

	if (kind == LOAD_CPUS)
		load_cpus(load);
	if (kind != LOAD_MEMORY)
		return load;
	write_or_die(places->tree_max, limit);
	load_page_cache(load, places->tree_procs, 2 * LIMIT_MIB * (size_t)1024 * 1024);
	sleep(2); /* until it is there */
	return load;
}

static void run_case(const struct bench_case *bench, const struct options *options,
		     struct places *places, struct comparison *result)
{
	struct load *load;
	int status;
	pid_t pid;

	comparison_init(result, bench->name, options->rounds,
			MAX(options->count / (int)MAX(bench->fewer, 1), 2));
	result->aim = bench->aim;
	result->skipped = why_not(bench, places);
	if (result->skipped)
		return;
	fprintf(stderr, "marker: %s ...\n", bench->name);
	load = start_load(bench->load, places);
	pid = fork_child();
	if (pid == 0) {
		measure(bench, places, result);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	load_free(load);
	if (bench->load == LOAD_MEMORY)
		write_or_die(places->tree_max, "max");
	if (status)
		die("%s: the measuring process failed", bench->name);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void save_json(const char *path, const struct comparison *results, const char *file)
{
	g_autofree char *cpus = g_strdup_printf("%u", g_get_num_processors());
	struct utsname name = {0};
	const char *facts[] = {"kernel", name.release, "cpus", cpus, "file", file, NULL};
	g_autofree char *json = NULL;
	g_autoptr(GError) error = NULL;

	uname(&name);
	json = comparisons_json(results, G_N_ELEMENTS(cases), facts);
	if (!g_file_set_contents(path, json, -1, &error))
		die("%s", error->message);
}

static void parse_options(int *argc, char ***argv, struct options *options, struct places *places)
{
	const GOptionEntry entries[] = {
		{"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json, "Write JSON too", "FILE"},
		{"rounds", 'r', 0, G_OPTION_ARG_INT, &options->rounds, "Rounds (7)", "N"},
		{"count", 'n', 0, G_OPTION_ARG_INT, &options->count, "Samples a round (300)", "N"},
		{"agentcg", 'a', 0, G_OPTION_ARG_FILENAME, &places->agentcg, "The program", "PATH"},
		{"scripts", 's', 0, G_OPTION_ARG_FILENAME, &places->scripts,
		 "The folder of shell, by-hand and wrapper (.)", "DIR"},
		{0},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("MOUNTPOINT AGENT CGROUP_ROOT");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, &error))
		die("%s", error->message);
	if (*argc != 4 || options->rounds < 1 || options->count < 2)
		die("give MOUNTPOINT AGENT CGROUP_ROOT, at least one round and two samples");
}

int main(int argc, char **argv)
{
	struct comparison results[G_N_ELEMENTS(cases)];
	struct options options = {.rounds = 7, .count = 300};
	struct places places = {.scripts = g_strdup(".")};

	parse_options(&argc, &argv, &options, &places);
	places_set(&places, argv[1], argv[2], argv[3]);
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++)
		run_case(&cases[i], &options, &places, &results[i]);
	printf("file read: %s\n", places.file);
	comparisons_print(results, G_N_ELEMENTS(cases));
	if (options.json)
		save_json(options.json, results, places.file);
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++)
		comparison_clear(&results[i]);
	places_clear(&places);
	g_free(options.json);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the cost of a marker grows: begin and end with few and with many calls alive in few and in many
 * agents, and by several writers at once, in turns with the same done by hand on cgroupfs, whose own
 * cost grows as well; and the memory that the daemon has then. The calls that are alive besides are
 * begun with pid=none. Needs root and a running daemon: see tests/bench/scale.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"
#include "tests/bench/stats.h"
#include "tests/bench/ways.h"

#define FEW            10 /* calls alive that the others are compared with */
#define WRITERS_AGENTS 64

/* Who has marked within ten seconds is about, and others that mark without a pause wait for him. */
#define UNTIL_ALONE (11 * G_USEC_PER_SEC)

struct options {
	int rounds, count, most, daemon;
	double seconds;
	char *json;
	const char *mount, *root;
};

/* What is alive besides. */
struct alive {
	unsigned int agents, calls;
};

static const struct stage {
	const char *name;
	struct alive alive;
	unsigned int writers; /* 0: one, whose latency counts */
	double aim;
} stages[] = {
	{"10 calls in 1 agent", .alive = {1, FEW}},
	{"1,000 calls in 1 agent", .alive = {1, 1000}},
	{"10,000 calls in 1 agent", .alive = {1, 10000}},
	{"1,000 calls in 100 agents", .alive = {100, 1000}},
	{"1,000 calls in 1,000 agents", .alive = {1000, 1000}},
	{"10,000 calls in 1,000 agents", .alive = {1000, 10000}},
	{"1 writer, usec a call", .alive = {WRITERS_AGENTS, 0}, .writers = 1},
	{"8 writers in 64 agents", .alive = {WRITERS_AGENTS, 0}, .writers = 8},
	{"64 writers in 64 agents", .alive = {WRITERS_AGENTS, 0}, .writers = 64, .aim = 1 / 0.7},
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* --- what is alive -------------------------------------------------------------------------------- */

static char *agent_file(const struct options *options, unsigned int agent, const char *file)
{
	return g_strdup_printf("%s/agents/s%u/%s", options->mount, agent, file);
}

/* There may be too many markers a second just now. */
static void mark(int fd, const char *marker)
{
	char answer[256];
	ssize_t n;

	while (write(fd, marker, strlen(marker)) < 0) {
		if (errno != EAGAIN) {
			n = read(fd, answer, sizeof(answer));
			die("\"%s\" was refused: %.*s", marker, (int)MAX(n, 0), answer);
		}
		g_usleep(10 * 1000);
	}
}

/* Begins, or ends, the calls from..to-1 of an agent. */
static void mark_calls(const struct options *options, unsigned int agent, unsigned int from,
		       unsigned int to, const char *format)
{
	g_autofree char *call = agent_file(options, agent, "call");
	int fd = open(call, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("cannot open %s: %s", call, g_strerror(errno));
	for (unsigned int i = from; i < to; i++) {
		char marker[64];

		snprintf(marker, sizeof(marker), format, i);
		mark(fd, marker);
	}
	close(fd);
}

static unsigned int share_of(const struct alive *alive, unsigned int agent)
{
	return alive->agents ? alive->calls / alive->agents + (agent < alive->calls % alive->agents)
			     : 0;
}

static void make_agent(const struct options *options, unsigned int agent)
{
	g_autofree char *path = agent_file(options, agent, "");

	if (mkdir(path, 0755) < 0)
		die("cannot make %s: %s", path, g_strerror(errno));
}

/* Calls of an ended agent leave first; their cgroups go a little later. */
static void remove_agents(const struct options *options, struct alive *alive)
{
	for (unsigned int i = 0; i < alive->agents; i++) {
		g_autofree char *path = agent_file(options, i, "");

		mark_calls(options, i, 0, share_of(alive, i), "end n%u");
		if (rmdir(path) < 0)
			die("cannot remove %s: %s", path, g_strerror(errno));
	}
	*alive = (struct alive){0};
}

static void make_alive(const struct options *options, struct alive *alive,
		       const struct alive *wanted)
{
	if (alive->agents != wanted->agents || alive->calls > wanted->calls)
		remove_agents(options, alive);
	for (; alive->agents < wanted->agents; alive->agents++)
		make_agent(options, alive->agents);
	for (unsigned int i = 0; i < wanted->agents; i++)
		mark_calls(options, i, share_of(alive, i), share_of(wanted, i),
			   "begin n%u pid=none");
	alive->calls = wanted->calls;
}

/* --- one writer ----------------------------------------------------------------------------------- */

static void enter(const struct options *options, unsigned int agent, struct places *places)
{
	g_autofree char *name = g_strdup_printf("s%u", agent);

	places_set(places, options->mount, name, options->root);
	join_group(places->tree_procs);
	ways_open_files(places, NULL);
}

static double timed(void (*what)(const struct places *places), const struct places *places)
{
	double start = now();

	what(places);
	return now() - start;
}

static void measure_latency(const struct options *options, struct comparison *result)
{
	struct places places = {0};

	enter(options, 0, &places);
	for (unsigned int i = 0; i < result->rounds * result->per_round; i++) {
		if (i % 2)
			result->direct[i] = timed(direct_call_files, &places);
		result->tree[i] = timed(tree_call, &places);
		if (i % 2 == 0)
			result->direct[i] = timed(direct_call_files, &places);
	}
}

/* --- several writers ------------------------------------------------------------------------------ */

/* Shared with the writers. */
struct race {
	int ready;         /* writers in their agents */
	double start, end; /* 0: not yet */
	unsigned int calls[WRITERS_AGENTS];
};

static _Noreturn void run_writer(const struct options *options, unsigned int writer,
				 void (*way)(const struct places *places), struct race *race)
{
	struct places places = {0};

	enter(options, writer, &places);
	__atomic_add_fetch(&race->ready, 1, __ATOMIC_SEQ_CST);
	while (!*(volatile double *)&race->start)
		g_usleep(1000);
	while (now() < race->end) {
		way(&places);
		race->calls[writer]++;
	}
	_exit(0);
}

static struct race *race_new(void)
{
	void *memory = mmap(NULL, sizeof(struct race), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("no memory: %s", g_strerror(errno));
	return memory;
}

/* The usec that a call takes when `writers` do nothing else, by all of them together. */
static double race(const struct options *options, unsigned int writers,
		   void (*way)(const struct places *places))
{
	struct race *race = race_new();
	unsigned int calls = 0;
	double took;
	int status;

	for (unsigned int i = 0; i < writers; i++)
		if (fork_child() == 0)
			run_writer(options, i, way, race);
	while (__atomic_load_n(&race->ready, __ATOMIC_SEQ_CST) < (int)writers)
		g_usleep(1000);
	race->end = now() + options->seconds * 1e6;
	*(volatile double *)&race->start = now();
	for (unsigned int i = 0; i < writers; i++) {
		wait(&status);
		if (status)
			die("a writer failed");
	}
	took = now() - race->start;
	for (unsigned int i = 0; i < writers; i++)
		calls += race->calls[i];
	munmap(race, sizeof(*race));
	return took / MAX(calls, 1);
}

static void measure_writers(const struct options *options, unsigned int writers,
			    struct comparison *result)
{
	for (unsigned int i = 0; i < result->rounds; i++) {
		if (i % 2)
			result->direct[i] = race(options, writers, direct_call_files);
		result->tree[i] = race(options, writers, tree_call);
		if (i % 2 == 0)
			result->direct[i] = race(options, writers, direct_call_files);
	}
}

/* --- the daemon's memory -------------------------------------------------------------------------- */

/* KiB of a process behind "NAME:" in its smaps_rollup. */
static unsigned long rollup_kib(int pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", pid);
	g_autofree char *text = NULL;
	const char *at;

	if (!g_file_get_contents(path, &text, NULL, NULL) || !(at = strstr(text, name)))
		return 0;
	return strtoul(at + strlen(name), NULL, 10);
}

/* Of the supervisor and its workers. */
static unsigned long daemon_kib(int pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
	g_autofree char *children = NULL;
	unsigned long kib = rollup_kib(pid, name);
	char *at, *end;

	if (!g_file_get_contents(path, &children, NULL, NULL))
		return kib;
	for (at = children; (pid = strtol(at, &end, 10)) > 0; at = end)
		kib += rollup_kib(pid, name);
	return kib;
}

static char *memory_text(int pid)
{
	return g_strdup_printf("anonymous %.1f MiB, proportional share of all %.1f MiB",
			       daemon_kib(pid, "\nAnonymous:") / 1024.0,
			       daemon_kib(pid, "\nPss:") / 1024.0);
}

/* --- the whole ------------------------------------------------------------------------------------ */

static void measure(const struct options *options, const struct stage *stage,
		    struct comparison *result)
{
	int status;

	if (fork_child() == 0) {
		if (stage->writers)
			measure_writers(options, stage->writers, result);
		else
			measure_latency(options, result);
		_exit(0);
	}
	wait(&status);
	if (status)
		die("%s: the measuring process failed", stage->name);
}

static void run_stage(const struct options *options, const struct stage *stage, struct alive *alive,
		      struct comparison *result)
{
	struct outcome outcome;

	comparison_init(result, stage->name, options->rounds, stage->writers ? 1 : options->count);
	result->aim = stage->aim;
	if ((int)stage->alive.calls > options->most) {
		result->skipped = "skipped: more than --most calls";
		return;
	}
	fprintf(stderr, "growth: %s ...\n", stage->name);
	make_alive(options, alive, &stage->alive);
	if (alive->agents > 1)
		g_usleep(UNTIL_ALONE);
	measure(options, stage, result);
	outcome = comparison_outcome(result, 50);
	fprintf(stderr, "growth: p50 %.0f usec, by hand %.0f\n", outcome.tree.median,
		outcome.direct.median);
	if (options->daemon && stage->alive.calls) {
		g_autofree char *memory = memory_text(options->daemon);

		printf("the daemon with %s: %s\n", stage->name, memory);
	}
}

/* Against the first stage, which has FEW. */
static void print_growth(const struct comparison *results, unsigned int n)
{
	struct outcome few = comparison_outcome(&results[0], 50);

	printf("%-34s %9s %9s\n", "p50 against that with 10 calls", "tree", "by hand");
	for (unsigned int i = 1; i < n && !stages[i].writers; i++) {
		struct outcome many;

		if (results[i].skipped)
			continue;
		many = comparison_outcome(&results[i], 50);
		printf("%-34s %9.2f %9.2f%s\n", results[i].name, many.tree.median / few.tree.median,
		       many.direct.median / few.direct.median,
		       stages[i].alive.calls < 10000               ? ""
		       : many.tree.median / few.tree.median <= 1.2 ? "  aim: 1.2, met"
								   : "  aim: 1.2, missed");
	}
}

static void save_json(const struct options *options, const struct comparison *results)
{
	g_autofree char *cpus = g_strdup_printf("%u", g_get_num_processors());
	struct utsname name = {0};
	const char *facts[] = {"kernel", name.release, "cpus", cpus, NULL};
	g_autofree char *json = NULL;
	g_autoptr(GError) error = NULL;

	uname(&name);
	json = comparisons_json(results, G_N_ELEMENTS(stages), facts);
	if (!g_file_set_contents(options->json, json, -1, &error))
		die("%s", error->message);
}

static void parse_options(int *argc, char ***argv, struct options *options)
{
	const GOptionEntry entries[] = {
		{"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json, "Write JSON too", "FILE"},
		{"rounds", 'r', 0, G_OPTION_ARG_INT, &options->rounds, "Rounds (3)", "N"},
		{"count", 'n', 0, G_OPTION_ARG_INT, &options->count, "Samples a round (100)", "N"},
		{"most", 'm', 0, G_OPTION_ARG_INT, &options->most,
		 "Leave out what has more calls alive (10000)", "N"},
		{"seconds", 's', 0, G_OPTION_ARG_DOUBLE, &options->seconds,
		 "Of several writers, each way and round (0.5; more is more markers a second than "
		 "an agent may write, "
		 "on a fast machine)",
		 "S"},
		{"daemon", 'd', 0, G_OPTION_ARG_INT, &options->daemon,
		 "Say what memory this process and its children have", "PID"},
		{0},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("MOUNTPOINT CGROUP_ROOT");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, &error))
		die("%s", error->message);
	if (*argc != 3 || options->rounds < 1 || options->count < 2)
		die("give MOUNTPOINT CGROUP_ROOT, at least one round and two samples");
	options->mount = (*argv)[1];
	options->root = (*argv)[2];
}

int main(int argc, char **argv)
{
	struct options options = {.rounds = 3, .count = 100, .most = 10000, .seconds = 0.5};
	struct comparison results[G_N_ELEMENTS(stages)];
	struct alive alive = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(&argc, &argv, &options);
	for (unsigned int i = 0; i < G_N_ELEMENTS(stages); i++)
		run_stage(&options, &stages[i], &alive, &results[i]);
	remove_agents(&options, &alive);
	comparisons_print(results, G_N_ELEMENTS(stages));
	print_growth(results, G_N_ELEMENTS(stages));
	if (options.json)
		save_json(&options, results);
	for (unsigned int i = 0; i < G_N_ELEMENTS(stages); i++)
		comparison_clear(&results[i]);
	g_free(options.json);
	return 0;
}

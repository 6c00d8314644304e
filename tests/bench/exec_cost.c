/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests/bench/exec-cost: short processes, run in this process's cgroup, with the monitor's programs attached and without, in turns of
 * a fraction of a second (with, without, without, with), so that what else the machine does meets both alike. The programs are loaded
 * once, and told of one agent, DIR's cgroup, in which nobody is. A line for each round: CPU time of a process, parent's and kernel's
 * part included, in ns: "WITH WITHOUT".
 *
 *     exec_cost ROUNDS COUNT DIR PROGRAM
 */
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/monitor.skel.h"
#include "bpf/probe.h"

#define LINKS_MAX 8

extern char **environ;

struct bench {
	struct acg_monitor *monitor;
	struct bpf_link *links[LINKS_MAX];
	unsigned int n_links;
	unsigned int count; /* processes in a turn */
	char *program;
};

static void die(const char *what)
{
	fprintf(stderr, "exec_cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Of those that the loader would take here, what a short process comes by. */
static bool on_the_way(const struct acg_probe *probe, const char *name, bool functions)
{
	if (strcmp(name, "acg_charge") == 0)
		return probe->charges && functions;
	if (strcmp(name, "acg_exec_perf") == 0 || strcmp(name, "acg_exit_perf") == 0)
		return probe->process_events && probe->tracefs;
	if (strcmp(name, "acg_exec") == 0 || strcmp(name, "acg_exit") == 0)
		return probe->process_events && !probe->tracefs;
	return strcmp(name, "acg_fork") == 0 && probe->process_events;
}

/* functions: a kernel may let none be traced. */
static bool load(struct bench *bench, bool functions)
{
	struct acg_probe *probe = acg_probe_new(NULL);
	struct bpf_program *program;
	int rc;

	bench->monitor = acg_monitor__open();
	if (!bench->monitor)
		die("cannot open the monitor");
	bpf_object__for_each_program(program, bench->monitor->obj)
	{
		const char *name = bpf_program__name(program);

		bpf_program__set_autoload(program, on_the_way(probe, name, functions));
	}
	acg_probe_free(probe);
	rc = acg_monitor__load(bench->monitor);
	if (rc < 0)
		acg_monitor__destroy(bench->monitor);
	return rc == 0;
}

static void tell(const struct bench *bench, const char *dir)
{
	const struct acg_monitor_figures figures = {
		.processes = ACG_WATCH_FORKS | ACG_WATCH_EXECS | ACG_WATCH_EXITS | ACG_WATCH_CALLS,
		.ahead_ms = 500,
	};
	struct acg_group_entry entry = {.kind = ACG_KIND_CALL, .memory_grant = ~0ULL};
	const __u32 zero = 0;
	struct stat st;
	__u64 id;

	if (stat(dir, &st) < 0)
		die(dir);
	id = entry.agent = st.st_ino;
	if (bpf_map__update_elem(bench->monitor->maps.agentcg_groups, &id, sizeof(id), &entry,
				 sizeof(entry), BPF_ANY) < 0 ||
	    bpf_map__update_elem(bench->monitor->maps.agentcg_figures, &zero, sizeof(zero),
				 &figures, sizeof(figures), BPF_ANY) < 0)
		die("cannot fill the monitor's maps");
}

static void attach(struct bench *bench)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, bench->monitor->obj)
	{
		struct bpf_link *link;

		if (!bpf_program__autoload(program))
			continue;
		link = bpf_program__attach(program);
		if (!link || bench->n_links == LINKS_MAX)
			die("cannot attach the monitor");
		bench->links[bench->n_links++] = link;
	}
}

static void detach(struct bench *bench)
{
	while (bench->n_links)
		bpf_link__destroy(bench->links[--bench->n_links]);
}

static long long ns_of(const struct timeval *time)
{
	return time->tv_sec * 1000000000LL + time->tv_usec * 1000LL;
}

static long long cpu_ns(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return ns_of(&self.ru_utime) + ns_of(&self.ru_stime) + ns_of(&children.ru_utime) +
	       ns_of(&children.ru_stime);
}

static long long run(const struct bench *bench)
{
	char *argv[] = {bench->program, NULL};
	long long before = cpu_ns();

	for (unsigned int i = 0; i < bench->count; i++) {
		int status;
		pid_t pid;

		errno = posix_spawn(&pid, bench->program, NULL, NULL, argv, environ);
		if (errno || waitpid(pid, &status, 0) < 0 || status)
			die(bench->program);
	}
	return (cpu_ns() - before) / bench->count;
}

static long long run_with(struct bench *bench)
{
	long long took;

	attach(bench);
	took = run(bench);
	detach(bench);
	return took;
}

static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	struct bench bench = {0};

	if (argc != 5)
		return 2;
	bench.count = atoi(argv[2]);
	bench.program = argv[4];
	if (bench.count < 1)
		return 2;
	libbpf_set_print(NULL);
	if (!load(&bench, true) && !load(&bench, false))
		die("cannot load the monitor");
	tell(&bench, argv[3]);
	stay_here();
	run_with(&bench);
	for (int i = 0; i < atoi(argv[1]); i++) {
		long long with = run_with(&bench);
		long long without = run(&bench) + run(&bench);

		with += run_with(&bench);
		printf("%lld %lld\n", with / 2, without / 2);
		fflush(stdout);
	}
	acg_monitor__destroy(bench.monitor);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The procfs enforcer: what can be had by process where cgroup v2 has no memory controller (it is
 * on v1, or not handed down), no cgroup.freeze (before Linux 5.2) or no cgroup.kill (before 5.14).
 * The cgroup enforcer makes the groups; where their files do the work, nothing happens here.
 *
 * Memory. The sum of the processes' counters (Rss, 10 us each) counts shared pages once for each
 * process, so it is never too small. Pss is exact, but costs a walk of the page tables with the
 * process's mmap lock held (2 ms a GiB), which slows down the very call that is measured. So the
 * cheap sum comes first, and Pss only where something hangs on it: when the cheap sum is above the
 * call's grant or limit, or the agent's budget. Page cache that nobody maps and kernel memory are
 * in neither. A pid that is reused between the list and the look is not guarded against: it would
 * take all other pids in some microseconds, and costs one wrong sample. Signals are guarded.
 *
 * Peak. The highest that was seen, where a process's own high-water mark (VmHWM) also counts,
 * unless the process was moved in and may have it from before. Processes that live and die between
 * two looks are missed.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/enforcer.h"
#include "policy/procfs.h"

#define MEASURE_MAX (100 * 1000) /* usec for one measurement: a fork bomb does not hold us up */
#define SIGNAL_MAX  (200 * 1000) /* usec for signalling a group, once ... */
#define LOOKS_MIN   3            /* ... it was looked at so often */
#define BATCH       256          /* pidfds open at once */

struct procfs_enforcer {
	struct acg_enforcer enforcer;
	bool needed; /* the memory controller is missing, as far as was seen */
};

/* --- measuring -------------------------------------------------------------------------------- */

struct sum {
	const struct acg_call *call; /* NULL: of an agent or its self */
	bool exact;
	int64_t until;                 /* CLOCK_MONOTONIC usec */
	struct acg_proc_memory memory; /* peak: the highest of a single process */
};

static bool was_moved_in(const struct acg_call *call, pid_t pid)
{
	for (unsigned int i = 0; i < call->moved->len; i++)
		if (g_array_index(call->moved, struct acg_moved, i).pid == pid)
			return true;
	return false;
}

static int add_memory(pid_t pid, void *data)
{
	struct sum *sum = data;
	struct acg_proc_memory memory;

	if (g_get_monotonic_time() > sum->until)
		return 1;
	if (!(sum->exact && acg_proc_pss(pid, &memory)) && !acg_proc_rss(pid, &memory))
		return 0; /* gone meanwhile */
	sum->memory.anon += memory.anon;
	sum->memory.shmem += memory.shmem;
	sum->memory.file += memory.file;
	if (sum->call && memory.peak > sum->memory.peak && !was_moved_in(sum->call, pid))
		sum->memory.peak = memory.peak;
	return 0;
}

typedef int (*add_fn)(pid_t pid, void *data);

static void add_group(const struct acg_node *node, add_fn add, struct sum *sum)
{
	if (node->group && node->group->dirfd >= 0)
		acg_cgroup_each_pid(node->group->dirfd, add, sum, NULL);
}

static void add_agent(const struct acg_agent *agent, add_fn add, struct sum *sum)
{
	GHashTableIter iter;
	void *value;

	add_group(&agent->node, add, sum);
	add_group(&agent->self, add, sum);
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		add_group(&((const struct acg_call *)value)->node, add, sum);
	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		add_agent(value, add, sum);
}

/* Of too many processes the sum is too small. */
static void add_node(const struct acg_node *node, add_fn add, struct sum *sum)
{
	sum->until = g_get_monotonic_time() + MEASURE_MAX;
	if (node->kind == ACG_KIND_AGENT)
		add_agent(node->agent, add, sum);
	else
		add_group(node, add, sum);
}

/* Above this much something may be done to the node. */
static uint64_t decisive(const struct acg_node *node)
{
	const struct acg_call *call = (const struct acg_call *)node;

	switch (node->kind) {
	case ACG_KIND_CALL:
		return MIN(call->grant, call->memory_max);
	case ACG_KIND_AGENT:
		return node->agent->budget.memory /
		       2; /* its high mark, whatever percentage the policy says, is above */
	default:
		return node->agent->self_policy.grant;
	}
}

static uint64_t total(const struct acg_proc_memory *memory)
{
	return memory->anon + memory->shmem + memory->file;
}

static void measure_memory(const struct acg_node *node, struct acg_usage *usage)
{
	struct sum sum = {.call = node->kind == ACG_KIND_CALL ? (const struct acg_call *)node
							      : NULL};
	uint64_t peak;

	add_node(node, add_memory, &sum);
	peak = sum.memory.peak;
	if (total(&sum.memory) > decisive(node)) {
		sum = (struct sum){.call = sum.call, .exact = true};
		add_node(node, add_memory, &sum);
	}
	usage->memory_current = total(&sum.memory);
	usage->memory_held = sum.memory.anon + sum.memory.shmem;
	usage->memory_peak = MAX(MAX(usage->memory_peak, usage->memory_current), peak);
}

static int procfs_measure(struct acg_enforcer *enforcer, struct acg_node *node,
			  struct acg_usage *usage, GError **error)
{
	const struct procfs_enforcer *self = (struct procfs_enforcer *)enforcer;

	(void)error;
	if (self->needed && node->group->dirfd >= 0)
		measure_memory(node, usage);
	return 0;
}

/* --- signals ---------------------------------------------------------------------------------- */

static int add_pid(pid_t pid, void *data)
{
	/*
	 * 0 stands for a process that this pid namespace does not show; to kill(2) it would be our
	 * own group
	 */
	if (pid > 0 && pid != getpid())
		g_hash_table_add(data, GINT_TO_POINTER(pid));
	return 0;
}

static int list_pids(int dirfd, GHashTable **ret_pids, GError **error)
{
	GHashTable *pids = g_hash_table_new(g_direct_hash, g_direct_equal);
	int ret = acg_cgroup_each_pid(dirfd, add_pid, pids, error);

	if (ret) {
		g_hash_table_unref(pids);
		return ret;
	}
	*ret_pids = pids;
	return 0;
}

struct target {
	pid_t pid;
	int pidfd; /* -1: a kernel without (before Linux 5.3) */
};

static void send_signal(const struct target *target, int signo)
{
	if (target->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, target->pidfd, signo, NULL, 0);
	else
		kill(target->pid, signo);
}

/*
 * A pid may have been reused since it was listed. Once a descriptor pins the process, a second look
 * at the list tells whether the pid is, still or again, that of a member; if the pinned process is
 * another one by then, it has exited and the signal is lost.
 */
static int signal_targets(int dirfd, const GArray *targets, int signo, GError **error)
{
	g_autoptr(GHashTable) members = NULL;
	int ret = list_pids(dirfd, &members, error);

	for (unsigned int i = 0; i < targets->len; i++) {
		const struct target *target = &g_array_index(targets, struct target, i);

		if (!ret && g_hash_table_contains(members, GINT_TO_POINTER(target->pid)))
			send_signal(target, signo);
		if (target->pidfd >= 0)
			close(target->pidfd);
	}
	return ret;
}

/* Signals the members that are not in `done` yet and adds them there. Returns how many. */
static int signal_new(int dirfd, GHashTable *done, int signo, GError **error)
{
	g_autoptr(GArray) targets = g_array_new(FALSE, FALSE, sizeof(struct target));
	g_autoptr(GHashTable) listed = NULL;
	GHashTableIter iter;
	void *key;
	int ret = list_pids(dirfd, &listed, error);
	int n = 0;

	if (ret)
		return ret;
	g_hash_table_iter_init(&iter, listed);
	while (!ret && g_hash_table_iter_next(&iter, &key, NULL)) {
		struct target target = {.pid = GPOINTER_TO_INT(key)};

		if (!g_hash_table_add(done, key))
			continue;
		n++;
		target.pidfd = syscall(SYS_pidfd_open, target.pid, 0);
		if (target.pidfd < 0 && errno != ENOSYS)
			continue; /* gone */
		g_array_append_val(targets, target);
		if (targets->len < BATCH)
			continue;
		ret = signal_targets(dirfd, targets, signo, error);
		g_array_set_size(targets, 0);
	}
	if (!ret)
		ret = signal_targets(dirfd, targets, signo, error);
	return ret ? ret : n;
}

static int find_active(pid_t pid, void *data)
{
	(void)data;
	return pid > 0 && pid != getpid() && acg_proc_active(pid);
}

/*
 * Again and again, until a look finds nobody new and all have stopped or died: a fork that was
 * under way when its process was signalled still brings one more. Who is stuck in the kernel gets
 * the signal later; nobody waits for that.
 */
static int signal_all(int dirfd, int signo, GError **error)
{
	g_autoptr(GHashTable) done = g_hash_table_new(g_direct_hash, g_direct_equal);
	int64_t until = g_get_monotonic_time() + SIGNAL_MAX;
	int n = 0;

	for (unsigned int look = 0; look < LOOKS_MIN || g_get_monotonic_time() < until; look++) {
		n = signal_new(dirfd, done, signo, error);
		if (n < 0)
			return n;
		if (n == 0 &&
		    (signo == SIGCONT || acg_cgroup_each_pid(dirfd, find_active, NULL, NULL) <= 0))
			return 0;
		sched_yield();
	}
	return n == 0 ? 0
		      : acg_fail(error, EAGAIN,
				 "processes are forked faster than they can be signalled: set "
				 "pids.max");
}

static int procfs_freeze(struct acg_enforcer *enforcer, struct acg_node *node, bool frozen,
			 GError **error)
{
	int dirfd = node->group->dirfd;

	(void)enforcer;
	if (dirfd < 0 || acg_cgroup_has(dirfd, "cgroup.freeze"))
		return 0;
	return signal_all(dirfd, frozen ? SIGSTOP : SIGCONT, error);
}

/*
 * The cgroup enforcer has sent the signal once to each; a kill has to go on until nobody is left.
 */
static int procfs_signal(struct acg_enforcer *enforcer, struct acg_node *node, int signo,
			 GError **error)
{
	int dirfd = node->group->dirfd;

	(void)enforcer;
	if (dirfd < 0 || signo != SIGKILL || acg_cgroup_has(dirfd, "cgroup.kill"))
		return 0;
	return signal_all(dirfd, SIGKILL, error);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Sees by each agent's cgroup whether it is needed; the calls in it are like it. */
static int procfs_make(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
		       GError **error)
{
	(void)name;
	(void)error;
	if (node->kind == ACG_KIND_AGENT && node->group->dirfd >= 0)
		((struct procfs_enforcer *)enforcer)->needed =
			!acg_cgroup_has(node->group->dirfd, "memory.current");
	return 0;
}

static void procfs_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	const struct procfs_enforcer *self = (const struct procfs_enforcer *)enforcer;
	struct acg_mechanism row = {.name = "procfs", .state = self->needed ? "on" : "off"};

	row.reason =
		g_strdup(self->needed ? "memory is summed by process, without page cache; nothing "
					"holds a call at its "
					"limit, it can only be killed when it is seen above it"
				      : "not needed: the kernel counts the memory of each cgroup");
	g_array_append_val(mechanisms, row);
}

static void procfs_free(struct acg_enforcer *enforcer)
{
	g_free(enforcer);
}

static const struct acg_enforcer_ops procfs_ops = {
	.name = "procfs",
	.make = procfs_make,
	.attach = procfs_make,
	.freeze = procfs_freeze,
	.signal = procfs_signal,
	.measure = procfs_measure,
	.status = procfs_status,
	.free = procfs_free,
};

/* True if some cgroup2 mount has the memory controller at its root. */
static bool memory_controller_there(const char *mountinfo)
{
	g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);

	for (char **line = lines; *line; line++) {
		g_auto(GStrv) fields = g_strsplit(*line, " ", 6);
		g_autofree char *path = NULL;
		g_autofree char *controllers = NULL;

		if (!strstr(*line, " - cgroup2 ") || g_strv_length(fields) < 6)
			continue;
		path = g_build_filename(fields[4], "cgroup.controllers", NULL);
		if (g_file_get_contents(path, &controllers, NULL, NULL) &&
		    strstr(controllers, "memory"))
			return true;
	}
	return false;
}

struct acg_enforcer *acg_enforcer_procfs_new(GError **error)
{
	struct procfs_enforcer *self;
	g_autofree char *mountinfo = NULL;

	if (!g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL)) {
		acg_fail(error, ENOTSUP,
			 "/proc is not mounted: nothing can be measured by process");
		return NULL;
	}
	self = g_new0(struct procfs_enforcer, 1);
	self->enforcer.ops = &procfs_ops;
	self->needed = !memory_controller_there(mountinfo);
	return &self->enforcer;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of a replayed agent; see the header. */
#include "tools/replay_agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fusefs/marker.h"
#include "policy/registry.h"
#include "tools/replay_hold.h"
#include "tools/tree.h"
#include "tools/verbs.h"

struct driver {
	struct acg_replay_agent *agent;
	struct acg_hold hold;
	char *call_path;   /* the marker file */
	pid_t *workers;    /* of each call of the plan; 0: not running */
	unsigned int next; /* call that has not been started yet */
	sigset_t chld;
};

static const struct acg_plan_call *plan_call(const struct driver *driver, unsigned int i)
{
	return &g_array_index(driver->agent->plan->calls, struct acg_plan_call, i);
}

/* --- markers ---------------------------------------------------------------------------------- */

/* Writes a marker and reads the answer: the ID, or why it was refused. Returns 0 or -errno. */
static int mark(const char *path, const char *marker, char *answer, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0) {
		ret = -errno;
		g_strlcpy(answer, g_strerror(-ret), size);
		return ret;
	}
	ret = write(fd, marker, strlen(marker)) < 0 ? -errno : 0;
	n = read(fd, answer, size - 1);
	answer[MAX(n, 0)] = '\0';
	g_strchomp(answer);
	close(fd);
	return ret;
}

/* One line of at most what a marker takes. */
static char *begin_line(const struct acg_trace_call *call)
{
	GString *line = g_string_new("begin ");

	g_string_append(line, call->id && acg_name_check(call->id, NULL) == 0 ? call->id : "-");
	g_string_append(line, " -- ");
	g_string_append_len(line, call->command ? call->command : "",
			    MIN(call->command ? strlen(call->command) : 0, ACG_COMMAND_MAX));
	for (char *at = line->str; *at; at++)
		if (*at == '\n')
			*at = ' ';
	return g_string_free(line, FALSE);
}

static void begin(const struct driver *driver, const struct acg_trace_call *call,
		  struct acg_replay_result *result)
{
	g_autofree char *line = begin_line(call);
	char answer[sizeof(result->refused)];
	int ret = mark(driver->call_path, line, answer, sizeof(answer));

	if (ret == -EEXIST) /* two of the same name at once */
		ret = mark(driver->call_path, "begin -", answer, sizeof(answer));
	if (ret)
		g_strlcpy(result->refused, *answer ? answer : g_strerror(-ret),
			  sizeof(result->refused));
	else
		g_strlcpy(result->id, answer, sizeof(result->id));
}

static void note_info(const struct driver *driver, struct acg_replay_result *result)
{
	g_autoptr(JsonObject) info =
		acg_tree_json(NULL, driver->agent->dir, "calls", result->id, "info", NULL);

	if (!info)
		return;
	result->peak = acg_tree_int(info, "memory_peak", 0);
	result->duration = acg_tree_int(info, "duration_ms", 0);
	result->delayed = acg_tree_int(info, "delayed_ms", 0);
	result->frozen = acg_tree_int(info, "frozen_ms", 0);
	g_strlcpy(result->reason, acg_tree_string(info, "reason", ""), sizeof(result->reason));
}

static void end(const struct driver *driver, struct acg_replay_result *result)
{
	g_autofree char *line = g_strdup_printf("end %s exit=%d", result->id, result->exit);
	char answer[128];

	if (!result->id[0])
		return;
	mark(driver->call_path, line, answer, sizeof(answer));
	note_info(driver, result);
}

/* --- the worker ------------------------------------------------------------------------------- */

static void sleep_usec(int64_t usec)
{
	struct timespec left = {usec / G_USEC_PER_SEC, usec % G_USEC_PER_SEC * 1000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* What lives as long as its parent does. False: the parent is gone already. */
static bool tie_to_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() == parent;
}

static int work(struct acg_replay_shared *shared, struct acg_replay_result *result)
{
	const struct acg_replay_task *task = &result->task;
	const struct acg_step *steps = acg_replay_steps(shared) + task->first_step;
	struct acg_hold hold;

	if (acg_hold_init(&hold, task->peak, shared->speed) < 0)
		return 1;
	hold.ret_peak = &result->touched;
	hold.ret_held = &result->held;
	hold.steps = acg_replay_latencies(shared) + task->first_growth;
	hold.n_steps = &result->n_growths;
	hold.steps_room = task->growths;
	for (unsigned int i = 0; i < task->n_steps; i++) {
		int64_t left;

		acg_hold_step(&hold, &steps[i]);
		while ((left = acg_hold_until(&hold, steps[i].end)))
			sleep_usec(left);
	}
	return 0;
}

int acg_replay_worker(const char *what)
{
	struct acg_replay_shared *shared;
	unsigned int fd, call;
	struct stat st;

	if (sscanf(what, "%u:%u", &fd, &call) != 2 || fstat(fd, &st) < 0)
		return ACG_EXIT_USAGE;
	shared = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED || shared->size != (size_t)st.st_size || call >= shared->n_calls)
		return ACG_EXIT_USAGE;
	return work(shared, &shared->results[call]);
}

/* For bash to read: the worker in the place of the command. A memfd, to be inherited; -1: no memory. */
static int worker_script(int shared_fd, unsigned int call)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *quoted = g_shell_quote(self ? self : "");
	int fd = memfd_create("replay-worker", 0);

	if (fd >= 0)
		dprintf(fd, "unset BASH_ENV; exec %s replay --worker %d:%u\n", quoted, shared_fd,
			call);
	return fd;
}

/* Returns only if bash cannot be run. */
static void become_bash(const struct driver *driver, unsigned int i)
{
	const char *command = plan_call(driver, i)->call->command;
	int script = worker_script(driver->agent->shared_fd, i);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", script);
	sigset_t none;

	fcntl(driver->agent->shared_fd, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	g_setenv("BASH_ENV", path, TRUE);
	driver->agent->shared->results[i].begun = g_get_real_time();
	execl("/bin/bash", "bash", "-c", command && *command ? command : ":", NULL);
}

/* Only processes that drive come to the meeting. */
static void leave_meeting(struct acg_replay_agent *agent)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (agent->meeting[i] >= 0)
			close(agent->meeting[i]);
		agent->meeting[i] = -1;
	}
}

static int be_worker(struct driver *driver, unsigned int i, pid_t parent)
{
	struct acg_replay_result *result = &driver->agent->shared->results[i];

	if (!tie_to_parent(parent))
		return 1;
	leave_meeting(driver->agent);
	if (driver->agent->unmarked) {
		become_bash(driver, i);
		return 127;
	}
	result->begun = g_get_real_time();
	if (!driver->agent->plain)
		begin(driver, plan_call(driver, i)->call, result);
	return work(driver->agent->shared, result);
}

static void start_call(struct driver *driver, unsigned int i)
{
	struct acg_replay_result *result = &driver->agent->shared->results[i];
	pid_t parent = getpid(), child;

	result->state = ACG_REPLAY_RUNNING;
	child = fork();
	if (child == 0)
		_exit(be_worker(driver, i, parent));
	if (child > 0) {
		driver->workers[i] = child;
		result->pid = child;
		return;
	}
	g_snprintf(result->refused, sizeof(result->refused), "fork: %s", g_strerror(errno));
	result->exit = 1;
	result->state = ACG_REPLAY_DONE;
}

/* --- the process that drives ------------------------------------------------------------------ */

static void reap(struct driver *driver)
{
	pid_t child;
	int status;

	while ((child = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned int i = 0; i < driver->next; i++) {
			struct acg_replay_result *result = &driver->agent->shared->results[i];

			if (driver->workers[i] != child)
				continue;
			driver->workers[i] = 0;
			result->ended = g_get_real_time();
			result->held = 0;
			result->exit =
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			end(driver, result);
			result->state = ACG_REPLAY_DONE;
		}
}

/* Is a call running that should have ended at this time of the trace? */
static bool overdue(const struct driver *driver, double time)
{
	for (unsigned int i = 0; i < driver->next; i++)
		if (driver->workers[i] && plan_call(driver, i)->call->end <= time)
			return true;
	return false;
}

/* An agent goes on when its calls have ended, and not before: what they take longer is put on top.
 */
static void wait_until(struct driver *driver, double time)
{
	for (;;) {
		int64_t left = acg_hold_until(&driver->hold, time);
		struct timespec limit = {left / G_USEC_PER_SEC, left % G_USEC_PER_SEC * 1000};

		if (!left && !overdue(driver, time))
			return;
		if (left)
			sigtimedwait(&driver->chld, NULL, &limit);
		else
			sigwaitinfo(&driver->chld, NULL);
		reap(driver);
	}
}

static void start_calls(struct driver *driver, double time)
{
	unsigned int n = driver->agent->plan->calls->len;

	while (driver->next < n && plan_call(driver, driver->next)->call->start <= time)
		start_call(driver, driver->next++);
}

/* Time stands still for who waits for the others. */
static void meet(struct driver *driver)
{
	struct acg_replay_agent *agent = driver->agent;
	int64_t since = g_get_monotonic_time(), waited;
	char nothing;

	if (agent->meeting[0] < 0)
		return;
	close(agent->meeting[1]);
	agent->meeting[1] = -1;
	while (read(agent->meeting[0], &nothing, 1) < 0 && errno == EINTR)
		;
	leave_meeting(agent);
	waited = g_get_monotonic_time() - since;
	driver->hold.origin += waited;
	agent->shared->waited = waited;
}

static uint64_t base_peak(const struct acg_plan *plan)
{
	uint64_t peak = 0;

	for (unsigned int i = 0; i < plan->base->len; i++)
		peak = MAX(peak, g_array_index(plan->base, struct acg_step, i).memory);
	return peak;
}

static int drive(struct driver *driver)
{
	struct acg_replay_agent *agent = driver->agent;
	const GArray *steps = agent->plan->base;
	double time = 0;

	if (acg_hold_init(&driver->hold, base_peak(agent->plan), agent->speed) < 0)
		return 1;
	driver->hold.ret_held = &agent->shared->held;
	for (unsigned int i = 0; i < steps->len; i++) {
		const struct acg_step *step = &g_array_index(steps, struct acg_step, i);

		if (time >= agent->plan->peak)
			meet(driver);
		start_calls(driver, time);
		acg_hold_step(&driver->hold, step);
		time = step->end;
		wait_until(driver, time);
	}
	start_calls(driver, time); /* those of no duration at the very end */
	wait_until(driver, time);
	agent->shared->end = g_get_monotonic_time();
	return 0;
}

static int enter_and_drive(struct acg_replay_agent *agent, pid_t parent)
{
	g_autofree char *procs = g_build_filename(agent->dir, "cgroup.procs", NULL);
	struct driver driver = {.agent = agent};

	setpgid(0, 0); /* ^C is for the parent, which cleans up */
	if (!tie_to_parent(parent) || acg_tree_write(procs, "0", NULL) < 0)
		return 1;
	sigemptyset(&driver.chld);
	sigaddset(&driver.chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &driver.chld, NULL);
	driver.call_path = g_build_filename(agent->dir, "call", NULL);
	driver.workers = g_new0(pid_t, agent->plan->calls->len + 1);
	return drive(&driver);
}

/* --- from outside ----------------------------------------------------------------------------- */

struct acg_step *acg_replay_steps(const struct acg_replay_shared *shared)
{
	return (struct acg_step *)&shared->results[shared->n_calls];
}

uint32_t *acg_replay_latencies(const struct acg_replay_shared *shared)
{
	return (uint32_t *)(acg_replay_steps(shared) + shared->n_steps);
}

static void count(const struct acg_plan *plan, struct acg_replay_shared *counted)
{
	size_t latencies = 1;

	for (unsigned int i = 0; i < plan->calls->len; i++) {
		const struct acg_plan_call *call =
			&g_array_index(plan->calls, struct acg_plan_call, i);

		counted->n_steps += call->steps->len;
		latencies += call->growth;
	}
	counted->n_calls = plan->calls->len;
	counted->size = sizeof(*counted) + counted->n_calls * sizeof(*counted->results) +
			counted->n_steps * sizeof(struct acg_step) + latencies * sizeof(uint32_t);
}

static void fill_in(const struct acg_plan *plan, struct acg_replay_shared *shared)
{
	uint32_t step = 0, growth = 0;

	for (unsigned int i = 0; i < plan->calls->len; i++) {
		const struct acg_plan_call *call =
			&g_array_index(plan->calls, struct acg_plan_call, i);

		shared->results[i].task = (struct acg_replay_task){
			.peak = call->peak,
			.first_step = step,
			.n_steps = call->steps->len,
			.first_growth = growth,
			.growths = call->growth,
		};
		memcpy(acg_replay_steps(shared) + step, call->steps->data,
		       call->steps->len * sizeof(struct acg_step));
		step += call->steps->len;
		growth += call->growth;
	}
}

static int share(struct acg_replay_agent *agent, GError **error)
{
	struct acg_replay_shared counted = {.speed = agent->speed};
	void *memory = MAP_FAILED;

	count(agent->plan, &counted);
	agent->shared_fd = memfd_create("replay", MFD_CLOEXEC);
	/* Populated here: nobody but us shall be charged for it. */
	if (agent->shared_fd >= 0 && ftruncate(agent->shared_fd, counted.size) == 0)
		memory = mmap(NULL, counted.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			      agent->shared_fd, 0);
	if (memory == MAP_FAILED)
		return acg_fail_errno(error, errno, "no memory for the results of agent %s",
				      agent->name);
	agent->shared = memory;
	*agent->shared = counted;
	fill_in(agent->plan, agent->shared);
	return 0;
}

int acg_replay_agent_start(struct acg_replay_agent *agent, GError **error)
{
	pid_t parent = getpid(), child;
	int ret = share(agent, error);

	if (ret)
		return ret;
	agent->start_real = g_get_real_time();
	agent->shared->start = g_get_monotonic_time();
	child = fork();
	if (child == 0)
		_exit(enter_and_drive(agent, parent));
	if (child < 0)
		return acg_fail_errno(error, errno, "cannot start agent %s", agent->name);
	agent->pid = child;
	return 0;
}

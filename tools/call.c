/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command as one tool call; see the header.
 *
 * An operator who names an agent has the child started in the call's cgroup at once (CLONE_INTO_CGROUP): nothing has
 * to be moved. The cgroup is found by its id, which the tree's inode numbers hold (fusefs/inode.h), without walking a path.
 */
#include "tools/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/marker.h"
#include "tools/standin.h"
#include "tools/tree_text.h"

/* A command that is over before gets its feedback when it ends: most are, and need not be watched. */
#define WATCH_DELAY_MS 100

static void say(const struct acg_run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(const struct acg_run *run, const char *format, ...)
{
	va_list args;

	if (run->quiet)
		return;
	fputs("agentcg: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- the child ---------------------------------------------------------------------------------------------- */

void acg_run_exec(const struct acg_run *run)
{
	execvp(run->path, run->argv);
	fprintf(stderr, "agentcg: %s: %s\n", run->path, strerror(errno));
	_exit(errno == ENOENT ? ACG_NOT_FOUND : ACG_NOT_EXECUTABLE);
}

static char *begin_line(const struct acg_run *run)
{
	g_autofree char *hints = acg_hint_format(&run->hint);
	g_autofree char *text = g_strndup(run->text, ACG_COMMAND_MAX);

	g_strdelimit(text, "\n", ' ');
	return g_strdup_printf("begin %s %s%s%s -- %s\n", run->id ? run->id : "-", hints,
			       run->keep ? " keep=yes" : "", run->agent ? " pid=none" : "", text);
}

/* What came of the marker: an errno and the answer. */
struct report {
	int saved;
	char answer[512]; /* the ID, or why it was refused */
};

static struct report write_begin(const struct acg_run *run)
{
	g_autofree char *marker = begin_line(run);
	struct report report = {0};
	ssize_t n;

	if (write(run->call_fd, marker, strlen(marker)) < 0)
		report.saved = errno;
	n = read(run->call_fd, report.answer, sizeof(report.answer) - 1);
	report.answer[n > 0 ? n : 0] = '\0';
	g_strchomp(report.answer);
	return report;
}

/*
 * The child that writes the marker shares our memory until it executes the command, and we sleep meanwhile (as vfork(2) has it, with a
 * stack of its own): a copy of the page tables would take longer than all else here, and what it finds out is where we look for it.
 */
struct starting {
	const struct acg_run *run;
	const struct acg_standin *standin;
	struct report report;
};

#define CHILD_STACK (8 * 1024 * 1024) /* execvp(3) may copy argv there; only what is touched is taken */

static int begin_and_exec(void *data)
{
	struct starting *starting = data;

	starting->report = write_begin(starting->run);
	acg_standin_child(starting->standin);
	acg_run_exec(starting->run);
}

/* --- starting it -------------------------------------------------------------------------------------------- */

static void take_report(struct acg_run *run, const struct report *report)
{
	if (!report->saved)
		run->call = g_strdup(report->answer);
	else if (report->saved != EBUSY) /* in a call already: that one is limited as it is */
		say(run, "not a call of its own: %s",
		    *report->answer ? report->answer : strerror(report->saved));
}

static pid_t start_with_marker(struct acg_run *run, const struct acg_standin *standin)
{
	struct starting starting = {run, standin, {.saved = ESRCH}};
	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	pid_t child;

	if (stack == MAP_FAILED)
		return -1;
	child = clone(begin_and_exec, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD,
		      &starting);
	munmap(stack, CHILD_STACK);
	if (child > 0)
		take_report(run, &starting.report);
	return child;
}

static pid_t start_plain(const struct acg_run *run, const struct acg_standin *standin)
{
	pid_t child = fork();

	if (child)
		return child;
	acg_standin_child(standin);
	acg_run_exec(run);
}

#define FILEID_KERNFS                                                                              \
	0xfe /* include/linux/exportfs.h: the handle is the 64-bit id of the kernfs node */

static int open_cgroup(uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	int fd = -1;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	for (unsigned int i = 0; i < G_N_ELEMENTS(mounts) && fd < 0; i++) {
		int mount = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (mount < 0)
			continue;
		fd = open_by_handle_at(mount, &u.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(mount);
	}
	return fd;
}

/* What the daemon does for a process that it moves into a call: an OOM takes calls first. */
static void volunteer_for_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1000", 4) < 0)
		return; /* the cgroup's limits hold without it */
	close(fd);
}

static pid_t clone_into(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* The operator's way: begin with nobody in it, then the child is born there. */
static pid_t start_in_cgroup(struct acg_run *run, const struct acg_standin *standin)
{
	struct report report = write_begin(run);
	g_autofree char *path = NULL;
	struct stat st;
	pid_t child;
	int cgroup;

	take_report(run, &report);
	if (!run->call)
		return start_plain(run, standin);
	path = g_build_filename(run->dir, "calls", run->call, NULL);
	cgroup = stat(path, &st) == 0 ? open_cgroup(st.st_ino >> 8) : -1;
	if (cgroup < 0) {
		say(run, "cannot open the cgroup of call %s: %s", run->call, strerror(errno));
		return start_plain(run, standin);
	}
	child = clone_into(cgroup);
	if (child == 0) {
		volunteer_for_oom();
		acg_standin_child(standin);
		acg_run_exec(run);
	}
	close(cgroup);
	return child;
}

/* --- feedback ----------------------------------------------------------------------------------------------- */

struct watching {
	struct acg_run *run;
	int fd; /* events_pipe of the agent */
};

static void show_feedback(struct acg_run *run)
{
	g_autofree char *text = acg_tree_read(NULL, run->dir, "calls", run->call, "feedback", NULL);

	if (!text || !*text || g_strcmp0(text, run->told) == 0)
		return;
	fprintf(stderr, "agentcg: %s", text);
	g_free(run->told);
	run->told = g_steal_pointer(&text);
}

static int watch_open(void *data)
{
	struct watching *watching = data;
	g_autofree char *path = g_build_filename(watching->run->dir, "events_pipe", NULL);

	watching->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	show_feedback(watching->run); /* what came before we looked */
	return watching->fd;
}

/* Whatever happened in the agent, our feedback says whether it concerned us. */
static bool watch_ready(void *data)
{
	struct watching *watching = data;
	char buf[16 * 1024];
	bool told = false;
	ssize_t n;

	while ((n = read(watching->fd, buf, sizeof(buf))) > 0)
		told |= memmem(buf, n, "\"feedback\"", strlen("\"feedback\"")) != NULL;
	if (told)
		show_feedback(watching->run);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void read_memory(struct acg_run *run)
{
	g_autofree char *memory =
		acg_tree_read(NULL, run->dir, "calls", run->call, "memory.current", NULL);

	run->memory_current = memory ? strtoull(memory, NULL, 10) : 0;
}

/* What was over at once, and well, was neither held back nor killed: not worth the look. */
static bool may_have_feedback(const struct acg_run *run, int status)
{
	return status || run->end - run->start >= WATCH_DELAY_MS * 1000;
}

static void end_call(struct acg_run *run, int status)
{
	g_autofree char *marker =
		g_strdup_printf("end %s exit=%d\n", run->call,
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));

	if (run->wants_memory)
		read_memory(run);
	if (write(run->call_fd, marker, strlen(marker)) < 0 && errno != ENOENT)
		say(run, "cannot end call %s: %s", run->call, strerror(errno));
	if (may_have_feedback(run, status))
		show_feedback(run);
}

int acg_run_wait(struct acg_run *run)
{
	struct watching watching = {run, -1};
	struct acg_standin_watch watch = {WATCH_DELAY_MS, watch_open, watch_ready, &watching};
	struct acg_standin standin;
	int status;

	if (acg_standin_prepare(&standin) < 0)
		acg_run_exec(run);
	run->start = g_get_real_time();
	run->pid = run->agent ? start_in_cgroup(run, &standin) : start_with_marker(run, &standin);
	if (run->pid < 0) {
		fprintf(stderr, "agentcg: cannot start %s: %s\n", run->path, strerror(errno));
		return ACG_NOT_EXECUTABLE << 8;
	}
	status = acg_standin_wait(&standin, run->pid, run->call_fd, run->call ? &watch : NULL);
	run->end = g_get_real_time();
	if (run->call)
		end_call(run, status);
	if (watching.fd >= 0)
		close(watching.fd);
	return status;
}

/* --- beginning and end of all that -------------------------------------------------------------------------- */

int acg_run_open(struct acg_run *run, GError **error)
{
	const char *root = acg_tree_find();
	g_autofree char *path = NULL;

	run->call_fd = -1;
	if (!root)
		return acg_fail(error, ENOENT, "there is no agentcg tree here");
	run->dir = run->agent ? g_build_filename(root, "agents", run->agent, NULL)
			      : g_build_filename(root, "self", NULL);
	path = g_build_filename(run->dir, "call", NULL);
	run->call_fd = open(path, O_RDWR | O_CLOEXEC);
	if (run->call_fd >= 0)
		return 0;
	if (errno == ENOENT && run->agent)
		return acg_fail(error, ESRCH, "there is no agent %s", run->agent);
	if (errno == ENOENT)
		return acg_fail(error, ENOENT, "outside every agent");
	return acg_fail_errno(error, errno, "%s", path);
}

void acg_run_clear(struct acg_run *run)
{
	if (run->call_fd >= 0)
		close(run->call_fd);
	g_free(run->dir);
	g_free(run->call);
	g_free(run->told);
}

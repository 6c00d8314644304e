/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command as one tool call; see the header.
 *
 * Most commands are over in a moment and nobody has anything to say about them. So their calls take the least that is possible: open,
 * `begin`, `end`, all on one open file, to which `-` is the call that was begun on it. The ID is read when somebody needs it.
 *
 * An operator who names an agent has the child started in the call's cgroup at once (CLONE_INTO_CGROUP): nothing has
 * to be moved. The cgroup is found by its id, which the tree's inode numbers hold (fusefs/inode.h), without walking a path.
 */
#include "tools/call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/standin.h"
#include "tools/tree_find.h"

/* A command that is over before gets its feedback when it ends: most are, and need not be watched. */
#define WATCH_DELAY_MS 100

/* So much of the command goes into the marker: more than is kept, for the hint that may be in it. */
#define COMMAND_SENT (AGENTCG_MARKER_MAX / 2)

static void say(const struct acg_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

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

static int64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int acg_run_exit(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- the marker ---------------------------------------------------------------------------------------------- */

/* One word of a marker: blanks separate hints as commas do. */
static void make_one_word(char *word)
{
	for (; *word; word++)
		if ((unsigned char)*word <= ' ' || *word == 0x7f)
			*word = ',';
}

void acg_run_hint(struct acg_run *run, const char *key, const char *value)
{
	char *before = run->hints, *said = strdup(value);

	if (!said)
		return;
	make_one_word(said);
	if (asprintf(&run->hints, "%s %s=%s", before ? before : "", key, said) < 0)
		run->hints = before;
	else
		free(before);
	free(said);
}

/* One line, whatever the command has. NULL: no memory. */
static char *begin_line(const struct acg_run *run, const char *hints)
{
	const char *id = run->id ? run->id : "-", *keep = run->keep ? " keep=yes" : "",
		   *pid = run->agent ? " pid=none" : "";
	char *line;

	if (asprintf(&line, "begin %s%s%s%s -- %.*s\n", id, hints ? hints : "", keep, pid,
		     COMMAND_SENT, run->text) < 0)
		return NULL;
	for (char *at = line; (at = strchr(at, '\n')) && at[1]; at++)
		*at = ' ';
	return line;
}

/* What came of the marker: an errno, and why it was refused. */
struct report {
	int saved;
	char answer[AGENTCG_ANSWER_MAX];
};

/* The answer to the last marker, which waits in the open file. */
static void read_answer(const struct acg_run *run, char answer[static AGENTCG_ANSWER_MAX])
{
	ssize_t n = read(run->call_fd, answer, AGENTCG_ANSWER_MAX - 1);

	answer[n > 0 ? n : 0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
}

static struct report write_begin(const struct acg_run *run, const char *hints)
{
	char *marker = begin_line(run, hints);
	struct report report = {0};

	if (!marker || write(run->call_fd, marker, strlen(marker)) < 0) {
		report.saved = errno;
		read_answer(run, report.answer);
	}
	free(marker);
	return report;
}

/* A hint that makes no sense is left out, and told by the words in refused: "" if it was none of that. */
static struct report begin(const struct acg_run *run, char refused[static AGENTCG_ANSWER_MAX])
{
	struct report report = write_begin(run, run->hints), second;

	refused[0] = '\0';
	if (report.saved != EINVAL || !run->hints)
		return report;
	second = write_begin(run, NULL);
	if (second.saved != EINVAL)
		strcpy(refused, report.answer);
	return second;
}

/* --- the call's directory ------------------------------------------------------------------------------------ */

const char *acg_run_call(struct acg_run *run)
{
	if (!*run->call)
		read_answer(run, run->call);
	return run->call;
}

static bool path_in_call(struct acg_run *run, const char *file, char path[static PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/calls/%s/%s", run->dir, acg_run_call(run), file) <
	       PATH_MAX;
}

/* At most size - 1 bytes of it, which is all that such a file has; "" if it cannot be read. */
static void read_in_call(struct acg_run *run, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];
	int fd = path_in_call(run, file, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* --- the child ---------------------------------------------------------------------------------------------- */

void acg_run_exec(const struct acg_run *run)
{
	execvp(run->path, run->argv);
	fprintf(stderr, "agentcg: %s: %s\n", run->path, strerror(errno));
	_exit(errno == ENOENT ? ACG_NOT_FOUND : ACG_NOT_EXECUTABLE);
}

/*
 * The child that writes the marker shares our memory until it executes the command, and we sleep meanwhile (as vfork(2) has it, with a
 * stack of its own): a copy of the page tables would take longer than all else here, and what it finds out is where we look for it.
 */
struct starting {
	const struct acg_run *run;
	const struct acg_standin *standin;
	struct report report;
	char refused[AGENTCG_ANSWER_MAX];
};

/* execvp(3) may copy argv there; only what is touched is taken. */
#define CHILD_STACK (8 * 1024 * 1024)

static int begin_and_exec(void *data)
{
	struct starting *starting = data;

	starting->report = begin(starting->run, starting->refused);
	acg_standin_child(starting->standin);
	acg_run_exec(starting->run);
}

/* --- starting it -------------------------------------------------------------------------------------------- */

static void take_report(struct acg_run *run, const struct report *report, const char *refused)
{
	run->begun = !report->saved;
	if (report->saved &&
	    report->saved != EBUSY) /* in a call already: that one is limited as it is */
		say(run, "not a call of its own: %s",
		    *report->answer ? report->answer : strerror(report->saved));
	if (*refused && run->hint_name)
		fprintf(stderr, "agentcg: %s: %s\n", run->hint_name, refused);
}

static pid_t start_with_marker(struct acg_run *run, const struct acg_standin *standin)
{
	struct starting starting = {run, standin, {.saved = ESRCH}, ""};
	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	pid_t child;

	if (stack == MAP_FAILED)
		return -1;
	child = clone(begin_and_exec, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD,
		      &starting);
	munmap(stack, CHILD_STACK);
	if (child > 0)
		take_report(run, &starting.report, starting.refused);
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
	for (unsigned int i = 0; i < sizeof(mounts) / sizeof(mounts[0]) && fd < 0; i++) {
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
	char refused[AGENTCG_ANSWER_MAX], path[PATH_MAX];
	struct report report = begin(run, refused);
	struct stat st;
	pid_t child;
	int cgroup;

	take_report(run, &report, refused);
	if (!run->begun)
		return start_plain(run, standin);
	cgroup = path_in_call(run, "", path) && stat(path, &st) == 0 ? open_cgroup(st.st_ino >> 8)
								     : -1;
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
	char text[ACG_FEEDBACK_MAX];

	read_in_call(run, "feedback", text, sizeof(text));
	if (!*text || strcmp(text, run->told) == 0)
		return;
	fprintf(stderr, "agentcg: %s", text);
	strcpy(run->told, text);
}

static int watch_open(void *data)
{
	struct watching *watching = data;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/events_pipe", watching->run->dir) < PATH_MAX)
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
	char memory[32];

	read_in_call(run, "memory.current", memory, sizeof(memory));
	run->memory_current = strtoull(memory, NULL, 10);
}

/* What was over at once, and well, was neither held back nor killed: not worth the look. */
static bool may_have_feedback(const struct acg_run *run, int status)
{
	return status || run->end - run->start >= WATCH_DELAY_MS * 1000;
}

static void end_call(struct acg_run *run, int status)
{
	char marker[32];
	int len = snprintf(marker, sizeof(marker), "end - exit=%d\n", acg_run_exit(status));

	if (run->wants_memory)
		read_memory(run);
	if (write(run->call_fd, marker, len) < 0 && errno != ENOENT)
		say(run, "cannot end call %s: %s", acg_run_call(run), strerror(errno));
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
	run->start = now_usec();
	run->pid = run->agent ? start_in_cgroup(run, &standin) : start_with_marker(run, &standin);
	if (run->pid < 0) {
		fprintf(stderr, "agentcg: cannot start %s: %s\n", run->path, strerror(errno));
		return ACG_NOT_EXECUTABLE << 8;
	}
	status = acg_standin_wait(&standin, run->pid, run->call_fd, run->begun ? &watch : NULL);
	run->end = now_usec();
	if (run->begun)
		end_call(run, status);
	if (watching.fd >= 0)
		close(watching.fd);
	acg_standin_clear(&standin);
	return status;
}

/* --- beginning and end of all that -------------------------------------------------------------------------- */

/* place/sub/call. False: it cannot be opened, errno says why. */
static bool open_call(struct acg_run *run, const char *place, const char *sub, const char *agent)
{
	char path[PATH_MAX];

	free(run->dir);
	run->dir = NULL;
	if (asprintf(&run->dir, "%s/%s%s", place, sub, agent) < 0 ||
	    snprintf(path, sizeof(path), "%s/call", run->dir) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	run->call_fd = open(path, O_RDWR | O_CLOEXEC);
	return run->call_fd >= 0;
}

int acg_run_open(struct acg_run *run)
{
	const char *places[ACG_TREE_PLACES];
	int saved = ENOENT;

	run->call_fd = -1;
	acg_tree_places(places);
	for (unsigned int i = 0; i < ACG_TREE_PLACES && places[i]; i++) {
		if (open_call(run, places[i], run->agent ? "agents/" : "self",
			      run->agent ? run->agent : ""))
			return 0;
		if (errno != ENOENT)
			saved = errno;
	}
	return saved == ENOENT && run->agent && acg_tree_is_there(acg_tree_find()) ? -ESRCH
										   : -saved;
}

void acg_run_why(const struct acg_run *run, int ret, char *ret_why, size_t size)
{
	if (ret == -ESRCH)
		snprintf(ret_why, size, "there is no agent %s", run->agent);
	else if (ret != -ENOENT)
		snprintf(ret_why, size, "cannot open the file call: %s", strerror(-ret));
	else if (acg_tree_is_there(acg_tree_find()))
		snprintf(ret_why, size, "outside every agent");
	else
		snprintf(ret_why, size, "there is no agentcg tree here");
}

void acg_run_clear(struct acg_run *run)
{
	if (run->call_fd >= 0)
		close(run->call_fd);
	free(run->hints);
	free(run->dir);
}

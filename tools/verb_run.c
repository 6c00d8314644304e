/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg run: one command as one tool call. The child writes the `begin` and is moved, then becomes the command; the parent
 * stays outside, passes on signals and stops, writes `end` with the exit status and shows the feedback. Standard streams are the command's
 * own and are not touched. Whatever goes wrong with the call, the command runs.
 *
 * An operator who names an agent has the child started in the call's cgroup at once (CLONE_INTO_CGROUP): nothing has to
 * be moved. The cgroup is found by its id, which the tree's inode numbers hold (fusefs/inode.h), without walking a path.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/marker.h"
#include "tools/tree.h"
#include "tools/verbs.h"

struct run {
	char *dir;    /* of the agent in the tree; NULL: none, the command just runs */
	char *marker; /* the begin line */
	char *id;     /* of the call; NULL: there is none */
	char **command;
	bool quiet;
	int call_fd; /* `call`, open for writing and for answers; -1: none */
};

#define CHILD_NOT_FOUND      127
#define CHILD_NOT_EXECUTABLE 126

static void say(const struct run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(const struct run *run, const char *format, ...)
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

static void exec_command(char **command)
{
	execvp(command[0], command);
	fprintf(stderr, "agentcg: %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE);
}

/* Writes the marker and reads the answer. Returns 0 or an errno; answer is the ID, or why it was refused. */
static int write_marker(int fd, const char *marker, char answer[static 512])
{
	ssize_t n;
	int saved = 0;

	if (write(fd, marker, strlen(marker)) < 0)
		saved = errno;
	n = read(fd, answer, 511);
	answer[n > 0 ? n : 0] = '\0';
	g_strchomp(answer);
	return saved;
}

/* What the child tells the parent over the pipe: an errno and the answer. */
struct report {
	int saved;
	char answer[512];
};

static void begin_and_exec(const struct run *run, int report_fd, const sigset_t *mask)
{
	struct report report = {0};

	report.saved = write_marker(run->call_fd, run->marker, report.answer);
	if (write(report_fd, &report, sizeof(report)) < 0)
		report.saved = 0; /* the parent is gone: nobody to tell */
	sigprocmask(SIG_SETMASK, mask, NULL);
	exec_command(run->command);
}

/* --- starting it -------------------------------------------------------------------------------------------- */

static void take_report(struct run *run, int fd)
{
	struct report report;

	if (read(fd, &report, sizeof(report)) != sizeof(report))
		return;
	if (!report.saved)
		run->id = g_strdup(report.answer);
	else if (report.saved != EBUSY) /* in a call already: that one is limited as it is */
		say(run, "not a call of its own: %s",
		    *report.answer ? report.answer : strerror(report.saved));
}

static pid_t start_with_marker(struct run *run, const sigset_t *mask)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0)
		begin_and_exec(run, ends[1], mask);
	close(ends[1]);
	if (child > 0)
		take_report(run, ends[0]);
	close(ends[0]);
	return child;
}

static pid_t start_plain(char **command, const sigset_t *mask)
{
	pid_t child = fork();

	if (child)
		return child;
	sigprocmask(SIG_SETMASK, mask, NULL);
	exec_command(command);
	return -1;
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

static pid_t clone_into(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* The operator's way: begin with nobody in it, then the child is born there. -1: it did not work, nothing was started. */
static pid_t start_in_cgroup(struct run *run, const sigset_t *mask)
{
	g_autofree char *path = NULL;
	char answer[512];
	struct stat st;
	pid_t child;
	int cgroup;
	int saved = write_marker(run->call_fd, run->marker, answer);

	if (saved) {
		say(run, "not a call of its own: %s", *answer ? answer : strerror(saved));
		return start_plain(run->command, mask);
	}
	run->id = g_strdup(answer);
	path = g_build_filename(run->dir, "calls", run->id, NULL);
	cgroup = stat(path, &st) == 0 ? open_cgroup(st.st_ino >> 8) : -1;
	if (cgroup < 0) {
		say(run, "cannot open the cgroup of call %s: %s", run->id, strerror(errno));
		return start_plain(run->command, mask);
	}
	child = clone_into(cgroup);
	if (child == 0) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		exec_command(run->command);
	}
	close(cgroup);
	return child;
}

/* --- waiting ------------------------------------------------------------------------------------------------ */

static const int passed_on[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
				SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH};

static sigset_t waited_for(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (unsigned int i = 0; i < G_N_ELEMENTS(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	return set;
}

/* A signal from the terminal reaches the command by itself, as it is in the same process group; one from kill(2) does not. */
static void pass_on(pid_t child, const siginfo_t *info)
{
	if (info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL)
		kill(child, info->si_signo);
}

static int wait_for(pid_t child)
{
	sigset_t set = waited_for();
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(&set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			pass_on(child, &info);
			continue;
		}
		if (waitpid(child, &status, WNOHANG | WUNTRACED) != child)
			continue;
		if (!WIFSTOPPED(status))
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		raise(SIGSTOP); /* job control: we stop as it stopped, and go on together */
	}
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void end_call(struct run *run, int status)
{
	g_autofree char *marker = g_strdup_printf("end %s exit=%d\n", run->id, status);
	g_autofree char *feedback = NULL;

	if (write(run->call_fd, marker, strlen(marker)) < 0 && errno != ENOENT)
		say(run, "cannot end call %s: %s", run->id, strerror(errno));
	feedback = acg_tree_read(NULL, run->dir, "calls", run->id, "feedback", NULL);
	if (feedback && *feedback)
		fprintf(stderr, "agentcg: %s", feedback);
}

static int run_command(struct run *run, bool in_cgroup)
{
	sigset_t set = waited_for(), mask;
	pid_t child;
	int status;

	sigprocmask(SIG_BLOCK, &set, &mask);
	if (run->call_fd < 0)
		child = start_plain(run->command, &mask);
	else if (in_cgroup)
		child = start_in_cgroup(run, &mask);
	else
		child = start_with_marker(run, &mask);
	if (child < 0) {
		fprintf(stderr, "agentcg: cannot start %s: %s\n", run->command[0], strerror(errno));
		return CHILD_NOT_EXECUTABLE;
	}
	status = wait_for(child);
	if (run->id)
		end_call(run, status);
	return status;
}

/* --- the command line --------------------------------------------------------------------------------------- */

static char *quoted_command(char **command)
{
	/* `bash -c 'what the model wrote'` is shown as it is; other arguments are joined as a person would type them. */
	return g_strjoinv(" ", command);
}

static char *begin_line(const char *id, const struct acg_hint *hint, bool keep, bool nobody,
			char **command)
{
	g_autofree char *hints = acg_hint_format(hint);
	g_autofree char *text = quoted_command(command);

	if (strlen(text) > ACG_COMMAND_MAX)
		text[ACG_COMMAND_MAX] = '\0';
	g_strdelimit(text, "\n", ' ');
	return g_strdup_printf("begin %s %s%s%s -- %s\n", id ? id : "-", hints,
			       keep ? " keep=yes" : "", nobody ? " pid=none" : "", text);
}

static int open_call(struct run *run, const char *root, const char *agent)
{
	g_autofree char *path = NULL;

	run->call_fd = -1;
	if (!root) {
		say(run,
		    "there is no agentcg tree here: the command runs without a call of its own");
		return 0;
	}
	run->dir = agent ? g_build_filename(root, "agents", agent, NULL)
			 : g_build_filename(root, "self", NULL);
	path = g_build_filename(run->dir, "call", NULL);
	run->call_fd = open(path, O_RDWR | O_CLOEXEC);
	if (run->call_fd < 0 && agent) {
		fprintf(stderr, "agentcg: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (run->call_fd < 0)
		say(run,
		    errno == ENOENT
			    ? "outside every agent: the command runs without a call of its own"
			    : "%s cannot be opened: the command runs without a call of its own",
		    path);
	return 0;
}

static int parse_hints(char **pairs, const char *timeout, const char *cpu, struct acg_hint *hint,
		       GError **error)
{
	int ret = 0;

	for (; pairs && *pairs && !ret; pairs++) {
		struct acg_hint said;

		ret = acg_hint_parse(*pairs, &said, error);
		if (!ret)
			acg_hint_merge(hint, &said);
	}
	if (!ret && cpu)
		ret = acg_hint_set(hint, "cpu", cpu, error);
	if (!ret && timeout)
		ret = acg_hint_set(hint, "timeout", timeout, error);
	return ret;
}

int acg_verb_run(int argc, char **argv)
{
	g_autofree char *id = NULL, *agent = NULL, *timeout = NULL, *cpu = NULL;
	g_auto(GStrv) hints = NULL;
	gboolean keep = FALSE, quiet = FALSE;
	const GOptionEntry entries[] = {
		{"id", 'i', 0, G_OPTION_ARG_STRING, &id, "ID of the call (default: a fresh one)",
		 "ID"},
		{"hint", 'H', 0, G_OPTION_ARG_STRING_ARRAY, &hints,
		 "what it needs: memory:high, memory:512m, ...", "HINT"},
		{"cpu", 0, 0, G_OPTION_ARG_STRING, &cpu, "latency, normal or batch", "CLASS"},
		{"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout,
		 "SIGTERM after so long, then kill", "SECONDS"},
		{"agent", 'a', 0, G_OPTION_ARG_STRING, &agent, "in this agent (operators)",
		 "AGENT"},
		{"keep", 0, 0, G_OPTION_ARG_NONE, &keep,
		 "a persistent shell: it survives its command's OOM", NULL},
		{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "say nothing but the feedback", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("-- COMMAND [ARGUMENT...]");
	g_autoptr(GError) error = NULL;
	struct acg_hint hint = {0};
	struct run run = {0};
	int ret;

	g_option_context_set_strict_posix(context, TRUE);
	g_option_context_set_summary(
		context, "Runs COMMAND as a tool call of its own and returns its exit status.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) ||
	    parse_hints(hints, timeout, cpu, &hint, &error) < 0) {
		fprintf(stderr, "agentcg run: %s\n", error->message);
		return ACG_EXIT_USAGE;
	}
	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (argc < 2) {
		fprintf(stderr, "agentcg run: give a command: agentcg run [OPTION...] -- COMMAND "
				"[ARGUMENT...]\n");
		return ACG_EXIT_USAGE;
	}
	run.quiet = quiet;
	run.command = argv + 1;
	run.marker = begin_line(id, &hint, keep, agent != NULL, run.command);
	ret = open_call(&run, acg_tree_find(), agent) < 0 ? 1 : run_command(&run, agent != NULL);
	if (run.call_fd >= 0)
		close(run.call_fd);
	g_free(run.dir);
	g_free(run.marker);
	g_free(run.id);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two ways of each thing; see the header. */
#include "tests/bench/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...)
{
	g_autofree char *words = NULL;
	va_list args;

	va_start(args, format);
	words = g_strdup_vprintf(format, args);
	va_end(args);
	fprintf(stderr, "marker: %s\n", words);
	exit(1);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("cannot open %s: %s", path, g_strerror(errno));
	return fd;
}

void write_or_die(const char *path, const char *text)
{
	int fd = open_or_die(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		die("cannot write \"%s\" to %s: %s", text, path, g_strerror(errno));
	close(fd);
}

void places_set(struct places *places, const char *mount, const char *agent, const char *root)
{
	places->tree_procs = g_strdup_printf("%s/agents/%s/cgroup.procs", mount, agent);
	places->tree_max = g_strdup_printf("%s/agents/%s/memory.max", mount, agent);
	places->call = g_strdup_printf("%s/agents/%s/call", mount, agent);
	places->group = g_build_filename(root, agent, NULL);
	places->group_new = g_build_filename(root, agent, "by-hand", NULL);
	places->new_procs = g_build_filename(places->group_new, "cgroup.procs", NULL);
	places->self_procs = g_build_filename(root, agent, "self", "cgroup.procs", NULL);
	places->file = access(places->tree_max, F_OK) == 0 ? "memory.current" : "cpu.stat";
	places->tree_dir = g_strdup_printf("%s/agents/%s", mount, agent);
}

void places_clear(struct places *places)
{
	char *all[] = {places->tree_procs, places->tree_max,  places->call,
		       places->group,      places->group_new, places->new_procs,
		       places->self_procs, places->tree_file, places->direct_file,
		       places->tree_dir,   places->agentcg,   places->scripts};

	for (unsigned int i = 0; i < G_N_ELEMENTS(all); i++)
		g_free(all[i]);
}

/* --- begin and end ---------------------------------------------------------------------------- */

/* Writes a marker; if it is refused, says why. */
static void mark(int fd, const char *marker)
{
	char answer[256];
	ssize_t n;

	if (write(fd, marker, strlen(marker)) > 0)
		return;
	n = read(fd, answer, sizeof(answer));
	die("\"%s\" was refused: %.*s", marker, (int)MAX(n, 0), answer);
}

void tree_call(const struct places *places)
{
	int fd = open_or_die(places->call, O_RDWR);
	char answer[80];

	mark(fd, "begin - -- bench");
	if (read(fd, answer, sizeof(answer)) <= 0)
		die("no answer to begin: %s", g_strerror(errno));
	mark(fd, "end - exit=0");
	close(fd);
}

void direct_call(const struct places *places)
{
	if (mkdir(places->group_new, 0755) < 0)
		die("cannot make %s: %s", places->group_new, g_strerror(errno));
	write_or_die(places->new_procs, "0");
	write_or_die(places->self_procs, "0");
	if (rmdir(places->group_new) < 0)
		die("cannot remove %s: %s", places->group_new, g_strerror(errno));
}

static void write_at(int dirfd, const char *file, const char *text)
{
	int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("cannot write \"%s\" to %s: %s", text, file, g_strerror(errno));
	close(fd);
}

/* What this kernel does not have is not read: agentcg does not either. */
static void read_at(int dirfd, const char *file)
{
	char buf[1024];
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, buf, sizeof(buf)) < 0)
		die("cannot read %s: %s", file, g_strerror(errno));
	close(fd);
}

void direct_call_files(const struct places *places)
{
	static const char *const read_at_end[] = {"cgroup.events", "cpu.stat", "memory.current",
						  "memory.peak", "memory.events"};
	int dirfd;

	if (mkdirat(places->group_fd, "by-hand", 0755) < 0)
		die("cannot make %s: %s", places->group_new, g_strerror(errno));
	dirfd = openat(places->group_fd, "by-hand", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (faccessat(dirfd, "memory.oom.group", F_OK, 0) == 0)
		write_at(dirfd, "memory.oom.group", "1");
	write_at(dirfd, "cgroup.procs", "0");
	read_at(AT_FDCWD, "/proc/self/oom_score_adj");
	write_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	write_at(places->group_fd, "self/cgroup.procs", "0");
	write_at(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	for (unsigned int i = 0; i < G_N_ELEMENTS(read_at_end); i++)
		read_at(dirfd, read_at_end[i]);
	close(dirfd);
	if (unlinkat(places->group_fd, "by-hand", AT_REMOVEDIR) < 0)
		die("cannot remove %s: %s", places->group_new, g_strerror(errno));
}

/* --- reading ---------------------------------------------------------------------------------- */

void ways_open_files(struct places *places, const char *file)
{
	file = file ? file : places->file;
	places->tree_file = g_build_filename(places->tree_dir, file, NULL);
	places->direct_file = g_build_filename(places->group, file, NULL);
	places->tree_fd = open_or_die(places->tree_file, O_RDONLY);
	places->direct_fd = open_or_die(places->direct_file, O_RDONLY);
	places->group_fd = open_or_die(places->group, O_RDONLY | O_DIRECTORY);
}

static void read_open_file(int fd, const char *name)
{
	char buf[4096];

	for (int i = 0; i < READS; i++)
		if (pread(fd, buf, sizeof(buf), 0) <= 0)
			die("cannot read %s: %s", name, g_strerror(errno));
}

void tree_read(const struct places *places)
{
	read_open_file(places->tree_fd, places->tree_file);
}

void direct_read(const struct places *places)
{
	read_open_file(places->direct_fd, places->direct_file);
}

static void open_and_read(const char *path)
{
	char buf[4096];

	for (int i = 0; i < READS; i++) {
		int fd = open_or_die(path, O_RDONLY);

		if (read(fd, buf, sizeof(buf)) <= 0)
			die("cannot read %s: %s", path, g_strerror(errno));
		close(fd);
	}
}

void tree_open_read(const struct places *places)
{
	open_and_read(places->tree_file);
}

void tree_info(const struct places *places)
{
	g_autofree char *info = g_build_filename(places->tree_dir, "info", NULL);

	open_and_read(info);
}

void direct_open_read(const struct places *places)
{
	open_and_read(places->direct_file);
}

/* --- programs --------------------------------------------------------------------------------- */

void run_quietly(const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ))
		die("cannot run %s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	waitpid(pid, &status, 0);
	if (status)
		die("%s failed with status %d", argv[0], status);
}

void ways_forget_ended(const struct places *places)
{
	g_autofree char *calls = g_build_filename(places->tree_dir, "calls", NULL);
	g_autoptr(GDir) dir = g_dir_open(calls, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(calls, name, NULL);

		if (rmdir(path) < 0)
			die("cannot remove %s: %s", path, g_strerror(errno));
	}
}

void tree_ls(const struct places *places)
{
	run_quietly((const char *const[]){"ls", "-R", places->tree_dir, NULL});
}

void direct_ls(const struct places *places)
{
	run_quietly((const char *const[]){"ls", "-R", places->group, NULL});
}

void tree_run(const struct places *places)
{
	run_quietly((const char *const[]){places->agentcg, "run", "--", "true", NULL});
}

void direct_run(const struct places *places)
{
	g_autofree char *script = g_build_filename(places->scripts, "by-hand", NULL);

	run_quietly((const char *const[]){script, places->group, "true", NULL});
}

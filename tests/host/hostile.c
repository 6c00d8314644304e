/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of attacks on the tree, one line each: what was tried, what came back.
 *
 *   hostile MOUNT ROLE REPEAT
 *
 * Started by an operator while the agents `a` (the attacker's) and `b` (the victim's, with a call `secret` and a process in it) are
 * there. ROLE: root (in agent a, with cgroup, mount and pid namespaces of its own), user (in agent a, uid 65534, no namespaces),
 * outsider (uid 65534 in no agent), maker (uid 12345 in no agent, named by the policy for agents m-*, two of them).
 * REPEAT: how many calls are made at most. Exits 1 if anything got through.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534
#define MAKER  12345

enum { ROOT = 1, USER = 2, OUTSIDER = 4, MAKES = 8, INSIDE = ROOT | USER, ALL = 15 };

#define HANDLE_MAX 128
union handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + HANDLE_MAX];
};

/* What the attacker was given by somebody with more rights. */
static struct gift {
	int call_fd;    /* agents/b/call, open for writing */
	int limit_fd;   /* a limit of call `secret`, open for writing; -1: this host has none */
	int policy_fd;  /* policy, open for writing */
	int mount_fd;   /* of the mount, for handles */
	int root_fd;    /* the directory agents/b */
	union handle handle; /* of agents/b/call */
	int victim, daemon, parent; /* pids, as the operator sees them */
	unsigned int repeat;
} gift;

/* --- ways to try ------------------------------------------------------------------------------------------- */

/* Each returns 0 if it got through, else an errno. */
typedef int (*attempt)(const char *path, const char *text);

static int done(int ret)
{
	return ret < 0 ? errno : 0;
}

static int write_fd(int fd, const char *text)
{
	return done(write(fd, text, strlen(text)));
}

static int open_and(const char *path, int flags, int (*use)(int fd, const char *text), const char *text)
{
	int fd = open(path, flags | O_CLOEXEC, 0600), ret;

	if (fd < 0)
		return errno;
	ret = use(fd, text);
	close(fd);
	return ret;
}

static int try_write(const char *path, const char *text)
{
	return open_and(path, O_WRONLY, write_fd, text);
}

static int try_append(const char *path, const char *text)
{
	return open_and(path, O_WRONLY | O_APPEND | O_TRUNC, write_fd, text);
}

static int try_trigger(const char *path, const char *text)
{
	return open_and(path, O_RDWR | O_NONBLOCK, write_fd, text);
}

static int nothing(int fd, const char *text)
{
	(void)fd;
	(void)text;
	return 0;
}

static int try_open_to_write(const char *path, const char *text)
{
	return open_and(path, O_WRONLY, nothing, text);
}

static int read_fd(int fd, const char *text)
{
	char buf[4096];

	(void)text;
	return done(read(fd, buf, sizeof(buf)));
}

static int try_read(const char *path, const char *text)
{
	return open_and(path, O_RDONLY | O_NONBLOCK, read_fd, text);
}

static int try_list(const char *path, const char *text)
{
	DIR *dir = opendir(path);

	(void)text;
	if (!dir)
		return errno;
	closedir(dir);
	return 0;
}

static int try_mkdir(const char *path, const char *text)
{
	(void)text;
	return done(mkdir(path, 0777));
}

static int try_rmdir(const char *path, const char *text)
{
	(void)text;
	return done(rmdir(path));
}

static int try_unlink(const char *path, const char *text)
{
	(void)text;
	return done(unlink(path));
}

static int try_rename(const char *path, const char *text)
{
	return done(rename(path, text));
}

static int try_exchange(const char *path, const char *text)
{
	return done(syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, text, 2));
}

static int try_link(const char *path, const char *text)
{
	return done(link(path, text));
}

static int try_symlink(const char *path, const char *text)
{
	return done(symlink(text, path));
}

static int try_mknod(const char *path, const char *text)
{
	(void)text;
	return done(mknod(path, S_IFREG | 0666, 0));
}

static int try_mkfifo(const char *path, const char *text)
{
	(void)text;
	return done(mkfifo(path, 0666));
}

static int try_create(const char *path, const char *text)
{
	return open_and(path, O_WRONLY | O_CREAT | O_EXCL, write_fd, text);
}

static int try_chmod(const char *path, const char *text)
{
	(void)text;
	return done(chmod(path, 0777));
}

static int try_chown(const char *path, const char *text)
{
	(void)text;
	return done(chown(path, geteuid(), getegid()));
}

static int try_utimes(const char *path, const char *text)
{
	(void)text;
	return done(utimensat(AT_FDCWD, path, NULL, 0));
}

static int try_setxattr(const char *path, const char *text)
{
	return done(setxattr(path, text, "x", 1, 0));
}

static int try_tmpfile(const char *path, const char *text)
{
	return open_and(path, O_TMPFILE | O_WRONLY, nothing, text);
}

static int fallocate_fd(int fd, const char *text)
{
	(void)text;
	return done(fallocate(fd, 0, 0, 1 << 20));
}

static int try_fallocate(const char *path, const char *text)
{
	return open_and(path, O_RDWR, fallocate_fd, text);
}

static int ioctl_fd(int fd, const char *text)
{
	int flags = 0x10; /* FS_IMMUTABLE_FL */

	(void)text;
	return done(ioctl(fd, _IOW('f', 2, long), &flags)); /* FS_IOC_SETFLAGS */
}

static int try_ioctl(const char *path, const char *text)
{
	return open_and(path, O_RDWR, ioctl_fd, text);
}

static int mmap_fd(int fd, const char *text)
{
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return errno;
	memcpy(map, text, strlen(text));
	return 0;
}

static int try_mmap(const char *path, const char *text)
{
	return open_and(path, O_RDWR, mmap_fd, text);
}

static int splice_fd(int fd, const char *text)
{
	int ends[2], ret;

	if (pipe(ends) < 0 || write(ends[1], text, strlen(text)) < 0)
		return errno;
	ret = done(splice(ends[0], NULL, fd, NULL, strlen(text), 0));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int try_splice(const char *path, const char *text)
{
	return open_and(path, O_WRONLY, splice_fd, text);
}

static int try_mount_over(const char *path, const char *text)
{
	(void)text;
	return done(mount("none", path, "tmpfs", 0, NULL));
}

/* --- with what somebody with more rights gave away --------------------------------------------------------- */

static int try_gift_call(const char *path, const char *text)
{
	(void)path;
	return write_fd(gift.call_fd, text);
}

static int try_gift_limit(const char *path, const char *text)
{
	(void)path;
	return gift.limit_fd < 0 ? ENOENT : write_fd(gift.limit_fd, text);
}

static int try_gift_policy(const char *path, const char *text)
{
	(void)path;
	return write_fd(gift.policy_fd, text);
}

static int try_gift_reopened(const char *path, const char *text)
{
	char fd_path[64];

	(void)path;
	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", gift.call_fd);
	return try_write(fd_path, text);
}

static int try_gift_directory(const char *path, const char *text)
{
	int fd = openat(gift.root_fd, path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return errno;
	ret = write_fd(fd, text);
	close(fd);
	return ret;
}

static int try_handle(const char *path, const char *text)
{
	int fd = open_by_handle_at(gift.mount_fd, &gift.handle.head, O_WRONLY | O_CLOEXEC), ret;

	(void)path;
	if (fd < 0)
		return errno;
	ret = write_fd(fd, text);
	close(fd);
	return ret;
}

/* --- other people's pids ------------------------------------------------------------------------------------ */

/* path: the file; text: a format for the number. */
static int write_pid(const char *path, const char *format, int pid)
{
	char text[64];

	snprintf(text, sizeof(text), strstr(format, "pid") ? "begin stolen pid=%d" : "%d", pid);
	return try_write(path, text);
}

static int try_victims_pid(const char *path, const char *text)
{
	return write_pid(path, text, gift.victim);
}

static int try_daemons_pid(const char *path, const char *text)
{
	return write_pid(path, text, gift.daemon);
}

static int try_first_pid(const char *path, const char *text)
{
	return getpid() < 10 ? EPERM : write_pid(path, text, 1); /* in a namespace of its own 1 is its own */
}

static int try_parents_pid(const char *path, const char *text)
{
	return write_pid(path, text, gift.parent);
}

static int try_gone_pid(const char *path, const char *text)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	return write_pid(path, text, child);
}

static int try_kill(const char *path, const char *text)
{
	(void)path;
	(void)text;
	return done(kill(gift.daemon, SIGKILL));
}

static int try_kill_threads(const char *path, const char *text)
{
	(void)path;
	(void)text;
	return done(syscall(SYS_tgkill, gift.daemon, gift.daemon, SIGSTOP));
}

static int try_ptrace(const char *path, const char *text)
{
	(void)path;
	(void)text;
	return done(ptrace(PTRACE_SEIZE, gift.daemon, NULL, NULL));
}

static int try_daemons_memory(const char *path, const char *text)
{
	char own[64];

	(void)path;
	snprintf(own, sizeof(own), "/proc/%d/mem", gift.daemon);
	return try_write(own, text);
}

/* The victim's own view of the file system, by its /proc entry. */
static int try_victims_root(const char *path, const char *text)
{
	char own[256], cwd[128];

	if (!getcwd(cwd, sizeof(cwd)))
		return errno;
	snprintf(own, sizeof(own), "/proc/%d/root%.100s/%.64s", gift.victim, cwd, path);
	return try_write(own, text);
}

static int try_own_root(const char *path, const char *text)
{
	char own[256], cwd[128];

	if (!getcwd(cwd, sizeof(cwd)))
		return errno;
	snprintf(own, sizeof(own), "/proc/self/root%.100s/%.64s", cwd, path);
	return try_write(own, text);
}

/* --- from inside a call ------------------------------------------------------------------------------------- */

/* Runs use(path, text) in a child that has begun call `inner`. */
static int in_call(int (*use)(const char *path, const char *text), const char *path, const char *text)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int ret = try_write("agents/a/call", "begin inner -- attack");

		_exit(ret ? 255 : use(path, text));
	}
	waitpid(child, &status, 0);
	try_write("agents/a/call", "end inner");
	if (WEXITSTATUS(status) == 255)
		printf("   (the call could not be begun)\n");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int try_write_in_call(const char *path, const char *text)
{
	return in_call(try_write, path, text);
}

static int move_by_parent(const char *path, const char *text)
{
	char pid[16];

	(void)text;
	snprintf(pid, sizeof(pid), "%d", getpid());
	return try_write(path, pid);
}

static int try_leave_by_pid(const char *path, const char *text)
{
	return in_call(move_by_parent, path, text);
}

static void *wait_in_thread(void *data)
{
	(void)data;
	pause();
	return NULL;
}

static int threads_begin(const char *path, const char *text)
{
	pthread_t thread;
	int status;
	pid_t child = fork();

	if (child == 0) {
		pthread_create(&thread, NULL, wait_in_thread, NULL);
		_exit(try_write(path, text));
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* In a pid namespace the attacker's parent is its first process: ask it. Others make one. */
static int first_begins(const char *path, const char *text)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(errno);
		child = fork();
		if (child == 0)
			_exit(try_write(path, text));
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* Root of a user namespace of its own is not root. */
static int try_write_in_userns(const char *path, const char *text)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		char map[32];
		int uid = geteuid();

		if (unshare(CLONE_NEWUSER) < 0)
			_exit(errno);
		snprintf(map, sizeof(map), "0 %d 1", uid);
		try_write("/proc/self/uid_map", map);
		_exit(try_write(path, text));
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* --- a lot of something -------------------------------------------------------------------------------------- */

static int try_many_calls(const char *path, const char *text)
{
	unsigned int made = 0;
	char name[128];
	int ret = 0;

	(void)text;
	for (unsigned int i = 0; i < gift.repeat; i++) {
		snprintf(name, sizeof(name), "%s/many-%u", path, i);
		if (mkdir(name, 0777) == 0)
			made++;
		else
			ret = errno;
	}
	for (unsigned int i = 0; i < gift.repeat && i < 2000; i++) {
		snprintf(name, sizeof(name), "%s/many-%u", path, i);
		rmdir(name);
	}
	printf("   (%u of %u were made)\n", made, gift.repeat);
	return made == gift.repeat ? 0 : ret;
}

static int try_deep_agents(const char *path, const char *text)
{
	char deep[4000];
	size_t len = snprintf(deep, sizeof(deep), "%s", path);
	unsigned int depth = 0;
	int ret = 0;

	(void)text;
	while (!ret && depth < 100) {
		len += snprintf(deep + len, sizeof(deep) - len, "/agents/s");
		ret = try_mkdir(deep, NULL);
		depth += !ret;
	}
	while (len > strlen(path)) {
		rmdir(deep);
		len -= strlen("/agents/s");
		deep[len] = '\0';
	}
	printf("   (%u deep)\n", depth);
	return ret;
}

#define MANY_OPENS 1100

static int try_many_opens(const char *path, const char *text)
{
	unsigned int n = 0;
	int status, *fds;
	pid_t child = fork();

	(void)text;
	if (child) {
		waitpid(child, &status, 0);
		return WEXITSTATUS(status);
	}
	fds = calloc(MANY_OPENS, sizeof(*fds));
	while (n < MANY_OPENS && (fds[n] = open(path, O_RDONLY)) >= 0) {
		char byte;

		if (read(fds[n], &byte, 1) < 0)
			break;
		n++;
	}
	printf("   (%u were open)\n", n);
	fflush(stdout);
	_exit(n == MANY_OPENS ? 0 : errno);
}

static void *read_for_ever(void *path)
{
	int fd = open(path, O_RDONLY);
	char buf[4096];

	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

/* Reads that wait, each in a thread of its own, and as many handed to the kernel without anybody who waits for them. */
static void wait_for_events(const char *path)
{
	static char page[4096] __attribute__((aligned(4096)));
	int fd = open(path, O_RDONLY | O_DIRECT);
	aio_context_t context = 0;
	pthread_t thread;

	for (int i = 0; i < 40; i++)
		pthread_create(&thread, NULL, read_for_ever, (void *)path);
	syscall(SYS_io_setup, 128, &context);
	for (int i = 0; i < 64; i++) {
		struct iocb request = {.aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_buf = (unsigned long)page, .aio_nbytes = sizeof(page)};
		struct iocb *list = &request;

		syscall(SYS_io_submit, context, 1, &list);
	}
	pause();
}

/* With all those waiting the others must still be served, and all must go when they are killed. */
static int try_many_waiting(const char *path, const char *text)
{
	pid_t child = fork();
	int ret = 0;

	if (child == 0) {
		wait_for_events(path);
		_exit(0);
	}
	usleep(500 * 1000);
	for (int i = 0; i < 100 && !ret; i++)
		ret = try_read(text, NULL);
	kill(child, SIGKILL);
	for (int i = 0; i < 100; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return ret ? 0 : EINTR;
		usleep(100 * 1000);
	}
	return 0; /* they hang */
}

/* A reader that is killed while it waits must go at once. */
static int try_killed_reader(const char *path, const char *text)
{
	pid_t child = fork();

	(void)text;
	if (child == 0) {
		int fd = open(path, O_RDONLY);
		char buf[4096];

		while (read(fd, buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	usleep(100 * 1000);
	kill(child, SIGKILL);
	for (int i = 0; i < 100; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return EINTR;
		usleep(100 * 1000);
	}
	return 0; /* it hangs */
}

static int write_big(int fd, const char *text)
{
	size_t size = 4 << 20;
	char *big = malloc(size);
	int ret;

	memset(big, 'x', size);
	memcpy(big, text, strlen(text));
	ret = done(write(fd, big, size));
	free(big);
	return ret;
}

static int try_big(const char *path, const char *text)
{
	return open_and(path, O_WRONLY, write_big, text);
}

static int write_with_nul(int fd, const char *text)
{
	char buf[64] = "begin nul\0 memory=high";

	(void)text;
	return done(write(fd, buf, sizeof("begin nul\0 memory=high") - 1));
}

static int try_nul(const char *path, const char *text)
{
	return open_and(path, O_WRONLY, write_with_nul, text);
}

static int try_empty(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = fd < 0 ? errno : done(write(fd, "\n", 1));

	(void)text;
	close(fd);
	return ret;
}

/* What a sub-agent of ours is given must not be more than we have. Through: it reads "high" afterwards. */
static int try_sub_priority(const char *path, const char *text)
{
	char got[16] = "";
	int fd;

	mkdir(path, 0777);
	if (chdir(path) < 0)
		return errno;
	try_write("priority", text);
	fd = open("priority", O_RDONLY);
	if (fd >= 0 && read(fd, got, sizeof(got) - 1) < 0)
		got[0] = '\0';
	close(fd);
	if (chdir("../../../..") < 0)
		return errno;
	rmdir(path);
	return strncmp(got, text, strlen(text)) == 0 ? 0 : EPERM;
}

/* --- the table ------------------------------------------------------------------------------------------------ */

#define B "EACCES ENOENT" /* somebody else's: refused, or not even seen */
#define K "EPERM EACCES ENOENT" /* a file of the kernel's: this host may not have it */

static const struct attack {
	int roles;
	attempt way;
	const char *path, *text;
	const char *expected; /* what may come back */
} attacks[] = {
	/* another agent's files */
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/call", "begin x -- evil", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/call", "end secret", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/call", "hint secret memory=1K", B},
	{INSIDE | OUTSIDER | MAKES, try_append, "agents/b/call", "end secret", B},
	{INSIDE | OUTSIDER | MAKES, try_splice, "agents/b/call", "end secret", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/cgroup.procs", "0", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/cgroup.kill", "1", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/cgroup.freeze", "1", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/memory.max", "1M", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/pids.max", "1", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/priority", "low", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/cgroup.procs", "0", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/cgroup.kill", "1", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/cgroup.freeze", "1", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/memory.max", "1M", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/cpu.max", "1000", B},
	{INSIDE | OUTSIDER | MAKES, try_write, "agents/b/calls/secret/pids.max", "1", B},
	{INSIDE, try_read, "agents/b/history", NULL, B},
	{INSIDE, try_read, "agents/b/info", NULL, B},
	{INSIDE, try_read, "agents/b/events", NULL, B},
	{INSIDE, try_read, "agents/b/calls/secret/command", NULL, B},
	{INSIDE, try_read, "agents/b/cgroup.procs", NULL, B},
	{INSIDE, try_list, "agents/b/calls", NULL, B},
	{INSIDE | OUTSIDER | MAKES, try_mkdir, "agents/b/calls/x", NULL, B},
	{INSIDE | OUTSIDER | MAKES, try_mkdir, "agents/b/agents/x", NULL, B},
	{INSIDE | OUTSIDER | MAKES, try_rmdir, "agents/b/calls/secret", NULL, B},
	{INSIDE | OUTSIDER | MAKES, try_rmdir, "agents/b", NULL, B " EPERM"},
	{INSIDE, try_write, "agents/a/../b/call", "end secret", B},
	{INSIDE, try_write, "self/../b/call", "end secret", B},
	{INSIDE | OUTSIDER, try_own_root, "agents/b/call", "end secret", B},
	{INSIDE | OUTSIDER, try_victims_root, "agents/b/call", "end secret", B " EACCES EPERM"},
	{ALL, try_handle, NULL, "end secret", "EACCES EPERM ESTALE"},
	/* what was open before, given away */
	{ALL, try_gift_call, NULL, "end secret", "EACCES"},
	{ALL, try_gift_limit, NULL, "4096", "EACCES ENOENT"},
	{ALL, try_gift_policy, NULL, "ladder = { kill = true; };\n", "EPERM EACCES"},
	{ALL, try_gift_reopened, NULL, "end secret", B},
	{ALL, try_gift_directory, "call", "end secret", B},
	{ALL, try_gift_directory, "../b/cgroup.kill", "1", B},
	/* the root */
	{ALL, try_write, "policy", "ladder = { kill = true; };\n", "EPERM EACCES"},
	{ALL, try_open_to_write, "policy", NULL, "EPERM EACCES"},
	{ALL, try_write_in_userns, "policy", "", "EPERM EACCES ENOSPC EUSERS"},
	{INSIDE, try_read, "policy", NULL, "EACCES"},
	{INSIDE, try_read, "policy.error", NULL, "EACCES"},
	{INSIDE, try_read, "metrics", NULL, "EACCES"},
	{INSIDE, try_read, "events", NULL, "EACCES"},
	{INSIDE, try_read, "events_pipe", NULL, "EACCES"},
	{INSIDE | OUTSIDER, try_mkdir, "agents/evil", NULL, "EPERM EACCES"},
	{INSIDE | OUTSIDER | MAKES, try_rmdir, "agents/a", NULL, "EPERM EACCES"},
	{ALL, try_mkdir, "evil", NULL, "EPERM"},
	{ALL, try_rmdir, "agents", NULL, "EPERM"},
	/* one's own limits */
	{INSIDE, try_write, "agents/a/memory.max", "max", K},
	{INSIDE, try_write, "agents/a/memory.high", "max", K},
	{INSIDE, try_write, "agents/a/memory.low", "1G", K},
	{INSIDE, try_write, "agents/a/memory.swap.max", "max", K},
	{INSIDE, try_write, "agents/a/pids.max", "max", K},
	{INSIDE, try_write, "agents/a/cpu.max", "max", K},
	{INSIDE, try_write, "agents/a/cpu.weight", "10000", K},
	{INSIDE, try_write, "agents/a/io.weight", "10000", K},
	{INSIDE, try_write, "agents/a/priority", "high", "EPERM EACCES"},
	{INSIDE, try_write, "agents/a/cgroup.freeze", "1", K},
	{INSIDE, try_write, "agents/a/cgroup.kill", "1", K},
	{INSIDE, try_write, "agents/a/cgroup.subtree_control", "-memory", K},
	{INSIDE, try_write, "agents/a/cgroup.max.descendants", "0", K},
	{INSIDE, try_write, "agents/a/cgroup.type", "threaded", K},
	/* a call's, beyond its grant */
	{INSIDE, try_write, "agents/a/calls/own/memory.max", "max", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.max", "65M", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.swap.max", "1G", K},
	{INSIDE, try_write, "agents/a/calls/own/pids.max", "33", K},
	{INSIDE, try_write, "agents/a/calls/own/cpu.max", "max", K},
	{INSIDE, try_write, "agents/a/calls/own/cpu.max", "60000 100000", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.low", "64M", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.min", "64M", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.oom.group", "0", K},
	{INSIDE, try_write, "agents/a/calls/own/memory.reclaim", "64M", K},
	{INSIDE, try_write, "agents/a/calls/own/cpu.weight", "10000", K},
	{INSIDE, try_write, "agents/a/calls/own/cpu.idle", "0", K},
	{INSIDE, try_write, "agents/a/calls/own/io.max", "", K},
	{INSIDE, try_write, "agents/a/calls/own/cgroup.type", "threaded", K},
	{INSIDE, try_write, "agents/a/calls/own/cgroup.threads", "0", K},
	{INSIDE, try_write, "agents/a/calls/own/cgroup.subtree_control", "+pids", K},
	{INSIDE, try_trigger, "agents/a/calls/own/memory.pressure", "some 150000 1000000", K},
	{INSIDE, try_trigger, "agents/a/calls/own/cpu.pressure", "some 150000 1000000", K},
	{INSIDE, try_sub_priority, "agents/a/agents/sub", "high", "EPERM"},
	{INSIDE, try_deep_agents, "agents/a", NULL, "EAGAIN"},
	/* processes */
	{INSIDE, try_victims_pid, "agents/a/call", "pid", "EPERM ESRCH"},
	{INSIDE, try_victims_pid, "agents/a/cgroup.procs", "", "EPERM ESRCH"},
	{INSIDE, try_victims_pid, "agents/a/calls/own/cgroup.procs", "", "EPERM ESRCH"},
	{INSIDE, try_daemons_pid, "agents/a/call", "pid", "EPERM ESRCH"},
	{INSIDE, try_daemons_pid, "agents/a/calls/own/cgroup.procs", "", "EPERM ESRCH"},
	{INSIDE, try_parents_pid, "agents/a/call", "pid", "EPERM ESRCH"},
	{INSIDE, try_first_pid, "agents/a/call", "pid", "EPERM ESRCH"},
	{INSIDE, try_first_pid, "agents/a/cgroup.procs", "", "EPERM ESRCH"},
	{INSIDE, try_gone_pid, "agents/a/call", "pid", "ESRCH"},
	{INSIDE, try_gone_pid, "agents/a/cgroup.procs", "", "ESRCH"},
	{INSIDE, try_write, "agents/a/cgroup.procs", "-1", "EINVAL"},
	{INSIDE, try_write, "agents/a/cgroup.procs", "99999999999", "EINVAL"},
	{INSIDE, threads_begin, "agents/a/call", "begin threads", "EPERM"},
	{INSIDE, first_begins, "agents/a/call", "begin first", "EPERM ENOSPC EUSERS"},
	{INSIDE, try_write_in_call, "agents/a/cgroup.procs", "0", "EPERM"},
	{INSIDE, try_leave_by_pid, "agents/a/cgroup.procs", NULL, "EPERM"},
	{INSIDE, try_write_in_call, "agents/a/calls/own/cgroup.procs", "0", "EPERM"},
	{INSIDE, try_write_in_call, "agents/a/call", "begin second", "EBUSY"},
	{INSIDE, try_write_in_call, "agents/b/cgroup.procs", "0", B},
	{USER | OUTSIDER | MAKES, try_kill, NULL, NULL, "EPERM"},
	{USER | OUTSIDER | MAKES, try_kill_threads, NULL, NULL, "EPERM"},
	{USER | OUTSIDER | MAKES, try_ptrace, NULL, NULL, "EPERM"},
	{USER | OUTSIDER | MAKES, try_daemons_memory, NULL, "x", "EACCES EPERM"},
	{OUTSIDER, try_write, "agents/a/cgroup.procs", "0", "EACCES"},
	{OUTSIDER, try_write, "agents/a/call", "begin x", "EACCES"},
	{OUTSIDER, try_first_pid, "agents/a/cgroup.procs", "", "EACCES"},
	/* a user who may make agents m-*, and has made m-1 */
	{MAKES, try_mkdir, "agents/other", NULL, "EPERM"},
	{MAKES, try_mkdir, "agents/m-3", NULL, "EAGAIN"},
	{MAKES, try_write, "agents/m-1/memory.max", "max", K},
	{MAKES, try_write, "agents/m-1/pids.max", "max", K},
	{MAKES, try_write, "agents/m-1/cpu.weight", "10000", K},
	{MAKES, try_write, "agents/m-1/priority", "high", "EPERM"},
	{MAKES, try_victims_pid, "agents/m-1/cgroup.procs", "", "EPERM"},
	{MAKES, try_daemons_pid, "agents/m-1/cgroup.procs", "", "EPERM"},
	{MAKES, try_parents_pid, "agents/m-1/cgroup.procs", "", "EPERM"},
	{MAKES, try_victims_pid, "agents/m-1/call", "pid", "EPERM"},
	/* markers that are none */
	{INSIDE, try_big, "agents/a/call", "begin big -- ", "EINVAL"},
	{INSIDE, try_nul, "agents/a/call", NULL, "EINVAL"},
	{INSIDE, try_empty, "agents/a/call", NULL, "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin ../b", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin a/b", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin .hidden", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin \xff\xfe", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x\x01y", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	 "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin own", "EEXIST"},
	{INSIDE, try_write, "agents/a/call", "begin x memory=0", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x memory=-1", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x timeout=nan", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x priority=high", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x pid=-1", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x pid=99999999999", "EINVAL"},
	{INSIDE, try_write, "agents/a/call", "begin x\nbegin y memory=zero", "EBUSY EINVAL"},
	{INSIDE, try_write, "agents/a/call", "end nobody", "ENOENT"},
	/* what a file system can be asked for */
	{ALL, try_rename, "agents/a/call", "agents/a/llac", "EPERM"},
	{INSIDE, try_rename, "agents/a/calls/own", "agents/a/calls/other", "EPERM"},
	{INSIDE, try_exchange, "agents/a/calls/own", "agents/a/calls", "EPERM EINVAL"},
	{ALL, try_link, "agents/a/call", "agents/a/link", "EPERM"},
	{ALL, try_symlink, "agents/a/calls/link", "/etc/shadow", "EPERM"},
	{ALL, try_mknod, "agents/a/calls/node", NULL, "EPERM"},
	{ALL, try_mkfifo, "agents/a/calls/fifo", NULL, "EPERM"},
	{ALL, try_create, "agents/a/calls/file", "x", "EPERM"},
	{ALL, try_unlink, "agents/a/call", NULL, "EPERM"},
	{ALL, try_unlink, "self", NULL, "EPERM ENOENT"},
	{ALL, try_chmod, "agents/a/call", NULL, "EPERM"},
	{ALL, try_chown, "agents/a", NULL, "EPERM"},
	{ALL, try_utimes, "agents/a/call", NULL, "EPERM"},
	{ALL, try_setxattr, "agents/a", "user.x", "EOPNOTSUPP EPERM EACCES"},
	{ALL, try_setxattr, "agents/a", "trusted.agentcg", "EOPNOTSUPP EPERM EACCES"},
	{ALL, try_setxattr, "agents/a/call", "security.x", "EOPNOTSUPP EPERM EACCES"},
	{ALL, try_tmpfile, "agents/a/calls", NULL, "EOPNOTSUPP EPERM EISDIR"},
	{INSIDE, try_fallocate, "agents/a/call", NULL, "EOPNOTSUPP ENODEV"},
	{INSIDE, try_ioctl, "agents/a/call", NULL, "ENOTTY ENOSYS EPERM EACCES EOPNOTSUPP"},
	{INSIDE, try_mmap, "agents/a/call", "end own", "ENODEV EINVAL"},
	{INSIDE, try_mkdir, "agents/a/calls/own/x", NULL, "EPERM"},
	{INSIDE, try_mkdir, "agents/a/x", NULL, "EPERM"},
	{USER | OUTSIDER | MAKES, try_mount_over, "agents", NULL, "EPERM"},
	/* a lot of it */
	{INSIDE, try_many_calls, "agents/a/calls", NULL, "EAGAIN"},
	{USER, try_many_opens, "agents/a/info", NULL, "EAGAIN EMFILE"},
	{ROOT, try_many_opens, "agents/a/history", NULL, "EAGAIN EMFILE"},
	{INSIDE, try_many_waiting, "agents/a/events_pipe", "agents/a/info", "EINTR"},
	{INSIDE, try_killed_reader, "agents/a/events_pipe", NULL, "EINTR"},
};

static bool expected(const char *list, int error)
{
	const char *name = strerrorname_np(error);
	size_t len = name ? strlen(name) : 0;

	for (const char *at = list; len && (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

static const char *way_name(attempt way);

static void show(const struct attack *attack)
{
	printf("%s", way_name(attack->way));
	if (attack->path)
		printf(" %s", attack->path);
	if (attack->text) {
		printf(" \"");
		for (const char *at = attack->text; *at; at++)
			printf(*at < ' ' || *at > '~' ? "\\x%02x" : "%c", (unsigned char)*at);
		putchar('"');
	}
}

static int run_table(int role)
{
	unsigned int n = 0, failed = 0;

	for (const struct attack *attack = attacks; attack < attacks + sizeof(attacks) / sizeof(*attacks);
	     attack++) {
		int error;

		if (!(attack->roles & role))
			continue;
		n++;
		error = attack->way(attack->path, attack->text);
		printf("%s %3u  ", expected(attack->expected, error) ? "ok    " : "NOT OK", n);
		show(attack);
		printf(": %s\n", error ? strerrorname_np(error) : "GOT THROUGH");
		fflush(stdout);
		failed += !expected(attack->expected, error);
	}
	printf("%u attacks, %u got through or came back otherwise than they should\n", n, failed);
	return failed > 0;
}

#define NAME(function) {function, #function}
static const char *way_name(attempt way)
{
	static const struct {
		attempt way;
		const char *name;
	} names[] = {
		NAME(try_write), NAME(try_append), NAME(try_trigger), NAME(try_open_to_write), NAME(try_read),
		NAME(try_list), NAME(try_mkdir), NAME(try_rmdir), NAME(try_unlink), NAME(try_rename),
		NAME(try_exchange), NAME(try_link), NAME(try_symlink), NAME(try_mknod), NAME(try_mkfifo),
		NAME(try_create), NAME(try_chmod), NAME(try_chown), NAME(try_utimes), NAME(try_setxattr),
		NAME(try_tmpfile), NAME(try_fallocate), NAME(try_ioctl), NAME(try_mmap), NAME(try_splice),
		NAME(try_mount_over), NAME(try_gift_call), NAME(try_gift_limit), NAME(try_gift_policy),
		NAME(try_gift_reopened), NAME(try_gift_directory), NAME(try_handle), NAME(try_victims_pid),
		NAME(try_daemons_pid), NAME(try_first_pid), NAME(try_parents_pid), NAME(try_gone_pid),
		NAME(try_kill), NAME(try_kill_threads), NAME(try_ptrace), NAME(try_daemons_memory),
		NAME(try_victims_root), NAME(try_own_root), NAME(try_write_in_call), NAME(try_leave_by_pid),
		NAME(threads_begin), NAME(first_begins), NAME(try_write_in_userns), NAME(try_many_calls),
		NAME(try_deep_agents), NAME(try_many_opens), NAME(try_many_waiting), NAME(try_killed_reader),
		NAME(try_big), NAME(try_nul), NAME(try_empty), NAME(try_sub_priority),
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].way == way)
			return names[i].name + (strncmp(names[i].name, "try_", 4) == 0 ? 4 : 0);
	return "?";
}

/* --- getting there ---------------------------------------------------------------------------------------------- */

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int number_in(const char *path)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) < 0)
		die(path);
	close(fd);
	return atoi(buf);
}

/* What an operator's program might carelessly hand over. */
static void take_gifts(void)
{
	int mount_id;

	gift.call_fd = open("agents/b/call", O_WRONLY);
	gift.limit_fd = open("agents/b/calls/secret/memory.max", O_WRONLY);
	gift.policy_fd = open("policy", O_WRONLY);
	gift.mount_fd = open(".", O_RDONLY | O_DIRECTORY);
	gift.root_fd = open("agents/b", O_RDONLY | O_DIRECTORY);
	gift.handle.head.handle_bytes = HANDLE_MAX;
	if (gift.call_fd < 0 || gift.policy_fd < 0 || gift.mount_fd < 0 || gift.root_fd < 0)
		die("opening as an operator");
	if (name_to_handle_at(AT_FDCWD, "agents/b/call", &gift.handle.head, &mount_id, 0) < 0)
		gift.handle.head.handle_type = 0; /* this kernel makes none for FUSE */
	gift.victim = number_in("agents/b/calls/secret/cgroup.procs");
}

/* Over a socket, as one program gives a descriptor to another. */
static int pass(int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die("socketpair");
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(ends[0], &message, 0) < 0 || recvmsg(ends[1], &message, 0) < 0)
		die("passing a descriptor");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	close(ends[0]);
	close(ends[1]);
	return fd;
}

static void become(uid_t uid)
{
	if (!uid)
		return;
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		die("setresuid");
	prctl(PR_SET_DUMPABLE, 1);
}

/* The attacker's process, by role. */
static int attack_as(int role)
{
	pid_t child;
	int status;

	if (role & INSIDE && try_write("agents/a/cgroup.procs", "0"))
		die("entering agent a");
	if (role == ROOT) {
		if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS | CLONE_NEWPID) < 0)
			die("unshare");
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		child = fork();
		if (child) { /* stays behind: its children are in the namespace */
			waitpid(child, &status, 0);
			return WEXITSTATUS(status);
		}
		mount("proc", "/proc", "proc", 0, NULL);
		child = fork();
		if (child) {
			waitpid(child, &status, 0);
			_exit(WEXITSTATUS(status));
		}
	}
	become(role == ROOT ? 0 : role == MAKES ? MAKER : NOBODY);
	if (role == MAKES && (try_mkdir("agents/m-1", NULL) || try_mkdir("agents/m-2", NULL)))
		die("making agents as the user that the policy names");
	if (role & INSIDE)
		try_mkdir("agents/a/calls/own", NULL);
	gift.call_fd = pass(gift.call_fd);
	return run_table(role);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int role;
	} roles[] = {{"root", ROOT}, {"user", USER}, {"outsider", OUTSIDER}, {"maker", MAKES}};
	int status;
	pid_t child;

	if (argc != 5 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: hostile MOUNT ROLE REPEAT DAEMON\n");
		return 2;
	}
	gift.repeat = atoi(argv[3]);
	gift.daemon = atoi(argv[4]);
	gift.parent = getpid();
	take_gifts();
	for (unsigned int i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (strcmp(roles[i].name, argv[2]) != 0)
			continue;
		child = fork();
		if (child == 0)
			_exit(attack_as(roles[i].role));
		waitpid(child, &status, 0);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	}
	fprintf(stderr, "hostile: there is no role %s\n", argv[2]);
	return 2;
}

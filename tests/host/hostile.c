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

enum { ROOT = 1, USER = 2, OUTSIDER = 4, MAKES = 8, INSIDE = ROOT | USER, NOT_ROOT = 14, ALL = 15 };

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

/* By a child, which may be left in a state that is of no use any more. */
static int in_child(attempt way, const char *path, const char *text)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		status = way(path, text);
		fflush(stdout);
		_exit(status);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* EINTR if the child goes when it is killed; 0: it hangs. */
static int goes_when_killed(pid_t child)
{
	kill(child, SIGKILL);
	for (int i = 0; i < 600; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return EINTR;
		usleep(100 * 1000);
	}
	return 0;
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

/* In a child that has begun call `inner`. */
static int in_call(attempt way, const char *path, const char *text)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(try_write("agents/a/call", "begin inner -- attack") ? 255 : way(path, text));
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

static int write_with_thread(const char *path, const char *text)
{
	pthread_t thread;

	pthread_create(&thread, NULL, wait_in_thread, NULL);
	return try_write(path, text);
}

static int try_with_thread(const char *path, const char *text)
{
	return in_child(write_with_thread, path, text);
}

static int write_in_pidns(const char *path, const char *text)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 ? errno : in_child(try_write, path, text);
}

/* By the first process of a pid namespace. */
static int try_as_first(const char *path, const char *text)
{
	return in_child(write_in_pidns, path, text);
}

static int write_in_userns(const char *path, const char *text)
{
	int uid = geteuid();
	char map[32];

	if (unshare(CLONE_NEWUSER) < 0)
		return errno;
	snprintf(map, sizeof(map), "0 %d 1", uid);
	try_write("/proc/self/uid_map", map);
	return try_write(path, text);
}

/* Root of a user namespace of its own is not root. */
static int try_in_userns(const char *path, const char *text)
{
	return in_child(write_in_userns, path, text);
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

static int open_many(const char *path, const char *text)
{
	unsigned int n = 0;
	char byte;

	(void)text;
	while (n < MANY_OPENS) {
		int fd = open(path, O_RDONLY); /* until the process ends */

		if (fd < 0 || read(fd, &byte, 1) < 0)
			break;
		n++;
	}
	printf("   (%u were open)\n", n);
	return n == MANY_OPENS ? 0 : errno;
}

static int try_many_opens(const char *path, const char *text)
{
	return in_child(open_many, path, text);
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
	return goes_when_killed(child) && !ret ? EINTR : 0;
}

/* A reader that is killed while it waits must go at once. */
static int try_killed_reader(const char *path, const char *text)
{
	pid_t child = fork();

	(void)text;
	if (child == 0) {
		read_for_ever((void *)path);
		_exit(0);
	}
	usleep(100 * 1000);
	return goes_when_killed(child);
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

#define WAY(name) try_##name, #name

static const struct attack {
	int roles;
	attempt way;
	const char *name;     /* the way's */
	const char *expected; /* what may come back */
	struct target {
		const char *path, *text;
	} targets[20]; /* one at least; ended by one without either */
} attacks[] = {
	/* another agent's files */
	{ALL, WAY(write), B, {
		{"agents/b/call", "begin x -- evil"}, {"agents/b/call", "end secret"},
		{"agents/b/call", "hint secret memory=1K"}}},
	{ALL, WAY(append), B, {{"agents/b/call", "end secret"}}},
	{ALL, WAY(splice), B, {{"agents/b/call", "end secret"}}},
	{ALL, WAY(write), B, {
		{"agents/b/cgroup.procs", "0"}, {"agents/b/cgroup.kill", "1"},
		{"agents/b/cgroup.freeze", "1"}, {"agents/b/memory.max", "1M"},
		{"agents/b/pids.max", "1"}, {"agents/b/priority", "low"},
		{"agents/b/calls/secret/cgroup.procs", "0"},
		{"agents/b/calls/secret/cgroup.kill", "1"},
		{"agents/b/calls/secret/cgroup.freeze", "1"},
		{"agents/b/calls/secret/memory.max", "1M"},
		{"agents/b/calls/secret/cpu.max", "1000"}, {"agents/b/calls/secret/pids.max", "1"}}},
	{INSIDE, WAY(read), B, {
		{"agents/b/history", NULL}, {"agents/b/info", NULL}, {"agents/b/events", NULL},
		{"agents/b/calls/secret/command", NULL}, {"agents/b/cgroup.procs", NULL}}},
	{INSIDE, WAY(list), B, {{"agents/b/calls", NULL}}},
	{ALL, WAY(mkdir), B, {{"agents/b/calls/x", NULL}, {"agents/b/agents/x", NULL}}},
	{ALL, WAY(rmdir), B, {{"agents/b/calls/secret", NULL}}},
	{ALL, WAY(rmdir), B " EPERM", {{"agents/b", NULL}}},
	{INSIDE, WAY(write), B, {
		{"agents/a/../b/call", "end secret"}, {"self/../b/call", "end secret"}}},
	{INSIDE | OUTSIDER, WAY(own_root), B, {{"agents/b/call", "end secret"}}},
	{INSIDE | OUTSIDER, WAY(victims_root), B " EACCES EPERM", {
		{"agents/b/call", "end secret"}}},
	{ALL, WAY(handle), "EACCES EPERM ESTALE", {{NULL, "end secret"}}},
	/* what was open before, given away */
	{ALL, WAY(gift_call), "EACCES", {{NULL, "end secret"}}},
	{ALL, WAY(gift_limit), "EACCES ENOENT", {{NULL, "4096"}}},
	{ALL, WAY(gift_policy), "EPERM EACCES", {{NULL, "ladder = { kill = true; };\n"}}},
	{ALL, WAY(gift_reopened), B, {{NULL, "end secret"}}},
	{ALL, WAY(gift_directory), B, {{"call", "end secret"}, {"../b/cgroup.kill", "1"}}},
	/* the root */
	{ALL, WAY(write), "EPERM EACCES", {{"policy", "ladder = { kill = true; };\n"}}},
	{ALL, WAY(open_to_write), "EPERM EACCES", {{"policy", NULL}, {"adopt.error", NULL}}},
	{ALL, WAY(in_userns), "EPERM EACCES ENOSPC EUSERS", {{"policy", ""}}},
	{INSIDE, WAY(read), "EACCES", {
		{"policy", NULL}, {"policy.error", NULL}, {"adopt.error", NULL}, {"metrics", NULL}, {"events", NULL},
		{"events_pipe", NULL}}},
	{INSIDE | OUTSIDER, WAY(mkdir), "EPERM EACCES", {{"agents/evil", NULL}}},
	{ALL, WAY(rmdir), "EPERM EACCES", {{"agents/a", NULL}}},
	{ALL, WAY(mkdir), "EPERM", {{"evil", NULL}}},
	{ALL, WAY(rmdir), "EPERM", {{"agents", NULL}}},
	/* one's own limits */
	{INSIDE, WAY(write), K, {
		{"agents/a/memory.max", "max"}, {"agents/a/memory.high", "max"},
		{"agents/a/memory.low", "1G"}, {"agents/a/memory.swap.max", "max"},
		{"agents/a/pids.max", "max"}, {"agents/a/cpu.max", "max"},
		{"agents/a/cpu.weight", "10000"}, {"agents/a/io.weight", "10000"}}},
	{INSIDE, WAY(write), "EPERM EACCES", {{"agents/a/priority", "high"}}},
	{INSIDE, WAY(write), K, {
		{"agents/a/cgroup.freeze", "1"}, {"agents/a/cgroup.kill", "1"},
		{"agents/a/cgroup.subtree_control", "-memory"},
		{"agents/a/cgroup.max.descendants", "0"}, {"agents/a/cgroup.type", "threaded"}}},
	/* a call's, beyond its grant */
	{INSIDE, WAY(write), K, {
		{"agents/a/calls/own/memory.max", "max"}, {"agents/a/calls/own/memory.max", "65M"},
		{"agents/a/calls/own/memory.swap.max", "1G"}, {"agents/a/calls/own/pids.max", "33"},
		{"agents/a/calls/own/cpu.max", "max"},
		{"agents/a/calls/own/cpu.max", "60000 100000"},
		{"agents/a/calls/own/memory.low", "64M"}, {"agents/a/calls/own/memory.min", "64M"},
		{"agents/a/calls/own/memory.oom.group", "0"},
		{"agents/a/calls/own/memory.reclaim", "64M"},
		{"agents/a/calls/own/cpu.weight", "10000"}, {"agents/a/calls/own/cpu.idle", "0"},
		{"agents/a/calls/own/io.max", ""}, {"agents/a/calls/own/cgroup.type", "threaded"},
		{"agents/a/calls/own/cgroup.threads", "0"},
		{"agents/a/calls/own/cgroup.subtree_control", "+pids"}}},
	{INSIDE, WAY(trigger), K, {
		{"agents/a/calls/own/memory.pressure", "some 150000 1000000"},
		{"agents/a/calls/own/cpu.pressure", "some 150000 1000000"}}},
	{INSIDE, WAY(sub_priority), "EPERM", {{"agents/a/agents/sub", "high"}}},
	{INSIDE, WAY(deep_agents), "EAGAIN", {{"agents/a", NULL}}},
	/* processes */
	{INSIDE, WAY(victims_pid), "EPERM ESRCH", {
		{"agents/a/call", "pid"}, {"agents/a/cgroup.procs", ""},
		{"agents/a/calls/own/cgroup.procs", ""}}},
	{INSIDE, WAY(daemons_pid), "EPERM ESRCH", {
		{"agents/a/call", "pid"}, {"agents/a/calls/own/cgroup.procs", ""}}},
	{INSIDE, WAY(parents_pid), "EPERM ESRCH", {{"agents/a/call", "pid"}}},
	{INSIDE, WAY(first_pid), "EPERM ESRCH", {
		{"agents/a/call", "pid"}, {"agents/a/cgroup.procs", ""}}},
	{INSIDE, WAY(gone_pid), "ESRCH", {{"agents/a/call", "pid"}, {"agents/a/cgroup.procs", ""}}},
	{INSIDE, WAY(write), "EINVAL", {
		{"agents/a/cgroup.procs", "-1"}, {"agents/a/cgroup.procs", "99999999999"}}},
	{INSIDE, WAY(with_thread), "EPERM", {{"agents/a/call", "begin threads"}}},
	{INSIDE, WAY(as_first), "EPERM ENOSPC EUSERS", {{"agents/a/call", "begin first"}}},
	{INSIDE, WAY(write_in_call), "EPERM", {{"agents/a/cgroup.procs", "0"}}},
	{INSIDE, WAY(leave_by_pid), "EPERM", {{"agents/a/cgroup.procs", NULL}}},
	{INSIDE, WAY(write_in_call), "EPERM", {{"agents/a/calls/own/cgroup.procs", "0"}}},
	{INSIDE, WAY(write_in_call), "EBUSY", {{"agents/a/call", "begin second"}}},
	{INSIDE, WAY(write_in_call), B, {{"agents/b/cgroup.procs", "0"}}},
	{NOT_ROOT, WAY(kill), "EPERM", {{0}}},
	{NOT_ROOT, WAY(kill_threads), "EPERM", {{0}}},
	{NOT_ROOT, WAY(ptrace), "EPERM", {{0}}},
	{NOT_ROOT, WAY(daemons_memory), "EACCES EPERM", {{NULL, "x"}}},
	{OUTSIDER, WAY(write), "EACCES", {
		{"agents/a/cgroup.procs", "0"}, {"agents/a/call", "begin x"}}},
	{OUTSIDER, WAY(first_pid), "EACCES", {{"agents/a/cgroup.procs", ""}}},
	/* a user who may make agents m-*, and has made m-1 */
	{MAKES, WAY(mkdir), "EPERM", {{"agents/other", NULL}}},
	{MAKES, WAY(mkdir), "EAGAIN", {{"agents/m-3", NULL}}},
	{MAKES, WAY(write), K, {
		{"agents/m-1/memory.max", "max"}, {"agents/m-1/pids.max", "max"},
		{"agents/m-1/cpu.weight", "10000"}}},
	{MAKES, WAY(write), "EPERM", {{"agents/m-1/priority", "high"}}},
	{MAKES, WAY(victims_pid), "EPERM", {{"agents/m-1/cgroup.procs", ""}}},
	{MAKES, WAY(daemons_pid), "EPERM", {{"agents/m-1/cgroup.procs", ""}}},
	{MAKES, WAY(parents_pid), "EPERM", {{"agents/m-1/cgroup.procs", ""}}},
	{MAKES, WAY(victims_pid), "EPERM", {{"agents/m-1/call", "pid"}}},
	/* markers that are none */
	{INSIDE, WAY(big), "EINVAL", {{"agents/a/call", "begin big -- "}}},
	{INSIDE, WAY(nul), "EINVAL", {{"agents/a/call", NULL}}},
	{INSIDE, WAY(empty), "EINVAL", {{"agents/a/call", NULL}}},
	{INSIDE, WAY(write), "EINVAL", {
		{"agents/a/call", "begin ../b"}, {"agents/a/call", "begin a/b"},
		{"agents/a/call", "begin .hidden"}, {"agents/a/call", "begin \xff\xfe"},
		{"agents/a/call", "begin x\x01y"},
		{"agents/a/call", "begin xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}},
	{INSIDE, WAY(write), "EEXIST", {{"agents/a/call", "begin own"}}},
	{INSIDE, WAY(write), "EINVAL", {
		{"agents/a/call", "begin x memory=0"}, {"agents/a/call", "begin x memory=-1"},
		{"agents/a/call", "begin x timeout=nan"},
		{"agents/a/call", "begin x priority=high"}, {"agents/a/call", "begin x pid=-1"},
		{"agents/a/call", "begin x pid=99999999999"}}},
	{INSIDE, WAY(write), "EBUSY EINVAL", {{"agents/a/call", "begin x\nbegin y memory=zero"}}},
	{INSIDE, WAY(write), "ENOENT", {{"agents/a/call", "end nobody"}}},
	/* what a file system can be asked for */
	{ALL, WAY(rename), "EPERM", {{"agents/a/call", "agents/a/llac"}}},
	{INSIDE, WAY(rename), "EPERM", {{"agents/a/calls/own", "agents/a/calls/other"}}},
	{INSIDE, WAY(exchange), "EPERM EINVAL", {{"agents/a/calls/own", "agents/a/calls"}}},
	{ALL, WAY(link), "EPERM", {{"agents/a/call", "agents/a/link"}}},
	{ALL, WAY(symlink), "EPERM", {{"agents/a/calls/link", "/etc/shadow"}}},
	{ALL, WAY(mknod), "EPERM", {{"agents/a/calls/node", NULL}}},
	{ALL, WAY(mkfifo), "EPERM", {{"agents/a/calls/fifo", NULL}}},
	{ALL, WAY(create), "EPERM", {{"agents/a/calls/file", "x"}}},
	{ALL, WAY(unlink), "EPERM", {{"agents/a/call", NULL}}},
	{ALL, WAY(unlink), "EPERM ENOENT", {{"self", NULL}}},
	{ALL, WAY(chmod), "EPERM", {{"agents/a/call", NULL}}},
	{ALL, WAY(chown), "EPERM", {{"agents/a", NULL}}},
	{ALL, WAY(utimes), "EPERM", {{"agents/a/call", NULL}}},
	{ALL, WAY(setxattr), "EOPNOTSUPP EPERM EACCES", {
		{"agents/a", "user.x"}, {"agents/a", "trusted.agentcg"},
		{"agents/a/call", "security.x"}}},
	{ALL, WAY(tmpfile), "EOPNOTSUPP EPERM EISDIR", {{"agents/a/calls", NULL}}},
	{INSIDE, WAY(fallocate), "EOPNOTSUPP ENODEV", {{"agents/a/call", NULL}}},
	{INSIDE, WAY(ioctl), "ENOTTY ENOSYS EPERM EACCES EOPNOTSUPP", {{"agents/a/call", NULL}}},
	{INSIDE, WAY(mmap), "ENODEV EINVAL", {{"agents/a/call", "end own"}}},
	{INSIDE, WAY(mkdir), "EPERM", {{"agents/a/calls/own/x", NULL}, {"agents/a/x", NULL}}},
	{NOT_ROOT, WAY(mount_over), "EPERM", {{"agents", NULL}}},
	/* a lot of it */
	{INSIDE, WAY(many_calls), "EAGAIN", {{"agents/a/calls", NULL}}},
	{USER, WAY(many_opens), "EAGAIN EMFILE", {{"agents/a/info", NULL}}},
	{ROOT, WAY(many_opens), "EAGAIN EMFILE", {{"agents/a/history", NULL}}},
	{INSIDE, WAY(many_waiting), "EINTR", {{"agents/a/events_pipe", "agents/a/info"}}},
	{INSIDE, WAY(killed_reader), "EINTR", {{"agents/a/events_pipe", NULL}}},
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

static void show(const struct attack *attack, const struct target *target)
{
	printf("%s", attack->name);
	if (target->path)
		printf(" %s", target->path);
	if (target->text) {
		printf(" \"");
		for (const char *at = target->text; *at; at++)
			printf(*at < ' ' || *at > '~' ? "\\x%02x" : "%c", (unsigned char)*at);
		putchar('"');
	}
}

/* True if what came back is what should. */
static bool run_one(const struct attack *attack, const struct target *target, unsigned int number)
{
	int error = attack->way(target->path, target->text);
	bool ok = expected(attack->expected, error);

	printf("%s %3u  ", ok ? "ok    " : "NOT OK", number);
	show(attack, target);
	printf(": %s\n", error ? strerrorname_np(error) : "GOT THROUGH");
	fflush(stdout);
	return ok;
}

static int run_table(int role)
{
	unsigned int n = 0, failed = 0;

	for (const struct attack *attack = attacks; attack < attacks + sizeof(attacks) / sizeof(*attacks);
	     attack++) {
		const struct target *target = attack->targets;

		if (!(attack->roles & role))
			continue;
		do
			failed += !run_one(attack, target++, ++n);
		while (target->path || target->text);
	}
	printf("%u attacks, %u got through or came back otherwise than they should\n", n, failed);
	return failed > 0;
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

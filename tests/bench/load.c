/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads; see the header. */
#include "tests/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t fork_child(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void join_group(const char *procs)
{
	int fd = open(procs, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1) {
		g_printerr("cannot join %s: %s\n", procs, g_strerror(errno));
		_exit(1);
	}
	close(fd);
}

struct load *load_new(void)
{
	struct load *load = g_new0(struct load, 1);

	load->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
	return load;
}

static void spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

void load_cpus(struct load *load)
{
	for (unsigned int i = 0; i < 2 * g_get_num_processors(); i++) {
		pid_t pid = fork_child();

		if (pid == 0)
			spin();
		g_array_append_val(load->pids, pid);
	}
}

static void read_over_and_over(int fd)
{
	static char buf[1 << 20];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buf, sizeof(buf), at);

		at = n > 0 ? at + n : 0;
	}
}

/* On a disk: what lies on tmpfs is no page cache that could be dropped. */
static int make_file(struct load *load, size_t bytes)
{
	static const char block[1 << 20] = "x";
	int fd;

	load->file = g_strdup("/var/tmp/agentcg-bench-XXXXXX");
	fd = mkostemp(load->file, O_CLOEXEC);
	for (size_t done = 0; fd >= 0 && done < bytes; done += sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			g_error("cannot write %s: %s", load->file, g_strerror(errno));
	if (fd < 0)
		g_error("cannot make %s: %s", load->file, g_strerror(errno));
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* so that the reader is charged for it */
	return fd;
}

void load_page_cache(struct load *load, const char *procs, size_t bytes)
{
	int fd = make_file(load, bytes);
	pid_t pid = fork_child();

	if (pid == 0) {
		join_group(procs);
		read_over_and_over(fd);
	}
	close(fd);
	g_array_append_val(load->pids, pid);
}

void load_free(struct load *load)
{
	for (unsigned int i = 0; i < load->pids->len; i++) {
		kill(g_array_index(load->pids, pid_t, i), SIGKILL);
		waitpid(g_array_index(load->pids, pid_t, i), NULL, 0);
	}
	if (load->file)
		unlink(load->file);
	g_free(load->file);
	g_array_unref(load->pids);
	g_free(load);
}

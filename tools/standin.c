/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in; see the header.
 *
 * One signal, one delivery. A signal from the terminal, or from kill(-PGID), reaches the child by
 * itself, as it is in the same process group; passing it on would deliver it twice, and many
 * programs take a second SIGINT for "now, without cleaning up". Neither siginfo nor the child tells
 * which it was. So there is a witness in the same group: a process that shares our memory (clone(2)
 * with CLONE_VM: no page tables are copied), has everything blocked and sleeps. If the signal is
 * pending there too, it was for the group. The sender walks the group under the kernel's lock for
 * reading; setpgid(2) takes it for writing, so that after one the walk is over.
 */
#include "tools/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process does to itself by a fault; nobody sends these to have them passed on. */
static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static sigset_t waited_for(void)
{
	sigset_t set;

	sigfillset(&set);
	for (unsigned int i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++)
		sigdelset(&set, own_faults[i]);
	return set;
}

/* --- the witness -------------------------------------------------------------------------------- */

static int witness_sleeps(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pause() < 0)
		; /* nothing gets through */
	return 0;
}

static void start_witness(struct acg_standin *standin)
{
	standin->witness = clone(witness_sleeps, standin->witness_stack + ACG_WITNESS_STACK,
				 CLONE_VM | CLONE_FS | CLONE_FILES, NULL);
}

static void kill_witness(const struct acg_standin *standin)
{
	if (standin->witness >= 0)
		kill(standin->witness, SIGKILL);
}

/* Of the one that was killed nothing is left. */
static void bury_witness(struct acg_standin *standin)
{
	if (standin->witness >= 0)
		waitpid(standin->witness, NULL, __WCLONE);
	standin->witness = -1;
}

/* Bit signo - 1 of a line such as "ShdPnd:\t0000000000004000" of /proc/PID/status. */
static bool has_pending(pid_t pid, int signo)
{
	char path[64], text[4096];
	const char *line;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "\nShdPnd:");
	return line && (strtoull(line + strlen("\nShdPnd:"), NULL, 16) >> (signo - 1) & 1);
}

static bool was_for_the_group(struct acg_standin *standin, int signo)
{
	if (standin->witness < 0)
		return false;
	setpgid(0, getpgrp()); /* changes nothing: see above */
	if (!has_pending(standin->witness, signo))
		return false;
	kill_witness(standin); /* what is pending there stays: take a new one */
	bury_witness(standin);
	start_witness(standin);
	return true;
}

/* --- before and after the fork ------------------------------------------------------------------ */

int acg_standin_prepare(struct acg_standin *standin)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t set = waited_for();

	standin->parent = getpid();
	standin->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (standin->signal_fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &standin->mask);
	sigaction(SIGCHLD, &by_default,
		  &standin->chld); /* ignored, it would leave nothing to wait for */
	start_witness(standin);
	return 0;
}

void acg_standin_child(const struct acg_standin *standin)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != standin->parent)
		_exit(128 + SIGKILL); /* it was killed before we could ask */
	sigaction(SIGCHLD, &standin->chld, NULL);
	sigprocmask(SIG_SETMASK, &standin->mask, NULL);
}

/* Readers of a pipe see its end when the child closes it, not when we do. */
static void close_others(int signal_fd, int keep)
{
	int low = keep >= 0 && keep < signal_fd ? keep : signal_fd;
	int high = keep > signal_fd ? keep : signal_fd;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* --- waiting ------------------------------------------------------------------------------------ */

/* Job control: we stop as the child stopped, and go on together. */
static void stop_like(int signo)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, signo);
	raise(signo); /* blocked so far */
	sigprocmask(SIG_UNBLOCK, &set, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* True: the child is gone, with *status. */
static bool child_changed(pid_t child, int *status)
{
	while (waitpid(child, status, WNOHANG | WUNTRACED) == child) {
		if (!WIFSTOPPED(*status))
			return true;
		stop_like(WSTOPSIG(*status));
	}
	return false;
}

static void pass_on(struct acg_standin *standin, pid_t child, const struct signalfd_siginfo *info)
{
	int signo = info->ssi_signo;

	if (info->ssi_code == SI_KERNEL || was_for_the_group(standin, signo))
		return;
	kill(child, signo);
}

/* Reads all signals that wait. True: the child is gone. */
static bool take_signals(struct acg_standin *standin, pid_t child, int *status)
{
	struct signalfd_siginfo info;
	bool gone = false;

	while (read(standin->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			gone |= child_changed(child, status);
		else if (!gone)
			pass_on(standin, child, &info);
	}
	return gone;
}

static int wait_with(struct acg_standin *standin, pid_t child,
		     const struct acg_standin_watch *watch)
{
	struct pollfd fds[2] = {{standin->signal_fd, POLLIN, 0}, {-1, POLLIN, 0}};
	bool opened = !watch || !watch->open;
	int status = 0;

	for (;;) {
		int n = poll(fds, 2, opened ? -1 : watch->delay_ms);

		if (n == 0 && !opened) {
			opened = true;
			fds[1].fd = watch->open(watch->data);
			continue;
		}
		if (fds[0].revents && take_signals(standin, child, &status))
			return status;
		if (fds[1].fd >= 0 && fds[1].revents && !watch->ready(watch->data))
			fds[1].fd = -1;
	}
}

int acg_standin_wait(struct acg_standin *standin, pid_t child, int keep,
		     const struct acg_standin_watch *watch)
{
	int status;

	close_others(standin->signal_fd, keep);
	status = wait_with(standin, child, watch);
	kill_witness(standin);
	close(standin->signal_fd);
	return status;
}

void acg_standin_clear(struct acg_standin *standin)
{
	bury_witness(standin);
}

void acg_standin_exit(int status)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	const struct rlimit no_core = {0, 0};
	sigset_t set;
	int signo;

	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	signo = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core); /* the child's core is the one that counts */
	sigaction(signo, &by_default, NULL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + signo);
}

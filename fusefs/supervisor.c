/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts, keeps, starts again; see the header. */
#include "fusefs/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fusefs/graft.h"
#include "fusefs/notify.h"
#include "fusefs/shared.h"

#define FIRST_FD 10 /* ours begin here, so that a worker's can be put in their places */

/* Milliseconds. */
#define TICK       1000 /* between looks at a worker that has requests to serve */
#define HUNG_TICKS 5    /* so many without progress: it hangs */
#define START_MAX                                                                                  \
	60000 /* from its start until it serves, or until a new binary says that it could */
#define STOP_MAX   10000 /* from SIGTERM to its end */
#define SHORT_LIFE 100   /* who served for less was of no use */
#define BACKOFF_FIRST                                                                              \
	100 /* between starts of workers that do not live; doubles if they do not even serve */
#define BACKOFF_MAX 5000

#define SPARE_LATER 200 /* after somebody has begun to serve: whoever waited for that comes first, if there are others */
#define SPARE_NICE  10 /* added while one is started, since somebody serves meanwhile */

/* More than one, since to start one takes longer than the next death may be away. */
#define N_SPARES 3

enum stage {
	STAGE_NONE,
	STAGE_STARTED, /* it has not said anything yet */
	STAGE_ABLE,    /* it waits for its turn */
	STAGE_TURN,    /* it has it: it takes over as soon as the one before can do nothing more */
	STAGE_GOING,   /* it takes over */
	STAGE_SERVING,
};

struct worker {
	pid_t pid;
	int control;
	enum stage stage;
	int64_t since; /* its stage; msec */
	bool alone;    /* it has been told so */
};

struct supervisor {
	const struct acg_supervisor_options *options;
	int fuse_fd, state_fd, signal_fd, notify_fd;
	int exe_fd;         /* the binary of `worker` */
	int next_exe_fd;    /* of `next` */
	int last_exe_fd;    /* of the one before, until a new one serves; -1: the same */
	char exe[PATH_MAX]; /* where a new one would be installed */
	volatile struct acg_shared *shared;
	struct worker worker;           /* the one that serves, or is about to */
	struct worker spares[N_SPARES]; /* of the same binary: they wait for the end of `worker` */
	struct worker next;             /* of a new binary */
	unsigned int dying;             /* were `worker`, and are still being cleared away */
	bool served, stopping, done;
	int status; /* the exit status */
	int nice;
	int backoff;
	unsigned int short_lives; /* workers in a row that did not serve, or only for a moment */
	int64_t start_at;         /* msec: a spare, or a worker if there is none; 0: neither */
	int64_t stop_at;          /* when a worker that was told to end is killed */
	/* A worker with requests to serve is looked at once a second; else one poll(2) waits for the first request. */
	bool looking;
	int64_t look_at;
	uint64_t progress;
	int stuck; /* looks without progress */
};

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Out of the way of what a worker finds at fixed numbers. */
static int moved_up(int fd)
{
	int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);

	if (fd >= 0)
		close(fd);
	return up;
}

static void say(const char *words)
{
	dprintf(STDERR_FILENO, "agentcgd: %s\n", words);
}

static int fail(const char *words, const char *what)
{
	dprintf(STDERR_FILENO, "agentcgd: %s %s: %s\n", words, what, strerror(errno));
	return -1;
}

/* --- workers ------------------------------------------------------------------------------------------------ */

static void become_worker(const struct supervisor *s, pid_t parent, int exe_fd, int control)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Without a supervisor nobody would start the next one: better that the mount fails at once. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (dup2(s->fuse_fd, ACG_WORKER_FUSE) >= 0 && dup2(s->state_fd, ACG_WORKER_STATE) >= 0 &&
	    dup2(control, ACG_WORKER_CONTROL) >= 0)
		syscall(SYS_execveat, exe_fd, "", s->options->worker, environ, AT_EMPTY_PATH);
	fail("cannot start", "a worker");
	_exit(1);
}

static bool start(struct supervisor *s, struct worker *worker, int exe_fd)
{
	pid_t pid, parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	ends[0] = moved_up(ends[0]);
	ends[1] = moved_up(ends[1]);
	pid = fork();
	if (pid == 0)
		become_worker(s, parent, exe_fd, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	*worker = (struct worker){pid, ends[0], STAGE_STARTED, now_msec(), false};
	return true;
}

static void drop(struct worker *worker)
{
	if (worker->control >= 0)
		close(worker->control);
	*worker = (struct worker){0};
}

static void start_after(struct supervisor *s, int msec)
{
	s->start_at = now_msec() + msec;
}

static void back_off(struct supervisor *s)
{
	start_after(s, s->backoff);
	s->backoff = s->backoff * 2 < BACKOFF_MAX ? s->backoff * 2 : BACKOFF_MAX;
}

static void start_worker(struct supervisor *s)
{
	if (!start(s, &s->worker, s->exe_fd)) {
		fail("cannot start", "a worker");
		back_off(s);
	}
}

static void stage(struct worker *worker, enum stage stage)
{
	worker->stage = stage;
	worker->since = now_msec();
}

static void turn(const struct supervisor *s, struct worker *worker, char byte)
{
	stage(worker, STAGE_TURN);
	setpriority(PRIO_PROCESS, worker->pid, s->nice);
	if (write(worker->control, &byte, 1) < 0)
		kill(worker->pid, SIGKILL);
}

static void go(const struct supervisor *s, struct worker *worker)
{
	turn(s, worker, ACG_SAY_GO);
	stage(worker, STAGE_GOING);
}

/* Most of what a takeover takes is to start a program: that is done before it is needed. One at a time: somebody serves meanwhile. */
static void start_spare(struct supervisor *s)
{
	struct worker *empty = NULL;

	for (unsigned int i = 0; i < N_SPARES; i++) {
		if (s->spares[i].stage == STAGE_STARTED)
			return;
		if (!s->spares[i].pid)
			empty = &s->spares[i];
	}
	if (!empty || s->next.pid || s->stopping)
		return;
	if (start(s, empty, s->exe_fd))
		setpriority(PRIO_PROCESS, empty->pid, s->nice + SPARE_NICE);
	else
		fail("cannot start", "a spare worker");
}

static bool is_better(const struct worker *a, const struct worker *b)
{
	return a->stage != b->stage ? a->stage > b->stage : a->since < b->since;
}

/* The oldest that is able, else one that will be; NULL: there is none. */
static struct worker *best_spare(struct supervisor *s)
{
	struct worker *best = NULL;

	for (unsigned int i = 0; i < N_SPARES; i++)
		if (s->spares[i].pid && (!best || is_better(&s->spares[i], best)))
			best = &s->spares[i];
	return best;
}

/*
 * One spare has its turn while the worker is still well, so that nobody need tell it. Not after workers that lived for a moment only: the
 * next ones may be no better.
 */
static void give_turn(struct supervisor *s)
{
	struct worker *spare = best_spare(s);

	if (spare && spare->stage == STAGE_ABLE && s->worker.stage == STAGE_SERVING &&
	    s->short_lives <= N_SPARES && !s->next.pid && !s->stopping)
		turn(s, spare, ACG_SAY_GO);
}

static void ready_spares(struct supervisor *s)
{
	start_spare(s);
	give_turn(s);
}

static void start_next(struct supervisor *s)
{
	s->start_at = 0;
	if (s->worker.pid)
		start_spare(s);
	else
		start_worker(s);
}

/* In the place of `worker`, which is gone or about to be. */
static void take(struct supervisor *s, struct worker *heir)
{
	if (heir == &s->next) {
		s->last_exe_fd = s->exe_fd;
		s->exe_fd = s->next_exe_fd;
	}
	s->worker = *heir;
	*heir = (struct worker){0};
	setpriority(PRIO_PROCESS, s->worker.pid, s->nice);
	if (s->worker.stage == STAGE_TURN)
		stage(&s->worker, STAGE_GOING);
	else if (s->worker.stage == STAGE_ABLE)
		go(s, &s->worker);
}

static void kill_spares(const struct supervisor *s)
{
	for (unsigned int i = 0; i < N_SPARES; i++)
		if (s->spares[i].pid)
			kill(s->spares[i].pid, SIGKILL);
}

static struct worker *spare_with(struct supervisor *s, pid_t pid)
{
	for (unsigned int i = 0; i < N_SPARES; i++)
		if (s->spares[i].pid == pid)
			return &s->spares[i];
	return NULL;
}

static unsigned int n_spares(const struct supervisor *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < N_SPARES; i++)
		n += s->spares[i].pid != 0;
	return n;
}

static void tell_ready(struct supervisor *s)
{
	s->served = true;
	acg_notify(s->notify_fd, "READY=1", -1);
	if (s->options->ready)
		s->options->ready(s->options->data);
}

/* The worker serves: what came before it is no longer needed. */
static void now_serves(struct supervisor *s)
{
	stage(&s->worker, STAGE_SERVING);
	s->backoff = BACKOFF_FIRST;
	s->looking = false;
	if (s->last_exe_fd >= 0) {
		close(s->last_exe_fd);
		s->last_exe_fd = -1;
		say("the new binary serves");
	}
	if (!s->served)
		tell_ready(s);
	/* Not before: it would hold the terminal that the supervisor has left by now. */
	give_turn(s);
	if (n_spares(s) < 2)
		start_spare(s);
	else if (!s->start_at)
		start_after(s, SPARE_LATER);
}

/* --- a new binary ------------------------------------------------------------------------------------------- */

static void upgrade(struct supervisor *s)
{
	if (s->next.pid || s->stopping)
		return;
	kill_spares(s); /* the next ones will be of the new one */
	s->next_exe_fd = moved_up(open(s->exe, O_RDONLY | O_CLOEXEC));
	if (s->next_exe_fd < 0 || !start(s, &s->next, s->next_exe_fd))
		fail("no upgrade: cannot start", s->exe);
}

/* A new binary could take over. The old worker needs no notice: the new one finds all that it leaves. */
static void next_is_able(struct supervisor *s)
{
	turn(s, &s->next, ACG_SAY_GO_NEW);
	if (s->worker.pid)
		kill(s->worker.pid, SIGKILL);
	else
		take(s, &s->next);
}

static void is_able(struct supervisor *s, struct worker *worker)
{
	if (worker == &s->worker) {
		go(s, worker);
	} else if (worker == &s->next) {
		next_is_able(s);
	} else {
		stage(worker, STAGE_ABLE);
		ready_spares(s);
	}
}

static void count_life(struct supervisor *s)
{
	if (s->worker.stage == STAGE_SERVING && now_msec() - s->worker.since >= SHORT_LIFE)
		s->short_lives = 0;
	else
		s->short_lives++;
}

/* The one before has died, or the worker would wait, but may not be cleared away for long: it holds what takes the kernel its time. */
static void serves(struct supervisor *s, struct worker *worker)
{
	if (worker != &s->worker) {
		count_life(s);
		s->dying++;
		drop(&s->worker);
		take(s, worker);
	}
	now_serves(s);
}

/* Nobody is left of those before it: what of theirs was not to outlive them is gone, too. */
static void tell_alone(struct supervisor *s)
{
	const char byte = ACG_SAY_ALONE;

	if (s->dying || s->worker.alone || s->worker.stage < STAGE_GOING)
		return;
	s->worker.alone = true;
	if (write(s->worker.control, &byte, 1) < 0)
		kill(s->worker.pid, SIGKILL);
}

/* Who hears nothing more ends, and says why. */
static void let_go(struct worker *worker)
{
	close(worker->control);
	worker->control = -1;
}

static void worker_says(struct supervisor *s, struct worker *worker)
{
	char byte;

	if (read(worker->control, &byte, 1) != 1) { /* it is about to die */
		let_go(worker);
		return;
	}
	if (byte == ACG_SAY_BAD_POLICY && worker == &s->next)
		let_go(worker);
	else if (byte == ACG_SAY_ABLE || byte == ACG_SAY_BAD_POLICY)
		is_able(s, worker);
	else if (byte == ACG_SAY_SERVING)
		serves(s, worker);
}

/* --- ends --------------------------------------------------------------------------------------------------- */

static void finish(struct supervisor *s, int status)
{
	s->status = status;
	s->done = true;
}

static void worker_died(struct supervisor *s, int status)
{
	struct worker *spare = best_spare(s);
	bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	count_life(s);
	drop(&s->worker);
	if (s->stopping || (s->served && ended)) { /* told to, or unmounted */
		finish(s, 0);
	} else if (!s->served) {
		finish(s, WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	} else if (s->next.stage == STAGE_TURN) {
		take(s, &s->next);
	} else if (s->last_exe_fd >= 0) {
		say("the new binary did not get to serve: back to the old one");
		close(s->exe_fd);
		s->exe_fd = s->last_exe_fd;
		s->last_exe_fd = -1;
		start_after(s, 0);
	} else if (spare && (spare->stage == STAGE_TURN || s->short_lives <= N_SPARES)) {
		take(s, spare);
	} else if (!s->short_lives) {
		start_after(s, 0);
	} else {
		kill_spares(s); /* of the same kind: they would not live longer */
		back_off(s);
	}
}

static void reap(struct supervisor *s)
{
	struct worker *spare;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->worker.pid) {
			worker_died(s, status);
		} else if ((spare = spare_with(s, pid))) {
			drop(spare);
		} else if (pid == s->next.pid) {
			say("no upgrade: the new binary refused");
			drop(&s->next);
			close(s->next_exe_fd);
			ready_spares(s);
		} else {
			s->dying--;
		}
	}
}

static void stop(struct supervisor *s)
{
	s->stopping = true;
	s->stop_at = now_msec() + STOP_MAX;
	if (s->next.pid)
		kill(s->next.pid, SIGKILL);
	kill_spares(s);
	if (s->worker.pid)
		kill(s->worker.pid, s->worker.stage == STAGE_SERVING ? SIGTERM : SIGKILL);
	else
		finish(s, 0);
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap(s);
		break;
	case SIGTERM:
	case SIGINT:
		stop(s);
		break;
	case SIGUSR2:
		upgrade(s);
		break;
	default: /* SIGHUP, SIGUSR1 */
		if (s->worker.stage == STAGE_SERVING)
			kill(s->worker.pid, info.ssi_signo);
	}
}

/* --- time --------------------------------------------------------------------------------------------------- */

static bool requests_queued(const struct supervisor *s)
{
	struct pollfd fuse = {.fd = s->fuse_fd, .events = POLLIN};

	return poll(&fuse, 1, 0) == 1 && (fuse.revents & POLLIN);
}

static void look_again(struct supervisor *s)
{
	s->looking = true;
	s->progress = s->shared->progress;
	s->look_at = now_msec() + TICK;
}

/* Once a second while there is something to serve. */
static void look(struct supervisor *s)
{
	bool waiting = requests_queued(s) || s->shared->handling;

	if (s->shared->progress != s->progress)
		s->stuck = 0;
	else if (!waiting)
		s->looking = false;
	else if (++s->stuck >= HUNG_TICKS) {
		say("the worker hangs: it is replaced");
		kill(s->worker.pid, SIGKILL);
		s->stuck = 0;
	}
	if (s->looking)
		look_again(s);
}

/* When it will be overdue; 0: it may take its time. */
static int64_t due_at(const struct worker *worker)
{
	bool hurries = worker->stage == STAGE_STARTED || worker->stage == STAGE_GOING;

	return hurries ? worker->since + START_MAX : 0;
}

static bool overdue(const struct worker *worker, int64_t now)
{
	int64_t due = due_at(worker);

	return due && now >= due;
}

static void on_time(struct supervisor *s)
{
	int64_t now = now_msec();

	if (overdue(&s->worker, now) || (s->stopping && now >= s->stop_at && s->worker.pid))
		kill(s->worker.pid, SIGKILL);
	if (overdue(&s->next, now))
		kill(s->next.pid, SIGKILL);
	for (unsigned int i = 0; i < N_SPARES; i++)
		if (overdue(&s->spares[i], now))
			kill(s->spares[i].pid, SIGKILL);
	if (s->start_at && now >= s->start_at)
		start_next(s);
	if (s->looking && s->worker.stage == STAGE_SERVING && now >= s->look_at)
		look(s);
}

static void sooner(int64_t *at, int64_t when)
{
	if (when && (!*at || when < *at))
		*at = when;
}

/* For poll(2): until something is due; -1: nothing is. */
static int next_timeout(const struct supervisor *s)
{
	int64_t at = 0, now = now_msec();

	sooner(&at, s->start_at);
	if (s->stopping)
		sooner(&at, s->stop_at);
	if (s->looking && s->worker.stage == STAGE_SERVING)
		sooner(&at, s->look_at);
	sooner(&at, due_at(&s->worker));
	sooner(&at, due_at(&s->next));
	for (unsigned int i = 0; i < N_SPARES; i++)
		sooner(&at, due_at(&s->spares[i]));
	if (!at)
		return -1;
	return at > now ? at - now : 0;
}

static struct pollfd control_of(const struct worker *worker)
{
	return (struct pollfd){.fd = worker->pid ? worker->control : -1, .events = POLLIN};
}

static void run(struct supervisor *s)
{
	struct worker *const workers[] = {&s->worker, &s->next, &s->spares[0], &s->spares[1],
					  &s->spares[2]};
	enum { N = sizeof(workers) / sizeof(workers[0]) };
	_Static_assert(N == 2 + N_SPARES, "all of them");

	while (!s->done) {
		bool idle = s->worker.stage == STAGE_SERVING && !s->looking;
		struct pollfd fds[N + 2];

		for (unsigned int i = 0; i < N; i++)
			fds[i] = control_of(workers[i]);
		fds[N] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
		fds[N + 1] = (struct pollfd){.fd = idle ? s->fuse_fd : -1, .events = POLLIN};
		if (poll(fds, N + 2, next_timeout(s)) < 0 && errno != EINTR)
			return;
		for (unsigned int i = 0; i < N; i++)
			if (fds[i].revents)
				worker_says(s, workers[i]);
		if (fds[N + 1].revents)
			look_again(s);
		if (fds[N].revents)
			on_signal(s);
		on_time(s);
		tell_alone(s);
	}
}

/* --- start and end ------------------------------------------------------------------------------------------ */

static int mount_tree(struct supervisor *s)
{
	const char *at = s->options->mountpoint;
	char options[96];
	struct stat st;
	int ret = stat(at, &st);

	if (ret < 0 && errno == ENOTCONN && umount2(at, MNT_DETACH) == 0)
		ret = stat(at, &st); /* what a daemon left that died with its supervisor */
	if (ret == 0 && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		ret = -1;
	}
	if (ret < 0)
		return fail("cannot mount at", at);
	s->fuse_fd = moved_up(open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	if (s->fuse_fd < 0)
		return fail("cannot open", "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 s->fuse_fd);
	if (mount("agentcg", at, "fuse.agentcg", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return fail("cannot mount at", at);
	return 0;
}

static int make_state(struct supervisor *s)
{
	s->state_fd = moved_up(memfd_create("agentcg-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	/* A worker may make it larger, never smaller: we have its first page mapped. */
	if (s->state_fd < 0 || ftruncate(s->state_fd, ACG_SHARED_OPENS) < 0 ||
	    fcntl(s->state_fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return fail("cannot make", "the state that workers share");
	return 0;
}

/* What systemd kept when a supervisor died; only a mount that is still there is of use. */
static bool take_kept(struct supervisor *s)
{
	struct pollfd fuse = {.events = POLLIN};

	s->fuse_fd = fuse.fd = acg_notify_kept("agentcg-fuse");
	s->state_fd = acg_notify_kept("agentcg-state");
	acg_notify_forget();
	return s->fuse_fd >= 0 && s->state_fd >= 0 && poll(&fuse, 1, 0) >= 0 &&
	       !(fuse.revents & POLLERR);
}

static void give_to_keep(struct supervisor *s)
{
	acg_notify(s->notify_fd, "FDSTOREREMOVE=1\nFDNAME=agentcg-fuse", -1);
	acg_notify(s->notify_fd, "FDSTOREREMOVE=1\nFDNAME=agentcg-state", -1);
	acg_notify(s->notify_fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=agentcg-fuse", s->fuse_fd);
	acg_notify(s->notify_fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=agentcg-state", s->state_fd);
}

static int watch_signals(struct supervisor *s)
{
	static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = moved_up(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	return s->signal_fd < 0 ? fail("cannot watch for", "signals") : 0;
}

static int find_binary(struct supervisor *s)
{
	ssize_t n = readlink("/proc/self/exe", s->exe, sizeof(s->exe) - 1);

	s->exe_fd = moved_up(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	if (n < 0 || s->exe_fd < 0)
		return fail("cannot open", "/proc/self/exe");
	s->exe[n] = '\0';
	return 0;
}

static int prepare(struct supervisor *s)
{
	if (watch_signals(s) < 0 || find_binary(s) < 0)
		return -1;
	s->nice = getpriority(PRIO_PROCESS, 0);
	s->notify_fd = acg_notify_open();
	if (!take_kept(s) && (make_state(s) < 0 || mount_tree(s) < 0))
		return -1;
	give_to_keep(s);
	s->shared = mmap(NULL, ACG_SHARED_HEADER_SIZE, PROT_READ, MAP_SHARED, s->state_fd, 0);
	if (s->shared == MAP_FAILED)
		return fail("cannot map", "the state that workers share");
	return 0;
}

/* Above all those that did not get to serve: the daemon's cgroup is empty once they are gone. */
static void end_waiting(const struct supervisor *s)
{
	kill_spares(s);
	if (s->next.pid)
		kill(s->next.pid, SIGKILL);
	if (s->worker.pid)
		kill(s->worker.pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void unmount(const struct supervisor *s)
{
	struct pollfd fuse = {.fd = s->fuse_fd, .events = POLLIN};
	g_autoptr(GError) error = NULL;

	if (acg_ungraft_tree(s->options->mountpoint, &error) < 0)
		fprintf(stderr, "agentcgd: a sandbox keeps its view, which is dead now: %s\n",
			error->message);
	acg_notify(s->notify_fd, "STOPPING=1", -1);
	acg_notify(s->notify_fd, "FDSTOREREMOVE=1\nFDNAME=agentcg-fuse", -1);
	acg_notify(s->notify_fd, "FDSTOREREMOVE=1\nFDNAME=agentcg-state", -1);
	/* Not what somebody else may have mounted there since ours was taken away. */
	if (poll(&fuse, 1, 0) >= 0 && !(fuse.revents & POLLERR))
		umount2(s->options->mountpoint, MNT_DETACH);
}

int acg_supervise(const struct acg_supervisor_options *options)
{
	struct supervisor s = {
		.options = options, .last_exe_fd = -1, .next_exe_fd = -1, .backoff = BACKOFF_FIRST};

	if (prepare(&s) < 0)
		return 1;
	start_worker(&s);
	run(&s);
	end_waiting(&s);
	unmount(&s);
	return s.status;
}

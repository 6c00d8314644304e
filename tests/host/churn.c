/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many calls from several writers at once, some of them killed at a random moment of their marker:
 *
 *	churn [--writers W] [--count N] [--killed K] [--seed S] [--cache BYTES] MOUNT AGENT
 *
 * Each writer is a process of the agent that begins a call, which it goes into, and ends it, N of
 * them together. K more are begun and ended by children that are sent SIGKILL after a random time.
 * With --cache each call writes a file of so many bytes, in the current folder, which stays. Prints
 * the ID of each call whose begin and end were both answered. A refusal is a failure, but for that of more
 * markers a second than an agent may write: then it is written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct churn {
	int writers, count, killed, seed;
	gint64 cache; /* bytes */
	char *procs;  /* of the agent */
	char *call;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, g_strerror(errno));
	_exit(1);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

/* Writes a marker and reads the answer. True: it is to be written again, there are too many just now. */
static bool refused_for_now(int fd, const char *marker, char *answer, size_t size)
{
	ssize_t n, written = write(fd, marker, strlen(marker));
	int saved = errno;

	n = read(fd, answer, size - 1);
	answer[MAX(n, 0)] = '\0';
	g_strchomp(answer);
	if (written >= 0)
		return false;
	if (saved == EAGAIN && strstr(answer, "markers a second"))
		return true;
	fprintf(stderr, "churn: \"%s\" was refused: %s\n", marker, answer);
	errno = saved;
	die(marker);
}

static void mark(int fd, const char *marker, char *answer, size_t size)
{
	while (refused_for_now(fd, marker, answer, size))
		g_usleep(20 * 1000);
}

static void leave_cache(const struct churn *churn, int writer, int n)
{
	g_autofree char *name = g_strdup_printf("churn-%d-%d-%d", churn->seed, writer, n);
	g_autofree char *data = g_malloc0(churn->cache);
	int fd = open_or_die(name, O_WRONLY | O_CREAT | O_TRUNC);

	if (write(fd, data, churn->cache) != churn->cache)
		die(name);
	close(fd);
}

static void one_call(const struct churn *churn, int fd, int writer, int n)
{
	g_autofree char *end = NULL;
	char id[128], answer[128];

	mark(fd, "begin - -- churn", id, sizeof(id));
	if (churn->cache)
		leave_cache(churn, writer, n);
	end = g_strdup_printf("end %s exit=0", id);
	mark(fd, end, answer, sizeof(answer));
	printf("%s\n", id);
}

/* The child writes a begin and an end; whether they arrive in its life of up to so many usec is
 * left to chance. */
static void one_killed(int fd, gint64 longest, GRand *random)
{
	pid_t child = fork();
	char answer[128];

	if (child < 0)
		die("fork");
	if (child == 0) {
		mark(fd, "begin - -- churn killed", answer, sizeof(answer));
		if (write(fd, "end - exit=0", strlen("end - exit=0")) < 0)
			die("end");
		_exit(0);
	}
	g_usleep(g_rand_double_range(random, 0, longest));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int share_of(int all, int writer, int writers)
{
	return all / writers + (writer < all % writers);
}

static void write_calls(const struct churn *churn, int writer)
{
	GRand *random = g_rand_new_with_seed(churn->seed * 1000 + writer);
	int count = share_of(churn->count, writer, churn->writers);
	int killed = share_of(churn->killed, writer, churn->writers);
	int fd, procs = open_or_die(churn->procs, O_WRONLY);
	gint64 start = 0, took = 1000;

	if (write(procs, "0", 1) < 0)
		die(churn->procs);
	close(procs);
	fd = open_or_die(churn->call, O_RDWR);
	for (int i = 0; i < count; i++) {
		/* The killed ones in between, evenly. */
		for (int j = 0; j < killed; j++)
			if ((gint64)j * count / killed == i)
				one_killed(fd, 2 * took, random);
		start = g_get_monotonic_time();
		one_call(churn, fd, writer, i);
		took = g_get_monotonic_time() - start;
	}
	g_rand_free(random);
}

static void parse(int *argc, char ***argv, struct churn *churn)
{
	const GOptionEntry entries[] = {
		{"writers", 'w', 0, G_OPTION_ARG_INT, &churn->writers, "Writers at once (8)", "W"},
		{"count", 'n', 0, G_OPTION_ARG_INT, &churn->count, "Calls (10000)", "N"},
		{"killed", 'k', 0, G_OPTION_ARG_INT, &churn->killed, "Killed ones besides (0)",
		 "K"},
		{"seed", 's', 0, G_OPTION_ARG_INT, &churn->seed, "Of the random times (1)", "S"},
		{"cache", 'c', 0, G_OPTION_ARG_INT64, &churn->cache,
		 "Bytes of page cache that each leaves (0)", "BYTES"},
		{0},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("MOUNT AGENT");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, &error) || *argc != 3 ||
	    churn->writers < 1 || churn->count < 0 || churn->killed < 0 || churn->cache < 0) {
		fprintf(stderr, "churn: %s\n", error ? error->message : "bad arguments");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct churn churn = {.writers = 8, .count = 10000, .seed = 1};
	int status, failed = 0;

	parse(&argc, &argv, &churn);
	setvbuf(stdout, NULL, _IOLBF, 0); /* several write it: no line in two pieces */
	churn.procs = g_build_filename(argv[1], "agents", argv[2], "cgroup.procs", NULL);
	churn.call = g_build_filename(argv[1], "agents", argv[2], "call", NULL);
	for (int i = 0; i < churn.writers; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			write_calls(&churn, i);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed += status != 0;
	g_free(churn.procs);
	g_free(churn.call);
	return failed != 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: runs COUNT short processes, each of which is this program again and exits with its number modulo 100, and says
 * how each ended, as wait(2) had it: a line "PID STATUS". With --kill every tenth kills itself with SIGTERM. With a PROGRAM
 * that is run instead, each is to exit with 0, and nothing is said but the time: "USEC" of all together.
 *
 *     spawn [--kill] COUNT
 *     spawn COUNT PROGRAM
 *     spawn --forks SECONDS     forks as fast as it can, children that exit at once, and says how many there were
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int spawn_one(const char *program, char **argv)
{
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environ) || waitpid(pid, &status, 0) < 0)
		exit(2);
	if (argv[1])
		printf("%d %d\n", pid, status);
	return status;
}

static void spawn_self(const char *self, int count, int kills)
{
	char code[16];

	for (int i = 0; i < count; i++) {
		snprintf(code, sizeof(code), "%d", kills && i % 10 == 9 ? -1 : i % 100);
		spawn_one(self, (char *[]){(char *)self, "--leaf", code, NULL});
	}
}

static long long now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int fork_for(long long usec)
{
	long long end = now_usec() + usec, forks = 0;

	for (; now_usec() < end; forks++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			return 1;
	}
	printf("%lld\n", forks);
	return 0;
}

int main(int argc, char **argv)
{
	int kills = argc > 1 && strcmp(argv[1], "--kill") == 0;
	long long start = now_usec();

	if (argc == 3 && strcmp(argv[1], "--leaf") == 0) {
		if (atoi(argv[2]) < 0)
			raise(SIGTERM);
		return atoi(argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], "--forks") == 0)
		return fork_for(atoi(argv[2]) * 1000000LL);
	if (argc == 2 + kills) {
		spawn_self("/proc/self/exe", atoi(argv[1 + kills]), kills);
		return 0;
	}
	if (argc != 3)
		return 2;
	for (int i = 0; i < atoi(argv[1]); i++)
		if (spawn_one(argv[2], (char *[]){argv[2], NULL}))
			return 1;
	printf("%lld\n", now_usec() - start);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations on the tree, by several processes at once, each in an agent of its own and compared with a model of that agent's calls:
 * what exists, what has ended, what is listed, what each operation must return. In between come bytes that are no marker, files
 * that stay open while what they belong to goes, and tries on the neighbour's files.
 *
 *   tree_ops TREE SECONDS PROCESSES SEED
 *
 * Prints what differs, with the seed, and exits 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IDS   12
#define HELD  32

enum state { ABSENT, ALIVE, ENDED };

static struct model {
	enum state calls[IDS];
	bool frozen[IDS];
	int held[HELD]; /* open files of whatever */
	int number, neighbour;
	unsigned int seed;
	unsigned long done, throttled;
} model;

static unsigned int any(unsigned int below)
{
	return (unsigned int)rand_r(&model.seed) % below;
}

static void check(const char *what, int id, int got, int expected)
{
	if (got == expected)
		return;
	printf("agent f%d, call %d (state %d), operation %lu: %s: %s, not %s\n", model.number, id,
	       id < 0 ? -1 : (int)model.calls[id], model.done, what, got ? strerrorname_np(got) : "0",
	       expected ? strerrorname_np(expected) : "0");
	exit(1);
}

static int put(const char *path, const void *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return errno;
	ret = write(fd, text, len) < 0 ? errno : 0;
	close(fd);
	return ret;
}

static int mark(const char *format, int id)
{
	char line[64];

	return put("call", line, snprintf(line, sizeof(line), format, id));
}

/* True if the operation was turned away because there are too many: nothing has changed. */
static bool throttled(int ret)
{
	if (ret != EAGAIN)
		return false;
	model.throttled++;
	usleep(10000);
	return true;
}

static void do_begin(int id)
{
	int ret = mark("begin i%d pid=none memory=1G -- x", id);

	if (throttled(ret))
		return;
	check("begin", id, ret, model.calls[id] == ALIVE ? EEXIST : 0);
	if (ret == 0)
		model.frozen[id] = false;
	model.calls[id] = ALIVE;
}

static void do_end(int id)
{
	int ret = mark("end i%d exit=1", id);

	if (throttled(ret))
		return;
	check("end", id, ret, model.calls[id] == ABSENT ? ENOENT : 0);
	if (model.calls[id] == ALIVE)
		model.calls[id] = ENDED;
}

static void do_hint(int id)
{
	int ret = mark("hint i%d memory=64M cpu=batch", id);

	if (!throttled(ret))
		check("hint", id, ret, model.calls[id] == ABSENT ? ENOENT : 0);
}

static void do_mkdir(int id)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "calls/i%d", id);
	ret = mkdir(path, 0777) < 0 ? errno : 0;
	if (throttled(ret))
		return;
	check("mkdir", id, ret, model.calls[id] == ABSENT ? 0 : EEXIST);
	if (ret == 0) {
		model.calls[id] = ALIVE;
		model.frozen[id] = false;
	}
}

static void do_rmdir(int id)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "calls/i%d", id);
	ret = rmdir(path) < 0 ? errno : 0;
	if (throttled(ret))
		return;
	check("rmdir", id, ret, model.calls[id] == ABSENT ? ENOENT : 0);
	model.calls[id] = ABSENT;
}

static void do_freeze(int id)
{
	char path[48];
	bool freeze = any(2);
	int ret;

	snprintf(path, sizeof(path), "calls/i%d/cgroup.freeze", id);
	ret = put(path, freeze ? "1" : "0", 1);
	check("freeze", id, ret, model.calls[id] == ALIVE ? 0 : ENOENT);
	if (model.calls[id] == ALIVE)
		model.frozen[id] = freeze;
}

static void do_state(int id)
{
	char path[32], text[32] = "";
	const char *expected = model.calls[id] == ENDED ? "ended\n" : model.frozen[id] ? "frozen\n" : "running\n";
	int fd;

	snprintf(path, sizeof(path), "calls/i%d/state", id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check("open state", id, fd < 0 ? errno : 0, model.calls[id] == ABSENT ? ENOENT : 0);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) < 0)
		check("read state", id, errno, 0);
	close(fd);
	if (strcmp(text, expected) == 0)
		return;
	printf("agent f%d, call %d: state is %snot %s", model.number, id, text, expected);
	exit(1);
}

static void do_list(void)
{
	DIR *dir = opendir("calls");
	bool seen[IDS] = {false};
	struct dirent *entry;

	if (!dir)
		check("list", -1, errno, 0);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] == 'i' && atoi(entry->d_name + 1) < IDS)
			seen[atoi(entry->d_name + 1)] = true;
	closedir(dir);
	for (int id = 0; id < IDS; id++)
		check(seen[id] ? "is listed" : "is not listed", id, seen[id], model.calls[id] != ABSENT);
}

static void do_bytes(void)
{
	char bytes[512];
	size_t len = 1 + any(sizeof(bytes) - 1);
	int ret;

	bytes[0] = (char)(128 + any(128)); /* no verb begins like this */
	for (size_t i = 1; i < len; i++)
		bytes[i] = (char)any(256);
	ret = put("call", bytes, len);
	if (!throttled(ret))
		check("bytes", -1, ret, EINVAL);
}

/* Whatever it gives: it must give something, and not for ever. */
static void do_hold(int id)
{
	static const char *const names[] = {"info", "history", "events_pipe", "feedback", "calls/i%d/info",
					    "calls/i%d/cgroup.events", "calls/i%d/cgroup.procs", "cgroup.procs",
					    "calls/i%d/feedback", "status", "README", "calls", "calls/i%d"};
	int slot = (int)any(HELD);
	char path[64], buf[300];

	if (model.held[slot] >= 0) {
		if (read(model.held[slot], buf, 1 + any(sizeof(buf) - 1)) < 0)
			buf[0] = 0;
		if (any(2))
			lseek(model.held[slot], any(100), SEEK_SET);
		if (any(3))
			return;
		close(model.held[slot]);
	}
	snprintf(path, sizeof(path), names[any(sizeof(names) / sizeof(*names))], id);
	model.held[slot] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void do_neighbour(void)
{
	char path[64];
	int ret;

	if (model.neighbour == model.number)
		return;
	snprintf(path, sizeof(path), "../f%d/call", model.neighbour);
	ret = put(path, "begin stolen pid=none", 21);
	check("the neighbour's call", -1, ret, EACCES);
	snprintf(path, sizeof(path), "../f%d/calls/stolen", model.neighbour);
	check("mkdir at the neighbour's", -1, mkdir(path, 0777) < 0 ? errno : 0, EACCES);
}

static void step(void)
{
	int id = (int)any(IDS);

	switch (any(20)) {
	case 0: case 1: case 2:
		do_begin(id);
		break;
	case 3: case 4: case 5:
		do_end(id);
		break;
	case 6: case 7:
		do_mkdir(id);
		break;
	case 8: case 9:
		do_rmdir(id);
		break;
	case 10:
		do_hint(id);
		break;
	case 11:
		do_freeze(id);
		break;
	case 12:
		do_bytes();
		break;
	case 13:
		do_neighbour();
		break;
	case 14: case 15:
		do_list();
		break;
	case 16: case 17:
		do_state(id);
		break;
	default:
		do_hold(id);
	}
	model.done++;
}

static int run(int number, int processes, int seconds, unsigned int seed)
{
	time_t end = time(NULL) + seconds;
	char path[32];

	model.number = number;
	model.neighbour = (number + 1) % processes;
	model.seed = seed + (unsigned int)number;
	for (int i = 0; i < HELD; i++)
		model.held[i] = -1;
	snprintf(path, sizeof(path), "agents/f%d", number);
	if (chdir(path) < 0 || put("cgroup.procs", "0", 1)) {
		perror(path);
		return 1;
	}
	while (time(NULL) < end)
		step();
	printf("agent f%d: %lu operations, %lu turned away, nothing differs\n", number, model.done, model.throttled);
	return 0;
}

int main(int argc, char **argv)
{
	int seconds = argc == 5 ? atoi(argv[2]) : 0, processes = argc == 5 ? atoi(argv[3]) : 0, failed = 0;

	if (seconds < 1 || processes < 1 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: tree_ops TREE SECONDS PROCESSES SEED\n");
		return 2;
	}
	for (int i = 0; i < processes; i++) {
		char path[32];

		snprintf(path, sizeof(path), "agents/f%d", i);
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			perror(path);
			return 2;
		}
	}
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
			return run(i, processes, seconds, (unsigned int)strtoul(argv[4], NULL, 10));
	for (int i = 0; i < processes; i++) {
		int status;

		wait(&status);
		failed |= !WIFEXITED(status) || WEXITSTATUS(status);
	}
	return failed;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takeover MOUNT SUPERVISOR TIMES CLIENTS SIGNAL [PAUSE [BINARY OTHER]]
 *
 * Sends SIGNAL (each time after at most PAUSE milliseconds, 200) to the worker of the daemon whose supervisor has that pid (USR2: to the
 * supervisor itself) TIMES times at random moments, while CLIENTS processes, each in an agent of its own, begin, end, read and list,
 * and as many follow their events. Fails, with a line for each reason, if a client sees an error or an answer that is not right, if a
 * marker was lost or done twice, or if history or events have gaps. Prints how long the tree did not answer, by takeover.
 *
 * With USR2, BINARY, which the supervisor starts, and OTHER, a build of another version, change places before each upgrade.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define TEXT_MAX    (1024 * 1024)

/* Shared between the processes. */
struct shared {
	bool stop;
	unsigned int calls[CLIENTS_MAX]; /* begun and ended by each client */
	unsigned int failures;
};

struct test {
	const char *mount;
	pid_t supervisor;
	unsigned int times, clients, pause;
	int signal;
	const char *binary, *other; /* NULL: the same again */
	struct shared *shared;
	pid_t workers[CLIENTS_MAX * 2]; /* clients, then followers */
};

static void failed(const struct test *test, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("takeover: ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
	__atomic_fetch_add(&test->shared->failures, 1, __ATOMIC_RELAXED);
}

static int64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

static void path_of(const struct test *test, unsigned int client, const char *file,
		    char path[static 512])
{
	snprintf(path, 512, "%s/agents/t%u%s%s", test->mount, client, file[0] ? "/" : "", file);
}

/* The whole file, NUL-ended; -errno. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	n = n < 0 ? -errno : 0;
	close(fd);
	text[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

/* --- a client ------------------------------------------------------------------------------------------------ */

struct client {
	const struct test *test;
	unsigned int number;
	int call; /* open `call` */
};

/* Writes a marker and reads its answer back on the same open file. */
static bool mark(struct client *client, const char *marker, char answer[static 256])
{
	ssize_t len = strlen(marker), n = write(client->call, marker, len);

	if (n != len) {
		failed(client->test, "client %u: \"%s\": %s", client->number, marker,
		       n < 0 ? strerror(errno) : "short");
		return false;
	}
	n = read(client->call, answer, 255);
	if (n <= 0 || answer[n - 1] != '\n') {
		failed(client->test, "client %u: \"%s\": no answer: %s", client->number, marker,
		       n < 0 ? strerror(errno) : "empty");
		return false;
	}
	answer[n - 1] = '\0';
	return true;
}

/* True if this process is in the cgroup whose path ends like this. */
static bool am_in(const char *ending)
{
	char text[4096], *line;
	size_t len = strlen(ending);

	if (read_file("/proc/self/cgroup", text, sizeof(text)) < 0)
		return false;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return false;
	line += *line == '\n';
	line[strcspn(line, "\n")] = '\0';
	return strlen(line) >= len && strcmp(line + strlen(line) - len, ending) == 0;
}

static void look_at_call(struct client *client, const char *id)
{
	char path[512], file[300], text[256];
	ssize_t n;

	snprintf(file, sizeof(file), "calls/%s/state", id);
	path_of(client->test, client->number, file, path);
	n = read_file(path, text, sizeof(text));
	if (n < 0 || strcmp(text, "running\n") != 0)
		failed(client->test, "client %u: state of %s: %s", client->number, id,
		       n < 0 ? strerror(-n) : text);
	snprintf(file, sizeof(file), "/call-%s", id);
	if (!am_in(file))
		failed(client->test, "client %u: not in its call %s", client->number, id);
}

/* The call is listed, once. */
static void look_at_list(struct client *client, const char *id)
{
	char path[512];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	path_of(client->test, client->number, "calls", path);
	dir = opendir(path);
	while (dir && (errno = 0, entry = readdir(dir)))
		n += strcmp(entry->d_name, id) == 0;
	if (!dir || errno || n != 1)
		failed(client->test, "client %u: call %s is listed %u times: %s", client->number,
		       id, n, strerror(errno));
	if (dir)
		closedir(dir);
}

static bool one_call(struct client *client, const char *id, unsigned int number)
{
	char marker[128], begun[256], ended[256];

	snprintf(marker, sizeof(marker), "begin %s -- number %u\n", id, number);
	if (!mark(client, marker, begun))
		return false;
	look_at_call(client, begun);
	if (number % 4 == 0)
		look_at_list(client, begun);
	snprintf(marker, sizeof(marker), "end - exit=%u\n", number % 100);
	if (!mark(client, marker, ended))
		return false;
	if (strcmp(begun, ended) != 0)
		failed(client->test, "client %u: began %s and ended %s", client->number, begun,
		       ended);
	if (!am_in("/self"))
		failed(client->test, "client %u: not back in self after %s", client->number, begun);
	return true;
}

/* A call made and removed by directory: no errors, and it does not come back. */
static void by_directory(struct client *client)
{
	char path[512];

	path_of(client->test, client->number, "calls/dir", path);
	if (mkdir(path, 0755) < 0)
		failed(client->test, "client %u: mkdir: %s", client->number, strerror(errno));
	if (rmdir(path) < 0)
		failed(client->test, "client %u: rmdir: %s", client->number, strerror(errno));
	if (access(path, F_OK) == 0 || errno != ENOENT)
		failed(client->test, "client %u: calls/dir after rmdir: %s", client->number,
		       strerror(errno));
}

static int enter_agent(struct client *client)
{
	char path[512];
	int fd;

	path_of(client->test, client->number, "cgroup.procs", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0\n", 2) != 2)
		return -1;
	close(fd);
	path_of(client->test, client->number, "call", path);
	client->call = open(path, O_RDWR | O_CLOEXEC);
	return client->call;
}

static int run_client(const struct test *test, unsigned int number)
{
	struct client client = {.test = test, .number = number};
	unsigned int *calls = &test->shared->calls[number], i;

	if (enter_agent(&client) < 0) {
		failed(test, "client %u: cannot enter its agent: %s", number, strerror(errno));
		return 1;
	}
	for (i = 1; !__atomic_load_n(&test->shared->stop, __ATOMIC_RELAXED); i++) {
		if (!one_call(&client, "-", i))
			return 1;
		if (i % 8 == 0)
			by_directory(&client);
	}
	*calls = i;
	return one_call(&client, "last", i) ? 0 : 1;
}

/* --- a follower: the events of one agent ---------------------------------------------------------------------- */

struct follower {
	const struct test *test;
	unsigned int number;
	unsigned int begun, ended;
	uint64_t seq;
	bool over;
};

static void follow_line(struct follower *follower, const char *line)
{
	uint64_t seq = 0;

	if (sscanf(line, "{\"seq\":%" SCNu64, &seq) != 1 || seq <= follower->seq)
		failed(follower->test, "follower %u: after seq %" PRIu64 ": %s", follower->number,
		       follower->seq, line);
	follower->seq = seq;
	if (strstr(line, "\"call\":\"dir\""))
		return;
	if (strstr(line, "\"event\":\"begin\""))
		follower->begun++;
	if (strstr(line, "\"event\":\"end\""))
		follower->ended++;
	if (follower->begun - follower->ended > 1)
		failed(follower->test, "follower %u: a begin without the end before: %s",
		       follower->number, line);
	follower->over = strstr(line, "\"event\":\"end\"") && strstr(line, "\"call\":\"last\"");
}

static int run_follower(const struct test *test, unsigned int number, int fd)
{
	struct follower follower = {.test = test, .number = number};
	static char text[TEXT_MAX];
	size_t len = 0;

	while (!follower.over) {
		ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);
		char *line = text, *end;

		if (n <= 0) {
			failed(test, "follower %u: %s", number,
			       n ? strerror(errno) : "end of file");
			return 1;
		}
		len += n;
		text[len] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			follow_line(&follower, line);
		}
		len -= line - text;
		memmove(text, line, len);
	}
	if (follower.begun != test->shared->calls[number] || follower.ended != follower.begun)
		failed(test, "follower %u: %u begins and %u ends of %u calls", number,
		       follower.begun, follower.ended, test->shared->calls[number]);
	return 0;
}

/* --- takeovers ------------------------------------------------------------------------------------------------ */

#define PF_EXITING 0x4 /* linux/sched.h; the ninth field of /proc/PID/stat has it */

/* It may be a while until one that was killed is gone. */
static bool is_exiting(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned int flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) < 0 || !(at = strrchr(text, ')')))
		return true;
	return sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1 || (flags & PF_EXITING);
}

/* The oldest of the supervisor's children; 0: the next one is being started. */
static pid_t worker_of(pid_t supervisor)
{
	char path[64], text[256], *save;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", supervisor, supervisor);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	for (char *pid = strtok_r(text, " ", &save); pid; pid = strtok_r(NULL, " ", &save))
		if (!is_exiting(atoi(pid)))
			return atoi(pid);
	return 0;
}

static void sleep_msec(unsigned int msec)
{
	usleep(msec * 1000);
}

static int64_t probe_once(const struct test *test, const char *probe, char text[static 64])
{
	int64_t start = now_usec();
	ssize_t n = read_file(probe, text, 64);

	if (n <= 0)
		failed(test, "%s: %s", probe, n < 0 ? strerror(-n) : "empty");
	return now_usec() - start;
}

static bool serves_anew(const struct test *test, pid_t old)
{
	pid_t worker = worker_of(test->supervisor);

	return worker && worker != old && is_exiting(old);
}

/* Reads on until another process serves; returns the longest read. */
static int64_t upgrade_once(const struct test *test, pid_t old, const char *probe)
{
	int64_t longest = 0, end = now_usec() + 60 * 1000000ll, took;
	char before[64], after[64];
	bool anew;

	probe_once(test, probe, before);
	if (test->other &&
	    renameat2(AT_FDCWD, test->binary, AT_FDCWD, test->other, RENAME_EXCHANGE) < 0)
		failed(test, "%s and %s: %s", test->binary, test->other, strerror(errno));
	kill(test->supervisor, SIGUSR2);
	do {
		anew = serves_anew(test, old);
		took = probe_once(test, probe, after);
		longest = took > longest ? took : longest;
		sleep_msec(1);
	} while (!anew && now_usec() < end);
	if (!anew)
		failed(test, "no other worker came");
	if (test->other && strcmp(before, after) == 0)
		failed(test, "the same version after an upgrade: %s", after);
	return longest;
}

/* Returns for how long the tree did not answer, usec. */
static int64_t take_over_once(const struct test *test, const char *probe)
{
	pid_t worker = worker_of(test->supervisor);
	int64_t start = now_usec();
	char version[64];

	if (!worker) { /* the next one is being started */
		sleep_msec(20);
		return take_over_once(test, probe);
	}
	if (test->signal == SIGUSR2)
		return upgrade_once(test, worker, probe);
	kill(worker, test->signal);
	probe_once(test, probe, version);
	return now_usec() - start;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *what, int64_t *times, unsigned int n)
{
	qsort(times, n, sizeof(*times), compare);
	printf("%s: p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n", what, times[(n - 1) / 2] / 1e3,
	       times[(n - 1) * 99 / 100] / 1e3, times[n - 1] / 1e3);
}

/* What a read takes under this load anyway, and what it takes when the worker has just been killed. */
static void take_over(const struct test *test)
{
	int64_t *times = calloc(test->times, sizeof(*times));
	char probe[512], version[64];

	snprintf(probe, sizeof(probe), "%s/version", test->mount);
	for (unsigned int i = 0; i < test->times && i < 100; i++) {
		sleep_msec(20 + random() % 50);
		times[i] = probe_once(test, probe, version);
	}
	print_times("a read while nothing happens", times, test->times < 100 ? test->times : 100);
	for (unsigned int i = 0; i < test->times; i++) {
		sleep_msec(20 + random() % test->pause);
		times[i] = take_over_once(test, probe);
	}
	printf("%u takeovers, ", test->times);
	print_times("without an answer", times, test->times);
	free(times);
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static void start_workers(struct test *test)
{
	for (unsigned int i = 0; i < test->clients; i++) {
		char path[512];
		int fd;

		path_of(test, i, "", path);
		if (mkdir(path, 0755) < 0)
			failed(test, "%s: %s", path, strerror(errno));
		path_of(test, i, "events_pipe", path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			failed(test, "%s: %s", path, strerror(errno));
		fflush(stdout);
		test->workers[i] = fork();
		if (test->workers[i] == 0)
			_exit(run_client(test, i));
		test->workers[test->clients + i] = fork();
		if (test->workers[test->clients + i] == 0)
			_exit(run_follower(test, i, fd));
		close(fd);
	}
}

static void await_workers(struct test *test)
{
	test->shared->stop = true;
	for (unsigned int i = 0; i < test->clients * 2; i++)
		waitpid(test->workers[i], NULL, 0);
}

/* Every call once, in order, with the exit status that its end said. */
static void check_history(const struct test *test, unsigned int client)
{
	static char text[16 * TEXT_MAX];
	unsigned int n = 0, number, status;
	char path[512];

	path_of(test, client, "history", path);
	if (read_file(path, text, sizeof(text)) < 0)
		failed(test, "%s: %s", path, strerror(errno));
	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *command = strstr(line, "\"command\":\"number ");
		const char *exit = strstr(line, "\"exit\":");

		if (strstr(line, "\"id\":\"dir\""))
			continue;
		n++;
		if (!command || sscanf(command, "\"command\":\"number %u\"", &number) != 1 ||
		    !exit || sscanf(exit, "\"exit\":%u", &status) != 1 || number != n ||
		    status != n % 100)
			failed(test, "history of client %u, call %u: %s", client, n, line);
	}
	if (n != test->shared->calls[client])
		failed(test, "history of client %u has %u calls of %u", client, n,
		       test->shared->calls[client]);
}

static void check_counters(const struct test *test, unsigned int client)
{
	char path[512], text[4096], want[64];

	path_of(test, client, "info", path);
	if (read_file(path, text, sizeof(text)) < 0 || !strstr(text, "\"calls\":0,"))
		failed(test, "%s: %s", path, text);
	snprintf(want, sizeof(want), "\"refused\":0,\"denied\":0");
	if (!strstr(text, want))
		failed(test, "%s: not %s: %s", path, want, text);
}

static unsigned int finish(struct test *test)
{
	unsigned int calls = 0;
	char path[512];

	for (unsigned int i = 0; i < test->clients; i++) {
		calls += test->shared->calls[i];
		check_history(test, i);
		check_counters(test, i);
		path_of(test, i, "", path);
		if (rmdir(path) < 0)
			failed(test, "rmdir %s: %s", path, strerror(errno));
	}
	return calls;
}

static int signal_named(const char *name)
{
	return strcmp(name, "USR2") == 0 ? SIGUSR2 : strcmp(name, "STOP") == 0 ? SIGSTOP : SIGKILL;
}

int main(int argc, char **argv)
{
	struct test test = {0};
	unsigned int calls;

	if (argc < 6) {
		fprintf(stderr, "usage: takeover MOUNT SUPERVISOR TIMES CLIENTS KILL|STOP|USR2 "
				"[PAUSE [BINARY OTHER]]\n");
		return 2;
	}
	test.mount = argv[1];
	test.supervisor = atoi(argv[2]);
	test.times = atoi(argv[3]);
	test.clients = atoi(argv[4]) < CLIENTS_MAX ? atoi(argv[4]) : CLIENTS_MAX;
	test.signal = signal_named(argv[5]);
	test.pause = argc > 6 && atoi(argv[6]) > 0 ? atoi(argv[6]) : 200;
	test.binary = argc > 8 ? argv[7] : NULL;
	test.other = argc > 8 ? argv[8] : NULL;
	test.shared = mmap(NULL, sizeof(*test.shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	srandom(test.times);
	start_workers(&test);
	take_over(&test);
	await_workers(&test);
	calls = finish(&test);
	printf("%u calls by %u clients, %u failures\n", calls, test.clients, test.shared->failures);
	return test.shared->failures ? 1 : 0;
}

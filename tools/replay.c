/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaying agents side by side; see the header. */
#include "tools/replay.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/tree.h"

#define SAME_NAMES   1000                 /* replays of one task at the same time */
#define REMOVE_TRIES 500                  /* times REMOVE_PAUSE: ten seconds */
#define REMOVE_PAUSE (20 * 1000)          /* usec */
#define LATE_LINES   (3 * G_USEC_PER_SEC) /* usec: calls that nobody ends end a little later */
#define PROGRESS     (500 * 1000 * 1000L) /* nsec */
#define SAMPLE       (20 * 1000 * 1000L)  /* nsec */

static void free_agent(void *data)
{
	struct acg_replay_agent *agent = data;

	if (agent->shared)
		munmap(agent->shared, agent->shared->size);
	if (agent->shared_fd >= 0)
		close(agent->shared_fd);
	acg_plan_free(agent->plan);
	g_free(agent->name);
	g_free(agent->dir);
	g_free(agent);
}

struct acg_replay *acg_replay_new(const char *root)
{
	struct acg_replay *replay = g_new0(struct acg_replay, 1);

	replay->root = root;
	replay->limit = ACG_MAX;
	replay->history = g_string_new(NULL);
	replay->agents = g_ptr_array_new_with_free_func(free_agent);
	return replay;
}

void acg_replay_free(struct acg_replay *replay)
{
	g_ptr_array_unref(replay->agents);
	g_string_free(replay->history, TRUE);
	g_free(replay);
}

void acg_replay_add(struct acg_replay *replay, const struct acg_trace *trace, double scale,
		    double speed, enum acg_priority priority)
{
	struct acg_replay_agent *agent = g_new0(struct acg_replay_agent, 1);

	agent->trace = trace;
	agent->plan = acg_plan_new(trace, scale);
	agent->speed = speed;
	agent->meeting[0] = agent->meeting[1] = agent->shared_fd = -1;
	agent->priority = priority;
	g_ptr_array_add(replay->agents, agent);
}

/* --- the agent in the tree -------------------------------------------------------------------- */

/* "replay-TASK" of what a name may have; room is left for a number. */
static char *plain_name(const char *task)
{
	char *name = g_strdup_printf("replay-%.48s", task);

	return g_strcanon(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			  '_');
}

static int make_directory(struct acg_replay *replay, struct acg_replay_agent *agent, GError **error)
{
	g_autofree char *plain = plain_name(agent->trace->task);

	for (unsigned int i = 1; i <= SAME_NAMES; i++) {
		g_autofree char *name =
			i == 1 ? g_strdup(plain) : g_strdup_printf("%s-%u", plain, i);
		g_autofree char *dir =
			replay->plain ? g_build_filename(replay->plain, name, NULL)
				      : g_build_filename(replay->root, "agents", name, NULL);

		if (mkdir(dir, 0755) == 0) {
			agent->name = g_steal_pointer(&name);
			agent->dir = g_steal_pointer(&dir);
			return 0;
		}
		if (errno != EEXIST)
			return acg_fail_errno(error, errno, "cannot make the agent %s", dir);
	}
	return acg_fail(error, EEXIST, "there are %d agents like %s already", SAME_NAMES, plain);
}

/* A write to one of the agent's files. */
static int tell(const struct acg_replay_agent *agent, const char *file, const char *text,
		GError **error)
{
	g_autofree char *path = g_build_filename(agent->dir, file, NULL);

	return acg_tree_write(path, text, error);
}

/* A line of history of a call that began in this replay: the name may have been somebody's before.
 */
static bool is_ours(const struct acg_replay_agent *agent, const char *line)
{
	g_autoptr(JsonNode) node = *line ? json_from_string(line, NULL) : NULL;

	return node && JSON_NODE_HOLDS_OBJECT(node) &&
	       json_object_get_double_member_with_default(json_node_get_object(node), "start", 0) >=
		       agent->start_real / (double)G_USEC_PER_SEC;
}

static GPtrArray *own_history(const struct acg_replay_agent *agent)
{
	g_autofree char *text = acg_tree_read(NULL, agent->dir, "history", NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	GPtrArray *ours = g_ptr_array_new_with_free_func(g_free);

	for (char **line = lines; *line; line++)
		if (is_ours(agent, *line))
			g_ptr_array_add(ours, g_strdup(*line));
	return ours;
}

/* History goes with its agent: it is taken over before. */
static void take_history(struct acg_replay *replay, struct acg_replay_agent *agent)
{
	g_autoptr(GPtrArray) lines = own_history(agent);
	int64_t end = g_get_monotonic_time() + LATE_LINES;

	while (agent->unmarked && lines->len < agent->plan->calls->len &&
	       g_get_monotonic_time() < end) {
		usleep(REMOVE_PAUSE);
		g_ptr_array_unref(lines);
		lines = own_history(agent);
	}
	agent->recorded = lines->len;
	for (unsigned int i = 0; i < lines->len; i++)
		g_string_append_printf(replay->history, "%s\n", (char *)lines->pdata[i]);
}

/* Calls whose processes were killed end by themselves, a moment later. */
static int remove_directory(const struct acg_replay_agent *agent, GError **error)
{
	for (unsigned int i = 0; i < REMOVE_TRIES; i++) {
		if (rmdir(agent->dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		usleep(REMOVE_PAUSE);
	}
	return acg_fail_errno(error, errno, "cannot remove the agent %s", agent->dir);
}

static uint64_t peak_of(const struct acg_replay_agent *agent)
{
	g_autofree char *text = NULL;
	g_autoptr(JsonObject) info = NULL;

	if (agent->plain) {
		text = acg_tree_read(NULL, agent->dir, "memory.peak", NULL);
		return text ? g_ascii_strtoull(text, NULL, 10) : 0;
	}
	info = acg_tree_json(NULL, agent->dir, "info", NULL);
	return info ? acg_tree_int(info, "peak", 0) : 0;
}

static uint64_t oom_kills_of(const struct acg_replay_agent *agent)
{
	g_autofree char *text = acg_tree_read(NULL, agent->dir, "memory.events", NULL);
	const char *at = text ? strstr(text, "oom_kill ") : NULL;

	return at ? g_ascii_strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

static int finish(struct acg_replay *replay, struct acg_replay_agent *agent, GError **error)
{
	tell(agent, "cgroup.kill", "1", NULL);
	agent->peak = peak_of(agent);
	agent->oom_kills = oom_kills_of(agent);
	take_history(replay, agent);
	agent->over = true;
	return remove_directory(agent, error);
}

/* A plain cgroup knows no priority; the share of the CPU that the policy's default gives for it, it does. */
static int limit_plain(const struct acg_replay *replay, const struct acg_replay_agent *agent,
		       GError **error)
{
	static const char *const weights[] = {[ACG_PRIORITY_LOW] = "25",
					      [ACG_PRIORITY_NORMAL] = "100",
					      [ACG_PRIORITY_HIGH] = "400"};
	g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, replay->limit);
	int ret = replay->limit == ACG_MAX ? 0 : tell(agent, "memory.max", bytes, error);

	if (!ret && agent->priority != ACG_PRIORITY_NORMAL)
		ret = tell(agent, "cpu.weight", weights[agent->priority], error);
	return ret;
}

static int start(struct acg_replay *replay, struct acg_replay_agent *agent, GError **error)
{
	int ret = make_directory(replay, agent, error);

	if (ret)
		return ret;
	agent->plain = replay->plain;
	agent->unmarked = replay->unmarked;
	if (agent->plain)
		ret = limit_plain(replay, agent, error);
	else if (agent->priority != ACG_PRIORITY_NORMAL)
		ret = tell(agent, "priority", acg_priority_name(agent->priority), error);
	if (!ret)
		ret = acg_replay_agent_start(agent, error);
	if (ret)
		rmdir(agent->dir);
	return ret;
}

/* --- all of them ------------------------------------------------------------------------------ */

static unsigned int n_running(const struct acg_replay *replay)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < replay->agents->len; i++)
		n += ((struct acg_replay_agent *)replay->agents->pdata[i])->pid > 0;
	return n;
}

static void show_progress(const struct acg_replay *replay)
{
	unsigned int over = 0, calls = 0, done = 0;

	if (!replay->progress)
		return;
	for (unsigned int i = 0; i < replay->agents->len; i++) {
		const struct acg_replay_agent *agent = replay->agents->pdata[i];
		const GArray *planned = agent->plan->calls;

		over += agent->over;
		calls += planned->len;
		for (unsigned int j = 0; agent->shared && j < planned->len; j++)
			done += agent->shared->results[j].state == ACG_REPLAY_DONE;
	}
	fprintf(stderr, "\rreplay: %u of %u agents done, %u running; %u of %u calls done; %.0f s ",
		over, replay->agents->len, n_running(replay), done, calls,
		(g_get_monotonic_time() - replay->start) / (double)G_USEC_PER_SEC);
}

/* A line for each process that holds something: seconds, agent, call (nothing: its base), bytes. */
static void write_samples(const struct acg_replay *replay)
{
	double seconds = (g_get_monotonic_time() - replay->start) / (double)G_USEC_PER_SEC;

	for (unsigned int i = 0; replay->samples && i < replay->agents->len; i++) {
		const struct acg_replay_agent *agent = replay->agents->pdata[i];

		if (agent->pid <= 0)
			continue;
		fprintf(replay->samples, "%.3f,%s,,%" G_GUINT64_FORMAT "\n", seconds, agent->name,
			agent->shared->held);
		for (unsigned int j = 0; j < agent->plan->calls->len; j++)
			if (agent->shared->results[j].held)
				fprintf(replay->samples, "%.3f,%s,%u,%" G_GUINT64_FORMAT "\n",
					seconds, agent->name, j + 1,
					agent->shared->results[j].held);
	}
}

/* Takes in those whose process has ended. 0 or the first failure to clean up. */
static int take_in(struct acg_replay *replay, GError **error)
{
	int ret = 0;

	for (unsigned int i = 0; i < replay->agents->len; i++) {
		struct acg_replay_agent *agent = replay->agents->pdata[i];
		int status;

		if (agent->pid <= 0 || waitpid(agent->pid, &status, WNOHANG) != agent->pid)
			continue;
		agent->pid = 0;
		agent->survived = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (!agent->shared->end)
			agent->shared->end = g_get_monotonic_time();
		if (!ret)
			ret = finish(replay, agent, error);
		else
			finish(replay, agent, NULL);
	}
	return ret;
}

static int start_some(struct acg_replay *replay, unsigned int *next, GError **error)
{
	while (*next < replay->agents->len && n_running(replay) < replay->at_once) {
		int ret = start(replay, replay->agents->pdata[(*next)++], error);

		if (ret)
			return ret;
	}
	return 0;
}

static void stop_all(struct acg_replay *replay)
{
	for (unsigned int i = 0; i < replay->agents->len; i++) {
		struct acg_replay_agent *agent = replay->agents->pdata[i];

		if (agent->pid <= 0)
			continue;
		/* The whole agent by its cgroup; the process itself in case that the tree is gone:
		 * its workers go with it. */
		tell(agent, "cgroup.kill", "1", NULL);
		kill(agent->pid, SIGKILL);
		waitpid(agent->pid, NULL, 0);
		agent->pid = 0;
		agent->shared->end = g_get_monotonic_time();
		finish(replay, agent, NULL);
	}
}

/* The place to meet at. It is there as long as one of them has not come to it, nor ended. */
static int make_meeting(const struct acg_replay *replay, int meeting[2], GError **error)
{
	if (!replay->meet)
		return 0;
	if (replay->at_once < replay->agents->len)
		return acg_fail(error, EINVAL, "only agents that run at the same time can meet");
	if (pipe2(meeting, O_CLOEXEC) < 0)
		return acg_fail_errno(error, errno, "cannot make a pipe");
	for (unsigned int i = 0; i < replay->agents->len; i++)
		memcpy(((struct acg_replay_agent *)replay->agents->pdata[i])->meeting, meeting,
		       sizeof(int[2]));
	return 0;
}

static int start_first(struct acg_replay *replay, unsigned int *next, GError **error)
{
	int meeting[2] = {-1, -1};
	int ret = make_meeting(replay, meeting, error);

	if (!ret)
		ret = start_some(replay, next, error);
	for (unsigned int i = 0; i < G_N_ELEMENTS(meeting); i++)
		if (meeting[i] >= 0)
			close(meeting[i]);
	return ret;
}

static int run_all(struct acg_replay *replay, const sigset_t *signals, GError **error)
{
	const struct timespec pause = {0, replay->samples ? SAMPLE : PROGRESS};
	unsigned int next = 0;
	int ret = start_first(replay, &next, error);

	while (!ret && n_running(replay)) {
		int signo = sigtimedwait(signals, NULL, &pause);

		if (signo > 0 && signo != SIGCHLD) {
			replay->signo = signo;
			return 0;
		}
		ret = take_in(replay, error);
		if (!ret)
			ret = start_some(replay, &next, error);
		write_samples(replay);
		show_progress(replay);
	}
	return ret;
}

int acg_replay_run(struct acg_replay *replay, GError **error)
{
	static const int waited_for[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
	sigset_t signals, before;
	int ret;

	sigemptyset(&signals);
	for (unsigned int i = 0; i < G_N_ELEMENTS(waited_for); i++)
		sigaddset(&signals, waited_for[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	replay->start = g_get_monotonic_time();
	ret = run_all(replay, &signals, error);
	stop_all(replay);
	replay->end = g_get_monotonic_time();
	if (replay->progress)
		fputc('\n', stderr);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

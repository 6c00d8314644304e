/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls without markers; see the header. */
#include "policy/auto_begin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "policy/auto.h"
#include "policy/cgroupfs.h"
#include "policy/procfs.h"
#include "policy/record.h"

#define FAMILY_MAX   256 /* processes moved along with one; later ones are forked in the call */
#define FAMILY_LOOKS 3   /* whoever is forked while we look is found in the next one */
#define EXIT_WAIT    G_USEC_PER_SEC /* who is gone when its time comes is told of by then, or never */
#define LOOK_MAX     256  /* processes of one agent that are looked at when events were lost ... */
#define LOOK_ALL     1024 /* ... and of all agents together */
#define LOOK_USEC    (2 * G_USEC_PER_SEC) /* who is older has been told of, or missed before */

/* --- /proc --------------------------------------------------------------------------------------------------- */

/* At most ACG_ARGS_MAX bytes of /proc/PID/cmdline, as a command line; "" if it cannot be had. Free with g_free. */
static char *command_line(pid_t pid)
{
	char args[ACG_ARGS_MAX];
	size_t len = acg_proc_cmdline(pid, args, sizeof(args));

	return acg_auto_line(args, len);
}

/* The path of the node's cgroup as /proc/PID/cgroup has it; NULL: it has no place in the kernel. */
static char *path_of(const struct acg_manager *manager, const struct acg_node *node)
{
	const struct acg_enforcer *enforcer = manager->enforcers->pdata[0];
	g_autofree char *root = NULL, *path = NULL;
	char link[64];
	size_t mount;

	if (strcmp(enforcer->ops->name, "cgroup") != 0 || !node->group || node->group->dirfd < 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", acg_enforcer_cgroup_dirfd(enforcer));
	root = g_file_read_link(link, NULL);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", node->group->dirfd);
	path = g_file_read_link(link, NULL);
	if (!root || !path)
		return NULL;
	mount = strlen(root) - MIN(strlen(root), strlen(acg_enforcer_cgroup_path(enforcer)));
	return strlen(path) > mount ? g_strdup(path + mount) : NULL;
}

/* True if the process is in the cgroup of this path. */
static bool lives_in(pid_t pid, const char *path)
{
	g_autofree char *its = NULL;

	return path && acg_proc_cgroup(pid, &its, NULL) == 0 && strcmp(its, path) == 0;
}

/* The first process of a pid namespace is a sandbox: it must not march into a call that can be killed. */
static bool is_sandbox(pid_t pid)
{
	struct acg_proc_ids ids;

	return acg_proc_ids(pid, &ids) && acg_proc_ns_init(&ids);
}

static uint64_t held_by(pid_t pid)
{
	struct acg_proc_memory memory;

	return acg_proc_rss(pid, &memory) ? memory.anon + memory.shmem : 0;
}

/* --- begin --------------------------------------------------------------------------------------------------- */

/* What the process forked before it was moved. Returns how many were found in `self` still. */
static unsigned int move_family(struct acg_manager *manager, struct acg_call *call,
				const char *self_path)
{
	g_autoptr(GArray) family = g_array_new(FALSE, FALSE, sizeof(pid_t));
	unsigned int moved = 0;

	acg_proc_children(call->pid, family, FAMILY_MAX);
	for (unsigned int i = 0; i < family->len; i++) {
		pid_t pid = g_array_index(family, pid_t, i);

		acg_proc_children(pid, family, FAMILY_MAX);
		if (!lives_in(pid, self_path))
			continue;
		call->missed += held_by(pid);
		acg_manager_move(manager, &call->node, pid, NULL);
		moved++;
	}
	return moved;
}

/* False: the process is gone. */
static bool begin(struct acg_manager *manager, struct acg_agent *agent,
		  const struct acg_candidate *candidate)
{
	g_autofree char *self_path = path_of(manager, &agent->self);
	const struct acg_begin asked = {
		.command = candidate->command,
		.pid = candidate->pid,
		.by_rule = true,
		.start = candidate->start,
	};
	g_autoptr(GError) error = NULL;
	struct acg_call *call;
	int ret;

	if (!acg_proc_alive(candidate->pid))
		return false;
	if (!lives_in(candidate->pid, self_path) || is_sandbox(candidate->pid))
		return true;
	ret = acg_manager_marker(agent, &error);
	if (!ret)
		ret = acg_manager_begin(manager, agent, &asked, &call, &error);
	if (ret) {
		if (ret != -ESRCH)
			acg_manager_refused(manager, agent, true, error);
		return ret != -ESRCH;
	}
	acg_manager_settle(manager); /* nobody waits for an answer */
	call->missed = held_by(candidate->pid);
	for (unsigned int look = 0; look < FAMILY_LOOKS; look++)
		if (!move_family(manager, call, self_path))
			break;
	acg_manager_save(manager, &call->node);
	/* Who exits on the way is moved nowhere, and the kernel tells of no change in a cgroup that nobody ever was in. */
	if (!acg_cgroup_populated(call->node.group->dirfd))
		acg_manager_vacated(manager, call, true, acg_manager_now());
	return true;
}

/* Its exit is on the way here, and will make a line of history of it. */
static void wait_for_exit(struct acg_manager *manager, struct acg_candidate *candidate,
			  struct acg_time now)
{
	candidate->gone = true;
	candidate->due = now.mono + EXIT_WAIT;
	acg_auto_add(manager->autos, candidate);
}

void acg_auto_begin_due(struct acg_manager *manager, struct acg_time now)
{
	struct acg_candidate *candidate;

	while ((candidate = acg_auto_next(manager->autos, now.mono))) {
		struct acg_node *self =
			acg_registry_node(manager->engine->registry, candidate->self);

		if (!candidate->gone && self && self->kind == ACG_KIND_SELF &&
		    !begin(manager, self->agent, candidate))
			wait_for_exit(manager, candidate, now);
		else
			acg_candidate_free(candidate);
	}
}

/* --- what the monitor tells ------------------------------------------------------------------------------------ */

/* The wall clock's time of a moment of CLOCK_MONOTONIC that has just been. */
static struct acg_time time_of(int64_t mono)
{
	struct acg_time now = acg_manager_now();

	return (struct acg_time){mono, now.real - (now.mono - mono)};
}

static bool asks_for_parent(const struct acg_policy *policy)
{
	for (unsigned int i = 0; i < policy->n_autos; i++)
		if (policy->autos[i].parent_regex)
			return true;
	return false;
}

static void consider(struct acg_manager *manager, struct acg_node *self, pid_t pid, pid_t parent,
		     const char *line, struct acg_time start)
{
	g_autofree char *written = acg_command_unwrap(line, NULL);
	g_autofree char *parent_line =
		asks_for_parent(manager->policy) ? command_line(parent) : g_strdup("");
	const struct acg_auto_rule *rule =
		acg_policy_auto(manager->policy, line, written, parent_line);
	struct acg_candidate *candidate;

	if (!rule)
		return;
	candidate = g_new(struct acg_candidate, 1);
	*candidate = (struct acg_candidate){.pid = pid,
					    .self = self->id,
					    .start = start,
					    .due = start.mono + rule->after,
					    .command = g_steal_pointer(&written)};
	acg_auto_add(manager->autos, candidate);
}

void acg_auto_executed(struct acg_manager *manager, struct acg_node *self,
		       const struct acg_bpf_exec *exec)
{
	g_autofree char *line = NULL;

	if (!manager->policy->n_autos || self->kind != ACG_KIND_SELF)
		return;
	line = exec->event.args_len ? acg_auto_line(exec->args, exec->event.args_len)
				    : command_line(exec->event.pid);
	consider(manager, self, exec->event.pid, exec->event.parent, line,
		 time_of(exec->event.time_ns / 1000));
}

/* Too short for a cgroup: what is known of it becomes a line of history. */
static void record_short(struct acg_manager *manager, struct acg_agent *agent,
			 const struct acg_candidate *candidate, const struct acg_bpf_event *event)
{
	int status = event->exit_code;
	struct acg_time end = time_of(event->time_ns / 1000);
	g_autofree char *id = g_strdup_printf("c%" G_GUINT64_FORMAT, ++agent->next_id);
	g_autofree char *kept = acg_policy_kept_command(manager->policy, candidate->command);
	g_autofree char *path = acg_agent_path(agent);
	const struct acg_call call = {
		.node = {.kind = ACG_KIND_CALL, .agent = agent},
		.id = id,
		.command = kept,
		.grant = ACG_MAX,
		.memory_max = ACG_MAX,
		.state = ACG_CALL_ENDED,
		.by_rule = true,
		.missed = event->peak_kib * 1024,
		.pid = candidate->pid,
		.start = candidate->start,
		.end = end,
		.exit = WIFSIGNALED(status) ? -1 : WEXITSTATUS(status),
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.usage = {.memory_peak = event->peak_kib * 1024},
	};
	g_autofree char *line = acg_record_call(&call, end);

	if (manager->history && acg_manager_marker(agent, NULL) == 0)
		acg_history_append(manager->history, path, line, manager->policy->history_max,
				   NULL);
}

static int is_other(pid_t pid, void *data)
{
	return pid != ((const struct acg_call *)data)->pid;
}

static void note_child(int dirfd, const char *name, void *data)
{
	(void)dirfd;
	(void)name;
	*(bool *)data = true;
}

/* True if nobody is in the call but its own process, if that. */
static bool is_alone(struct acg_call *call)
{
	int dirfd = call->node.group ? call->node.group->dirfd : -1;
	bool nested = false;

	if (dirfd < 0 || acg_cgroup_each_pid(dirfd, is_other, call, NULL))
		return false;
	acg_cgroup_each_child(dirfd, note_child, &nested);
	return !nested;
}

static void tell_status(struct acg_manager *manager, struct acg_call *call,
			const struct acg_bpf_event *event)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now(), over = {0};

	if (call->by_rule && is_alone(call))
		over = time_of(event->time_ns / 1000);
	acg_engine_exited(manager->engine, call, event->exit_code, over, now, actions);
	acg_manager_apply_all(manager, actions, now);
}

/* The call that a rule began for a process that was gone before it could be moved; NULL: none. */
static struct acg_call *vacant_call_of(const struct acg_agent *agent, pid_t pid)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (agent->n_alive && g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->by_rule && call->vacant_since && call->pid == pid &&
		    call->state != ACG_CALL_ENDED)
			return call;
	}
	return NULL;
}

void acg_auto_exited(struct acg_manager *manager, struct acg_node *node,
		     const struct acg_bpf_event *event)
{
	struct acg_candidate *candidate = acg_auto_take(manager->autos, event->pid);
	struct acg_call *call = node->kind == ACG_KIND_SELF
					? vacant_call_of(node->agent, event->pid)
					: acg_node_call(node);

	if (candidate && node->kind == ACG_KIND_SELF)
		record_short(manager, node->agent, candidate, event);
	acg_candidate_free(candidate);
	if (call && call->pid == (pid_t)event->pid)
		tell_status(manager, call, event);
}

/* --- what it could not tell ------------------------------------------------------------------------------------ */

struct look {
	struct acg_manager *manager;
	struct acg_node *self; /* of the agent that is looked at */
	struct acg_time now;
	unsigned int left;     /* of this agent's processes that may be looked at */
	unsigned int all_left; /* of all agents' */
};

static int look_at(pid_t pid, void *data)
{
	struct look *look = data;
	g_autofree char *line = NULL;
	int64_t age;
	pid_t parent;

	if (!look->left || !look->all_left)
		return 1;
	look->left--;
	look->all_left--;
	if (!acg_proc_born(pid, &age, &parent) || age > LOOK_USEC)
		return 0;
	line = command_line(pid);
	if (*line)
		consider(look->manager, look->self, pid, parent, line,
			 time_of(look->now.mono - MAX(age, 0)));
	return 0;
}

void acg_auto_look(struct acg_manager *manager, struct acg_time now)
{
	struct look look = {.manager = manager, .now = now, .all_left = LOOK_ALL};
	g_autoptr(GPtrArray) agents = NULL;

	if (!manager->policy->n_autos)
		return;
	agents = acg_agents_all(manager->engine->registry->agents);
	for (unsigned int i = 0; i < agents->len; i++) {
		struct acg_agent *agent = agents->pdata[i];

		look.self = &agent->self;
		look.left = LOOK_MAX;
		if (agent->self.group && agent->self.group->dirfd >= 0)
			acg_cgroup_each_pid(agent->self.group->dirfd, look_at, &look, NULL);
	}
}

/* --- markers --------------------------------------------------------------------------------------------------- */

struct to_self {
	struct acg_manager *manager;
	struct acg_agent *agent;
};

static int move_to_self(pid_t pid, void *data)
{
	const struct to_self *to = data;

	acg_manager_move(to->manager, &to->agent->self, pid, NULL);
	return 0;
}

void acg_manager_yield(struct acg_manager *manager, struct acg_call *call)
{
	struct acg_agent *agent = call->node.agent;
	struct to_self to = {manager, agent};

	acg_manager_settle(manager);
	if (!call->by_rule || call->state == ACG_CALL_ENDED || !call->node.group)
		return;
	acg_cgroup_each_pid(call->node.group->dirfd, move_to_self, &to, NULL);
	if (acg_cgroup_populated(call->node.group->dirfd))
		return; /* somebody was forked meanwhile: it stays, and the marker is refused */
	call->usage.populated = false;
	manager->listener.gone(manager->listener.data, &call->node);
	acg_manager_event(manager, &agent->node, "yielded", NULL,
			  "a marker takes the place of the call that a rule had begun",
			  acg_manager_now());
	acg_manager_discard(manager, &call->node);
	agent->counters.begun--;
	acg_engine_begin_failed(manager->engine, call);
}

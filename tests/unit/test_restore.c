/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart, on the machine's own cgroup2 hierarchy: a manager that finds agents, calls and sub-agents goes on with them, ends
 * what is empty, finishes or undoes what was half done, and leaves alone what is not ours.
 */
#include "tests/unit/cgroup_mount.h"
#include "tests/unit/tmp_tree.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "policy/manager.h"
#include "policy/state.h"

/* last: what the daemon before came to. awaited: callers wait. */
static struct acg_manager *manager_for(const char *root, const char *run_dir, struct acg_last last,
				       bool awaited)
{
	struct acg_manager_options options = {.run_dir = run_dir,
					      .enforcers = g_ptr_array_new(),
					      .last = last,
					      .awaited = awaited};
	struct acg_policy *policy = acg_policy_new_default();
	struct acg_manager *manager = NULL;
	g_autoptr(GError) error = NULL;
	struct acg_enforcer *enforcer = acg_enforcer_cgroup_new(root, false, &error);

	if (!enforcer)
		fail_msg("%s", error->message);
	g_ptr_array_add(options.enforcers, enforcer);
	assert_int_equal(acg_manager_new(&options, policy, &manager, NULL), 0);
	acg_policy_unref(policy);
	return manager;
}

static struct acg_manager *manager_after(const char *root, const char *run_dir,
					 struct acg_last last)
{
	return manager_for(root, run_dir, last, false);
}

static struct acg_manager *manager_on(const char *root, const char *run_dir)
{
	return manager_after(root, run_dir, (struct acg_last){0});
}

static ino_t id_of(const struct cgroup_mount *mount, const char *below)
{
	struct stat st;

	assert_int_equal(fstatat(mount->dirfd, below, &st, 0), 0);
	return st.st_ino;
}

/* What an earlier daemon left: an agent with a call that runs and one that is empty, a sub-agent; and strangers. */
static pid_t left_behind(const struct cgroup_mount *mount)
{
	static const char *const cgroups[] = {
		"a",	    "a/self",	   "a/call-runs", "a/call-empty", "a/agent-sub", "a/agent-sub/self",
		"a/strange", "a/call-", "stranger",    "stranger/child",
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cgroups); i++)
		tmp_mkdir(mount->path, cgroups[i]);
	return cgroup_mount_start(mount, "a/call-runs");
}

static void what_is_there_is_found(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	pid_t child = left_behind(&mount);
	struct acg_manager *manager = manager_on(mount.path, run_dir);
	const struct acg_registry *registry = acg_manager_registry(manager);
	struct acg_agent *agent = acg_registry_agent(registry, NULL, "a");
	struct acg_call *call;

	(void)state;
	assert_non_null(agent);
	assert_int_equal(agent->node.id, id_of(&mount, "a")); /* node ids stay what they were */
	assert_int_equal(agent->self.id, id_of(&mount, "a/self"));
	assert_non_null(acg_registry_agent(registry, agent, "sub"));
	assert_int_equal(registry->n_agents, 2);
	call = acg_agent_call(agent, "runs");
	assert_non_null(call);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal(call->node.id, id_of(&mount, "a/call-runs"));
	assert_ptr_equal(acg_registry_node(registry, call->node.id), &call->node);

	/* the one that runs ends as any other */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(acg_manager_end(manager, call, 0, 0, NULL), 0);
	assert_int_equal(call->state, ACG_CALL_ENDED);
	assert_null(acg_agent_call(agent, "empty")); /* nobody was ever in it */
	acg_manager_free(manager); /* with it all that its thread has to remove */
	assert_int_not_equal(faccessat(mount.dirfd, "a/call-runs", F_OK, 0), 0);
	assert_int_not_equal(faccessat(mount.dirfd, "a/call-empty", F_OK, 0), 0);
	assert_int_equal(faccessat(mount.dirfd, "a/strange", F_OK, 0), 0);
	assert_int_equal(faccessat(mount.dirfd, "stranger/child", F_OK, 0), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "stranger", NULL), 0);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

static struct acg_call *begin(struct acg_manager *manager, struct acg_agent *agent, const char *id,
			      pid_t pid)
{
	struct acg_begin begin = {
		.id = id, .command = "make -j2", .pid = pid, .request = 42, .request_step = 3};
	struct acg_call *call = NULL;

	begin.hint.memory = ACG_MEMORY_HIGH;
	begin.hint.timeout = 1000 * G_USEC_PER_SEC;
	assert_int_equal(acg_manager_begin(manager, agent, &begin, &call, NULL), 0);
	return call;
}

static struct acg_agent *agent_a(struct acg_manager *manager)
{
	return acg_registry_agent(acg_manager_registry(manager), NULL, "a");
}

/* The lines of the agent's history, or of its events. */
static unsigned int lines_of(struct acg_manager *manager, bool history)
{
	g_autoptr(GString) text = g_string_new(NULL);
	unsigned int n = 0;

	if (history)
		acg_manager_history_text(manager, agent_a(manager), text, NULL);
	else
		acg_eventlog_dump(acg_manager_eventlog(manager, agent_a(manager)), text);
	for (const char *at = text->str; (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

/* As a daemon does it, and then it is gone without a word: its memory is not freed, as nothing would be. */
static pid_t daemon_that_is_killed(const struct cgroup_mount *mount, const char *run_dir)
{
	/* not in the root itself, which could then hand no controllers down */
	struct cgroup_mount elsewhere = cgroup_mount_new();
	pid_t runs = cgroup_mount_start(&elsewhere, ""), daemon = fork();
	g_autoptr(GError) error = NULL;
	struct acg_manager *manager;
	struct acg_agent *agent;

	if (daemon == 0) {
		manager = manager_on(mount->path, run_dir);
		if (acg_manager_agent_add(manager, NULL, "a", NULL, NULL, 0, &agent, &error))
			g_error("%s", error->message);
		acg_manager_agent_priority(manager, agent, ACG_PRIORITY_HIGH, NULL);
		begin(manager, agent, "runs", runs);
		acg_manager_end(manager, begin(manager, agent, "over", 0), 7, 0, NULL);
		acg_manager_end(manager, begin(manager, agent, "removed", 0), 0, 0, NULL);
		acg_manager_call_remove(manager, acg_agent_call(agent, "removed"), NULL);
		kill(getpid(), SIGKILL);
	}
	waitpid(daemon, NULL, 0);
	cgroup_mount_free(&elsewhere);
	return runs;
}

static void a_killed_daemons_successor_goes_on(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	pid_t runs = daemon_that_is_killed(&mount, run_dir);
	struct acg_manager *manager = manager_on(mount.path, run_dir);
	struct acg_agent *agent = agent_a(manager);
	struct acg_call *call = acg_agent_call(agent, "runs"), *over = acg_agent_call(agent, "over");

	(void)state;
	assert_int_equal(agent->priority, ACG_PRIORITY_HIGH);
	assert_int_equal(agent->counters.begun, 3);
	assert_int_equal(agent->counters.ended, 2);
	assert_string_equal(call->command, "make -j2");
	assert_int_equal(call->hint.memory, ACG_MEMORY_HIGH);
	assert_int_equal(call->pid, runs);
	assert_int_equal(call->request, 42);
	assert_int_equal(call->request_step, 3);
	assert_true(call->start.real < agent->start.real + G_USEC_PER_SEC * 60);
	assert_int_equal(call->deadline, call->start.mono + 1000 * G_USEC_PER_SEC);
	assert_int_equal(over->state, ACG_CALL_ENDED);
	assert_int_equal(over->exit, 7);
	assert_null(acg_agent_call(agent, "removed"));
	assert_int_equal(lines_of(manager, true), 2);

	/* and its own successor, which finds that the process went while nobody looked */
	acg_manager_free(manager);
	kill(runs, SIGKILL);
	waitpid(runs, NULL, 0);
	manager = manager_on(mount.path, run_dir);
	call = acg_agent_call(agent_a(manager), "runs");
	while (call->state != ACG_CALL_ENDED)
		g_main_context_iteration(NULL, TRUE); /* its timer */
	assert_int_equal(lines_of(manager, true), 3);
	assert_int_equal(acg_manager_agent_remove(manager, agent_a(manager), NULL), 0);
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

static uint64_t weight_of(const struct cgroup_mount *mount, const char *file)
{
	uint64_t value = 0;

	acg_cgroup_read_u64(mount->dirfd, file, &value, NULL);
	return value;
}

/* What is not as it ought to be is put right: at once, or where callers wait in the main loop. Without a cpu controller none is. */
static void limits_are_read_back(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	pid_t runs = daemon_that_is_killed(&mount, run_dir);
	uint64_t agents = weight_of(&mount, "a/cpu.weight"),
		 calls = weight_of(&mount, "a/call-runs/cpu.weight");
	struct acg_manager *manager;

	(void)state;
	for (unsigned int awaited = 0; awaited < 2; awaited++) {
		acg_cgroup_write(mount.dirfd, "a/cpu.weight", "7", NULL);
		acg_cgroup_write(mount.dirfd, "a/call-runs/cpu.weight", "8", NULL);
		manager = manager_for(mount.path, run_dir, (struct acg_last){0}, awaited);
		if (awaited && agents) {
			assert_int_equal(weight_of(&mount, "a/cpu.weight"), 7);
			assert_int_equal(weight_of(&mount, "a/call-runs/cpu.weight"), 8);
		}
		while (weight_of(&mount, "a/cpu.weight") != agents)
			g_main_context_iteration(NULL, TRUE);
		assert_int_equal(weight_of(&mount, "a/call-runs/cpu.weight"), calls);
		acg_manager_free(manager);
	}
	kill(runs, SIGKILL);
	waitpid(runs, NULL, 0);
	acg_cgroup_remove(mount.dirfd, "a", NULL);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

/* Those that ended before are found when somebody asks for one, in their places beside those that have ended since. */
static void ended_calls_are_found_when_asked_for(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	pid_t runs = daemon_that_is_killed(&mount, run_dir);
	struct acg_manager *manager =
		manager_for(mount.path, run_dir, (struct acg_last){0}, true);
	struct acg_agent *agent = agent_a(manager);
	const struct acg_call *last;
	uint64_t over;

	(void)state;
	kill(runs, SIGKILL);
	waitpid(runs, NULL, 0);
	acg_manager_end(manager, g_hash_table_lookup(agent->calls, "runs"), 0, 0, NULL);
	acg_manager_end(manager, begin(manager, agent, NULL, 0), 0, 0, NULL);
	assert_int_equal(g_hash_table_size(acg_agent_calls(agent)), 3);
	last = g_queue_peek_head(&agent->ended);
	assert_string_equal(last->id, "over");
	assert_int_equal(acg_agent_call(agent, "over")->exit, 7);
	over = last->node.id;
	assert_int_equal(acg_manager_agent_remove(manager, agent, NULL), 0);
	assert_null(acg_registry_find(acg_manager_registry(manager), over));
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

/* A daemon that was killed within a begin and a mkdir leaves what is neither there nor gone. */
static void what_is_half_done_is_finished_or_undone(void **state)
{
	static const char half[] = "{\"v\":1,\"request\":77,\"request_step\":1,\"ordinal\":5,\"command\":\"x\"}";
	const struct acg_last last = {.request = 77, .steps = 1};
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	struct acg_manager *manager;
	struct acg_agent *agent;
	struct acg_call *call;
	pid_t child, other;
	int fd;

	(void)state;
	tmp_mkdir(mount.path, "a");
	tmp_mkdir(mount.path, "a/self");
	tmp_mkdir(mount.path, "a/call-empty");
	tmp_mkdir(mount.path, "a/call-moved");
	tmp_mkdir(mount.path, "half");
	tmp_mkdir(mount.path, "trimmed");
	tmp_mkdir(mount.path, "trimmed/call-x");
	for (unsigned int i = 0; i < 4; i++) {
		static const char *const of[] = {"a/call-empty", "a/call-moved", "half", "trimmed"};

		fd = openat(mount.dirfd, of[i], O_RDONLY | O_DIRECTORY);
		assert_int_equal(acg_state_put(fd, i < 3 ? half : "{\"v\":1}", NULL), 0);
		close(fd);
	}
	child = cgroup_mount_start(&mount, "a/call-moved");
	other = cgroup_mount_start(&mount, "trimmed/call-x");
	manager = manager_after(mount.path, run_dir, last);
	assert_int_not_equal(faccessat(mount.dirfd, "half", F_OK, 0), 0);
	agent = acg_registry_agent(acg_manager_registry(manager), NULL, "trimmed");
	assert_non_null(agent); /* though somebody removed its empty self */
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	acg_manager_end(manager, acg_agent_call(agent, "x"), 0, 0, NULL);
	assert_int_equal(acg_manager_agent_remove(manager, agent, NULL), 0);
	assert_null(acg_agent_call(agent_a(manager), "empty"));
	call = acg_agent_call(agent_a(manager), "moved");
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_string_equal(call->command, "x");
	assert_int_equal(agent_a(manager)->counters.begun, 5);
	assert_int_equal(lines_of(manager, false), 2); /* its begin; and four calls' history is gone */
	assert_int_equal(lines_of(manager, true), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(acg_manager_end(manager, call, 0, 0, NULL), 0);
	assert_int_equal(acg_manager_agent_remove(manager, agent_a(manager), NULL), 0); /* empty too */
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

/* It answers, and is killed before it does the rest. */
static void answer_and_die(const struct cgroup_mount *mount, const char *run_dir, bool ends)
{
	struct acg_agent *agent;
	struct acg_call *call;
	struct acg_manager *manager;
	pid_t daemon = fork();

	if (daemon == 0) {
		manager = manager_on(mount->path, run_dir);
		acg_manager_defer(manager);
		acg_manager_agent_add(manager, NULL, "a", NULL, NULL, 0, &agent, NULL);
		call = begin(manager, agent, "x", 0);
		if (ends)
			acg_manager_end(manager, call, 7, 0, NULL);
		kill(getpid(), SIGKILL);
	}
	waitpid(daemon, NULL, 0);
}

static unsigned int count(struct acg_manager *manager, const char *what)
{
	g_autoptr(GString) text = g_string_new(NULL);
	unsigned int n = 0;

	acg_eventlog_dump(acg_manager_eventlog(manager, agent_a(manager)), text);
	for (const char *at = text->str; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* What was answered counts: a call that nobody was in yet is there, and one that was ended has its end, each said once. */
static void what_was_answered_is_done(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	struct acg_manager *manager;
	struct acg_call *call;

	(void)state;
	answer_and_die(&mount, run_dir, false);
	manager = manager_after(mount.path, run_dir,
				(struct acg_last){.request = 42, .steps = 4, .finished = true});
	call = acg_agent_call(agent_a(manager), "x");
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal(count(manager, "\"begin\""), 1);
	assert_int_equal(agent_a(manager)->counters.begun, 1);
	assert_int_equal(acg_manager_end(manager, call, 0, 0, NULL), 0);
	assert_int_equal(acg_manager_agent_remove(manager, agent_a(manager), NULL), 0);
	acg_manager_free(manager);

	answer_and_die(&mount, run_dir, true);
	manager = manager_after(mount.path, run_dir,
				(struct acg_last){.request = 43, .steps = 1, .finished = true});
	call = acg_agent_call(agent_a(manager), "x");
	assert_int_equal(call->state, ACG_CALL_ENDED);
	assert_int_equal(call->exit, 7);
	assert_int_equal(count(manager, "\"end\""), 1);
	assert_int_equal(lines_of(manager, true), 1);
	assert_int_equal(acg_manager_agent_remove(manager, agent_a(manager), NULL), 0);
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

/* Of a version that is not ours: served, never written over. */
static void an_unknown_attribute_stays_as_it_is(void **state)
{
	static const char foreign[] = "{\"v\":99,\"command\":\"x\"}";
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new(), *text;
	struct acg_manager *manager;
	int fd;

	(void)state;
	tmp_mkdir(mount.path, "a");
	tmp_mkdir(mount.path, "a/self");
	fd = openat(mount.dirfd, "a", O_RDONLY | O_DIRECTORY);
	assert_int_equal(acg_state_put(fd, foreign, NULL), 0);
	manager = manager_on(mount.path, run_dir);
	begin(manager, agent_a(manager), "x", 0);
	acg_manager_end(manager, acg_agent_call(agent_a(manager), "x"), 0, 0, NULL);
	text = acg_state_get(fd, NULL);
	assert_string_equal(text, foreign);
	g_free(text);
	close(fd);
	assert_int_equal(acg_manager_agent_remove(manager, agent_a(manager), NULL), 0);
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

static void an_adopted_cgroup_is_found_and_given_back(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new(), box = cgroup_mount_new();
	char *run_dir = tmp_new();
	struct acg_manager *manager = manager_on(mount.path, run_dir);
	struct acg_agent *agent;

	(void)state;
	assert_int_equal(acg_manager_adopt(manager, "a", NULL, box.within, &agent, NULL), 0);
	acg_manager_free(manager);
	manager = manager_on(mount.path, run_dir);
	agent = agent_a(manager);
	assert_non_null(agent);
	assert_string_equal(agent->adopted, box.within);
	assert_int_equal(acg_manager_agent_remove(manager, agent, NULL), 0);
	assert_int_not_equal(faccessat(box.dirfd, "self", F_OK, 0), 0);
	acg_manager_free(manager);
	cgroup_mount_free(&box);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

static void nothing_there_is_nothing_found(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	struct acg_manager *manager = manager_on(mount.path, run_dir);

	(void)state;
	assert_int_equal(acg_manager_registry(manager)->n_agents, 0);
	acg_manager_free(manager);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

/* An adopted cgroup is on the list of those: what is kept of the agent says nothing about it, and changes nothing. */
static void an_adopted_path_stays(void **state)
{
	struct acg_registry *registry = acg_registry_new();
	struct acg_agent *before = acg_registry_add_agent(registry, NULL, "before");
	struct acg_agent *after = acg_registry_add_agent(registry, NULL, "after");
	struct acg_policy *policy = acg_policy_new_default();
	struct acg_engine *engine = acg_engine_new(policy);
	g_autofree char *text = NULL;
	uint64_t events;

	(void)state;
	acg_registry_adopt(registry, before, "/machine/before");
	before->next_id = 7;
	text = acg_state_agent(before, 0);
	acg_registry_adopt(registry, after, "/machine/after");
	assert_int_equal(acg_state_read_agent(text, engine, after, &events, NULL), 0);
	assert_int_equal(after->next_id, 7);
	assert_string_equal(after->adopted, "/machine/after");
	acg_registry_free(registry);
	acg_engine_free(engine);
	acg_policy_unref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_found),
		cmocka_unit_test(a_killed_daemons_successor_goes_on),
		cmocka_unit_test(limits_are_read_back),
		cmocka_unit_test(ended_calls_are_found_when_asked_for),
		cmocka_unit_test(what_is_half_done_is_finished_or_undone),
		cmocka_unit_test(what_was_answered_is_done),
		cmocka_unit_test(an_unknown_attribute_stays_as_it_is),
		cmocka_unit_test(an_adopted_cgroup_is_found_and_given_back),
		cmocka_unit_test(nothing_there_is_nothing_found),
		cmocka_unit_test(an_adopted_path_stays),
	};

	return cgroup_mount_there() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}

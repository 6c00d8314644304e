/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart, on the machine's own cgroup2 hierarchy: a manager that finds agents, calls and sub-agents goes on with them, ends
 * what is empty, and leaves alone what is not ours.
 */
#include "tests/unit/cgroup_mount.h"
#include "tests/unit/tmp_tree.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "policy/manager.h"

static struct acg_manager *manager_on(const char *root, const char *run_dir)
{
	struct acg_manager_options options = {.run_dir = run_dir, .enforcers = g_ptr_array_new()};
	struct acg_policy *policy = acg_policy_new_default();
	struct acg_manager *manager = NULL;
	g_autoptr(GError) error = NULL;
	struct acg_enforcer *enforcer = acg_enforcer_cgroup_new(root, &error);

	if (!enforcer)
		fail_msg("%s", error->message);
	g_ptr_array_add(options.enforcers, enforcer);
	assert_int_equal(acg_manager_new(&options, policy, &manager, NULL), 0);
	acg_policy_unref(policy);
	return manager;
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
	acg_manager_free(manager); /* with it all that its thread has to remove */
	assert_int_not_equal(faccessat(mount.dirfd, "a/call-runs", F_OK, 0), 0);
	assert_int_equal(faccessat(mount.dirfd, "a/strange", F_OK, 0), 0);
	assert_int_equal(faccessat(mount.dirfd, "stranger/child", F_OK, 0), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "stranger", NULL), 0);
	cgroup_mount_free(&mount);
	tmp_free(run_dir);
}

static void an_empty_call_ends_after_its_grace(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	char *run_dir = tmp_new();
	struct acg_manager *manager;
	struct acg_call *call;

	(void)state;
	tmp_mkdir(mount.path, "a");
	tmp_mkdir(mount.path, "a/self");
	tmp_mkdir(mount.path, "a/call-empty");
	manager = manager_on(mount.path, run_dir);
	call = acg_agent_call(acg_registry_agent(acg_manager_registry(manager), NULL, "a"),
			      "empty");
	assert_non_null(call);
	while (call->state != ACG_CALL_ENDED)
		g_main_context_iteration(NULL, TRUE); /* its timer */
	acg_manager_free(manager);
	assert_int_not_equal(faccessat(mount.dirfd, "a/call-empty", F_OK, 0), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_found),
		cmocka_unit_test(an_empty_call_ends_after_its_grace),
		cmocka_unit_test(nothing_there_is_nothing_found),
	};

	return cgroup_mount_there() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}

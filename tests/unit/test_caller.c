/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is asking: cgroup paths to nodes, and this test's own processes, threads and pid namespaces as the kernel shows them. */
#include "tests/unit/cgroup_mount.h"

#include <linux/sched.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fusefs/caller.h"
#include "policy/enforcer.h"

struct world {
	struct acg_registry *registry;
	struct acg_agent *a, *sub;
	struct acg_call *call, *ended;
	struct acg_group group; /* of the call that is alive */
};

static void world_init(struct world *world)
{
	*world = (struct world){.registry = acg_registry_new(), .group.dirfd = -1};
	world->a = acg_registry_add_agent(world->registry, NULL, "a");
	world->sub = acg_registry_add_agent(world->registry, world->a, "sub");
	world->call = acg_registry_add_call(world->registry, world->a, "x");
	world->ended = acg_registry_add_call(world->registry, world->a, "gone");
	world->call->node.group = &world->group;
}

static void world_free(struct world *world)
{
	world->call->node.group = NULL;
	acg_registry_free(world->registry);
}

static void paths_to_nodes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	const struct {
		const char *root, *path;
		struct acg_node *node;
	} table[] = {
		{"/agentcg", "/agentcg/a/self\n", &w.a->self},
		{"/agentcg", "/agentcg/a/call-x\n", &w.call->node},
		{"/agentcg", "/agentcg/a/call-x/deeper/still", &w.call->node},
		{"/agentcg", "/agentcg/a/agent-sub/self", &w.sub->self},
		{"/agentcg", "/agentcg/a/agent-sub/call-x", &w.sub->self}, /* not there: its own */
		{"/agentcg", "/agentcg/a/call-gone", &w.a->self},
		{"/agentcg", "/agentcg/a/call-never", &w.a->self},
		{"/agentcg", "/agentcg/a", &w.a->self},
		{"/agentcg", "/agentcg/a/made-by-it/self", &w.a->self},
		{"/agentcg", "/agentcg/b/self", NULL},
		{"/agentcg", "/agentcg", NULL},
		{"/agentcg", "/agentcgx/a/self", NULL},
		{"/agentcg", "/other/agentcg/a/self", NULL},
		{"/agentcg", "/", NULL},
		{"/agentcg", "", NULL},
		{"/", "/a/self", &w.a->self},
		{"/top/agentcg", "/top/agentcg/a/self", &w.a->self},
		{"/top/agentcg", "/agentcg/a/self", NULL},
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++)
		if (acg_caller_node_of_path(w.registry, table[i].root, table[i].path) !=
		    table[i].node)
			fail_msg("%s below %s", table[i].path, table[i].root);
	world_free(&w);
}

/* Nothing of a part is lost however long it is, and one that no cgroup can have ends the walk. */
static void parts_of_any_length(void **state)
{
	g_autofree char *name = g_strnfill(300, 'a');
	g_autofree char *path = g_strconcat("/agentcg/", name, "/self", NULL);
	g_autofree char *below = g_strconcat("/agentcg/a/", name, "/call-x", NULL);
	struct world w;

	(void)state;
	world_init(&w);
	assert_null(acg_caller_node_of_path(w.registry, "/agentcg", path));
	assert_ptr_equal(acg_caller_node_of_path(w.registry, "/agentcg", below), &w.a->self);
	world_free(&w);
}

static void this_process(void **state)
{
	struct acg_pidfd *by_pidfd = acg_pidfd_new();
	struct acg_caller caller;
	struct world w;
	pid_t pid = 0;

	(void)state;
	world_init(&w);
	assert_int_equal(acg_caller_resolve(w.registry, "/agentcg", NULL, getpid(), 0, 0, &caller, NULL),
			 0);
	assert_null(caller.node);
	if (by_pidfd)
		assert_int_equal(acg_caller_resolve(w.registry, "/agentcg", by_pidfd, getpid(), 0, 0,
						    &caller, NULL),
				 0);
	assert_int_equal(acg_caller_identify(&caller, NULL), 0);
	assert_null(caller.node);
	assert_int_equal(caller.tgid, getpid());
	assert_int_equal(caller.threads, 1);
	assert_false(caller.ns_init);
	assert_true(acg_caller_is_operator(&caller));
	caller.uid = 1;
	assert_false(acg_caller_is_operator(&caller));
	assert_int_equal(acg_caller_pid(&caller, 0, -1, &pid, NULL), 0);
	assert_int_equal(pid, getpid()); /* 0 is oneself */
	assert_int_equal(acg_process_uid(getpid()), getuid());
	acg_pidfd_free(by_pidfd);
	world_free(&w);
}

static void nobody(void **state)
{
	struct acg_caller caller;
	struct acg_node *node;
	g_autoptr(GError) error = NULL;
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(acg_caller_resolve(w.registry, "/agentcg", NULL, 0, 0, 0, &caller, &error),
			 -ESRCH); /* not visible to us: never taken for somebody */
	assert_non_null(error);
	assert_int_equal(
		acg_caller_resolve(w.registry, "/agentcg", NULL, INT32_MAX, 0, 0, &caller, NULL), -ESRCH);
	assert_int_equal(acg_process_node(w.registry, "/agentcg", NULL, INT32_MAX, &node, NULL), -ESRCH);
	assert_int_equal(acg_process_uid(INT32_MAX), (uid_t)-1);
	world_free(&w);
}

static void *wait_for_end(void *data)
{
	char byte;

	return read(*(int *)data, &byte, 1) < 0 ? data : NULL;
}

static void threads_are_counted(void **state)
{
	struct acg_caller caller = {0};
	struct world w;
	pthread_t thread;
	int ends[2];

	(void)state;
	world_init(&w);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &ends[0]), 0);
	assert_int_equal(acg_caller_resolve(w.registry, "/agentcg", NULL, syscall(SYS_gettid), 0, 0,
					    &caller, NULL),
			 0);
	assert_int_equal(acg_caller_identify(&caller, NULL), 0);
	assert_int_equal(caller.threads, 2);
	close(ends[1]);
	pthread_join(thread, NULL);
	close(ends[0]);
	world_free(&w);
}

/* A child with this very pid (0: any), which waits. 0: somebody else has it. */
static pid_t start_as(pid_t pid)
{
	struct clone_args args = {.exit_signal = SIGCHLD,
				  .set_tid = pid ? (uintptr_t)&pid : 0,
				  .set_tid_size = pid ? 1 : 0};
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return MAX(child, 0);
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Its pidfd is kept, but it is looked for anew each time, and a pid that is another's by now is not taken for the one before. */
static void where_a_process_is_now(void **state)
{
	struct acg_pidfd *by_pidfd = cgroup_mount_there() ? acg_pidfd_new() : NULL;
	struct acg_node *node = NULL;
	struct cgroup_mount mount;
	struct stat st;
	struct world w;
	pid_t child, second;

	(void)state;
	if (!by_pidfd)
		skip();
	world_init(&w);
	mount = cgroup_mount_new();
	assert_int_equal(fstat(mount.dirfd, &st), 0);
	acg_registry_set_id(w.registry, &w.call->node, st.st_ino);
	child = start_as(0);
	assert_true(child > 0);
	assert_int_equal(acg_process_node(w.registry, "/agentcg", by_pidfd, child, &node, NULL), 0);
	assert_null(node);
	assert_int_equal(acg_cgroup_write_u64(mount.dirfd, "cgroup.procs", child, NULL), 0);
	assert_int_equal(acg_process_node(w.registry, "/agentcg", by_pidfd, child, &node, NULL), 0);
	assert_ptr_equal(node, &w.call->node);
	end_child(child);
	assert_int_equal(acg_process_node(w.registry, "/agentcg", by_pidfd, child, &node, NULL),
			 -ESRCH);
	second = start_as(child);
	if (second) {
		assert_int_equal(
			acg_process_node(w.registry, "/agentcg", by_pidfd, child, &node, NULL), 0);
		assert_null(node);
		end_child(second);
	}
	acg_pidfd_free(by_pidfd);
	world_free(&w);
	cgroup_mount_free(&mount);
}

/* A pid namespace of one process, of which the test sees the outside; 0: none can be made here. */
static pid_t start_namespace(const int ends[2])
{
	pid_t child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, 0);
	char byte;

	if (child == 0) {
		close(ends[1]); /* of which only the test has the other end: it closes it, or is gone */
		_exit(read(ends[0], &byte, 1) < 0);
	}
	return child > 0 ? child : 0;
}

static void pids_in_another_namespace(void **state)
{
	struct acg_caller caller;
	struct world w;
	int ends[2], ns;
	pid_t child, pid = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = start_namespace(ends);
	if (!child)
		skip(); /* a build without privileges; the guests have them */
	world_init(&w);
	assert_int_equal(acg_caller_resolve(w.registry, "/agentcg", NULL, child, 0, 0, &caller, NULL), 0);
	assert_int_equal(acg_caller_identify(&caller, NULL), 0);
	assert_int_equal(caller.tgid, child);
	assert_true(caller.ns_init);
	assert_true(caller.pid_ns_level >= 2);
	ns = acg_caller_open_pid_ns(child);
	assert_true(ns >= 0);
	assert_int_equal(acg_caller_pid_seen(&caller, ns, child), 1);
	assert_int_equal(acg_caller_pid_seen(&caller, ns, getpid()), 0); /* outside of it */
	assert_int_equal(acg_caller_pid(&caller, 0, -1, &pid, NULL), 0);
	assert_int_equal(pid, child);
	assert_int_equal(acg_caller_pid(&caller, 77, -1, &pid, NULL), -ESRCH);
	close(ns);
	close(ends[1]);
	waitpid(child, NULL, 0);
	close(ends[0]);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_to_nodes),
		cmocka_unit_test(parts_of_any_length),
		cmocka_unit_test(this_process),
		cmocka_unit_test(nobody),
		cmocka_unit_test(threads_are_counted),
		cmocka_unit_test(where_a_process_is_now),
		cmocka_unit_test(pids_in_another_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Node ids: where they lead, and that they lead nowhere once the cgroup is gone. */
#include "tests/unit/tmp_tree.h"

#include "fusefs/inode.h"
#include "policy/enforcer.h"

struct tree {
	struct acg_registry *registry;
	struct acg_agent *agent, *sub;
	struct acg_call *call;
	struct acg_group group; /* the agent's, with a folder that has a few kernel files */
	char *dir;
};

static struct tree tree_new(void)
{
	struct tree tree = {.registry = acg_registry_new(), .dir = tmp_new()};

	tree.agent = acg_registry_add_agent(tree.registry, NULL, "a");
	tree.sub = acg_registry_add_agent(tree.registry, tree.agent, "sub");
	tree.call = acg_registry_add_call(tree.registry, tree.agent, "c1");
	tree.call->state = ACG_CALL_RUNNING;
	acg_registry_set_id(tree.registry, &tree.agent->node, 100);
	acg_registry_set_id(tree.registry, &tree.sub->node, 200);
	acg_registry_set_id(tree.registry, &tree.call->node, 300);
	tmp_write(tree.dir, "cgroup.procs", "");
	tmp_write(tree.dir, "memory.current", "0\n");
	tree.group.dirfd = tmp_open(tree.dir);
	return tree;
}

static void tree_free(struct tree *tree)
{
	tree->agent->node.group = NULL;
	acg_registry_free(tree->registry);
	close(tree->group.dirfd);
	tmp_free(tree->dir);
}

static struct acg_place place_of(const struct tree *tree, uint64_t ino)
{
	struct acg_place place;

	assert_int_equal(acg_inode_place(tree->registry, ino, &place), 0);
	return place;
}

/* The node id at a path below the root; 0: there is none. */
static uint64_t walk(const struct tree *tree, const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	uint64_t ino = ACG_INDEX_DIR;

	for (char **part = parts; *part; part++) {
		struct acg_place place = place_of(tree, ino);

		if (acg_inode_lookup(tree->registry, &place, *part, &ino) < 0)
			return 0;
	}
	return ino;
}

static void paths_there_and_back(void **state)
{
	struct tree tree = tree_new();
	static const struct {
		const char *path;
		uint64_t ino;
	} table[] = {
		{"agents", ACG_INDEX_AGENTS},
		{"status", 18},
		{"agents/a", 100 << 8 | ACG_INDEX_DIR},
		{"agents/a/calls", 100 << 8 | ACG_INDEX_CALLS},
		{"agents/a/call", 100 << 8 | 26},
		{"agents/a/agents/sub", 200 << 8 | ACG_INDEX_DIR},
		{"agents/a/calls/c1", 300 << 8 | ACG_INDEX_DIR},
		{"agents/a/calls/c1/state", 300 << 8 | 33},
		/* not there */
		{"call", 0},
		{"calls", 0},
		{"agents/b", 0},
		{"agents/a/policy", 0},
		{"agents/a/calls/c2", 0},
		{"agents/a/calls/c1/call", 0},
		{"agents/a/calls/c1/agents", 0},
		{"agents/sub", 0},
		{"memory.current", 0},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		assert_int_equal(walk(&tree, table[i].path), table[i].ino);
		if (table[i].ino)
			assert_int_equal(place_of(&tree, table[i].ino).index,
					 table[i].ino & 0xff);
	}
	assert_ptr_equal(place_of(&tree, 300 << 8 | 33).call, tree.call);
	assert_ptr_equal(place_of(&tree, 300 << 8 | 33).agent, tree.agent);
	tree_free(&tree);
}

static void kernel_files_as_far_as_the_cgroup_has_them(void **state)
{
	struct tree tree = tree_new();

	(void)state;
	assert_int_equal(walk(&tree, "agents/a/memory.current"), 0); /* no cgroup yet */
	tree.agent->node.group = &tree.group;
	assert_int_not_equal(walk(&tree, "agents/a/memory.current"), 0);
	assert_int_not_equal(walk(&tree, "agents/a/cgroup.procs"), 0);
	assert_int_equal(walk(&tree, "agents/a/memory.peak"), 0);
	assert_int_equal(walk(&tree, "agents/a/calls/c1/memory.current"), 0);
	tree_free(&tree);
}

static void ids_that_lead_nowhere(void **state)
{
	struct tree tree = tree_new();
	static const uint64_t inos[] = {
		ACG_INDEX_CALLS,               /* of the root */
		26,                            /* call, of the root */
		200,                           /* no such row */
		100 << 8 | 19,                 /* policy, of an agent */
		300 << 8 | ACG_INDEX_AGENTS,   /* agents, of a call */
		300 << 8 | ACG_INDEX_CALLS,    /* calls, of a call */
		999 << 8 | ACG_INDEX_DIR,      /* no such cgroup */
	};
	struct acg_place place = {.index = 77};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(inos); i++)
		assert_int_equal(acg_inode_place(tree.registry, inos[i], &place), -ENOENT);
	assert_int_equal(place.index, 77);
	acg_registry_remove_call(tree.registry, tree.call);
	assert_int_equal(acg_inode_place(tree.registry, 300 << 8 | ACG_INDEX_DIR, &place), -ENOENT);
	tree_free(&tree);
}

static void nothing_shows_before_it_is_made(void **state)
{
	struct tree tree = tree_new();
	struct acg_place file = place_of(&tree, 18);
	uint64_t ino;

	(void)state;
	tree.call->state = ACG_CALL_STARTING;
	assert_int_equal(walk(&tree, "agents/a/calls/c1"), 0);
	acg_registry_add_agent(tree.registry, NULL, "b"); /* has no id yet */
	assert_int_equal(walk(&tree, "agents/b"), 0);
	assert_int_equal(acg_inode_lookup(tree.registry, &file, "x", &ino), -ENOTDIR);
	tree_free(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_there_and_back),
		cmocka_unit_test(kernel_files_as_far_as_the_cgroup_has_them),
		cmocka_unit_test(ids_that_lead_nowhere),
		cmocka_unit_test(nothing_shows_before_it_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry: names, look-ups, and that nothing is left when things go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "policy/registry.h"

static void names(void **state)
{
	static const struct {
		const char *name;
		int ret;
	} table[] = {
		{"a", 0},
		{"c1", 0},
		{"A.b_c:d-9", 0},
		{"-", 0},
		{"1234567890123456789012345678901234567890123456789012345678901234", 0},
		{"12345678901234567890123456789012345678901234567890123456789012345", -EINVAL},
		{"", -EINVAL},
		{".hidden", -EINVAL},
		{"..", -EINVAL},
		{"a/b", -EINVAL},
		{"a b", -EINVAL},
		{"caf\xc3\xa9", -EINVAL},
		{"a\n", -EINVAL},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autoptr(GError) error = NULL;

		assert_int_equal(acg_name_check(table[i].name, &error), table[i].ret);
		assert_int_equal(error != NULL, table[i].ret != 0);
	}
}

static void look_ups(void **state)
{
	struct acg_registry *registry = acg_registry_new();
	struct acg_agent *top = acg_registry_add_agent(registry, NULL, "top");
	struct acg_agent *sub = acg_registry_add_agent(registry, top, "sub");
	struct acg_call *call = acg_registry_add_call(registry, sub, "c1");
	g_autofree char *path = acg_agent_path(sub);

	(void)state;
	acg_registry_set_id(registry, &call->node, 77);
	assert_ptr_equal(acg_registry_node(registry, 77), &call->node);
	assert_ptr_equal(acg_node_call(acg_registry_node(registry, 77)), call);
	assert_null(acg_registry_node(registry, 78));
	assert_null(acg_node_call(&sub->node));
	assert_ptr_equal(acg_registry_agent(registry, NULL, "top"), top);
	assert_ptr_equal(acg_registry_agent(registry, top, "sub"), sub);
	assert_null(acg_registry_agent(registry, NULL, "sub"));
	assert_ptr_equal(acg_agent_call(sub, "c1"), call);
	assert_string_equal(path, "top/sub");
	assert_true(acg_agent_within(sub, top));
	assert_false(acg_agent_within(top, sub));
	acg_registry_free(registry);
}

static void nothing_is_left(void **state)
{
	struct acg_registry *registry = acg_registry_new();
	struct acg_agent *top = acg_registry_add_agent(registry, NULL, "top");
	struct acg_agent *sub = acg_registry_add_agent(registry, top, "sub");
	struct acg_call *call = acg_registry_add_call(registry, sub, "c1");

	(void)state;
	acg_registry_set_id(registry, &top->node, 1);
	acg_registry_set_id(registry, &sub->node, 2);
	acg_registry_set_id(registry, &call->node, 3);
	assert_int_equal(registry->n_alive, 1);
	assert_int_equal(registry->n_agents, 2);
	acg_registry_remove_agent(registry, top);
	assert_int_equal(registry->n_alive, 0);
	assert_int_equal(registry->n_agents, 0);
	assert_int_equal(g_hash_table_size(registry->nodes), 0);
	acg_registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(look_ups),
		cmocka_unit_test(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

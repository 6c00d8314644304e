/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what operators write to `policy`. A policy that is refused says why, line by line, and leaves nothing behind; one that
 * is taken answers every question that the engine asks it.
 */
#include <stdint.h>
#include <string.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct acg_policy *policy)
{
	g_autofree char *kept = acg_policy_kept_command(policy, "pytest -q tests");

	g_assert_nonnull(acg_policy_agent(policy, "agent-1", NULL, NULL));
	g_assert_nonnull(acg_policy_agent(policy, "a.b:c_d", "team", "nobody"));
	acg_policy_command(policy, "pytest -q tests");
	acg_policy_command(policy, "");
	acg_policy_user(policy, 65534);
	g_assert_cmpint(policy->ladder.low_percent, <, policy->ladder.high_percent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;
	int rc = acg_policy_load_text(text, "fuzz", &policy, &error);

	if (rc < 0) {
		g_assert_null(policy);
		g_assert_nonnull(error);
		g_assert_cmpint(error->code, ==, -rc);
		g_assert_true(g_str_has_prefix(error->message, "fuzz"));
		return 0;
	}
	g_assert_null(error);
	ask(policy);
	acg_policy_unref(policy);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy as an object: its life, and the questions that it answers. What is in it comes from policy_load.c. */
#include "policy/policy.h"

#include <string.h>

#include "policy/policy_private.h"

static void agent_rule_clear(struct acg_agent_rule *rule)
{
	g_free(rule->match);
	g_free(rule->namespace);
	g_free(rule->user);
}

static void auto_rule_clear(struct acg_auto_rule *rule)
{
	g_free(rule->run);
	g_free(rule->command);
	g_free(rule->parent);
	g_clear_pointer(&rule->run_regex, g_regex_unref);
	g_clear_pointer(&rule->command_regex, g_regex_unref);
	g_clear_pointer(&rule->parent_regex, g_regex_unref);
}

static void policy_free(struct acg_policy *policy)
{
	for (unsigned int i = 0; i < policy->n_agents; i++)
		agent_rule_clear(&policy->agents[i]);
	for (unsigned int i = 0; i < policy->n_rules; i++) {
		g_free(policy->rules[i].match);
		g_free(policy->rules[i].class);
		g_clear_pointer(&policy->rules[i].regex, g_regex_unref);
	}
	for (unsigned int i = 0; i < policy->n_autos; i++)
		auto_rule_clear(&policy->autos[i]);
	for (unsigned int i = 0; i < policy->n_users; i++) {
		g_free(policy->users[i].user);
		g_free(policy->users[i].match);
	}
	agent_rule_clear(&policy->fallback);
	g_free(policy->agents);
	g_free(policy->rules);
	g_free(policy->autos);
	g_free(policy->users);
	g_free(policy->root);
	g_free(policy->text);
	g_free(policy);
}

struct acg_policy *acg_policy_ref(struct acg_policy *policy)
{
	g_atomic_int_inc(&policy->ref_count);
	return policy;
}

void acg_policy_unref(struct acg_policy *policy)
{
	if (policy && g_atomic_int_dec_and_test(&policy->ref_count))
		policy_free(policy);
}

const struct acg_agent_rule acg_agent_rule_unlimited = {
	.priority = ACG_PRIORITY_NORMAL,
	.budget = {.memory = ACG_MAX,
		   .swap = ACG_MAX,
		   .cpu_max = ACG_MAX,
		   .cpu_weight = 100,
		   .pids = ACG_MAX,
		   .calls = 10000,
		   .agents = 100},
	.caps = {.memory = ACG_MAX,
		 .swap = ACG_MAX,
		 .cpu_max = ACG_MAX,
		 .pids = ACG_MAX,
		 .timeout = ACG_MAX},
	.self = {.grant = ACG_MAX},
};

/*
 * Defaults of the ladder. The PSI trigger is the one of Documentation/accounting/psi.rst (150 ms in a second); the rest says
 * that a person waits some seconds before he gives up on a thing, and a call should not be killed faster than that.
 */
static const struct acg_ladder default_ladder = {
	.kill = true,
	.psi_stall = 150 * 1000,
	.psi_window = G_USEC_PER_SEC,
	.high_percent = 90,
	.low_percent = 75,
	.calm = 2 * G_USEC_PER_SEC,
	.throttle_max = 3 * G_USEC_PER_SEC,
	.freeze_max = 5 * G_USEC_PER_SEC,
	.freeze_percent = 50,
	.kill_after = 15 * G_USEC_PER_SEC,
	.stall_max = 20 * G_USEC_PER_SEC,
	.term_grace = 5 * G_USEC_PER_SEC,
	.delay_max_ms = 100,
	.min_progress = 1 << 20,
};

static const char default_text[] =
	"# No policy file was given: calls are grouped and measured, and nothing is limited.\n"
	"memory = { low = \"256M\"; medium = \"1G\"; };\n"
	"ladder = { enabled = false; };\n";

struct acg_policy *acg_policy_new_blank(void)
{
	struct acg_policy *policy = g_new0(struct acg_policy, 1);

	policy->ref_count = 1;
	policy->root = g_strdup(ACG_CGROUP_ROOT);
	policy->memory_low = 256ull << 20;
	policy->memory_medium = 1ull << 30;
	policy->history_max = 1ull << 20;
	policy->ladder = default_ladder;
	policy->adapt = (struct acg_adapting){.ahead = G_USEC_PER_SEC / 2, .retries = 3};
	policy->fallback = acg_agent_rule_unlimited;
	policy->fallback.match = g_strdup("*");
	return policy;
}

struct acg_policy *acg_policy_new_default(void)
{
	struct acg_policy *policy = acg_policy_new_blank();

	policy->text = g_strdup(default_text);
	return policy;
}

bool acg_policy_wants(const struct acg_policy *policy, enum acg_switch which)
{
	if (which != ACG_SWITCH_AUTO)
		return which == ACG_SWITCH_ON;
	return policy->n_agents || policy->n_users;
}

const struct acg_agent_rule *acg_policy_agent(const struct acg_policy *policy, const char *name,
					      const char *namespace, const char *user)
{
	for (unsigned int i = 0; i < policy->n_agents; i++) {
		const struct acg_agent_rule *rule = &policy->agents[i];

		if (!g_pattern_match_simple(rule->match, name))
			continue;
		if (rule->namespace &&
		    !(namespace && g_pattern_match_simple(rule->namespace, namespace)))
			continue;
		if (rule->user && g_strcmp0(rule->user, user) != 0)
			continue;
		return rule;
	}
	return &policy->fallback;
}

const struct acg_command_rule *acg_policy_command(const struct acg_policy *policy,
						  const char *command)
{
	for (unsigned int i = 0; i < policy->n_rules; i++)
		if (g_regex_match(policy->rules[i].regex, command, 0, NULL))
			return &policy->rules[i];
	return NULL;
}

static bool fits(const GRegex *regex, const char *text)
{
	return !regex || g_regex_match(regex, text, 0, NULL);
}

const struct acg_auto_rule *acg_policy_auto(const struct acg_policy *policy, const char *run,
					    const char *written, const char *parent)
{
	for (unsigned int i = 0; i < policy->n_autos; i++) {
		const struct acg_auto_rule *rule = &policy->autos[i];

		if (fits(rule->run_regex, run) && fits(rule->command_regex, written) &&
		    fits(rule->parent_regex, parent))
			return rule;
	}
	return NULL;
}

const struct acg_user_rule *acg_policy_user(const struct acg_policy *policy, uid_t uid)
{
	for (unsigned int i = 0; i < policy->n_users; i++)
		if (policy->users[i].uid == uid)
			return &policy->users[i];
	return NULL;
}

char *acg_policy_kept_command(const struct acg_policy *policy, const char *command)
{
	g_autofree char *written = NULL;

	switch (policy->commands) {
	case ACG_COMMANDS_FULL:
		return g_strdup(command);
	case ACG_COMMANDS_PROGRAM:
		written = acg_command_unwrap(command, NULL);
		return g_strndup(written, strcspn(written, " \t;&|<>()"));
	case ACG_COMMANDS_NONE:
		break;
	}
	return g_strdup("");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg explain: why a call got what it got, and what happened to it, step by step, from its info, the events and the policy. */
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "tools/target.h"
#include "tools/tree.h"
#include "tools/verbs.h"

static const char *bytes(JsonObject *object, const char *member, const char *none,
			 char buf[static 16])
{
	gint64 value = acg_tree_int(object, member, -1);

	return value < 0 ? none : acg_size_format(value, buf);
}

/* --- the grant ---------------------------------------------------------------------------------------------- */

/* The policy is for operators' eyes; without it there is less to say. */
static struct acg_policy *policy_in_force(const char *root)
{
	g_autofree char *text = acg_tree_read(NULL, root, "policy", NULL);
	struct acg_policy *policy = NULL;

	if (text)
		acg_policy_load_text(text, "policy", &policy, NULL);
	return policy;
}

static void explain_rule(const char *root, const char *command)
{
	struct acg_policy *policy = policy_in_force(root);
	g_autofree char *written = acg_command_unwrap(command, NULL);
	const struct acg_command_rule *rule = policy ? acg_policy_command(policy, written) : NULL;
	g_autofree char *hint = rule ? acg_hint_format(&rule->hint) : NULL;

	if (rule)
		printf("  rule     \"%s\" of the policy fits the command%s%s\n", rule->match,
		       *hint ? ": " : "", hint);
	else if (policy)
		printf("  rule     none of the policy's fits the command\n");
	if (policy)
		acg_policy_unref(policy);
}

static void explain_grant(JsonObject *info, JsonObject *agent)
{
	gint64 grant = acg_tree_int(info, "grant", -1);
	const char *said = acg_tree_string(info, "hint", "");
	struct acg_hint hint = {0};
	char buf[16], other[16];

	if (grant < 0) {
		printf("  grant    none: nothing limits its memory but the machine\n");
		return;
	}
	printf("  grant    %s", acg_size_format(grant, buf));
	if (acg_hint_parse(said, &hint, NULL) == 0 && hint.memory == ACG_MEMORY_SIZE &&
	    hint.memory_bytes > (uint64_t)grant)
		printf(", cut from %s: a cap, or the agent's budget (%s), allows no more",
		       acg_size_format(hint.memory_bytes, other),
		       bytes(agent, "budget", "none", buf));
	printf("\n  limit    %s%s\n", bytes(info, "memory_max", "none", buf),
	       acg_tree_int(info, "memory_max", -1) < 0 ? ""
							: ", where the kernel kills; above the "
							  "grant it is slowed down while memory is "
							  "short");
}

/* --- what happened ------------------------------------------------------------------------------------------ */

static void print_event(JsonObject *event, double start)
{
	const char *text = acg_tree_string(event, "text", NULL);
	const char *cause = acg_tree_string(event, "cause", NULL);

	printf("  %+8.2fs  %s%s%s%s%s\n",
	       json_object_get_double_member_with_default(event, "time", 0) - start,
	       acg_tree_string(event, "event", "?"), cause ? " (" : "", cause ? cause : "",
	       cause ? ")" : "", "");
	if (text)
		printf("             %s\n", text);
}

static void explain_events(const struct acg_target *target, double start)
{
	g_autofree char *text = acg_tree_read(NULL, target->agent, "events", NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	unsigned int n = 0;

	for (char **line = lines; *line; line++) {
		g_autoptr(JsonNode) node = **line ? json_from_string(*line, NULL) : NULL;
		JsonObject *event =
			node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

		if (!event || g_strcmp0(acg_tree_string(event, "call", NULL), target->call) != 0 ||
		    json_object_get_double_member_with_default(event, "time", 0) < start)
			continue;
		print_event(event, start);
		n++;
	}
	if (!n)
		printf("  (its events are no longer among the last 1,000)\n");
}

static void print_seconds(const char *what, gint64 msec)
{
	if (msec > 0)
		printf("  %-8s for %.2f s\n", what, msec / 1000.0);
}

static void explain_result(JsonObject *info)
{
	gint64 exit = acg_tree_int(info, "exit", -1);
	char peak[16];

	printf("  state    %s after %.2f s", acg_tree_string(info, "state", "?"),
	       acg_tree_int(info, "duration_ms", 0) / 1000.0);
	if (exit >= 0)
		printf(", exit status %d", (int)exit);
	printf("\n  used     %s at most, %.2f s of CPU time\n",
	       bytes(info, "memory_peak", "?", peak), acg_tree_int(info, "cpu_usec", 0) / 1e6);
	print_seconds("delayed", acg_tree_int(info, "delayed_ms", 0));
	print_seconds("frozen", acg_tree_int(info, "frozen_ms", 0));
	if (acg_tree_string(info, "victim", NULL))
		printf("  killed   %s, by the kernel's OOM killer\n",
		       acg_tree_string(info, "victim", ""));
	if (acg_tree_string(info, "feedback", NULL))
		printf("  told     %s\n", acg_tree_string(info, "feedback", ""));
}

static int explain(const char *root, const struct acg_target *target, GError **error)
{
	g_autoptr(JsonObject) info =
		acg_tree_json(error, target->agent, "calls", target->call, "info", NULL);
	g_autoptr(JsonObject) agent = acg_tree_json(NULL, target->agent, "info", NULL);
	const char *said;
	char buf[16];

	if (!info)
		return -ENOENT;
	if (!agent)
		agent = json_object_new();
	said = acg_tree_string(info, "hint", "");
	printf("call %s of agent %s: %s\n\nWhat it may use\n", target->call,
	       acg_tree_string(info, "agent", "?"),
	       acg_tree_string(info, "command", "(no command)"));
	printf("  asked    %s\n", *said ? said : "for nothing in particular (no hint)");
	explain_rule(root, acg_tree_string(info, "command", ""));
	explain_grant(info, agent);
	printf("  cpu      %s; the agent's priority is %s, its budget %s\n\nWhat happened\n",
	       acg_tree_string(info, "cpu", "?"), acg_tree_string(agent, "priority", "?"),
	       bytes(agent, "budget", "not limited", buf));
	explain_events(target, json_object_get_double_member_with_default(info, "start", 0));
	printf("\nHow it went\n");
	explain_result(info);
	return 0;
}

int acg_verb_explain(int argc, char **argv)
{
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;
	struct acg_target target = {0};
	int ret;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: agentcg explain CALL|AGENT/CALL\nWhy the call got its grant, "
			"and what happened to it.\n");
		return ACG_EXIT_USAGE;
	}
	if (!acg_tree_is_there(root))
		return acg_no_tree(argv[0]);
	ret = acg_target_find(root, argv[1], &target, &error);
	if (!ret && !target.call)
		ret = acg_fail(&error, EINVAL, "%s is an agent: name a call (agentcg ls --all %s)",
			       argv[1], argv[1]);
	if (!ret)
		ret = explain(root, &target, &error);
	if (ret)
		fprintf(stderr, "agentcg explain: %s\n", error->message);
	acg_target_clear(&target);
	return ret ? 1 : 0;
}

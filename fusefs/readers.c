/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers of agentcg's own files: each appends one text that ends with a newline. */
#include <string.h>

#include "fusefs/file_ops.h"
#include "fusefs/fs.h"

static const char readme[] =
	"agentcg: cgroups for AI agents and their tool calls. Everything here is text.\n"
	"\n"
	"  self/call       write markers here, one a line:\n"
	"    begin ID|- [memory=low|medium|high|512M] [cpu=latency|normal|batch]\n"
	"               [pids=N] [timeout=SECONDS] [pid=PID|none] [keep=yes] [-- COMMAND]\n"
	"    end ID|- [exit=N]\n"
	"    hint ID|- KEY=VALUE ...\n"
	"                  begin makes a cgroup for the call and moves you into it; - is\n"
	"                  a fresh ID, in end and hint the call that you are in. Reading\n"
	"                  the same open file gives the ID, or why not (call.error, too).\n"
	"  self/calls/ID/  one call: command hint state feedback info, the kernel's files\n"
	"  self/info       your budget, what is used, the largest grant possible now\n"
	"  self/feedback   the latest from the system; history: one ended call a line\n"
	"  self/priority   high, normal, low: who gives way when memory or CPU is short\n"
	"  self/agents/    mkdir makes a sub-agent inside your budget\n"
	"  status          what this host enforces, and why something is off; version\n"
	"\n"
	"Operators: agents/ (mkdir), adopt (adopt.error), policy (write a whole one;\n"
	"  policy.error), metrics, events (the last ones), events_pipe (as they come).\n"
	"In a shell:  { echo \"begin - memory=high -- make\" > self/call; } 2>/dev/null\n"
	"             exec make       or: agentcg run --hint memory:high -- make\n"
	"When memory runs short a call above its grant is slowed down, then frozen, then\n"
	"killed; the agent is not. Hint what a call needs, read feedback. See agentcg(7).\n";

ACG_READER(readme)
{
	(void)fs;
	(void)place;
	(void)error;
	g_string_append(out, readme);
	return 0;
}

ACG_READER(version)
{
	(void)fs;
	(void)place;
	(void)error;
	g_string_append(out, PACKAGE_VERSION "\n");
	return 0;
}

ACG_READER(status)
{
	(void)place;
	(void)error;
	acg_manager_status_text(fs->manager, out);
	return 0;
}

ACG_READER(policy)
{
	const char *text = acg_manager_policy(fs->manager)->text;

	(void)place;
	(void)error;
	g_string_append(out, text);
	if (!g_str_has_suffix(text, "\n"))
		g_string_append_c(out, '\n');
	return 0;
}

/* As it is written: NAME [namespace=NS] CGROUP. */
ACG_READER(adopt)
{
	GHashTableIter iter;
	void *value;

	(void)place;
	(void)error;
	g_hash_table_iter_init(&iter, acg_manager_registry(fs->manager)->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;

		if (!agent->adopted)
			continue;
		g_string_append(out, agent->name);
		if (agent->namespace)
			g_string_append_printf(out, " namespace=%s", agent->namespace);
		g_string_append_printf(out, " %s\n", agent->adopted);
	}
	return 0;
}

ACG_READER(adopt_error)
{
	(void)place;
	(void)error;
	if (fs->adopt_error)
		g_string_append_printf(out, "%s\n", fs->adopt_error);
	return 0;
}

ACG_READER(policy_error)
{
	const char *why = acg_manager_policy_error(fs->manager);

	(void)place;
	(void)error;
	if (why)
		g_string_append_printf(out, "%s\n", why);
	return 0;
}

ACG_READER(metrics)
{
	(void)place;
	(void)error;
	acg_manager_metrics_text(fs->manager, out);
	return 0;
}

ACG_READER(events)
{
	(void)error;
	acg_eventlog_dump(acg_manager_eventlog(fs->manager, place->agent), out);
	return 0;
}

ACG_READER(info)
{
	(void)error;
	acg_manager_info_text(fs->manager, place->node, out);
	return 0;
}

static int append_line(GString *out, const char *text)
{
	if (text)
		g_string_append_printf(out, "%s\n", text);
	return 0;
}

ACG_READER(call_error)
{
	(void)fs;
	(void)error;
	return append_line(out, place->agent->call_error);
}

ACG_READER(history)
{
	return acg_manager_history_text(fs->manager, place->agent, out, error);
}

ACG_READER(feedback)
{
	(void)fs;
	(void)error;
	return append_line(out, place->call ? place->call->feedback : place->agent->feedback);
}

ACG_READER(priority)
{
	(void)fs;
	(void)error;
	return append_line(out, acg_priority_name(place->agent->priority));
}

ACG_READER(command)
{
	(void)fs;
	(void)error;
	return append_line(out, place->call->command);
}

ACG_READER(hint)
{
	g_autofree char *hint = acg_hint_format(&place->call->hint);

	(void)fs;
	(void)error;
	return append_line(out, hint);
}

ACG_READER(state)
{
	(void)fs;
	(void)error;
	return append_line(out, acg_call_state_name(place->call->state));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feedback in words; see the header. Each text is: the facts of the cause, an advice that fits the
 * cause and the class of the command, and then either how to ask for more, or that this will not
 * help.
 */
#include "policy/feedback.h"

#include <inttypes.h>
#include <string.h>

#include "policy/suggest.h"

enum advice {
	ADVICE_MEMORY,
	ADVICE_PIDS,
	ADVICE_TIME,
	ADVICE_WAIT,
	ADVICE_ASK,
	ADVICE_RETRY,
	ADVICE_MARKER,
	N_ADVICES,
};

/*
 * By advice and class of the command; the first line of each is for every other class. Without the
 * full stop.
 */
static const struct {
	enum advice advice;
	const char *class;
	const char *text;
} advices[] = {
	{ADVICE_MEMORY, NULL, "Do less at a time"},
	{ADVICE_MEMORY, "test", "Run fewer tests"},
	{ADVICE_MEMORY, "build", "Use fewer jobs (-j1)"},
	{ADVICE_MEMORY, "install", "Install fewer packages at a time"},
	{ADVICE_MEMORY, "git", "Fetch less (--depth 1)"},
	{ADVICE_MEMORY, "files", "Read smaller parts"},
	{ADVICE_PIDS, NULL, "Start fewer processes at a time"},
	{ADVICE_PIDS, "test", "Use fewer test workers"},
	{ADVICE_PIDS, "build", "Use fewer jobs (-j1)"},
	{ADVICE_TIME, NULL, "Do less at a time"},
	{ADVICE_TIME, "test", "Run fewer tests"},
	{ADVICE_WAIT, NULL, "Wait, do not retry; run one heavy command at a time"},
	{ADVICE_ASK, NULL, "Somebody meant this: ask before you retry"},
	{ADVICE_RETRY, NULL, "Change something before you run it again"},
	{ADVICE_MARKER, NULL,
	 "Begin it in the shell that then runs the command, or use: agentcg run -- COMMAND"},
};

/* --- facts ------------------------------------------------------------------------------------ */

/* " at 1.2G", and its grant, as far as they are known. */
static void append_use(GString *out, const struct acg_call *call)
{
	char size[16];

	if (call->usage.memory_peak)
		g_string_append_printf(out, " at %s",
				       acg_size_format(call->usage.memory_peak, size));
	if (call->grant != ACG_MAX)
		g_string_append_printf(out, " (its grant: %s)", acg_size_format(call->grant, size));
}

/* Whose budget bounds this agent: its own, else the nearest enclosing one; NULL: none does. */
static const struct acg_agent *bounding(const struct acg_agent *agent)
{
	while (agent && agent->budget.memory == ACG_MAX)
		agent = agent->parent;
	return agent;
}

static void append_budget(GString *out, const struct acg_call *call)
{
	const struct acg_agent *agent = bounding(call->node.agent);
	char size[16];

	if (agent)
		g_string_append_printf(out, "%s agent's budget of %s",
				       agent == call->node.agent ? "this" : "the enclosing",
				       acg_size_format(agent->budget.memory, size));
	else
		g_string_append(out, "the machine's memory");
}

/* Why memory is short, for what the ladder does. */
static void append_shortage(GString *out, const struct acg_call *call)
{
	const struct acg_agent *agent = call->node.agent;

	while (agent && (!agent->pressure_since || agent->pressure_outside))
		agent = agent->parent;
	if (!agent) {
		g_string_append(out, "an agent of higher priority needs memory");
		return;
	}
	append_budget(out, call);
	g_string_append(out, " runs short");
}

static void oom_facts(GString *out, const struct acg_call *call)
{
	char size[16];

	if (call->keep)
		g_string_append(out, "The shell lives on; its command was killed");
	else
		g_string_append(out, "Killed");
	if (call->memory_max == ACG_MAX) {
		append_use(out, call);
		g_string_append(out, ": memory ran out");
	} else {
		g_string_append_printf(out, " at %s, its limit",
				       acg_size_format(call->memory_max, size));
	}
}

static void oom_agent_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Killed");
	append_use(out, call);
	g_string_append(out, ": ");
	append_budget(out, call);
	g_string_append(out, " was full");
}

static void pressure_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Killed");
	append_use(out, call);
	g_string_append(out, ": ");
	append_shortage(out, call);
}

static void stalled_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Killed");
	append_use(out, call);
	g_string_append(out, ": held back for memory, it made no progress");
}

static void throttled_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Slowed down");
	append_use(out, call);
	g_string_append(out, ": ");
	if (call->slowed_by_grant)
		g_string_append(out, "above its grant it may grow only slowly");
	else
		append_shortage(out, call);
}

static void frozen_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Paused");
	append_use(out, call);
	g_string_append(out, ": ");
	append_shortage(out, call);
	g_string_append(out, ". It goes on by itself");
}

static void pids_facts(GString *out, const struct acg_call *call)
{
	uint64_t limit = call->node.controls[ACG_CONTROL_PIDS_MAX];

	g_string_append(out, "A fork was refused: ");
	if (limit != ACG_MAX && limit)
		g_string_append_printf(out, "this call may have %" PRIu64 " processes", limit);
	else
		g_string_append(out, "this agent has all the processes that it may have");
}

static void timeout_facts(GString *out, const struct acg_call *call)
{
	uint64_t tenths = call->timeout / (G_USEC_PER_SEC / 10);

	g_string_append_printf(out, "Stopped after %" PRIu64, tenths / 10);
	if (tenths % 10)
		g_string_append_printf(out, ".%" PRIu64, tenths % 10);
	g_string_append(out, " s, its timeout");
}

static void killed_facts(GString *out, const struct acg_call *call)
{
	g_string_append(out, "Killed");
	append_use(out, call);
	g_string_append(out, " by a write to cgroup.kill; no limit was reached");
}

static void growing_facts(GString *out, const struct acg_call *call)
{
	char size[16];

	g_string_append(out, "Slowed down");
	append_use(out, call);
	g_string_append_printf(out, ": it grew by %s a second",
			       acg_size_format(call->growth, size));
	g_string_append_printf(out, ", towards a limit at %s",
			       acg_size_format(MIN(call->brake_limit, call->memory_max), size));
}

static void retry_facts(GString *out, const struct acg_call *call)
{
	uint64_t left = call->node.agent->retry.left;
	char size[16];

	g_string_append_printf(out, "This is run %u of the same command in a row", call->retry_run);
	if (left)
		g_string_append_printf(out, "; those before left %s of memory behind",
				       acg_size_format(left, size));
}

static void empty_facts(GString *out, const struct acg_call *call)
{
	(void)call;
	g_string_append(out, "This call was over at once: if its command ran elsewhere, nothing was "
			     "limited");
}

/* How much more than its limit there is. */
static void append_left(GString *out, const struct acg_call *call, uint64_t largest)
{
	char size[16];

	if (largest == ACG_MAX)
		g_string_append(out, "; this agent has more");
	else
		g_string_append_printf(out, "; this agent has %s more",
				       acg_size_format(largest - call->memory_max, size));
}

static void append_ask(GString *out, const struct acg_call *call, const char *hint)
{
	g_autofree char *typed = call->command ? acg_suggest_command(call->command, hint) : NULL;

	if (typed && out->len + strlen(", or: ") + strlen(typed) < ACG_FEEDBACK_MAX)
		g_string_append_printf(out, ", or: %s", typed);
	else
		g_string_append_printf(out, ", or put " ACG_HINT_VARIABLE "%s before the command.",
				       hint);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct row {
	const char *name;
	void (*facts)(GString *out, const struct acg_call *call); /* without the full stop */
	enum advice advice;
	enum acg_more more;
} rows[] = {
	[ACG_CAUSE_NONE] = {.name = "none"},
	[ACG_CAUSE_OOM] = {"oom", oom_facts, ADVICE_MEMORY, ACG_MORE_LIMIT},
	[ACG_CAUSE_OOM_AGENT] = {"oom_agent", oom_agent_facts, ADVICE_MEMORY, ACG_MORE_GRANT},
	[ACG_CAUSE_PRESSURE] = {"pressure", pressure_facts, ADVICE_MEMORY, ACG_MORE_GRANT},
	[ACG_CAUSE_STALLED] = {"stalled", stalled_facts, ADVICE_MEMORY, ACG_MORE_GRANT},
	[ACG_CAUSE_THROTTLED] = {"throttled", throttled_facts, ADVICE_MEMORY, ACG_MORE_GRANT},
	[ACG_CAUSE_FROZEN] = {"frozen", frozen_facts, ADVICE_WAIT, ACG_MORE_NOTHING},
	[ACG_CAUSE_PIDS] = {"pids", pids_facts, ADVICE_PIDS, ACG_MORE_PIDS},
	[ACG_CAUSE_TIMEOUT] = {"timeout", timeout_facts, ADVICE_TIME, ACG_MORE_TIMEOUT},
	[ACG_CAUSE_KILLED] = {"killed", killed_facts, ADVICE_ASK, ACG_MORE_NOTHING},
	[ACG_CAUSE_GROWING] = {"growing", growing_facts, ADVICE_MEMORY, ACG_MORE_GRANT},
	[ACG_CAUSE_RETRY] = {"retry", retry_facts, ADVICE_RETRY, ACG_MORE_NOTHING},
	[ACG_CAUSE_EMPTY] = {"empty", empty_facts, ADVICE_MARKER, ACG_MORE_NOTHING},
};

const char *acg_cause_name(enum acg_cause cause)
{
	return rows[cause].name;
}

static const char *advice_for(enum advice advice, const char *class)
{
	const char *text = NULL;

	for (unsigned int i = 0; i < G_N_ELEMENTS(advices); i++)
		if (advices[i].advice == advice &&
		    (!advices[i].class || g_strcmp0(advices[i].class, class) == 0))
			text = advices[i].text;
	return text;
}

char *acg_feedback_text(const struct acg_call *call, enum acg_cause cause, uint64_t largest)
{
	const struct row *row = &rows[cause];
	g_autofree char *hint = NULL;
	GString *out;

	if (!row->facts)
		return NULL;
	out = g_string_sized_new(ACG_FEEDBACK_MAX);
	row->facts(out, call);
	hint = acg_suggest_hint(call, row->more, largest);
	if (hint && row->more == ACG_MORE_LIMIT)
		append_left(out, call, largest);
	g_string_append_printf(out, ". %s", advice_for(row->advice, call->class));
	if (hint)
		append_ask(out, call, hint);
	else if (row->more != ACG_MORE_NOTHING)
		g_string_append(out, ". Asking for more will not help.");
	else if (row->advice != ADVICE_MARKER) /* that one ends in something to type */
		g_string_append_c(out, '.');
	return g_string_free(out, FALSE);
}

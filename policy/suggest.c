/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hints and commands for the next try; see the header. */
#include "policy/suggest.h"

#include <inttypes.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* --- the hint --------------------------------------------------------------------------------- */

/*
 * Down to 1, 2 or 5 times a power of ten that is at most a tenth of it: a figure that a person
 * would write.
 */
static uint64_t round_down(uint64_t value)
{
	uint64_t step = 1;

	while (step * 10 <= value / 10)
		step *= 10;
	if (step * 5 <= value / 10)
		step *= 5;
	else if (step * 2 <= value / 10)
		step *= 2;
	return value / step * step;
}

/* What to ask instead of `had`: twice as much if `most` allows; 0: nothing that helps. */
static uint64_t ask_for(uint64_t had, uint64_t most)
{
	if (had > ACG_MAX / 4)
		return 0;
	return MIN(2 * had, most);
}

static bool enough_more(uint64_t ask, uint64_t had)
{
	return ask > had && ask - had >= MAX(had / 8, 1);
}

static char *memory_hint(uint64_t had, uint64_t largest)
{
	uint64_t mib = round_down(ask_for(had, largest) / MIB);
	uint64_t gib = round_down(ask_for(had, largest) / MIB / 1024);

	if (mib >= 10 * 1024 && enough_more(gib * 1024 * MIB, had))
		return g_strdup_printf("memory:%" PRIu64 "g", gib);
	return enough_more(mib * MIB, had) ? g_strdup_printf("memory:%" PRIu64 "m", mib) : NULL;
}

static char *hint_for(const struct acg_call *call, enum acg_more more, uint64_t largest)
{
	const struct acg_caps *caps = &call->node.agent->caps;
	uint64_t had, ask;

	switch (more) {
	case ACG_MORE_LIMIT:
		return memory_hint(MAX(call->memory_max, call->usage.memory_peak), largest);
	case ACG_MORE_GRANT:
		return memory_hint(MAX(call->grant, call->usage.memory_peak), largest);
	case ACG_MORE_PIDS:
		had = call->node.controls[ACG_CONTROL_PIDS_MAX];
		ask = ask_for(had, MIN(caps->pids, call->node.agent->budget.pids));
		return enough_more(ask, had) ? g_strdup_printf("pids:%" PRIu64, ask) : NULL;
	case ACG_MORE_TIMEOUT:
		had = call->timeout / G_USEC_PER_SEC;
		ask = round_down(ask_for(had, caps->timeout / G_USEC_PER_SEC));
		return enough_more(ask, had) ? g_strdup_printf("timeout:%" PRIu64, ask) : NULL;
	case ACG_MORE_NOTHING:
		break;
	}
	return NULL;
}

char *acg_suggest_hint(const struct acg_call *call, enum acg_more more, uint64_t largest)
{
	g_autofree char *hint = hint_for(call, more, largest);
	struct acg_hint parsed;

	if (hint && acg_hint_parse(hint, &parsed, NULL) < 0)
		return NULL; /* more than a hint can say */
	return g_steal_pointer(&hint);
}

/* --- the command ------------------------------------------------------------------------------ */

/*
 * A shell takes an assignment before a simple command only: not before a keyword, a bracket or a
 * comment.
 */
static bool takes_assignment(const char *command)
{
	static const char *const keywords[] = {"if",   "for",      "while", "until",
					       "case", "time",     "then",  "select",
					       "do",   "function", "coproc"};
	size_t len = strcspn(command, " ;");

	for (unsigned int i = 0; i < G_N_ELEMENTS(keywords); i++)
		if (strlen(keywords[i]) == len && strncmp(command, keywords[i], len) == 0)
			return false;
	return g_ascii_isalnum(command[0]) || (command[0] && strchr("_./~", command[0]));
}

/*
 * Whether a command means the same when it is typed again. Not so a here-document, whose lines the
 * marker has joined, open quotes, and what does not print. Nor a single word: that may be all that
 * the policy keeps of a longer command.
 */
static bool typable(const char *command)
{
	if (!g_utf8_validate(command, -1, NULL) || !strchr(command, ' ') || strstr(command, "<<"))
		return false;
	for (const char *at = command; *at; at = g_utf8_next_char(at))
		if (!g_unichar_isprint(g_utf8_get_char(at)))
			return false;
	return g_shell_parse_argv(command, NULL, NULL, NULL);
}

/*
 * "cd a && " and "A=1 " are the model's own and stay in front; what a framework wraps around does
 * not.
 */
static bool keeps_prefix(const char *prefix)
{
	g_autofree char *trimmed = g_strchomp(g_strdup(prefix));
	const char *last = strrchr(trimmed, ' ');

	if (g_str_has_suffix(trimmed, "&&") || g_str_has_suffix(trimmed, ";"))
		return true;
	last = last ? last + 1 : trimmed;
	return g_ascii_isalpha(last[0]) && strchr(last, '=');
}

static void cut_old_hint(char *prefix)
{
	char *from = strstr(prefix, ACG_HINT_VARIABLE);
	const char *to = from ? from + strcspn(from, " ") : NULL;

	if (!from)
		return;
	to += strspn(to, " ");
	memmove(from, to, strlen(to) + 1);
}

char *acg_suggest_command(const char *command, const char *hint)
{
	g_autofree char *written = acg_command_unwrap(command, NULL);
	/*
	 * where the unwrapped command is the end of the whole, what stands before it may be the
	 * model's own
	 */
	bool is_end = g_str_has_suffix(command, written);
	g_autofree char *prefix =
		g_strndup(command, is_end ? strlen(command) - strlen(written) : 0);
	g_autofree char *whole = NULL;

	cut_old_hint(prefix);
	if (!keeps_prefix(prefix))
		prefix[0] = '\0';
	whole = g_strconcat(prefix, written, NULL);
	if (!takes_assignment(written) || !typable(whole))
		return NULL;
	return g_strdup_printf("%s" ACG_HINT_VARIABLE "%s %s", prefix, hint, written);
}

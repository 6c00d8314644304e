/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hooks of agent frameworks are told and answer: `agentcg hook FRAMEWORK` gets one event as a
 * JSON object and prints one. It informs: it never allows, forbids or changes a command, but for
 * the wrapping that somebody asked for.
 */
#ifndef AGENTCG_TOOLS_HOOK_H
#define AGENTCG_TOOLS_HOOK_H

#include <stdbool.h>

#include <json-glib/json-glib.h>

struct acg_framework {
	const char *name;
	const char *tool;     /* its shell tool */
	const char *settings; /* below $HOME, or in the working directory if it starts with "./" */
	const char *events[5]; /* that are hooked; the first is the start of a session */
	bool shell_prefix;    /* env.CLAUDE_CODE_SHELL_PREFIX in its settings puts us before commands */
	bool flat_answer;     /* additionalContext at the top of the answer */
};

/* NULL: not one that is known. acg_framework_names() is for messages. */
const struct acg_framework *acg_framework_find(const char *name);
const char *acg_framework_names(void);

/*
 * The answer to one event, or NULL for none. rewrite: commands are wrapped by agentcg-shell, those of sub-agents in a
 * sub-agent's cgroup. Free with json_object_unref().
 */
JsonObject *acg_hook_answer(const struct acg_framework *framework, JsonObject *event, bool rewrite);

/*
 * Adds our hooks to the text of a settings file ("" for a new one), or takes them out again.
 * Nothing else in it changes. *ret_text is the new text, free with g_free; *ret_note (may be NULL) what a person has
 * to know, or NULL. EINVAL: it is not JSON that we know.
 */
int acg_hook_settings(const struct acg_framework *framework, const char *text, const char *tree,
		      bool install, char **ret_text, char **ret_note, GError **error);

/*
 * The record of tool calls, for `agentcg doctor`: one JSON object a line, in a file of this user's
 * alone; the older half of it goes when it is too long.
 */
void acg_hook_record(JsonObject *line);
/* JsonObject of each line, oldest first; free with g_ptr_array_unref(). Never NULL. */
GPtrArray *acg_hook_records(void);

#endif

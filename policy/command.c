/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command that the model wrote. Frameworks do not run it as it is: they source snapshots, eval it, change the directory first and
 * save it afterwards. Rules, classes and retries look at what is left when that is peeled off, layer by layer, on words
 * only: nothing is expanded and nothing runs.
 */
#include <string.h>

#include "policy/policy.h"

#define LAYERS_MAX 8 /* more wrapping than that is the command itself */

static const char *skip_blanks(const char *at)
{
	while (g_ascii_isspace(*at))
		at++;
	return at;
}

/*
 * One shell word at *at: quotes are removed, nothing is expanded. Ends at a blank or at ; & | < > outside quotes. Returns it (free with g_free)
 * and moves *at behind it; NULL at the end, at an operator, or where a quote does not close.
 */
static char *take_word(const char **at)
{
	GString *word = g_string_new(NULL);
	const char *p = skip_blanks(*at);
	bool quoted = false;
	char quote = 0;

	for (; *p && (quote || (!g_ascii_isspace(*p) && !strchr(";&|<>()", *p))); p++) {
		if (quote == *p) {
			quote = 0;
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
			quoted = true;
		} else if (*p == '\\' && quote != '\'' && p[1]) {
			g_string_append_c(word, *++p);
		} else {
			g_string_append_c(word, *p);
		}
	}
	if (quote || (!word->len && !quoted)) {
		g_string_free(word, TRUE);
		return NULL;
	}
	*at = p;
	return g_string_free(word, FALSE);
}

static bool is_assignment(const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word || g_ascii_isdigit(word[0]))
		return false;
	for (const char *p = word; p < equals; p++)
		if (!g_ascii_isalnum(*p) && *p != '_')
			return false;
	return true;
}

/* NAME=VALUE in front of a command. AGENT_RESOURCE_HINT is merged into the hint if it can be read. */
static bool peel_assignment(char **command, struct acg_hint *hint)
{
	const char *at = *command;
	g_autofree char *word = take_word(&at);
	struct acg_hint said;

	if (!word || !is_assignment(word) || !*skip_blanks(at))
		return false;
	if (hint && g_str_has_prefix(word, "AGENT_RESOURCE_HINT=") &&
	    acg_hint_parse(strchr(word, '=') + 1, &said, NULL) == 0)
		acg_hint_merge(hint, &said);
	memmove(*command, skip_blanks(at), strlen(skip_blanks(at)) + 1);
	return true;
}

static bool is_shell(const char *word)
{
	const char *base = strrchr(word, '/');

	base = base ? base + 1 : word;
	return strcmp(base, "bash") == 0 || strcmp(base, "sh") == 0 || strcmp(base, "zsh") == 0 ||
	       strcmp(base, "dash") == 0;
}

/* bash -c 'COMMAND', sh -lc, bash -c -l COMMAND (the rest of the line, where a framework's quoting was lost) */
static bool peel_shell(char **command)
{
	const char *at = *command;
	g_autofree char *shell = take_word(&at);
	bool runs_string = false;

	if (!shell || !is_shell(shell))
		return false;
	for (;;) {
		const char *before = at;
		g_autofree char *word = take_word(&at);

		if (!word)
			return false;
		if (word[0] == '-' && word[1]) {
			runs_string |= word[1] != '-' && strchr(word, 'c');
			continue;
		}
		if (!runs_string)
			return false;
		if (!*skip_blanks(at)) { /* one quoted word */
			g_free(*command);
			*command = g_steal_pointer(&word);
		} else {
			memmove(*command, skip_blanks(before), strlen(skip_blanks(before)) + 1);
		}
		return true;
	}
}

/* ... && eval 'COMMAND' < /dev/null && pwd -P >| FILE */
static bool peel_eval(char **command)
{
	const char *found = NULL;
	char *inner;

	if (g_str_has_prefix(*command, "eval "))
		found = *command;
	else if ((found = strstr(*command, "&& eval ")) || (found = strstr(*command, "; eval ")))
		found = strstr(found, "eval ");
	if (!found)
		return false;
	found += strlen("eval ");
	inner = take_word(&found);
	if (!inner)
		return false;
	g_free(*command);
	*command = inner;
	return true;
}

/* cd DIRECTORY && COMMAND, cd DIRECTORY; COMMAND, source FILE && COMMAND */
static bool peel_leading(char **command)
{
	static const char *const verbs[] = {"cd", "source", ".", "pushd"};
	const char *at = *command;
	g_autofree char *verb = take_word(&at);
	g_autofree char *argument = NULL;
	bool known = false;

	for (unsigned int i = 0; verb && i < G_N_ELEMENTS(verbs); i++)
		known |= strcmp(verb, verbs[i]) == 0;
	if (!known || !(argument = take_word(&at)))
		return false;
	at = skip_blanks(at);
	if (g_str_has_prefix(at, "2>/dev/null"))
		at = skip_blanks(at + strlen("2>/dev/null"));
	if (g_str_has_prefix(at, "|| true"))
		at = skip_blanks(at + strlen("|| true"));
	if (g_str_has_prefix(at, "&&"))
		at += 2;
	else if (*at == ';')
		at++;
	else
		return false;
	at = skip_blanks(at);
	if (!*at)
		return false;
	memmove(*command, at, strlen(at) + 1);
	return true;
}

/* COMMAND && pwd -P >| FILE, COMMAND; pwd */
static void cut_trailing_pwd(char *command)
{
	static const char *const tails[] = {"&& pwd", "; pwd", "\npwd"};

	for (unsigned int i = 0; i < G_N_ELEMENTS(tails); i++) {
		char *tail = g_strrstr(command, tails[i]);

		if (tail && tail != command && !strpbrk(tail + strlen(tails[i]), ";&|\n") &&
		    !strchr(tail + strlen(tails[i]), '\''))
			*tail = '\0';
		else if (tail && tail != command && strstr(tail, ">|"))
			*tail = '\0';
	}
	g_strchomp(command);
}

char *acg_command_unwrap(const char *command, struct acg_hint *hint)
{
	char *inner = g_strstrip(g_strdup(command));

	for (unsigned int layer = 0; layer < LAYERS_MAX; layer++) {
		g_strstrip(inner);
		if (!peel_assignment(&inner, hint) && !peel_shell(&inner) && !peel_eval(&inner) &&
		    !peel_leading(&inner))
			break;
	}
	cut_trailing_pwd(inner);
	return inner;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The marker grammar; see the header. */
#include "fusefs/marker.h"

#include <string.h>

#include "policy/policy.h"
#include "policy/registry.h"

static const struct {
	const char *name;
	enum acg_verb verb;
} verbs[] = {
	{"begin", ACG_VERB_BEGIN},
	{"end", ACG_VERB_END},
	{"hint", ACG_VERB_HINT},
};

/* What is still to be read of a line: words are separated by blanks. */
struct scanner {
	const char *at;
	const char *end;
};

#define WORD_MAX 128 /* the longest KEY=VALUE that can be right */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Copies the next word. 0: none is left; -1: it is too long, or has a control character in it. */
static int next_word(struct scanner *scanner, char word[static WORD_MAX + 1])
{
	size_t len = 0;

	while (scanner->at < scanner->end && is_blank(*scanner->at))
		scanner->at++;
	while (scanner->at < scanner->end && !is_blank(*scanner->at)) {
		if (len == WORD_MAX || g_ascii_iscntrl(*scanner->at))
			return -1;
		word[len++] = *scanner->at++;
	}
	word[len] = '\0';
	return len > 0;
}

/* For messages: a word as it may be shown, whatever bytes it has. */
static char *shown(const char *word)
{
	g_autofree char *cut = g_strndup(word, 40);

	return g_utf8_make_valid(cut, -1);
}

static int bad_word(GError **error)
{
	return acg_fail(
		error, EINVAL,
		"a word of the marker is longer than %d characters or has control characters",
		WORD_MAX);
}

static int parse_verb(struct scanner *scanner, struct acg_marker *marker, GError **error)
{
	char word[WORD_MAX + 1];
	int got = next_word(scanner, word);
	g_autofree char *show = NULL;

	if (got < 0)
		return bad_word(error);
	if (got == 0)
		return acg_fail(error, EINVAL,
				"an empty marker: write begin ID [KEY=VALUE ...] [-- COMMAND], end "
				"ID or hint ID KEY=VALUE");
	for (unsigned int i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].name, word) == 0) {
			marker->verb = verbs[i].verb;
			return 0;
		}
	show = shown(word);
	return acg_fail(error, EINVAL, "\"%s\" is no marker: a line starts with begin, end or hint",
			show);
}

static int parse_id(struct scanner *scanner, struct acg_marker *marker, GError **error)
{
	char word[WORD_MAX + 1];
	int got = next_word(scanner, word);
	g_autoptr(GError) why = NULL;

	if (got < 0)
		return bad_word(error);
	if (got == 0 || strcmp(word, "--") == 0)
		return acg_fail(error, EINVAL, "%s needs an ID, or - for %s",
				verbs[marker->verb].name,
				marker->verb == ACG_VERB_BEGIN ? "a fresh one"
							       : "the call that you are in");
	if (strcmp(word, "-") == 0)
		return 0;
	if (acg_name_check(word, &why) < 0)
		return acg_fail(error, EINVAL, "the ID: %s", why->message);
	g_strlcpy(marker->id, word, sizeof(marker->id));
	return 0;
}

static int parse_pid(struct acg_marker *marker, const char *value, GError **error)
{
	uint64_t pid;

	if (strcmp(value, "none") == 0) {
		marker->pid = ACG_PID_NONE;
		return 0;
	}
	if (!g_ascii_string_to_unsigned(value, 10, 1, INT32_MAX, &pid, NULL))
		return acg_fail(error, EINVAL, "pid is a process id, or none");
	marker->pid = pid;
	return 0;
}

static int parse_keep(struct acg_marker *marker, const char *value, GError **error)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return acg_fail(error, EINVAL, "keep is yes or no");
	marker->keep = value[0] == 'y';
	return 0;
}

static int parse_exit(struct acg_marker *marker, const char *value, GError **error)
{
	uint64_t status;

	if (!g_ascii_string_to_unsigned(value, 10, 0, 255, &status, NULL))
		return acg_fail(error, EINVAL, "exit is a number from 0 to 255");
	marker->exit = status;
	return 0;
}

/* Several keys of a hint in one word, as AGENT_RESOURCE_HINT has them. */
static int parse_hint(struct acg_marker *marker, const char *value, GError **error)
{
	struct acg_hint said;
	int ret = acg_hint_parse(value, &said, error);

	if (!ret)
		acg_hint_merge(&marker->hint, &said);
	if (ret != -ENOKEY)
		return ret;
	if (error)
		(*error)->code = EINVAL; /* to a marker, every wrong word is */
	return -EINVAL;
}

/* The keys that are not a hint's: which verb takes them. */
static const struct {
	const char *key;
	enum acg_verb verb;
	int (*parse)(struct acg_marker *marker, const char *value, GError **error);
} marker_keys[] = {
	{"pid", ACG_VERB_BEGIN, parse_pid},
	{"keep", ACG_VERB_BEGIN, parse_keep},
	{"exit", ACG_VERB_END, parse_exit},
	{"hint", ACG_VERB_BEGIN, parse_hint},
};

static int parse_pair(struct acg_marker *marker, char *word, GError **error)
{
	static const char *const usage[] = {
		[ACG_VERB_BEGIN] = "memory, cpu, pids, timeout, hint, pid and keep",
		[ACG_VERB_END] = "exit",
		[ACG_VERB_HINT] = "memory, cpu, pids and timeout",
	};
	char *separator = strpbrk(word, "=:"); /* the paper writes memory:high */
	g_autofree char *show = NULL;
	int ret = -ENOKEY;

	if (separator) {
		*separator = '\0';
		for (unsigned int i = 0; i < G_N_ELEMENTS(marker_keys); i++)
			if (marker_keys[i].verb == marker->verb &&
			    strcmp(marker_keys[i].key, word) == 0)
				return marker_keys[i].parse(marker, separator + 1, error);
		if (marker->verb != ACG_VERB_END)
			ret = acg_hint_set(&marker->hint, word, separator + 1, error);
	}
	if (ret != -ENOKEY)
		return ret;
	g_clear_error(error);
	show = shown(word);
	return acg_fail(error, EINVAL,
			"%s does not know \"%s\": its KEY=VALUE are %s; a command comes after --",
			verbs[marker->verb].name, show, usage[marker->verb]);
}

/* COMMAND as it is kept: one line of valid UTF-8, control characters as spaces, cut at a character. */
static char *take_command(const char *text, size_t len)
{
	g_autofree char *raw = NULL;
	char *command;

	for (; len && is_blank(*text); len--)
		text++;
	raw = g_strndup(text, MIN(len, ACG_COMMAND_MAX * 2)); /* a NUL ends it */
	command = g_utf8_make_valid(raw, -1);
	if (strlen(command) > ACG_COMMAND_MAX)
		*g_utf8_find_prev_char(command, command + ACG_COMMAND_MAX + 1) = '\0';
	for (char *at = command; *at; at++)
		if (g_ascii_iscntrl(*at))
			*at = ' ';
	return g_strstrip(command);
}

/* What a command says in front that it needs is found in the whole of it: what is kept may end within quotes. */
static void take_hint(const char *text, size_t len, struct acg_hint *hint)
{
	g_autofree char *whole = len > ACG_COMMAND_MAX ? g_strndup(text, len) : NULL;

	if (whole) /* else whoever takes the call finds it */
		g_free(acg_command_unwrap(whole, hint));
}

static int parse_rest(struct scanner *scanner, struct acg_marker *marker, GError **error)
{
	char word[WORD_MAX + 1];
	unsigned int pairs = 0;
	int got, ret;

	while ((got = next_word(scanner, word)) > 0) {
		if (strcmp(word, "--") == 0 && marker->verb == ACG_VERB_BEGIN) {
			marker->command = take_command(scanner->at, scanner->end - scanner->at);
			take_hint(scanner->at, scanner->end - scanner->at, &marker->hint);
			break;
		}
		ret = parse_pair(marker, word, error);
		if (ret)
			return ret;
		pairs++;
	}
	if (got < 0)
		return bad_word(error);
	if (marker->verb == ACG_VERB_HINT && !pairs)
		return acg_fail(error, EINVAL,
				"a hint needs at least one KEY=VALUE, as in memory=high");
	return 0;
}

int acg_marker_parse(const char *line, size_t len, struct acg_marker *ret_marker, GError **error)
{
	struct scanner scanner = {line, line + len};
	struct acg_marker marker = {.exit = -1};
	int ret = parse_verb(&scanner, &marker, error);

	if (!ret)
		ret = parse_id(&scanner, &marker, error);
	if (!ret)
		ret = parse_rest(&scanner, &marker, error);
	if (ret) {
		acg_marker_clear(&marker);
		return ret;
	}
	*ret_marker = marker;
	return 0;
}

void acg_marker_clear(struct acg_marker *marker)
{
	g_clear_pointer(&marker->command, g_free);
}

bool acg_marker_has_verb(const char *line, size_t len)
{
	struct scanner scanner = {line, line + len};
	char word[WORD_MAX + 1];

	if (next_word(&scanner, word) <= 0)
		return false;
	for (unsigned int i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].name, word) == 0)
			return true;
	return false;
}

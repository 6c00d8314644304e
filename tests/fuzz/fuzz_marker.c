/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what agents write: each line of a write to `call` as the daemon takes it apart, the value of
 * AGENT_RESOURCE_HINT, and the unwrapping of a command. Besides memory errors it finds a broken promise of the
 * headers: an ID outside the grammar, a command that is no clean UTF-8, a refusal without words.
 */
#include <stdint.h>
#include <string.h>

#include "fusefs/marker.h"
#include "policy/policy.h"
#include "policy/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_command(const char *command)
{
	const char *c;

	g_assert_true(g_utf8_validate(command, -1, NULL));
	g_assert_cmpuint(strlen(command), <=, ACG_COMMAND_MAX);
	for (c = command; *c; c++)
		g_assert_false(g_ascii_iscntrl(*c));
}

static void check_refusal(int rc, const GError *error)
{
	g_assert_cmpint(rc, <, 0);
	g_assert_nonnull(error);
	g_assert_cmpint(error->code, ==, -rc);
	g_assert_cmpuint(strlen(error->message), >, 0);
	g_assert_null(strchr(error->message, '\n'));
}

/* What the hint says of itself must mean the same when it is read again. */
static void check_hint(const struct acg_hint *hint)
{
	g_autofree char *text = acg_hint_format(hint);
	struct acg_hint again = {0};

	if (text[0])
		g_assert_cmpint(acg_hint_parse(text, &again, NULL), ==, 0);
	g_assert_cmpint(again.memory, ==, hint->memory);
	g_assert_cmpint(again.cpu, ==, hint->cpu);
	g_assert_cmpuint(again.pids, ==, hint->pids);
}

static void fuzz_line(const char *line, size_t len)
{
	struct acg_marker marker = {0};
	g_autoptr(GError) error = NULL;
	int rc = acg_marker_parse(line, len, &marker, &error);

	if (rc < 0) {
		check_refusal(rc, error);
		return;
	}
	g_assert_null(error);
	g_assert_true(acg_marker_has_verb(line, len));
	if (marker.id[0])
		g_assert_cmpint(acg_name_check(marker.id, NULL), ==, 0);
	g_assert_cmpint(marker.exit, >=, -1);
	g_assert_cmpint(marker.exit, <=, 255);
	if (marker.command)
		check_command(marker.command);
	check_hint(&marker.hint);
	acg_marker_clear(&marker);
}

static void fuzz_text(const char *line, size_t len)
{
	g_autofree char *text = g_strndup(line, len);
	struct acg_hint hint = {0}, unwrapped = {0};
	g_autoptr(GError) error = NULL;
	g_autofree char *command = acg_command_unwrap(text, &unwrapped);
	int rc = acg_hint_parse(text, &hint, &error);

	g_assert_nonnull(command);
	g_assert_cmpuint(strlen(command), <=, strlen(text));
	if (rc < 0)
		check_refusal(rc, error);
	else
		check_hint(&hint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', end - at);
		size_t len = newline ? (size_t)(newline - at) : (size_t)(end - at);

		fuzz_line(at, len);
		fuzz_text(at, len);
		at += len + 1;
	}
	return 0;
}

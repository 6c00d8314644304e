/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing JSON into a GString; see the header. */
#include "policy/json.h"

#include <inttypes.h>

/*
 * What the text so far ends with tells whether a comma is due: a finished value ends with none of
 * these.
 */
static void begin_value(GString *out, const char *key)
{
	char last = out->len ? out->str[out->len - 1] : '\n';

	if (last != '{' && last != '[' && last != '\n')
		g_string_append_c(out, ',');
	if (key)
		g_string_append_printf(out, "\"%s\":", key);
}

void acg_json_open(GString *out, const char *key, char bracket)
{
	begin_value(out, key);
	g_string_append_c(out, bracket);
}

void acg_json_close(GString *out, char bracket)
{
	g_string_append_c(out, bracket);
}

static void append_escaped(GString *out, const char *text)
{
	for (const char *at = text; *at; at = g_utf8_next_char(at)) {
		gunichar c = g_utf8_get_char(at);

		if (c == '"' || c == '\\')
			g_string_append_printf(out, "\\%c", (int)c);
		else if (c == '\n')
			g_string_append(out, "\\n");
		else if (c == '\t')
			g_string_append(out, "\\t");
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			g_string_append_printf(out, "\\u%04x", c);
		else
			g_string_append_len(out, at, g_utf8_next_char(at) - at);
	}
}

void acg_json_string(GString *out, const char *key, const char *value)
{
	g_autofree char *valid = NULL;

	if (!value) {
		acg_json_null(out, key);
		return;
	}
	if (!g_utf8_validate(value, -1, NULL))
		value = valid = g_utf8_make_valid(value, -1);
	begin_value(out, key);
	g_string_append_c(out, '"');
	append_escaped(out, value);
	g_string_append_c(out, '"');
}

void acg_json_unsigned(GString *out, const char *key, uint64_t value)
{
	begin_value(out, key);
	g_string_append_printf(out, "%" PRIu64, value);
}

void acg_json_signed(GString *out, const char *key, int64_t value)
{
	begin_value(out, key);
	g_string_append_printf(out, "%" PRId64, value);
}

void acg_json_null(GString *out, const char *key)
{
	begin_value(out, key);
	g_string_append(out, "null");
}

void acg_json_limit(GString *out, const char *key, uint64_t value)
{
	if (value == UINT64_MAX)
		acg_json_null(out, key);
	else
		acg_json_unsigned(out, key, value);
}

void acg_json_seconds(GString *out, const char *key, int64_t usec)
{
	uint64_t size = usec < 0 ? -(uint64_t)usec : (uint64_t)usec;

	begin_value(out, key);
	g_string_append_printf(out, "%s%" PRIu64 ".%06" PRIu64, usec < 0 ? "-" : "",
			       size / G_USEC_PER_SEC, size % G_USEC_PER_SEC);
}

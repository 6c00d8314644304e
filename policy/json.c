/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing JSON into a GString; see the header. */
#include "policy/json.h"

/*
 * What the text so far ends with tells whether a comma is due: a finished value ends with none of
 * these.
 */
static void begin_value(GString *out, const char *key)
{
	char last = out->len ? out->str[out->len - 1] : '\n';

	if (last != '{' && last != '[' && last != '\n')
		g_string_append_c(out, ',');
	if (!key)
		return;
	g_string_append_c(out, '"');
	g_string_append(out, key);
	g_string_append(out, "\":");
}

/* Every marker writes some fifty numbers: printf would be most of what that costs. */
static void append_number(GString *out, uint64_t value, unsigned int width)
{
	char digits[20];
	unsigned int at = sizeof(digits);

	do {
		digits[--at] = '0' + value % 10;
		value /= 10;
	} while (value || sizeof(digits) - at < width);
	g_string_append_len(out, digits + at, sizeof(digits) - at);
}

static uint64_t append_sign(GString *out, int64_t value)
{
	if (value < 0)
		g_string_append_c(out, '-');
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
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

/* So many bytes at the beginning are themselves. */
static size_t plain_len(const char *text)
{
	size_t len = 0;

	while (text[len] >= 0x20 && text[len] < 0x7f && text[len] != '"' && text[len] != '\\')
		len++;
	return len;
}

static void append_escaped(GString *out, const char *text)
{
	size_t plain = plain_len(text);

	g_string_append_len(out, text, plain);
	for (const char *at = text + plain; *at; at = g_utf8_next_char(at)) {
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
	append_number(out, value, 1);
}

void acg_json_signed(GString *out, const char *key, int64_t value)
{
	begin_value(out, key);
	append_number(out, append_sign(out, value), 1);
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
	uint64_t size;

	begin_value(out, key);
	size = append_sign(out, usec);
	append_number(out, size / G_USEC_PER_SEC, 1);
	g_string_append_c(out, '.');
	append_number(out, size % G_USEC_PER_SEC, 6);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of `agentcg top` as text; see the header. */
#include <stdio.h>
#include <string.h>

#include "policy/hint.h"
#include "tools/top.h"

#define BAR_WIDTH 10

/* A line that fits, cut at a character. Takes the line. */
static char *fitted(char *line, int columns)
{
	char *cut;

	if (!g_utf8_validate(line, -1, NULL) || g_utf8_strlen(line, -1) <= columns)
		return line;
	cut = g_utf8_substring(line, 0, columns);
	g_free(line);
	return cut;
}

/* Memory against its limit; what is above it is marked by its end. Without a limit there is nothing to fill. */
static void bar(const struct acg_top_row *row, char out[BAR_WIDTH + 1])
{
	unsigned int filled = 0;

	if (row->limit != UINT64_MAX && row->limit > 0)
		filled = MIN(BAR_WIDTH, (row->memory * BAR_WIDTH + row->limit / 2) / row->limit);
	for (unsigned int i = 0; i < BAR_WIDTH; i++)
		out[i] = i < filled ? '#' : row->limit == UINT64_MAX ? ' ' : '.';
	if (row->limit != UINT64_MAX && row->memory > row->limit)
		out[BAR_WIDTH - 1] = '>';
	out[BAR_WIDTH] = '\0';
}

char *acg_top_title(const struct acg_top *top, int columns)
{
	unsigned int agents = 0, calls = 0, delayed = 0;

	for (unsigned int i = 0; i < top->rows->len; i++) {
		const struct acg_top_row *row = top->rows->pdata[i];

		agents += !row->is_call;
		calls += row->is_call;
		delayed += row->is_call && (strcmp(row->state, "throttled") == 0 ||
					    strcmp(row->state, "frozen") == 0);
	}
	return fitted(g_strdup_printf("agentcg: %u agents, %u calls, %u delayed; by %s%s%s", agents,
				      calls, delayed, acg_top_sort_name(top->sort),
				      top->filter && *top->filter ? "; only " : "",
				      top->filter ? top->filter : ""),
		      columns);
}

char *acg_top_header(int columns)
{
	return fitted(g_strdup_printf("%-18s %-*s %6s/%-6s %5s %4s %-9s %s", "AGENT / CALL",
				      BAR_WIDTH, "MEMORY", "NOW", "GRANT", "CPU%", "PSI", "STATE",
				      "COMMAND"),
		      columns);
}

char *acg_top_line(const struct acg_top_row *row, int columns)
{
	char filled[BAR_WIDTH + 1], now[16], limit[16], pressure[16] = "-";
	g_autofree char *name = g_strdup_printf("%*s%s", row->depth * 2, "", row->name);

	bar(row, filled);
	if (row->pressure >= 0)
		snprintf(pressure, sizeof(pressure), "%.0f", row->pressure);
	if (strlen(name) > 18)
		name[18] = '\0';
	return fitted(
		g_strdup_printf("%-18s %s %6s/%-6s %5.0f %4s %-9s %s", name, filled,
				acg_size_format(row->memory, now),
				row->limit == UINT64_MAX ? "-" : acg_size_format(row->limit, limit),
				row->cpu, pressure, row->state, row->command),
		columns);
}

char *acg_top_sparkline(const struct acg_top_row *row, bool utf8)
{
	static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
					     "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const ascii[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
	const char *const *marks = utf8 ? blocks : ascii;
	GString *line = g_string_new(NULL);
	uint64_t most = 1;

	for (unsigned int i = 0; i < row->n_samples; i++)
		most = MAX(most, row->samples[i]);
	for (unsigned int i = 0; i < row->n_samples; i++)
		g_string_append(line, marks[(unsigned int)(row->samples[i] * 7.0 / most + 0.5)]);
	return g_string_free(line, FALSE);
}

const char *acg_top_sort_name(enum acg_top_sort sort)
{
	static const char *const names[] = {"name", "memory", "cpu", "age"};

	return names[sort];
}

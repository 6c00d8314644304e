/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page of a report. Colours go by outcome, and each outcome has a letter and a pattern of its own as well, so that it reads
 * without them. No script, no font, no address: it can be mailed and kept.
 */
#include <math.h>
#include <string.h>

#include "policy/hint.h"
#include "tools/report.h"

#define WIDTH      960
#define LEFT       64
#define PLOT       (WIDTH - LEFT - 8)
#define HEIGHT     160 /* of the memory over time */
#define LANE       16
#define LANES_MAX  24
#define TABLE_ROWS 10

static const struct {
	const char *name, *letter, *words;
} outcomes[ACG_N_OUTCOMES] = {
	[ACG_WENT_WELL] = {"well", "", "as it wanted"},
	[ACG_WAS_THROTTLED] = {"throttled", "T", "slowed down"},
	[ACG_WAS_FROZEN] = {"frozen", "F", "frozen for a while"},
	[ACG_WAS_KILLED] = {"killed", "K", "killed"},
};

static const char style[] =
	"body{font:14px/1.45 system-ui,sans-serif;max-width:960px;margin:24px auto;padding:0 "
	"12px;color:#1b1f24;background:#fff}\n"
	"h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:32px 0 4px;border-top:1px solid "
	"#d0d7de;padding-top:16px}h3{font-size:14px;margin:16px 0 4px}\n"
	"p{margin:4px 0;color:#424a53}table{border-collapse:collapse;width:100%;font-size:13px}\n"
	"th{text-align:left;font-weight:600;border-bottom:1px solid #8c959f;padding:3px 8px 3px "
	"0}\n"
	"td{border-bottom:1px solid #eaeef2;padding:3px 8px 3px 0;vertical-align:top}\n"
	"td:first-child{max-width:110px;overflow-wrap:anywhere}td:last-child{white-space:nowrap}\n"
	"td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
	"code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}\n"
	"svg{width:100%;height:auto;display:block;margin:8px 0}svg text{font:11px "
	"system-ui,sans-serif;fill:#424a53}\n"
	".area{fill:#c8ddf5;stroke:#1f5fa8;stroke-width:1}.grid{stroke:#d8dee4}.budget{stroke:#"
	"a40e26;"
	"stroke-dasharray:5 3}\n"
	".call{stroke:#1b1f24;stroke-width:.4}.well{fill:#7fb685}.throttled{fill:url(#p-throttled)}"
	".frozen{fill:url(#p-frozen)}.killed{fill:url(#p-killed)}\n"
	".mark{font-weight:700;fill:#1b1f24;paint-order:stroke;stroke:#fff;stroke-width:2px}\n";

static const char patterns[] =
	"<svg width=\"0\" height=\"0\" style=\"position:absolute\"><defs>"
	"<pattern id=\"p-throttled\" width=\"6\" height=\"6\" "
	"patternUnits=\"userSpaceOnUse\"><rect width=\"6\" "
	"height=\"6\" fill=\"#f3d36b\"/><path d=\"M0 6L6 0\" stroke=\"#8a6500\"/></pattern>"
	"<pattern id=\"p-frozen\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect "
	"width=\"6\" "
	"height=\"6\" fill=\"#8fc3ea\"/><path d=\"M3 0V6\" stroke=\"#0b4f85\"/></pattern>"
	"<pattern id=\"p-killed\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect "
	"width=\"6\" "
	"height=\"6\" fill=\"#e88b84\"/><path d=\"M0 0L6 6M6 0L0 6\" stroke=\"#8f1616\"/></pattern>"
	"</defs></svg>\n";

/* --- text --------------------------------------------------------------------------------------------------- */

/* Any bytes as XML text; control characters are spaces, as XML has none. Free with g_free. */
static char *escaped(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *plain = g_string_new(NULL);
	char *out;

	for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		g_string_append_unichar(
			plain, g_unichar_iscntrl(c) || c == 0xfffe || c == 0xffff ? ' ' : c);
	}
	out = g_markup_escape_text(plain->str, -1);
	g_string_free(plain, TRUE);
	return out;
}

static char *cut(const char *text, glong characters)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1), *part = NULL, *longer = NULL;

	if (g_utf8_strlen(valid, -1) <= characters)
		return escaped(valid);
	part = g_utf8_substring(valid, 0, characters - 1);
	longer = g_strconcat(part, "\u2026", NULL);
	return escaped(longer);
}

static const char *size(double bytes, char buf[static 16])
{
	return acg_size_format(bytes > 0 ? (uint64_t)bytes : 0, buf);
}

/* With tenths where the marks of the axis would else read the same. */
static char *moment(const struct acg_report_agent *agent, double time)
{
	bool tenths = agent->end - agent->start < 4;
	g_autoptr(GDateTime) when = NULL;
	g_autofree char *text = NULL;

	if (agent->is_relative)
		return g_strdup_printf("%.*f s", tenths, time);
	when = g_date_time_new_from_unix_utc((gint64)time);
	text = when ? g_date_time_format(when, "%H:%M:%S") : g_strdup("?");
	return tenths ? g_strdup_printf("%s.%d", text, (int)((gint64)(time * 10) % 10))
		      : g_steal_pointer(&text);
}

static const struct acg_report_call *call_at(const struct acg_report_agent *agent, unsigned int i)
{
	return &g_array_index(agent->calls, struct acg_report_call, i);
}

/* --- the picture -------------------------------------------------------------------------------------------- */

static double x_of(const struct acg_report_agent *agent, double time)
{
	return LEFT + PLOT * (time - agent->start) / (agent->end - agent->start);
}

static double most_memory(const struct acg_report_agent *agent)
{
	double most = agent->budget;

	for (unsigned int i = 0; i < agent->memory->len; i++)
		most = MAX(most, g_array_index(agent->memory, struct acg_report_point, i).memory);
	return MAX(most, 1 << 20); /* an axis of bytes says nothing */
}

/* The power of two, or one and a half times it, that is no less: axes end at figures that people know. */
static double round_up(double bytes)
{
	double power = pow(2, floor(log2(bytes)));

	return bytes <= power ? power : bytes <= 1.5 * power ? 1.5 * power : 2 * power;
}

static void draw_axes(GString *out, const struct acg_report_agent *agent, double top, double height)
{
	for (int i = 0; i <= 4; i++) {
		double y = HEIGHT - i * (HEIGHT - 12) / 4.0;
		char buf[16];

		g_string_append_printf(
			out,
			"<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
			"text-anchor=\"end\">%s</text>\n",
			LEFT, y, LEFT + PLOT, LEFT - 6, y + 4, i ? size(top * i / 4, buf) : "0");
	}
	for (int i = 0; i <= 4; i++) {
		double time = agent->start + i * (agent->end - agent->start) / 4;
		g_autofree char *text = moment(agent, time);

		g_string_append_printf(out,
				       "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
				       x_of(agent, time), height - 4,
				       i == 0   ? "start"
				       : i == 4 ? "end"
						: "middle",
				       text);
	}
}

static void draw_memory(GString *out, const struct acg_report_agent *agent, double top)
{
	double y = HEIGHT;

	g_string_append_printf(out, "<path class=\"area\" d=\"M%d %d", LEFT, HEIGHT);
	for (unsigned int i = 0; i < agent->memory->len; i++) {
		const struct acg_report_point *point =
			&g_array_index(agent->memory, struct acg_report_point, i);
		double x = x_of(agent, point->time);
		double next = HEIGHT - (HEIGHT - 12) * point->memory / top;

		if (agent->is_measured)
			g_string_append_printf(out, "L%.1f %.1f", x, next);
		else
			g_string_append_printf(out, "L%.1f %.1fV%.1f", x, y, next);
		y = next;
	}
	g_string_append_printf(out, "V%dZ\"/>\n", HEIGHT);
	if (agent->budget > 0) {
		y = HEIGHT - (HEIGHT - 12) * agent->budget / top;
		g_string_append_printf(
			out,
			"<path class=\"budget\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
			"text-anchor=\"end\">budget</text>\n",
			LEFT, y, LEFT + PLOT, LEFT + PLOT, y - 3);
	}
}

static void draw_call(GString *out, const struct acg_report_agent *agent,
		      const struct acg_report_call *call)
{
	double x = x_of(agent, call->start), width = MAX(1, x_of(agent, call->end) - x);
	double y = HEIGHT + 8 + call->lane * LANE;
	g_autofree char *command = cut(call->command, 160), *id = escaped(call->id);
	char peak[16];

	g_string_append_printf(
		out,
		"<rect class=\"call %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\">"
		"<title>%s: %s\n%.2f s, peak %s, %s</title></rect>\n",
		outcomes[call->outcome].name, x, y, width, LANE - 3, id, command,
		call->end - call->start, size(call->peak, peak), outcomes[call->outcome].words);
	if (call->outcome != ACG_WENT_WELL)
		g_string_append_printf(out,
				       "<text class=\"mark\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
				       x + 2, y + LANE - 6, outcomes[call->outcome].letter);
}

static void draw_agent(GString *out, const struct acg_report_agent *agent)
{
	unsigned int lanes = MIN(agent->n_lanes, LANES_MAX), left_out = 0;
	double height = HEIGHT + 8 + lanes * LANE + 18, top = round_up(most_memory(agent));

	g_string_append_printf(
		out,
		"<svg viewBox=\"0 0 %d %.0f\" role=\"img\"><title>memory and calls over "
		"time</title>\n",
		WIDTH, height);
	draw_axes(out, agent, top, height);
	draw_memory(out, agent, top);
	for (unsigned int i = 0; i < agent->calls->len; i++) {
		if (call_at(agent, i)->lane < LANES_MAX)
			draw_call(out, agent, call_at(agent, i));
		else
			left_out++;
	}
	g_string_append(out, "</svg>\n");
	if (left_out)
		g_string_append_printf(
			out, "<p>%u calls ran beside so many others that they are not drawn.</p>\n",
			left_out);
}

/* --- the figures -------------------------------------------------------------------------------------------- */

static int by_peak(const void *a, const void *b)
{
	const struct acg_report_call *const *one = a, *const *two = b;

	return ((*one)->peak < (*two)->peak) - ((*one)->peak > (*two)->peak);
}

static int by_duration(const void *a, const void *b)
{
	const struct acg_report_call *const *one = a, *const *two = b;
	double x = (*one)->end - (*one)->start, y = (*two)->end - (*two)->start;

	return (x < y) - (x > y);
}

static void call_row(GString *out, const struct acg_report_call *call, bool with_feedback)
{
	g_autofree char *id = escaped(call->id), *command = cut(call->command, 120);
	g_autofree char *feedback =
		with_feedback && call->feedback ? escaped(call->feedback) : NULL;
	char peak[16], grant[16];

	g_string_append_printf(
		out,
		"<tr><td>%s</td><td><code>%s</code>%s%s</td><td class=\"n\">%.1f s</td><td "
		"class=\"n\">%s</td><td class=\"n\">%s</td><td>%s</td></tr>\n",
		id, command, feedback ? "<br/>" : "", feedback ? feedback : "",
		call->end - call->start, size(call->peak, peak),
		call->grant > 0 ? size(call->grant, grant) : "\u2013",
		outcomes[call->outcome].words);
}

static void table(GString *out, const char *title, GPtrArray *calls, bool with_feedback)
{
	if (!calls->len)
		return;
	g_string_append_printf(
		out,
		"<h3>%s</h3>\n<table><tr><th>call</th><th>command</th><th class=\"n\">took</th><th "
		"class=\"n\">peak</th><th class=\"n\">grant</th><th>went</th></tr>\n",
		title);
	for (unsigned int i = 0; i < MIN(calls->len, TABLE_ROWS); i++)
		call_row(out, calls->pdata[i], with_feedback);
	g_string_append(out, "</table>\n");
	if (calls->len > TABLE_ROWS)
		g_string_append_printf(out, "<p>and %u more</p>\n", calls->len - TABLE_ROWS);
}

static void tables(GString *out, const struct acg_report_agent *agent)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new(), met = g_ptr_array_new();

	for (unsigned int i = 0; i < agent->calls->len; i++) {
		g_ptr_array_add(all, (void *)call_at(agent, i));
		if (call_at(agent, i)->outcome != ACG_WENT_WELL)
			g_ptr_array_add(met, (void *)call_at(agent, i));
	}
	table(out, "Slowed down, frozen or killed", met, true);
	g_ptr_array_set_size(all, agent->calls->len);
	g_ptr_array_sort(all, by_peak);
	g_ptr_array_set_size(all, MIN(all->len, 5));
	table(out, "The biggest calls", all, false);
	g_ptr_array_set_size(all, 0);
	for (unsigned int i = 0; i < agent->calls->len; i++)
		g_ptr_array_add(all, (void *)call_at(agent, i));
	g_ptr_array_sort(all, by_duration);
	g_ptr_array_set_size(all, MIN(all->len, 5));
	table(out, "The slowest calls", all, false);
}

static int by_value(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return (one > two) - (one < two);
}

/* By how much grants exceeded the need: of calls that had one and were not stopped by it. */
static void grants(GString *out, const struct acg_report_agent *agent)
{
	g_autoptr(GArray) ratios = g_array_new(FALSE, FALSE, sizeof(double));

	for (unsigned int i = 0; i < agent->calls->len; i++) {
		const struct acg_report_call *call = call_at(agent, i);
		double ratio = call->peak > 0 ? call->grant / call->peak : 0;

		if (ratio > 0 && call->outcome != ACG_WAS_KILLED)
			g_array_append_val(ratios, ratio);
	}
	if (!ratios->len)
		return;
	g_array_sort(ratios, by_value);
	g_string_append_printf(
		out,
		"<p>Grants were %.1f times the peak in the median of %u calls (from %.1f to %.1f "
		"times).</p>\n",
		g_array_index(ratios, double, ratios->len / 2), ratios->len,
		g_array_index(ratios, double, 0), g_array_index(ratios, double, ratios->len - 1));
}

/* What a limit of the whole time, as high as the highest need, would have held beyond what was used. */
static void saved(GString *out, const struct acg_report_agent *agent)
{
	double most = 0, used = 0, last = agent->start, memory = 0;
	char buf[16], average[16];

	for (unsigned int i = 0; i < agent->memory->len; i++) {
		const struct acg_report_point *point =
			&g_array_index(agent->memory, struct acg_report_point, i);

		used += memory * (point->time - last);
		most = MAX(most, point->memory);
		memory = point->memory;
		last = point->time;
	}
	if (most <= 0)
		return;
	g_string_append_printf(
		out,
		"<p>The highest need was %s, the average %s: a fixed limit as high as the highest "
		"need would have been %.0f%% unused.</p>\n",
		size(most, buf), size(used / (agent->end - agent->start), average),
		100 * (1 - used / (most * (agent->end - agent->start))));
}

static void dates(GString *out, const struct acg_report_agent *agent)
{
	g_autoptr(GDateTime) start = g_date_time_new_from_unix_utc((gint64)agent->start);
	g_autofree char *text = start ? g_date_time_format(start, "%Y-%m-%d %H:%M:%S") : NULL;

	if (text)
		g_string_append_printf(out, "<p>From %s on (all times are UTC).</p>\n", text);
}

static void summary(GString *out, const struct acg_report_agent *agent)
{
	unsigned int counts[ACG_N_OUTCOMES] = {0};
	double delayed = 0, frozen = 0;

	for (unsigned int i = 0; i < agent->calls->len; i++) {
		counts[call_at(agent, i)->outcome]++;
		delayed += call_at(agent, i)->delayed;
		frozen += call_at(agent, i)->frozen;
	}
	g_string_append_printf(
		out,
		"<p>%u call%s in %.0f s: %u slowed down (%.1f s in all), %u frozen (%.1f s), %u "
		"killed.%s</p>\n",
		agent->calls->len, agent->calls->len == 1 ? "" : "s", agent->end - agent->start,
		counts[ACG_WAS_THROTTLED], delayed, counts[ACG_WAS_FROZEN], frozen,
		counts[ACG_WAS_KILLED],
		counts[ACG_WAS_KILLED] ? " The agent and its other calls went on." : "");
	if (!agent->is_relative)
		dates(out, agent);
	saved(out, agent);
	grants(out, agent);
	g_string_append_printf(
		out, "<p>%s</p>\n",
		agent->is_measured
			? "Memory: as it was sampled."
			: "Memory: the peaks of the calls that ran, added up; there was no more.");
}

char *acg_report_html(const struct acg_report *report, const char *title)
{
	GString *out = g_string_sized_new(64 * 1024);
	g_autofree char *head = escaped(title);

	g_string_append_printf(out,
			       "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
			       "charset=\"utf-8\"/><title>%s</title>\n"
			       "<style>%s</style></head><body>\n%s<h1>%s</h1>\n",
			       head, style, patterns, head);
	g_string_append(
		out,
		"<p>Each bar below a curve is a tool call: plain as it wanted, <b>T</b> slowed "
		"down "
		"(slanted lines), <b>F</b> frozen for a while (upright lines), <b>K</b> killed "
		"(crosses).</p>\n");
	if (!report->agents->len)
		g_string_append(out, "<p>No call has ended yet.</p>\n");
	for (unsigned int i = 0; i < report->agents->len; i++) {
		const struct acg_report_agent *agent = report->agents->pdata[i];
		g_autofree char *name = escaped(agent->name);

		g_string_append_printf(out, "<h2>%s</h2>\n", name);
		summary(out, agent);
		draw_agent(out, agent);
		tables(out, agent);
	}
	g_string_append(out, "</body></html>\n");
	return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found of agents, as a table and as JSON. */
#include <json-glib/json-glib.h>

#include "policy/hint.h"
#include "tools/characterize.h"

static const char *const limit_names[] = {"peak", "p95", "average"};

/* The numbers of one class from all agents. Free with g_array_unref. */
static GArray *all_spikes(const GPtrArray *characters, unsigned int class)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(double));

	for (unsigned int i = 0; i < characters->len; i++) {
		const GArray *some =
			((const struct acg_character *)characters->pdata[i])->spikes[class];

		g_array_append_vals(all, some->data, some->len);
	}
	return all;
}

static double ratio_of(const struct acg_character *character)
{
	return character->average > 0 ? character->peak / character->average : 0;
}

/* --- the table -------------------------------------------------------------------------------- */

static void table_row(const struct acg_character *c, GString *out)
{
	char peak[16], average[16], baseline[16];

	g_string_append_printf(out, "%-32.32s %5u %8.1f %5.0f%%", c->name, c->calls, c->duration,
			       c->in_tools * 100);
	if (c->sampled)
		g_string_append_printf(
			out, " %7s %7s %6.2f %8s %8.1f %6.2f %6u %5.1f %5.0f%%",
			acg_size_format(c->peak, peak), acg_size_format(c->average, average),
			ratio_of(c), acg_size_format(c->baseline, baseline),
			c->memory_rate / ACG_TRACE_MEGABYTE, c->correlation, c->bursts->len,
			acg_percentile(c->bursts, 50), c->limits[ACG_LIMIT_PEAK].wasted * 100);
	else
		g_string_append_printf(out, " %7s %7s %6s %8s %8s %6s %6s %5s %6s", "-", "-", "-",
				       "-", "-", "-", "-", "-", "-");
	g_string_append_printf(out, " %3u/%u %6.1f\n", c->retry_groups, c->retry_longest,
			       c->retry_time);
}

static void table_classes(const GPtrArray *characters, GString *out)
{
	g_string_append_printf(out, "\n%-10s %6s %9s %9s\n", "CLASS", "CALLS", "p50", "p95");
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++) {
		g_autoptr(GArray) spikes = all_spikes(characters, i);
		char p50[16], p95[16];

		g_string_append_printf(out, "%-10s %6u %9s %9s\n", acg_command_class_name(i),
				       spikes->len,
				       acg_size_format(acg_percentile(spikes, 50), p50),
				       acg_size_format(acg_percentile(spikes, 95), p95));
	}
}

void acg_characterize_table(const GPtrArray *characters, GString *out)
{
	g_string_append_printf(
		out, "%-32s %5s %8s %6s %7s %7s %6s %8s %8s %6s %6s %5s %6s %5s %6s\n", "AGENT",
		"CALLS", "SECONDS", "TOOLS", "PEAK", "AVERAGE", "RATIO", "BASELINE", "MAX MB/s",
		"CORR", "BURSTS", "p50 s", "WASTED", "RETRY", "s");
	for (unsigned int i = 0; i < characters->len; i++)
		table_row(characters->pdata[i], out);
	table_classes(characters, out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void add(JsonBuilder *builder, const char *member, double value)
{
	json_builder_set_member_name(builder, member);
	json_builder_add_double_value(builder, value);
}

static void add_count(JsonBuilder *builder, const char *member, unsigned int value)
{
	json_builder_set_member_name(builder, member);
	json_builder_add_int_value(builder, value);
}

static void add_numbers(JsonBuilder *builder, const char *member, const GArray *numbers)
{
	json_builder_set_member_name(builder, member);
	json_builder_begin_object(builder);
	add_count(builder, "count", numbers->len);
	add(builder, "p50", acg_percentile(numbers, 50));
	add(builder, "p95", acg_percentile(numbers, 95));
	add(builder, "max", acg_percentile(numbers, 100));
	json_builder_end_object(builder);
}

static void add_limits(JsonBuilder *builder, const struct acg_character *character)
{
	json_builder_set_member_name(builder, "static_limits");
	json_builder_begin_object(builder);
	for (unsigned int i = 0; i < ACG_N_LIMITS; i++) {
		json_builder_set_member_name(builder, limit_names[i]);
		json_builder_begin_object(builder);
		add(builder, "limit", character->limits[i].limit);
		add(builder, "wasted", character->limits[i].wasted);
		add(builder, "above", character->limits[i].above);
		json_builder_end_object(builder);
	}
	json_builder_end_object(builder);
}

static void add_samples(JsonBuilder *builder, const struct acg_character *character)
{
	add(builder, "peak", character->peak);
	add(builder, "average", character->average);
	add(builder, "peak_to_average", ratio_of(character));
	add(builder, "baseline", character->baseline);
	add(builder, "memory_rate", character->memory_rate);
	add(builder, "cpu_rate", character->cpu_rate);
	add(builder, "correlation", character->correlation);
	add_numbers(builder, "burst_seconds", character->bursts);
	add_limits(builder, character);
}

static void add_character(JsonBuilder *builder, const struct acg_character *character)
{
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "name");
	json_builder_add_string_value(builder, character->name);
	add_count(builder, "calls", character->calls);
	add(builder, "duration", character->duration);
	add(builder, "in_tools", character->in_tools);
	if (character->sampled)
		add_samples(builder, character);
	json_builder_set_member_name(builder, "retries");
	json_builder_begin_object(builder);
	add_count(builder, "groups", character->retry_groups);
	add_count(builder, "longest", character->retry_longest);
	add(builder, "seconds", character->retry_time);
	add(builder, "memory_left", character->retry_left);
	json_builder_end_object(builder);
	json_builder_end_object(builder);
}

void acg_characterize_json(const GPtrArray *characters, GString *out)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autoptr(JsonNode) root = NULL;
	g_autofree char *text = NULL;

	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "agents");
	json_builder_begin_array(builder);
	for (unsigned int i = 0; i < characters->len; i++)
		add_character(builder, characters->pdata[i]);
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "spike_by_class");
	json_builder_begin_object(builder);
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++) {
		g_autoptr(GArray) spikes = all_spikes(characters, i);

		add_numbers(builder, acg_command_class_name(i), spikes);
	}
	json_builder_end_object(builder);
	json_builder_end_object(builder);
	root = json_builder_get_root(builder);
	text = json_to_string(root, FALSE);
	g_string_append_printf(out, "%s\n", text);
}

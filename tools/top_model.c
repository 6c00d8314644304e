/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of `agentcg top`; see the header. */
#include <stdlib.h>
#include <string.h>

#include "tools/top.h"
#include "tools/tree.h"

#define SAMPLE_GAP (G_USEC_PER_SEC / 20) /* between two looks that count */

static void row_free(void *data)
{
	struct acg_top_row *row = data;

	g_free(row->key);
	g_free(row->name);
	g_free(row->agent_dir);
	g_free(row->state);
	g_free(row->command);
	g_free(row->reason);
	g_free(row->feedback);
	g_free(row);
}

void acg_top_init(struct acg_top *top, const char *root)
{
	*top = (struct acg_top){.root = g_strdup(root), .sort = ACG_TOP_BY_MEMORY};
	top->rows = g_ptr_array_new_with_free_func(row_free);
}

void acg_top_clear(struct acg_top *top)
{
	g_ptr_array_unref(top->rows);
	g_free(top->root);
	g_free(top->filter);
	g_free(top->agent);
}

/* --- one row ------------------------------------------------------------------------------------------------ */

static uint64_t size_of(JsonObject *info, const char *member, uint64_t none)
{
	gint64 value = acg_tree_int(info, member, -1);

	return value < 0 ? none : (uint64_t)value;
}

static double pressure_of(const char *dir, const char *sub, const char *id)
{
	g_autofree char *text = acg_tree_read(NULL, dir, sub ? sub : "memory.pressure",
					      sub ? id : NULL, "memory.pressure", NULL);
	const char *at = text ? strstr(text, "avg10=") : NULL;

	return at ? g_ascii_strtod(at + strlen("avg10="), NULL) : -1;
}

static uint64_t agent_cpu_usec(const char *dir)
{
	g_autofree char *text = acg_tree_read(NULL, dir, "cpu.stat", NULL);
	const char *at = text ? strstr(text, "usage_usec ") : NULL;

	return at ? strtoull(at + strlen("usage_usec "), NULL, 10) : 0;
}

static struct acg_top_row *row_new(const char *parent, const char *name, unsigned int depth)
{
	struct acg_top_row *row = g_new0(struct acg_top_row, 1);

	row->key = *parent ? g_strdup_printf("%s/%s", parent, name) : g_strdup(name);
	row->name = g_strdup(name);
	row->depth = depth;
	return row;
}

static struct acg_top_row *call_row(const char *dir, const char *agent, const char *id,
				    unsigned int depth)
{
	g_autoptr(JsonObject) info = acg_tree_json(NULL, dir, "calls", id, "info", NULL);
	struct acg_top_row *row;

	if (!info || strcmp(acg_tree_string(info, "state", ""), "ended") == 0)
		return NULL;
	row = row_new(agent, id, depth);
	row->is_call = true;
	row->agent_dir = g_strdup(dir);
	row->memory = size_of(info, "memory_current", 0);
	row->peak = size_of(info, "memory_peak", 0);
	row->limit = size_of(info, "grant", UINT64_MAX);
	row->cpu_usec = size_of(info, "cpu_usec", 0);
	row->pressure = pressure_of(dir, "calls", id);
	row->state = g_strdup(acg_tree_string(info, "state", "?"));
	row->command = g_strdup(acg_tree_string(info, "command", ""));
	row->reason = g_strdup(acg_tree_string(info, "reason", ""));
	row->feedback = g_strdup(acg_tree_string(info, "feedback", ""));
	row->seconds = acg_tree_int(info, "duration_ms", 0) / 1000.0;
	return row;
}

static struct acg_top_row *agent_row(const char *dir, const char *parent, const char *name,
				     unsigned int depth)
{
	g_autoptr(JsonObject) info = acg_tree_json(NULL, dir, "info", NULL);
	struct acg_top_row *row;
	int calls;

	if (!info)
		return NULL;
	calls = acg_tree_int(info, "calls", 0);
	row = row_new(parent, name, depth);
	row->agent_dir = g_strdup(dir);
	row->memory = size_of(info, "used", 0);
	row->peak = size_of(info, "peak", 0);
	row->limit = size_of(info, "budget", UINT64_MAX);
	row->cpu_usec = agent_cpu_usec(dir);
	row->pressure = pressure_of(dir, NULL, NULL);
	row->state = g_strdup(acg_tree_string(info, "priority", ""));
	row->command = g_strdup_printf("%d call%s", calls, calls == 1 ? "" : "s");
	row->reason = g_strdup("");
	row->feedback = acg_tree_read(NULL, dir, "feedback", NULL);
	row->feedback = row->feedback ? g_strchomp(row->feedback) : g_strdup("");
	return row;
}

/* --- all of them -------------------------------------------------------------------------------------------- */

struct ordering {
	enum acg_top_sort sort;
};

static int by_figures(const struct acg_top_row *a, const struct acg_top_row *b,
		      enum acg_top_sort sort)
{
	switch (sort) {
	case ACG_TOP_BY_MEMORY:
		return (a->memory < b->memory) - (a->memory > b->memory);
	case ACG_TOP_BY_CPU:
		return (a->cpu < b->cpu) - (a->cpu > b->cpu);
	case ACG_TOP_BY_AGE:
		return (a->seconds < b->seconds) - (a->seconds > b->seconds);
	default:
		return 0;
	}
}

static int compare_rows(const void *a, const void *b, void *data)
{
	const struct acg_top_row *one = *(const struct acg_top_row *const *)a;
	const struct acg_top_row *two = *(const struct acg_top_row *const *)b;
	int order = by_figures(one, two, ((struct ordering *)data)->sort);

	return order ? order : strcmp(one->key, two->key);
}

static bool fits(const struct acg_top *top, const struct acg_top_row *row)
{
	return !top->filter || !*top->filter || strstr(row->key, top->filter) ||
	       strstr(row->command, top->filter) || strstr(row->state, top->filter);
}

/* Samples and the CPU time of the last look, if the row was there. */
static void go_on(struct acg_top_row *row, GHashTable *before, int64_t elapsed)
{
	const struct acg_top_row *last = g_hash_table_lookup(before, row->key);

	if (last) {
		memcpy(row->samples, last->samples, sizeof(row->samples));
		row->n_samples = last->n_samples;
		if (elapsed > 0 && row->cpu_usec > last->cpu_usec)
			row->cpu = 100.0 * (row->cpu_usec - last->cpu_usec) / elapsed;
	}
	if (last && elapsed < SAMPLE_GAP) { /* looked again because of a key */
		row->cpu = last->cpu;
		row->cpu_usec = last->cpu_usec;
		return;
	}
	if (row->n_samples == ACG_TOP_SAMPLES)
		memmove(row->samples, row->samples + 1,
			sizeof(row->samples) - sizeof(row->samples[0]));
	else
		row->n_samples++;
	row->samples[row->n_samples - 1] = row->memory;
}

struct sampling {
	struct acg_top *top;
	GPtrArray *rows;
	GHashTable *before; /* key -> row of the last sample */
	int64_t elapsed;
};

static void add_calls(struct sampling *sampling, const char *dir, const struct acg_top_row *agent)
{
	g_autoptr(GPtrArray) ids = acg_tree_names(dir, "calls");
	g_autoptr(GPtrArray) calls = g_ptr_array_new();
	struct ordering ordering = {sampling->top->sort};

	for (unsigned int i = 0; i < ids->len; i++) {
		struct acg_top_row *row =
			call_row(dir, agent->key, ids->pdata[i], agent->depth + 1);

		if (!row)
			continue;
		go_on(row, sampling->before, sampling->elapsed);
		if (fits(sampling->top, row))
			g_ptr_array_add(calls, row);
		else
			row_free(row);
	}
	g_ptr_array_sort_with_data(calls, compare_rows, &ordering);
	for (unsigned int i = 0; i < calls->len; i++)
		g_ptr_array_add(sampling->rows, calls->pdata[i]);
}

static void add_agents(struct sampling *sampling, const char *dir, const char *parent,
		       unsigned int depth)
{
	g_autoptr(GPtrArray) names = acg_tree_names(dir, "agents");

	for (unsigned int i = 0; i < names->len; i++) {
		g_autofree char *below = g_build_filename(dir, "agents", names->pdata[i], NULL);
		struct acg_top_row *row = agent_row(below, parent, names->pdata[i], depth);
		unsigned int at = sampling->rows->len;

		if (!row)
			continue;
		go_on(row, sampling->before, sampling->elapsed);
		g_ptr_array_add(sampling->rows, row);
		add_calls(sampling, below, row);
		add_agents(sampling, below, row->key, depth + 1);
		if ((at + 1 == sampling->rows->len && !fits(sampling->top, row)) ||
		    (!depth && sampling->top->agent &&
		     strcmp(sampling->top->agent, row->name) != 0))
			g_ptr_array_set_size(sampling->rows, at);
	}
}

void acg_top_sample(struct acg_top *top)
{
	int64_t now = g_get_monotonic_time();
	struct sampling sampling = {
		.top = top,
		.rows = g_ptr_array_new_with_free_func(row_free),
		.before = g_hash_table_new(g_str_hash, g_str_equal),
		.elapsed = top->sampled ? now - top->sampled : 0,
	};

	for (unsigned int i = 0; i < top->rows->len; i++) {
		struct acg_top_row *row = top->rows->pdata[i];

		g_hash_table_insert(sampling.before, row->key, row);
	}
	add_agents(&sampling, top->root, "", 0);
	g_hash_table_unref(sampling.before);
	g_ptr_array_unref(top->rows);
	top->rows = sampling.rows;
	if (!top->sampled || sampling.elapsed >= SAMPLE_GAP)
		top->sampled = now;
}

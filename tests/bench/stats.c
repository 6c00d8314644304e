/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Percentiles, spreads, the table and the JSON; see the header. */
#include "tests/bench/stats.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "policy/json.h"

static double *samples_new(const struct comparison *comparison)
{
	size_t size = (size_t)comparison->rounds * comparison->per_round * sizeof(double);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		g_error("no memory for %zu bytes of samples", size);
	return memory;
}

void comparison_init(struct comparison *comparison, const char *name, unsigned int rounds,
		     unsigned int per_round)
{
	*comparison = (struct comparison){.name = name, .rounds = rounds, .per_round = per_round};
	comparison->tree = samples_new(comparison);
	comparison->direct = samples_new(comparison);
}

void comparison_clear(struct comparison *comparison)
{
	size_t size = (size_t)comparison->rounds * comparison->per_round * sizeof(double);

	munmap(comparison->tree, size);
	munmap(comparison->direct, size);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(const double *samples, unsigned int n, unsigned int percent)
{
	g_autofree double *sorted = g_memdup2(samples, n * sizeof(double));

	qsort(sorted, n, sizeof(double), compare_doubles);
	return sorted[MIN(n * percent / 100, n - 1)];
}

static struct spread spread_of(double *values, unsigned int n)
{
	qsort(values, n, sizeof(double), compare_doubles);
	return (struct spread){.median = values[n / 2], .least = values[0], .most = values[n - 1]};
}

struct outcome comparison_outcome(const struct comparison *comparison, unsigned int percent)
{
	unsigned int rounds = comparison->rounds, n = comparison->per_round;
	g_autofree double *tree = g_new(double, rounds);
	g_autofree double *direct = g_new(double, rounds);
	g_autofree double *ratio = g_new(double, rounds);

	for (unsigned int i = 0; i < rounds; i++) {
		tree[i] = percentile(comparison->tree + (size_t)i * n, n, percent);
		direct[i] = percentile(comparison->direct + (size_t)i * n, n, percent);
		ratio[i] = tree[i] / direct[i];
	}
	return (struct outcome){spread_of(tree, rounds), spread_of(direct, rounds),
				spread_of(ratio, rounds)};
}

/* --- the table -------------------------------------------------------------------------------- */

static void print_outcome(const struct outcome *outcome)
{
	printf(" %9.1f %9.1f  %5.3f (%.3f to %.3f)", outcome->tree.median, outcome->direct.median,
	       outcome->ratio.median, outcome->ratio.least, outcome->ratio.most);
}

void comparisons_print(const struct comparison *all, unsigned int n)
{
	printf("%-34s %6s %9s %9s  %-23s %9s %9s  %s\n", "usec, median of the rounds", "n",
	       "tree p50", "other", "ratio (least to most)", "tree p99", "other",
	       "ratio (least to most)");
	for (unsigned int i = 0; i < n; i++) {
		const struct comparison *row = &all[i];
		struct outcome p50, p99;

		if (row->skipped) {
			printf("%-34s %6s %s\n", row->name, "-", row->skipped);
			continue;
		}
		p50 = comparison_outcome(row, 50);
		p99 = comparison_outcome(row, 99);
		printf("%-34s %6u", row->name, row->rounds * row->per_round);
		print_outcome(&p50);
		print_outcome(&p99);
		if (row->aim > 0)
			printf("  aim: p50 under %.4g, %s", row->aim,
			       p50.ratio.median < row->aim ? "met" : "missed");
		printf("\n");
	}
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Three decimals, as an exact number. */
static void json_real(GString *out, const char *key, double value)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];

	g_string_append_printf(out, "%s\"%s\":%s", g_str_has_suffix(out->str, "{") ? "" : ",", key,
			       g_ascii_formatd(text, sizeof(text), "%.3f", value));
}

static void json_spread(GString *out, const char *key, const struct spread *spread)
{
	acg_json_open(out, key, '{');
	json_real(out, "median", spread->median);
	json_real(out, "least", spread->least);
	json_real(out, "most", spread->most);
	acg_json_close(out, '}');
}

static void json_outcome(GString *out, const char *key, const struct comparison *comparison,
			 unsigned int percent)
{
	struct outcome outcome = comparison_outcome(comparison, percent);

	acg_json_open(out, key, '{');
	json_spread(out, "tree_usec", &outcome.tree);
	json_spread(out, "direct_usec", &outcome.direct);
	json_spread(out, "ratio", &outcome.ratio);
	acg_json_close(out, '}');
}

char *comparisons_json(const struct comparison *all, unsigned int n, const char *const facts[])
{
	GString *out = g_string_new(NULL);

	acg_json_open(out, NULL, '{');
	for (unsigned int i = 0; facts[i]; i += 2)
		acg_json_string(out, facts[i], facts[i + 1]);
	acg_json_open(out, "cases", '[');
	for (unsigned int i = 0; i < n; i++) {
		acg_json_open(out, NULL, '{');
		acg_json_string(out, "name", all[i].name);
		acg_json_string(out, "skipped", all[i].skipped);
		if (!all[i].skipped) {
			acg_json_unsigned(out, "rounds", all[i].rounds);
			acg_json_unsigned(out, "per_round", all[i].per_round);
			json_outcome(out, "p50", &all[i], 50);
			json_outcome(out, "p99", &all[i], 99);
		}
		acg_json_close(out, '}');
	}
	acg_json_close(out, ']');
	acg_json_close(out, '}');
	g_string_append_c(out, '\n');
	return g_string_free(out, FALSE);
}

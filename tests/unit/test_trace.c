/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traces: read, written, made up, and shared out among processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tools/replay_plan.h"
#include "tools/synthetic.h"
#include "tools/trace.h"

#define MB ACG_TRACE_MEGABYTE

static struct acg_trace *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct acg_trace *trace = acg_trace_parse(text, "file", &error);

	if (!trace)
		fail_msg("%s: %s", text, error->message);
	return trace;
}

static const struct acg_sample *sample(const struct acg_trace *trace, unsigned int i)
{
	return &g_array_index(trace->samples, struct acg_sample, i);
}

static const struct acg_trace_call *call(const struct acg_trace *trace, unsigned int i)
{
	return &g_array_index(trace->calls, struct acg_trace_call, i);
}

static void test_whole(void **state)
{
	struct acg_trace *trace = parse("{\"task\":\"a\",\"model\":\"m\",\"other\":[{}],"
					"\"samples\":[[0.0,12,100.5],[1.5,200.25,0]],"
					"\"calls\":[{\"start\":0.5,\"end\":1.25,\"tool\":\"Bash\","
					"\"id\":\"x1\",\"command\":\"ls\\n\"}]}");

	(void)state;
	assert_string_equal(trace->task, "a");
	assert_string_equal(trace->model, "m");
	assert_int_equal(trace->samples->len, 2);
	assert_true(sample(trace, 1)->time == 1.5);
	assert_true(sample(trace, 1)->memory == 200.25 * MB);
	assert_true(fabs(sample(trace, 0)->cpu - 1.005) < 1e-9);
	assert_int_equal(trace->calls->len, 1);
	assert_string_equal(call(trace, 0)->command, "ls\n");
	assert_string_equal(call(trace, 0)->id, "x1");
	assert_true(acg_trace_is_process(call(trace, 0)));
	assert_true(acg_trace_duration(trace) == 1.5);
	acg_trace_free(trace);
}

/* What may be missing, null, in another order or of an older form. */
static void test_lenient(void **state)
{
	struct acg_trace *trace =
		parse("{\"samples\":[[5,300],[0,100,20],[2,200,40]],\"calls\":["
		      "{\"start\":4,\"end\":null,\"tool\":\"Bash\",\"id\":7,\"command\":null},"
		      "{\"start\":1,\"end\":9,\"tool\":\"Read\"}]}");

	(void)state;
	assert_string_equal(trace->task, "file");
	assert_null(trace->model);
	assert_true(sample(trace, 0)->time == 0 && sample(trace, 2)->time == 5);
	assert_true(sample(trace, 2)->cpu == 0);
	assert_string_equal(call(trace, 0)->tool, "Read");
	assert_false(acg_trace_is_process(call(trace, 0)));
	assert_true(call(trace, 1)->end == 5);
	assert_null(call(trace, 1)->id);
	assert_null(call(trace, 1)->command);
	assert_true(acg_trace_duration(trace) == 9);
	assert_true(acg_trace_memory(trace, 1) == 150 * MB);
	assert_true(acg_trace_memory(trace, 9) == 300 * MB);
	assert_true(fabs(acg_trace_cpu(trace, 1) - 0.4) < 1e-9);
	acg_trace_free(trace);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"", "object"},
		{"{", "JSON"},
		{"[]", "object"},
		{"nonsense", "JSON"},
		{"\"\\xff\"", "JSON"},
		{"\xff", "UTF-8"},
		{"{}", "no samples"},
		{"{\"samples\":[]}", "no samples"},
		{"{\"samples\":{}}", "samples is no array"},
		{"{\"samples\":[[0]]}", "samples[0]"},
		{"{\"samples\":[[0,1],7]}", "samples[1]"},
		{"{\"samples\":[[0,1],[1,\"2\"]]}", "samples[1]"},
		{"{\"samples\":[[0,-1]]}", "samples[0]"},
		{"{\"samples\":[[-1,1]]}", "samples[0]"},
		{"{\"samples\":[[0,1,null]]}", "samples[0]"},
		{"{\"samples\":[[0,1e300]]}", "samples[0]"},
		{"{\"samples\":[[1e12,1]]}", "samples[0]"},
		{"{\"samples\":[[true,1]]}", "samples[0]"},
		{"{\"samples\":[[0,1]],\"calls\":7}", "calls is no array"},
		{"{\"samples\":[[0,1]],\"calls\":[[]]}", "calls[0]"},
		{"{\"samples\":[[0,1]],\"calls\":[{}]}", "calls[0] has no start"},
		{"{\"samples\":[[0,1]],\"calls\":[{\"start\":\"1\",\"tool\":\"Bash\"}]}", "start"},
		{"{\"samples\":[[0,1]],\"calls\":[{\"start\":1}]}", "tool"},
		{"{\"samples\":[[0,1]],\"calls\":[{\"start\":1,\"tool\":[]}]}", "tool"},
		{"{\"samples\":[[0,1]],\"calls\":[{\"start\":2,\"end\":1,\"tool\":\"Bash\"}]}",
		 "end"},
		{"{\"samples\":[[0,1]],\"calls\":[{\"start\":2,\"end\":3,\"tool\":\"Bash\"},"
		 "{\"start\":2,\"end\":{},\"tool\":\"Bash\"}]}",
		 "calls[1]"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		assert_null(acg_trace_parse(cases[i].text, "t", &error));
		if (!error || error->code != EINVAL || !strstr(error->message, cases[i].word))
			fail_msg("%s: %s", cases[i].text, error ? error->message : "no error");
	}
}

static void test_deep(void **state)
{
	g_autoptr(GString) text = g_string_new("{\"samples\":");
	g_autoptr(GError) error = NULL;

	(void)state;
	for (int i = 0; i < 1000000; i++)
		g_string_append_c(text, '[');
	assert_null(acg_trace_parse(text->str, "t", &error));
	assert_non_null(strstr(error->message, "too deeply"));
}

/* Any change of a byte gives a trace or an error with words, and nothing worse. */
static void test_damaged(void **state)
{
	struct acg_trace *whole = acg_synthetic_trace(7, 0);
	g_autofree char *text = acg_trace_format(whole);
	GRand *random = g_rand_new_with_seed(1);
	size_t length = MIN(strlen(text), 3000);
	unsigned int refused = 0;

	(void)state;
	text[length] = '\0';
	for (unsigned int i = 0; i < 3000; i++) {
		g_autofree char *damaged = g_strdup(text);
		g_autoptr(GError) error = NULL;
		struct acg_trace *trace;

		for (int changes = g_rand_int_range(random, 0, 4); changes > 0; changes--)
			damaged[g_rand_int_range(random, 0, length)] =
				"[]{},:\"\\-0e.n\xff\x01"[g_rand_int_range(random, 0, 15)];
		damaged[g_rand_int_range(random, 0, length)] = '\0';
		trace = acg_trace_parse(damaged, "t", &error);
		assert_true(!trace == !!error);
		refused += !trace;
		acg_trace_free(trace);
	}
	assert_int_equal(refused, 3000); /* cut off as they are */
	g_rand_free(random);
	acg_trace_free(whole);
}

/* Text, trace, text: the same. */
static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		struct acg_trace *made = acg_synthetic_trace(i, i);
		g_autofree char *once = acg_trace_format(made);
		struct acg_trace *read = parse(once);
		g_autofree char *twice = acg_trace_format(read);

		assert_string_equal(once, twice);
		assert_int_equal(read->calls->len, made->calls->len);
		acg_trace_free(read);
		acg_trace_free(made);
	}
}

/* --- made-up traces --------------------------------------------------------------------------- */

static double average(const struct acg_trace *trace, double *ret_peak)
{
	double sum = 0;

	*ret_peak = 0;
	for (unsigned int i = 0; i < trace->samples->len; i++) {
		sum += sample(trace, i)->memory;
		*ret_peak = MAX(*ret_peak, sample(trace, i)->memory);
	}
	return sum / trace->samples->len;
}

/* Samples in a row that are at least 20 MB above the one before the first of them. */
static unsigned int longest_burst(const struct acg_trace *trace)
{
	unsigned int longest = 0;

	for (unsigned int i = 1; i < trace->samples->len; i++) {
		unsigned int n = 0;

		while (i + n < trace->samples->len &&
		       sample(trace, i + n)->memory > sample(trace, i - 1)->memory + 20 * MB)
			n++;
		longest = MAX(longest, n);
		i += n;
	}
	return longest;
}

static unsigned int longest_retry(const struct acg_trace *trace)
{
	unsigned int longest = 0, n = 0;
	const char *last = NULL;

	for (unsigned int i = 0; i < trace->calls->len; i++) {
		if (!acg_trace_is_process(call(trace, i)))
			continue;
		n = g_strcmp0(last, call(trace, i)->command) == 0 ? n + 1 : 1;
		last = call(trace, i)->command;
		longest = MAX(longest, n);
	}
	return longest;
}

static double in_tools(const struct acg_trace *trace)
{
	double sum = 0;

	for (unsigned int i = 0; i < trace->calls->len; i++)
		sum += call(trace, i)->end - call(trace, i)->start;
	return sum / acg_trace_duration(trace);
}

static void test_synthetic(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		struct acg_trace *trace = acg_synthetic_trace(42, i);
		double peak, mean = average(trace, &peak);

		assert_true(fabs(peak / mean - 15.4) < 0.001);
		assert_true(fabs(sample(trace, 0)->memory / MB - 185) <= 1);
		assert_in_range(longest_burst(trace), 1, 2);
		assert_in_range(longest_retry(trace), 3, 20);
		assert_true(in_tools(trace) > 0.5 && in_tools(trace) < 0.85);
		acg_trace_free(trace);
	}
}

static void test_seeds(void **state)
{
	struct acg_trace *a = acg_synthetic_trace(1, 0), *b = acg_synthetic_trace(1, 0);
	struct acg_trace *c = acg_synthetic_trace(1, 1), *d = acg_synthetic_trace(2, 0);
	g_autofree char *at = acg_trace_format(a), *bt = acg_trace_format(b);
	g_autofree char *ct = acg_trace_format(c), *dt = acg_trace_format(d);

	(void)state;
	assert_string_equal(at, bt);
	assert_string_not_equal(strstr(at, "samples"), strstr(ct, "samples"));
	assert_string_not_equal(strstr(at, "samples"), strstr(dt, "samples"));
	acg_trace_free(a);
	acg_trace_free(b);
	acg_trace_free(c);
	acg_trace_free(d);
}

/* --- plans ------------------------------------------------------------------------------------ */

static const struct acg_step *step(const GArray *steps, unsigned int i)
{
	return &g_array_index(steps, struct acg_step, i);
}

static void test_plan(void **state)
{
	/* 100 MB until 2, in the call up to 180 and back to 140, after it 140; one CPU all the
	 * time. */
	struct acg_trace *trace =
		parse("{\"samples\":[[0,100,100],[2,100,100],[3,180,100],[4,140,100],[6,140,100]],"
		      "\"calls\":[{\"start\":2,\"end\":4,\"tool\":\"Bash\"},"
		      "{\"start\":5,\"end\":6,\"tool\":\"Read\"},"
		      "{\"start\":5,\"end\":5,\"tool\":\"Bash\"}]}");
	struct acg_plan *plan = acg_plan_new(trace, 1);
	const struct acg_plan_call *first = &g_array_index(plan->calls, struct acg_plan_call, 0);
	const struct acg_plan_call *second = &g_array_index(plan->calls, struct acg_plan_call, 1);
	static const struct {
		double end, memory, cpu;
	} base[] = {{0, 100, 0}, {2, 100, 2}, {3, 100, 0}, {4, 100, 0}, {5, 140, 1}, {6, 140, 1}};

	(void)state;
	assert_int_equal(plan->base->len, G_N_ELEMENTS(base));
	for (unsigned int i = 0; i < G_N_ELEMENTS(base); i++) {
		assert_true(step(plan->base, i)->end == base[i].end);
		assert_true(step(plan->base, i)->memory == base[i].memory * MB);
		assert_true(step(plan->base, i)->cpu == base[i].cpu);
	}
	assert_int_equal(plan->calls->len, 2);
	assert_int_equal(first->steps->len, 2);
	assert_true(step(first->steps, 0)->end == 1 && step(first->steps, 0)->memory == 80 * MB);
	assert_true(step(first->steps, 1)->end == 2 && step(first->steps, 1)->memory == 40 * MB);
	assert_true(step(first->steps, 0)->cpu == 1);
	assert_true(first->peak == 80 * MB);
	assert_int_equal(first->growth, 80);
	assert_int_equal(second->steps->len, 1); /* of no duration, and a process all the same */
	assert_true(second->peak == 0);
	acg_plan_free(plan);
	acg_trace_free(trace);
}

/* Two calls at once share what is above the base, and a call may begin before all samples. */
static void test_plan_overlap(void **state)
{
	struct acg_trace *trace =
		parse("{\"samples\":[[1,100,100],[2,160,100],[3,160,100],[4,90,100]],"
		      "\"calls\":[{\"start\":0,\"end\":3,\"tool\":\"Bash\"},{\"start\":1,\"end\":4,"
		      "\"tool\":\"Bash\"}]}");
	struct acg_plan *plan = acg_plan_new(trace, 0.5);
	const struct acg_plan_call *a = &g_array_index(plan->calls, struct acg_plan_call, 0);
	const struct acg_plan_call *b = &g_array_index(plan->calls, struct acg_plan_call, 1);
	uint64_t peak = 0;

	(void)state;
	assert_int_equal(a->steps->len, 3);
	assert_int_equal(b->steps->len, 3);
	assert_true(a->peak == 15 * MB &&
		    b->peak == 15 * MB); /* (160 - 100) / 2 at half the scale */
	assert_true(step(b->steps, 2)->memory == 0);
	for (unsigned int i = 0; i < plan->base->len; i++)
		peak = MAX(peak, step(plan->base, i)->memory);
	assert_true(peak == 50 * MB);
	assert_true(step(plan->base, plan->base->len - 1)->memory == 45 * MB);
	acg_plan_free(plan);
	acg_trace_free(trace);
}

/* At each moment the processes together hold what was recorded. */
static void test_plan_sum(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 10; n++) {
		struct acg_trace *trace = acg_synthetic_trace(3, n);
		struct acg_plan *plan = acg_plan_new(trace, 1);
		double burnt = 0, want = 0, time = 0;

		for (unsigned int i = 0; i < plan->base->len; i++) {
			double now = step(plan->base, i)->end, sum = step(plan->base, i)->memory;

			burnt += step(plan->base, i)->cpu;
			want += acg_trace_cpu(trace, now) * (now - time);
			for (unsigned int j = 0; j < plan->calls->len; j++) {
				const struct acg_plan_call *c =
					&g_array_index(plan->calls, struct acg_plan_call, j);

				for (unsigned int k = 0; k < c->steps->len; k++)
					if (fabs(c->call->start + step(c->steps, k)->end - now) <
					    1e-9) {
						sum += step(c->steps, k)->memory;
						burnt += step(c->steps, k)->cpu;
					}
			}
			assert_true(fabs(sum - acg_trace_memory(trace, now)) < 10);
			time = now;
		}
		assert_true(fabs(burnt - want) < 1e-6);
		acg_plan_free(plan);
		acg_trace_free(trace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),     cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_deep),
		cmocka_unit_test(test_damaged),   cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_synthetic), cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_plan),      cmocka_unit_test(test_plan_overlap),
		cmocka_unit_test(test_plan_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

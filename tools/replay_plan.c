/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From samples to what each process does; see the header. */
#include "tools/replay_plan.h"

static void clear_call(void *data)
{
	g_array_unref(((struct acg_plan_call *)data)->steps);
}

static void add_calls(struct acg_plan *plan, const struct acg_trace *trace)
{
	for (unsigned int i = 0; i < trace->calls->len; i++) {
		const struct acg_trace_call *call =
			&g_array_index(trace->calls, struct acg_trace_call, i);
		struct acg_plan_call planned = {.call = call};

		if (!acg_trace_is_process(call))
			continue;
		planned.steps = g_array_new(FALSE, FALSE, sizeof(struct acg_step));
		g_array_append_val(plan->calls, planned);
	}
}

static int compare_times(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return (one > two) - (one < two);
}

/* The moments at which something changes: samples, begins and ends. Sorted, each once. */
static GArray *moments_of(const struct acg_trace *trace, const struct acg_plan *plan)
{
	GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
	unsigned int kept = 0;

	for (unsigned int i = 0; i < trace->samples->len; i++)
		g_array_append_val(times, g_array_index(trace->samples, struct acg_sample, i).time);
	for (unsigned int i = 0; i < plan->calls->len; i++) {
		const struct acg_trace_call *call =
			g_array_index(plan->calls, struct acg_plan_call, i).call;

		g_array_append_val(times, call->start);
		g_array_append_val(times, call->end);
	}
	g_array_sort(times, compare_times);
	for (unsigned int i = 0; i < times->len; i++)
		if (!kept ||
		    g_array_index(times, double, i) != g_array_index(times, double, kept - 1))
			g_array_index(times, double, kept++) = g_array_index(times, double, i);
	g_array_set_size(times, kept);
	return times;
}

/* The interval that is shared out, and the calls that run through all of it. */
struct interval {
	double start, end;
	double memory;      /* bytes at its end */
	double cpu;         /* CPU seconds in it */
	GPtrArray *running; /* struct acg_plan_call */
};

static void add_step(GArray *steps, double end, double memory, double cpu)
{
	struct acg_step step = {end, (uint64_t)memory, cpu};

	g_array_append_val(steps, step);
}

static void share_out(struct acg_plan *plan, const struct interval *interval, double base)
{
	unsigned int n = interval->running->len;

	add_step(plan->base, interval->end, base, n ? 0 : interval->cpu);
	for (unsigned int i = 0; i < n; i++) {
		struct acg_plan_call *call = interval->running->pdata[i];

		add_step(call->steps, interval->end - call->call->start,
			 (interval->memory - base) / n, interval->cpu / n);
	}
}

/* Calls are sorted by start: those up to *next have begun; the ones that are over are dropped. */
static void update_running(struct acg_plan *plan, unsigned int *next, struct interval *interval)
{
	GPtrArray *running = interval->running;

	for (unsigned int i = running->len; i-- > 0;)
		if (((struct acg_plan_call *)running->pdata[i])->call->end <= interval->start)
			g_ptr_array_remove_index(running, i);
	for (; *next < plan->calls->len; (*next)++) {
		struct acg_plan_call *call =
			&g_array_index(plan->calls, struct acg_plan_call, *next);

		if (call->call->start > interval->start)
			break;
		if (call->call->end > interval->start)
			g_ptr_array_add(running, call);
	}
}

/* From the first moment to the last; what was before the first sample was as the first. */
static void fill(struct acg_plan *plan, const struct acg_trace *trace, double scale)
{
	g_autoptr(GArray) times = moments_of(trace, plan);
	g_autoptr(GPtrArray) running = g_ptr_array_new();
	struct interval interval = {.running = running};
	unsigned int next = 0;
	double base = acg_trace_memory(trace, 0) * scale;

	for (unsigned int i = 0; i < times->len; i++) {
		interval.end = g_array_index(times, double, i);
		if (interval.end > interval.start) /* not at the first moment, if it is 0 */
			update_running(plan, &next, &interval);
		interval.memory = acg_trace_memory(trace, interval.end) * scale;
		interval.cpu = acg_trace_cpu(trace, interval.end) * (interval.end - interval.start);
		base = running->len ? MIN(base, interval.memory) : interval.memory;
		share_out(plan, &interval, base);
		interval.start = interval.end;
	}
}

/* A call that took no time at all still is a process. */
static void finish_call(struct acg_plan_call *call)
{
	uint64_t before = 0;

	if (!call->steps->len)
		add_step(call->steps, call->call->end - call->call->start, 0, 0);
	for (unsigned int i = 0; i < call->steps->len; i++) {
		uint64_t memory = g_array_index(call->steps, struct acg_step, i).memory;

		if (memory > before)
			call->growth += (memory - before) / ACG_GROWTH_STEP;
		call->peak = MAX(call->peak, memory);
		before = memory;
	}
}

/* The last call to begin of those that run when the sandbox holds the most. */
static double begin_of_peak(const struct acg_trace *trace, const struct acg_plan *plan)
{
	const struct acg_sample *peak = &g_array_index(trace->samples, struct acg_sample, 0);
	double begin = -1;

	for (unsigned int i = 0; i < trace->samples->len; i++) {
		const struct acg_sample *sample =
			&g_array_index(trace->samples, struct acg_sample, i);

		if (sample->memory > peak->memory)
			peak = sample;
	}
	for (unsigned int i = 0; i < plan->calls->len; i++) {
		const struct acg_trace_call *call =
			g_array_index(plan->calls, struct acg_plan_call, i).call;

		if (call->start <= peak->time && call->end >= peak->time)
			begin = call->start;
	}
	return begin < 0 ? peak->time : begin;
}

struct acg_plan *acg_plan_new(const struct acg_trace *trace, double scale)
{
	struct acg_plan *plan = g_new(struct acg_plan, 1);

	plan->base = g_array_new(FALSE, FALSE, sizeof(struct acg_step));
	plan->calls = g_array_new(FALSE, FALSE, sizeof(struct acg_plan_call));
	g_array_set_clear_func(plan->calls, clear_call);
	add_calls(plan, trace);
	fill(plan, trace, scale);
	plan->peak = begin_of_peak(trace, plan);
	for (unsigned int i = 0; i < plan->calls->len; i++)
		finish_call(&g_array_index(plan->calls, struct acg_plan_call, i));
	return plan;
}

void acg_plan_free(struct acg_plan *plan)
{
	g_array_unref(plan->base);
	g_array_unref(plan->calls);
	g_free(plan);
}

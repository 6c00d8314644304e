/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made-up traces; see the header. */
#include "tools/synthetic.h"

#include <math.h>

#define SAMPLE_EVERY  1.0 /* seconds */
#define SESSION       240 /* seconds at least: an agent's session, shortened */
#define BURST_SAMPLES 2
#define LEAVES_BEHIND                                                                              \
	6.0 /* MB that a try leaves with the agent: caches, logs of the conversation */
#define IDLE_CPU 0.05

/* What agents run, how long it takes (seconds) and how far memory jumps (MB). */
static const struct kind {
	const char *command;
	double shortest, longest;
	double least, most;
	unsigned int share; /* of 100 calls */
} kinds[] = {
	{"git status && git diff --stat", 0.3, 2, 2, 14, 25},
	{"find . -name '*.py' | xargs grep -n import | head -50", 0.3, 3, 1, 8, 25},
	{"pip install -e .", 4, 14, 40, 160, 15},
	{"python -c 'import package; print(package.__version__)'", 1, 4, 15, 60, 15},
	{"python -m pytest tests -x -q", 5, 20, 60, 300, 20},
};
static const struct kind *const tests = &kinds[G_N_ELEMENTS(kinds) - 1];

/* A jump of memory for one or two samples. */
struct burst {
	double start, end;
	double height; /* MB */
};

struct session {
	GRand *random;
	struct acg_trace *trace;
	GArray *bursts; /* struct burst */
	double time;
	double largest; /* seconds: start of the jump that becomes the largest, in a test run */
	unsigned int n_calls;
	GArray *base_steps; /* struct burst: from its start on the base is higher by its height */
};

static double between(struct session *session, double least, double most)
{
	return g_rand_double_range(session->random, least, most);
}

static void add_call(struct session *session, const char *tool, const char *command, double length)
{
	struct acg_trace_call call = {
		.start = session->time,
		.end = session->time + length,
		.tool = g_strdup(tool),
		.id = g_strdup_printf("call_%04u", ++session->n_calls),
		.command = g_strdup(command),
	};

	g_array_append_val(session->trace->calls, call);
	session->time += length;
}

static void run_command(struct session *session, const struct kind *kind)
{
	double length = between(session, kind->shortest, kind->longest);
	/* It begins with a sample, so that it is seen in as many as it lasts. */
	double start = ceil(session->time + length * between(session, 0.1, 0.5));
	double seconds = g_rand_int_range(session->random, 1, BURST_SAMPLES + 1);
	struct burst burst = {start, start + seconds, between(session, kind->least, kind->most)};

	if (kind == tests) {
		burst.end = start + BURST_SAMPLES;
		session->largest = start;
	}
	length = MAX(length, burst.end - session->time);
	add_call(session, "Bash", kind->command, length);
	g_array_append_val(session->bursts, burst);
}

static void think(struct session *session)
{
	session->time += between(session, 1, 4);
}

static const struct kind *pick(struct session *session)
{
	int number = g_rand_int_range(session->random, 0, 100);
	unsigned int i = 0;

	while (number >= (int)kinds[i].share)
		number -= kinds[i++].share;
	return &kinds[i];
}

/* The same command again and again; each try leaves something behind. */
static void retry(struct session *session)
{
	int tries = g_rand_int_range(session->random, 3, 7);

	while (tries-- > 0) {
		struct burst step = {.height = LEAVES_BEHIND};

		think(session);
		run_command(session, tests);
		step.start = session->time;
		g_array_append_val(session->base_steps, step);
	}
}

static void fill_calls(struct session *session)
{
	session->time = between(session, 4, 8);
	while (session->time < SESSION / 2.0) {
		think(session);
		if (g_rand_int_range(session->random, 0, 100) < 40)
			add_call(session, "Read", NULL, between(session, 0.01, 0.1));
		else
			run_command(session, pick(session));
	}
	retry(session);
	while (session->time < SESSION) {
		think(session);
		run_command(session, pick(session));
	}
	think(session);
}

/* What holds at a time: the sum of what has been left, and of the jumps. */
static double height_at(const struct session *session, double time, double *ret_base)
{
	double height = 0;

	*ret_base = ACG_SYNTHETIC_BASE;
	for (unsigned int i = 0; i < session->base_steps->len; i++) {
		const struct burst *step = &g_array_index(session->base_steps, struct burst, i);

		*ret_base += step->start <= time ? step->height : 0;
	}
	for (unsigned int i = 0; i < session->bursts->len; i++) {
		const struct burst *burst = &g_array_index(session->bursts, struct burst, i);

		height += time >= burst->start && time < burst->end ? burst->height : 0;
	}
	return height;
}

static void fill_samples(struct session *session)
{
	for (double time = 0; time < session->time; time += SAMPLE_EVERY) {
		double base, height = height_at(session, time, &base);
		struct acg_sample sample = {
			.time = time,
			.memory = (base + height + between(session, 0, 1)) * ACG_TRACE_MEGABYTE,
			.cpu = height > 0 ? between(session, 0.5, 1) : IDLE_CPU,
		};

		g_array_append_val(session->trace->samples, sample);
	}
}

/*
 * The largest jump, so high that it is RATIO times the average with itself in it: peak = RATIO *
 * (rest + BURST * peak) / n.
 */
static void set_peak(struct session *session)
{
	GArray *samples = session->trace->samples;
	double rest = 0, peak;

	for (unsigned int i = 0; i < samples->len; i++)
		rest += g_array_index(samples, struct acg_sample, i).memory;
	for (unsigned int i = 0; i < BURST_SAMPLES; i++)
		rest -= g_array_index(samples, struct acg_sample, (int)session->largest + i).memory;
	peak = ACG_SYNTHETIC_RATIO * rest / (samples->len - ACG_SYNTHETIC_RATIO * BURST_SAMPLES);
	for (unsigned int i = 0; i < BURST_SAMPLES; i++)
		g_array_index(samples, struct acg_sample, (int)session->largest + i).memory = peak;
}

struct acg_trace *acg_synthetic_trace(uint32_t seed, unsigned int index)
{
	const guint32 seeds[] = {seed, index};
	g_autofree char *task = g_strdup_printf("synthetic-%u-%u", seed, index);
	struct session session = {
		.random = g_rand_new_with_seed_array(seeds, G_N_ELEMENTS(seeds)),
		.trace = acg_trace_new(task, "synthetic"),
		.bursts = g_array_new(FALSE, FALSE, sizeof(struct burst)),
		.base_steps = g_array_new(FALSE, FALSE, sizeof(struct burst)),
	};

	fill_calls(&session);
	fill_samples(&session);
	set_peak(&session);
	g_rand_free(session.random);
	g_array_unref(session.bursts);
	g_array_unref(session.base_steps);
	return session.trace;
}

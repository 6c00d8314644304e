/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sched enforcer: has the scheduler loaded while the policy wants it, tells when the kernel
 * took it off, and tries again. The scheduler itself reads the map that the bpf enforcer keeps, and
 * cpu.weight and cpu.max, which the cgroup enforcer sets in any case: whatever happens to it, the
 * fair class goes on with those.
 *
 * Loading takes from half a second to many, so a thread of its own does it, and the freeing, in
 * turn. What it made comes back to the main loop as an idle callback.
 */
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "bpf/sched.h"
#include "policy/enforcer.h"
#include "policy/sched_retry.h"

#define LOADING_NICE 10 /* nobody waits for the verifier */

struct job;

struct sched_enforcer {
	struct acg_enforcer enforcer;
	int groups_fd;       /* -1: no BPF */
	const char *pin_dir; /* borrowed of BPF; NULL: nowhere */
	char *why_not;       /* with groups_fd -1 */
	bool wanted;         /* by the policy */
	bool demanded;       /* sched = "on": that it is missing is a fault */
	const char *off;     /* why it is not wanted */
	struct job *loading; /* what the thread is at, owned by it; NULL: nothing */
	bool unloadable;     /* it was refused for a reason that will not go away by itself */
	char *fault;         /* why it does not run; NULL: none known */
	struct acg_scheduler *sched; /* NULL: not loaded */
	struct acg_sched_retry retry;
	unsigned int exit_source;  /* GSource of its ring buffer */
	unsigned int retry_source; /* GSource of the next try */
	unsigned int other_source; /* GSource of uevents, while another scheduler is loaded */
	int other_fd;              /* with other_source */
	GThreadPool *thread;
};

/* What the thread is to do, and what came of it. */
struct job {
	GMutex lock;                 /* guards self, and is held while it is attached */
	struct sched_enforcer *self; /* who wants it loaded; NULL: nobody any more */
	int groups_fd;               /* its own; -1: nothing is to be loaded, but freed or cleared */
	char *pin_dir;
	bool clear; /* what an earlier process left in pin_dir is to go */
	struct acg_scheduler *sched;
	GError *error;
};

static struct sched_enforcer *self_of(struct acg_enforcer *enforcer)
{
	return (struct sched_enforcer *)enforcer;
}

static void start_loading(struct sched_enforcer *self);

static void free_job(void *data)
{
	struct job *job = data;

	acg_sched_free(job->sched);
	if (job->groups_fd >= 0)
		close(job->groups_fd);
	g_free(job->pin_dir);
	g_clear_error(&job->error);
	g_mutex_clear(&job->lock);
	g_free(job);
}

static void tell(struct sched_enforcer *self, const char *event, const char *text)
{
	if (self->enforcer.event)
		self->enforcer.event(self->enforcer.event_data, event, text);
}

static void set_fault(struct sched_enforcer *self, char *fault)
{
	g_free(self->fault);
	self->fault = fault;
}

static struct job *new_job(void)
{
	struct job *job = g_new0(struct job, 1);

	g_mutex_init(&job->lock);
	job->groups_fd = -1;
	return job;
}

/* Freeing waits until every task is back in the fair class: not here. */
static void free_later(struct sched_enforcer *self)
{
	struct job *job = new_job();

	g_clear_handle_id(&self->exit_source, g_source_remove);
	job->sched = g_steal_pointer(&self->sched);
	g_thread_pool_push(self->thread, job, NULL);
}

static void forget_other(struct sched_enforcer *self)
{
	if (!self->other_source)
		return;
	g_clear_handle_id(&self->other_source, g_source_remove);
	close(self->other_fd);
}

static gboolean on_uevent(int fd, GIOCondition condition, void *data)
{
	struct sched_enforcer *self = data;

	(void)condition;
	if (!acg_sched_left(fd))
		return G_SOURCE_CONTINUE;
	self->unloadable = false;
	forget_other(self);
	start_loading(self);
	return G_SOURCE_CONTINUE; /* removed already */
}

static void wait_for_other(struct sched_enforcer *self)
{
	int fd = acg_sched_watch_others(NULL);

	forget_other(self);
	if (fd < 0)
		return; /* then a new policy is what makes us try again */
	self->other_fd = fd;
	self->other_source = g_unix_fd_add(fd, G_IO_IN, on_uevent, self);
}

static gboolean on_retry(void *data)
{
	struct sched_enforcer *self = data;

	self->retry_source = 0;
	start_loading(self);
	return G_SOURCE_REMOVE;
}

static void failed(struct sched_enforcer *self, const char *why)
{
	int64_t wait = acg_sched_retry_failed(&self->retry, g_get_monotonic_time());

	if (wait < 0) {
		set_fault(self,
			  g_strdup_printf("given up after %d failures: %s", ACG_SCHED_TRIES, why));
		self->unloadable = true;
	} else {
		set_fault(self, g_strdup_printf("tried again after %d s: %s",
						(int)(wait / G_USEC_PER_SEC), why));
		self->retry_source = g_timeout_add(wait / 1000, on_retry, self);
	}
	tell(self, "sched_lost", self->fault);
}

static gboolean on_exit_record(int fd, GIOCondition condition, void *data)
{
	struct sched_enforcer *self = data;
	struct acg_sched_exit record;
	g_autofree char *words = NULL;

	(void)fd;
	(void)condition;
	if (!acg_sched_exited(self->sched, &record))
		return G_SOURCE_CONTINUE;
	words = acg_sched_exit_words(&record);
	self->exit_source = 0;
	free_later(self);
	failed(self, words);
	return G_SOURCE_REMOVE;
}

static void loaded(struct sched_enforcer *self, struct acg_scheduler *sched)
{
	g_autofree char *gap = NULL;

	self->sched = sched;
	set_fault(self, NULL);
	if (!self->wanted) { /* the policy changed meanwhile */
		free_later(self);
		return;
	}
	acg_sched_retry_loaded(&self->retry, g_get_monotonic_time());
	self->exit_source = g_unix_fd_add(acg_sched_ring_fd(sched), G_IO_IN, on_exit_record, self);
	if (acg_sched_gap(sched))
		gap = g_strdup_printf(
			"in the place of another build's; the fair class scheduled for %.1f ms",
			acg_sched_gap(sched) / 1e3);
	if (!acg_sched_taken(sched))
		tell(self, "sched_loaded", gap);
}

/* What neither time nor another try can change is not tried again. */
static void not_loaded(struct sched_enforcer *self, const GError *error)
{
	if (!self->wanted)
		return;
	if (error->code != EOPNOTSUPP && error->code != E2BIG && error->code != EBUSY &&
	    error->code != EPERM) {
		failed(self, error->message);
		return;
	}
	self->unloadable = true;
	set_fault(self, g_strdup(error->message));
	if (error->code == EBUSY)
		wait_for_other(self);
	if (error->code != EOPNOTSUPP)
		tell(self, "sched_lost", error->message);
}

static gboolean on_done(void *data)
{
	struct job *job = data;
	struct sched_enforcer *self = job->self;

	if (!self)
		return G_SOURCE_REMOVE;
	self->loading = NULL;
	if (job->sched)
		loaded(self, g_steal_pointer(&job->sched));
	else
		not_loaded(self, job->error);
	if (self->wanted && !self->sched && !self->retry_source && !self->unloadable)
		start_loading(self);
	return G_SOURCE_REMOVE;
}

/* Who stops meanwhile is heard before the machine gets another scheduler, not while. */
static void attach(struct job *job)
{
	g_mutex_lock(&job->lock);
	if (job->self && acg_sched_attach(job->sched, &job->error) < 0)
		g_clear_pointer(&job->sched, acg_sched_free);
	g_mutex_unlock(&job->lock);
}

static void work(void *data, void *user_data)
{
	struct job *job = data;

	(void)user_data;
	if (job->clear)
		acg_sched_clear(job->pin_dir);
	if (job->groups_fd < 0) {
		free_job(job);
		return;
	}
	setpriority(PRIO_PROCESS, 0, LOADING_NICE); /* of this thread alone */
	if (acg_sched_load(job->groups_fd, job->pin_dir, &job->sched, &job->error) == 0)
		attach(job);
	g_idle_add_full(G_PRIORITY_DEFAULT, on_done, job, free_job);
}

static void start_loading(struct sched_enforcer *self)
{
	struct job *job;
	int fd;

	if (self->loading || self->sched || !self->wanted)
		return;
	fd = fcntl(self->groups_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		failed(self, g_strerror(errno));
		return;
	}
	job = new_job();
	job->self = self;
	job->groups_fd = fd;
	job->pin_dir = g_strdup(self->pin_dir);
	self->loading = job;
	g_thread_pool_push(self->thread, job, NULL);
}

/* A worker that was killed left its scheduler, and nobody wants one any more. */
static void clear_later(struct sched_enforcer *self)
{
	struct job *job;

	if (!self->pin_dir || self->sched || self->loading)
		return;
	job = new_job();
	job->pin_dir = g_strdup(self->pin_dir);
	job->clear = true;
	g_thread_pool_push(self->thread, job, NULL);
}

/*
 * --- operations
 * ---------------------------------------------------------------------------------------------
 */

static void sched_policy(struct acg_enforcer *enforcer, const struct acg_policy *policy)
{
	struct sched_enforcer *self = self_of(enforcer);

	self->demanded = policy->sched == ACG_SWITCH_ON;
	self->wanted = self->groups_fd >= 0 && acg_policy_wants(policy, policy->sched);
	self->off = policy->sched == ACG_SWITCH_OFF
			    ? "switched off by the policy"
			    : "the policy has no agents to schedule by (sched = \"on\" loads it anyway)";
	self->unloadable = false;
	self->retry.failures = 0;
	g_clear_handle_id(&self->retry_source, g_source_remove);
	forget_other(self);
	if (!self->wanted && self->sched) {
		free_later(self);
		tell(self, "sched_unloaded", NULL);
	} else if (!self->wanted) {
		clear_later(self);
	}
	if (!self->sched)
		set_fault(self, NULL);
	start_loading(self);
}

static void take_bpf(struct sched_enforcer *self, const struct acg_bpf *bpf)
{
	self->groups_fd = bpf ? acg_bpf_groups_fd(bpf) : -1;
	self->pin_dir = bpf ? acg_bpf_pin_dir(bpf) : NULL;
}

static void sched_loaded(struct acg_enforcer *enforcer, struct acg_bpf *bpf, const char *why_not)
{
	struct sched_enforcer *self = self_of(enforcer);

	take_bpf(self, bpf);
	g_free(self->why_not);
	self->why_not = g_strdup(why_not);
}

static void sched_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	const struct sched_enforcer *self = self_of(enforcer);
	struct acg_mechanism row = {.name = "sched_ext", .state = "off"};
	bool refused = self->fault && self->unloadable && !self->retry.failures;

	if (self->groups_fd < 0) {
		row.state = self->demanded ? "degraded" : "off";
		row.reason = g_strdup(self->why_not);
	} else if (!self->wanted) {
		row.reason = g_strdup(self->off);
	} else if (self->sched) {
		const char *lacks = acg_sched_lacks(self->sched);

		row.state = *lacks ? "degraded" : "on";
		row.reason = *lacks ? g_strdup(lacks)
				    : g_strdup("scheduler agentcg, CPU by agent, then by call");
	} else if (self->fault) {
		row.state = refused && !self->demanded ? "off" : "degraded";
		row.reason = g_strdup(self->fault);
	} else {
		row.reason = g_strdup("being loaded");
	}
	g_array_append_val(mechanisms, row);
}

static int sched_measure(struct acg_enforcer *enforcer, struct acg_node *node,
			 struct acg_usage *usage, GError **error)
{
	const struct sched_enforcer *self = self_of(enforcer);
	struct acg_sched_figures figures;

	(void)error;
	if (!self->sched || !acg_sched_figures(self->sched, node->id, &figures))
		return 0;
	/* They begin at zero when the scheduler is loaded again: what was seen stays. */
	usage->wait_usec = MAX(usage->wait_usec, figures.wait_ns / 1000);
	usage->slices = MAX(usage->slices, figures.slices);
	usage->preemptions = MAX(usage->preemptions, figures.preemptions);
	return 0;
}

static void sched_metrics(struct acg_enforcer *enforcer, GString *out)
{
	const struct sched_enforcer *self = self_of(enforcer);
	uint64_t values[ACG_SCHED_N_COUNTERS];

	if (!self->sched)
		return;
	acg_sched_counters(self->sched, values);
	g_string_append(
		out, "# TYPE agentcg_sched_events counter\n"
		     "# HELP agentcg_sched_events What the scheduler did, since it was loaded.\n");
	for (unsigned int i = 0; i < ACG_SCHED_N_COUNTERS; i++)
		g_string_append_printf(
			out, "agentcg_sched_events_total{event=\"%s\"} %" G_GUINT64_FORMAT "\n",
			acg_sched_counter_name(i), values[i]);
}

static void abandon(struct job *job)
{
	g_mutex_lock(&job->lock);
	job->self = NULL;
	g_mutex_unlock(&job->lock);
}

/*
 * Does not wait for the verifier: who stops meanwhile leaves the thread to itself. It attaches nothing any more, and ends with
 * the process, or else what it made is freed by the main loop.
 */
static void sched_free(struct acg_enforcer *enforcer)
{
	struct sched_enforcer *self = self_of(enforcer);

	g_clear_handle_id(&self->retry_source, g_source_remove);
	g_clear_handle_id(&self->exit_source, g_source_remove);
	forget_other(self);
	if (self->loading)
		abandon(self->loading);
	g_thread_pool_free(self->thread, FALSE, !self->loading);
	acg_sched_free(self->sched);
	g_free(self->fault);
	g_free(self->why_not);
	g_free(self);
}

static const struct acg_enforcer_ops sched_ops = {
	.name = "sched",
	.measure = sched_measure,
	.policy = sched_policy,
	.loaded = sched_loaded,
	.status = sched_status,
	.metrics = sched_metrics,
	.free = sched_free,
};

struct acg_enforcer *acg_enforcer_sched_new(struct acg_bpf *bpf, const char *why_not)
{
	struct sched_enforcer *self = g_new0(struct sched_enforcer, 1);

	self->enforcer.ops = &sched_ops;
	take_bpf(self, bpf);
	self->why_not = g_strdup(why_not);
	self->thread = g_thread_pool_new(work, NULL, 1, FALSE, NULL);
	return &self->enforcer;
}

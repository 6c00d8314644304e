/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dynmods enforcer: has the option favordynmods (dynmods.h) on while the policy wants it, and off again in the end if it was off
 * before. That it was is noted in an attribute of the root of all agents, before the option is switched: however many workers and daemons are
 * killed meanwhile, the one that ends as it should knows.
 *
 * The kernel may take its time: a thread of its own does it, in turn.
 */
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "policy/dynmods.h"
#include "policy/enforcer.h"

#define ATTRIBUTE "trusted.agentcg.favordynmods"

/* What the thread is to see to. */
enum { JOB_OFF = 1, JOB_ON };

struct dynmods_enforcer {
	struct acg_enforcer enforcer;
	int dirfd;       /* of the root of all agents */
	bool wanted;     /* by the policy */
	bool demanded;   /* favordynmods = "on": that it is off is a fault */
	const char *off; /* why it is not wanted */
	GThreadPool *thread;
	int pending; /* atomic: jobs that are not done */
	GMutex lock; /* guards fault */
	char *fault; /* of the last job; NULL: none */
};

static struct dynmods_enforcer *self_of(struct acg_enforcer *enforcer)
{
	return (struct dynmods_enforcer *)enforcer;
}

static bool is_ours(const struct dynmods_enforcer *self)
{
	return fgetxattr(self->dirfd, ATTRIBUTE, NULL, 0) >= 0;
}

static int switch_on(const struct dynmods_enforcer *self, GError **error)
{
	int ret = acg_dynmods_get(self->dirfd, error);

	if (ret)
		return MIN(ret, 0);
	if (fsetxattr(self->dirfd, ATTRIBUTE, "1", 1, 0) < 0)
		return acg_fail_errno(error, errno, "cannot note that it was off");
	ret = acg_dynmods_set(self->dirfd, true, error);
	if (ret)
		fremovexattr(self->dirfd, ATTRIBUTE);
	return ret;
}

static int give_back(const struct dynmods_enforcer *self, GError **error)
{
	int ret = is_ours(self) ? acg_dynmods_set(self->dirfd, false, error) : 0;

	if (!ret)
		fremovexattr(self->dirfd, ATTRIBUTE);
	return ret;
}

static void work(void *data, void *user_data)
{
	struct dynmods_enforcer *self = user_data;
	g_autoptr(GError) error = NULL;

	if (GPOINTER_TO_INT(data) == JOB_ON)
		switch_on(self, &error);
	else
		give_back(self, &error);
	g_mutex_lock(&self->lock);
	g_free(self->fault);
	self->fault = error ? g_strdup(error->message) : NULL;
	g_mutex_unlock(&self->lock);
	g_atomic_int_add(&self->pending, -1);
}

static void push(struct dynmods_enforcer *self, bool on)
{
	g_atomic_int_inc(&self->pending);
	g_thread_pool_push(self->thread, GINT_TO_POINTER(on ? JOB_ON : JOB_OFF), NULL);
}

static void dynmods_policy(struct acg_enforcer *enforcer, const struct acg_policy *policy)
{
	struct dynmods_enforcer *self = self_of(enforcer);

	self->demanded = policy->favordynmods == ACG_SWITCH_ON;
	self->wanted = acg_policy_wants(policy, policy->favordynmods);
	self->off = policy->favordynmods == ACG_SWITCH_OFF
			    ? "switched off by the policy"
			    : "the policy has no agents to do it for (favordynmods = \"on\" does "
			      "it anyway)";
	push(self, self->wanted);
}

static char *why_off(struct dynmods_enforcer *self)
{
	char *why;

	g_mutex_lock(&self->lock);
	why = g_strdup(self->fault    ? self->fault
		       : self->wanted ? "somebody has switched it off since"
				      : self->off);
	g_mutex_unlock(&self->lock);
	return why;
}

static void dynmods_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	struct dynmods_enforcer *self = self_of(enforcer);
	struct acg_mechanism row = {.name = "favordynmods", .state = "off"};
	bool on = acg_dynmods_get(self->dirfd, NULL) == 1;

	if (g_atomic_int_get(&self->pending)) {
		row.reason = g_strdup("being looked at");
	} else if (on) {
		row.state = "on";
		row.reason = g_strdup(is_ours(self) ? "markers wait for no RCU grace period; off "
						      "again when agentcgd ends"
						    : "markers wait for no RCU grace period; it "
						      "was on before and stays so");
	} else {
		row.state = self->demanded ? "degraded" : "off";
		row.reason = why_off(self);
	}
	g_array_append_val(mechanisms, row);
}

static void dynmods_free(struct acg_enforcer *enforcer)
{
	struct dynmods_enforcer *self = self_of(enforcer);

	push(self, false);
	g_thread_pool_free(self->thread, FALSE, TRUE);
	g_mutex_clear(&self->lock);
	g_free(self->fault);
	close(self->dirfd);
	g_free(self);
}

static const struct acg_enforcer_ops dynmods_ops = {
	.name = "dynmods",
	.policy = dynmods_policy,
	.status = dynmods_status,
	.free = dynmods_free,
};

struct acg_enforcer *acg_enforcer_dynmods_new(int root_dirfd)
{
	struct dynmods_enforcer *self = g_new0(struct dynmods_enforcer, 1);

	self->enforcer.ops = &dynmods_ops;
	self->dirfd = fcntl(root_dirfd, F_DUPFD_CLOEXEC, 3);
	self->thread = g_thread_pool_new(work, self, 1, FALSE, NULL);
	g_mutex_init(&self->lock);
	return &self->enforcer;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fake enforcer: groups are numbers from a range that the kernel never gives, and nothing is done. For --dry-run, which decides and
 * reports only, and for tests, which can make any operation fail.
 */
#include "policy/enforcer.h"

struct fake_enforcer {
	struct acg_enforcer enforcer;
	uint64_t next_id;
	char *fail_next;
	int fail_errno;
};

#define FAKE_FIRST_ID (1ull << 48)

static int maybe_fail(struct acg_enforcer *enforcer, const char *operation, GError **error)
{
	struct fake_enforcer *fake = (struct fake_enforcer *)enforcer;

	if (g_strcmp0(fake->fail_next, operation) != 0)
		return 0;
	g_clear_pointer(&fake->fail_next, g_free);
	return acg_fail_errno(error, fake->fail_errno, "injected: %s", operation);
}

static int fake_make(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
		     GError **error)
{
	struct fake_enforcer *fake = (struct fake_enforcer *)enforcer;
	int ret = maybe_fail(enforcer, "make", error);

	if (ret)
		return ret;
	node->group = g_new0(struct acg_group, 1);
	node->group->id = fake->next_id++;
	node->group->dirfd = -1;
	node->group->name = g_strdup(name);
	return 0;
}

static int fake_remove(struct acg_enforcer *enforcer, struct acg_node *node, GError **error)
{
	int ret = maybe_fail(enforcer, "remove", error);

	if (ret)
		return ret;
	g_free(node->group->name);
	g_clear_pointer(&node->group, g_free);
	return 0;
}

static int fake_set(struct acg_enforcer *enforcer, struct acg_node *node, enum acg_control control,
		    uint64_t value, GError **error)
{
	(void)node;
	(void)control;
	(void)value;
	return maybe_fail(enforcer, "set", error);
}

static int fake_move(struct acg_enforcer *enforcer, struct acg_node *to, pid_t pid,
		     int oom_score_adj, int *ret_oom_score_adj, GError **error)
{
	int ret = maybe_fail(enforcer, "move", error);

	(void)to;
	(void)pid;
	(void)oom_score_adj;
	if (!ret && ret_oom_score_adj)
		*ret_oom_score_adj = 0;
	return ret;
}

static int fake_freeze(struct acg_enforcer *enforcer, struct acg_node *node, bool frozen,
		       GError **error)
{
	(void)node;
	(void)frozen;
	return maybe_fail(enforcer, "freeze", error);
}

static int fake_signal(struct acg_enforcer *enforcer, struct acg_node *node, int signo,
		       GError **error)
{
	(void)node;
	(void)signo;
	return maybe_fail(enforcer, "signal", error);
}

static void fake_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	struct acg_mechanism row = {"cgroup", "off", g_strdup("dry run: nothing is changed")};

	(void)enforcer;
	g_array_append_val(mechanisms, row);
}

static void fake_free(struct acg_enforcer *enforcer)
{
	struct fake_enforcer *fake = (struct fake_enforcer *)enforcer;

	g_free(fake->fail_next);
	g_free(fake);
}

static const struct acg_enforcer_ops fake_ops = {
	.name = "fake",
	.make = fake_make,
	.remove = fake_remove,
	.set = fake_set,
	.move = fake_move,
	.freeze = fake_freeze,
	.signal = fake_signal,
	.status = fake_status,
	.free = fake_free,
};

struct acg_enforcer *acg_enforcer_fake_new(void)
{
	struct fake_enforcer *fake = g_new0(struct fake_enforcer, 1);

	fake->enforcer.ops = &fake_ops;
	fake->next_id = FAKE_FIRST_ID;
	return &fake->enforcer;
}

void acg_enforcer_fake_fail(struct acg_enforcer *enforcer, const char *fail_next, int fail_errno)
{
	struct fake_enforcer *fake = (struct fake_enforcer *)enforcer;

	g_free(fake->fail_next);
	fake->fail_next = g_strdup(fail_next);
	fake->fail_errno = fail_errno;
}

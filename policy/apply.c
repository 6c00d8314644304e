/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's actions, carried out by the enforcers in turn, and undone when one fails. */
#include <signal.h>
#include <syslog.h>

#include "policy/actions.h"
#include "policy/feedback.h"
#include "policy/manager_private.h"
#include "policy/record.h"
#include "policy/spare.h"

GArray *acg_actions_new(void)
{
	return g_array_new(FALSE, FALSE, sizeof(struct acg_action));
}

#define EACH_ENFORCER(manager, enforcer)                                                           \
	for (unsigned int i_ = 0;                                                                  \
	     i_ < (manager)->enforcers->len && ((enforcer) = (manager)->enforcers->pdata[i_]);     \
	     i_++)

static int do_make(struct acg_manager *manager, const struct acg_action *action, bool attach,
		   GError **error)
{
	struct acg_node *node = action->node;
	struct acg_enforcer *enforcer;
	int ret = 0;

	EACH_ENFORCER(manager, enforcer)
	{
		int (*make)(struct acg_enforcer *, struct acg_node *, const char *, GError **) =
			attach ? enforcer->ops->attach : enforcer->ops->make;

		if (make)
			ret = make(enforcer, node, action->name, error);
		if (ret)
			return ret;
	}
	acg_registry_set_id(manager->engine->registry, node, node->group->id);
	acg_manager_watch_new(manager, node);
	return 0;
}

static int do_remove(struct acg_manager *manager, const struct acg_action *action,
		     struct acg_time now, GError **error)
{
	struct acg_node *node = action->node;
	struct acg_enforcer *enforcer;
	struct acg_call *call = acg_node_call(node);

	if (!node->group)
		return 0;
	EACH_ENFORCER(manager, enforcer)
	{
		int ret = enforcer->ops->remove ? enforcer->ops->remove(enforcer, node, error) : 0;

		if (ret)
			return ret;
	}
	acg_watch_remove(manager->watch, node->id);
	if (call)
		acg_engine_call_removed(manager->engine, call, now);
	return 0;
}

static int do_move(struct acg_manager *manager, const struct acg_action *action, GError **error)
{
	bool into_call = action->node->kind == ACG_KIND_CALL; /* what it had is to come back */
	struct acg_enforcer *enforcer;
	int old = 0;

	EACH_ENFORCER(manager, enforcer)
	{
		int ret = enforcer->ops->move
				  ? enforcer->ops->move(enforcer, action->node, action->pid,
							action->oom_score_adj,
							into_call ? &old : NULL, error)
				  : 0;

		if (ret)
			return ret;
	}
	acg_engine_moved(manager->engine, action->node, action->pid, old);
	return 0;
}

/* What an enforcer does of an action that needs nothing but its own function. 0: it has no part in it. */
static int enforce(struct acg_enforcer *enforcer, const struct acg_action *action, GError **error)
{
	const struct acg_enforcer_ops *ops = enforcer->ops;
	struct acg_node *node = action->node;

	switch (action->type) {
	case ACG_DO_SET:
		return ops->set ? ops->set(enforcer, node, action->control, action->value, error)
				: 0;
	case ACG_DO_FREEZE:
	case ACG_DO_THAW:
		return ops->freeze
			       ? ops->freeze(enforcer, node, action->type == ACG_DO_FREEZE, error)
			       : 0;
	case ACG_DO_SIGNAL:
		return ops->signal ? ops->signal(enforcer, node, action->signo, error) : 0;
	case ACG_DO_UPDATE:
		return ops->update ? ops->update(enforcer, node, error) : 0;
	case ACG_DO_RECLAIM:
		return ops->reclaim ? ops->reclaim(enforcer, node, action->value, error) : 0;
	default:
		return 0;
	}
}

static int do_enforce(struct acg_manager *manager, const struct acg_action *action, GError **error)
{
	struct acg_enforcer *enforcer;
	int ret;

	EACH_ENFORCER(manager, enforcer)
	{
		ret = enforce(enforcer, action, error);
		if (ret)
			return ret;
	}
	if (action->type == ACG_DO_SET)
		acg_manager_watch_limit(manager, action->node);
	return 0;
}

static void do_spare(const struct acg_call *call)
{
	const struct acg_group *group = call->node.group;

	if (group && group->dirfd >= 0)
		acg_spare_shells(group->dirfd, call->moved);
}

static void do_record(struct acg_manager *manager, struct acg_call *call, struct acg_time now)
{
	g_autofree char *line = acg_record_call(call, now);
	g_autofree char *path = acg_agent_path(call->node.agent);
	g_autoptr(GError) error = NULL;

	if (call->recorded)
		return; /* its cgroup could not be removed the first time, or by an earlier daemon */
	call->recorded = true;
	if (manager->history && acg_history_append(manager->history, path, line,
						   manager->policy->history_max, &error) < 0)
		manager->log(LOG_ERR, error->message, path, call->id);
	acg_manager_save(manager, &call->node);
	acg_manager_save(manager, &call->node.agent->node); /* while its call's number is still there */
	manager->log(LOG_INFO, line, path, call->id);
}

static void say_dry(struct acg_manager *manager, const struct acg_action *action)
{
	g_autofree char *what = acg_action_text(action);
	g_autofree char *line = what ? g_strdup_printf("dry run: would %s", what) : NULL;

	if (line)
		manager->log(LOG_INFO, line, action->node->agent->name, NULL);
}

static int do_action(struct acg_manager *manager, const struct acg_action *action,
		     struct acg_time now, GError **error)
{
	if (manager->dry_run)
		say_dry(manager, action);
	switch (action->type) {
	case ACG_DO_MAKE:
	case ACG_DO_ATTACH:
		return do_make(manager, action, action->type == ACG_DO_ATTACH, error);
	case ACG_DO_REMOVE:
		return do_remove(manager, action, now, error);
	case ACG_DO_SAVE:
		acg_manager_save(manager, action->node);
		return 0;
	case ACG_DO_SET:
	case ACG_DO_FREEZE:
	case ACG_DO_THAW:
	case ACG_DO_SIGNAL:
	case ACG_DO_UPDATE:
	case ACG_DO_RECLAIM:
		return do_enforce(manager, action, error);
	case ACG_DO_MOVE:
		return do_move(manager, action, error);
	case ACG_DO_SPARE:
		do_spare(acg_node_call(action->node));
		return 0;
	case ACG_DO_RECORD:
		do_record(manager, acg_node_call(action->node), now);
		return 0;
	case ACG_DO_EVENT:
		acg_manager_event(manager, action->node, action->name,
				  action->cause ? acg_cause_name(action->cause) : NULL,
				  action->text, now);
		return 0;
	}
	return 0;
}

/* Only what a half-made thing consists of has to be undone: groups. What was moved or set in them goes with them. */
static void undo(struct acg_manager *manager, const struct acg_action *action)
{
	struct acg_enforcer *enforcer;

	if (action->type != ACG_DO_MAKE || !action->node->group)
		return;
	acg_watch_remove(manager->watch, action->node->id);
	for (unsigned int i = manager->enforcers->len; i-- > 0;) {
		enforcer = manager->enforcers->pdata[i];
		if (enforcer->ops->remove)
			enforcer->ops->remove(enforcer, action->node, NULL);
	}
}

void acg_manager_discard(struct acg_manager *manager, struct acg_node *node)
{
	const struct acg_action made = {.type = ACG_DO_MAKE, .node = node};

	undo(manager, &made);
}

/* What was done changed what is to be kept of the call, and of its agent, which counts. */
static void save_changed(struct acg_manager *manager, GArray *actions)
{
	struct acg_node *last = NULL;

	for (unsigned int i = 0; i < actions->len; i++) {
		const struct acg_action *action = &g_array_index(actions, struct acg_action, i);
		struct acg_node *node = action->node;

		if (node == last || node->kind == ACG_KIND_SELF ||
		    action->type == ACG_DO_UPDATE || action->type == ACG_DO_SAVE ||
		    action->type == ACG_DO_ATTACH || action->type == ACG_DO_SPARE)
			continue;
		last = node;
		if (node->kind == ACG_KIND_CALL && acg_node_call(node)->state != ACG_CALL_STARTING)
			acg_manager_save(manager, node);
	}
	if (last && (last->kind != ACG_KIND_CALL || acg_node_call(last)->state != ACG_CALL_STARTING))
		acg_manager_save(manager, &last->agent->node);
}

int acg_manager_apply(struct acg_manager *manager, GArray *actions, struct acg_time now,
		      GError **error)
{
	for (unsigned int i = 0; i < actions->len; i++) {
		const struct acg_action *action = &g_array_index(actions, struct acg_action, i);
		int ret = do_action(manager, action, now, error);

		if (!ret)
			continue;
		undo(manager, action);
		while (i-- > 0)
			undo(manager, &g_array_index(actions, struct acg_action, i));
		return ret;
	}
	save_changed(manager, actions);
	return 0;
}

void acg_manager_apply_all(struct acg_manager *manager, GArray *actions, struct acg_time now)
{
	acg_manager_run_all(manager, actions, now);
	save_changed(manager, actions);
}

void acg_manager_run_all(struct acg_manager *manager, GArray *actions, struct acg_time now)
{
	for (unsigned int i = 0; i < actions->len; i++) {
		const struct acg_action *action = &g_array_index(actions, struct acg_action, i);
		g_autoptr(GError) error = NULL;

		/* A process or group that is gone by now is what happens when things end: no fault. */
		if (do_action(manager, action, now, &error) == 0 || error->code == ESRCH ||
		    error->code == ENOENT || error->code == ENODEV)
			continue;
		manager->unapplied++;
		manager->log(LOG_WARNING, error->message, action->node->agent->name, NULL);
	}
}

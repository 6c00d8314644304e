/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to the kernel's own files through the tree. One table says which of them mean something to the engine and which an agent
 * may write; all others are for operators, and go to the kernel as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/cgroupfs.h"
#include "policy/manager_private.h"

enum file_kind { FILE_LIMIT, FILE_FREEZE, FILE_KILL };

static const struct control_file {
	const char *name;
	enum file_kind kind;
	enum acg_control control;
} control_files[] = {
	{"memory.high", FILE_LIMIT, ACG_CONTROL_MEMORY_HIGH},
	{"memory.max", FILE_LIMIT, ACG_CONTROL_MEMORY_MAX},
	{"memory.swap.max", FILE_LIMIT, ACG_CONTROL_SWAP_MAX},
	{"pids.max", FILE_LIMIT, ACG_CONTROL_PIDS_MAX},
	{"cpu.max", FILE_LIMIT, ACG_CONTROL_CPU_MAX},
	{"cgroup.freeze", FILE_FREEZE, 0},
	{"cgroup.kill", FILE_KILL, 0},
};

static const struct control_file *find_file(const char *name)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(control_files); i++)
		if (strcmp(control_files[i].name, name) == 0)
			return &control_files[i];
	return NULL;
}

/* A limit as the kernel takes it: "max", or a number that may carry K, M, G. 0 is allowed here: it is the kernel's word. */
static int parse_limit(const char *text, uint64_t *ret_value, GError **error)
{
	char *end;
	uint64_t value;

	if (strcmp(text, "max") == 0) {
		*ret_value = ACG_MAX;
		return 0;
	}
	if (!g_ascii_isdigit(text[0]))
		return acg_fail(error, EINVAL, "\"%s\" is no limit: write a number or max", text);
	if (strspn(text, "0") == strlen(text)) {
		*ret_value = 0;
		return 0;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	if (!errno && !*end) {
		*ret_value = value;
		return 0;
	}
	return acg_size_parse(text, ret_value, error);
}

/* "max", "QUOTA" or "QUOTA PERIOD", in usec: as a share of the period that we keep to. */
static int parse_cpu_max(const char *text, uint64_t *ret_value, GError **error)
{
	g_auto(GStrv) words = g_strsplit(text, " ", 2);
	uint64_t quota, period = ACG_CPU_PERIOD;
	int ret = parse_limit(words[0] ? words[0] : "", &quota, error);

	if (!ret && words[0] && words[1])
		ret = parse_limit(words[1], &period, error);
	if (ret)
		return ret;
	if (period < 1000 || period > 1000000 ||
	    (quota != ACG_MAX && (quota < 1000 || quota > UINT64_MAX / ACG_CPU_PERIOD)))
		return acg_fail(
			error, EINVAL,
			"cpu.max is \"QUOTA PERIOD\": microseconds, the period 1000 to 1000000");
	*ret_value = quota == ACG_MAX ? ACG_MAX : MAX(quota * ACG_CPU_PERIOD / period, 1000);
	return 0;
}

static int write_limit(struct acg_manager *manager, struct acg_node *node, enum acg_control control,
		       const char *text, bool operator, GArray * actions, GError **error)
{
	uint64_t value;
	int ret = control == ACG_CONTROL_CPU_MAX ? parse_cpu_max(text, &value, error)
						 : parse_limit(text, &value, error);

	if (ret)
		return ret;
	if (node->kind == ACG_KIND_CALL)
		return acg_engine_lower(manager->engine, acg_node_call(node), control,
					value, operator, actions, error);
	acg_engine_agent_limit(manager->engine, node->agent, control, value, actions);
	return 0;
}

static int write_freeze(struct acg_manager *manager, struct acg_call *call, const char *text,
			bool operator, struct acg_time now, GArray * actions, GError **error)
{
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return acg_fail(error, EINVAL, "write 1 to freeze the call, 0 to thaw it");
	if (!operator&& call->frozen_since && !call->operator_frozen)
		return acg_fail(error, EPERM,
				"frozen because memory is short: it goes on by itself, soon");
	acg_engine_freeze(manager->engine, call, text[0] == '1', now, actions);
	return 0;
}

static int write_kill(struct acg_manager *manager, struct acg_call *call, const char *text,
		      GArray *actions, GError **error)
{
	if (strcmp(text, "1") != 0)
		return acg_fail(error, EINVAL, "write 1 to kill the call");
	acg_manager_measure(manager, &call->node);
	acg_engine_kill(manager->engine, call, actions);
	return 0;
}

int acg_manager_write(struct acg_manager *manager, struct acg_node *node, const char *file,
		      const char *text, bool operator, GError ** error)
{
	const struct control_file *known = find_file(file);
	g_autoptr(GArray) actions = acg_actions_new();
	g_autofree char *value = g_strstrip(g_strdup(text));
	struct acg_time now = acg_manager_now();
	int ret;

	if (!node->group || node->group->dirfd < 0)
		return acg_fail(error, ENODEV, "the call has ended");
	if (!known && !operator)
		return acg_fail(error, EPERM, "an agent cannot write %s", file);
	if (!acg_cgroup_has(node->group->dirfd, file))
		return acg_fail(error, ENOENT, "this cgroup has no %s", file);
	if (!known || (known->kind != FILE_LIMIT && node->kind != ACG_KIND_CALL))
		return acg_cgroup_write(node->group->dirfd, file, text, error);
	if (known->kind == FILE_LIMIT)
		ret = write_limit(manager, node, known->control, value, operator, actions, error);
	else if (known->kind == FILE_FREEZE)
		ret = write_freeze(manager, acg_node_call(node), value, operator, now, actions,
				   error);
	else
		ret = write_kill(manager, acg_node_call(node), value, actions, error);
	if (!ret)
		ret = acg_manager_apply(manager, actions, now, error);
	acg_manager_arm(manager);
	return ret;
}

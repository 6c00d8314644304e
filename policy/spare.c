/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process an OOM takes; see the header. */
#include "policy/spare.h"

#include <stdbool.h>

#include "policy/cgroupfs.h"
#include "policy/enforcer.h"
#include "policy/procfs.h"

static bool is_shell(const GArray *shells, pid_t pid)
{
	for (unsigned int i = 0; i < shells->len; i++)
		if (g_array_index(shells, struct acg_moved, i).pid == pid)
			return true;
	return false;
}

static int raise_others(pid_t pid, void *data)
{
	if (!is_shell(data, pid) && acg_proc_oom_score_adj(pid) < ACG_OOM_CALL)
		acg_proc_set_oom_score_adj(pid, ACG_OOM_CALL);
	return 0;
}

void acg_spare_shells(int dirfd, const GArray *shells)
{
	acg_cgroup_each_pid(dirfd, raise_others, (void *)shells, NULL);
}

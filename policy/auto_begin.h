/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls without markers, in the world: what the monitor tells of processes becomes calls, or lines of history. Part of the
 * manager, on its thread.
 *
 * Who fits a rule of `auto` waits for as long as the rule says. Who is gone by then is written into history, without a cgroup.
 * Who is still there, and still in the agent's `self`, begins a call and is moved into it, with what it has forked meanwhile.
 * Nothing is begun inside a call: there the monitor tells of no programs that are run, and who has been moved by a marker
 * while it waited is let be. A marker from inside a call that a rule began takes its place.
 */
#ifndef AGENTCG_POLICY_AUTO_BEGIN_H
#define AGENTCG_POLICY_AUTO_BEGIN_H

#include "policy/manager_private.h"

struct acg_bpf_event;
struct acg_bpf_exec;

/* A process of `self` runs another program. */
void acg_auto_executed(struct acg_manager *manager, struct acg_node *self,
		       const struct acg_bpf_exec *exec);

/* A process of the node (self or call) has exited. */
void acg_auto_exited(struct acg_manager *manager, struct acg_node *node,
		     const struct acg_bpf_event *event);

/* Begins the calls that are due. */
void acg_auto_begin_due(struct acg_manager *manager, struct acg_time now);

/* Events were lost: looks at the processes that are young, as if they had just been told of. */
void acg_auto_look(struct acg_manager *manager, struct acg_time now);

#endif

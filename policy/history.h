/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of each agent: an append-only file of JSON Lines under RUN_DIR/history, bounded in size: a file that would
 * grow past half of its bound becomes NAME.1 (replacing the one before) and a new one is begun.
 */
#ifndef AGENTCG_POLICY_HISTORY_H
#define AGENTCG_POLICY_HISTORY_H

#include "bpf/error.h"

struct acg_history;

/* Makes RUN_DIR/history if missing (0755). */
int acg_history_open(const char *run_dir, struct acg_history **ret_history, GError **error);
void acg_history_close(struct acg_history *history);

/* Appends one line (the newline is added), in one write(2). agent is a path from acg_agent_path(). max_bytes bounds both files together. */
int acg_history_append(struct acg_history *history, const char *agent, const char *line, uint64_t max_bytes,
		       GError **error);

/* Appends both files' text, oldest first, to out. Nothing there yet: nothing. */
int acg_history_read(struct acg_history *history, const char *agent, GString *out, GError **error);

/* Removes an agent's files. */
void acg_history_remove(struct acg_history *history, const char *agent);

#endif

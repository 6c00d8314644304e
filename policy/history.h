/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of each agent: an append-only file of JSON Lines under RUN_DIR/history, bounded in
 * size: a file that would grow past half of its bound becomes the older one (replacing the one
 * before) and a new one is begun.
 *
 * Agent NAME/SUB has NAME+SUB.jsonl and the older NAME+SUB.jsonl.1: `+` is in no agent's name, and
 * no agent's newer file ends like an older one, whatever the agents are called. A path too long for
 * a file name is cut and ends in a digest of the whole. Files are for the daemon's user alone
 * (0600), as commands may hold secrets.
 */
#ifndef AGENTCG_POLICY_HISTORY_H
#define AGENTCG_POLICY_HISTORY_H

#include <stdint.h>

#include "bpf/error.h"

struct acg_history;

/* Makes RUN_DIR/history, and RUN_DIR, if missing (0755). */
int acg_history_open(const char *run_dir, struct acg_history **ret_history, GError **error);
void acg_history_close(struct acg_history *history); /* NULL: nothing */

/*
 * Appends one line (the newline is added), in one write(2). agent is a path from acg_agent_path().
 * max_bytes bounds both files together: 0 keeps nothing, UINT64_MAX everything. All or nothing:
 * where the write stops short (ENOSPC) what got there is cut off again, and so is a torn last line
 * of somebody who was killed. EFBIG: the line is longer than half of max_bytes.
 */
int acg_history_append(struct acg_history *history, const char *agent, const char *line,
		       uint64_t max_bytes, GError **error);

/*
 * Appends both files' text, oldest first and whole lines only, to out. Nothing there yet: nothing.
 */
int acg_history_read(struct acg_history *history, const char *agent, GString *out, GError **error);

/*
 * The last lines, oldest first, as many as there are in the last 128 KiB of each file but no more than max_lines. Nothing
 * there yet: nothing.
 */
int acg_history_tail(struct acg_history *history, const char *agent, unsigned int max_lines,
		     GString *out, GError **error);

/* Removes an agent's files. */
void acg_history_remove(struct acg_history *history, const char *agent);

#endif

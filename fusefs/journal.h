/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: how far the request that changes something has come, for the worker that finds it half done. A request that
 * is sent again (wire.h) is answered if it was finished, else gone on with from its last step.
 *
 * What a step itself consists of is not here: a begin is found again by the request's number in the call's attribute
 * (policy/state.h), an end and a hint by the ID that is noted before anything is done.
 */
#ifndef AGENTCG_FUSEFS_JOURNAL_H
#define AGENTCG_FUSEFS_JOURNAL_H

#include "fusefs/fs.h"

/* At the beginning of a request that changes something. True: it was finished, *ret_result is what to answer. */
bool acg_journal_begin(struct acg_fs *fs, int *ret_result);
/* True if an earlier worker began this request and did not finish it. */
bool acg_journal_resumed(const struct acg_fs *fs);
/* Notes the call that the marker under way ends or changes. Before anything is done. */
void acg_journal_call(struct acg_fs *fs, const char *id);
/* The call noted for this marker; NULL: none. */
const char *acg_journal_noted(const struct acg_fs *fs);
/* One more marker of the write is done. */
void acg_journal_step(struct acg_fs *fs);
/* All is done, the answer comes next. Returns result (0 or -errno). */
int acg_journal_finish(struct acg_fs *fs, int result);
/* And so is what its caller does not wait for (acg_manager_settle()). */
void acg_journal_settled(struct acg_fs *fs);
/* What the manager has to know of it to go on from there. */
struct acg_last acg_journal_last(const struct acg_shared *shared);

#endif

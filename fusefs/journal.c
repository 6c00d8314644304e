/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a request has come; see the header. */
#include "fusefs/journal.h"

#include <string.h>

static struct acg_journal *of(const struct acg_fs *fs)
{
	return &fs->shared->journal;
}

bool acg_journal_begin(struct acg_fs *fs, int *ret_result)
{
	struct acg_journal *journal = of(fs);

	fs->resumed = fs->request.resent && journal->unique == fs->request.unique;
	if (fs->resumed && journal->finished) {
		*ret_result = journal->result;
		return true;
	}
	if (fs->resumed)
		return false;
	/* The number last: until it is there the record is the old request's, which nobody asks about any more. */
	__atomic_store_n(&journal->unique, 0, __ATOMIC_RELEASE);
	journal->step = journal->finished = 0;
	journal->call[0] = '\0';
	__atomic_store_n(&journal->unique, fs->request.unique, __ATOMIC_RELEASE);
	return false;
}

bool acg_journal_resumed(const struct acg_fs *fs)
{
	return fs->resumed;
}

void acg_journal_call(struct acg_fs *fs, const char *id)
{
	g_strlcpy(of(fs)->call, id, sizeof(of(fs)->call));
}

const char *acg_journal_noted(const struct acg_fs *fs)
{
	return fs->resumed && of(fs)->call[0] ? of(fs)->call : NULL;
}

void acg_journal_step(struct acg_fs *fs)
{
	of(fs)->call[0] = '\0';
	__atomic_store_n(&of(fs)->step, of(fs)->step + 1, __ATOMIC_RELEASE);
}

int acg_journal_finish(struct acg_fs *fs, int result)
{
	of(fs)->result = result;
	__atomic_store_n(&of(fs)->finished, ACG_JOURNAL_ANSWERED, __ATOMIC_RELEASE);
	return result;
}

void acg_journal_settled(struct acg_fs *fs)
{
	if (of(fs)->finished)
		__atomic_store_n(&of(fs)->finished, ACG_JOURNAL_SETTLED, __ATOMIC_RELEASE);
}

struct acg_last acg_journal_last(const struct acg_shared *shared)
{
	const struct acg_journal *journal = &shared->journal;

	if (journal->finished == ACG_JOURNAL_SETTLED)
		return (struct acg_last){0};
	return (struct acg_last){journal->unique, journal->step, journal->finished};
}

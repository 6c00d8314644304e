/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of the tree's files: agentcg's own, each with its reader and writer, and the kernel's, with what must be known of
 * them. A row's index is part of node ids: rows are only ever appended.
 */
#ifndef AGENTCG_FUSEFS_FILES_H
#define AGENTCG_FUSEFS_FILES_H

#include <sys/types.h>

#include "fusefs/rights.h"

struct acg_fs;
struct acg_place;
struct acg_open;

enum acg_where {
	ACG_IN_ROOT = 1,
	ACG_IN_AGENT = 2,
	ACG_IN_CALL = 4,
};

enum acg_file_flags {
	ACG_FILE_KERNEL = 1,  /* a file of the cgroup itself */
	ACG_FILE_LINK = 2,    /* a symbolic link */
	ACG_FILE_OUTSIDE = 4, /* not for processes inside agents: it shows other agents */
	ACG_FILE_STREAM = 8,  /* read blocks for more */
	ACG_FILE_ANSWER = 16, /* read gives the answer to what was written on the same open */
	ACG_FILE_POLL = 32,   /* poll(2) reports changes */
	ACG_FILE_PIDS = 64,   /* holds pids: translated for the reader, never passed through */
	ACG_FILE_SLOW = 128,  /* reading or writing may take long: done by a thread of its own */
	ACG_FILE_CALL_WRITE = 256, /* an agent may write it in its calls */
	ACG_FILE_JSON_PIDS = 1024, /* JSON that may name pids: put into the reader's namespace */
	ACG_FILE_PRIVATE = 2048, /* commands, and words about them: not for other users of the host */
	ACG_FILE_PRESSURE = 512, /* poll(2) is for triggers, which nobody can set here; never passed through */
};

struct acg_file {
	const char *name;
	unsigned int index; /* of node ids */
	unsigned int where; /* enum acg_where */
	mode_t mode; /* permission bits, as shown: an agent's rights are by cgroup, so what it may write is for all */
	unsigned int flags; /* enum acg_file_flags */
	enum acg_right write_right;
	/* Appends the text. NULL: kernel file, stream, answer. */
	int (*read)(struct acg_fs *fs, const struct acg_place *place, GString *out, GError **error);
	/* Takes one write(2); text is NUL-ended, len bytes. NULL: not writable, or a kernel file. */
	int (*write)(struct acg_fs *fs, const struct acg_place *place,
		     const struct acg_caller *caller, struct acg_open *open, const char *text,
		     size_t len, GError **error);
};

#define ACG_INDEX_FILES  16 /* first index of agentcg's own */
#define ACG_INDEX_KERNEL 64 /* first index of the kernel's */

/* NULL: no such index or name. */
const struct acg_file *acg_file_at(unsigned int index);
const struct acg_file *acg_file_named(const char *name);

/* The next file after this one (NULL: the first) that is in one of `where`; NULL: no more. */
const struct acg_file *acg_file_next(const struct acg_file *file, unsigned int where);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers and writers that the table in files.c names. See struct acg_file for what they are given. */
#ifndef AGENTCG_FUSEFS_FILE_OPS_H
#define AGENTCG_FUSEFS_FILE_OPS_H

#include "fusefs/files.h"

#define ACG_READER(name)                                                                           \
	int acg_read_##name(struct acg_fs *fs, const struct acg_place *place, GString *out,        \
			    GError **error)
#define ACG_WRITER(name)                                                                           \
	int acg_write_##name(struct acg_fs *fs, const struct acg_place *place,                     \
			     const struct acg_caller *caller, struct acg_open *open,               \
			     const char *text, size_t len, GError **error)

/* readers.c */
ACG_READER(readme);
ACG_READER(version);
ACG_READER(status);
ACG_READER(adopt);
ACG_READER(adopt_error);
ACG_READER(policy);
ACG_READER(policy_error);
ACG_READER(metrics);
ACG_READER(events);
ACG_READER(info);
ACG_READER(call_error);
ACG_READER(history);
ACG_READER(feedback);
ACG_READER(priority);
ACG_READER(command);
ACG_READER(hint);
ACG_READER(state);

/* writers.c */
ACG_WRITER(adopt);
ACG_WRITER(adopt_error);
ACG_WRITER(policy);
ACG_WRITER(priority);

/* markers.c */
ACG_WRITER(call);

#endif

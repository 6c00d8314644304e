/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded log of lines (JSON Lines without the newline). A line may stand in several logs at once
 * (the root's and each enclosing agent's): it is a GRefString and shared. Positions count the lines
 * ever appended to this log, so a reader needs to keep nothing but a number, and can tell how many
 * it lost.
 */
#ifndef AGENTCG_POLICY_EVENTLOG_H
#define AGENTCG_POLICY_EVENTLOG_H

#include <glib.h>
#include <stdint.h>

struct acg_eventlog {
	GQueue lines;   /* GRefString, oldest first */
	uint64_t first; /* position of the oldest kept */
	uint64_t next;  /* position that the next one gets */
	size_t bytes;   /* of the lines kept, each with its newline */
	unsigned int max_lines;
	size_t max_bytes;
};

void acg_eventlog_init(struct acg_eventlog *log, unsigned int max_lines, size_t max_bytes);
/* Releases the lines; the log is as after init. */
void acg_eventlog_clear(struct acg_eventlog *log);

/* An empty log goes on at this position. */
void acg_eventlog_start(struct acg_eventlog *log, uint64_t position);

/* Takes a reference of its own of line; drops the oldest ones past either bound. */
void acg_eventlog_append(struct acg_eventlog *log, char *line);

/* Appends all kept lines, each with its newline, to out. */
void acg_eventlog_dump(const struct acg_eventlog *log, GString *out);

/*
 * For a stream: appends to out the lines from *position on, as many whole ones as fit into max
 * bytes, and moves *position. The first is given even if it alone is longer than max, so that a
 * small buffer never stops a reader: the caller keeps the rest for its next read. A reader that was
 * overtaken first gets one line {"event":"lost","lines":N}. Returns the number of lines (0: nothing
 * new). A position beyond the end (of a log that is no more) is taken back to the end.
 */
unsigned int acg_eventlog_read(const struct acg_eventlog *log, uint64_t *position, size_t max,
			       GString *out);

#endif

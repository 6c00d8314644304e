/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The marker grammar: one line of text into a struct, nothing else. No I/O, no registry; fuzzed by tests/fuzz/fuzz_marker.c.
 *
 *     begin ID|- [KEY=VALUE ...] [-- COMMAND]
 *     end ID|- [exit=N]
 *     hint ID|- KEY=VALUE ...
 */
#ifndef AGENTCG_FUSEFS_MARKER_H
#define AGENTCG_FUSEFS_MARKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "policy/hint.h"

#define ACG_MARKER_MAX  (64 * 1024) /* bytes of one write(2) */
#define ACG_COMMAND_MAX 2048        /* bytes of COMMAND kept; a longer one is cut at a character */
#define ACG_ID_MAX      64

enum acg_verb { ACG_VERB_BEGIN, ACG_VERB_END, ACG_VERB_HINT };

#define ACG_PID_WRITER ((pid_t)0)  /* no pid= was given */
#define ACG_PID_NONE   ((pid_t)-1) /* pid=none */

struct acg_marker {
	enum acg_verb verb;
	char id[ACG_ID_MAX + 1]; /* "" for `-` */
	struct acg_hint hint;
	pid_t pid; /* as written, in the writer's own pid namespace; ACG_PID_WRITER, ACG_PID_NONE */
	bool keep;
	int exit;      /* 0 to 255; -1: not said */
	char *command; /* valid UTF-8, control characters are spaces; NULL: none */
};

/*
 * Parses one line (len bytes, without its newline; may hold any byte). EINVAL with one line of words that say what is wrong and
 * what to write instead. *ret_marker is untouched on failure; else clear it with acg_marker_clear().
 */
int acg_marker_parse(const char *line, size_t len, struct acg_marker *ret_marker, GError **error);
void acg_marker_clear(struct acg_marker *marker);

/* True if the line starts with one of the three verbs and a blank or its end: what follows a `begin` without one is ignored. */
bool acg_marker_has_verb(const char *line, size_t len);

#endif

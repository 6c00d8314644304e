/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program `agentcg` itself: what stands in front of commands, `run` and `shell`. It uses nothing but libc, so as to start in a
 * fraction of the time that a shell takes; all other verbs are those of agentcg-verbs (tools/verbs.h).
 */
#ifndef AGENTCG_TOOLS_FRONT_H
#define AGENTCG_TOOLS_FRONT_H

#define ACG_EXIT_USAGE 2

/* argv[0] is the verb; each returns the exit status. */
int acg_verb_run(int argc, char **argv);
/* argv[0] is the verb, or the name by which a shell was called. */
int acg_verb_shell(int argc, char **argv);

/* Becomes agentcg-verbs with this argv, from "agentcg" on. Returns if it is not there, which has been said. */
void acg_become_verbs(char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of agentcg, one file each, but for those of tools/front.h. argv[0] is the verb; each returns the exit status. */
#ifndef AGENTCG_TOOLS_VERBS_H
#define AGENTCG_TOOLS_VERBS_H

#include <glib.h>

#include "tools/front.h"

int acg_verb_adopt(int argc, char **argv);
int acg_verb_characterize(int argc, char **argv);
int acg_verb_doctor(int argc, char **argv);
int acg_verb_enter(int argc, char **argv);
int acg_verb_explain(int argc, char **argv);
int acg_verb_freeze(int argc, char **argv);
int acg_verb_graft(int argc, char **argv);
int acg_verb_hook(int argc, char **argv);
int acg_verb_kill(int argc, char **argv);
int acg_verb_ls(int argc, char **argv);
int acg_verb_mcp(int argc, char **argv);
int acg_verb_oci_hook(int argc, char **argv);
int acg_verb_replay(int argc, char **argv);
int acg_verb_report(int argc, char **argv);
int acg_verb_set(int argc, char **argv);
int acg_verb_shell_log(int argc, char **argv);
int acg_verb_status(int argc, char **argv);
int acg_verb_thaw(int argc, char **argv);
int acg_verb_top(int argc, char **argv);
int acg_verb_ungraft(int argc, char **argv);

/* verb_adopt.c: what the OCI hook does, too. */
int acg_adopt(const char *tree, const char *name, const char *namespace, const char *cgroup,
	      GError **error);

#endif

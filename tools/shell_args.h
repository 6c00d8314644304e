/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shell's command line and the shell itself, as `agentcg shell` looks at them. Nothing is changed or run. */
#ifndef AGENTCG_TOOLS_SHELL_ARGS_H
#define AGENTCG_TOOLS_SHELL_ARGS_H

#include <limits.h>
#include <stdbool.h>

/*
 * The COMMAND of `bash [OPTION...] -c [OPTION...] COMMAND [ARGUMENT...]`, as bash itself would find
 * it; borrowed from argv. NULL: no -c, or nothing behind it.
 */
const char *acg_shell_command(char **argv);

/* The name of a shell by which a program was called: "bash" for "/opt/x/-bash"; borrowed. NULL: not a shell's. */
const char *acg_shell_name(const char *argv0);

/*
 * Where the real shell of this name is: not this program under another name, wherever it is found,
 * nor a copy of it. real-NAME is taken as well, to which a shell may have been moved to make room.
 * False: there is none, and what is in ret_path means nothing.
 */
bool acg_shell_find(const char *name, char ret_path[static PATH_MAX]);

#endif

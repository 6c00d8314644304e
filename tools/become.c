/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where agentcg-verbs is; see tools/front.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/front.h"

#define ALL_VERBS "agentcg-verbs"

/* Beside this program (where it was built), else where it is installed. */
void acg_become_verbs(char **argv)
{
	char path[PATH_MAX + sizeof(ALL_VERBS)];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, ALL_VERBS);
		execv(path, argv);
	}
	execv(ACG_LIBEXECDIR "/" ALL_VERBS, argv);
	fprintf(stderr, "agentcg: %s: %s\n", ACG_LIBEXECDIR "/" ALL_VERBS, strerror(errno));
}

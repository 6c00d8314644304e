/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Classes of commands; see the header. */
#include "policy/command_class.h"

#include <glib.h>

#include "policy/policy.h"

/* In this order: `pip install pytest` is an install only because no test is run by that name. */
static const struct {
	const char *name;
	const char *pattern; /* NULL: whatever is left */
} classes[] = {
	[ACG_CLASS_TEST] =
		{"test",
		 "(^|[;&|(]|\\s)(python[0-9.]* -m (pytest|unittest)|pytest|py\\.test|tox|nosetests|"
		 "ctest|(npm|yarn|pnpm|go|cargo|make|mvn|gradle) (run )?(test|check))\\b"},
	[ACG_CLASS_INSTALL] =
		{"install",
		 "\\b((pip[0-9.]*|npm|yarn|pnpm|conda|mamba|poetry|uv|apt|apt-get|gem|cargo|"
		 "brew|go)( pip)? (-\\S+ )*(install|add|sync|get|ci)|setup\\.py "
		 "(install|develop))\\b"},
	[ACG_CLASS_BUILD] =
		{"build", "(^|[;&|(]|\\s)(make|cmake|ninja|gcc|g\\+\\+|clang|javac|tsc|meson|bazel|"
			  "(cargo|npm run|go|docker|mvn|gradle) build|python[0-9.]* -m build|"
			  "python[0-9.]* setup\\.py build)\\b"},
	[ACG_CLASS_GIT] = {"git", "(^|[;&|(]\\s*)git\\b"},
	[ACG_CLASS_FILES] =
		{"files",
		 "^\\s*(cd \\S+ *&& *)?(ls|cat|head|tail|find|grep|rg|sed|awk|wc|tree|cp|mv|"
		 "rm|mkdir|touch|diff|pwd|stat|du|file|sort|chmod|echo|which)\\b"},
	[ACG_CLASS_OTHER] = {"other", NULL},
};

enum acg_command_class acg_command_class(const char *command)
{
	g_autofree char *written = command ? acg_command_unwrap(command, NULL) : NULL;

	for (unsigned int i = 0; written && i < ACG_CLASS_OTHER; i++)
		if (g_regex_match_simple(classes[i].pattern, written, 0, 0))
			return i;
	return ACG_CLASS_OTHER;
}

const char *acg_command_class_name(enum acg_command_class class)
{
	return classes[class].name;
}

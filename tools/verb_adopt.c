/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg adopt: makes an agent of a cgroup that is there. systemd must have handed a unit's cgroup over, and must not stop the
 * whole unit when one call is killed: units without Delegate=yes and OOMPolicy=continue are refused.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/tree_text.h"
#include "tools/verbs.h"

static bool is_unit(const char *name)
{
	return g_str_has_suffix(name, ".service") || g_str_has_suffix(name, ".scope");
}

/* The unit that the cgroup is of, or lies in; to be freed. NULL: none. */
static char *unit_of(const char *cgroup)
{
	g_auto(GStrv) names = g_strsplit(cgroup, "/", -1);

	for (unsigned int i = g_strv_length(names); i-- > 0;)
		if (is_unit(names[i]))
			return g_strdup(names[i]);
	return NULL;
}

static int check_property(const char *text, const char *wanted, const char *unit, GError **error)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autofree char *name = g_strndup(wanted, strcspn(wanted, "="));

	if (g_strv_contains((const char *const *)lines, wanted))
		return 0;
	return acg_fail(error, EPERM, "unit %s: %s is not %s: set %s", unit, name, strchr(wanted, '=') + 1,
			wanted);
}

static int check_unit(const char *unit, GError **error)
{
	const char *argv[] = {"systemctl", "show", "--property=Delegate,OOMPolicy,LoadState", "--", unit, NULL};
	g_autofree char *text = NULL;
	int status, ret;

	if (!g_file_test("/run/systemd/system", G_FILE_TEST_IS_DIR))
		return 0; /* no systemd here: only the name is like a unit's */
	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &text, NULL,
			  &status, NULL) ||
	    status)
		return acg_fail(error, EIO, "systemctl cannot say how unit %s is set up", unit);
	if (strstr(text, "LoadState=not-found"))
		return 0; /* somebody else's cgroup with such a name */
	ret = check_property(text, "Delegate=yes", unit, error);
	return ret ? ret : check_property(text, "OOMPolicy=continue", unit, error);
}

/* In the daemon's words, if it has any. */
static void say_why(const char *tree, GError **error)
{
	g_autofree char *why = acg_tree_read(NULL, tree, "adopt.error", NULL);

	if (!why || !*why || !error)
		return;
	g_free((*error)->message);
	(*error)->message = g_strdup(g_strchomp(why));
}

int acg_adopt(const char *tree, const char *name, const char *namespace, const char *cgroup,
	      GError **error)
{
	g_autofree char *file = g_build_filename(tree, "adopt", NULL);
	g_autofree char *line = namespace ? g_strdup_printf("%s namespace=%s %s\n", name,
							    namespace, cgroup)
					  : g_strdup_printf("%s %s\n", name, cgroup);
	g_autofree char *unit = unit_of(cgroup);
	int ret = unit ? check_unit(unit, error) : 0;

	if (ret)
		return ret;
	ret = acg_tree_write(file, line, error);
	if (ret)
		say_why(tree, error);
	return ret;
}

int acg_verb_adopt(int argc, char **argv)
{
	g_autofree char *namespace = NULL;
	const GOptionEntry entries[] = {
		{"namespace", 'n', 0, G_OPTION_ARG_STRING, &namespace,
		 "whose it is: entries of the policy may ask for it", "NS"},
		{0},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("NAME CGROUP");
	g_autoptr(GError) error = NULL;
	const char *tree;

	g_option_context_set_summary(context, "Makes agent NAME of a cgroup that somebody else made. CGROUP is its path as "
					      "in\n/proc/PID/cgroup. Removing the agent gives it back as it was.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 3) {
		fprintf(stderr, "agentcg adopt: %s\n",
			error ? error->message : "give a name and a cgroup: agentcg adopt NAME CGROUP");
		return ACG_EXIT_USAGE;
	}
	tree = acg_tree_find();
	if (!acg_tree_is_there(tree))
		return acg_no_tree("adopt");
	if (acg_adopt(tree, argv[1], namespace, argv[2], &error) < 0) {
		fprintf(stderr, "agentcg adopt: %s\n", error->message);
		return 1;
	}
	return 0;
}

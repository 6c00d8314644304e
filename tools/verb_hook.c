/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg hook: an event of an agent framework's on standard input, or our hooks in its settings. Never in the way of the framework. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/hook.h"
#include "tools/tree.h"
#include "tools/verbs.h"

#define EVENT_MAX (64 * 1024 * 1024) /* bytes: PostToolUse brings the tool's output along */

static char *read_event(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	char buf[64 * 1024];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0 && text->len < EVENT_MAX)
		g_string_append_len(text, buf, n);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static int answer(const struct acg_framework *framework, bool rewrite)
{
	g_autofree char *text = read_event(), *out = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) node = json_from_string(text, &error), answered = NULL;
	JsonObject *object;

	if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
		fprintf(stderr, "agentcg hook: standard input is not a JSON object%s%s\n",
			error ? ": " : "", error ? error->message : "");
		return 1; /* for frameworks a mistake that changes nothing; 2 would stop the tool */
	}
	object = acg_hook_answer(framework, json_node_get_object(node), rewrite);
	if (!object)
		return 0;
	answered = json_node_init_object(json_node_alloc(), object);
	json_object_unref(object);
	out = json_to_string(answered, FALSE);
	printf("%s\n", out);
	return 0;
}

static char *settings_path(const struct acg_framework *framework, const char *given)
{
	if (given)
		return g_strdup(given);
	if (g_str_has_prefix(framework->settings, "./"))
		return g_strdup(framework->settings + 2);
	return g_build_filename(g_get_home_dir(), framework->settings, NULL);
}

/* A link stays a link: what it leads to is replaced, at once and whole, with the mode it had. */
static int write_settings(const char *path, const char *text, GError **error)
{
	g_autofree char *real = realpath(path, NULL);
	g_autofree char *dir = g_path_get_dirname(path);
	struct stat st;
	int mode = real && stat(real, &st) == 0 ? st.st_mode & 07777 : 0600;

	if (g_mkdir_with_parents(dir, 0700) < 0)
		return acg_fail_errno(error, errno, "%s", dir);
	if (!g_file_set_contents_full(real ? real : path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT,
				      mode, error))
		return -EIO;
	return 0;
}

static int change_settings(const struct acg_framework *framework, const char *given, bool install)
{
	g_autofree char *path = settings_path(framework, given), *text = NULL, *changed = NULL,
			*note = NULL;
	const char *tree = acg_tree_find();
	g_autoptr(GError) error = NULL;

	if (!g_file_get_contents(path, &text, NULL, &error) &&
	    !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
		fprintf(stderr, "agentcg hook: %s\n", error->message);
		return 1;
	}
	g_clear_error(&error);
	if (acg_hook_settings(framework, text ? text : "", tree ? tree : "/sys/fs/agentcg", install,
			      &changed, &note, &error) < 0) {
		fprintf(stderr, "agentcg hook: %s: %s; it is as it was\n", path, error->message);
		return 1;
	}
	if (write_settings(path, changed, &error) < 0) {
		fprintf(stderr, "agentcg hook: %s\n", error->message);
		return 1;
	}
	printf("%s: hooks of agentcg are %s\n%s", path, install ? "in it" : "out of it",
	       note ? note : "");
	return 0;
}

int acg_verb_hook(int argc, char **argv)
{
	g_autofree char *settings = NULL;
	gboolean rewrite = FALSE;
	const GOptionEntry entries[] = {
		{"rewrite", 0, 0, G_OPTION_ARG_NONE, &rewrite,
		 "wrap commands by agentcg-shell, where there is no prefix for shells", NULL},
		{"settings", 0, 0, G_OPTION_ARG_FILENAME, &settings,
		 "with install and remove: this file", "FILE"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context =
		g_option_context_new("FRAMEWORK | install FRAMEWORK | remove FRAMEWORK");
	const struct acg_framework *framework;
	g_autoptr(GError) error = NULL;
	bool install, change;

	g_option_context_set_summary(context, "Answers a hook's event, or puts hooks into a "
					      "framework's settings.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("hook", error);
	install = argc == 3 && strcmp(argv[1], "install") == 0;
	change = install || (argc == 3 && strcmp(argv[1], "remove") == 0);
	framework = argc == 2 || change ? acg_framework_find(argv[argc - 1]) : NULL;
	if (!framework) {
		fprintf(stderr, "agentcg hook: give a framework: %s\n", acg_framework_names());
		return ACG_EXIT_USAGE;
	}
	return change ? change_settings(framework, settings, install) : answer(framework, rewrite);
}

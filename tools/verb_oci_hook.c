/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg oci-hook: a container becomes an agent. A runtime calls it as a createRuntime hook (the namespaces are there, the container's
 * own command is not yet started) and as a poststop hook, with the container's state on standard input. Without the annotation
 * agentcg.name it does nothing, so that it can stand in an engine's hook directory for all containers.
 *
 * The name and the namespace say which entry of `agents` in the policy is the container's; priority and memory are requests, and can
 * only be less than what that gives. The name of an agent that has processes is not to be had: the next container becomes NAME-2,
 * and so on. A container is never kept from starting: what could not be done is said on standard error, which engines mostly throw
 * away, and in the tree.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fusefs/graft.h"
#include "policy/hint.h"
#include "policy/policy.h"
#include "policy/procfs.h"
#include "policy/registry.h"
#include "tools/tree.h"
#include "tools/verbs.h"

#define NAMES_MAX 64 /* containers of one name at a time */

struct container {
	const char *status;
	const char *bundle;
	const char *name, *namespace, *priority, *memory; /* annotations; NULL: not given */
	pid_t pid;
};

static const char *annotation(JsonObject *annotations, const char *name)
{
	return annotations ? acg_tree_string(annotations, name, NULL) : NULL;
}

/* What Kubernetes' runtimes (CRI-O, containerd) say of the pod, which whoever wrote it cannot choose; else our own annotation. */
static const char *namespace_of(JsonObject *annotations)
{
	static const char *const names[] = {"io.kubernetes.pod.namespace",
					    "io.kubernetes.cri.sandbox-namespace",
					    "agentcg.namespace"};
	const char *found = NULL;

	for (unsigned int i = 0; !found && i < G_N_ELEMENTS(names); i++)
		found = annotation(annotations, names[i]);
	return found;
}

static struct container container_of(JsonObject *state)
{
	JsonNode *node = json_object_get_member(state, "annotations");
	JsonObject *annotations = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

	return (struct container){
		.status = acg_tree_string(state, "status", ""),
		.bundle = acg_tree_string(state, "bundle", NULL),
		.pid = acg_tree_int(state, "pid", 0),
		.name = annotation(annotations, "agentcg.name"),
		.namespace = namespace_of(annotations),
		.priority = annotation(annotations, "agentcg.priority"),
		.memory = annotation(annotations, "agentcg.memory"),
	};
}

/* number: of the containers with this name, from 1. */
static char *agent_name(const struct container *container, int number)
{
	return number == 1 ? g_strdup(container->name)
			   : g_strdup_printf("%s-%d", container->name, number);
}

/* The container's configuration, and what of it matters here. */
struct config {
	char *root;	      /* where its root file system lies, before the runtime pivots into it */
	GPtrArray *read_only; /* mount points, as acg_sandbox wants them */
};

static void config_clear(struct config *config)
{
	g_clear_pointer(&config->root, g_free);
	g_clear_pointer(&config->read_only, g_ptr_array_unref);
}

static bool has_option(JsonObject *mount, const char *wanted)
{
	JsonNode *node = json_object_get_member(mount, "options");
	JsonArray *options = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

	for (unsigned int i = 0; options && i < json_array_get_length(options); i++)
		if (g_strcmp0(json_array_get_string_element(options, i), wanted) == 0)
			return true;
	return false;
}

/* crun makes them so only after the hooks. */
static void find_read_only(JsonArray *array, unsigned int index, JsonNode *node, void *data)
{
	JsonObject *mount = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	const char *at = mount ? acg_tree_string(mount, "destination", NULL) : NULL;

	(void)array;
	(void)index;
	if (at && has_option(mount, "ro"))
		g_ptr_array_add(data, g_canonicalize_filename(at, "/"));
}

static int read_config(const char *bundle, struct config *ret_config, GError **error)
{
	g_autofree char *file = g_build_filename(bundle, "config.json", NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *top, *root, *mounts;
	const char *path;

	if (!json_parser_load_from_file(parser, file, error))
		return -EINVAL;
	top = json_parser_get_root(parser);
	if (!top || !JSON_NODE_HOLDS_OBJECT(top))
		return acg_fail(error, EINVAL, "%s holds no object", file);
	root = json_object_get_member(json_node_get_object(top), "root");
	path = root && JSON_NODE_HOLDS_OBJECT(root) ? acg_tree_string(json_node_get_object(root), "path", NULL)
						    : NULL;
	if (!path)
		return acg_fail(error, EINVAL, "%s names no root", file);
	ret_config->root = g_canonicalize_filename(path, bundle);
	ret_config->read_only = g_ptr_array_new_with_free_func(g_free);
	mounts = json_object_get_member(json_node_get_object(top), "mounts");
	if (mounts && JSON_NODE_HOLDS_ARRAY(mounts))
		json_array_foreach_element(json_node_get_array(mounts), find_read_only,
					   ret_config->read_only);
	g_ptr_array_add(ret_config->read_only, NULL);
	return 0;
}

/* Never more than there is: requests. */
static int lower_memory(const char *directory, const char *memory, GError **error)
{
	g_autofree char *file = g_build_filename(directory, "memory.max", NULL);
	g_autofree char *now = acg_tree_read(error, directory, "memory.max", NULL);
	g_autofree char *text = NULL;
	uint64_t wanted;
	int ret;

	if (!now)
		return -EIO;
	ret = acg_size_parse(memory, &wanted, error);
	if (ret)
		return ret;
	if (!g_str_has_prefix(now, "max") && wanted >= g_ascii_strtoull(now, NULL, 10))
		return 0;
	text = g_strdup_printf("%" G_GUINT64_FORMAT, wanted);
	return acg_tree_write(file, text, error);
}

static int lower_priority(const char *directory, const char *priority, GError **error)
{
	g_autofree char *file = g_build_filename(directory, "priority", NULL);
	g_autofree char *now = acg_tree_read(error, directory, "priority", NULL);
	enum acg_priority wanted, given;
	int ret;

	if (!now)
		return -EIO;
	ret = acg_priority_parse(priority, &wanted, error);
	if (!ret)
		ret = acg_priority_parse(g_strchomp(now), &given, error);
	if (ret || wanted >= given)
		return ret;
	return acg_tree_write(file, priority, error);
}

/* Removes the agent of a container that has ended. */
static int remove_vacant(const char *directory, GError **error)
{
	g_autofree char *events = acg_tree_read(NULL, directory, "cgroup.events", NULL);

	if (events && !strstr(events, "populated 0"))
		return acg_fail(error, EEXIST, "%s is there and has processes", directory);
	if (rmdir(directory) < 0 && errno != ENOENT)
		return acg_fail_errno(error, errno, "cannot remove %s", directory);
	return 0;
}

static int show_view(const struct container *container, const char *directory, GError **error)
{
	struct config config = {0};
	struct acg_sandbox sandbox = {.pid = container->pid};
	g_autofree char *note = NULL;
	struct acg_view view;
	int ret = read_config(container->bundle, &config, error);

	if (ret)
		return ret;
	sandbox.root = config.root;
	sandbox.read_only = (const char *const *)config.read_only->pdata;
	ret = acg_view_open(directory, &view, error);
	if (!ret) {
		ret = acg_graft_into(&view, &sandbox, &note, error);
		acg_view_close(&view);
	}
	config_clear(&config);
	if (note)
		fprintf(stderr, "agentcg oci-hook: the view is %s\n", note);
	return ret;
}

/* Adopts the cgroup under the first name that is free. *ret_directory: the agent's; free with g_free. */
static int adopt(const char *tree, const struct container *container, const char *cgroup,
		 char **ret_directory, GError **error)
{
	int ret = -EEXIST;

	for (int i = 1; i <= NAMES_MAX && ret == -EEXIST; i++) {
		g_autofree char *name = agent_name(container, i);
		g_autofree char *directory = acg_tree_agent(tree, name);

		g_clear_error(error);
		ret = acg_name_check(name, error);
		if (!ret)
			ret = remove_vacant(directory, error);
		if (!ret)
			ret = acg_adopt(tree, name, container->namespace, cgroup, error);
		if (!ret)
			*ret_directory = g_steal_pointer(&directory);
	}
	return ret;
}

static int make_agent(const char *tree, const struct container *container, GError **error)
{
	g_autofree char *cgroup = NULL, *directory = NULL;
	int ret = acg_proc_cgroup(container->pid, &cgroup, error);

	if (!ret)
		ret = adopt(tree, container, cgroup, &directory, error);

	if (ret)
		return ret;
	if (container->memory)
		ret = lower_memory(directory, container->memory, error);
	if (!ret && container->priority)
		ret = lower_priority(directory, container->priority, error);
	if (!ret)
		ret = show_view(container, directory, error);
	if (ret)
		rmdir(directory); /* gives the cgroup back */
	return ret;
}

/* Which of them it was cannot be asked any more: its cgroup is gone. */
static void remove_agents(const char *tree, const struct container *container)
{
	for (int i = 1; i <= NAMES_MAX; i++) {
		g_autofree char *name = agent_name(container, i);
		g_autofree char *directory = acg_tree_agent(tree, name);

		if (acg_name_check(name, NULL) == 0)
			remove_vacant(directory, NULL);
	}
}

static void tell_tree(const char *tree, const struct container *container, const GError *why)
{
	g_autofree char *file = g_build_filename(tree, "adopt.error", NULL);
	g_autofree char *line = g_strdup_printf("container %s: %s", container->name, why->message);

	acg_tree_write(file, g_strdelimit(line, "\n", ' '), NULL);
}

static int run_hook(JsonObject *state, GError **error)
{
	struct container container = container_of(state);
	const char *tree = acg_tree_find();
	int ret;

	if (!container.name)
		return 0;
	if (!tree)
		return acg_fail(error, ENOENT, "there is no tree: is agentcgd running?");
	if (strcmp(container.status, "stopped") == 0) {
		remove_agents(tree, &container);
		return 0;
	}
	if (!container.bundle || container.pid <= 0)
		ret = acg_fail(error, EINVAL, "the state on standard input names no bundle or no pid");
	else
		ret = make_agent(tree, &container, error);
	if (ret)
		tell_tree(tree, &container, *error);
	return ret;
}

static JsonNode *read_state(GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	char buf[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0 && text->len < 1024 * 1024)
		g_string_append_len(text, buf, n);
	return json_from_string(text->str, error);
}

int acg_verb_oci_hook(int argc, char **argv)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) state = NULL;

	g_option_context_set_summary(context, "A createRuntime and poststop hook of the OCI: the container's state comes on "
					      "standard\ninput. Annotations: agentcg.name, agentcg.namespace, agentcg.priority,\n"
					      "agentcg.memory.");
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("oci-hook", error);
	state = read_state(&error);
	if (state && JSON_NODE_HOLDS_OBJECT(state))
		run_hook(json_node_get_object(state), &error);
	if (error)
		fprintf(stderr, "agentcg oci-hook: %s\n", error->message);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg oci-hook: a container becomes an agent. A runtime calls it as a createRuntime hook (the namespaces are there, the container's
 * own command is not yet started) and as a poststop hook, with the container's state on standard input. Without the annotation
 * agentcg.name it does nothing, so that it can stand in an engine's hook directory for all containers.
 *
 * The name says which entry of `agents` in the policy is the container's; priority and memory are requests, and can only be
 * less than what that gives. A container is never kept from starting: what could not be done is said on standard error.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fusefs/graft.h"
#include "policy/hint.h"
#include "policy/policy.h"
#include "tools/tree.h"
#include "tools/verbs.h"

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

/* Our own annotation, or else what Kubernetes' runtimes (containerd, CRI-O) say of the pod. */
static const char *namespace_of(JsonObject *annotations)
{
	static const char *const names[] = {"agentcg.namespace",
					    "io.kubernetes.cri.sandbox-namespace",
					    "io.kubernetes.pod.namespace"};
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

/* The path of the process's cgroup within the cgroup2 mount. Free with g_free. */
static char *cgroup_of(pid_t pid, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", pid);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL)) {
		acg_fail(error, ESRCH, "there is no process %d", pid);
		return NULL;
	}
	line = g_str_has_prefix(text, "0::") ? text : strstr(text, "\n0::");
	if (!line) {
		acg_fail(error, ENOTSUP, "process %d is in no cgroup of version 2", pid);
		return NULL;
	}
	line = strstr(line, "0::") + 3;
	return g_strndup(line, strcspn(line, "\n"));
}

/* Where the root file system of the container lies, before the runtime pivots into it. */
static char *rootfs_of(const struct container *container, GError **error)
{
	g_autofree char *config = g_build_filename(container->bundle, "config.json", NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonObject *root;
	const char *path;

	if (!json_parser_load_from_file(parser, config, error))
		return NULL;
	root = json_node_get_object(json_parser_get_root(parser));
	root = json_object_has_member(root, "root") ? json_object_get_object_member(root, "root") : NULL;
	path = root ? acg_tree_string(root, "path", NULL) : NULL;
	if (!path) {
		acg_fail(error, EINVAL, "%s names no root", config);
		return NULL;
	}
	return g_path_is_absolute(path) ? g_strdup(path)
					: g_build_filename(container->bundle, path, NULL);
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

static int make_agent(const char *tree, const struct container *container, GError **error)
{
	g_autofree char *directory = acg_tree_agent(tree, container->name);
	g_autofree char *cgroup = cgroup_of(container->pid, error);
	g_autofree char *root = cgroup ? rootfs_of(container, error) : NULL;
	g_autofree char *note = NULL;
	struct acg_view view;
	int ret;

	if (!root)
		return -EINVAL;
	rmdir(directory); /* of an earlier container, if that is gone */
	ret = acg_adopt(tree, container->name, container->namespace, cgroup, error);
	if (!ret && container->memory)
		ret = lower_memory(directory, container->memory, error);
	if (!ret && container->priority)
		ret = lower_priority(directory, container->priority, error);
	if (!ret)
		ret = acg_view_open(directory, &view, error);
	if (ret)
		return ret;
	ret = acg_graft_pid(&view, container->pid, root, true, &note, error);
	acg_view_close(&view);
	if (note)
		fprintf(stderr, "agentcg oci-hook: the view is %s\n", note);
	return ret;
}

static int run_hook(JsonObject *state, GError **error)
{
	struct container container = container_of(state);
	g_autofree char *directory = NULL;
	const char *tree = acg_tree_find();

	if (!container.name)
		return 0;
	if (!tree)
		return acg_fail(error, ENOENT, "there is no tree: is agentcgd running?");
	if (strcmp(container.status, "stopped") == 0) {
		directory = acg_tree_agent(tree, container.name);
		return rmdir(directory) < 0 && errno != ENOENT
			       ? acg_fail_errno(error, errno, "cannot remove %s", directory)
			       : 0;
	}
	if (!container.bundle || container.pid <= 0)
		return acg_fail(error, EINVAL, "the state on standard input names no bundle or no pid");
	return make_agent(tree, &container, error);
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

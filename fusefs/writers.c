/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writers of agentcg's own files, but for the markers (markers.c). */
#include <string.h>

#include "fusefs/file_ops.h"
#include "fusefs/fs.h"

/*
 * The first write on an open file is the policy, whole. A shell's echo writes line by line: what follows must not be taken for another
 * policy. The same write may come twice, from a worker that was killed over it.
 */
static bool is_the_rest(const struct acg_fs *fs, struct acg_open *open)
{
	bool rest = open->position && open->read_unique != fs->request.unique;

	open->read_unique = fs->request.unique;
	open->position = 1;
	return rest;
}

ACG_WRITER(policy)
{
	struct acg_policy *policy;
	g_autoptr(GError) why = NULL;

	(void)place;
	(void)caller;
	if (is_the_rest(fs, open))
		acg_fail(&why, EINVAL,
			 "policy: this came in several writes, of which the first is taken for the "
			 "policy; write it at once: cat FILE > policy");
	else if (strlen(text) != len)
		acg_fail(&why, EINVAL, "policy: a NUL byte is no text");
	else
		acg_policy_load_text(text, "policy", &policy, &why);
	if (why) {
		acg_manager_policy_refused(fs->manager, why);
		return acg_fail(error, EINVAL, "%s", why->message);
	}
	/* First: what is in force must not be lost with us. */
	if (fs->policy_path && !g_file_set_contents_full(fs->policy_path, text, len,
							 G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL)) {
		acg_policy_unref(policy);
		return acg_fail(error, EIO, "cannot keep the policy as %s", fs->policy_path);
	}
	acg_manager_set_policy(fs->manager, policy);
	acg_policy_unref(policy);
	return 0;
}

ACG_WRITER(priority)
{
	g_autofree char *word = g_strstrip(g_strdup(text));
	enum acg_priority priority;
	int ret = acg_priority_parse(word, &priority, error);

	(void)caller;
	(void)open;
	(void)len;
	return ret ? ret : acg_manager_agent_priority(fs->manager, place->agent, priority, error);
}

static void not_adopted(struct acg_fs *fs, const char *why)
{
	g_free(fs->adopt_error);
	fs->adopt_error = g_strdup(why);
	acg_manager_not_adopted(fs->manager, why);
}

#define NAMESPACE "namespace="

/* "NAME [namespace=NS] CGROUP": makes an agent of a cgroup that somebody else made (policy/adopt.c). */
ACG_WRITER(adopt)
{
	g_autofree char *line = g_strstrip(g_strndup(text, len));
	char *path = strchr(line, ' '), *namespace = NULL;
	g_autoptr(GError) why = NULL;
	struct acg_agent *agent;
	int ret;

	(void)place;
	(void)caller;
	(void)open;
	if (!path || strlen(line) > 4096)
		return acg_fail(error, EINVAL, "write NAME [namespace=NS] CGROUP, the path as in "
					       "/proc/PID/cgroup");
	*path++ = '\0';
	if (g_str_has_prefix(path, NAMESPACE)) {
		namespace = path + strlen(NAMESPACE);
		path = namespace + strcspn(namespace, " ");
		if (*path)
			*path++ = '\0';
	}
	ret = acg_manager_adopt(fs->manager, line, namespace, path, &agent, &why);
	g_clear_pointer(&fs->adopt_error, g_free);
	if (why) {
		not_adopted(fs, why->message);
		g_propagate_error(error, g_steal_pointer(&why));
	}
	return ret;
}

/* By who was to make an agent of something, and could not, for reasons that are not the daemon's: one line. */
ACG_WRITER(adopt_error)
{
	g_autofree char *line = g_strchomp(g_strndup(text, strcspn(text, "\n")));

	(void)place;
	(void)caller;
	(void)open;
	if (!line[0] || len > 4096 || !g_utf8_validate(line, -1, NULL))
		return acg_fail(error, EINVAL, "write one line of words, of at most 4096 bytes");
	not_adopted(fs, line);
	return 0;
}

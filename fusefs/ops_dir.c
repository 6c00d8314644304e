/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories: listing them, and mkdir and rmdir, which make and remove agents and calls. */
#include <string.h>

#include "fusefs/fs.h"
#include "fusefs/journal.h"
#include "policy/cgroupfs.h"
#include "policy/enforcer.h"

/* --- listing ------------------------------------------------------------------------------------------------ */

static void list_files(GPtrArray *names, const struct acg_place *place,
		       const struct acg_caller *caller)
{
	unsigned int where = place->call ? ACG_IN_CALL : place->agent ? ACG_IN_AGENT : ACG_IN_ROOT;
	int dirfd = place->node && place->node->group ? place->node->group->dirfd : -1;

	for (const struct acg_file *file = acg_file_next(NULL, where); file;
	     file = acg_file_next(file, where)) {
		if ((file->flags & ACG_FILE_KERNEL) &&
		    (dirfd < 0 || !acg_cgroup_has(dirfd, file->name)))
			continue;
		if (!place->agent && (file->flags & ACG_FILE_LINK) && !caller->agent)
			continue;
		if (!place->agent && (file->flags & ACG_FILE_OUTSIDE) && caller->agent)
			continue;
		g_ptr_array_add(names, g_strdup(file->name));
	}
	if (!place->call)
		g_ptr_array_add(names, g_strdup("agents"));
	if (place->agent && !place->call)
		g_ptr_array_add(names, g_strdup("calls"));
}

static void list_agents(GPtrArray *names, GHashTable *agents, const struct acg_caller *caller)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;

		if (agent->node.id && acg_rights_sees(caller, agent))
			g_ptr_array_add(names, g_strdup(agent->name));
	}
}

static void list_calls(GPtrArray *names, struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, acg_agent_calls(agent));
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((struct acg_call *)value)->state != ACG_CALL_STARTING)
			g_ptr_array_add(names, g_strdup(((struct acg_call *)value)->id));
}

static GPtrArray *listing_of(struct acg_fs *fs, const struct acg_place *place,
			     const struct acg_caller *caller)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(names, g_strdup("."));
	g_ptr_array_add(names, g_strdup(".."));
	switch (place->index) {
	case ACG_INDEX_CALLS:
		acg_manager_expire(fs->manager, place->agent);
		list_calls(names, place->agent);
		break;
	case ACG_INDEX_AGENTS:
		list_agents(names,
			    place->agent ? place->agent->agents
					 : acg_manager_registry(fs->manager)->agents,
			    caller);
		break;
	default:
		list_files(names, place, caller);
	}
	return names;
}

/* A process inside an agent may list the root and agents/ on the way to its own directory, where it sees nothing else. */
static int may_list(fuse_req_t req, const struct acg_place *place, struct acg_caller *ret_caller)
{
	struct acg_fs *fs = acg_fs_of(req);
	int ret = acg_fs_caller(req, ret_caller, NULL);

	if (ret)
		return ret;
	if (place->agent && ret_caller->agent &&
	    acg_agent_within(ret_caller->agent, place->agent) && !place->call &&
	    place->index != ACG_INDEX_CALLS)
		return 0;
	return acg_rights_check(acg_manager_policy(fs->manager), ret_caller, place->agent,
				ACG_RIGHT_READ, NULL);
}

void acg_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_caller caller;
	struct acg_place place;
	struct acg_open *open;
	int ret;

	if (!acg_fs_place(req, ino, &place))
		return;
	ret = may_list(req, &place, &caller);
	if (!ret)
		ret = acg_fs_open_record(fs, ino, &caller, fi->flags, &fi->fh, &open);
	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	if (fuse_reply_open(req, fi) == -ENOENT)
		acg_opens_remove(fs->opens, fi->fh);
}

void acg_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	GPtrArray *names = g_hash_table_lookup(fs->listings, &fi->fh);
	g_autofree char *buf = g_malloc(size);
	struct acg_caller caller;
	struct acg_place place;
	size_t used = 0;

	if (!acg_fs_place(req, ino, &place))
		return;
	if (!names || offset == 0) {
		if (acg_fs_caller(req, &caller, NULL) < 0)
			memset(&caller, 0, sizeof(caller));
		names = listing_of(fs, &place, &caller);
		g_hash_table_replace(fs->listings, g_memdup2(&fi->fh, sizeof(fi->fh)), names);
	}
	for (size_t i = offset; i < names->len; i++) {
		const char *name = names->pdata[i];
		struct stat attr = {.st_ino = ino, .st_mode = S_IFDIR};
		uint64_t child;
		struct acg_place child_place;
		size_t need;

		if (acg_inode_lookup(acg_manager_registry(fs->manager), &place, name, &child) ==
			    0 &&
		    acg_inode_place(acg_manager_registry(fs->manager), child, &child_place) == 0)
			attr = acg_fs_attr(fs, child, &child_place);
		need = fuse_add_direntry(req, buf + used, size - used, name, &attr, i + 1);
		if (need > size - used)
			break;
		used += need;
	}
	fuse_reply_buf(req, buf, used);
}

void acg_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);

	(void)ino;
	g_hash_table_remove(fs->listings, &fi->fh);
	acg_opens_remove(fs->opens, fi->fh);
	fuse_reply_err(req, 0);
}

/* --- mkdir -------------------------------------------------------------------------------------------------- */

static int make_call(struct acg_fs *fs, const struct acg_place *place, const char *name,
		     uint64_t *ret_ino, GError **error)
{
	struct acg_begin begin = {
		.id = name, .by_mkdir = true, .request = fs->request.unique};
	struct acg_call *call =
		acg_journal_resumed(fs) ? acg_agent_call(place->agent, name) : NULL;
	bool done = call && call->request == begin.request;
	int ret = done ? 0 : acg_manager_marker(place->agent, error);

	if (!ret && !done)
		ret = acg_manager_begin(fs->manager, place->agent, &begin, &call, error);

	if (!ret)
		*ret_ino = acg_inode(&call->node, ACG_INDEX_DIR);
	return ret;
}

static int make_agent(struct acg_fs *fs, const struct acg_place *place,
		      const struct acg_caller *caller, const char *name, uint64_t *ret_ino,
		      GError **error)
{
	const struct acg_user_rule *user =
		caller->uid && !place->agent
			? acg_policy_user(acg_manager_policy(fs->manager), caller->uid)
			: NULL;
	struct acg_agent *agent =
		acg_journal_resumed(fs)
			? acg_registry_agent(acg_manager_registry(fs->manager), place->agent, name)
			: NULL;
	int ret;

	if (agent && agent->request == fs->request.unique) {
		*ret_ino = acg_inode(&agent->node, ACG_INDEX_DIR);
		return 0;
	}
	acg_manager_set_request(fs->manager, fs->request.unique);
	if (user && !g_pattern_match_simple(user->match, name))
		return acg_fail(error, EPERM, "the policy lets you make agents named %s",
				user->match);
	ret = acg_manager_agent_add(fs->manager, place->agent, name, NULL, user ? user->user : NULL,
				    caller->uid, &agent, error);
	if (!ret)
		*ret_ino = acg_inode(&agent->node, ACG_INDEX_DIR);
	return ret;
}

void acg_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct acg_fs *fs = acg_fs_of(req);
	g_autoptr(GError) error = NULL;
	struct acg_caller caller;
	struct acg_place place;
	uint64_t ino = 0;
	int ret;

	(void)mode;
	if (!acg_fs_place(req, parent, &place))
		return;
	acg_journal_begin(fs, &ret); /* one that was finished is found by its number */
	if (place.index == ACG_INDEX_DIR) { /* calls/ and agents/ are the places for it */
		fuse_reply_err(req, EPERM);
		return;
	}
	ret = acg_fs_allow(req, &place,
			   place.index == ACG_INDEX_CALLS ? ACG_RIGHT_MARK
			   : place.agent                  ? ACG_RIGHT_SUBAGENT
							  : ACG_RIGHT_AGENT,
			   &caller);
	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	if (place.index == ACG_INDEX_CALLS)
		ret = make_call(fs, &place, name, &ino, &error);
	else
		ret = make_agent(fs, &place, &caller, name, &ino, &error);
	acg_journal_finish(fs, ret);
	if (ret) {
		fuse_reply_err(req,
			       -acg_fs_refuse(fs, &place, place.index == ACG_INDEX_CALLS, error));
		return;
	}
	if (acg_fs_place(req, ino, &place))
		acg_fs_reply_entry(req, ino, &place);
}

/* --- rmdir -------------------------------------------------------------------------------------------------- */

static int remove_call(struct acg_fs *fs, const struct acg_place *place, const char *name,
		       GError **error)
{
	struct acg_call *call = acg_agent_call(place->agent, name);

	if (!call || call->state == ACG_CALL_STARTING)
		return acg_fail(error, ENOENT, "there is no call %s", name);
	return acg_manager_call_remove(fs->manager, call, error);
}

static int remove_agent(fuse_req_t req, const struct acg_place *place, const char *name,
			GError **error)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_agent *agent =
		acg_registry_agent(acg_manager_registry(fs->manager), place->agent, name);
	struct acg_caller caller;
	int ret;

	if (!agent)
		return acg_fail(error, ENOENT, "there is no agent %s", name);
	ret = acg_fs_caller(req, &caller, error);
	if (!ret)
		ret = acg_rights_check(acg_manager_policy(fs->manager), &caller,
				       place->agent ? place->agent : agent,
				       place->agent ? ACG_RIGHT_SUBAGENT : ACG_RIGHT_AGENT,
				       error);
	return ret ? ret : acg_manager_agent_remove(fs->manager, agent, error);
}

void acg_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct acg_fs *fs = acg_fs_of(req);
	g_autoptr(GError) error = NULL;
	struct acg_caller caller;
	struct acg_place place;
	int ret = 0;

	if (!acg_fs_place(req, parent, &place))
		return;
	if (acg_journal_begin(fs, &ret)) {
		fuse_reply_err(req, -ret);
		return;
	}
	switch (place.index) {
	case ACG_INDEX_CALLS:
		ret = acg_fs_allow(req, &place, ACG_RIGHT_MARK, &caller);
		if (!ret)
			ret = remove_call(fs, &place, name, &error);
		break;
	case ACG_INDEX_AGENTS:
		ret = remove_agent(req, &place, name, &error);
		break;
	default:
		ret = -EPERM;
	}
	if (ret == -ENOENT && acg_journal_resumed(fs))
		ret = 0; /* an earlier worker was killed just after it removed it */
	fuse_reply_err(req, -acg_journal_finish(fs, ret));
}

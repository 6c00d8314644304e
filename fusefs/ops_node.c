/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look-ups, attributes, links: everything that has to do with a node but not with what is in it. */
#include <string.h>
#include <unistd.h>

#include "fusefs/fs.h"

struct acg_fs *acg_fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

bool acg_fs_place(fuse_req_t req, fuse_ino_t ino, struct acg_place *ret_place)
{
	int ret = acg_inode_place(acg_manager_registry(acg_fs_of(req)->manager), ino, ret_place);

	if (ret)
		fuse_reply_err(req, -ret);
	return ret == 0;
}

/* --- attributes --------------------------------------------------------------------------------------------- */

static int64_t times_of(const struct acg_fs *fs, const struct acg_place *place)
{
	if (place->call)
		return place->call->start.real;
	return place->agent ? place->agent->start.real : fs->started;
}

static unsigned int subdirectories(const struct acg_fs *fs, const struct acg_place *place)
{
	const struct acg_registry *registry = acg_manager_registry(fs->manager);

	switch (place->index) {
	case ACG_INDEX_CALLS:
		return g_hash_table_size(acg_agent_calls(place->agent));
	case ACG_INDEX_AGENTS:
		return g_hash_table_size(place->agent ? place->agent->agents : registry->agents);
	default:
		return place->call ? 0 : place->agent ? 2 : 1;
	}
}

/* What is shown as writable for all is what an agent may write: rights go by cgroup, and `test -w` must not lie. */
static mode_t directory_mode(const struct acg_place *place)
{
	bool agents_own = place->index == ACG_INDEX_CALLS ||
			  (place->index == ACG_INDEX_AGENTS && place->agent);

	return S_IFDIR | (agents_own ? 0777 : 0755);
}

static mode_t file_mode(const struct acg_place *place)
{
	const struct acg_file *file = place->file;

	if (file->flags & ACG_FILE_LINK)
		return S_IFLNK | 0777;
	/* Of an agent itself only an operator writes the kernel's files; but a pid may go to its cgroup.procs. */
	if ((file->flags & ACG_FILE_KERNEL) && !place->call && !(file->flags & ACG_FILE_PIDS))
		return S_IFREG | (file->mode & 0755);
	return S_IFREG | file->mode;
}

struct stat acg_fs_attr(const struct acg_fs *fs, uint64_t ino, const struct acg_place *place)
{
	int64_t usec = times_of(fs, place);
	struct stat attr = {
		.st_ino = ino,
		.st_mode = place->file ? file_mode(place) : directory_mode(place),
		.st_nlink = place->file ? 1 : 2 + subdirectories(fs, place),
		.st_blksize = 4096,
		.st_mtim = {usec / G_USEC_PER_SEC, usec % G_USEC_PER_SEC * 1000},
	};

	attr.st_atim = attr.st_ctim = attr.st_mtim;
	return attr;
}

void acg_fs_reply_entry(fuse_req_t req, uint64_t ino, const struct acg_place *place)
{
	/*
	 * A call's name may mean another one tomorrow, without the kernel's knowing. An agent goes by rmdir alone,
	 * which the kernel sees; all other names stay with their directory.
	 */
	bool may_go = place->call && place->index == ACG_INDEX_DIR && !place->file;
	struct fuse_entry_param entry = {
		.ino = ino,
		.attr = acg_fs_attr(acg_fs_of(req), ino, place),
		.attr_timeout = place->file ? ACG_KEEP_LONG : 0,
		.entry_timeout = may_go || (place->file && (place->file->flags & ACG_FILE_KERNEL))
					 ? 0
					 : ACG_KEEP_LONG,
	};

	fuse_reply_entry(req, &entry);
}

void acg_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_place above, place;
	uint64_t ino;
	int ret;

	if (!acg_fs_place(req, parent, &above))
		return;
	if (above.index == ACG_INDEX_CALLS)
		acg_manager_expire(fs->manager, above.agent);
	ret = acg_inode_lookup(acg_manager_registry(fs->manager), &above, name, &ino);
	if (!ret)
		ret = acg_inode_place(acg_manager_registry(fs->manager), ino, &place);
	if (ret)
		fuse_reply_err(req, -ret);
	else
		acg_fs_reply_entry(req, ino, &place);
}

void acg_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct acg_place place;
	struct stat attr;

	(void)fi;
	if (!acg_fs_place(req, ino, &place))
		return;
	attr = acg_fs_attr(acg_fs_of(req), ino, &place);
	fuse_reply_attr(req, &attr, place.file ? ACG_KEEP_LONG : 0);
}

/* Truncating is what every shell's > does, and means nothing here. Owners, modes and times are not to be had. */
void acg_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	(void)attr;
	if (to_set & ~(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW |
		       FUSE_SET_ATTR_CTIME) ||
	    !(to_set & FUSE_SET_ATTR_SIZE))
		fuse_reply_err(req, EPERM);
	else
		acg_op_getattr(req, ino, fi);
}

/* --- who asks ----------------------------------------------------------------------------------------------- */

int acg_fs_caller(fuse_req_t req, struct acg_caller *ret_caller, GError **error)
{
	struct acg_fs *fs = acg_fs_of(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return acg_caller_resolve(acg_manager_registry(fs->manager), fs->root_path, fs->by_pidfd,
				  ctx->pid, ctx->uid, ctx->gid, ret_caller, error);
}

int acg_fs_refuse(struct acg_fs *fs, const struct acg_place *place, bool marker, const GError *why)
{
	acg_manager_refused(fs->manager, place->agent, marker, why);
	return -why->code;
}

int acg_fs_allow_caller(struct acg_fs *fs, const struct acg_place *place, enum acg_right right,
			const struct acg_caller *caller)
{
	g_autoptr(GError) error = NULL;
	int ret = acg_rights_check(acg_manager_policy(fs->manager), caller, place->agent, right,
				   &error);

	if (ret && right != ACG_RIGHT_READ)
		acg_fs_refuse(fs, place, false, error);
	return ret;
}

int acg_fs_allow(fuse_req_t req, const struct acg_place *place, enum acg_right right,
		 struct acg_caller *ret_caller)
{
	struct acg_fs *fs = acg_fs_of(req);
	g_autoptr(GError) error = NULL;
	int ret = acg_fs_caller(req, ret_caller, &error);

	if (!ret)
		return acg_fs_allow_caller(fs, place, right, ret_caller);
	if (right != ACG_RIGHT_READ)
		acg_fs_refuse(fs, place, false, error);
	return ret;
}

enum acg_right acg_fs_read_right(const struct acg_place *place)
{
	return place->file && (place->file->flags & ACG_FILE_PRIVATE) ? ACG_RIGHT_READ_PRIVATE
								      : ACG_RIGHT_READ;
}

enum acg_right acg_fs_write_right(const struct acg_place *place)
{
	if (!place->file)
		return place->index == ACG_INDEX_CALLS ? ACG_RIGHT_MARK
		       : place->index == ACG_INDEX_AGENTS
			       ? (place->agent ? ACG_RIGHT_SUBAGENT : ACG_RIGHT_AGENT)
			       : ACG_RIGHT_OPERATE;
	/* cgroup.procs of an agent takes its own processes, too; what may be moved is decided by the process. */
	if ((place->file->flags & ACG_FILE_CALL_WRITE) &&
	    (place->call || (place->file->flags & ACG_FILE_PIDS)))
		return ACG_RIGHT_CALL_FILE;
	return place->file->write_right;
}

void acg_op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_caller caller;
	struct acg_place place;
	mode_t mode;
	int ret;

	if (!acg_fs_place(req, ino, &place))
		return;
	mode = acg_fs_attr(fs, ino, &place).st_mode;
	if (((mask & W_OK) && !(mode & 0222)) || ((mask & R_OK) && !(mode & 0444)) ||
	    ((mask & X_OK) && !(mode & 0111))) {
		fuse_reply_err(req, EACCES);
		return;
	}
	ret = acg_fs_caller(req, &caller, NULL);
	if (!ret && (mask & R_OK))
		ret = acg_rights_check(acg_manager_policy(fs->manager), &caller, place.agent,
				       acg_fs_read_right(&place), NULL);
	if (!ret && (mask & W_OK))
		ret = acg_rights_check(acg_manager_policy(fs->manager), &caller, place.agent,
				       acg_fs_write_right(&place), NULL);
	fuse_reply_err(req, -ret);
}

/* --- the links `self` --------------------------------------------------------------------------------------- */

/* "agents/SUB/agents/..." from the directory of `from` (NULL: the root) down to the agent; "." for itself. */
static char *path_down(const struct acg_agent *from, const struct acg_agent *agent)
{
	g_autoptr(GString) path = g_string_new(NULL);

	for (; agent && agent != from; agent = agent->parent) {
		g_autofree char *part =
			g_strdup_printf("agents/%s%s", agent->name, path->len ? "/" : "");

		g_string_prepend(path, part);
	}
	return g_strdup(path->len ? path->str : ".");
}

void acg_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	g_autofree char *target = NULL;
	struct acg_caller caller;
	struct acg_place place;
	int ret;

	if (!acg_fs_place(req, ino, &place))
		return;
	ret = acg_fs_caller(req, &caller, NULL);
	if (!ret && !place.agent && !caller.agent)
		ret = -ENOENT;
	if (ret) {
		fuse_reply_err(req, ret == -ESRCH ? ENOENT : -ret);
		return;
	}
	target = acg_agent_within(caller.agent, place.agent) || !place.agent
			 ? path_down(place.agent, caller.agent)
			 : g_strdup(".");
	fuse_reply_readlink(req, target);
}

void acg_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct acg_registry *registry = acg_manager_registry(acg_fs_of(req)->manager);
	struct statvfs fs = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 64};

	(void)ino;
	fs.f_files = registry->n_agents + registry->n_alive;
	fuse_reply_statfs(req, &fs);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file system object and the table of its operations.
 *
 * Mounted allow_other and without default_permissions: the kernel's own check of mode bits knows users, not agents. A sandbox may
 * run as root and must not write a neighbour's files, and may run as nobody and must write its own; so each operation is
 * checked here, by the caller's cgroup (rights.h).
 */
#include "fusefs/fs.h"

#define SLOW_THREADS 4 /* the pool for kernel files; they wait for the kernel, not for a CPU */

static GHashTable *by_handle(GDestroyNotify destroy)
{
	return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, destroy);
}

struct acg_fs *acg_fs_new(const char *root_path, struct acg_shared *shared, int state_fd,
			  GError **error)
{
	struct acg_fs *fs = g_new0(struct acg_fs, 1);

	if (acg_opens_new(state_fd, ACG_SHARED_OPENS, &fs->opens, error) < 0) {
		g_free(fs);
		return NULL;
	}
	fs->shared = shared;
	fs->root_path = g_strdup(root_path);
	fs->by_pidfd = acg_pidfd_new();
	fs->texts = acg_kept_new(ACG_TEXT_PER_AGENT);
	fs->listings = by_handle((GDestroyNotify)g_ptr_array_unref);
	fs->backings = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	fs->slow = g_thread_pool_new(acg_kernel_slow_job, fs, SLOW_THREADS, FALSE, NULL);
	fs->started = g_get_real_time();
	return fs;
}

void acg_fs_free(struct acg_fs *fs)
{
	if (!fs)
		return;
	if (fs->slow)
		g_thread_pool_free(fs->slow, FALSE, TRUE);
	g_hash_table_unref(fs->backings);
	g_hash_table_unref(fs->listings);
	acg_kept_free(fs->texts);
	acg_opens_free(fs->opens);
	acg_pidfd_free(fs->by_pidfd);
	g_free(fs->adopt_error);
	g_free(fs->root_path);
	g_free(fs);
}

static void reopen(uint64_t fh, struct acg_open *open, void *data)
{
	struct acg_fs *fs = data;
	struct acg_place place;

	(void)fh;
	if (open->backing_id)
		acg_kernel_reopen(fs, open);
	if (open->watched) {
		fs->watched++;
		open->changed = 1; /* what happened meanwhile nobody knows */
		if (acg_inode_place(acg_manager_registry(fs->manager), open->ino, &place) == 0)
			acg_manager_watch(fs->manager, place.node, place.file->name, NULL);
	}
	if (open->call)
		acg_fs_await(fs, open->call, true);
	if (open->poll) {
		acg_wire_wake(fs->fuse_fd, open->poll);
		open->poll = 0;
	}
}

void acg_fs_reopen(struct acg_fs *fs)
{
	acg_opens_each(fs->opens, 0, reopen, fs);
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	struct acg_fs *fs = data;

	conn->max_write = 128 * 1024; /* a marker is at most half of that; a whole policy fits */
	conn->want &= ~FUSE_CAP_SPLICE_READ;
	/* An asynchronous request outlives the thread that made it, whose id may then be somebody else's. */
	conn->want &= ~FUSE_CAP_ASYNC_DIO;
#if HAVE_DECL_FUSE_CAP_PASSTHROUGH
	if (conn->capable & FUSE_CAP_PASSTHROUGH) {
		conn->want |= FUSE_CAP_PASSTHROUGH;
		conn->max_backing_stack_depth = 1;
		fs->passthrough = true;
	}
#endif
	(void)fs;
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino; /* node ids follow from the tree: nothing is kept, nothing is to be forgotten */
	(void)nlookup;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

/* Like cgroupfs: no files, links or nodes are made here, and nothing is renamed. */
static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)rdev;
	fuse_reply_err(req, EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned int flags)
{
	(void)parent;
	(void)name;
	(void)newparent;
	(void)newname;
	(void)flags;
	fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	(void)ino;
	(void)newparent;
	(void)newname;
	fuse_reply_err(req, EPERM);
}

/* All that is written is done when write(2) returns: nothing is left for close or fsync. */
static void op_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	op_done(req, ino, fi);
}

const struct fuse_lowlevel_ops acg_fs_ops = {
	.init = op_init,
	.lookup = acg_op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = acg_op_getattr,
	.setattr = acg_op_setattr,
	.access = acg_op_access,
	.readlink = acg_op_readlink,
	.mknod = op_mknod,
	.mkdir = acg_op_mkdir,
	.unlink = op_unlink,
	.rmdir = acg_op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = acg_op_open,
	.read = acg_op_read,
	.write = acg_op_write,
	.flush = op_done,
	.release = acg_op_release,
	.fsync = op_fsync,
	.opendir = acg_op_opendir,
	.readdir = acg_op_readdir,
	.releasedir = acg_op_releasedir,
	.statfs = acg_op_statfs,
	.poll = acg_op_poll,
};

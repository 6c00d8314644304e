/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own files. Reading: passed through where the kernel can (the daemon has no part in it then), else copied, each
 * read with a descriptor of its own, so that nothing is kept. Passthrough runs with the daemon's credentials, so it is for
 * O_RDONLY alone, and never for files with poll, pressure or pids.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fusefs/fs.h"
#include "fusefs/journal.h"
#include "policy/cgroupfs.h"
#include "policy/enforcer.h"

/* --- passthrough -------------------------------------------------------------------------------------------- */

/* One backing file a node, shared by all its opens. */
struct acg_backing {
	uint64_t ino;
	int id;
	unsigned int opens;
};

#ifdef HAVE_FUSE_PASSTHROUGH_OPEN
static int backing_open(fuse_req_t req, const struct acg_place *place, uint64_t ino)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_backing *backing = g_hash_table_lookup(fs->backings, &ino);
	int fd;

	if (backing) {
		backing->opens++;
		return backing->id;
	}
	fd = openat(place->node->group->dirfd, place->file->name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	backing = g_new0(struct acg_backing, 1);
	backing->ino = ino;
	backing->opens = 1;
	backing->id = fuse_passthrough_open(req, fd);
	close(fd); /* the kernel holds it now */
	if (backing->id <= 0) {
		g_free(backing);
		return 0;
	}
	g_hash_table_insert(fs->backings, &backing->ino, backing);
	return backing->id;
}

static void backing_release(fuse_req_t req, uint64_t ino)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_backing *backing = g_hash_table_lookup(fs->backings, &ino);

	if (!backing || --backing->opens)
		return;
	fuse_passthrough_close(req, backing->id);
	g_hash_table_remove(fs->backings, &ino);
}

static bool try_passthrough(fuse_req_t req, const struct acg_place *place,
			    struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_open *open = acg_opens_get(fs->opens, fi->fh);

	if (!fs->passthrough || (fi->flags & O_ACCMODE) != O_RDONLY || !place->node->group ||
	    (place->file->flags & (ACG_FILE_POLL | ACG_FILE_PRESSURE | ACG_FILE_PIDS)))
		return false;
	/* One that an earlier worker got so far is counted already. */
	fi->backing_id = open->backing_id ? open->backing_id
					  : backing_open(req, place, open->ino);
	if (!fi->backing_id)
		return false;
	open->backing_id = fi->backing_id;
	fi->direct_io = 0;
	return true;
}
#else
static void backing_release(fuse_req_t req, uint64_t ino)
{
	(void)req;
	(void)ino;
}

static bool try_passthrough(fuse_req_t req, const struct acg_place *place,
			    struct fuse_file_info *fi)
{
	(void)req;
	(void)place;
	(void)fi;
	return false;
}
#endif

void acg_kernel_reopen(struct acg_fs *fs, const struct acg_open *open)
{
	struct acg_backing *backing = g_hash_table_lookup(fs->backings, &open->ino);

	if (!backing) {
		backing = g_new0(struct acg_backing, 1);
		backing->ino = open->ino;
		backing->id = open->backing_id;
		g_hash_table_insert(fs->backings, &backing->ino, backing);
	}
	backing->opens++;
}

void acg_kernel_open(fuse_req_t req, const struct acg_place *place, struct fuse_file_info *fi)
{
	try_passthrough(req, place, fi);
	fuse_reply_open(req, fi);
}

void acg_kernel_release(fuse_req_t req, const struct acg_open *open)
{
	if (open && open->backing_id)
		backing_release(req, open->ino);
}

/* --- copying ------------------------------------------------------------------------------------------------ */

/* A read or a write that may take long, for a thread of the pool. It has all that it needs and touches nothing else. */
struct slow_job {
	fuse_req_t req;
	int dirfd;        /* its own */
	const char *file; /* in the static table */
	char *text;       /* write: what; NULL: a read */
	size_t size;
	off_t offset;
};

static void reply_copy(fuse_req_t req, int dirfd, const char *file, size_t size, off_t offset)
{
	g_autofree char *buf = g_malloc(size);
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size, offset);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		fuse_reply_err(req, saved == ENOENT ? ENODEV : saved);
	else
		fuse_reply_buf(req, buf, n);
}

void acg_kernel_slow_job(void *data, void *fs)
{
	struct slow_job *job = data;
	int ret = 0;

	(void)fs;
	if (job->text) {
		ret = acg_cgroup_write(job->dirfd, job->file, job->text, NULL);
		if (ret)
			fuse_reply_err(job->req, -ret);
		else
			fuse_reply_write(job->req, job->size);
	} else {
		reply_copy(job->req, job->dirfd, job->file, job->size, job->offset);
	}
	close(job->dirfd);
	g_free(job->text);
	g_free(job);
}

static void start_slow(fuse_req_t req, const struct acg_place *place, const char *text, size_t size,
		       off_t offset)
{
	struct slow_job *job = g_new0(struct slow_job, 1);

	job->req = req;
	job->dirfd = fcntl(place->node->group->dirfd, F_DUPFD_CLOEXEC, 0);
	job->file = place->file->name;
	job->text = g_strdup(text);
	job->size = size;
	job->offset = offset;
	g_thread_pool_push(acg_fs_of(req)->slow, job, NULL);
}

/* --- pids --------------------------------------------------------------------------------------------------- */

struct pid_list {
	const struct acg_caller *caller;
	int ns; /* the caller's pid namespace */
	const char *file; /* cgroup.procs or cgroup.threads */
	GString *out;
};

static int append_pid(pid_t pid, void *data)
{
	struct pid_list *list = data;

	bool thread = strcmp(list->file, "cgroup.threads") == 0;
	pid_t seen = thread ? acg_caller_tid_seen(list->caller, list->ns, pid)
			    : acg_caller_pid_seen(list->caller, list->ns, pid);

	g_string_append_printf(list->out, "%d\n", seen);
	return 0;
}

static void append_pids_below(int dirfd, const char *name, void *data)
{
	int child = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (child < 0)
		return;
	acg_cgroup_each_id(child, ((struct pid_list *)data)->file, append_pid, data, NULL);
	acg_cgroup_each_child(child, append_pids_below, data);
	close(child);
}

/* cgroup.procs or cgroup.threads in the caller's pid namespace; those of an agent list all of it, since its own cgroup can have none. */
static void reply_pids(fuse_req_t req, const struct acg_place *place, size_t size, off_t offset,
		       uint64_t fh)
{
	struct acg_fs *fs = acg_fs_of(req);
	const GString *text = acg_kept_get(fs->texts, fh);
	int dirfd = place->node->group->dirfd;
	struct acg_caller caller;
	struct pid_list list = {&caller, -1, place->file->name, NULL};

	if (!text || offset == 0) {
		if (acg_fs_caller(req, &caller, NULL) < 0 ||
		    acg_caller_identify(&caller, NULL) < 0) {
			fuse_reply_err(req, ESRCH);
			return;
		}
		list.out = g_string_new(NULL);
		list.ns = acg_caller_open_pid_ns(caller.tid);
		acg_cgroup_each_id(dirfd, list.file, append_pid, &list, NULL);
		if (place->node->kind == ACG_KIND_AGENT)
			acg_cgroup_each_child(dirfd, append_pids_below, &list);
		if (list.ns >= 0)
			close(list.ns);
		acg_kept_put(fs->texts, fh, acg_opens_get(fs->opens, fh)->owner, list.out);
		text = list.out;
	}
	acg_fs_reply_slice(req, text, size, offset);
}

void acg_kernel_read(fuse_req_t req, const struct acg_place *place, uint64_t fh,
		     struct acg_open *open, size_t size, off_t offset)
{
	if (!place->node->group) {
		fuse_reply_err(req, ENODEV);
		return;
	}
	open->changed = 0;
	if (place->file->flags & ACG_FILE_PIDS)
		reply_pids(req, place, size, offset, fh);
	else if (place->file->flags & ACG_FILE_SLOW)
		start_slow(req, place, NULL, size, offset);
	else
		reply_copy(req, place->node->group->dirfd, place->file->name, size, offset);
}

/* --- writing ------------------------------------------------------------------------------------------------ */

static int move_process(struct acg_fs *fs, const struct acg_place *place,
			const struct acg_caller *caller, const char *text, GError **error)
{
	g_autofree char *word = g_strstrip(g_strdup(text));
	struct acg_node *to = place->call ? place->node : &place->agent->self;
	struct acg_caller writer = *caller;
	struct acg_moving moving;
	uint64_t number;
	pid_t pid;
	int ret;

	if (!g_ascii_string_to_unsigned(word, 10, 0, INT32_MAX, &number, NULL))
		return acg_fail(error, EINVAL, "write one pid; 0 means yourself");
	ret = acg_caller_identify(&writer, error);
	if (!ret)
		ret = acg_caller_pid(&writer, number, place->agent->node.group->dirfd, &pid, error);
	if (!ret)
		ret = acg_process_node(acg_manager_registry(fs->manager), fs->root_path,
				       fs->by_pidfd, pid, &moving.from, error);
	if (!ret && !caller->agent)
		moving.uid = acg_process_uid(pid);
	if (!ret)
		ret = acg_rights_move(&writer, &moving, to, error);
	return ret ? ret : acg_manager_move(fs->manager, to, pid, error);
}

void acg_kernel_write(fuse_req_t req, const struct acg_place *place,
		      const struct acg_caller *caller, const char *text, size_t len)
{
	struct acg_fs *fs = acg_fs_of(req);
	bool operator= acg_caller_is_operator(caller);
	g_autoptr(GError) error = NULL;
	int ret;

	if (!place->node->group) {
		fuse_reply_err(req, ENODEV);
		return;
	}
	if (len > 4096) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if ((place->file->flags & ACG_FILE_SLOW) && operator) {
		start_slow(req, place, text, len, 0);
		return;
	}
	if (strcmp(place->file->name, "cgroup.procs") == 0)
		ret = move_process(fs, place, caller, text, &error);
	else
		ret = acg_manager_write(fs->manager, place->node, place->file->name,
					text, operator, & error);
	ret = acg_journal_finish(fs, ret ? acg_fs_refuse(fs, place, false, error) : 0);
	if (ret)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_write(req, len);
}

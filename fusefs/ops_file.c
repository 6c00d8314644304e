/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening, reading, writing and releasing files of the table. */
#include <fcntl.h>
#include <string.h>

#include "fusefs/fs.h"
#include "fusefs/journal.h"
#include "fusefs/marker.h"

#define OWNER_USER (1ULL << 63) /* no cgroup id is that large */

uint64_t acg_fs_owner(const struct acg_caller *caller)
{
	if (caller->agent)
		return acg_agent_top(caller->agent)->node.id;
	return caller->uid ? OWNER_USER | caller->uid : 0;
}

int acg_fs_open_record(struct acg_fs *fs, uint64_t ino, const struct acg_caller *caller, int flags,
		       uint64_t *ret_fh, struct acg_open **ret_open)
{
	const struct acg_open begin = {
		.ino = ino,
		.owner = acg_fs_owner(caller),
		.flags = flags,
		.unique = fs->request.unique,
	};
	struct acg_open *found = fs->request.resent ? acg_opens_of_request(fs->opens, begin.unique,
									   ret_fh)
						    : NULL;

	if (found) {
		*ret_open = found;
		return 0;
	}
	if (begin.owner && acg_opens_count(fs->opens, begin.owner) >= ACG_OPENS_PER_AGENT)
		return -EAGAIN;
	return acg_opens_add(fs->opens, &begin, ret_fh, ret_open);
}

static bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static bool wants_read(int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY;
}

/*
 * Reading is decided at open, as on any file system. Writing is decided twice: here, so that nobody hands a descriptor that he could
 * not use to somebody who could (a setuid program that prints, a service that logs), and at each write by who writes then.
 */
static int may_open(fuse_req_t req, const struct acg_place *place, int flags,
		    struct acg_caller *ret_caller)
{
	struct acg_fs *fs = acg_fs_of(req);
	mode_t mode = acg_fs_attr(fs, 0, place).st_mode;
	int ret = acg_fs_caller(req, ret_caller, NULL);

	if (ret)
		return ret;
	if ((wants_write(flags) && !(mode & 0222)) || (wants_read(flags) && !(mode & 0444)))
		return -EACCES;
	if (!place->agent && (place->file->flags & ACG_FILE_OUTSIDE) && ret_caller->agent)
		return -EACCES;
	ret = acg_rights_check(acg_manager_policy(fs->manager), ret_caller, place->agent,
			       acg_fs_read_right(place), NULL);
	if (ret || !wants_write(flags))
		return ret;
	return acg_fs_allow_caller(fs, place, acg_fs_write_right(place), ret_caller);
}

void acg_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_caller caller;
	struct acg_place place;
	struct acg_open *open;
	int ret;

	if (!acg_fs_place(req, ino, &place))
		return;
	if (!place.file || (place.file->flags & ACG_FILE_LINK)) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	ret = may_open(req, &place, fi->flags, &caller);
	if (!ret)
		ret = acg_fs_open_record(fs, ino, &caller, fi->flags, &fi->fh, &open);
	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	/* Text is made as it is read, and its size is not known before: the page cache has no part in it. */
	fi->direct_io = 1;
	if (place.file->flags & ACG_FILE_STREAM) {
		open->nested = acg_caller_identify(&caller, NULL) < 0 || caller.pid_ns_level > 1;
		/* Not `nonseekable`: offsets mean nothing, but head(1) wants to go back to them. */
		open->position = acg_manager_eventlog(fs->manager, place.agent)->next;
	}
	if ((place.file->flags & ACG_FILE_POLL) && (place.file->flags & ACG_FILE_KERNEL)) {
		fs->watched += !open->watched;
		open->watched = 1;
		open->changed = 1; /* until it is read: as on cgroupfs */
		acg_manager_watch(fs->manager, place.node, place.file->name, NULL);
	}
	if (place.file->flags & ACG_FILE_KERNEL)
		acg_kernel_open(req, &place, fi);
	else
		fuse_reply_open(req, fi);
}

/* --- read --------------------------------------------------------------------------------------------------- */

void acg_fs_reply_slice(fuse_req_t req, const GString *text, size_t size, off_t offset)
{
	if ((size_t)offset >= text->len)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, text->str + offset, MIN(size, text->len - offset));
}

/* The file's text as this reader may see it. */
static int render(fuse_req_t req, const struct acg_place *place, GString *out)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_caller caller;
	int ret = place->file->read(fs, place, out, NULL);

	if (ret || !(place->file->flags & ACG_FILE_JSON_PIDS))
		return ret;
	ret = acg_fs_caller(req, &caller, NULL);
	if (!ret)
		ret = acg_caller_identify(&caller, NULL);
	if (!ret)
		acg_caller_translate(&caller, out);
	return ret;
}

/* Rendered at the first read of an open, or again where a read starts over, so that a text of several reads is not torn. */
static void read_text(fuse_req_t req, const struct acg_place *place, uint64_t fh,
		      const struct acg_open *open, size_t size, off_t offset)
{
	struct acg_fs *fs = acg_fs_of(req);
	const GString *text = acg_kept_get(fs->texts, fh);
	GString *fresh;
	int ret;

	if (!text || offset == 0) {
		fresh = g_string_new(NULL);
		ret = render(req, place, fresh);
		if (ret) {
			g_string_free(fresh, TRUE);
			fuse_reply_err(req, -ret);
			return;
		}
		acg_kept_put(fs->texts, fh, open->owner, fresh);
		text = fresh;
	}
	acg_fs_reply_slice(req, text, size, offset);
}

/* The answer to the last write is a stream: what was read is gone, whatever the offset. */
static void read_answer(fuse_req_t req, struct acg_open *open, size_t size)
{
	uint64_t unique = acg_fs_of(req)->request.unique;
	size_t n;

	acg_open_settle(open, unique);
	n = MIN(size, strlen(open->answer) - open->position);
	acg_open_read_begin(open, unique, open->position + n);
	acg_open_read_done(open, fuse_reply_buf(req, open->answer + open->position, n) == 0);
}

/* As cgroupfs says for a file whose cgroup is gone; a stream is at its end. */
static void reply_gone(fuse_req_t req, uint64_t ino)
{
	const struct acg_file *file = acg_file_at(ino & ACG_INDEX_MASK);

	if (file && (file->flags & ACG_FILE_STREAM))
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_err(req, ENODEV);
}

void acg_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_open *open = acg_opens_get(fs->opens, fi->fh);
	struct acg_place place;

	if (!open) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (acg_inode_place(acg_manager_registry(fs->manager), ino, &place) < 0) {
		reply_gone(req, ino);
		return;
	}
	if (place.file->flags & ACG_FILE_KERNEL)
		acg_kernel_read(req, &place, fi->fh, open, size, offset);
	else if (place.file->flags & ACG_FILE_STREAM)
		acg_stream_read(req, &place, fi->fh, open, size, fi->flags);
	else if (place.file->flags & ACG_FILE_ANSWER)
		read_answer(req, open, size);
	else
		read_text(req, &place, fi->fh, open, size, offset);
}

/* --- write -------------------------------------------------------------------------------------------------- */

static void write_own(fuse_req_t req, const struct acg_place *place,
		      const struct acg_caller *caller, struct acg_open *open, const char *text,
		      size_t len)
{
	struct acg_fs *fs = acg_fs_of(req);
	g_autoptr(GError) error = NULL;
	int ret = acg_journal_finish(
		fs, place->file->write(fs, place, caller, open, text, len, &error));

	if (ret)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_write(req, len);
}

void acg_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
		  struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_open *open = acg_opens_get(fs->opens, fi->fh);
	g_autofree char *text = NULL;
	struct acg_caller caller;
	struct acg_place place;
	int ret;

	(void)offset; /* every write is a whole one */
	if (!open) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (acg_journal_begin(fs, &ret)) {
		if (ret)
			fuse_reply_err(req, -ret);
		else
			fuse_reply_write(req, size);
		return;
	}
	if (acg_inode_place(acg_manager_registry(fs->manager), ino, &place) < 0) {
		fuse_reply_err(req, ENODEV);
		return;
	}
	ret = acg_fs_allow(req, &place, acg_fs_write_right(&place), &caller);
	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	text = g_strndup(buf, size);
	if (place.file->flags & ACG_FILE_KERNEL) {
		acg_kernel_write(req, &place, &caller, text, size);
		return;
	}
	write_own(req, &place, &caller, open, text, size);
}

void acg_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_open *open = acg_opens_get(fs->opens, fi->fh);

	(void)ino;
	acg_kept_drop(fs->texts, fi->fh);
	acg_stream_release(fs, open);
	acg_kernel_release(req, open);
	if (open && open->watched)
		fs->watched--;
	if (open && open->call)
		acg_fs_await(fs, open->call, false);
	acg_opens_remove(fs->opens, fi->fh);
	fuse_reply_err(req, 0);
}

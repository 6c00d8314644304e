/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events_pipe and poll(2). A read with nothing to give is parked: the request waits, no thread does; a new line, an interrupt or the end
 * of the agent answers it. poll(2) handles are kept with the open and woken once, as FUSE wants it.
 */
#include <fcntl.h>
#include <poll.h>

#include "fusefs/fs.h"

#define READ_MAX (128 * 1024)

struct acg_parked {
	struct acg_fs *fs;
	fuse_req_t req;
	uint64_t unique;
	uint64_t fh;
	size_t size;
};

static struct acg_eventlog *log_of(struct acg_fs *fs, const struct acg_place *place)
{
	return acg_manager_eventlog(fs->manager, place->agent);
}

static bool try_reply(struct acg_fs *fs, fuse_req_t req, uint64_t unique, struct acg_open *open,
		      const struct acg_place *place, size_t size)
{
	g_autoptr(GString) out = g_string_new(NULL);
	uint64_t position;

	acg_open_settle(open, unique);
	position = open->position;
	if (!acg_eventlog_read(log_of(fs, place), &position, MIN(size, READ_MAX), out))
		return false;
	if (open->nested)
		acg_hide_victims_pid(out);
	acg_open_read_begin(open, unique, position);
	acg_open_read_done(open, fuse_reply_buf(req, out->str, out->len) == 0);
	return true;
}

static void unpark(struct acg_parked *parked)
{
	g_queue_remove(&parked->fs->parked, parked);
	g_free(parked);
}

static void on_interrupt(fuse_req_t req, void *data)
{
	struct acg_fs *fs = data;

	for (GList *at = fs->parked.head; at; at = at->next) {
		struct acg_parked *parked = at->data;

		if (parked->req != req)
			continue;
		unpark(parked);
		fuse_reply_err(req, EINTR);
		return;
	}
}

void acg_stream_read(fuse_req_t req, const struct acg_place *place, uint64_t fh,
		     struct acg_open *open, size_t size, unsigned int flags)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_parked *parked;

	if (try_reply(fs, req, fs->request.unique, open, place, size))
		return;
	if (flags & O_NONBLOCK) {
		fuse_reply_err(req, EAGAIN);
		return;
	}
	if (fuse_req_interrupted(req)) {
		fuse_reply_err(req, EINTR);
		return;
	}
	parked = g_new(struct acg_parked, 1);
	*parked = (struct acg_parked){fs, req, fs->request.unique, fh, size};
	g_queue_push_tail(&fs->parked, parked);
	fuse_req_interrupt_func(req, on_interrupt, fs);
}

/* --- poll --------------------------------------------------------------------------------------------------- */

static unsigned int stream_events(struct acg_fs *fs, const struct acg_open *open,
				  const struct acg_place *place)
{
	return open->position < log_of(fs, place)->next ? POLLIN | POLLRDNORM : 0;
}

/*
 * As kernfs has it: always readable, and POLLPRI with POLLERR when it changed since the last read, or was never read. A pressure file
 * without a trigger says the same, always (psi_trigger_poll).
 */
static unsigned int kernel_events(const struct acg_open *open, const struct acg_file *file)
{
	bool changed = open->changed || (file->flags & ACG_FILE_PRESSURE);

	return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | (changed ? POLLPRI | POLLERR : 0);
}

void acg_op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		 struct fuse_pollhandle *ph)
{
	struct acg_fs *fs = acg_fs_of(req);
	struct acg_open *open = acg_opens_get(fs->opens, fi->fh);
	struct acg_place place;

	if (ph)
		fuse_pollhandle_destroy(ph); /* the number in it is what outlives us */
	if (ph && open) { /* the kernel wants to be told: keep the newest */
		fs->polled += !open->poll;
		open->poll = fs->request.poll;
	}
	if (!open || acg_inode_place(acg_manager_registry(fs->manager), ino, &place) < 0)
		fuse_reply_poll(req, POLLERR | POLLHUP | POLLPRI);
	else if (place.file->flags & ACG_FILE_STREAM)
		fuse_reply_poll(req, stream_events(fs, open, &place));
	else
		fuse_reply_poll(req, kernel_events(open, place.file));
}

static void wake_poll(struct acg_fs *fs, struct acg_open *open)
{
	if (!open->poll)
		return;
	acg_wire_wake(fs->fuse_fd, open->poll);
	open->poll = 0; /* the next poll(2) brings another */
	fs->polled--;
}

/* --- what the manager says ---------------------------------------------------------------------------------- */

struct wake {
	struct acg_fs *fs;
	uint64_t ino;
};

static void wake_stream_poll(uint64_t fh, struct acg_open *open, void *data)
{
	(void)fh;
	wake_poll(((struct wake *)data)->fs, open);
}

static void wake_parked(struct acg_fs *fs, uint64_t ino, const struct acg_place *place)
{
	for (GList *at = fs->parked.head, *next; at; at = next) {
		struct acg_parked *parked = at->data;
		struct acg_open *open = acg_opens_get(fs->opens, parked->fh);

		next = at->next;
		if (open && open->ino == ino &&
		    try_reply(fs, parked->req, parked->unique, open, place, parked->size))
			unpark(parked);
	}
}

static void on_event(void *data, struct acg_agent *agent)
{
	struct acg_fs *fs = data;
	const struct acg_file *file = acg_file_named("events_pipe");
	struct acg_place place = {.node = agent ? &agent->node : NULL,
				  .agent = agent,
				  .file = file,
				  .index = file->index};
	struct wake wake = {fs, acg_inode(place.node, file->index)};

	if (fs->parked.length)
		wake_parked(fs, wake.ino, &place);
	if (fs->polled)
		acg_opens_each(fs->opens, wake.ino, wake_stream_poll, &wake);
}

static void mark_changed(uint64_t fh, struct acg_open *open, void *data)
{
	(void)fh;
	open->changed = 1;
	wake_poll(((struct wake *)data)->fs, open);
}

static void on_file(void *data, struct acg_node *node, const char *name)
{
	struct acg_fs *fs = data;
	const struct acg_file *file = acg_file_named(name);
	struct wake wake = {fs, file ? acg_inode(node, file->index) : 0};

	if (file && fs->watched)
		acg_opens_each(fs->opens, wake.ino, mark_changed, &wake);
}

/* An agent or call is about to be forgotten: its readers get the end of the file, its pollers a hang-up. */
static void on_gone(void *data, struct acg_node *node)
{
	struct acg_fs *fs = data;

	for (GList *at = fs->parked.head, *next; at; at = next) {
		struct acg_parked *parked = at->data;
		struct acg_open *open = acg_opens_get(fs->opens, parked->fh);

		next = at->next;
		if (open && open->ino >> 8 != node->id)
			continue;
		fuse_reply_buf(parked->req, NULL, 0);
		unpark(parked);
	}
}

struct acg_listener acg_fs_listener(struct acg_fs *fs)
{
	return (struct acg_listener){on_event, on_file, on_gone, fs};
}

void acg_stream_release(struct acg_fs *fs, struct acg_open *open)
{
	fs->polled -= open && open->poll;
}

void acg_stream_abort(struct acg_fs *fs)
{
	g_thread_pool_free(g_steal_pointer(&fs->slow), FALSE, TRUE);
	while (fs->parked.head) {
		struct acg_parked *parked = fs->parked.head->data;

		fuse_reply_err(parked->req, ENODEV);
		unpark(parked);
	}
}

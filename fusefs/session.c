/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serving, and taking over; see the header.
 *
 * A session of libfuse must see FUSE_INIT before anything else, and the kernel sends it once a mount. So the request is
 * kept as the first worker got it, and each later worker is given it again, its answer dropped. What was in flight
 * when a worker died the kernel sends again on FUSE_NOTIFY_RESEND, with bit 63 of its number set.
 */
#include "fusefs/session.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fusefs/journal.h"
#include "fusefs/pace.h"
#include "fusefs/shared.h"
#include "policy/watch.h"

/* Requests answered before other sources get their turn. */
#define REQUESTS_PER_TURN 64

/* A request at which so many workers died in a row gets an error instead of another worker. */
#define DEATHS_MAX 3

struct acg_session {
	struct acg_fs *fs;
	struct fuse_session *session;
	struct fuse_buf buf;
	struct acg_pace *pace;
	bool resumes;       /* what the worker before had in hand is still to be read */
	int64_t free_since; /* CLOCK_MONOTONIC usec: the last marker was over, what was left of it too */
	bool marked;        /* something may be left of it */
	unsigned int source, due_source;
	void (*on_end)(void *data);
	void *data;
};

static void end(struct acg_session *session)
{
	session->source = 0;
	session->on_end(session->data);
}

/* --- FUSE_INIT ---------------------------------------------------------------------------------------------- */

/* The answer is kept before it is sent: from then on it holds, whoever sends it. */
static void keep_init(struct acg_shared *shared, const struct iovec *iov, int count)
{
	uint32_t len = 0;

	for (int i = 0; i < count && len + iov[i].iov_len <= ACG_INIT_MAX; i++) {
		memcpy(shared->init_out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	__atomic_store_n(&shared->init_out_len, len, __ATOMIC_RELEASE);
}

static ssize_t total(const struct iovec *iov, int count)
{
	ssize_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct acg_fs *fs = userdata;

	if (fs->init == ACG_INIT_AGAIN)
		return total(iov, count);
	if (fs->init == ACG_INIT_FIRST)
		keep_init(fs->shared, iov, count);
	return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, buf, size);
}

static void first_init(struct acg_session *session)
{
	struct acg_shared *shared = session->fs->shared;

	if (session->buf.size > ACG_INIT_MAX)
		return; /* a later worker could not be given it: libfuse answers, and a takeover is refused */
	memcpy(shared->init_in, session->buf.mem, session->buf.size);
	shared->init_in_len = session->buf.size;
	session->fs->init = ACG_INIT_FIRST;
	fuse_session_process_buf(session->session, &session->buf);
	session->fs->init = ACG_INIT_NONE;
}

static void take_init(struct acg_session *session, const struct acg_wire *request)
{
	struct acg_shared *shared = session->fs->shared;

	if (!shared->init_out_len)
		first_init(session);
	else /* the answer was kept, but may not have been sent */
		acg_wire_answer_again(session->fs->fuse_fd, request->id, shared->init_out,
				      shared->init_out_len);
}

static void give_init_again(struct acg_session *session)
{
	struct acg_shared *shared = session->fs->shared;
	uint8_t init[ACG_INIT_MAX];
	struct fuse_buf buf = {.mem = init, .size = shared->init_in_len};

	memcpy(init, shared->init_in, sizeof(init));
	session->fs->init = ACG_INIT_AGAIN;
	fuse_session_process_buf(session->session, &buf);
	session->fs->init = ACG_INIT_NONE;
	session->fs->passthrough = acg_wire_passthrough(shared->init_out, shared->init_out_len);
}

/* --- requests ----------------------------------------------------------------------------------------------- */

static bool is_deadly(const struct acg_shared *shared, const struct acg_wire *request)
{
	return request->resent && request->unique == shared->suspect &&
	       shared->deaths >= DEATHS_MAX;
}

/* What is left of the request before, which is answered. */
static void settle(struct acg_session *session)
{
	acg_manager_settle(session->fs->manager);
	acg_journal_settled(session->fs);
	if (!session->marked)
		return;
	session->marked = false;
	session->free_since = g_get_monotonic_time();
}

static bool is_call_file(uint64_t ino)
{
	const struct acg_file *file = ino ? acg_file_at(ino & ACG_INDEX_MASK) : NULL;

	return file && (file->flags & ACG_FILE_ANSWER);
}

/* Who makes or removes a directory counts himself: it may be another agent's, and is refused at some cost. NULL: no agent does. */
static struct acg_agent *maker(const struct acg_session *session, const struct acg_wire *request)
{
	const struct acg_fs *fs = session->fs;
	struct acg_caller caller;

	if (acg_caller_resolve(acg_manager_registry(fs->manager), fs->root_path, fs->by_pidfd,
			       request->tid, request->uid, request->gid, &caller, NULL) < 0)
		return NULL;
	return caller.agent;
}

/*
 * The cgroup id of the agent at the top whose markers these are; 0: they are none. Only its own processes could open the file. mkdir and rmdir
 * are markers without words.
 */
static uint64_t marks(const struct acg_session *session, const struct acg_wire *request)
{
	const struct acg_registry *registry = acg_manager_registry(session->fs->manager);
	struct acg_agent *agent = request->dir ? maker(session, request) : NULL;
	struct acg_place place;

	if (agent)
		return acg_agent_top(agent)->node.id;
	if (!is_call_file(request->write) || acg_inode_place(registry, request->write, &place) < 0)
		return 0;
	return acg_agent_top(place.agent)->node.id;
}

static void handle(struct acg_session *session, const struct fuse_buf *buf,
		   const struct acg_wire *request)
{
	struct acg_fs *fs = session->fs;

	fs->request = *request;
	/* That gives only what is in the table of open files: whoever began a call has it before the rest is done. */
	if (!is_call_file(fs->request.read))
		settle(session);
	__atomic_store_n(&fs->shared->progress, fs->shared->progress + 1, __ATOMIC_RELAXED);
	if (is_deadly(fs->shared, &fs->request)) {
		acg_wire_fail(fs->fuse_fd, fs->request.id, EIO);
		return;
	}
	__atomic_store_n(&fs->shared->handling, fs->request.unique, __ATOMIC_RELEASE);
	if (fs->request.init)
		take_init(session, &fs->request);
	else
		fuse_session_process_buf(session->session, buf);
	__atomic_store_n(&fs->shared->handling, 0, __ATOMIC_RELEASE);
}

static void handle_marker(struct acg_session *session, const struct fuse_buf *buf,
			  const struct acg_wire *request, uint64_t agent)
{
	int64_t start = g_get_monotonic_time();

	handle(session, buf, request);
	session->marked = true;
	session->free_since = g_get_monotonic_time();
	acg_pace_handled(session->pace, agent, start, session->free_since);
}

static struct fuse_buf buf_of(GBytes *request)
{
	struct fuse_buf buf = {0};

	buf.mem = (void *)g_bytes_get_data(request, &buf.size);
	return buf;
}

static gboolean on_due(void *data);

static void await_due(struct acg_session *session)
{
	int64_t next = acg_pace_next(session->pace), now = g_get_monotonic_time();

	if (session->due_source || next < 0)
		return;
	session->due_source =
		g_timeout_add(next > now ? (next - now + 999) / 1000 : 0, on_due, session);
}

static gboolean on_due(void *data)
{
	struct acg_session *session = data;
	uint64_t agent;
	GBytes *request;

	session->due_source = 0;
	while ((request = acg_pace_due(session->pace, g_get_monotonic_time(), &agent))) {
		struct fuse_buf buf = buf_of(request);
		struct acg_wire wire = acg_wire_parse(buf.mem, buf.size);

		handle_marker(session, &buf, &wire, agent);
		settle(session);
		g_bytes_unref(request);
	}
	await_due(session);
	return G_SOURCE_REMOVE;
}

static void take(struct acg_session *session, const struct fuse_buf *buf)
{
	struct acg_wire request = acg_wire_parse(buf->mem, buf->size);
	uint64_t agent = request.resent ? 0 : marks(session, &request);

	if (!agent) {
		handle(session, buf, &request);
		return;
	}
	switch (acg_pace_marker(session->pace, agent, session->free_since, g_get_monotonic_time(),
				buf->mem, buf->size)) {
	case ACG_PACE_NOW:
		handle_marker(session, buf, &request, agent);
		break;
	case ACG_PACE_KEPT:
		acg_manager_kept_back(session->fs->manager);
		await_due(session);
		break;
	case ACG_PACE_FULL:
		acg_wire_fail(session->fs->fuse_fd, request.id, EAGAIN);
		break;
	}
}

/* False: there will be no more. */
static bool take_waiting(struct acg_session *session)
{
	for (unsigned int i = 0; i < REQUESTS_PER_TURN; i++) {
		int ret = fuse_session_receive_buf(session->session, &session->buf);

		if (ret == -EAGAIN)
			return true;
		if (ret == -EINTR ||
		    ret == -ENOENT) /* ENOENT: the request was taken back meanwhile */
			continue;
		if (ret <= 0 || fuse_session_exited(session->session))
			return false;
		take(session, &session->buf);
	}
	return true;
}

/* All that is sent again, which comes before anything new; the one that the journal is about first. */
static void collect_resent(struct acg_session *session, GQueue *requests)
{
	bool resent = true;

	while (resent) {
		int ret = fuse_session_receive_buf(session->session, &session->buf);
		struct acg_wire request = acg_wire_parse(session->buf.mem, MAX(ret, 0));
		GBytes *copy;

		if (ret == -EINTR || ret == -ENOENT)
			continue;
		if (ret <= 0)
			break;
		resent = request.resent || request.silent;
		copy = g_bytes_new(session->buf.mem, ret);
		if (request.unique == session->fs->shared->journal.unique)
			g_queue_push_head(requests, copy);
		else
			g_queue_push_tail(requests, copy);
	}
}

/*
 * Markers may have been kept by the worker before, besides the one that it had begun: whichever is begun now takes that one's place in the
 * journal, where it must have been found by then.
 */
static void take_resent(struct acg_session *session)
{
	GQueue requests = G_QUEUE_INIT;
	GBytes *request;

	collect_resent(session, &requests);
	while ((request = g_queue_pop_head(&requests))) {
		struct fuse_buf buf = buf_of(request);

		take(session, &buf);
		g_bytes_unref(request);
	}
}

static gboolean on_request(int fd, GIOCondition condition, void *data)
{
	struct acg_session *session = data;
	bool more;

	if (session->resumes)
		take_resent(session);
	session->resumes = false;
	more = take_waiting(session);
	(void)fd;
	(void)condition;
	settle(session);
	if (!more)
		end(session);
	return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- taking over -------------------------------------------------------------------------------------------- */

/* A worker that died while it handled a request makes that request suspect. */
static void note_death(struct acg_shared *shared)
{
	if (!shared->handling)
		return;
	shared->deaths = shared->handling == shared->suspect ? shared->deaths + 1 : 1;
	shared->suspect = shared->handling;
	shared->handling = 0;
}

static int take_over(struct acg_session *session, GError **error)
{
	struct acg_fs *fs = session->fs;
	int ret;

	note_death(fs->shared);
	if (fs->shared->init_out_len)
		give_init_again(session);
	acg_fs_reopen(fs);
	ret = acg_wire_resend(fs->fuse_fd);
	if (ret)
		return acg_fail_errno(error, -ret,
				      "cannot ask the kernel for the requests in flight (it needs "
				      "FUSE_NOTIFY_RESEND, Linux 6.9)");
	session->resumes = true;
	return 0;
}

static struct fuse_session *new_session(struct acg_fs *fs, bool debug)
{
	static const struct fuse_custom_io io = {.writev = io_writev, .read = io_read};
	const char *argv[] = {"agentcgd", "-d"};
	struct fuse_args args = FUSE_ARGS_INIT(debug ? 2 : 1, (char **)argv);
	struct fuse_session *session = fuse_session_new(&args, &acg_fs_ops, sizeof(acg_fs_ops), fs);
	int fd = fcntl(fs->fuse_fd, F_DUPFD_CLOEXEC, 0); /* libfuse closes it in the end */

	fuse_opt_free_args(&args);
	if (session && fd >= 0 && fuse_session_custom_io(session, &io, fd) == 0)
		return session;
	if (session)
		fuse_session_destroy(session);
	if (fd >= 0)
		close(fd);
	return NULL;
}

int acg_session_new(struct acg_fs *fs, int fuse_fd, bool debug, void (*on_end)(void *data),
		    void *data, struct acg_session **ret_session, GError **error)
{
	struct acg_session *session = g_new0(struct acg_session, 1);
	bool first = !fs->shared->init_in_len;
	int ret;

	fs->fuse_fd = fuse_fd;
	session->fs = fs;
	session->on_end = on_end;
	session->data = data;
	session->pace = acg_pace_new();
	session->session = new_session(fs, debug);
	fcntl(fuse_fd, F_SETFL, fcntl(fuse_fd, F_GETFL) | O_NONBLOCK);
	ret = !session->session ? acg_fail(error, EIO, "cannot make a FUSE session")
	      : first           ? 0
				: take_over(session, error);
	if (ret) {
		acg_session_free(session);
		return ret;
	}
	acg_manager_defer(fs->manager);
	session->source = acg_watch_fd(fuse_fd, G_IO_IN | G_IO_ERR | G_IO_HUP, on_request, session);
	*ret_session = session;
	return 0;
}

static void abort_kept(struct acg_session *session)
{
	uint64_t agent;
	GBytes *request;

	if (session->due_source)
		g_source_remove(session->due_source);
	while ((request = acg_pace_due(session->pace, INT64_MAX, &agent))) {
		size_t size;
		const void *data = g_bytes_get_data(request, &size);

		acg_wire_fail(session->fs->fuse_fd, acg_wire_parse(data, size).id, ENODEV);
		g_bytes_unref(request);
	}
	acg_pace_free(session->pace);
}

void acg_session_free(struct acg_session *session)
{
	if (!session)
		return;
	if (session->source)
		g_source_remove(session->source);
	abort_kept(session);
	acg_stream_abort(session->fs);
	if (session->session)
		fuse_session_destroy(session->session);
	free(session->buf.mem);
	g_free(session);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounting and serving; see the header. */
#include "fusefs/session.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Requests answered before other sources get their turn. */
#define REQUESTS_PER_TURN 64

struct acg_session {
	struct acg_fs *fs;
	struct fuse_session *session;
	struct fuse_buf buf;
	unsigned int source;
	void (*on_end)(void *data);
	void *data;
};

static void end(struct acg_session *session)
{
	session->source = 0;
	session->on_end(session->data);
}

static gboolean on_request(int fd, GIOCondition condition, void *data)
{
	struct acg_session *session = data;

	(void)fd;
	(void)condition;
	for (unsigned int i = 0; i < REQUESTS_PER_TURN; i++) {
		int ret = fuse_session_receive_buf(session->session, &session->buf);

		if (ret == -EAGAIN)
			return G_SOURCE_CONTINUE;
		if (ret == -EINTR ||
		    ret == -ENOENT) /* ENOENT: the request was taken back meanwhile */
			continue;
		if (ret <= 0 || fuse_session_exited(session->session)) {
			end(session);
			return G_SOURCE_REMOVE;
		}
		fuse_session_process_buf(session->session, &session->buf);
	}
	return G_SOURCE_CONTINUE;
}

static int check_mountpoint(const char *mountpoint, GError **error)
{
	struct stat st;
	int ret = stat(mountpoint, &st);

	if (ret < 0 && errno == ENOTCONN && umount2(mountpoint, MNT_DETACH) == 0)
		ret = stat(mountpoint, &st);
	if (ret < 0)
		return acg_fail_errno(error, errno, "cannot mount at %s", mountpoint);
	if (!S_ISDIR(st.st_mode))
		return acg_fail(error, ENOTDIR, "cannot mount at %s: it is no directory",
				mountpoint);
	return 0;
}

static struct fuse_session *new_session(struct acg_fs *fs, bool debug)
{
	const char *argv[] = {"agentcgd", "-o",
			      "allow_other,nosuid,nodev,noexec,fsname=agentcg,subtype=agentcg",
			      debug ? "-d" : NULL};
	struct fuse_args args = FUSE_ARGS_INIT(debug ? 4 : 3, (char **)argv);
	struct fuse_session *session = fuse_session_new(&args, &acg_fs_ops, sizeof(acg_fs_ops), fs);

	fuse_opt_free_args(&args);
	return session;
}

int acg_session_mount(struct acg_fs *fs, const char *mountpoint, bool debug,
		      void (*on_end)(void *data), void *data, struct acg_session **ret_session,
		      GError **error)
{
	struct acg_session *session;
	int ret = check_mountpoint(mountpoint, error);
	int fd;

	if (ret)
		return ret;
	session = g_new0(struct acg_session, 1);
	session->fs = fs;
	session->on_end = on_end;
	session->data = data;
	session->session = new_session(fs, debug);
	if (!session->session || fuse_session_mount(session->session, mountpoint) < 0) {
		if (session->session)
			fuse_session_destroy(session->session);
		g_free(session);
		return acg_fail(error, EIO,
				"cannot mount at %s: is /dev/fuse there, and are you root?",
				mountpoint);
	}
	fs->session = session->session;
	fd = fuse_session_fd(session->session);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	session->source = g_unix_fd_add(fd, G_IO_IN | G_IO_ERR | G_IO_HUP, on_request, session);
	*ret_session = session;
	return 0;
}

void acg_session_free(struct acg_session *session)
{
	if (!session)
		return;
	if (session->source)
		g_source_remove(session->source);
	acg_stream_abort(session->fs);
	fuse_session_unmount(session->session);
	fuse_session_destroy(session->session);
	free(session->buf.mem);
	g_free(session);
}

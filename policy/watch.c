/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inotify and PSI triggers; see the header. */
#include "policy/watch.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "policy/enforcer.h"

/* One watched file; the kernel knows it by wd. */
struct watched {
	uint64_t id;
	const char *file; /* interned */
	int wd;
};

/* All that is watched of one node. */
struct watched_node {
	uint64_t id;
	GPtrArray *files; /* struct watched, owned by by_wd */
	int psi_fd;       /* -1: none; closed, it leaves the epoll */
};

/* What a trigger said. */
struct heard {
	uint64_t id;
	uint64_t gone; /* 1: there will be no more, the cgroup is gone */
};

struct acg_watch {
	struct acg_watch_callbacks callbacks;
	int inotify_fd;
	unsigned int source;
	struct psi {
		int epoll_fd;
		int stop_fd; /* an eventfd that ends the thread */
		int pipe[2]; /* struct heard, from the thread */
		GThread *thread;
		unsigned int source;
	} psi;
	GHashTable *by_wd;   /* wd -> struct watched, owned */
	GHashTable *by_node; /* &id -> struct watched_node, owned */
};

static void watched_node_free(void *data)
{
	struct watched_node *node = data;

	if (node->psi_fd >= 0)
		close(node->psi_fd);
	g_ptr_array_unref(node->files);
	g_free(node);
}

static void dispatch(struct acg_watch *watch, const struct inotify_event *event)
{
	struct watched *watched = g_hash_table_lookup(watch->by_wd, GINT_TO_POINTER(event->wd));

	if (watched && (event->mask & IN_MODIFY))
		watch->callbacks.changed(watch->callbacks.data, watched->id, watched->file);
}

static gboolean on_inotify(int fd, GIOCondition condition, void *data)
{
	char buf[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct acg_watch *watch = data;
	const struct inotify_event *event;
	ssize_t n = read(fd, buf, sizeof(buf)); /* if there are more we are called again */

	(void)condition;
	for (char *at = buf; at < buf + n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)at;
		dispatch(watch, event);
	}
	return G_SOURCE_CONTINUE;
}

/* --- PSI ----------------------------------------------------------------------------------------------------- */

static void psi_event(struct acg_watch *watch, const struct heard *heard)
{
	struct watched_node *node = g_hash_table_lookup(watch->by_node, &heard->id);

	if (!node || node->psi_fd < 0)
		return; /* removed meanwhile */
	if (heard->gone) {
		close(node->psi_fd);
		node->psi_fd = -1;
		return;
	}
	watch->callbacks.pressure(watch->callbacks.data, heard->id);
}

static gboolean on_psi(int fd, GIOCondition condition, void *data)
{
	struct heard heard[64]; /* if there are more we are called again */
	ssize_t n = read(fd, heard, sizeof(heard));

	(void)condition;
	for (unsigned int i = 0; (i + 1) * sizeof(*heard) <= (size_t)MAX(n, 0); i++)
		psi_event(data, &heard[i]);
	return G_SOURCE_CONTINUE;
}

/* The thread. Id 0 is stop_fd. */
static void *hear_psi(void *data)
{
	const struct psi *psi = data;
	struct epoll_event events[16];

	for (;;) {
		int n = epoll_wait(psi->epoll_fd, events, G_N_ELEMENTS(events), -1);

		for (int i = 0; i < n; i++) {
			const struct heard heard = {events[i].data.u64,
						    (events[i].events & EPOLLERR) != 0};

			if (!heard.id)
				return NULL;
			/* A full pipe has as much to say as anybody can listen to. */
			if (write(psi->pipe[1], &heard, sizeof(heard)) < 0)
				continue;
		}
	}
}

static void psi_close(const struct psi *psi)
{
	const int fds[] = {psi->pipe[0], psi->pipe[1], psi->stop_fd, psi->epoll_fd};

	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int psi_start(struct acg_watch *watch, GError **error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
	struct psi *psi = &watch->psi;
	int saved;

	psi->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	psi->stop_fd = eventfd(0, EFD_CLOEXEC);
	psi->pipe[0] = psi->pipe[1] = -1;
	if (pipe2(psi->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    epoll_ctl(psi->epoll_fd, EPOLL_CTL_ADD, psi->stop_fd, &event) < 0) {
		saved = errno;
		psi_close(psi);
		return acg_fail_errno(error, saved, "cannot wait for PSI triggers");
	}
	psi->source = acg_watch_fd(psi->pipe[0], G_IO_IN, on_psi, watch);
	psi->thread = g_thread_new("psi", hear_psi, psi);
	return 0;
}

static void psi_stop(const struct psi *psi)
{
	g_source_remove(psi->source);
	eventfd_write(psi->stop_fd, 1);
	g_thread_join(psi->thread);
	psi_close(psi);
}

unsigned int acg_watch_fd(int fd, GIOCondition condition, GUnixFDSourceFunc fn, void *data)
{
	GSource *source = g_unix_fd_source_new(fd, condition);
	unsigned int id;

	g_source_set_can_recurse(source, TRUE);
	g_source_set_callback(source, G_SOURCE_FUNC(fn), data, NULL);
	id = g_source_attach(source, NULL);
	g_source_unref(source);
	return id;
}

int acg_watch_new(const struct acg_watch_callbacks *callbacks, struct acg_watch **ret_watch,
		  GError **error)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), ret;
	struct acg_watch *watch;

	if (fd < 0)
		return acg_fail_errno(error, errno,
				      "cannot use inotify (see /proc/sys/fs/inotify)");
	watch = g_new0(struct acg_watch, 1);
	ret = psi_start(watch, error);
	if (ret) {
		close(fd);
		g_free(watch);
		return ret;
	}
	watch->callbacks = *callbacks;
	watch->inotify_fd = fd;
	watch->by_wd = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
	watch->by_node =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, watched_node_free);
	watch->source = acg_watch_fd(fd, G_IO_IN, on_inotify, watch);
	*ret_watch = watch;
	return 0;
}

void acg_watch_free(struct acg_watch *watch)
{
	if (!watch)
		return;
	g_source_remove(watch->source);
	psi_stop(&watch->psi);
	g_hash_table_unref(watch->by_node);
	g_hash_table_unref(watch->by_wd);
	close(watch->inotify_fd);
	g_free(watch);
}

static struct watched_node *node_entry(struct acg_watch *watch, uint64_t id)
{
	struct watched_node *entry = g_hash_table_lookup(watch->by_node, &id);

	if (entry)
		return entry;
	entry = g_new0(struct watched_node, 1);
	entry->id = id;
	entry->psi_fd = -1;
	entry->files = g_ptr_array_new();
	g_hash_table_insert(watch->by_node, &entry->id, entry);
	return entry;
}

int acg_watch_file(struct acg_watch *watch, const struct acg_node *node, const char *file,
		   GError **error)
{
	struct watched_node *entry = node_entry(watch, node->id);
	struct watched *watched;
	char path[128];
	int wd;

	for (unsigned int i = 0; i < entry->files->len; i++)
		if (strcmp(((struct watched *)entry->files->pdata[i])->file, file) == 0)
			return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", node->group->dirfd, file);
	wd = inotify_add_watch(watch->inotify_fd, path, IN_MODIFY);
	if (wd < 0)
		return acg_fail_errno(error, errno, "cannot watch %s", file);
	watched = g_new(struct watched, 1);
	*watched = (struct watched){node->id, g_intern_string(file), wd};
	g_hash_table_insert(watch->by_wd, GINT_TO_POINTER(wd), watched);
	g_ptr_array_add(entry->files, watched);
	return 0;
}

/* Opens memory.pressure with the trigger written. */
static int open_trigger(int dirfd, uint64_t stall, uint64_t window, GError **error)
{
	int fd = openat(dirfd, "memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char trigger[64];
	int saved;

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open memory.pressure");
	snprintf(trigger, sizeof(trigger), "some %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, stall,
		 window);
	if (write(fd, trigger, strlen(trigger) + 1) >= 0)
		return fd;
	saved = errno;
	close(fd);
	return acg_fail_errno(error, saved, "the kernel refused the PSI trigger \"%s\"", trigger);
}

int acg_watch_pressure(struct acg_watch *watch, const struct acg_node *node, uint64_t stall,
		       uint64_t window, GError **error)
{
	struct watched_node *entry = node_entry(watch, node->id);
	struct epoll_event event = {.events = EPOLLPRI | EPOLLET, .data.u64 = node->id};
	int fd, saved;

	if (entry->psi_fd >= 0)
		return 0;
	fd = open_trigger(node->group->dirfd, stall, window, error);
	if (fd < 0)
		return fd;
	if (epoll_ctl(watch->psi.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		saved = errno;
		close(fd);
		return acg_fail_errno(error, saved, "cannot wait for memory.pressure");
	}
	entry->psi_fd = fd;
	return 0;
}

void acg_watch_remove(struct acg_watch *watch, uint64_t id)
{
	struct watched_node *entry = g_hash_table_lookup(watch->by_node, &id);

	if (!entry)
		return;
	for (unsigned int i = 0; i < entry->files->len; i++) {
		int wd = ((struct watched *)entry->files->pdata[i])->wd;

		/* The kernel does not drop a watch by itself when a cgroup is removed: the watch would pin it. */
		inotify_rm_watch(watch->inotify_fd, wd);
		g_hash_table_remove(watch->by_wd, GINT_TO_POINTER(wd));
	}
	g_hash_table_remove(watch->by_node, &id);
}
